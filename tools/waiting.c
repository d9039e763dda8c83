/*
 * waiting.c - wait until somebody leads a group, in a region that may not be there yet
 *
 * Two things are slept on at once.
 *  - The directory of the region's file (inotify(7)): a file that comes may be the region, one that goes may have been it.
 *    Whoever waits makes no region: its sizes are for those to choose who lead.
 *  - A monitor of the group, once there is a region: it reports who leads.
 * The look comes after the directory is watched, so nothing is missed in between.  It is taken again when covey_named()
 * does not rely any more on what it saw before.  Where a directory cannot be watched, there is a look every now and then.
 */
#include "waiting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "options.h"

enum { LOOK_MS = 100, LOOK_AGAIN_MS = 2100 };

struct waiting {
	const struct wanted *a;
	struct covey_monitor *monitor;
	int files;               /* an inotify descriptor, or -1 */
	int led;                 /* an eventfd */
	int64_t again;           /* when to look again; COVEY_FOREVER: not before something happens */
	uint64_t not_generation; /* of the present region */
};

int waiting_attach(covey **c, const char *region, uint32_t flags)
{
	const struct covey_options options = {.flags = COVEY_ATTACH_ONLY | flags};

	return covey_open(c, region, &options);
}

/* A file of an earlier boot is going to be replaced by whoever leads first. */
static bool may_come(int error)
{
	return error == COVEY_ENOENT || (error == COVEY_EFOREIGN && errno == ESTALE);
}

/* In the monitor's thread. */
static void note_leader(void *context, const struct covey_change *changes, size_t count)
{
	const struct waiting *w = context;

	for (size_t i = 0; i < count; i++)
		if (changes[i].is.pid != 0 && changes[i].is.generation != 0 &&
		        changes[i].is.generation != w->not_generation)
			eventfd_write(w->led, 1);
}

/* Of a name the library's own place for it, of a path the path. */
static int watch_directory(const char *region)
{
	const char *last = strrchr(region, '/');
	int files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char directory[1100];

	if (!last || last == region)
		snprintf(directory, sizeof(directory), "/dev/shm");
	else
		snprintf(directory, sizeof(directory), "%.*s", (int)(last - region), region);
	if (files >= 0 &&
	        inotify_add_watch(files, directory, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM) < 0) {
		close(files);
		return -1;
	}
	return files;
}

/* Be attached to the region that has the name now, and have its group watched. */
static int look(struct waiting *w, covey **c)
{
	int error;

	if (*c && covey_named(*c) == 0) {
		covey_stop_monitor(w->monitor);
		w->monitor = NULL;
		w->not_generation = 0;
		covey_close(*c);
		*c = NULL;
	}
	error = *c ? 0 : waiting_attach(c, w->a->region, w->a->flags);
	if (error != 0)
		return may_come(error) ? 0 : error;
	if (w->monitor)
		return 0;
	return covey_start_monitor(*c, w->a->group, w->a->group_size, 1, note_leader, w, &w->monitor);
}

/* Did something happen to a file of the region's name? */
static bool names_changed(const struct waiting *w)
{
	const char *last = strrchr(w->a->region, '/'), *name = last ? last + 1 : w->a->region;
	_Alignas(struct inotify_event) char bytes[1024];
	bool changed = false;
	ssize_t n;

	while ((n = read(w->files, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const struct inotify_event *)(bytes + at);

			changed |= (event->mask & IN_Q_OVERFLOW) != 0 ||
			           (event->len != 0 && strcmp(event->name, name) == 0);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	return changed;
}

static int64_t next_look(const struct waiting *w, bool changed)
{
	if (w->files < 0)
		return deadline_in(LOOK_MS * INT64_C(1000000));
	return changed ? deadline_in(LOOK_AGAIN_MS * INT64_C(1000000)) : COVEY_FOREVER;
}

/* Until there is reason to look.  True: that somebody leads. */
static bool sleep_on(struct waiting *w)
{
	int64_t until = w->a->deadline < w->again ? w->a->deadline : w->again;
	struct pollfd p[2] = {{.fd = w->led, .events = POLLIN}, {.fd = w->files, .events = POLLIN}};
	bool changed = false;

	while (!changed && monotonic_now() < until) {
		if (await_events(p, 2, ms_until(until)) <= 0)
			continue;
		if (p[0].revents)
			return true;
		changed = names_changed(w);
	}
	w->again = next_look(w, changed);
	return false;
}

static int await(struct waiting *w, covey **c)
{
	for (;;) {
		int error = look(w, c);

		if (error != 0)
			return error;
		if (sleep_on(w))
			return 0;
		if (monotonic_now() >= w->a->deadline)
			return COVEY_ETIMEDOUT;
	}
}

int waiting_for_leader(const struct wanted *a, covey **c)
{
	struct waiting w = {.a = a,
	        .led = eventfd(0, EFD_CLOEXEC),
	        .files = watch_directory(a->region),
	        .not_generation = a->not_generation};
	int error, reason;

	w.again = next_look(&w, false);
	error = w.led < 0 ? COVEY_ESYSTEM : await(&w, c);
	reason = errno;
	covey_stop_monitor(w.monitor);
	if (w.led >= 0)
		close(w.led);
	if (w.files >= 0)
		close(w.files);
	errno = reason;
	return error;
}
