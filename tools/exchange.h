/* exchange.h - one request and its answer, over a command's two pipes: see exchange.c */
#ifndef COVEY_EXCHANGE_H
#define COVEY_EXCHANGE_H

#include "cmd.h"
#include "supervise.h"

/* How a request went.  After all but ANSWERED the command is of no more use. */
enum verdict {
	ANSWERED,
	LAST,     /* it closed its output in the middle of an answer */
	CLOSED,   /* it closed its output, and said nothing */
	DEAF,     /* it closed its input before it read anything of the request */
	LATE,     /* the deadline passed */
	STOPPED,  /* the worker is to end, and the moment that it had for this passed */
	TOO_LONG, /* memory has no room for the answer */
	UNASKED,  /* it wrote what nobody asked for */
};

/* What ends an answer, and what a command is asked to end it with. */
struct answer_form {
	char end;               /* a newline or a NUL byte; with a marker: a newline */
	const char *marker;     /* a line of its own, behind all lines of the answer; or NULL */
	const char *ask_marker; /* a line that is sent behind each request; or NULL */
};

/* The bytes of an answer.  The memory lasts from request to request. */
struct answer_bytes {
	char *bytes;
	size_t size, room;
};

/* When the worker is to end. */
struct stop {
	int told;   /* an eventfd, readable from then on */
	int64_t by; /* the last moment for the answer; valid once told */
};

enum { EXCERPT = 48 };

/* Set by the caller: the first block. */
struct exchange {
	const char *name; /* of the command */
	const struct child *child;
	const struct answer_form *form;
	const struct stop *stop;
	struct covey_bytes request;
	struct answer_bytes *answer;
	int64_t deadline;
	bool *hinted; /* it has been said that an answer is long in coming */

	int64_t hint;
	size_t sent;
	size_t line; /* where the last line of the answer begins, if there is a marker */
	bool given;  /* the command has got more of the request than what it can do nothing with */
	bool deaf;   /* it reads no more */
	bool answered;
	bool stopping;
	char unasked[EXCERPT]; /* the first line of what nobody asked for: text */
};

/* exchange_run - send the request and take its answer: ANSWERED, or why there is none. */
enum verdict exchange_run(struct exchange *x);

#endif
