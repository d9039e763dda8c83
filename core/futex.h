/*
 * futex.h - sleeping on words of the segment: core's only system calls
 *
 * All futexes here are shared ones: the words lie in a file that several processes map.  The functions are called
 * through one table so that a test may put another kernel underneath.
 */
#ifndef CV_FUTEX_H
#define CV_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

#define CV_FUTEX_MAX 64
#define CV_BOUNDED_NS 5000000 /* one look every 5 ms where the kernel does not let us sleep as we would */

struct cv_futex {
	_Atomic uint32_t *word;
	uint32_t expected;
};

enum cv_slept {
	CV_WOKEN,       /* something was rung, or a signal came, or a word had changed: look again */
	CV_WOKEN_EARLY, /* the same, and no wake-up of the last word of several was spent on this sleeper */
	CV_TIMED_OUT,   /* the deadline passed */
	CV_UNSUPPORTED, /* several words at once cannot be waited for on this kernel; or one, and CV_BOUNDED_NS passed */
};

struct cv_futex_ops {
	enum cv_slept (*wait)(const struct cv_futex *one, int64_t deadline);
	enum cv_slept (*waitv)(const struct cv_futex *list, unsigned count, int64_t deadline);
	int (*wake)(_Atomic uint32_t *word, int count);
	int64_t (*now)(void);
};

extern struct cv_futex_ops cv_kernel; /* the real one, unless a test replaces it */

#endif
