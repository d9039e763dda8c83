/*
 * laws.c - what the actors were told, held against the laws of the library
 *
 *      1  nobody is told to lead a generation that is not above all before it, nor while another leads who was neither
 *         deposed nor killed; nobody's answer arrives who was told FENCED
 *      3  so of the waiters of a dead leader one is told to lead
 *      4  the bytes of a result are those that the leader of its generation made for that request
 *
 * Laws 2 and 5 are looked at when nobody goes on any more (world.c).
 */
#include "explore.h"

#include <string.h>

static unsigned of(uint64_t generation)
{
	if (generation >= GENERATIONS)
		violation("generation %llu: more than any scenario comes to", (unsigned long long)generation);
	return (unsigned)generation;
}

static unsigned caller(void)
{
	return (unsigned)(self - actors) + 1;
}

/* Eight bytes that no other generation, group or request has. */
struct covey_reply law_reply(unsigned group, uint64_t generation, char request)
{
	static char each[ACTORS][8]; /* another may be at its own meanwhile */
	char *bytes = each[caller() - 1];

	memcpy(bytes, (char[]){'r', (char)('0' + group), (char)generation, request, 1, 2, 3, 4}, 8);
	return (struct covey_reply){.data = bytes, .size = 8, .code = (int32_t)generation};
}

void law_leads(unsigned group, const struct covey_lead *lead, bool deposes)
{
	uint64_t newest = laws.groups[group].newest;

	laws.led++;
	machine_saw(lead->generation);
	expect(lead->generation > newest, "law 1: %s is told to lead generation %llu, when there was %llu", self->name,
	        (unsigned long long)lead->generation, (unsigned long long)newest);
	expect(laws.groups[group].leading == 0 || deposes, "law 1: %s is told to lead while %s does", self->name,
	        actors[laws.groups[group].leading - 1].name);
	machine_saw(lead->deaths);
	expect(lead->deaths == 0 || lead->generation != newest + 1 || laws.groups[group].deaths == COUNT_ANEW ||
	                lead->deaths == laws.groups[group].deaths + 1,
	        "%s succeeds one who was told of %u deaths, and is told of %u", self->name, laws.groups[group].deaths,
	        lead->deaths);
	laws.groups[group].newest = lead->generation;
	laws.groups[group].deaths = lead->deaths;
	laws.groups[group].leading = caller();
	laws.groups[group].begun[of(lead->generation)] = (uint8_t)caller();
}

void law_ends(unsigned group, const struct covey_lead *lead)
{
	(void)lead;
	if (laws.groups[group].leading == caller()) {
		laws.groups[group].leading = 0;
		laws.groups[group].deaths = COUNT_ANEW;
	}
}

void law_ended(unsigned group, const struct covey_lead *lead, int r)
{
	unsigned g = of(lead->generation);

	machine_saw((uint64_t)r);
	if (r == COVEY_EFENCED)
		laws.groups[group].fenced[g] = 1;
	else
		laws.groups[group].published[g]++;
	expect(r >= 0 || r == COVEY_EFENCED || r == COVEY_EFULL, "%s: ending its execution gives %d", self->name, r);
}

/* The caller answers waiters while it leads, until the next call with a generation of 0. */
void law_answers(unsigned group, uint64_t generation)
{
	laws.answering[caller() - 1].group = group;
	laws.answering[caller() - 1].generation = generation;
	if (generation != 0)
		laws.groups[group].notified[of(generation)] = true;
}

/* It has answered somebody, this very moment. */
void law_answered(uint64_t word)
{
	unsigned group = laws.answering[caller() - 1].group;
	uint64_t generation = laws.answering[caller() - 1].generation;

	expect(cv_seat_state(word) != CV_SEAT_GAVE_UP || !shared.all_publish,
	        "%s tells a waiter that there is no result, and there is one", self->name);
	expect(generation == 0 || generation == laws.groups[group].newest,
	        "law 1: %s answers for generation %llu, when %s was told that it leads generation %llu", self->name,
	        (unsigned long long)generation, actors[laws.groups[group].begun[laws.groups[group].newest] - 1].name,
	        (unsigned long long)laws.groups[group].newest);
}

void law_dead(uint32_t participant)
{
	for (unsigned g = 0; g < GROUPS; g++)
		if (laws.groups[g].leading != 0 && actors[laws.groups[g].leading - 1].participant == participant)
			laws.groups[g].leading = 0;
}

void law_result(unsigned group, const struct covey_lead *asked, char request, const struct covey_result *result)
{
	unsigned g = of(result->generation);

	machine_saw(mix(result->generation, (uint64_t)result->outcome));
	laws.results++;
	expect(laws.groups[group].begun[g] != 0, "law 4: %s has a result of generation %u, which nobody led",
	        self->name, g);
	expect(result->generation >= asked->generation, "law 4: %s asked generation %llu and has a result of %u",
	        self->name, (unsigned long long)asked->generation, g);
	expect(result->size == 8 && memcmp(result->data, law_reply(group, g, request).data, 8) == 0,
	        "law 4: %s has other bytes than generation %u made for it", self->name, g);
	expect(result->code == (int32_t)g, "law 4: %s has another code than generation %u gave", self->name, g);
	laws.groups[group].answered[g] = 1;
}

void law_verdict(void)
{
	for (unsigned g = 0; g < GROUPS; g++)
		for (unsigned i = 0; i < GENERATIONS; i++) {
			if (laws.groups[g].published[i] > 1)
				violation("law 1: generation %u was ended by two", i);
			if (laws.groups[g].published[i] != 0 && laws.groups[g].fenced[i] != 0)
				violation("law 1: generation %u was ended, and fenced", i);
			if (laws.groups[g].answered[i] != 0 && laws.groups[g].fenced[i] != 0 &&
			        !laws.groups[g].notified[i])
				violation("law 1: an answer of generation %u arrived, which was fenced", i);
		}
}
