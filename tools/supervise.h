/* supervise.h - run a command that dies with its leader: see supervise.c */
#ifndef COVEY_SUPERVISE_H
#define COVEY_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#include "descendants.h"
#include "signals.h"

/* A command under supervision, as its leader holds it.  All descriptors are close-on-exec and never 0, 1 or 2. */
struct child {
	bool serves; /* the kind of command; see supervise.c */
	pid_t supervisor;
	int out;    /* what the command writes to 1 and 2; nonblocking.  Closed by the caller */
	int err;    /* of one that serves: -1 */
	int in;     /* what one that serves reads; nonblocking.  Else -1 */
	int failed; /* tells whether one that serves could be executed */
	int status; /* becomes readable when there is news; of one that serves, when it has ended */
	int life;   /* closing it, as death does, ends the command and its descendants; else it carries signals */
	int guard;  /* held for as long as any of them lives; -1 for none */
	bool ended, killed;     /* the command; its supervisor */
	int wait_status;        /* once child_reap() has given it */
	struct signals signals; /* what the command gets back */
	struct strangers strangers;
};

/*
 * child_start - start argv under a supervisor.  child->serves, guard and signals are set by the caller; the guard is
 * the supervisor's from then on.  SIGCHLD must have its default action. gives  0; -1 with errno when no process or
 * descriptor is left, and nothing runs
 */
int child_start(struct child *child, char *const argv[]);

/* child_executed - sleep until a command that serves has been executed, once.  false when it cannot be: the command
 * itself has complained, and child_reap() gives EXIT_MISSING or EXIT_CANNOT. */
bool child_executed(struct child *child);

enum child_news { CHILD_NOT_STARTED, CHILD_STOPPED, CHILD_ENDED };

/*
 * child_news - take a report once child->status is readable.
 * gives  CHILD_NOT_STARTED: there was no process to be had for the command, errno says why.  It never ran
 *        CHILD_STOPPED: by *signal.  Who stands for the command stops itself now, and says child_resumed() after that
 *        CHILD_ENDED: the command, or its supervisor
 */
enum child_news child_news(struct child *child, int *signal);
void child_resumed(struct child *child);

/* child_signal - send a signal to a command that serves and to its process group; what is to end a job (TERM, INT,
 * HUP, QUIT), to all below it.  Of no effect once the command has ended. */
void child_signal(struct child *child, int signal);

/* child_relay - have a signal that this process got reach the command of "covey run": once, however it was sent.  What
 * is to end a job reaches what is below the command, too.  Of no effect once the command has ended. */
void child_relay(struct child *child, const struct signalfd_siginfo *got);

/* child_kill - have the command and its descendants killed; to be followed by child_reap(). */
void child_kill(struct child *child);

/* child_reap - sleep until the command has ended, and end the supervision.  Gives the command's exit status, 128+N for
 * a signal N.  A supervisor that was killed counts as the command killed; its descendants are killed here then. */
int child_reap(struct child *child);

#endif
