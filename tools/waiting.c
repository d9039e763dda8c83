/*
 * waiting.c - wait until somebody leads a group, in a region that may not be there yet
 *
 * Two things are slept on at once.
 *  - The name of the region's file (appearance.c): a file that comes may be the region, one that goes may have been it.
 *    Whoever waits makes no region: its sizes are for those to choose who lead.
 *  - A monitor of the group, once there is a region: it reports who leads.
 * The look comes after the name is watched, so nothing is missed in between.
 */
#include "waiting.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "appearance.h"
#include "deadline.h"

struct waiting {
	const struct wanted *a;
	struct covey_monitor *monitor;
	struct appearance file;
	int led;                 /* an eventfd */
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

/* Until there is reason to look.  True: that somebody leads. */
static bool sleep_on(struct waiting *w)
{
	while (monotonic_now() < w->a->deadline) {
		struct pollfd p[2] = {{.fd = w->led, .events = POLLIN}, {.fd = w->file.events, .events = POLLIN}};

		await_events(p, 2, ms_until(earlier(w->a->deadline, w->file.again)));
		if (p[0].revents)
			return true;
		if (appearance_seen(&w->file, p[1].revents))
			return false;
	}
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
	struct waiting w = {.a = a, .led = eventfd(0, EFD_CLOEXEC), .not_generation = a->not_generation};
	int error, reason;

	appearance_begin(&w.file, a->region);
	error = w.led < 0 ? COVEY_ESYSTEM : await(&w, c);
	reason = errno;
	covey_stop_monitor(w.monitor);
	if (w.led >= 0)
		close(w.led);
	appearance_end(&w.file);
	errno = reason;
	return error;
}
