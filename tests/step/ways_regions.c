/*
 * ways_regions.c - opening, closing, removing
 */
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

/* ------------------------------------------------------------------------------------------------ several handles */

static void open_second(covey *c, struct covey_lead *lead)
{
	lead_and_tell(c, lead);
	opened = world_open();
}

static int call_open_apart(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	opened = world_open_apart();
	return 0;
}

static int call_close_second(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	covey_close(opened);
	opened = NULL;
	return 0;
}

/* Closing that one ended nothing of what is led. */
static void finish_leading(covey *c)
{
	struct covey_lead again;
	int r = lead_of(c, "g", &again);

	must(r == COVEY_RECURSION || r == COVEY_LEADER); /* the survivor may have taken it over, and ended it */
}

/* First the one that it led through. */
static int call_close_both(covey *c, struct covey_lead *lead)
{
	call_close_second(c, lead);
	covey_close(c);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ who there is */

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

static void lead_much_second(covey *c, struct covey_lead *lead)
{
	(void)c;
	opened = world_open();
	lead_much(opened, lead);
}

static void lead_much_apart(covey *c, struct covey_lead *lead)
{
	attach(c, lead);
	opened = world_open_apart();
	lead_much(opened, lead);
}

int call_close(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_close(c);
	return 0;
}

int call_unlink(covey *c, struct covey_lead *lead)
{
	int r = covey_unlink(world->region);

	(void)c, (void)lead;
	return r == COVEY_ENOENT ? 0 : r;
}

/* Who is attached is told what is so. */
static int looks_at_name(void *context)
{
	covey *c = world_open();
	char path[128];

	(void)context;
	until_later();
	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	must(covey_named(c) == (access(path, F_OK) == 0));
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
        {"open", "a second handle", &small, .setup = attach, .call = call_open, .finish = finish_open, .silent = true},
        {"open", "apart, beside a handle", &small, .setup = attach, .call = call_open_apart, .finish = finish_open},
        {"close", "one of two handles, it leads", &small, .setup = open_second, .call = call_close_second,
                .finish = finish_leading, .silent = true},
        {"close", "both handles, it leads, has a room, two wait", &small, .actor = waits_for_g, .actors = 2,
                .setup = lead_much_second, .call = call_close_both, .closes = true},
        {"close", "one apart, it leads, has a room, two wait", &small, .actor = waits_for_g, .actors = 2,
                .setup = lead_much_apart, .call = call_close_second},
        {"unlink", "not attached itself, others are and look", &small, .prepare = lead_g, .actor = looks_at_name,
                .actors = 2, .call = call_unlink, .detached = true, .once = true},
        {"unlink", "others are attached", &three, .call = call_unlink, .once = true},
        {"a fork's child", "its first call", &small, .call = call_register, .inherits = true},
        {"a fork's child", "closes before any call", &small, .call = call_close, .inherits = true, .closes = true,
                .once = true},
        {.what = NULL},
};
