/*
 * table.h - the hash table of groups
 *
 * A bucket is one word; its chain is linked through the nodes' `next` words.
 *
 *      bucket                 node 7                          node 3
 *     +--------+-----+       +-------------+---+-----+       +-------------+---+---+
 *     | tag 32 |  7  |-----> | incarn.  32 | m |  3  |-----> | incarn.  32 | m | 0 |
 *     +--------+-----+       +-------------+---+-----+       +-------------+---+---+
 *
 * Insertion is at the head only, by one compare-and-swap that also advances the tag.  So whoever read the head, walked
 * the chain without finding its name, and swaps that same head, has proved in one step that the name is absent and has
 * put it there: two callers cannot both insert it, and a dead inserter leaves nothing half-way.
 *
 * Ending an execution does not remove the node: it stays, IDLE, and the next execution of the group begins with one
 * swap of its ownership word.  A node is removed only when the pool needs it (pool.h): the owner makes it EVICTING,
 * which no word ever leaves but towards FREE; marks its next word (Harris), so that nobody links or unlinks behind it;
 * and swings the word that points to it.  Any walk for removal unlinks the marked nodes that it meets.
 *
  * Nodes are type-stable and may be reused under a reader.  A reader therefore takes each node as a snapshot: next,
 * ownership word, contents, next again; then it looks again at the link that led to it, which cannot come back to an old
 * value once it has changed, because nothing is ever linked behind a node.  An incarnation or a link that changed, a node
 * that is not in the table, or one of another bucket, sends it back to the start.  Without the look at the link, a node
 * that was taken out and is just being filled anew, for another name or for this one, would pass for a member of the chain.
 * "Absent" is concluded only if the head is still the one it began with.
 *
 * Guarantees
 *  A. At most one node of a name is in the table and not EVICTING.
 *  B. find is linearizable: present at the last read of the ownership word, absent at the last read of the head.
 *  C. find, insert and remove are lock-free; a stopped or dead process holds none of them back.
 *  D. Every index is checked and every walk is capped: a scribbled table gives CV_ECORRUPT.
 * Bound: A needs that a tag does not come round between a reader's two looks at one head: 2^32 changes of one bucket,
 * with the same node back at its head, while one process is stopped inside find or insert.
 *
 * Sources: Harris, "A pragmatic implementation of non-blocking linked-lists" (2001); Michael, "High performance dynamic
 * lock-free hash tables and list-based sets" (2002) for the tags.
 */
#ifndef CV_TABLE_H
#define CV_TABLE_H

#include <stdbool.h>
#include <string.h>

#include "arena.h"

#define CV_NEXT_MARK (UINT64_C(1) << 31)
#define CV_NEXT_INDEX UINT64_C(0x7fffffff)

static inline uint32_t cv_next_incarnation(uint64_t next)
{
	return (uint32_t)(next >> 32);
}

struct cv_key {
	const unsigned char *name;
	uint32_t size;
	uint64_t hash;
};

/* What find saw: of a present group its node, of an absent one the head that proves it. */
struct cv_spot {
	uint32_t node;
	uint32_t incarnation;
	uint64_t own;
	uint64_t head;
};

static inline _Atomic uint64_t *cv_table_bucket(const struct cv_arena *a, uint64_t hash)
{
	return &a->buckets[hash & a->bucket_mask];
}

/* The incarnation is still the one of `next`: what was read since belongs to it. */
static inline bool cv_same_incarnation(const struct cv_node *n, uint64_t next)
{
	/* the fence keeps the loads of the contents above the second look; its partner is the release fence in the
	 * pool, between the new incarnation and the new contents */
	atomic_thread_fence(memory_order_acquire);
	return cv_next_incarnation(atomic_load_explicit(&n->next, memory_order_relaxed)) == cv_next_incarnation(next);
}

/* Where a node has this word of a name of at most CV_NAME_INLINE bytes. */
static inline _Atomic uint64_t *cv_name_word(const struct cv_arena *a, uint32_t node, uint32_t word)
{
	return word < CV_NAME_NEAR / 8 ? &a->nodes[node].name[word] : &a->tails[node].name[word - CV_NAME_NEAR / 8];
}

/* The next for names of any of its lengths.  Not inlined: it would keep the words of the next in memory. */
bool cv_far_name_equal(const struct cv_arena *a, uint32_t node, const struct cv_key *key);

static inline bool cv_name_word_equal(const struct cv_node *n, const struct cv_key *key, uint32_t word)
{
	uint64_t w;

	memcpy(&w, key->name + (size_t)word * 8, 8);
	return atomic_load_explicit(&n->name[word], memory_order_relaxed) == w;
}

/* Does the node hold this name, of at most CV_NAME_INLINE bytes?  relaxed loads: the bytes count only if the incarnation
 * is the same afterwards. */
static inline __attribute__((always_inline)) bool cv_short_name_equal(
        const struct cv_arena *a, uint32_t node, const struct cv_key *key)
{
	const struct cv_node *n = &a->nodes[node];

	if (cv_unlikely(key->size % 8 != 0 || key->size > CV_NAME_NEAR))
		return cv_far_name_equal(a, node, key);
	return (key->size < 24 || cv_name_word_equal(n, key, 2)) && (key->size < 16 || cv_name_word_equal(n, key, 1)) &&
	       cv_name_word_equal(n, key, 0);
}
static_assert(CV_NAME_NEAR == 24, "three words");

/* The whole of the next, for any chain. */
int cv_table_find_in_chain(struct cv_arena *a, uint32_t seat, const struct cv_key *key, struct cv_spot *spot);

/* Where the chain of this name begins; the node is 0 when the bucket is empty, and so the name absent. */
static inline uint64_t cv_table_head(const struct cv_arena *a, const struct cv_key *key)
{
	return atomic_load_explicit(
	        cv_table_bucket(a, key->hash), memory_order_acquire); /* with the swap in cv_table_insert() */
}

/* Is the first node of the chain the one?  Most often it is.  False: not, or not to be decided so simply. */
static inline __attribute__((always_inline)) bool cv_table_find_first(
        struct cv_arena *a, const struct cv_key *key, struct cv_spot *spot)
{
	uint32_t node = (uint32_t)spot->head;
	struct cv_node *n = &a->nodes[node];
	uint64_t next, own;

	if (cv_unlikely(node > a->node_count || key->size > CV_NAME_INLINE))
		return false;
	/* relaxed: the head was acquired, and the fence below stands before what is concluded */
	next = atomic_load_explicit(&n->next, memory_order_relaxed);
	own = atomic_load_explicit(&n->own, memory_order_relaxed);
	if (atomic_load_explicit(&n->hash, memory_order_relaxed) != key->hash ||
	        atomic_load_explicit(&n->size, memory_order_relaxed) != key->size || !cv_short_name_equal(a, node, key))
		return false;
	if (cv_unlikely(cv_word_state(own) < CV_IDLE || cv_word_state(own) > CV_PUBLISHED))
		return false;
	/* It was the head for as long as it was read: so it was linked, and of one incarnation. */
	atomic_thread_fence(memory_order_acquire);
	if (cv_unlikely(atomic_load_explicit(cv_table_bucket(a, key->hash), memory_order_relaxed) != spot->head))
		return false;
	spot->node = node;
	spot->incarnation = cv_next_incarnation(next);
	spot->own = own;
	return true;
}

/* Is it the first node of its chain, and led by nobody?  Then a swap of its ownership word from spot->own leads it, and only
 * that swap proves it: a node that is idle is in the table, and a word that was read once does not come back, so all that was
 * read after it was the group's.  False: not, or not to be decided so simply; spot->head is what proves an absent group. */
static inline __attribute__((always_inline)) bool cv_table_find_idle(
        struct cv_arena *a, const struct cv_key *key, struct cv_spot *spot)
{
	uint64_t head = cv_table_head(a, key), own;
	uint32_t node = (uint32_t)head;
	struct cv_node *n = &a->nodes[node];

	spot->head = head;
	if (node == 0 || cv_unlikely(node > a->node_count || key->size > CV_NAME_INLINE))
		return false;
	own = atomic_load_explicit(&n->own, memory_order_acquire); /* with the store that published its contents */
	if (cv_word_state(own) != CV_IDLE || atomic_load_explicit(&n->hash, memory_order_relaxed) != key->hash ||
	        atomic_load_explicit(&n->size, memory_order_relaxed) != key->size || !cv_short_name_equal(a, node, key))
		return false;
	spot->node = node;
	spot->incarnation = cv_next_incarnation(atomic_load_explicit(&n->next, memory_order_relaxed));
	spot->own = own;
	return true;
}

/* Look a group up.  1 present, 0 absent, CV_ECORRUPT.  seat pins the block of a long name while it is read; 0: none,
 * for a reader without a seat, who may then read bytes that are being reused, and compares them in vain. */
static inline int cv_table_find(struct cv_arena *a, uint32_t seat, const struct cv_key *key, struct cv_spot *spot)
{
	spot->head = cv_table_head(a, key);
	if ((uint32_t)spot->head == 0)
		return 0;
	if (cv_likely(cv_table_find_first(a, key, spot)))
		return 1;
	return cv_table_find_in_chain(a, seat, key, spot);
}

/* Link a filled node at the head that spot->head describes.  False: the head has changed, look again. */
bool cv_table_insert(struct cv_arena *a, uint32_t node, const struct cv_key *key, const struct cv_spot *spot);

/* Take an EVICTING node out of its chain.  0, or CV_ECORRUPT. */
int cv_table_remove(struct cv_arena *a, uint32_t node);

/* Is this node linked in the chain of its hash?  1, 0, CV_ECORRUPT.  Exact if its owner can no longer insert it. */
int cv_table_linked(struct cv_arena *a, uint32_t node);

/* Copy a node's name out (at most CV_NAME_MAX of the public header).  Its size, or 0 if the node changed meanwhile. */
uint32_t cv_table_name(struct cv_arena *a, uint32_t seat, uint32_t node, unsigned char *to, uint32_t room);

#endif
