/* ancestry.h - which processes a process descends from: see ancestry.c */
#ifndef COVEY_ANCESTRY_H
#define COVEY_ANCESTRY_H

#include <stdbool.h>
#include <sys/types.h>

enum { ANCESTORS = 256, PARENTS = 1024 };

/* The parents of a process, the nearest first. */
struct ancestry {
	pid_t pids[ANCESTORS];
	int count;
	bool supervised; /* one of them is covey's supervisor */
};

/* Parents that were found before, for as long as a look takes.  To be cleared first. */
struct parents {
	pid_t of[PARENTS];
	pid_t parent[PARENTS];
};

/* ancestry_known - is there a /proc, and are its numbers those of our own pid namespace? */
bool ancestry_known(void);

/* ancestry_take - all that can be found out; known may be NULL, else supervised is not told. */
void ancestry_take(struct ancestry *out, pid_t pid, struct parents *known);

bool ancestry_has(const struct ancestry *a, pid_t pid);

/* ancestry_local - is this number, in our /proc, that of a process of our own pid namespace? */
bool ancestry_local(pid_t pid);

/* ancestry_holds - has that process this file open?  Of another user's it is not to be known: false. */
bool ancestry_holds(pid_t pid, dev_t device, ino_t inode);

#endif
