/* waiting.h - wait until somebody leads a group: see waiting.c */
#ifndef COVEY_WAITING_H
#define COVEY_WAITING_H

#include "cmd.h"

/* Whom to wait for. */
struct wanted {
	const char *region;
	const char *group;
	size_t group_size;
	uint32_t flags;          /* enum covey_open_flags */
	uint64_t not_generation; /* this execution is no use; 0: any is welcome */
	int64_t deadline;
};

/*
 * waiting_for_leader - sleep until the group is led.
 * c      a handle of the region, or NULL where there is none yet; replaced by another when another region has its name
 * gives  0, and *c to ask through; COVEY_ETIMEDOUT; or an error of covey_open() or covey_start_monitor()
 */
int waiting_for_leader(const struct wanted *a, covey **c);

/* waiting_attach - attach to a region that is there, for to ask in it is no reason to make one.  0, or an error. */
int waiting_attach(covey **c, const char *region, uint32_t flags);

#endif
