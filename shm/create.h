/*
 * create.h - a new region; see create.c
 */
#ifndef COVEY_CREATE_H
#define COVEY_CREATE_H

#include "region.h"

/* Make the region of this path.  0: it is there now, made by us or by somebody else. */
int shm_region_create(const char *path, const struct covey_options *o);

#endif
