/*
 * race.h - telling the thread sanitizer what it cannot see
 *
 * It follows addresses.  Where one process maps a region twice, an order that was made through an atomic at one address
 * is unknown to it at the other, and plain bytes handed over that way look like a race.  These two calls name the
 * hand-overs of plain bytes, by their place in the segment: each stands beside the atomic operation that really makes
 * the order, never instead of one.  In every other build they are nothing.
 */
#ifndef CV_RACE_H
#define CV_RACE_H

#include "arena.h"

#if defined(__SANITIZE_THREAD__)
#define CV_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CV_TSAN 1
#endif
#endif

#ifdef CV_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char cv_race_places[1 << 16];

static inline void *cv_race_place(const struct cv_arena *a, const void *at)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)a->globals;

	return &cv_race_places[offset / 8 * 2654435761u >> 8 & 0xffff];
}

#define cv_race_release(a, at) __tsan_release(cv_race_place(a, at))
#define cv_race_acquire(a, at) __tsan_acquire(cv_race_place(a, at))
#else
#define cv_race_release(a, at) ((void)0)
#define cv_race_acquire(a, at) ((void)0)
#endif

#endif
