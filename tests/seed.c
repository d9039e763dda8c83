/*
 * seed.c - the original's three tests under their names, each client a process of its own
 *
 * The original's device sleeps for as long as a request says; here that sleep is the computation.  What it took is
 * printed, and asserted is what makes it so: how many computations there were, how many at once, and who made them.
 */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(deduplicated_execution_test),
	        cmocka_unit_test(persistent_worker_test),
	        cmocka_unit_test(spawn_after_execution_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
