/* print.h - names that may hold any byte, for people and for programs: see print.c */
#ifndef COVEY_PRINT_H
#define COVEY_PRINT_H

#include <stddef.h>
#include <stdint.h>

#include "covey.h"

/* print_name - for people: UTF-8 as it is, all else as \xHH, a backslash doubled.  Gives the columns it took. */
int print_name(const void *name, size_t size);

/* print_command, format_command - the name of a process, which may be any bytes as well, in a column of this width:
 * cut, or followed by blanks. */
enum { COMMAND_COLUMNS = 15, COMMAND_ROOM = 48 };
void print_command(const char *command);
void format_command(char out[COMMAND_ROOM], const char *command);

/* text_step - of text that is not at its end: bytes of its first character, and the columns it takes on a terminal.  A
 * byte that is no UTF-8 is one of each. */
size_t text_step(const char *text, int *columns);

/* escape_text - a message's text, which may quote any bytes: as print_name(), but backslashes stay.  What has no room
 * gives way to "...".  Gives its size without the NUL.  By no call of the C library that is unsafe after fork. */
size_t escape_text(char *out, size_t room, const char *text);

/* format_name - the same, cut after a whole character where room ends. */
void format_name(char *out, size_t room, const void *name, size_t size);

/* print_json - a JSON string.  What is not printable is escaped, and bytes that are no UTF-8 become \u00HH, so that
 * the string shows them but does not tell them from the character U+00HH: programs that need the very bytes read the
 * "name_hex" beside it. */
void print_json(const void *name, size_t size);
void print_json_text(const char *text);

/* print_json_name - the two fields of a group's name: "group": "...", "name_hex": "..." */
void print_json_name(const void *name, size_t size);

/* print_json_leader - the fields of a group and its leader, which several commands tell. */
void print_json_leader(const struct covey_group_view *v);

/* print_age - seconds since then, such as 0.3s, 12.0s, 5m03s, 2h07m, 3d04h; at least width columns. */
void print_age(int64_t since, int width);
void format_age(int64_t since, char *text, size_t size);

/* format_span - so many nanoseconds, such as 0.012s, 5m03s. */
void format_span(int64_t nanoseconds, char *text, size_t size);

/* realtime_now - the wall clock: nanoseconds since 1970.  realtime_of - of a time of CLOCK_MONOTONIC, as the wall
 * clock is set now, and as if the machine had not slept since. */
int64_t realtime_now(void);
int64_t realtime_of(int64_t monotonic);

/* format_clock - a time of the wall clock, in the caller's time zone, in 12 columns: 17:04:05.678, and of another day
 * than today's Nov 29 17:04. */
void format_clock(int64_t realtime, char *text, size_t size);

/* age_seconds - the same as a number. */
double age_seconds(int64_t since);

#endif
