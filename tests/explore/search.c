/*
 * search.c - which actor goes on at each point
 *
 * A search in depth: each run follows the choices of the one before up to the last choice that has an alternative, takes
 * that, and goes on by itself, with the actor that runs if it can.  Where it comes to a state that was met before, it
 * ends: what follows from there has been seen, or will be.  So the search ends when each state that can be reached has
 * been left in each possible way.  With a bound of preemptions (an actor that could go on has to give way) the state
 * includes who runs and how many there were; that is no proof, but most mistakes need two.
 *
 * A death is considered after each step of its victim that changed something; later it would be no different, because
 * what happens to the victim's memory comes later still, in steps of the death itself (kernel.c).  What is done by a death
 * counts as no preemption of anybody.
 *
 * A schedule is written as who ran until its how manieth step: "a12 c40 a15".  A capital: its deadline passed.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef malloc
#undef free
#undef realloc

#define OVER (UINT32_C(1) << 31)
#define IN_TIME 16 /* choices from here on: an actor whose deadline passes */

static enum { IN_DEPTH, RANDOM, REPLAY } mode;
static struct bounds bounds;
static int kills, preemptions;

/* ------------------------------------------------------------------------------------------------ what was seen */

static uint64_t *seen;
static size_t seen_count, seen_room;

static void seen_clear(void)
{
	free(seen);
	seen_room = 1u << 16;
	seen_count = 0;
	seen = calloc(seen_room, sizeof(*seen));
}

static bool seen_put(uint64_t *table, size_t room, uint64_t state)
{
	size_t i = (size_t)(state & (room - 1));

	while (table[i] != 0 && table[i] != state)
		i = (i + 1) & (room - 1);
	if (table[i] == state)
		return true;
	table[i] = state;
	return false;
}

static bool seen_before(uint64_t state)
{
	state = state != 0 ? state : 1;
	if (seen_count * 2 > seen_room) {
		uint64_t *more = calloc(seen_room * 2, sizeof(*more));

		if (more == NULL)
			abort();
		for (size_t i = 0; i < seen_room; i++)
			if (seen[i] != 0)
				seen_put(more, seen_room * 2, seen[i]);
		free(seen);
		seen = more;
		seen_room *= 2;
	}
	if (seen_put(seen, seen_room, state))
		return true;
	seen_count++;
	return false;
}

/* ------------------------------------------------------------------------------------------------ schedules */

static struct stint {
	unsigned choice;
	uint64_t until;
} stints[1 << 16];
static unsigned stint_count, stint_at;

static void stint_end(void)
{
	if (stint_count != 0 && mode != REPLAY)
		stints[stint_count - 1].until = actors[stints[stint_count - 1].choice % IN_TIME].steps;
}

static void stint_begin(unsigned choice)
{
	stint_end();
	if (stint_count < sizeof(stints) / sizeof(stints[0]) && mode != REPLAY)
		stints[stint_count++] = (struct stint){choice, 0};
}

void search_schedule(char *out, size_t size)
{
	size_t n = 0;

	stint_end();
	for (unsigned i = 0; i < stint_count && n + 24 < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%c%llu", i != 0 ? " " : "",
		        (int)(stints[i].choice % IN_TIME) + (stints[i].choice >= IN_TIME ? 'A' : 'a'),
		        (unsigned long long)stints[i].until);
	out[n < size ? n : size - 1] = '\0';
}

static bool schedule_read(const char *text)
{
	for (stint_count = 0; *text != '\0'; stint_count++) {
		char who = *text;
		char *end;
		unsigned choice = who >= 'a' ? (unsigned)(who - 'a') : (unsigned)(who - 'A') + IN_TIME;

		stints[stint_count] = (struct stint){choice, strtoull(text + 1, &end, 10)};
		if (choice % IN_TIME >= actor_count || end == text + 1 ||
		        stint_count + 1 == sizeof(stints) / sizeof(stints[0]))
			return false;
		text = end + strspn(end, " ");
	}
	stint_at = 0;
	return stint_count != 0;
}

/* ------------------------------------------------------------------------------------------------ choices */

static bool may_die(const struct actor *death)
{
	if (kills >= bounds.kills)
		return false;
	return self == NULL || (self->participant == death->participant && self->touched && self != death);
}

static uint32_t earliest_deadline(void)
{
	unsigned first = actor_count;

	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].state == ACTOR_ASLEEP && kernel_in_time(&actors[i]) &&
		        (first == actor_count || actors[i].deadline < actors[first].deadline))
			first = i;
	return first < actor_count ? UINT32_C(1) << (IN_TIME + first) : 0;
}

/* Nobody can go on but by waiting for others in a loop, or by waiting for time to pass. */
static uint32_t last_resort(void)
{
	uint32_t choices = 0;

	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].state == ACTOR_READY)
			choices |= UINT32_C(1) << i;
	return choices != 0 ? choices : earliest_deadline();
}

static uint32_t choices_now(bool all)
{
	uint32_t choices = 0, killed = 0;

	for (unsigned i = 0; i < actor_count; i++) {
		struct actor *a = &actors[i];

		if (a->state == ACTOR_DORMANT)
			killed |= (uint32_t)may_die(a) << i;
		else if ((all || a == self) && kernel_can_go_on(a))
			choices |= UINT32_C(1) << i;
		else if (all && bounds.expire && a->state == ACTOR_ASLEEP && kernel_in_time(a))
			choices |= UINT32_C(1) << (IN_TIME + i);
	}
	if (choices == 0)
		choices = last_resort();
	if (self != NULL)
		self->touched = false;
	return choices == 0 && killed != 0 ? killed | OVER : choices | killed;
}

static bool is_death(unsigned choice)
{
	return choice < actor_count && actors[choice].state == ACTOR_DORMANT;
}

/* Would it put the caller aside, who could go on? */
static bool preempts(unsigned choice)
{
	return self != NULL && self != &actors[choice % IN_TIME] && self->state == ACTOR_READY && !self->paused &&
	       !self->death && !is_death(choice);
}

static struct actor *take(unsigned choice)
{
	struct actor *a = actors + choice % IN_TIME;

	if (choice == 31)
		return NULL;
	preemptions += preempts(choice);
	if (a != self || a->state != ACTOR_READY || a->paused)
		stint_begin(choice);
	if (a->state == ACTOR_DORMANT) {
		kills++;
		a->state = ACTOR_READY;
	}
	kernel_resume(a, choice >= IN_TIME);
	return a;
}

/* ------------------------------------------------------------------------------------------------ in depth */

struct fork {
	uint32_t left; /* not tried yet */
	uint32_t chosen;
};
static struct fork *forks;
static unsigned fork_count, fork_room, depth;

static unsigned first_of(uint32_t choices)
{
	unsigned mine = self != NULL ? (unsigned)(self - actors) : 31;

	if (choices & UINT32_C(1) << mine)
		return mine;
	return (unsigned)__builtin_ctz(choices);
}

static uint32_t within_bounds(uint32_t choices)
{
	uint32_t allowed = 0;

	if (bounds.preemptions < 0 || preemptions < bounds.preemptions)
		return choices;
	for (unsigned i = 0; i < 32; i++)
		if ((choices & UINT32_C(1) << i) && (i == 31 || !preempts(i)))
			allowed |= UINT32_C(1) << i;
	return allowed;
}

static uint64_t state_now(void)
{
	uint64_t state = machine_signature();

	if (bounds.preemptions < 0)
		return state;
	return mix(state, (uint64_t)preemptions << 8 | (self != NULL ? (uint64_t)(self - actors) : 255));
}

static unsigned choose_in_depth(uint32_t choices)
{
	struct fork *f;

	choices = within_bounds(choices);
	if (depth < fork_count)
		return forks[depth++].chosen;
	if (seen_before(state_now()))
		machine_stop(RUN_SEEN);
	if (fork_count == fork_room) {
		fork_room = fork_room != 0 ? fork_room * 2 : 1024;
		forks = realloc(forks, fork_room * sizeof(*forks));
	}
	f = &forks[fork_count++];
	depth++;
	f->chosen = first_of(choices);
	f->left = choices & ~(UINT32_C(1) << f->chosen);
	return f->chosen;
}

/* To the last fork with an alternative; false: there is none. */
static bool next_alternative(void)
{
	while (fork_count > 0) {
		struct fork *f = &forks[fork_count - 1];

		if (f->left != 0) {
			f->chosen = (unsigned)__builtin_ctz(f->left);
			f->left &= f->left - 1;
			return true;
		}
		fork_count--;
	}
	return false;
}

/* ------------------------------------------------------------------------------------------------ random, and replay */

static uint64_t dice;
static unsigned stay; /* so often of 64 the one that runs goes on */

static unsigned throw(unsigned sides)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(dice >> 33) % sides;
}

static unsigned choose_random(uint32_t choices)
{
	unsigned n = 0, pick;

	for (unsigned i = 0; i < actor_count; i++) /* deaths come seldom, or none would live to do anything */
		if (is_death(i) && (choices & ~(UINT32_C(1) << i)) != 0 && throw(64) != 0)
			choices &= ~(UINT32_C(1) << i);
	if (self != NULL && (choices & UINT32_C(1) << (self - actors)) && throw(64) < stay)
		return (unsigned)(self - actors);
	pick = throw((unsigned)__builtin_popcount(choices));
	for (unsigned i = 0; i < 32; i++)
		if ((choices & UINT32_C(1) << i) && n++ == pick)
			return i;
	abort();
}

static unsigned choose_replay(uint32_t choices)
{
	if (self != NULL && self->state == ACTOR_READY && !self->paused && stint_at != 0 &&
	        stints[stint_at - 1].choice % IN_TIME == (unsigned)(self - actors) &&
	        self->steps < stints[stint_at - 1].until)
		return (unsigned)(self - actors);
	while (stint_at < stint_count) {
		unsigned choice = stints[stint_at++].choice;

		if (choices & UINT32_C(1) << choice)
			return choice;
		printf("        (the schedule has %c here, who cannot go on)\n", (int)(choice % IN_TIME) + 'a');
	}
	if (choices & OVER)
		return 31;
	for (unsigned i = 0; i < actor_count; i++) /* no deaths but those of the schedule */
		if (is_death(i))
			choices &= ~(UINT32_C(1) << i);
	return first_of(choices != 0 ? choices : OVER);
}

struct actor *search_choose(bool all)
{
	uint32_t choices;
	struct actor *next;

	if (mode == REPLAY) /* each may be killed after any step */
		for (unsigned i = 0; i < actor_count; i++)
			actors[i].touched = true;
	choices = choices_now(all);
	if (choices == 0)
		return NULL;
	next = take(mode == IN_DEPTH ? choose_in_depth(choices)
	            : mode == RANDOM ? choose_random(choices)
	                             : choose_replay(choices));
	if (next == NULL)
		machine_stop(RUN_ENDED);
	return next;
}

/* ------------------------------------------------------------------------------------------------ searches */

static void run(const struct scenario *s, struct found *found)
{
	enum why why;

	depth = 0;
	kills = preemptions = 0;
	if (mode != REPLAY)
		stint_count = 0;
	machine_begin();
	why = machine_run();
	stint_end();
	if (why == RUN_ENDED && (mode != IN_DEPTH || !seen_before(mix(machine_signature(), 0x656e64)))) {
		found->ends++;
		world_verdict(s);
	}
	found->runs++;
	found->longest = depth > found->longest ? depth : found->longest;
	found->failed = machine.why == RUN_VIOLATION;
}

struct found search_random(const struct scenario *s, struct bounds within, uint64_t runs, uint64_t seed)
{
	struct found found = {0};

	mode = RANDOM;
	bounds = within;
	dice = seed;
	places_all(true);
	while (found.runs < runs && !found.failed) {
		static const unsigned stays[] = {32, 48, 60, 63, 64};

		stay = stays[throw(4)];
		run(s, &found);
	}
	places_all(false);
	found.complete = !found.failed;
	return found;
}

static void search_round(const struct scenario *s, struct found *found, uint64_t limit)
{
	seen_clear();
	fork_count = 0;
	places_begin(bounds.kills != 0);
	do
		run(s, found);
	while (!found->failed && found->runs < limit && next_alternative());
	found->complete = !found->failed && fork_count == 0;
	found->states = seen_count;
	found->rounds++;
}

struct found search_all(const struct scenario *s, struct bounds within, uint64_t limit)
{
	struct found found = search_random(s, within, 500, 1); /* to learn the places */

	found.complete = false;
	found.runs = found.ends = 0;
	mode = IN_DEPTH;
	while (!found.failed && (!found.complete || places_grew()) && found.runs < limit)
		search_round(s, &found, limit);
	found.complete = found.complete && !places_grew();
	return found;
}

bool search_replay(const struct scenario *s, struct bounds within, const char *schedule)
{
	struct found found = {0};

	mode = REPLAY;
	bounds = within;
	if (!schedule_read(schedule)) {
		fprintf(stderr, "explore: \"%s\" is no schedule of this scenario\n", schedule);
		return true;
	}
	places_all(true);
	machine.trace = true;
	run(s, &found);
	machine.trace = false;
	places_all(false);
	return found.failed;
}
