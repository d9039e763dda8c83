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

static bool is_our_file(const covey *c, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == c->device && st.st_ino == c->inode;
}

int covey_file_reopen(const covey *c, int access)
{
	char self[64];
	int fd = -1;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", c->attachment->fd);
	if (c->attachment->fd >= 0)
		fd = open(self, access | O_CLOEXEC);
	if (fd < 0) /* no /proc, or no descriptor: by its name, if that is still this file's */
		fd = open(c->path, access | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !is_our_file(c, fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int covey_file_again(struct shm_attachment *a)
{
	int fd = covey_file_reopen(&a->view, a->view.inspect ? O_RDONLY : O_RDWR);

	if (fd < 0)
		return COVEY_ESYSTEM;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
	return 0;
}

static void attachment_drop(struct shm_attachment *a)
{
	if (a->view.header != NULL)
		munmap((void *)a->view.header, a->view.layout.size);
	if (a->fd >= 0)
		close(a->fd);
	for (covey *c = a->spares, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
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

/* The mapping keeps the open file that it was made from, also in the children of a fork.  The lock on our slot must not: it
 * belongs to another one, of which only this process has a descriptor. */
static int attachment_enter(struct shm_attachment *a, covey **out)
{
	int r = region_map(&a->view, a->fd);

	if (r != 0)
		return r;
	if (a->view.inspect) {
		*out = &a->view; /* its only handle */
		return 0;
	}
	r = covey_file_again(a);
	if (r != 0)
		return r;
	pthread_mutex_init(&a->reaping, NULL);
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
	a->fd = fd;
	a->view.attachment = a;
	a->view.flags = flags;
	a->view.inspect = (flags & COVEY_INSPECT) != 0;
	snprintf(a->view.path, sizeof(a->view.path), "%s", path);
	r = attachment_enter(a, out);
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
	unsigned arena;

	if (out == NULL)
		return COVEY_EINVAL;
	*out = NULL;
	if (r != 0)
		return r;
	arena = covey_memory_outside(); /* a worker's callback may be the first that opens what others share */
	r = open_again(path, flags, out);
	if (r == COVEY_ENOENT)
		r = open_anew(path, options, flags, out);
	covey_memory_leave(arena);
	return r;
}

void covey_close(covey *c)
{
	struct shm_attachment *a;
	bool ours;

	if (c == NULL)
		return;
	a = c->attachment;
	covey_monitors_end(c);
	if (c->inspect) {
		attachment_drop(a);
		return;
	}
	ours = covey_threads_current(c); /* not in the child of a fork that never called */
	if (ours)
		covey_workers_end(c);
	if (!shm_registry_leave(c))
		return;
	if (ours)
		covey_participant_leave(&a->view);
	covey_threads_forget(a);
	attachment_drop(a);
}

int covey_unlink(const char *name)
{
	char path[PATH_SIZE];
	int r = shm_path_of(name, path);

	return r != 0 ? r : shm_region_unlink(path);
}
