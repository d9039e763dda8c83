/*
 * covey.h - one process computes, the others sleep and take its result
 *
 * Unrelated processes on one Linux host agree, through one shared segment and without a server, which of them
 * runs a computation.  A process that asks for a group becomes its leader, or awaits the leader it has.
 *
 *      covey *c;
 *      struct covey_lead lead;
 *      covey_open(&c, "thumbnails", NULL);
 *      switch (covey_find_or_register(c, key, key_size, &lead)) {
 *      case COVEY_LEADER: compute(); covey_unregister_notify(c, &lead, NULL, 0, &reply); break;
 *      case COVEY_WAIT:   covey_await(c, &lead, NULL, 0, covey_in_ms(500), 0, &result); break;
 *      }
 *
 * covey_resolve() is that loop, whole, in one call.
 *
 * Conventions, which hold for every function unless it says otherwise:
 *  - sizes are bytes, times are nanoseconds of CLOCK_MONOTONIC, by the caller's own clock also where another time namespace
 *    has one that is days apart; pids are for people to read and never proof of life;
 *  - a negative value is an error, one of enum covey_error; covey_strerror() says what to do about it;
 *  - any thread of the process may call, any number at once; a thread that leads is told apart from its siblings;
 *  - nothing is locked while the caller's code runs, and a process that is stopped or killed inside a call keeps no
 *    other process from finishing its own;
 *  - a child of fork() may use the handle it inherited: its first call attaches it anew.  It owns none of its
 *    parent's groups, and must not read what its parent borrowed (covey_result_own() before the fork).  A child of
 *    vfork() must not call at all;
 *  - signal handlers must not call.  They may fork(): nothing of covey's is locked while one runs;
 *  - no function is a cancellation point (save by the caller's own callbacks), and none may be called with asynchronous
 *    cancellation enabled; a thread that is cancelled in its own compute leaves as any thread that ends;
 *  - of this process's descriptors one is covey's for each handle, 3 or above, close-on-exec, which can be neither read nor
 *    written.  The host may close it, and use its number for something else: what is not covey's any more it leaves alone.
 *
 * "Seed:" names the functions of the Erlang module hb_persistent that a part rebuilds; docs/seed.md compares them.
 */
#ifndef COVEY_H
#define COVEY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COVEY_API __attribute__((visibility("default")))

#define COVEY_NAME_MAX 4096 /* bytes of a group's name, 1 at least */

/* ------------------------------------------------------------------------------------------------ answers */

/* What covey_find_or_register() makes of its caller. */
enum covey_role {
	COVEY_LEADER = 1,    /* the group is yours: compute, then publish or give up */
	COVEY_WAIT = 2,      /* another thread leads it: await it, or do something else */
	COVEY_RECURSION = 3, /* this very thread leads it already: waiting would wait for ever */
	COVEY_UNGROUPED = 4, /* no group was asked for: compute, and tell nobody */
};

/* How an await ends.  These are not errors of the call: each is an answer.  Roles have the same numbers: keep the two
 * in variables of their own. */
enum covey_outcome {
	COVEY_OK = 0,        /* resolved: the leader's bytes are in the result */
	COVEY_ERROR = 1,     /* resolved: the leader's own error, with its code and bytes */
	COVEY_DIED = 2,      /* the leader died; if result.part is COVEY_TOOK_OVER, the caller leads now */
	COVEY_GAVE_UP = 3,   /* the leader ended without a result for this request: ask again */
	COVEY_TIMED_OUT = 4, /* the deadline passed; the group goes on for the others */
	COVEY_CYCLE = 5,     /* this wait would close a circle of leaders (up to 256) that wait for each other */
};

/* Why a call did nothing.  The values are negative and stable. */
enum covey_error {
	COVEY_EINVAL = -1,      /* an argument is outside what the function documents */
	COVEY_EFULL = -2,       /* no node, seat, slot or block is left; nothing was changed */
	COVEY_ECORRUPT = -3,    /* the segment holds what no covey wrote */
	COVEY_EFENCED = -4,     /* this leadership has ended: another generation leads */
	COVEY_ENOENT = -5,      /* no such region, or nobody leads that group */
	COVEY_EPERM = -6,       /* the region or its directory is another user's, or others may write it */
	COVEY_EFOREIGN = -7,    /* the file is no region, a copy, or one of another boot, version or layout */
	COVEY_ENOSPC = -8,      /* the file system of shared memory is too small for the region */
	COVEY_ESYSTEM = -9,     /* a system call failed; errno has its reason */
	COVEY_EREADONLY = -10,  /* the handle was opened to inspect only */
	COVEY_ETIMEDOUT = -11,  /* a call other than covey_await() passed its deadline */
	COVEY_ERECURSION = -12, /* covey_resolve(): this thread leads the group already (see allow_infinite) */
	COVEY_ESTOPPED = -13,   /* covey_receive(): the worker that calls it was told to stop */
	COVEY_EDEVICE = -14,    /* a worker's device cannot be loaded, or did not begin */
};

/* Part of the process that a result came through. */
enum covey_part {
	COVEY_LED = 1,       /* this caller computed it */
	COVEY_JOINED = 2,    /* another computed it while this caller slept */
	COVEY_TOOK_OVER = 3, /* this caller computed it after the leader died */
	COVEY_ALONE = 4,     /* computed without a group: ungrouped, region full, absent or out of reach */
};

/* covey_strerror - a sentence for any negative value of enum covey_error: what happened and what to do.
 * Gives a constant string, never NULL.  No preconditions; callable with no region open. */
COVEY_API const char *covey_strerror(int error);

/* ------------------------------------------------------------------------------------------------ time */

#define COVEY_NOW ((int64_t)0)             /* do not wait */
#define COVEY_FOREVER ((int64_t)INT64_MAX) /* wait as long as somebody alive answers for it */

/* covey_in_ms - the deadline that lies ms milliseconds ahead (CLOCK_MONOTONIC, nanoseconds).  A negative ms is now. */
COVEY_API int64_t covey_in_ms(int64_t ms);

/* ------------------------------------------------------------------------------------------------ region
 * Seed: start/0. */

typedef struct covey covey; /* a handle of one region; those of one process share one attachment to it */

enum covey_open_flags {
	COVEY_ATTACH_ONLY = 1,   /* do not create: COVEY_ENOENT where there is none */
	COVEY_ALLOW_FOREIGN = 2, /* accept a region, or a path's directory, that another user owns */
	COVEY_ALLOW_SHARED =
	        4,           /* accept (and create) a region that group or others may write; the same of a directory */
	COVEY_INSPECT = 8,   /* map read-only, take no slot: covey_find() and the covey_each_ calls only */
	COVEY_SEPARATE = 16, /* an attachment of its own, also where this process has one: as another process would */
};

/* Capacity is fixed when the region is created; who attaches takes the region as it is.  0 means the default. */
struct covey_options {
	uint32_t flags;        /* enum covey_open_flags */
	mode_t mode;           /* permissions of a new region; default 0600 */
	uint32_t groups;       /* groups led at once, 1 to 134217728; default 16384 */
	uint32_t participants; /* processes attached at once, 1 to 4096; default 1024 */
	uint32_t threads;      /* living threads that have led or waited, 2 to 16383; default 4 a participant.  A thread
	                        * keeps its place until it exits.  Less, where participants and these exceed 16383 */
	uint64_t heap;         /* bytes for results, requests and long names set aside at creation; default 8 MiB */
	uint64_t heap_max;     /* bytes to which the heap may grow on demand, up to 64 GiB; default 4 GiB */
};

/*
 * covey_open - attach to the region of this name, and create it where there is none.
 *
 * name     1 to 200 bytes, no '/' but perhaps a leading one; the region is the POSIX shared memory object "/name".
 *          Or a path, absolute or, with another '/', relative ("./region"), up to 1023 bytes: the region is that file, whose
 *          directory must be the caller's or root's, and nobody else's to write.  So nobody can have its name first.
 *          The last part does not begin with ".covey-"
 * options  NULL for the defaults; read during the call only
 * gives    0 and *out, to be ended with covey_close()
 * errors   COVEY_EINVAL, COVEY_EPERM, COVEY_EFOREIGN, COVEY_ENOSPC (nothing is left behind), COVEY_EFULL (no free
 *          participant), COVEY_ENOENT, COVEY_ECORRUPT, COVEY_ESYSTEM; *out is NULL then.  With COVEY_EFOREIGN errno is
 *          EBUSY if the region is another version's and in use, ENOEXEC if the file is no region of this version, and
 *          ESTALE if it is a copy of one or another boot's.  With COVEY_ESYSTEM it is EOPNOTSUPP if the directory allows
 *          no way to give a file its name whole (linkat() of an open file, link(), renameat2())
 *
 * Two creators at once: one wins, both attach.  A region appears whole or not at all, whenever its creator dies.
 * Creators wait for each other, for two seconds at most.  A region of the caller's own that another version of covey
 * made is replaced once nobody is attached to it, unless the call is to attach or inspect only. Starts one thread, the
 * keeper, with all signals blocked: when the process ends in any way, the kernel tells the other participants through
 * it.  It lives until the last covey_close() or the end of the process, which a main thread that only calls
 * pthread_exit() does not bring about.
 *
 * From the first covey_open() on, the library or plug-in that this code is part of stays loaded until the process
 * ends, also after dlclose().  Several copies of it in one process, such as one in each of two plug-ins, are a
 * participant each.
 *
 * A region that this process has open already is not attached a second time: every further covey_open() of it, under
 * whatever name, gives another handle of the same attachment, in a few microseconds.  So libraries of one program that
 * do not know of each other are one participant, and a thread is one thread: whatever it leads, it leads through all
 * of them, and may end through any of them.  The file is checked at each call, by the flags of that call.  A handle
 * with COVEY_INSPECT is no part of this.  One with COVEY_SEPARATE is a participant of its own, and covey_close() of it
 * gives up what was led through it.
 */
COVEY_API int covey_open(covey **out, const char *name, const struct covey_options *options);

/*
 * covey_close - give the handle back: NULL is allowed.  No other thread of the process may be inside a call on c.
 *
 * Each:      workers that were started through c end, and so do its monitors.
 * The last:  of the region in this process, it leaves.  Groups that this process still leads are given up, as by
 *            covey_unregister(); borrowed results become invalid.  Until then what a thread leads or has borrowed stays as it
 *            is, through whichever handle it came by it: end it before, or open with COVEY_SEPARATE.
 *
 * In a child of fork() a handle that it inherited counts from its first call with it; until then it is as good as
 * closed.
 */
COVEY_API void covey_close(covey *c);

/* covey_unlink - remove the region's name.  Attached processes go on, and covey_named() tells them; the memory goes
 * with the last of them.  Of a path the file must be a region, of whatever version. Gives 0, COVEY_ENOENT,
 * COVEY_EINVAL, COVEY_EPERM, COVEY_EFOREIGN or COVEY_ESYSTEM. */
COVEY_API int covey_unlink(const char *name);

/*
 * covey_named - does the region's name still lead to it?  If not, nobody who opens that name finds this region: a
 * leader works for those alone who are attached already.
 *
 * gives   1; 0: the name was removed, or is another region's by now.  Told at once where covey_unlink() (or "covey rm")
 *         removed it, within 2 s of the removal where anything else did
 * errors  COVEY_ESYSTEM: not to be known from here (another root, a directory that this process may not search), errno
 *         says why; COVEY_EINVAL
 * Works on any handle, and in the child of a fork.  Costs one load; every 2 s at most a look at the path.
 */
COVEY_API int covey_named(covey *c);

/* ------------------------------------------------------------------------------------------------ names
 * Seed: group/3, default_grouper/3. */

struct covey_bytes {
	const void *data; /* may be NULL when size is 0 */
	size_t size;
};

/* A group's name, owned by whoever declared the struct. */
struct covey_name {
	size_t size; /* 0: ungrouped */
	unsigned char data[COVEY_NAME_MAX];
};

struct covey_device;

struct covey_host;

/* How a worker works; see covey_start_worker(). */
struct covey_worker_options {
	int static_worker;      /* keep the first state and name; else go on with each result as the new state */
	int error_strategy;     /* enum covey_error_strategy */
	int64_t worker_timeout; /* end after so many idle nanoseconds; 0 means 10 s; COVEY_FOREVER: never */
	const char *library;    /* not NULL: the worker is a process of its own, and loads its device from here */
	const char *symbol;     /* the device there, a struct covey_device */
	const char *program;    /* what that process runs; NULL: $COVEY_PROGRAM, else "covey" as execvp() finds it; in a
	                          * set-user-id program /usr/bin/covey */
	struct covey_host *host; /* not NULL: the worker is one of this host's */
	int own_memory;          /* of a host's worker: an arena of its own; see covey_host_open() */
};

enum covey_error_strategy {
	COVEY_ERRORS_IGNORE = 0, /* the worker answers with the error, and goes on with the state that it had */
	COVEY_ERRORS_THROW = 1,  /* the worker answers with the error, and ends */
};

enum covey_spawn {
	COVEY_SPAWN_NEVER = -1,    /* leave no worker, whatever the call around this one asked for */
	COVEY_SPAWN_DEFAULT = 0,   /* none, but as the call around this one if that is recursive */
	COVEY_SPAWN_ONCE = 1,      /* leave a worker behind */
	COVEY_SPAWN_RECURSIVE = 2, /* and so do the calls of covey_resolve() that compute makes */
};

/* Which executions in progress a call joins, and lets others join.  The seed's await_inprogress has the same three. */
enum covey_await_inprogress {
	COVEY_AWAIT_ALL = 0,   /* of every group */
	COVEY_AWAIT_NAMED = 1, /* of groups that the device's own group callback names; else ungrouped */
	COVEY_AWAIT_NONE = 2,  /* of none: ungrouped, always compute */
};

struct covey_resolve_options {
	int64_t deadline;     /* for the waits, not for compute; 0 means COVEY_FOREVER here; see no_wait */
	int no_wait;          /* do not wait at all: COVEY_TIMED_OUT when another leads */
	int await_inprogress; /* enum covey_await_inprogress */
	int allow_infinite;   /* compute in place of COVEY_ERECURSION and COVEY_CYCLE; see covey_in_worker() */
	int spawn_worker;     /* enum covey_spawn: whether an execution that succeeds leaves a worker behind, which
	                       * holds its result as its state, serves its group, and is given the other requests */
	struct covey_worker_options worker; /* of that worker */
};

/*
 * covey_default_grouper - the name of (base, request): the two byte strings themselves, with the length of the first
 * in front, when that is at most 64 bytes; else BLAKE2b-256 of the same.  Different pairs never share a name, short of
 * a collision of that digest.  It holds bytes that are no text, and is another group than that of the bytes of base
 * alone. With options->await_inprogress COVEY_AWAIT_NAMED or COVEY_AWAIT_NONE: size 0, ungrouped.  options may be
 * NULL. Gives 0 or COVEY_EINVAL.  Needs no region.  (The seed's grouper keeps 27 bits of a hash.)
 */
COVEY_API int covey_default_grouper(struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_name *out);

/* covey_group - the name that the device gives (base, request), else the default grouper's.  With COVEY_AWAIT_NONE:
 * size 0, and the device is not asked.  device, options: may be NULL.  Gives 0, COVEY_EINVAL (also for a name over
 * COVEY_NAME_MAX, or a positive return), or the negative error that the device's callback returned. */
COVEY_API int covey_group(const struct covey_device *device, struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_name *out);

/* ------------------------------------------------------------------------------------------------ lead and find
 * Seed: find_execution/2, find_or_register/3,4, register_groupname/2. */

/* Who leads a group. */
struct covey_info {
	uint64_t generation; /* of the execution; grows with every change of leader of that group */
	int64_t since;       /* when it began to lead; the clock's tick (1 to 10 ms) is the resolution */
	pid_t pid;           /* the leader's, in its own pid namespace; 0 when it is dead and nobody took over yet */
	uint32_t waiters;    /* threads that sleep for it now */
};

/*
 * covey_find - who leads this group now.  Never blocks, never registers, writes nothing to the region.
 * Gives 0 and fills *out (which may be NULL), COVEY_ENOENT when nobody leads it, COVEY_EINVAL, COVEY_ECORRUPT.
 */
COVEY_API int covey_find(covey *c, const void *name, size_t size, struct covey_info *out);

/*
 * One leadership, or one leader to await: filled by the calls below, owned by the caller, copied freely.
 * It needs no release: it is a claim, and each call checks it against the region.
 */
struct covey_lead {
	uint64_t generation; /* the fencing token */
	pid_t pid;           /* the leader's: your own, or whom to await */
	pid_t previous;      /* taken over from this pid; 0 when the group was free */
	uint32_t node;       /* where the group lives; the rest is covey's */
	uint32_t incarnation;
	uint32_t seat;
	uint32_t deaths; /* so many leaders died in a row before this one: see covey_answer_deaths() */
};

/*
 * covey_find_or_register - become the leader of the group, or learn who is: one atomic step.
 *
 * name, size  1 to COVEY_NAME_MAX bytes, copied; size 0 gives COVEY_UNGROUPED
 * gives       a value of enum covey_role; *out describes the leadership (LEADER) or whom to await (WAIT, RECURSION)
 * errors      COVEY_EINVAL, COVEY_EFULL (nothing changed), COVEY_ECORRUPT
 *
 * A group whose leader is dead is taken over on the spot, with its waiters: LEADER, and out->previous is set.
 * The leader is the calling thread.  If it exits, it gives the group up.
 */
COVEY_API int covey_find_or_register(covey *c, const void *name, size_t size, struct covey_lead *out);

/*
 * covey_join - whom to await, without becoming the leader where there is none.
 * gives   COVEY_WAIT or COVEY_RECURSION and *out, as covey_find_or_register() does; COVEY_ENOENT when nobody leads it
 * errors  COVEY_EINVAL, COVEY_ECORRUPT, COVEY_EFULL (no seat for this thread)
 */
COVEY_API int covey_join(covey *c, const void *name, size_t size, struct covey_lead *out);

/* covey_leading - am I still the leader?  1, or 0 when this leadership has ended or was taken over. */
COVEY_API int covey_leading(covey *c, const struct covey_lead *lead);

/*
 * covey_take_over - depose the leader of a group, dead, stopped or merely slow, and lead in its place.
 * generation  the execution to end, as covey_find() told it: if another generation leads by now, COVEY_EFENCED
 * gives       COVEY_LEADER and *out with its waiters; from then on the deposed leader's calls give COVEY_EFENCED
 * errors      COVEY_ENOENT, COVEY_EFENCED, COVEY_EINVAL, COVEY_ECORRUPT
 */
COVEY_API int covey_take_over(covey *c, const void *name, size_t size, uint64_t generation, struct covey_lead *out);

/* ------------------------------------------------------------------------------------------------ results */

/* What a leader publishes.  The caller owns it; the bytes are copied once into the region, and only if somebody
 * waits. */
struct covey_reply {
	int error;        /* 0: ok.  Else the leader's own error: waiters get COVEY_ERROR */
	int32_t code;     /* the application's own code, passed on as it is */
	const void *data; /* may be NULL when size is 0 */
	size_t size;
	uint32_t room; /* 0, or a room of covey_room(): data and size then say what of it is the result */
};

/* What a caller gets.  Filled by covey_await() and covey_resolve(); to be ended with covey_release(). */
struct covey_result {
	int outcome;         /* enum covey_outcome */
	int part;            /* enum covey_part */
	int32_t code;        /* the application's code */
	pid_t pid;           /* the leader's; for COVEY_TOOK_OVER the dead leader's */
	uint64_t generation; /* of the execution that published; 0 when alone */
	int64_t wait;        /* nanoseconds asleep; if it never slept, by the clock's tick (1 to 10 ms) */
	const void *data;    /* the bytes, in place in the region (borrowed), or in memory of this process */
	size_t size;
	struct covey_lead lead;   /* for COVEY_DIED with COVEY_TOOK_OVER: the leadership that the caller now has */
	uint32_t loan, loan_seat; /* covey's */
	void *owned;              /* covey's */
};

/*
 * covey_room - a place in the region for the leader to build its result in, so that it is never copied.
 * The room holds size bytes and belongs to the leader until it is published or given back; if its thread ends before, and
 * the leadership with it, so does the room.  request is what the
 * result answers, as in covey_unregister_notify(): it is kept beside the bytes.
 * gives   0, *data to write to (aligned to 16), and *room for struct covey_reply
 * errors  COVEY_EFULL, COVEY_EFENCED, COVEY_EINVAL
 */
COVEY_API int covey_room(covey *c, const struct covey_lead *lead, const void *request, size_t request_size, size_t size,
        void **data, uint32_t *room);

/* covey_room_free - give back a room that was not published. */
COVEY_API void covey_room_free(covey *c, uint32_t room);

/* covey_release - end a result: the region may reuse the bytes once nobody holds them.  Any thread of the process may
 * release; the same struct twice is harmless, a copy of it must not be; NULL is allowed.  In the child of a fork it
 * ends no loan of its parent's; see covey_result_own(). */
COVEY_API void covey_release(covey *c, struct covey_result *result);

/*
 * covey_result_own - have the bytes of a borrowed result in memory of this process, and end the loan.  To be called before a
 * fork for what the child is to read: a loan is its borrower's, and a child cannot keep the bytes from being reused.
 * The same of one whose bytes are this process's already does nothing.  result is still to be released, with the same c.
 * gives   0
 * errors  COVEY_ESYSTEM (out of memory: the result is as it was); COVEY_EFENCED in the child of a fork, of what its parent
 *         borrowed: the bytes may be another's by now, and result has none any more; COVEY_EINVAL
 */
COVEY_API int covey_result_own(covey *c, struct covey_result *result);

/* ------------------------------------------------------------------------------------------------ await
 * Seed: await/4, default_await/5. */

enum covey_await_flags {
	COVEY_NO_TAKEOVER = 1, /* when the leader dies, say so (COVEY_DIED) and leave its place to others */
};

/*
 * covey_await - post a request to the leader and sleep until it is answered.
 *
 * lead      from covey_find_or_register() or covey_join() that gave COVEY_WAIT.  If the group has a newer leader by
 *           now, that one is awaited; if it has none, or its place in a full table is another group's, the answer is
 *           COVEY_GAVE_UP at once: ask again
 * request   tells apart what is asked of one leader; may be empty (NULL, 0); copied into the region
 * deadline  absolute; COVEY_NOW, COVEY_FOREVER or covey_in_ms()
 * gives     a value of enum covey_outcome, also in out->outcome; out is always to be released
 *           COVEY_OK, COVEY_ERROR: out has the bytes, borrowed in place without a copy; or copied, if they are few
 *           and the leader answered while it goes on leading
 *           COVEY_DIED with out->part == COVEY_TOOK_OVER: exactly one waiter gets this, and leads by out->lead now;
 *           the others go on sleeping for it.  COVEY_DIED with COVEY_JOINED: with COVEY_NO_TAKEOVER only
 * errors    COVEY_EFULL (no room for the request, or the leader had none for its result), COVEY_EINVAL, COVEY_ECORRUPT;
 *           out->outcome holds the same
 *
 * Sleeps in the kernel; never polls where the kernel has futex_waitv (5.16).
 */
COVEY_API int covey_await(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        int64_t deadline, uint32_t flags, struct covey_result *out);

/* covey_default_await - the await of a device without one of its own: covey_await() with takeover. */
COVEY_API int covey_default_await(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        int64_t deadline, struct covey_result *out);

/* ------------------------------------------------------------------------------------------------ answering
 * Seed: notify/4, send_response/4, unregister/3, unregister_notify/4, forward_work/2.
 * All need a lead for which COVEY_LEADER was given, to the calling thread or another of the process; all give
 * COVEY_EFENCED, and change nothing, once that leadership has ended. */

/* One received request.  Valid until it is answered, or until its waiter goes; owned by the caller, needs no
 * release. */
struct covey_request {
	const void *data; /* borrowed until the next covey_receive() or covey_respond() of this thread */
	size_t size;
	pid_t pid;     /* who asks */
	uint32_t seat; /* covey's */
	uint64_t ticket;
};

/*
 * covey_receive - the oldest request that this leadership has not been given yet.  Sleeps until there is one.
 * gives   0 and *out; COVEY_ETIMEDOUT at the deadline; COVEY_EFENCED (also while it sleeps); in the thread of a worker
 *         COVEY_ESTOPPED once covey_stop_worker() was called
 * Each request is given once to each leadership, in the order in which they were asked; a successor is given again
 * what was received and not answered.
 */
COVEY_API int covey_receive(covey *c, struct covey_lead *lead, int64_t deadline, struct covey_request *out);

/* covey_respond - answer one received request.  Gives 1, 0 when its waiter has gone, or an error (COVEY_EFULL: the
 * waiter still waits). */
COVEY_API int covey_respond(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply);

/* covey_notify - answer every waiter whose request is equal, byte for byte.  Gives how many, or an error. */
COVEY_API int covey_notify(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        const struct covey_reply *reply);

/* covey_notify_all - answer every waiter, whatever it asked.  Gives how many, or an error. */
COVEY_API int covey_notify_all(covey *c, const struct covey_lead *lead, const struct covey_reply *reply);

/* Nonzero picks.  It must not call covey. */
typedef int (*covey_predicate)(void *context, const void *request, size_t request_size);

/* covey_notify_if - answer every waiter whose request the predicate picks.  Gives how many. */
COVEY_API int covey_notify_if(
        covey *c, const struct covey_lead *lead, covey_predicate pick, void *context, const struct covey_reply *reply);

/* covey_unregister - give the group up without a result: its waiters are told COVEY_GAVE_UP at once.  0 or an error. */
COVEY_API int covey_unregister(covey *c, const struct covey_lead *lead);

/*
 * covey_unregister_notify - publish and give up the group, as one step for every observer.
 * request  whose answer this is: waiters with an equal request get the result, waiters with another one
 *          COVEY_GAVE_UP.  request NULL: the result is everybody's
 * gives    how many waiters this call answered, 0 and more (others may have helped); no system call and no copy when
 *          nobody waits
 * errors   COVEY_EFENCED: nothing was touched.  COVEY_EFULL: the group was given up, but there was no room for the
 *          bytes, so all its waiters were told COVEY_EFULL: each computes for itself.  Who asks later leads anew
 * A room of the reply is consumed in every case.
 */
COVEY_API int covey_unregister_notify(covey *c, const struct covey_lead *lead, const void *request, size_t request_size,
        const struct covey_reply *reply);

/*
 * covey_forward_work - hand the group and every unanswered request to another participant.  No waiter is woken.
 * to      the participant, from its covey_participant(); may be the caller's own (for another thread of it)
 * gives   0: this leadership has ended, the generation has grown, and the group waits for covey_accept_work() of the
 *         other side.  If that participant dies, before or after, a waiter takes over as from any dead leader
 * errors  COVEY_EFENCED, COVEY_ENOENT (no such participant alive)
 */
COVEY_API int covey_forward_work(covey *c, const struct covey_lead *lead, uint32_t to);

/* covey_accept_work - take up a group that is being forwarded to this participant; sleeps until it is, while another
 * leads it.  If that leader dies first, the group is taken over (out->previous is set then). Gives COVEY_LEADER and
 * *out, COVEY_ETIMEDOUT, COVEY_ENOENT when nobody leads the group, COVEY_ERECURSION when this very thread does, or an
 * error. */
COVEY_API int covey_accept_work(covey *c, const void *name, size_t size, int64_t deadline, struct covey_lead *out);

/* covey_participant - the number of this process in the region, 1 and more, and not soon given to another one after it
 * has left; an error when it cannot attach. */
COVEY_API int covey_participant(covey *c);

/* ------------------------------------------------------------------------------------------------ resolve
 * Seed: the caller of the module (resolver stages 4 to 12). */

/* The answer that a compute callback builds.  Opaque; use the covey_answer_ calls. */
struct covey_answer;

/* covey_answer_copy - the result's bytes; copied, so the callback may free its own.  Replaces an earlier one.
 * 0 or COVEY_ESYSTEM (out of memory). */
COVEY_API int covey_answer_copy(struct covey_answer *answer, const void *data, size_t size);

/* covey_answer_room - size bytes to build the result in: in the region when the caller leads and there is room, else
 * in memory of this process.  Gives the address (aligned to 16), or NULL when out of memory. */
COVEY_API void *covey_answer_room(struct covey_answer *answer, size_t size);

/* covey_answer_code - the application's own code, passed to every caller. */
COVEY_API void covey_answer_code(struct covey_answer *answer, int32_t code);

/*
 * covey_answer_give_up - there will be no result: what compute was to do was cancelled, say, and that is no error of
 * those who wait.  Whatever compute returns after this, and what it put into the answer, counts no more, but for the
 * code.
 *
 * In covey_resolve() the group is given up as by covey_unregister(): its waiters are told at once, and of those that
 * wait in covey_resolve() one leads and computes.  The caller gets COVEY_GAVE_UP, no bytes, and leaves no worker; also
 * where it computed alone.  In a worker it is this request that has no answer: who asked it (and who asked the same)
 * is told COVEY_GAVE_UP and, in covey_resolve(), asks anew; the worker keeps its state and goes on, whatever its
 * error_strategy.
 */
COVEY_API void covey_answer_give_up(struct covey_answer *answer);

/* covey_answer_deaths - how many leaders died in a row before this one, each while it led this group and each succeeded
 * by the next: what is computed may be what kills them.  At most 254; 0 for a worker's request after the first change
 * of its group, and alone.  The count begins anew with a leader that ended in any other way, with one that was deposed
 * by covey_take_over() while it lived, and with one that is killed in the few instructions in which it takes over, or
 * as it ends: it has computed by then. */
COVEY_API uint32_t covey_answer_deaths(const struct covey_answer *answer);

/*
 * covey_in_worker - is the caller's code running inside a worker?  1 in a callback of a worker's device, and in all
 * that it calls in the same thread; else 0.
 *
 * A covey_resolve() there that comes upon a group which is led around it, by the worker itself or by a covey_resolve()
 * in between, computes (COVEY_ALONE) as if allow_infinite were set.  It leaves no worker behind.
 */
COVEY_API int covey_in_worker(void);

/* The caller's callbacks.  Each may be NULL for the default; self is passed back to them.  They run in the calling
 * thread, with nothing locked, and may call covey. */
struct covey_device {
	void *self;
	/* fill *name (size 0: ungrouped) for this pair; 0 or a negative error that ends the call */
	int (*group)(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name);
	/* compute; 0, or nonzero for the leader's own error, which every waiter then gets */
	int (*compute)(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer);
	/* await in place of covey_default_await() */
	int (*await)(void *self, covey *c, const struct covey_lead *lead, struct covey_bytes request, int64_t deadline,
	        struct covey_result *out);
	/* work in place of covey_default_worker(): same duties, same results */
	int (*worker)(void *self, covey *c, struct covey_lead *lead, struct covey_bytes base,
	        const struct covey_worker_options *options);
	/* make a worker's own object out of its base, in *self (which holds the device's self); 0, or an error that
	 * keeps the worker from starting.  Called before the worker leads anything, in a thread of its process; base is
	 * valid during the call */
	int (*begin)(void **self, struct covey_bytes base);
	/* the worker ends because it was idle: save what is to be saved.  It still leads its group */
	void (*idle)(void *self, struct covey_bytes base);
	/* the worker has ended, for whatever reason but the death of its process: free the object */
	void (*end)(void *self);
};

/*
 * covey_resolve - the whole loop: group, find or register, compute or await, again when the leader dies or gives up,
 * publish.  It computes on its own rather than fail (out->part is COVEY_ALONE): when c is NULL, when the region is
 * full, and when this process, a child of fork, cannot attach to it any more, because it has dropped privileges, has
 * another root, has met a limit of descriptors, memory or threads, or the like.  errno has the reason then, as
 * covey_participant() would give it with COVEY_ESYSTEM; in the other two cases it is 0.
 *
 * device   needs compute; its storage must outlive the call
 * options  may be NULL
 * gives    enum covey_outcome: COVEY_OK, COVEY_ERROR, COVEY_TIMED_OUT, COVEY_CYCLE; COVEY_GAVE_UP when this call's own
 *          compute gave up; out->part tells who computed
 * errors   COVEY_ERECURSION, COVEY_EINVAL, COVEY_ECORRUPT, COVEY_EREADONLY, COVEY_ESYSTEM (out of memory), or the device's
 *          group callback's.
 *          COVEY_EFENCED: this is the child of a fork() that compute or await made; the parent leads on without it
 * *out is always to be released (with the same c).
 *
 * A callback may leave by a C++ exception, by pthread_exit(), or because its thread is cancelled: what the call leads
 * is given up, as by covey_answer_give_up(), what it holds is freed, *out too, and the exception passes on.
 */
COVEY_API int covey_resolve(covey *c, const struct covey_device *device, struct covey_bytes base,
        struct covey_bytes request, const struct covey_resolve_options *options, struct covey_result *out);

/* ------------------------------------------------------------------------------------------------ workers
 * Seed: start_worker/2,3, default_worker/3. */

struct covey_worker; /* a worker that this process started */

/*
 * covey_start_worker - a persistent worker for a group: it leads the group, holds a base message as its state, and
 * answers what it is asked.
 *
 * device   copied; its self must live until the worker has ended, or be made by begin.  A process loads its own, so
 *          device may be NULL then
 * name     of the group; NULL: covey_group() of (base, no request)
 * base     copied
 * options  NULL for the defaults: a thread of this process, which moves on to each new state, 10 s of idle time
 * out      may be NULL: then it ends by its timeout, or with the process, its host, or covey_close().  Else it is to be
 *          given back with covey_stop_worker(), also after it has ended
 * gives    0 once the worker leads the group; COVEY_WAIT, and no worker, when another leads it already
 * errors   COVEY_EINVAL, COVEY_EFULL, COVEY_EDEVICE (it cannot be loaded, or its begin refused), COVEY_ESYSTEM
 *
 * A worker that is a process survives its starter, is not its child (save where the starter is a subreaper, or pid 1),
 * and has its standard descriptors on /dev/null.  Callbacks run in threads that block all signals.
 *
 * An exception that leaves a callback ends the process, as in any thread's function; its waiters have a dead leader
 * then.  A callback that ends its thread by pthread_exit(), or is cancelled, ends the worker: COVEY_ESTOPPED.  The
 * child of a fork() that a callback made may go on by itself, or exec; if it returns from the callback it ends there,
 * by _exit(125).
 *
 * Workers do not spawn workers: a covey_resolve() inside their callbacks leaves none behind; see
 * covey_in_worker().
 */
COVEY_API int covey_start_worker(covey *c, const struct covey_device *device, const void *name, size_t size,
        struct covey_bytes base, const struct covey_worker_options *options, struct covey_worker **out);

/*
 * covey_stop_worker - have a worker end after the request that it computes now, wait for that, and free the handle.
 * Its waiters are told COVEY_GAVE_UP.  Gives what the worker ended with: 0 idle, COVEY_ESTOPPED, COVEY_EFENCED,
 * COVEY_ERROR (its device failed, and it is to throw), or another error.  Of a process: COVEY_ESTOPPED, 0 when it had
 * ended before, or COVEY_ESYSTEM when it can be neither told nor waited for: it works on.  NULL is allowed.  In a
 * child of fork() of the starter: COVEY_EFENCED, and nothing else.
 */
COVEY_API int covey_stop_worker(struct covey_worker *worker);

/* covey_wait_worker - sleep until a worker has ended by itself.  Gives 0, COVEY_ETIMEDOUT, COVEY_EINVAL, COVEY_EFENCED
 * (in a child of fork() of the starter), or COVEY_ESYSTEM (a process cannot be waited for); the handle is still to be
 * given back. */
COVEY_API int covey_wait_worker(struct covey_worker *worker, int64_t deadline);

/* covey_worker_pid - of the process that it runs in. */
COVEY_API pid_t covey_worker_pid(const struct covey_worker *worker);

/*
 * covey_worker_main - what the process of a worker runs: the program of covey_worker_options.program is executed with
 * the arguments "worker --brief 3", and is to call covey_worker_main(3, 4).  The program covey does so.
 * Blocks SIGTERM, which ends the worker; to be called before the program has other threads.
 * gives  what the worker ended with, as covey_stop_worker()
 */
COVEY_API int covey_worker_main(int brief, int line);

/* covey_load_device - the device of this name in a shared object, which stays loaded; NULL when there is none, and
 * dlerror() tells why. */
COVEY_API const struct covey_device *covey_load_device(const char *library, const char *symbol);

/*
 * covey_default_worker - the worker loop, for a thread that leads: receive, compute, answer all equal requests, go on
 * with the new state.
 *
 * lead     of the group; follows the worker to the group of each new state, unless options->static_worker
 * base     the first state; copied
 * gives    0 after options->worker_timeout idle; COVEY_ESTOPPED; COVEY_EFENCED; COVEY_ERROR when compute failed and the
 *          strategy is to throw; COVEY_WAIT when another leads the group of its new state; or an error.  The group has
 *          been given up, and its waiters told so, in every case
 *
 * Requests are computed one at a time in the order in which they were asked.  Whoever asked the same meanwhile gets the
 * same answer.  When a new state has another name, the waiters of the old one are told COVEY_GAVE_UP: they are to ask
 * whoever has the state that they know.
 */
COVEY_API int covey_default_worker(covey *c, const struct covey_device *device, struct covey_lead *lead,
        struct covey_bytes base, const struct covey_worker_options *options);

/*
 * covey_host_open - a host: many workers in one process, served by a few threads.
 *
 * threads  at most so many requests are computed at once, 1 to 256; 0: one a processor
 * gives    0 and *out, to be ended with covey_host_close(); COVEY_EINVAL, COVEY_ESYSTEM, COVEY_EFULL
 *
 * A worker whose options name the host has no thread of its own (and so no worker callback: COVEY_EINVAL); its
 * callbacks run in whichever of the host's threads is free, one at a time for each worker.  They must not start, await
 * or stop a worker of the same host.  A circle of waits that goes through several of its groups may be told as
 * COVEY_CYCLE or COVEY_RECURSION.
 *
 * With own_memory, and where the process uses jemalloc, all that begin, compute and idle allocate comes from an arena
 * of the worker's own (as long as there are any: about 4000), is counted there, and is freed whole when the worker
 * ends.  So none of it may outlive the worker, nor be freed by a thread that is not the host's; that includes what
 * libraries allocate at their first use, such as the buffers of stdio: have them used once before.
 */
COVEY_API int covey_host_open(covey *c, unsigned threads, struct covey_host **out);

/* covey_host_close - stop its workers, after the requests that they compute now, and its threads.  To be called before
 * covey_close(), and not while another thread starts or stops workers of it.  In a child of fork() it does nothing.
 * NULL is allowed. */
COVEY_API void covey_host_close(struct covey_host *host);

struct covey_host_usage {
	uint32_t workers;  /* groups served now */
	uint32_t arenas;   /* of them, those with an arena of their own */
	uint64_t answered; /* requests, since covey_host_open() */
	uint64_t bytes;    /* allocated in the arenas of workers, as jemalloc counts them; 0 without it */
};
COVEY_API int covey_host_usage_of(struct covey_host *host, struct covey_host_usage *out);

/* covey_worker_bytes - what a host's worker has allocated in its arena; 0 without jemalloc, or without an arena. */
COVEY_API uint64_t covey_worker_bytes(const struct covey_worker *worker);

/* A process of numbered states, such as a log or a counter: state N follows from state N - 1, and callers ask for
 * "slot N", or for "any", the next that is computed.  To be put into a device as self (of struct covey_slots), group,
 * worker and await.  Requests are texts: "slot 17", "any", or empty for "any". */
struct covey_slots {
	const char *name; /* of the group, 1 to COVEY_NAME_MAX bytes */
	void *self;       /* passed to the callbacks below */
	uint64_t slot;    /* the last one computed; the worker's to change once it works */
	/* compute the state after slot - 1; 0, or nonzero: an error, which is the answer, and slot - 1 stays the last */
	int (*step)(void *self, uint64_t slot, struct covey_answer *answer);
	/* an earlier state; NULL, or nonzero: such requests are answered with COVEY_ERROR and the code COVEY_SLOT_PAST */
	int (*recall)(void *self, uint64_t slot, struct covey_answer *answer);
	/* the worker ends because it was idle; slot is the last one computed.  May be NULL */
	void (*snapshot)(void *self, uint64_t slot);
};
enum { COVEY_SLOT_PAST = 1, COVEY_SLOT_UNREADABLE = 2 }; /* codes of its errors */

/* covey_slot_device - a device over slots, which must outlive it: its group, compute, worker and await callbacks
 * set. */
COVEY_API struct covey_device covey_slot_device(struct covey_slots *slots);

/* ------------------------------------------------------------------------------------------------ monitor
 * Seed: start_monitor/0,1,2, do_monitor/3, stop_monitor/1. */

struct covey_monitor;

enum covey_change_kind { COVEY_APPEARED = 1, COVEY_CHANGED = 2, COVEY_VANISHED = 3 };

/* One group as a report shows it. */
struct covey_standing {
	uint64_t generation; /* 0: not led */
	pid_t pid;           /* the leader's; 0: dead, and nobody took over yet */
	uint32_t waiters;
	uint32_t queue; /* of their requests, those that the leader has not been given yet */
};
struct covey_change {
	int kind;         /* enum covey_change_kind, since the last report */
	const void *name; /* valid during the callback */
	size_t size;
	struct covey_standing was, is;
};

/* Gets all that changed since the last report, ordered by name.  Runs in the monitor's thread and must not stop it. */
typedef void (*covey_monitor_sink)(void *context, const struct covey_change *changes, size_t count);

/*
 * covey_start_monitor - report which groups changed: leader, waiters, queue length.
 *
 * name    of one group; NULL: all of them
 * period  nanoseconds that lie between two reports at least; 0: 1 s.  The first report, of what is there (it may be
 *         nothing), comes at once
 * gives   0 and *out, to be ended with covey_stop_monitor(); COVEY_EINVAL, COVEY_ESYSTEM
 *
 * It sleeps in the kernel until something changes, and only then looks; what comes and goes within one period is not
 * reported.  Works on any handle.  On one with COVEY_INSPECT of a region that this user may not write, nobody can wake
 * it, and it looks once a period; so it does where the kernel has no futex_waitv.  covey_close() ends the monitors
 * that still run on its handle, and each is still to be given to covey_stop_monitor().  A child of fork() has none,
 * and may do both.
 */
COVEY_API int covey_start_monitor(covey *c, const void *name, size_t size, int64_t period, covey_monitor_sink sink,
        void *context, struct covey_monitor **out);

/* covey_stop_monitor - end it at once; after this the sink is not called.  NULL is allowed. */
COVEY_API void covey_stop_monitor(struct covey_monitor *monitor);

/* covey_monitor_wakeups - how often the monitor's thread has returned from sleep, to see that it does not poll. */
COVEY_API uint64_t covey_monitor_wakeups(const struct covey_monitor *monitor);

/* ------------------------------------------------------------------------------------------------ events
 * Seed: worker_event/5, the event macros. */

enum covey_event_kind {
#define COVEY_EVENT(id, name, text) COVEY_EVENT_##id,
#include "events.def"
#undef COVEY_EVENT
	COVEY_EVENTS
};
COVEY_API const char *covey_event_name(enum covey_event_kind kind);
COVEY_API const char *covey_event_text(enum covey_event_kind kind);

/* One event in the history of a participant, living or dead. */
struct covey_event_view {
	int64_t time; /* of an execution that nobody waited for: by the clock's tick (1 to 10 ms) */
	enum covey_event_kind kind;
	pid_t pid;        /* whose history it is in */
	char command[16]; /* of that process */
	int alive;        /* it has not left or died */
	int64_t since;    /* when it joined */
	pid_t peer;       /* the other process of the event: the leader awaited, the dead, the new leader; or 0 */
	uint64_t generation;
	uint64_t hash;    /* of the group's name; for one that the region no longer knows */
	const void *name; /* valid during the callback; NULL when the region no longer knows the group */
	size_t size;
	int error;    /* of "resolved": the answer was the leader's own error */
	int32_t code; /* of "resolved": the application's code, or what is nearest to it of -2048 to 2047 */
};
typedef int (*covey_event_visitor)(void *context, const struct covey_event_view *event);

/* covey_each_event - visit what the region still remembers, participant by participant and in order for each.  Each has
 * room for some 50 events, and the histories of the dead stay until as many others have joined as the region has room
 * for.  Gives how many, or an error.  Works on any handle; writes nothing. */
COVEY_API int covey_each_event(covey *c, covey_event_visitor visit, void *context);

/* ------------------------------------------------------------------------------------------------ inspect */

/* One group as covey_each_group() shows it.  The name is valid during the callback. */
struct covey_group_view {
	const void *name;
	size_t size;
	struct covey_info info;
	int64_t leader_alive; /* 1, or 0 when the leader is dead and nobody took over yet */
	char command[16];     /* the leader's, as the kernel names it */
	uint64_t hash;        /* of the name: what the history and the tracepoints have */
	pid_t thread;         /* of it, the one that leads */
};

struct covey_waiter_view {
	pid_t pid;
	int64_t since; /* when it went to sleep; now, if it has not yet */
	size_t request_size;
	char command[16];
	pid_t thread; /* of it, the one that waits */
};

/* One attached process. */
struct covey_participant_view {
	pid_t pid;        /* in its own pid namespace */
	int alive;        /* 0: it died or is leaving, and what it held was not freed yet */
	int64_t since;    /* when it joined */
	uint32_t threads; /* of it, those that have led or waited */
	char command[16];
};

/* Each returns nonzero to stop the walk. */
typedef int (*covey_group_visitor)(void *context, const struct covey_group_view *group);
typedef int (*covey_waiter_visitor)(void *context, const struct covey_waiter_view *waiter);
typedef int (*covey_participant_visitor)(void *context, const struct covey_participant_view *participant);

/* covey_each_group - visit the groups that are led now, in no order.  Gives how many were visited, or COVEY_ECORRUPT.
 * Works on any handle, COVEY_INSPECT too; writes nothing. */
COVEY_API int covey_each_group(covey *c, covey_group_visitor visit, void *context);

/* covey_group_view_of - the same of one group.  Gives 0 and *out, whose name is the caller's; COVEY_ENOENT when nobody
 * leads it, COVEY_EINVAL, COVEY_ECORRUPT.  Works on any handle; writes nothing. */
COVEY_API int covey_group_view_of(covey *c, const void *name, size_t size, struct covey_group_view *out);

/* covey_each_waiter - visit the waiters of one group.  Gives how many, COVEY_ENOENT when nobody leads it, or an
 * error. */
COVEY_API int covey_each_waiter(covey *c, const void *name, size_t size, covey_waiter_visitor visit, void *context);

/* covey_each_participant - visit the attached processes, and the dead that were not reaped yet.  Gives how many. */
COVEY_API int covey_each_participant(covey *c, covey_participant_visitor visit, void *context);

/* The statistics of the region since its creation: one per line of counters.def, summed over all threads ever. */
enum covey_counter {
#define COVEY_COUNTER(id, name, text) COVEY_COUNT_##id,
#include "counters.def"
#undef COVEY_COUNTER
	COVEY_COUNTERS
};
COVEY_API uint64_t covey_counter(covey *c, enum covey_counter counter);
/* covey_counter_name, covey_counter_text - a counter's short name and its line of documentation. */
COVEY_API const char *covey_counter_name(enum covey_counter counter);
COVEY_API const char *covey_counter_text(enum covey_counter counter);

/* covey_reap - free now what dead participants still hold; the keepers do it by themselves after a death.
 * Gives how many dead participants were freed, or an error. */
COVEY_API int covey_reap(covey *c);

/* Gets a sentence that names what is broken, valid during the callback.  Returns nonzero to stop the walk. */
typedef int (*covey_damage_visitor)(void *context, const char *what);

/* covey_each_damage - walk the whole segment and check every invariant, for tests and for people.  Exact only while
 * nobody else works on the region: of a live one, what is told twice is worth a look.  Gives how many were visited, or
 * COVEY_EINVAL or COVEY_ESYSTEM.  Works on any handle; writes nothing. */
COVEY_API int covey_each_damage(covey *c, covey_damage_visitor visit, void *context);

/* covey_check - the first of them: 0, or COVEY_ECORRUPT with its sentence in why (size bytes), or an error. */
COVEY_API int covey_check(covey *c, char *why, size_t size);

/* What the region holds and has room for; of a quiet region, exact. */
struct covey_usage {
	uint32_t participants, participants_max;
	uint32_t participants_dead; /* of them, those that died and were not reaped yet */
	uint32_t threads, threads_max;
	uint32_t groups_led, groups_cached, groups_max;
	uint64_t heap_blocks, heap_bytes, heap_max;
};
COVEY_API int covey_usage_of(covey *c, struct covey_usage *out);

#ifdef __cplusplus
}
#endif
#endif
