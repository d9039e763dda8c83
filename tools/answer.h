/* answer.h - a command's outcome as the bytes that a region carries: see answer.c */
#ifndef COVEY_ANSWER_H
#define COVEY_ANSWER_H

#include "covey.h"
#include "spool.h"

/* What an execution came to. */
struct answer {
	int status;
	pid_t leader;
	int lost; /* errno: there is no output, for the leader's spool took not all.  -1: --spool-limit was reached */
	struct spools spools;
};

/*
 * answer_publish - end the lead and hand the outcome to all who wait for key; what cannot be handed on gives the group
 * up. Gives how many waited, or an error.  May take a while: see handoff.c.
 */
int answer_publish(
        covey *c, const struct covey_lead *lead, const char *key, size_t key_size, int status, struct spools *spools);

/*
 * answer_open - an outcome as it was published, with its spools on their way to our own standard output and error.
 * The result is not to be released before answer_close().
 * gives  true; false when it is no outcome of "covey run", or not to be had any more: nothing is to be closed then
 */
bool answer_open(const struct covey_result *result, struct answer *answer);
void answer_close(struct answer *answer);

#endif
