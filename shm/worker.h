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

/* ---- resolve.c: what the caller's code, while it runs, runs inside of */

struct covey_serving;

/* By value, thread by thread: who leaves by a longjmp(), or switches stacks, leaves nothing behind that is no more. */
struct shm_inside {
	bool worker;                        /* it is a worker's */
	bool thread_is_ours;                /* and its thread returns to nobody else */
	const struct covey_serving *hosted; /* the worker, if it is a host's */
	const struct covey_worker_options
	        *inherit; /* a covey_resolve() in there leaves a worker like this; else NULL */
	struct shm_caller caller;
};
struct shm_entry {
	struct shm_inside here, outer;
};
/* Leaving is a cleanup: it is done as well when an exception or the end of the thread passes by. */
void shm_inside_enter(struct shm_entry *entry, covey *c);
void shm_inside_leave(struct shm_entry *entry);
#define SHM_CLEANUP(function) __attribute__((cleanup(function)))

/* The caller's code has come back.  True: in the child of a fork that it made, which is to touch nothing of its
 * parent's; where the thread is the library's the child ends here. */
bool shm_inside_forked(const struct shm_entry *entry);
/* The same of the innermost of what the caller runs inside of. */
bool shm_forked_inside(void);

/* ---- worker.c */

/* What a worker holds: its device with the object that begin made, its group, its state. */
struct covey_serving {
	covey *c;
	struct covey_device device;
	struct covey_worker_options options;
	struct covey_lead lead;
	struct covey_bytes base;
	void *owned;                 /* base's memory */
	bool thread_is_ours;         /* whom it works in returns to nobody else */
	struct covey_memory *memory; /* of a host's worker; else NULL */
};

/* A callback of a worker's device while it runs. */
struct shm_serving_callback {
	struct shm_entry entry;
	unsigned arena;
};
void shm_serving_callback_begin(struct covey_serving *s, struct shm_serving_callback *callback);
void shm_serving_callback_end(struct shm_serving_callback *callback);

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

#endif
