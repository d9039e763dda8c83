/*
 * futex.c - the kernel's side of parking
 *
 * Each answer of the kernel, and what it means to a loop that re-reads its words anyway:
 *   0 or an index   rung                                    look again; of several that were rung it is the last one
 *   EAGAIN          a word had changed before the sleep     look again; if none has, it was a filter's answer: refused
 *   EINTR           a signal was delivered                  look again: the caller's deadline is absolute
 *   ETIMEDOUT       the deadline passed
 *   ENOMEM, EFAULT  there is no memory for it now, or none behind a word: refused this time
 *   anything else   the call is missing, or a filter (seccomp) forbids it, with whatever number it likes: refused.
 *                   Of futex_waitv nothing else is expected in this process, and it is not asked for again.
 *
 * Who is refused must not come back at once: its caller would look, ask and be refused for ever, and keep a processor busy.
 * One word: the time of one look is slept away here.  Several: the caller is told, and sleeps on one of them.
 * A wake-up that is refused is not made up for: whoever sleeps in the kernel then looks at its backstop.
 */
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdbool.h>
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

/* False: a look would find what the last one did. */
static bool changed(const struct cv_futex *list, unsigned count)
{
	/* relaxed: the caller looks, in whatever order it needs, if there is something */
	for (unsigned i = 0; i < count; i++)
		if (atomic_load_explicit(list[i].word, memory_order_relaxed) != list[i].expected)
			return true;
	return false;
}

/* Without a futex, until the next look is due.  A signal may end it sooner. */
static enum cv_slept nap(int64_t deadline)
{
	int64_t end = kernel_now() + CV_BOUNDED_NS;
	struct timespec t = timespec_of(deadline < end ? deadline : end);
	int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);

	if (error != 0 && error != EINTR)
		(void)poll(NULL, 0, CV_BOUNDED_NS / 1000000);
	return CV_UNSUPPORTED;
}

static enum cv_slept kernel_wait(const struct cv_futex *one, int64_t deadline)
{
	struct timespec t = timespec_of(deadline);
	long r = syscall(SYS_futex, one->word, FUTEX_WAIT_BITSET, one->expected, deadline == INT64_MAX ? NULL : &t,
	        NULL, FUTEX_BITSET_MATCH_ANY);

	if (r >= 0 || errno == EINTR || (errno == EAGAIN && changed(one, 1)))
		return CV_WOKEN;
	return errno == ETIMEDOUT ? CV_TIMED_OUT : nap(deadline);
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
	if (errno == EINTR || (errno == EAGAIN && changed(list, count)))
		return CV_WOKEN;
	if (errno == ETIMEDOUT)
		return CV_TIMED_OUT;
	if (errno != ENOMEM && errno != EFAULT && errno != EAGAIN)
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
