/*
 * answers.c - the answers that stay apart: cycle, recursion, full, timed out, fenced; and work that is forwarded
 */
#include "asleep.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CYCLES, RESULTS, ANSWERED }; /* indexes of world->count */

/* ------------------------------------------------------------------------------------------------ cycles */

struct ring {
	int me, size;
};

/* Leads group `me`, then waits for the next one's; whoever is told CYCLE gives its own up. */
static int waits_in_a_ring(void *context)
{
	const struct ring *ring = context;
	covey *c = world_open();
	struct covey_lead mine, next;
	struct covey_result result;
	struct covey_reply reply = text("done");
	char group[2] = {(char)('a' + ring->me), 0}, other[2] = {(char)('a' + (ring->me + 1) % ring->size), 0};
	int r;

	must(lead_of(c, group, &mine) == COVEY_LEADER);
	atomic_fetch_add(&world->flag[0], 1);
	until(atomic_load(&world->flag[0]) == ring->size);
	r = lead_of(c, other, &next);
	must(r == COVEY_WAIT || r == COVEY_LEADER);
	if (r == COVEY_LEADER) { /* its leader was told CYCLE and is through already */
		covey_unregister(c, &next);
	} else {
		r = covey_await(c, &next, NULL, 0, covey_in_ms(60000), 0, &result);
		must(r == COVEY_CYCLE || r == COVEY_OK || r == COVEY_GAVE_UP);
		atomic_fetch_add(&world->count[CYCLES], r == COVEY_CYCLE);
		covey_release(c, &result);
	}
	must(covey_unregister_notify(c, &mine, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

static void ring_of(int size)
{
	struct ring ring[3];
	pid_t child[3];
	covey *c;

	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < size; i++) {
		ring[i] = (struct ring){i, size};
		child[i] = world_spawn(waits_in_a_ring, &ring[i]);
	}
	for (int i = 0; i < size; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[CYCLES]), 1);
	world_check(c, 0);
	covey_close(c);
}

static void two_in_a_ring(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		ring_of(2);
}

static void three_in_a_ring(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		ring_of(3);
}

static void waiting_for_oneself_is_a_cycle(void **state)
{
	struct covey_lead lead, again;
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(c, "g", &again), COVEY_RECURSION);
	assert_int_equal(covey_await(c, &again, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_CYCLE);
	covey_release(c, &result);
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ full */

static int computes(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

static void sixty_fifth_group(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 4};
	struct covey_device device = {.compute = computes};
	struct covey_lead lead[65];
	struct covey_result result;
	struct covey_info info;
	char group[65][8];
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	for (int i = 0; i < 65; i++) {
		snprintf(group[i], sizeof(group[i]), "g%d", i);
		assert_int_equal(lead_of(c, group[i], &lead[i]), i < 64 ? COVEY_LEADER : COVEY_EFULL);
	}
	for (int i = 0; i < 64; i++) {
		assert_int_equal(covey_find(c, group[i], strlen(group[i]), &info), 0);
		assert_int_equal(info.generation, lead[i].generation);
	}
	assert_int_equal(covey_resolve(c, &device, (struct covey_bytes){"b", 1}, (struct covey_bytes){"alone", 5}, NULL,
	                         &result),
	        COVEY_OK);
	assert_int_equal(result.part, COVEY_ALONE);
	assert_true(says(&result, "alone"));
	covey_release(c, &result);
	assert_int_equal(covey_unregister(c, &lead[17]), 0);
	assert_int_equal(lead_of(c, group[64], &lead[64]), COVEY_LEADER); /* evicts the idle one */
	assert_int_equal(lead_of(c, group[17], &lead[17]), COVEY_EFULL);
	for (int i = 0; i < 65; i++)
		if (i != 17)
			assert_int_equal(covey_unregister(c, &lead[i]), 0);
	world_check(c, 0);
	covey_close(c);
}

static void generations_survive_eviction(void **state)
{
	struct covey_options options = {.groups = 4, .participants = 4};
	struct covey_lead lead;
	uint64_t last = 0;
	char group[16];
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	for (int round = 0; round < 100; round++) {
		assert_int_equal(lead_of(c, "watched", &lead), COVEY_LEADER);
		assert_true(lead.generation > last);
		last = lead.generation;
		assert_int_equal(covey_unregister(c, &lead), 0);
		for (int i = 0; i < 10; i++) {
			snprintf(group, sizeof(group), "%d-%d", round, i);
			assert_int_equal(lead_of(c, group, &lead), COVEY_LEADER);
			assert_int_equal(covey_unregister(c, &lead), 0);
		}
	}
	world_check(c, 0);
	covey_close(c);
}

static void heap_too_small(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 16, .heap_max = 1 << 16};
	struct covey_lead lead;
	uint32_t room;
	void *data;
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 1 << 16, &data, &room), COVEY_EFULL);
	assert_int_equal(covey_room(c, &lead, NULL, 0, (size_t)1 << 60, &data, &room), COVEY_EFULL);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 60000, &data, &room), 0);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 1, &data, &room), COVEY_EFULL);
	assert_true(covey_leading(c, &lead));
	assert_int_equal(covey_unregister(c, &lead), 0);
	covey_close(c);
}

/* A heap cut into small blocks becomes whole again for a large one. */
static void slabs_close_for_large_blocks(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 20, .heap_max = 1 << 20};
	uint32_t room[2000], large, count = 0;
	struct covey_lead lead;
	void *data;
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	while (count < 2000 && covey_room(c, &lead, NULL, 0, 1000, &data, &room[count]) == 0)
		count++;
	assert_true(count > 400);
	for (uint32_t i = 0; i < count; i++)
		covey_room_free(c, room[i]);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 1000000, &data, &large), 0);
	memset(data, 1, 1000000);
	covey_room_free(c, large);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ deadlines */

static int times_out(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	int64_t deadline;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	deadline = covey_in_ms(100);
	must(covey_await(c, &lead, NULL, 0, deadline, 0, &result) == COVEY_TIMED_OUT);
	atomic_store(&world->number[0], covey_in_ms(0) - deadline);
	must(covey_await(c, &lead, NULL, 0, COVEY_NOW, 0, &result) == COVEY_TIMED_OUT);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static int is_answered(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(says(&result, context));
	atomic_fetch_add(&world->count[ANSWERED], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void a_deadline_is_its_own(void **state)
{
	struct covey_reply reply = text("for the patient");
	struct covey_lead lead;
	pid_t hasty, patient;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	patient = world_spawn(is_answered, (void *)"for the patient");
	hasty = world_spawn(times_out, NULL);
	assert_int_equal(world_join(hasty), 0);
	assert_true(atomic_load(&world->number[0]) >= 0); /* never early; how late is told, not judged */
	print_message("a deadline was answered %ld us late\n", (long)(atomic_load(&world->number[0]) / 1000));
	until(world_waiters(c, "g") == 1);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(patient), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_TIMED_OUT), 1);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ fencing */

static int leads_late(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text("from the deposed");
	struct covey_lead lead;
	uint32_t room = 0;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 100000, &data, &room) == 0);
	atomic_store(&world->flag[0], 1);
	raise(SIGSTOP);
	must(!covey_leading(c, &lead));
	must(covey_notify_all(c, &lead, &reply) == COVEY_EFENCED);
	must(covey_unregister(c, &lead) == COVEY_EFENCED);
	must(covey_forward_work(c, &lead, (uint32_t)covey_participant(c)) == COVEY_EFENCED);
	reply.room = room;
	reply.data = data;
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) == COVEY_EFENCED);
	covey_close(c);
	return 0;
}

/* The leader is stopped between its last look at its leadership and its swap of a waiter's word, and goes on after it was
 * deposed: the swap must fail.  It is the only seat that waits. */
static void an_answer_begun_before_a_take_over_fails(void **state)
{
	struct covey_reply reply = text("from the successor");
	struct covey_lead old, lead;
	covey *deposed, *c;
	uint32_t seat = 1;
	uint64_t word;
	pid_t waiter;

	(void)state;
	world_begin(NULL);
	deposed = world_open_apart();
	c = world_open();
	assert_int_equal(lead_of(deposed, "g", &old), COVEY_LEADER);
	waiter = world_spawn(is_answered, (void *)"from the successor");
	until(world_waiters(c, "g") == 1);
	while (!cv_seat_waits(&deposed->arena, seat, cv_key_of(old.node, old.incarnation), &word))
		seat++;
	assert_int_equal(covey_take_over(c, "g", 1, old.generation, &lead), COVEY_LEADER);
	assert_false(cv_seat_answer(&deposed->arena, seat, word, CV_SEAT_GAVE_UP, 0));
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(waiter), 0);
	covey_close(deposed);
	world_check(c, 0);
	covey_close(c);
}

/* A claim to an execution that has ended is none to the next one, though the same thread leads it. */
static void an_old_lead_is_fenced(void **state)
{
	struct covey_reply reply = text("of the second");
	struct covey_lead old, lead;
	pid_t waiter;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &old), COVEY_LEADER);
	assert_int_equal(covey_unregister(c, &old), 0);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(is_answered, (void *)"of the second");
	until(world_waiters(c, "g") == 1);
	assert_false(covey_leading(c, &old));
	assert_int_equal(covey_notify_all(c, &old, &reply), COVEY_EFENCED);
	assert_int_equal(covey_unregister(c, &old), COVEY_EFENCED);
	assert_int_equal(covey_unregister_notify(c, &old, NULL, 0, &reply), COVEY_EFENCED);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(waiter), 0);
	covey_close(c);
}

static int is_given_up(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_GAVE_UP);
	covey_close(c);
	return 0;
}

/* Whoever leaves publishes nothing: not what was published before it, either. */
static void leaving_gives_no_result_of_an_earlier_execution(void **state)
{
	static char bytes[] =
	        "as long as no outbox takes, so that it lies in a block of its own, and that is named by the node";
	struct covey_reply reply = text(bytes);
	struct covey_lead lead;
	covey *c, *leaver;
	pid_t waiter;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(is_answered, bytes);
	until(world_waiters(c, "g") == 1);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(waiter), 0);
	leaver = world_open_apart();
	assert_int_equal(lead_of(leaver, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(is_given_up, NULL);
	until(world_waiters(c, "g") == 1);
	covey_close(leaver);
	assert_int_equal(world_join(waiter), 0);
	covey_close(c);
}

static void stopped_leader_is_fenced(void **state)
{
	struct covey_reply reply = text("from the successor");
	struct covey_lead lead;
	struct covey_info info;
	pid_t leader, waiter[4];
	int status;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	leader = world_spawn(leads_late, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	for (int i = 0; i < 4; i++)
		waiter[i] = world_spawn(is_answered, (void *)"from the successor");
	until(world_waiters(c, "g") == 4);
	assert_int_equal(waitpid(leader, &status, WUNTRACED), leader);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(covey_find(c, "g", 1, &info), 0);
	assert_int_equal(covey_take_over(c, "g", 1, info.generation - 1, &lead), COVEY_EFENCED);
	assert_int_equal(covey_take_over(c, "g", 1, info.generation, &lead), COVEY_LEADER);
	assert_int_equal(lead.previous, leader);
	kill(leader, SIGCONT);
	assert_int_equal(world_join(leader), 0);
	assert_int_equal(world_waiters(c, "g"), 4); /* nobody saw anything of the deposed one's */
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_join(waiter[i]), 0);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ who asks later */

static int asks_when_told(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();
	int me = *(int *)context;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	atomic_fetch_add(&world->flag[0], 1);
	until(atomic_load(&world->flag[1]) >= me);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK);
	atomic_store(&world->flag[2 + me], *(const char *)result.data);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static uint32_t waiting_seats(const covey *c)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= c->arena.seat_count; i++)
		n += cv_seat_state(atomic_load(&c->arena.seats[i].word)) == CV_SEAT_WAITING;
	return n;
}

static int has_another_ask(void *context, const void *request, size_t size)
{
	(void)request, (void)size;
	atomic_store(&world->flag[1], 1);
	until(waiting_seats(context) == 2);
	return 1;
}

/* The second asks while the first is being answered: it may have seen that answer, and is not to be given it, too. */
static void who_asks_later_is_answered_later(void **state)
{
	static char bytes[2][100];
	static int me[2] = {0, 1};
	struct covey_reply reply = {.data = bytes[0], .size = sizeof(bytes[0])};
	struct covey_lead lead;
	pid_t waiter[2];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	memset(bytes[0], 1, sizeof(bytes[0]));
	memset(bytes[1], 2, sizeof(bytes[1]));
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 2; i++) { /* the seat of the second is above that of the first */
		waiter[i] = world_spawn(asks_when_told, &me[i]);
		until(atomic_load(&world->flag[0]) == i + 1);
	}
	until(waiting_seats(c) == 1);
	assert_int_equal(covey_notify_if(c, &lead, has_another_ask, c, &reply), 1);
	reply.data = bytes[1];
	assert_int_equal(covey_notify_all(c, &lead, &reply), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_join(waiter[i]), 0);
		assert_int_equal(atomic_load(&world->flag[2 + i]), i + 1);
	}
	covey_unregister(c, &lead);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ forwarding */

static int accepts(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text("from the new one");
	struct covey_request request;
	struct covey_lead lead;

	(void)context;
	atomic_store(&world->flag[1], covey_participant(c));
	must(covey_accept_work(c, "g", 1, COVEY_FOREVER, &lead) == COVEY_LEADER);
	for (int i = 0; i < 4; i++) {
		must(covey_receive(c, &lead, COVEY_FOREVER, &request) == 0);
		must(covey_respond(c, &lead, &request, &reply) == 1);
	}
	must(covey_unregister(c, &lead) == 0);
	covey_close(c);
	return 0;
}

static void forwarded_work_is_answered(void **state)
{
	struct covey_lead lead;
	pid_t waiter[4], other;
	uint64_t parked;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 4; i++)
		waiter[i] = world_spawn(is_answered, (void *)"from the new one");
	until(asleep(c) == 4);
	parked = covey_counter(c, COVEY_COUNT_PARKED);
	other = world_spawn(accepts, NULL);
	until(atomic_load(&world->flag[1]) != 0);
	assert_int_equal(covey_forward_work(c, &lead, 4000), COVEY_ENOENT);
	assert_int_equal(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->flag[1])), 0);
	assert_int_equal(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->flag[1])), COVEY_EFENCED);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_join(waiter[i]), 0);
	assert_int_equal(world_join(other), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_PARKED), parked); /* nobody was woken for nothing */
	world_check(c, 0);
	covey_close(c);
}

static int accepts_and_dies(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	bool accept = *(bool *)context;

	atomic_store(&world->flag[1], covey_participant(c));
	if (accept)
		must(covey_accept_work(c, "g", 1, COVEY_FOREVER, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[2], 1);
	for (;;)
		pause();
}

static int succeeds_or_is_answered(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text("from the successor");
	struct covey_lead lead;
	struct covey_result result;
	int r;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result);
	must(r == COVEY_OK || (r == COVEY_DIED && result.part == COVEY_TOOK_OVER));
	if (r == COVEY_DIED) {
		atomic_fetch_add(&world->count[RESULTS], 1);
		must(covey_unregister_notify(c, &result.lead, NULL, 0, &reply) >= 0);
	} else {
		must(says(&result, "from the successor"));
	}
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void new_leader_dies(bool accept)
{
	struct covey_lead lead;
	pid_t waiter[4], other;
	covey *c;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 4; i++)
		waiter[i] = world_spawn(succeeds_or_is_answered, NULL);
	until(asleep(c) == 4);
	other = world_spawn(accepts_and_dies, &accept);
	until(atomic_load(&world->flag[1]) != 0);
	assert_int_equal(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->flag[1])), 0);
	until(atomic_load(&world->flag[2]) == 1);
	world_kill(other);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_join(waiter[i]), 0);
	assert_int_equal(atomic_load(&world->count[RESULTS]), 1);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void new_leader_dies_before_accepting(void **state)
{
	(void)state;
	new_leader_dies(false);
}

static void new_leader_dies_after_accepting(void **state)
{
	(void)state;
	new_leader_dies(true);
}

/* ------------------------------------------------------------------------------------------------ resolve */

static int computes_once(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char *room = covey_answer_room(answer, base.size + request.size);

	(void)self;
	memcpy(room, base.data, base.size);
	memcpy(room + base.size, request.data, request.size);
	covey_answer_code(answer, 42);
	atomic_fetch_add(&world->count[RESULTS], 1);
	until(atomic_load(&world->flag[0]) != 0);
	return 0;
}

static int resolves(void *context)
{
	struct covey_device device = {.compute = computes_once};
	covey *c = world_open();
	struct covey_result result;

	(void)context;
	must(covey_resolve(c, &device, (struct covey_bytes){"ba", 2}, (struct covey_bytes){"se", 2}, NULL, &result) ==
	        COVEY_OK);
	must(says(&result, "base") && result.code == 42);
	must(result.part == COVEY_LED || result.part == COVEY_JOINED);
	atomic_fetch_add(&world->count[ANSWERED], 1);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static uint32_t waiters_of_all(covey *c);

static int add_waiters(void *context, const struct covey_group_view *group)
{
	*(uint32_t *)context += group->info.waiters;
	return 0;
}

static uint32_t waiters_of_all(covey *c)
{
	uint32_t n = 0;

	covey_each_group(c, add_waiters, &n);
	return n;
}

static void resolve_computes_once(void **state)
{
	pid_t child[16];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 16; i++)
		child[i] = world_spawn(resolves, NULL);
	until(waiters_of_all(c) == 15);
	atomic_store(&world->flag[0], 1);
	for (int i = 0; i < 16; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(atomic_load(&world->count[RESULTS]), 1);
	assert_int_equal(atomic_load(&world->count[ANSWERED]), 16);
	world_check(c, 0);
	covey_close(c);
}

static int fails(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	covey *c = self;
	struct covey_device again = {.self = c, .compute = fails};
	struct covey_result result;

	/* the same again, from inside: this thread leads it */
	must(covey_resolve(c, &again, base, request, NULL, &result) == COVEY_ERECURSION);
	covey_release(c, &result);
	covey_answer_copy(answer, "why", 3);
	return 7;
}

static void resolve_passes_errors_and_sees_recursion(void **state)
{
	struct covey_device device = {.compute = fails};
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	device.self = c = world_open();
	assert_int_equal(
	        covey_resolve(c, &device, (struct covey_bytes){"b", 1}, (struct covey_bytes){NULL, 0}, NULL, &result),
	        COVEY_ERROR);
	assert_true(says(&result, "why"));
	assert_int_equal(result.part, COVEY_LED);
	covey_release(c, &result);
	world_check(c, 0);
	covey_close(c);
}

static void names_do_not_collide(void **state)
{
	static const unsigned char large[100] = {1, 2, 3};
	struct covey_name a, b;
	struct covey_resolve_options off = {.await_inprogress = COVEY_AWAIT_NONE};

	(void)state;
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){"ab", 2}, (struct covey_bytes){"c", 1}, NULL, &a), 0);
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){"a", 1}, (struct covey_bytes){"bc", 2}, NULL, &b), 0);
	assert_true(a.size != b.size || memcmp(a.data, b.data, a.size) != 0);
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){large, 100}, (struct covey_bytes){"c", 1}, NULL, &a), 0);
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){large, 99}, (struct covey_bytes){"\0c", 2}, NULL, &b), 0);
	assert_int_equal(a.size, 33);
	assert_int_equal(b.size, 33);
	assert_true(memcmp(a.data, b.data, 33) != 0);
	/* a short name that looks like a digest's is still told apart */
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){a.data, 33}, (struct covey_bytes){NULL, 0}, NULL, &b), 0);
	assert_true(a.size != b.size);
	assert_int_equal(
	        covey_default_grouper((struct covey_bytes){"x", 1}, (struct covey_bytes){"y", 1}, &off, &a), 0);
	assert_int_equal(a.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(two_in_a_ring),
	        cmocka_unit_test(three_in_a_ring),
	        cmocka_unit_test(waiting_for_oneself_is_a_cycle),
	        cmocka_unit_test(sixty_fifth_group),
	        cmocka_unit_test(generations_survive_eviction),
	        cmocka_unit_test(heap_too_small),
	        cmocka_unit_test(slabs_close_for_large_blocks),
	        cmocka_unit_test(a_deadline_is_its_own),
	        cmocka_unit_test(an_answer_begun_before_a_take_over_fails),
	        cmocka_unit_test(an_old_lead_is_fenced),
	        cmocka_unit_test(leaving_gives_no_result_of_an_earlier_execution),
	        cmocka_unit_test(who_asks_later_is_answered_later),
	        cmocka_unit_test(stopped_leader_is_fenced),
	        cmocka_unit_test(forwarded_work_is_answered),
	        cmocka_unit_test(new_leader_dies_before_accepting),
	        cmocka_unit_test(new_leader_dies_after_accepting),
	        cmocka_unit_test(resolve_computes_once),
	        cmocka_unit_test(resolve_passes_errors_and_sees_recursion),
	        cmocka_unit_test(names_do_not_collide),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
