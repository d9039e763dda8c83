/*
 * path.c - see path.h
 *
 * The way to point n: a breakpoint at some instruction that comes before it, let go by as often as was recorded, and then
 * single steps.  Each passing costs about what a step does, so the best instruction is the one for which passings and
 * remaining steps together are fewest; it is found as the points are gone through, with a running minimum.
 */
#include "path.h"

#include <stdlib.h>
#include <string.h>

#include "tracer.h"
#include "world.h"

void path_begin(struct path *p)
{
	*p = (struct path){.cue = PATH_NOWHERE};
}

void path_free(struct path *p)
{
	free(p->pc);
	free(p->segment);
	free(p->way);
	free(p->again);
	path_begin(p);
}

void path_add(struct path *p, uint64_t pc, uint64_t segment)
{
	if (p->length + 1 >= p->room) {
		p->room = p->room != 0 ? p->room * 2 : 4096;
		p->pc = realloc(p->pc, p->room * sizeof(*p->pc));
		p->segment = realloc(p->segment, p->room * sizeof(*p->segment));
		must(p->pc != NULL && p->segment != NULL);
	}
	p->pc[p->length] = pc;
	p->segment[p->length++] = segment;
}

/* How often each address was met: open addressing, sized for at most half full. */
struct tally {
	uint64_t *pc;
	uint32_t *times;
	uint32_t mask;
};

static uint32_t tally_up(struct tally *t, uint64_t pc)
{
	uint32_t i = (uint32_t)(pc * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask;

	while (t->pc[i] != 0 && t->pc[i] != pc)
		i = (i + 1) & t->mask;
	t->pc[i] = pc;
	return ++t->times[i];
}

static struct tally tally_for(uint32_t addresses)
{
	struct tally t = {.mask = 1};

	while (t.mask < 2 * (addresses + 1))
		t.mask = t.mask * 2 + 1;
	t.pc = calloc(t.mask + 1, sizeof(*t.pc));
	t.times = calloc(t.mask + 1, sizeof(*t.times));
	must(t.pc != NULL && t.times != NULL);
	return t;
}

static void tally_end(struct tally *t)
{
	free(t->pc);
	free(t->times);
}

static void ways_from(struct path *p, uint32_t from, uint32_t end)
{
	struct tally t = tally_for(end - from);
	struct waypoint best = {from, 0};
	int64_t least = -(int64_t)from; /* cost of the best one, less the steps that remain */

	for (uint32_t i = from + 1; i < end; i++) {
		/* Where it stands, it would be stopped at once: such an instruction is none to stop at. */
		uint32_t times = p->pc[i] == p->pc[from] ? UINT32_MAX : tally_up(&t, p->pc[i]);

		if (times != UINT32_MAX && (int64_t)times - i <= least) {
			least = (int64_t)times - i;
			best = (struct waypoint){i, times};
		}
		p->way[i] = best;
	}
	tally_end(&t);
}

/* Among points between which the region stays as it is: whose instruction came twice before, and will come again. */
static void mark_again(struct path *p, uint32_t from, uint32_t end)
{
	struct tally before = tally_for(end - from), after = tally_for(end - from);

	for (uint32_t i = from; i < end; i++)
		p->again[i] = tally_up(&before, p->pc[i]) > 2;
	for (uint32_t i = end; i-- > from;)
		p->again[i] = tally_up(&after, p->pc[i]) > 1 && p->again[i];
	tally_end(&before);
	tally_end(&after);
}

/* Where it goes on from once the cue was given. */
static uint32_t after_cue(const struct path *p)
{
	return p->cue + (p->cue_asleep ? 1 : 0);
}

void path_finish(struct path *p)
{
	uint32_t entries = p->length;

	p->length--; /* of the states, the first is before any instruction */
	p->way = calloc(entries, sizeof(*p->way));
	must(p->way != NULL);
	ways_from(p, 0, p->cue == PATH_NOWHERE ? entries : p->cue + 1);
	if (p->cue != PATH_NOWHERE && after_cue(p) < entries)
		ways_from(p, after_cue(p), entries);
	p->again = calloc(entries, sizeof(*p->again));
	must(p->again != NULL);
	for (uint32_t i = 0, end; i < entries; i = end) {
		for (end = i + 1; end < entries && !path_distinct(p, end);)
			end++;
		mark_again(p, i, end);
	}
}

bool path_distinct(const struct path *p, uint32_t n)
{
	return n == 0 || p->segment[n] != p->segment[n - 1] || tracer_is_system_call(p->pc[n - 1]);
}

uint32_t path_distinct_count(const struct path *p)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n <= p->length; n++)
		count += path_distinct(p, n);
	return count;
}

/* What sleeps on the recorded path does so for some milliseconds, as deadlines are; on another path it may be for ever. */
static int asleep_ms(const struct path *p)
{
	return p->ends_asleep ? 0 : 100;
}

static bool run_to_breakpoint(const struct path *p, pid_t thread, uint64_t pc, uint32_t times)
{
	while (times-- != 0)
		if (tracer_continue(thread, asleep_ms(p)) != TRACER_STEPPED || tracer_pc(thread) != pc)
			return false;
	return true;
}

bool path_run(const struct path *p, pid_t thread, uint32_t from, uint32_t n, bool only_steps)
{
	struct waypoint way = n > from ? p->way[n] : (struct waypoint){from, 0};

	if (!only_steps && way.times != 0 && tracer_break(thread, p->pc[way.index])) {
		bool there = run_to_breakpoint(p, thread, p->pc[way.index], way.times);

		tracer_break(thread, 0);
		if (!there)
			return false;
	} else {
		way.index = from;
	}
	for (uint32_t i = way.index; i < n; i++)
		if (tracer_step(thread, asleep_ms(p)) != TRACER_STEPPED)
			return false;
	return tracer_pc(thread) == p->pc[n];
}
