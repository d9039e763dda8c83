/*
 * guest.c - in somebody else's process: no signal, no cancellation and no fork in between, and no descriptor below 3
 *
 * A handler of the host's may fork, and a child of fork finds every lock as it was; a fork waits for our locks (thread.c), so
 * the thread that forks must not be the one that holds them.  The allocator has the same problem.  A cancelled thread
 * would leave them locked, and what it did half done.  So whoever locks, allocates or calls what is a cancellation
 * point is quiet meanwhile.
 *
 * Descriptors 0 to 2 are written to by whoever has something to say, whatever they are.  Where the host has closed some of
 * them, they are taken for the moment by descriptors that can be neither read nor written (O_PATH), and given back only if they
 * are still that.  No descriptor of ours is ever below 3, not even for an instant.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* How many pairs this thread is in: the outermost does it.  In the child of a fork it is as it was in the thread that forked. */
static _Thread_local unsigned depth __attribute__((tls_model("initial-exec")));

void shm_quiet_begin(struct shm_quiet *quiet)
{
	sigset_t all;

	*quiet = (struct shm_quiet){.cancel = PTHREAD_CANCEL_DISABLE};
	if (depth == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &quiet->signals);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &quiet->cancel);
	}
	depth++; /* only now: a handler that came before this is not quiet yet */
}

void shm_quiet_end(const struct shm_quiet *quiet)
{
	int saved = errno;

	if (--depth != 0)
		return;
	pthread_setcancelstate(quiet->cancel, NULL);
	pthread_sigmask(SIG_SETMASK, &quiet->signals, NULL);
	errno = saved;
}

/* ------------------------------------------------------------------------------------------------ the allocator */

void *shm_allocate(size_t size)
{
	return shm_reallocate(NULL, size);
}

void *shm_allocate_zeros(size_t count, size_t each)
{
	struct shm_quiet quiet;
	void *memory;

	shm_quiet_begin(&quiet);
	memory = calloc(count, each);
	shm_quiet_end(&quiet);
	return memory;
}

void *shm_reallocate(void *memory, size_t size)
{
	struct shm_quiet quiet;

	shm_quiet_begin(&quiet);
	memory = realloc(memory, size != 0 ? size : 1);
	shm_quiet_end(&quiet);
	return memory;
}

void shm_free(void *memory)
{
	struct shm_quiet quiet;

	if (memory == NULL)
		return;
	shm_quiet_begin(&quiet);
	free(memory);
	shm_quiet_end(&quiet);
}

/* ------------------------------------------------------------------------------------------------ descriptors */

static struct shm_mutex floor_lock = SHM_MUTEX_INITIALIZER;
static bool floor_taken[3];

/* The lowest that is free, which this is, unless another thread of the host's was faster. */
static bool take(int number)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd >= 0 && fd != number)
		close(fd);
	return fd == number;
}

void shm_floor_begin(void)
{
	shm_mutex_lock(&floor_lock);
	for (int i = 0; i < 3; i++)
		floor_taken[i] = fcntl(i, F_GETFD) < 0 && take(i);
}

void shm_floor_end(void)
{
	int saved = errno;

	for (int i = 0; i < 3; i++) {
		int flags = floor_taken[i] ? fcntl(i, F_GETFL) : -1;

		if (flags >= 0 && (flags & O_PATH) != 0) /* else somebody has put another there meanwhile */
			close(i);
		floor_taken[i] = false;
	}
	shm_mutex_unlock(&floor_lock);
	errno = saved;
}

int shm_open_above(int directory, const char *path, int flags, mode_t mode)
{
	int fd;

	shm_floor_begin();
	fd = openat(directory, path, flags | O_CLOEXEC, mode);
	shm_floor_end();
	if (fd < 0 || fd > 2)
		return fd;
	close(fd); /* there was no descriptor left to take its place with */
	errno = EMFILE;
	return -1;
}

/* ------------------------------------------------------------------------------------------------ forks */

static struct shm_mutex childless_lock = SHM_MUTEX_INITIALIZER;

void shm_childless_begin(void)
{
	shm_mutex_lock(&childless_lock);
}

void shm_childless_end(void)
{
	shm_mutex_unlock(&childless_lock);
}

void shm_guest_before_fork(void)
{
	shm_mutex_lock(&childless_lock);
	shm_mutex_lock(&floor_lock);
}

void shm_guest_in_parent(void)
{
	shm_mutex_unlock(&floor_lock);
	shm_mutex_unlock(&childless_lock);
}

void shm_guest_in_child(void)
{
	shm_mutex_renew(&floor_lock);
	shm_mutex_renew(&childless_lock);
}
