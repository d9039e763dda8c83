/*
 * guest.h - what the tests share in which covey is a guest: in containers, in chroots, in a process that is not its own
 */
#ifndef COVEY_TESTS_GUEST_H
#define COVEY_TESTS_GUEST_H

#include "hostile.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { GUEST_CANNOT = 77 };

/* Mounts of this process alone from here on.  False: not allowed. */
static inline bool guest_mounts_alone(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Runs work(context) in a child, and skips the test where that is not allowed here. */
static inline void guest_runs(int (*work)(void *context), void *context)
{
	int r = world_join(world_spawn(work, context));

	if (r == GUEST_CANNOT)
		skip_because("it may not do that here");
	assert_int_equal(r, 0);
}

#endif
