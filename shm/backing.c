/*
 * backing.c - memory behind the segment: taken from the system explicitly, so that a lack of it is an error and no signal
 */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>

int shm_backing_allocate(int fd, uint64_t offset, uint64_t bytes)
{
	int r;

	do
		r = fallocate(fd, 0, (off_t)offset, (off_t)bytes);
	while (r != 0 && errno == EINTR);
	if (r == 0)
		return 0;
	return errno == ENOSPC || errno == ENOMEM || errno == EFBIG || errno == EDQUOT ? COVEY_ENOSPC : COVEY_ESYSTEM;
}

static uint64_t blocks_offset(const covey *c, uint32_t chunk)
{
	return c->layout.blocks + (uint64_t)chunk * CV_CHUNK_BLOCKS * 8;
}

int shm_backing_commit(void *context, uint32_t chunk, uint32_t count)
{
	covey *c = context;
	/* of the block words, those of the first chunk: a run needs no others, and a slab is one chunk */
	int r = shm_backing_allocate(c->attachment->fd, blocks_offset(c, chunk), CV_CHUNK_BLOCKS * 8);

	if (r == 0)
		r = shm_backing_allocate(c->attachment->fd, c->layout.heap + ((uint64_t)chunk << CV_CHUNK_SHIFT),
		        (uint64_t)count << CV_CHUNK_SHIFT);
	return r;
}

void shm_backing_release(void *context, uint32_t chunk, uint32_t count)
{
	covey *c = context;

	/* If it fails, the memory stays with the region: it is only not given back. */
	(void)!fallocate(c->attachment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	        (off_t)(c->layout.heap + ((uint64_t)chunk << CV_CHUNK_SHIFT)),
	        (off_t)((uint64_t)count << CV_CHUNK_SHIFT));
}
