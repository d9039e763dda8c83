/*
 * publish.c - an execution ends, or is answered on the way, while another waits for it: shm's own publish.c, await.c
 * and request.c
 *
 * Seat 1 leads the group of node 1; seat 2 waits for it.  What these files call of others is acted out: nobody dies,
 * and no history is kept.
 */
#define HEAP
#define EXITS
#define PROCESSORS 1 /* nobody spins on half of a word: GenMC wants memory read as it was written */
#include "stage.h"

#define pid_t int /* GenMC's headers have none */
void *realloc(void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);

#define CV_COPY_H
#define cv_copy_for_others memcpy

/* ---- what stands for event.h */

#define COVEY_EVENT_H
#include "internal.h"
#define COVEY_PROBE1(name, a) ((void)(a))
#define covey_coarse_now() INT64_C(1)
#define shm_now() cv_kernel.now()
#define covey_event_hash(c, node) UINT64_C(1)
#define covey_event_write(lane, time, kind, node, hash, gen, peer) ((void)(hash))
#define covey_event(t, kind, node, gen, peer) ((void)(t))
#define covey_event_resolved(reply) ((void)(reply), (unsigned)COVEY_EVENT_RESOLVED)
#define covey_event_kind_of(what) ((enum covey_event_kind)(what))
#define covey_event_write_as(lane, time, kind, what, node, hash, gen, peer) ((void)(hash))
#define covey_event_succeeded(t, lead, dead) ((void)(t))

#include <publish.c>

#define look receiver_looks /* each file has its own */
#include <request.c>
#undef look
#define arm arms_its_wait
#include <await.c>

/* ---- of the other files */

static _Atomic uint32_t life = 1;

void covey_life_of_seat(const covey *c, uint32_t seat, struct covey_life *out)
{
	(void)c, (void)seat;
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		out->words[i] = (struct cv_futex){&life, 1};
	out->slot = 0;
	out->alive = true;
}

pid_t covey_pid_of_seat(const covey *c, uint32_t seat)
{
	(void)c;
	return (pid_t)seat;
}

void covey_cycle_check(covey *c, const struct covey_thread *t)
{
	(void)c, (void)t;
}

int covey_reap_some(covey *c)
{
	(void)c;
	return 0;
}

struct covey_thread *shm_act_seatless(covey *c, int *error)
{
	(void)c, (void)error;
	return NULL;
}

void shm_act_unlock(struct covey_thread *t)
{
	(void)t;
}

void *shm_allocate(size_t size)
{
	return malloc(size);
}

void *shm_reallocate(void *memory, size_t size)
{
	return realloc(memory, size);
}

void shm_free(void *memory)
{
	free(memory);
}

bool shm_slot_is_ours(const covey *c, uint32_t slot)
{
	return slot == c->slot;
}

void shm_seat_settle(const covey *c, uint32_t seat)
{
	(void)c, (void)seat;
}

bool shm_reserve_ready(struct covey_thread *t)
{
	(void)t;
	return true;
}

void shm_reserve_note(struct covey_thread *t, uint32_t ref)
{
	(void)t, (void)ref;
}

unsigned covey_memory_outside(void)
{
	return 0;
}

void covey_memory_leave(unsigned before)
{
	(void)before;
}

_Thread_local struct covey_thread *covey_thread_last;

/* ---- the play */

static struct covey region = {.arena = ARENA, .pid = 1};
static struct covey_thread threads[] = {{0}, {.c = &region, .seat = 1, .leading = 1}, {.c = &region, .seat = 2}};
static struct covey_lead lead;
static struct covey_result result;
static int outcome = ASLEEP;

#define WORDS_OF_ANSWER (LONG ? CV_OUTBOX_BYTES / 8 + 1 : 1)
#ifndef LONG
#define LONG 0 /* 1: too long for an outbox */
#endif

static uint64_t answer[CV_OUTBOX_BYTES / 8 + 1], spare[CV_OUTBOX_BYTES / 8];

static void enter(int thread)
{
	covey_thread_last = &threads[thread];
	threads[thread].thread = &covey_thread_last;
}

static void setup(void)
{
	region.arena.heap = arena.heap;
	put(1, 1, 0);
	lead = (struct covey_lead){.generation = 1, .node = 1, .incarnation = 1, .seat = 1, .pid = 1};
	atomic_store(&globals.seat_high, SEATS);
	for (uint32_t i = 1; i <= SEATS; i++)
		atomic_store(&seats[i].owner, 1);
	threads[2].spare = (unsigned char *)spare;
	for (int i = 0; i < WORDS_OF_ANSWER; i++)
		answer[i] = 42;
}

/* ---- the leader */

static void first(void)
{
	struct covey_reply reply = {0};

	enter(1);
	reply.data = answer;
	reply.size = WORDS_OF_ANSWER * sizeof(uint64_t);
#if defined(NOTIFY)
	assert(covey_notify_all(&region, &lead, &reply) >= 0); /* and leads on */
#elif defined(GIVE_UP)
	assert(covey_unregister(&region, &lead) == 0);
#else
	assert(covey_unregister_notify(&region, &lead, NULL, 0, &reply) >= 0);
#endif
}

/* ---- who waits for it: covey_await(), but for its checks */

static void second(void)
{
	struct wait w = {.c = &region,
	        .t = &threads[2],
	        .deadline = 2,
	        .node = 1,
	        .incarnation = 1,
	        .n = &nodes[1],
	        .tail = &tails[1],
	        .seat = &seats[2],
	        .looks = HELP_AFTER + 1, /* it helps at once */
	        .out = &result};

	enter(2);
	assert(covey_request_put(&region, &threads[2], 1, NULL, 0) == 0);
	outcome = post_and_wait(&w, &lead);
	assert(outcome == COVEY_OK || outcome == COVEY_GAVE_UP);
	if (outcome != COVEY_OK)
		return;
	assert(result.size == WORDS_OF_ANSWER * sizeof(uint64_t));
	for (int i = 0; i < WORDS_OF_ANSWER; i++)
		assert(((const uint64_t *)result.data)[i] == 42);
}

/* ---- nobody sleeps on, and but for what is lent, or lies in the sleeper's seat, no block is left */

static void after(void)
{
	bool held = outcome == COVEY_OK && result.loan != 0;
	uint32_t left = 0;

#ifdef NOTIFY /* who came too late for the answer sleeps, and rightly */
	assert(outcome != COVEY_GAVE_UP);
	assert(!sleeps(2) || cv_seat_state(atomic_load(&seats[2].word)) == CV_SEAT_WAITING);
#else
	assert(!sleeps(2));
	assert(cv_word_state(atomic_load(&nodes[1].own)) == CV_IDLE);
#endif
	if (outcome == ASLEEP)
		held = cv_seat_state(atomic_load(&seats[2].word)) == CV_SEAT_DONE;
	for (uint32_t seat = 1; seat <= SEATS; seat++)
		for (uint32_t i = 17 * seat; i < 17 * seat + 2; i++) { /* where it takes its blocks: see slab_take() */
			enum cv_state state = cv_word_state(atomic_load(&blocks[i]));

			assert(state == CV_FREE || state == CV_RETIRED);
			left += state != CV_FREE;
		}
	assert(left == held);
}
