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

#include <stdlib.h>
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
	s->owned = malloc(base.size != 0 ? base.size : 1);
	if (s->owned == NULL)
		return COVEY_ESYSTEM;
	if (base.size != 0)
		memcpy(s->owned, base.data, base.size);
	s->base = (struct covey_bytes){s->owned, base.size};
	return 0;
}

void covey_serving_end(struct covey_serving *s)
{
	free(s->owned);
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
	free(s->owned);
	s->owned = memory;
	s->base = (struct covey_bytes){memory, size};
}

static int answer_and_move(
        struct covey_serving *s, const struct covey_request *request, const struct covey_reply *reply)
{
	struct covey_lead next;
	unsigned before = covey_memory_enter(s->memory);
	void *state = malloc(reply->size != 0 ? reply->size : 1);
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

static int compute(struct covey_serving *s, const struct covey_request *request, struct covey_answer *answer)
{
	struct covey_bytes asked = {request->size != 0 ? request->data : "", request->size};
	unsigned before = covey_memory_enter(s->memory);
	int error;

	answer->request = asked;
	error = s->device.compute(s->device.self, s->base, asked, answer);
	covey_memory_leave(before);
	return error;
}

static int compute_and_answer(struct covey_serving *s, const struct covey_request *request)
{
	struct covey_answer answer = {.c = s->c, .lead = &s->lead};
	struct covey_reply reply;
	int r;

	reply.error = compute(s, request, &answer);
	reply.code = answer.code;
	reply.data = answer.data;
	reply.size = answer.size;
	reply.room = answer.room;
	answer.room = 0; /* consumed by each way of answering */
	if (reply.error == 0 && !s->options.static_worker)
		r = answer_and_move(s, request, &reply);
	else
		r = answer_here(s, request, &reply);
	covey_answer_drop(&answer);
	if (r == 0 && reply.error != 0 && s->options.error_strategy == COVEY_ERRORS_THROW)
		return COVEY_ERROR;
	return r;
}

int covey_serve(struct covey_serving *s, int64_t deadline)
{
	struct covey_request request = {0};
	int error, r = covey_receive(s->c, &s->lead, deadline, &request);
	struct covey_thread *t = covey_enter(s->c, &error), kept;

	if (r != 0)
		return r;
	kept = *t;
	t->request = NULL; /* the callbacks may receive, too: the bytes of our request stay ours */
	t->request_room = 0;
	r = compute_and_answer(s, &request);
	free(t->request);
	t->request = kept.request;
	t->request_room = kept.request_room;
	return r;
}

void covey_serving_event(struct covey_serving *s, enum covey_event_kind kind)
{
	int error;
	struct covey_thread *t = covey_enter(s->c, &error);

	if (t != NULL)
		covey_event(t, kind, s->lead.node, s->lead.generation, 0);
}

int covey_serving_close(struct covey_serving *s, int why)
{
	unsigned before;

	if (why == COVEY_ETIMEDOUT && s->device.idle != NULL) {
		before = covey_memory_enter(s->memory);
		s->device.idle(s->device.self, s->base);
		covey_memory_leave(before);
	}
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

int covey_default_worker(covey *c, const struct covey_device *device, struct covey_lead *lead, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	struct covey_spawning outer;
	struct covey_serving s;
	int r;

	if (c == NULL || device == NULL || device->compute == NULL || lead == NULL ||
	        (base.data == NULL && base.size != 0))
		return COVEY_EINVAL;
	r = covey_serving_begin(&s, c, device, base, options);
	if (r == 0) {
		s.lead = *lead;
		outer = covey_spawning_set((struct covey_spawning){.forbidden = true});
		r = covey_serve_all(&s);
		covey_spawning_set(outer);
		*lead = s.lead;
	} else {
		covey_unregister(c, lead);
	}
	covey_serving_end(&s);
	return r;
}
