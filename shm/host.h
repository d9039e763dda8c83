/*
 * host.h - a host and its workers, as the two files about them share them
 */
#ifndef COVEY_HOST_H
#define COVEY_HOST_H

#include <urcu-bp.h>
#include <urcu/rculfhash.h>
#include <urcu/wfcqueue.h>

#include "worker_handle.h"

#define COVEY_HOST_THREADS_MAX 256

/* What becomes of a worker: see host.c. */
enum attention { RESTING = 0, QUEUED, ATTENDED, AGAIN, ENDED };
enum stage { BEGINS, ACCEPTS, SERVES };

/* One worker of a host. */
struct hosted {
	struct cds_wfcq_node queued;
	struct covey_worker *w;
	struct host *host;
	struct entry *entry;
	_Atomic int attention; /* enum attention */
	_Atomic int64_t deadline;
	enum stage stage;
	bool more;                 /* its turn is over, its requests may not be */
	struct hosted *next, **at; /* in the host's list */
	struct rcu_head rcu;
};

/* Where the scanner finds it: under the node that it leads.  A worker that moves gets another one. */
struct entry {
	struct cds_lfht_node link;
	uint32_t node;
	struct hosted *hosted;
	struct rcu_head rcu;
};

struct host {
	struct covey_host face;
	covey *c;
	pid_t process; /* that has the threads: a child of its fork has none */
	struct cds_lfht *table;
	struct cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	pthread_mutex_t scanning;
	_Atomic int64_t sweep;   /* when the first worker may have idled long enough */
	_Atomic uint32_t turn;   /* futex: threads without work sleep on it */
	_Atomic uint32_t parked; /* how many */
	_Atomic int stop;
	_Atomic int failed;     /* why a thread has no seat */
	_Atomic int why;        /* and errno then */
	_Atomic uint32_t ready; /* futex: threads that have, or have not got, one */
	_Atomic uint64_t answered;
	struct shm_mutex listing;
	struct hosted *list;
	_Atomic uint32_t count; /* futex */
	unsigned threads;
	pthread_t thread[COVEY_HOST_THREADS_MAX];
};

/* ---- hosted.c: one worker of a host */

/* It is to be attended to.  True: it was put on the queue. */
bool covey_hosted_want(struct hosted *h);
/* By this thread, now: until it rests, ends, or has had its turn. */
void covey_hosted_attend(struct hosted *h);
/* The worker that leads this node; NULL when none of ours does.  Inside rcu_read_lock(). */
struct hosted *covey_hosted_find(struct host *host, uint32_t node);

/* ---- host.c */

/* The calling thread, which is one of the host's, is about to end in the middle: another takes its place. */
void shm_host_replace_thread(struct host *host);
/* Put the workers of all who ask something on the queue; how many. */
unsigned covey_host_scan(struct host *host);
/* The next of the threads is to look at the queue. */
void covey_host_wake(struct host *host);

#endif
