/* supervise.h - run a command that dies with its leader: see supervise.c */
#ifndef COVEY_SUPERVISE_H
#define COVEY_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* A command under supervision, as its leader holds it.  All descriptors are close-on-exec and never 0, 1 or 2. */
struct child {
	bool serves; /* the kind of command; see supervise.c */
	pid_t supervisor;
	int out;    /* what the command writes to 1 and 2; nonblocking.  Closed by the caller */
	int err;    /* of one that serves: -1 */
	int in;     /* what one that serves reads; nonblocking.  Else -1 */
	int failed; /* tells whether one that serves could be executed */
	int status; /* becomes readable when the command has ended */
	int life;   /* closing it, as death does, ends the command and its descendants; a byte is a signal to pass on */
	int guard;  /* held for as long as any of them lives; -1 for none */
	sigset_t mask; /* the caller's own, for the command */
	struct sigaction sigpipe;
};

/*
 * child_start - start argv under a supervisor.  child->serves, guard, mask and sigpipe are set by the caller; the
 * guard is the supervisor's from then on.  SIGCHLD must have its default action.
 * gives  0; -1 with errno when no process or descriptor is left, and nothing runs
 */
int child_start(struct child *child, char *const argv[]);

/* child_executed - sleep until a command that serves has been executed, once.  false when it cannot be: the command itself
 * has complained, and child_reap() gives EXIT_MISSING or EXIT_CANNOT. */
bool child_executed(struct child *child);

/* child_signal - pass a signal on to the command; of no effect once it has ended. */
void child_signal(struct child *child, int signal);

/* child_kill - have the command and its descendants killed; to be followed by child_reap(). */
void child_kill(struct child *child);

/* child_reap - take the command's exit status (128+N for a signal N) once child->status is readable, and end the
 * supervision.  A supervisor that was killed counts as the command killed; its descendants are killed here then. */
int child_reap(struct child *child);

#endif
