/*
 * table.c - see table.h for what is guaranteed and why
 */
#include "table.h"

#include "heap.h"
#include "race.h"
#include "seat.h"

/* One node as a reader saw it, at one instant. */
struct view {
	uint64_t next;
	uint64_t own;
	uint64_t hash;
};

#ifndef CV_WALK_SLACK
#define CV_WALK_SLACK (UINT64_C(1) << 16)
#endif

/* How much walking is legitimate before the table must be damaged: generous, but an end. */
static uint64_t walk_budget(const struct cv_arena *a)
{
	return CV_WALK_SLACK + 4 * (uint64_t)a->node_count;
}

static bool in_table(uint64_t own)
{
	return cv_word_state(own) != CV_FREE && cv_word_state(own) != CV_PRIVATE && cv_word_state(own) != CV_RETIRED;
}

/* Snapshot a node that a link named.  False: it has been reused, or lies in another chain. */
static bool view_take(const struct cv_arena *a, uint32_t node, uint64_t bucket, struct view *v)
{
	struct cv_node *n = &a->nodes[node];

	v->next = atomic_load_explicit(&n->next, memory_order_acquire); /* with the swap that linked it */
	v->own = atomic_load_explicit(&n->own, memory_order_acquire);   /* with the store that published its contents */
	v->hash = atomic_load_explicit(&n->hash, memory_order_relaxed);
	return in_table(v->own) && (v->hash & a->bucket_mask) == bucket;
}

/* ------------------------------------------------------------------------------------------------ names */

/* Bytes that may be handed to another owner and overwritten while they are copied: whoever calls without a seat cannot pin
 * them, and checks what it got by its hash.  Relaxed loads, so that this is not a data race on our side; the other one's
 * is that of an owner who writes plainly, and so the thread sanitizer must not look here. */
__attribute__((no_sanitize("thread"), noinline)) static void copy_unpinned(
        unsigned char *to, const void *from, uint32_t size)
{
	const _Atomic unsigned char *at = from;

	for (uint32_t i = 0; i < size; i++)
		to[i] = atomic_load_explicit(&at[i], memory_order_relaxed);
}

static bool bytes_use(uint32_t seat, const void *bytes, uint32_t size, const struct cv_key *want, unsigned char *to)
{
	unsigned char copy[4096]; /* no name is longer */

	if (seat == 0 && size > sizeof(copy))
		return false;
	if (seat == 0) {
		copy_unpinned(copy, bytes, size);
		bytes = copy;
	}
	if (want != NULL)
		return memcmp(bytes, want->name, size) == 0;
	memcpy(to, bytes, size);
	return true;
}

/* Copy or compare a long name of this size while its block is pinned.  want: compare with it; else copy to `to`.  Not
 * inlined: most names are short, and their lookup is to have a small frame. */
__attribute__((noinline)) static bool long_name_use(struct cv_arena *a, uint32_t seat, uint32_t node,
        const struct view *v, uint32_t size, const struct cv_key *want, unsigned char *to)
{
	struct cv_node *n = &a->nodes[node];
	uint32_t ref = atomic_load_explicit(&n->long_name, memory_order_relaxed);
	const struct cv_block *b;
	uint64_t own;
	bool good;

	if (seat != 0)
		cv_seat_pin(a, seat, CV_PIN_BYTES, ref);
	/* validate after pinning: while the node is not EVICTING its block is not retired, and then not freed */
	own = atomic_load(&n->own);
	good = in_table(own) && cv_word_state(own) != CV_EVICTING &&
	       /* relaxed: what this is of, the word just read was published after */
	       cv_next_incarnation(atomic_load_explicit(&n->next, memory_order_relaxed)) ==
	               cv_next_incarnation(v->next);
	cv_race_acquire(a, &n->own);
	b = good ? cv_heap_fitting(a, ref, size) : NULL;
	good = b != NULL && bytes_use(seat, b + 1, size, want, to);
	if (seat != 0) {
		cv_seat_unpin(a, seat, CV_PIN_BYTES);
		cv_heap_try_free(a, seat, ref); /* who evicted it meanwhile may have found only our pin */
	}
	return good;
}

__attribute__((noinline)) bool cv_far_name_equal(const struct cv_arena *a, uint32_t node, const struct cv_key *key)
{
	uint32_t words = key->size / 8, rest = key->size % 8;
	uint64_t w;

	for (uint32_t i = 0; i < words; i++) {
		memcpy(&w, key->name + (size_t)i * 8, 8);
		if (atomic_load_explicit(cv_name_word(a, node, i), memory_order_relaxed) != w)
			return false;
	}
	w = 0;
	memcpy(&w, key->name + (size_t)words * 8, rest);
	return rest == 0 || atomic_load_explicit(cv_name_word(a, node, words), memory_order_relaxed) == w;
}

static bool name_equal(struct cv_arena *a, uint32_t seat, uint32_t node, const struct view *v, const struct cv_key *key)
{
	struct cv_node *n = &a->nodes[node];

	if (v->hash != key->hash || atomic_load_explicit(&n->size, memory_order_relaxed) != key->size)
		return false;
	if (cv_likely(key->size <= CV_NAME_INLINE))
		return cv_short_name_equal(a, node, key);
	return long_name_use(a, seat, node, v, key->size, key, NULL);
}

uint32_t cv_table_name(struct cv_arena *a, uint32_t seat, uint32_t node, unsigned char *to, uint32_t room)
{
	struct cv_node *n = &a->nodes[node];
	uint64_t words[CV_NAME_INLINE / 8];
	struct view v;
	uint32_t size;

	v.hash = atomic_load_explicit(&n->hash, memory_order_relaxed);
	if (!view_take(a, node, v.hash & a->bucket_mask, &v))
		return 0;
	size = atomic_load_explicit(&n->size, memory_order_relaxed);
	if (size == 0 || size > room)
		return 0;
	if (size > CV_NAME_INLINE)
		return long_name_use(a, seat, node, &v, size, NULL, to) ? size : 0;
	for (unsigned i = 0; i < CV_NAME_INLINE / 8; i++)
		words[i] = atomic_load_explicit(cv_name_word(a, node, i), memory_order_relaxed);
	memcpy(to, words, size);
	return cv_same_incarnation(n, v.next) ? size : 0;
}

/* ------------------------------------------------------------------------------------------------ walks */

enum walk_end { WALK_FOUND, WALK_ABSENT, WALK_AGAIN, WALK_CORRUPT };

/* The link that led to a node still does: the node was in the chain for all that was read of it since.  relaxed: the fence
 * in cv_same_incarnation(), which is asked first, stands between that and this. */
static bool link_holds(_Atomic uint64_t *link, uint64_t value)
{
	return atomic_load_explicit(link, memory_order_relaxed) == value;
}

/* Once along the chain that spot->head begins. */
static enum walk_end walk_for_name(
        struct cv_arena *a, uint32_t seat, const struct cv_key *key, struct cv_spot *spot, uint64_t *budget)
{
	_Atomic uint64_t *link = cv_table_bucket(a, key->hash);
	uint64_t value = spot->head, bucket = key->hash & a->bucket_mask;
	uint32_t node = (uint32_t)value;
	struct view v;

	while (node != 0) {
		if (cv_unlikely(node > a->node_count || (*budget)-- == 0))
			return WALK_CORRUPT;
		if (cv_unlikely(!view_take(a, node, bucket, &v)))
			return WALK_AGAIN;
		if (name_equal(a, seat, node, &v, key) && cv_word_state(v.own) != CV_EVICTING) {
			if (!cv_same_incarnation(&a->nodes[node], v.next) || !link_holds(link, value))
				return WALK_AGAIN;
			spot->node = node;
			spot->incarnation = cv_next_incarnation(v.next);
			spot->own = v.own;
			return WALK_FOUND;
		}
		if (cv_unlikely(!cv_same_incarnation(&a->nodes[node], v.next) || !link_holds(link, value)))
			return WALK_AGAIN;
		if ((v.next & CV_NEXT_MARK) ==
		        0) { /* a marked node's link is frozen: the one before it is what changes */
			link = &a->nodes[node].next;
			value = v.next;
		}
		node = (uint32_t)(v.next & CV_NEXT_INDEX);
	}
	return link_holds(cv_table_bucket(a, key->hash), spot->head) ? WALK_ABSENT : WALK_AGAIN;
}

int cv_table_find_in_chain(struct cv_arena *a, uint32_t seat, const struct cv_key *key, struct cv_spot *spot)
{
	uint64_t budget = walk_budget(a);

	for (;;) {
		/* acquire: with the swap in cv_table_insert() */
		spot->head = atomic_load_explicit(cv_table_bucket(a, key->hash), memory_order_acquire);
		switch (walk_for_name(a, seat, key, spot, &budget)) {
		case WALK_FOUND:
			return 1;
		case WALK_ABSENT:
			return 0;
		case WALK_CORRUPT:
			return CV_ECORRUPT;
		case WALK_AGAIN:
			if (budget-- == 0)
				return CV_ECORRUPT;
			break;
		}
	}
}

static uint64_t head_after(uint64_t head, uint64_t node)
{
	return ((head >> 32) + 1) << 32 | node;
}

bool cv_table_insert(struct cv_arena *a, uint32_t node, const struct cv_key *key, const struct cv_spot *spot)
{
	struct cv_node *n = &a->nodes[node];
	uint64_t next = atomic_load_explicit(&n->next, memory_order_relaxed), head = spot->head;

	next = (next & ~(CV_NEXT_MARK | CV_NEXT_INDEX)) | (uint32_t)head;
	atomic_store_explicit(&n->next, next, memory_order_relaxed); /* released by the swap */
	/* seq_cst: the group is there, and then its leader looks who watches */
	return atomic_compare_exchange_strong_explicit(cv_table_bucket(a, key->hash), &head, head_after(head, node),
	        memory_order_seq_cst, memory_order_relaxed);
}

/* Make the word that pointed to a marked node point past it; *value is what it holds then. */
static bool swing(struct cv_arena *a, _Atomic uint64_t *link, uint64_t *value, uint64_t past, uint64_t hash)
{
	uint64_t old = *value;

	*value = link == cv_table_bucket(a, hash) ? head_after(old, past) : (old & ~CV_NEXT_INDEX) | past;
	/* release: who finds the node gone finds it EVICTING, and the floor raised */
	return atomic_compare_exchange_strong_explicit(link, &old, *value, memory_order_release, memory_order_relaxed);
}

/* Once along the chain, unlinking what is marked. */
static enum walk_end walk_unlinking(struct cv_arena *a, uint64_t hash, uint32_t target, uint64_t *budget)
{
	_Atomic uint64_t *link = cv_table_bucket(a, hash);
	uint64_t value = atomic_load_explicit(link, memory_order_acquire);
	uint32_t node = (uint32_t)value;
	struct view v;

	while (node != 0) {
		if (node > a->node_count || (*budget)-- == 0)
			return WALK_CORRUPT;
		if (!view_take(a, node, hash & a->bucket_mask, &v) || !cv_same_incarnation(&a->nodes[node], v.next) ||
		        !link_holds(link, value))
			return WALK_AGAIN;
		if (v.next & CV_NEXT_MARK) {
			if (!swing(a, link, &value, v.next & CV_NEXT_INDEX, hash))
				return WALK_AGAIN;
		} else {
			if (node == target)
				return WALK_FOUND;
			link = &a->nodes[node].next;
			value = v.next;
		}
		node = (uint32_t)(value & CV_NEXT_INDEX);
	}
	return WALK_ABSENT;
}

static enum walk_end walk_out(struct cv_arena *a, uint64_t hash, uint32_t target)
{
	uint64_t budget = walk_budget(a);
	enum walk_end end;

	do
		end = walk_unlinking(a, hash, target, &budget);
	while (end == WALK_AGAIN && budget-- > 0);
	return end == WALK_AGAIN ? WALK_CORRUPT : end;
}

int cv_table_remove(struct cv_arena *a, uint32_t node)
{
	uint64_t hash = atomic_load_explicit(&a->nodes[node].hash, memory_order_relaxed);
	_Atomic uint64_t *bucket = cv_table_bucket(a, hash);
	uint64_t head = atomic_load_explicit(bucket, memory_order_relaxed); /* the swap compares it */

	/* Alone in its chain, the usual case: nothing is ever linked behind a node, so no mark is needed and the head's
	 * swap is all there is to do. */
	if ((uint32_t)head == node &&
	        (atomic_load_explicit(&a->nodes[node].next, memory_order_relaxed) & (CV_NEXT_MARK | CV_NEXT_INDEX)) ==
	                0 &&
	        atomic_compare_exchange_strong_explicit(bucket, &head, head_after(head, 0), memory_order_release,
	                memory_order_relaxed)) /* release: as in swing() */
		return 0;
	/* release: EVICTING before the mark; whoever sees the mark sees that */
	atomic_fetch_or_explicit(&a->nodes[node].next, CV_NEXT_MARK, memory_order_release);
	return walk_out(a, hash, node) == WALK_ABSENT ? 0 : CV_ECORRUPT;
}

int cv_table_linked(struct cv_arena *a, uint32_t node)
{
	enum walk_end end = walk_out(a, atomic_load_explicit(&a->nodes[node].hash, memory_order_relaxed), node);

	return end == WALK_CORRUPT ? CV_ECORRUPT : end == WALK_FOUND;
}
