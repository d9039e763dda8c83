/*
 * stage.h - core's own files, unchanged, on the smallest memory, with a kernel of the drivers' own
 *
 * GenMC runs a driver in every way that the memory model allows.  A driver is a program of two or three threads; a scene
 * of it is chosen by a definition, and says
 *
 *      setup()                     what there is before the threads begin
 *      first(), second(), third()  what they do; the last one may be left out
 *      after()                     what must be true when they have ended
 *
 * What is wrong is an assertion that fails, two unordered accesses to plain bytes of which one is a write, or a sleeper that
 * nobody woke.  Nothing here orders the threads but what core does, and the kernel where it is called.
 */
#ifndef STAGE_H
#define STAGE_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifndef static_assert
#define static_assert _Static_assert
#endif

/* Hints to the processor; they stand for spin.h and cacheline.h, which have no other content. */
#define CV_SPIN_H
#define CV_CACHELINE_H
#define CV_LINE 64
#define cv_likely(x) (x)
#define cv_unlikely(x) (x)
#define cv_pause() ((void)0)
#define cv_fetch(at) ((void)(at))
#define cv_fetch_to_write(at) ((void)(at))

/* A walk that goes on for longer than this has read what is old again and again: cv_table_find() fails then. */
#define CV_WALK_SLACK 0

#include "weaker.h"

#include "heap.c"
#include "outbox.c"
#include "parking.c"
#include "pool.c"
#include "seat.c"
#include "table.c"
#include "watch.c"

#ifndef NODES
#define NODES 3
#endif
#ifndef SEATS
#define SEATS 2
#endif
#ifndef BUCKETS
#define BUCKETS 1 /* all names lie in the last one */
#endif
#ifndef CHUNKS
#define CHUNKS 1
#endif
#ifndef BASE
#define BASE CHUNKS
#endif

static struct cv_node nodes[NODES + 1];
static struct cv_tail tails[NODES + 1];
static struct cv_seat seats[SEATS + 2];
static _Atomic uint64_t buckets[BUCKETS];
static _Atomic uint64_t chunks[CHUNKS];
#ifdef HEAP
static _Atomic uint64_t blocks[CHUNKS * CV_CHUNK_BLOCKS];
#else
static _Atomic uint64_t blocks[1];
#endif
static struct cv_globals globals;
static _Atomic uint32_t watch[CV_WATCH_WORDS];

/* Plain: what is committed is to be seen so by whoever uses it. */
static bool committed[CHUNKS];

static int commit_all(void *context, uint32_t chunk, uint32_t count)
{
	(void)context;
	for (uint32_t i = chunk; i < chunk + count; i++)
		committed[i] = true;
	return 0;
}

static void release_none(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk, (void)count;
}

#define ARENA                                                                                                          \
	{                                                                                                              \
		.nodes = nodes, .tails = tails, .buckets = buckets, .seats = seats, .chunks = chunks,                  \
		.blocks = blocks, .globals = &globals, .watch = watch, .node_count = NODES,                            \
		.bucket_mask = BUCKETS - 1, .seat_count = SEATS, .keeper_count = 1, .chunk_count = CHUNKS,             \
		.chunk_base = BASE, .backing = {                                                                       \
			commit_all,                                                                                    \
			release_none,                                                                                  \
			NULL                                                                                           \
		}                                                                                                      \
	}

static struct cv_arena arena = ARENA;
static struct cv_arena *const a = &arena;

/* ------------------------------------------------------------------------------------------------ the kernel */

/* Whether a word holds what is expected, and the falling asleep, are one step, and so is a wake-up: the lock stands for that
 * of the futex's queue.  A thread that sleeps here ends, and must have been woken by the end.  Its number is its deadline.
 * Linux has a full barrier before it compares (kernel/futex/core.c, "barrier A"), and so has this one. */
static pthread_mutex_t queue;
static _Atomic uint32_t *asleep_on[4][3];
static bool slept[4], woken[4];

/* What the word holds.  GenMC wants memory read as it was written, so half of a seat's word is read with the other half. */
static uint32_t kernel_load(_Atomic uint32_t *word)
{
	for (uint32_t i = 1; i <= SEATS; i++)
		if (word == cv_seat_futex(&seats[i]))
			return (uint32_t)atomic_load_explicit(&seats[i].word, memory_order_relaxed);
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void compare_and_sleep(const struct cv_futex *list, unsigned count, int64_t thread)
{
	bool same = true;

	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_lock(&queue);
	for (unsigned i = 0; i < count; i++)
		same = same && kernel_load(list[i].word) == list[i].expected;
	for (unsigned i = 0; i < count; i++)
		asleep_on[thread][i] = same ? list[i].word : NULL;
	slept[thread] = same;
	pthread_mutex_unlock(&queue);
}

static enum cv_slept kernel_wait(const struct cv_futex *one, int64_t thread)
{
	compare_and_sleep(one, 1, thread);
	return CV_WOKEN;
}

static enum cv_slept kernel_waitv(const struct cv_futex *list, unsigned count, int64_t thread)
{
#ifdef EXITS /* who sleeps on several words goes no further, whatever it is inside of */
	compare_and_sleep(list, count, thread);
	if (slept[thread])
		pthread_exit(NULL);
	return CV_WOKEN;
#else
	(void)list, (void)count, (void)thread;
	return CV_UNSUPPORTED;
#endif
}

static int kernel_wake(_Atomic uint32_t *word, int count)
{
	(void)count;
	pthread_mutex_lock(&queue);
	for (int i = 1; i < 4; i++)
		if (asleep_on[i][0] == word || asleep_on[i][1] == word || asleep_on[i][2] == word) {
			asleep_on[i][0] = asleep_on[i][1] = asleep_on[i][2] = NULL;
			woken[i] = true;
		}
	pthread_mutex_unlock(&queue);
	return 0;
}

static int64_t kernel_now(void)
{
	return 0;
}

struct cv_futex_ops cv_kernel = {kernel_wait, kernel_waitv, kernel_wake, kernel_now};

/* By the end: it sleeps, and nobody woke it. */
static inline bool sleeps(int thread)
{
	return slept[thread] && !woken[thread];
}

/* ------------------------------------------------------------------------------------------------ groups */

#ifndef WORDS
#define WORDS 1 /* of a name; from the fourth on they lie in the tail */
#endif

static const uint64_t names[][5] = {
        {0x58, 0x58, 0x58, 0x58, 0x58}, {0x4b, 0x4b, 0x4b, 0x4b, 0x4b}, {0x43, 0x43, 0x43, 0x43, 0x43}};

static inline struct cv_key key_of(int name)
{
	return (struct cv_key){
	        (const unsigned char *)names[name], 8 * WORDS, (uint64_t)(name + 1) << 32 | (BUCKETS - 1)};
}

/* A node of this name, PRIVATE to seat. */
static inline void fill(uint32_t seat, uint32_t node, int name)
{
	struct cv_key key = key_of(name);
	struct cv_hint hint;

	atomic_store(&nodes[node].own, cv_word(CV_PRIVATE, seat, 0));
	assert(cv_pool_fill(a, seat, node, &key, &hint) == 0);
}

/* A group of this name, led by seat. */
static inline void put(uint32_t seat, uint32_t node, int name)
{
	struct cv_key key = key_of(name);
	struct cv_spot spot;

	fill(seat, node, name);
	cv_pool_refresh(a, seat, node);
	spot.head = cv_table_head(a, &key);
	assert(cv_table_insert(a, node, &key, &spot));
}

/* The same, idle, and of generation 1. */
static inline void put_idle(uint32_t seat, uint32_t node, int name)
{
	put(seat, node, name);
	atomic_store(&nodes[node].own, cv_word(CV_IDLE, 0, 1));
}

/* Of those in the chain that are not EVICTING, how many nodes have this name? */
static inline int linked(int name)
{
	uint32_t node = (uint32_t)atomic_load(&buckets[BUCKETS - 1]);
	int count = 0;

	for (int i = 0; i < NODES && node != 0; i++) {
		uint64_t next = atomic_load(&nodes[node].next);

		if (atomic_load(&nodes[node].name[0]) == names[name][0] && !(next & CV_NEXT_MARK) &&
		        cv_word_state(atomic_load(&nodes[node].own)) != CV_EVICTING)
			count++;
		node = (uint32_t)(next & CV_NEXT_INDEX);
	}
	assert(node == 0);
	return count;
}

/* ------------------------------------------------------------------------------------------------ threads */

static void setup(void);
static void first(void);
static void second(void);
static void after(void);
#ifdef THIRD
static void third(void);
#endif

static void *run_first(void *unused)
{
	first();
	return unused;
}

static void *run_second(void *unused)
{
	second();
	return unused;
}

#ifdef THIRD
static void *run_third(void *unused)
{
	third();
	return unused;
}
#endif

int main(void)
{
	pthread_t threads[3];

	pthread_mutex_init(&queue, NULL);
#ifdef HEAP
	arena.heap = malloc(CHUNKS * CV_CHUNK_SIZE);
#endif
	setup();
	pthread_create(&threads[0], NULL, run_first, NULL);
	pthread_create(&threads[1], NULL, run_second, NULL);
#ifdef THIRD
	pthread_create(&threads[2], NULL, run_third, NULL);
	pthread_join(threads[2], NULL);
#endif
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	after();
	return 0;
}

#endif
