/*
 * order.c - in which order two outputs were written
 *
 *      a run is length << 1 | stream        out 12, err 7, out 3000, ...
 *
 * Standard output and standard error come through two pipes, and are kept apart, for those who want them apart.  Who
 * sends both to one place wants them as they were written.  So it is noted which pipe gave how many bytes when; bytes
 * of one stream that follow each other are one run.
 *
 * How exact that is: each write is told of (arrival.c), so what was written to both between two reads of covey is put
 * in order by whole writes, as far as those can be told apart: exactly, if each is one line, or if a stream was not
 * written to again before that read; else lines are shared out among the writes.  Where the kernel does not tell,
 * standard output comes first.
 *
 * The list is bounded.  Past that the order is "lost": what follows is sent as it comes.
 */
#include "order.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

static uint64_t length_of(uint64_t run)
{
	return run >> 1;
}

static int stream_of(uint64_t run)
{
	return (int)(run & 1);
}

static bool grow(struct order *o)
{
	size_t room = o->room ? 2 * o->room : 64;
	uint64_t *more = o->room < MOST ? realloc(o->runs, room * sizeof(*more)) : NULL;

	if (!more)
		return false;
	o->runs = more;
	o->room = room;
	return true;
}

void order_add(struct order *o, int stream, uint64_t size)
{
	if (o->lost || size == 0)
		return;
	if (o->count != 0 && stream_of(o->runs[o->count - 1]) == stream) {
		o->runs[o->count - 1] += size << 1;
		return;
	}
	if (o->count == o->room && !grow(o)) {
		o->lost = true;
		return;
	}
	o->runs[o->count++] = size << 1 | (unsigned)stream;
}

bool order_load(struct order *o, const void *runs, uint64_t count, const uint64_t sizes[2])
{
	uint64_t sums[2] = {0, 0};

	*o = (struct order){.lost = true};
	if (count == 0)
		return true;
	if (count > MOST || !(o->runs = malloc(count * sizeof(*o->runs))))
		return false;
	memcpy(o->runs, runs, count * sizeof(*o->runs));
	o->count = o->room = count;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t *sum = &sums[stream_of(o->runs[i])];

		if (length_of(o->runs[i]) > sizes[stream_of(o->runs[i])] - *sum)
			return false;
		*sum += length_of(o->runs[i]);
	}
	return true;
}

size_t order_bytes(const struct order *o)
{
	return o->count * sizeof(*o->runs);
}

int order_next(struct order *o, uint64_t *size)
{
	while (o->at < o->count && o->sent == length_of(o->runs[o->at]) && (o->at + 1 < o->count || o->lost))
		order_skip(o);
	if (o->at == o->count) {
		*size = o->lost ? UINT64_MAX : 0;
		return -1;
	}
	*size = length_of(o->runs[o->at]) - o->sent;
	return stream_of(o->runs[o->at]);
}

void order_sent(struct order *o, uint64_t size)
{
	if (o->at < o->count)
		o->sent += size;
}

void order_skip(struct order *o)
{
	o->at++;
	o->sent = 0;
}

void order_free(struct order *o)
{
	free(o->runs);
	*o = (struct order){.lost = true};
}
