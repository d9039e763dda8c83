/*
 * slots.c - a device for a process of numbered states
 *
 * State N follows from state N - 1, so the worker computes the slots one after the other until it has the one that it
 * was asked for, and with each answers everybody who waits for that one, or for "any".  So answers come in the order of
 * computation, whatever the order of the requests, and no slot is computed twice for two who ask it at once.
 *
 *      asked: 5, any, 4, 9       last: 3      4 -> "any", "slot 4"    5 -> "slot 5"    6, 7, 8    9 -> "slot 9"
 *
 * If a step fails, whoever waits for that slot or a later one has the error, since none of these can be had.
 *
 * Between two steps the worker receives what has come: requests for the past are answered, one for a nearer slot needs
 * nothing, it will have its turn, and an order to stop is heard.  It goes on for as long as somebody waits for a slot that
 * lies ahead, and no longer.
 */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "worker.h"

#define ANY 0 /* slots begin with 1 */
#define TEXT_MAX 32

/* The slot that is asked for; false: not readable. */
static bool read_request(const void *request, size_t size, uint64_t *slot)
{
	char text[TEXT_MAX], *end;

	*slot = ANY;
	if (size == 0 || (size == 3 && memcmp(request, "any", 3) == 0))
		return true;
	if (size < 6 || size >= sizeof(text) || memcmp(request, "slot ", 5) != 0)
		return false;
	memcpy(text, request, size);
	text[size] = '\0';
	if (text[5] < '0' || text[5] > '9')
		return false;
	*slot = strtoull(text + 5, &end, 10);
	return *end == '\0' && *slot != ANY && *slot != UINT64_MAX;
}

/* ------------------------------------------------------------------------------------------------ whom to answer */

struct wanted {
	uint64_t slot;
	bool later; /* those who want a later one, too */
};

static int pick(void *context, const void *request, size_t size)
{
	const struct wanted *w = context;
	uint64_t slot;

	if (!read_request(request, size, &slot))
		return 0;
	return slot == ANY || slot == w->slot || (w->later && slot > w->slot);
}

static int answer_all(covey *c, const struct covey_lead *lead, uint64_t slot, int error, struct covey_answer *answer)
{
	struct wanted w = {slot, error != 0 || answer->given_up};
	const struct covey_reply reply = {error, answer->code, answer->data, answer->size, answer->room};

	if (answer->given_up)
		return shm_give_up_if(c, lead, pick, &w);
	answer->room = 0;
	return covey_answer_if(c, lead, pick, &w, &reply);
}

/* ------------------------------------------------------------------------------------------------ the worker */

/* Did a callback come back in the child of a fork, which is to leave all to its parent? */
static bool forked(struct covey_answer *answer)
{
	if (!shm_forked_inside())
		return false;
	shm_answer_forget(answer);
	return true;
}

/* The next slot, for all who want it.  Negative: the worker must end. */
static int step(struct covey_slots *s, covey *c, const struct covey_lead *lead)
{
	struct covey_answer answer SHM_CLEANUP(covey_answer_drop) = {.c = c, .lead = lead};
	int error = s->step(s->self, s->slot + 1, &answer), r;

	if (forked(&answer))
		return COVEY_EFENCED;
	r = answer_all(c, lead, s->slot + 1, error, &answer);
	s->slot += error == 0 && !answer.given_up;
	return r;
}

static int ahead(void *context, const void *request, size_t size)
{
	uint64_t slot;

	return read_request(request, size, &slot) && (slot == ANY || slot > *(const uint64_t *)context);
}

/* Does anybody wait for a slot that is to be computed yet? */
static bool wanted_ahead(const struct covey_slots *s, covey *c, const struct covey_lead *lead)
{
	uint32_t high = cv_seat_high(&c->arena);
	uint64_t word, last = s->slot;
	int error;
	struct covey_thread *t = covey_enter(c, &error);

	for (uint32_t i = 1; t != NULL && i <= high; i++)
		if (cv_seat_waits(&c->arena, i, cv_key_of(lead->node, lead->incarnation), &word) &&
		        covey_request_matches(c, t->seat, i, word, ahead, &last) > 0)
			return true;
	return false;
}

/* A state that has gone by, if it can be had at all; an error in any other case. */
static int recall(const struct covey_slots *s, uint64_t slot, struct covey_answer *answer)
{
	if (slot != ANY && s->recall != NULL && s->recall(s->self, slot, answer) == 0)
		return 0;
	if (answer->given_up)
		return 0;
	covey_answer_drop(answer);
	answer->code = slot != ANY ? COVEY_SLOT_PAST : COVEY_SLOT_UNREADABLE;
	return 1;
}

static int respond_past(const struct covey_slots *s, covey *c, const struct covey_lead *lead,
        const struct covey_request *request, uint64_t slot)
{
	struct covey_answer answer SHM_CLEANUP(covey_answer_drop) = {.c = c, .lead = lead};
	int error = recall(s, slot, &answer);
	struct covey_reply reply = {error, answer.code, answer.data, answer.size, answer.room};

	if (forked(&answer))
		return COVEY_EFENCED;
	if (answer.given_up)
		return shm_give_up_equal(c, lead, request);
	answer.room = 0;
	return covey_answer_one(c, lead, request, &reply);
}

/* One request, or one step: 0 and more, or why the worker ends. */
static int serve(struct covey_slots *s, covey *c, struct covey_lead *lead, int64_t timeout)
{
	bool busy = wanted_ahead(s, c, lead);
	struct covey_request request;
	uint64_t slot;
	int r = covey_receive(c, lead, busy ? COVEY_NOW : covey_after(timeout), &request);

	if (r == COVEY_ETIMEDOUT && busy)
		return step(s, c, lead);
	if (r != 0)
		return r;
	if (!read_request(request.data, request.size, &slot))
		return respond_past(s, c, lead, &request, ANY);
	return slot != ANY && slot <= s->slot ? respond_past(s, c, lead, &request, slot) : 0;
}

static int slot_worker(void *self, covey *c, struct covey_lead *lead, struct covey_bytes base,
        const struct covey_worker_options *options)
{
	struct covey_slots *s = self;
	int64_t timeout = covey_worker_timeout(options);
	int r;

	(void)base;
	do
		r = serve(s, c, lead, timeout);
	while (r >= 0);
	if (shm_forked_inside())
		return COVEY_EFENCED;
	if (r == COVEY_ETIMEDOUT && s->snapshot != NULL)
		s->snapshot(s->self, s->slot);
	covey_unregister(c, lead);
	return r == COVEY_ETIMEDOUT ? 0 : r;
}

/* ------------------------------------------------------------------------------------------------ the rest of the device */

static int slot_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	const struct covey_slots *s = self;

	(void)base, (void)request;
	name->size = strlen(s->name);
	if (name->size == 0 || name->size > COVEY_NAME_MAX)
		return COVEY_EINVAL;
	memcpy(name->data, s->name, name->size);
	return 0;
}

/* Where there is no worker: up to that slot, for whoever asks. */
static int slot_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	struct covey_slots *s = self;
	uint64_t slot;
	int r = 0;

	(void)base;
	if (!read_request(request.data, request.size, &slot))
		return recall(s, ANY, answer);
	if (slot != ANY && slot <= s->slot)
		return recall(s, slot, answer);
	slot = slot == ANY ? s->slot + 1 : slot;
	while (r == 0 && s->slot < slot && !answer->given_up) {
		r = s->step(s->self, s->slot + 1, answer);
		s->slot += r == 0 && !answer->given_up;
	}
	return r;
}

/* What the worker could not read is refused before it costs a wait. */
static int slot_await(void *self, covey *c, const struct covey_lead *lead, struct covey_bytes request, int64_t deadline,
        struct covey_result *out)
{
	uint64_t slot;

	(void)self;
	if (read_request(request.data, request.size, &slot))
		return covey_default_await(c, lead, request.data, request.size, deadline, out);
	memset(out, 0, sizeof(*out));
	return out->outcome = COVEY_EINVAL;
}

struct covey_device covey_slot_device(struct covey_slots *slots)
{
	return (struct covey_device){.self = slots,
	        .group = slot_group,
	        .compute = slot_compute,
	        .await = slot_await,
	        .worker = slot_worker};
}
