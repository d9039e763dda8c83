/*
 * seat.h - one thread's place in the region: through it the thread leads, waits, and holds on to bytes
 *
 * The seat's number is the thread's identity for every participant: the ownership words name it.  Seats are never
 * linked into lists.  Whoever has to find a group's waiters walks the array up to the highest seat ever taken and
 * compares keys: a waiter that dies or leaves has nothing to be unlinked from, and there is no list to damage.
 *
 * The word
 *
 *      63   60 59            32 31            3 2   0
 *     +-------+----------------+---------------+-----+
 *     | seq hi| block      28  | seq lo     29 |state|     the low half is the futex
 *     +-------+----------------+---------------+-----+
 *
 * changes by compare-and-swap, and its sequence grows with every wait.  Delivery is one such swap, from WAITING to the
 * answer: it cannot hit a later wait of the same thread, save one exactly 2^33 waits later.  The block in a DONE word
 * is pinned by it; in an OUTBOX word another seat, and a size, are in its place (outbox.h), and the word stays until
 * the next wait.
 *
 * Pins.  A block is kept from reuse by any of: a DONE word, a loan, a pin.  cv_seat_pinned() looks for them in the
 * order in which they hand over to each other: all pins first, then for each seat the word before its loans.
 *  - a helper pins, validates that the block is still handed out, swaps a word to DONE, and unpins;
 *  - a thread moves its DONE block to a loan: loan first, then the word.
 * So a block that is held throughout is seen in at least one place.  Words and pins are sequentially consistent: each is one
 * half of a store-then-load pair against the freeing side (store RETIRED, then load pins).  A loan is stored before the word
 * lets go of the block, by a release, and looked for after the word: that is enough for it.
 *
 * A loan may outlive its thread.  The seat is quiet then, and stays taken until somebody ends its last loan.
 */
#ifndef CV_SEAT_H
#define CV_SEAT_H

#include <stdbool.h>

#include "arena.h"

enum cv_seat_state {
	CV_SEAT_QUIET = 0,   /* its thread is not waiting */
	CV_SEAT_WAITING = 1, /* may be answered by whoever ends, or leads, the group in key */
	CV_SEAT_DONE = 2,    /* answered: the block has the outcome */
	CV_SEAT_GAVE_UP = 3, /* told that the leader ended without an answer for it */
	CV_SEAT_CYCLE = 4,   /* told that its wait closes a circle */
	CV_SEAT_FULL = 5,    /* told that there is no room for its answer; this takes none */
	CV_SEAT_OUTBOX = 6,  /* answered: another seat's outbox has the outcome */
};

enum cv_park_mode {
	CV_PARK_AWAKE = 0,
	CV_PARK_FULL = 1,    /* sleeps on its own word, the bell and the leader's life */
	CV_PARK_BOUNDED = 2, /* sleeps on its own word only, for a bounded time */
};

#define CV_SEQ_MASK ((UINT64_C(1) << 33) - 1)
#define CV_BLOCK_MASK ((UINT64_C(1) << 28) - 1)

static inline uint64_t cv_seat_word(enum cv_seat_state state, uint64_t seq, uint32_t block)
{
	seq &= CV_SEQ_MASK;
	return seq >> 29 << 60 | (uint64_t)block << 32 | (seq & ((UINT64_C(1) << 29) - 1)) << 3 | (uint64_t)state;
}

static inline enum cv_seat_state cv_seat_state(uint64_t w)
{
	return (enum cv_seat_state)(w & 7);
}

static inline uint64_t cv_seat_seq(uint64_t w)
{
	return w >> 60 << 29 | (w >> 3 & ((UINT64_C(1) << 29) - 1));
}

static inline uint32_t cv_seat_block(uint64_t w)
{
	return (uint32_t)(w >> 32 & CV_BLOCK_MASK);
}

/* The 32-bit half of a seat's word that its thread sleeps on. */
static inline _Atomic uint32_t *cv_seat_futex(struct cv_seat *s)
{
	_Atomic uint32_t *halves = (_Atomic uint32_t *)(void *)&s->word;

	return &halves[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1];
}

/* A free seat for this participant, or 0 when there is none.  Its statistics go on from whoever had it. */
uint32_t cv_seat_take(struct cv_arena *a, uint32_t slot);

/* Give a seat back.  Its thread no longer waits and nothing names it as owner. */
void cv_seat_give(struct cv_arena *a, uint32_t seat);

/* How far scans must go: no seat above was ever taken.  Checked against the view's own count. */
static inline uint32_t cv_seat_high(const struct cv_arena *a)
{
	uint32_t high = atomic_load(&a->globals->seat_high); /* seq_cst: no seat that posted is missed */

	return high < a->seat_count ? high : a->seat_count;
}

/* The same for keepers' seats: cv_seat_of_keeper() of all below. */
static inline uint32_t cv_keeper_high(const struct cv_arena *a)
{
	uint32_t high = atomic_load(&a->globals->slot_high); /* seq_cst: no keeper that pinned is missed */

	return high < a->keeper_count ? high : a->keeper_count;
}

/* The seat of a participant's keeper. */
static inline uint32_t cv_seat_of_keeper(const struct cv_arena *a, uint32_t slot)
{
	return a->seat_count + 1 + slot;
}

/* The participant slot + 1 that owns the seat; 0 for a free seat or a number that is none. */
static inline uint32_t cv_seat_owner(const struct cv_arena *a, uint32_t seat)
{
	if (seat > a->seat_count)
		return seat - a->seat_count <= a->keeper_count ? seat - a->seat_count : 0;
	/* acquire: with the release in cv_seat_take(), so the slot's words are the owner's */
	return seat == 0 ? 0 : atomic_load_explicit(&a->seats[seat].owner, memory_order_acquire);
}

/* What a seat waits for: a node as it is now.  The incarnation is part of it, because the node may be given to another
 * group between a caller's look at it and its post, and an answer for that group must not reach it. */
static inline uint64_t cv_key_of(uint32_t node, uint32_t incarnation)
{
	return (uint64_t)incarnation << 32 | node;
}

/* The key of a node; it stays the node's for as long as its ownership word is that of one execution. */
static inline uint64_t cv_key_now(const struct cv_arena *a, uint32_t node)
{
	/* relaxed: the caller has acquired the ownership word, or it proves by a swap of it that it was so */
	return cv_key_of(node, (uint32_t)(atomic_load_explicit(&a->nodes[node].next, memory_order_relaxed) >> 32));
}

/* Begin to wait: after this the thread may be answered.  Returns the posted word. */
uint64_t cv_seat_post(struct cv_arena *a, uint32_t seat, uint64_t key);

/* Stop waiting.  False: an answer came first, and the word has it, to be loaded with acquire. */
bool cv_seat_withdraw(struct cv_arena *a, uint32_t seat);

/* After an answer was taken in: ready for the next wait. */
void cv_seat_settle(struct cv_arena *a, uint32_t seat);

/* Does this seat wait for key?  *word is what a delivery must swap. */
bool cv_seat_waits(struct cv_arena *a, uint32_t seat, uint64_t key, uint64_t *word);

/* Answer the wait that word describes; false when it has ended, or was re-stamped, meanwhile. */
bool cv_seat_answer(struct cv_arena *a, uint32_t seat, uint64_t word, enum cv_seat_state answer, uint32_t block);

/* After a change of leader: give every wait for key a new sequence, so that the old leader's answers fail. */
void cv_seat_restamp(struct cv_arena *a, uint64_t key);

/* How many wait for key now. */
uint32_t cv_seat_count_waiting(struct cv_arena *a, uint64_t key);

/* What the two pins of a seat are for: a thread may need both at once. */
enum cv_pin { CV_PIN_RESULT = 0, CV_PIN_BYTES = 1 };

/* Keep a block from reuse.  It counts only if the block is found to be still handed out after this. */
void cv_seat_pin(struct cv_arena *a, uint32_t seat, enum cv_pin which, uint32_t block);
void cv_seat_unpin(struct cv_arena *a, uint32_t seat, enum cv_pin which);

/* A seat's pins and wait are dropped: its thread is gone. */
void cv_seat_quiet(struct cv_arena *a, uint32_t seat);

/* The same, and its loans are dropped, too. */
void cv_seat_clear(struct cv_arena *a, uint32_t seat);

/* Are blocks lent through this seat? */
bool cv_seat_lends(const struct cv_arena *a, uint32_t seat);

/* Move the block of a DONE word to a loan of the same seat: its index, or -1 when all are lent (the word keeps it). */
int cv_seat_lend(struct cv_arena *a, uint32_t seat, uint32_t block);

/* Does any seat hold this block?  near: where to look first.  False is exact once the block is RETIRED. */
bool cv_seat_pinned(struct cv_arena *a, uint32_t block, uint32_t near);

/* One more in a statistic of this seat: its thread is the only writer, so no atomic addition is needed. */
static inline void cv_seat_stat(struct cv_arena *a, uint32_t seat, unsigned which)
{
	_Atomic uint64_t *s = &a->seats[seat].stats[which];

	atomic_store_explicit(s, atomic_load_explicit(s, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
