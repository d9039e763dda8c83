/*
 * named.c - whether a region's name still leads to it
 *
 * Whoever removes the name says so in the region, once the name is gone: every process that is attached reads one word.  Others
 * remove files, too (systemd's RemoveIPC, cleaners of temporary files, rm), and say nothing; so the path is looked at as well, at
 * most every two seconds.  That look counts only where the path means what it meant when the region was opened: in another root or
 * mount namespace, or behind a directory that may not be searched, it says nothing.  The file's count of names does, wherever
 * it is looked at from, when it is 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "internal.h"
#include "named.h"
#include "watch.h"

#define LOOK_AGAIN_NS INT64_C(2000000000)
#define UNKNOWN COVEY_ESYSTEM

/* ------------------------------------------------------------------------------------------------ looking */

/* Where the path's last part begins. */
static size_t directory_size(const covey *c)
{
	return (size_t)(strrchr(c->path, '/') - c->path);
}

static bool directory_stat(const covey *c, struct stat *st)
{
	char path[COVEY_PATH_SIZE];

	memcpy(path, c->path, directory_size(c));
	path[directory_size(c)] = '\0';
	return stat(path, st) == 0;
}

void shm_named_begin(covey *c)
{
	struct stat st;

	atomic_store_explicit(&c->named.looked, 0, memory_order_relaxed);
	if (directory_stat(c, &st)) {
		c->directory.device = st.st_dev;
		c->directory.inode = st.st_ino;
	}
}

static bool directory_is_the_same(const covey *c)
{
	struct stat st;

	return directory_stat(c, &st) && st.st_dev == c->directory.device && st.st_ino == c->directory.inode;
}

/* Has our file no name at all any more? */
static bool without_names(const covey *c)
{
	int fd = covey_file_reopen(c, O_PATH);
	struct stat st;
	bool none = fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;

	if (fd >= 0)
		close(fd);
	return none;
}

/* 1, 0, or UNKNOWN with errno. */
static int look(const covey *c)
{
	struct stat st;
	bool found = lstat(c->path, &st) == 0;
	int error = found ? ENOENT : errno;

	if (found && st.st_dev == c->device && st.st_ino == c->inode)
		return 1;
	if ((error == ENOENT && directory_is_the_same(c)) || without_names(c))
		return 0;
	errno = error;
	return UNKNOWN;
}

static int look_quietly(const covey *c)
{
	struct shm_quiet quiet;
	int named;

	shm_quiet_begin(&quiet);
	named = look(c);
	shm_quiet_end(&quiet);
	return named;
}

int covey_named(covey *c)
{
	int64_t now = covey_coarse_now(), looked;
	int named, error;

	if (c == NULL)
		return COVEY_EINVAL;
	/* relaxed: one word, which nothing depends on */
	if (atomic_load_explicit(&c->header->unnamed, memory_order_relaxed) != 0)
		return 0;
	looked = atomic_load_explicit(&c->named.looked, memory_order_acquire); /* before what was seen then */
	if (looked != 0 && now - looked < LOOK_AGAIN_NS && now >= looked) {
		named = atomic_load_explicit(&c->named.seen, memory_order_relaxed);
		error = atomic_load_explicit(&c->named.error, memory_order_relaxed);
	} else {
		named = look_quietly(c);
		error = errno;
		atomic_store_explicit(&c->named.seen, named, memory_order_relaxed);
		atomic_store_explicit(&c->named.error, error, memory_order_relaxed);
		atomic_store_explicit(&c->named.looked, now, memory_order_release);
	}
	if (named < 0)
		errno = error;
	return named;
}

/* ------------------------------------------------------------------------------------------------ removing */

/* Nobody is to print into it: in no case one of the standard descriptors. */
static int open_to_tell(const char *path)
{
	return shm_open_above(AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
}

static bool leads_to(const char *path, int fd)
{
	struct stat there, here;

	return lstat(path, &there) == 0 && fstat(fd, &here) == 0 && there.st_dev == here.st_dev &&
	       there.st_ino == here.st_ino;
}

int shm_removal_begin(const char *path)
{
	int fd = open_to_tell(path);

	/* Who makes and who removes it at the same moment may put another in its place.  Where that comes after this look, the
	 * other one is removed and not told: those attached to it see it by the path. */
	for (int tries = 0; tries < 100 && fd >= 0 && !leads_to(path, fd); tries++) {
		close(fd);
		fd = open_to_tell(path);
	}
	return fd;
}

/* A region of this layout, whole, and without a name: whoever took that away, we have not mistaken it for another. */
static bool is_unnamed_region(int fd)
{
	struct covey_header h;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 &&
	       pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && h.magic == COVEY_MAGIC && h.abi == COVEY_ABI &&
	       h.fingerprint == covey_fingerprint() && h.seal == covey_seal(&h) && h.size == (uint64_t)st.st_size;
}

/* The header, and the words behind it that monitors sleep on. */
static void tell(int fd)
{
	const size_t size = COVEY_PAGE * 2;
	unsigned char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct cv_arena watched = {0};

	if (base == MAP_FAILED)
		return;
	atomic_store(&((struct covey_header *)(void *)base)->unnamed, 1); /* seq_cst: before the watchers are told */
	watched.watch = (_Atomic uint32_t *)(void *)(base + COVEY_PAGE);
	cv_watch_ring_all(&watched);
	munmap(base, size);
}

void shm_removal_end(int fd)
{
	if (fd < 0)
		return;
	if (is_unnamed_region(fd))
		tell(fd);
	close(fd);
}
