/*
 * ways_answering.c - publishing, giving up, answering on the way, receiving, rooms, forwarding
 */
#include <time.h>

#include "futex.h"
#include "ways.h"

__attribute__((noinline)) int64_t ways_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void lead_and_tell(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
}

void lead_one_waiter(covey *c, struct covey_lead *l)
{
	lead_and_tell(c, l);
	until_waiters(c, 1);
}

void lead_two_waiters(covey *c, struct covey_lead *l)
{
	lead_and_tell(c, l);
	until_waiters(c, 2);
}

int call_unregister(covey *c, struct covey_lead *l)
{
	return covey_unregister(c, l);
}

int call_publish(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = text("stepped");

	return covey_unregister_notify(c, l, NULL, 0, &reply);
}

/* Of the two, one asked this. */
static int call_publish_equal(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = text("stepped");

	return covey_unregister_notify(c, l, "one", 3, &reply);
}

int call_publish_large(covey *c, struct covey_lead *l)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};

	return covey_unregister_notify(c, l, NULL, 0, &reply);
}

static int call_publish_room(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = {.size = 5000};
	void *data;
	int r = covey_room(c, l, NULL, 0, 5000, &data, &reply.room);

	if (r != 0)
		return r;
	memset(data, 0, 5000);
	return covey_unregister_notify(c, l, NULL, 0, &reply);
}

int room_of(covey *c, struct covey_lead *l, size_t size)
{
	uint32_t room;
	void *data;
	int r = covey_room(c, l, "r", 1, size, &data, &room);

	if (r == 0)
		covey_room_free(c, room);
	return r;
}

int call_room(covey *c, struct covey_lead *l)
{
	return room_of(c, l, 1000);
}

/* Three chunks, one of which is committed for it and given back. */
static int call_room_large(covey *c, struct covey_lead *l)
{
	return room_of(c, l, 190000);
}

/* All that have room, two to a slab, and then all are given back but one, of the slab that was opened last. */
static uint32_t last_room;

static void lead_with_last_room(covey *c, struct covey_lead *l)
{
	uint32_t rooms[8];
	void *data;
	int n = 0;

	lead_and_tell(c, l);
	while (n < 8 && covey_room(c, l, NULL, 0, 20000, &data, &rooms[n]) == 0)
		n++;
	must(n >= 4);
	last_room = rooms[--n];
	for (int i = 0; i < n; i++)
		covey_room_free(c, rooms[i]);
}

/* The memory of that slab is given back. */
static int call_room_free(covey *c, struct covey_lead *l)
{
	(void)l;
	covey_room_free(c, last_room);
	return 0;
}

static int call_room_full(covey *c, struct covey_lead *l)
{
	return room_of(c, l, 400000);
}

/* All that there is, in ever smaller pieces. */
static void fill_heap(covey *c, const struct covey_lead *l)
{
	uint32_t room;
	void *data;

	for (size_t size = 200000; size != 0; size /= 2)
		while (covey_room(c, l, NULL, 0, size, &data, &room) == 0) {
		}
}

static void lead_two_waiters_full(covey *c, struct covey_lead *l)
{
	lead_two_waiters(c, l);
	fill_heap(c, l);
	atomic_store(&world->flag[FLAG_FULL], 1);
}

static int call_publish_no_room(covey *c, struct covey_lead *l)
{
	int r = call_publish_large(c, l);

	must(r == COVEY_EFULL || r == COVEY_EFENCED);
	return r;
}

static int call_notify(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = text("stepped");

	return covey_notify(c, l, "one", 3, &reply);
}

int call_notify_all(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = text("stepped");

	return covey_notify_all(c, l, &reply);
}

static int begins_with_z(void *context, const void *request, size_t size)
{
	(void)context;
	return size != 0 && *(const char *)request == 'z';
}

static int call_notify_if(covey *c, struct covey_lead *l)
{
	struct covey_reply reply = text("stepped");

	return covey_notify_if(c, l, begins_with_z, NULL, &reply);
}

/* ------------------------------------------------------------------------------------------------ receiving */

static int serve(covey *c, struct covey_lead *l, int times, size_t large)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = large != 0 ? (struct covey_reply){.data = bytes, .size = large} : text("stepped");
	struct covey_request request;
	int r = 0;

	for (int i = 0; i < times && r >= 0; i++) {
		r = covey_receive(c, l, COVEY_FOREVER, &request);
		if (r == 0)
			r = covey_respond(c, l, &request, &reply);
	}
	return r;
}

static int call_serve_one(covey *c, struct covey_lead *l)
{
	return serve(c, l, 1, 0);
}

static int call_serve_large(covey *c, struct covey_lead *l)
{
	return serve(c, l, 1, 5000);
}

static int call_serve_two(covey *c, struct covey_lead *l)
{
	return serve(c, l, 2, 0);
}

static int call_serve_three(covey *c, struct covey_lead *l)
{
	return serve(c, l, 3, 0);
}

static void ask_once(covey *c, const struct covey_lead *l, size_t size)
{
	static const char bytes[500] = "request";
	struct covey_result result;
	int r = covey_await(c, l, bytes, size, COVEY_FOREVER, 0, &result);

	must(r == COVEY_OK || r == COVEY_DIED || r == COVEY_GAVE_UP);
	if (r == COVEY_DIED)
		covey_unregister(c, &result.lead);
	covey_release(c, &result);
}

/* One asks three times: a receiver looks at such a one before it looks anywhere else. */
static int asks_three_times(void *context)
{
	covey *c = world_open();
	struct covey_lead l;

	(void)context;
	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	for (int i = 0; i < 3 && covey_join(c, "g", 1, &l) == COVEY_WAIT; i++)
		ask_once(c, &l, 7);
	return 0;
}

static int asks_at_length(void *context)
{
	covey *c = world_open();
	struct covey_lead l;

	(void)context;
	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	if (covey_join(c, "g", 1, &l) == COVEY_WAIT)
		ask_once(c, &l, 500);
	return 0;
}

/* It asks once the victim sleeps. */
static int asks_later(void *context)
{
	covey *c = world_open();
	struct covey_lead l;

	(void)context;
	until_later();
	if (covey_join(c, "g", 1, &l) == COVEY_WAIT)
		ask_once(c, &l, 7);
	return 0;
}

static void cue_ask(covey *c)
{
	atomic_store(&world->flag[FLAG_LATER], 1);
	until(world_waiters(c, "g") == 1);
}

/* ------------------------------------------------------------------------------------------------ forwarding */

/* Its waiters are then the bystander's. */
void lead_for_bystander(covey *c, struct covey_lead *l)
{
	atomic_store(&world->flag[FLAG_PATIENT], 1);
	lead_one_waiter(c, l);
}

int call_forward(covey *c, struct covey_lead *l)
{
	int r = covey_forward_work(c, l, (uint32_t)atomic_load(&world->number[NUMBER_BYSTANDER]));

	return r == COVEY_ENOENT ? 0 : r;
}

static int call_forward_to_itself(covey *c, struct covey_lead *l)
{
	return covey_forward_work(c, l, (uint32_t)covey_participant(c));
}

int call_forward_to_actor(covey *c, struct covey_lead *l)
{
	int r = covey_forward_work(c, l, (uint32_t)atomic_load(&world->number[NUMBER_VICTIM]));

	return r == COVEY_ENOENT ? 0 : r;
}

int is_forwarded_to(void *context)
{
	covey *c;

	if (context != NULL)
		return waits_for_g(context);
	c = world_open();
	atomic_store(&world->number[NUMBER_VICTIM], covey_participant(c));
	for (;;)
		pause();
}

void lead_and_know_actor(covey *c, struct covey_lead *l)
{
	lead_and_tell(c, l);
	until(atomic_load(&world->number[NUMBER_VICTIM]) != 0);
	cv_kernel.now = ways_now; /* forward_work() tells the time between its first look at the other and its last */
}

static void lead_with_waiter_and_know_actor(covey *c, struct covey_lead *l)
{
	lead_and_know_actor(c, l);
	until_waiters(c, 1);
}

const struct way ways_of_answering[] = {
        {"unregister", "alone", &small, .setup = lead_and_tell, .call = call_unregister},
        {"unregister", "two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_unregister},
        {"unregister_notify", "alone", &small, .setup = lead_and_tell, .call = call_publish},
        {"unregister_notify", "two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_publish},
        {"unregister_notify", "one of two asked this", &small, .actor = waits_for_g, .actors = 2,
                .setup = lead_two_waiters, .call = call_publish_equal},
        {"unregister_notify", "large, two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_publish_large},
        {"unregister_notify", "no room for the result, two wait", &small, .actor = waits_for_g, .actors = 2,
                .setup = lead_two_waiters_full, .call = call_publish_no_room, .crowded = true},
        {"room_free", "a slab's last", &small, .setup = lead_with_last_room, .call = call_room_free},
        {"unregister_notify", "a room, alone", &small, .setup = lead_and_tell, .call = call_publish_room},
        {"unregister_notify", "a room, two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_publish_room},
        {"room", "and given back", &small, .setup = lead_and_tell, .call = call_room},
        {"room", "of several chunks, the heap grows", &small, .setup = lead_and_tell, .call = call_room_large,
                .crowded = true},
        {"room", "full", &small, .setup = lead_and_tell, .call = call_room_full, .crowded = true},
        {"notify", "one of two asked this", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_notify},
        {"notify_all", "two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_notify_all},
        {"notify_all", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_notify_all},
        {"notify_if", "one of two", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_notify_if},
        {"receive, respond", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_serve_one},
        {"receive, respond", "two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_serve_two},
        {"receive, respond", "a long request", &small, .actor = asks_at_length, .actors = 1, .setup = lead_one_waiter,
                .call = call_serve_one},
        {"receive, respond", "a large answer", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_serve_large},
        {"receive, respond", "one asks three times", &small, .actor = asks_three_times, .actors = 1,
                .setup = lead_one_waiter, .call = call_serve_three},
        {"receive, respond", "asleep until it is asked", &small, .actor = asks_later, .actors = 1,
                .setup = lead_and_tell, .call = call_serve_one, .cue = cue_ask},
        {"forward_work", "alone", &small, .setup = lead_and_tell, .call = call_forward},
        {"forward_work", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_for_bystander,
                .call = call_forward},
        {"forward_work", "to itself, one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_forward_to_itself},
        {"forward_work", "to one who dies meanwhile", &small, .actor = is_forwarded_to, .actors = 1,
                .setup = lead_and_know_actor, .call = call_forward_to_actor, .cue_kills = true,
                .at = (const void *)(uintptr_t)ways_now},
        {"forward_work", "the same, one waits", &small, .actor = is_forwarded_to, .actors = 2,
                .setup = lead_with_waiter_and_know_actor, .call = call_forward_to_actor, .cue_kills = true,
                .at = (const void *)(uintptr_t)ways_now},
        {.what = NULL},
};
