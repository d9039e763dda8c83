/*
 * pool.h - nodes: where a new group gets its node from
 *
 * In this order: a node that was never used; one out of the thread's pocket; a free one, or the idle node of a group that
 * nobody leads, which is evicted from the table: a clock hand private to the thread finds either.  FULL is said only after
 * a look at every node, so a region made for 64 groups leads 64.
 *
 * The pocket.  Most new names are used once.  A thread remembers the last CV_POCKET nodes that it linked for names that
 * were not there, each with the word that its first execution leaves, IDLE g.  The oldest is taken when a new name needs a
 * node, if it still has that word: then nobody has led it since, it is in this processor's cache, and so is its bucket.  A
 * name that was led again keeps its node, and one in so many takes is by the clock all the same, whereupon the oldest in
 * the pocket stays: so names that come back find their way into a full table.  (The idea of 2Q, with chance in place of
 * its second queue: Johnson and Shasha, 1994.)
 *      The pocket is private memory, and only says where to look: a node in it is idle in the table as any other, led by
 * whoever asks for its group and evicted by whoever needs it.  What is taken is taken by the same swap as by the clock,
 * from the very word that is remembered, which does not come back once it has changed.  So who dies with a pocket takes
 * nothing along, and who forgets it loses only time.
 *
 * Blocks.  Names over CV_NAME_INLINE bytes lie in the heap, and stay there while nobody leads their groups, for they are
 * found the sooner.  They are the first to go: FULL is said of a block only after each of them has gone, be it wanted for
 * another name, a request or a result.  The hand goes once round for that at the most, and what it takes is tried after
 * one, two, four and so on, up to NAMES_AT_ONCE: of names alike the first makes room, a large block takes many.
 *
 * Generations go on across eviction: the evictor raises the region's floor to the evicted group's generation before
 * the node leaves the table, and every new node starts above the floor as it is after its name was found absent; so the
 * fencing tokens of one name never repeat.  All that a pocket holds was started under about the same floor, so that moves
 * once in about CV_POCKET evictions, by the clock once a round, and is no meeting point.
 *
 * Life of a node, and what a reaper makes of its owner's death in each state:
 *
 *      FREE -> PRIVATE -> LEADING -> (PUBLISHED) -> IDLE -> EVICTING -> PRIVATE ...
 *               freed     linked: orphaned,   finished        taken out,
 *                         else freed                          freed
 *
 * Progress: lock-free.
 */
#ifndef CV_POOL_H
#define CV_POOL_H

#include "heap.h"
#include "table.h"

/* A node PRIVATE to seat, its generation above that of any earlier execution; 0 when every node is led. */
uint32_t cv_pool_take(struct cv_arena *a, uint32_t seat, struct cv_hint *hint);

/* Write a group's name into a PRIVATE node.  0, or CV_EFULL when there is no block for a long name. */
int cv_pool_fill(struct cv_arena *a, uint32_t seat, uint32_t node, const struct cv_key *key, struct cv_hint *hint);

/* Make a filled node LEADING, ready to be inserted, with a generation above that of any execution that has ended.  To be
 * called after each lookup that found the name absent, also when an insertion failed.  Gives the generation. */
uint64_t cv_pool_refresh(struct cv_arena *a, uint32_t seat, uint32_t node);

/* A block, as cv_heap_take() gives it; where there is none, long names of groups that nobody leads are evicted for it. */
uint32_t cv_pool_block(struct cv_arena *a, uint32_t seat, uint64_t size, struct cv_hint *hint);

/* Free a node that is PRIVATE to seat, or was filled by it and never inserted. */
void cv_pool_free(struct cv_arena *a, uint32_t seat, uint32_t node);

/* Finish the eviction of an EVICTING node that belongs to seat: it is PRIVATE to seat afterwards.  0 or CV_ECORRUPT. */
int cv_pool_evict(struct cv_arena *a, uint32_t seat, uint32_t node);

/* Make an orphaned group (LEADING by seat 0, as own says) idle if nobody waits for it any more.  True if it did. */
bool cv_pool_settle(struct cv_arena *a, uint32_t node, uint64_t own);

/* The thread has linked a node for a new name, LEADING with this generation: into the pocket with it. */
void cv_pool_keep(struct cv_hint *hint, uint32_t node, uint64_t gen);

/* How far scans of the nodes must go. */
uint32_t cv_pool_high(const struct cv_arena *a);

#endif
