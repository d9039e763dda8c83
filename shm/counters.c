/*
 * counters.c - the region's statistics: kept per seat by its own thread, summed here
 */
#include "internal.h"

_Static_assert(COVEY_COUNTERS <= CV_STATS, "every counter has its place in a seat");

static const char *const names[] = {
#define COVEY_COUNTER(id, name, text) name,
#include "counters.def"
#undef COVEY_COUNTER
};

static const char *const texts[] = {
#define COVEY_COUNTER(id, name, text) text,
#include "counters.def"
#undef COVEY_COUNTER
};

uint64_t covey_counter(covey *c, enum covey_counter counter)
{
	uint64_t sum = 0;

	if (c == NULL || (unsigned)counter >= COVEY_COUNTERS)
		return 0;
	for (uint32_t i = 1; i <= c->arena.seat_count + c->arena.keeper_count; i++)
		sum += atomic_load_explicit(&c->arena.seats[i].stats[counter], memory_order_relaxed);
	return sum;
}

const char *covey_counter_name(enum covey_counter counter)
{
	return (unsigned)counter < COVEY_COUNTERS ? names[counter] : "";
}

const char *covey_counter_text(enum covey_counter counter)
{
	return (unsigned)counter < COVEY_COUNTERS ? texts[counter] : "";
}
