/*
 * history.h - what many processes asked of some groups, what they were told, and whether both fit together
 *
 * Each process records its calls into memory that it shares and that survives its death: what was asked, a tick before the
 * call, a tick after it, and the answer.  Ticks come from one counter, so all begins and ends of all processes stand in one
 * order.  A call without an end is a killed process's: it may have taken effect, at any moment until the process was gone.
 *
 *      history_linear.c  is there an order of the calls on each group, in keeping with the ticks, in which a group that is
 *                        one sequential object (led or not, by whom, generation) would have given just these answers?
 *      history_waits.c   did each wait get what a call published for its group, generation and request, while it waited?
 */
#ifndef COVEY_TESTS_HISTORY_H
#define COVEY_TESTS_HISTORY_H

#include "world.h"

#define HISTORY_RECORDS 131072
#define HISTORY_PROCESSES 4096
#define HISTORY_GROUPS 8

enum call {
	REGISTER = 1, /* covey_find_or_register() */
	JOIN,
	FIND,
	LEADING,
	NOTIFY, /* covey_notify(), covey_notify_all() */
	PUBLISH,
	UNREGISTER,
	TAKE_OVER,
	FORWARD, /* to the caller's own participant */
	ACCEPT,
	AWAIT,
	DEATH, /* of a process, on all groups: from before the signal until it was seen to be gone */
	CALLS,
};

#define EVERYBODY 255 /* as a request: the answer is everybody's */

struct record {
	_Atomic uint64_t begin, end; /* ticks; 0: it did not begin, did not end */
	uint8_t call;                /* enum call */
	uint8_t group;
	uint8_t request;     /* of AWAIT: what was asked; of NOTIFY and PUBLISH: what is answered */
	uint8_t for_ever;    /* of AWAIT: it had no deadline */
	int32_t process;     /* whose call, or whose death */
	uint64_t asked;      /* the generation that was passed in */
	int32_t answer;      /* what the call returned */
	int32_t pid;         /* that it told: of the leader, or of the one taken over from */
	uint64_t generation; /* that it told */
	uint32_t source;     /* of AWAIT: 1 + the index of the record whose bytes came */
	int32_t took_over;   /* of AWAIT: the caller leads now */
};

struct history {
	_Atomic uint64_t clock; /* the last tick */
	_Atomic uint32_t used;  /* records, of which the last ones may not have begun */
	_Atomic int32_t processes;
	_Atomic int32_t pid[HISTORY_PROCESSES];
	int32_t evicts;                 /* groups lose their places in the table: see history_linear.c */
	uint64_t floor[HISTORY_GROUPS]; /* the last generation that is known from before */
	struct record record[HISTORY_RECORDS];
};

/* ------------------------------------------------------------------------------------------------ recording */

static inline uint64_t history_tick(struct history *h)
{
	return atomic_fetch_add(&h->clock, 1) + 1;
}

/* Its index; the caller fills in what else it asks, and then begins it. */
static inline uint32_t history_ask(struct history *h, int32_t process, enum call call, unsigned group)
{
	uint32_t i = atomic_fetch_add(&h->used, 1);

	must(i < HISTORY_RECORDS);
	h->record[i].process = process;
	h->record[i].call = (uint8_t)call;
	h->record[i].group = (uint8_t)group;
	return i;
}

static inline void history_begin(struct history *h, uint32_t i)
{
	atomic_store(&h->record[i].begin, history_tick(h));
}

/* After the answer was filled in. */
static inline void history_end(struct history *h, uint32_t i)
{
	atomic_store(&h->record[i].end, history_tick(h));
}

/* ------------------------------------------------------------------------------------------------ checking */

/* Each gives true if the history is in order, else tells in `why` which record is not, and how. */
bool history_linear(const struct history *h, char *why, size_t size);
bool history_waits(const struct history *h, char *why, size_t size);

const char *history_tell(const struct history *h, uint32_t index, char *text, size_t size);

#endif
