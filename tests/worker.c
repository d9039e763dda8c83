/*
 * worker.c - workers under load, killed, moving on, stopped, in processes of their own
 *
 * This program is also the one that worker processes run (covey_worker_options.program), and its device is in
 * worker_device.c beside it.
 */
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { COMPUTED, RESULTS, ERRORS, ENDED, BEGUN, IDLE, FAILED }; /* indexes of world->count */
enum { GO, STOP, HOLD };                                        /* of world->flag */

static char program[4096], library[4096]; /* this one, and the device's */

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

/* ------------------------------------------------------------------------------------------------ a device */

static int one_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'w';
	return 0;
}

/* "hold..." lasts while flag[HOLD] is up; "fail..." fails; all answer themselves, backwards. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char text[64];

	(void)self, (void)base;
	must(request.size < sizeof(text));
	atomic_fetch_add(&world->count[COMPUTED], 1);
	if (request.size >= 4 && memcmp(request.data, "hold", 4) == 0)
		until(atomic_load(&world->flag[HOLD]) == 0);
	for (size_t i = 0; i < request.size; i++)
		text[i] = ((const char *)request.data)[request.size - 1 - i];
	covey_answer_code(answer, 42);
	must(covey_answer_copy(answer, text, request.size) == 0);
	return request.size >= 4 && memcmp(request.data, "fail", 4) == 0;
}

static const struct covey_device device = {.group = one_group, .compute = compute};
static const struct covey_worker_options fixed = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};

static bool right(const struct covey_result *r, const char *request)
{
	size_t n = strlen(request);

	for (size_t i = 0; i < n; i++)
		if (r->size != n || ((const char *)r->data)[i] != request[n - 1 - i])
			return false;
	return r->size == n;
}

/* ------------------------------------------------------------------------------------------------ load */

#define CLIENTS 50
#define REQUESTS 20

/* To the worker only: never leads. */
static int asks_the_worker(void *context)
{
	covey *c = world_open();
	unsigned seed = (unsigned)getpid();
	struct covey_result result;
	struct covey_lead lead;
	char request[32];

	(void)context;
	atomic_fetch_add(&world->count[BEGUN], 1);
	until(atomic_load(&world->flag[GO]));
	for (int i = 0; i < REQUESTS; i++) {
		snprintf(request, sizeof(request), "request %d", rand_r(&seed) % 5);
		must(covey_join(c, "w", 1, &lead) == COVEY_WAIT);
		must(covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result) == COVEY_OK);
		must(right(&result, request) && result.code == 42);
		atomic_fetch_add(&world->count[RESULTS], 1);
		covey_release(c, &result);
	}
	covey_close(c);
	return 0;
}

static void a_thousand_requests(void **state)
{
	struct covey_worker *worker;
	pid_t child[CLIENTS];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &device, "w", 1, bytes(""), &fixed, &worker), 0);
	for (int i = 0; i < CLIENTS; i++)
		child[i] = world_spawn(asks_the_worker, NULL);
	until(atomic_load(&world->count[BEGUN]) == CLIENTS);
	atomic_store(&world->flag[GO], 1);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[RESULTS]), CLIENTS * REQUESTS);
	assert_true(atomic_load(&world->count[COMPUTED]) <= CLIENTS * REQUESTS);
	print_message("%d requests, %d computations\n", CLIENTS * REQUESTS, atomic_load(&world->count[COMPUTED]));
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static int asks_once(void *context)
{
	const char *request = context;
	covey *c = world_open();
	struct covey_result result;
	struct covey_lead lead;

	must(covey_join(c, "w", 1, &lead) == COVEY_WAIT);
	atomic_fetch_add(&world->count[BEGUN], 1);
	must(covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(right(&result, request));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* While one request is computed, twelve others come, of two kinds: two computations more. */
static void equal_requests_are_answered_together(void **state)
{
	struct covey_worker *worker;
	pid_t child[13];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	atomic_store(&world->flag[HOLD], 1);
	assert_int_equal(covey_start_worker(c, &device, "w", 1, bytes(""), &fixed, &worker), 0);
	child[0] = world_spawn(asks_once, (void *)"hold");
	until(atomic_load(&world->count[COMPUTED]) == 1);
	for (int i = 1; i < 13; i++)
		child[i] = world_spawn(asks_once, i % 2 ? (void *)"odd" : (void *)"even");
	until(world_waiters(c, "w") == 13);
	atomic_store(&world->flag[HOLD], 0);
	for (int i = 0; i < 13; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[COMPUTED]), 3);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ killed */

static int is_a_worker(void *context)
{
	covey *c = world_open();
	int r;

	(void)context;
	do { /* a client may lead just now */
		r = covey_start_worker(c, &device, "w", 1, bytes(""), &fixed, NULL);
		must(r == 0 || r == COVEY_WAIT);
		if (r == COVEY_WAIT)
			world_yield();
	} while (r != 0);
	atomic_store(&world->number[0], getpid());
	for (;;)
		pause();
	return 0;
}

/* Half of them by covey_resolve(), which always ends in a result; half by an await, which ends in one or says why not. */
static int asks_whoever_leads(void *context)
{
	covey *c = world_open();
	unsigned seed = (unsigned)getpid();
	bool resolves = *(int *)context % 2 != 0;
	char request[32];

	for (int i = 0; i < REQUESTS || !atomic_load(&world->flag[STOP]); i++) {
		struct covey_result result = {0};
		struct covey_lead lead;
		int r;

		snprintf(request, sizeof(request), "request %d", rand_r(&seed) % 5);
		if (resolves) {
			r = covey_resolve(c, &device, bytes(""), bytes(request), NULL, &result);
			must(r == COVEY_OK && right(&result, request));
		} else {
			r = covey_join(c, "w", 1, &lead);
			if (r == COVEY_WAIT)
				r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000),
				        COVEY_NO_TAKEOVER, &result);
			else
				world_yield();
			must(r == COVEY_ENOENT || r == COVEY_OK || r == COVEY_DIED || r == COVEY_GAVE_UP);
			must(r != COVEY_OK || right(&result, request));
		}
		atomic_fetch_add(&world->count[r == COVEY_OK ? RESULTS : ERRORS], 1);
		covey_release(c, &result);
	}
	covey_close(c);
	return 0;
}

static void a_worker_killed_again_and_again(void **state)
{
	static int number[CLIENTS];
	pid_t child[CLIENTS], worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < CLIENTS; i++) {
		number[i] = i;
		child[i] = world_spawn(asks_whoever_leads, &number[i]);
	}
	for (int kills = 0; kills < 40; kills++) {
		worker = world_spawn(is_a_worker, NULL);
		until(atomic_load(&world->number[0]) == worker);
		usleep(50000); /* how long it lives, nothing that is awaited */
		world_kill(worker);
	}
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(world_join(child[i]), 0);
	print_message("%d results, %d errors, %d computations, 40 kills\n", atomic_load(&world->count[RESULTS]),
	        atomic_load(&world->count[ERRORS]), atomic_load(&world->count[COMPUTED]));
	assert_true(atomic_load(&world->count[RESULTS]) >= CLIENTS / 2 * REQUESTS);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ states */

/* Counts: the state is a number, the request what to add, and the group is "n" and the state. */
static int counter_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = 1 + base.size;
	name->data[0] = 'n';
	memcpy(name->data + 1, base.data, base.size);
	return 0;
}

static int counter_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char state[32] = "", add[32] = "";
	int n;

	(void)self;
	must(base.size < sizeof(state) && request.size < sizeof(add));
	memcpy(state, base.data, base.size);
	memcpy(add, request.data, request.size);
	if (strcmp(add, "fail") == 0) {
		covey_answer_code(answer, 7);
		must(covey_answer_copy(answer, "no number", 9) == 0);
		return 1;
	}
	n = snprintf(state, sizeof(state), "%d", atoi(state) + atoi(add));
	return covey_answer_copy(answer, state, (size_t)n);
}

static int counter_begin(void **self, struct covey_bytes base)
{
	if (base.size == 3 && memcmp(base.data, "bad", 3) == 0)
		return 1;
	*self = malloc(1); /* end frees it: a sanitizer tells if not */
	atomic_fetch_add(&world->count[BEGUN], 1);
	return *self == NULL;
}

static void counter_idle(void *self, struct covey_bytes base)
{
	(void)self;
	atomic_fetch_add(&world->count[IDLE], 1);
	atomic_store(&world->number[1], base.size != 0 ? *(const char *)base.data : 0);
}

static void counter_end(void *self)
{
	free(self);
	atomic_fetch_add(&world->count[ENDED], 1);
}

static const struct covey_device counter = {.group = counter_group,
        .compute = counter_compute,
        .begin = counter_begin,
        .idle = counter_idle,
        .end = counter_end};

static int ask(covey *c, const char *group, const char *request, const char *expected)
{
	struct covey_result result = {0};
	struct covey_lead lead;
	int r = covey_join(c, group, strlen(group), &lead);

	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result);
	if (r == COVEY_OK || r == COVEY_ERROR)
		assert_true(expected != NULL && says(&result, expected));
	covey_release(c, &result);
	return r;
}

static void a_worker_follows_its_state(void **state)
{
	struct covey_worker *worker, *other;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("1"), NULL, &worker), 0);
	assert_int_equal(ask(c, "n1", "2", "3"), COVEY_OK);
	assert_int_equal(ask(c, "n1", "2", NULL), COVEY_ENOENT); /* it is not there any more */
	assert_int_equal(ask(c, "n3", "fail", "no number"), COVEY_ERROR);
	assert_int_equal(ask(c, "n3", "0", "3"), COVEY_OK); /* the same state: the same group */
	assert_int_equal(ask(c, "n3", "4", "7"), COVEY_OK);
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("7"), NULL, &other), COVEY_WAIT);
	assert_null(other);
	/* Where it would go, another leads: it answers, and ends. */
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("9"), NULL, &other), 0);
	assert_int_equal(ask(c, "n7", "2", "9"), COVEY_OK);
	assert_int_equal(covey_wait_worker(worker, COVEY_FOREVER), 0);
	assert_int_equal(covey_stop_worker(worker), COVEY_WAIT);
	assert_int_equal(ask(c, "n7", "0", NULL), COVEY_ENOENT);
	assert_int_equal(covey_wait_worker(other, COVEY_NOW), COVEY_ETIMEDOUT);
	assert_int_equal(covey_stop_worker(other), COVEY_ESTOPPED);
	assert_int_equal(atomic_load(&world->count[BEGUN]), 3); /* one of them in vain */
	assert_int_equal(atomic_load(&world->count[ENDED]), 3);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void idle_end_snapshots(void **state)
{
	const struct covey_worker_options soon = {.worker_timeout = 20000000};
	struct covey_worker *worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("1"), &soon, &worker), 0);
	ask(c, "n1", "4", "5"); /* unless it has ended by then */
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), 0);
	assert_int_equal(atomic_load(&world->count[IDLE]), 1);
	assert_true(atomic_load(&world->number[1]) == '5' || atomic_load(&world->number[1]) == '1');
	assert_int_equal(atomic_load(&world->count[ENDED]), 1);
	assert_int_equal(ask(c, "n5", "0", NULL), COVEY_ENOENT);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void errors_ignored_or_thrown(void **state)
{
	struct covey_worker_options options = {.error_strategy = COVEY_ERRORS_THROW};
	struct covey_worker *worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("1"), &options, &worker), 0);
	assert_int_equal(ask(c, "n1", "fail", "no number"), COVEY_ERROR);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), COVEY_ERROR);
	assert_int_equal(ask(c, "n1", "1", NULL), COVEY_ENOENT);
	options.error_strategy = COVEY_ERRORS_IGNORE;
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("1"), &options, &worker), 0);
	assert_int_equal(ask(c, "n1", "fail", "no number"), COVEY_ERROR);
	assert_int_equal(ask(c, "n1", "1", "2"), COVEY_OK);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("bad"), &options, &worker), COVEY_EDEVICE);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* A worker that is deposed learns it, and does not touch what is another's. */
static void a_deposed_worker_ends(void **state)
{
	struct covey_worker *worker;
	struct covey_info info;
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &device, "w", 1, bytes(""), &fixed, &worker), 0);
	assert_int_equal(covey_find(c, "w", 1, &info), 0);
	assert_int_equal(covey_take_over(c, "w", 1, info.generation, &lead), COVEY_LEADER);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), COVEY_EFENCED);
	assert_int_equal(covey_leading(c, &lead), 1);
	assert_int_equal(covey_unregister(c, &lead), 0);
	covey_close(c);
	world_end();
}

/* covey_close() ends what runs, also where nobody kept the handle; the child of a fork has no workers. */
static int has_no_workers(void *context)
{
	covey_close(context);
	return 0;
}

static void closing_ends_workers(void **state)
{
	struct covey_worker *kept;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("1"), NULL, &kept), 0);
	assert_int_equal(covey_start_worker(c, &counter, NULL, 0, bytes("2"), NULL, NULL), 0);
	assert_int_equal(world_join(world_spawn(has_no_workers, c)), 0);
	covey_close(c);
	assert_int_equal(atomic_load(&world->count[ENDED]), 2);
	assert_int_equal(covey_stop_worker(kept), COVEY_ESTOPPED);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ left behind */

static int nested_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	const struct covey_device inner = {.group = counter_group, .compute = counter_compute};
	struct covey_result result;

	(void)request;
	must(covey_resolve(self, &inner, bytes("5"), bytes("0"), NULL, &result) == COVEY_OK);
	covey_release(self, &result);
	return covey_answer_copy(answer, base.data, base.size);
}

static void leave(covey *c, int spawn)
{
	const struct covey_device outer = {.self = c, .group = counter_group, .compute = nested_compute};
	const struct covey_resolve_options options = {.spawn_worker = spawn, .worker = {.static_worker = 1}};
	struct covey_result result;

	assert_int_equal(covey_resolve(c, &outer, bytes("8"), bytes(""), &options, &result), COVEY_OK);
	covey_release(c, &result);
}

static void once_or_recursive(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leave(c, COVEY_SPAWN_NEVER);
	assert_int_equal(covey_find(c, "n8", 2, NULL), COVEY_ENOENT);
	leave(c, COVEY_SPAWN_ONCE);
	until(covey_find(c, "n8", 2, NULL) == 0); /* the worker takes it up */
	assert_int_equal(covey_find(c, "n5", 2, NULL), COVEY_ENOENT);
	/* That worker's own calls leave nobody, whatever they ask. */
	assert_int_equal(ask(c, "n8", "again", "8"), COVEY_OK);
	assert_int_equal(covey_find(c, "n5", 2, NULL), COVEY_ENOENT);
	covey_close(c);
	world_begin(NULL);
	c = world_open();
	leave(c, COVEY_SPAWN_RECURSIVE);
	until(covey_find(c, "n8", 2, NULL) == 0 && covey_find(c, "n5", 2, NULL) == 0);
	assert_int_equal(ask(c, "n5", "0", "5"), COVEY_OK);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ processes */

static struct covey_worker_options in_a_process(void)
{
	return (struct covey_worker_options){.library = library, .symbol = "worker_device", .program = program};
}

/* Starts the worker, and goes. */
static int starts_a_process(void *context)
{
	struct covey_worker_options options = in_a_process();
	covey *c = world_open();
	struct covey_worker *worker;

	options.worker_timeout = *(int64_t *)context;
	must(covey_start_worker(c, NULL, "p", 1, bytes("one"), &options, &worker) == 0);
	atomic_store(&world->number[0], covey_worker_pid(worker));
	for (;;)
		pause();
	return 0;
}

static bool says_pid(covey *c, const char *request, pid_t *pid)
{
	struct covey_result result = {0};
	struct covey_lead lead;
	int r = covey_join(c, "p", 1, &lead);

	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result);
	if (r == COVEY_OK && result.size == sizeof(*pid))
		memcpy(pid, result.data, sizeof(*pid));
	covey_release(c, &result);
	return r == COVEY_OK;
}

static int asks_for_the_pid(void *context)
{
	covey *c = world_open();
	pid_t pid = 0;

	(void)context;
	must(says_pid(c, "pid", &pid));
	must(pid == atomic_load(&world->number[0]));
	covey_close(c);
	return 0;
}

static void a_process_outlives_its_starter(void **state)
{
	int64_t timeout = 300000000;
	pid_t starter, worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	starter = world_spawn(starts_a_process, &timeout);
	until((worker = (pid_t)atomic_load(&world->number[0])) != 0);
	world_kill(starter);
	assert_int_equal(world_join(world_spawn(asks_for_the_pid, NULL)), 0);
	assert_int_not_equal(getpgid(worker), getpgid(0));
	until(covey_find(c, "p", 1, NULL) == COVEY_ENOENT); /* it ends by its timeout */
	until(kill(worker, 0) != 0 && errno == ESRCH);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void a_process_is_stopped(void **state)
{
	struct covey_worker_options options = in_a_process();
	struct covey_worker *worker, *second;
	pid_t pid = 0;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	options.static_worker = 1;
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes("one"), &options, &worker), 0);
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes("one"), &options, &second), COVEY_WAIT);
	assert_null(second);
	assert_true(says_pid(c, "pid", &pid));
	assert_int_equal(pid, covey_worker_pid(worker));
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(10)), COVEY_ETIMEDOUT);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(covey_find(c, "p", 1, NULL), COVEY_ENOENT);
	/* nobody's child: neither of ours, nor a zombie of anybody's */
	until(kill(pid, 0) != 0 && errno == ESRCH);
	options.symbol = "no_such_device";
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes(""), &options, &worker), COVEY_EDEVICE);
	options.library = "/nonexistent/device.so";
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes(""), &options, &worker), COVEY_EDEVICE);
	options = in_a_process();
	options.program = "/nonexistent/program";
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes(""), &options, &worker), COVEY_ESYSTEM);
	assert_int_equal(errno, ENOENT);
	options.program = "no-such-program"; /* looked for by the process itself, which tells */
	assert_int_equal(covey_start_worker(c, NULL, "p", 1, bytes(""), &options, &worker), COVEY_ESYSTEM);
	assert_int_equal(errno, ENOENT);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static int pid_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	pid_t pid = getpid();

	(void)self, (void)base, (void)request;
	return covey_answer_copy(answer, &pid, sizeof(pid));
}

static int p_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'p';
	return 0;
}

static void an_execution_leaves_a_process(void **state)
{
	const struct covey_device here = {.group = p_group, .compute = pid_compute};
	const struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = in_a_process()};
	struct covey_result result;
	struct covey_info info;
	pid_t pid = 0;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_resolve(c, &here, bytes("x"), bytes("y"), &options, &result), COVEY_OK);
	assert_int_equal(result.part, COVEY_LED);
	covey_release(c, &result);
	until(says_pid(c, "pid", &pid));
	assert_int_not_equal(pid, getpid());
	assert_int_equal(covey_find(c, "p", 1, &info), 0);
	assert_int_equal(info.pid, pid);
	kill(pid, SIGTERM);
	until(covey_find(c, "p", 1, NULL) == COVEY_ENOENT);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_thousand_requests),
	        cmocka_unit_test(equal_requests_are_answered_together),
	        cmocka_unit_test(a_worker_killed_again_and_again),
	        cmocka_unit_test(a_worker_follows_its_state),
	        cmocka_unit_test(idle_end_snapshots),
	        cmocka_unit_test(errors_ignored_or_thrown),
	        cmocka_unit_test(a_deposed_worker_ends),
	        cmocka_unit_test(closing_ends_workers),
	        cmocka_unit_test(once_or_recursive),
	        cmocka_unit_test(a_process_outlives_its_starter),
	        cmocka_unit_test(a_process_is_stopped),
	        cmocka_unit_test(an_execution_leaves_a_process),
	};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *end;

	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return covey_worker_main(3, 4) != 0;
	must(n > 0 && (end = strrchr(program, '/')) != NULL);
	snprintf(library, sizeof(library), "%.*s/libworker_device.so", (int)(end - program), program);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
