/*
 * arrival.c - which of two pipes was written to next
 *
 * A pipe does not tell when its bytes were written, so two of them do not tell in which order.  But the kernel can be
 * asked to send a signal for each write to a pipe (O_ASYNC), and a real-time signal (F_SETSIG): such signals are
 * queued, one for each write, in the order of the writes, and name the descriptor.  They are blocked and read from a
 * descriptor.
 *
 *      writes     out "a\n"   err "b\n"   out "c\n"          signals   out err out
 *      pipes      out "a\nc\n"   err "b\n"
 *
 * A write's bytes are there before its signal.  So who reads both pipes, takes the signals, and finds both pipes empty
 * after that, has the bytes of all these writes.  If the writer is between the two just then, there are bytes that
 * nothing told of: they are the last, and what tells of them later is not counted.
 *
 * Whoever polls such a pipe is woken by the bytes, before the signal is sent, and may even run at once in the writer's
 * place. So it is the signals that are polled for.
 *
 * The queue of the kernel has a limit (RLIMIT_SIGPENDING), past which it sends a plain SIGIO: what was told so far is
 * forgotten then, as it is when there are more writes than we keep.  The limit is to what all processes of a user have
 * pending together, and if we are stopped COMMAND goes on writing.  So ours is lowered to what we keep: the others have
 * the rest for their timers and signals.  Signals that were sent before the pipes were closed
 * and not read yet are taken out at the end, for they would end a process that does not block them.
 */
#include "arrival.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static void told_by(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGRTMAX);
	sigaddset(set, SIGIO);
}

static bool ask(int pipe)
{
	int flags = fcntl(pipe, F_GETFL);

	return flags >= 0 && fcntl(pipe, F_SETOWN, getpid()) == 0 && fcntl(pipe, F_SETSIG, SIGRTMAX) == 0 &&
	       fcntl(pipe, F_SETFL, flags | O_ASYNC) == 0;
}

static void lower_limit(struct rlimit *before)
{
	struct rlimit ours;

	if (getrlimit(RLIMIT_SIGPENDING, before) < 0)
		return;
	ours = *before;
	if (ours.rlim_cur > ARRIVALS)
		ours.rlim_cur = ARRIVALS;
	setrlimit(RLIMIT_SIGPENDING, &ours);
}

void arrivals_begin(struct arrivals *a, const int pipes[2])
{
	sigset_t set;

	a->pipes[0] = pipes[0];
	a->pipes[1] = pipes[1];
	a->head = a->count = a->of[0] = a->of[1] = 0;
	a->early[0] = a->early[1] = false;
	told_by(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	a->told = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->told < 0)
		return;
	lower_limit(&a->limit);
	if (ask(pipes[0]) && ask(pipes[1]))
		return;
	setrlimit(RLIMIT_SIGPENDING, &a->limit);
	close(a->told);
	a->told = -1;
}

void arrivals_none_early(struct arrivals *a)
{
	a->early[0] = a->early[1] = false;
}

static void forget(struct arrivals *a)
{
	a->count = a->of[0] = a->of[1] = 0;
	arrivals_none_early(a);
}

static void add(struct arrivals *a, const struct signalfd_siginfo *got)
{
	int which = got->ssi_fd == a->pipes[1];

	if (a->early[which] && got->ssi_signo != SIGIO) {
		a->early[which] = false;
		return;
	}
	if (got->ssi_signo == SIGIO || a->count == ARRIVALS) {
		forget(a);
		return;
	}
	a->queue[(a->head + a->count++) % ARRIVALS] = (unsigned char)which;
	a->of[which]++;
}

void arrivals_early(struct arrivals *a, int pipe)
{
	a->early[pipe] = true;
}

void arrivals_take(struct arrivals *a)
{
	static struct signalfd_siginfo got[32];
	ssize_t n;

	while (a->told >= 0 && (n = read(a->told, got, sizeof(got))) > 0)
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(got[0]); i++)
			add(a, &got[i]);
}

int arrivals_next(const struct arrivals *a, size_t *run)
{
	int which = a->count != 0 ? a->queue[a->head] : -1;

	for (*run = 0; *run < a->count && a->queue[(a->head + *run) % ARRIVALS] == which;)
		++*run;
	return which;
}

void arrivals_drop(struct arrivals *a, size_t count)
{
	for (; count != 0 && a->count != 0; count--) {
		a->of[a->queue[a->head]]--;
		a->head = (a->head + 1) % ARRIVALS;
		a->count--;
	}
}

void arrivals_end(struct arrivals *a)
{
	const struct timespec at_once = {.tv_sec = 0};
	sigset_t set;

	if (a->told < 0)
		return;
	close(a->told);
	a->told = -1;
	forget(a);
	setrlimit(RLIMIT_SIGPENDING, &a->limit);
	told_by(&set);
	while (sigtimedwait(&set, NULL, &at_once) > 0) {
	}
}
