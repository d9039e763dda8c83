/*
 * mended_hosts.c - hosts failed in each of these ways once; held down here
 *
 * What was a matter of luck is brought about: cv_kernel's calls, and the table's, are replaced by some that wait for
 * the other side, or stop their process, at the moment that matters.
 */
#include "world.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"

enum { GO, HOLD, PARKED, STOP, READY }; /* indexes of world->flag */
enum { RUNNING, ENDED };                /* of world->count */
enum { SLOT };                          /* of world->number */

static covey *here;
static struct cv_futex_ops kernel; /* the real one */

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

/* ------------------------------------------------------------------------------------------------ a device */

static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static bool asks_for(struct covey_bytes request, const char *what)
{
	return request.size == strlen(what) && memcmp(request.data, what, request.size) == 0;
}

/* The answer is the base, so that a worker left behind has it as its own; "hold" lasts while flag[HOLD] is up. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self;
	atomic_fetch_add(&world->count[RUNNING], 1);
	if (asks_for(request, "hold"))
		until(atomic_load(&world->flag[HOLD]) == 0);
	atomic_fetch_sub(&world->count[RUNNING], 1);
	return covey_answer_copy(answer, base.data, base.size);
}

static const struct covey_device device = {.group = group, .compute = compute};

/* Never idle: what was overlooked is not found by accident. */
static struct covey_worker_options on(struct covey_host *host)
{
	return (struct covey_worker_options){.static_worker = 1, .host = host, .worker_timeout = COVEY_FOREVER};
}

static struct covey_worker *start(covey *c, struct covey_host *host, const struct covey_device *d, const char *base)
{
	const struct covey_worker_options options = on(host);
	struct covey_worker *worker;

	assert_int_equal(covey_start_worker(c, d, NULL, 0, bytes(base), &options, &worker), 0);
	return worker;
}

static int ask(covey *c, const char *name, const char *request)
{
	struct covey_result result = {0};
	struct covey_lead lead;
	int r = covey_join(c, name, strlen(name), &lead);

	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result);
	covey_release(c, &result);
	return r;
}

/* It asks the group of this name to hold. */
static int holds(void *context)
{
	covey *c = world_open();

	must(covey_participant(c) > 0);
	atomic_fetch_add(&world->flag[READY], 1);
	until(atomic_load(&world->flag[GO]));
	must(ask(c, context, "hold") == COVEY_OK);
	covey_close(c);
	return 0;
}

static bool gone(pid_t child, int *status)
{
	return waitpid(child, status, WNOHANG) == child;
}

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

/* Nothing that was rung up to now keeps the scanner awake. */
static bool scanner_sleeps(void)
{
	return atomic_load(&asleep_at) == (int64_t)atomic_load(bell());
}

static void begin(const struct covey_options *options)
{
	world_begin(options);
	kernel = cv_kernel;
	here = world_open();
	atomic_store(&asleep_at, -1);
	atomic_store(&world->number[SLOT], here->slot);
}

static void end(void)
{
	cv_kernel = kernel;
	world_settle(here, 1);
	world_check(here, 0);
	covey_close(here);
	world_end();
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

	*(void **)&real = dlsym(RTLD_NEXT, "cds_lfht_add_replace");
	must(real != NULL);
	if (before != NULL)
		before();
	return real(table, hash, same, key, node);
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
	cv_kernel.wait = tells_the_scanner_sleeps;
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	atomic_store(&before_adding, somebody_asks);
	start(here, host, &device, "g");
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
		cv_kernel.wait = tells_the_scanner_sleeps;
		assert_int_equal(covey_host_open(here, 2, &host), 0);
		start(here, host, &device, "a");
		start(here, host, &device, "b");
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
	struct covey_worker *deposed = start(here, host, &device, "g");
	struct covey_info info;
	struct covey_lead lead;

	assert_int_equal(covey_find(here, "g", 1, &info), 0);
	assert_int_equal(covey_take_over(here, "g", 1, info.generation, &lead), COVEY_LEADER);
	assert_int_equal(covey_unregister(here, &lead), 0);
	*successor = start(here, host, &device, "g");
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

/* ------------------------------------------------------------------------------------------------ seats */

static _Atomic int seated;

static void *sits(void *context)
{
	(void)covey_participant(context);
	atomic_fetch_add(&seated, 1);
	until(atomic_load(&world->flag[STOP]));
	return NULL;
}

static uint32_t free_seats(void)
{
	struct covey_usage usage;

	must(covey_usage_of(here, &usage) == 0);
	return usage.threads_max - usage.threads;
}

/* A host's threads took their seats when they first needed them.  If there were none, the group of the worker whose turn
 * it was could neither be served nor given up. */
static void no_seats_for_its_threads(void **state)
{
	const struct covey_options options = {.threads = 9, .participants = 8};
	struct covey_host *host, *none;
	pthread_t sitter[16];
	pid_t child;
	int sitters = 0;

	(void)state;
	begin(&options);
	atomic_store(&seated, 0);
	assert_int_equal(covey_host_open(here, free_seats() + 1, &none), COVEY_EFULL);
	child = world_spawn(holds, (void *)"a");
	until(atomic_load(&world->flag[READY]) == 1);
	atomic_store(&world->flag[HOLD], 1);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	start(here, host, &device, "a");
	for (; free_seats() != 0; sitters++) {
		must(sitters < 16 && pthread_create(&sitter[sitters], NULL, sits, here) == 0);
		until(atomic_load(&seated) == sitters + 1);
	}
	assert_int_equal(covey_host_open(here, 1, &none), COVEY_EFULL);
	/* Its threads have theirs: while one computes, the other serves. */
	atomic_store(&world->flag[GO], 1);
	until(atomic_load(&world->count[RUNNING]) == 1);
	start(here, host, &device, "b");
	assert_int_equal(ask(here, "b", "x"), COVEY_OK);
	atomic_store(&world->flag[HOLD], 0);
	assert_int_equal(world_join(child), 0);
	covey_host_close(host);
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < sitters; i++)
		pthread_join(sitter[i], NULL);
	end();
}

/* ------------------------------------------------------------------------------------------------ closing */

static pthread_t resolver, closer;

static bool request_bell(const _Atomic uint32_t *word)
{
	for (uint32_t i = 1; i <= here->arena.node_count; i++)
		if (word == &here->arena.nodes[i].request_bell)
			return true;
	return false;
}

/* The group is handed over, and the worker not told yet: now its only thread gets something else to do. */
static int keeps_the_thread_busy(_Atomic uint32_t *word, int count)
{
	if (pthread_equal(pthread_self(), resolver) && !atomic_load(&world->flag[GO]) && request_bell(word)) {
		atomic_store(&world->flag[GO], 1);
		until(atomic_load(&world->count[RUNNING]) == 1);
	}
	return kernel.wake(word, count);
}

static enum cv_slept tells_it_closes(const struct cv_futex *one, int64_t deadline)
{
	if (atomic_load(&world->flag[STOP]) == 1 && pthread_equal(pthread_self(), closer))
		atomic_store(&world->flag[STOP], 2);
	return kernel.wait(one, deadline);
}

static void *closes(void *host)
{
	closer = pthread_self();
	atomic_store(&world->flag[STOP], 1);
	covey_host_close(host);
	return NULL;
}

static int computes_when_awaited(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	if (asks_for(request, "first"))
		until(world_waiters(here, "g") == 1);
	return compute(self, base, request, answer);
}

static int asks_something_else(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	int r;

	(void)context;
	until(covey_join(c, "g", 1, &lead) == COVEY_WAIT);
	r = ask(c, "g", "other");
	must(r == COVEY_OK || r == COVEY_GAVE_UP);
	covey_close(c);
	return 0;
}

/* A host that was closed when a group had just been handed to one of its workers left that group to nobody. */
static void closed_as_a_group_is_handed_over(void **state)
{
	const struct covey_device patient = {.group = group, .compute = computes_when_awaited};
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE};
	struct covey_result result;
	struct covey_host *host;
	pid_t holder, other;
	pthread_t thread;

	(void)state;
	begin(NULL);
	resolver = pthread_self();
	atomic_store(&world->flag[HOLD], 1);
	holder = world_spawn(holds, (void *)"x");
	until(atomic_load(&world->flag[READY]) == 1);
	other = world_spawn(asks_something_else, NULL);
	cv_kernel.wake = keeps_the_thread_busy;
	cv_kernel.wait = tells_it_closes;
	assert_int_equal(covey_host_open(here, 1, &host), 0);
	start(here, host, &device, "x");
	options.worker = on(host);
	assert_int_equal(covey_resolve(here, &patient, bytes("g"), bytes("first"), &options, &result), COVEY_OK);
	covey_release(here, &result);
	assert_int_equal(atomic_load(&world->flag[GO]), 1);
	must(pthread_create(&thread, NULL, closes, host) == 0);
	until(atomic_load(&world->flag[STOP]) == 2);
	atomic_store(&world->flag[HOLD], 0);
	pthread_join(thread, NULL);
	assert_int_equal(covey_find(here, "g", 1, NULL), COVEY_ENOENT);
	assert_int_equal(world_join(holder), 0);
	assert_int_equal(world_join(other), 0);
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
	start(here, host, &circle, "a");
	start(here, host, &circle, "x");
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

/* ------------------------------------------------------------------------------------------------ memory */

static covey *elsewhere;
static FILE *stream;
static void *_Atomic kept[64];

static int echo(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

/* Whatever has memory of its own, which outlives this worker: another handle, a stream, a list of the program's. */
static int allocates(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	const struct covey_device echoes = {.compute = echo};
	struct covey_result result;

	must(covey_resolve(elsewhere, &echoes, base, request, NULL, &result) == COVEY_OK);
	covey_release(elsewhere, &result);
	must(fprintf(stream, ".") == 1);
	for (int i = 0; i < 64; i++)
		if (atomic_load(&kept[i]) == NULL)
			atomic_store(&kept[i], strdup("kept"));
	return compute(self, base, request, answer);
}

static int works_and_ends(void *context)
{
	const struct covey_device allocator = {.group = group, .compute = allocates};
	struct covey_host *host;
	char other[80], name[16], written[128] = "";

	(void)context;
	here = world_open();
	snprintf(other, sizeof(other), "%s-2", world->region);
	must(covey_open(&elsewhere, other, NULL) == 0 && covey_unlink(other) == 0);
	stream = tmpfile();
	must(stream != NULL && covey_host_open(here, 1, &host) == 0);
	for (int i = 0; i < 20; i++) {
		struct covey_worker_options options = {.static_worker = 1, .host = host};
		struct covey_worker *worker;

		snprintf(name, sizeof(name), "group %d", i);
		must(covey_start_worker(here, &allocator, NULL, 0, bytes(name), &options, &worker) == 0);
		for (int j = 0; j < 3; j++)
			must(ask(here, name, "x") == COVEY_OK);
		must(covey_stop_worker(worker) == COVEY_ESTOPPED);
		for (int j = 0; j < 64; j++)
			must(strcmp(atomic_load(&kept[j]), "kept") == 0);
	}
	for (int j = 0; j < 64; j++)
		free(atomic_load(&kept[j]));
	covey_host_close(host);
	rewind(stream);
	must(fread(written, 1, sizeof(written), stream) == 60 && strspn(written, ".") == 60);
	fclose(stream);
	covey_close(elsewhere);
	covey_close(here);
	return 0;
}

/* With a worker went all that was allocated in its callbacks: also the thread's place in another region, and the buffer of
 * a stream that was first written to there. */
static void memory_that_outlives_its_worker(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(works_and_ends, NULL)), 0);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ fork */

static int hosts_and_closes(void *context)
{
	covey *c = world_open();
	struct covey_worker_options options;
	struct covey_worker *worker;
	struct covey_host *host;

	(void)context;
	must(covey_host_open(c, 2, &host) == 0);
	options = on(host);
	must(covey_start_worker(c, &device, NULL, 0, bytes("child"), &options, &worker) == 0);
	must(ask(c, "child", "x") == COVEY_OK);
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
	covey_host_close(host);
	covey_close(c);
	return 0;
}

/* The thread that frees what no scanner holds any more does not live in a child: there a host could not be closed. */
static void a_child_has_a_host_of_its_own(void **state)
{
	struct covey_host *host;
	pid_t child;
	int status;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	assert_int_equal(covey_stop_worker(start(here, host, &device, "parent")), COVEY_ESTOPPED);
	child = world_spawn(hosts_and_closes, NULL); /* while its parent has one */
	until(gone(child, &status));
	assert_int_equal(status, 0);
	start(here, host, &device, "parent");
	assert_int_equal(ask(here, "parent", "x"), COVEY_OK);
	covey_host_close(host);
	child = world_spawn(hosts_and_closes, NULL); /* and after that */
	until(gone(child, &status));
	assert_int_equal(status, 0);
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
	start(here, host, &busy, "quiet");
	start(here, host, &busy, "hot");
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
	        cmocka_unit_test(no_seats_for_its_threads),
	        cmocka_unit_test(closed_as_a_group_is_handed_over),
	        cmocka_unit_test(a_circle_is_seen),
	        cmocka_unit_test(memory_that_outlives_its_worker),
	        cmocka_unit_test(a_child_has_a_host_of_its_own),
	        cmocka_unit_test(a_busy_group_and_a_quiet_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
