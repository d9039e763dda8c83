/*
 * region.c - create, attach, leave, remove
 *
 * A new region is built in a file without a name (O_TMPFILE in /dev/shm), given its memory, initialised, and only then
 * linked to its name: others see it whole or not at all, and whoever dies before that leaves nothing.  The second of two
 * creators finds the name taken and attaches to the winner's.  Where /dev/shm cannot do that, the file has a temporary
 * name of its own until it is linked.
 *
 * Nothing in the file is believed before owner, permissions, size, magic, layout and boot have been checked; offsets are
 * computed, not read.
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define SHM_DIRECTORY "/dev/shm"
#define PATH_SIZE COVEY_PATH_SIZE
#define NAME_LIMIT 200

/* ------------------------------------------------------------------------------------------------ names */

static int path_of(const char *name, char path[PATH_SIZE])
{
	size_t n;

	if (name == NULL)
		return COVEY_EINVAL;
	name += name[0] == '/';
	n = strlen(name);
	if (n == 0 || n > NAME_LIMIT || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return COVEY_EINVAL;
	snprintf(path, PATH_SIZE, SHM_DIRECTORY "/%s", name);
	return 0;
}

/* Without /proc every boot looks alike; but who cannot read it now must not take another boot for this one, nor make a
 * region that nobody else can use. */
static int boot_id(unsigned char out[16])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	memset(out, 0, 16);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM ? 0 : COVEY_ESYSTEM;
	close(fd);
	if (n < 0)
		return COVEY_ESYSTEM;
	for (ssize_t i = 0, k = 0; i < n && k < 32; i++) {
		const char *digits = "0123456789abcdef", *p = text[i] ? strchr(digits, text[i]) : NULL;

		if (p != NULL) {
			out[k / 2] = (unsigned char)(out[k / 2] << 4 | (p - digits));
			k++;
		}
	}
	return 0;
}

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

/* ------------------------------------------------------------------------------------------------ memory */

static int allocate(int fd, uint64_t offset, uint64_t bytes)
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

static int heap_commit(void *context, uint32_t chunk, uint32_t count)
{
	covey *c = context;
	int r = allocate(c->fd, blocks_offset(c, chunk), (uint64_t)count * CV_CHUNK_BLOCKS * 8);

	if (r == 0)
		r = allocate(
		        c->fd, c->layout.heap + ((uint64_t)chunk << CV_CHUNK_SHIFT), (uint64_t)count << CV_CHUNK_SHIFT);
	return r;
}

static void heap_release(void *context, uint32_t chunk, uint32_t count)
{
	covey *c = context;

	/* If it fails, the memory stays with the region: it is only not given back. */
	(void)!fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	        (off_t)(c->layout.heap + ((uint64_t)chunk << CV_CHUNK_SHIFT)),
	        (off_t)((uint64_t)count << CV_CHUNK_SHIFT));
}

/* ------------------------------------------------------------------------------------------------ create */

static int header_write(int fd, const struct covey_counts *n, const struct covey_layout *layout)
{
	struct covey_header h = {.magic = COVEY_MAGIC, .abi = COVEY_ABI, .fingerprint = covey_fingerprint()};

	h.size = layout->size;
	h.counts = *n;
	h.created = (uint64_t)time(NULL);
	if (boot_id(h.boot) != 0 || getrandom(&h.key, sizeof(h.key), 0) != (ssize_t)sizeof(h.key))
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
	r = allocate(fd, 0, layout->blocks + base * CV_CHUNK_BLOCKS * 8);
	if (r == 0)
		r = allocate(fd, layout->heap, base << CV_CHUNK_SHIFT);
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
static int region_create(const char *path, const struct covey_options *o)
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

/* ------------------------------------------------------------------------------------------------ attach */

static int file_trusted(covey *c, uint32_t flags, uint64_t *size)
{
	struct stat st;

	if (fstat(c->fd, &st) != 0)
		return COVEY_ESYSTEM;
	if (!S_ISREG(st.st_mode))
		return COVEY_EFOREIGN;
	if (st.st_uid != geteuid() && (flags & COVEY_ALLOW_FOREIGN) == 0)
		return COVEY_EPERM;
	if ((st.st_mode & 022) != 0 && (flags & COVEY_ALLOW_SHARED) == 0)
		return COVEY_EPERM;
	c->device = st.st_dev;
	c->inode = st.st_ino;
	*size = (uint64_t)st.st_size;
	return 0;
}

static int header_check(int fd, uint64_t size, bool inspect, struct covey_counts *n, struct covey_layout *layout)
{
	struct covey_header h;
	unsigned char boot[16];

	if (size < COVEY_PAGE || pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return COVEY_EFOREIGN;
	if (h.magic != COVEY_MAGIC || h.abi != COVEY_ABI || h.fingerprint != covey_fingerprint())
		return COVEY_EFOREIGN;
	if (!inspect && boot_id(boot) != 0)
		return COVEY_ESYSTEM;
	if (!inspect && memcmp(boot, h.boot, sizeof(boot)) != 0)
		return COVEY_EFOREIGN;
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
	a->backing = (struct cv_backing){heap_commit, heap_release, c};
}

static int region_map(covey *c, uint32_t flags)
{
	uint64_t size = 0;
	void *base;
	int r = file_trusted(c, flags, &size);

	if (r == 0)
		r = header_check(c->fd, size, c->inspect, &c->counts, &c->layout);
	if (r != 0)
		return r;
	base = mmap(NULL, size, c->inspect ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, c->fd, 0);
	if (base == MAP_FAILED)
		return COVEY_ESYSTEM;
	(void)madvise(base, size, MADV_DONTDUMP); /* others' bytes do not belong into our core file */
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

	snprintf(self, sizeof(self), "/proc/self/fd/%d", c->fd);
	if (c->fd >= 0)
		fd = open(self, access | O_CLOEXEC);
	if (fd < 0) /* no /proc, or no descriptor: by its name, if that is still this file's */
		fd = open(c->path, access | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !is_our_file(c, fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int covey_file_again(covey *c)
{
	int fd = covey_file_reopen(c, c->inspect ? O_RDONLY : O_RDWR);

	if (fd < 0)
		return COVEY_ESYSTEM;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fd;
	return 0;
}

static void region_drop(covey *c)
{
	if (c->header != NULL)
		munmap((void *)c->header, c->layout.size);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Open the file, and make it where there is none: somebody may remove or make it at any moment. */
static int file_open(const char *path, const struct covey_options *o, int access)
{
	uint32_t flags = o != NULL ? o->flags : 0;
	int fd, r;

	for (int tries = 0; tries < 100; tries++) {
		fd = open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno == EACCES || errno == EPERM)
			return COVEY_EPERM;
		if (errno == ELOOP || errno == EISDIR || errno == ENXIO) /* a link, a directory, a socket */
			return COVEY_EFOREIGN;
		if (errno != ENOENT)
			return COVEY_ESYSTEM;
		if (flags & (COVEY_ATTACH_ONLY | COVEY_INSPECT))
			return COVEY_ENOENT;
		r = region_create(path, o);
		if (r != 0)
			return r;
	}
	return COVEY_ESYSTEM;
}

static int region_enter(covey *c, uint32_t flags)
{
	int r = region_map(c, flags);

	if (r != 0 || c->inspect)
		return r;
	/* The mapping keeps the open file that it was made from, also in the children of a fork.  The lock on our slot
	 * must not: it belongs to another one, of which only this process has a descriptor. */
	r = covey_file_again(c);
	if (r != 0)
		return r;
	pthread_mutex_init(&c->reaping, NULL);
	return covey_registry_join(c);
}

int covey_open(covey **out, const char *name, const struct covey_options *options)
{
	uint32_t flags = options != NULL ? options->flags : 0;
	char path[PATH_SIZE];
	covey *c;
	int fd, r = path_of(name, path);

	if (out == NULL)
		return COVEY_EINVAL;
	*out = NULL;
	if (r != 0)
		return r;
	fd = file_open(path, options, flags & COVEY_INSPECT ? O_RDONLY : O_RDWR);
	if (fd < 0)
		return fd;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return COVEY_ESYSTEM;
	}
	c->fd = fd;
	snprintf(c->path, sizeof(c->path), "%s", path);
	c->flags = flags;
	c->inspect = (flags & COVEY_INSPECT) != 0;
	r = region_enter(c, flags);
	if (r != 0) {
		region_drop(c);
		return r;
	}
	*out = c;
	return 0;
}

void covey_close(covey *c)
{
	if (c == NULL)
		return;
	covey_monitors_end(c);
	if (!c->inspect) {
		bool ours = covey_threads_current(c); /* not in the child of a fork that never called */

		if (ours)
			covey_workers_end(c);
		covey_registry_remove(c);
		if (ours)
			covey_participant_leave(c);
		covey_threads_forget(c);
	}
	region_drop(c);
}

int covey_unlink(const char *name)
{
	char path[PATH_SIZE];
	int r = path_of(name, path);

	if (r != 0)
		return r;
	if (unlink(path) == 0)
		return 0;
	return errno == ENOENT ? COVEY_ENOENT : COVEY_ESYSTEM;
}
