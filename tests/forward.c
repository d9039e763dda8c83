/*
 * forward.c - 64 waiters of 8 different requests are handed from one leader to another, who is in another process; one
 * of the two is killed at each step of the calls
 */
#include "asleep.h"

#include <signal.h>
#include <unistd.h>

#define WAITERS 64
#define KINDS 8

enum { OLD, NEW, OWN }; /* indexes of world->count: whose answers */
enum { TO = 0 };        /* of world->number: the new leader's participant */
enum {
	LED,
	MAY_NOTIFY,
	NOTIFIED,
	MAY_FORWARD,
	FORWARDED,
	MAY_ACCEPT,
	ACCEPTED,
	MAY_ANSWER,
	MAY_LEAVE,
	DONE
}; /* of world->flag */

static void reach(int step)
{
	atomic_store(&world->flag[step], 1);
}

static void await_step(int step)
{
	until(atomic_load(&world->flag[step]));
}

static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'g';
	return 0;
}

static int answer_as(const char *who, struct covey_bytes request, struct covey_answer *answer)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%s %.*s", who, (int)request.size, (const char *)request.data);

	return covey_answer_copy(answer, text, (size_t)n);
}

static int computes_itself(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return answer_as("own", request, answer);
}

static int computes_anew(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return answer_as("new", request, answer);
}

/* ------------------------------------------------------------------------------------------------ the three parts */

static int old_leader(void *context)
{
	const struct covey_reply reply = text("old 0");
	covey *c = world_open();
	struct covey_request request;
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	reach(LED);
	await_step(MAY_NOTIFY);
	for (int i = 0; i < 20; i++) /* some were received; the next leader is given them again */
		must(covey_receive(c, &lead, covey_in_ms(60000), &request) == 0);
	must(covey_notify(c, &lead, "0", 1, &reply) == WAITERS / KINDS);
	reach(NOTIFIED);
	await_step(MAY_FORWARD);
	must(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[TO])) == 0);
	must(covey_notify(c, &lead, "1", 1, &reply) == COVEY_EFENCED);
	must(covey_unregister(c, &lead) == COVEY_EFENCED);
	reach(FORWARDED);
	await_step(MAY_LEAVE);
	covey_close(c);
	return 0;
}

static int new_leader(void *context)
{
	const struct covey_device device = {.group = group, .compute = computes_anew};
	const struct covey_worker_options options = {.static_worker = 1, .worker_timeout = 50000000};
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	atomic_store(&world->number[TO], covey_participant(c));
	await_step(MAY_ACCEPT);
	must(covey_accept_work(c, "g", 1, covey_in_ms(60000), &lead) == COVEY_LEADER);
	reach(ACCEPTED);
	await_step(MAY_ANSWER);
	must(covey_default_worker(c, &device, &lead, (struct covey_bytes){0}, &options) == 0);
	covey_close(c);
	return 0;
}

/* Never left without an answer to what it asked, whoever gives it. */
static int waiter(void *context)
{
	const struct covey_device device = {.group = group, .compute = computes_itself};
	const char kind = (char)('0' + *(int *)context % KINDS);
	covey *c = world_open();
	struct covey_result result;
	const char *who;

	must(covey_resolve(c, &device, (struct covey_bytes){0}, (struct covey_bytes){&kind, 1}, NULL, &result) ==
	        COVEY_OK);
	must(result.size == 5 && ((const char *)result.data)[4] == kind);
	who = result.data;
	atomic_fetch_add(&world->count[who[1] == 'l' ? OLD : who[1] == 'e' ? NEW : OWN], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the story */

struct story {
	covey *c;
	pid_t old_one, new_one, waiters[WAITERS];
};

static struct story begin(void)
{
	static int kind[WAITERS];
	struct story s;

	world_begin(NULL);
	s.c = world_open();
	s.old_one = world_spawn(old_leader, NULL);
	s.new_one = world_spawn(new_leader, NULL);
	until(atomic_load(&world->flag[LED]) && atomic_load(&world->number[TO]) != 0);
	for (int i = 0; i < WAITERS; i++) {
		kind[i] = i;
		s.waiters[i] = world_spawn(waiter, &kind[i]);
	}
	until(world_waiters(s.c, "g") == WAITERS);
	return s;
}

/* Up to this step, of LED to MAY_ANSWER. */
static void go(int step)
{
	for (int i = MAY_NOTIFY; i <= step; i++) {
		bool granted = i == MAY_NOTIFY || i == MAY_FORWARD || i == MAY_ACCEPT || i == MAY_ANSWER;

		if (granted)
			reach(i);
		else
			await_step(i);
	}
}

static void finish(struct story *s)
{
	go(MAY_ANSWER);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(world_join(s->waiters[i]), 0);
	reach(MAY_LEAVE);
}

static void counts(struct story *s, int of_old, int of_new, int of_own)
{
	print_message("answered by the old leader %d, by the new one %d, by themselves %d\n",
	        atomic_load(&world->count[OLD]), atomic_load(&world->count[NEW]), atomic_load(&world->count[OWN]));
	assert_int_equal(atomic_load(&world->count[OLD]), of_old);
	if (of_new >= 0)
		assert_int_equal(atomic_load(&world->count[NEW]), of_new);
	if (of_own >= 0)
		assert_int_equal(atomic_load(&world->count[OWN]), of_own);
	assert_int_equal(covey_counter(s->c, COVEY_COUNT_RESCUED), 0);
	world_settle(s->c, 1);
	world_check(s->c, 0);
	covey_close(s->c);
	world_end();
}

static void nobody_dies(void **state)
{
	struct story s = begin();
	uint64_t parked;

	(void)state;
	until(asleep(s.c) == WAITERS);
	go(NOTIFIED);
	parked = covey_counter(s.c, COVEY_COUNT_PARKED);
	go(ACCEPTED);
	/* No waiter was woken by the change of leader: none has gone back to sleep. */
	assert_int_equal(covey_counter(s.c, COVEY_COUNT_PARKED), parked);
	assert_int_equal(world_waiters(s.c, "g"), WAITERS - WAITERS / KINDS);
	finish(&s);
	assert_int_equal(world_join(s.old_one) | world_join(s.new_one), 0);
	counts(&s, WAITERS / KINDS, WAITERS - WAITERS / KINDS, 0);
}

/* The old leader dies before it did anything: somebody takes over, be it the new one or a waiter. */
static void old_dies_before(void **state)
{
	struct story s = begin();

	(void)state;
	world_kill(s.old_one);
	world_kill(s.new_one);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(world_join(s.waiters[i]), 0);
	counts(&s, 0, 0, WAITERS);
}

static void old_dies_having_notified(void **state)
{
	struct story s = begin();

	(void)state;
	go(NOTIFIED);
	world_kill(s.old_one);
	world_kill(s.new_one);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(world_join(s.waiters[i]), 0);
	counts(&s, WAITERS / KINDS, 0, WAITERS - WAITERS / KINDS);
}

static void old_dies_at(int step)
{
	struct story s = begin();

	go(step);
	world_kill(s.old_one);
	finish(&s);
	assert_int_equal(world_join(s.new_one), 0);
	counts(&s, WAITERS / KINDS, WAITERS - WAITERS / KINDS, 0);
}

static void old_dies_having_forwarded(void **state)
{
	(void)state;
	old_dies_at(FORWARDED);
}

static void old_dies_after_the_new_one_accepted(void **state)
{
	(void)state;
	old_dies_at(ACCEPTED);
}

static void new_dies_at(int step)
{
	struct story s = begin();

	go(step);
	world_kill(s.new_one);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(world_join(s.waiters[i]), 0);
	reach(MAY_LEAVE);
	assert_int_equal(world_join(s.old_one), 0);
	counts(&s, WAITERS / KINDS, -1, -1);
}

static void new_dies_before_accepting(void **state)
{
	(void)state;
	new_dies_at(FORWARDED);
}

static void new_dies_having_accepted(void **state)
{
	(void)state;
	new_dies_at(ACCEPTED);
}

static void new_dies_while_answering(void **state)
{
	(void)state;
	new_dies_at(MAY_ANSWER);
}

/* One after the other, the old one first: the waiters' sleep has moved from one life to the other. */
static void both_die(void **state)
{
	struct story s = begin();

	(void)state;
	go(FORWARDED);
	world_kill(s.old_one);
	world_kill(s.new_one);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(world_join(s.waiters[i]), 0);
	counts(&s, WAITERS / KINDS, 0, WAITERS - WAITERS / KINDS);
}

/* Work that is forwarded to one is not another's, who asks for it. */
static void a_third_one_is_not_meant(void **state)
{
	struct story s = begin();
	struct covey_lead lead;

	(void)state;
	go(FORWARDED);
	assert_int_equal(covey_accept_work(s.c, "g", 1, COVEY_NOW, &lead), COVEY_ETIMEDOUT);
	finish(&s);
	assert_int_equal(world_join(s.old_one) | world_join(s.new_one), 0);
	counts(&s, WAITERS / KINDS, WAITERS - WAITERS / KINDS, 0);
}

/* The new one has died before it is forwarded to: the old one is told, and leads on. */
static void nobody_there(void **state)
{
	struct covey_reply reply = text("here");
	struct covey_lead lead;
	covey *c;
	pid_t child;

	(void)state;
	world_begin(NULL);
	c = world_open();
	child = world_spawn(new_leader, NULL);
	until(atomic_load(&world->number[TO]) != 0);
	world_kill(child);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	until(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[TO])) == COVEY_ENOENT);
	assert_int_equal(covey_leading(c, &lead), 1);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nobody_dies),
	        cmocka_unit_test(old_dies_before),
	        cmocka_unit_test(old_dies_having_notified),
	        cmocka_unit_test(old_dies_having_forwarded),
	        cmocka_unit_test(old_dies_after_the_new_one_accepted),
	        cmocka_unit_test(new_dies_before_accepting),
	        cmocka_unit_test(new_dies_having_accepted),
	        cmocka_unit_test(new_dies_while_answering),
	        cmocka_unit_test(both_die),
	        cmocka_unit_test(a_third_one_is_not_meant),
	        cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
