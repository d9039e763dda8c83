/*
 * mended.c - each of these failed once, and is held down here
 */
#include "world.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

enum { READY, STOP, REAPER, KILLED };

/* ------------------------------------------------------------------------------------------------ requests */

_Noreturn static int answers_for_ever(void *context)
{
	covey *c = world_open();
	struct covey_request request;
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "worker", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	for (;;) {
		struct covey_reply reply = {0};

		must(covey_receive(c, &lead, COVEY_FOREVER, &request) == 0);
		reply.data = request.data;
		reply.size = request.size;
		must(covey_respond(c, &lead, &request, &reply) >= 0);
	}
}

static int asks_often(void *context)
{
	covey *c = world_open();
	int me = *(int *)context;

	for (int i = 0; i < 5000; i++) {
		struct covey_result result;
		struct covey_lead lead;
		char request[32];

		snprintf(request, sizeof(request), "%d of %d", i, me);
		must(lead_of(c, "worker", &lead) == COVEY_WAIT);
		must(covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, &result) == COVEY_OK);
		must(says(&result, request));
		covey_release(c, &result);
	}
	covey_close(c);
	return 0;
}

/* A request that was posted after one with a later ticket was passed over for ever. */
static void every_request_is_received(void **state)
{
	static int me[6] = {0, 1, 2, 3, 4, 5};
	pid_t worker, client[6];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	worker = world_spawn(answers_for_ever, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	for (int i = 0; i < 6; i++)
		client[i] = world_spawn(asks_often, &me[i]);
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_join(client[i]), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_kill(worker);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* One seat asks two workers whose tickets and generations are the same: the second request seemed to be given already. */
static int answers_one(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text("answer");
	struct covey_request request;
	struct covey_lead lead;

	must(lead_of(c, context, &lead) == COVEY_LEADER);
	atomic_fetch_add(&world->flag[READY], 1);
	must(covey_receive(c, &lead, covey_in_ms(60000), &request) == 0);
	must(covey_respond(c, &lead, &request, &reply) == 1);
	covey_close(c);
	return 0;
}

static void two_workers_one_client(void **state)
{
	static char group[2][4] = {"A", "B"};
	struct covey_result result;
	struct covey_lead lead;
	pid_t worker[2];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 2; i++)
		worker[i] = world_spawn(answers_one, group[i]);
	until(atomic_load(&world->flag[READY]) == 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lead_of(c, group[i], &lead), COVEY_WAIT);
		assert_int_equal(covey_await(c, &lead, "q", 1, covey_in_ms(60000), 0, &result), COVEY_OK);
		assert_true(says(&result, "answer"));
		covey_release(c, &result);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_join(worker[i]), 0);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ blocks */

static int deposed_while_computing(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	covey *c = self;
	struct covey_name name;
	struct covey_info info;
	struct covey_lead lead;

	must(covey_default_grouper(base, request, NULL, &name) == 0);
	memset(covey_answer_room(answer, 100), 'A', 100);
	must(covey_find(c, name.data, name.size, &info) == 0);
	must(covey_take_over(c, name.data, name.size, info.generation, &lead) == COVEY_LEADER);
	must(covey_unregister(c, &lead) == 0);
	return 0;
}

/* The room of a leader that was deposed meanwhile was freed, though its own caller had it on loan. */
static void a_loan_outlives_fencing(void **state)
{
	struct covey_device device = {.compute = deposed_while_computing};
	struct covey_result result;
	struct covey_lead lead;
	uint32_t room[20];
	covey *c;

	(void)state;
	world_begin(NULL);
	device.self = c = world_open();
	assert_int_equal(
	        covey_resolve(c, &device, (struct covey_bytes){"b", 1}, (struct covey_bytes){NULL, 0}, NULL, &result),
	        COVEY_OK);
	assert_int_equal(lead_of(c, "other", &lead), COVEY_LEADER);
	for (int i = 0; i < 20; i++) { /* would get the bytes, were they free */
		void *data;

		assert_int_equal(covey_room(c, &lead, NULL, 0, 100, &data, &room[i]), 0);
		memset(data, 'Z', 100);
	}
	for (size_t i = 0; i < result.size; i++)
		assert_int_equal(((const char *)result.data)[i], 'A');
	for (int i = 0; i < 20; i++)
		covey_room_free(c, room[i]);
	covey_release(c, &result);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

static int reads_world(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(says(&result, "WORLD"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* "data and size say what of the room is the result": data was not looked at. */
static void the_middle_of_a_room(void **state)
{
	struct covey_reply reply = {.size = 5};
	struct covey_lead lead;
	void *data;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = world_spawn(reads_world, NULL);
	until(world_waiters(c, "g") == 1);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 10, &data, &reply.room), 0);
	memcpy(data, "helloWORLD", 10);
	reply.data = (char *)data + 5;
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(child), 0);
	world_check(c, 0);
	covey_close(c);
}

static void *makes_a_room_and_exits(void *context)
{
	covey *c = context;
	struct covey_lead lead;
	uint32_t room;
	void *data;

	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 1000, &data, &room) == 0);
	return NULL;
}

/* A room of a thread that exited belonged to nobody. */
static void rooms_of_threads_that_exit(void **state)
{
	covey *c, *other;

	(void)state;
	world_begin(NULL);
	c = world_open();
	other = world_open_apart();
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, makes_a_room_and_exits, other);
		pthread_join(thread, NULL);
	}
	covey_close(other);
	world_check(c, 0);
	covey_close(c);
}

static void requests_without_bytes_are_refused(void **state)
{
	struct covey_reply reply = {0};
	struct covey_lead lead;
	struct covey_result result;
	uint32_t room;
	void *data;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(c, &lead, NULL, 3, 10, &data, &room), COVEY_EINVAL);
	assert_int_equal(covey_room(c, &lead, NULL, 0, SIZE_MAX - 8, &data, &room), COVEY_EFULL);
	assert_int_equal(covey_notify(c, &lead, NULL, 3, &reply), COVEY_EINVAL);
	assert_int_equal(covey_await(c, &lead, NULL, 3, COVEY_FOREVER, 0, &result), COVEY_EINVAL);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ groups of the dead */

_Noreturn static int leads_until_killed(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	char group[16];

	for (int i = 0; i < 4; i++) {
		snprintf(group, sizeof(group), "g%d", i);
		must(lead_of(c, group, &lead) == COVEY_LEADER);
	}
	(void)context;
	atomic_store(&world->flag[READY], 1);
	for (;;)
		pause();
}

static int tires_of_waiting(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	must(lead_of(c, context, &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(1), 0, &result) == COVEY_TIMED_OUT);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* A dead leader's group whose waiters had gone stayed "led by nobody" for ever, and its node with it. */
static void orphans_become_idle(void **state)
{
	struct covey_options options = {.groups = 4, .participants = 8};
	static char group[4][8] = {"g0", "g1", "g2", "g3"};
	struct covey_usage usage;
	struct covey_lead lead;
	pid_t leader;
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	leader = world_spawn(leads_until_killed, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_join(world_spawn(tires_of_waiting, group[i])), 0);
	world_kill(leader);
	world_settle(c, 1);
	assert_int_equal(covey_usage_of(c, &usage), 0);
	assert_int_equal(usage.groups_led, 0);
	assert_int_equal(lead_of(c, "a fifth", &lead), COVEY_LEADER);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

static covey *reaper;
static _Thread_local bool reaps; /* any other thread of the process sleeps for ever once it sleeps */
static struct cv_futex_ops kernel;

static enum cv_slept waits_for_ever(const struct cv_futex *one, int64_t deadline)
{
	while (!reaps)
		pause();
	return kernel.wait(one, deadline);
}

static enum cv_slept waits_for_ever_on_many(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	while (!reaps)
		pause();
	return kernel.waitv(list, count, deadline);
}

static int killed_at_a_bell(_Atomic uint32_t *word, int count)
{
	for (uint32_t i = 1; i <= reaper->arena.node_count; i++)
		if (word == &reaper->arena.tails[i].bell)
			raise(SIGKILL);
	return kernel.wake(word, count);
}

static int is_killed_as_it_orphans(void *context)
{
	(void)context;
	reaps = true;
	kernel = cv_kernel;
	cv_kernel.wait = waits_for_ever;
	cv_kernel.waitv = waits_for_ever_on_many;
	reaper = world_open();
	must(covey_reap(reaper) ==
	        0); /* its seat is not that of the one who waits, or what that one waited for is looked at */
	atomic_store(&world->flag[REAPER], 1);
	until(atomic_load(&world->flag[KILLED]) == 1);
	cv_kernel.wake = killed_at_a_bell; /* after the swap, before the look whether anybody waits */
	return covey_reap(reaper);
}

/* Then its reaper saw no group of the dead one's any more. */
static void orphans_of_a_reaper_that_is_killed(void **state)
{
	static char group[] = "g0";
	struct covey_usage usage;
	pid_t leader, victim;
	covey *c;

	(void)state;
	world_begin(NULL);
	leader = world_spawn(leads_until_killed, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	victim = world_spawn(is_killed_as_it_orphans, NULL);
	until(atomic_load(&world->flag[REAPER]) == 1);
	assert_int_equal(world_join(world_spawn(tires_of_waiting, group)), 0);
	world_kill(leader);
	atomic_store(&world->flag[KILLED], 1);
	assert_int_equal(world_join(victim), 128 + SIGKILL);
	c = world_open();
	world_settle(c, 1);
	assert_int_equal(covey_usage_of(c, &usage), 0);
	assert_int_equal(usage.groups_led, 0);
	world_check(c, 0);
	covey_close(c);
}

static uint32_t participants(covey *c)
{
	struct covey_usage usage;

	must(covey_usage_of(c, &usage) == 0);
	return usage.participants;
}

/* Nobody noticed the death of a participant that led nothing. */
static void keepers_reap_by_themselves(void **state)
{
	pid_t child[5];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 5; i++) {
		atomic_store(&world->flag[READY], 0);
		child[i] = world_spawn(i == 0 ? leads_until_killed : answers_for_ever, NULL);
		until(atomic_load(&world->flag[READY]) == 1);
		if (i != 0)
			world_kill(child[i]);
	}
	until(participants(c) == 2);
	world_kill(child[0]);
	until(participants(c) == 1);
	world_check(c, 0);
	covey_close(c);
}

_Noreturn static int opens_and_closes(void *context)
{
	(void)context;
	for (;;) {
		covey *c = world_open();

		atomic_fetch_add(&world->count[0], 1);
		covey_close(c);
	}
}

/* Killed between taking its words off the kernel's list and clearing them, a leaver seemed to live for ever. */
static void leavers_killed_half_way(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 150; i++) {
		int before = atomic_load(&world->count[0]);
		pid_t child = world_spawn(opens_and_closes, NULL);

		until(atomic_load(&world->count[0]) > before + 1);
		for (volatile int spin = 0; spin < i * 5000; spin++) {
		}
		world_kill(child);
		world_settle(c, 1);
	}
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ fork */

/* A child of fork could end what its parent leads. */
static void a_child_leads_nothing(void **state)
{
	struct covey_lead lead;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = fork();
	if (child == 0) {
		must(!covey_leading(c, &lead));
		must(covey_unregister_notify(c, &lead, NULL, 0, NULL) == COVEY_EFENCED);
		must(covey_reap(c) >= 0); /* in its own name, not its parent's */
		must((covey_participant(c) & 0x1fff) == 2);
		must(covey_unregister(c, &lead) == COVEY_EFENCED);
		must(covey_forward_work(c, &lead, (uint32_t)covey_participant(c)) == COVEY_EFENCED);
		covey_close(c);
		_exit(0);
	}
	assert_int_equal(world_join(child), 0);
	assert_true(covey_leading(c, &lead));
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_check(c, 0);
	covey_close(c);
}

_Noreturn static int forks_without_descriptors(void *context)
{
	struct rlimit none = {0, 0};
	struct covey_lead lead;
	pid_t child;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
	child = fork(); /* its handler cannot open the region anew */
	if (child == 0)
		for (;;)
			pause();
	atomic_store(&world->number[0], child);
	for (;;)
		pause();
}

/* Then the child kept its parent's slot locked, and the parent could not be reaped. */
static void a_child_without_descriptors(void **state)
{
	pid_t parent;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	parent = world_spawn(forks_without_descriptors, NULL);
	until(atomic_load(&world->number[0]) != 0);
	world_kill(parent);
	world_settle(c, 1);
	kill((pid_t)atomic_load(&world->number[0]), SIGKILL);
	world_check(c, 0);
	covey_close(c);
}

/* What a thread keeps of each region that it ever used stayed until it exited. */
static void opening_and_closing_takes_no_memory(void **state)
{
	enum { TIMES = 300 };
	size_t before = 0;

	(void)state;
	world_begin(NULL);
	for (int i = 0; i < 2 * TIMES; i++) {
		covey *c = world_open();
		struct covey_lead lead;

		must(lead_of(c, "g", &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
		covey_close(c);
		if (i == TIMES)
			before = mallinfo2().uordblks;
	}
	assert_in_range(mallinfo2().uordblks, 0, before + TIMES * sizeof(void *));
}

static void the_largest_number_of_participants(void **state)
{
	struct covey_options options = {.participants = 4096};

	(void)state;
	world_begin(&options);
	covey_close(world_open());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_request_is_received),
	        cmocka_unit_test(two_workers_one_client),
	        cmocka_unit_test(a_loan_outlives_fencing),
	        cmocka_unit_test(the_middle_of_a_room),
	        cmocka_unit_test(rooms_of_threads_that_exit),
	        cmocka_unit_test(requests_without_bytes_are_refused),
	        cmocka_unit_test(orphans_become_idle),
	        cmocka_unit_test(orphans_of_a_reaper_that_is_killed),
	        cmocka_unit_test(keepers_reap_by_themselves),
	        cmocka_unit_test(leavers_killed_half_way),
	        cmocka_unit_test(a_child_leads_nothing),
	        cmocka_unit_test(a_child_without_descriptors),
	        cmocka_unit_test(opening_and_closing_takes_no_memory),
	        cmocka_unit_test(the_largest_number_of_participants),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
