/*
 * outbox.h - a short answer to one waiter, without a block
 *
 * Taking a block from the heap, and giving it back once nobody holds it, costs more than all else of a short answer.  So
 * a leader that answers one waiter with a few bytes writes them into the outbox of its own seat and names that seat in
 * the waiter's word.  The waiter copies them out and notes that it did.
 *
 *      leader's seat L                                waiter's seat W
 *      is the outbox free?
 *      write the outbox
 *      W.word: WAITING s -> OUTBOX s, L, size   --->  see the word
 *                                                     copy L's outbox
 *      (free from here on)                      <---  W.taken := that word
 *                                                     ... the next wait: W.word := WAITING s + 1
 *
 * The word stays OUTBOX until the next wait: to change it at once would cost the leader's look for the next request, and
 * the next post, the way of one more cache line each.  `taken` is on a line that the leader reads only if it finds the
 * outbox busy.
 *
 * Whole.  The bytes are written before the swap and read after it, and not written again while the word that was sent
 * stands and is not taken.  They never lie in the waiter's seat, so a leader that was stopped half-way and deposed
 * writes where nobody looks: its swap fails, as the new leader gave the wait another sequence.
 *
 * At most one word at a time names an outbox and is not taken: one is sent only when the last was.  Whom it was sent to
 * is kept in the memory of the thread (struct cv_sent), where nobody can scribble on it.
 *
 * Who dies where:
 *  - the leader, before its swap: nobody was told of its outbox.  The wait is the next leader's.
 *  - the leader, after its swap: the waiter takes the bytes, as the seat's memory stays.  A thread that is given this
 *    seat does not know of the word; so before the first use of an outbox its thread looks through all seats for one that
 *    names it.  No new one can come to be meanwhile: only the seat's own thread sends, and the one before has ended.
 *  - the waiter, before it notes: the outbox stays busy until the waiter is reaped, which takes its word away.
 *
 * Nobody waits for an outbox: if it is busy, because its addressee is slow, stopped or dead, the answer takes a block.
 *
 * Progress: wait-free.
 */
#ifndef CV_OUTBOX_H
#define CV_OUTBOX_H

#include "seat.h"

/* Whom a thread's outbox was last sent to.  Zeroed: not known. */
struct cv_sent {
	uint64_t word; /* that the addressee's seat had then */
	uint32_t seat; /* 0: the outbox is free */
	bool known;
};

/* What an outbox holds, beside its bytes. */
struct cv_note {
	uint64_t generation;
	int32_t code;
	uint32_t tag;
	uint32_t size;
};

/* May this seat's thread write to its outbox?  Asked before each writing. */
bool cv_outbox_free(const struct cv_arena *a, uint32_t seat, struct cv_sent *sent);

/* Write it; note->size is at most CV_OUTBOX_BYTES. */
void cv_outbox_fill(struct cv_arena *a, uint32_t seat, const struct cv_note *note, const void *bytes);

/* Answer the wait that word describes with it; false when that has ended, or was re-stamped, meanwhile. */
bool cv_outbox_send(struct cv_arena *a, uint32_t seat, uint32_t size, uint32_t to, uint64_t word, struct cv_sent *sent);

/* Copy the answer that an OUTBOX word tells of; false if the word is damaged. */
bool cv_outbox_take(const struct cv_arena *a, uint64_t word, struct cv_note *note, unsigned char to[CV_OUTBOX_BYTES]);

/* It was copied: the outbox is free. */
void cv_outbox_taken(struct cv_arena *a, uint32_t seat, uint64_t word);

/* The seat that an OUTBOX word names, and the size; either may be out of bounds in a damaged region. */
static inline uint32_t cv_outbox_seat(uint64_t word)
{
	return cv_seat_block(word) & CV_OWNER_MASK;
}

static inline uint32_t cv_outbox_size(uint64_t word)
{
	return cv_seat_block(word) >> CV_OWNER_BITS;
}

#endif
