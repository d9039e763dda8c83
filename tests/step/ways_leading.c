/*
 * ways_leading.c - finding, registering, taking over
 */
#include "ways.h"

/* So many names that a thread's pocket is full. */
static const struct covey_options many = {
        .groups = 100, .participants = 6, .threads = 12, .heap = 1 << 17, .heap_max = 1 << 18};

static void lead_and_give_up(covey *c, const char *group)
{
	struct covey_lead lead;

	must(lead_of(c, group, &lead) == COVEY_LEADER);
	must(covey_unregister(c, &lead) == 0);
}

static void know_g(covey *c)
{
	lead_and_give_up(c, "g");
}

static void know_long(covey *c)
{
	lead_and_give_up(c, long_name);
}

/* Every node is in the table, idle: each further name evicts one. */
void fill_table(covey *c)
{
	char group[16];

	for (int i = 0; i < 16; i++) {
		snprintf(group, sizeof(group), "fill %d", i);
		lead_and_give_up(c, group);
	}
}

/* The same with long names, each of which has a block. */
static void fill_table_long(covey *c)
{
	char group[LONG_NAME_SIZE + 1];

	memset(group, 'x', LONG_NAME_SIZE);
	group[LONG_NAME_SIZE] = '\0';
	for (int i = 0; i < 16; i++) {
		group[0] = (char)('a' + i);
		lead_and_give_up(c, group);
	}
}

static void fill_pocket(covey *c, struct covey_lead *lead)
{
	char group[16];

	(void)lead;
	for (int i = 0; i < 300; i++) {
		snprintf(group, sizeof(group), "once %d", i);
		lead_and_give_up(c, group);
	}
}

/* All nodes are led, by the victim: it may then be told that the region is full. */
static void lead_all(covey *c, struct covey_lead *lead)
{
	char group[16];

	for (int i = 0; i < 12; i++) {
		snprintf(group, sizeof(group), "led %d", i);
		must(lead_of(c, group, lead) == COVEY_LEADER);
	}
}

static void lead_g_itself(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_LEADER);
}

void attach(covey *c, struct covey_lead *lead)
{
	(void)lead;
	must(covey_find(c, long_name, LONG_NAME_SIZE, NULL) != COVEY_ECORRUPT); /* takes a seat */
}

void attach_after_actor(covey *c, struct covey_lead *lead)
{
	attach(c, lead);
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

static void lead_g_with_waiter(covey *c)
{
	lead_g(c);
	atomic_store(&world->flag[FLAG_LED], 1);
	until_waiters(c, 1);
}

static int leads_and_sleeps(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	uint32_t room;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 70000, &data, &room) == 0);
	must(lead_of(c, long_name, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

int call_register(covey *c, struct covey_lead *lead)
{
	return lead_of(c, "g", lead);
}

int call_register_new(covey *c, struct covey_lead *lead)
{
	return lead_of(c, new_name(), lead);
}

int call_register_long(covey *c, struct covey_lead *lead)
{
	return lead_of(c, long_name, lead);
}

static int call_join(covey *c, struct covey_lead *lead)
{
	return covey_join(c, "g", 1, lead) == COVEY_ECORRUPT ? COVEY_ECORRUPT : 0;
}

static int call_find(covey *c, struct covey_lead *lead)
{
	struct covey_info info;
	int r = covey_find(c, "g", 1, &info), long_one = covey_find(c, long_name, LONG_NAME_SIZE, &info);

	(void)lead;
	return r == COVEY_ECORRUPT || long_one == COVEY_ECORRUPT ? COVEY_ECORRUPT : 0;
}

static int call_leading(covey *c, struct covey_lead *lead)
{
	return covey_leading(c, lead) >= 0 ? 0 : COVEY_ECORRUPT;
}

int call_take_over(covey *c, struct covey_lead *lead)
{
	struct covey_info info;
	int r = covey_find(c, "g", 1, &info);

	if (r == 0)
		r = covey_take_over(c, "g", 1, info.generation, lead);
	return r == COVEY_ENOENT ? 0 : r;
}

const struct way ways_of_leading[] = {
        {"find_or_register", "a new name", &small, .setup = attach, .call = call_register},
        {"find_or_register", "a thread's first call", &small, .call = call_register},
        {"find_or_register", "idle", &small, .prepare = know_g, .setup = attach, .call = call_register},
        {"find_or_register", "led by another", &small, .prepare = lead_g, .setup = attach, .call = call_register},
        {"find_or_register", "led by itself", &small, .setup = lead_g_itself, .call = call_register},
        {"find_or_register", "evicting by the clock", &small, .prepare = fill_table, .setup = attach,
                .call = call_register_new},
        {"find_or_register", "evicting from the pocket", &many, .setup = fill_pocket, .call = call_register_new},
        {"find_or_register", "full", &small, .setup = lead_all, .call = call_register_new, .crowded = true},
        {"find_or_register", "a new long name", &small, .setup = attach, .call = call_register_long},
        {"find_or_register", "an idle long name", &small, .prepare = know_long, .setup = attach,
                .call = call_register_long},
        {"find_or_register", "a long name evicting another", &small, .prepare = fill_table_long, .setup = attach,
                .call = call_register_long},
        {"find_or_register", "its leader is dead", &small, .actor = leads_and_sleeps, .actors = 1, .corpse = true,
                .setup = attach_after_actor, .call = call_register},
        {"join", "led", &small, .prepare = lead_g, .setup = attach, .call = call_join},
        {"find", "led, and a long name", &small, .prepare = know_long, .setup = lead_g_itself, .call = call_find},
        {"find", "with a waiter", &small, .prepare = lead_g_with_waiter, .actor = waits_for_g, .actors = 1,
                .setup = attach, .call = call_find},
        {"leading", "it does", &small, .setup = lead_g_itself, .call = call_leading},
        {"take_over", "from one who lives", &small, .prepare = lead_g, .setup = attach, .call = call_take_over},
        {"take_over", "with a waiter", &small, .prepare = lead_g_with_waiter, .actor = waits_for_g, .actors = 1,
                .setup = attach, .call = call_take_over},
        {"take_over", "from the dead", &small, .actor = leads_and_sleeps, .actors = 1, .corpse = true,
                .setup = attach_after_actor, .call = call_take_over},
        {.what = NULL},
};
