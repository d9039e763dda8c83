/* spool.h - bytes that are kept for others while they stream to us: see spool.c */
#ifndef COVEY_SPOOL_H
#define COVEY_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of a command's two outputs, on its way from a pipe, a file or memory to a descriptor of ours. */
struct stream {
	int from;          /* the pipe it is read from; -1 when there is none or it has ended */
	int to;            /* where it goes; -1 when nobody reads it any more */
	int file;          /* the spool; -1: the bytes are in memory */
	const char *bytes; /* in memory */
	uint64_t size;     /* bytes in the spool or in memory */
	uint64_t sent;     /* of these, what went to "to" */
	int failure;       /* errno of a write that failed, short of EPIPE */
	bool torn;         /* the spool took not all: what others would get is not the whole */
	bool regular;      /* "to" is a file: writes do not wait for a reader */
};

/* stream_spool - from a pipe, through a new spool.  0, or -1 with errno. */
int stream_spool(struct stream *s, int from, int to);

/* stream_file, stream_memory - what is complete already.  The file is closed by stream_close(). */
void stream_file(struct stream *s, int file, uint64_t size, int to);
void stream_memory(struct stream *s, const void *bytes, uint64_t size, int to);

/* stream_fill - take what the nonblocking pipe has, at most limit bytes.  Gives how many, 0 when none were there. */
size_t stream_fill(struct stream *s, size_t limit);

/* stream_drain - take what the pipe has at this moment, then close it. */
void stream_drain(struct stream *s);

/* stream_waiting - the descriptor to poll for POLLOUT, or -1 when all has been sent. */
int stream_waiting(const struct stream *s);

/* stream_send - send a piece.  patient: it may block on the reader. */
void stream_send(struct stream *s, bool patient);

/* stream_read - copy out what the spool holds, whole.  false when it cannot be read. */
bool stream_read(const struct stream *s, void *to);

/* streams_deliver - send both to their end, neither waiting for the other's reader. */
void streams_deliver(struct stream s[2]);

void stream_close(struct stream *s);

#endif
