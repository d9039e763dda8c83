/*
 * futex.c - the kernel's side of parking
 *
 * Each answer of the kernel, and what it means to a loop that re-reads its words anyway:
 *   0 or an index   rung                                    look again; of several that were rung it is the last one
 *   EAGAIN          the word had changed before the sleep   look again
 *   EINTR           a signal was delivered                  look again: the caller's deadline is absolute
 *   ETIMEDOUT       the deadline passed
 *   ENOSYS, EPERM   futex_waitv is missing, or a container's filter forbids it; so does EINVAL under some filters.
 *                   It is not asked for again in this process.
 *   EFAULT, others  cannot happen on a mapped word; treated as "look again", and the loop's own checks decide
 */
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same number on every architecture */
#endif

/* The kernel's struct futex_waitv, spelled out because Debian 12's headers may lack it. */
struct waitv_entry {
	uint64_t expected;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};
#define WAITV_SIZE_U32 2 /* FUTEX_32, not FUTEX_PRIVATE_FLAG */

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

static int64_t kernel_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum cv_slept kernel_wait(const struct cv_futex *one, int64_t deadline)
{
	struct timespec t = timespec_of(deadline);
	long r = syscall(SYS_futex, one->word, FUTEX_WAIT_BITSET, one->expected, deadline == INT64_MAX ? NULL : &t,
	        NULL, FUTEX_BITSET_MATCH_ANY);

	return r < 0 && errno == ETIMEDOUT ? CV_TIMED_OUT : CV_WOKEN;
}

static enum cv_slept kernel_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	static _Atomic int missing; /* sticky; relaxed: a late reader only asks the kernel once more */
	struct timespec t = timespec_of(deadline);
	struct waitv_entry entries[CV_FUTEX_MAX];
	long woken;

	if (count > CV_FUTEX_MAX || atomic_load_explicit(&missing, memory_order_relaxed))
		return CV_UNSUPPORTED;
	for (unsigned i = 0; i < count; i++)
		entries[i] =
		        (struct waitv_entry){list[i].expected, (uint64_t)(uintptr_t)list[i].word, WAITV_SIZE_U32, 0};
	woken = syscall(SYS_futex_waitv, entries, count, 0, deadline == INT64_MAX ? NULL : &t, CLOCK_MONOTONIC);
	if (woken >= 0)
		return (unsigned)woken + 1 < count ? CV_WOKEN_EARLY : CV_WOKEN;
	if (errno == ETIMEDOUT)
		return CV_TIMED_OUT;
	if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
		return CV_WOKEN;
	atomic_store_explicit(&missing, 1, memory_order_relaxed);
	return CV_UNSUPPORTED;
}

static int kernel_wake(_Atomic uint32_t *word, int count)
{
	return (int)syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

struct cv_futex_ops cv_kernel = {
        .wait = kernel_wait,
        .waitv = kernel_waitv,
        .wake = kernel_wake,
        .now = kernel_now,
};
