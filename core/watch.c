/*
 * watch.c - see watch.h
 */
#include "watch.h"

#include <limits.h>

#include "futex.h"

static uint32_t with_state(uint32_t word, enum cv_watch_state state)
{
	return (word & ~CV_WATCH_STATE_MASK) | (uint32_t)state;
}

static uint32_t arm(_Atomic uint32_t *word)
{
	uint32_t w = atomic_load_explicit(word, memory_order_relaxed); /* if it is old, the kernel finds another */

	while ((w & CV_WATCH_STATE_MASK) != CV_WATCH_ARMED) {
		if ((w & CV_WATCH_STATE_MASK) != CV_WATCH_IDLE)
			cv_kernel.wake(word, INT_MAX); /* before it may look as if that had been done */
		/* release: who finds it armed finds those woken whom the line above woke */
		if (atomic_compare_exchange_strong_explicit(
		            word, &w, with_state(w, CV_WATCH_ARMED), memory_order_release, memory_order_relaxed))
			return with_state(w, CV_WATCH_ARMED);
	}
	return w;
}

uint32_t cv_watch_arm(_Atomic uint32_t *word)
{
	uint32_t armed = arm(word);

	/* before whatever the watcher looks at, by whatever order it loads that: a lookup's loads are acquires only */
	atomic_thread_fence(memory_order_seq_cst);
	return armed;
}

void cv_watch_ring(_Atomic uint32_t *word)
{
	/* seq_cst: after the change.  relaxed, below: the kernel's lock stands between the swap and who is asleep by then */
	uint32_t w = atomic_load(word), ringing = with_state(w + CV_WATCH_RUNG, CV_WATCH_RINGING);

	if ((w & CV_WATCH_STATE_MASK) == CV_WATCH_ARMED &&
	        atomic_compare_exchange_strong_explicit(word, &w, ringing, memory_order_relaxed, memory_order_relaxed))
		w = ringing;
	/* Ours, or that of another who may not get to its wake.  ARMED again: by one who armed after our change. */
	if ((w & CV_WATCH_STATE_MASK) == CV_WATCH_IDLE || (w & CV_WATCH_STATE_MASK) == CV_WATCH_ARMED)
		return;
	cv_kernel.wake(word, INT_MAX);
	atomic_compare_exchange_strong_explicit(
	        word, &w, with_state(w, CV_WATCH_IDLE), memory_order_relaxed, memory_order_relaxed);
}

void cv_changed_watched(const struct cv_arena *a, uint32_t node)
{
	cv_watch_ring(&a->watch[CV_WATCH_ALL]);
	cv_watch_ring(&a->watch[cv_watch_index(node)]);
}

void cv_watch_ring_all(const struct cv_arena *a)
{
	for (unsigned i = 0; i < CV_WATCH_WORDS; i++)
		cv_watch_ring(&a->watch[i]);
}
