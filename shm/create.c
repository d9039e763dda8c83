/*
 * create.c - a new region
 *
 * It is built in a file without a name (O_TMPFILE in /dev/shm), given its memory, initialised, and only then linked to its
 * name: others see it whole or not at all, and whoever dies before that leaves nothing.  The second of two creators finds
 * the name taken and attaches to the winner's.  Where /dev/shm cannot do that, the file has a temporary name of its own
 * until it is linked.
 */
#include "create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "boot.h"

#define SHM_DIRECTORY "/dev/shm"
#define PATH_SIZE COVEY_PATH_SIZE

/* ------------------------------------------------------------------------------------------------ options */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static int counts_of(const struct covey_options *o, struct covey_counts *n)
{
	static const struct covey_options none;
	uint64_t heap, heap_max;

	o = o != NULL ? o : &none;
	heap = o->heap != 0 ? o->heap : 8u << 20;
	heap_max = o->heap_max != 0 ? o->heap_max : UINT64_C(4) << 30;
	heap_max = heap_max < heap ? heap : heap_max;
	if (heap_max > (uint64_t)(CV_CHUNK_LIMIT - 1) << CV_CHUNK_SHIFT || o->groups > COVEY_GROUPS_LIMIT ||
	        o->participants > COVEY_PARTICIPANTS_LIMIT)
		return COVEY_EINVAL;
	n->groups = or_default(o->groups, 16384);
	n->participants = or_default(o->participants, 1024);
	n->threads = or_default(o->threads, n->participants * 4);
	if (o->threads > CV_SEAT_LIMIT || (o->threads != 0 && o->threads < 2))
		return COVEY_EINVAL;
	if (n->threads + n->participants > CV_SEAT_LIMIT)
		n->threads = CV_SEAT_LIMIT - n->participants;
	n->chunks = (uint32_t)((heap_max + CV_CHUNK_SIZE - 1) >> CV_CHUNK_SHIFT);
	n->chunks_base = (uint32_t)((heap + CV_CHUNK_SIZE - 1) >> CV_CHUNK_SHIFT);
	for (n->buckets = 1; n->buckets < n->groups && n->buckets < COVEY_GROUPS_LIMIT; n->buckets *= 2) {
	}
	n->buckets *= 8; /* few chains of two, so that strangers' groups seldom share one: 64 B a group */
	return 0;
}

/* A file-size limit would be a signal, not an error: shrink the heap's limit to what is allowed. */
static int counts_fit(struct covey_counts *n, struct covey_layout *layout)
{
	struct rlimit limit;

	if (!covey_layout_of(n, layout))
		return COVEY_EINVAL;
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || layout->size <= limit.rlim_cur)
		return 0;
	n->chunks = n->chunks_base;
	covey_layout_of(n, layout);
	return layout->size <= limit.rlim_cur ? 0 : COVEY_ENOSPC;
}

/* ------------------------------------------------------------------------------------------------ the file */

static int header_write(int fd, const struct covey_counts *n, const struct covey_layout *layout)
{
	struct covey_header h = {.magic = COVEY_MAGIC, .abi = COVEY_ABI, .fingerprint = covey_fingerprint()};

	h.size = layout->size;
	h.counts = *n;
	h.created = (uint64_t)time(NULL);
	if (shm_origin_of(fd, &h.origin) != 0 || getrandom(&h.key, sizeof(h.key), 0) != (ssize_t)sizeof(h.key))
		return COVEY_ESYSTEM;
	h.seal = covey_seal(&h);
	return pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) ? 0 : COVEY_ESYSTEM;
}

static int file_fill(int fd, mode_t mode, const struct covey_counts *n, const struct covey_layout *layout)
{
	uint64_t base = (uint64_t)n->chunks_base;
	int r;

	if (fchmod(fd, mode) != 0 || ftruncate(fd, (off_t)layout->size) != 0)
		return COVEY_ESYSTEM;
	r = shm_backing_allocate(fd, 0, layout->blocks + base * CV_CHUNK_BLOCKS * 8);
	if (r == 0)
		r = shm_backing_allocate(fd, layout->heap, base << CV_CHUNK_SHIFT);
	return r != 0 ? r : header_write(fd, n, layout);
}

/* A file without a name, or with a temporary one in `temporary`. */
static int file_new(char temporary[PATH_SIZE])
{
	int fd = open(SHM_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t nonce = 0;

	temporary[0] = '\0';
	if (fd >= 0)
		return fd;
	(void)!getrandom(&nonce, sizeof(nonce), 0);
	snprintf(temporary, PATH_SIZE, SHM_DIRECTORY "/.covey-%016llx", (unsigned long long)nonce);
	return open(temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int file_publish(int fd, const char *temporary, const char *path)
{
	char self[64];
	int r;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (temporary[0] != '\0')
		r = link(temporary, path);
	else if ((r = linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) != 0 && errno == ENOENT)
		r = linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH); /* no /proc; needs a capability */
	return r;
}

/* 0: it is there now, made by us or by somebody else. */
int shm_region_create(const char *path, const struct covey_options *o)
{
	mode_t mode = o != NULL && o->mode != 0 ? o->mode : 0600;
	struct covey_counts n;
	struct covey_layout layout;
	char temporary[PATH_SIZE];
	int fd, r = counts_of(o, &n);

	if (r == 0)
		r = counts_fit(&n, &layout);
	if (r != 0)
		return r;
	if ((mode & 022) != 0 && (o->flags & COVEY_ALLOW_SHARED) == 0)
		return COVEY_EPERM;
	fd = file_new(temporary);
	if (fd < 0)
		return errno == ENOSPC ? COVEY_ENOSPC : COVEY_ESYSTEM;
	r = file_fill(fd, mode, &n, &layout);
	if (r == 0 && file_publish(fd, temporary, path) != 0 && errno != EEXIST)
		r = errno == ENOSPC ? COVEY_ENOSPC : COVEY_ESYSTEM;
	if (temporary[0] != '\0')
		unlink(temporary);
	close(fd);
	return r;
}
