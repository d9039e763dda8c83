/*
 * ways_threads.c - threads of one process: what one leaves to the others as it ends, and what one ends for another, also
 * where it has no seat of its own; results that are borrowed
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "internal.h"
#include "ways.h"

#define LARGE 5000

/* Room for the threads of a play and no more: then the victim's call is that of a thread without a seat. */
static const struct covey_options two_seats = {
        .groups = 12, .participants = 6, .threads = 2, .heap = 1 << 17, .heap_max = 1 << 18};
static const struct covey_options three_seats = {
        .groups = 12, .participants = 6, .threads = 3, .heap = 1 << 17, .heap_max = 1 << 18};
static const struct covey_options four_seats = {
        .groups = 12, .participants = 6, .threads = 4, .heap = 1 << 17, .heap_max = 1 << 18};

/* Of a thread beside the one that calls. */
static struct covey_lead led;
static struct covey_result borrowed;
static uint32_t room;
static void *at;

static void start_thread(covey *c, void *(*body)(void *))
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, body, c) == 0);
	must(pthread_detach(thread) == 0);
}

static void run_thread(covey *c, void *(*body)(void *))
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, body, c) == 0);
	must(pthread_join(thread, NULL) == 0);
}

static _Noreturn void stay(void)
{
	for (;;)
		pause();
}

static void take_seat(covey *c)
{
	attach(c, NULL);
}

int call_nothing(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ what they do */

static void *reserves(void *c)
{
	must(covey_room(c, &led, NULL, 0, LARGE, &at, &room) == 0);
	memset(at, 0, LARGE);
	return NULL;
}

static void *borrows(void *c)
{
	struct covey_lead lead;

	until(covey_join(c, "g", 1, &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &borrowed) == COVEY_OK && borrowed.size == LARGE);
	return NULL;
}

static void publish_large_to_one(void)
{
	static const unsigned char bytes[LARGE];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	covey *c = world_open();
	struct covey_lead lead;

	lead_and_tell(c, &lead);
	until_waiters(c, 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
}

static int publishes_large(void *context)
{
	(void)context;
	publish_large_to_one();
	stay();
}

/* The same; it keeps its seat. */
static int publishes_and_stays(void *context)
{
	(void)context;
	publish_large_to_one();
	until_later();
	return 0;
}

static int call_publish_the_room(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = {.data = at, .size = LARGE, .room = room};

	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static int call_free_the_room(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_room_free(c, room);
	return 0;
}

static int call_release(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_release(c, &borrowed);
	return 0;
}

static int call_own(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_result_own(c, &borrowed);
}

/* Nothing is lent any more, and the victim has no seat but that of one thread that lives. */
static void finish_returned(covey *c)
{
	struct cv_arena *a = &c->arena;
	uint32_t own = 0;

	for (uint32_t i = 1; i <= a->seat_count; i++) {
		must(!cv_seat_lends(a, i));
		own += cv_seat_owner(a, i) == c->slot + 1;
	}
	must(own == 1);
}

static void finish_owned(covey *c)
{
	static const unsigned char bytes[LARGE];

	must(borrowed.size == LARGE && memcmp(borrowed.data, bytes, LARGE) == 0);
	must(borrowed.loan == 0 && borrowed.owned != NULL);
	finish_returned(c);
	covey_release(c, &borrowed);
}

/* ------------------------------------------------------------------------------------------------ a thread ends */

/* It is the thread that is stepped, once the cue is given: it has its name before anybody may look for it. */
static void be_stepped(void)
{
	prctl(PR_SET_NAME, "ends");
}

static void cue_end(covey *c)
{
	(void)c;
	set_flag(FLAG_GO);
}

static void *leads_and_ends(void *c)
{
	struct covey_lead lead;

	be_stepped();
	lead_and_tell(c, &lead);
	sleep_for_flag(FLAG_GO);
	return NULL;
}

static void start_leader(covey *c, struct covey_lead *lead)
{
	(void)lead;
	start_thread(c, leads_and_ends);
	until_waiters(c, 2);
}

static _Atomic bool ready;

static void *reserves_and_ends(void *c)
{
	be_stepped();
	reserves(c);
	atomic_store(&ready, true);
	sleep_for_flag(FLAG_GO);
	return NULL;
}

static void *borrows_and_ends(void *c)
{
	be_stepped();
	borrows(c);
	atomic_store(&ready, true);
	sleep_for_flag(FLAG_GO);
	return NULL;
}

static void lead_with_reserver(covey *c, struct covey_lead *lead)
{
	lead_and_tell(c, lead);
	led = *lead;
	start_thread(c, reserves_and_ends);
	until(atomic_load(&ready));
	until_waiters(c, 1);
}

static void start_borrower(covey *c, struct covey_lead *lead)
{
	(void)lead;
	start_thread(c, borrows_and_ends);
	until(atomic_load(&ready) && atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

/* The other may be about to end still. */
static void finish_publish(covey *c)
{
	int r = call_publish_the_room(c, &led);

	must(r >= 0 || r == COVEY_EFENCED);
}

static void finish_release(covey *c)
{
	call_release(c, NULL);
}

/* ------------------------------------------------------------------------------------------------ it has ended */

static void lead_and_reserve(covey *c, struct covey_lead *lead)
{
	lead_and_tell(c, lead);
	led = *lead;
	run_thread(c, reserves);
}

static void lead_and_reserve_one_waiter(covey *c, struct covey_lead *lead)
{
	lead_and_reserve(c, lead);
	until_waiters(c, 1);
}

static void borrow_and_end(covey *c, struct covey_lead *lead)
{
	(void)lead;
	run_thread(c, borrows);
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

static void borrow(covey *c, struct covey_lead *lead)
{
	(void)lead;
	borrows(c);
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

/* ------------------------------------------------------------------------------------------------ without a seat */

static void *leads_and_stays(void *c)
{
	must(lead_of(c, "g", &led) == COVEY_LEADER);
	reserves(c);
	atomic_store(&world->flag[FLAG_LED], 1);
	stay();
}

static void *borrows_and_stays(void *c)
{
	borrows(c);
	atomic_store(&ready, true);
	stay();
}

static void be_without_seat(covey *c)
{
	struct covey_lead none;

	must(lead_of(c, "another", &none) == COVEY_EFULL);
}

static void have_leader(covey *c, struct covey_lead *lead, uint32_t waiters)
{
	start_thread(c, leads_and_stays);
	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	until_waiters(c, waiters);
	be_without_seat(c);
	*lead = led;
}

static void have_leader_alone(covey *c, struct covey_lead *lead)
{
	have_leader(c, lead, 0);
}

static void have_leader_and_waiter(covey *c, struct covey_lead *lead)
{
	have_leader(c, lead, 1);
}

static void have_leader_and_two_waiters(covey *c, struct covey_lead *lead)
{
	have_leader(c, lead, 2);
}

static void have_leader_for_bystander(covey *c, struct covey_lead *lead)
{
	atomic_store(&world->flag[FLAG_PATIENT], 1);
	have_leader(c, lead, 1);
}

static void have_borrower(covey *c, struct covey_lead *lead)
{
	(void)lead;
	start_thread(c, borrows_and_stays);
	until(atomic_load(&ready) && atomic_load(&world->flag[FLAG_ACTOR]) == 1);
	be_without_seat(c);
}

const struct way ways_of_threads[] = {
        {"a thread ends", "it leads, two wait", &small, .actor = waits_for_g, .actors = 2, .setup = start_leader,
                .call = call_nothing, .thread = "ends", .cue = cue_end},
        {"a thread ends", "its reservation passes on, one waits", &small, .actor = waits_for_g, .actors = 1,
                .setup = lead_with_reserver, .call = call_nothing, .finish = finish_publish, .thread = "ends",
                .cue = cue_end},
        {"a thread ends", "it borrows", &small, .actor = publishes_large, .actors = 1, .corpse = true,
                .setup = start_borrower, .call = call_nothing, .finish = finish_release, .thread = "ends",
                .cue = cue_end},
        {"unregister_notify", "room of one that ended, one waits", &small, .actor = waits_for_g, .actors = 1,
                .setup = lead_and_reserve_one_waiter, .call = call_publish_the_room},
        {"room_free", "of a thread that has ended", &small, .setup = lead_and_reserve, .call = call_free_the_room},
        {"release", "the last that borrows it", &small, .actor = publishes_large, .actors = 1, .corpse = true,
                .setup = borrow, .call = call_release, .finish = finish_returned},
        {"release", "of a thread that has ended", &small, .actor = publishes_large, .actors = 1, .corpse = true,
                .setup = borrow_and_end, .call = call_release, .finish = finish_returned},
        {"result_own", "borrowed", &small, .actor = publishes_large, .actors = 1, .corpse = true, .setup = borrow,
                .call = call_own, .finish = finish_owned},
        {"result_own", "of a thread that has ended", &small, .actor = publishes_large, .actors = 1, .corpse = true,
                .setup = borrow_and_end, .call = call_own, .finish = finish_owned},
        {"unregister", "without a seat, two wait", &four_seats, .prepare = take_seat, .actor = waits_for_g, .actors = 2,
                .setup = have_leader_and_two_waiters, .call = call_unregister},
        {"unregister_notify", "without a seat, two wait", &four_seats, .prepare = take_seat, .actor = waits_for_g,
                .actors = 2, .setup = have_leader_and_two_waiters, .call = call_publish_large},
        {"unregister_notify", "without a seat, a room, one waits", &three_seats, .prepare = take_seat,
                .actor = waits_for_g, .actors = 1, .setup = have_leader_and_waiter, .call = call_publish_the_room},
        {"notify_all", "without a seat, one waits", &three_seats, .prepare = take_seat, .actor = waits_for_g,
                .actors = 1, .setup = have_leader_and_waiter, .call = call_notify_all},
        {"forward_work", "without a seat, one waits", &three_seats, .prepare = take_seat, .actor = waits_for_g,
                .actors = 1, .setup = have_leader_for_bystander, .call = call_forward},
        {"room_free", "without a seat", &two_seats, .prepare = take_seat, .setup = have_leader_alone,
                .call = call_free_the_room},
        {"release", "without a seat", &three_seats, .prepare = take_seat, .actor = publishes_and_stays, .actors = 1,
                .setup = have_borrower, .call = call_release, .finish = finish_returned},
        {"result_own", "without a seat", &three_seats, .prepare = take_seat, .actor = publishes_and_stays, .actors = 1,
                .setup = have_borrower, .call = call_own, .finish = finish_owned},
        {.what = NULL},
};
