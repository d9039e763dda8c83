/*
 * ways_regions.c - opening, closing, removing; the end of a thread; releasing
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ways.h"

static const struct covey_options two = {
        .groups = 12, .participants = 2, .threads = 12, .heap = 1 << 17, .heap_max = 1 << 18};
static const struct covey_options three = {
        .groups = 12, .participants = 3, .threads = 12, .heap = 1 << 17, .heap_max = 1 << 18};

static covey *opened;

static int call_open(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	return covey_open(&opened, world->region, &world->options);
}

static void finish_open(covey *c)
{
	(void)c;
	covey_close(opened);
}

/* It has the second and last slot. */
static int attaches(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	until_later();
	return 0;
}

static void until_attached(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

static void lead_much(covey *c, struct covey_lead *lead)
{
	uint32_t room;
	void *data;

	must(lead_of(c, long_name, lead) == COVEY_LEADER);
	must(lead_of(c, "g", lead) == COVEY_LEADER);
	must(covey_room(c, lead, NULL, 0, 700, &data, &room) == 0);
	atomic_store(&world->flag[FLAG_LED], 1);
	until_waiters(c, 2);
}

int call_close(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_close(c);
	return 0;
}

static int call_unlink(covey *c, struct covey_lead *lead)
{
	int r = covey_unlink(world->region);

	(void)c, (void)lead;
	return r == COVEY_ENOENT ? 0 : r;
}

/* ------------------------------------------------------------------------------------------------ a thread ends */

static void *leads_and_ends(void *context)
{
	covey *c = context;
	struct covey_lead lead;

	prctl(PR_SET_NAME, "ends");
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	while (atomic_load(&world->flag[FLAG_LATER]) == 0)
		syscall(SYS_futex, &world->flag[FLAG_LATER], FUTEX_WAIT, 0, NULL, NULL, 0);
	return NULL;
}

static void start_thread(covey *c, struct covey_lead *lead)
{
	pthread_t thread;

	(void)lead;
	must(pthread_create(&thread, NULL, leads_and_ends, c) == 0);
	must(pthread_detach(thread) == 0);
	until_waiters(c, 2);
}

static void cue_end(covey *c)
{
	(void)c;
	atomic_store(&world->flag[FLAG_LATER], 1);
	syscall(SYS_futex, &world->flag[FLAG_LATER], FUTEX_WAKE, 1, NULL, NULL, 0);
}

int call_nothing(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ releasing */

static struct covey_result borrowed;

static int publishes_large(void *context)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	until_waiters(c, 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static void borrow(covey *c, struct covey_lead *lead)
{
	until(covey_join(c, "g", 1, lead) == COVEY_WAIT);
	must(covey_await(c, lead, NULL, 0, COVEY_FOREVER, 0, &borrowed) == COVEY_OK && borrowed.size == 5000);
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

static int call_release(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_release(c, &borrowed);
	return 0;
}

const struct way ways_of_regions[] = {
        {"open", "it makes the region", &small, .call = call_open, .finish = finish_open, .unattended = true,
                .detached = true},
        {"open", "it attaches", &small, .call = call_open, .finish = finish_open, .detached = true},
        {"open", "the last free slot is a dead one's", &two, .actor = attaches, .actors = 1, .corpse = true,
                .setup = until_attached, .call = call_open, .finish = finish_open, .detached = true, .once = true},
        {"open", "full", &two, .actor = attaches, .actors = 1, .setup = until_attached, .call = call_open,
                .finish = finish_open, .detached = true, .once = true},
        {"close", "alone", &small, .call = call_close, .closes = true},
        {"close", "it leads, has a room, two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_much,
                .call = call_close, .closes = true},
        {"unlink", "others are attached", &three, .call = call_unlink, .once = true},
        {"a thread ends", "it leads, two wait", &small, .actor = waits_for_g, .actors = 2, .setup = start_thread,
                .call = call_nothing, .thread = "ends", .cue = cue_end},
        {"a fork's child", "its first call", &small, .call = call_register, .inherits = true},
        {"a fork's child", "closes before any call", &small, .call = call_close, .inherits = true, .closes = true,
                .once = true},
        {"release", "the last that borrows it", &small, .actor = publishes_large, .actors = 1, .corpse = true,
                .setup = borrow, .call = call_release},
        {.what = NULL},
};
