/*
 * look.h - one look at a whole region, and what happened since the one before
 */
#ifndef COVEY_LOOK_H
#define COVEY_LOOK_H

#include "groups.h"

struct look {
	int64_t time;
	struct covey_usage usage;
	uint64_t counters[COVEY_COUNTERS];
	struct group_list groups; /* by name */
	double *rates; /* of each group a second: executions, or a worker's answers; negative: not known yet */
	uint64_t waiters;
	/* Of the waits that ended since the look before, as far as the histories still have them: */
	size_t waits;
	double wait_median, wait_longest; /* seconds */
	uint64_t died;                    /* executions whose leader was found dead since then */
};

/* look_take - look; before may be all zero: then nothing is known of what happened since.  0 or an error; *out is to be
 * ended with look_free() in either case. */
int look_take(covey *c, const struct look *before, struct look *out);
void look_free(struct look *l);

/* look_rate - of a counter, a second; 0 when there was no look before. */
double look_rate(const struct look *l, const struct look *before, enum covey_counter counter);

#endif
