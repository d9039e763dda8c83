/*
 * worker.c - what a worker does: receive, compute, answer all who asked the same, go on with the new state
 *
 *      +--> receive ---- idle for worker_timeout ----> idle callback, give the group up, end
 *      |       |    ---- told to stop, fenced -------> give it up, end
 *      |    compute(base, request)
 *      |       | ok                        | error
 *      |    static? --- yes ----+          +---> answer; ignore: go on | throw: give the group up, end
 *      |       | no             |
 *      |    the result is the   |
 *      |    new base; register  |
 *      |    its group if it has |
 *      |    another             |
 *      |       |                |
 *      +--- answer <------------+
 *
 * The group of a new state is registered before the answer goes out: whoever got the answer and asks that state finds
 * its worker.  The old group ends in the same step as the answer is published (covey_unregister_notify), so nobody can
 * ask the old state of a worker that has moved on; its other waiters are told that it gave up.
 *
 * A worker killed anywhere in this loop is a leader killed: a waiter takes over.  What was received and not answered is
 * still asked, so nothing is lost but the state.
 */
#include "worker.h"

#include <string.h>

#include "answer.h"
#include "event.h"

int covey_serving_begin(struct covey_serving *s, covey *c, const struct covey_device *device, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	memset(s, 0, sizeof(*s));
	s->c = c;
	s->device = *device;
	if (options != NULL)
		s->options = *options;
	s->owned = shm_allocate(base.size);
	if (s->owned == NULL)
		return COVEY_ESYSTEM;
	if (base.size != 0)
		memcpy(s->owned, base.data, base.size);
	s->base = (struct covey_bytes){s->owned, base.size};
	return 0;
}

void covey_serving_end(struct covey_serving *s)
{
	shm_free(s->owned);
	s->owned = NULL;
}

/* ------------------------------------------------------------------------------------------------ one answer */

static int answer_here(struct covey_serving *s, const struct covey_request *request, const struct covey_reply *reply)
{
	int r = covey_answer_equal(s->c, &s->lead, request, reply);

	return r < 0 ? r : 0;
}

/* The old group ends with this answer; the new one is led already. */
static int answer_and_leave(struct covey_serving *s, const struct covey_request *request,
        const struct covey_reply *reply, const struct covey_lead *next)
{
	int r = covey_unregister_notify(s->c, &s->lead, request->data, request->size, reply);

	if (r == COVEY_EFENCED) { /* deposed: this state is nobody's any more */
		covey_unregister(s->c, next);
		return r;
	}
	s->lead = *next;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the new state */

/* 1 and *next: its group is another one and ours now.  0: it is the one that we lead.  Else why the worker must end. */
static int lead_state(struct covey_serving *s, struct covey_bytes state, struct covey_lead *next)
{
	struct covey_name name;
	int r = covey_group(&s->device, state, (struct covey_bytes){0}, NULL, &name);

	if (r != 0 || name.size == 0)
		return r;
	r = covey_find_or_register(s->c, name.data, name.size, next);
	if (r == COVEY_LEADER)
		return 1;
	if (r < 0)
		return r;
	return next->node == s->lead.node && next->generation == s->lead.generation ? 0 : COVEY_WAIT;
}

static void take_state(struct covey_serving *s, void *memory, size_t size)
{
	shm_free(s->owned);
	s->owned = memory;
	s->base = (struct covey_bytes){memory, size};
}

static int answer_and_move(
        struct covey_serving *s, const struct covey_request *request, const struct covey_reply *reply)
{
	struct covey_lead next;
	unsigned before = covey_memory_enter(s->memory);
	void *state = shm_allocate(reply->size);
	int moved, r;

	covey_memory_leave(before);
	if (state == NULL) {
		answer_here(s, request, reply);
		return COVEY_ESYSTEM;
	}
	if (reply->size != 0)
		memcpy(state, reply->data, reply->size); /* before the room is published, and perhaps freed */
	moved = lead_state(s, (struct covey_bytes){state, reply->size}, &next);
	r = moved == 1 ? answer_and_leave(s, request, reply, &next) : answer_here(s, request, reply);
	take_state(s, state, reply->size);
	return r != 0 ? r : moved == 1 ? 0 : moved;
}

/* ------------------------------------------------------------------------------------------------ the loop */

void shm_serving_callback_begin(struct covey_serving *s, struct shm_serving_callback *callback)
{
	callback->entry.here = (struct shm_inside){
	        .worker = true, .thread_is_ours = s->thread_is_ours, .hosted = s->options.host != NULL ? s : NULL};
	shm_inside_enter(&callback->entry, s->c);
	callback->arena = covey_memory_enter(s->memory);
}

void shm_serving_callback_end(struct shm_serving_callback *callback)
{
	covey_memory_leave(callback->arena);
	shm_inside_leave(&callback->entry);
}

/* COVEY_EFENCED: it came back in the child of a fork. */
static int compute(
        struct covey_serving *s, const struct covey_request *request, struct covey_answer *answer, int *error)
{
	struct covey_bytes asked = {request->size != 0 ? request->data : "", request->size};
	struct shm_serving_callback callback SHM_CLEANUP(shm_serving_callback_end);

	shm_serving_callback_begin(s, &callback);
	answer->request = asked;
	*error = s->device.compute(s->device.self, s->base, asked, answer);
	if (!shm_inside_forked(&callback.entry))
		return 0;
	shm_answer_forget(answer);
	return COVEY_EFENCED;
}

/* The worker has no answer to this one; it goes on. */
static int give_up_request(struct covey_serving *s, const struct covey_request *request)
{
	int r = shm_give_up_equal(s->c, &s->lead, request);

	return r < 0 ? r : 0;
}

static int compute_and_answer(struct covey_serving *s, const struct covey_request *request)
{
	struct covey_answer answer SHM_CLEANUP(covey_answer_drop) = {.c = s->c, .lead = &s->lead};
	struct covey_reply reply;
	int r = compute(s, request, &answer, &reply.error);

	if (r != 0)
		return r;
	if (answer.given_up)
		return give_up_request(s, request);
	reply.code = answer.code;
	reply.data = answer.data;
	reply.size = answer.size;
	reply.room = answer.room;
	answer.room = 0; /* consumed by each way of answering */
	if (reply.error == 0 && !s->options.static_worker)
		r = answer_and_move(s, request, &reply);
	else
		r = answer_here(s, request, &reply);
	if (r == 0 && reply.error != 0 && s->options.error_strategy == COVEY_ERRORS_THROW)
		return COVEY_ERROR;
	return r;
}

/* The bytes of the request that is being served: the callbacks may receive, too. */
struct kept {
	struct covey_thread *t;
	struct shm_caller caller;
	unsigned char *request;
	size_t room;
};

static void request_keep(struct kept *k, struct covey_thread *t)
{
	*k = (struct kept){t, shm_caller_of(t), t->request, t->request_room};
	t->request = NULL;
	t->request_room = 0;
}

static void request_give_back(struct kept *k)
{
	if (k->t == NULL)
		return;
	if (shm_caller_forked(&k->caller)) { /* its thread's state is gone, and another's may be in its place */
		shm_free(k->request);
		return;
	}
	shm_free(k->t->request);
	k->t->request = k->request;
	k->t->request_room = k->room;
}

int covey_serve(struct covey_serving *s, int64_t deadline)
{
	struct covey_request request = {0};
	struct kept kept SHM_CLEANUP(request_give_back) = {0};
	int error, r = covey_receive(s->c, &s->lead, deadline, &request);

	if (r != 0)
		return r;
	request_keep(&kept, covey_enter(s->c, &error));
	return compute_and_answer(s, &request);
}

void covey_serving_event(struct covey_serving *s, enum covey_event_kind kind)
{
	int error;
	struct covey_thread *t = covey_enter(s->c, &error);

	if (t != NULL)
		covey_event(t, kind, s->lead.node, s->lead.generation, 0);
}

/* False: it came back in the child of a fork. */
static bool idle(struct covey_serving *s)
{
	struct shm_serving_callback callback SHM_CLEANUP(shm_serving_callback_end);

	shm_serving_callback_begin(s, &callback);
	s->device.idle(s->device.self, s->base);
	return !shm_inside_forked(&callback.entry);
}

int covey_serving_close(struct covey_serving *s, int why)
{
	if (shm_forked_inside() || (why == COVEY_ETIMEDOUT && s->device.idle != NULL && !idle(s)))
		return COVEY_EFENCED;
	covey_serving_event(s, COVEY_EVENT_WORKER_ENDED); /* while the group is still its own */
	covey_unregister(s->c, &s->lead);                 /* refused if another leads by now, as it should be */
	return why == COVEY_ETIMEDOUT ? 0 : why;
}

int covey_serve_all(struct covey_serving *s)
{
	int r;

	covey_serving_event(s, COVEY_EVENT_WORKER_STARTED);
	do
		r = covey_serve(s, covey_after(covey_worker_timeout(&s->options)));
	while (r == 0);
	return covey_serving_close(s, r);
}

/* Whatever way it ends: the group has been given up. */
static void serving_over(struct covey_serving *s)
{
	if (s->lead.node != 0)
		covey_unregister(s->c, &s->lead);
	covey_serving_end(s);
}

static int serve_for_caller(struct covey_serving *s)
{
	struct shm_entry entry SHM_CLEANUP(shm_inside_leave) = {.here = {.worker = true}};

	shm_inside_enter(&entry, s->c);
	return covey_serve_all(s);
}

int covey_default_worker(covey *c, const struct covey_device *device, struct covey_lead *lead, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	struct covey_serving s SHM_CLEANUP(serving_over) = {0};
	int r;

	if (c == NULL || device == NULL || device->compute == NULL || lead == NULL ||
	        (base.data == NULL && base.size != 0))
		return COVEY_EINVAL;
	r = covey_serving_begin(&s, c, device, base, options);
	s.lead = *lead;
	if (r == 0) {
		r = serve_for_caller(&s);
		*lead = s.lead;
		s.lead.node = 0; /* it has been given up */
	}
	return r;
}
