/*
 * worker.h - what the files about workers share: one worker's state, and one turn of its loop
 *
 *      worker_thread.c   worker_process.c   host.c     where a worker runs, how it starts and ends
 *                    \          |          /
 *                          worker.c                  what it does with a request
 */
#ifndef COVEY_WORKER_H
#define COVEY_WORKER_H

#include "internal.h"
#include "memory.h"

#define COVEY_WORKER_TIMEOUT INT64_C(10000000000)

/* What a worker holds: its device with the object that begin made, its group, its state. */
struct covey_serving {
	covey *c;
	struct covey_device device;
	struct covey_worker_options options;
	struct covey_lead lead;
	struct covey_bytes base;
	void *owned;                 /* base's memory */
	struct covey_memory *memory; /* of a host's worker; else NULL */
};

/* Copies the device, the options and the base: 0 or COVEY_ESYSTEM. */
int covey_serving_begin(struct covey_serving *s, covey *c, const struct covey_device *device, struct covey_bytes base,
        const struct covey_worker_options *options);
void covey_serving_end(struct covey_serving *s);

/* One request, if one comes before the deadline: received, computed, answered.  0, or why the worker is to end: the
 * group is still led then, unless another leads it. */
int covey_serve(struct covey_serving *s, int64_t deadline);

/* Recorded in the history of this process. */
void covey_serving_event(struct covey_serving *s, enum covey_event_kind kind);

/* It ends for that reason: save what is to be saved if it was idle, give the group up.  What it ended with. */
int covey_serving_close(struct covey_serving *s, int why);

/* Until it has to end; the group has been given up then. */
int covey_serve_all(struct covey_serving *s);

static inline int64_t covey_worker_timeout(const struct covey_worker_options *options)
{
	return options != NULL && options->worker_timeout != 0 ? options->worker_timeout : COVEY_WORKER_TIMEOUT;
}

/* The moment that lies ns ahead, be it beyond the end of time. */
static inline int64_t covey_after(int64_t ns)
{
	int64_t now = cv_kernel.now();

	return ns < 0 ? now : ns < COVEY_FOREVER - now ? now + ns : COVEY_FOREVER;
}

/* ---- worker_thread.c and worker_process.c: a worker in two steps, for a leader that hands its group over */

/* The execution that is to hand its group over. */
struct covey_handover {
	uint64_t generation;
	bool elsewhere; /* it is another process's: what becomes of it, the region tells, and nobody takes for the worker */
};

/* A worker that has begun, and waits for the group to be handed over; *number is the participant to forward it to. */
int covey_worker_prepare(covey *c, const struct covey_device *device, struct covey_bytes name, struct covey_bytes base,
        const struct covey_worker_options *options, const struct covey_handover *from, struct covey_worker **out,
        uint32_t *number);
/* The group was handed to it: it takes it up.  Or it was not (handed false): it ends.  The handle is gone in any case. */
void covey_worker_take(struct covey_worker *w, bool handed);

/* ---- resolve.c: whether a covey_resolve() in this thread may leave a worker */

struct covey_spawning {
	bool forbidden;                             /* a worker's callback is running */
	const struct covey_worker_options *inherit; /* of the recursive call around; else NULL */
};
struct covey_spawning covey_spawning_set(struct covey_spawning now); /* gives what it was */

#endif
