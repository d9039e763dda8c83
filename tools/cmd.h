/*
 * cmd.h - what the subcommands share: their table, their exit codes, and how they complain
 *
 * The exit codes are those of timeout(1) and env(1), so that a script can tell covey's own failures from COMMAND's:
 * 125 covey itself failed, 126 COMMAND cannot be executed, 127 COMMAND was not found.  The inspector's commands exit
 * 1 when what they were asked about is not there, and 2 when the region is damaged.
 */
#ifndef COVEY_CMD_H
#define COVEY_CMD_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "covey.h"

enum {
	EXIT_ABSENT = 1,
	EXIT_DAMAGED = 2,
	EXIT_BUSY = 124,
	EXIT_COVEY = 125,
	EXIT_CANNOT = 126,
	EXIT_MISSING = 127,
};

/* Each gets its own argv, with the subcommand's name in argv[0], and gives the exit status. */
int cmd_run(int argc, char **argv);
int cmd_worker(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_reap(int argc, char **argv);
int cmd_rm(int argc, char **argv);

/* complain - "covey: " and a line on standard error, all that the arguments bring escaped; gives status back, to be
 * returned. */
__attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...);

/* complain_exec - "covey: NAME: reason", between fork and exec: by system calls only. */
void complain_exec(const char *name, int error);

/* say_bytes - these bytes as they are on standard error, and a newline if wanted, in one write. */
void say_bytes(const void *bytes, size_t size, bool newline);

/* await_events - poll(2), but where that is refused (seccomp) covey says so and ends: to ask again would keep a
 * processor busy for ever, and not to ask would miss a signal or an end.  What it leads, and COMMAND, end as if it had
 * been killed. */
int await_events(struct pollfd *events, unsigned count, int ms);

/* misuse - complain, show the usage up to its first empty line, and give EXIT_COVEY. */
__attribute__((format(printf, 2, 3))) int misuse(const char *usage, const char *format, ...);

/* help - the usage on standard output; gives 0, or EXIT_COVEY when it could not be written. */
int help(const char *usage);

/* finish - flush standard output; gives status, or EXIT_COVEY when what was printed did not arrive. */
int finish(int status);

/* region_name - the region that -r gave (or NULL), else $COVEY_REGION, else this user's own. */
const char *region_name(const char *given);

/* region_reason - why covey_open() or another call on a region failed, and what to do.  errno is that of the call. */
const char *region_reason(int error);

/*
 * region_begin - parse the options of a command that takes none but -r REGION, and if terms is not NULL those of its
 * use. gives 0, or 1 with the exit status in *status: help was asked for, or it was complained of what is wrong
 */
int region_begin(
        const char **region, struct covey_options *terms, int argc, char **argv, const char *usage, int *status);

/* region_failed - complain that covey_open() or another call on the region failed; gives the exit status.  errno is
 * that of the call. */
int region_failed(const char *region, int error);

/* What an inspector's command was asked: "covey CMD [-r R] [-n SECONDS] [--json] [GROUP]". */
struct inspection {
	const char *region;
	const char *group; /* NULL when none was given */
	int64_t period;    /* -n, in nanoseconds; 1 s unless given */
	bool paced;        /* it was given */
	bool json;
	bool prometheus;
	struct covey_options terms; /* on which the region is used */
	bool follow;
	bool wait;
	covey *c; /* NULL, with wait: there is no region yet */
};

enum inspect_takes {
	TAKES_GROUP = 1,
	MAY_TAKE_GROUP = 2,
	TAKES_PERIOD = 4,
	TAKES_PROMETHEUS = 8,
	TAKES_FOLLOW = 16,
	TAKES_WAIT = 32,
};

/*
 * inspect_begin - parse the options and attach read-only.
 * takes any of enum inspect_takes
 * gives 0, or 1 with the exit status in *status: help was asked for, or it was complained of what is wrong
 */
int inspect_begin(struct inspection *in, int argc, char **argv, const char *usage, unsigned takes, int *status);

/* inspect_open - attach to the region, read-only; gives 0 or an error, as covey_open(). */
int inspect_open(struct inspection *in);

/* What is to be called before an inspector's command ends because the region's file was cut short, or NULL. */
extern void (*inspect_restore)(void);

/* monotonic_now - CLOCK_MONOTONIC in nanoseconds, the clock of covey's deadlines and ages. */
int64_t monotonic_now(void);

#endif
