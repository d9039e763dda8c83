/*
 * layout.h - the segment's ABI
 *
 *      0        +--------------------------------------------+
 *               | header: who made it, how large, which key  |  one page, read-mostly
 *               | globals: hints and the generation floor    |
 *      page 1   +--------------------------------------------+
 *               | watch words, in one line                   |  one page, which a monitor that may only read the
 *      page 2   +--------------------------------------------+  rest maps by itself
 *               | participants    256 B each                 |  life words, pid, command
 *               +--------------------------------------------+
 *               | rings             2 KiB a participant      |  what happened: see event.h
 *               +--------------------------------------------+
 *               | seats           320 B each                 |  threads' first, then the keepers'
 *               +--------------------------------------------+
 *               | nodes            64 B each                 |  the groups
 *               +--------------------------------------------+
 *               | tails            64 B each                 |  the rest of each node
 *               +--------------------------------------------+
 *               | buckets           8 B each, 2^k >= 8 nodes |
 *               +--------------------------------------------+
 *               | chunk words       8 B each                 |
 *               +--------------------------------------------+  all above is backed by memory from the start
 *               | block words       2 KiB a chunk            |  backed for the chunks in use
 *               +--------------------------------------------+
 *               | heap             64 KiB a chunk            |  backed for the chunks in use
 *      size     +--------------------------------------------+
 *
 * The file has its final size from the start, so every process maps all of it once and no pointer ever moves; the heap's
 * memory is taken from the system chunk by chunk, each by an explicit allocation that can fail.  Offsets are not stored:
 * they follow from the counts, and the counts are checked when a process attaches.
 *
 * Three things never change, whatever the version, so that each knows the others' regions and whether anybody uses them: the
 * magic at offset 0, the ABI's number at offset 8, and where the slots' locks begin and how many there may be.
 */
#ifndef COVEY_LAYOUT_H
#define COVEY_LAYOUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "arena.h"
#include "heap.h"

#define COVEY_MAGIC UINT64_C(0x7965766f63008aff) /* bytes that no text begins with, then "covey" */
#define COVEY_ABI 5u
#define COVEY_PAGE 4096u
#define COVEY_LOCK_BASE                                                                                                \
	((off_t)1 << 60) /* where the slots' locks begin: far beyond any file's end, locks need no bytes */
#define COVEY_PARTICIPANTS_LIMIT 4096u
#define COVEY_GROUPS_LIMIT (1u << 27)

struct covey_counts {
	uint32_t participants;
	uint32_t threads;
	uint32_t groups;
	uint32_t chunks;      /* the heap's limit */
	uint32_t chunks_base; /* backed at creation */
	uint32_t buckets;
};

/* Which file a region was made in, and in which boot of the machine; see boot.c. */
struct covey_origin {
	unsigned char boot[16]; /* 0: not known */
	uint64_t device, inode;
	uint64_t born; /* nanoseconds since the epoch; 0: not known */
};

struct covey_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t fingerprint; /* of the structs' sizes and offsets, as the creator's compiler laid them out */
	uint64_t size;
	uint64_t key; /* of the hash */
	struct covey_counts counts;
	struct covey_origin origin;
	uint64_t created;         /* seconds since the epoch */
	uint64_t seal;            /* of all above: nothing of it ever changes */
	_Atomic uint32_t unnamed; /* not 0: the region's name was removed, once and for all; see named.c */
	_Alignas(CV_LINE) struct cv_globals globals;
};
static_assert(sizeof(struct covey_header) <= COVEY_PAGE, "the header is one page");
static_assert(offsetof(struct covey_header, counts) == 32, "ABI");
static_assert(offsetof(struct covey_header, magic) == 0 && offsetof(struct covey_header, abi) == 8, "for ever");

enum covey_slot_state { COVEY_SLOT_FREE = 0, COVEY_SLOT_TAKEN = 1 };

/*
  * A participant.  The life words hold TID | FUTEX_WAITERS of its keeper while it lives; the kernel replaces that by
 * FUTEX_OWNER_DIED when the keeper ends in any way, and wakes one sleeper on each word.  Waiters sleep on the first two,
 * each on one; other keepers on the third; monitors on the fourth.
 */
struct covey_slot {
	_Atomic uint32_t
	        life[13];       /* words 0, 4, 8 and 12 are used: 16 bytes apart, as their robust-list nodes must be */
	_Atomic uint32_t state; /* enum covey_slot_state; written only by the holder of the slot's file lock */
	_Atomic int32_t pid;
	_Atomic uint32_t epoch; /* grows with every owner of the slot */
	_Atomic uint64_t since;
	_Atomic uint32_t hosting; /* not 0: a host serves groups that are led here, and hears of requests by work */
	_Atomic uint32_t bell;    /* futex: rung to have the keeper look again */
	_Atomic uint64_t command[2];
	_Alignas(CV_LINE) _Atomic uint32_t work; /* futex: rung when a request was posted to a group led here */
	_Atomic uint32_t idle;                   /* not 0: so many of the host's threads may sleep on work */
	unsigned char reserve[56];
	_Alignas(CV_LINE) _Atomic uint64_t identity; /* of the process: see identity.c; 0: none */
	_Atomic uint32_t twins;                      /* not 0: the process has, or had, another slot here */
	unsigned char reserve_too[52];
};
static_assert(sizeof(struct covey_slot) == 256, "ABI");
#define COVEY_LIFE_WORDS 4
#define COVEY_LIFE_OF_KEEPERS 2
#define COVEY_LIFE_OF_MONITORS 3
#define COVEY_LIFE_STRIDE 4

/* Words that one processor's stores to do not slow another's to the next of these. */
struct covey_line {
	_Alignas(CV_LINE) _Atomic uint64_t word[CV_LINE / 8];
};
static_assert(sizeof(struct covey_line) == CV_LINE, "ABI");

/*
 * A participant's history, which outlives it.  Lanes keep threads from writing to each other's lines; each is a line with
 * its head, that is how many events were ever written to it, and then its entries, two to a line.
 *
 *      line  0        1      2 ... 17        18     19 ... 26       27     28 ... 31
 *      +----------+------+--------------+------+-------------+------+-------------+
 *      |  owner   | head |  32 entries  | head | 16 entries  | head |  8 entries  |
 *      +----------+------+--------------+------+-------------+------+-------------+
 *                  first thread's lane    second thread's      all further threads'
 */
struct covey_ring {
	_Alignas(CV_LINE) _Atomic uint64_t owner; /* epoch 32, being taken 1, unused 18, slot + 1: 13; 0: never owned */
	_Atomic uint64_t since;
	_Atomic uint64_t command[2];
	_Atomic int32_t pid;
	struct covey_line lines[31];
};
static_assert(sizeof(struct covey_ring) == 2048, "ABI");
#define COVEY_LANES 3
#define COVEY_LANE_ENTRIES(lane) (32u >> (lane))
#define COVEY_LANE_LINE(lane) ((lane) == 0 ? 0u : (lane) == 1 ? 17u : 26u) /* where it begins in lines[] */
#define COVEY_ENTRY_WORDS 4
static_assert(COVEY_LANE_LINE(2) + 1 + COVEY_LANE_ENTRIES(2) * COVEY_ENTRY_WORDS * 8 / CV_LINE == 31, "all of it");

struct covey_layout {
	uint64_t watch, slots, rings, seats, nodes, tails, buckets, chunks, blocks, heap, size;
};

/* Where everything is for these counts; false if they are outside their limits. */
bool covey_layout_of(const struct covey_counts *counts, struct covey_layout *out);

/* The seal of a header as it stands. */
uint64_t covey_seal(const struct covey_header *header);

/* A number that changes when the layout of any shared struct does. */
uint32_t covey_fingerprint(void);

#endif
