/*
 * parking.c - the bells: who falls asleep beside one that is rung for it is woken
 */
#include "stage.h"

static _Atomic uint64_t *const own = &nodes[1].own;

#if defined(BELL)

/* an execution ends, then the bell is rung; a waiter reads the bell, then looks */

static void setup(void)
{
	atomic_store(own, cv_word(CV_LEADING, 1, 1));
}

static void first(void)
{
	uint64_t word = cv_word(CV_LEADING, 1, 1);

	assert(atomic_compare_exchange_strong(own, &word, cv_word(CV_IDLE, 0, 1)));
	cv_ring(&tails[1]);
}

static void second(void)
{
	struct cv_futex bell = {&tails[1].bell, atomic_load(&tails[1].bell)};
	int bounded;

	if (cv_word_state(atomic_load(own)) == CV_LEADING)
		cv_park(&bell, 1, 2, &bounded);
}

static void after(void)
{
	assert(!sleeps(2));
}

#elif defined(RECEIVE)

/* a request is posted, then its leader's bell is rung */

static void setup(void)
{
	atomic_store(&globals.seat_high, 2);
}

static void first(void)
{
	cv_seat_post(a, 1, cv_key_of(1, 0));
	cv_ring_receiver(&tails[1]);
}

static void second(void)
{
	struct cv_futex bell = {&tails[1].request_bell, atomic_load(&tails[1].request_bell)};
	uint64_t word;
	int bounded;

	if (cv_seat_waits(a, 1, cv_key_of(1, 0), &word))
		return;
	atomic_fetch_add(&tails[1].receivers, 1);
	cv_park(&bell, 1, 2, &bounded);
	if (!slept[2])
		atomic_fetch_sub(&tails[1].receivers, 1);
}

#ifdef THIRD
static void third(void)
{
	cv_seat_post(a, 2, cv_key_of(1, 0));
	cv_ring_receiver(&tails[1]);
}
#endif

static void after(void)
{
	assert(!sleeps(2));
}

#elif defined(ANSWER)

/* a wait is answered, then it is looked whether its thread sleeps; that one says that it will, then looks at its word */

static void setup(void)
{
	atomic_store(&globals.seat_high, 2);
	cv_seat_post(a, 2, cv_key_of(1, 0));
}

static void first(void)
{
	uint64_t word;

	assert(cv_seat_waits(a, 2, cv_key_of(1, 0), &word));
	assert(cv_seat_answer(a, 2, word, CV_SEAT_GAVE_UP, 0));
	if (atomic_load(&seats[2].mode) != CV_PARK_AWAKE) /* as wake_seat() */
		cv_kernel.wake(cv_seat_futex(&seats[2]), 1);
}

static void second(void)
{
	uint64_t word = atomic_load(&seats[2].word);
	struct cv_futex futex = {cv_seat_futex(&seats[2]), (uint32_t)word};
	int bounded;

	atomic_store(&seats[2].mode, CV_PARK_FULL); /* as park() */
	if (cv_seat_state(word) == CV_SEAT_WAITING)
		cv_park(&futex, 1, 2, &bounded);
}

static void after(void)
{
	assert(!sleeps(2));
}

#elif defined(SPIN)

/* who sees the word change goes on as if it had been woken */

static _Atomic uint32_t half;
static _Atomic uint64_t word;
static uint64_t bytes;

static void setup(void)
{
}

static void first(void)
{
	bytes = 42;
	atomic_store_explicit(&half, 1, memory_order_release);
	atomic_store_explicit(&word, 1, memory_order_release);
}

static void second(void)
{
	struct cv_spinner spinner = {.budget = 1};

#ifdef LOOK_ON
	if (cv_look_on(&word, 0, 2) != 0)
#else
	if (cv_spin(&spinner, &half, 0) == 1)
#endif
		assert(bytes == 42);
}

static void after(void)
{
}

#endif
