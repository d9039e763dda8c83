/*
 * ways_rivals.c - two that are inside at once: of one group, of the table, of the heap, of a dead one's slot
 *
 * The rival is held within its call while the victim makes its own.  Neither call sleeps for long, so each comes to its end
 * without the other.
 */
#include "ways.h"

static int call_register(covey *c, struct covey_lead *lead)
{
	return lead_of(c, "g", lead);
}

static int call_register_new(covey *c, struct covey_lead *lead)
{
	return lead_of(c, new_name(), lead);
}

static int call_register_another(covey *c, struct covey_lead *lead)
{
	return lead_of(c, "another", lead);
}

static int call_register_long(covey *c, struct covey_lead *lead)
{
	return lead_of(c, long_name, lead);
}

static int call_find_long(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_find(c, long_name, LONG_NAME_SIZE, NULL) == COVEY_ECORRUPT ? COVEY_ECORRUPT : 0;
}

static int call_give_up(covey *c, struct covey_lead *lead)
{
	return covey_unregister(c, lead);
}

static int call_publish(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("stepped");

	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static int call_publish_large(covey *c, struct covey_lead *lead)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};

	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static int call_take_over(covey *c, struct covey_lead *lead)
{
	struct covey_info info;
	int r = covey_find(c, "g", 1, &info);

	if (r == 0)
		r = covey_take_over(c, "g", 1, info.generation, lead);
	return r == COVEY_ENOENT ? 0 : r;
}

static int call_serve_now(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("stepped");
	struct covey_request request;
	int r = covey_receive(c, lead, COVEY_NOW, &request);

	return r == 0 ? covey_respond(c, lead, &request, &reply) : r == COVEY_ETIMEDOUT ? 0 : r;
}

static int call_notify_all(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("stepped");

	return covey_notify_all(c, lead, &reply);
}

/* Joins, waits for a millisecond, and leaves what it may have come to lead. */
static int call_wait_briefly(covey *c, struct covey_lead *lead)
{
	struct covey_result result;
	int r = covey_join(c, "g", 1, lead);

	if (r != COVEY_WAIT)
		return r == COVEY_ENOENT ? 0 : r;
	r = covey_await(c, lead, long_name, LONG_NAME_SIZE, covey_in_ms(1), 0, &result);
	if (r == COVEY_DIED && result.part == COVEY_TOOK_OVER)
		covey_unregister(c, &result.lead);
	covey_release(c, &result);
	return r == COVEY_ETIMEDOUT ? 0 : r;
}

static int call_forward(covey *c, struct covey_lead *lead)
{
	int r = covey_forward_work(c, lead, (uint32_t)atomic_load(&world->number[NUMBER_BYSTANDER]));

	return r == COVEY_ENOENT ? 0 : r;
}

static int call_accept(covey *c, struct covey_lead *lead)
{
	int r = covey_accept_work(c, "g", 1, COVEY_NOW, lead);

	return r == COVEY_ENOENT || r == COVEY_ETIMEDOUT ? 0 : r;
}

static int call_room(covey *c, struct covey_lead *lead)
{
	uint32_t room;
	void *data;
	int r = covey_room(c, lead, NULL, 0, 700, &data, &room);

	if (r == 0)
		covey_room_free(c, room);
	return r;
}

static int call_room_large(covey *c, struct covey_lead *lead)
{
	uint32_t room;
	void *data;
	int r = covey_room(c, lead, NULL, 0, 70000, &data, &room);

	if (r == 0)
		covey_room_free(c, room);
	return r;
}

static int call_reap(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_reap(c);
}

static int call_close(covey *c, struct covey_lead *lead)
{
	(void)lead;
	covey_close(c);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ who there is */

static void attach(covey *c, struct covey_lead *lead)
{
	(void)lead;
	must(covey_find(c, long_name, LONG_NAME_SIZE, NULL) != COVEY_ECORRUPT); /* takes a seat */
}

static void lead(covey *c, struct covey_lead *l)
{
	must(lead_of(c, "g", l) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
}

static void lead_one_waiter(covey *c, struct covey_lead *l)
{
	lead(c, l);
	until_waiters(c, 1);
}

static void lead_another(covey *c, struct covey_lead *l)
{
	must(lead_of(c, "another", l) == COVEY_LEADER);
}

/* Its waiters are then the bystander's. */
static void lead_for_bystander(covey *c, struct covey_lead *l)
{
	atomic_store(&world->flag[FLAG_PATIENT], 1);
	lead_one_waiter(c, l);
}

static void be_handed(covey *c, struct covey_lead *l)
{
	struct covey_lead led;

	attach(c, l);
	must(lead_of(c, "g", &led) == COVEY_LEADER);
	must(covey_forward_work(c, &led, (uint32_t)covey_participant(c)) == 0);
}

static void fill_table(covey *c)
{
	struct covey_lead l;
	char group[16];

	for (int i = 0; i < 16; i++) {
		snprintf(group, sizeof(group), "fill %d", i);
		must(lead_of(c, group, &l) == COVEY_LEADER && covey_unregister(c, &l) == 0);
	}
}

static void know_long(covey *c)
{
	struct covey_lead l;

	fill_table(c);
	must(lead_of(c, long_name, &l) == COVEY_LEADER && covey_unregister(c, &l) == 0);
}

/* Actor 0 leads, has rooms, and is killed before the calls begin; the others wait. */
static int leads_or_waits(void *context)
{
	struct covey_lead l;
	uint32_t room;
	void *data;
	covey *c;

	if (context != NULL)
		return waits_for_g(context);
	c = world_open();
	lead(c, &l);
	must(covey_room(c, &l, NULL, 0, 700, &data, &room) == 0);
	must(lead_of(c, long_name, &l) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

static void until_led(covey *c, struct covey_lead *l)
{
	attach(c, l);
	until(atomic_load(&world->flag[FLAG_ACTOR]) == 1);
}

const struct way ways_of_rivals[] = {
        {"two: register, register", "a new name", &small, .setup = attach, .call = call_register, .rival_setup = attach,
                .rival = call_register},
        {"two: register, register", "each evicts", &small, .prepare = fill_table, .setup = attach,
                .call = call_register_new, .rival_setup = attach, .rival = call_register_another, .crowded = true},
        {"two: register, find", "evicting, a long name", &small, .prepare = know_long, .setup = attach,
                .call = call_register_new, .rival_setup = attach, .rival = call_find_long},
        {"two: register, register", "a long name", &small, .setup = attach, .call = call_register_long,
                .rival_setup = attach, .rival = call_register_long},
        {"two: register, publish", "", &small, .setup = attach, .call = call_register, .rival_setup = lead,
                .rival = call_publish},
        {"two: register, unregister", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = attach,
                .call = call_register, .rival_setup = lead_one_waiter, .rival = call_give_up},
        {"two: publish, take over", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_publish, .rival_setup = attach, .rival = call_take_over},
        {"two: take over, publish", "large, one waits", &small, .actor = waits_for_g, .actors = 1, .setup = attach,
                .call = call_take_over, .rival_setup = lead_one_waiter, .rival = call_publish_large},
        {"two: take over, take over", "", &small, .prepare = lead_g, .setup = attach, .call = call_take_over,
                .rival_setup = attach, .rival = call_take_over},
        {"two: take over, close", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_close, .closes = true, .rival_setup = attach, .rival = call_take_over},
        {"two: await, publish", "", &small, .setup = attach, .call = call_wait_briefly, .rival_setup = lead,
                .rival = call_publish_large},
        {"two: await, unregister", "", &small, .setup = attach, .call = call_wait_briefly, .rival_setup = lead,
                .rival = call_give_up},
        {"two: receive, await", "", &small, .setup = lead, .call = call_serve_now, .rival_setup = attach,
                .rival = call_wait_briefly},
        {"two: notify all, await", "", &small, .setup = lead, .call = call_notify_all, .rival_setup = attach,
                .rival = call_wait_briefly},
        {"two: forward, take over", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_for_bystander,
                .call = call_forward, .rival_setup = attach, .rival = call_take_over},
        {"two: take over, accept", "", &small, .setup = attach, .call = call_take_over, .rival_setup = be_handed,
                .rival = call_accept},
        {"two: room, room", "", &small, .setup = lead, .call = call_room, .rival_setup = lead_another,
                .rival = call_room},
        {"two: room, room", "large", &small, .setup = lead, .call = call_room_large, .rival_setup = lead_another,
                .rival = call_room_large, .crowded = true},
        {"two: reap, reap", "a leader for whom one waits", &small, .actor = leads_or_waits, .actors = 2, .corpse = true,
                .setup = until_led, .call = call_reap, .rival_setup = attach, .rival = call_reap},
        {"two: take over, reap", "a leader for whom one waits", &small, .actor = leads_or_waits, .actors = 2,
                .corpse = true, .setup = until_led, .call = call_take_over, .rival_setup = attach, .rival = call_reap},
        {.what = NULL},
};
