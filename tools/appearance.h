/* appearance.h - be told, in a loop over poll(2), that a region may have come or gone: see appearance.c */
#ifndef COVEY_APPEARANCE_H
#define COVEY_APPEARANCE_H

#include <stdbool.h>
#include <stdint.h>

enum { REGION_PATH_ROOM = 1100 };

/* region_path - where covey_open() finds the region of that name. */
void region_path(const char *region, char path[REGION_PATH_ROOM]);

/* path_events - a descriptor of inotify(7) that tells of these events of a path and does not block, or -1. */
int path_events(const char *path, uint32_t what);

struct appearance {
	const char *region;
	int events;    /* to be polled for input; -1: there is none */
	int64_t again; /* when to look again; COVEY_FOREVER: not before an event */
};

/* appearance_begin - to be followed by a look: whatever happens to the name after this is told. */
void appearance_begin(struct appearance *a, const char *region);

/* appearance_seen - after poll(2), with what it said of a->events: true when there is reason to look. */
bool appearance_seen(struct appearance *a, short events);

void appearance_end(struct appearance *a);

#endif
