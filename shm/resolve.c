/*
 * resolve.c - the whole loop in one call
 *
 *      name ---- none ---------------------------------------------------> compute alone
 *       |
 *      find or register ---- LEADER --> compute, publish ----------------> led
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
 * Every turn of the loop either ends or was caused by a change of the group's leader, so it is lock-free as a whole.
 */
#include <string.h>

#include "answer.h"
#include "worker.h"

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

static _Thread_local struct covey_spawning spawning;

struct covey_spawning covey_spawning_set(struct covey_spawning now)
{
	struct covey_spawning was = spawning;

	spawning = now;
	return was;
}

static int compute(struct resolving *r, struct covey_answer *answer)
{
	struct covey_spawning inside = {spawning.forbidden, r->recursive ? r->spawn : NULL}, outer;
	int error;

	outer = covey_spawning_set(inside);
	error = r->device->compute(r->device->self, r->base, r->request, answer);
	covey_spawning_set(outer);
	return error;
}

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

static int compute_alone(struct resolving *r)
{
	struct covey_answer answer = {0};
	int error = compute(r, &answer);

	keep_memory(r, &answer);
	r->out->part = COVEY_ALONE;
	r->out->pid = 0;
	r->out->generation = 0;
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

static int compute_leading(struct resolving *r, const struct covey_lead *lead, int part)
{
	struct covey_answer answer = {.c = r->c, .lead = lead, .request = r->asked};
	struct covey_reply reply;
	int error = compute(r, &answer), enter;
	struct covey_thread *t = covey_enter(r->c, &enter);

	reply = (struct covey_reply){error, answer.code, answer.data, answer.size, answer.room};
	if (keep_own(r, t, &answer) != 0 && copy_room(r, &answer) != 0) {
		covey_unregister(r->c, lead);
		covey_answer_drop(&answer);
		return COVEY_ESYSTEM;
	}
	publish(r, lead, error, &reply);
	r->out->part = part;
	r->out->pid = part == COVEY_TOOK_OVER ? lead->previous : lead->pid;
	r->out->generation = lead->generation;
	return outcome_of(error);
}

#define AGAIN 100

static int await(struct resolving *r, const struct covey_lead *lead)
{
	struct covey_result *out = r->out;
	struct covey_lead taken;
	int outcome;

	if (r->device->await != NULL)
		outcome = r->device->await(r->device->self, r->c, lead, r->asked, r->deadline, out);
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
		return r->allow_infinite ? compute_alone(r) : COVEY_CYCLE;
	case COVEY_EFULL:
		return compute_alone(r);
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
		return r->allow_infinite ? compute_alone(r) : COVEY_ERECURSION;
	case COVEY_EFULL:
		return compute_alone(r);
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

	if (spawning.forbidden || spawn == COVEY_SPAWN_NEVER)
		return;
	if (spawn != COVEY_SPAWN_DEFAULT) {
		r->spawn = &options->worker;
		r->recursive = spawn == COVEY_SPAWN_RECURSIVE;
	} else {
		r->spawn = spawning.inherit;
		r->recursive = spawning.inherit != NULL;
	}
}

static int resolve(struct resolving *r, const struct covey_name *name)
{
	int outcome;

	if (r->c == NULL || name->size == 0)
		return compute_alone(r);
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
