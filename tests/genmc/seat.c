/*
 * seat.c - a post against the end of an execution, answers against re-stamps and withdrawals, seats that change hands
 *
 * Seat 1 leads the group of node 1; seat 2 waits for it.
 */
#include "stage.h"

#define KEY cv_key_of(1, 1)
#define LEADS cv_word(CV_LEADING, 1, 1)

static _Atomic uint64_t *const own = &nodes[1].own;
static uint64_t answer; /* plain bytes: those of a result */

static void lead(void)
{
	atomic_store(own, LEADS);
	atomic_store(&globals.seat_high, 2);
}

/* As covey_finish(): whoever waits is answered. */
static void answer_all(void)
{
	uint64_t word;

	for (uint32_t i = 1; i <= cv_seat_high(a); i++)
		if (cv_seat_waits(a, i, KEY, &word))
			cv_seat_answer(a, i, word, CV_SEAT_DONE, 7);
}

#if defined(POST)

/* who posts and finds the group led is answered; FIRST: the seat has only now been taken */

static uint32_t seat = 2;
static bool waits;

static void setup(void)
{
	lead();
#ifdef FIRST
	atomic_store(&globals.seat_high, 1);
	atomic_store(&seats[1].owner, 1);
#endif
}

static void first(void)
{
	uint64_t word = LEADS;

	answer = 42;
	assert(atomic_compare_exchange_strong(own, &word, cv_word(CV_PUBLISHED, 1, 1)));
	answer_all();
}

static void second(void)
{
#ifdef FIRST
	seat = cv_seat_take(a, 1);
	assert(seat == 2);
#endif
	cv_seat_post(a, seat, KEY);
	waits = cv_word_state(atomic_load(own)) == CV_LEADING;
	if (!waits)
		waits = !cv_seat_withdraw(a, seat);
	if (cv_seat_state(atomic_load(&seats[seat].word)) == CV_SEAT_DONE)
		assert(answer == 42); /* and it is ordered, else this is a race */
}

static void after(void)
{
	uint64_t word = atomic_load(&seats[seat].word);

	assert(cv_seat_state(word) == (waits ? CV_SEAT_DONE : CV_SEAT_QUIET));
	assert(!waits || cv_seat_block(word) == 7);
}

#elif defined(WITHDRAW)

/* an answer is taken or the wait is withdrawn, never both; then the seat may wait again */

static bool answered, withdrawn;

static void setup(void)
{
	lead();
	cv_seat_post(a, 2, KEY);
}

static void first(void)
{
	uint64_t word;

	answer = 42;
	if (cv_seat_waits(a, 2, KEY, &word))
		answered = cv_seat_answer(a, 2, word, CV_SEAT_DONE, 7);
}

static void second(void)
{
	withdrawn = cv_seat_withdraw(a, 2);
	if (withdrawn)
		cv_seat_post(a, 2, cv_key_of(2, 1));
	else {
		assert(cv_seat_state(atomic_load_explicit(&seats[2].word, memory_order_acquire)) == CV_SEAT_DONE);
		assert(answer == 42);
	}
}

static void after(void)
{
	uint64_t word = atomic_load(&seats[2].word);

	assert(answered != withdrawn);
	assert(cv_seat_state(word) == (answered ? CV_SEAT_DONE : CV_SEAT_WAITING));
}

#elif defined(OTHER_WAIT)

/* a new wait, for another group, is not answered for the one before */

static void setup(void)
{
	lead();
	cv_seat_post(a, 2, cv_key_of(2, 1));
}

static void first(void)
{
	answer_all();
}

static void second(void)
{
	assert(cv_seat_withdraw(a, 2));
	cv_seat_post(a, 2, KEY);
#ifdef AGAIN
	if (cv_seat_withdraw(a, 2)) {
		cv_seat_post(a, 2, cv_key_of(2, 1));
		assert(cv_seat_state(atomic_load(&seats[2].word)) == CV_SEAT_WAITING);
	}
#endif
}

static void after(void)
{
	uint64_t word = atomic_load(&seats[2].word);

	assert(cv_seat_state(word) == CV_SEAT_WAITING || cv_seat_state(word) == CV_SEAT_DONE);
}

#elif defined(RESTAMP)

/* once a take-over is complete, no answer of the old leader reaches a waiter */

static _Atomic bool complete;
static bool late;

static void setup(void)
{
	lead();
	cv_seat_post(a, 2, KEY);
}

/* the old leader answers on the way: reads the wait, finds that it leads, answers */
static void first(void)
{
	uint64_t word;

	if (!cv_seat_waits(a, 2, KEY, &word) || atomic_load(own) != LEADS)
		return;
	late = atomic_load(&complete);
	if (cv_seat_answer(a, 2, word, CV_SEAT_DONE, 7))
		assert(!late);
}

static void second(void)
{
	uint64_t word = LEADS;

	assert(atomic_compare_exchange_strong(own, &word, cv_word(CV_LEADING, 2, 2)));
	cv_seat_restamp(a, KEY);
	/* from here on the answer there is, or none of the old leader's */
	if (cv_seat_waits(a, 2, KEY, &word))
		atomic_store(&complete, true);
}

static void after(void)
{
	uint64_t word;

	if (atomic_load(&complete))
		assert(cv_seat_waits(a, 2, KEY, &word));
}

#elif defined(HAND_OVER)

/* a seat is given back and taken: what it counts goes on, and what its owner wrote is seen */

static _Atomic uint64_t slots[3];
static uint32_t seat;

static void setup(void)
{
	atomic_store(&seats[1].owner, 1);
	atomic_store(&seats[2].owner, 1);
	atomic_store(&globals.seat_high, 2);
}

static void first(void)
{
	cv_seat_stat(a, 1, 0);
	cv_seat_give(a, 1);
}

static void second(void)
{
	atomic_store_explicit(&slots[2], 9, memory_order_relaxed);
	seat = cv_seat_take(a, 1);
	if (seat != 0)
		cv_seat_stat(a, seat, 0);
}

static void third(void)
{
	uint32_t owner = cv_seat_owner(a, 1);

	if (owner == 2)
		assert(atomic_load_explicit(&slots[owner], memory_order_relaxed) == 9);
}

static void after(void)
{
	assert(atomic_load(&seats[1].stats[0]) == (seat != 0 ? 2 : 1));
}

#elif defined(TAKE)

/* two seats for two threads, and scans reach both */

static uint32_t got[3];

static void setup(void)
{
}

static void first(void)
{
	got[1] = cv_seat_take(a, 0);
}

static void second(void)
{
	got[2] = cv_seat_take(a, 1);
}

static void after(void)
{
	assert(got[1] + got[2] == 3 && got[1] != got[2]);
	assert(cv_seat_high(a) == 2);
}

#elif defined(CLEAR)

/* a dead waiter's seat is cleared while a new leader re-stamps it: its sequence only grows */

static uint64_t posted;

static void setup(void)
{
	lead();
	posted = cv_seat_post(a, 2, KEY);
}

static void first(void)
{
	cv_seat_restamp(a, KEY);
}

static void second(void)
{
	cv_seat_clear(a, 2);
	cv_seat_post(a, 2, cv_key_of(2, 1));
}

static void after(void)
{
	uint64_t word = atomic_load(&seats[2].word);

	assert(cv_seat_state(word) == CV_SEAT_WAITING && cv_seat_seq(word) >= cv_seat_seq(posted) + 2);
}

#endif
