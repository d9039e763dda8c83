/*
 * outbox.c - short answers: whole, each to its wait, and not overwritten before they are read
 *
 * Seat 1 answers; seat 2 asks, twice, or with OTHER_SEAT seat 3 has asked as well.
 */
#define SEATS 3
#include "stage.h"

#define KEY cv_key_of(1, 1)

static void setup(void)
{
	atomic_store(&globals.seat_high, 3);
	atomic_store(&seats[1].owner, 1);
	atomic_store(&seats[2].owner, 1);
	atomic_store(&seats[3].owner, 1);
	cv_seat_post(a, 2, KEY);
#ifdef OTHER_SEAT
	cv_seat_post(a, 3, KEY);
#endif
}

/* If it waits: both words of the answer are its number. */
static void answer(uint32_t seat, uint64_t number, struct cv_sent *sent)
{
	const uint64_t bytes[2] = {number, number};
	struct cv_note note = {.generation = number, .code = (int32_t)number, .tag = (uint32_t)number, .size = 16};
	uint64_t word;

	if (!cv_seat_waits(a, seat, KEY, &word) || !cv_outbox_free(a, 1, sent))
		return;
	cv_outbox_fill(a, 1, &note, bytes);
	cv_outbox_send(a, 1, 16, seat, word, sent);
}

/* The answer to the wait that has just been looked at: its number, or 0. */
static uint64_t take(void)
{
	uint64_t word = atomic_load(&seats[2].word), bytes[CV_OUTBOX_BYTES / 8];
	struct cv_note note;

	if (cv_seat_state(word) != CV_SEAT_OUTBOX)
		return 0;
	if (!cv_outbox_take(a, word, &note, (unsigned char *)bytes))
		assert(false);
#ifndef NOT_TAKEN /* then only its next wait tells that it has copied them */
	cv_outbox_taken(a, 2, word);
#else
	cv_seat_post(a, 2, KEY);
#endif
	/* Only now: a branch on what was read would order what follows by itself. */
	assert(bytes[0] == bytes[1] && note.generation == bytes[0]);
	assert(note.code == (int32_t)bytes[0] && note.tag == bytes[0] && note.size == 16);
	return bytes[0];
}

static void second(void)
{
	uint64_t one = take(), two;

	if (one == 0)
		return;
#ifndef NOT_TAKEN
	cv_seat_post(a, 2, KEY);
#endif
	two = take();
	assert(two == 0 || two > one);
}

#ifdef AFRESH /* the seat changes hands: its next thread does not know whom the last one answered */

static void first(void)
{
	struct cv_sent sent = {.known = true};

	answer(2, 1, &sent);
	cv_seat_give(a, 1);
}

static void third(void)
{
	struct cv_sent sent = {0};

	if (cv_seat_take(a, 1) == 1)
		answer(2, 2, &sent);
}

#else

static void first(void)
{
	struct cv_sent sent = {.known = true};

	answer(2, 1, &sent);
#ifdef OTHER_SEAT
	answer(3, 2, &sent);
#else
	answer(2, 2, &sent);
#endif
}

#endif

static void after(void)
{
}
