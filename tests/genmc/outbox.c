/*
 * outbox.c - short answers: whole, each to its wait, and not overwritten before they are read
 *
 * Seat 1 answers; seat 2 asks, twice.
 */
#include "stage.h"

#define KEY cv_key_of(1, 1)

static void setup(void)
{
	atomic_store(&globals.seat_high, 2);
	atomic_store(&seats[1].owner, 1);
	atomic_store(&seats[2].owner, 1);
	cv_seat_post(a, 2, KEY);
}

/* If it waits: both words of the answer are its number. */
static void answer(uint64_t number, struct cv_sent *sent)
{
	const uint64_t bytes[2] = {number, number};
	struct cv_note note = {.generation = number, .code = (int32_t)number, .tag = (uint32_t)number, .size = 16};
	uint64_t word;

	if (!cv_seat_waits(a, 2, KEY, &word) || !cv_outbox_free(a, 1, sent))
		return;
	cv_outbox_fill(a, 1, &note, bytes);
	cv_outbox_send(a, 1, 16, 2, word, sent);
}

/* The answer to the wait that has just been looked at: its number, or 0. */
static uint64_t take(void)
{
	uint64_t word = atomic_load(&seats[2].word), bytes[CV_OUTBOX_BYTES / 8];
	struct cv_note note;

	if (cv_seat_state(word) != CV_SEAT_OUTBOX)
		return 0;
	assert(cv_outbox_take(a, word, &note, (unsigned char *)bytes));
	assert(bytes[0] == bytes[1] && note.generation == bytes[0]);
	assert(note.code == (int32_t)bytes[0] && note.tag == bytes[0] && note.size == 16);
#ifndef NOT_TAKEN /* then only its next wait tells that it has copied them */
	cv_outbox_taken(a, 2, word);
#endif
	return bytes[0];
}

static void second(void)
{
	uint64_t one = take(), two;

	if (one == 0)
		return;
	cv_seat_post(a, 2, KEY);
	two = take();
	assert(two == 0 || two > one);
}

#ifdef AFRESH /* the seat changes hands: its next thread does not know whom the last one answered */

static void first(void)
{
	struct cv_sent sent = {.known = true};

	answer(1, &sent);
	cv_seat_give(a, 1);
}

static void third(void)
{
	struct cv_sent sent = {0};

	if (cv_seat_take(a, 1) == 1)
		answer(2, &sent);
}

#else

static void first(void)
{
	struct cv_sent sent = {.known = true};

	answer(1, &sent);
	answer(2, &sent);
}

#endif

static void after(void)
{
}
