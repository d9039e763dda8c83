/*
 * history.c - what all participants did last, as one story
 *
 * Histories are merged by time.  An execution that nobody waited for is recorded by the clock's tick, so it may bear a
 * time some milliseconds before it happened, and seem to come before the one that it followed.  The generations tell:
 * what a leader of a group does comes after all that its predecessors did, and its time is raised to that.
 *
 * A group that has left the region's table is known by its hash only, unless another event of it has the name.
 */
#include "history.h"

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
	h->entries[h->size] = (struct history_entry){*view, h->size};
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
	}
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

void history_free(struct history *h)
{
	for (size_t i = 0; i < h->size; i++)
		free((void *)(uintptr_t)h->entries[i].view.name);
	free(h->entries);
	*h = (struct history){.size = 0};
}
