/* spool.h - a command's two outputs, kept for others while they stream to us: see spool.c */
#ifndef COVEY_SPOOL_H
#define COVEY_SPOOL_H

#include "arrival.h"
#include "order.h"

enum { OUT, ERR, STREAMS };

/* One of them, on its way from a pipe, a file or memory to a descriptor of ours. */
struct stream {
	int from;          /* the pipe it is read from; -1 when there is none or it has ended */
	int to;            /* where it goes; -1 when nobody reads it any more */
	int file;          /* the spool; -1: the bytes are in memory */
	const char *bytes; /* in memory */
	uint64_t size;     /* bytes in the spool or in memory */
	uint64_t sent;     /* of these, what went to "to" */
	int failure;       /* errno of a write that failed, short of EPIPE */
	bool regular;      /* "to" is a file: writes do not wait for a reader */
};

struct spools {
	struct stream s[STREAMS];
	struct arrivals arrivals;
	struct {
		size_t from, size, lines; /* of what was read and is not stored yet; the last line may lack its end */
	} held[STREAMS];
	bool more; /* the pipes held more than was taken at once */
	struct order order;
	bool together;  /* both go to one place: in their order */
	uint64_t limit; /* to the bytes of both; 0: none */
	bool over;      /* it was reached, and what came after is dropped */
	int torn;       /* errno of the spool that took not all: what others would get is not the whole */
	bool cut;       /* a pipe was closed before its end: likewise */
};

/* spools_open - make the files, and nothing else.  0, or -1 with errno. */
int spools_open(struct spools *p, uint64_t limit);

/* spools_connect - these nonblocking pipes are what they are filled from. */
void spools_connect(struct spools *p, int out, int err);

/* spools_of_files, spools_of_memory - what is complete already.  The files are closed by spools_close(). */
void spools_of_files(struct spools *p, const int files[STREAMS], const uint64_t sizes[STREAMS]);
void spools_of_memory(struct spools *p, const char *bytes, const uint64_t sizes[STREAMS]);

/* spools_polled - what to poll a pipe for.  Where writes are told of, that is p->arrivals.told, which is polled as
 * well. */
short spools_polled(const struct spools *p);

/* spools_take - take what the pipes have; gives how many bytes that were. */
size_t spools_take(struct spools *p);

/* spools_drain - take what the pipes have at this moment, then close them. */
void spools_drain(struct spools *p);

/* spools_cut - close a pipe whose bytes nobody wants: who writes is told as by any pipe. */
void spools_cut(struct spools *p, int stream);

/* spools_ended - both pipes have. */
bool spools_ended(const struct spools *p);

/* spools_waiting - the descriptor to poll for POLLOUT, or -1 when nothing of this stream is to be sent now. */
int spools_waiting(struct spools *p, int stream);

/* spools_send - send a piece.  patient: it may block on the reader. */
void spools_send(struct spools *p, int stream, bool patient);

/* spools_read - copy out what a spool holds, whole.  false when it cannot be read. */
bool spools_read(const struct spools *p, int stream, void *to);

/* spools_deliver - send both to their end, neither waiting for the other's reader unless it is the same. */
void spools_deliver(struct spools *p);

void spools_close(struct spools *p);

#endif
