/*
 * removal.c - be told that a region's name was removed
 *
 * The kernel tells when the count of a file's names changes, whoever removed one (inotify(7)); covey_named() then
 * tells whether it was this one.  It may have looked just before: so it is asked once more, when it looks again.
 * Where there is no such descriptor to be had, it is asked every now and then.
 */
#include "removal.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "appearance.h"
#include "cmd.h"
#include "deadline.h"

/* Take what there is to be read. */
static void drain(int events)
{
	char ignored[4096];

	while (read(events, ignored, sizeof(ignored)) > 0) {
	}
}

/* A little later than covey_named() relies on what it saw. */
static int64_t look_again(void)
{
	return deadline_in(2100 * INT64_C(1000000));
}

void removal_begin(struct removal *r, covey *c, const char *region)
{
	char path[REGION_PATH_ROOM];

	region_path(region, path);
	*r = (struct removal){.c = c};
	r->events = path_events(path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW);
	r->again =
	        covey_named(c) != 1 || r->events < 0 ? look_again() : COVEY_FOREVER; /* removed before it was watched */
}

int64_t removal_due(const struct removal *r)
{
	return r->c ? r->again : COVEY_FOREVER;
}

/* Other descriptors end the caller's sleep, too: that is no reason to look. */
bool removal_seen(struct removal *r, short events)
{
	if (r->c == NULL || (events == 0 && monotonic_now() < r->again))
		return false;
	r->again = events != 0 || r->events < 0 ? look_again() : COVEY_FOREVER;
	if (events != 0)
		drain(r->events);
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
