/*
 * guest_giving_up.c - a computation that gives up, and one that learns how many leaders died before it
 */
#include "guest_device.h"
#include "world.h"

#include <pthread.h>
#include <signal.h>

enum { COMPUTED, DEATHS /* and the next: what each computation was told */ = 8 }; /* indexes of world->count */
enum { LEADER };                                                                  /* of world->number */
enum { GO };                                                                      /* of world->flag */

static const struct covey_bytes base = {"group", 5};

static int group(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = b.size;
	memcpy(name->data, b.data, b.size);
	return 0;
}

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

/* ------------------------------------------------------------------------------------------------ giving up */

/* The first to compute gives up, once somebody waits and with a result and an error beside it; the others do not. */
static int first_gives_up(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)b, (void)request;
	if (atomic_fetch_add(&world->count[COMPUTED], 1) != 0)
		return covey_answer_copy(answer, "done", 4);
	atomic_store(&world->flag[GO], 1);
	until(self == NULL || world_waiters(self, "group") == 3);
	must(covey_answer_room(answer, 100000) != NULL);
	covey_answer_code(answer, 17);
	covey_answer_give_up(answer);
	return 1;
}

static int asks(void *request)
{
	covey *c = world_open();
	const struct covey_device device = {.self = c, .group = group, .compute = first_gives_up};
	struct covey_result result;

	until(atomic_load(&world->flag[GO]));
	must(covey_resolve(c, &device, base, bytes(request), NULL, &result) == COVEY_OK);
	must(says(&result, "done") && (result.part == COVEY_LED || result.part == COVEY_JOINED));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void must_have_given_up(covey *c, struct covey_result *result, int part)
{
	assert_int_equal(result->outcome, COVEY_GAVE_UP);
	assert_int_equal(result->part, part);
	assert_int_equal(result->code, 17);
	assert_int_equal(result->size, 0);
	covey_release(c, result);
}

/* The caller is told that it gave up itself; of three that wait, one leads. */
static void one_of_the_waiters_leads(void **state)
{
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE};
	struct covey_device device = {.group = group, .compute = first_gives_up};
	struct covey_result result;
	pid_t waiters[3];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = device.self = world_open();
	for (int i = 0; i < 3; i++)
		waiters[i] = world_spawn(asks, i < 2 ? "same" : "another");
	assert_int_equal(covey_resolve(c, &device, base, bytes("same"), &options, &result), COVEY_GAVE_UP);
	must_have_given_up(c, &result, COVEY_LED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(waiters[i]), 0);
	assert_true(atomic_load(&world->count[COMPUTED]) >= 2);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

static void alone(void **state)
{
	const struct covey_resolve_options none = {.await_inprogress = COVEY_AWAIT_NONE};
	const struct covey_device device = {.group = group, .compute = first_gives_up};
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_resolve(NULL, &device, base, bytes("same"), NULL, &result), COVEY_GAVE_UP);
	must_have_given_up(NULL, &result, COVEY_ALONE);
	atomic_store(&world->count[COMPUTED], 0);
	assert_int_equal(covey_resolve(c, &device, base, bytes("same"), &none, &result), COVEY_GAVE_UP);
	must_have_given_up(c, &result, COVEY_ALONE);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* It is one request that has no answer; the worker is there for the next. */
static void a_worker_goes_on(void **state)
{
	struct covey_worker *worker;
	struct covey_host *host;
	struct covey_result result;
	covey *c;

	(void)state;
	for (int kind = 0; kind < GUEST_KINDS; kind++) {
		world_begin(NULL);
		c = world_open();
		worker = guest_start(c, (enum guest_kind)kind, NULL, COVEY_FOREVER, &host);
		assert_int_equal(guest_ask(c, "give up", &result), COVEY_GAVE_UP);
		assert_int_equal(result.size, 0);
		covey_release(c, &result);
		assert_int_equal(guest_ask(c, "what else", &result), COVEY_OK);
		assert_true(says(&result, "what else"));
		covey_release(c, &result);
		assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
		covey_host_close(host);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
	world_end();
}

static int step(void *self, uint64_t slot, struct covey_answer *answer)
{
	(void)self;
	if (slot == 2 && atomic_fetch_add(&world->count[COMPUTED], 1) == 0)
		covey_answer_give_up(answer);
	return covey_answer_copy(answer, "state", 5);
}

static int ask_slot(covey *c, const char *request)
{
	struct covey_lead lead;
	struct covey_result result;
	int r;

	must(covey_join(c, "log", 3, &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result);
	covey_release(c, &result);
	return r;
}

/* Numbered states: whoever waits for that state or a later one is told; the state is still to be computed. */
static void a_numbered_state_is_given_up(void **state)
{
	struct covey_slots slots = {.name = "log", .step = step};
	struct covey_device device = covey_slot_device(&slots);
	struct covey_worker *worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_worker(c, &device, NULL, 0, base, NULL, &worker), 0);
	assert_int_equal(ask_slot(c, "slot 3"), COVEY_GAVE_UP);
	assert_int_equal(ask_slot(c, "slot 3"), COVEY_OK);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(slots.slot, 3);
	covey_close(c);
	world_end();
}

/* ------------------------------------------------------------------------------------------------ deaths before it */

/* Each notes what it was told, and lasts until it is killed, or may go on. */
static int notes_deaths(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)b, (void)request;
	atomic_store(
	        &world->count[DEATHS + atomic_fetch_add(&world->count[COMPUTED], 1)], (int)covey_answer_deaths(answer));
	atomic_store(&world->number[LEADER], getpid());
	until(atomic_load(&world->flag[GO]));
	return covey_answer_copy(answer, "done", 4);
}

static int may_be_killed(void *context)
{
	covey *c = world_open();
	const struct covey_device device = {.group = group, .compute = notes_deaths};
	struct covey_result result;

	(void)context;
	must(covey_resolve(c, &device, base, bytes(""), NULL, &result) == COVEY_OK);
	must(says(&result, "done"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void kill_leader(pid_t *processes, int count, int computed)
{
	pid_t leader;

	until(atomic_load(&world->count[COMPUTED]) == computed && atomic_load(&world->number[LEADER]) != 0);
	leader = (pid_t)atomic_exchange(&world->number[LEADER], 0);
	world_kill(leader);
	for (int i = 0; i < count; i++)
		processes[i] = processes[i] == leader ? 0 : processes[i];
}

/* Three leaders are killed, one after the other; the fourth is told 3, and has a result for the fifth. */
static void three_die_in_a_row(void **state)
{
	pid_t processes[5];
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 5; i++)
		processes[i] = world_spawn(may_be_killed, NULL);
	until(world_waiters(c, "group") == 4);
	for (int i = 1; i <= 3; i++)
		kill_leader(processes, 5, i);
	until(atomic_load(&world->count[COMPUTED]) == 4 && world_waiters(c, "group") == 1);
	world_settle(c, 3); /* what the last one was told stands in the group meanwhile */
	world_check(c, 0);
	atomic_store(&world->flag[GO], 1);
	for (int i = 0; i < 5; i++)
		assert_true(processes[i] == 0 || world_join(processes[i]) == 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(atomic_load(&world->count[DEATHS + i]), i);
	assert_int_equal(atomic_load(&world->count[COMPUTED]), 4);
	/* an execution that ended makes it nothing again */
	assert_int_equal(lead_of(c, "group", &lead), COVEY_LEADER);
	assert_int_equal(lead.deaths, 0);
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

/* Deposed by hand: the next counts from there. */
static void by_hand_it_begins_anew(void **state)
{
	pid_t processes[3], awaiting;
	struct covey_info info;
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 3; i++)
		processes[i] = world_spawn(may_be_killed, NULL);
	until(world_waiters(c, "group") == 2);
	kill_leader(processes, 3, 1);
	until(atomic_load(&world->count[COMPUTED]) == 2 && world_waiters(c, "group") == 1);
	assert_int_equal(covey_find(c, "group", 5, &info), 0);
	assert_int_equal(covey_take_over(c, "group", 5, info.generation, &lead), COVEY_LEADER);
	assert_int_equal(lead.deaths, 0);
	assert_int_equal(lead.previous, info.pid);
	/* it gives up: the last one leads, and nobody has died before it */
	assert_int_equal(covey_unregister(c, &lead), 0);
	until(atomic_load(&world->count[COMPUTED]) == 3);
	assert_int_equal(atomic_load(&world->count[DEATHS + 1]), 1);
	assert_int_equal(atomic_load(&world->count[DEATHS + 2]), 0);
	/* and its death is the first */
	awaiting = world_spawn(may_be_killed, NULL);
	until(world_waiters(c, "group") == 1);
	kill_leader(processes, 3, 3);
	until(atomic_load(&world->count[COMPUTED]) == 4);
	assert_int_equal(atomic_load(&world->count[DEATHS + 3]), 1);
	atomic_store(&world->flag[GO], 1);
	assert_int_equal(world_join(awaiting), 0);
	for (int i = 0; i < 3; i++)
		assert_true(processes[i] == 0 || world_join(processes[i]) == 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_of_the_waiters_leads),
	        cmocka_unit_test(alone),
	        cmocka_unit_test(a_worker_goes_on),
	        cmocka_unit_test(a_numbered_state_is_given_up),
	        cmocka_unit_test(three_die_in_a_row),
	        cmocka_unit_test(by_hand_it_begins_anew),
	};
	int status;

	(void)argc;
	return guest_main(argv, &status) ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
