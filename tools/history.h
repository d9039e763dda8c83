/*
 * history.h - what all participants did last, as one story
 */
#ifndef COVEY_HISTORY_H
#define COVEY_HISTORY_H

#include <stdbool.h>

#include "covey.h"

struct history_entry {
	struct covey_event_view view; /* owns its name */
	size_t order;                 /* in which it was visited: a participant's own */
};

struct history {
	struct history_entry *entries; /* by time */
	size_t size, room;
	bool exhausted; /* out of memory: it is cut short */
};

/* history_take - all that the region remembers; 0 or an error.  To be ended with history_free() in either case. */
int history_take(covey *c, struct history *out);
void history_free(struct history *h);

/* history_is_of - did this happen to the group of that name? */
bool history_is_of(const struct covey_event_view *v, const void *name, size_t size);

#endif
