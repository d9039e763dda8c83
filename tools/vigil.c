/*
 * vigil.c - sleep until a signal ends the command, or its region is another
 *
 * For commands that go on printing: they end with 0 at SIGINT and SIGTERM, between two lines.  A region whose name was
 * removed goes on for those who are attached; with --wait the next one of that name is awaited meanwhile, and one that
 * is not there at the beginning.  Nothing here polls where the kernel tells of names (removal.c, appearance.c).
 */
#include "vigil.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "deadline.h"

static bool absent(const struct vigil *v)
{
	return v->in->wait && v->removal.c == NULL;
}

int vigil_begin(struct vigil *v, struct inspection *in, const char *command)
{
	sigset_t ends;

	*v = (struct vigil){.in = in, .command = command, .removal.events = -1, .appearance.events = -1};
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	v->signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (v->signals < 0)
		return complain(EXIT_COVEY, "%s: cannot be told of signals: %s", command, strerror(errno));
	if (in->wait)
		appearance_begin(&v->appearance, in->region);
	if (in->c)
		removal_begin(&v->removal, in->c, in->region);
	else
		complain(0, "%s: waiting for region \"%s\"", command, in->region);
	return 0;
}

/* Is there a new region? */
static enum vigil_end try_next(struct vigil *v)
{
	covey *c = v->in->c;
	int error = inspect_open(v->in);

	v->next = v->in->c;
	v->in->c = c;
	if (error == 0)
		return VIGIL_REGION;
	if (error == COVEY_ENOENT)
		return VIGIL_TIME;
	v->status = region_failed(v->in->region, error);
	return VIGIL_FAILED;
}

static int64_t next_look(const struct vigil *v)
{
	return earlier(removal_due(&v->removal), absent(v) ? v->appearance.again : COVEY_FOREVER);
}

enum vigil_end vigil_sleep(struct vigil *v, int ms)
{
	const int64_t end = deadline_in(ms < 0 ? COVEY_FOREVER : ms * INT64_C(1000000));
	enum vigil_end found = absent(v) ? try_next(v) : VIGIL_TIME;

	while (found == VIGIL_TIME) {
		struct pollfd p[3] = {{.fd = v->signals, .events = POLLIN}, {.fd = v->removal.events, .events = POLLIN},
		        {.fd = v->appearance.events, .events = POLLIN}};

		if (ms_until(end) == 0)
			return VIGIL_TIME;
		await_events(p, 3, ms_until(earlier(end, next_look(v))));
		if (p[0].revents != 0)
			return VIGIL_SIGNAL;
		if (removal_seen(&v->removal, p[1].revents)) {
			complain(0, "%s: this region's name was removed (\"%s\"); what goes on in it is still shown%s",
			        v->command, v->in->region, v->in->wait ? ", until there is another" : "");
			found = absent(v) ? try_next(v) : VIGIL_TIME;
		} else if (v->in->wait && appearance_seen(&v->appearance, p[2].revents) && absent(v)) {
			found = try_next(v);
		}
	}
	return found;
}

void vigil_renew(struct vigil *v)
{
	if (v->in->c)
		complain(0, "%s: there is a new region \"%s\", which is shown from here on", v->command, v->in->region);
	removal_end(&v->removal);
	covey_close(v->in->c);
	v->in->c = v->next;
	v->next = NULL;
	removal_begin(&v->removal, v->in->c, v->in->region);
}

void vigil_end(struct vigil *v)
{
	covey_close(v->next);
	removal_end(&v->removal);
	appearance_end(&v->appearance);
	close(v->signals);
}
