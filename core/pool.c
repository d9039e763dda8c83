/*
 * pool.c - see pool.h for what is guaranteed and why
 */
#include "pool.h"

#include <string.h>

#include "parking.h"
#include "race.h"
#include "seat.h"
#include "watch.h"

#define FRESH_BATCH 4    /* nodes whose first use a thread reserves at once; others still find them by the clock */
#define NAMES_AT_ONCE 64 /* evicted for a block before it is looked for again */
#define BY_CLOCK 16      /* one in so many takes passes the pocket by, so that names which come back later may stay */

uint32_t cv_pool_high(const struct cv_arena *a)
{
	/* relaxed: it only grows, and was raised before the node that a scan is to meet was used */
	uint32_t high = atomic_load_explicit(&a->globals->node_fresh, memory_order_relaxed);

	return high < a->node_count ? high : a->node_count;
}

static uint64_t floor_of(const struct cv_arena *a)
{
	/* relaxed: whoever saw a group absent acquired that from its evictor, which had raised the floor before */
	return atomic_load_explicit(&a->globals->gen_floor, memory_order_relaxed);
}

static void floor_raise(struct cv_arena *a, uint64_t gen)
{
	uint64_t floor = floor_of(a);

	while (floor < gen && !atomic_compare_exchange_weak_explicit(&a->globals->gen_floor, &floor, gen,
	                              memory_order_relaxed, memory_order_relaxed)) {
	}
}

static bool claim_free(struct cv_arena *a, uint32_t seat, uint32_t node, uint64_t own)
{
	/* acquire: with the release in cv_pool_free().  release: who sees it in use sees how far scans must go for it */
	return cv_word_state(own) == CV_FREE &&
	       atomic_compare_exchange_strong_explicit(&a->nodes[node].own, &own,
	               cv_word(CV_PRIVATE, seat, cv_word_gen(own)), memory_order_acq_rel, memory_order_relaxed);
}

static void drop_long_name(struct cv_arena *a, uint32_t seat, uint32_t node)
{
	/* relaxed: it changes only under the node's owner, who is the caller; mostly there is none, and then no locked
	 * instruction is spent on it */
	uint32_t ref = atomic_load_explicit(&a->nodes[node].long_name, memory_order_relaxed);
	_Atomic uint64_t *word = ref == 0 ? NULL : cv_heap_word(a, ref);
	/* as it is while the node names it: the store below lets no read be late */
	uint64_t w = word == NULL ? 0 : atomic_load_explicit(word, memory_order_relaxed);

	if (ref == 0)
		return;
	/* From here on a reaper may free the block as an orphan, and another may take it: so what we retire is the block
	 * as it was, or nothing. */
	atomic_store_explicit(&a->nodes[node].long_name, 0, memory_order_release);
	cv_heap_retire_as(a, seat, ref, w);
}

int cv_pool_evict(struct cv_arena *a, uint32_t seat, uint32_t node)
{
	uint64_t own = atomic_load_explicit(&a->nodes[node].own, memory_order_relaxed); /* it is the caller's */
	int r;

	r = cv_table_remove(a, node);
	if (r != 0)
		return r;
	drop_long_name(a, seat, node);
	/* release: whoever sees PRIVATE sees that the node is out of its chain */
	atomic_store_explicit(&a->nodes[node].own, cv_word(CV_PRIVATE, seat, cv_word_gen(own)), memory_order_release);
	return 0;
}

/* 1 evicted, 0 not idle, CV_ECORRUPT. */
static int claim_idle(struct cv_arena *a, uint32_t seat, uint32_t node, uint64_t own, struct cv_hint *hint)
{
	/* relaxed: where to look for memory first */
	uint32_t long_name = atomic_load_explicit(&a->nodes[node].long_name, memory_order_relaxed);

	if (cv_word_state(own) != CV_IDLE)
		return 0;
	/* Before the name can be seen absent: a walker takes an EVICTING node for that. */
	floor_raise(a, cv_word_gen(own));
	/* acquire: with the store that published the contents, of which the hash leads to the chain.  release: the floor */
	if (!atomic_compare_exchange_strong_explicit(&a->nodes[node].own, &own,
	            cv_word(CV_EVICTING, seat, cv_word_gen(own)), memory_order_acq_rel, memory_order_relaxed))
		return 0;
	if (cv_unlikely(long_name != 0))
		cv_heap_look_at(a, long_name, hint); /* in a full heap, all else would be looked through first */
	return cv_pool_evict(a, seat, node) == 0 ? 1 : CV_ECORRUPT;
}

static uint32_t take_fresh(struct cv_arena *a, uint32_t seat, struct cv_hint *hint)
{
	for (;;) {
		if (hint->fresh == hint->fresh_end) {
			if (atomic_load_explicit(&a->globals->node_fresh, memory_order_relaxed) >= a->node_count)
				return 0;
			/* relaxed: see cv_pool_high() */
			hint->fresh =
			        atomic_fetch_add_explicit(&a->globals->node_fresh, FRESH_BATCH, memory_order_relaxed) +
			        1;
			hint->fresh_end = hint->fresh + FRESH_BATCH;
		}
		while (hint->fresh != hint->fresh_end) {
			uint32_t node = hint->fresh++;

			if (node <= a->node_count &&
			        claim_free(
			                a, seat, node, atomic_load_explicit(&a->nodes[node].own, memory_order_relaxed)))
				return node;
		}
	}
}

bool cv_pool_settle(struct cv_arena *a, uint32_t node, uint64_t own)
{
	if (cv_word_state(own) != CV_LEADING || cv_word_owner(own) != 0 ||
	        cv_seat_count_waiting(a, cv_key_now(a, node)) != 0)
		return false;
	/* seq_cst: and then it is looked who watches */
	if (!atomic_compare_exchange_strong(&a->nodes[node].own, &own, cv_word(CV_IDLE, 0, cv_word_gen(own))))
		return false;
	cv_ring(&a->tails[node]); /* whoever posted since the count looks again */
	cv_changed(a, node);
	return true;
}

/* A node by the clock's hand: 1 it is ours now, 0 it is not to be had, CV_ECORRUPT. */
static int take_node(struct cv_arena *a, uint32_t seat, uint32_t node, struct cv_hint *hint)
{
	_Atomic uint64_t *word = &a->nodes[node].own;
	uint64_t own = atomic_load_explicit(word, memory_order_relaxed);

	if (cv_pool_settle(a, node, own))
		own = atomic_load_explicit(word, memory_order_relaxed);
	return claim_free(a, seat, node, own) ? 1 : claim_idle(a, seat, node, own, hint);
}

static uint32_t take_by_clock(struct cv_arena *a, uint32_t seat, struct cv_hint *hint)
{
	if (hint->hand == 0)
		hint->hand = seat * 61; /* threads begin apart */
	for (uint32_t i = 0; i < a->node_count; i++) {
		uint32_t node = hint->hand++ % a->node_count + 1;
		int taken = take_node(a, seat, node, hint);

		if (taken != 0)
			return taken == 1 ? node : 0; /* each look at a damaged chain is long: do not take them all */
	}
	return 0;
}

void cv_pool_keep(struct cv_hint *hint, uint32_t node, uint64_t gen)
{
	if (hint->pocket_end - hint->pocket_first == CV_POCKET)
		hint->pocket_first++; /* the oldest stays in the table, for the clock to find */
	hint->pocket[hint->pocket_end++ % CV_POCKET] = (struct cv_kept){cv_word(CV_IDLE, 0, gen), node};
}

/* The oldest of a full pocket that nobody has led again: a name is kept for so many new ones at least. */
static uint32_t take_from_pocket(struct cv_arena *a, uint32_t seat, struct cv_hint *hint)
{
	if (hint->pocket_end - hint->pocket_first != CV_POCKET || hint->taken++ % BY_CLOCK == 0)
		return 0;
	while (hint->pocket_first != hint->pocket_end) {
		const struct cv_kept *kept = &hint->pocket[hint->pocket_first++ % CV_POCKET];

		/* relaxed: the swap that claims it compares once more */
		if (atomic_load_explicit(&a->nodes[kept->node].own, memory_order_relaxed) == kept->idle &&
		        claim_idle(a, seat, kept->node, kept->idle, hint) == 1)
			return kept->node;
	}
	return 0;
}

uint32_t cv_pool_take(struct cv_arena *a, uint32_t seat, struct cv_hint *hint)
{
	uint32_t node = take_fresh(a, seat, hint);

	if (node == 0)
		node = take_from_pocket(a, seat, hint);
	return node != 0 ? node : take_by_clock(a, seat, hint);
}

/* Evict up to `count` long names of groups that nobody leads; *left: of the nodes to be looked at.  True if there was one. */
static bool drop_names(struct cv_arena *a, uint32_t seat, uint32_t count, uint32_t *left, struct cv_hint *hint)
{
	uint32_t high = cv_pool_high(a);
	bool dropped = false;

	for (; *left > 0 && count > 0; --*left) {
		uint32_t node = hint->hand++ % high + 1;
		uint64_t own = atomic_load_explicit(&a->nodes[node].own, memory_order_relaxed);

		/* relaxed, both: the swap that claims it compares once more */
		if (atomic_load_explicit(&a->nodes[node].long_name, memory_order_relaxed) == 0 ||
		        claim_idle(a, seat, node, own, hint) != 1)
			continue;
		cv_pool_free(a, seat, node);
		dropped = true;
		count--;
	}
	return dropped;
}

uint32_t cv_pool_block(struct cv_arena *a, uint32_t seat, uint64_t size, struct cv_hint *hint)
{
	uint32_t ref = cv_heap_take(a, seat, size, hint), left = cv_pool_high(a), batch = 1;

	if (cv_unlikely(ref == 0) && size >= (uint64_t)a->chunk_count << CV_CHUNK_SHIFT)
		return 0; /* it never has room */
	while (cv_unlikely(ref == 0) && drop_names(a, seat, batch, &left, hint)) {
		ref = cv_heap_take(a, seat, size, hint);
		batch = batch < NAMES_AT_ONCE ? batch * 2 : batch;
	}
	return ref;
}

static int fill_long_name(
        struct cv_arena *a, uint32_t seat, uint32_t node, const struct cv_key *key, struct cv_hint *hint)
{
	uint32_t ref = cv_pool_block(a, seat, key->size, hint);
	struct cv_block *b = ref == 0 ? NULL : cv_heap_fitting(a, ref, key->size);

	if (b == NULL)
		return CV_EFULL;
	b->node = node;
	memcpy(b + 1, key->name, key->size);
	/* relaxed: released as it is held; the node names it before that: see block_orphaned() */
	atomic_store_explicit(&a->nodes[node].long_name, ref, memory_order_relaxed);
	cv_heap_hold(a, ref);
	return 0;
}

static void fill_short_name(const struct cv_arena *a, uint32_t node, const struct cv_key *key)
{
	uint32_t words = key->size / 8, rest = key->size % 8;
	uint64_t w;

	for (uint32_t i = 0; i < words; i++) {
		memcpy(&w, key->name + (size_t)i * 8, 8);
		atomic_store_explicit(cv_name_word(a, node, i), w, memory_order_relaxed);
	}
	w = 0;
	memcpy(&w, key->name + (size_t)words * 8, rest);
	if (rest != 0)
		atomic_store_explicit(cv_name_word(a, node, words), w, memory_order_relaxed);
}

int cv_pool_fill(struct cv_arena *a, uint32_t seat, uint32_t node, const struct cv_key *key, struct cv_hint *hint)
{
	struct cv_node *n = &a->nodes[node];
	uint64_t next = atomic_load_explicit(&n->next, memory_order_relaxed);
	int r;

	/* the new incarnation before the new contents: the partner of same_incarnation().  release: who reads the new
	 * incarnation sees that the node is out of the chain; else it would take it for the one that all else it reads is of */
	atomic_store_explicit(&n->next, (uint64_t)(cv_next_incarnation(next) + 1) << 32, memory_order_release);
	atomic_thread_fence(memory_order_release);
	if (key->size > CV_NAME_INLINE && (r = fill_long_name(a, seat, node, key, hint)) != 0)
		return r;
	if (key->size <= CV_NAME_INLINE)
		fill_short_name(a, node, key);
	atomic_store_explicit(&n->hash, key->hash, memory_order_relaxed);
	atomic_store_explicit(&n->size, key->size, memory_order_relaxed);
	return 0;
}

uint64_t cv_pool_refresh(struct cv_arena *a, uint32_t seat, uint32_t node)
{
	struct cv_node *n = &a->nodes[node];
	uint64_t own = atomic_load_explicit(&n->own, memory_order_relaxed), gen = cv_word_gen(own), floor = floor_of(a);

	if (cv_word_state(own) == CV_PRIVATE || gen <= floor) {
		gen = (gen > floor ? gen : floor) + 1;
		cv_race_release(a, &n->own);
		/* release: whoever sees LEADING sees the contents */
		atomic_store_explicit(&n->own, cv_word(CV_LEADING, seat, gen), memory_order_release);
	}
	return gen;
}

void cv_pool_free(struct cv_arena *a, uint32_t seat, uint32_t node)
{
	uint64_t own = atomic_load_explicit(&a->nodes[node].own, memory_order_relaxed);

	drop_long_name(a, seat, node);
	/* release: with the swap in claim_free() */
	atomic_store_explicit(&a->nodes[node].own, cv_word(CV_FREE, 0, cv_word_gen(own)), memory_order_release);
}
