/*
 * guest_forks.c - the caller's code forks, and the child comes back from it, too
 *
 * What the parent led, built and borrowed is the parent's: the child is told so, or where nobody called it ends, and nobody
 * notices.
 */
#include "guest_device.h"
#include "world.h"

#include <signal.h>

enum { COMPUTED, ANSWERED }; /* indexes of world->count */
enum { GO };                 /* of world->flag */

static const struct covey_bytes base = {"group", 5};

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

static int group(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = b.size;
	memcpy(name->data, b.data, b.size);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ in compute */

static pid_t child;

/* "ask": the child calls covey before it comes back, so it is attached by then; "copy": no memory of the region's. */
static int compute(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	static const char parents[6] = {'p', 'a', 'r', 'e', 'n', 't'};
	char what[8] = "", *at;

	(void)b;
	memcpy(what, request.data, request.size < 7 ? request.size : 7);
	atomic_store(&world->flag[GO], 1);
	until(self == NULL || world_waiters(self, "group") == 1);
	if (strcmp(what, "copy") == 0) {
		must(covey_answer_copy(answer, "parent", 6) == 0);
	} else {
		must((at = covey_answer_room(answer, 6)) != NULL);
		memcpy(at, parents, sizeof(parents));
	}
	child = fork();
	if (child == 0 && strcmp(what, "ask") == 0) {
		struct covey_lead lead;

		must(covey_find_or_register(self, "the child's", 11, &lead) == COVEY_LEADER);
		must(covey_answer_copy(answer, "child", 5) == 0);
	}
	return 0;
}

static void end_child(covey *c, struct covey_result *result, int outcome, bool more)
{
	must(outcome == COVEY_EFENCED && result->outcome == COVEY_EFENCED);
	must(result->size == 0 && result->data == NULL);
	covey_release(c, result);
	if (more) { /* it is a caller like any other */
		const struct covey_device device = {.group = group, .compute = compute};

		child = 0;
		must(covey_resolve(NULL, &device, base, bytes("copy"), NULL, result) == COVEY_OK);
		covey_release(NULL, result);
	}
	_exit(0);
}

static int waits(void *request)
{
	const struct covey_device device = {.group = group, .compute = compute};
	covey *c = world_open();
	struct covey_result result;

	until(atomic_load(&world->flag[GO]));
	must(covey_resolve(c, &device, base, bytes(request), NULL, &result) == COVEY_OK);
	must(says(&result, "parent") && result.part == COVEY_JOINED);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void a_child_returns_from_compute(void **state)
{
	static const char *const ways[] = {"room", "copy", "ask"};
	struct covey_device device = {.group = group, .compute = compute};
	struct covey_result result;
	covey *c;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pid_t waiter;
		int outcome;

		world_begin(NULL);
		c = device.self = world_open();
		waiter = world_spawn(waits, (void *)(uintptr_t)ways[i]);
		outcome = covey_resolve(c, &device, base, bytes(ways[i]), NULL, &result);
		if (child == 0)
			end_child(c, &result, outcome, false);
		assert_int_equal(outcome, COVEY_OK);
		assert_int_equal(world_join(child), 0);
		assert_true(says(&result, "parent"));
		assert_int_equal(world_join(waiter), 0);
		covey_release(c, &result);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	world_end();
}

/* There is no room for the child in the region, so it cannot even attach. */
static void nor_can_the_child_attach(void **state)
{
	const struct covey_options one = {.participants = 1};
	const struct covey_device device = {.group = group, .compute = compute};
	struct covey_result result;
	int outcome;
	covey *c;

	(void)state;
	world_begin(&one);
	c = world_open();
	outcome = covey_resolve(c, &device, base, bytes("room"), NULL, &result);
	if (child == 0)
		end_child(c, &result, outcome, true);
	assert_int_equal(outcome, COVEY_OK);
	assert_int_equal(world_join(child), 0);
	assert_true(says(&result, "parent"));
	covey_release(c, &result);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ in group and await */

static int group_forks(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_name *name)
{
	child = fork();
	return group(self, b, request, name);
}

static int says_hello(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)b, (void)request;
	return covey_answer_copy(answer, "parent", 6);
}

/* Nothing is led yet: both go on, each by itself. */
static void a_child_returns_from_group(void **state)
{
	const struct covey_device device = {.group = group_forks, .compute = says_hello};
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_resolve(c, &device, base, bytes(""), NULL, &result), COVEY_OK);
	must(says(&result, "parent"));
	covey_release(c, &result);
	if (child == 0)
		_exit(0);
	assert_int_equal(world_join(child), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static int await_forks(void *self, covey *c, const struct covey_lead *lead, struct covey_bytes request,
        int64_t deadline, struct covey_result *out)
{
	int r = covey_default_await(c, lead, request.data, request.size, deadline, out);

	(void)self;
	child = fork();
	return r;
}

static int leads_until_awaited(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text("parent");
	struct covey_lead lead;

	must(covey_find_or_register(c, "group", 5, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	until(world_waiters(c, "group") == 1);
	if (context != NULL)
		raise(SIGKILL);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

/* With a result that is the parent's loan, or a leadership that it took over. */
static void a_child_returns_from_await(void **state)
{
	const struct covey_device device = {.group = group, .compute = says_hello, .await = await_forks};
	struct covey_result result;
	covey *c;

	(void)state;
	for (int dies = 0; dies < 2; dies++) {
		pid_t leader;
		int outcome;

		world_begin(NULL);
		c = world_open();
		leader = world_spawn(leads_until_awaited, dies ? &child : NULL);
		until(atomic_load(&world->flag[GO]));
		outcome = covey_resolve(c, &device, base, bytes(""), NULL, &result);
		if (child == 0)
			end_child(c, &result, outcome, false);
		assert_int_equal(outcome, COVEY_OK);
		assert_int_equal(world_join(child), 0);
		assert_int_equal(world_join(leader), dies ? 128 + SIGKILL : 0);
		assert_true(says(&result, "parent"));
		assert_int_equal(result.part, dies ? COVEY_TOOK_OVER : COVEY_JOINED);
		covey_release(c, &result);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	world_end();
}

/* ------------------------------------------------------------------------------------------------ in workers */

/* The child has nobody to return to: it ends.  The worker answers, and goes on. */
static void a_child_returns_from_a_workers_compute(void **state)
{
	static const char *const ways[] = {"fork", "fork and ask", "fork"};
	struct covey_worker *worker;
	struct covey_host *host;
	struct covey_result result;
	covey *c;

	(void)state;
	for (int kind = 0; kind < GUEST_KINDS; kind++) {
		world_begin(NULL);
		c = world_open();
		worker = guest_start(c, (enum guest_kind)kind, NULL, COVEY_FOREVER, &host);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(guest_ask(c, ways[i], &result), COVEY_OK);
			assert_true(says(&result, "125"));
			covey_release(c, &result);
		}
		assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
		covey_host_close(host);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	world_end();
}

static void fork_and_count(void)
{
	int status;

	child = fork();
	if (child == 0)
		return;
	status = world_join(child);
	must(status == 125);
	atomic_fetch_add(&world->count[COMPUTED], 1);
}

static int begin_forks(void **self, struct covey_bytes b)
{
	(void)self, (void)b;
	fork_and_count();
	return 0;
}

static void idle_forks(void *self, struct covey_bytes b)
{
	(void)self, (void)b;
	fork_and_count();
}

static void end_forks(void *self)
{
	(void)self;
	fork_and_count();
}

static void a_child_returns_from_begin_idle_and_end(void **state)
{
	struct covey_device device = guest_device_hosted;
	struct covey_worker *worker;
	struct covey_host *host;
	covey *c;

	(void)state;
	device.begin = begin_forks;
	device.idle = idle_forks;
	device.end = end_forks;
	for (int hosted = 0; hosted < 2; hosted++) {
		world_begin(NULL);
		c = world_open();
		worker = guest_start(c, hosted ? GUEST_HOSTED : GUEST_THREAD, &device, 1000000, &host);
		assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
		assert_int_equal(covey_stop_worker(worker), 0);
		assert_int_equal(atomic_load(&world->count[COMPUTED]), 3);
		covey_host_close(host);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	world_end();
}

static int asks_for_a_fork(void *context)
{
	covey *c = world_open();
	struct covey_result result;

	(void)context;
	until(covey_find(c, "guest", 5, NULL) == 0);
	must(guest_ask(c, "fork", &result) == COVEY_OK);
	must(says(&result, "9")); /* what its caller's child exits with */
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Where the caller lent its own thread, the child returns to it, and is told. */
static void a_child_returns_to_the_caller_of_the_loop(void **state)
{
	const struct covey_worker_options options = {.static_worker = 1, .worker_timeout = 1000000000};
	struct covey_lead lead;
	pid_t me = getpid(), asker;
	covey *c;
	int r;

	(void)state;
	world_begin(NULL);
	c = world_open();
	guest_use(c);
	asker = world_spawn(asks_for_a_fork, NULL);
	assert_int_equal(lead_of(c, "guest", &lead), COVEY_LEADER);
	r = covey_default_worker(c, &guest_device_hosted, &lead, base, &options);
	if (getpid() != me)
		_exit(r == COVEY_EFENCED ? 9 : 1);
	assert_int_equal(r, 0);
	assert_int_equal(world_join(asker), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_child_returns_from_compute),
	        cmocka_unit_test(nor_can_the_child_attach),
	        cmocka_unit_test(a_child_returns_from_group),
	        cmocka_unit_test(a_child_returns_from_await),
	        cmocka_unit_test(a_child_returns_from_a_workers_compute),
	        cmocka_unit_test(a_child_returns_from_begin_idle_and_end),
	        cmocka_unit_test(a_child_returns_to_the_caller_of_the_loop),
	};
	int status;

	(void)argc;
	return guest_main(argv, &status) ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
