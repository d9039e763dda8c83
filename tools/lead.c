/*
 * lead.c - run the command for all who wait
 *
 * One loop over poll(2) does all that a leader does while COMMAND runs: empty its two pipes into the spools, feed our
 * own output from them, hand signals on, and notice the end.
 *
 * Before COMMAND starts everything that it needs is there.  What cannot be had (descriptors, a place for the spools, a
 * process) is covey's own trouble, which concerns nobody who waits: the group is given up, so that one of them can
 * try, and COMMAND runs alone: this process becomes it.
 *
 * The end is when COMMAND has ended and its pipes have.  As in a shell's pipeline, what it started in the background
 * may still have something to say ("> >(sort)").  A daemon that keeps them open for ever is not waited for: after a
 * while that is said, and what is there by then is the outcome.
 *
 * A reader of ours that has gone is COMMAND's to know, as far as nobody else wants the output: when no caller waits,
 * its pipe is closed, and the next write ends it as any "| head" does.
 *
 * The order at the end matters.  The outcome is published before our own output is delivered to its last byte, so that
 * the slow reader of one caller does not keep the others; and the region is left before that too.
 *
 * A COMMAND that was interrupted has no outcome: it ended by a signal that we got as well, or with an error after one
 * of TERM, INT, HUP and QUIT (signals.c).  The group is given up, and one of those who wait runs it anew.
 */
#include "lead.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answer.h"
#include "deadline.h"
#include "guard.h"
#include "removal.h"
#include "supervise.h"

static const int64_t guard_patience = 15 * (int64_t)1000000000;

struct leading {
	const struct run *run;
	struct child child;
	struct spools spools;
	struct removal removal;
	uint64_t got;      /* the signals that we got, a bit each */
	int interrupted;   /* the last of those that end a job */
	bool late;         /* it came when COMMAND had ended */
	bool resumed;      /* we got a CONT since poll(2) */
	int not_started;   /* errno */
	bool killed;       /* for it wrote too much */
	int64_t drain_end; /* once COMMAND has ended */
};

/* ------------------------------------------------------------------------------------------------------ alone */

int run_alone(const struct run *run)
{
	if (run->verbose)
		complain(0, "alone");
	execvp(run->command[0], run->command);
	return complain(errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT, "%s: %s", run->command[0], strerror(errno));
}

/* As if nothing had been tried. */
static int alone_after_all(struct run *run, const struct covey_lead *lead, int error)
{
	covey_unregister(run->c, lead);
	covey_close(run->c);
	run->c = NULL;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	if (run->verbose)
		complain(0, "cannot run \"%s\" for others: %s; running alone", run->command[0], strerror(error));
	return run_alone(run);
}

/* ------------------------------------------------------------------------------------------------------ the start */

static int start_command(struct leading *l)
{
	if (child_start(&l->child, l->run->command) < 0)
		return -1;
	spools_connect(&l->spools, l->child.out, l->child.err);
	return 0;
}

/* 0; or errno, and all is as it was.  A signal that comes while the guard is waited for ends us: nothing has begun. */
static int start(struct leading *l, const struct covey_lead *lead)
{
	int error = 0;

	l->child.guard = guard_take(l->run->guard, guard_patience);
	if (spools_open(&l->spools, l->run->spool_limit) < 0 || signals_take(&l->child.signals) < 0) {
		error = errno;
		if (l->child.guard >= 0)
			close(l->child.guard);
		spools_close(&l->spools);
		return error;
	}
	if (nest_enter(l->run->digest, lead->generation) < 0) {
		error = errno;
	} else if (start_command(l) < 0) {
		error = errno;
		nest_leave();
	}
	if (error) {
		if (l->child.guard >= 0)
			close(l->child.guard);
		spools_close(&l->spools);
		close(l->child.signals.got);
		signals_as_before(&l->child.signals);
	}
	return error;
}

/* ------------------------------------------------------------------------------------------------------ the loop */

static void relay(struct leading *l)
{
	struct signalfd_siginfo got;

	while (signals_next(&l->child.signals, &got)) {
		l->got |= UINT64_C(1) << got.ssi_signo;
		l->resumed |= got.ssi_signo == SIGCONT && (pid_t)got.ssi_pid != l->child.supervisor;
		if (ends_a_job((int)got.ssi_signo)) {
			l->interrupted = (int)got.ssi_signo;
			l->late = l->child.ended;
		}
		child_relay(&l->child, &got);
	}
}

/* TTIN and TTOU come from the terminal to the whole process group, and STOP may: then we stopped by ourselves, and
 * read of COMMAND's stop when both go on.  To stop once more would be news to the shell. */
static void stop_with_command(struct leading *l, int signal)
{
	relay(l);
	if (!l->resumed)
		stop_by(signal);
	child_resumed(&l->child);
}

static void hear(struct leading *l)
{
	int signal;

	switch (child_news(&l->child, &signal)) {
	case CHILD_NOT_STARTED:
		l->not_started = errno;
		break;
	case CHILD_STOPPED:
		stop_with_command(l, signal);
		break;
	case CHILD_ENDED:
		l->drain_end = l->run->drain == COVEY_FOREVER ? COVEY_FOREVER : monotonic_now() + l->run->drain;
		break;
	}
}

/* Who joined has the outcome all the same: COMMAND goes on. */
static void tell_removal(struct leading *l, short events)
{
	if (removal_seen(&l->removal, events))
		complain(0, "the name of region \"%s\" was removed: nobody can join any more", l->run->region);
}

static bool somebody_waits(const struct leading *l)
{
	struct covey_info info;

	return covey_find(l->run->c, l->run->key, l->run->key_size, &info) == 0 && info.waiters != 0;
}

/* Nobody reads it any more, and nobody else wants it. */
static void cut_unwanted(struct leading *l)
{
	for (int i = 0; i < STREAMS; i++)
		if (l->spools.s[i].to < 0 && l->spools.s[i].from >= 0 && !somebody_waits(l))
			spools_cut(&l->spools, i);
}

static void move_bytes(struct leading *l, bool readable, bool out_writable, bool err_writable)
{
	if (readable)
		spools_take(&l->spools);
	if (out_writable)
		spools_send(&l->spools, OUT, false);
	if (err_writable)
		spools_send(&l->spools, ERR, false);
	cut_unwanted(l);
	if (l->spools.over && !l->killed) {
		l->killed = true;
		child_kill(&l->child);
	}
}

/* How a COMMAND that was interrupted ended: not by itself. */
static bool was_interrupted(const struct leading *l)
{
	int status = l->child.wait_status;

	return l->late || (WIFSIGNALED(status) && (l->got >> WTERMSIG(status) & 1) != 0) ||
	       (l->interrupted != 0 && status != 0);
}

static int patience(const struct leading *l)
{
	int64_t drain = l->child.ended ? l->drain_end : COVEY_FOREVER;

	return l->spools.more ? 0 : ms_until(earlier(removal_due(&l->removal), drain));
}

/* It is over when the pipes are; or there is no more to be waited for. */
static bool is_over(const struct leading *l)
{
	if (l->not_started)
		return true;
	if (!l->child.ended)
		return false;
	return spools_ended(&l->spools) || l->killed || l->child.killed || was_interrupted(l) ||
	       ms_until(l->drain_end) == 0;
}

static void pump(struct leading *l)
{
	struct spools *s = &l->spools;

	while (!is_over(l)) {
		struct pollfd p[8] = {{.fd = l->child.signals.got, .events = POLLIN},
		        {.fd = l->child.ended ? -1 : l->child.status, .events = POLLIN},
		        {.fd = s->s[OUT].from, .events = spools_polled(s)},
		        {.fd = s->s[ERR].from, .events = spools_polled(s)}, {.fd = s->arrivals.told, .events = POLLIN},
		        {.fd = spools_waiting(s, OUT), .events = POLLOUT},
		        {.fd = spools_waiting(s, ERR), .events = POLLOUT}, {.fd = l->removal.events, .events = POLLIN}};

		if (await_events(p, 8, patience(l)) < 0)
			continue;
		tell_removal(l, p[7].revents);
		l->resumed = false;
		if (p[0].revents)
			relay(l);
		move_bytes(l, p[2].revents != 0 || p[3].revents != 0 || p[4].revents != 0 || s->more, p[5].revents != 0,
		        p[6].revents != 0);
		if (p[1].revents)
			hear(l);
	}
}

/* ------------------------------------------------------------------------------------------------------- the end */

/* What is left in the pipes.  Something that COMMAND started may yet write to them. */
static void drain(struct leading *l)
{
	bool held = !spools_ended(&l->spools) && !l->killed && !l->child.killed && !was_interrupted(l);

	spools_drain(&l->spools);
	if (held && l->run->drain != 0)
		complain(0,
		        "\"%s\" has ended, but something that it started keeps its output open: not waiting any "
		        "longer for that (see --drain)",
		        l->run->command[0]);
}

int told(const struct spools *spools, int status)
{
	static const char *const names[STREAMS] = {"standard output", "standard error"};

	for (int i = 0; i < STREAMS; i++)
		if (spools->s[i].failure)
			status = complain(
			        status ? status : EXIT_COVEY, "%s: %s", names[i], strerror(spools->s[i].failure));
	return status;
}

static int told_all(const struct leading *l, int status)
{
	status = told(&l->spools, status);
	if (l->spools.over)
		return complain(
		        EXIT_COVEY, "\"%s\" wrote more than --spool-limit allows, and was ended", l->run->command[0]);
	if (l->spools.torn)
		complain(0, "what \"%s\" wrote could not be kept for others: %s", l->run->command[0],
		        strerror(l->spools.torn));
	return status;
}

static void last_line(const struct leading *l, const struct covey_lead *lead)
{
	if (!l->run->verbose)
		return;
	if (was_interrupted(l))
		complain(0, "interrupted; gave up");
	else if (lead->previous)
		complain(0, "took over %d", (int)lead->previous);
	else
		complain(0, "led");
}

static void publish(struct leading *l, const struct covey_lead *lead, int status)
{
	covey *c = l->run->c;

	if (was_interrupted(l))
		covey_unregister(c, lead);
	else
		answer_publish(c, lead, l->run->key, l->run->key_size, status, &l->spools);
}

/* As COMMAND ended, if the signal was ours, too. */
static int end_as_command(const struct leading *l, int status)
{
	int wait_status = l->child.wait_status;

	if (l->late)
		return end_by(l->interrupted);
	return was_interrupted(l) && WIFSIGNALED(wait_status) ? end_by(WTERMSIG(wait_status)) : status;
}

int lead_command(struct run *run, const struct covey_lead *lead)
{
	struct leading l = {.run = run, .removal = {.events = -1}};
	int status, error = start(&l, lead);

	if (error)
		return alone_after_all(run, lead, error);
	if (run->verbose)
		removal_begin(&l.removal, run->c, run->region);
	pump(&l);
	removal_end(&l.removal);
	status = child_reap(&l.child);
	if (l.not_started) {
		nest_leave();
		spools_close(&l.spools);
		signals_as_before(&l.child.signals);
		return alone_after_all(run, lead, l.not_started);
	}
	drain(&l);
	publish(&l, lead, status);
	covey_close(run->c);
	run->c = NULL;
	signals_give_back(&l.child.signals);
	spools_deliver(&l.spools);
	status = told_all(&l, status);
	spools_close(&l.spools);
	last_line(&l, lead);
	return end_as_command(&l, status);
}
