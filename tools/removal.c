/*
 * removal.c - be told that a region's name was removed, or that there is one again
 *
 * The kernel tells when the count of a file's names changes, whoever removed one (inotify(7)); covey_named() then tells
 * whether it was this one.  It may have looked just before: so it is asked once more, when it looks again.  Where there is
 * no such descriptor to be had, it is asked every now and then.
 *
 * A region appears in its directory whole, by one link or rename; the kernel tells of any name that does.  Which of them it
 * is, is not looked at: to open the region tells.  Of a directory that cannot be watched, it is tried every now and then.
 */
#include "removal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cmd.h"

enum { LOOK_AGAIN_MS = 2100, PATH_ROOM = 1100 }; /* a little more than covey_named() relies on what it saw */

/* Where covey_open() finds the region of that name. */
static void path_of(const char *region, char path[PATH_ROOM])
{
	bool bare = strchr(region + (region[0] == '/'), '/') == NULL;

	snprintf(path, PATH_ROOM, "%s%s", bare ? "/dev/shm/" : "", region + (bare && region[0] == '/'));
}

static int watch_path(const char *path, uint32_t what)
{
	int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (events >= 0 && inotify_add_watch(events, path, what) < 0) {
		close(events);
		events = -1;
	}
	return events;
}

/* Take what there is to be read. */
static void drain(int events)
{
	char ignored[4096];

	while (read(events, ignored, sizeof(ignored)) > 0) {
	}
}

static int64_t look_again(void)
{
	return monotonic_now() + LOOK_AGAIN_MS * INT64_C(1000000);
}

void removal_begin(struct removal *r, covey *c, const char *region)
{
	char path[PATH_ROOM];

	path_of(region, path);
	*r = (struct removal){.c = c};
	r->events = watch_path(path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW);
	r->again =
	        covey_named(c) != 1 || r->events < 0 ? look_again() : COVEY_FOREVER; /* removed before it was watched */
}

int removal_patience(const struct removal *r)
{
	int64_t left = r->again - monotonic_now();

	if (r->c == NULL || r->again == COVEY_FOREVER)
		return -1;
	return left > 0 ? (int)(left / 1000000) + 1 : 0;
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

void appearance_begin(struct appearance *a, const char *region)
{
	char path[PATH_ROOM];

	path_of(region, path);
	*(strrchr(path, '/') + 1) = '\0';
	a->events = watch_path(path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

int appearance_patience(const struct appearance *a)
{
	return a->events < 0 ? LOOK_AGAIN_MS : -1;
}

bool appearance_seen(struct appearance *a, short events)
{
	if (a->events >= 0 && events == 0)
		return false;
	if (a->events >= 0)
		drain(a->events);
	return true;
}

void appearance_end(struct appearance *a)
{
	if (a->events >= 0)
		close(a->events);
	a->events = -1;
}
