/* guard.h - no two commands of one group at a time: see guard.c */
#ifndef COVEY_GUARD_H
#define COVEY_GUARD_H

/* guard_take - wait until the command of an earlier execution is gone, then hold the guard.
 * Gives a close-on-exec descriptor that is the guard, or -1 when it cannot be had: the command may start all the same. */
int guard_take(const char *digest);

#endif
