/*
 * standoff.c - keeping away from a group whose executions end before one could join them
 *
 * To join an execution costs its leader and its waiter about a microsecond each; to lead a free group takes one swap.  So
 * with executions much shorter than that, two processes that always want the same group are served best one at a time, as
 * by a mutex: then one of them leads many times in a row.  A look at the group from another processor seems to cost that one
 * its cache line.  Hence a waiter that finds a young execution first stays away for a moment, without a look, and then:
 *
 *      the group is free          it did not last: the caller is told so, and leads it itself
 *      the same execution         it lasts: join it
 *      another execution          they are short: stay away for longer, and look again
 *
 * Bounded.  A waiter stays away for LOOKS moments at most; one that was told LATE_MOST times in a row that it came too late
 * joins whatever it finds.  A thread whose executions last finds that out once and seldom looks again: each look in vain
 * doubles how many of its next waits are not held back.  Nor are those for an execution that began before the clock's last
 * tick, such as a worker's, those for one that others wait for already, and those on a machine with one processor.
 *
 * No law depends on this: nothing was posted yet, and not a word of the region is written.
 */
#include "internal.h"

#define FIRST_NS 250 /* of 250, 500 and 700 the one that cost longer executions nothing */
#define NEXT_NS 1000 /* what the other one may use the line for, undisturbed */
#define LOOKS 8
#define LATE_MOST 16
#define VAIN_MOST 6

static bool outlasts(const struct cv_node *n, uint64_t own, int64_t now)
{
	return cv_word_waiters(own) != 0 || atomic_load_explicit(&n->since, memory_order_relaxed) != (uint64_t)now;
}

/* False: it is to be joined. */
static bool ends_soon(const struct cv_node *n, uint64_t own, int64_t now, bool *vain)
{
	for (int i = 0; i < LOOKS; i++) {
		uint64_t seen = own;

		if (outlasts(n, own, now) || !cv_keep_off(i == 0 ? FIRST_NS : NEXT_NS))
			return false;
		own = atomic_load_explicit(&n->own, memory_order_relaxed); /* a hint; who joins looks again */
		if (!covey_is_led(own))
			return true;
		*vain = i == 0 && cv_word_gen(own) == cv_word_gen(seen);
		if (cv_word_gen(own) == cv_word_gen(seen))
			return false;
	}
	return false;
}

bool covey_stand_off(covey *c, struct covey_standoff *s, uint32_t node, int64_t now)
{
	const struct cv_node *n = &c->arena.nodes[node];
	uint64_t own = atomic_load_explicit(&n->own, memory_order_relaxed); /* a hint */
	bool vain = false;

	if (s->skip != 0) {
		s->skip--;
		return false;
	}
	if (!covey_is_led(own))
		return true;
	if (s->late < LATE_MOST && ends_soon(n, own, now, &vain)) {
		s->late++;
		s->vain = 0;
		return true;
	}
	s->late = 0;
	if (vain) {
		s->vain += s->vain < VAIN_MOST;
		s->skip = (1u << s->vain) - 1;
	}
	return false;
}
