/*
 * heap.c - blocks that change hands: taken, freed, held by a node, answered with, pinned and lent
 *
 * Their bytes are plain: two who use one at a time without an order between them are a race, which GenMC reports.  Blocks
 * are of half a chunk, so that a slab has two.  The memory is allocated: GenMC is slow with large static objects.
 */
#ifndef SEATS
#define SEATS 3
#endif
#define HEAP
#include "stage.h"

#define SIZE 16384 /* with its header, of the largest class */

static struct cv_hint hints[SEATS + 1];

static uint64_t *bytes_of(uint32_t ref)
{
	return (uint64_t *)(cv_heap_at(a, ref) + 1);
}

static uint64_t word_of(uint32_t ref)
{
	return atomic_load(cv_heap_word(a, ref));
}

static uint32_t take(uint32_t seat)
{
	return cv_heap_take(a, seat, SIZE, &hints[seat]);
}

/* One block is the caller's, and the only other one as well, for good. */
static uint32_t take_all(uint32_t seat)
{
	uint32_t ref = take(seat);

	take(seat);
	return ref;
}

/* If there is a block, it is this thread's alone. */
static uint32_t take_and_write(uint32_t seat)
{
	uint32_t ref = take(seat);

	if (ref != 0) {
		*bytes_of(ref) = seat;
		assert(*bytes_of(ref) == seat);
	}
	return ref;
}

#if defined(TAKE)

/* each block is taken by one; OPEN: and they open the slab for it */

static uint32_t got[3];

static void setup(void)
{
#ifndef OPEN
	cv_heap_free(a, 3, take(3));
#endif
}

static void first(void)
{
	got[1] = take_and_write(1);
}

static void second(void)
{
	got[2] = take_and_write(2);
}

static void after(void)
{
	assert(got[1] == 0 || got[1] != got[2]);
#ifndef OPEN
	assert(got[1] != 0 && got[2] != 0);
#endif
}

#elif defined(FREE)

/* freed by one, taken by the other */

static uint32_t ref;

static void setup(void)
{
	ref = take_all(1);
}

static void first(void)
{
	*bytes_of(ref) = 1;
	cv_heap_free(a, 1, ref);
}

static void second(void)
{
	take_and_write(2);
}

static void after(void)
{
}

#elif defined(NAME)

/* a node's long name is read while the node is evicted, and its block used again */

static uint32_t ref;

static void setup(void)
{
	ref = take_all(1);
	*bytes_of(ref) = 42;
	cv_heap_at(a, ref)->node = 1;
	atomic_store(&nodes[1].long_name, ref);
	cv_heap_hold(a, ref);
	atomic_store(&nodes[1].own, cv_word(CV_IDLE, 0, 1));
	atomic_store(&globals.seat_high, 2);
}

static void first(void)
{
	uint64_t own = cv_word(CV_IDLE, 0, 1);

	assert(atomic_compare_exchange_strong(&nodes[1].own, &own, cv_word(CV_EVICTING, 1, 1)));
	drop_long_name(a, 1, 1);
	take_and_write(1);
}

static void second(void)
{
	const uint64_t want = 42;
	struct cv_key key = {(const unsigned char *)&want, 8, 0};
	struct view v = {0};

	long_name_use(a, 2, 1, &v, 8, &key, NULL);
}

static void after(void)
{
	assert(cv_word_state(word_of(ref)) == CV_FREE || cv_word_state(word_of(ref)) == CV_PRIVATE);
	assert(atomic_load(&seats[2].pins[CV_PIN_BYTES]) == 0);
}

#elif defined(LEND)

/* an answer's block is retired by its giver and lent by its reader, who gives it back */

static uint32_t ref;

static void setup(void)
{
	ref = take_all(1);
	*bytes_of(ref) = 42;
	atomic_store(&globals.seat_high, 2);
	atomic_store(&seats[2].word, cv_seat_word(CV_SEAT_DONE, 1, ref));
}

static void first(void)
{
	cv_heap_retire(a, 1, ref);
	take_and_write(1);
}

static void second(void)
{
	int loan;

	loan = cv_seat_lend(a, 2, ref);
	assert(loan == 0);
	cv_seat_settle(a, 2);
	assert(*bytes_of(ref) == 42);
	atomic_store(&seats[2].loans[loan], 0); /* as covey_release() does */
	cv_heap_try_free(a, 2, ref);
}

static void after(void)
{
	assert(cv_word_state(word_of(ref)) != CV_RETIRED);
}

#elif defined(HELP)

/* a helper, or a keeper that has just come, hands a publisher's block to a waiter, while the publisher ends and retires it */

static uint32_t ref;

static void setup(void)
{
	ref = take_all(1);
	*bytes_of(ref) = 42;
	atomic_store(&globals.seat_high, 3);
	cv_seat_post(a, 3, cv_key_of(1, 0));
	atomic_store(&nodes[1].own, cv_word(CV_PUBLISHED, 1, 1));
}

static void first(void)
{
	uint64_t own = cv_word(CV_PUBLISHED, 1, 1);

	atomic_compare_exchange_strong(&nodes[1].own, &own, cv_word(CV_IDLE, 0, 1));
	cv_heap_retire(a, 1, ref);
	take_and_write(1);
}

static void second(void)
{
	uint64_t own = cv_word(CV_PUBLISHED, 1, 1), word;
#ifdef KEEPER
	const uint32_t helper = cv_seat_of_keeper(a, 0);

	atomic_store(&globals.slot_high, 1); /* as who takes a slot does */
#else
	const uint32_t helper = 2;
#endif

	cv_seat_pin(a, helper, CV_PIN_RESULT, ref);
	if (atomic_load(&nodes[1].own) == own && cv_seat_waits(a, 3, cv_key_of(1, 0), &word)) {
		assert(*bytes_of(ref) == 42);
		cv_seat_answer(a, 3, word, CV_SEAT_DONE, ref);
	}
	cv_seat_unpin(a, helper, CV_PIN_RESULT);
	cv_heap_try_free(a, helper, ref);
}

#ifdef THIRD
static void third(void)
{
	uint64_t word = atomic_load(&seats[3].word);

	if (cv_seat_state(word) != CV_SEAT_DONE)
		return;
	assert(*bytes_of(ref) == 42);
	cv_seat_settle(a, 3);
	cv_heap_try_free(a, 3, ref);
}
#endif

static void after(void)
{
	bool held = cv_seat_state(atomic_load(&seats[3].word)) == CV_SEAT_DONE;

	assert((cv_word_state(word_of(ref)) == CV_RETIRED) == held);
}

#elif defined(ORPHAN)

/* a reaper meets a block whose owner lives, and gives it to a node, or takes it away from one.  With DROP it may read the
 * header of a block that another writes: it then finds the block's word changed, and what it read was nothing.  As the
 * header is plain, that is a race for C, and this scene runs without the detection of races. */

static uint32_t ref;

#ifdef HELD
static bool held;
#endif

static bool nobody_is_dead(void *context, uint32_t seat)
{
	(void)context, (void)seat;
	return false;
}

static void setup(void)
{
	ref = take_all(1);
#ifdef DROP
	cv_heap_at(a, ref)->node = 1;
	atomic_store(&nodes[1].long_name, ref);
	cv_heap_hold(a, ref);
#endif
}

static void first(void)
{
#ifdef DROP
	drop_long_name(a, 1, 1);
#ifndef HELD
	take_and_write(1);
#endif
#else
	cv_heap_at(a, ref)->node = 1;
	atomic_store(&nodes[1].long_name, ref); /* as fill_long_name() */
	cv_heap_hold(a, ref);
#endif
}

static void second(void)
{
	reap_block(a, 2, ref, nobody_is_dead, NULL);
#ifdef HELD /* freed so, it is another name's already */
	if (take(2) == ref) {
		held = true;
		cv_heap_hold(a, ref);
	}
#endif
}

static void after(void)
{
#ifdef HELD
	assert(!held || cv_word_state(word_of(ref)) == CV_IDLE);
#elif defined(DROP)
	assert(cv_word_state(word_of(ref)) == CV_FREE || cv_word_state(word_of(ref)) == CV_PRIVATE);
#else
	assert(cv_word_state(word_of(ref)) == CV_IDLE);
#endif
}

#elif defined(CLEAR)

/* a reaper, who has seen a thread's death, drops what it held on to: 0 a loan, 1 an answer, 2 a pin.  Only then may the
 * bytes be written again.  The dead thread's last reads are made by the reaper, as they come before its death. */

static uint32_t ref;

static void setup(void)
{
	struct cv_seat *dead = &seats[2];

	ref = take_all(1);
	*bytes_of(ref) = 42;
	atomic_store(&globals.seat_high, 3);
	if (CLEAR == 0)
		atomic_store(&dead->loans[0], ref);
	else if (CLEAR == 1)
		atomic_store(&dead->word, cv_seat_word(CV_SEAT_DONE, 1, ref));
	else
		atomic_store(&dead->pins[CV_PIN_BYTES], ref);
}

static void first(void)
{
	cv_heap_retire(a, 1, ref);
	take_and_write(1);
}

static void second(void)
{
	assert(*bytes_of(ref) == 42);
	cv_seat_clear(a, 2);
	cv_heap_try_free(a, 3, ref);
}

static void after(void)
{
	assert(cv_word_state(word_of(ref)) != CV_RETIRED);
}

#elif defined(REOPEN) || defined(CLOSED)

/* the bytes of a block that is no more are another's: of a run, in the slab that comes after it; of a slab, in a run */

static uint32_t ref;
static uint64_t *end; /* of the first half of the chunk: there the second block of a slab begins */

static void setup(void)
{
	end = (uint64_t *)(a->heap + CV_CHUNK_SIZE / 2 + sizeof(struct cv_block));
#ifdef REOPEN
	ref = run_block(a, 1, CV_CHUNK_SIZE);
#else
	uint32_t from = 1;

	slab_open(a, 1, CV_CLASSES - 1);
	ref = slab_take_in(a, 1, 0, CV_CLASSES - 1, &from);
	assert(bytes_of(ref) == end);
#endif
}

static void first(void)
{
	*end = 1;
	cv_heap_free(a, 1, ref);
#ifdef REOPEN
	slab_open(a, 1, CV_CLASSES - 1);
#else
	slabs_close(a, 1);
#endif
}

static void second(void)
{
#ifdef REOPEN
	uint32_t from = 1, got = slab_take_in(a, 2, 0, CV_CLASSES - 1, &from);
#else
	uint32_t got = run_block_from(a, 2, 1);
#endif
	if (got != 0)
		*end = 2;
}

static void after(void)
{
}

#elif defined(DISSOLVED)

/* the memory of a run's second chunk is the first of another run */

static uint32_t ref;

static uint64_t *second_chunk(void)
{
	return (uint64_t *)(a->heap + CV_CHUNK_SIZE);
}

static void setup(void)
{
	ref = run_block_from(a, 1, 2);
}

static void first(void)
{
	*second_chunk() = 1;
	cv_heap_free(a, 1, ref);
}

static void second(void)
{
	if (run_find(a, 2, 1, 1) == 1)
		*second_chunk() = 2;
}

static void after(void)
{
}

#elif defined(WORDED)

/* who sees that a chunk has block words finds them backed by memory */

static void setup(void)
{
}

static void first(void)
{
	assert(run_find(a, 1, 2, 0) == 0);
}

static void second(void)
{
	if (cv_heap_worded(a, 0)) /* of a run, the head's are */
		assert(committed[0]);
}

static void after(void)
{
}

#elif defined(CLOSE)

/* a slab is closed while a block of it is taken */

static uint32_t ref;

static void setup(void)
{
	cv_heap_free(a, 3, take(3));
	atomic_store(&globals.seat_high, 2);
}

static void first(void)
{
	uint32_t from = 0;

	ref = slab_take_in(a, 1, 0, CV_CLASSES - 1, &from);
}

static void second(void)
{
	if (slabs_close(a, 2))
		run_find(a, 2, 1, 0);
}

static void after(void)
{
	uint64_t w = atomic_load(&chunks[0]);

	assert(ref == 0 || chunk_state(w) == CHUNK_SLAB); /* not the reverse: both may give way */
	assert((cv_word_state(word_of(ref_of(0, 0))) == CV_FREE) == (ref == 0));
}

#elif defined(RUN)

/* two assemble runs of two out of three chunks, take them apart, or fail */

static uint32_t got[3];

static void setup(void)
{
}

static void run_of_two(uint32_t seat)
{
	got[seat] = run_block_from(a, seat, 2);
	if (got[seat] == 0)
		return;
	*bytes_of(got[seat]) = seat;
#ifdef FREED
	cv_heap_free(a, seat, got[seat]);
#endif
}

static void first(void)
{
	run_of_two(1);
}

static void second(void)
{
	run_of_two(2);
}

static void after(void)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < CHUNKS; i++)
		used += chunk_state(atomic_load(&chunks[i])) != CHUNK_FREE;
#ifdef FREED
	assert(used == 0);
#else
	assert(got[1] == 0 || got[2] == 0);
	assert(used == (got[1] + got[2] != 0 ? 2 : 0));
#endif
}

#endif
