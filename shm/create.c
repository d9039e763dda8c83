/*
 * create.c - a new region
 *
 * It is built in a file without a name (O_TMPFILE in its directory), given its memory, initialised, and only then linked to its
 * name: others see it whole or not at all, and whoever dies before that leaves nothing.  The second of two creators finds
 * the name taken and attaches to the winner's.
 *
 * One creates at a time: each new region takes all its memory first, and a crowd that came at once would together need more
 * than there is, when one region fits.  Creators lock the directory (flock(2), which needs no file of its own and ends with
 * its holder); the others look every now and then whether the region is there.  Anybody may hold that lock, and who holds
 * it may be stopped: so it is waited for no longer than a moment, which is not the same for all, and then done without.  No
 * law depends on it.
 *
 * Where a file without a name cannot be had, or cannot be linked (without /proc that needs a capability), the file has a
 * temporary name, which is linked, or renamed, to its own.  Such a file is locked while its creator lives; those that are
 * not, the next who needs a temporary name removes.
 *
 * A region of another version is of no use, and has its name taken away once nobody is attached: a lock on all slots at once
 * is to be had then, and as long as it is held, nobody of that version can attach.
 */
#include "create.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "boot.h"
#include "named.h"
#include "futex.h"

#define TURN_PATIENCE_NS INT64_C(1000000000) /* and up to as much again */
#define LOOK_NS 2000000
#define LAST_LOOKS 100 /* after a creation without the lock that found no room */

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

/* ------------------------------------------------------------------------------------------------ the memory */

static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
	static const char zeros[65536];

	while (bytes > 0) {
		ssize_t n = pwrite(fd, zeros, bytes < sizeof(zeros) ? bytes : sizeof(zeros), (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != ENOSPC && errno != EDQUOT ? COVEY_ESYSTEM : COVEY_ENOSPC;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* Some file systems, such as ramfs, have no fallocate(2), and some filters forbid it.  The file is ours alone yet. */
static int file_back(int fd, uint64_t offset, uint64_t bytes)
{
	int r = shm_backing_allocate(fd, offset, bytes);

	if (r == COVEY_ESYSTEM && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM))
		return write_zeros(fd, offset, bytes);
	return r;
}

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

/* What a region is made of. */
struct plan {
	struct covey_counts counts;
	struct covey_layout layout;
	mode_t mode;
};

static int file_fill(int fd, const struct plan *plan)
{
	const struct covey_layout *l = &plan->layout;
	uint64_t base = plan->counts.chunks_base;
	int r;

	if (fchmod(fd, plan->mode) != 0 || ftruncate(fd, (off_t)l->size) != 0)
		return COVEY_ESYSTEM;
	r = file_back(fd, 0, l->blocks + base * CV_CHUNK_BLOCKS * 8);
	if (r == 0)
		r = file_back(fd, l->heap, base << CV_CHUNK_SHIFT);
	return r != 0 ? r : header_write(fd, &plan->counts, l);
}

/* ------------------------------------------------------------------------------------------------ a file without a name */

#define TEMPORARY_SIZE 32

static int no_room_or_failed(void)
{
	return errno == ENOSPC || errno == EDQUOT ? COVEY_ENOSPC : COVEY_ESYSTEM;
}

/* 0, or -1 with errno: EEXIST if the region is there.  By the number another thread may have another file. */
static int link_unnamed(const struct shm_place *p, int fd)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/thread-self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, p->directory, p->file, AT_SYMLINK_FOLLOW) == 0 || errno == EEXIST || errno == ENOSPC)
		return errno == EEXIST || errno == ENOSPC ? -1 : 0;
	return linkat(fd, "", p->directory, p->file, AT_EMPTY_PATH); /* no /proc; needs a capability */
}

/* Gives 1 where that cannot be done. */
static int build_unnamed(const struct shm_place *p, const struct plan *plan)
{
	int fd = shm_place_file(p, ".", O_TMPFILE | O_RDWR, 0600), r;

	if (fd < 0)
		return 1;
	r = file_fill(fd, plan);
	if (r == 0 && link_unnamed(p, fd) != 0 && errno != EEXIST)
		r = errno == ENOSPC ? COVEY_ENOSPC : 1;
	close(fd);
	return r;
}

/* ------------------------------------------------------------------------------------------------ a temporary name */

static void remove_if_left(const struct shm_place *p, const char *file)
{
	int fd = shm_place_file(p, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(p->directory, file, 0);
	close(fd);
}

/* Of creators that were killed. */
static void remove_left(const struct shm_place *p)
{
	int fd = shm_place_file(p, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (list == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(list)) != NULL;)
		if (strncmp(e->d_name, SHM_TEMPORARY, sizeof(SHM_TEMPORARY) - 1) == 0)
			remove_if_left(p, e->d_name);
	closedir(list);
}

/* Never a name that was there before: whoever looks at that one, looks at the same file. */
static int temporary_new(const struct shm_place *p, char name[TEMPORARY_SIZE])
{
	uint64_t nonce = 0;
	int fd;

	if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return -1;
	snprintf(name, TEMPORARY_SIZE, SHM_TEMPORARY "%016llx", (unsigned long long)nonce);
	fd = shm_place_file(p, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* Neither replaces what is there. */
static int publish_named(const struct shm_place *p, const char *temporary)
{
	if (linkat(p->directory, temporary, p->directory, p->file, 0) == 0 || errno == EEXIST || errno == ENOSPC)
		return errno == EEXIST || errno == ENOSPC ? -1 : 0;
	return renameat2(p->directory, temporary, p->directory, p->file, RENAME_NOREPLACE);
}

static int build_named(const struct shm_place *p, const struct plan *plan)
{
	char temporary[TEMPORARY_SIZE];
	int fd, r;

	remove_left(p);
	fd = temporary_new(p, temporary);
	if (fd < 0)
		return no_room_or_failed();
	r = file_fill(fd, plan);
	if (r == 0 && publish_named(p, temporary) != 0 && errno != EEXIST)
		r = no_room_or_failed();
	if (r == COVEY_ESYSTEM && (errno == EINVAL || errno == ENOSYS || errno == EPERM))
		errno = EOPNOTSUPP; /* no way to give it its name whole */
	unlinkat(p->directory, temporary, 0);
	close(fd);
	return r;
}

static int region_build(const struct shm_place *p, const struct plan *plan)
{
	int r = build_unnamed(p, plan);

	return r == 1 ? build_named(p, plan) : r;
}

/* ------------------------------------------------------------------------------------------------ one at a time */

enum turn { TURN_HELD, TURN_WITHOUT, TURN_NO_NEED };

static void moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

/* The directory's lock, if it can be had in time and before the name changes from what it was. */
static enum turn turn_take(const struct shm_place *p, const struct stat *was)
{
	int64_t until = cv_kernel.now() + TURN_PATIENCE_NS;
	uint32_t more = 0;

	(void)!getrandom(&more, sizeof(more), 0);
	until += more % TURN_PATIENCE_NS; /* so that a crowd does not stop waiting all at once */
	while (flock(p->directory, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return TURN_WITHOUT;
		if (shm_place_changed(p, was))
			return TURN_NO_NEED;
		if (cv_kernel.now() >= until)
			return TURN_WITHOUT;
		moment();
	}
	return TURN_HELD;
}

/* A child of a fork has the descriptor, too: closing ours would not do. */
static void turn_give(const struct shm_place *p, enum turn turn)
{
	int saved = errno;

	if (turn == TURN_HELD)
		(void)flock(p->directory, LOCK_UN);
	errno = saved;
}

static int region_create(const struct shm_place *p, const struct plan *plan, enum turn turn)
{
	int r;

	if (turn == TURN_NO_NEED || shm_place_changed(p, NULL))
		return 0;
	r = region_build(p, plan);
	/* Others without the lock may have had the room, and be about to have made it. */
	for (int i = 0; r == COVEY_ENOSPC && i < (turn == TURN_HELD ? 1 : LAST_LOOKS); i++) {
		if (shm_place_changed(p, NULL))
			return 0;
		if (turn != TURN_HELD)
			moment();
	}
	return r;
}

/* 0: it is there now, made by us or by somebody else. */
int shm_region_create(const struct shm_place *p, const struct covey_options *o)
{
	struct plan plan = {.mode = o != NULL && o->mode != 0 ? o->mode : 0600};
	enum turn turn;
	int r = counts_of(o, &plan.counts);

	if (r == 0)
		r = counts_fit(&plan.counts, &plan.layout);
	if (r != 0)
		return r;
	if ((plan.mode & 022) != 0 && (o == NULL || (o->flags & COVEY_ALLOW_SHARED) == 0))
		return COVEY_EPERM;
	turn = turn_take(p, NULL);
	r = region_create(p, &plan, turn);
	turn_give(p, turn);
	return r;
}

/* ------------------------------------------------------------------------------------------------ taking a name away */

/* How every region begins, whatever its version. */
struct beginning {
	uint64_t magic;
	uint32_t abi, fingerprint;
};

static bool is_a_region(int fd, struct beginning *b)
{
	return pread(fd, b, sizeof(*b), 0) == (ssize_t)sizeof(*b) && b->magic == COVEY_MAGIC;
}

static int unlink_region(const struct shm_place *p)
{
	struct beginning b;
	int fd = p->common ? -1 : shm_place_look(p, O_RDONLY);

	if (!p->common && fd < 0)
		return fd;
	if (fd >= 0 && !is_a_region(fd, &b)) {
		close(fd);
		return shm_foreign(ENOEXEC);
	}
	if (fd >= 0)
		close(fd);
	if (unlinkat(p->directory, p->file, 0) == 0)
		return 0;
	return errno == ENOENT ? COVEY_ENOENT : COVEY_ESYSTEM;
}

int shm_region_unlink(const char *path)
{
	struct shm_place p;
	int r = shm_place_open(path, COVEY_ATTACH_ONLY | COVEY_ALLOW_FOREIGN | COVEY_ALLOW_SHARED, &p), told, error;

	if (r != 0)
		return r;
	told = shm_removal_begin(path);
	r = unlink_region(&p);
	error = errno;
	shm_removal_end(told);
	shm_place_close(&p);
	errno = error;
	return r;
}

static int name_take_away(const struct shm_place *p, int fd, const struct stat *st)
{
	struct flock all = {
	        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = COVEY_LOCK_BASE, .l_len = COVEY_PARTICIPANTS_LIMIT};

	if (fcntl(fd, F_OFD_SETLK, &all) != 0) {
		if (errno != EAGAIN && errno != EACCES)
			return COVEY_ESYSTEM;
		if (shm_anybody_attached(fd))
			return shm_foreign(EBUSY);
		moment(); /* another one replaces it, without the directory's lock */
		return 1;
	}
	if (!shm_place_changed(p, st) && unlinkat(p->directory, p->file, 0) != 0 && errno != ENOENT)
		return COVEY_ESYSTEM;
	return 1;
}

int shm_region_outdated(const struct shm_place *p, int fd, const struct covey_options *o)
{
	uint32_t flags = o != NULL ? o->flags : 0;
	struct beginning b;
	enum turn turn;
	struct stat st;
	int r;

	if ((flags & COVEY_INSPECT) != 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_a_region(fd, &b) ||
	        (b.abi == COVEY_ABI && b.fingerprint == covey_fingerprint()))
		return 0;
	if (st.st_uid != geteuid() || ((st.st_mode & 022) != 0 && (flags & COVEY_ALLOW_SHARED) == 0))
		return 0; /* not ours to remove */
	if ((flags & COVEY_ATTACH_ONLY) != 0 || shm_anybody_attached(fd))
		return shm_foreign(shm_anybody_attached(fd) ? EBUSY : ENOEXEC);
	turn = turn_take(p, &st);
	r = turn == TURN_NO_NEED ? 1 : name_take_away(p, fd, &st);
	turn_give(p, turn);
	return r;
}
