/*
 * snapshot.h - the standing of groups at one look, and what differs between two looks
 */
#ifndef COVEY_SNAPSHOT_H
#define COVEY_SNAPSHOT_H

#include "internal.h"

struct covey_seen {
	const unsigned char *name; /* in the snapshot's names */
	size_t size;
	struct covey_standing standing;
};

/* Groups that are led, by name.  All zero is an empty one; to be ended with covey_snapshot_free(). */
struct covey_snapshot {
	struct covey_seen *seen;
	size_t count, room;
	unsigned char *names;
	size_t names_size, names_room;
};

/* Look at one group, or at all (key NULL).  *node: where the one group is led, 0 if it is not.  False: out of memory. */
bool covey_snapshot_take(covey *c, const struct cv_key *key, uint32_t *node, struct covey_snapshot *out);
void covey_snapshot_free(struct covey_snapshot *s);

/* What differs, by name, in memory that the caller frees; its names are the snapshots'.  False: out of memory. */
bool covey_snapshot_compare(const struct covey_snapshot *was, const struct covey_snapshot *is,
        struct covey_change **changes, size_t *count);

#endif
