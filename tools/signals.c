/*
 * signals.c - signals as if COMMAND had been started without covey
 *
 *                     sent to covey        sent to the process group    typed at the terminal
 *      TERM INT HUP   COMMAND and all      all have it already          all have it already
 *      QUIT           below it get it
 *      USR1 USR2 CONT COMMAND gets it      COMMAND has it already       COMMAND has it already
 *      WINCH TSTP
 *
 * A leader cannot tell from a signal which way it came.  Its supervisor can: it stands in the same process group with
 * every signal blocked, so what was sent to the group is pending there, and what was sent to the leader alone is not.
 * So each that the leader reads goes to the supervisor (supervise.c), who sends on only what COMMAND did not get by
 * itself.
 *
 * Whoever stands for COMMAND ends as it ended: by the signal, if that is what ended COMMAND, so that a shell's loop
 * ends at Ctrl-C; and it stops as COMMAND stops, so that a shell sees a stopped job.  Dispositions are left as the
 * caller set them, for COMMAND to inherit, but for PIPE (ignored here) and CHLD (ignored, it would swallow exit
 * statuses), which COMMAND gets back.  XFSZ stays blocked: a spool over the file size limit is a torn spool, not our
 * end.
 *
 * A waiter has nothing to hand on, and takes no precautions: a signal ends or stops it as it does any process.
 */
#include "signals.h"

#include <sys/resource.h>
#include <unistd.h>

static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
static const int passing[] = {SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGTSTP};
enum { ENDING = sizeof(ending) / sizeof(ending[0]), PASSING = sizeof(passing) / sizeof(passing[0]) };

static void add_unless_ignored(sigset_t *set, const int *signals, int count)
{
	struct sigaction is;

	for (int i = 0; i < count; i++)
		if (sigaction(signals[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
}

void signals_add_ending(sigset_t *set)
{
	add_unless_ignored(set, ending, ENDING);
}

void signals_add_passing(sigset_t *set)
{
	add_unless_ignored(set, passing, PASSING);
}

int signals_take(struct signals *signals)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
	sigset_t set, block;

	sigemptyset(&set);
	signals_add_ending(&set);
	signals_add_passing(&set);
	signals->got = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->got < 0)
		return -1;
	sigaction(SIGPIPE, &ignore, &signals->pipe);
	sigaction(SIGCHLD, &standard, &signals->child);
	block = set;
	sigaddset(&block, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &block, &signals->mask);
	return 0;
}

void signals_as_before(const struct signals *signals)
{
	sigaction(SIGPIPE, &signals->pipe, NULL);
	sigaction(SIGCHLD, &signals->child, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

void signals_give_back(struct signals *signals)
{
	sigset_t mask = signals->mask;

	close(signals->got);
	signals->got = -1;
	sigaddset(&mask, SIGXFSZ);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

bool signals_next(const struct signals *signals, struct signalfd_siginfo *got)
{
	return read(signals->got, got, sizeof(*got)) == sizeof(*got);
}

bool ends_a_job(int signal)
{
	for (int i = 0; i < ENDING; i++)
		if (ending[i] == signal)
			return true;
	return false;
}

static void end_at_once(int signal)
{
	_exit(128 + signal);
}

void signals_obey_as_first(void)
{
	const struct sigaction end = {.sa_handler = end_at_once};
	struct sigaction is;

	if (getpid() != 1)
		return;
	for (int i = 0; i < ENDING; i++)
		if (sigaction(ending[i], NULL, &is) == 0 && is.sa_handler == SIG_DFL)
			sigaction(ending[i], &end, NULL);
}

static void let_act(int signal)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigaction(signal, &standard, NULL);
	sigemptyset(&set);
	sigaddset(&set, signal);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int end_by(int signal)
{
	const struct rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};

	setrlimit(RLIMIT_CORE, &no_core);
	let_act(signal);
	return 128 + signal;
}

void stop_by(int signal)
{
	sigset_t before;

	sigprocmask(SIG_BLOCK, NULL, &before);
	let_act(signal);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
