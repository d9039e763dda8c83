/*
 * ways_rivals.c - two that are inside at once: of one group, of the table, of the heap, of a dead one's slot
 *
 * The rival is held within its call while the victim makes its own.  Neither call sleeps for long, so each comes to its end
 * without the other.
 */
#include "ways.h"

static int call_register_another(covey *c, struct covey_lead *lead)
{
	return lead_of(c, "another", lead);
}

static int call_find_long(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_find(c, long_name, LONG_NAME_SIZE, NULL) == COVEY_ECORRUPT ? COVEY_ECORRUPT : 0;
}

static int call_serve_now(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("stepped");
	struct covey_request request;
	int r = covey_receive(c, lead, COVEY_NOW, &request);

	return r == 0 ? covey_respond(c, lead, &request, &reply) : r == COVEY_ETIMEDOUT ? 0 : r;
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

static int call_accept(covey *c, struct covey_lead *lead)
{
	int r = covey_accept_work(c, "g", 1, COVEY_NOW, lead);

	return r == COVEY_ENOENT || r == COVEY_ETIMEDOUT ? 0 : r;
}

static int call_large_room(covey *c, struct covey_lead *lead)
{
	return room_of(c, lead, 70000);
}

/* ------------------------------------------------------------------------------------------------ who there is */

static void lead_another(covey *c, struct covey_lead *l)
{
	must(lead_of(c, "another", l) == COVEY_LEADER);
}

static void be_handed(covey *c, struct covey_lead *l)
{
	struct covey_lead led;

	attach(c, l);
	must(lead_of(c, "g", &led) == COVEY_LEADER);
	must(covey_forward_work(c, &led, (uint32_t)covey_participant(c)) == 0);
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
	lead_and_tell(c, &l);
	must(covey_room(c, &l, NULL, 0, 700, &data, &room) == 0);
	must(lead_of(c, long_name, &l) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
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
        {"two: register, publish", "", &small, .setup = attach, .call = call_register, .rival_setup = lead_and_tell,
                .rival = call_publish},
        {"two: register, unregister", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = attach,
                .call = call_register, .rival_setup = lead_one_waiter, .rival = call_unregister},
        {"two: publish, take over", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_publish, .rival_setup = attach, .rival = call_take_over},
        {"two: take over, publish", "large, one waits", &small, .actor = waits_for_g, .actors = 1, .setup = attach,
                .call = call_take_over, .rival_setup = lead_one_waiter, .rival = call_publish_large},
        {"two: take over, take over", "", &small, .prepare = lead_g, .setup = attach, .call = call_take_over,
                .rival_setup = attach, .rival = call_take_over},
        {"two: take over, close", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_one_waiter,
                .call = call_close, .closes = true, .rival_setup = attach, .rival = call_take_over},
        {"two: await, publish", "", &small, .setup = attach, .call = call_wait_briefly, .rival_setup = lead_and_tell,
                .rival = call_publish_large},
        {"two: await, unregister", "", &small, .setup = attach, .call = call_wait_briefly, .rival_setup = lead_and_tell,
                .rival = call_unregister},
        {"two: receive, await", "", &small, .setup = lead_and_tell, .call = call_serve_now, .rival_setup = attach,
                .rival = call_wait_briefly},
        {"two: notify all, await", "", &small, .setup = lead_and_tell, .call = call_notify_all, .rival_setup = attach,
                .rival = call_wait_briefly},
        {"two: forward, take over", "one waits", &small, .actor = waits_for_g, .actors = 1, .setup = lead_for_bystander,
                .call = call_forward, .rival_setup = attach, .rival = call_take_over},
        {"two: take over, accept", "", &small, .setup = attach, .call = call_take_over, .rival_setup = be_handed,
                .rival = call_accept},
        {"two: room, room", "", &small, .setup = lead_and_tell, .call = call_room, .rival_setup = lead_another,
                .rival = call_room},
        {"two: room, room", "large", &small, .setup = lead_and_tell, .call = call_large_room,
                .rival_setup = lead_another, .rival = call_large_room, .crowded = true},
        {"two: reap, reap", "a leader for whom one waits", &small, .actor = leads_or_waits, .actors = 2, .corpse = true,
                .setup = attach_after_actor, .call = call_reap, .rival_setup = attach, .rival = call_reap},
        {"two: take over, reap", "a leader for whom one waits", &small, .actor = leads_or_waits, .actors = 2,
                .corpse = true, .setup = attach_after_actor, .call = call_take_over, .rival_setup = attach,
                .rival = call_reap},
        {.what = NULL},
};
