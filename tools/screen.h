/*
 * screen.h - what "covey top" shows, drawn from looks
 */
#ifndef COVEY_SCREEN_H
#define COVEY_SCREEN_H

#include "history.h"
#include "look.h"

enum order { BY_WAITERS, BY_AGE, BY_RATE, BY_GROUP, ORDERS };

enum { SPARKS = 120, FILTER = 64 };

struct screen {
	char shown_region[1024]; /* its name, printable */
	bool unnamed;            /* which leads to it no more */
	char since[16];          /* the time at which this one took the place of another; empty: it is the first */
	int64_t period;
	enum order order;
	char filter[FILTER]; /* only groups whose name has it */
	bool typing;         /* the filter is being typed */
	bool paused;
	bool helping;
	double sparks[SPARKS]; /* the longest wait of each look, in seconds; the newest last; negative: none ended */
	size_t selected, top;  /* rows of the list below */
	size_t *rows;          /* of the look's groups, those that are shown, in order */
	size_t shown;
};

/* screen_pick - which groups are shown, in which order; false: out of memory. */
bool screen_pick(struct screen *s, const struct look *l);

/* screen_spark - remember the look's longest wait. */
void screen_spark(struct screen *s, const struct look *l);

/* screen_list, screen_group - draw all groups, or one of them with its waiters and its history, on the whole
 * terminal. */
void screen_list(struct screen *s, const struct look *l, const struct look *before);
void screen_group(struct screen *s, covey *c, const char *name, size_t size, const struct look *l);

/* screen_help - draw the keys. */
void screen_help(void);

/* screen_page - so many groups fit. */
size_t screen_page(void);

#endif
