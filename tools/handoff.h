/* handoff.h - results that do not fit into the region go from hand to hand: see handoff.c */
#ifndef COVEY_HANDOFF_H
#define COVEY_HANDOFF_H

#include <sys/socket.h>
#include <sys/un.h>

/* Where to fetch; only the kernel makes up the name, so nobody can sit on it beforehand. */
struct handoff {
	struct sockaddr_un name;
	socklen_t size;
	int listener;
};

/* handoff_open - a place to fetch from.  0, or -1. */
int handoff_open(struct handoff *h);

/* handoff_serve - give the two spools to so many waiters; ends when all have been here, or nobody came for a while. */
void handoff_serve(struct handoff *h, const int files[2], int waiters);

/* handoff_fetch - the two spools from a leader of our own user.  0 and files to be closed, or -1: ask again. */
int handoff_fetch(const struct sockaddr_un *name, socklen_t size, int files[2]);

#endif
