/*
 * death.c - leaders that are killed: one successor, every waiter answered in time, nothing left behind
 */
#include "world.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash.h"
#include "internal.h"
#include "pool.h"

enum { LED, DONE, KILLED, RELEASED };                       /* indexes of world->count */
enum { GO, STOPPED, ENDS, ENDED, ASKED, ANSWERED, JOINED }; /* of world->flag */

/* Leads the group, says so, and stays until it is killed. */
static int leads_for_ever(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	for (;;)
		pause();
}

/* Waits; if it becomes the successor, publishes once everybody else sleeps. */
static int waits_or_succeeds(void *context)
{
	int expected = *(int *)context;
	int64_t deadline = covey_in_ms(60000);
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	struct covey_reply reply = text("from the successor");
	int r;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, NULL, 0, deadline, 0, &result);
	must(covey_in_ms(0) <= deadline);
	if (r == COVEY_DIED) {
		must(result.part == COVEY_TOOK_OVER && covey_leading(c, &result.lead));
		must(result.lead.generation > lead.generation);
		must(result.pid == lead.pid);
		must(atomic_fetch_add(&world->count[LED], 1) == 0);
		until(world_waiters(c, "g") == (uint32_t)expected - 1);
		/* Waiters that look meanwhile may help, so not all need be answered by this call; DONE tells that all were. */
		r = covey_unregister_notify(c, &result.lead, NULL, 0, &reply);
		must(r >= 0 && r < expected);
	} else {
		must(r == COVEY_OK && says(&result, "from the successor"));
	}
	atomic_fetch_add(&world->count[DONE], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void one_round(covey *c, int waiters)
{
	pid_t leader, child[100];

	memset(world->count, 0, sizeof(world->count));
	atomic_store(&world->flag[GO], 0);
	leader = world_spawn(leads_for_ever, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	for (int i = 0; i < waiters; i++)
		child[i] = world_spawn(waits_or_succeeds, &waiters);
	until(world_waiters(c, "g") == (uint32_t)waiters);
	world_kill(leader);
	for (int i = 0; i < waiters; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[LED]), 1);
	assert_int_equal(atomic_load(&world->count[DONE]), waiters);
}

static void hundred_waiters_ten_times(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 10; i++)
		one_round(c, 100);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_TOOK_OVER), 10);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* Waits; as a successor it is killed, until enough of them were. */
static int succeeds_and_is_killed(void *context)
{
	int kills = *(int *)context;
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	struct covey_reply reply = text("at last");
	int r;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result);
	if (r == COVEY_DIED && atomic_fetch_add(&world->count[KILLED], 1) < kills)
		raise(SIGKILL);
	if (r == COVEY_DIED) {
		must(result.part == COVEY_TOOK_OVER);
		must(atomic_fetch_add(&world->count[LED], 1) == 0);
		must(covey_unregister_notify(c, &result.lead, NULL, 0, &reply) >= 0);
	} else {
		must(r == COVEY_OK && says(&result, "at last"));
	}
	atomic_fetch_add(&world->count[DONE], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void successors_are_killed_too(void **state)
{
	pid_t leader, child[100];
	int kills = 20, killed = 0;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(leads_for_ever, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	for (int i = 0; i < 100; i++)
		child[i] = world_spawn(succeeds_and_is_killed, &kills);
	until(world_waiters(c, "g") == 100);
	world_kill(leader);
	for (int i = 0; i < 100; i++) {
		int status = world_join(child[i]);

		assert_true(status == 0 || status == 128 + SIGKILL);
		killed += status != 0;
	}
	assert_int_equal(killed, kills);
	assert_int_equal(atomic_load(&world->count[LED]), 1);
	assert_int_equal(atomic_load(&world->count[DONE]), 100 - kills);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static int waits_without_takeover(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER, &result) == COVEY_DIED);
	must(result.part == COVEY_JOINED);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void all_are_told_where_nobody_wants_to_lead(void **state)
{
	pid_t leader, child[16];
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(leads_for_ever, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	for (int i = 0; i < 16; i++)
		child[i] = world_spawn(waits_without_takeover, NULL);
	until(world_waiters(c, "g") == 16);
	world_kill(leader);
	for (int i = 0; i < 16; i++)
		assert_int_equal(world_join(child[i]), 0);
	world_settle(c, 1);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

static void a_newcomer_takes_over(void **state)
{
	struct covey_lead lead;
	pid_t leader;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(leads_for_ever, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	world_kill(leader);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_true(lead.previous == leader || lead.previous == 0);
	covey_unregister(c, &lead);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static int execs(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	until(world_waiters(c, "g") == 1);
	execl("/bin/sleep", "sleep", "600", (char *)NULL);
	abort();
}

static void exec_counts_as_leaving(void **state)
{
	struct covey_lead lead;
	struct covey_result result;
	pid_t leader;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(execs, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_WAIT);
	assert_int_equal(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result), COVEY_DIED);
	assert_int_equal(result.part, COVEY_TOOK_OVER);
	covey_unregister(c, &result.lead);
	covey_release(c, &result);
	world_settle(c, 1);
	world_kill(leader);
	world_check(c, 0);
	covey_close(c);
}

/* Dies with blocks of every kind in its hands. */
static int hoards(void *context)
{
	static char name[COVEY_NAME_MAX], large[20000];
	covey *c = world_open();
	struct covey_lead lead;
	uint32_t room;
	void *data;

	(void)context;
	memset(name, 'h', sizeof(name));
	for (int i = 0; i < 50; i++) {
		memcpy(name, &i, sizeof(i));
		must(covey_find_or_register(c, name, sizeof(name) - (size_t)i, &lead) == COVEY_LEADER);
		must(covey_room(c, &lead, "r", 1, (size_t)1 << (i % 22), &data, &room) == 0);
	}
	must(lead_of(c, "led by the parent", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "loan", 4, COVEY_FOREVER, 0, &(struct covey_result){0}) == COVEY_OK);
	atomic_store(&world->flag[GO], 1);
	covey_await(c, &lead, large, sizeof(large), COVEY_FOREVER, 0, &(struct covey_result){0});
	abort();
}

static void nothing_of_the_dead_remains(void **state)
{
	static char borrowed[200];
	struct covey_reply loan = {.data = borrowed, .size = sizeof(borrowed)};
	struct covey_usage usage;
	struct covey_lead lead;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "led by the parent", &lead), COVEY_LEADER);
	child = world_spawn(hoards, NULL);
	until(covey_notify(c, &lead, "loan", 4, &loan) == 1);
	until(atomic_load(&world->flag[GO]) == 1 && world_waiters(c, "led by the parent") == 1);
	world_kill(child);
	world_settle(c, 1);
	assert_int_equal(covey_usage_of(c, &usage), 0);
	assert_int_equal(usage.groups_led, 1);
	assert_int_equal(usage.threads, 1);
	covey_unregister(c, &lead);
	world_check(c, 50); /* the long names of the groups that stay cached */
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ half-way */

static covey *dying; /* of the process that is to be killed */

static uint32_t seat_of(covey *c)
{
	int error;

	return covey_enter(c, &error)->seat;
}

static int killed_by_ringing(_Atomic uint32_t *word, int count)
{
	(void)word, (void)count;
	raise(SIGKILL);
	return 0;
}

/* Its waiter has its answer, and is just about to be woken. */
static void while_it_delivers(void)
{
	struct covey_reply reply = text("delivered");
	struct covey_lead lead;

	must(lead_of(dying, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	until(atomic_load(&world->flag[STOPPED]) == 1);
	cv_kernel.wake = killed_by_ringing;
	covey_unregister_notify(dying, &lead, NULL, 0, &reply);
}

/* As cv_pool_take() does it, up to where the node is in the table yet. */
static void while_it_evicts(void)
{
	struct covey_lead lead;
	_Atomic uint64_t *own;

	must(lead_of(dying, "h", &lead) == COVEY_LEADER && covey_unregister(dying, &lead) == 0);
	own = &dying->arena.nodes[lead.node].own;
	atomic_store(own, cv_word(CV_EVICTING, seat_of(dying), cv_word_gen(atomic_load(own))));
}

/* As covey_find_or_register() does it, up to the link. */
static void before_it_registers(void)
{
	struct cv_key key = {(const unsigned char *)"i", 1, cv_hash(dying->arena.key, "i", 1)};
	struct cv_hint hint = {0};
	uint32_t seat = seat_of(dying), node = cv_pool_take(&dying->arena, seat, &hint);

	must(node != 0 && cv_pool_fill(&dying->arena, seat, node, &key, &hint) == 0);
	cv_pool_refresh(&dying->arena, seat, node);
}

static int dies_half_way(void *context)
{
	void (*const *instant)(void) = context;

	dying = world_open();
	(*instant)();
	raise(SIGKILL);
	return 0;
}

static int waits_once(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &(struct covey_result){0});
	return 0;
}

/* If it went on, it would finish what the leader began. */
static pid_t waiter_that_stops(covey *c)
{
	pid_t waiter;

	until(atomic_load(&world->flag[GO]) == 1);
	waiter = world_spawn(waits_once, NULL);
	until(world_waiters(c, "g") == 1);
	must(kill(waiter, SIGSTOP) == 0);
	atomic_store(&world->flag[STOPPED], 1);
	return waiter;
}

/* Whoever reaps takes each step that the dead one had begun to its end. */
static void killed_half_way(void **state)
{
	static void (*const instants[])(void) = {while_it_delivers, while_it_evicts, before_it_registers};
	pid_t child, waiter;
	covey *c;

	(void)state;
	for (int i = 0; i < 3; i++) {
		world_begin(NULL);
		c = world_open();
		child = world_spawn(dies_half_way, (void *)(uintptr_t)&instants[i]);
		waiter = i == 0 ? waiter_that_stops(c) : 0;
		assert_int_equal(world_join(child), 128 + SIGKILL);
		if (waiter != 0)
			world_kill(waiter);
		world_settle(c, 1);
		world_check(c, 0);
		covey_close(c);
	}
}

/* ------------------------------------------------------------------------------------------------ answered by the dead */

/* The kernel ends the threads of a process one after the other: its keeper first here, and then one still answers. */
static int answers_after_its_life(void *context)
{
	struct covey_reply reply = text("late");
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	until(atomic_load(&world->flag[ENDS]) == 1);
	for (int i = 0; i < COVEY_LIFE_WORDS; i++) {
		_Atomic uint32_t *word = &c->slots[c->slot].life[i * COVEY_LIFE_STRIDE];

		atomic_store(word, FUTEX_WAITERS | FUTEX_OWNER_DIED);
		cv_kernel.wake(word, 1);
	}
	atomic_store(&world->flag[ENDED], 1);
	until(atomic_load(&world->flag[ASKED]) == 1);
	must(covey_notify(c, &lead, "first", 5, &reply) == 1);
	atomic_store(&world->flag[ANSWERED], 1);
	for (;;)
		pause();
}

static int (*real_wake)(_Atomic uint32_t *word, int count);

/* It has looked for an answer, then found the life ended, and is about to take over. */
static int answered_as_it_passes_the_death_on(_Atomic uint32_t *word, int count)
{
	if (getpid() == gettid() && atomic_exchange(&world->flag[ASKED], 1) == 0)
		until(atomic_load(&world->flag[ANSWERED]) == 1);
	return real_wake(word, count);
}

static int takes_the_answer(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	atomic_store(&world->flag[JOINED], 1);
	until(atomic_load(&world->flag[ENDED]) == 1);
	real_wake = cv_kernel.wake;
	cv_kernel.wake = answered_as_it_passes_the_death_on;
	must(covey_await(c, &lead, "first", 5, COVEY_FOREVER, 0, &result) == COVEY_OK && says(&result, "late"));
	cv_kernel.wake = real_wake;
	covey_release(c, &result);
	atomic_store(&world->flag[STOPPED], 1);
	for (;;) /* it lives on, and leads nothing */
		pause();
}

static int takes_the_group(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "second", 6, covey_in_ms(20000), 0, &result) == COVEY_DIED);
	must(result.part == COVEY_TOOK_OVER && covey_unregister(c, &result.lead) == 0);
	covey_close(c);
	return 0;
}

/* Who takes over, and is answered at that moment, leaves the group to another. */
static void answered_as_it_takes_over(void **state)
{
	pid_t leader, first, second;
	int status;
	covey *c;

	(void)state;
	world_begin(NULL);
	leader = world_spawn(answers_after_its_life, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	c = world_open();
	first = world_spawn(takes_the_answer, NULL);
	until(atomic_load(&world->flag[JOINED]) == 1);
	second = world_spawn(takes_the_group, NULL);
	until(world_waiters(c, "g") == 1);
	kill(second, SIGSTOP); /* so that the first is the one who takes over */
	assert_int_equal(waitpid(second, &status, WUNTRACED), second);
	atomic_store(&world->flag[ENDS], 1);
	until(atomic_load(&world->flag[STOPPED]) == 1);
	kill(second, SIGCONT);
	assert_int_equal(world_join(second), 0);
	world_kill(first);
	world_kill(leader);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hundred_waiters_ten_times),
	        cmocka_unit_test(successors_are_killed_too),
	        cmocka_unit_test(all_are_told_where_nobody_wants_to_lead),
	        cmocka_unit_test(a_newcomer_takes_over),
	        cmocka_unit_test(exec_counts_as_leaving),
	        cmocka_unit_test(nothing_of_the_dead_remains),
	        cmocka_unit_test(killed_half_way),
	        cmocka_unit_test(answered_as_it_takes_over),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
