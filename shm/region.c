/*
 * region.c - attach, leave, remove
 *
 * Nothing in the file is believed before owner, permissions, size, magic, layout and boot have been checked; offsets are
 * computed, not read.
 *
 * Who opens what this process has open already is given a further handle of the same attachment (thread.c).  Which file that
 * is, its name tells by device and inode, before anything is opened; so it takes a few system calls and no descriptor.
 */
#include "region.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"
#include "boot.h"
#include "create.h"
#include "event.h"
#include "internal.h"
#include "memory.h"
#include "named.h"

#define PATH_SIZE COVEY_PATH_SIZE

/* ------------------------------------------------------------------------------------------------ attach */

static int file_trusted(const struct stat *st, uint32_t flags)
{
	if (!S_ISREG(st->st_mode))
		return shm_foreign(ENOEXEC);
	if (st->st_uid != geteuid() && (flags & COVEY_ALLOW_FOREIGN) == 0)
		return COVEY_EPERM;
	if ((st->st_mode & 022) != 0 && (flags & COVEY_ALLOW_SHARED) == 0)
		return COVEY_EPERM;
	return 0;
}

static int header_check(int fd, uint64_t size, bool inspect, struct covey_counts *n, struct covey_layout *layout)
{
	struct covey_header h;
	ssize_t got;
	int r;

	got = size < COVEY_PAGE ? 0 : pread(fd, &h, sizeof(h), 0);
	if (got < 0)
		return COVEY_ESYSTEM;
	if (got != (ssize_t)sizeof(h) || h.magic != COVEY_MAGIC || h.abi != COVEY_ABI ||
	        h.fingerprint != covey_fingerprint())
		return shm_foreign(ENOEXEC);
	if (!inspect && (r = shm_origin_check(fd, &h.origin)) != 0)
		return r;
	*n = h.counts;
	if (h.seal != covey_seal(&h) || !covey_layout_of(n, layout) || layout->size != h.size || h.size != size)
		return COVEY_ECORRUPT;
	return 0;
}

static void view_set(covey *c, unsigned char *base)
{
	struct cv_arena *a = &c->arena;

	c->header = (struct covey_header *)(void *)base;
	c->slots = (struct covey_slot *)(void *)(base + c->layout.slots);
	c->rings = (struct covey_ring *)(void *)(base + c->layout.rings);
	a->seats = (struct cv_seat *)(void *)(base + c->layout.seats);
	a->nodes = (struct cv_node *)(void *)(base + c->layout.nodes);
	a->tails = (struct cv_tail *)(void *)(base + c->layout.tails);
	a->buckets = (_Atomic uint64_t *)(void *)(base + c->layout.buckets);
	a->chunks = (_Atomic uint64_t *)(void *)(base + c->layout.chunks);
	a->blocks = (_Atomic uint64_t *)(void *)(base + c->layout.blocks);
	a->heap = base + c->layout.heap;
	a->globals = &c->header->globals;
	a->watch = (_Atomic uint32_t *)(void *)(base + c->layout.watch);
	a->key = c->header->key;
	a->node_count = c->counts.groups;
	a->bucket_mask = c->counts.buckets - 1;
	a->seat_count = c->counts.threads;
	a->keeper_count = c->counts.participants;
	a->chunk_count = c->counts.chunks;
	a->chunk_base = c->counts.chunks_base;
	a->backing = (struct cv_backing){shm_backing_commit, shm_backing_release, c};
}

static int region_map(covey *c, int fd)
{
	struct stat st;
	uint64_t size;
	void *base;
	int r = fstat(fd, &st) != 0 ? COVEY_ESYSTEM : file_trusted(&st, c->flags);

	if (r != 0)
		return r;
	c->device = st.st_dev;
	c->inode = st.st_ino;
	shm_named_begin(c);
	size = (uint64_t)st.st_size;
	r = header_check(fd, size, c->inspect, &c->counts, &c->layout);
	if (r != 0)
		return r;
	base = mmap(NULL, size, c->inspect ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return COVEY_ESYSTEM;
	(void)madvise(base, size, MADV_DONTDUMP); /* others' bytes do not belong into our core file */
	covey_registry_lock(); /* with it come the fork handlers, of which an inspector's child needs the clock's */
	shm_clock_compare();
	covey_registry_unlock();
	view_set(c, base);
	return 0;
}

static bool same_file(const covey *c, const struct stat *st)
{
	return st->st_dev == c->device && st->st_ino == c->inode;
}

static int reopen_path(const covey *c, const char *path, int access)
{
	struct stat st;
	int fd = shm_open_above(AT_FDCWD, path, access | O_NONBLOCK | O_NOCTTY, 0);

	if (fd >= 0 && (fstat(fd, &st) != 0 || !same_file(c, &st))) {
		close(fd);
		errno = ENOENT; /* what is there is another's */
		fd = -1;
	}
	return fd;
}

/* The host may have closed our descriptor, and have others by its number: only what is ours still is opened. */
int covey_file_reopen(const covey *c, int access)
{
	char self[64];
	struct stat st;
	int fd = -1, kept = c->attachment->fd;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", kept);
	if (kept >= 0 && stat(self, &st) == 0 && same_file(c, &st))
		fd = reopen_path(c, self, access);
	if (fd < 0) /* no /proc, or no descriptor: by its name, if that is still this file's */
		fd = reopen_path(c, c->path, access | O_NOFOLLOW);
	return fd;
}

/* A descriptor that leads to the file, and through which nobody can write to it by mistake. */
static int file_keep(const covey *c, int fd)
{
	char self[64];
	int kept;

	snprintf(self, sizeof(self), "/proc/thread-self/fd/%d", fd);
	kept = reopen_path(c, self, O_PATH);
	return kept >= 0 ? kept : reopen_path(c, c->path, O_PATH | O_NOFOLLOW);
}

static void file_let_go(const struct shm_attachment *a)
{
	struct stat st;
	int flags = a->fd >= 0 ? fcntl(a->fd, F_GETFL) : -1;

	if (flags >= 0 && (flags & O_PATH) != 0 && fstat(a->fd, &st) == 0 && same_file(&a->view, &st))
		close(a->fd);
}

static void attachment_drop(struct shm_attachment *a)
{
	int saved = errno;

	if (a->view.header != NULL)
		munmap((void *)a->view.header, a->view.layout.size);
	file_let_go(a);
	for (covey *c = a->spares, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
	errno = saved;
}

/* A region's file, made where there is none: somebody may remove or make it at any moment. */
static int file_find(const struct shm_place *p, const struct covey_options *o, int access)
{
	uint32_t flags = o != NULL ? o->flags : 0;

	for (int tries = 0; tries < 100; tries++) {
		int fd = shm_place_look(p, access), r = 0;

		if (fd >= 0 && (r = shm_region_outdated(p, fd, o)) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
		else if (fd != COVEY_ENOENT || (flags & (COVEY_ATTACH_ONLY | COVEY_INSPECT)) != 0)
			return fd;
		else
			r = shm_region_create(p, o);
		if (r < 0)
			return r;
	}
	return COVEY_ESYSTEM;
}

static int file_open(const char *path, const struct covey_options *o, int access)
{
	struct shm_place place;
	int fd = shm_place_open(path, o != NULL ? o->flags : 0, &place);

	if (fd != 0)
		return fd;
	fd = file_find(&place, o, access);
	shm_place_close(&place);
	return fd;
}

static int attachment_enter(struct shm_attachment *a, int fd, covey **out)
{
	int r = region_map(&a->view, fd);

	if (r != 0)
		return r;
	a->fd = file_keep(&a->view, fd);
	if (a->view.inspect) {
		*out = &a->view; /* its only handle */
		return 0;
	}
	shm_mutex_init(&a->reaping);
	return covey_registry_join(a, out);
}

/* From here on there is a thread that runs our code, and the ends of threads and forks call it: so a plug-in that has a copy of
 * it stays loaded, whoever unloads it.  The main program does anyway, and has no path to be found by. */
static void stay_loaded(void)
{
	static _Atomic bool stays;
	Dl_info self;

	/* Not under a lock of ours: the loader's is held where a library's constructor calls. */
	if (!atomic_load(&stays) && dladdr(&stays, &self) != 0 && self.dli_fname != NULL &&
	        strchr(self.dli_fname, '/') != NULL)
		(void)dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	atomic_store(&stays, true);
}

static int open_anew(const char *path, const struct covey_options *options, uint32_t flags, covey **out)
{
	int fd = file_open(path, options, flags & COVEY_INSPECT ? O_RDONLY : O_RDWR), r;
	struct shm_attachment *a;

	if (fd < 0)
		return fd;
	stay_loaded();
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		close(fd);
		return COVEY_ESYSTEM;
	}
	a->fd = a->own.fd = -1;
	a->view.attachment = a;
	a->view.flags = flags;
	a->view.inspect = (flags & COVEY_INSPECT) != 0;
	snprintf(a->view.path, sizeof(a->view.path), "%s", path);
	r = attachment_enter(a, fd, out);
	close(fd);                             /* the mapping stays */
	if (r != 0 || (*out)->attachment != a) /* another thread may have been first */
		attachment_drop(a);
	return r;
}

/* COVEY_ENOENT: this process is not attached to that file, or it is for open_anew() to say what is wrong with it. */
static int open_again(const char *path, uint32_t flags, covey **out)
{
	struct stat st;

	if ((flags & (COVEY_INSPECT | COVEY_SEPARATE)) != 0 || lstat(path, &st) != 0 || file_trusted(&st, flags) != 0)
		return COVEY_ENOENT;
	/* Who has changed its user since then may not open by what it was. */
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0 || !shm_place_trusted(path, flags))
		return COVEY_ENOENT;
	return shm_registry_share(st.st_dev, st.st_ino, path, flags, out);
}

int covey_open(covey **out, const char *name, const struct covey_options *options)
{
	uint32_t flags = options != NULL ? options->flags : 0;
	char path[PATH_SIZE];
	int r = shm_path_of(name, path);
	struct shm_quiet quiet;
	unsigned arena;

	if (out == NULL)
		return COVEY_EINVAL;
	*out = NULL;
	if (r != 0)
		return r;
	shm_quiet_begin(&quiet);
	arena = covey_memory_outside(); /* a worker's callback may be the first that opens what others share */
	r = open_again(path, flags, out);
	if (r == COVEY_ENOENT)
		r = open_anew(path, options, flags, out);
	covey_memory_leave(arena);
	shm_quiet_end(&quiet);
	return r;
}

static void handle_end(covey *c, bool ours)
{
	struct shm_attachment *a = c->attachment;

	if (!c->inspect) {
		if (!shm_registry_leave(c))
			return;
		if (ours)
			covey_participant_leave(&a->view);
		covey_threads_forget(a);
	}
	attachment_drop(a);
}

void covey_close(covey *c)
{
	struct shm_quiet quiet;
	bool ours;
	int cancel;

	if (c == NULL)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	covey_monitors_end(c); /* which waits for the host's code, as the workers do: not quietly */
	ours = !c->inspect && covey_threads_current(c); /* not in the child of a fork that never called */
	if (ours)
		covey_workers_end(c);
	shm_quiet_begin(&quiet);
	handle_end(c, ours);
	shm_quiet_end(&quiet);
	pthread_setcancelstate(cancel, NULL);
}

int covey_unlink(const char *name)
{
	struct shm_quiet quiet;
	char path[PATH_SIZE];
	int r = shm_path_of(name, path);

	if (r != 0)
		return r;
	shm_quiet_begin(&quiet);
	r = shm_region_unlink(path);
	shm_quiet_end(&quiet);
	return r;
}
