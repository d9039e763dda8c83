/*
 * device.c - devices for "covey worker --device", as a user would write them: a shared object that calls the program's
 * own library
 *
 *      count    answers how often it was asked, and keeps its group; its object is made by begin, and what it has at the
 *               end goes to the file that its base names, if it names one
 *      chain    the state is text, the answer is state + request, and each state has a group of its own: "chain:STATE"
 *      stuck    makes a file "stuck", and computes for ever
 *      refuse   does not begin
 *      empty    can do nothing
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "covey.h"

/* ------------------------------------------------------------------------------------------------ count */

struct count {
	char file[256];
	unsigned long asked;
};

static int count_begin(void **self, struct covey_bytes base)
{
	struct count *count = base.size < sizeof(count->file) ? calloc(1, sizeof(*count)) : NULL;

	if (!count)
		return -1;
	if (base.size != 0)
		memcpy(count->file, base.data, base.size);
	*self = count;
	return 0;
}

static int count_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 0; /* no other than it has */
	return 0;
}

static int count_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	struct count *count = self;
	char text[32];
	int fails = request.size == 4 && memcmp(request.data, "fail", 4) == 0;

	(void)base;
	if (fails) {
		covey_answer_code(answer, 42);
		return covey_answer_copy(answer, "as you wish", 11) != 0 || fails;
	}
	return covey_answer_copy(answer, text, (size_t)snprintf(text, sizeof(text), "%lu", ++count->asked));
}

static void count_end(void *self)
{
	struct count *count = self;
	FILE *file = count->file[0] ? fopen(count->file, "w") : NULL;

	if (file) {
		fprintf(file, "%lu\n", count->asked);
		fclose(file);
	}
	free(count);
}

COVEY_API const struct covey_device count = {
        .begin = count_begin, .group = count_group, .compute = count_compute, .end = count_end};

/* ------------------------------------------------------------------------------------------------ chain */

static int chain_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	int n = snprintf((char *)name->data, sizeof(name->data), "chain:%.*s", (int)base.size, (const char *)base.data);

	(void)self, (void)request;
	name->size = (size_t)n;
	return (size_t)n < sizeof(name->data) ? 0 : COVEY_EINVAL;
}

static int chain_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char *text = covey_answer_room(answer, base.size + request.size);

	(void)self;
	if (!text)
		return 1;
	if (base.size != 0)
		memcpy(text, base.data, base.size);
	if (request.size != 0)
		memcpy(text + base.size, request.data, request.size);
	return 0;
}

COVEY_API const struct covey_device chain = {.group = chain_group, .compute = chain_compute};

/* ------------------------------------------------------------------------------------------------ of no use */

static int stuck_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	FILE *file = fopen("stuck", "w");

	(void)self, (void)base, (void)request, (void)answer;
	if (file)
		fclose(file);
	while (pause() < 0) {
	}
	return 0;
}

COVEY_API const struct covey_device stuck = {.group = count_group, .compute = stuck_compute};

static int refuse_begin(void **self, struct covey_bytes base)
{
	(void)self, (void)base;
	return -1;
}

COVEY_API const struct covey_device refuse = {.begin = refuse_begin, .compute = chain_compute};

COVEY_API const struct covey_device empty = {.self = NULL};
