/*
 * ways_recovery.c - the dead are recovered: by who is called to, by who needs their memory, by the keeper
 */
#include <pthread.h>

#include "ways.h"

/* As the small one, with room for others' results beside what the dead left. */
static const struct covey_options roomy = {
        .groups = 12, .participants = 6, .threads = 12, .heap = 1 << 17, .heap_max = 5 << 16};

static void attach_and_lead(covey *c, struct covey_lead *lead)
{
	attach_after_actor(c, lead);
	must(lead_of(c, "another", lead) == COVEY_LEADER);
}

static void attach_with_two_waiters(covey *c, struct covey_lead *lead)
{
	attach_after_actor(c, lead);
	until_waiters(c, 2);
}

static int leads_much(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	uint32_t room;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 70000, &data, &room) == 0);
	must(covey_room(c, &lead, NULL, 0, 700, &data, &room) == 0);
	must(lead_of(c, long_name, &lead) == COVEY_LEADER);
	must(covey_forward_work(c, &lead, (uint32_t)covey_participant(c)) == 0);
	atomic_store(&world->flag[FLAG_LED], 1);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	must(lead_of(c, "idle", &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
	if (covey_join(c, "b", 1, &lead) == COVEY_WAIT)
		covey_await(c, &lead, long_name, LONG_NAME_SIZE, COVEY_FOREVER, 0, &result);
	for (;;)
		pause();
}

/* What two threads of it have left behind that have ended: a reservation, and a loan. */
static struct covey_lead led;

static void *reserves(void *c)
{
	uint32_t room;
	void *data;

	must(covey_room(c, &led, NULL, 0, 700, &data, &room) == 0);
	return NULL;
}

static void *borrows(void *c)
{
	struct covey_result result;
	struct covey_lead lead;

	until(covey_join(c, "b", 1, &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK && result.loan != 0);
	return NULL;
}

static void run_thread(covey *c, void *(*body)(void *))
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, body, c) == 0);
	must(pthread_join(thread, NULL) == 0);
}

static int outlives_its_threads(void *context)
{
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &led) == COVEY_LEADER);
	run_thread(c, reserves);
	run_thread(c, borrows);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static void publish_b(covey *c)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	struct covey_lead lead;

	must(lead_of(c, "b", &lead) == COVEY_LEADER);
	until(world_waiters(c, "b") == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) == 1);
}

static int leads_or_waits(void *context)
{
	covey *c;
	struct covey_lead lead;

	if (context != NULL)
		return waits_for_g(context);
	c = world_open();
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static int leads_all(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	char group[16];

	(void)context;
	for (int i = 0; i < 12; i++) {
		snprintf(group, sizeof(group), "dead %d", i);
		must(lead_of(c, group, &lead) == COVEY_LEADER);
	}
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static int holds_heap(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	uint32_t room;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	while (covey_room(c, &lead, NULL, 0, 60000, &data, &room) == 0) {
	}
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static void lead_b(covey *c)
{
	must(lead_of(c, "b", &bystander_lead) == COVEY_LEADER);
	bystander_leads = true;
}

int call_reap(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_reap(c);
}

static int call_room_of_chunk(covey *c, struct covey_lead *lead)
{
	return room_of(c, lead, 60000);
}

/* ------------------------------------------------------------------------------------------------ forwarded to the dead */

static void forward_with_waiter(covey *c, struct covey_lead *lead)
{
	until(atomic_load(&world->number[NUMBER_VICTIM]) != 0);
	must(lead_of(c, "g", lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	until_waiters(c, 1);
	must(covey_forward_work(c, lead, (uint32_t)atomic_load(&world->number[NUMBER_VICTIM])) == 0);
}

const struct way ways_of_recovery[] = {
        {"reap", "a leader, its rooms, its wait, a hand-over", &roomy, .prepare = lead_b, .actor = leads_much,
                .actors = 1, .corpse = true, .setup = attach_after_actor, .call = call_reap},
        {"reap", "a leader for whom two wait", &small, .actor = leads_or_waits, .actors = 3, .corpse = true,
                .setup = attach_with_two_waiters, .call = call_reap},
        {"reap", "what threads of it left that had ended", &small, .prepare = publish_b, .actor = outlives_its_threads,
                .actors = 1, .corpse = true, .setup = attach_after_actor, .call = call_reap},
        {"find_or_register", "full of what the dead led", &small, .actor = leads_all, .actors = 1, .corpse = true,
                .setup = attach_after_actor, .call = call_register_new, .crowded = true},
        {"room", "full of what the dead held", &small, .actor = holds_heap, .actors = 1, .corpse = true,
                .setup = attach_and_lead, .call = call_room_of_chunk, .crowded = true},
        {"the keeper", "reaps a leader", &roomy, .actor = leads_much, .actors = 1, .unattended = true,
                .cue_kills = true, .setup = attach_after_actor, .call = call_nothing, .thread = "covey-keeper"},
        {"the keeper", "tells of the death of whom it forwarded to", &small, .actor = is_forwarded_to, .actors = 2,
                .cue_kills = true, .setup = forward_with_waiter, .call = call_nothing, .thread = "covey-keeper"},
        {.what = NULL},
};
