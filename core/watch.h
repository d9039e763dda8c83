/*
 * watch.h - waking those who watch for changes, at no cost to those who change
 *
 * Nine words in one line.  Word 0 is for whoever watches all groups, or does not know its group's node yet; each of the
 * others for those who watch one group, of every eighth node.  A word is a futex:
 *
 *      31                        2 1   0
 *     +---------------------------+-----+         arm                    change
 *     | how often it was rung  30 |state|     IDLE ---> ARMED --------------------------> RINGING
 *     +---------------------------+-----+       ^                                            |
 *                                               +---------- all its sleepers were woken -----+
 *
 *      watcher: arm, then look at everything; sleep while the word is as it was armed
 *      changer: change, then load word 0 and the node's; if one is not IDLE, ring it
 *
 * The change and the changer's load are sequentially consistent, and so is the fence between arming and looking: a look
 * need not be, and those of a lookup are acquires.  If the changer's load does not see the word armed, it came before the
 * fence, and so did the change: the watcher's look, which comes after, sees it.  If it does, the changer rings.  So nothing
 * is missed, a region that nobody watches costs two loads of a line that nobody writes, and a watched one at most one wake
 * for each time that a watcher arms.  A watcher that dies leaves one spare wake behind.
 *
 * A changer that is stopped or killed between its swap to RINGING and its wake leaves the word RINGING: every further
 * changer, whoever arms, and whoever reaps the dead one makes up for the wake.
 *
 * Progress: wait-free for changers, lock-free for watchers.  Bound: a watcher would sleep on if its word were rung
 * exactly 2^30 times between its arming and its falling asleep; each takes a watcher who arms in between.
 */
#ifndef CV_WATCH_H
#define CV_WATCH_H

#include "arena.h"

#define CV_WATCH_ALL 0u

enum cv_watch_state { CV_WATCH_IDLE = 0, CV_WATCH_ARMED = 1, CV_WATCH_RINGING = 2 };
#define CV_WATCH_STATE_MASK 3u
#define CV_WATCH_RUNG 4u

/* The word for those who watch this node. */
static inline unsigned cv_watch_index(uint32_t node)
{
	return 1 + (node & (CV_WATCH_WORDS - 2));
}

/* Be rung for the next change.  Gives what to sleep on the word with.  The watcher looks after this. */
uint32_t cv_watch_arm(_Atomic uint32_t *word);

/* Ring this word's watchers, if there are any. */
void cv_watch_ring(_Atomic uint32_t *word);

/* Ring all watchers: somebody died, perhaps between a change and the ringing for it. */
void cv_watch_ring_all(const struct cv_arena *a);

void cv_changed_watched(const struct cv_arena *a, uint32_t node);

/* The standing of this node's group has changed: its leader, its waiters, or what its leader was given. */
static inline void cv_changed(const struct cv_arena *a, uint32_t node)
{
	/* seq_cst: after the change, whose last step is seq_cst too */
	uint32_t all = atomic_load(&a->watch[CV_WATCH_ALL]), one = atomic_load(&a->watch[cv_watch_index(node)]);

	if (cv_unlikely(((all | one) & CV_WATCH_STATE_MASK) != CV_WATCH_IDLE))
		cv_changed_watched(a, node);
}

#endif
