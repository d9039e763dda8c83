/*
 * resolve.c - the whole loop in one call
 *
 *      name ---- none ---------------------------------------------------> compute alone
 *       |
 *      find or register ---- LEADER --> compute, publish ----------------> led, or gave up
 *       |   ^      |   ---- full, no region ----------------------------->  compute alone
 *       |   |     WAIT
 *       |   |      await ---- result ------------------------------------> joined
 *       |   +---- gave up     timed out, cycle --------------------------> said so
 *       |                ---- died, and we are the successor --> compute -> took over
 *      recursion -------------------------------------------------------> an error, or alone if allowed
 *
 * With spawn_worker, "compute, publish" becomes
 *
 *      compute --> answer who asked the same --> a worker begins, with the result as its state --> forward the group to
 *      the worker, with all who asked something else --> the worker takes it up
 *
 * If the worker cannot begin, the execution ends as any other.  If this process is killed between any two of these
 * steps, the group has a dead leader (or belongs to the worker already), which its waiters know what to do about.
 *
 * The caller's code need not come back: an exception, or the end of its thread, passes through.  This file is compiled
 * so that its cleanups run then, and what is led is given up.  And it may come back twice, in the child of a fork,
 * too: see struct shm_caller.
 *
 * Every turn of the loop either ends or was caused by a change of the group's leader, so it is lock-free as a whole.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "worker_handle.h"

struct resolving {
	covey *c;
	const struct covey_name *name;
	const struct covey_worker_options *spawn; /* leave a worker like this; NULL: none */
	bool recursive;                           /* and the calls that compute makes, too */
	const struct covey_device *device;
	struct covey_bytes base;
	struct covey_bytes request;
	struct covey_bytes asked; /* of the group's leader: empty when the name says all */
	int64_t deadline;
	bool allow_infinite;
	int64_t waited;
	struct covey_result *out;
};

/* ------------------------------------------------------------------------------------------------ the caller's code */

static _Thread_local struct shm_inside inside;

void shm_inside_enter(struct shm_entry *entry, covey *c)
{
	int error;

	entry->here.caller = shm_caller_of(c != NULL ? covey_enter(c, &error) : NULL);
	entry->outer = inside;
	inside = entry->here;
}

void shm_inside_leave(struct shm_entry *entry)
{
	inside = entry->outer;
}

#define CHILD_STATUS 125

static bool forked(const struct shm_inside *here)
{
	if (cv_likely(!shm_caller_forked(&here->caller)))
		return false;
	if (here->thread_is_ours)
		_exit(CHILD_STATUS); /* not exit(): what the parent has not written out yet is the parent's */
	return true;
}

bool shm_inside_forked(const struct shm_entry *entry)
{
	return forked(&entry->here);
}

bool shm_forked_inside(void)
{
	return forked(&inside);
}

int covey_in_worker(void)
{
	return inside.worker;
}

/* Is this group led by the worker that we run inside of, or by a call of its own?  A host's threads lead more than
 * that: the groups of its other workers, which may be at work in another thread. */
static bool led_by_this_worker(const covey *c, const struct covey_lead *lead)
{
	const struct covey_serving *s = inside.hosted;

	if (!inside.worker)
		return false;
	if (s == NULL || s->c->header != c->header)
		return true;
	if (s->lead.node == lead->node && s->lead.generation == lead->generation)
		return true;
	return !s->options.host->serves(s->options.host, lead->node);
}

/* The callbacks of a covey_resolve() run inside of what the call does. */
static struct shm_inside inside_of_call(const struct covey_worker_options *inherit)
{
	struct shm_inside here = inside;

	here.thread_is_ours = false;
	here.inherit = inherit;
	return here;
}

/* One computation, and what has to be undone if it does not come back. */
struct computing {
	struct resolving *r;
	const struct covey_lead *lead; /* NULL: alone */
	struct shm_entry entry;
	struct covey_answer answer;
	bool returned;
};

/* An exception, or the end of the thread, passes by: as if compute had given up. */
static void computing_end(struct computing *job)
{
	shm_inside_leave(&job->entry);
	if (job->returned)
		return;
	if (shm_caller_forked(&job->entry.here.caller)) {
		shm_answer_forget(&job->answer);
		return;
	}
	if (job->lead != NULL)
		covey_unregister(job->r->c, job->lead);
	covey_answer_drop(&job->answer);
	covey_release(job->r->c, job->r->out);
}

static int compute(struct computing *job)
{
	struct resolving *r = job->r;
	int error;

	job->entry.here = inside_of_call(r->recursive ? r->spawn : NULL);
	shm_inside_enter(&job->entry, job->lead != NULL ? r->c : NULL);
	error = r->device->compute(r->device->self, r->base, r->request, &job->answer);
	job->returned = true;
	return error;
}

/* There is no result: whoever waits is told so at once, and one of them leads. */
static int give_up(struct computing *job)
{
	struct resolving *r = job->r;

	if (job->lead != NULL)
		covey_unregister(r->c, job->lead);
	covey_answer_drop(&job->answer);
	covey_release(r->c, r->out); /* what a device's await took and did not want */
	r->out->code = job->answer.code;
	return COVEY_GAVE_UP;
}

/* The child of a fork that compute made: the leadership, and whatever of the region the answer holds, are its parent's.
 */
static int left_to_parent(struct resolving *r, struct covey_answer *answer)
{
	shm_answer_forget(answer);
	memset(r->out, 0, sizeof(*r->out));
	return COVEY_EFENCED;
}

/* ------------------------------------------------------------------------------------------------ results */

static void keep_memory(struct resolving *r, struct covey_answer *answer)
{
	covey_release(r->c, r->out); /* what a device's await took and did not want */
	r->out->data = answer->data;
	r->out->size = answer->size;
	r->out->code = answer->code;
	r->out->owned = answer->owned;
	answer->owned = NULL;
}

/* The leader's own caller gets the bytes too: on loan like anybody's, or by taking over the memory. */
static int keep_own(struct resolving *r, struct covey_thread *t, struct covey_answer *answer)
{
	int loan;

	keep_memory(r, answer);
	if (answer->room == 0)
		return 0;
	loan = cv_seat_lend(&r->c->arena, t->seat, answer->room);
	if (loan < 0)
		return COVEY_EFULL;
	r->out->loan = answer->room;
	r->out->loan_seat = t->seat * CV_LOANS + (uint32_t)loan;
	return 0;
}

static int outcome_of(int error)
{
	return error != 0 ? COVEY_ERROR : COVEY_OK;
}

/* why: errno, which is to tell it at the end. */
static int compute_alone(struct resolving *r, int why)
{
	struct computing job SHM_CLEANUP(computing_end) = {.r = r};
	int error = compute(&job);

	r->out->part = COVEY_ALONE;
	r->out->pid = 0;
	r->out->generation = 0;
	if (job.answer.given_up)
		return give_up(&job);
	keep_memory(r, &job.answer);
	errno = why;
	return outcome_of(error);
}

/* A room that could not be lent is copied out before it is published and perhaps freed. */
static int copy_room(struct resolving *r, struct covey_answer *answer)
{
	struct covey_answer copy = {0};

	if (covey_answer_copy(&copy, answer->data, answer->size) != 0)
		return COVEY_ESYSTEM;
	r->out->data = r->out->owned = copy.owned;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ a worker left behind */

/* Answer who asked the same, begin a worker, and let it have the rest.  False: the group is still ours. */
static bool hand_over(struct resolving *r, const struct covey_lead *lead, struct covey_reply *reply)
{
	struct covey_bytes name = {r->name->data, r->name->size}, state = {r->out->data, r->out->size};
	/* first: nobody who has a result coming waits for a worker to begin */
	int done = covey_notify(r->c, lead, r->asked.data, r->asked.size, reply);
	const struct covey_handover from = {.generation = lead->generation};
	struct covey_worker *w;
	uint32_t number;

	reply->room = 0; /* consumed; this caller's loan, or its copy, still holds the bytes */
	reply->data = r->out->data;
	if (done < 0)
		return done == COVEY_EFENCED; /* the group is somebody else's business now */
	if (covey_worker_prepare(r->c, r->device, name, state, r->spawn, &from, &w, &number) != 0)
		return false;
	done = covey_forward_work(r->c, lead, number);
	covey_worker_take(w, done == 0);
	return done == 0 || done == COVEY_EFENCED;
}

static void publish(struct resolving *r, const struct covey_lead *lead, int error, struct covey_reply *reply)
{
	bool spawn = error == 0 && r->spawn != NULL;

	if (spawn && r->device->group != NULL && hand_over(r, lead, reply))
		return;
	/* A failure here is the waiters' business, and they know what to do: fenced, they have another leader; full, they
	 * were told to ask again.  This caller has its result either way. */
	covey_unregister_notify(r->c, lead, r->asked.data, r->asked.size, reply);
	if (spawn && r->device->group == NULL) /* this name was the request's; the new state has its own */
		covey_start_worker(
		        r->c, r->device, NULL, 0, (struct covey_bytes){r->out->data, r->out->size}, r->spawn, NULL);
}

/* The bytes are the caller's as well as the waiters'. */
static int keep_and_publish(struct computing *job, int error)
{
	struct resolving *r = job->r;
	struct covey_answer *answer = &job->answer;
	struct covey_reply reply = {error, answer->code, answer->data, answer->size, answer->room};
	int enter;

	if (keep_own(r, covey_enter(r->c, &enter), answer) != 0 && copy_room(r, answer) != 0) {
		covey_unregister(r->c, job->lead);
		covey_answer_drop(answer);
		return COVEY_ESYSTEM;
	}
	publish(r, job->lead, error, &reply);
	return outcome_of(error);
}

static int compute_leading(struct resolving *r, const struct covey_lead *lead, int part)
{
	struct computing job SHM_CLEANUP(computing_end) = {
	        .r = r, .lead = lead, .answer = {.c = r->c, .lead = lead, .request = r->asked}};
	int error = compute(&job);

	if (shm_inside_forked(&job.entry))
		return left_to_parent(r, &job.answer);
	r->out->part = part;
	r->out->pid = part == COVEY_TOOK_OVER ? lead->previous : lead->pid;
	r->out->generation = lead->generation;
	return job.answer.given_up ? give_up(&job) : keep_and_publish(&job, error);
}

#define AGAIN 100

/* A device's own await, and what has to be undone if it does not come back. */
struct awaiting {
	struct resolving *r;
	struct shm_entry entry;
	bool returned;
};

static void awaiting_end(struct awaiting *a)
{
	struct covey_result *out = a->r->out;

	shm_inside_leave(&a->entry);
	if (a->returned)
		return;
	if (out->outcome == COVEY_DIED && out->part == COVEY_TOOK_OVER && !shm_caller_forked(&a->entry.here.caller))
		covey_unregister(a->r->c, &out->lead);
	covey_release(a->r->c, out);
}

static int await_by_device(struct resolving *r, const struct covey_lead *lead)
{
	const struct covey_device *device = r->device;
	struct awaiting a SHM_CLEANUP(awaiting_end) = {.r = r};
	int outcome;

	a.entry.here = inside_of_call(inside.inherit);
	shm_inside_enter(&a.entry, r->c);
	outcome = device->await(device->self, r->c, lead, r->asked, r->deadline, r->out);
	a.returned = true;
	if (!shm_inside_forked(&a.entry))
		return outcome;
	covey_release(r->c, r->out);
	memset(r->out, 0, sizeof(*r->out));
	return COVEY_EFENCED;
}

static int await(struct resolving *r, const struct covey_lead *lead)
{
	struct covey_result *out = r->out;
	struct covey_lead taken;
	int outcome;

	if (r->device->await != NULL)
		outcome = await_by_device(r, lead);
	else
		outcome = covey_default_await(r->c, lead, r->asked.data, r->asked.size, r->deadline, out);
	r->waited += out->wait;
	switch (outcome) {
	case COVEY_DIED:
		if (out->part != COVEY_TOOK_OVER)
			return AGAIN;
		taken = out->lead;
		return compute_leading(r, &taken, COVEY_TOOK_OVER);
	case COVEY_GAVE_UP:
		return AGAIN;
	case COVEY_CYCLE:
		return r->allow_infinite ? compute_alone(r, 0) : COVEY_CYCLE;
	case COVEY_EFULL:
		return compute_alone(r, 0);
	default:
		return outcome;
	}
}

static int turn(struct resolving *r, const struct covey_name *name)
{
	struct covey_lead lead;
	int role = covey_find_or_register(r->c, name->data, name->size, &lead);

	switch (role) {
	case COVEY_LEADER:
		return compute_leading(r, &lead, lead.previous != 0 ? COVEY_TOOK_OVER : COVEY_LED);
	case COVEY_WAIT:
		return await(r, &lead);
	case COVEY_RECURSION:
		return r->allow_infinite || led_by_this_worker(r->c, &lead) ? compute_alone(r, 0) : COVEY_ERECURSION;
	case COVEY_EFULL:
		return compute_alone(r, 0);
	case COVEY_ESYSTEM: /* this process cannot attach: it has dropped privileges, or met a limit */
		return compute_alone(r, errno);
	default:
		return role;
	}
}

static int64_t deadline_of(const struct covey_resolve_options *options)
{
	if (options == NULL)
		return COVEY_FOREVER;
	if (options->no_wait)
		return COVEY_NOW;
	return options->deadline != 0 ? options->deadline : COVEY_FOREVER;
}

static void spawn_of(struct resolving *r, const struct covey_resolve_options *options)
{
	int spawn = options != NULL ? options->spawn_worker : COVEY_SPAWN_DEFAULT;

	if (covey_in_worker() || spawn == COVEY_SPAWN_NEVER)
		return;
	if (spawn != COVEY_SPAWN_DEFAULT) {
		r->spawn = &options->worker;
		r->recursive = spawn == COVEY_SPAWN_RECURSIVE;
	} else {
		r->spawn = inside.inherit;
		r->recursive = r->spawn != NULL;
	}
}

static int resolve(struct resolving *r, const struct covey_name *name)
{
	int outcome;

	if (r->c == NULL || name->size == 0)
		return compute_alone(r, 0);
	do
		outcome = turn(r, name);
	while (outcome == AGAIN);
	return outcome;
}

int covey_resolve(covey *c, const struct covey_device *device, struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_result *out)
{
	struct resolving r = {.c = c, .device = device, .base = base, .request = request, .out = out};
	struct covey_name name;
	int outcome;

	if (device == NULL || device->compute == NULL || out == NULL)
		return COVEY_EINVAL;
	memset(out, 0, sizeof(*out));
	outcome = covey_group(device, base, request, options, &name);
	if (outcome != 0)
		return out->outcome = outcome;
	r.name = &name;
	r.deadline = deadline_of(options);
	spawn_of(&r, options);
	r.allow_infinite = options != NULL && options->allow_infinite;
	if (device->group != NULL) /* the default name holds the request already */
		r.asked = (struct covey_bytes){request.data != NULL ? request.data : "", request.size};
	outcome = resolve(&r, &name);
	out->wait = r.waited;
	return out->outcome = outcome;
}
