/*
 * request.c - what is asked of a leader: putting it into a seat, comparing it, receiving it
 *
 * A short request lies in its waiter's seat, a longer one in a block that the seat names.  Others read it while the
 * waiter may leave at any time, so each reading is bracketed by the seat's word: it counts only if the word is the same
 * afterwards, and a block is pinned before that second look.
 *
 * Who asks again and again at once, and a receiver that is fast enough, never sleep.  Then the way of the cache lines is
 * all that counts, so the receiver looks at the word of that one seat for a moment, and does not touch the line on which
 * askers draw tickets and ring the bell.  It reads the bell only after that, before the last looks that may end in sleep;
 * and a request of anybody else waits for that moment at the most.
 *
 * Requests are received in the order of their tickets.  Receiving changes nothing in the segment: what was received and
 * not answered is still asked, and the next leader is given it again.
 */
#include <limits.h>
#include <string.h>

#include "internal.h"
#include "memory.h"
#include "watch.h"

#define ASKER_ROUNDS 32 /* some hundred nanoseconds: as long as an asker takes to come back */

int covey_request_put(covey *c, struct covey_thread *t, uint32_t node, const void *request, size_t size)
{
	struct cv_seat *s = &c->arena.seats[t->seat];
	uint64_t words[CV_REQUEST_INLINE / 8] = {0};
	uint32_t ref = 0, ticket;
	struct cv_block *b;

	if (size > UINT32_MAX - 64)
		return COVEY_EINVAL;
	if (size > CV_REQUEST_INLINE) {
		ref = covey_heap_take(c, t, 0, size);
		b = ref == 0 ? NULL : cv_heap_fitting(&c->arena, ref, size);
		if (b == NULL)
			return ref == 0 ? COVEY_EFULL : COVEY_ECORRUPT;
		memcpy(b + 1, request, size);
	} else if (size != 0) {
		memcpy(words, request, size);
	}
	ticket = atomic_fetch_add(&c->arena.tails[node].tickets, 1) + 1;
	/* The end of the wait before, ahead of what is written over its request; with unchanged(). */
	atomic_thread_fence(memory_order_release);
	/* relaxed: all of it is published by the post.  In one go with that, as the leader may be looking at this line. */
	for (unsigned i = 0; i < (size <= CV_REQUEST_INLINE ? (size + 7) / 8 : 0); i++)
		atomic_store_explicit(&s->request[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&s->request_block, ref, memory_order_relaxed);
	t->taking = false;
	atomic_store_explicit(&s->request_size, (uint32_t)size, memory_order_relaxed);
	atomic_store_explicit(&s->ticket, ticket, memory_order_relaxed);
	return 0;
}

void covey_request_drop(covey *c, struct covey_thread *t)
{
	struct cv_seat *s = &c->arena.seats[t->seat];
	uint32_t ref = atomic_load_explicit(&s->request_block, memory_order_relaxed);

	if (ref == 0)
		return;
	/* release: the end of the wait ahead of this; with unchanged() */
	atomic_store_explicit(&s->request_block, 0, memory_order_release);
	cv_heap_retire(&c->arena, t->seat, ref); /* a leader may just be reading it */
}

/* ------------------------------------------------------------------------------------------------ reading others' */

static bool unchanged(struct cv_seat *s, uint64_t word)
{
	atomic_thread_fence(memory_order_acquire); /* the bytes before the second look */
	return atomic_load(&s->word) == word;
}

static int use_inline(struct cv_seat *s, uint64_t word, uint32_t size, covey_predicate use, void *context)
{
	uint64_t words[CV_REQUEST_INLINE / 8];

	for (unsigned i = 0; i < (size + 7) / 8; i++)
		words[i] = atomic_load_explicit(&s->request[i], memory_order_relaxed);
	return unchanged(s, word) ? use(context, words, size) : 0;
}

static int use_block(
        covey *c, uint32_t reader, struct cv_seat *s, uint64_t word, uint32_t size, covey_predicate use, void *context)
{
	uint32_t ref = atomic_load_explicit(&s->request_block, memory_order_relaxed);
	const struct cv_block *b;
	int r = 0;

	cv_seat_pin(&c->arena, reader, CV_PIN_BYTES, ref);
	b = unchanged(s, word) ? cv_heap_fitting(&c->arena, ref, size) : NULL;
	if (b != NULL)
		r = use(context, b + 1, size);
	cv_seat_unpin(&c->arena, reader, CV_PIN_BYTES);
	cv_heap_try_free(&c->arena, reader, ref); /* its waiter may have left and found only our pin */
	return r;
}

int covey_request_matches(covey *c, uint32_t reader, uint32_t seat, uint64_t word, covey_predicate use, void *context)
{
	struct cv_seat *s = &c->arena.seats[seat];
	uint32_t size = atomic_load_explicit(&s->request_size, memory_order_relaxed);

	if (size <= CV_REQUEST_INLINE)
		return use_inline(s, word, size, use, context);
	return use_block(c, reader, s, word, size, use, context);
}

static int equal(void *context, const void *request, size_t size)
{
	const struct covey_bytes *want = context;

	return size == want->size && (size == 0 || memcmp(request, want->data, size) == 0);
}

bool covey_request_equal(covey *c, uint32_t reader, uint32_t seat, uint64_t word, const void *bytes, size_t size)
{
	struct covey_bytes want = {bytes, size};

	return covey_request_matches(c, reader, seat, word, equal, &want) != 0;
}

/* ------------------------------------------------------------------------------------------------ receiving */

/* The waiting seat with the oldest request that this leader was not given; 0 when there is none. */
static uint32_t oldest(covey *c, const struct covey_lead *lead, uint64_t *word, uint32_t *ticket)
{
	struct cv_arena *a = &c->arena;
	/* Tickets wrap; those in use lie within 2^31 of each other.  A ticket is drawn before its request is posted, so a
	 * request may come after one with a later ticket: each seat tells for itself whether it was given.  It does so by
	 * the word of that wait, which is another one with each wait and with each new leader. */
	uint32_t high = cv_seat_high(a), found = 0;
	uint64_t w;

	for (uint32_t i = 1; i <= high; i++) {
		uint32_t drawn;

		if (!cv_seat_waits(a, i, cv_key_of(lead->node, lead->incarnation), &w))
			continue;
		drawn = atomic_load_explicit(&a->seats[i].ticket, memory_order_relaxed);
		if (atomic_load_explicit(&a->seats[i].given, memory_order_relaxed) == w ||
		        (found != 0 && (int32_t)(drawn - *ticket) >= 0))
			continue;
		found = i;
		*word = w;
		*ticket = drawn;
	}
	return found;
}

uint32_t covey_asked(covey *c, uint32_t *at)
{
	struct cv_arena *a = &c->arena;
	uint32_t high = cv_seat_high(a);

	while (++*at <= high) {
		struct cv_seat *s = &a->seats[*at];
		uint64_t w = atomic_load(&s->word); /* seq_cst: the host's half of covey_ring_host()'s pair */
		uint32_t node = (uint32_t)atomic_load_explicit(&s->key, memory_order_relaxed);

		if (cv_seat_state(w) == CV_SEAT_WAITING && node != 0 &&
		        atomic_load_explicit(&s->given, memory_order_relaxed) != w)
			return node;
	}
	return 0;
}

void covey_ring_host(struct covey_slot *slot)
{
	/* seq_cst: after the post; the host reads the bell, looks at the seats, says that it sleeps, and then the kernel
	 * compares the bell */
	atomic_fetch_add(&slot->work, 1);
	if (atomic_load(&slot->idle) != 0) /* only who sleeps takes it down: whoever rings may be stopped right here */
		cv_kernel.wake(&slot->work, INT_MAX);
}

struct kept {
	struct covey_thread *t;
	size_t size;
};

static int keep(void *context, const void *request, size_t size)
{
	struct kept *kept = context;
	struct covey_thread *t = kept->t;

	if (size > t->request_room || t->request == NULL) {
		unsigned arena = covey_memory_outside();
		unsigned char *more = shm_reallocate(t->request, size + 128);

		covey_memory_leave(arena);
		if (more == NULL)
			return -1;
		t->request = more;
		t->request_room = size + 128;
	}
	if (size != 0)
		memcpy(t->request, request, size);
	kept->size = size;
	return 1;
}

/* 1 received, 0 none there, or an error. */
static int receive_one(covey *c, struct covey_thread *t, const struct covey_lead *lead, struct covey_request *out)
{
	struct kept kept = {t, 0};
	uint32_t seat, ticket;
	uint64_t word;

	while ((seat = oldest(c, lead, &word, &ticket)) != 0) {
		struct cv_seat *s = &c->arena.seats[seat];
		pid_t pid = covey_pid_of_seat(c, seat); /* who waits there, if it still does after this */
		int r;

		/* The two lines that an answer will write; they come while the request is read. */
		cv_fetch_to_write(&c->arena.seats[t->seat].outbox);
		r = covey_request_matches(c, t->seat, seat, word, keep, &kept);
		cv_fetch_to_write(s);

		if (r == 0 && atomic_load(&s->word) == word)
			return COVEY_ECORRUPT; /* it still waits, but what it asks cannot be read */
		if (r == 0)
			continue; /* it left meanwhile */
		if (r < 0)
			return COVEY_ESYSTEM;
		/* A store that comes too late, after the wait, marks none that is to come. */
		atomic_store(&s->given, word); /* seq_cst: then look who watches */
		cv_changed(&c->arena, lead->node);
		t->asked_twice = t->asker == seat;
		t->asker = seat;
		*out = (struct covey_request){t->request, kept.size, pid, seat, ticket};
		return 1;
	}
	return 0;
}

bool covey_arm_receiver(covey *c, const struct covey_lead *lead)
{
	_Atomic uint64_t *word = &c->arena.nodes[lead->node].own;
	uint64_t own = cv_word(CV_LEADING, lead->seat, lead->generation);

	return atomic_compare_exchange_strong(word, &own, own | CV_WAITERS) ||
	       cv_word_is(own, CV_LEADING, lead->seat, lead->generation);
}

/* 1 received, 0 none there, or an error. */
static int look(covey *c, struct covey_thread *t, const struct covey_lead *lead, struct covey_request *out)
{
	if (!covey_leads(c, lead))
		return COVEY_EFENCED;
	if (covey_told_to_stop(t, lead->node))
		return COVEY_ESTOPPED;
	return receive_one(c, t, lead, out);
}

/* As look(), and if nothing is there: who asked last, and the time before, may just be about to ask again.  So for some
 * hundred nanoseconds look at that one's word only, and at no line that it writes before it posts.  Who else asks is
 * seen after that. */
static int look_at_asker(covey *c, struct covey_thread *t, const struct covey_lead *lead, struct covey_request *out)
{
	const _Atomic uint64_t *word = &c->arena.seats[t->asker].word;
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed); /* before the look: a hint */
	int r = look(c, t, lead, out);

	for (uint32_t rounds = ASKER_ROUNDS; r == 0 && (rounds = cv_look_on(word, seen, rounds)) != 0;) {
		seen = atomic_load_explicit(word, memory_order_relaxed);
		if (cv_seat_state(seen) == CV_SEAT_WAITING)
			r = look(c, t, lead, out);
	}
	return r;
}

int covey_receive(covey *c, struct covey_lead *lead, int64_t deadline, struct covey_request *out)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &r);
	enum cv_parked parked = CV_PARK_LOOK;
	struct cv_tail *n;
	int bounded;

	if (t == NULL || (r = covey_lead_check(c, t, lead)) != 0 || out == NULL)
		return r != 0 ? r : COVEY_EINVAL;
	n = &c->arena.tails[lead->node];
	if (t->asked_twice && deadline != COVEY_NOW && (r = look_at_asker(c, t, lead, out)) != 0)
		return r > 0 ? 0 : r;
	for (;;) {
		struct cv_futex bell = {&n->request_bell, atomic_load(&n->request_bell)}; /* before the look */

		r = look(c, t, lead, out);
		if (r != 0)
			return r > 0 ? 0 : r;
		if (parked == CV_PARK_EXPIRED || deadline == COVEY_NOW)
			return COVEY_ETIMEDOUT;
		if (cv_spin(&t->spinner, bell.word, bell.expected) || !covey_arm_receiver(c, lead))
			continue;
		atomic_fetch_add(&n->receivers, 1); /* seq_cst: before the kernel compares the bell */
		parked = cv_park(&bell, 1, deadline, &bounded);
		if (parked == CV_PARK_BACKSTOP && cv_park_overdue(&bell, 1, !covey_leads(c, lead)))
			cv_seat_stat(&c->arena, t->seat, COVEY_COUNT_RESCUED);
		atomic_fetch_sub(&n->receivers, 1);
	}
}
