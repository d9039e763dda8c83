/*
 * backing.c - memory behind the segment: taken from the system explicitly, so that a lack of it is an error and no signal
 *
 * A new region has a descriptor, and is given its memory by that.  Later there may be none: the host has closed it, or may not
 * open the file any more, or has reached a limit.  So the heap grows and shrinks by address: MADV_POPULATE_WRITE uses each
 * page once as a store would, but with an error where that would get SIGBUS; MADV_REMOVE takes the memory away from
 * the file.  What the kernel refuses by address is done through a descriptor that is opened for the purpose, if it can be.
 *
 * All signals are blocked meanwhile: a timer that interrupts it every time would have it repeated for ever.
 */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* the same number on every architecture */
#endif

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

/* ------------------------------------------------------------------------------------------------ growth */

/* From the file's byte `from` on: the pages that hold any of these bytes. */
struct pages {
	unsigned char *at;
	size_t size;
};

static struct pages pages_of(const covey *c, uint64_t from, uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), first = from / page * page;

	return (struct pages){(unsigned char *)c->header + first, (from + bytes + page - 1) / page * page - first};
}

/* Through a descriptor, where the kernel cannot do it by address. */
static int allocate_through_file(const covey *c, uint64_t from, uint64_t bytes)
{
	int fd = covey_file_reopen(c, O_RDWR), r = COVEY_ESYSTEM;

	if (fd >= 0) {
		r = shm_backing_allocate(fd, from, bytes);
		close(fd);
	}
	return r;
}

/* An error in place of the signal that the first use of a page without memory behind it would be. */
static int populate(const covey *c, uint64_t from, uint64_t bytes)
{
	struct pages p = pages_of(c, from, bytes);

	if (madvise(p.at, p.size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EINVAL) /* before Linux 5.14 */
		return allocate_through_file(c, from, bytes);
	return errno == EFAULT || errno == ENOMEM ? COVEY_ENOSPC : COVEY_ESYSTEM;
}

static uint64_t blocks_offset(const covey *c, uint32_t chunk)
{
	return c->layout.blocks + (uint64_t)chunk * CV_CHUNK_BLOCKS * 8;
}

static uint64_t chunk_offset(const covey *c, uint32_t chunk)
{
	return c->layout.heap + ((uint64_t)chunk << CV_CHUNK_SHIFT);
}

/* The chunks are ours, and nobody uses their bytes. */
static void remove_chunks(const covey *c, uint32_t chunk, uint32_t count)
{
	uint64_t from = chunk_offset(c, chunk), bytes = (uint64_t)count << CV_CHUNK_SHIFT;
	int fd;

	/* If it fails, the memory stays with the region: it is only not given back. */
	if (madvise((unsigned char *)c->header + from, bytes, MADV_REMOVE) == 0)
		return;
	fd = covey_file_reopen(c, O_RDWR); /* the memory is locked, or its pages are larger than ours */
	if (fd < 0)
		return;
	(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)bytes);
	close(fd);
}

/* Of the block words, those of the first chunk: a run needs no others, and a slab is one chunk.  If there is too little, the
 * caller gives back what was had. */
static int commit(const covey *c, uint32_t chunk, uint32_t count)
{
	int r = populate(c, blocks_offset(c, chunk), CV_CHUNK_BLOCKS * 8);

	return r != 0 ? r : populate(c, chunk_offset(c, chunk), (uint64_t)count << CV_CHUNK_SHIFT);
}

int shm_backing_commit(void *context, uint32_t chunk, uint32_t count)
{
	struct shm_quiet quiet;
	int r;

	shm_quiet_begin(&quiet);
	r = commit(context, chunk, count);
	shm_quiet_end(&quiet);
	return r;
}

void shm_backing_release(void *context, uint32_t chunk, uint32_t count)
{
	struct shm_quiet quiet;

	shm_quiet_begin(&quiet);
	remove_chunks(context, chunk, count);
	shm_quiet_end(&quiet);
}
