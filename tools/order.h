/* order.h - in which order two outputs were written: see order.c */
#ifndef COVEY_ORDER_H
#define COVEY_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order {
	uint64_t *runs; /* malloc'ed; NULL: none yet */
	size_t count, room;
	bool lost; /* from the last run on it is not known */

	size_t at;     /* the run of which bytes are sent now */
	uint64_t sent; /* of it */
};

/* order_add - so many bytes of a stream, 0 or 1, came next. */
void order_add(struct order *o, int stream, uint64_t size);

/* order_load - take runs over from elsewhere, unaligned: true when they are those of streams of these sizes. */
bool order_load(struct order *o, const void *runs, uint64_t count, const uint64_t sizes[2]);

/* order_bytes - what the runs take for order_load(). */
size_t order_bytes(const struct order *o);

/* order_next - whose turn it is, and for how many bytes: *size is 0 when more must come first.  -1: either's. */
int order_next(struct order *o, uint64_t *size);

/* order_sent - so many bytes of the stream whose turn it is were sent. */
void order_sent(struct order *o, uint64_t size);

/* order_skip - nobody reads the stream whose turn it is. */
void order_skip(struct order *o);

void order_free(struct order *o);

#endif
