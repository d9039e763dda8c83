/*
 * spool.c - a command's two outputs, kept for others while they stream to us
 *
 * A leader owes its own caller the output as it comes, and everyone else the whole of it at the end.  So COMMAND's
 * pipes are always emptied into files, and our own output is fed from these as fast as its readers take it: a leader
 * piped into a pager delays neither COMMAND nor the waiters, and a reader that has closed its end (EPIPE) ends
 * nothing.  Output of any size needs disk, not memory; small output never leaves the page cache.  The files have no
 * names (O_TMPFILE in $TMPDIR, else /tmp, else a memfd), so nothing is left behind by whoever dies.
 *
 * To a pipe, at most PIPE_BUF bytes are written after poll(2) said that it is writable: such a write does not block,
 * and O_NONBLOCK, which all who share the open file would feel, is left alone.  A terminal gives no such promise: what
 * it has begun to take it may keep for as long as it stands still (Ctrl-S, a line that is dead).  So it is opened
 * anew, for us alone and with O_NONBLOCK.  When only one stream is left to deliver, blocking harms nobody and the
 * pieces are large.
 *
 * Where both of our outputs are one and the same (a terminal, 2>&1) the two are sent in the order in which they came
 * (order.c), so one waits for the other then.
 *
 * If a spool cannot grow (a full disk), it is "torn": what is spooled goes out first, the rest goes out directly, and
 * only the others go without.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"

enum { READS = 8 }; /* of a pipe that is written to all the time */

/* On the way in, and on the way out; there is one of each at a time.  Not on the stack, which may be small. */
static char incoming[STREAMS][65536], piece[65536];

/* ------------------------------------------------------------------------------------------------------ making */

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

/* The two of them are one and the same: a terminal, a pipe, a file. */
static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A nonblocking descriptor of our own for a terminal, where that can be had; else the very same. */
static int output(int fd)
{
	const int how = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[32];
	int own;

	if (!isatty(fd))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, how);
	if (own < 0 && tcgetsid(fd) == getsid(0))
		own = open("/dev/tty", how); /* it was opened by somebody else, before su(1) */
	return own < 0 ? fd : own;
}

/* Nothing is sent there any more. */
static void leave_output(struct stream *s)
{
	if (s->to > STDERR_FILENO)
		close(s->to);
	s->to = -1;
}

static void begin(struct spools *p)
{
	static const int outputs[STREAMS] = {STDOUT_FILENO, STDERR_FILENO};

	*p = (struct spools){.arrivals = {.told = -1}, .together = same_file(STDOUT_FILENO, STDERR_FILENO)};
	for (int i = 0; i < STREAMS; i++)
		p->s[i] = (struct stream){
		        .from = -1, .to = output(outputs[i]), .file = -1, .regular = is_regular(outputs[i])};
}

int spools_open(struct spools *p, uint64_t limit)
{
	begin(p);
	p->limit = limit;
	for (int i = 0; i < STREAMS; i++) {
		p->s[i].file = spool_open();
		if (p->s[i].file < 0) {
			spools_close(p);
			return -1;
		}
	}
	return 0;
}

void spools_connect(struct spools *p, int out, int err)
{
	const int pipes[STREAMS] = {out, err};

	p->s[OUT].from = out;
	p->s[ERR].from = err;
	arrivals_begin(&p->arrivals, pipes);
	spools_take(p); /* what came before that, and is never told of */
	arrivals_none_early(&p->arrivals);
}

void spools_of_files(struct spools *p, const int files[STREAMS], const uint64_t sizes[STREAMS])
{
	begin(p);
	for (int i = 0; i < STREAMS; i++) {
		p->s[i].file = files[i];
		p->s[i].size = sizes[i];
	}
}

void spools_of_memory(struct spools *p, const char *bytes, const uint64_t sizes[STREAMS])
{
	begin(p);
	for (int i = 0; i < STREAMS; i++) {
		p->s[i].bytes = bytes;
		p->s[i].size = sizes[i];
		bytes += sizes[i];
	}
}

/* ---------------------------------------------------------------------------------------------------- sending */

/* Nobody reads it any more.  A closed pipe is the reader's choice; anything else is loss, and is told. */
static void give_up(struct stream *s, int error)
{
	leave_output(s);
	s->sent = s->size;
	if (error != EPIPE)
		s->failure = error;
}

/* One write; gives how many bytes are dealt with.  None: the caller comes again. */
static size_t write_some(struct stream *s, const char *bytes, size_t size, bool patient)
{
	ssize_t n = s->to < 0 ? (ssize_t)size : write(s->to, bytes, size);

	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN) {
		struct pollfd p = {.fd = s->to, .events = POLLOUT};

		if (patient)
			await_events(&p, 1, -1);
	} else if (errno != EINTR) {
		give_up(s, errno);
	}
	return 0;
}

/* Bytes of this stream that are to be sent now. */
static uint64_t sendable(struct spools *p, int stream)
{
	const struct stream *s = &p->s[stream];
	uint64_t turn;
	int whose;

	if (!p->together || s->to < 0)
		return s->to < 0 ? 0 : s->size - s->sent;
	while ((whose = order_next(&p->order, &turn)) >= 0 && p->s[whose].to < 0)
		order_skip(&p->order);
	if (whose >= 0 && whose != stream)
		return 0;
	return turn < s->size - s->sent ? turn : s->size - s->sent;
}

int spools_waiting(struct spools *p, int stream)
{
	return sendable(p, stream) != 0 ? p->s[stream].to : -1;
}

void spools_send(struct spools *p, int stream, bool patient)
{
	struct stream *s = &p->s[stream];
	uint64_t most = patient || s->regular ? sizeof(piece) : PIPE_BUF, left = sendable(p, stream);
	const char *from = piece;
	size_t sent;
	ssize_t n;

	if (left < most)
		most = left;
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
	sent = write_some(s, from, (size_t)n, patient);
	if (s->to < 0)
		return;
	s->sent += sent;
	if (p->together)
		order_sent(&p->order, sent);
}

static void send_all(struct spools *p)
{
	while (spools_waiting(p, OUT) >= 0 || spools_waiting(p, ERR) >= 0)
		for (int i = 0; i < STREAMS; i++)
			spools_send(p, i, true);
}

void spools_deliver(struct spools *p)
{
	for (;;) {
		struct pollfd f[STREAMS] = {{.fd = spools_waiting(p, OUT), .events = POLLOUT},
		        {.fd = spools_waiting(p, ERR), .events = POLLOUT}};
		bool both = f[OUT].fd >= 0 && f[ERR].fd >= 0;

		if (f[OUT].fd < 0 && f[ERR].fd < 0)
			return;
		if (both && await_events(f, STREAMS, -1) < 0)
			continue;
		for (int i = 0; i < STREAMS; i++)
			if (f[i].fd >= 0 && (!both || f[i].revents))
				spools_send(p, i, !both);
	}
}

/* --------------------------------------------------------------------------------------------------- spooling */

/* What is below the limit.  The rest is dropped. */
static size_t within_limit(struct spools *p, size_t size)
{
	uint64_t have = p->s[OUT].size + p->s[ERR].size;

	if (p->limit == 0 || size <= p->limit - have)
		return size;
	p->over = true;
	return (size_t)(p->limit - have);
}

/* Gives how much of it the spool took. */
static size_t append(struct spools *p, int stream, const char *bytes, size_t size)
{
	struct stream *s = &p->s[stream];
	size_t kept = 0;

	while (kept < size && !p->torn) {
		ssize_t n = pwrite(s->file, bytes + kept, size - kept, (off_t)s->size);

		if (n > 0) {
			kept += (size_t)n;
			s->size += (uint64_t)n;
		} else if (n == 0 || errno != EINTR) {
			p->torn = n == 0 ? ENOSPC : errno;
		}
	}
	order_add(&p->order, stream, kept);
	return kept;
}

static void store(struct spools *p, int stream, const char *bytes, size_t size)
{
	size_t done = append(p, stream, bytes, size);

	if (done == size)
		return;
	send_all(p);
	while (done < size)
		done += write_some(&p->s[stream], bytes + done, size - done, true);
}

/* ------------------------------------------------------------------------------------------- in their order */

/* How many lines there are, up to so many.  *size gets the bytes that they are. */
static size_t lines_in(const char *bytes, size_t all, size_t most, size_t *size)
{
	const char *at = bytes, *end = bytes + all;
	size_t lines = 0;

	while (lines < most && at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		at = next ? next + 1 : end;
		lines++;
	}
	*size = (size_t)(at - bytes);
	return lines;
}

static const char *held(const struct spools *p, int stream)
{
	return incoming[stream] + p->held[stream].from;
}

static void read_pipe(struct spools *p, int stream)
{
	struct stream *s = &p->s[stream];
	size_t size = p->held[stream].size, room = sizeof(incoming[stream]) - size;
	ssize_t n = s->from < 0 || room == 0 ? -2 : read(s->from, incoming[stream] + size, room);

	if (n > 0) {
		p->held[stream].size += (size_t)n;
	} else if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		close(s->from);
		s->from = -1;
	}
}

static bool is_empty(const struct spools *p, int stream)
{
	int left = 0;

	return p->s[stream].from < 0 || ioctl(p->s[stream].from, FIONREAD, &left) < 0 || left == 0;
}

/* Until nothing is left behind what was told of: then for each write that was told the bytes are here, and no
 * others. */
static void read_both(struct spools *p)
{
	for (int i = 0; i < STREAMS; i++) {
		memmove(incoming[i], held(p, i), p->held[i].size);
		p->held[i].from = 0;
	}
	p->more = true;
	for (int i = 0; p->more && i < READS; i++) {
		read_pipe(p, OUT);
		read_pipe(p, ERR);
		arrivals_take(&p->arrivals);
		p->more = !is_empty(p, OUT) || !is_empty(p, ERR);
	}
}

static void store_held(struct spools *p, int stream, size_t size)
{
	if (size == 0)
		return;
	store(p, stream, held(p, stream), within_limit(p, size));
	p->held[stream].from += size;
	p->held[stream].size -= size;
}

/*
 * The oldest writes are `run` to this stream, and `later` ones follow after some to the other.  A pipe does not tell
 * its writes apart, but most programs write lines.  If there are enough, each write has one at least, and what is more
 * belongs to this run; else lines were written in pieces, and it has its share of them.
 */
static void store_run(struct spools *p, int stream, size_t run, size_t later)
{
	size_t lines = p->held[stream].lines, size = p->held[stream].size;

	if (later != 0) {
		lines = lines >= run + later ? lines - later : (2 * run * lines + run + later) / (2 * (run + later));
		lines_in(held(p, stream), size, lines ? lines : 1, &size);
	}
	p->held[stream].lines -= lines;
	store_held(p, stream, size);
	arrivals_drop(&p->arrivals, run);
}

/* The same while there is more in the pipes: a line each, as far as there are lines.  false: there are not enough. */
static bool store_run_so_far(struct spools *p, int stream, size_t run)
{
	size_t size, lines = lines_in(held(p, stream), p->held[stream].size, run, &size);

	p->held[stream].lines -= lines;
	store_held(p, stream, size);
	arrivals_drop(&p->arrivals, lines);
	return lines == run;
}

/* false: of the oldest write the bytes are still in the pipe. */
static bool store_by_turns(struct spools *p, bool whole)
{
	size_t run;
	int stream;

	for (int i = 0; i < STREAMS; i++) {
		size_t all;

		p->held[i].lines = lines_in(held(p, i), p->held[i].size, SIZE_MAX, &all);
	}
	while ((stream = arrivals_next(&p->arrivals, &run)) >= 0) {
		if (whole)
			store_run(p, stream, run, p->arrivals.of[stream] - run);
		else if (!store_run_so_far(p, stream, run))
			return false;
	}
	return true;
}

/* What nothing told of, or what there is when only one was written to. */
static void store_rest(struct spools *p, int stream)
{
	if (p->held[stream].size != 0 && p->arrivals.of[stream] == 0)
		arrivals_early(&p->arrivals, stream);
	store_held(p, stream, p->held[stream].size);
}

/* Their end always wakes who polls.  Bytes would do so before they are told of, and who wakes at once would be too
 * early. */
short spools_polled(const struct spools *p)
{
	return p->arrivals.told < 0 ? POLLIN : 0;
}

size_t spools_take(struct spools *p)
{
	const size_t before = p->held[OUT].size + p->held[ERR].size;
	size_t taken;
	bool whole;

	read_both(p);
	taken = p->held[OUT].size + p->held[ERR].size - before;
	whole = !p->more || p->held[OUT].size == sizeof(incoming[OUT]) || p->held[ERR].size == sizeof(incoming[ERR]);
	if (p->held[OUT].size != 0 && p->held[ERR].size != 0 && !store_by_turns(p, whole))
		return taken;
	store_rest(p, OUT);
	store_rest(p, ERR);
	arrivals_drop(&p->arrivals, SIZE_MAX);
	return taken;
}

void spools_cut(struct spools *p, int stream)
{
	if (p->s[stream].from < 0)
		return;
	close(p->s[stream].from);
	p->s[stream].from = -1;
	p->cut = true;
}

bool spools_ended(const struct spools *p)
{
	return p->s[OUT].from < 0 && p->s[ERR].from < 0; /* of what is held, spools_drain() takes care */
}

void spools_drain(struct spools *p)
{
	uint64_t there = 0;
	size_t n = 1;

	for (int i = 0; i < STREAMS; i++) {
		int left = 0;

		if (p->s[i].from >= 0 && ioctl(p->s[i].from, FIONREAD, &left) == 0)
			there += (uint64_t)left;
	}
	for (; there != 0 && n != 0; there -= n < there ? n : there)
		n = spools_take(p);
	for (int i = 0; i < STREAMS; i++) {
		if (p->s[i].from >= 0)
			close(p->s[i].from);
		p->s[i].from = -1;
	}
	spools_take(p); /* what it holds */
	arrivals_end(&p->arrivals);
}

/* ---------------------------------------------------------------------------------------------------- reading */

bool spools_read(const struct spools *p, int stream, void *to)
{
	const struct stream *s = &p->s[stream];
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

void spools_close(struct spools *p)
{
	for (int i = 0; i < STREAMS; i++) {
		if (p->s[i].from >= 0)
			close(p->s[i].from);
		if (p->s[i].file >= 0)
			close(p->s[i].file);
		leave_output(&p->s[i]);
		p->s[i].from = p->s[i].file = -1;
	}
	arrivals_end(&p->arrivals);
	order_free(&p->order);
}
