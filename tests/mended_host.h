/*
 * mended_host.h - the device and the workers of the tests about mended hosts
 */
#ifndef COVEY_TESTS_MENDED_HOST_H
#define COVEY_TESTS_MENDED_HOST_H

#include "mended.h"

enum { GO, HOLD, HOST_FLAGS }; /* indexes of world->flag; a test's own begin at the last */
enum { RUNNING };              /* of world->count */

/* The answer is the base, so that a worker left behind has it as its own; "hold" lasts while flag[HOLD] is up. */
static inline int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self;
	atomic_fetch_add(&world->count[RUNNING], 1);
	if (asks_for(request, "hold"))
		until(atomic_load(&world->flag[HOLD]) == 0);
	atomic_fetch_sub(&world->count[RUNNING], 1);
	return covey_answer_copy(answer, base.data, base.size);
}

static const struct covey_device device = {.group = group, .compute = compute};

/* Never idle: what was overlooked is not found by accident. */
static inline struct covey_worker_options on(struct covey_host *host)
{
	return (struct covey_worker_options){.static_worker = 1, .host = host, .worker_timeout = COVEY_FOREVER};
}

static inline void start(
        covey *c, struct covey_host *host, const struct covey_device *d, const char *base, struct covey_worker **out)
{
	const struct covey_worker_options options = on(host);

	assert_int_equal(covey_start_worker(c, d, NULL, 0, bytes(base), &options, out), 0);
}

#endif
