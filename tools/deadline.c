/*
 * deadline.c - moments until which something is waited for
 *
 * Whoever sleeps for several reasons takes the earliest of their moments, and turns it into the milliseconds of
 * poll(2) last.  These are rounded up: who wakes finds that the moment has come, and does not go round again for the
 * rest of a millisecond.
 */
#include "deadline.h"

#include "cmd.h"

int64_t deadline_in(int64_t nanoseconds)
{
	return nanoseconds == COVEY_FOREVER ? COVEY_FOREVER : monotonic_now() + nanoseconds;
}

int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int ms_until(int64_t deadline)
{
	int64_t left = (deadline - monotonic_now() + 999999) / 1000000;

	return deadline == COVEY_FOREVER ? -1 : left < 0 ? 0 : left < 1000000000 ? (int)left : 1000000000;
}
