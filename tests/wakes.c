/*
 * wakes.c - each way of telling of a death, when it is the only one left
 *
 * Several things tell waiters that their leader is dead: the kernel, by its life words; those whom it woke; keepers, who
 * reap. Each alone hides the loss of another, so here the others are taken away: keepers that never wake up again, a dead
 * process whose memory cannot be reaped because its memory is still in use (as during a core dump), one who is killed as it is
 * woken, a leader that is deposed and lives.  What nobody tells of is found by the backstop, which counts: no count here.
 */
#include "asleep.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct cv_futex_ops kernel; /* the real one */
static bool dies_when_woken;
enum { OUTLIVING = 100 }; /* in world->number */

/* ------------------------------------------------------------------------------------------------ the kernel underneath */

static bool is_keeper(void)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return strcmp(name, "covey-keeper") == 0;
}

static enum cv_slept deaf_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	enum cv_slept slept;

	while (is_keeper())
		pause();
	slept = kernel.waitv(list, count, deadline);
	if (dies_when_woken && slept != CV_TIMED_OUT)
		kill(getpid(), SIGKILL);
	return slept;
}

static enum cv_slept deaf_wait(const struct cv_futex *one, int64_t deadline)
{
	while (is_keeper())
		pause();
	return kernel.wait(one, deadline);
}

/* From now on the keepers of this process sleep for ever. */
static void deafen(void)
{
	kernel = cv_kernel;
	cv_kernel.waitv = deaf_waitv;
	cv_kernel.wait = deaf_wait;
}

/* ------------------------------------------------------------------------------------------------ the others */

static bool
        unreaped; /* who attaches has a process that shares its memory, and outlives it: nobody can reap it until then */

static int outlives(void *context)
{
	(void)context;
	for (;;)
		pause();
	return 0;
}

static void share_memory(void)
{
	static char stack[16384];
	int child;

	if (!unreaped)
		return;
	child = clone(outlives, stack + sizeof(stack), CLONE_VM, NULL);
	must(child > 0);
	atomic_store(&world->number[OUTLIVING + atomic_fetch_add(&world->count[0], 1)], child);
}

static void unreaped_end(void)
{
	for (int i = 0; i < atomic_load(&world->count[0]); i++)
		kill((pid_t)atomic_load(&world->number[OUTLIVING + i]), SIGKILL);
	unreaped = false;
}

static int leads(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	share_memory();
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[0], 1);
	for (;;)
		pause();
}

static int waits(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	share_memory();
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_DIED);
	for (;;) /* it leads now */
		pause();
}

static int waits_deaf(void *context)
{
	deafen();
	dies_when_woken = context != NULL;
	return waits(NULL);
}

static covey *inspector(void)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	covey *c = NULL;

	must(covey_open(&c, world->region, &inspect) == 0);
	return c;
}

static pid_t leader_now(covey *c)
{
	struct covey_info info;

	return covey_find(c, "g", 1, &info) == 0 ? info.pid : 0;
}

/* All of them are killed by now; whoever comes frees what they held. */
static void end(covey *c, uint64_t rescued)
{
	covey *last;

	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), rescued);
	covey_close(c);
	last = world_open();
	world_settle(last, 1);
	world_check(last, 0);
	covey_close(last);
}

/* ------------------------------------------------------------------------------------------------ the tests */

static void told_by_the_kernel_alone(void **state)
{
	pid_t leader, waiter;
	covey *c;

	(void)state;
	world_begin(NULL);
	leader = world_spawn(leads, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	c = inspector();
	waiter = world_spawn(waits_deaf, NULL);
	until(asleep(c) == 1);
	world_kill(leader);
	until(leader_now(c) == waiter);
	world_kill(waiter);
	end(c, 0);
}

/* The one who slept longest is killed by the wake-up that it is given; another was given one too. */
static void the_one_woken_is_killed(void **state)
{
	pid_t leader, waiter[3];
	covey *c;

	(void)state;
	world_begin(NULL);
	leader = world_spawn(leads, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	c = inspector();
	for (int i = 0; i < 3; i++) {
		waiter[i] = world_spawn(waits_deaf, i == 0 ? &unreaped : NULL);
		until(asleep(c) == 1 + (uint32_t)i);
	}
	world_kill(leader);
	assert_int_equal(world_join(waiter[0]), 128 + SIGKILL);
	until(leader_now(c) == waiter[1] || leader_now(c) == waiter[2]);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_kill(waiter[1]);
	world_kill(waiter[2]);
	end(c, 0);
}

static int killed_by_waking(_Atomic uint32_t *word, int count)
{
	(void)word, (void)count;
	raise(SIGKILL);
	return 0;
}

static int deposes_and_is_killed(void *context)
{
	struct covey_lead lead;
	struct covey_info info;
	covey *c = world_open();

	(void)context;
	must(covey_find(c, "g", 1, &info) == 0);
	cv_kernel.wake = killed_by_waking; /* it leads, and is about to tell */
	covey_take_over(c, "g", 1, info.generation, &lead);
	return 0;
}

/* The waiter sleeps on the life of the deposed leader, which goes on. */
static void told_by_the_reaper_alone(void **state)
{
	pid_t leader, waiter;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(leads, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	waiter = world_spawn(waits, NULL);
	until(asleep(c) == 1);
	assert_int_equal(world_join(world_spawn(deposes_and_is_killed, NULL)), 128 + SIGKILL);
	until(leader_now(c) == waiter);
	world_kill(leader);
	world_kill(waiter);
	end(c, 0);
}

static int accepts(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	share_memory();
	atomic_store(&world->number[0], covey_participant(c));
	must(covey_accept_work(c, "g", 1, COVEY_FOREVER, &lead) == COVEY_LEADER);
	for (;;)
		pause();
}

static int forwards(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[0], 1);
	until(atomic_load(&world->flag[1]) == 1);
	must(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[0])) == 0);
	for (;;)
		pause();
}

/* The waiter sleeps on the life of the forwarder, which goes on; the new leader's death is told to the forwarder's keeper.
 * Nobody can reap it. */
static void told_by_the_forwarder_alone(void **state)
{
	pid_t old, new, waiter;
	covey *c;

	(void)state;
	world_begin(NULL);
	unreaped = true;
	old = world_spawn(forwards, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	new = world_spawn(accepts, NULL);
	until(atomic_load(&world->number[0]) != 0);
	c = inspector();
	waiter = world_spawn(waits, NULL);
	until(asleep(c) == 1);
	atomic_store(&world->flag[1], 1);
	until(leader_now(c) == new);
	world_kill(new);
	until(leader_now(c) == waiter);
	world_kill(old);
	world_kill(waiter);
	unreaped_end();
	end(c, 0);
}

#define CHAIN 8

/* None of the dead can be reaped, so nobody rings for them; all who sleep on a life must hear that it ended, or the next death
 * finds nobody who sleeps on the next life. */
static void a_chain_of_deaths_without_reaping(void **state)
{
	pid_t next;
	covey *c;

	(void)state;
	world_begin(NULL);
	unreaped = true;
	world_spawn(leads, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	c = inspector();
	for (int i = 1; i < CHAIN; i++) {
		world_spawn(waits, NULL);
		until(asleep(c) == (uint32_t)i);
	}
	for (int i = 0; i < CHAIN - 1; i++) {
		next = leader_now(c);
		must(next != 0);
		world_kill(next);
		until(leader_now(c) != 0 && leader_now(c) != next);
		until(asleep(c) == (uint32_t)(CHAIN - 2 - i));
	}
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_kill(leader_now(c));
	unreaped_end();
	end(c, 0);
}

/* ------------------------------------------------------------------------------------------------ slow, and not lost */

enum { LOOKS = 1, ANSWERED }; /* of world->flag */

static _Atomic uint32_t *slept_on;

/* Who is to wake is put aside until the sleeper has looked by itself, and sleeps again or is gone. */
static int wakes_late(_Atomic uint32_t *word, int count)
{
	if (word == slept_on) {
		slept_on = NULL;
		until(atomic_load(&world->flag[LOOKS]) == 1);
		until(world_sleepers(word) == 1 || atomic_load(&world->flag[ANSWERED]) == 1);
	}
	return kernel.wake(word, count);
}

static enum cv_slept tells_of_backstop(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	enum cv_slept slept = kernel.waitv(list, count, deadline);

	if (slept == CV_TIMED_OUT && !is_keeper())
		atomic_store(&world->flag[LOOKS], 1);
	return slept;
}

static int is_answered(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	kernel = cv_kernel;
	cv_kernel.waitv = tells_of_backstop;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == *(int *)context);
	atomic_store(&world->flag[ANSWERED], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* The backstop finds what the waiter is about to be woken for. */
static void a_slow_wake(int (*answers)(covey *c, const struct covey_lead *lead), int outcome, bool by_bell)
{
	struct covey_lead lead;
	pid_t waiter;
	covey *c;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(is_answered, &outcome);
	until(asleep(c) == 1);
	for (uint32_t i = 1; i <= c->arena.seat_count && !by_bell; i++)
		if (seat_asleep(c, i))
			slept_on = cv_seat_futex(&c->arena.seats[i]);
	if (by_bell)
		slept_on = &c->arena.tails[lead.node].bell;
	kernel = cv_kernel;
	cv_kernel.wake = wakes_late;
	assert_int_equal(answers(c, &lead), 0);
	assert_null(slept_on);
	assert_int_equal(world_join(waiter), 0);
	cv_kernel = kernel;
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_check(c, 0);
	covey_close(c);
}

static int answers_and_goes_on(covey *c, const struct covey_lead *lead)
{
	struct covey_reply reply = text("yes");

	return covey_notify(c, lead, NULL, 0, &reply) == 1 ? covey_unregister(c, lead) : -1;
}

static int answers_and_ends(covey *c, const struct covey_lead *lead)
{
	struct covey_reply reply = text("yes");

	return covey_unregister_notify(c, lead, NULL, 0, &reply) == 1 ? 0 : -1;
}

static void an_answer_whose_wake_is_slow(void **state)
{
	(void)state;
	a_slow_wake(answers_and_goes_on, COVEY_OK, false);
}

static void an_end_whose_bell_is_slow(void **state)
{
	(void)state;
	a_slow_wake(answers_and_ends, COVEY_OK, true);
}

static void a_leader_that_gives_up_slowly(void **state)
{
	(void)state;
	a_slow_wake(covey_unregister, COVEY_GAVE_UP, true);
}

/* Nobody woke it, so it has not fallen asleep again: each count but a wait's first is a wake-up. */
static void the_backstop_is_no_wake(void **state)
{
	struct covey_reply reply = text("yes");
	int outcome = COVEY_OK;
	struct covey_lead lead;
	pid_t waiter;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(is_answered, &outcome);
	until(atomic_load(&world->flag[LOOKS]) == 1 && asleep(c) == 1);
	assert_int_equal(covey_counter(c, COVEY_COUNT_PARKED), 1);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(waiter), 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(told_by_the_kernel_alone),
	        cmocka_unit_test(the_one_woken_is_killed),
	        cmocka_unit_test(told_by_the_reaper_alone),
	        cmocka_unit_test(told_by_the_forwarder_alone),
	        cmocka_unit_test(a_chain_of_deaths_without_reaping),
	        cmocka_unit_test(an_answer_whose_wake_is_slow),
	        cmocka_unit_test(an_end_whose_bell_is_slow),
	        cmocka_unit_test(a_leader_that_gives_up_slowly),
	        cmocka_unit_test(the_backstop_is_no_wake),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
