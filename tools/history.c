/*
 * history.c - what all participants did last, as one story
 *
 * Histories are merged by time.  An execution that nobody waited for is recorded by the clock's tick, so it may bear a
 * time some milliseconds before it happened, and seem to come before the one that it followed.  The generations tell:
 * what a leader of a group does comes after all that its predecessors did, and its time is raised to that.
 *
 * A group that has left the region's table is known by its hash only, unless another event of it has the name.
 *
 * What an event ended is paired with its beginning.  An execution is one by its generation.  Of several threads of a
 * process that wait for one group, a history does not tell which; the first to wait is taken to be the first that was
 * answered, as workers answer in the order of asking.
 */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_NS = 20000000 }; /* more than the coarsest tick */

static bool make_room(struct history *h)
{
	size_t room = h->room ? 2 * h->room : 256;
	struct history_entry *entries;

	if (h->size < h->room)
		return true;
	entries = realloc(h->entries, room * sizeof(*entries));
	if (!entries)
		return false;
	h->entries = entries;
	h->room = room;
	return true;
}

static int keep(void *context, const struct covey_event_view *view)
{
	struct history *h = context;
	void *name = NULL;

	h->exhausted = !make_room(h) || (view->size && !(name = malloc(view->size)));
	if (h->exhausted)
		return 1;
	if (name)
		memcpy(name, view->name, view->size);
	h->entries[h->size] = (struct history_entry){*view, h->size, -1};
	h->entries[h->size++].view.name = name;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the order */

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

static int by_execution(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;
	int r = compare(x->view.hash, y->view.hash);

	if (r == 0)
		r = compare(x->view.generation, y->view.generation);
	return r ? r : compare(x->order, y->order);
}

static int by_time(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;
	int r = compare((uint64_t)x->view.time, (uint64_t)y->view.time);

	return r ? r : by_execution(a, b);
}

/* By who waited for what, in the order of time. */
static int by_waiter(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;
	int r = compare(x->view.hash, y->view.hash);

	if (r == 0)
		r = compare((uint64_t)x->view.pid, (uint64_t)y->view.pid);
	if (r == 0)
		r = compare((uint64_t)x->view.since, (uint64_t)y->view.since);
	if (r == 0)
		r = compare((uint64_t)x->view.time, (uint64_t)y->view.time);
	return r ? r : compare(x->order, y->order);
}

/* Waiters' events bear the generation that they began to wait for, and may come after the next. */
static bool by_leader(const struct covey_event_view *v)
{
	return v->kind == COVEY_EVENT_REGISTERED || v->kind == COVEY_EVENT_RESOLVED || v->kind == COVEY_EVENT_GAVE_UP ||
	       v->kind == COVEY_EVENT_TOOK_OVER || v->kind == COVEY_EVENT_FORWARDED || v->kind == COVEY_EVENT_ACCEPTED;
}

/* The events of one group, by generation: names and times that one has are those of the others. */
static void settle_group(struct history_entry *e, size_t n)
{
	const struct history_entry *named = NULL;
	int64_t latest = 0;

	for (size_t i = 0; i < n; i++)
		named = e[i].view.name ? &e[i] : named;
	for (size_t i = 0; i < n; i++) {
		struct covey_event_view *v = &e[i].view;
		void *name = !v->name && named ? malloc(named->view.size) : NULL;

		if (name) {
			v->name = memcpy(name, named->view.name, named->view.size);
			v->size = named->view.size;
		}
		if (!by_leader(v))
			continue;
		if (v->time < latest && latest - v->time < TICK_NS)
			v->time = latest;
		latest = v->time > latest ? v->time : latest;
	}
}

/* ------------------------------------------------------------------------------------------------ durations */

static bool begins_execution(enum covey_event_kind kind)
{
	return kind == COVEY_EVENT_REGISTERED || kind == COVEY_EVENT_TOOK_OVER || kind == COVEY_EVENT_ACCEPTED;
}

static bool ends_execution(enum covey_event_kind kind)
{
	return kind == COVEY_EVENT_RESOLVED || kind == COVEY_EVENT_GAVE_UP || kind == COVEY_EVENT_FORWARDED;
}

bool history_ends_wait(enum covey_event_kind kind)
{
	return kind == COVEY_EVENT_ANSWERED || kind == COVEY_EVENT_UNANSWERED || kind == COVEY_EVENT_DIED;
}

/* The events of one group, by generation. */
static void time_executions(struct history_entry *e, size_t n)
{
	const struct covey_event_view *began = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct covey_event_view *v = &e[i].view;

		if (begins_execution(v->kind))
			began = v;
		else if (ends_execution(v->kind) && began && began->generation == v->generation)
			e[i].took = v->time - began->time;
	}
}

static bool same_waiter(const struct covey_event_view *a, const struct covey_event_view *b)
{
	return a->hash == b->hash && a->pid == b->pid && a->since == b->since;
}

/* By waiter and time.  waiting: the oldest wait of this waiter that has not been ended yet, or where to look for it. */
static void time_waits(struct history_entry *e, size_t n)
{
	for (size_t i = 0, waiting = 0; i < n; i++) {
		if (i != 0 && !same_waiter(&e[i].view, &e[i - 1].view))
			waiting = i;
		if (!history_ends_wait(e[i].view.kind))
			continue;
		while (waiting < i && e[waiting].view.kind != COVEY_EVENT_WAITING)
			waiting++;
		if (waiting < i)
			e[i].took = e[i].view.time - e[waiting++].view.time;
	}
}

/* What was visited becomes one story. */
static void settle(struct history *h)
{
	if (h->size == 0)
		return;
	qsort(h->entries, h->size, sizeof(*h->entries), by_execution);
	for (size_t i = 0, end; i < h->size; i = end) {
		for (end = i + 1; end < h->size && h->entries[end].view.hash == h->entries[i].view.hash; end++) {
		}
		settle_group(&h->entries[i], end - i);
		time_executions(&h->entries[i], end - i);
	}
	qsort(h->entries, h->size, sizeof(*h->entries), by_waiter);
	time_waits(h->entries, h->size);
	qsort(h->entries, h->size, sizeof(*h->entries), by_time);
}

int history_take(covey *c, struct history *out)
{
	int n;

	*out = (struct history){.size = 0};
	n = covey_each_event(c, keep, out);
	settle(out);
	return n < 0 ? n : 0;
}

bool history_is_of(const struct covey_event_view *v, const void *name, size_t size)
{
	return v->name && v->size == size && memcmp(v->name, name, size) == 0;
}

void format_status(const struct covey_event_view *v, char out[STATUS_ROOM])
{
	if (v->kind != COVEY_EVENT_RESOLVED)
		snprintf(out, STATUS_ROOM, "-");
	else if (v->error && v->code == 0)
		snprintf(out, STATUS_ROOM, "error");
	else
		snprintf(out, STATUS_ROOM, "%s%d", v->error ? "error:" : "", (int)v->code);
}

void history_free(struct history *h)
{
	for (size_t i = 0; i < h->size; i++)
		free((void *)(uintptr_t)h->entries[i].view.name);
	free(h->entries);
	*h = (struct history){.size = 0};
}
