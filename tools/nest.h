/* nest.h - which groups this process works for: see nest.c */
#ifndef COVEY_NEST_H
#define COVEY_NEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "covey.h"

enum { DIGEST_SIZE = 33 }; /* 128 bits in hexadecimal, and the NUL */

/* nest_digest - what stands for (region, key) where names must be short. */
void nest_digest(char digest[DIGEST_SIZE], const char *region, const char *key, size_t key_size);

/* nest_inside - was this process started, at whatever depth, by that very leader of that group? */
bool nest_inside(const char *digest, const struct covey_lead *leader);

/* nest_enter - let the environment say so to everything started from now on.  0, or -1 with errno. */
int nest_enter(const char *digest, uint64_t generation);

/* nest_leave - take the last entry back.  0, or -1 with errno. */
int nest_leave(void);

/* nest_enter_worker - the same, for a worker that is going to lead that group. */
int nest_enter_worker(const char *digest);

#endif
