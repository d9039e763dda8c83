/* guard.h - no two commands of one group at a time: see guard.c */
#ifndef COVEY_GUARD_H
#define COVEY_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "nest.h"

/* guard_digest - what the guard of a group in a region that this process has just attached to is known by. */
void guard_digest(char digest[DIGEST_SIZE], const char *region, const char *key, size_t key_size);

/* guard_take - wait until the command of an earlier execution is gone, for so many nanoseconds at most, then hold the
 * guard. Gives a close-on-exec descriptor that is the guard, or -1 when it cannot be had: the command may start all
 * the same. */
int guard_take(const char *digest, int64_t patience);

#endif
