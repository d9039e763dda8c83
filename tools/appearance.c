/*
 * appearance.c - be told that a region may have come or gone
 *
 * A region appears in its directory whole, by one link or rename, and it goes by one unlink or rename; the kernel
 * tells of any name that does (inotify(7)).  Those of other files are passed over.  Whoever is told tries to open the
 * region, or asks covey_named() of the one that he has: this may rely on what it saw just before, so he is told a
 * second time when it looks again.  Of a directory that cannot be watched, there is reason to look every now and then.
 */
#include "appearance.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cmd.h"
#include "deadline.h"

/* A little more than covey_named() relies on what it saw; and where nobody tells. */
static const int64_t look_again = 2100 * INT64_C(1000000), look_untold = 100 * INT64_C(1000000);

void region_path(const char *region, char path[REGION_PATH_ROOM])
{
	bool bare = strchr(region + (region[0] == '/'), '/') == NULL;

	snprintf(path, REGION_PATH_ROOM, "%s%s", bare ? "/dev/shm/" : "", region + (bare && region[0] == '/'));
}

int path_events(const char *path, uint32_t what)
{
	int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (events >= 0 && inotify_add_watch(events, path, what) < 0) {
		close(events);
		events = -1;
	}
	return events;
}

void appearance_begin(struct appearance *a, const char *region)
{
	char directory[REGION_PATH_ROOM];

	region_path(region, directory);
	*(strrchr(directory, '/') + 1) = '\0';
	a->region = region;
	a->events = path_events(directory, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
	a->again = a->events < 0 ? deadline_in(look_untold) : COVEY_FOREVER;
}

/* Did something happen to a file of the region's name?  Takes all that there is to be read. */
static bool name_changed(const struct appearance *a)
{
	const char *last = strrchr(a->region, '/'), *name = last ? last + 1 : a->region;
	_Alignas(struct inotify_event) char bytes[1024];
	bool changed = false;
	ssize_t n;

	while ((n = read(a->events, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const struct inotify_event *)(bytes + at);

			changed |= (event->mask & IN_Q_OVERFLOW) != 0 ||
			           (event->len != 0 && strcmp(event->name, name) == 0);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	return changed;
}

bool appearance_seen(struct appearance *a, short events)
{
	bool changed = events != 0 && name_changed(a);

	if (!changed && monotonic_now() < a->again)
		return false;
	a->again = a->events < 0 ? deadline_in(look_untold) : changed ? deadline_in(look_again) : COVEY_FOREVER;
	return true;
}

void appearance_end(struct appearance *a)
{
	if (a->events >= 0)
		close(a->events);
	a->events = -1;
}
