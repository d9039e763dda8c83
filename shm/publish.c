/*
 * publish.c - the end of an execution
 *
 * With nobody waiting, an execution ends with one swap of the ownership word, LEADING -> IDLE, and nothing else: no
 * copy, no scan, no system call.
 *
 * With waiters, the same swap goes to PUBLISHED, and that is the step in which the group is given up and its outcome
 * becomes known, for every observer.  What follows can be done by anybody, and any number at once:
 *
 *      outcome := {generation, block}       by swap, so a deposed leader's late write fails
 *      own:  LEADING g  ->  PUBLISHED g     ---- the end of the execution
 *      for each seat that waits for the node:  WAITING -> DONE(block), or GAVE_UP if it asked for something else,
 *                                              or FULL if there was no room for the bytes: each computes for itself then
 *      ring the bell
 *      own:  PUBLISHED g  ->  IDLE g
 *
 * If the publisher dies in between, whoever meets the PUBLISHED word (a waiter, a newcomer, the reaper) does the rest.
 * A helper pins the block and then finds the word unchanged before it hands the block out: until the word leaves
 * PUBLISHED the block is not retired, and a later retirement sees the pin.  Only the block's owner, or its reaper,
 * retires it.
 *
 * Answers on the way, while the leader goes on leading, go to the seats one by one.  One that is short and for the
 * only waiter goes by the leader's outbox (outbox.h), any other by a block that is retired at once and freed by its
 * last reader.
 *
 * No waiter is missed: it posts (seat word WAITING), then looks at the ownership word; the publisher swaps the
 * ownership word, then looks at the seats.  Both are sequentially consistent, so one of them sees the other.
 */
#include <limits.h>
#include <string.h>

#include "copy.h"
#include "event.h"
#include "internal.h"
#include "pool.h"
#include "race.h"
#include "watch.h"

/* The outcome word: generation 36 bits, block 28 bits.  Numbers up to 255 are no block's; 0 is no result, and */
#define OUTCOME_FULL 1u /* is a result that there was no room for; for more, see below */
#define OUTCOME_GEN_MASK ((UINT64_C(1) << 36) - 1)

static uint64_t outcome_word(uint64_t gen, uint32_t block)
{
	return (uint64_t)block << 36 | (gen & OUTCOME_GEN_MASK);
}

static uint32_t outcome_block(uint64_t outcome, uint64_t gen)
{
	return (outcome & OUTCOME_GEN_MASK) == (gen & OUTCOME_GEN_MASK) ? (uint32_t)(outcome >> 36) : 0;
}

/* While an execution goes on, its own outcome may hold how many leaders died in a row before it, and one: numbers that
 * no block has, as their chunk is none.  Its end replaces that, and what an older execution left there says nothing. */
#define DEATHS_MAX 254u

static bool outcome_is_deaths(uint64_t outcome)
{
	return outcome >> 36 > 1 && outcome >> 36 <= DEATHS_MAX + 1;
}

uint32_t shm_deaths_note(covey *c, uint32_t node, uint64_t generation)
{
	_Atomic uint64_t *word = &c->arena.tails[node].outcome;
	uint64_t outcome = atomic_load(word);
	uint32_t deaths;

	do { /* again if one who was deposed in the middle of its end wrote its own */
		deaths = outcome_is_deaths(outcome) ? outcome_block(outcome, generation - 1) : 0;
		deaths = deaths == 0 ? 1 : deaths <= DEATHS_MAX ? deaths : DEATHS_MAX;
	} while (!atomic_compare_exchange_strong(word, &outcome, outcome_word(generation, deaths + 1)));
	return deaths;
}

void shm_deaths_unnote(covey *c, uint32_t node, uint64_t generation)
{
	_Atomic uint64_t *word = &c->arena.tails[node].outcome;
	uint64_t outcome = atomic_load(word);
	uint32_t noted = outcome_is_deaths(outcome) ? outcome_block(outcome, generation) : 0;

	if (noted != 0)
		atomic_compare_exchange_strong(word, &outcome, noted > 2 ? outcome_word(generation, noted - 1) : 0);
}

void covey_ring(covey *c, uint32_t node)
{
	COVEY_PROBE1(wake, covey_event_hash(c, node));
	cv_ring(&c->arena.tails[node]);
}

void covey_wake_seat(covey *c, uint32_t seat)
{
	struct cv_seat *s = &c->arena.seats[seat];

	/* seq_cst: the waiter says that it sleeps before it looks at its word for the last time */
	if (atomic_load(&s->mode) != CV_PARK_AWAKE) {
		COVEY_PROBE1(wake_one, atomic_load_explicit(&s->thread, memory_order_relaxed)); /* for people */
		cv_kernel.wake(cv_seat_futex(s), 1);
	}
}

/* ------------------------------------------------------------------------------------------------ blocks */

uint32_t covey_heap_take(covey *c, struct covey_thread *t, size_t skip, size_t size)
{
	uint32_t ref;

	if (skip > UINT64_C(1) << 40 || size > UINT64_C(1) << 40)
		return 0;
	t->taking = true;
	ref = cv_pool_block(&c->arena, t->seat, skip + size, &t->hint);
	/* Full, but perhaps of what the dead hold. */
	if (cv_unlikely(ref == 0) && !shm_acts_seatless(t) && covey_reap_some(c) > 0)
		ref = cv_pool_block(&c->arena, t->seat, skip + size, &t->hint);
	t->taking = ref != 0;
	return ref;
}

uint32_t covey_block_make(covey *c, struct covey_thread *t, const struct covey_lead *lead, const void *request,
        size_t request_size, const struct covey_reply *reply)
{
	size_t skip = (request_size + 15) & ~(size_t)15;
	uint32_t ref = covey_heap_take(c, t, skip, reply->size);
	struct cv_block *b = ref == 0 ? NULL : cv_heap_fitting(&c->arena, ref, skip + reply->size);

	if (b == NULL)
		return 0;
	*b = (struct cv_block){
	        .size = reply->size,
	        .generation = lead->generation,
	        .node = lead->node,
	        .request_size = (uint32_t)request_size,
	        .code = reply->code,
	        .tag = (uint32_t)c->pid << COVEY_TAG_PID_SHIFT | (reply->error != 0 ? COVEY_TAG_ERROR : 0) |
	               (request == NULL ? COVEY_TAG_ANYONE : 0),
	};
	if (request_size != 0)
		memcpy(b + 1, request, request_size);
	if (reply->size != 0 && reply->data != NULL) /* a room is filled by the leader */
		cv_copy_for_others((unsigned char *)(b + 1) + skip, reply->data, reply->size);
	return ref;
}

/* ------------------------------------------------------------------------------------------------ delivery */

struct delivery {
	uint32_t seat; /* who delivers */
	uint32_t node;
	uint64_t own;                 /* as it is while this may be delivered */
	uint64_t key;                 /* whom to answer */
	uint32_t block;               /* 0: there is none, for anybody */
	enum cv_seat_state otherwise; /* what those are told for whom it is not */
	bool anyone;
	const unsigned char *request;
	size_t request_size;
};

static bool delivery_open(covey *c, struct delivery *d)
{
	const volatile struct cv_block *b = d->block == 0 ? NULL : cv_heap_at(&c->arena, d->block); /* read once */
	const unsigned char *data;
	size_t size;

	if (b == NULL || !cv_heap_payload(&c->arena, d->block, &d->request, &data, &size)) {
		d->block = 0;
		return d->block == 0;
	}
	d->anyone = (b->tag & COVEY_TAG_ANYONE) != 0;
	d->request_size = b->request_size;
	if (d->request_size > (size_t)(data - d->request))
		d->request_size = 0;
	return true;
}

static bool deliver_to(covey *c, const struct delivery *d, uint32_t seat, uint64_t word)
{
	bool meant = d->block != 0 &&
	             (d->anyone || covey_request_equal(c, d->seat, seat, word, d->request, d->request_size));

	if (!cv_seat_answer(&c->arena, seat, word, meant ? CV_SEAT_DONE : d->otherwise, meant ? d->block : 0))
		return false;
	if (atomic_load(&c->arena.seats[seat].mode) == CV_PARK_BOUNDED)
		covey_wake_seat(c, seat); /* it does not hear the bell */
	return meant;
}

static int deliver(covey *c, const struct delivery *d)
{
	uint32_t high = cv_seat_high(&c->arena);
	int answered = 0;
	uint64_t word;

	for (uint32_t i = 1; i <= high; i++)
		while (cv_seat_waits(&c->arena, i, d->key, &word)) {
			/* After the word was read: a wait seen before the end of PUBLISHED is answered before that end, by us
			 * or by others, so the swap cannot hit one that began later. */
			if (atomic_load(&c->arena.nodes[d->node].own) != d->own)
				return answered;
			answered += deliver_to(c, d, i, word);
		}
	return answered;
}

int covey_finish(covey *c, uint32_t seat, uint32_t node, uint64_t own)
{
	struct cv_node *n = &c->arena.nodes[node];
	struct delivery d = {.seat = seat,
	        .node = node,
	        .own = own,
	        .key = cv_key_now(&c->arena, node), /* before own is found unchanged */
	        .otherwise = CV_SEAT_GAVE_UP};
	bool helping = cv_word_owner(own) != seat;
	int answered = 0;

	d.block = outcome_block(atomic_load(&c->arena.tails[node].outcome), cv_word_gen(own));
	if (d.block == OUTCOME_FULL) {
		d.block = 0;
		d.otherwise = CV_SEAT_FULL;
	} else if (d.block <= DEATHS_MAX + 1) { /* ended by one who left no outcome */
		d.block = 0;
	}
	if (helping)
		cv_seat_pin(&c->arena, seat, CV_PIN_RESULT, d.block);
	if (atomic_load(&n->own) == own) {
		cv_race_acquire(&c->arena, &n->own);
		delivery_open(c, &d);
		answered = deliver(c, &d);
		covey_ring(c, node);
		atomic_compare_exchange_strong(&n->own, &own, cv_word(CV_IDLE, 0, cv_word_gen(own)));
		cv_changed(&c->arena, node);
	}
	if (helping) {
		cv_seat_unpin(&c->arena, seat, CV_PIN_RESULT);
		cv_heap_try_free(&c->arena, seat, d.block); /* its owner may have found only our pin */
	}
	return answered;
}

/* ------------------------------------------------------------------------------------------------ the end */

static inline __attribute__((always_inline)) int tell_end(struct covey_thread *t, uint32_t seat, uint32_t node,
        uint64_t gen, uint64_t hash, enum covey_event_kind kind, unsigned event)
{
	covey_thread_unled(t, seat);
	cv_changed(&t->c->arena, node);
	covey_event_write_as(&t->lane, covey_coarse_now(), kind, event, node, hash, gen, 0);
	return 0;
}

/* The rest of the next, once the swap has told that nobody waits.  Not inlined: what it needs of registers would be
 * saved before that swap, and each store before it holds it up. */
static __attribute__((noinline)) int ended_alone(
        struct covey_thread *t, uint32_t seat, uint32_t node, uint64_t gen, uint64_t hash, enum covey_event_kind kind)
{
	if (kind != COVEY_EVENT_RESOLVED && kind != COVEY_EVENT_GAVE_UP)
		__builtin_unreachable();
	return tell_end(t, seat, node, gen, hash, kind, (unsigned)kind);
}

/* The same with a code.  Apart, for the one above has no register to spare. */
static __attribute__((noinline)) int ended_alone_with_code(
        struct covey_thread *t, uint32_t seat, uint32_t node, uint64_t gen, uint64_t hash, unsigned resolved)
{
	return tell_end(t, seat, node, gen, hash, COVEY_EVENT_RESOLVED, resolved);
}

/* Inlined: with nobody waiting this is all there is to do. */
static inline __attribute__((always_inline)) int end_alone(
        covey *c, struct covey_thread *t, const struct covey_lead *lead, uint64_t *own, unsigned event)
{
	uint64_t hash = covey_event_hash(c, lead->node); /* while it is this group's */

	if (cv_unlikely(!atomic_compare_exchange_strong(
	            &c->arena.nodes[lead->node].own, own, cv_word(CV_IDLE, 0, lead->generation))))
		return COVEY_EFENCED;
	if (event != COVEY_EVENT_RESOLVED && event != COVEY_EVENT_GAVE_UP)
		return ended_alone_with_code(t, lead->seat, lead->node, lead->generation, hash, event);
	return ended_alone(t, lead->seat, lead->node, lead->generation, hash, (enum covey_event_kind)event);
}

static int end_before_waiters(
        covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t block, unsigned event)
{
	struct cv_node *n = &c->arena.nodes[lead->node];
	_Atomic uint64_t *ended = &c->arena.tails[lead->node].outcome;
	uint64_t own, outcome, published = cv_word(CV_PUBLISHED, t->seat, lead->generation) | CV_WAITERS;

	do {
		outcome = atomic_load(ended); /* before the look at own: a swap by another leader makes ours fail */
		own = atomic_load(&n->own);
		if (!cv_word_is(own, CV_LEADING, lead->seat, lead->generation))
			return COVEY_EFENCED;
		/* A sibling thread is ending this very execution: its outcome stands. */
		if (outcome != 0 && (outcome & OUTCOME_GEN_MASK) == (lead->generation & OUTCOME_GEN_MASK) &&
		        !outcome_is_deaths(outcome))
			return COVEY_EFENCED;
	} while (!atomic_compare_exchange_strong(ended, &outcome, outcome_word(lead->generation, block)));
	cv_race_release(&c->arena, &n->own);
	if (!atomic_compare_exchange_strong(&n->own, &own, published))
		return COVEY_EFENCED; /* the waiters' bit was set already, so it can only have been a new leader */
	covey_thread_unled(t, lead->seat);
	covey_event(t, event, lead->node, lead->generation, 0); /* before anybody has the answer */
	return covey_finish(c, t->seat, lead->node, published);
}

int covey_end(covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t block, unsigned event)
{
	uint64_t own = atomic_load(&c->arena.nodes[lead->node].own);

	for (;;) {
		if (!cv_word_is(own, CV_LEADING, lead->seat, lead->generation))
			return COVEY_EFENCED;
		if (cv_word_waiters(own))
			return end_before_waiters(c, t, lead, block, event);
		if (end_alone(c, t, lead, &own, event) == 0)
			return 0;
	}
}

static bool request_valid(const void *request, size_t size)
{
	return (request != NULL || size == 0) && size <= UINT32_MAX - 64;
}

static bool reply_valid(const struct covey_reply *reply)
{
	return reply != NULL && (reply->data != NULL || reply->size == 0 || reply->room != 0);
}

int covey_unregister(covey *c, const struct covey_lead *lead)
{
	int error = COVEY_EINVAL;
	struct covey_thread *t = shm_act(c, &error);

	if (t == NULL)
		return error;
	error = covey_lead_check(c, t, lead);
	if (error == 0)
		error = covey_end(c, t, lead, 0, COVEY_EVENT_GAVE_UP);
	shm_act_end(t);
	return error < 0 ? error : 0;
}

/* The seats among which those are whom an answer is for: one, or with 0 all of them. */
static uint32_t first_among(uint32_t only)
{
	return only != 0 ? only : 1;
}

static uint32_t last_among(const covey *c, uint32_t only)
{
	return only != 0 ? only : cv_seat_high(&c->arena);
}

static bool someone_waits(covey *c, const struct covey_lead *lead, uint32_t only)
{
	uint32_t last = last_among(c, only);
	uint64_t word;

	for (uint32_t i = first_among(only); i <= last; i++)
		if (cv_seat_waits(&c->arena, i, cv_key_of(lead->node, lead->incarnation), &word))
			return true;
	return false;
}

/* A room that this process was given and has not published: its header, else NULL. */
static struct cv_block *room_block(covey *c, uint32_t room)
{
	_Atomic uint64_t *word = room == 0 ? NULL : cv_heap_word(&c->arena, room);
	uint64_t w = word == NULL ? 0 : atomic_load(word);

	if (cv_word_state(w) != CV_PRIVATE || cv_seat_owner(&c->arena, cv_word_owner(w)) != c->slot + 1)
		return NULL;
	return cv_heap_at(&c->arena, room);
}

/* What of the room is the result: its bytes come to the front. */
static void room_trim(covey *c, const struct covey_reply *reply, struct cv_block *b)
{
	const unsigned char *request, *data, *from = reply->data;
	size_t size, skip = 0;

	if (!cv_heap_payload(&c->arena, reply->room, &request, &data, &size))
		return;
	if (from > data && from <= data + size)
		skip = (size_t)(from - data);
	size = reply->size < size - skip ? reply->size : size - skip;
	if (skip != 0)
		memmove((void *)(uintptr_t)data, from, size);
	b->size = size;
}

static void room_free(covey *c, struct covey_thread *t, uint32_t room)
{
	if (room_block(c, room) != NULL)
		cv_heap_retire(
		        &c->arena, t->seat, room); /* not freed at once: the leader's own caller may hold it on loan */
}

/* It is given back, if it still is this leadership's: with the thread that led it has gone, and may be another's. */
static void room_unpublished(covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t room)
{
	const struct cv_block *b = room_block(c, room);

	if (b != NULL && b->node == lead->node && b->generation == lead->generation)
		room_free(c, t, room);
}

/* The block to publish: the leader's room, or a copy made now if there is anybody for it.  0 or COVEY_EFULL. */
static int block_for(covey *c, struct covey_thread *t, const struct covey_lead *lead, const void *request,
        size_t request_size, const struct covey_reply *reply, uint32_t only, uint32_t *block)
{
	struct cv_block *b = room_block(c, reply->room);

	*block = 0;
	if (b != NULL) {
		room_trim(c, reply, b);
		b->code = reply->code;
		b->tag = (b->tag & ~COVEY_TAG_ERROR) | (reply->error != 0 ? COVEY_TAG_ERROR : 0);
		*block = reply->room;
		return 0;
	}
	if (!someone_waits(c, lead, only))
		return 0;
	*block = covey_block_make(c, t, lead, request, request_size, reply);
	return *block != 0 ? 0 : COVEY_EFULL;
}

/* A place for the result was looked for, and found (block) or not. */
static int publish_block(
        covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t block, int full, unsigned resolved)
{
	int r = covey_end(c, t, lead, block != 0 ? block : OUTCOME_FULL, full == 0 ? resolved : COVEY_EVENT_GAVE_UP);

	if (block != 0)
		cv_heap_retire(&c->arena, t->seat, block);
	t->taking = false;
	return r < 0 || full == 0 ? r : full;
}

/* There are, or were, waiters, or there is a room to be accounted for. */
static int publish(covey *c, struct covey_thread *t, const struct covey_lead *lead, const void *request,
        size_t request_size, const struct covey_reply *reply)
{
	uint64_t own = cv_word(CV_LEADING, lead->seat, lead->generation);
	unsigned resolved = covey_event_resolved(reply);
	uint32_t block;
	int full;

	if (!request_valid(request, request_size) || !reply_valid(reply) || !covey_leads(c, lead)) {
		room_unpublished(c, t, lead, reply->room);
		return covey_leads(c, lead) ? COVEY_EINVAL : COVEY_EFENCED;
	}
	/* Of those with a code the guess that nobody waits was not made yet. */
	if (reply->room == 0 && resolved != COVEY_EVENT_RESOLVED && end_alone(c, t, lead, &own, resolved) == 0)
		return 0;
	own = cv_word(CV_LEADING, lead->seat, lead->generation);
	full = block_for(c, t, lead, request, request_size, reply, 0, &block);
	if (full == 0 && block == 0) {
		/* Nobody is seen to wait.  Who comes now has to set W, unless one who left has done that: then there must be a
		 * result for who comes. */
		if (end_alone(c, t, lead, &own, resolved) == 0)
			return 0;
		block = covey_block_make(c, t, lead, request, request_size, reply);
	}
	return publish_block(c, t, lead, block, full, resolved);
}

/* Each case but that of the next itself. */
static __attribute__((noinline)) int publish_slowly(covey *c, const struct covey_lead *lead, const void *request,
        size_t request_size, const struct covey_reply *reply)
{
	static const struct covey_reply empty;
	int r = COVEY_EINVAL;
	struct covey_thread *t = shm_act(c, &r);

	if (t == NULL)
		return r;
	r = covey_lead_check(c, t, lead);
	if (r == 0)
		r = publish(c, t, lead, request, request_size, reply != NULL ? reply : &empty);
	shm_act_end(t);
	return r;
}

/* Nothing but, perhaps, bytes: neither a room nor a code that the history is to have. */
static inline bool plain(const struct covey_reply *reply)
{
	return (reply->room | (uint32_t)reply->code | (uint32_t)reply->error) == 0;
}

/* The common case is that nobody waits: guess so, and let the swap tell. */
int covey_unregister_notify(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        const struct covey_reply *reply)
{
	struct covey_thread *t = covey_thread_now(c);
	uint64_t own;

	if (cv_likely(t != NULL) && cv_likely(covey_lead_check(c, t, lead) == 0) &&
	        cv_likely(reply == NULL || plain(reply))) {
		own = cv_word(CV_LEADING, lead->seat, lead->generation);
		if (cv_likely(end_alone(c, t, lead, &own, COVEY_EVENT_RESOLVED) == 0))
			return 0;
	}
	return publish_slowly(c, lead, request, request_size, reply);
}

/* -------------------------------------------------------------------------------------------- answers on the way */

/* Whom a call of the next answers. */
struct choice {
	uint32_t only; /* this seat; 0: all */
	bool (*pick)(covey *, struct covey_thread *, uint32_t seat, uint64_t word, void *);
	void *context;
	bool say_full; /* if there is no room for the answer, they are told so; else it is the caller who is */
	bool give_up;  /* there is no answer: they are told so */
};

#define SEVERAL UINT32_MAX /* inside this file */

/* Does the caller lead, and will whoever waits now be told before another does?  Who has posted but not armed yet
 * would not be: a sibling could end the execution with one swap and the next leader begin, with the wait unchanged,
 * and an answer of this one would still fit it.  With W set, the end goes by way of that wait's word. */
static bool leads_who_waits(covey *c, const struct covey_lead *lead)
{
	uint64_t own = atomic_load(&c->arena.nodes[lead->node].own);

	if (cv_likely(own == (cv_word(CV_LEADING, lead->seat, lead->generation) | CV_WAITERS)))
		return true;
	return covey_arm_receiver(c, lead);
}

/* The only seat that waits for the group, 0 if none does, or SEVERAL. */
static uint32_t sole_waiter(covey *c, const struct covey_lead *lead, uint32_t only, uint64_t *word)
{
	uint64_t key = cv_key_of(lead->node, lead->incarnation), w;
	uint32_t sole = 0, last = last_among(c, only);

	*word = 0;
	for (uint32_t i = first_among(only); i <= last; i++) {
		if (!cv_seat_waits(&c->arena, i, key, &w))
			continue;
		if (sole != 0)
			return SEVERAL;
		sole = i;
		*word = w;
	}
	return sole;
}

static void outbox_fill(
        covey *c, struct covey_thread *t, const struct covey_lead *lead, const struct covey_reply *reply)
{
	struct cv_note note = {.generation = lead->generation,
	        .code = reply->code,
	        .tag = (uint32_t)c->pid << COVEY_TAG_PID_SHIFT | (reply->error != 0 ? COVEY_TAG_ERROR : 0),
	        .size = (uint32_t)reply->size};

	cv_outbox_fill(&c->arena, t->seat, &note, reply->data);
}

/* If only one waits and the answer is short, it goes by this thread's outbox.  Who posts after this look at the seats
 * is as one who asked after the call.  *answered: how many were, or COVEY_EFENCED.  False: nothing was done, it takes
 * a block. */
static bool notify_sole(covey *c, struct covey_thread *t, const struct covey_lead *lead,
        const struct covey_reply *reply, const struct choice *choice, int *answered)
{
	uint32_t seat;
	uint64_t word;
	bool picked;

	if (reply->room != 0 || reply->size > CV_OUTBOX_BYTES || shm_acts_seatless(t))
		return false;
	do {
		seat = sole_waiter(c, lead, choice->only, &word);
		if (seat == SEVERAL || (seat != 0 && !cv_outbox_free(&c->arena, t->seat, &t->sent)))
			return false;
		picked = seat != 0 && (choice->pick == NULL || choice->pick(c, t, seat, word, choice->context));
		if (picked)
			outbox_fill(c, t, lead, reply);
		/* After the word was read: a new leader re-stamps the waits before it begins, so the swap fails. */
		*answered = (picked ? leads_who_waits(c, lead) : covey_leads(c, lead)) ? 0 : COVEY_EFENCED;
		if (!picked || *answered != 0)
			return true;
		/* Re-stamped, or gone: look again. */
	} while (!cv_outbox_send(&c->arena, t->seat, (uint32_t)reply->size, seat, word, &t->sent));
	covey_wake_seat(c, seat);
	cv_changed(&c->arena, lead->node);
	*answered = 1;
	return true;
}

/* Answer those whom the choice picks while still leading; consumes the block.  Without one they are told that there
 * was no room for it. */
static int notify_picked(
        covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t block, const struct choice *choice)
{
	uint32_t last = last_among(c, choice->only);
	uint64_t key = cv_key_of(lead->node, lead->incarnation), word;
	uint32_t newest = atomic_load(&c->arena.tails[lead->node].tickets);
	enum cv_seat_state told = block != 0 ? CV_SEAT_DONE : choice->give_up ? CV_SEAT_GAVE_UP : CV_SEAT_FULL;
	int answered = 0;

	for (uint32_t i = first_among(choice->only); i <= last && covey_leads(c, lead); i++)
		/* Who asks from here on could have seen this answer at another, and is not to be given it. */
		while (cv_seat_waits(&c->arena, i, key, &word) &&
		        (int32_t)(atomic_load(&c->arena.seats[i].ticket) - newest) <= 0 &&
		        (choice->pick == NULL || choice->pick(c, t, i, word, choice->context))) {
			/* After the word was read: a new leader re-stamps the waits before it begins, so the swap fails. */
			if (!leads_who_waits(c, lead))
				break;
			if (!cv_seat_answer(&c->arena, i, word, told, block))
				continue; /* re-stamped, or gone: look again */
			answered++;
			covey_wake_seat(c, i);
			break;
		}
	if (answered > 0)
		cv_changed(&c->arena, lead->node);
	if (block != 0)
		cv_heap_retire(&c->arena, t->seat, block);
	return answered > 0 || covey_leads(c, lead) ? answered : COVEY_EFENCED;
}

struct wanted {
	const void *request;
	size_t size;
	covey_predicate predicate;
	void *context;
};

static bool pick_equal(covey *c, struct covey_thread *t, uint32_t seat, uint64_t word, void *context)
{
	const struct wanted *w = context;

	return covey_request_equal(c, t->seat, seat, word, w->request, w->size);
}

static int notify_as(covey *c, struct covey_thread *t, const struct covey_lead *lead, const struct covey_reply *reply,
        const struct choice *choice)
{
	int error = covey_lead_check(c, t, lead), answered;
	uint32_t block;

	if (error != 0 || !reply_valid(reply))
		return error != 0 ? error : COVEY_EINVAL;
	if (!covey_leads(c, lead)) {
		room_unpublished(c, t, lead, reply->room);
		return COVEY_EFENCED;
	}
	if (choice->give_up)
		return notify_picked(c, t, lead, 0, choice);
	if (notify_sole(c, t, lead, reply, choice, &answered))
		return answered;
	error = block_for(c, t, lead, NULL, 0, reply, choice->only, &block);
	if (error == COVEY_EFULL ? choice->say_full : error == 0 && block != 0)
		error = notify_picked(c, t, lead, block, choice);
	t->taking = false;
	return error;
}

static int notify(covey *c, const struct covey_lead *lead, const struct covey_reply *reply, const struct choice *choice)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = shm_act(c, &r);

	if (t == NULL)
		return r;
	r = notify_as(c, t, lead, reply, choice);
	shm_act_end(t);
	return r;
}

static int notify_equal(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        const struct covey_reply *reply, bool say_full)
{
	struct wanted w = {.request = request, .size = request_size};

	if (c == NULL || !request_valid(request, request_size))
		return COVEY_EINVAL;
	return notify(c, lead, reply, &(struct choice){.pick = pick_equal, .context = &w, .say_full = say_full});
}

int shm_give_up_equal(covey *c, const struct covey_lead *lead, const struct covey_request *request)
{
	static const struct covey_reply none;
	struct wanted w = {.request = request->data, .size = request->size};

	return notify(c, lead, &none, &(struct choice){.pick = pick_equal, .context = &w, .give_up = true});
}

int covey_notify(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        const struct covey_reply *reply)
{
	return notify_equal(c, lead, request, request_size, reply, false);
}

int covey_answer_equal(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply)
{
	return notify_equal(c, lead, request->data, request->size, reply, true);
}

int covey_notify_all(covey *c, const struct covey_lead *lead, const struct covey_reply *reply)
{
	return c == NULL ? COVEY_EINVAL : notify(c, lead, reply, &(struct choice){0});
}

static bool pick_if(covey *c, struct covey_thread *t, uint32_t seat, uint64_t word, void *context)
{
	const struct wanted *w = context;

	return covey_request_matches(c, t->seat, seat, word, w->predicate, w->context) != 0;
}

static int notify_if(covey *c, const struct covey_lead *lead, covey_predicate pick, void *context,
        const struct covey_reply *reply, bool say_full)
{
	struct wanted w = {.predicate = pick, .context = context};

	if (c == NULL || pick == NULL)
		return COVEY_EINVAL;
	return notify(c, lead, reply, &(struct choice){.pick = pick_if, .context = &w, .say_full = say_full});
}

int shm_give_up_if(covey *c, const struct covey_lead *lead, covey_predicate pick, void *context)
{
	static const struct covey_reply none;
	struct wanted w = {.predicate = pick, .context = context};

	return notify(c, lead, &none, &(struct choice){.pick = pick_if, .context = &w, .give_up = true});
}

int covey_notify_if(
        covey *c, const struct covey_lead *lead, covey_predicate pick, void *context, const struct covey_reply *reply)
{
	return notify_if(c, lead, pick, context, reply, false);
}

int covey_answer_if(
        covey *c, const struct covey_lead *lead, covey_predicate pick, void *context, const struct covey_reply *reply)
{
	return notify_if(c, lead, pick, context, reply, true);
}

struct one {
	uint32_t seat, ticket;
};

static bool pick_one(covey *c, struct covey_thread *t, uint32_t seat, uint64_t word, void *context)
{
	const struct one *o = context;

	(void)t, (void)word;
	return seat == o->seat && atomic_load(&c->arena.seats[seat].ticket) == o->ticket;
}

static int respond(covey *c, const struct covey_lead *lead, const struct covey_request *request,
        const struct covey_reply *reply, bool say_full)
{
	struct one o;

	if (c == NULL || request == NULL || request->seat == 0 || request->seat > c->arena.seat_count)
		return COVEY_EINVAL;
	o = (struct one){request->seat, (uint32_t)request->ticket};
	return notify(c, lead, reply,
	        &(struct choice){.only = o.seat, .pick = pick_one, .context = &o, .say_full = say_full});
}

int covey_respond(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply)
{
	return respond(c, lead, request, reply, false);
}

int covey_answer_one(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply)
{
	return respond(c, lead, request, reply, true);
}

/* ------------------------------------------------------------------------------------------------ rooms */

int covey_room(covey *c, const struct covey_lead *lead, const void *request, size_t request_size, size_t size,
        void **data, uint32_t *room)
{
	struct covey_reply reply = {.size = size};
	const unsigned char *at, *bytes;
	size_t given;
	int error = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &error);

	if (t == NULL)
		return error;
	error = covey_lead_check(c, t, lead);
	if (error != 0)
		return error;
	if (data == NULL || room == NULL || !request_valid(request, request_size))
		return COVEY_EINVAL;
	if (!covey_leads(c, lead))
		return COVEY_EFENCED;
	if (!shm_reserve_ready(t))
		return COVEY_ESYSTEM;
	*room = covey_block_make(c, t, lead, request, request_size, &reply);
	if (*room != 0)
		shm_reserve_note(t, *room);
	t->taking = false;
	if (*room == 0)
		return COVEY_EFULL;
	if (!cv_heap_payload(&c->arena, *room, &at, &bytes, &given))
		return COVEY_ECORRUPT;
	*data = (void *)(uintptr_t)bytes;
	return 0;
}

void covey_room_free(covey *c, uint32_t room)
{
	int error;
	struct covey_thread *t = shm_act(c, &error);

	if (t == NULL)
		return;
	room_free(c, t, room);
	shm_act_end(t);
}
