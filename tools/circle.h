/* circle.h - commands that wait for each other: see circle.c */
#ifndef COVEY_CIRCLE_H
#define COVEY_CIRCLE_H

#include "nest.h"

/* circle_proves - is this number, one of those that the region tells, that of a process of our own pid namespace? */
bool circle_proves(const struct nest *n, pid_t pid);

/* circle_look - would the wait, or does it, close a circle?  0: no.  Else the caller's rank among those whose waits are
 * the circle, by their pids: 1 is the highest. */
int circle_look(const struct nest *n);

#endif
