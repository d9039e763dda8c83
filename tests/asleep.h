/*
 * asleep.h - who of those that wait has really fallen asleep
 */
#ifndef COVEY_TESTS_ASLEEP_H
#define COVEY_TESTS_ASLEEP_H

#include "world.h"

#include "internal.h"

/* Waits, and sleeps in the kernel: what happens to its words from now on it is woken for, or not. */
static inline bool seat_asleep(const covey *c, uint32_t seat)
{
	struct cv_seat *s = &c->arena.seats[seat];

	return cv_seat_state(atomic_load(&s->word)) == CV_SEAT_WAITING && world_sleepers(cv_seat_futex(s)) == 1;
}

/* How many waiters do, whatever they wait for. */
static inline uint32_t asleep(const covey *c)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= c->arena.seat_count; i++)
		n += seat_asleep(c, i);
	return n;
}

#endif
