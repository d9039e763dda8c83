/*
 * worker_handle.h - a worker as its starter holds it, be it a thread, a process, or one of a host's many
 */
#ifndef COVEY_WORKER_HANDLE_H
#define COVEY_WORKER_HANDLE_H

#include "worker.h"

enum covey_worker_state { WORKER_STARTING = 0, WORKER_READY, WORKER_WORKING, WORKER_ENDED };

struct covey_worker {
	struct covey_serving serving;
	void *name;
	size_t name_size;
	bool accepts;               /* takes up a group that is handed to it; else registers it */
	struct covey_handover from; /* by whom */
	bool worked;                /* it has led its group */
	bool begun;                 /* the device's begin was called, and its end was not */
	_Atomic bool refused;       /* it was not handed its group */
	int ended_with;
	_Atomic uint32_t state; /* futex: enum covey_worker_state */
	_Atomic int holders;    /* the starter, the thread */
	struct covey_stop stop;
	struct covey_worker *next; /* in its region's list */
	pid_t pid;
	pid_t starter; /* a child of its fork has no worker */
	/* of a host */
	void *hosted;
	struct covey_memory memory;
	/* of a process */
	int pidfd; /* -1: the worker is none */
};

struct covey_host {
	/* so that only a program that opens a host needs what hosts are made of */
	int (*start)(
	        struct covey_host *host, struct covey_worker *w); /* 0 once a thread of the host will attend to it */
	void (*attend)(struct covey_worker *w);                   /* have one look at it again */
	bool (*serves)(struct covey_host *host, uint32_t node);   /* is this group led by a worker of it? */
};

/* worker_thread.c */
void covey_worker_enter(struct covey_worker *w, uint32_t state);

int covey_worker_begin(struct covey_worker *w);     /* the device's own: 0 or COVEY_EDEVICE */
void shm_worker_end_device(struct covey_worker *w); /* the device's own end, if it has begun */

/* Through with the handle: the last of its holders frees it. */
void covey_worker_drop(struct covey_worker *w);

/* worker_process.c: the same for a process.  0 once it leads, or is ready to accept, as participant *number */
int covey_process_start(struct covey_worker *w, uint32_t *number);
int covey_process_wait(struct covey_worker *w, int64_t deadline);
int covey_process_stop(struct covey_worker *w);

#endif
