/*
 * guest.h - in somebody else's process: no signal, no cancellation and no fork in between, and no descriptor below 3
 */
#ifndef COVEY_GUEST_H
#define COVEY_GUEST_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

/* What the calling thread had before it became quiet. */
struct shm_quiet {
	sigset_t signals;
	int cancel;
};

/* From here to the end no signal is handled in this thread, and it is not cancelled: nothing of the host's runs in between,
 * so no handler forks, allocates or leaves by a jump while something of ours is locked or half done.  Pairs may nest. */
void shm_quiet_begin(struct shm_quiet *quiet);
void shm_quiet_end(const struct shm_quiet *quiet); /* errno stays */

/* A mutex whose owner is quiet for as long as it holds it.  Those held at once are let go of in reverse order. */
struct shm_mutex {
	pthread_mutex_t mutex;
	struct shm_quiet quiet; /* the owner's */
};
#define SHM_MUTEX_INITIALIZER                                                                                          \
	{                                                                                                              \
		.mutex = PTHREAD_MUTEX_INITIALIZER                                                                     \
	}

/* Also of one that a parent's thread held when this process was forked. */
static inline void shm_mutex_init(struct shm_mutex *m)
{
	pthread_mutex_init(&m->mutex, NULL);
}

static inline void shm_mutex_lock(struct shm_mutex *m)
{
	struct shm_quiet quiet;

	shm_quiet_begin(&quiet);
	pthread_mutex_lock(&m->mutex);
	m->quiet = quiet;
}

static inline void shm_mutex_unlock(struct shm_mutex *m)
{
	struct shm_quiet quiet = m->quiet;

	pthread_mutex_unlock(&m->mutex);
	shm_quiet_end(&quiet);
}

/* In the child of a fork, where the forking thread held it: what was, goes on. */
static inline void shm_mutex_renew(struct shm_mutex *m)
{
	struct shm_quiet quiet = m->quiet;

	pthread_mutex_init(&m->mutex, NULL);
	shm_quiet_end(&quiet);
}

/* The allocator, for calls that are not quiet else: it has locks, too, and a handler that forks waits for them.  0 bytes are 1. */
void *shm_allocate(size_t size);
void *shm_allocate_zeros(size_t count, size_t each);
void *shm_reallocate(void *memory, size_t size);
void shm_free(void *memory); /* NULL costs nothing */

/* Between these two no descriptor that this process makes is below 3.  One thread at a time; quiet. */
void shm_floor_begin(void);
void shm_floor_end(void); /* errno stays */

/* Between these two this process does not fork: for a descriptor that no child may have, not even for a moment.  One thread at a
 * time; quiet.  Not while shm_floor_begin() is in force; the other way round is right. */
void shm_childless_begin(void);
void shm_childless_end(void);

/* For the fork handlers. */
void shm_guest_before_fork(void);
void shm_guest_in_parent(void);
void shm_guest_in_child(void);

/* openat(2) with O_CLOEXEC, for a descriptor of 3 or above. */
int shm_open_above(int directory, const char *path, int flags, mode_t mode);

#endif
