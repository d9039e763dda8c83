/*
 * heap.h - blocks of variable size, each owned by one word
 *
 * The heap is an array of 64 KiB chunks.  A chunk is free, or cut into equal blocks (a slab), or part of a run that is
 * one large block.
 *
 *      chunk words   [FREE][SLAB 1 KiB][RUN 3][PART][PART][FREE]...
 *      block words          [0..63]     [0]
 *      heap                 |64 blocks | one large block |
 *
 * Who owns what, at every instant:
 *  - a block's word says FREE, PRIVATE(owner), IDLE (held by the node that its header names) or RETIRED.  It is taken
 *    by a swap on that word, but first the taker says in its seat which chunk it is about to take a block of, and then
 *    looks whether that is a slab still.  Closing a slab is the other half: swap the chunk's word to CLOSING, then look
 *    at what the seats say, then at the blocks; one of these that is not FREE, or a taker, keeps the slab open.  So:
 *  - a block is in use only where its chunk's word says that it may be: the first ones of a slab, as many as its class
 *    has, the one of a run, none of a chunk that is free, and whoever was killed leaves none elsewhere.  Who looks for
 *    what the dead hold reads all words of chunks, but of blocks only those, so it does not matter how much was in use
 *    once, and how large it was.
 *  - a run is assembled from its head: head FREE -> TAKEN(owner), then each following chunk FREE -> PART(head), then
 *    the block's word, then head -> RUN(length).  It is taken apart the other way.  A dead owner's TAKEN head says
 *    all: free the PARTs behind it, then the head.
 *
 * A retired block is freed by whoever finds it unpinned (see seat.h), through the same swap to PRIVATE(self): two who
 * try are told apart, and one who dies half-way is reaped like any owner.
 *
 * A slab whose last block was freed is closed by whoever freed it, unless it is the only such slab of its class: that one
 * stays, so that who takes a block and frees it, again and again, does not open and close a slab each time.  Which one it
 * is, a shared hint tells; of two it is the lower one.
 *
 * Memory behind chunks above the base is committed when they are first taken (an error then, never SIGBUS later) and
 * given back to the system when a run is freed, or a slab closed.  Block words stay, so they are type-stable for ever;
 * they are committed as a chunk is first the head of a run, or a slab.
 *
 * Progress: lock-free.  Hints only choose where a search begins.
 * Sources: size-class slabs after Bonwick, "The Slab Allocator" (1994); hazard pointers after Michael (2004).
 */
#ifndef CV_HEAP_H
#define CV_HEAP_H

#include <stdbool.h>

#include "arena.h"

#define CV_CHUNK_SHIFT 16
#define CV_CHUNK_SIZE (1u << CV_CHUNK_SHIFT)
#define CV_CHUNK_BLOCKS 256u
#define CV_CLASS_MIN_SHIFT 8
#define CV_CHUNK_LIMIT (1u << 20)

/* In front of every block's bytes. */
struct cv_block {
	uint64_t size; /* of the payload */
	uint64_t generation;
	uint32_t node;
	uint32_t request_size; /* the request comes first, padded to 16 bytes, then the payload */
	int32_t code;
	uint32_t tag; /* of the library above: two flags, and who wrote it */
};
static_assert(sizeof(struct cv_block) == 32, "payload stays aligned to 16");

#define CV_POCKET 64u /* a power of two */

/* A node that this thread linked for a new name, and the word that tells that nobody has led it again; see pool.h. */
struct cv_kept {
	uint64_t idle;
	uint32_t node;
};

/* Where this thread searches next.  Private to the thread; any content is right. */
struct cv_hint {
	uint32_t chunk[CV_CLASSES];
	uint32_t block[CV_CLASSES];
	uint32_t fresh, fresh_end, hand, taken; /* of the node pool, as is all below */
	uint32_t pocket_first, pocket_end;      /* counted on for ever; the place is what is left modulo CV_POCKET */
	struct cv_kept pocket[CV_POCKET];
};

/* A block for size bytes behind the header, PRIVATE to seat; 0 when there is no room.  size > 2^40 gives 0. */
uint32_t cv_heap_take(struct cv_arena *a, uint32_t seat, uint64_t size, struct cv_hint *hint);

/* This block has just been freed, or will be soon: have the next search for one of its size begin there. */
void cv_heap_look_at(const struct cv_arena *a, uint32_t ref, struct cv_hint *hint);

/* The header of a block, or NULL if ref cannot be one. */
struct cv_block *cv_heap_at(const struct cv_arena *a, uint32_t ref);

/* The same, and the bytes behind the header that the block has: both as its chunk says at one instant. */
struct cv_block *cv_heap_span(const struct cv_arena *a, uint32_t ref, uint64_t *room);

/* The same, or NULL if it has not room for size bytes. */
struct cv_block *cv_heap_fitting(const struct cv_arena *a, uint32_t ref, uint64_t size);

/* The request, the payload and its size, of a block whose header fits its room; false for a damaged one.  Each number of
 * the header is read once, so what was checked is what is returned. */
bool cv_heap_payload(const struct cv_arena *a, uint32_t ref, const unsigned char **request, const unsigned char **data,
        size_t *size);

/* The block's word, or NULL if ref cannot be a block or its word was never backed. */
_Atomic uint64_t *cv_heap_word(const struct cv_arena *a, uint32_t ref);

/* Free a block that is PRIVATE to seat. */
void cv_heap_free(struct cv_arena *a, uint32_t seat, uint32_t ref);

/* PRIVATE(seat) -> IDLE: from now on the node in the header holds it. */
void cv_heap_hold(struct cv_arena *a, uint32_t ref);

/* PRIVATE(owner), as word says -> PRIVATE(seat): the block is another's of the same process from now on.  Its word then, or
 * 0 if it was not what word says any more. */
uint64_t cv_heap_pass(struct cv_arena *a, uint32_t ref, uint64_t word, uint32_t seat);

/* PRIVATE(owner) or IDLE -> RETIRED, and free it if nobody pins it.  seat is the caller's. */
void cv_heap_retire(struct cv_arena *a, uint32_t seat, uint32_t ref);

/* The same, but only if the block's word is still w: for who let go of it before, when others may have reused it. */
void cv_heap_retire_as(struct cv_arena *a, uint32_t seat, uint32_t ref, uint64_t w);

/* Were this chunk's block words ever backed?  Those that were not must not even be read. */
bool cv_heap_worded(const struct cv_arena *a, uint32_t chunk);

/* Free a block if it is RETIRED and nobody pins it. */
void cv_heap_try_free(struct cv_arena *a, uint32_t seat, uint32_t ref);

/* For the reaper: take over and free what `dead` seats own, then what is retired or orphaned.  seat is the reaper's. */
void cv_heap_reap(struct cv_arena *a, uint32_t seat, bool (*dead)(void *context, uint32_t seat), void *context);

/* For the checker: is this chunk's word one that the words around it bear out?  *owner: who has it TAKEN, or closes it, by
 * its seat; else 0. */
bool cv_heap_chunk_sound(const struct cv_arena *a, uint32_t chunk, uint32_t *owner);

/* Blocks in use, and the bytes of their chunks; for figures and for the checker.  Returns 0 or CV_ECORRUPT. */
int cv_heap_count(const struct cv_arena *a, uint64_t *blocks, uint64_t *bytes);

#endif
