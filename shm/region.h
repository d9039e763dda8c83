/*
 * region.h - a handle, and this process's attachment to its region, as the library's files share them
 */
#ifndef COVEY_REGION_H
#define COVEY_REGION_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "covey.h"
#include "guest.h"
#include "layout.h"
#include "outbox.h"
#include "parking.h"

/* Where a thread records what it does; see event.h.  Lanes 0 and 1 have one writer each, the last has any number. */
struct covey_lane {
	_Atomic uint64_t *words; /* its head, in a line of its own, and then its entries; NULL: nothing is recorded */
	uint64_t stamp;          /* of the ring's owner */
	uint32_t mask;           /* entries - 1 */
	uint32_t number;
};

/* How long a thread kept away from groups lately; see standoff.c. */
struct covey_standoff {
	uint32_t late; /* waits in a row that ended before they began */
	uint32_t vain; /* executions in a row that lasted */
	uint32_t skip; /* waits that are not to be held back */
};

/*
 * What a thread needs at every call.  It lies in memory that the kernel empties in the child of a fork, so one compare
 * tells both "this thread has a seat in this region" and "this is still the process that took it".
 */
struct covey_thread {
	covey *c;           /* the handle of its last call; the other handles of that attachment would do as well */
	const void *thread; /* address of a thread-local of the thread that it belongs to */
	uint64_t serial;    /* of this state: never again in this process nor in its children; see struct shm_caller */
	uint32_t seat;
	uint32_t leading;     /* groups led through this seat, or more: a hint that may err high */
	volatile bool taking; /* it takes a block, and has not noted yet that it has it */
	struct cv_hint hint;
	struct cv_spinner spinner;
	struct cv_sent sent;           /* whom the seat's outbox was last sent to */
	unsigned char *spare;          /* CV_OUTBOX_BYTES for a copied answer, to be used again; or NULL */
	uint32_t asker;                /* whose request was received last; 0: nobody's */
	bool asked_twice;              /* so was the one before */
	struct shm_reserved *reserved; /* the rooms that it took and that may still be its; see thread.c */
	uint32_t reserved_count, reserved_room;
	unsigned char *request; /* the bytes of the last received request */
	size_t request_room;
	struct covey_stop *stop; /* of the worker whose thread this is; else NULL */
	struct covey_lane lane;
	struct covey_standoff standoff;
	struct shm_attachment *attachment; /* whose seat it is */
};

/* A room, and what its block's word was when it was taken. */
struct shm_reserved {
	uint64_t word;
	uint32_t ref;
};

/* How a thread that receives is told to stop. */
struct covey_stop {
	_Atomic int asked;
	_Atomic uint32_t node; /* whose requests it receives: its bell is rung */
};

#define COVEY_PATH_SIZE 1024
#define COVEY_WATCHES 48

/* The thread through which the kernel tells others of our death; it also reaps and watches.  See participant.c. */
struct covey_keeper {
	pthread_t thread;

	_Alignas(16) unsigned char robust[96]; /* what the kernel walks when the thread ends; see participant.c */
	_Atomic int ready;                     /* 1 alive, negative: could not start */
	_Atomic int stop;
	_Atomic int reap;
	int fd; /* of the region, in a table of descriptors that only this thread has; -1: it has none */
	struct shm_mutex lock;
	struct {
		uint32_t slot, node;
	} watches[COVEY_WATCHES]; /* forwarded groups whose waiters still sleep on our life; node 0: empty */
};

/*
 * A handle, as covey_open() gives it: a view of the region, and whose workers and monitors end with it.  What is read on the
 * fast paths is copied into each, so that a handle costs them nothing; all else is the attachment's.
 */
struct covey {
	struct cv_arena arena;
	struct covey_header *header;
	struct covey_slot *slots;
	struct covey_ring *rings;
	struct covey_counts counts;
	struct covey_layout layout;
	struct shm_attachment *attachment;
	char path[COVEY_PATH_SIZE];
	uint64_t device, inode; /* of the file, to know it again */
	struct {
		uint64_t device, inode;
	} directory; /* that its path leads through */
	struct {
		_Atomic int64_t looked; /* when, by the clock's tick; 0: never */
		_Atomic int seen, error;
	} named;        /* what covey_named() found */
	uint32_t flags; /* enum covey_open_flags */
	bool inspect;
	uint32_t slot;
	pid_t pid;
	uint32_t ring;                /* ours; counts.participants: none */
	_Atomic bool inherited;       /* by the child of a fork, which has not called with it: as good as closed */
	struct covey *next;           /* of the attachment's handles; guarded by the registry's lock, as the next two */
	struct covey_worker *workers; /* threads of this process that work; see worker_thread.c */
	struct covey_monitor *monitors; /* that run on this handle */
};

/* Who holds a slot's file lock; see slot_lock.c. */
struct shm_hold {
	void *page; /* a mapping that keeps its open file; NULL: it is another's */
	int fd;     /* of the liveness thread's own open file; -1: it is the mapping's */
};

/*
 * What all handles of one region in this process share: one mapping, one slot, one liveness thread, a seat a thread.  It
 * lasts until the last of its handles is closed.  A handle with COVEY_INSPECT or COVEY_SEPARATE has one to itself.
 */
struct shm_attachment {
	struct covey view; /* what new handles are copied from; no caller has it, so it is there until the end */
	int fd;        /* to find the file again where its name is gone: can be neither read nor written; -1: none */
	bool attached; /* this process, not one it was forked from, has a slot */
	struct shm_hold own; /* the lock of that slot */
	/* by a thread; guarded by the registry's lock, as all below but for reaping */
	bool lane_taken[COVEY_LANES - 1];
	_Atomic uint64_t serial; /* of this attachment, never reused in this process */
	struct covey_keeper keeper;
	struct shm_mutex
	        reaping;         /* whose holder acts through the keeper's seat; file locks do not tell threads apart */
	struct covey_thread act; /* of whoever has no seat and holds that lock; see shm_act() */
	struct covey *handles;   /* that are open */
	struct covey *spares;    /* that are closed, to be used again: the state of a thread may still name one */
	struct shm_attachment *next; /* in the process's list of open regions */
	struct shm_gate *gate;       /* for visitors from calls on other regions; or NULL */
};

/* region.c */
int covey_file_reopen(const covey *c, int access); /* another open file on the same region: a descriptor, or -1 */

/* thread.c: the caller's thread state, or NULL with *error set.  Attaches anew after a fork. */
struct covey_thread *covey_thread_slow(covey *c, int *error);
extern _Thread_local struct covey_thread *covey_thread_last __attribute__((tls_model("initial-exec")));

/* The same, if the thread's last call was in this region too; else NULL. */
static inline struct covey_thread *covey_thread_now(const covey *c)
{
	struct covey_thread *t = covey_thread_last;

	return cv_likely(t != NULL && t->c == c && t->thread == &covey_thread_last) ? t : NULL;
}

static inline struct covey_thread *covey_enter(covey *c, int *error)
{
	struct covey_thread *t = covey_thread_now(c);

	return cv_likely(t != NULL) ? t : covey_thread_slow(c, error);
}
void covey_threads_forget(struct shm_attachment *a); /* at its end: no thread has a seat there any more */
/* A further handle of the attachment that this process has to the file of path: 0 and *out; COVEY_ENOENT: it has none; or why
 * the child of a fork cannot attach anew. */
int shm_registry_share(uint64_t device, uint64_t inode, const char *path, uint32_t flags, covey **out);
/* The first handle of this attachment: take a slot and be known to the fork handlers, as one step; 0 or an error.  If
 * another thread was first with the same region, the handle is of that attachment, and this one is as it was. */
int covey_registry_join(struct shm_attachment *a, covey **out);
/* It is no handle any more.  True: it was the last, and its attachment is the caller's to end. */
bool shm_registry_leave(covey *c);
void covey_registry_lock(void); /* no fork happens meanwhile */
void covey_registry_unlock(void);

#endif
