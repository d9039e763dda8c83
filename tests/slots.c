/*
 * slots.c - a worker over numbered states: "slot N" and "any", answered in the order of computation
 */
#include "world.h"

#include <unistd.h>

enum { STEPS, SNAPSHOTS, RESULTS }; /* indexes of world->count */
enum { HOLD };                      /* of world->flag */

static int step(void *self, uint64_t slot, struct covey_answer *answer)
{
	char state[32];
	int n = snprintf(state, sizeof(state), "state %llu", (unsigned long long)slot);

	(void)self;
	until((uint64_t)atomic_load(&world->flag[HOLD]) != slot);
	atomic_fetch_add(&world->count[STEPS], 1);
	covey_answer_code(answer, (int32_t)slot);
	must(covey_answer_copy(answer, state, (size_t)n) == 0);
	return slot == 100;
}

static int recall(void *self, uint64_t slot, struct covey_answer *answer)
{
	(void)self;
	return slot == 1 ? covey_answer_copy(answer, "recalled", 8) : -1;
}

static void snapshot(void *self, uint64_t slot)
{
	(void)self;
	atomic_fetch_add(&world->count[SNAPSHOTS], 1);
	atomic_store(&world->number[0], (int64_t)slot);
}

static struct covey_slots slots(void)
{
	return (struct covey_slots){.name = "log", .step = step, .recall = recall, .snapshot = snapshot};
}

static int ask(covey *c, const char *request, const char *expected)
{
	struct covey_slots none = slots();
	const struct covey_device device = covey_slot_device(&none);
	struct covey_result result = {0};
	int r = covey_resolve(
	        c, &device, (struct covey_bytes){0}, (struct covey_bytes){request, strlen(request)}, NULL, &result);

	must(r != COVEY_OK || result.part == COVEY_JOINED);
	must(expected == NULL || says(&result, expected));
	r = r == COVEY_ERROR ? -result.code : r;
	covey_release(c, &result);
	return r;
}

/* Which is answered when: its result goes to number[10 + n]. */
static int asks(void *context)
{
	covey *c = world_open();

	must(ask(c, context, NULL) == COVEY_OK);
	atomic_fetch_add(&world->count[RESULTS], 1);
	covey_close(c);
	return 0;
}

static void in_the_order_of_computation(void **state)
{
	struct covey_slots s = slots();
	const struct covey_device device = covey_slot_device(&s);
	struct covey_worker *worker;
	pid_t nine, five, four, any;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &device, NULL, 0, (struct covey_bytes){0}, NULL, &worker), 0);
	assert_int_equal(ask(c, "slot 3", "state 3"), COVEY_OK);
	assert_int_equal(atomic_load(&world->count[STEPS]), 3);
	atomic_store(&world->flag[HOLD], 4);
	nine = world_spawn(asks, (void *)"slot 9");
	until(world_waiters(c, "log") == 1);
	five = world_spawn(asks, (void *)"slot 5");
	four = world_spawn(asks, (void *)"slot 4");
	any = world_spawn(asks, (void *)"any");
	until(world_waiters(c, "log") == 4);
	assert_int_equal(atomic_load(&world->count[RESULTS]), 0);
	atomic_store(&world->flag[HOLD], 5); /* up to 4: "any" and "slot 4" */
	assert_int_equal(world_join(four), 0);
	assert_int_equal(world_join(any), 0);
	assert_int_equal(world_waiters(c, "log"), 2);
	atomic_store(&world->flag[HOLD], 9); /* up to 8: "slot 5" */
	assert_int_equal(world_join(five), 0);
	assert_int_equal(world_waiters(c, "log"), 1);
	atomic_store(&world->flag[HOLD], 0);
	assert_int_equal(world_join(nine), 0);
	assert_int_equal(atomic_load(&world->count[STEPS]), 9); /* each once */
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(s.slot, 9);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void the_past_and_the_unreadable(void **state)
{
	static const char *const unreadable[] = {"slot", "slot ", "slot x", "slot 1x", "slot -1", "slot 0", "slots 1",
	        "slot 99999999999999999999999999", "slot 18446744073709551615", "\n"};
	struct covey_slots s = slots();
	const struct covey_device device = covey_slot_device(&s);
	struct covey_worker *worker;
	struct covey_result result;
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	s.slot = 50;
	assert_int_equal(covey_start_worker(c, &device, NULL, 0, (struct covey_bytes){0}, NULL, &worker), 0);
	assert_int_equal(ask(c, "", "state 51"), COVEY_OK);
	assert_int_equal(ask(c, "slot 1", "recalled"), COVEY_OK);
	assert_int_equal(ask(c, "slot 2", ""), -COVEY_SLOT_PAST);
	assert_int_equal(ask(c, "slot 51", ""), -COVEY_SLOT_PAST);
	for (unsigned i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++) {
		assert_int_equal(ask(c, unreadable[i], NULL), COVEY_EINVAL);
		/* and past the device's own await: the worker answers, and goes on */
		assert_int_equal(covey_join(c, "log", 3, &lead), COVEY_WAIT);
		assert_int_equal(
		        covey_await(c, &lead, unreadable[i], strlen(unreadable[i]), covey_in_ms(60000), 0, &result),
		        COVEY_ERROR);
		assert_int_equal(result.code, COVEY_SLOT_UNREADABLE);
		covey_release(c, &result);
	}
	/* Slot 100 fails: it cannot be had, nor what follows. */
	assert_int_equal(ask(c, "slot 103", "state 100"), -100);
	assert_int_equal(ask(c, "slot 100", "state 100"), -100);
	assert_int_equal(ask(c, "any", "state 100"), -100);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(s.slot, 99);
	assert_int_equal(atomic_load(&world->count[SNAPSHOTS]), 0);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void a_snapshot_at_the_idle_end(void **state)
{
	const struct covey_worker_options soon = {.worker_timeout = 100000000};
	struct covey_slots s = slots();
	const struct covey_device device = covey_slot_device(&s);
	struct covey_worker *worker;
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &device, NULL, 0, (struct covey_bytes){0}, &soon, &worker), 0);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), 0);
	assert_int_equal(atomic_load(&world->count[SNAPSHOTS]), 1);
	assert_int_equal(atomic_load(&world->number[0]), (int64_t)s.slot);
	/* Without a worker, whoever asks computes. */
	assert_int_equal(
	        covey_resolve(c, &device, (struct covey_bytes){0}, (struct covey_bytes){"slot 7", 6}, NULL, &result),
	        COVEY_OK);
	assert_true(says(&result, "state 7"));
	assert_int_equal(result.part, COVEY_LED);
	covey_release(c, &result);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(in_the_order_of_computation),
	        cmocka_unit_test(the_past_and_the_unreadable),
	        cmocka_unit_test(a_snapshot_at_the_idle_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
