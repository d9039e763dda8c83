/*
 * named.h - see named.c
 */
#ifndef COVEY_NAMED_H
#define COVEY_NAMED_H

#include "region.h"

/* Note what c->path means now. */
void shm_named_begin(covey *c);

/* The file that a path leads to, before that is removed: a descriptor or -1.  To be given to shm_removal_end(), which tells
 * all who are attached to it, if it is a region that has no name by then. */
int shm_removal_begin(const char *path);
void shm_removal_end(int fd);

#endif
