/*
 * worker_device.c - a device to be loaded by a worker's own process: it answers with that process's pid
 */
#include <unistd.h>

#include "covey.h"

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	pid_t pid = getpid();

	(void)self, (void)base, (void)request;
	return covey_answer_copy(answer, &pid, sizeof(pid));
}

static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'p';
	return 0;
}

COVEY_API extern const struct covey_device worker_device;
const struct covey_device worker_device = {.group = group, .compute = compute};
