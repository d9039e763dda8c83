/*
 * groups.h - the groups that are led now, copied out of the region
 */
#ifndef COVEY_GROUPS_H
#define COVEY_GROUPS_H

#include <stdbool.h>

#include "covey.h"

struct group_list {
	struct covey_group_view *views; /* each owns its name */
	size_t size, room;
	bool exhausted; /* out of memory: it is cut short */
};

/* groups_take - all of them, in no order; 0 or an error.  To be ended with groups_free() in either case. */
int groups_take(covey *c, struct group_list *out);
void groups_free(struct group_list *list);

#endif
