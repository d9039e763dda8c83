/*
 * spool.c - bytes that are kept for others while they stream to us
 *
 * A leader owes its own caller the output as it comes, and everyone else the whole of it at the end.  So COMMAND's pipe
 * is always emptied into a file, and our own output is fed from that file as fast as its reader takes it: a leader
 * piped into a pager delays neither COMMAND nor the waiters, and a reader that has closed its end (EPIPE) ends nothing.
 * Output of any size needs disk, not memory; small output never leaves the page cache.  The file has no name
 * (O_TMPFILE in $TMPDIR, else /tmp, else a memfd), so nothing is left behind by whoever dies.
 *
 * To a pipe, at most PIPE_BUF bytes are written after poll(2) said that it is writable: such a write does not block,
 * and O_NONBLOCK, which all who share the open file would feel, is left alone.  When only one stream is left to
 * deliver, blocking harms nobody and the pieces are large.
 *
 * If the spool cannot grow (a full disk), the stream is "torn": what is spooled goes out first, the rest goes out
 * directly, and only the others go without.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

enum { PIECE = 65536 };

static int spool_open(void)
{
	const char *directory = secure_getenv("TMPDIR");
	int fd = -1;

	if (directory && *directory)
		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("covey-spool", MFD_CLOEXEC);
	return fd;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int stream_spool(struct stream *s, int from, int to)
{
	*s = (struct stream){.from = from, .to = to, .file = spool_open(), .regular = is_regular(to)};
	return s->file < 0 ? -1 : 0;
}

void stream_file(struct stream *s, int file, uint64_t size, int to)
{
	*s = (struct stream){.from = -1, .to = to, .file = file, .size = size, .regular = is_regular(to)};
}

void stream_memory(struct stream *s, const void *bytes, uint64_t size, int to)
{
	*s = (struct stream){.from = -1, .to = to, .file = -1, .bytes = bytes, .size = size, .regular = is_regular(to)};
}

/* ---------------------------------------------------------------------------------------------------- sending */

/* Nobody reads it any more.  A closed pipe is the reader's choice; anything else is loss, and is told. */
static void give_up(struct stream *s, int error)
{
	s->to = -1;
	if (error != EPIPE)
		s->failure = error;
}

/* One write; gives how many bytes are dealt with. */
static size_t write_some(struct stream *s, const char *bytes, size_t size)
{
	ssize_t n = s->to < 0 ? (ssize_t)size : write(s->to, bytes, size);

	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN) {
		struct pollfd p = {.fd = s->to, .events = POLLOUT};

		await_events(&p, 1, -1); /* nonblocking by its owner's wish: the caller comes again */
	} else if (errno != EINTR) {
		give_up(s, errno);
	}
	return 0;
}

int stream_waiting(const struct stream *s)
{
	return s->sent < s->size ? s->to : -1;
}

void stream_send(struct stream *s, bool patient)
{
	size_t most = patient || s->regular ? PIECE : PIPE_BUF;
	char piece[PIECE];
	const char *from = piece;
	ssize_t n;

	if (s->to < 0)
		s->sent = s->size;
	if (s->size - s->sent < most)
		most = (size_t)(s->size - s->sent);
	if (most == 0)
		return;
	if (s->file < 0) {
		from = s->bytes + s->sent;
		n = (ssize_t)most;
	} else {
		n = pread(s->file, piece, most, (off_t)s->sent);
	}
	if (n <= 0) {
		give_up(s, n < 0 ? errno : EIO);
		return;
	}
	s->sent += write_some(s, from, (size_t)n);
}

void streams_deliver(struct stream s[2])
{
	for (;;) {
		struct pollfd p[2] = {{.fd = stream_waiting(&s[0]), .events = POLLOUT},
		        {.fd = stream_waiting(&s[1]), .events = POLLOUT}};
		bool both = p[0].fd >= 0 && p[1].fd >= 0;

		if (p[0].fd < 0 && p[1].fd < 0)
			return;
		if (both && await_events(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (p[i].fd >= 0 && (!both || p[i].revents))
				stream_send(&s[i], !both);
	}
}

/* --------------------------------------------------------------------------------------------------- spooling */

/* Gives how much of it the spool took. */
static size_t append(struct stream *s, const char *bytes, size_t size)
{
	size_t kept = 0;

	while (kept < size && !s->torn) {
		ssize_t n = pwrite(s->file, bytes + kept, size - kept, (off_t)s->size);

		if (n > 0) {
			kept += (size_t)n;
			s->size += (uint64_t)n;
		} else if (n == 0 || errno != EINTR) {
			s->torn = true;
		}
	}
	return kept;
}

static void store(struct stream *s, const char *bytes, size_t size)
{
	size_t done = append(s, bytes, size);

	if (done == size)
		return;
	while (stream_waiting(s) >= 0)
		stream_send(s, true);
	while (done < size)
		done += write_some(s, bytes + done, size - done);
}

size_t stream_fill(struct stream *s, size_t limit)
{
	char piece[PIECE];
	ssize_t n;

	if (s->from < 0)
		return 0;
	n = read(s->from, piece, limit < sizeof(piece) ? limit : sizeof(piece));
	if (n > 0) {
		store(s, piece, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(s->from);
		s->from = -1;
	}
	return 0;
}

/* A descendant that outlives COMMAND may go on writing: what counts is what is in the pipe now, not its end. */
void stream_drain(struct stream *s)
{
	int there = 0;

	if (s->from >= 0 && ioctl(s->from, FIONREAD, &there) < 0)
		there = 0;
	while (there > 0) {
		size_t n = stream_fill(s, (size_t)there);

		if (n == 0)
			break;
		there -= (int)n;
	}
	if (s->from >= 0)
		close(s->from);
	s->from = -1;
}

/* ---------------------------------------------------------------------------------------------------- reading */

bool stream_read(const struct stream *s, void *to)
{
	uint64_t done = 0;

	while (done < s->size) {
		size_t most = s->size - done < (1u << 30) ? (size_t)(s->size - done) : 1u << 30;
		ssize_t n = pread(s->file, (char *)to + done, most, (off_t)done);

		if (n > 0)
			done += (uint64_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

void stream_close(struct stream *s)
{
	if (s->from >= 0)
		close(s->from);
	if (s->file >= 0)
		close(s->file);
	s->from = s->file = -1;
}
