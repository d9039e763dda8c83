/*
 * arena.h - the memory that the algorithms work on, and a process's view of it
 *
 * Everything in the segment is reached by index from a section's start; the segment holds no pointer and no size_t.
 * Index 0 is "none" in every section.  An index that came out of the segment is checked against the section's count
 * before it is used; the counts are the view's own copies, taken and checked once at attach, so that no later scribble
 * in the segment can move them.
 *
 *      node (64 bytes)                                 seat (320 bytes)
 *     +------+------+------+-------+ 0                +------+-----+--------+------+ 0
 *     | own  | next | hash | since |                  | word | key | ticket | size |
 *     +------+------+------+-------+ 32               +------+-----+--------+------+
 *     | size, long | name 0..23    |                  | mode, block | request 0..31|
 *     +------------+---------------+ 64               +-------------+--------------+ 64
 *                                                     | request 32..87, taken      |
 *      node's tail (64 bytes)                         +----------------------------+ 128
 *     +----------------------------+ 0                | given, owner, pins, loans  |
 *     | name 24..63                |                  +----------------------------+ 192
 *     +---------+------+-----------+ 40               | statistics of this seat    |
 *     | outcome | bell | receive.. |                  +----------------------------+ 256
 *     +---------+------+-----------+ 64               | outbox: an answer to one   |
 *                                                     +----------------------------+ 320
 *
 * A 24-byte name, the common digest prefix or cache key, is compared within the line that holds the ownership word.
 * What waiters write (bell, tickets) is in the node's tail.  Nodes and tails are two arrays: what is looked up again and
 * again are nodes only, and side by side they use all sets of a cache; with their tails between them they used each second.
 *
 * What a waiter and its leader say to each other, if it is short, moves two lines: the seat's first, with the word and
 * the request, and the first of the leader's outbox.  What only one of the two writes lies on other lines.
 */
#ifndef CV_ARENA_H
#define CV_ARENA_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cacheline.h"
#include "word.h"

#define CV_ECORRUPT (-3) /* as in the public header; core includes nothing of shm */
#define CV_EFULL (-2)

#define CV_NAME_INLINE 64
#define CV_NAME_NEAR 24
#define CV_REQUEST_INLINE 88
#define CV_OUTBOX_BYTES 48
#define CV_LOANS 4
#define CV_PINS 2
#define CV_STATS 8
#define CV_CLASSES 8     /* of blocks in slabs: 256 B to 32 KiB */
#define CV_WATCH_WORDS 9 /* a power of two, and one */

struct cv_node {
	_Atomic uint64_t own;
	_Atomic uint64_t next; /* incarnation 32, mark 1, index 31 */
	_Atomic uint64_t hash;
	_Atomic uint64_t since;
	_Atomic uint32_t size;
	_Atomic uint32_t long_name;              /* block with the name when it is over CV_NAME_INLINE bytes */
	_Atomic uint64_t name[CV_NAME_NEAR / 8]; /* as much as goes in here; see cv_name_word() */
};
static_assert(sizeof(struct cv_node) == CV_LINE, "a node is one line");
static_assert(offsetof(struct cv_node, name) + CV_NAME_NEAR == CV_LINE, "24 bytes of name lie in it");

/* The rest of the node with the same index. */
struct cv_tail {
	_Atomic uint64_t name[(CV_NAME_INLINE - CV_NAME_NEAR) / 8];
	_Atomic uint64_t outcome;      /* generation 36 (low bits), block 28, or a number below 256; by swaps only */
	_Atomic uint32_t bell;         /* futex: rung when all waiters are to look again */
	_Atomic uint32_t request_bell; /* futex: rung when a request was posted */
	_Atomic uint32_t tickets;      /* the order of requests */
	_Atomic uint32_t receivers;    /* not 0: so many of the leader's threads may sleep on request_bell, or were
	                                * killed there: then each request costs one wake in vain */
};
static_assert(sizeof(struct cv_tail) == CV_LINE, "a tail is one line");

/* A short answer on its way from the seat of whoever gives it to one waiter; see outbox.h. */
struct cv_outbox {
	_Atomic uint64_t generation;
	_Atomic uint32_t code;
	_Atomic uint32_t tag; /* as a block's */
	_Atomic uint64_t bytes[CV_OUTBOX_BYTES / 8];
};
static_assert(sizeof(struct cv_outbox) == CV_LINE, "an outbox is one line");

struct cv_seat {
	_Atomic uint64_t word; /* see seat.h; its low half is the futex that its thread sleeps on */
	_Atomic uint64_t key;  /* the group awaited: cv_key_of() its node */
	_Atomic uint32_t ticket;
	_Atomic uint32_t request_size;
	_Atomic uint32_t mode;          /* enum cv_park_mode of the thread */
	_Atomic uint32_t request_block; /* the request's bytes when over CV_REQUEST_INLINE */
	_Atomic uint64_t request[CV_REQUEST_INLINE / 8];
	_Atomic uint64_t taken;           /* the last OUTBOX word whose answer this seat's thread has copied */
	_Atomic uint64_t given;           /* the word of the wait whose request its leader was given already */
	_Atomic uint64_t since;           /* when the wait began; for people */
	_Atomic uint32_t owner;           /* 0 free, else participant slot + 1 */
	_Atomic uint32_t pins[CV_PINS];   /* hazards: blocks that this thread reads without owning them */
	_Atomic uint32_t loans[CV_LOANS]; /* blocks lent to callers */
	_Atomic uint32_t thread;          /* its number in the kernel; for people */
	/* The node that its thread is forwarding, 0: none; to which participant; and the low half of the generation. */
	_Atomic uint32_t forwards, forwards_to, forwards_as;
	_Atomic uint32_t takes;           /* the chunk, + 1, of which its thread is about to take a block; see heap.h */
	_Atomic uint64_t stats[CV_STATS]; /* written by this seat's thread only */
	struct cv_outbox outbox;          /* the same */
};
static_assert(sizeof(struct cv_seat) == 5 * CV_LINE, "a seat is five lines");
static_assert(offsetof(struct cv_seat, request) == 32, "32 bytes of request lie on the line of the word");
static_assert(offsetof(struct cv_seat, given) == 2 * CV_LINE, "what the leader notes lies on a line of its own");
static_assert(offsetof(struct cv_seat, outbox) == 4 * CV_LINE, "an outbox is one line");

/* Shared hints and the one global that correctness needs (gen_floor); each on a line of its own. */
struct cv_globals {
	_Alignas(CV_LINE) _Atomic uint64_t gen_floor; /* no generation of an evicted group is above it */
	_Alignas(CV_LINE) _Atomic uint32_t
	        node_fresh; /* nodes handed out for the first time; no node above was ever used */
	_Alignas(CV_LINE) _Atomic uint32_t seat_high;         /* highest seat ever taken: where scans may stop */
	_Alignas(CV_LINE) _Atomic uint32_t slot_high;         /* highest participant slot ever taken + 1 */
	_Alignas(CV_LINE) _Atomic uint32_t chunk_high;        /* highest chunk ever taken + 1 */
	_Alignas(CV_LINE) _Atomic uint32_t spare[CV_CLASSES]; /* a slab of each class that is kept open, + 1; hints */
	_Alignas(CV_LINE) _Atomic uint32_t ring_next; /* where the next participant begins to look for a history */
};

/* Makes the memory of so many chunks from one on usable, and of their block words the first one's; or gives the chunks' back. */
struct cv_backing {
	int (*commit)(void *context, uint32_t chunk, uint32_t count);
	void (*release)(void *context, uint32_t chunk, uint32_t count);
	void *context;
};

/* One process's view of the segment. */
struct cv_arena {
	struct cv_node *nodes; /* nodes[1 .. node_count] */
	struct cv_tail *tails; /* the same */
	_Atomic uint64_t *buckets;
	struct cv_seat *seats;    /* seats[1 .. seat_count] for threads, then one for each participant's keeper */
	_Atomic uint64_t *chunks; /* one word a chunk */
	_Atomic uint64_t *blocks; /* CV_CHUNK_BLOCKS words a chunk */
	unsigned char *heap;
	struct cv_globals *globals;
	_Atomic uint32_t *watch; /* CV_WATCH_WORDS of them, in a line of their own: see watch.h */
	uint64_t key;            /* of the hash */
	uint32_t node_count;
	uint32_t bucket_mask;
	uint32_t seat_count;   /* threads' seats */
	uint32_t keeper_count; /* keepers' seats: seat_count + 1 + slot.  They pin, but never wait nor borrow */
	uint32_t chunk_count;
	uint32_t chunk_base; /* chunks below are never given back */
	struct cv_backing backing;
};

#endif
