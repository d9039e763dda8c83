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
	int64_t took;                 /* of the execution or the wait that it ended, nanoseconds; negative: not known */
};

struct history {
	struct history_entry *entries; /* by time */
	size_t size, room;
	bool exhausted; /* out of memory: it is cut short */
};

/* history_take - all that the region remembers; 0 or an error.  To be ended with history_free() in either case. */
int history_take(covey *c, struct history *out);
void history_free(struct history *h);

/* history_ends_wait - is it the end of a wait, however it ended? */
bool history_ends_wait(enum covey_event_kind kind);

/* format_status - how an execution ended: its code, with "error:" before it or "error" if the answer was one; of other
 * events a dash. */
enum { STATUS_ROOM = 20 };
void format_status(const struct covey_event_view *v, char out[STATUS_ROOM]);

/* history_is_of - did this happen to the group of that name? */
bool history_is_of(const struct covey_event_view *v, const void *name, size_t size);

#endif
