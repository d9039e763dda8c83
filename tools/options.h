/* options.h - values that several subcommands' options take: see options.c */
#ifndef COVEY_OPTIONS_H
#define COVEY_OPTIONS_H

#include <getopt.h>

#include "cmd.h"

/* The terms on which a command uses a region: the same options everywhere, for getopt_long().  A command that may make
 * the region takes those of NEW_REGION_TERMS, any other those of REGION_TERMS. */
enum { TERM_FOREIGN = 512, TERM_SHARED, TERM_HEAP, TERM_MODE, NO_TERM = -1 };
#define TERM(name, takes, value)                                                                                       \
	{                                                                                                              \
		name, takes, NULL, value                                                                               \
	}
#define REGION_TERMS TERM("foreign", no_argument, TERM_FOREIGN), TERM("shared", no_argument, TERM_SHARED)
#define NEW_REGION_TERMS                                                                                               \
	REGION_TERMS, TERM("heap", required_argument, TERM_HEAP), TERM("mode", required_argument, TERM_MODE)

/* What the help of most commands says of -r and of REGION_TERMS. */
#define REGION_HELP                                                                                                    \
	"  -r, --region REGION   the region; else $COVEY_REGION, else one of your own\n"                               \
	"      --foreign         use a region also if another user owns it\n"                                          \
	"      --shared          use a region also if others may write to it\n"

/* Each gives 0, or the exit status after it has complained; usage and command are those of the subcommand. */

/* option_seconds - "10" or "0.5" in nanoseconds; COVEY_FOREVER when it lies beyond the clock.  name is the option's. */
int option_seconds(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds);

/* option_ms - a whole number of milliseconds in nanoseconds; 0 is COVEY_FOREVER.  name is the option's. */
int option_ms(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds);

/* option_size - bytes, at least 1: 4096, 64K, 10M, 2G.  0, or the exit status of a misuse. */
int option_size(const char *usage, const char *command, const char *name, const char *text, uint64_t *size);

/* region_term - take the option o, with optarg, into the terms; NO_TERM: it is none of them. */
int region_term(const char *usage, const char *command, int o, struct covey_options *terms);

/* option_code - an exit status, 0 to 255. */
int option_code(const char *usage, const char *command, const char *text, int *code);

/* operand_name - a group's name of 1 to COVEY_NAME_MAX bytes; what is its word in the usage.  text NULL: it is
 * missing. */
int operand_name(const char *usage, const char *command, const char *what, const char *text, size_t *size);

#endif
