/* lead.h - run the command for all who wait: see lead.c */
#ifndef COVEY_LEAD_H
#define COVEY_LEAD_H

#include "cmd.h"
#include "nest.h"
#include "spool.h"

/* One call of "covey run". */
struct run {
	const char *region;
	struct covey_options terms; /* on which the region is used, or made */
	const char *key;
	size_t key_size;
	char digest[DIGEST_SIZE], guard[DIGEST_SIZE]; /* of the group: for those below, and for its guard */
	char **command;
	int64_t deadline;
	int64_t drain;        /* nanoseconds for what COMMAND left behind to close its outputs */
	uint64_t spool_limit; /* bytes; 0: none */
	int busy;             /* what to exit with when -t or -n ends the wait */
	bool no_wait;
	bool no_input;
	bool verbose;
	uint64_t useless; /* the execution whose result was of no use */
	covey *c;
};

/* lead_command - run it, publish it, and give its exit status.  It ends the lead in any case, and closes run->c. */
int lead_command(struct run *run, const struct covey_lead *lead);

/* run_alone - become COMMAND.  Gives an exit status when that cannot be executed: it has been said. */
int run_alone(const struct run *run);

/* told - what delivery ran into on our own descriptors: complains and gives EXIT_COVEY in place of a success. */
int told(const struct spools *spools, int status);

#endif
