/* descendants.h - find, signal and kill what descends from this process: see descendants.c */
#ifndef COVEY_DESCENDANTS_H
#define COVEY_DESCENDANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Children that this process had before, such as of the shell that it was: not to be touched. */
struct strangers {
	pid_t *pids; /* malloc'ed; NULL: there are none */
	size_t count;
};

/* strangers_take - note the children that there are.  0, or -1 when memory or a descriptor was lacking. */
int strangers_take(struct strangers *strangers);

/* descendants_signal - send a signal to all descendants, to each once, children before their parents.  Without /proc it
 * reaches children only.  eldest: as below. */
void descendants_signal(int signal, pid_t eldest);

/*
 * descendants_kill - kill and reap all descendants.  This process is a subreaper; SIGCHLD is blocked.
 *
 * eldest     no descendant is older than the process of this pid was
 * strangers  these are left alone; NULL: there are none
 *
 * Ends when there are none left, or after about ten seconds: those that may not be signalled, or that the kernel holds.
 */
void descendants_kill(pid_t eldest, const struct strangers *strangers);

#endif
