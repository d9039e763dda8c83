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

uint32_t cv_watch_arm(_Atomic uint32_t *word)
{
	uint32_t w = atomic_load(word);

	while ((w & CV_WATCH_STATE_MASK) != CV_WATCH_ARMED) {
		if ((w & CV_WATCH_STATE_MASK) != CV_WATCH_IDLE)
			cv_kernel.wake(word, INT_MAX); /* before it may look as if that had been done */
		if (atomic_compare_exchange_strong(word, &w, with_state(w, CV_WATCH_ARMED)))
			return with_state(w, CV_WATCH_ARMED);
	}
	return w;
}

void cv_watch_ring(_Atomic uint32_t *word)
{
	uint32_t w = atomic_load(word), ringing = with_state(w + CV_WATCH_RUNG, CV_WATCH_RINGING);

	if ((w & CV_WATCH_STATE_MASK) == CV_WATCH_ARMED && atomic_compare_exchange_strong(word, &w, ringing))
		w = ringing;
	/* Ours, or that of another who may not get to its wake.  ARMED again: by one who armed after our change. */
	if ((w & CV_WATCH_STATE_MASK) == CV_WATCH_IDLE || (w & CV_WATCH_STATE_MASK) == CV_WATCH_ARMED)
		return;
	cv_kernel.wake(word, INT_MAX);
	atomic_compare_exchange_strong(word, &w, with_state(w, CV_WATCH_IDLE));
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
