/*
 * lead.c - run the command for all who wait
 *
 * One loop over poll(2) does all that a leader does while COMMAND runs: empty its two pipes into the spools, feed our
 * own output from them, pass signals on, and notice the end.  It ends when COMMAND itself has ended and what it wrote
 * is drained; a daemon that it left behind with the pipes open does not hold anybody up.
 *
 * The order at the end matters.  The outcome is published before our own output is delivered to its last byte, so that
 * the slow reader of one caller does not keep the others; and the region is left before that too.
 *
 * Signals.  TERM, INT, HUP and QUIT are read from a descriptor.  One that somebody sent to us is passed on, and what
 * COMMAND makes of it is published like any outcome; one that the terminal sent went to the whole foreground group, so
 * COMMAND has it already.  Dispositions are left as the caller set them, for COMMAND to inherit, but for PIPE (ignored
 * here, and given back to COMMAND) and CHLD (ignored, it would swallow exit statuses).  XFSZ stays blocked: a spool
 * over the file size limit is a torn spool, not our end.
 */
#include "lead.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "answer.h"
#include "guard.h"
#include "removal.h"
#include "supervise.h"

static const int64_t guard_patience = 15 * (int64_t)1000000000;
static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
enum { PASSED_ON = sizeof(passed_on) / sizeof(passed_on[0]) };

static void passed_on_set(sigset_t *set)
{
	sigemptyset(set);
	for (int i = 0; i < PASSED_ON; i++)
		sigaddset(set, passed_on[i]);
}

/* Gives the descriptor that signals are read from, or -1; child gets what COMMAND is to have back. */
static int take_signals(struct child *child)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
	sigset_t set, block;

	sigaction(SIGPIPE, &ignore, &child->sigpipe);
	sigaction(SIGCHLD, &standard, NULL);
	passed_on_set(&set);
	block = set;
	sigaddset(&block, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &block, &child->mask);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* From here on they end us again, unless the caller had them blocked: COMMAND is no more. */
static void give_signals_back(const struct child *child, int signals)
{
	sigset_t set;

	close(signals);
	passed_on_set(&set);
	for (int i = 0; i < PASSED_ON; i++)
		if (sigismember(&child->mask, passed_on[i]))
			sigdelset(&set, passed_on[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void pass_on(struct child *child, int signals)
{
	struct signalfd_siginfo told_of;

	while (read(signals, &told_of, sizeof(told_of)) == sizeof(told_of))
		if (told_of.ssi_code != SI_KERNEL)
			child_signal(child, (int)told_of.ssi_signo);
}

/* Who joined has the outcome all the same: COMMAND goes on. */
static void tell_removal(const struct run *run, struct removal *removal, short events)
{
	if (removal_seen(removal, events))
		complain(0, "the name of region \"%s\" was removed: nobody can join any more", run->region);
}

/* Until COMMAND has ended and all it wrote is in the spools. */
static int pump(const struct run *run, struct child *child, struct stream s[2], int signals, struct removal *removal)
{
	for (;;) {
		struct pollfd p[7] = {{.fd = signals, .events = POLLIN}, {.fd = child->status, .events = POLLIN},
		        {.fd = s[0].from, .events = POLLIN}, {.fd = s[1].from, .events = POLLIN},
		        {.fd = stream_waiting(&s[0]), .events = POLLOUT},
		        {.fd = stream_waiting(&s[1]), .events = POLLOUT}, {.fd = removal->events, .events = POLLIN}};

		if (await_events(p, 7, removal_patience(removal)) < 0)
			continue;
		tell_removal(run, removal, p[6].revents);
		if (p[0].revents)
			pass_on(child, signals);
		for (int i = 0; i < 2; i++) {
			if (p[2 + i].revents)
				stream_fill(&s[i], SIZE_MAX);
			if (p[4 + i].revents)
				stream_send(&s[i], false);
		}
		if (p[1].revents)
			break;
	}
	stream_drain(&s[0]);
	stream_drain(&s[1]);
	return child_reap(child);
}

int told(const struct stream streams[2], int status)
{
	static const char *const names[] = {"standard output", "standard error"};

	for (int i = 0; i < 2; i++)
		if (streams[i].failure)
			status = complain(
			        status ? status : EXIT_COVEY, "%s: %s", names[i], strerror(streams[i].failure));
	return status;
}

static void last_line(const struct run *run, const struct covey_lead *lead)
{
	if (!run->verbose)
		return;
	if (!lead)
		complain(0, "alone");
	else if (lead->previous)
		complain(0, "took over %d", (int)lead->previous);
	else
		complain(0, "led");
}

static int cannot_start(struct run *run, const struct covey_lead *lead, int error)
{
	if (lead)
		covey_unregister(run->c, lead);
	return complain(EXIT_COVEY, "cannot start \"%s\": %s", run->command[0], strerror(error));
}

int lead_command(struct run *run, const struct covey_lead *lead)
{
	struct child child = {.guard = -1};
	struct removal removal = {.events = -1};
	struct stream s[2];
	int signals = take_signals(&child), status;

	if (signals < 0)
		return cannot_start(run, lead, errno);
	if (lead) {
		if (nest_enter(run->digest, lead->generation) < 0)
			return cannot_start(run, lead, errno);
		child.guard = guard_take(run->digest, guard_patience);
	}
	if (child_start(&child, run->command) < 0 || stream_spool(&s[0], child.out, STDOUT_FILENO) < 0 ||
	        stream_spool(&s[1], child.err, STDERR_FILENO) < 0)
		return cannot_start(run, lead, errno);
	if (lead && run->verbose)
		removal_begin(&removal, run->c, run->region);
	status = pump(run, &child, s, signals, &removal);
	removal_end(&removal);
	if (lead)
		answer_publish(run->c, lead, run->key, run->key_size, status, s);
	covey_close(run->c);
	run->c = NULL;
	give_signals_back(&child, signals);
	streams_deliver(s);
	status = told(s, status);
	stream_close(&s[0]);
	stream_close(&s[1]);
	last_line(run, lead);
	return status;
}
