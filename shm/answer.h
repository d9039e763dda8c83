/*
 * answer.h - the result that a compute callback builds, while it builds it
 */
#ifndef COVEY_ANSWER_H
#define COVEY_ANSWER_H

#include <stdbool.h>

#include "covey.h"
#include "guest.h"

struct covey_answer {
	covey *c;                      /* NULL: computed alone, everything in memory of this process */
	const struct covey_lead *lead; /* who publishes it */
	struct covey_bytes request;    /* whose answer it is; data NULL: everybody's */
	int32_t code;
	bool given_up; /* there is to be no result */
	void *data;
	size_t size;
	uint32_t room; /* data lies in the region */
	void *owned;   /* data lies in memory of this process */
};

/* Its memory, wherever that is; the code stays. */
void covey_answer_drop(struct covey_answer *answer);

/* In the child of a fork, where the region's part of it is the parent's. */
void shm_answer_forget(struct covey_answer *answer);

#endif
