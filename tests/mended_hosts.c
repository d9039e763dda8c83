/*
 * mended_hosts.c - what hosts overlooked once, and whom they kept waiting; held down here
 */
#include "mended_host.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARKED = HOST_FLAGS, STOP, READY }; /* indexes of world->flag */
enum { SLOT };                             /* of world->number */

/* ------------------------------------------------------------------------------------------------ the hooks */

static _Atomic int64_t asleep_at; /* what the scanner's bell said before the look after which it sleeps */

static _Atomic uint32_t *bell(void)
{
	return &here->slots[here->slot].work;
}

static enum cv_slept tells_the_scanner_sleeps(const struct cv_futex *one, int64_t deadline)
{
	if (one->word == bell())
		atomic_store(&asleep_at, (int64_t)one->expected);
	return kernel.wait(one, deadline);
}

/* Before the host is opened. */
static void watch_the_scanner(void)
{
	atomic_store(&asleep_at, -1);
	atomic_store(&world->number[SLOT], here->slot);
	cv_kernel.wait = tells_the_scanner_sleeps;
}

/* Nothing that was rung up to now keeps the scanner awake. */
static bool scanner_sleeps(void)
{
	return atomic_load(&asleep_at) == (int64_t)atomic_load(bell());
}

struct cds_lfht;
struct cds_lfht_node;
typedef int (*match)(struct cds_lfht_node *, const void *);
static void (*_Atomic before_adding)(void);

/* In the place of the library's. */
__attribute__((visibility("default"))) struct cds_lfht_node *cds_lfht_add_replace(
        struct cds_lfht *, unsigned long, match, const void *, struct cds_lfht_node *);

struct cds_lfht_node *cds_lfht_add_replace(
        struct cds_lfht *table, unsigned long hash, match same, const void *key, struct cds_lfht_node *node)
{
	struct cds_lfht_node *(*real)(struct cds_lfht *, unsigned long, match, const void *, struct cds_lfht_node *) =
	        NULL;
	void (*before)(void) = atomic_exchange(&before_adding, NULL);

	*(void **)&real = dlsym(RTLD_NEXT, "cds_lfht_add_replace"); /* as POSIX has it */
	must(real != NULL);
	if (before != NULL)
		before();
	return real(table, hash, same, key, node);
}

__attribute__((visibility("default"))) int cds_lfht_del(struct cds_lfht *, struct cds_lfht_node *);

/* The library's own look at the node is not one that a sanitizer sees. */
int cds_lfht_del(struct cds_lfht *table, struct cds_lfht_node *node)
{
	int (*real)(struct cds_lfht *, struct cds_lfht_node *) = NULL;

	*(void **)&real = dlsym(RTLD_NEXT, "cds_lfht_del");
	must(real != NULL);
	(void)*(volatile char *)node;
	return real(table, node);
}

/* ------------------------------------------------------------------------------------------------ overlooked requests */

static enum cv_slept tells_it_sleeps(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	atomic_store(&world->flag[PARKED], 1);
	return kernel.waitv(list, count, deadline);
}

static int asks_early(void *context)
{
	covey *c = world_open();

	(void)context;
	cv_kernel.waitv = tells_it_sleeps;
	until(atomic_load(&world->flag[GO]));
	must(ask(c, "g", "early") == COVEY_OK);
	covey_close(c);
	return 0;
}

static void somebody_asks(void)
{
	atomic_store(&world->flag[GO], 1);
	until(atomic_load(&world->flag[PARKED]));
	until(scanner_sleeps());
}

/* What was asked when the worker led its group already, but the scanner could not find it yet, was not looked at. */
static void asked_before_its_entry_is_there(void **state)
{
	struct covey_host *host;
	pid_t child;

	(void)state;
	begin(NULL);
	child = world_spawn(asks_early, NULL);
	watch_the_scanner();
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	atomic_store(&before_adding, somebody_asks);
	start(here, host, &device, "g", NULL);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(atomic_load(&world->flag[GO]), 1);
	covey_host_close(host);
	end();
}

static int how;

static int ends_before_it_wakes(_Atomic uint32_t *word, int count)
{
	if (word == &here->slots[atomic_load(&world->number[SLOT])].work)
		raise(how);
	return kernel.wake(word, count);
}

static int rings_and_ends(void *context)
{
	how = *(int *)context;
	here = world_open();
	cv_kernel.wake = ends_before_it_wakes;
	ask(here, "a", "x");
	return 0;
}

/* A waiter that was stopped or killed after it had taken down the flag that says that the host sleeps, and before it had
 * woken it: the host was not woken by anybody after that. */
static void a_waiter_ends_as_it_rings_a_host(void **state)
{
	static int ways[] = {SIGKILL, SIGSTOP};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct covey_host *host;
		pid_t child;
		int status;

		begin(NULL);
		watch_the_scanner();
		assert_int_equal(covey_host_open(here, 2, &host), 0);
		start(here, host, &device, "a", NULL);
		start(here, host, &device, "b", NULL);
		until(scanner_sleeps());
		child = world_spawn(rings_and_ends, &ways[i]);
		assert_int_equal(waitpid(child, &status, WUNTRACED), child);
		assert_true(WIFSTOPPED(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		assert_int_equal(ask(here, "b", "x"), COVEY_OK);
		assert_int_equal(ask(here, "b", "y"), COVEY_OK);
		if (WIFSTOPPED(status))
			world_kill(child);
		covey_host_close(host);
		end();
	}
}

/* ------------------------------------------------------------------------------------------------ deposed */

static struct covey_worker *depose(struct covey_host *host, struct covey_worker **successor)
{
	struct covey_worker *deposed;
	struct covey_info info;
	struct covey_lead lead;

	start(here, host, &device, "g", &deposed);
	assert_int_equal(covey_find(here, "g", 1, &info), 0);
	assert_int_equal(covey_take_over(here, "g", 1, info.generation, &lead), COVEY_LEADER);
	assert_int_equal(covey_unregister(here, &lead), 0);
	start(here, host, &device, "g", successor);
	return deposed;
}

/* A deposed worker whose group another worker of the same host leads was found by nobody: it never ended. */
static void a_deposed_worker_ends_by_itself(void **state)
{
	struct covey_worker *deposed, *successor;
	struct covey_host *host;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	deposed = depose(host, &successor);
	assert_int_equal(covey_wait_worker(deposed, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(deposed), COVEY_EFENCED);
	assert_int_equal(ask(here, "g", "x"), COVEY_OK);
	assert_int_equal(covey_stop_worker(successor), COVEY_ESTOPPED);
	covey_host_close(host);
	end();
}

/* Its successor freed its entry in the table, which it looked at again as it ended: the address sanitizer tells. */
static void a_deposed_worker_is_stopped(void **state)
{
	struct covey_worker *deposed, *successor;
	struct covey_host *host, *other;
	int r;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	deposed = depose(host, &successor);
	assert_int_equal(covey_host_open(here, 1, &other), 0);
	covey_host_close(other); /* all that was to be freed, is */
	r = covey_stop_worker(deposed);
	assert_true(r == COVEY_EFENCED || r == COVEY_ESTOPPED);
	assert_int_equal(ask(here, "g", "x"), COVEY_OK);
	covey_host_close(host);
	assert_int_equal(covey_stop_worker(successor), COVEY_ESTOPPED);
	end();
}

/* ------------------------------------------------------------------------------------------------ circles */

static _Atomic int registrar_known, inner;
static pthread_t registrar; /* the thread that began a's worker, and registered its group */

static int begins(void **self, struct covey_bytes base)
{
	(void)self;
	if (asks_for(base, "a")) {
		registrar = pthread_self();
		atomic_store(&registrar_known, 1);
	}
	return 0;
}

/* "x" holds that thread, and no other; "a" asks what its asker leads. */
static int goes_in_a_circle(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	if (asks_for(base, "x") && pthread_equal(pthread_self(), registrar)) {
		atomic_store(&world->flag[PARKED], 1);
		return compute(self, base, bytes("hold"), answer);
	}
	if (asks_for(base, "a"))
		atomic_store(&inner, ask(here, "Y", "x"));
	return compute(self, base, request, answer);
}

static int asks_until_held(void *context)
{
	covey *c = world_open();

	(void)context;
	until(ask(c, "x", "x") == COVEY_OK && atomic_load(&world->flag[HOLD]) == 0);
	covey_close(c);
	return 0;
}

static int leads_and_asks(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	int r;

	(void)context;
	must(lead_of(c, "Y", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	r = ask(c, "a", "x");
	must(covey_unregister(c, &lead) == 0);
	covey_close(c);
	return r;
}

/* The group of a host's worker was led by the thread that had begun it, whichever thread computed: a circle through its
 * callbacks was not seen, and all in it waited for ever. */
static void a_circle_is_seen(void **state)
{
	const struct covey_device circle = {.group = group, .compute = goes_in_a_circle, .begin = begins};
	struct covey_host *host;
	pid_t holder, leader;
	int outer;

	(void)state;
	begin(NULL);
	atomic_store(&world->flag[HOLD], 1);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	start(here, host, &circle, "a", NULL);
	start(here, host, &circle, "x", NULL);
	assert_int_equal(atomic_load(&registrar_known), 1);
	holder = world_spawn(asks_until_held, NULL);
	until(atomic_load(&world->flag[PARKED]) == 1);
	leader = world_spawn(leads_and_asks, NULL);
	outer = world_join(leader);
	assert_true((outer == COVEY_CYCLE) != (atomic_load(&inner) == COVEY_CYCLE));
	assert_true(outer == COVEY_CYCLE || outer == COVEY_OK);
	atomic_store(&world->flag[HOLD], 0);
	assert_int_equal(world_join(holder), 0);
	covey_host_close(host);
	end();
}

/* ------------------------------------------------------------------------------------------------ turns */

/* There is always a next request for "hot". */
static int never_through(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	if (asks_for(base, "hot"))
		until(world_waiters(here, "hot") >= 2 || atomic_load(&world->flag[STOP]));
	return compute(self, base, request, answer);
}

static int asks_on_and_on(void *context)
{
	covey *c = world_open();
	char request[16];

	(void)context;
	snprintf(request, sizeof(request), "%d", (int)getpid());
	while (!atomic_load(&world->flag[STOP]))
		must(ask(c, "hot", request) == COVEY_OK);
	covey_close(c);
	return 0;
}

/* A worker that was asked again and again kept its thread for ever: with one thread, no other group was served. */
static void a_busy_group_and_a_quiet_one(void **state)
{
	const struct covey_device busy = {.group = group, .compute = never_through};
	struct covey_host *host;
	pid_t child[3];

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 1, &host), 0);
	start(here, host, &busy, "quiet", NULL);
	start(here, host, &busy, "hot", NULL);
	for (int i = 0; i < 3; i++)
		child[i] = world_spawn(asks_on_and_on, NULL);
	until(world_waiters(here, "hot") >= 2);
	assert_int_equal(ask(here, "quiet", "x"), COVEY_OK);
	assert_int_equal(ask(here, "quiet", "y"), COVEY_OK);
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(child[i]), 0);
	covey_host_close(host);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(asked_before_its_entry_is_there),
	        cmocka_unit_test(a_waiter_ends_as_it_rings_a_host),
	        cmocka_unit_test(a_deposed_worker_ends_by_itself),
	        cmocka_unit_test(a_deposed_worker_is_stopped),
	        cmocka_unit_test(a_circle_is_seen),
	        cmocka_unit_test(a_busy_group_and_a_quiet_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
