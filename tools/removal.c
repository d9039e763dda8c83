/*
 * removal.c - be told that a region's name was removed
 *
 * The kernel tells when the count of a file's names changes, whoever removed one (inotify(7)); covey_named() then tells whether
 * it was this one.  It may have looked just before: so it is asked once more, when it looks again.  Where there is no
 * such descriptor to be had, it is asked every now and then.
 */
#include "removal.h"

#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 2000 };

void removal_begin(struct removal *r, covey *c, const char *region)
{
	char path[256];

	*r = (struct removal){.c = c, .events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
	snprintf(path, sizeof(path), "/dev/shm/%s", region + (region[0] == '/'));
	if (r->events >= 0 &&
	        inotify_add_watch(r->events, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW) < 0) {
		close(r->events);
		r->events = -1;
	}
	r->soon = covey_named(c) != 1; /* removed before it was watched */
}

int removal_patience(const struct removal *r)
{
	return r->c != NULL && (r->soon || r->events < 0) ? LOOK_AGAIN_MS : -1;
}

bool removal_seen(struct removal *r, short events)
{
	char ignored[4096];

	if (r->c == NULL || (events == 0 && removal_patience(r) < 0))
		return false;
	r->soon = events != 0;
	if (events != 0 && read(r->events, ignored, sizeof(ignored)) <= 0)
		r->soon = false;
	if (covey_named(r->c) != 0)
		return false;
	removal_end(r);
	return true;
}

void removal_end(struct removal *r)
{
	if (r->events >= 0)
		close(r->events);
	*r = (struct removal){.events = -1};
}
