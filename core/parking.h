/*
 * parking.h - spin briefly, then sleep until one of several words changes
 *
 * A thread that is to be answered soon is cheaper spun for than put to sleep (a parked round trip costs some hundred
 * times a running one); one that is not, or that has no second processor to be answered from, must not spin at all.
 * The budget adapts: a spin that paid doubles it, one that did not halves it.  That alone would keep two who answer each
 * other asleep for good once both have slept: waking the other takes longer than what is left of the budget.  So of the
 * spins that do not pay, one in so many is a long one; the side that it keeps awake then keeps the other one awake.
 *
 * Sleeping is on up to CV_FUTEX_MAX words at once.  Where the kernel cannot do that, it is on the first word, for a
 * bounded time, and the caller is told, so that it can count it and look at the other words by itself.
 */
#ifndef CV_PARKING_H
#define CV_PARKING_H

#include <stdbool.h>

#include "arena.h"
#include "futex.h"

#define CV_BACKSTOP_NS 1000000000 /* one look a second for what the kernel cannot promise */
#define CV_GRACE_NS 500000000     /* how long a wake-up may be on its way: its caller waits for a processor */
#define CV_LATE_NS 10000000       /* who looks later than this after the backstop's time was put aside itself */

#define CV_PARK_WORDS 3 /* how many of one's words cv_park_overdue() can look at */

struct cv_spinner {
	uint32_t budget; /* 0: not yet known */
	uint32_t vain;   /* spins in a row that did not pay */
};

enum cv_parked {
	CV_PARK_LOOK,     /* look at your words again */
	CV_PARK_EARLY,    /* the same, and no wake-up of the last word was spent on you */
	CV_PARK_BACKSTOP, /* nothing was rung for CV_BACKSTOP_NS: look, and count what you find overdue */
	CV_PARK_LATE,     /* the same, but what you find may be younger than your sleep: look, and count nothing */
	CV_PARK_EXPIRED,  /* the deadline passed */
};

/* Have all who sleep on a node's bell, or receive its requests, look again. */
void cv_ring(struct cv_tail *n);

/* Have whoever receives a node's requests look again. */
void cv_ring_receiver(struct cv_tail *n);

/* Spin while word holds expected.  1: it changed. */
int cv_spin(struct cv_spinner *spinner, _Atomic uint32_t *word, uint32_t expected);

/* The same, and have the line `then` near when it does: what is to be read next. */
int cv_spin_for(struct cv_spinner *spinner, _Atomic uint32_t *word, uint32_t expected, const void *then);

/* Look at a word that has just been seen to hold expected, for so many rounds.  How many were left when it changed, one
 * fewer at least; 0: it did not, or there is no other processor that could change it. */
uint32_t cv_look_on(const _Atomic uint64_t *word, uint64_t expected, uint32_t rounds);

/* Do nothing, and touch no memory of the region, for so long.  False: at once, as there is no other processor that could do
 * anything meanwhile. */
bool cv_keep_off(int64_t nanoseconds);

/* Sleep until a word no longer holds what is expected, somebody rings it, or the deadline passes.
 * *bounded is set to 1 if the kernel refused that: then it was on list[0] alone, or on nothing, for a bounded time. */
enum cv_parked cv_park(const struct cv_futex *list, unsigned count, int64_t deadline, int *bounded);

/* After CV_PARK_BACKSTOP: is there something new, or has one of these words been changed, and nobody was woken for it?  Who
 * is to ring may have been put aside by the scheduler in between.  So the caller sleeps on all its words as they are now,
 * for that wake-up: overdue is what is not even rung in CV_GRACE_NS. */
bool cv_park_overdue(const struct cv_futex *list, unsigned count, bool news);

#endif
