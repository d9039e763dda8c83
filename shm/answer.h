/*
 * answer.h - the result that a compute callback builds, while it builds it
 */
#ifndef COVEY_ANSWER_H
#define COVEY_ANSWER_H

#include "covey.h"

struct covey_answer {
	covey *c;                      /* NULL: computed alone, everything in memory of this process */
	const struct covey_lead *lead; /* who publishes it */
	struct covey_bytes request;    /* whose answer it is; data NULL: everybody's */
	int32_t code;
	void *data;
	size_t size;
	uint32_t room; /* data lies in the region */
	void *owned;   /* data lies in memory of this process */
};

void covey_answer_drop(struct covey_answer *answer);

#endif
