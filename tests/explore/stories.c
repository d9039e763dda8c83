/*
 * stories.c - what actors do in more than one scenario, and how scenarios are set up
 */
#include "stories.h"

#include <string.h>

#define PADDING "................................................................................"
const char *const names[GROUPS] = {"a group with a name of 24" PADDING, "another of the same size" PADDING,
        "a third group of 24 byte" PADDING, "and the last one of them" PADDING};
size_t name_size[GROUPS];

struct covey_lead led;

/* ------------------------------------------------------------------------------------------------ what actors do */

uint32_t register_group(unsigned group, struct covey_lead *lead)
{
	int r = covey_find_or_register(self->c, names[group], name_size[group], lead);

	machine_saw((uint64_t)r);
	return (uint32_t)r;
}

/* What it leads, it ends with a result for this request. */
void lead_on(unsigned group, const struct covey_lead *lead, char request)
{
	struct covey_reply reply = law_reply(group, lead->generation, request);
	int r;

	law_ends(group, lead);
	r = covey_unregister_notify(self->c, lead, request != 0 ? &request : NULL, request != 0, &reply);
	law_ended(group, lead, r);
}

/* One wait; whoever is told to lead does so. */
int wait_once(unsigned group, const struct covey_lead *lead, char request, int64_t deadline, uint32_t flags)
{
	struct covey_result result;
	int r = covey_await(self->c, lead, request != 0 ? &request : NULL, request != 0, deadline, flags, &result);

	machine_saw((uint64_t)r);
	if (r == COVEY_OK) {
		law_result(group, lead, request, &result);
	} else if (r == COVEY_DIED && result.part == COVEY_TOOK_OVER) {
		laws.taken_over++;
		expect(result.lead.deaths != 0, "%s takes over from the dead, and is told of no death", self->name);
		law_leads(group, &result.lead, false);
		lead_on(group, &result.lead, request);
	}
	laws.gave_up += r == COVEY_GAVE_UP;
	laws.died += r == COVEY_DIED;
	laws.full += r == COVEY_EFULL;
	expect(r == COVEY_OK || r == COVEY_DIED || r == COVEY_GAVE_UP || r == COVEY_TIMED_OUT ||
	                (r == COVEY_EFULL && shared.may_be_full),
	        "%s: its wait gives %d", self->name, r);
	covey_release(self->c, &result);
	return r;
}

/* Until it has led, or has a result: what covey_resolve() does. */
void resolve_group(unsigned group, char request)
{
	struct covey_lead lead;
	int outcome = COVEY_GAVE_UP;

	for (int turns = 0; outcome == COVEY_GAVE_UP; turns++) {
		uint32_t role = register_group(group, &lead);

		expect(turns < 8, "%s is told again and again to ask again", self->name);
		if ((int)role == COVEY_EFULL && shared.may_be_full) {
			laws.full++;
			return;
		}
		expect(role == COVEY_LEADER || role == COVEY_WAIT, "%s: registering gives %d", self->name, (int)role);
		if (role == COVEY_LEADER) {
			law_leads(group, &lead, false);
			lead_on(group, &lead, request);
			return;
		}
		outcome = wait_once(group, &lead, request, COVEY_FOREVER, 0);
	}
}

void resolve(void)
{
	resolve_group(0, 0);
}

void publish_led(void)
{
	lead_on(0, &led, 0);
}

/* The heap is one chunk. */
void publish_too_much(void)
{
	static const unsigned char bytes[CV_CHUNK_SIZE];
	const struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	int r;

	law_ends(0, &led);
	r = covey_unregister_notify(self->c, &led, NULL, 0, &reply);
	law_ended(0, &led, r);
	expect(r == 0 || r == COVEY_EFULL || r == COVEY_EFENCED, "publishing what has no room gives %d", r);
}

void give_up_led(void)
{
	law_ends(0, &led);
	law_ended(0, &led, covey_unregister(self->c, &led));
}

void wait_for_led(void)
{
	struct covey_lead lead = led;

	wait_once(0, &lead, 0, COVEY_FOREVER, 0);
}

void resolve_2(void)
{
	resolve_group(2, 0);
}

void notify_led(void)
{
	struct covey_reply reply = law_reply(0, led.generation, 0);

	law_answers(0, led.generation);
	covey_notify_all(self->c, &led, &reply);
	law_answers(0, 0);
}

void notify_and_give_up(void)
{
	notify_led();
	give_up_led();
}

/* Answers what it is asked, until nobody can go on any more; then it gives the group up. */
void serve(void)
{
	struct covey_request request;
	struct covey_reply reply;
	int64_t until = shared.now + 1000;
	int r;

	while ((r = covey_receive(self->c, &led, until, &request)) == 0) {
		machine_saw((uint64_t)r);
		expect(!shared.all_told || shared.now < until, "%s slept through a request", self->name);
		reply = law_reply(0, led.generation, request.size != 0 ? *(const char *)request.data : 0);
		law_answers(0, led.generation);
		r = covey_respond(self->c, &led, &request, &reply);
		law_answers(0, 0);
		expect(r >= 0 || r == COVEY_EFENCED, "answering gives %d", r);
	}
	expect(r == COVEY_ETIMEDOUT || r == COVEY_EFENCED, "receiving gives %d", r);
	give_up_led();
}

void ask_x(void)
{
	struct covey_lead lead = led;

	expect(wait_once(0, &lead, 'x', COVEY_FOREVER, 0) == COVEY_OK, "%s was not answered", self->name);
}

void ask_y(void)
{
	struct covey_lead lead = led;

	expect(wait_once(0, &lead, 'y', COVEY_FOREVER, 0) == COVEY_OK, "%s was not answered", self->name);
}

void ask_twice(void)
{
	ask_x();
	ask_y();
}

void wait_a_while(void)
{
	struct covey_lead lead = led;

	wait_once(0, &lead, 0, shared.now + 100, 0);
}

/* ------------------------------------------------------------------------------------------------ set-ups */

void make_world(uint32_t groups, uint32_t buckets, uint32_t participants)
{
	world_make(groups, buckets, participants);
	for (unsigned i = 0; i < GROUPS; i++)
		name_size[i] = 24;
}

void actor(const char *name, uint32_t participant, void (*body)(void))
{
	machine_actor(name, participant, world_seat(participant), body);
}

void keeper(const char *name, uint32_t participant)
{
	machine_actor(name, participant, 0, keeper_body);
}

void death(const char *name, uint32_t participant)
{
	machine_actor(name, participant, 0, kernel_death);
}

/* The group has its node already, as all but the first time. */
void led_before(unsigned group, uint32_t seat)
{
	struct covey_lead lead;

	world_as(seat);
	covey_find_or_register(covey_thread_last->c, names[group], name_size[group], &lead);
	covey_unregister(covey_thread_last->c, &lead);
	laws.groups[group].newest = lead.generation;
}

/* The actor of this number leads the group. */
void leads(unsigned number, unsigned group)
{
	world_as(actors[number].t->seat);
	covey_find_or_register(actors[number].c, names[group], name_size[group], &led);
	laws.groups[group].newest = led.generation;
	laws.groups[group].leading = number + 1;
	laws.groups[group].begun[led.generation] = (uint8_t)(number + 1);
}

/* Two nodes, in one chain, both of groups that nobody leads. */
void full_table(void)
{
	for (int i = 0; i < 4; i++) /* whoever takes its node has a floor to raise */
		led_before(0, 1);
	led_before(1, 1);
}
