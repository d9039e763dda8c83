/*
 * guest_seats.c - threads that come and go, and threads for which there is no seat: what they leave behind, and what they
 * may end for others
 */
#include "world.h"

#include <pthread.h>

#include "internal.h"

#define TURNS 12 /* more than any region here has seats */

static const struct covey_options three = {.groups = 64, .participants = 4, .threads = 3, .heap = 1 << 20};
static covey *here;

static void begin(const struct covey_options *options)
{
	world_begin(options);
	here = world_open();
}

static void end(void)
{
	world_check(here, 0);
	covey_close(here);
}

static void in_a_thread(void *(*body)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ------------------------------------------------------------------------------------------------ rooms */

static struct covey_lead lead;
static uint32_t room;
static void *at;
static pthread_barrier_t both;

static void *leads_and_reserves(void *argument)
{
	must(lead_of(here, "k", &lead) == COVEY_LEADER);
	must(covey_room(here, &lead, NULL, 0, 9, &at, &room) == 0);
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	return argument;
}

/* Short-lived threads begin what another one ends; none of them keeps its seat. */
static void rooms_that_a_sibling_publishes(void **state)
{
	struct covey_reply reply = {.size = 9};
	pthread_t thread;

	(void)state;
	begin(&three);
	pthread_barrier_init(&both, NULL, 2);
	for (int i = 0; i < TURNS; i++) {
		assert_int_equal(pthread_create(&thread, NULL, leads_and_reserves, NULL), 0);
		pthread_barrier_wait(&both);
		if (i % 2 == 0) {
			reply.data = at;
			reply.room = room;
			assert_int_equal(covey_unregister_notify(here, &lead, NULL, 0, &reply), 0);
		} else {
			covey_room_free(here, room);
		}
		pthread_barrier_wait(&both);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	end();
}

static void *reserves(void *argument)
{
	must(covey_room(here, &lead, NULL, 0, 9, &at, &room) == 0);
	memcpy(at, "reserved", 9);
	return argument;
}

static int awaits_k(void *context)
{
	covey *c = world_open();
	struct covey_result result;
	struct covey_lead awaited;

	(void)context;
	must(covey_join(c, "k", 1, &awaited) == COVEY_WAIT);
	must(covey_await(c, &awaited, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(result.size == 9 && memcmp(result.data, "reserved", 9) == 0);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* The room of a thread that has exited is published, or given back, by another. */
static void rooms_that_outlive_their_thread(void **state)
{
	struct covey_reply reply = {.size = 9};
	pid_t waiter;

	(void)state;
	begin(&three);
	for (int i = 0; i < TURNS; i++) {
		assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
		in_a_thread(reserves);
		if (i % 2 != 0) {
			covey_room_free(here, room);
			assert_int_equal(covey_unregister(here, &lead), 0);
			continue;
		}
		waiter = world_spawn(awaits_k, NULL);
		until(world_waiters(here, "k") == 1);
		reply.data = at;
		reply.room = room;
		assert_int_equal(covey_unregister_notify(here, &lead, NULL, 0, &reply), 1);
		assert_int_equal(world_join(waiter), 0);
		world_settle(here, 1);
	}
	end();
}

/* So many that the list of them has to be looked through. */
static void *reserves_many(void *argument)
{
	uint32_t *rooms = argument;

	for (int i = 0; i < 300; i++) {
		must(covey_room(here, &lead, NULL, 0, 9, &at, &rooms[i]) == 0);
		if (i % 3 != 0)
			covey_room_free(here, rooms[i]);
	}
	return NULL;
}

static void many_rooms_of_one_thread(void **state)
{
	static uint32_t rooms[300];
	pthread_t thread;

	(void)state;
	begin(&three);
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	for (int turn = 0; turn < TURNS; turn++) {
		assert_int_equal(pthread_create(&thread, NULL, reserves_many, rooms), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		world_check(here, 100);
		for (int i = 0; i < 300; i += 3)
			covey_room_free(here, rooms[i]);
	}
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

static int dies_with_a_room(void *context)
{
	(void)context;
	here = world_open();
	must(lead_of(here, "k", &lead) == COVEY_LEADER);
	in_a_thread(reserves);
	atomic_store(&world->flag[0], 1);
	for (;;)
		pause();
}

/* It is the process's own then, and goes with it. */
static void a_process_dies_with_the_room_of_its_thread(void **state)
{
	pid_t child;

	(void)state;
	begin(&three);
	child = world_spawn(dies_with_a_room, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	world_check(here, 1);
	world_kill(child);
	world_settle(here, 1);
	end();
}

/* ------------------------------------------------------------------------------------------------ a thread that is gone */

static int ends_the_thread(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk, (void)count;
	pthread_exit(NULL);
}

static void *ends_as_it_takes(void *argument)
{
	must(lead_of(here, "k", &lead) == COVEY_LEADER);
	covey_room(here, &lead, NULL, 0, 1 << 20, &at, &room);
	must(false);
	return argument;
}

/* It was cancelled, say, as the heap grew: what it had taken by then is free, and so is its seat. */
static void a_thread_ends_as_it_takes_a_room(void **state)
{
	const struct covey_options growing = {
	        .groups = 64, .participants = 4, .threads = 3, .heap = 1 << 16, .heap_max = 3 << 20};
	struct cv_backing backing;

	(void)state;
	begin(&growing);
	backing = here->arena.backing;
	for (int i = 0; i < TURNS; i++) {
		here->arena.backing.commit = ends_the_thread;
		in_a_thread(ends_as_it_takes);
		here->arena.backing = backing;
		world_check(here, 0);
	}
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(here, &lead, NULL, 0, 2 << 20, &at, &room), 0);
	covey_room_free(here, room);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ borrowed results */

static const char long_text[] =
        "a result of more bytes than are copied from an outbox: it is borrowed in place, from its block";
static struct covey_result borrowed;

static void *borrows(void *argument)
{
	struct covey_lead awaited;

	must(covey_join(here, "k", 1, &awaited) == COVEY_WAIT);
	must(covey_await(here, &awaited, NULL, 0, covey_in_ms(60000), 0, &borrowed) == COVEY_OK);
	must(borrowed.loan != 0);
	return argument;
}

/* Borrowed by a thread that has exited since. */
static void borrow_and_exit(void)
{
	const struct covey_reply reply = text(long_text);
	pthread_t thread;

	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	assert_int_equal(pthread_create(&thread, NULL, borrows, NULL), 0);
	until(world_waiters(here, "k") == 1);
	assert_int_equal(covey_unregister_notify(here, &lead, NULL, 0, &reply), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(says(&borrowed, long_text));
}

static void results_that_outlive_their_thread(void **state)
{
	(void)state;
	begin(&three);
	for (int i = 0; i < TURNS; i++) {
		borrow_and_exit();
		world_check(here, 1);
		assert_true(says(&borrowed, long_text));
		covey_release(here, &borrowed);
		world_check(here, 0);
	}
	end();
}

static void *holds_a_seat(void *argument)
{
	struct covey_lead mine;

	must(lead_of(here, argument, &mine) == COVEY_LEADER);
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	must(covey_unregister(here, &mine) == 0);
	return NULL;
}

static void *releases(void *argument)
{
	struct covey_lead none;

	must(lead_of(here, "none", &none) == COVEY_EFULL);
	covey_release(here, &borrowed);
	must(lead_of(here, "none", &none) == COVEY_LEADER); /* it has the seat that this set free */
	must(covey_unregister(here, &none) == 0);
	return argument;
}

/* ... and who ends the loan has no seat itself. */
static void a_result_is_released_without_a_seat(void **state)
{
	pthread_t thread;

	(void)state;
	begin(&three);
	borrow_and_exit();
	pthread_barrier_init(&both, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, holds_a_seat, "other"), 0);
	pthread_barrier_wait(&both);
	in_a_thread(releases);
	pthread_barrier_wait(&both);
	assert_int_equal(pthread_join(thread, NULL), 0);
	end();
}

/* ... or calls through another handle of the same process. */
static void a_result_is_released_through_another_handle(void **state)
{
	covey *other;

	(void)state;
	begin(&three);
	other = world_open();
	for (int i = 0; i < TURNS; i++) {
		borrow_and_exit();
		covey_release(other, &borrowed);
		world_check(here, 0);
	}
	covey_close(other);
	end();
}

/* ------------------------------------------------------------------------------------------------ without a seat */

enum { LED, RECEIVED, ENDED };

static struct covey_lead others;
static struct covey_request received;
static const char *asks;
static int told;
static uint32_t number;

static void *leads_for_another(void *argument)
{
	must(lead_of(here, "k", &others) == COVEY_LEADER);
	must(covey_room(here, &others, NULL, 0, 100, &at, &room) == 0);
	number = (uint32_t)covey_participant(here);
	atomic_store(&world->flag[LED], 1);
	if (asks != NULL)
		must(covey_receive(here, &others, covey_in_ms(60000), &received) == 0);
	atomic_store(&world->flag[RECEIVED], 1);
	until(atomic_load(&world->flag[ENDED]) != 0);
	return argument;
}

static void *asks_another(void *argument)
{
	struct covey_lead awaited;
	struct covey_result answer;

	until(atomic_load(&world->flag[LED]) != 0);
	must(covey_join(here, "k", 1, &awaited) == COVEY_WAIT);
	told = covey_await(here, &awaited, asks, asks != NULL ? strlen(asks) : 0, covey_in_ms(60000), 0, &answer);
	must(told != COVEY_OK || says(&answer, "ended for another"));
	covey_release(here, &answer);
	until(atomic_load(&world->flag[ENDED]) != 0);
	return argument;
}

/* One thread leads and one waits; they have all the seats that there are, and this one calls end_it. */
static void without_a_seat(const char *request, void (*end_it)(void), int outcome)
{
	struct covey_options two = three;
	struct covey_lead none;
	pthread_t leader, waiter;

	two.threads = 2;
	begin(&two);
	asks = request;
	assert_int_equal(pthread_create(&leader, NULL, leads_for_another, NULL), 0);
	assert_int_equal(pthread_create(&waiter, NULL, asks_another, NULL), 0);
	until(atomic_load(&world->flag[RECEIVED]) != 0 && world_waiters(here, "k") == 1);
	assert_int_equal(lead_of(here, "none", &none), COVEY_EFULL);
	end_it();
	atomic_store(&world->flag[ENDED], 1);
	assert_int_equal(pthread_join(leader, NULL), 0);
	assert_int_equal(pthread_join(waiter, NULL), 0);
	assert_int_equal(told, outcome);
	covey_room_free(here, room);
	end();
}

static void publishes(void)
{
	const struct covey_reply reply = text("ended for another");

	assert_true(covey_leading(here, &others));
	assert_int_equal(covey_unregister_notify(here, &others, NULL, 0, &reply), 1);
	assert_false(covey_leading(here, &others));
	assert_int_equal(covey_unregister_notify(here, &others, NULL, 0, &reply), COVEY_EFENCED);
}

static void who_has_no_seat_publishes(void **state)
{
	(void)state;
	without_a_seat(NULL, publishes, COVEY_OK);
}

static void publishes_the_room(void)
{
	const struct covey_reply reply = {.data = at, .size = 17, .room = room};

	memcpy(at, "ended for another", 17);
	assert_int_equal(covey_unregister_notify(here, &others, NULL, 0, &reply), 1);
}

static void who_has_no_seat_publishes_a_room(void **state)
{
	(void)state;
	without_a_seat(NULL, publishes_the_room, COVEY_OK);
}

static void gives_up(void)
{
	covey_room_free(here, room);
	world_check(here, 0);
	assert_int_equal(covey_unregister(here, &others), 0);
}

static void who_has_no_seat_gives_up(void **state)
{
	(void)state;
	without_a_seat(NULL, gives_up, COVEY_GAVE_UP);
}

static void notifies(void)
{
	const struct covey_reply reply = text("ended for another");

	assert_int_equal(covey_notify(here, &others, "this", 4, &reply), 0);
	assert_int_equal(covey_notify_all(here, &others, &reply), 1);
}

static void who_has_no_seat_notifies(void **state)
{
	(void)state;
	without_a_seat(NULL, notifies, COVEY_OK);
}

static void responds(void)
{
	const struct covey_reply reply = text("ended for another");

	assert_int_equal(covey_respond(here, &others, &received, &reply), 1);
	assert_int_equal(covey_respond(here, &others, &received, &reply), 0);
}

static void who_has_no_seat_responds(void **state)
{
	(void)state;
	without_a_seat("a question", responds, COVEY_OK);
}

/* To the own participant; who accepts it has a seat by then. */
static void forwards(void)
{
	assert_int_equal(covey_forward_work(here, &others, number), 0);
	assert_int_equal(covey_forward_work(here, &others, number), COVEY_EFENCED);
	assert_int_equal(world_waiters(here, "k"), 1);
	atomic_store(&world->flag[ENDED], 1); /* the leader's thread sets its seat free */
	until(covey_accept_work(here, "k", 1, covey_in_ms(60000), &others) == COVEY_LEADER);
	assert_int_equal(covey_unregister(here, &others), 0);
}

static void who_has_no_seat_forwards(void **state)
{
	(void)state;
	without_a_seat(NULL, forwards, COVEY_GAVE_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rooms_that_a_sibling_publishes),
	        cmocka_unit_test(rooms_that_outlive_their_thread),
	        cmocka_unit_test(many_rooms_of_one_thread),
	        cmocka_unit_test(a_process_dies_with_the_room_of_its_thread),
	        cmocka_unit_test(a_thread_ends_as_it_takes_a_room),
	        cmocka_unit_test(results_that_outlive_their_thread),
	        cmocka_unit_test(a_result_is_released_without_a_seat),
	        cmocka_unit_test(a_result_is_released_through_another_handle),
	        cmocka_unit_test(who_has_no_seat_publishes),
	        cmocka_unit_test(who_has_no_seat_publishes_a_room),
	        cmocka_unit_test(who_has_no_seat_gives_up),
	        cmocka_unit_test(who_has_no_seat_notifies),
	        cmocka_unit_test(who_has_no_seat_responds),
	        cmocka_unit_test(who_has_no_seat_forwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
