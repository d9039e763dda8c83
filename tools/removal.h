/* removal.h - be told, in a loop over poll(2), that a region's name was removed: see removal.c */
#ifndef COVEY_REMOVAL_H
#define COVEY_REMOVAL_H

#include <stdbool.h>

#include "covey.h"

struct removal {
	covey *c;      /* NULL: there is nothing to be told, or it was told */
	int events;    /* to be polled for input; -1: there is none */
	int64_t again; /* when to look again, for what was looked at may be old; COVEY_FOREVER: not before an event */
};

void removal_begin(struct removal *r, covey *c, const char *region);

/* removal_due - the moment at which to call removal_seen() also without an event. */
int64_t removal_due(const struct removal *r);

/* removal_seen - after poll(2), with what it said of r->events: true once, when the name is gone. */
bool removal_seen(struct removal *r, short events);

void removal_end(struct removal *r);

#endif
