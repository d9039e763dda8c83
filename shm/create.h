/*
 * create.h - a new region; see create.c
 */
#ifndef COVEY_CREATE_H
#define COVEY_CREATE_H

#include "place.h"

#define SHM_TEMPORARY ".covey-" /* how the names of files begin that may become regions */

/* Make the region of this place.  0: it is there now, made by us or by somebody else. */
int shm_region_create(const struct shm_place *p, const struct covey_options *o);

/* Take the name of the region of this path away; elsewhere than in /dev/shm only if the file is a region of any version. */
int shm_region_unlink(const char *path);

/* The open file of this place: if it is a region of another version that nobody uses, take its name away, so that a new one
 * can be made.  0: it is none, to be attached to if it is a region; 1: the name is another's now, or nobody's; or an error. */
int shm_region_outdated(const struct shm_place *p, int fd, const struct covey_options *o);

#endif
