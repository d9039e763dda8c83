/* lead.h - run the command for all who wait: see lead.c */
#ifndef COVEY_LEAD_H
#define COVEY_LEAD_H

#include "nest.h"
#include "cmd.h"
#include "spool.h"

/* One call of "covey run". */
struct run {
	const char *region;
	const char *key;
	size_t key_size;
	char digest[DIGEST_SIZE];
	char **command;
	int64_t deadline;
	int busy; /* what to exit with when -t or -n ends the wait */
	bool no_wait;
	bool verbose;
	uint64_t useless; /* the execution whose result was of no use */
	covey *c;         /* NULL: alone */
};

/* lead_command - run it, publish it, and give its exit status; lead NULL: alone, for nobody else. */
int lead_command(struct run *run, const struct covey_lead *lead);

/* told - what delivery ran into on our own descriptors: complains and gives EXIT_COVEY in place of a success. */
int told(const struct stream streams[2], int status);

#endif
