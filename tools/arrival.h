/* arrival.h - which of two pipes was written to next: see arrival.c */
#ifndef COVEY_ARRIVAL_H
#define COVEY_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

enum { ARRIVALS = 4096 };

struct arrivals {
	int pipes[2];
	int told; /* the descriptor that writes are told by; -1: they are not */
	unsigned char queue[ARRIVALS];
	size_t head, count, of[2]; /* how many in all, and of each pipe */
	bool early[2];             /* bytes were there, and their write is not told of yet */
	struct rlimit limit;       /* to the signals that may be pending, as it was */
};

/* arrivals_begin - from now on each write to one of these pipes is told.  Where that cannot be had, none is. */
void arrivals_begin(struct arrivals *a, const int pipes[2]);

/* arrivals_early - bytes of a pipe were there that nothing told of: the next that does is not counted. */
void arrivals_early(struct arrivals *a, int pipe);

/* arrivals_none_early - what was there is told of, or never will be. */
void arrivals_none_early(struct arrivals *a);

/* arrivals_take - queue what was told since. */
void arrivals_take(struct arrivals *a);

/* arrivals_next - the pipe of the oldest write, 0 or 1, and how many in a row there are of it; -1 when there is
 * none. */
int arrivals_next(const struct arrivals *a, size_t *run);
void arrivals_drop(struct arrivals *a, size_t count);

/* arrivals_end - after the pipes were closed. */
void arrivals_end(struct arrivals *a);

#endif
