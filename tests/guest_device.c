/*
 * guest_device.c - see guest_device.h; also a shared object by itself, for the worker's processes to load
 */
#include "guest_device.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static covey *mine;

void guest_use(covey *c)
{
	mine = c;
}

static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 5;
	memcpy(name->data, "guest", 5);
	return 0;
}

static int say(struct covey_answer *answer, const char *text)
{
	return covey_answer_copy(answer, text, strlen(text));
}

static int resolve_own_group(struct covey_bytes base, struct covey_answer *answer)
{
	struct covey_result result;
	char text[64];
	int outcome = covey_resolve(mine, &guest_device_hosted, base, (struct covey_bytes){"inner", 5}, NULL, &result);

	snprintf(text, sizeof(text), "outcome %d, part %d, in a worker %d", outcome, result.part, covey_in_worker());
	covey_release(mine, &result);
	return say(answer, text);
}

/* The child returns. */
static int fork_here(struct covey_answer *answer, int ask)
{
	pid_t child;
	char text[16];
	int status;

	if (covey_answer_room(answer, 100) == NULL)
		return -1;
	child = fork();
	if (child == 0)
		return ask ? covey_find(mine, "guest", 5, NULL) : 0;
	while (waitpid(child, &status, 0) != child) {
	}
	snprintf(text, sizeof(text), "%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return say(answer, text);
}

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char what[32] = "";

	(void)self;
	memcpy(what, request.data, request.size < sizeof(what) ? request.size : sizeof(what) - 1);
	if (strcmp(what, "outer") == 0)
		return resolve_own_group(base, answer);
	if (strcmp(what, "fork") == 0 || strcmp(what, "fork and ask") == 0)
		return fork_here(answer, what[4] != '\0');
	if (strcmp(what, "exit") == 0)
		pthread_exit(NULL);
	if (strcmp(what, "give up") == 0) {
		covey_answer_give_up(answer);
		return covey_answer_room(answer, 1000) != NULL;
	}
	return covey_answer_copy(answer, request.data, request.size);
}

const struct covey_device guest_device_hosted = {.group = group, .compute = compute};

static int worker(void *self, covey *c, struct covey_lead *lead, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	(void)self;
	guest_use(c);
	return covey_default_worker(c, &guest_device_hosted, lead, base, options);
}

const struct covey_device guest_device = {.group = group, .compute = compute, .worker = worker};
