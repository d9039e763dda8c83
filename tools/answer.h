/* answer.h - a command's outcome as the bytes that a region carries: see answer.c */
#ifndef COVEY_ANSWER_H
#define COVEY_ANSWER_H

#include "cmd.h"
#include "spool.h"

/*
 * answer_publish - end the leadership with the command's exit status and its two outputs, whole in their spools.
 * Whatever cannot be published is given up, so that those who wait ask again.
 * gives  0 or more; COVEY_EFENCED when another leads by now, which is none of the caller's harm
 */
int answer_publish(covey *c, const struct covey_lead *lead, const char *key, size_t key_size, int status,
        const struct stream spools[2]);

/*
 * answer_open - two streams to deliver, from a result that is COVEY_OK, and who ran it.  They borrow from the result.
 * gives  the exit status, or -1 when there is nothing of use in it: ask again
 */
int answer_open(const struct covey_result *result, struct stream streams[2], pid_t *leader);

#endif
