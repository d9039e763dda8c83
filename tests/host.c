/*
 * host.c - many workers in one process, served by a few threads; their memory
 */
#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { RUNNING, MOST, COMPUTED, IDLE, ENDED, RESULTS }; /* indexes of world->count */
enum { GO, HOLD };                                      /* of world->flag */

extern int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

/* ------------------------------------------------------------------------------------------------ a device */

/* The group is the base; the answer "BASE: REQUEST"; "hold" lasts while flag[HOLD] is up. */
static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	int running = atomic_fetch_add(&world->count[RUNNING], 1) + 1, most = atomic_load(&world->count[MOST]);
	char *at = covey_answer_room(answer, base.size + 2 + request.size);

	(void)self;
	must(at != NULL);
	while (running > most && !atomic_compare_exchange_weak(&world->count[MOST], &most, running)) {
	}
	memcpy(at, base.data, base.size);
	at[base.size] = ':';
	at[base.size + 1] = ' ';
	memcpy(at + base.size + 2, request.data, request.size);
	if (request.size == 4 && memcmp(request.data, "hold", 4) == 0)
		until(atomic_load(&world->flag[HOLD]) == 0);
	atomic_fetch_add(&world->count[COMPUTED], 1);
	atomic_fetch_sub(&world->count[RUNNING], 1);
	return 0;
}

static void idle(void *self, struct covey_bytes base)
{
	(void)self, (void)base;
	atomic_fetch_add(&world->count[IDLE], 1);
}

static void end(void *self)
{
	(void)self;
	atomic_fetch_add(&world->count[ENDED], 1);
}

static const struct covey_device device = {.group = group, .compute = compute, .idle = idle, .end = end};

static struct covey_worker_options on(struct covey_host *host)
{
	return (struct covey_worker_options){
	        .static_worker = 1, .host = host, .own_memory = 1, .worker_timeout = COVEY_FOREVER};
}

static void start(covey *c, struct covey_host *host, const char *base, struct covey_worker **out)
{
	const struct covey_worker_options options = on(host);

	assert_int_equal(covey_start_worker(c, &device, NULL, 0, bytes(base), &options, out), 0);
}

static int ask(covey *c, const char *group, const char *request)
{
	struct covey_result result = {0};
	struct covey_lead lead;
	char expected[128];
	int r = covey_join(c, group, strlen(group), &lead);

	snprintf(expected, sizeof(expected), "%s: %s", group, request);
	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result);
	must(r != COVEY_OK || says(&result, expected));
	covey_release(c, &result);
	return r;
}

/* ------------------------------------------------------------------------------------------------ many groups */

#define GROUPS 10000
#define CLIENTS 4
#define REQUESTS 5000

static int asks_many(void *context)
{
	covey *c = world_open();
	unsigned seed = (unsigned)getpid();
	char group[32];

	(void)context;
	for (int i = 0; i < REQUESTS; i++) {
		snprintf(group, sizeof(group), "group %d", rand_r(&seed) % GROUPS);
		must(ask(c, group, "who") == COVEY_OK);
	}
	atomic_fetch_add(&world->count[RESULTS], REQUESTS);
	covey_close(c);
	return 0;
}

static void ten_thousand_groups(void **state)
{
	const struct covey_options options = {.groups = 2 * GROUPS};
	struct covey_host_usage usage;
	struct covey_host *host;
	pid_t child[CLIENTS];
	char base[32];
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	assert_int_equal(covey_host_open(c, 2, &host), 0);
	for (int i = 0; i < GROUPS; i++) {
		snprintf(base, sizeof(base), "group %d", i);
		start(c, host, base, NULL);
	}
	for (int i = 0; i < CLIENTS; i++)
		child[i] = world_spawn(asks_many, NULL);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(covey_host_usage_of(host, &usage), 0);
	assert_int_equal(usage.workers, GROUPS);
	assert_int_equal(usage.answered, atomic_load(&world->count[COMPUTED]));
	assert_true(atomic_load(&world->count[COMPUTED]) <= CLIENTS * REQUESTS);
	assert_true(atomic_load(&world->count[MOST]) <= 2);
	print_message("%u workers, %u arenas, %d requests, %d computations\n", usage.workers, usage.arenas,
	        atomic_load(&world->count[RESULTS]), atomic_load(&world->count[COMPUTED]));
	covey_host_close(host);
	assert_int_equal(atomic_load(&world->count[ENDED]), GROUPS);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ at once */

static int holds(void *context)
{
	covey *c = world_open();

	must(ask(c, context, "hold") == COVEY_OK);
	covey_close(c);
	return 0;
}

/* Eight groups are asked at once: as many are computed as there are threads, and a ninth group waits for none of them
 * once a thread is free. */
static void as_many_as_threads(void **state)
{
	char name[8][8];
	struct covey_host *host;
	pid_t child[8];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	atomic_store(&world->flag[HOLD], 1);
	assert_int_equal(covey_host_open(c, 3, &host), 0);
	for (int i = 0; i < 8; i++) {
		snprintf(name[i], sizeof(name[i]), "g%d", i);
		start(c, host, name[i], NULL);
	}
	for (int i = 0; i < 8; i++)
		child[i] = world_spawn(holds, name[i]);
	until(atomic_load(&world->count[RUNNING]) == 3);
	for (int i = 0; i < 8; i++)
		until(world_waiters(c, name[i]) == 1);
	assert_int_equal(atomic_load(&world->count[RUNNING]), 3);
	atomic_store(&world->flag[HOLD], 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[MOST]), 3);
	/* One that is slow holds up no other. */
	atomic_store(&world->flag[HOLD], 1);
	child[0] = world_spawn(holds, name[0]);
	until(atomic_load(&world->count[RUNNING]) == 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(c, name[1 + i % 7], "quick"), COVEY_OK);
	atomic_store(&world->flag[HOLD], 0);
	assert_int_equal(world_join(child[0]), 0);
	covey_host_close(host);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ ends */

static void idle_workers_end(void **state)
{
	struct covey_worker_options options;
	struct covey_host_usage usage = {.workers = 1};
	struct covey_worker *kept, *stopped;
	struct covey_host *host;
	char base[32];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_host_open(c, 2, &host), 0);
	options = on(host);
	start(c, host, "stays", &stopped);
	options.worker_timeout = 20000000;
	for (int i = 0; i < 1000; i++) {
		snprintf(base, sizeof(base), "group %d", i);
		assert_int_equal(
		        covey_start_worker(c, &device, NULL, 0, bytes(base), &options, i == 0 ? &kept : NULL), 0);
	}
	assert_int_equal(covey_wait_worker(kept, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(kept), 0);
	until(covey_host_usage_of(host, &usage) == 0 && usage.workers == 1);
	assert_int_equal(atomic_load(&world->count[IDLE]), 1000);
	assert_int_equal(ask(c, "group 1", "who"), COVEY_ENOENT);
	assert_int_equal(ask(c, "stays", "who"), COVEY_OK);
	assert_int_equal(covey_stop_worker(stopped), COVEY_ESTOPPED);
	assert_int_equal(ask(c, "stays", "who"), COVEY_ENOENT);
	covey_host_close(host);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static int count_up(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char state[8] = "";

	(void)self, (void)request;
	must(base.size == 1);
	state[0] = (char)(*(const char *)base.data + 1);
	return covey_answer_copy(answer, state, 1);
}

static void they_move_and_are_fenced(void **state)
{
	const struct covey_device counter = {.group = group, .compute = count_up};
	struct covey_worker_options options;
	struct covey_worker *worker;
	struct covey_result result;
	struct covey_host *host;
	struct covey_lead lead;
	struct covey_info info;
	covey *c;
	int r;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_host_open(c, 1, &host), 0);
	options = on(host);
	options.static_worker = 0;
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("a"), &options, &worker), 0);
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("a"), &options, NULL), COVEY_WAIT);
	for (int i = 0; i < 24; i++) {
		char at = (char)('a' + i), next[2] = {(char)(at + 1), 0};

		until(covey_join(c, &at, 1, &lead) == COVEY_WAIT);
		assert_int_equal(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result), COVEY_OK);
		assert_true(says(&result, next));
		covey_release(c, &result);
	}
	assert_int_equal(covey_find(c, "y", 1, &info), 0);
	assert_int_equal(covey_take_over(c, "y", 1, info.generation, &lead), COVEY_LEADER);
	r = covey_stop_worker(worker);
	assert_true(
	        r == COVEY_ESTOPPED || r == COVEY_EFENCED); /* the host may have seen the take-over before the stop */
	assert_int_equal(covey_leading(c, &lead), 1);
	assert_int_equal(covey_unregister(c, &lead), 0);
	covey_host_close(host);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ left behind, killed */

static void an_execution_leaves_one(void **state)
{
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE};
	struct covey_result result;
	struct covey_host *host;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_host_open(c, 1, &host), 0);
	options.worker = on(host);
	assert_int_equal(covey_resolve(c, &device, bytes("base"), bytes("request"), &options, &result), COVEY_OK);
	assert_true(says(&result, "base: request"));
	covey_release(c, &result);
	/* The worker took the group up, with the result as its base. */
	assert_int_equal(covey_resolve(c, &device, bytes("base"), bytes("more"), NULL, &result), COVEY_OK);
	assert_true(says(&result, "base: request: more"));
	assert_int_equal(result.part, COVEY_JOINED);
	covey_release(c, &result);
	covey_host_close(host);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static int hosts(void *context)
{
	struct covey_host *host;
	covey *c = world_open();

	(void)context;
	must(covey_host_open(c, 2, &host) == 0);
	start(c, host, "one", NULL);
	start(c, host, "two", NULL);
	atomic_store(&world->flag[GO], 1);
	for (;;)
		pause();
	return 0;
}

static int resolves(void *context)
{
	covey *c = world_open();
	struct covey_result result;

	atomic_fetch_add(&world->count[RESULTS], 1);
	must(covey_resolve(c, &device, bytes(context), bytes("hold"), NULL, &result) == COVEY_OK);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void a_host_is_killed(void **state)
{
	pid_t host, child[8];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	atomic_store(&world->flag[HOLD], 1);
	host = world_spawn(hosts, NULL);
	until(atomic_load(&world->flag[GO]));
	for (int i = 0; i < 8; i++)
		child[i] = world_spawn(resolves, i % 2 ? (void *)"one" : (void *)"two");
	until(world_waiters(c, "one") == 4 && world_waiters(c, "two") == 4);
	until(atomic_load(&world->count[RUNNING]) == 2);
	world_kill(host);
	atomic_store(&world->flag[HOLD], 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ memory */

#define HOARD (4u << 20)

static int hoards(void **self, struct covey_bytes base)
{
	(void)base;
	*self = malloc(HOARD);
	must(*self != NULL);
	memset(*self, 1, HOARD); /* and nobody frees it */
	return 0;
}

static int begins(void **self, struct covey_bytes base)
{
	(void)self, (void)base;
	return 0;
}

/* Leaks something with each answer. */
static int leaks(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char *leaked = malloc(1000);

	(void)self, (void)base;
	must(leaked != NULL);
	memset(leaked, 1, 1000);
	return covey_answer_copy(answer, request.data, request.size); /* NOLINT(clang-analyzer-unix.Malloc) */
}

static uint64_t allocated(void)
{
	uint64_t epoch = 1, bytes = 0;
	size_t size = sizeof(bytes);

	must(mallctl != NULL && mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) == 0);
	must(mallctl("stats.allocated", &bytes, &size, NULL, 0) == 0);
	return bytes;
}

static void memory_is_accounted_and_back(void **state)
{
	const struct covey_device hoarder = {.group = group, .compute = leaks, .begin = hoards};
	const struct covey_device beginner = {.group = group, .compute = compute, .begin = begins};
	struct covey_worker_options options;
	struct covey_worker *worker[8];
	struct covey_host_usage usage;
	struct covey_result result;
	struct covey_host *host;
	struct covey_lead lead;
	uint64_t before, during, after;
	covey *c;

	(void)state;
	if (mallctl == NULL)
		skip();
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_host_open(c, 2, &host), 0);
	options = on(host);
	before = allocated();
	for (int i = 0; i < 8; i++) {
		char name = (char)('a' + i);

		assert_int_equal(
		        covey_start_worker(c, &hoarder, NULL, 0, (struct covey_bytes){&name, 1}, &options, &worker[i]),
		        0);
		for (int j = 0; j < 100; j++) {
			assert_int_equal(covey_join(c, &name, 1, &lead), COVEY_WAIT);
			assert_int_equal(covey_await(c, &lead, "x", 1, covey_in_ms(60000), 0, &result), COVEY_OK);
			covey_release(c, &result);
		}
	}
	during = allocated();
	options.own_memory = 0; /* who does not ask for an arena has none, also while it begins */
	assert_int_equal(covey_start_worker(c, &device, "none", 4, bytes("none"), &options, NULL), 0);
	assert_int_equal(covey_start_worker(c, &beginner, "plain", 5, bytes("plain"), &options, NULL), 0);
	assert_int_equal(covey_host_usage_of(host, &usage), 0);
	assert_int_equal(usage.arenas, 8);
	assert_true(usage.bytes >= 8 * (HOARD + 100 * 1000));
	assert_true(covey_worker_bytes(worker[0]) >= HOARD + 100 * 1000);
	assert_true(during >= before + 8 * HOARD);
	for (int i = 0; i < 8; i++)
		assert_int_equal(covey_stop_worker(worker[i]), COVEY_ESTOPPED);
	covey_host_close(host);
	after = allocated();
	print_message("allocated: %llu before, %llu with 8 workers, %llu after\n", (unsigned long long)before,
	        (unsigned long long)during, (unsigned long long)after);
	assert_true(
	        after <= before + 64 * 1024); /* of 33 MB: what jemalloc and the host's threads keep for themselves */
	covey_close(c);
	world_end();
}

static int works(void *self, covey *c, struct covey_lead *lead, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	(void)self;
	return covey_default_worker(c, &device, lead, base, options);
}

static void what_hosts_refuse(void **state)
{
	const struct covey_device none = {0};
	struct covey_device custom = device;
	struct covey_worker_options options;
	struct covey_host *host;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_host_open(c, 257, &host), COVEY_EINVAL);
	assert_int_equal(covey_host_open(NULL, 1, &host), COVEY_EINVAL);
	assert_int_equal(covey_host_open(c, 0, &host), 0);
	options = on(host);
	custom.worker = works;
	assert_int_equal(covey_start_worker(c, &custom, "x", 1, bytes(""), &options, NULL), COVEY_EINVAL);
	assert_int_equal(covey_start_worker(c, &none, "x", 1, bytes(""), &options, NULL), COVEY_EINVAL);
	covey_host_close(host);
	covey_host_close(NULL);
	covey_close(c);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(memory_is_accounted_and_back),
	        cmocka_unit_test(ten_thousand_groups),
	        cmocka_unit_test(as_many_as_threads),
	        cmocka_unit_test(idle_workers_end),
	        cmocka_unit_test(they_move_and_are_fenced),
	        cmocka_unit_test(an_execution_leaves_one),
	        cmocka_unit_test(a_host_is_killed),
	        cmocka_unit_test(what_hosts_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
