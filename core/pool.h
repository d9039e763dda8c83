/*
 * pool.h - nodes: where a new group gets its node from
 *
 * In this order: a node that was never used; a free one; the idle node of a group that nobody leads, which is evicted
 * from the table.  A clock hand private to the thread finds the latter two.  FULL is said only after a look at every
 * node, so a region made for 64 groups leads 64.
 *
 * Generations go on across eviction: the evictor raises the region's floor to the evicted group's generation before
 * the node leaves the table, and every new node starts above the floor as it is after its name was found absent; so the fencing tokens of one name never
 * repeat.  The floor moves once in about as many evictions as there are nodes, so it is no meeting point.
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

/* Free a node that is PRIVATE to seat, or was filled by it and never inserted. */
void cv_pool_free(struct cv_arena *a, uint32_t seat, uint32_t node);

/* Finish the eviction of an EVICTING node that belongs to seat: it is PRIVATE to seat afterwards.  0 or CV_ECORRUPT. */
int cv_pool_evict(struct cv_arena *a, uint32_t seat, uint32_t node);

/* Make an orphaned group (LEADING by seat 0, as own says) idle if nobody waits for it any more.  True if it did. */
bool cv_pool_settle(struct cv_arena *a, uint32_t node, uint64_t own);

/* How far scans of the nodes must go. */
uint32_t cv_pool_high(const struct cv_arena *a);

#endif
