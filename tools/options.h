/* options.h - values that several subcommands' options take: see options.c */
#ifndef COVEY_OPTIONS_H
#define COVEY_OPTIONS_H

#include "cmd.h"

/* Each gives 0, or the exit status after it has complained; usage and command are those of the subcommand. */

/* option_seconds - "10" or "0.5" in nanoseconds; COVEY_FOREVER when it lies beyond the clock.  name is the option's. */
int option_seconds(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds);

/* option_ms - a whole number of milliseconds in nanoseconds; 0 is COVEY_FOREVER.  name is the option's. */
int option_ms(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds);

/* option_code - an exit status, 0 to 255. */
int option_code(const char *usage, const char *command, const char *text, int *code);

/* option_size - bytes, at least 1: 4096, 64K, 10M, 2G.  0, or the exit status of a misuse. */
int option_size(const char *usage, const char *command, const char *name, const char *text, uint64_t *size);

/* operand_name - a group's name of 1 to COVEY_NAME_MAX bytes; what is its word in the usage.  text NULL: it is missing. */
int operand_name(const char *usage, const char *command, const char *what, const char *text, size_t *size);

/* deadline_in - the moment that lies so many nanoseconds ahead, or COVEY_FOREVER. */
int64_t deadline_in(int64_t nanoseconds);

#endif
