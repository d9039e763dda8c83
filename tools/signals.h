/* signals.h - signals as if COMMAND had been started without covey: see signals.c */
#ifndef COVEY_SIGNALS_H
#define COVEY_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>

/* What the caller of covey had set, for COMMAND to have. */
struct signals {
	sigset_t mask;
	struct sigaction pipe, child;
	int got; /* the descriptor that they are read from */
};

/* signals_take - from now on the signals that are COMMAND's, too, are read from signals->got, those that the caller
 * ignores excepted; PIPE and CHLD do not end or trouble us.  0, or -1 with errno and nothing changed. */
int signals_take(struct signals *signals);

/* signals_as_before - for COMMAND, between fork and exec, or in its place. */
void signals_as_before(const struct signals *signals);

/* signals_give_back - they have their usual effect on us again; PIPE stays ignored. */
void signals_give_back(struct signals *signals);

/* signals_next - take the next one; false when there is none at the moment. */
bool signals_next(const struct signals *signals, struct signalfd_siginfo *got);

/* signals_add_ending - to a set, those that end a job, but for what the caller ignores. */
void signals_add_ending(sigset_t *set);

/* signals_add_passing - the same of those that COMMAND gets and that need not end it: USR1, USR2, CONT, WINCH, TSTP. */
void signals_add_passing(sigset_t *set);

/* ends_a_job - TERM, INT, HUP or QUIT. */
bool ends_a_job(int signal);

/* signals_obey_as_first - the first process of a pid namespace ignores signals that it has no handler for: end by
 * them. */
void signals_obey_as_first(void);

/* end_by - end this process by that signal, without a core; gives the exit status 128+N when it cannot be. */
int end_by(int signal);

/* stop_by - stop this process as that signal does; returns once it goes on. */
void stop_by(int signal);

#endif
