/*
 * boot.h - is this file the one that was made, and in this boot of the machine?  See boot.c
 */
#ifndef COVEY_BOOT_H
#define COVEY_BOOT_H

#include "region.h"

/* The origin of a file that is about to become a region.  0 or COVEY_ESYSTEM. */
int shm_origin_of(int fd, struct covey_origin *out);

/* Is the open file the one that this origin tells of, and of this boot?  0, or COVEY_EFOREIGN, or COVEY_ESYSTEM. */
int shm_origin_check(int fd, const struct covey_origin *made);

/* Does some other open file hold the lock of a participant's slot?  So it does as long as anybody is attached. */
bool shm_anybody_attached(int fd);

/* COVEY_EFOREIGN, with errno for the reason: see covey_open(). */
int shm_foreign(int reason);

#endif
