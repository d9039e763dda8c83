/*
 * event.h - the event recorder: what each participant did last, kept for whoever asks after its death
 *
 * Each participant has a ring in the segment, drawn in layout.h.  Recording is some stores to a line that nobody else
 * writes: no system call, no lock, nothing allocated, nothing that another participant could wait for.  What is read of
 * the rings is for people, and no other part of the library relies on it.
 *
 *      63                          18 17     0
 *     +------------------------------------------+
 *     | time, nanoseconds                        |
 *     +------------------------------------------+
 *     | hash of the group's name                 |
 *     +------------------------------+-----------+
 *     | generation                46 | what   18 |
 *     +---------------+--------------+-+---------+
 *     | node       28 | peer pid    22 | chk  14 |
 *     +---------------+----------------+---------+
 *
 * What happened: the kind in 5 bits; and of an execution that was resolved, how, in the 13 above: whether it was the
 * leader's own error, and the application's code as far as 12 bits have it, by which people tell a failure from a
 * success.
 *
 * An entry is four words, so one can be met that is half an old one and half a new one: its writer is at it, was
 * killed there, or met with another on the same place of the shared lane.  The check is over all of the entry, its
 * place in the lane's history and its ring's owner; a reader drops what fails it.  So it also drops what was
 * overwritten while it looked, and what the last threads of a dying process write to a ring that has a new owner
 * already.
 *
 * A ring is not bound to a slot: the lowest free slot is reused at once, and a dead one's history would go with it.  A
 * newcomer begins to look where the last one stopped, and takes the first ring whose owner is dead.  There are as many
 * rings as slots and each of the living has one, so there is one to be had.
 */
#ifndef COVEY_EVENT_H
#define COVEY_EVENT_H

#include <time.h>

#include "internal.h"
#include "probe.h"

#define COVEY_EVENT_KIND_BITS 5
#define COVEY_EVENT_CODE_BITS 12
#define COVEY_EVENT_CODE_SHIFT (COVEY_EVENT_KIND_BITS + 1) /* above the bit that tells an error */
#define COVEY_EVENT_WHAT_BITS (COVEY_EVENT_CODE_SHIFT + COVEY_EVENT_CODE_BITS)
#define COVEY_EVENT_CHECK_BITS 14
#define COVEY_EVENT_PEER_BITS 22 /* as many as Linux has pids */
#define COVEY_EVENT_NODE_SHIFT (COVEY_EVENT_CHECK_BITS + COVEY_EVENT_PEER_BITS)
#define COVEY_EVENT_PEER_MASK ((UINT64_C(1) << COVEY_EVENT_PEER_BITS) - 1)
#define COVEY_EVENT_CHECK_MASK ((UINT64_C(1) << COVEY_EVENT_CHECK_BITS) - 1)

static_assert(COVEY_EVENTS <= 1 << COVEY_EVENT_KIND_BITS, "each kind has its number");

static inline enum covey_event_kind covey_event_kind_of(unsigned what)
{
	return (enum covey_event_kind)(what & ((1u << COVEY_EVENT_KIND_BITS) - 1));
}

/* The check of an entry, whose last word lacks it: a sum of products, of which the top bits depend on every bit.  salt:
 * its place in the lane's history, and the owner of the ring. */
static inline uint64_t covey_event_check(uint64_t time, uint64_t hash, uint64_t what, uint64_t who, uint64_t salt)
{
	uint64_t sum = (hash ^ salt) * UINT64_C(0xc2b2ae3d27d4eb4f) + what * UINT64_C(0x165667b19e3779f9) +
	               who * UINT64_C(0xd6e8feb86659fd93) + time * UINT64_C(0x9e3779b97f4a7c15);

	return sum >> (64 - COVEY_EVENT_CHECK_BITS);
}

extern int (*covey_clock)(
        clockid_t clock, struct timespec *out); /* the machine's clock_gettime(), or faster: see time.c */
void covey_clock_find(void);

/* How much this process's CLOCK_MONOTONIC is ahead of the machine's; the same for all its threads.  Times in the
 * segment are by the machine's, deadlines and what callers are shown by their own; see time.c. */
extern int64_t shm_clock_ahead;
void shm_clock_compare(void); /* find it out anew: at each attaching, and in the child of a fork */

/* A time that the segment holds, by the caller's own clock. */
static inline int64_t shm_own_time(uint64_t time)
{
	return (int64_t)(time + (uint64_t)shm_clock_ahead);
}

/* When something happened, for the segment. */
static inline int64_t shm_now(void)
{
	return cv_kernel.now() - shm_clock_ahead;
}

/* The same on the paths that must be fastest: by the kernel's tick. */
static inline int64_t covey_coarse_now(void)
{
	struct timespec t;

	covey_clock(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The hash that names a node's group in the history; to be read before the node is let go of. */
static inline uint64_t covey_event_hash(const covey *c, uint32_t node)
{
	return atomic_load_explicit(&c->arena.nodes[node].hash, memory_order_relaxed); /* for people */
}

#define COVEY_EVENT_CODE_MAX ((1 << (COVEY_EVENT_CODE_BITS - 1)) - 1)

/* What happens when an execution ends with this answer. */
static inline unsigned covey_event_resolved(const struct covey_reply *reply)
{
	int32_t code = reply->code;
	unsigned error = reply->error != 0;

	code = code > COVEY_EVENT_CODE_MAX ? COVEY_EVENT_CODE_MAX : code;
	code = code < -COVEY_EVENT_CODE_MAX - 1 ? -COVEY_EVENT_CODE_MAX - 1 : code;
	return (unsigned)COVEY_EVENT_RESOLVED | error << COVEY_EVENT_KIND_BITS |
	       ((uint32_t)code & ((1u << COVEY_EVENT_CODE_BITS) - 1)) << COVEY_EVENT_CODE_SHIFT;
}

/* The one place that writes to a ring.  All relaxed: a reader believes the check, and no order.  Inlined, and from
 * registers: on the fastest path each store counts.  what: a
 * kind, or covey_event_resolved(); kind: the kind in it, apart, that the compiler knows it. */
static inline __attribute__((always_inline)) void covey_event_write_as(const struct covey_lane *lane, int64_t time,
        enum covey_event_kind kind, unsigned what, uint32_t node, uint64_t hash, uint64_t generation, pid_t peer)
{
	_Atomic uint64_t *entry, *head = lane->words;
	uint64_t event = generation << COVEY_EVENT_WHAT_BITS | what;
	uint64_t who = (uint64_t)node << COVEY_EVENT_NODE_SHIFT | ((uint64_t)peer & COVEY_EVENT_PEER_MASK)
	                                                                  << COVEY_EVENT_CHECK_BITS;
	uint64_t place;

	if (cv_unlikely(head == NULL))
		return;
	if (cv_likely(lane->number != COVEY_LANES - 1)) {
		place = atomic_load_explicit(head, memory_order_relaxed);
		atomic_store_explicit(head, place + 1, memory_order_relaxed);
	} else {
		place = atomic_fetch_add_explicit(head, 1, memory_order_relaxed);
	}
	entry = head + CV_LINE / 8 + (place & lane->mask) * COVEY_ENTRY_WORDS;
	atomic_store_explicit(&entry[0], (uint64_t)time, memory_order_relaxed);
	atomic_store_explicit(&entry[1], hash, memory_order_relaxed);
	atomic_store_explicit(&entry[2], event, memory_order_relaxed);
	covey_probe_event(kind, hash, generation, peer);
	who |= covey_event_check((uint64_t)time, hash, event, who, place ^ lane->stamp);
	atomic_store_explicit(&entry[3], who, memory_order_relaxed);
}

static inline __attribute__((always_inline)) void covey_event_write(const struct covey_lane *lane, int64_t time,
        enum covey_event_kind kind, uint32_t node, uint64_t hash, uint64_t generation, pid_t peer)
{
	covey_event_write_as(lane, time, kind, (unsigned)kind, node, hash, generation, peer);
}

/* This thread did something to the group in node, now.  what: a kind, or covey_event_resolved().  peer: the other
 * process of the event, or 0. */
static inline void covey_event(struct covey_thread *t, unsigned what, uint32_t node, uint64_t generation, pid_t peer)
{
	covey_event_write_as(&t->lane, shm_now(), covey_event_kind_of(what), what, node, covey_event_hash(t->c, node),
	        generation, peer);
}

/* It leads in the place of lead->previous, who was found dead or was deposed. */
void covey_event_succeeded(struct covey_thread *t, const struct covey_lead *lead, bool dead);

/* Take a ring for this participant, which lives.  If there is none, nothing is recorded. */
void covey_ring_take(covey *c);

/* A thread's lane, and its end; the registry's lock is held. */
void covey_lane_take(covey *c, struct covey_lane *out);
void covey_lane_give(covey *c, const struct covey_lane *lane);
/* The lane of those who are no thread of the caller's: it may be written to at any time. */
struct covey_lane covey_lane_shared(covey *c);

/* The slot of a ring's owner, as of its owner word; one that is none when it has no owner. */
static inline uint32_t covey_ring_slot(uint64_t owner)
{
	return (uint32_t)(owner & 0x1fff) - 1;
}

/* Does the owner of a ring, as of its owner word, still live? */
bool covey_ring_owner_lives(const covey *c, uint64_t owner);

#endif
