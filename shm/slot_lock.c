/*
 * slot_lock.c - the file lock that says whose a slot is
 *
 * A lock of this kind (fcntl(2), F_OFD_SETLK) belongs to an open file, and is given up when nothing refers to that any more.  A
 * descriptor does; but the host may close it, a child of its fork has it, too, and where it was closed, its number is
 * somebody else's.  A mapping does as well, is nobody's to close by mistake, and can be kept from children (MADV_DONTFORK).
 * So a lock is taken through an open file of its own, of which one page is mapped first; the descriptor is closed at
 * once, and no child is made as long as it is there.  The page cannot be read or written: it is there for what it refers to.
 *
 *      open file --- locks the byte of a slot
 *          ^
 *          +---- one page of this process's memory: ends with exec, exit, or munmap()
 *
 * The kernel takes a process's memory apart when the last of its threads has given it up: then nothing of it can write to the
 * segment any more, and not before that the lock is free.  Who reaps holds the dead one's lock in the same way, so that a
 * process that is killed as it reaps, with several threads, lets nobody else begin while one of them still writes.
 *
 * The liveness thread reaps too, and mostly.  It is the only one of its process that writes then, so its locks may belong to a
 * descriptor; that is in a table that no other thread shares (CLOSE_RANGE_UNSHARE), so nothing that the host closes or makes
 * matters to it, and no limit either.  It reaps when nobody else could: the name removed, privileges dropped, no descriptor left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define PAGE 4096 /* or what the kernel makes of it */

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

/* 0; COVEY_WAIT: another has it; or COVEY_ESYSTEM. */
static int lock_set(int fd, uint32_t slot, short type)
{
	struct flock lock = {
	        .l_type = type, .l_whence = SEEK_SET, .l_start = COVEY_LOCK_BASE + (off_t)slot, .l_len = 1};

	/* It does not sleep, so no signal interrupts it. */
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN ? COVEY_WAIT : COVEY_ESYSTEM;
}

/* A mapping of the open file of this descriptor that no child inherits; or NULL. */
static void *page_map(int fd)
{
	void *page = mmap(NULL, PAGE, PROT_NONE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, PAGE, MADV_DONTFORK) == 0)
		return page;
	munmap(page, PAGE);
	return NULL;
}

static int take_mapped(const covey *c, uint32_t slot, struct shm_hold *hold)
{
	int fd = covey_file_reopen(c, O_RDWR), r;

	if (fd < 0)
		return COVEY_ESYSTEM;
	*hold = (struct shm_hold){page_map(fd), -1};
	r = hold->page == NULL ? COVEY_ESYSTEM : lock_set(fd, slot, F_WRLCK);
	close(fd);
	if (r != 0)
		shm_hold_drop(hold, slot);
	return r;
}

int shm_hold_take(const covey *c, int own, uint32_t slot, struct shm_hold *hold)
{
	int r;

	if (own >= 0) {
		*hold = (struct shm_hold){NULL, own};
		return lock_set(own, slot, F_WRLCK);
	}
	shm_childless_begin(); /* a child with this descriptor would hold the lock for as long as it lives */
	r = take_mapped(c, slot, hold);
	shm_childless_end();
	return r;
}

void shm_hold_drop(struct shm_hold *hold, uint32_t slot)
{
	if (hold->page != NULL)
		munmap(hold->page, PAGE);
	else if (hold->fd >= 0)
		lock_set(hold->fd, slot, F_UNLCK);
	*hold = (struct shm_hold){NULL, -1};
}

int shm_descriptor_apart(const covey *c)
{
	if (syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE) != 0)
		return -1;
	return covey_file_reopen(c, O_RDWR);
}
