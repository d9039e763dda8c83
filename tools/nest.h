/* nest.h - a command must not wait for itself: see nest.c */
#ifndef COVEY_NEST_H
#define COVEY_NEST_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ancestry.h"
#include "covey.h"

enum { DIGEST_SIZE = 33 }; /* 128 bits in hexadecimal, and the NUL */

/* A wait that may be nested: the caller sets what it waits for, and the rest is nest.c's. */
struct nest {
	covey *c;
	const char *region;
	const char *name; /* of the group, as text for messages */
	size_t size;
	const char *digest;
	const struct covey_lead *leader;

	struct ancestry ancestry; /* of this process */
	pid_t thread;             /* that waits */
	bool visible;             /* its wait, to others */
	pthread_t watcher;
	bool watched;
	sem_t over;         /* posted when the wait is */
	atomic_int decided; /* the wait is over, or its watcher ends the process: whichever came first */
};

/* nest_digest - what stands for (region, key) where names must be short. */
void nest_digest(char digest[DIGEST_SIZE], const char *region, const char *key, size_t key_size);

/* nest_begin - before the wait.  False: it would never end.  That has been said, and nest_end() is not to be called. */
bool nest_begin(struct nest *n);

/* nest_end - after the wait. */
void nest_end(struct nest *n);

/* nest_enter - let the environment say so to everything started from now on.  0, or -1 with errno. */
int nest_enter(const char *digest, uint64_t generation);

/* nest_leave - take the last entry back.  0, or -1 with errno. */
int nest_leave(void);

/* nest_enter_worker - the same, for a worker that is going to lead that group. */
int nest_enter_worker(const char *digest);

/* nest_listed - does the environment say that this process was started by that execution? */
bool nest_listed(const char *digest, uint64_t generation, pid_t leader);

/* nest_may_list - false: it does not, whatever the digest. */
bool nest_may_list(uint64_t generation, pid_t leader);

#endif
