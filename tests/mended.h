/*
 * mended.h - what the tests about mended workers and hosts share
 *
 * What was a matter of luck is brought about: cv_kernel's calls are replaced by some that wait for the other side, or
 * stop their process, at the moment that matters.
 */
#ifndef COVEY_TESTS_MENDED_H
#define COVEY_TESTS_MENDED_H

#include "world.h"

#include "region.h"

static covey *here;
static struct cv_futex_ops kernel; /* the real one */

static inline void begin(const struct covey_options *options)
{
	world_begin(options);
	kernel = cv_kernel;
	here = world_open();
}

static inline void end(void)
{
	cv_kernel = kernel;
	world_settle(here, 1);
	world_check(here, 0);
	covey_close(here);
	world_end();
}

static inline struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

static inline bool asks_for(struct covey_bytes request, const char *what)
{
	return request.size == strlen(what) && memcmp(request.data, what, request.size) == 0;
}

/* The group's name is the base. */
static inline int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static inline int ask_for(covey *c, const char *name, const char *request, struct covey_result *result)
{
	struct covey_lead lead;
	int r = covey_join(c, name, strlen(name), &lead);

	memset(result, 0, sizeof(*result));
	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, result);
	return r;
}

static inline int ask(covey *c, const char *name, const char *request)
{
	struct covey_result result;
	int r = ask_for(c, name, request, &result);

	covey_release(c, &result);
	return r;
}

/* Somebody's requests are rung for by this word. */
static inline bool request_bell(const _Atomic uint32_t *word)
{
	for (uint32_t i = 1; i <= here->arena.node_count; i++)
		if (word == &here->arena.tails[i].request_bell)
			return true;
	return false;
}

#endif
