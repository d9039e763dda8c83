/*
 * seed.c - the original's three tests under their names, each client a process of its own
 *
 * The original's device sleeps for as long as a request says; here that sleep is the computation.  What it took is
 * printed, and asserted is what makes it so: how many computations there were, how many at once, and who made them.
 */
#include "guest_device.h"
#include "world.h"

#include <time.h>
#include <unistd.h>

enum { COMPUTED, RUNNING, OVERLAPPED, PARTS /* and the next: by enum covey_part */ }; /* indexes of world->count */

#define TEST_TIME 200 /* ms */

/* ------------------------------------------------------------------------------------------------ test_device */

/* The group is the base's, whatever is asked of it. */
static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

/* "self MS": the base; "slow_key MS": the request itself.  The first: not before flag[2] others wait. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char text[64] = "";
	const char *ms;
	struct timespec t = {0};
	bool first;

	must(request.size < sizeof(text));
	memcpy(text, request.data, request.size);
	must((ms = strchr(text, ' ')) != NULL);
	first = atomic_fetch_add(&world->count[COMPUTED], 1) == 0;
	if (atomic_fetch_add(&world->count[RUNNING], 1) != 0)
		atomic_fetch_add(&world->count[OVERLAPPED], 1);
	atomic_store(&world->number[0], getpid());
	t.tv_nsec = atol(ms) * 1000000;
	nanosleep(&t, NULL);
	until(!first || self == NULL || world_waiters(self, base.data) >= (uint32_t)atomic_load(&world->flag[2]));
	atomic_fetch_sub(&world->count[RUNNING], 1);
	if (strncmp(text, "self", 4) == 0)
		return covey_answer_copy(answer, base.data, base.size);
	return covey_answer_copy(answer, request.data, request.size);
}

static const struct covey_device test_device = {.group = group, .compute = compute};
static const struct covey_bytes base = {"test-device", 11};

/* ------------------------------------------------------------------------------------------------ spawn_test_client */

struct client {
	const char *request;
	struct covey_resolve_options options;
	bool lingers; /* until flag[1]: a worker that is a thread of it goes on */
};

static int test_client(void *context)
{
	const struct client *client = context;
	struct covey_bytes request = {client->request, strlen(client->request)};
	covey *c = world_open();
	struct covey_device device = test_device;
	struct covey_result result;

	device.self = c;
	must(covey_resolve(c, &device, base, request, &client->options, &result) == COVEY_OK);
	if (strncmp(client->request, "self", 4) == 0)
		must(result.size == base.size && memcmp(result.data, base.data, base.size) == 0);
	else
		must(says(&result, client->request));
	atomic_fetch_add(&world->count[PARTS + result.part], 1);
	covey_release(c, &result);
	atomic_fetch_add(&world->flag[0], 1);
	until(!client->lingers || atomic_load(&world->flag[1]));
	covey_close(c);
	return 0;
}

static pid_t spawn_test_client(const struct client *client)
{
	return world_spawn(test_client, (void *)(uintptr_t)client);
}

static int64_t ms_since(int64_t start)
{
	return (covey_in_ms(0) - start) / 1000000;
}

/* ------------------------------------------------------------------------------------------------ the tests */

static void deduplicated_execution_test(void **state)
{
	const struct client client = {.request = "slow_key 200"};
	const struct timespec half = {0, TEST_TIME / 2 * 1000000};
	int64_t start;
	pid_t first, second;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	atomic_store(&world->flag[2], 1);
	start = covey_in_ms(0);
	first = spawn_test_client(&client);
	until(atomic_load(&world->count[COMPUTED]) == 1);
	nanosleep(&half, NULL); /* the second client comes when the first is half through */
	second = spawn_test_client(&client);
	assert_int_equal(world_join(first) | world_join(second), 0);
	print_message("merged execution: two clients in %d ms\n", (int)ms_since(start));
	assert_int_equal(atomic_load(&world->count[COMPUTED]), 1);
	assert_int_equal(atomic_load(&world->count[PARTS + COVEY_LED]), 1);
	assert_int_equal(atomic_load(&world->count[PARTS + COVEY_JOINED]), 1);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void persistent_worker_test(void **state)
{
	const struct covey_worker_options options = {.static_worker = 1};
	const struct client clients[] = {
	        {.request = "slow_key 200"}, {.request = "slow_key 220"}, {.request = "slow_key 240"}};
	struct covey_worker *worker;
	struct covey_info info;
	pid_t child[3];
	int64_t start;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &test_device, NULL, 0, base, &options, &worker), 0);
	start = covey_in_ms(0);
	for (int i = 0; i < 3; i++)
		child[i] = spawn_test_client(&clients[i]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(child[i]), 0);
	print_message("a static worker: 200, 220 and 240 ms in %d ms\n", (int)ms_since(start));
	assert_int_equal(atomic_load(&world->count[COMPUTED]), 3);
	assert_int_equal(atomic_load(&world->count[OVERLAPPED]), 0); /* in sequence */
	assert_int_equal(atomic_load(&world->count[PARTS + COVEY_JOINED]), 3);
	assert_int_equal(atomic_load(&world->number[0]), getpid());
	assert_int_equal(covey_find(c, base.data, base.size, &info), 0); /* it kept its name */
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(covey_find(c, base.data, base.size, &info), COVEY_ENOENT);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void spawn_after_execution_test(void **state)
{
	const struct client first = {.request = "self 200",
	        .options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = {.static_worker = 1}},
	        .lingers = true};
	const struct client later[] = {{.request = "slow_key 220"}, {.request = "slow_key 240"}};
	pid_t child[3];
	int64_t start;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	atomic_store(&world->flag[2], 2);
	start = covey_in_ms(0);
	child[0] = spawn_test_client(&first);
	until(atomic_load(&world->count[COMPUTED]) == 1);
	for (int i = 0; i < 2;
	        i++) /* they ask something else, while the execution runs: their requests are forwarded */
		child[1 + i] = spawn_test_client(&later[i]);
	until(atomic_load(&world->flag[0]) == 3);
	print_message("an execution that leaves a worker: three results in %d ms\n", (int)ms_since(start));
	assert_int_equal(atomic_load(&world->count[COMPUTED]), 3);
	assert_int_equal(atomic_load(&world->count[OVERLAPPED]), 0);
	assert_int_equal(atomic_load(&world->count[PARTS + COVEY_LED]), 1);
	assert_int_equal(atomic_load(&world->count[PARTS + COVEY_JOINED]), 2);
	assert_int_equal(atomic_load(&world->number[0]), child[0]); /* the worker is where the execution was */
	atomic_store(&world->flag[1], 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(child[i]), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ its newest form */

static int request_itself(void *self, struct covey_bytes first, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)first;
	return covey_answer_copy(answer, request.data, request.size);
}

/* Whether this device's groups are joined, with this value. */
static int part_of(covey *c, const struct covey_device *device, int await_inprogress)
{
	const struct covey_resolve_options options = {.await_inprogress = await_inprogress};
	struct covey_result result;
	int part;

	assert_int_equal(
	        covey_resolve(c, device, base, (struct covey_bytes){"request", 7}, &options, &result), COVEY_OK);
	assert_true(says(&result, "request"));
	part = result.part;
	covey_release(c, &result);
	return part;
}

static void await_inprogress_test(void **state)
{
	const struct covey_device named = {.group = group, .compute = request_itself},
	                          unnamed = {.compute = request_itself};
	struct covey_resolve_options unknown = {.await_inprogress = COVEY_AWAIT_NONE + 1};
	struct covey_name name;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(part_of(c, &named, COVEY_AWAIT_ALL), COVEY_LED);
	assert_int_equal(part_of(c, &unnamed, COVEY_AWAIT_ALL), COVEY_LED);
	assert_int_equal(part_of(c, &named, COVEY_AWAIT_NAMED), COVEY_LED);
	assert_int_equal(part_of(c, &unnamed, COVEY_AWAIT_NAMED), COVEY_ALONE);
	assert_int_equal(part_of(c, &named, COVEY_AWAIT_NONE), COVEY_ALONE);
	assert_int_equal(part_of(c, &unnamed, COVEY_AWAIT_NONE), COVEY_ALONE);
	assert_int_equal(covey_group(&named, base, base, &unknown, &name), COVEY_EINVAL);
	unknown.await_inprogress = -1;
	assert_int_equal(covey_default_grouper(base, base, &unknown, &name), COVEY_EINVAL);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* A worker's computation asks for its worker's own group: the original's workers allow that. */
static void worker_resolves_own_group_test(void **state)
{
	struct covey_worker *worker;
	struct covey_host *host;
	struct covey_result result;
	covey *c;

	(void)state;
	assert_int_equal(covey_in_worker(), 0);
	for (int kind = 0; kind < GUEST_KINDS; kind++) {
		world_begin(NULL);
		c = world_open();
		worker = guest_start(c, (enum guest_kind)kind, NULL, COVEY_FOREVER, &host);
		assert_int_equal(guest_ask(c, "outer", &result), COVEY_OK);
		assert_true(says(&result, "outcome 0, part 4, in a worker 1"));
		covey_release(c, &result);
		assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
		covey_host_close(host);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	/* where it is no worker's, it is refused, as ever */
	world_begin(NULL);
	c = world_open();
	guest_use(c);
	assert_int_equal(covey_resolve(c, &guest_device, base, (struct covey_bytes){"outer", 5}, NULL, &result), 0);
	assert_true(says(&result, "outcome -12, part 0, in a worker 0"));
	covey_release(c, &result);
	covey_close(c);
	world_end();
}

/* The group of (base, no request), and whatever else it is that an idle worker serves, is free then; not another's. */
static void idle_worker_gives_up_test(void **state)
{
	static const char *const names[] = {"test-device", "another name"};
	const struct covey_worker_options options = {.static_worker = 1, .worker_timeout = 1000000};
	struct covey_worker *worker;
	struct covey_host *host;
	struct covey_lead lead;
	covey *c;

	(void)state;
	for (int kind = 0; kind < GUEST_KINDS; kind++) {
		world_begin(NULL);
		c = world_open();
		worker = guest_start(c, (enum guest_kind)kind, NULL, 1000000, &host);
		assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
		assert_int_equal(covey_find(c, "guest", 5, NULL), COVEY_ENOENT);
		assert_int_equal(covey_stop_worker(worker), 0);
		covey_host_close(host);
		covey_close(c);
	}
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_find_or_register(c, base.data, base.size, &lead), COVEY_LEADER);
	assert_int_equal(covey_start_worker(c, &test_device, names[1], strlen(names[1]), base, &options, &worker), 0);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), 0);
	assert_int_equal(covey_find(c, names[1], strlen(names[1]), NULL), COVEY_ENOENT);
	assert_true(covey_leading(c, &lead));
	covey_close(c);
	world_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(await_inprogress_test),
	        cmocka_unit_test(worker_resolves_own_group_test),
	        cmocka_unit_test(idle_worker_gives_up_test),
	        cmocka_unit_test(deduplicated_execution_test),
	        cmocka_unit_test(persistent_worker_test),
	        cmocka_unit_test(spawn_after_execution_test),
	};
	int status;

	(void)argc;
	return guest_main(argv, &status) ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
