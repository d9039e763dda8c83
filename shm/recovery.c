/*
 * recovery.c - freeing what a participant left
 *
 * Whoever reaps holds the slot's file lock, so there is one reaper a slot at a time, no thread of the dead process can
 * still write, and if the reaper dies in turn, its lock goes with it and the next one begins anew.  Each step is a swap
 * from "the dead one's" to "mine" and then the ordinary way of freeing, so it does not matter where the last one
 * stopped.  No other participant ever waits for a reaper; at the worst it does not get the dead one's memory yet.
 *
 * What becomes of a dead leader's group:
 *      with waiters      orphaned: LEADING by seat 0, and rung; the first waiter that looks takes it over
 *      without           idle
 *      being delivered   delivered
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <unistd.h>

#include "event.h"
#include "internal.h"
#include "pool.h"
#include "watch.h"

/* ------------------------------------------------------------------------------------------------ nodes */

struct reaping {
	covey *c;
	uint32_t slot;
	uint32_t seat; /* ours */
	bool leaving;  /* the participant itself leaves: its waiters are told that it gave up */
};

static bool seat_is_dead(void *context, uint32_t seat)
{
	const struct reaping *r = context;

	return cv_seat_owner(&r->c->arena, seat) == r->slot + 1;
}

static bool swap(_Atomic uint64_t *word, uint64_t old, uint64_t new)
{
	return atomic_compare_exchange_strong(word, &old, new);
}

/* A participant that leaves gives up what it leads, and that is part of its history. */
static void record_given_up(struct reaping *r, uint32_t node, uint64_t hash, uint64_t gen)
{
	struct covey_lane lane = covey_lane_shared(r->c);

	if (r->leaving)
		covey_event_write(&lane, shm_now(), COVEY_EVENT_GAVE_UP, node, hash, gen, 0);
}

/* A group that is in the table and whose leader is no more. */
static void free_leadership(struct reaping *r, uint32_t node, uint64_t own)
{
	struct cv_node *n = &r->c->arena.nodes[node];
	uint64_t gen = cv_word_gen(own), waiters = cv_word_waiters(own);
	uint64_t hash = covey_event_hash(r->c, node); /* while it is this group's */

	if (waiters == 0) {
		if (swap(&n->own, own, cv_word(CV_IDLE, 0, gen)))
			record_given_up(r, node, hash, gen);
	} else if (r->leaving) {
		if (swap(&n->own, own, cv_word(CV_PUBLISHED, r->seat, gen) | waiters)) {
			record_given_up(r, node, hash, gen);
			covey_finish(r->c, r->seat, node, cv_word(CV_PUBLISHED, r->seat, gen) | waiters);
		}
	} else if (swap(&n->own, own, cv_word(CV_LEADING, 0, gen) | waiters)) {
		covey_ring(r->c, node);
	}
}

static void free_private(struct reaping *r, uint32_t node, uint64_t own)
{
	if (swap(&r->c->arena.nodes[node].own, own, cv_word(CV_PRIVATE, r->seat, cv_word_gen(own))))
		cv_pool_free(&r->c->arena, r->seat, node);
}

/* False: its chain is damaged, and it stays where it is. */
static bool free_evicting(struct reaping *r, uint32_t node, uint64_t own)
{
	if (!swap(&r->c->arena.nodes[node].own, own, cv_word(CV_EVICTING, r->seat, cv_word_gen(own))))
		return true;
	if (cv_pool_evict(&r->c->arena, r->seat, node) != 0)
		return false;
	cv_pool_free(&r->c->arena, r->seat, node);
	return true;
}

/* A LEADING node may never have been linked: then nobody can meet it. */
static bool free_leading(struct reaping *r, uint32_t node, uint64_t own)
{
	int linked = cv_table_linked(&r->c->arena, node);

	if (linked == 1)
		free_leadership(r, node, own);
	else if (linked == 0)
		free_private(r, node, own);
	return linked >= 0;
}

/* One attempt, whatever it is.  False: its chain is damaged, or its state is none; leave it alone. */
static bool free_dead_node(struct reaping *r, uint32_t node, uint64_t own)
{
	switch (cv_word_state(own)) {
	case CV_PRIVATE:
		free_private(r, node, own);
		return true;
	case CV_LEADING:
		return free_leading(r, node, own);
	case CV_HANDED:
		free_leadership(r, node, own);
		return true;
	case CV_PUBLISHED:
		covey_finish(r->c, r->seat, node, own);
		return true;
	case CV_EVICTING:
		return free_evicting(r, node, own);
	default:
		return false;
	}
}

/* Again if the word changed under us: a waiter may have set its bit, or have taken over. */
static void free_node(struct reaping *r, uint32_t node)
{
	_Atomic uint64_t *word = &r->c->arena.nodes[node].own;
	uint64_t own = atomic_load(word);

	while (cv_word_owner(own) != 0 && seat_is_dead(r, cv_word_owner(own)) && free_dead_node(r, node, own))
		own = atomic_load(word);
	/* Orphaned, by us or by a reaper that was killed here: does nobody wait any more? */
	cv_pool_settle(&r->c->arena, node, own);
}

/* ------------------------------------------------------------------------------------------------ slots */

/* If it was the last who waited for an orphan, nobody is left to take that over. */
static void clear_seat(covey *c, uint32_t seat)
{
	struct cv_arena *a = &c->arena;
	uint32_t node = (uint32_t)atomic_load(&a->seats[seat].key);

	covey_forward_end(c, seat);
	cv_seat_clear(a, seat);
	if (node != 0 && node <= a->node_count)
		cv_pool_settle(a, node, atomic_load(&a->nodes[node].own));
}

static void free_seats(struct reaping *r, bool give)
{
	struct cv_arena *a = &r->c->arena;

	for (uint32_t i = 1; i <= a->seat_count; i++) {
		if (cv_seat_owner(a, i) != r->slot + 1)
			continue;
		if (give)
			cv_seat_give(a, i);
		else
			clear_seat(r->c, i);
	}
}

void covey_slot_free(covey *c, uint32_t slot, bool leaving)
{
	struct reaping r = {c, slot, cv_seat_of_keeper(&c->arena, c->slot), leaving};
	struct covey_slot *s = &c->slots[slot];
	uint32_t high = cv_pool_high(&c->arena);

	/* A participant killed while it attached has life words that no kernel will change. */
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_fetch_or(&s->life[i * COVEY_LIFE_STRIDE], FUTEX_OWNER_DIED);
	covey_life_relay(c, slot);
	for (uint32_t i = 1; i <= high; i++)
		free_node(&r, i);
	free_seats(&r, false);
	clear_seat(c, cv_seat_of_keeper(&c->arena, slot));
	cv_heap_reap(&c->arena, r.seat, seat_is_dead, &r);
	free_seats(&r, true);
	atomic_store(&s->pid, 0);
	atomic_store(&s->state, COVEY_SLOT_FREE);
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_store(&s->life[i * COVEY_LIFE_STRIDE], 0);
	covey_life_relay(c, slot);
	cv_watch_ring_all(&c->arena); /* for all that was changed here, and for what it had changed and not rung for */
}

void covey_slot_give_up(covey *c)
{
	struct reaping r = {c, c->slot, cv_seat_of_keeper(&c->arena, c->slot), true};
	uint32_t high = cv_pool_high(&c->arena);

	shm_mutex_lock(&c->attachment->reaping); /* the keeper may be using its seat */
	for (uint32_t i = 1; i <= high; i++)
		free_node(&r, i);
	shm_mutex_unlock(&c->attachment->reaping);
}

static bool slot_died(const covey *c, uint32_t slot)
{
	struct covey_life life;

	covey_life_of_slot(c, slot, &life);
	return !life.alive && atomic_load(&c->slots[slot].state) == COVEY_SLOT_TAKEN;
}

/* How many were freed: 1 or 0. */
static int reap(covey *c, int own, uint32_t slot, int *left)
{
	struct shm_hold hold;
	int freed = 0;

	if (shm_hold_take(c, own, slot, &hold) != 0) { /* it still runs, or somebody else reaps it */
		covey_life_relay(c, slot); /* but its life has ended, and we may be the one who was woken for it */
		++*left;
		return 0;
	}
	if (slot_died(c, slot)) {
		covey_slot_free(c, slot, false);
		freed = 1;
	}
	shm_hold_drop(&hold, slot);
	return freed;
}

int covey_reap_dead(covey *c, int own, int *left)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);
	int freed = 0;

	*left = 0;
	shm_mutex_lock(&c->attachment->reaping);
	for (uint32_t i = 0; i < high && i < c->counts.participants; i++)
		if (i != c->slot && slot_died(c, i))
			freed += reap(c, own, i, left);
	shm_mutex_unlock(&c->attachment->reaping);
	return freed;
}

int covey_reap_some(covey *c)
{
	int left;

	return covey_reap_dead(c, -1, &left);
}

int covey_reap(covey *c)
{
	int error;

	/* The child of a fork must not reap in its parent's name: it attaches first. */
	return covey_enter(c, &error) == NULL ? error : covey_reap_some(c);
}
