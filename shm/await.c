/*
 * await.c - sleeping for another's result
 *
 *      put the request into the seat, post the seat (WAITING)
 *      set W in the group's ownership word, or see it set    "armed": whoever ends the execution must look for us
 *      until the seat's word is an answer:
 *          read the bell, then look: is there a leader, does it live?
 *          spin for a moment, then sleep on { own word, bell, the leader's two life words }
 *
 * Each thing that could end the wait changes one of these four words after the look that did not see it, so the kernel
 * does not let us fall asleep; there is no window and no polling.
 *
 *      an answer                 our word
 *      the end of the execution  the bell (after the answers)
 *      a new leader, by hand     the bell
 *      the leader's death        its life words; the kernel wakes one sleeper on each, and these the rest
 *
 * A result is borrowed in place, or if it came by an outbox (outbox.h) copied to memory of this process: the leader is to
 * have its outbox back at once, the caller may keep the result.  One such piece of memory is kept for each thread, so a
 * worker's clients allocate nothing.
 *
 * When the leader has died, the first waiter whose swap succeeds leads with the next generation and withdraws; all
 * others find a living leader again, and sleep.  If an answer came to the winner at the same moment, it passes the
 * leadership on (to nobody: the next waiter takes it) and takes the answer.
 */
#include <string.h>

#include "event.h"
#include "internal.h"
#include "memory.h"
#include "pool.h"
#include "race.h"
#include "spin.h"
#include "watch.h"

#define ASLEEP (-100)     /* inside this file: no answer yet */
#define COPIED UINT32_MAX /* the loan's seat of a result that was copied from an outbox */
#define HELP_AFTER 64     /* looks at a publication in progress before lending a hand */

struct wait {
	covey *c;
	struct covey_thread *t;
	struct cv_seat *seat;
	struct cv_node *n;
	struct cv_tail *tail;
	uint32_t node;
	uint32_t incarnation;
	uint32_t flags;
	int64_t deadline;
	int64_t began;  /* by the clock's tick */
	int64_t asleep; /* when it first went to sleep; 0: it has not */
	int64_t ended;
	struct covey_result *out;
	struct covey_life life; /* of the leader, as of the last look */
	uint32_t owed;          /* slot + 1 of a life that has ended: whoever still sleeps on it is to be woken */
	uint32_t bell;
	uint64_t word;
	unsigned looks; /* at a publication in progress */
	uint64_t armed; /* the word as of the last arming */
	/* for the history */
	uint64_t hash;       /* of the group's name */
	uint64_t generation; /* of its leader when the wait began; 0: it did not begin */
	pid_t peer;          /* that leader */
};

static _Atomic int bounded_sleeps; /* the kernel refused to wait for several words last time; relaxed, a hint */

/* ------------------------------------------------------------------------------------------------ arming */

static bool same_group(const struct wait *w)
{
	return cv_next_incarnation(atomic_load(&w->n->next)) == w->incarnation;
}

/* False: the group is not led any more. */
static bool arm(struct wait *w)
{
	for (;;) {
		uint64_t own = atomic_load(&w->n->own); /* seq_cst: after the post */

		if (!covey_is_led(own) || !same_group(w))
			return false;
		w->armed = own;
		if (cv_word_waiters(own) && atomic_load(&w->n->own) == own)
			return true;
		/* acquire: whatever the leader wrote before it began */
		if (!cv_word_waiters(own) && atomic_compare_exchange_strong(&w->n->own, &own, own | CV_WAITERS))
			return true;
	}
}

/* Whoever receives the group's requests, and the host that serves it if there is one, are to look.  If the leader changes
 * after this look at it, the next one looks for requests as it begins. */
static void tell_receiver(struct wait *w)
{
	uint32_t slot = cv_seat_owner(&w->c->arena, cv_word_owner(atomic_load(&w->n->own))) - 1;

	cv_ring_receiver(w->tail);
	if (slot < w->c->counts.participants && cv_unlikely(atomic_load(&w->c->slots[slot].hosting) != 0))
		covey_ring_host(&w->c->slots[slot]);
}

/* ------------------------------------------------------------------------------------------------ answers */

static int copy_out(struct covey_result *out)
{
	out->owned = shm_allocate(out->size);
	if (out->owned == NULL) {
		out->data = NULL;
		out->size = 0;
		return COVEY_ESYSTEM;
	}
	memcpy(out->owned, out->data, out->size);
	out->data = out->owned;
	return 0;
}

static int outcome_of(uint32_t tag)
{
	return tag & COVEY_TAG_ERROR ? COVEY_ERROR : COVEY_OK;
}

/* The word says DONE: borrow the block, or copy it if this thread has borrowed as many as it can. */
static int take_block(struct wait *w, uint32_t ref)
{
	struct cv_arena *a = &w->c->arena;
	const struct cv_block *b = cv_heap_at(a, ref);
	const unsigned char *request, *data;
	struct covey_result *out = w->out;
	int loan, r;

	cv_race_acquire(a, &w->seat->word);

	if (b == NULL || !cv_heap_payload(a, ref, &request, &data, &out->size))
		return COVEY_ECORRUPT;
	out->data = data;
	out->code = b->code;
	out->generation = b->generation;
	out->pid = (pid_t)(b->tag >> COVEY_TAG_PID_SHIFT); /* perhaps a successor of the one we began to wait for */
	r = outcome_of(b->tag);
	loan = cv_seat_lend(a, w->t->seat, ref);
	if (loan < 0)
		return copy_out(out) == 0 ? r : COVEY_ESYSTEM;
	out->loan = ref;
	out->loan_seat = w->t->seat * CV_LOANS + (uint32_t)loan;
	return r;
}

/* Memory for a short answer, outside of what a worker's callback allocates from: it is used again after that. */
static unsigned char *copy_begin(struct covey_thread *t)
{
	unsigned char *copy = t->spare;
	unsigned arena;

	t->spare = NULL;
	if (cv_likely(copy != NULL))
		return copy;
	arena = covey_memory_outside();
	copy = shm_allocate(CV_OUTBOX_BYTES);
	covey_memory_leave(arena);
	return copy;
}

/* Kept for the next one, if this thread's last call was in the same region and none is kept yet.  c may be closed. */
static void copy_end(const covey *c, void *copy)
{
	struct covey_thread *t = covey_thread_now(c);

	if (t != NULL && t->spare == NULL)
		t->spare = copy;
	else
		shm_free(copy);
}

/* The word says OUTBOX: copy what it names.  The bytes are the caller's own, so they stay until they are released. */
static int take_outbox(struct wait *w, uint64_t word)
{
	struct covey_result *out = w->out;
	unsigned char *copy = copy_begin(w->t);
	struct cv_note note;

	if (copy == NULL)
		return COVEY_ESYSTEM;
	out->owned = copy;
	out->loan_seat = COPIED;
	if (!cv_outbox_take(&w->c->arena, word, &note, copy))
		return COVEY_ECORRUPT;
	out->data = copy;
	out->size = note.size;
	out->code = note.code;
	out->generation = note.generation;
	out->pid = (pid_t)(note.tag >> COVEY_TAG_PID_SHIFT);
	return outcome_of(note.tag);
}

static int take_answer(struct wait *w, uint64_t word)
{
	uint32_t ref = cv_seat_block(word);
	int r;

	switch (cv_seat_state(word)) {
	case CV_SEAT_DONE:
		r = take_block(w, ref);
		cv_seat_settle(&w->c->arena, w->t->seat);
		if (w->out->loan == 0)
			cv_heap_try_free(&w->c->arena, w->t->seat, ref);
		cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_ANSWERED);
		return r;
	case CV_SEAT_OUTBOX:
		r = take_outbox(w, word);
		cv_outbox_taken(&w->c->arena, w->t->seat, word);
		cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_ANSWERED);
		return r;
	case CV_SEAT_GAVE_UP:
		cv_seat_settle(&w->c->arena, w->t->seat);
		return COVEY_GAVE_UP;
	case CV_SEAT_CYCLE:
		cv_seat_settle(&w->c->arena, w->t->seat);
		return COVEY_CYCLE;
	case CV_SEAT_FULL:
		cv_seat_settle(&w->c->arena, w->t->seat);
		return COVEY_EFULL;
	default:
		return COVEY_ECORRUPT;
	}
}

/* False: an answer came first. */
static bool withdraw(struct wait *w)
{
	bool withdrawn = cv_seat_withdraw(&w->c->arena, w->t->seat);

	if (withdrawn)
		cv_changed(&w->c->arena, w->node);
	return withdrawn;
}

/* Leave without an answer, unless one has come. */
static int leave(struct wait *w, int outcome)
{
	if (!withdraw(w))
		return take_answer(w, atomic_load(&w->seat->word));
	/* The last who waited for an orphan?  seq_cst: withdrawn, then looked; its reaper made it one, then counts. */
	cv_pool_settle(&w->c->arena, w->node, atomic_load(&w->n->own));
	return outcome;
}

/* ------------------------------------------------------------------------------------------------ looking */

/* We lead, but were answered too: whoever else waits is to lead. */
static void pass_on(struct wait *w)
{
	uint64_t gen = w->out->lead.generation, own = atomic_load(&w->n->own), next;

	shm_deaths_unnote(w->c, w->node, gen);
	do {
		if (!cv_word_is(own, CV_LEADING, w->t->seat, gen))
			return;
		next = cv_word_waiters(own) ? cv_word(CV_LEADING, 0, gen) | CV_WAITERS : cv_word(CV_IDLE, 0, gen);
	} while (!atomic_compare_exchange_strong(&w->n->own, &own, next));
	covey_thread_unled(w->t, w->t->seat);
	covey_ring(w->c, w->node);
	cv_changed(&w->c->arena, w->node);
	cv_pool_settle(&w->c->arena, w->node, next); /* nobody else waits? */
}

static int take_over(struct wait *w, uint64_t own)
{
	int r = covey_depose(w->c, w->t, w->node, own, true, &w->out->lead);

	if (r != COVEY_LEADER)
		return r == COVEY_EFENCED ? ASLEEP : leave(w, r);
	if (!withdraw(w)) {
		pass_on(w);
		return take_answer(w, atomic_load(&w->seat->word));
	}
	if (w->out->lead.previous == 0)
		w->out->lead.previous = w->out->pid; /* reaped already: whom we began to wait for */
	w->out->pid = w->out->lead.previous;
	w->out->generation = w->out->lead.generation;
	w->out->part = COVEY_TOOK_OVER;
	return COVEY_DIED;
}

/* Before all else, as we may be the only one whom the kernel woke; but only a few, as waking all takes longer than taking
 * over does, and the group is without a leader until then. */
static void pass_death(struct wait *w)
{
	if (w->owed == w->life.slot + 1)
		return;
	w->owed = w->life.slot + 1;
	covey_life_pass(w->c, w->life.slot);
}

/* The look that came after that has ended.  All are woken: by the keeper, if the caller is now to lead. */
static void pay_death(struct wait *w, int outcome)
{
	if (cv_likely(w->owed == 0))
		return;
	if (outcome != COVEY_DIED)
		covey_life_relay(w->c, w->owed - 1);
	covey_keeper_reap(w->c);
	w->owed = 0;
}

static int leader_died(struct wait *w, uint64_t own)
{
	pass_death(w);
	return (w->flags & COVEY_NO_TAKEOVER) == 0 ? take_over(w, own) : leave(w, COVEY_DIED);
}

static int help_publish(struct wait *w, uint64_t own)
{
	if (w->looks++ > HELP_AFTER)
		covey_finish(w->c, w->t->seat, w->node, own);
	else
		cv_pause();
	return ASLEEP;
}

/* One look at everything: an outcome, an error, or ASLEEP with the words to sleep on in w. */
static int look(struct wait *w)
{
	uint64_t own;

	w->life.alive = false;
	w->word = atomic_load(&w->seat->word);
	if (cv_seat_state(w->word) != CV_SEAT_WAITING)
		return take_answer(w, w->word);
	w->bell = atomic_load(&w->tail->bell); /* before the look at the group */
	own = atomic_load(&w->n->own);
	if (cv_word_state(own) == CV_PUBLISHED)
		return help_publish(w, own);
	if (!covey_is_led(own) || !same_group(w)) {
		/* Whoever ended it has answered us, unless our post came too late for it. */
		return leave(w, COVEY_GAVE_UP);
	}
	/* W is gone if the group was idle in between: this leader does not know of us yet. */
	if (!cv_word_waiters(own))
		return arm(w) ? ASLEEP : leave(w, COVEY_GAVE_UP);
	covey_life_of_seat(w->c, cv_word_owner(own), &w->life);
	if (atomic_load(&w->n->own) != own) {
		w->life.alive = false; /* so that nobody sleeps on a life that is not the leader's */
		return ASLEEP;
	}
	return w->life.alive ? ASLEEP : leader_died(w, own);
}

/* ------------------------------------------------------------------------------------------------ sleeping */

/* What the last look found in the words to sleep on. */
static void words(const struct wait *w, struct cv_futex list[CV_PARK_WORDS])
{
	uint32_t ticket = atomic_load_explicit(&w->seat->ticket, memory_order_relaxed);

	list[0] = (struct cv_futex){cv_seat_futex(w->seat), (uint32_t)w->word};
	list[1] = (struct cv_futex){&w->tail->bell, w->bell};
	list[2] = w->life.words[ticket % 2]; /* the waiters of a group take the two in turn: see participant.c */
}

/* after: what ended the sleep before this one. */
static enum cv_parked park(struct wait *w, enum cv_parked after)
{
	struct cv_futex list[CV_PARK_WORDS];
	int before = atomic_load_explicit(&bounded_sleeps, memory_order_relaxed), bounded = before;
	enum cv_parked parked;

	if (w->asleep == 0) {
		w->asleep = shm_now();
		atomic_store_explicit(&w->seat->since, (uint64_t)w->asleep, memory_order_relaxed); /* for people */
	}
	if (bounded)
		cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_BOUNDED);
	else if (after != CV_PARK_BACKSTOP && after != CV_PARK_LATE) /* that one goes on: nobody woke us */
		cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_PARKED);
	/* seq_cst: whoever answers swaps our word and then reads this; we set this and then the kernel reads our word */
	atomic_store(&w->seat->mode, bounded ? CV_PARK_BOUNDED : CV_PARK_FULL);
	words(w, list);
	parked = cv_park(list, CV_PARK_WORDS, w->deadline, &bounded);
	atomic_store_explicit(&w->seat->mode, CV_PARK_AWAKE, memory_order_relaxed); /* late readers wake us in vain */
	if (bounded != before)
		atomic_store_explicit(&bounded_sleeps, bounded, memory_order_relaxed);
	return parked;
}

/* If the life that we slept on has ended, we may be the only one whom the kernel woke for it, unless the kernel says
 * that it woke us for another word and not for this last one: tell the others before anything else, also when our answer has come, or another leads by now; and finish what a dead publisher began. */
static void pass_on_death(struct wait *w)
{
	uint64_t own;
	bool ended = false;

	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		ended = ended || atomic_load(w->life.words[i].word) != w->life.words[i].expected;
	if (!ended)
		return;
	pass_death(w);
	own = atomic_load(&w->n->own);
	if (cv_word_state(own) == CV_PUBLISHED && same_group(w))
		covey_finish(w->c, w->t->seat, w->node, own);
}

static int expired(struct wait *w)
{
	int r = leave(w, COVEY_TIMED_OUT);

	pay_death(w, r);
	if (r == COVEY_TIMED_OUT)
		cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_TIMED_OUT);
	return r;
}

static bool anything_new(struct wait *w, uint64_t own)
{
	struct covey_life life;

	if (cv_seat_state(atomic_load(&w->seat->word)) != CV_SEAT_WAITING || !covey_is_led(own))
		return true;
	covey_life_of_seat(w->c, cv_word_owner(own), &life);
	return !life.alive;
}

/* The backstop's time came.  Is there something that the kernel should have told us?  A publisher, or the one whom the
 * kernel woke for a death, may still be about to ring.  Overdue is what is still so when that has not come. */
static bool overdue(struct wait *w)
{
	uint64_t own = atomic_load(&w->n->own);
	struct cv_futex list[CV_PARK_WORDS];

	if (!anything_new(w, own))
		return false;
	words(w, list);
	return cv_park_overdue(list, CV_PARK_WORDS, true) && ((atomic_load(&w->n->own) ^ own) & ~CV_WAITERS) == 0 &&
	       anything_new(w, own);
}

/* Where the answer will be if it is short. */
static const void *outbox_of_leader(const struct wait *w)
{
	uint32_t seat = cv_word_owner(w->armed);

	return &w->c->arena.seats[seat <= w->c->arena.seat_count ? seat : 0].outbox;
}

static int wait_for_answer(struct wait *w)
{
	enum cv_parked parked = CV_PARK_LOOK;

	for (;;) {
		int r = look(w);

		if (r != ASLEEP || w->life.alive)
			pay_death(w, r);
		if (r != ASLEEP)
			return r;
		if (!w->life.alive)
			continue;
		if (cv_spin_for(&w->t->spinner, cv_seat_futex(w->seat), (uint32_t)w->word, outbox_of_leader(w)))
			continue;
		parked = park(w, parked);
		/* before anybody is told of what it finds, and takes over */
		if (parked == CV_PARK_BACKSTOP && overdue(w))
			cv_seat_stat(&w->c->arena, w->t->seat, COVEY_COUNT_RESCUED);
		if (parked != CV_PARK_EARLY)
			pass_on_death(w);
		if (parked == CV_PARK_EXPIRED)
			return expired(w);
	}
}

static void record(struct wait *w, int64_t time, enum covey_event_kind kind, uint64_t generation, pid_t peer)
{
	covey_event_write(&w->t->lane, time, kind, w->node, w->hash, generation, peer);
}

/* Of a leader that the caller was not told of.  0: that one has ended by now, and what was read may be a stranger's. */
static __attribute__((noinline)) pid_t pid_of_armed(const struct wait *w)
{
	uint32_t seat = cv_word_owner(w->armed);
	pid_t pid = seat != 0 ? covey_pid_of_seat(w->c, seat) : w->out->pid;

	return covey_still(w->c, w->node, w->armed) ? pid : 0;
}

static void record_begin(struct wait *w, const struct covey_lead *lead)
{
	w->generation = cv_word_gen(w->armed);
	w->peer = cv_likely(w->generation == lead->generation) ? lead->pid : pid_of_armed(w);
	record(w, w->began, COVEY_EVENT_WAITING, w->generation, w->peer);
}

static void record_end(struct wait *w, int outcome)
{
	if (outcome == COVEY_OK || outcome == COVEY_ERROR)
		record(w, w->ended, COVEY_EVENT_ANSWERED, w->out->generation, w->out->pid);
	else if (outcome == COVEY_DIED && w->out->part == COVEY_TOOK_OVER)
		covey_event_succeeded(w->t, &w->out->lead, true);
	else if (w->generation != 0)
		record(w, w->ended, outcome == COVEY_DIED ? COVEY_EVENT_DIED : COVEY_EVENT_UNANSWERED, w->generation,
		        w->peer);
}

static int post_and_wait(struct wait *w, const struct covey_lead *lead)
{
	struct cv_arena *a = &w->c->arena;

	w->hash = covey_event_hash(w->c, w->node); /* this group's, if the arming succeeds */
	cv_seat_post(a, w->t->seat, cv_key_of(w->node, w->incarnation));
	if (!arm(w))
		return leave(w, COVEY_GAVE_UP);
	cv_changed(a, w->node);
	record_begin(w, lead);
	tell_receiver(w);
	cv_seat_stat(a, w->t->seat, COVEY_COUNT_JOINED);
	covey_cycle_check(w->c, w->t);
	return wait_for_answer(w);
}

/* ------------------------------------------------------------------------------------------------ the calls */

static int finish_result(struct wait *w, int outcome)
{
	struct covey_result *out = w->out;

	out->outcome = outcome;
	out->wait = w->ended - (w->asleep != 0 ? w->asleep : w->began);
	return outcome;
}

int covey_await(covey *c, const struct covey_lead *lead, const void *request, size_t request_size, int64_t deadline,
        uint32_t flags, struct covey_result *out)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &r);
	struct wait w = {.c = c, .t = t, .deadline = deadline, .flags = flags, .out = out, .began = covey_coarse_now()};

	if (out == NULL)
		return COVEY_EINVAL;
	w.ended = w.began;
	memset(out, 0, sizeof(*out));
	out->part = COVEY_JOINED;
	if (t == NULL || lead == NULL || lead->node == 0 || lead->node > c->arena.node_count ||
	        (request == NULL && request_size != 0))
		return finish_result(&w, t == NULL ? r : COVEY_EINVAL);
	out->pid = lead->pid;
	if (deadline == COVEY_NOW)
		return finish_result(&w, COVEY_TIMED_OUT);
	w.node = lead->node;
	w.incarnation = lead->incarnation;
	w.n = &c->arena.nodes[w.node];
	w.tail = &c->arena.tails[w.node];
	w.seat = &c->arena.seats[t->seat];
	if (covey_stand_off(c, &t->standoff, w.node, w.began))
		return finish_result(&w, COVEY_GAVE_UP);
	cv_fetch_to_write(w.seat); /* the leader may be looking at its first line */
	r = covey_request_put(c, t, w.node, request, request_size);
	if (r == 0) {
		r = post_and_wait(&w, lead);
		/* Reading the clock exactly costs as much as a cache line's way to the leader and back, so only who
		 * slept does it. */
		w.ended = w.asleep != 0 ? shm_now() : covey_coarse_now();
		record_end(&w, r);
		if (request_size > CV_REQUEST_INLINE)
			covey_request_drop(c, t);
	}
	return finish_result(&w, r);
}

int covey_default_await(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        int64_t deadline, struct covey_result *out)
{
	return covey_await(c, lead, request, request_size, deadline, 0, out);
}

/* Is this loan another thread's of this process, or our own?  In the child of a fork it is its parent's. */
static bool loan_ours(covey *c, uint32_t seat, bool *others)
{
	int error;
	struct covey_thread *t = shm_act(c, &error);

	if (t == NULL)
		return false;
	*others = seat != t->seat;
	shm_act_end(t);
	if (seat == 0 || seat > c->arena.seat_count)
		return false;
	return !*others || shm_slot_is_ours(c, cv_seat_owner(&c->arena, seat) - 1);
}

static void loan_end(covey *c, const struct covey_result *result)
{
	uint32_t seat = result->loan_seat / CV_LOANS, block = result->loan;
	struct covey_thread *t;
	bool others;
	int error;

	if (!loan_ours(c, seat, &others) || (t = shm_act(c, &error)) == NULL)
		return;
	cv_race_release(&c->arena, &c->arena.seats[seat].pins);
	/* seq_cst: let go, then look whether it is for us to free; who retires it does the reverse */
	if (atomic_compare_exchange_strong(&c->arena.seats[seat].loans[result->loan_seat % CV_LOANS], &block, 0))
		cv_heap_try_free(&c->arena, t->seat, result->loan);
	shm_act_end(t);
	if (others)
		shm_seat_settle(c, seat);
}

/* Does this process hold the loan?  Its parent's is not its own in the child of a fork. */
static bool loan_is_ours(const covey *c, const struct covey_result *result)
{
	uint32_t seat = result->loan_seat / CV_LOANS;

	return covey_threads_current(c) && seat != 0 && seat <= c->arena.seat_count &&
	       shm_slot_is_ours(c, cv_seat_owner(&c->arena, seat) - 1) &&
	       atomic_load(&c->arena.seats[seat].loans[result->loan_seat % CV_LOANS]) == result->loan;
}

static void result_empty(struct covey_result *result)
{
	result->owned = NULL;
	result->data = NULL;
	result->size = 0;
	result->loan = result->loan_seat = 0;
}

int covey_result_own(covey *c, struct covey_result *result)
{
	void *copy;

	if (result == NULL || (c == NULL && result->loan != 0))
		return COVEY_EINVAL;
	if (result->loan == 0)
		return 0;
	if (!loan_is_ours(c, result)) {
		result_empty(result);
		return COVEY_EFENCED;
	}
	copy = shm_allocate(result->size);
	if (copy == NULL)
		return COVEY_ESYSTEM;
	memcpy(copy, result->data, result->size);
	loan_end(c, result);
	result->data = result->owned = copy;
	result->loan = result->loan_seat = 0;
	return 0;
}

void covey_release(covey *c, struct covey_result *result)
{
	if (result == NULL)
		return;
	if (result->loan_seat == COPIED)
		copy_end(c, result->owned);
	else
		shm_free(result->owned);
	if (c != NULL && result->loan != 0)
		loan_end(c, result);
	result_empty(result);
}
