/*
 * word.h - the ownership word
 *
 * Every node and every heap block carries one.  All that matters of its life happens in a compare-and-swap on this
 * one word, so there is no instant at which memory belongs to nobody, and whoever reaps a dead owner needs no log.
 *
 *      63                          18 17          4  3   2..0
 *     +------------------------------+-------------+---+-------+
 *     | generation              46   | owner seat  | W | state |
 *     +------------------------------+-------------+---+-------+
 *
 * The generation only grows for as long as the memory exists, so a word that was read once never comes back after it
 * has changed owner: a compare-and-swap with an old value fails.  Bound: 2^46 executions of one node, 24 days at one
 * every 30 ns; cv_word_exhausted() stops a group there rather than let its token wrap.
 *
 * W ("somebody may wait") has two sides:
 *  - set: whoever ends the execution must look for waiters.  It may be set with nobody waiting any more.
 *  - clear: nobody waits who has finished arming; a waiter sets it, or sees it set, before it sleeps.
 */
#ifndef CV_WORD_H
#define CV_WORD_H

#include <stdbool.h>
#include <stdint.h>

enum cv_state {
	CV_FREE = 0,    /* nobody's; zeroed memory is free */
	CV_PRIVATE = 1, /* being filled by its owner; not reachable for others */
	CV_IDLE = 2,    /* node: in the table, led by nobody.  block: held by the node that its header names */
	CV_LEADING = 3, /* node: led by the owner (seat 0: its leader died and was reaped).  Reachable or about to be */
	CV_HANDED = 4,  /* node: forwarded to the owner's participant, not yet accepted */
	CV_PUBLISHED = 5, /* node: the execution has ended, its outcome is being delivered; anyone may finish that */
	CV_EVICTING = 6,  /* node: being taken out of the table by the owner */
	CV_RETIRED = 7,   /* block: nobody hands it out any more; free once nobody pins it */
};

#define CV_WAITERS UINT64_C(8)
#define CV_STATE_MASK UINT64_C(7)
#define CV_OWNER_SHIFT 4
#define CV_OWNER_BITS 14
#define CV_OWNER_MASK ((UINT64_C(1) << CV_OWNER_BITS) - 1)
#define CV_GEN_SHIFT 18
#define CV_GEN_MAX ((UINT64_C(1) << 46) - 1)
#define CV_SEAT_LIMIT ((uint32_t)CV_OWNER_MASK) /* highest seat number */

static inline uint64_t cv_word(enum cv_state state, uint32_t owner, uint64_t gen)
{
	return gen << CV_GEN_SHIFT | (uint64_t)owner << CV_OWNER_SHIFT | (uint64_t)state;
}

static inline enum cv_state cv_word_state(uint64_t w)
{
	return (enum cv_state)(w & CV_STATE_MASK);
}

static inline uint32_t cv_word_owner(uint64_t w)
{
	return (uint32_t)(w >> CV_OWNER_SHIFT & CV_OWNER_MASK);
}

static inline uint64_t cv_word_gen(uint64_t w)
{
	return w >> CV_GEN_SHIFT;
}

static inline uint64_t cv_word_waiters(uint64_t w)
{
	return w & CV_WAITERS;
}

static inline bool cv_word_exhausted(uint64_t w)
{
	return cv_word_gen(w) >= CV_GEN_MAX - 1;
}

/* Is (state, owner, gen) what w says, whatever its W? */
static inline bool cv_word_is(uint64_t w, enum cv_state state, uint32_t owner, uint64_t gen)
{
	return (w & ~CV_WAITERS) == cv_word(state, owner, gen);
}

#endif
