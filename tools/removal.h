/* removal.h - be told, in a loop over poll(2), that a region's name was removed, or has come: see removal.c */
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

/* removal_patience - for poll(2), in milliseconds. */
int removal_patience(const struct removal *r);

/* removal_seen - after poll(2), with what it said of r->events: true once, when the name is gone. */
bool removal_seen(struct removal *r, short events);

void removal_end(struct removal *r);

/* The same of a region that may come: whoever is told tries to open it. */
struct appearance {
	int events; /* to be polled for input; -1: there is none */
};

void appearance_begin(struct appearance *a, const char *region);
int appearance_patience(const struct appearance *a);

/* appearance_seen - after poll(2), with what it said of a->events: true when there may be a region. */
bool appearance_seen(struct appearance *a, short events);

void appearance_end(struct appearance *a);

#endif
