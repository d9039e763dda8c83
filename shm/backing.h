/*
 * backing.h - memory behind the segment; see backing.c
 */
#ifndef COVEY_BACKING_H
#define COVEY_BACKING_H

#include "region.h"

/* Give these bytes of a segment's file memory.  0, COVEY_ENOSPC or COVEY_ESYSTEM. */
int shm_backing_allocate(int fd, uint64_t offset, uint64_t bytes);

/* The heap's side, as struct cv_backing has it; context is the covey. */
int shm_backing_commit(void *context, uint32_t chunk, uint32_t count);
void shm_backing_release(void *context, uint32_t chunk, uint32_t count);

#endif
