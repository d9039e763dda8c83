/*
 * exchange.c - one request and its answer, over a command's two pipes
 *
 *      look ---- is anything there? it was unasked
 *      knock     send the first byte; wait until it is read; has a line come? it was unasked
 *      talk      send the rest, take what comes until the answer has ended
 *      look      is there more than that? it was unasked
 *
 * What the command writes has no number: an answer is this request's because it is the next.  So one line too many
 * would be the next request's answer, and each answer after it would be a wrong one.  Whatever the pipe holds before a
 * request is sent answers nothing, and tells that the command is out of step.  But it need not be there yet: a command
 * that writes two lines by two calls of write(2) may be between them.  So the first byte is sent ahead.  Once it has
 * been read, the command is through with what it did before, and cannot know the request yet: if there is a line in
 * the pipe then, it was unasked, and what comes later is the answer.  That is exact for all that write an answer
 * before they read on; for those that read ahead (threads, pipelines), and before an empty request, which has no byte
 * to send ahead, the look alone has to do, and a marker is what matches answers to requests.
 *
 * That the byte has been read is told by poll(2): the pipe is given room for one page, so it can be written to only
 * when it is empty.  Where a kernel does otherwise, poll() returns at once, and the look alone has to do there, too.
 *
 * Writing and reading go on together, because a command such as cat(1) answers before it has read all, and both pipes
 * are shorter than a line may be.
 *
 * A line, text up to a NUL byte, or all lines up to the marker are an answer.  With a marker it is the bytes before it
 * without the newline at their end, as a line is.
 */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deadline.h"

static const size_t longest = (size_t)4 << 30;             /* as much as a region's heap has by default */
static const int64_t hint_after = 3 * (int64_t)1000000000; /* to a person who waits, it hangs by then */

enum { SHORT = 4000, ROOMY = 1 << 16 }; /* a request that is sent at once, or by the pipe's usual size */
enum { GO_ON = -1 };                    /* no verdict yet */
enum { OUT, STATUS, IN, STOP, WATCHED };

/* ------------------------------------------------------------------------------------------------ waiting */

/* Some commands answer not all requests: bc(1) has no line for 1/0. */
static void hint(struct exchange *x)
{
	x->hint = COVEY_FOREVER;
	if (*x->hinted)
		return;
	*x->hinted = true;
	complain(0,
	        "%s: no answer to a request for %d s; if it never comes, --answer-timeout ends the wait%s: see \"covey "
	        "worker --help\"",
	        x->name, (int)(hint_after / 1000000000),
	        x->form->marker ? "" : ", and --answer-marker finds the end of any answer");
}

static int out_of_time(struct exchange *x)
{
	int64_t now = monotonic_now();

	if (now >= x->deadline)
		return LATE;
	if (x->stopping && now >= x->stop->by)
		return STOPPED;
	if (now >= x->hint)
		hint(x);
	return GO_ON;
}

/* Sleep until one of them has news.  events: of the command's input, 0 or POLLOUT.  GO_ON, or why to give up. */
static int sleep_on(struct exchange *x, struct pollfd p[WATCHED], short events)
{
	int n = 0, verdict = GO_ON;

	while (n <= 0 && verdict == GO_ON) {
		int64_t until = earlier(earlier(x->deadline, x->hint), x->stopping ? x->stop->by : COVEY_FOREVER);
		int ms = ms_until(until);

		p[OUT] = (struct pollfd){.fd = x->child->out, .events = POLLIN};
		p[STATUS] = (struct pollfd){.fd = x->child->status, .events = POLLIN};
		p[IN] = (struct pollfd){.fd = events ? x->child->in : -1, .events = events};
		p[STOP] = (struct pollfd){.fd = x->stopping ? -1 : x->stop->told, .events = POLLIN};
		n = ms != 0 ? await_events(p, WATCHED, ms) : 0;
		if (n > 0 && p[STOP].revents) {
			x->stopping = true;
			n--;
		} else if (n == 0) {
			verdict = out_of_time(x);
		}
	}
	return verdict;
}

/* ------------------------------------------------------------------------------------------------ sending */

/* All that is not sent yet: the request, and the line that asks for the marker. */
static void rest_of(const struct exchange *x, struct iovec parts[4])
{
	const char *ask = x->form->ask_marker;
	const struct covey_bytes all[4] = {x->request, {"\n", 1}, {ask, ask ? strlen(ask) : 0}, {"\n", ask ? 1 : 0}};
	size_t skip = x->sent;

	for (int i = 0; i < 4; i++) {
		size_t sent = skip < all[i].size ? skip : all[i].size;
		const char *at = all[i].data ? (const char *)all[i].data + sent : "";

		parts[i] = (struct iovec){(void *)(uintptr_t)at, all[i].size - sent};
		skip -= sent;
	}
}

static void send_some(struct exchange *x)
{
	struct iovec parts[4];
	ssize_t n;

	rest_of(x, parts);
	n = writev(x->child->in, parts, 4);
	if (n >= 0)
		x->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		x->deaf = true; /* it may answer all the same */
}

static bool sending(const struct exchange *x)
{
	struct iovec parts[4];

	rest_of(x, parts);
	return !x->deaf && parts[0].iov_len + parts[1].iov_len + parts[2].iov_len + parts[3].iov_len != 0;
}

/* ------------------------------------------------------------------------------------------------ taking */

/* The beginning of it, to be quoted: one line, and no control. */
static int quote_unasked(struct exchange *x, const char *bytes, size_t size)
{
	size_t n = 0;

	while (n < size && n < sizeof(x->unasked) - 1 && (unsigned char)bytes[n] >= ' ' && bytes[n] != 0x7f)
		n++;
	for (bool cut = n == sizeof(x->unasked) - 1; cut && n > 0 && (bytes[n - 1] & 0x80);
	        n--) /* not half a character */
		cut = (bytes[n - 1] & 0xc0) == 0x80;
	memcpy(x->unasked, bytes, n);
	x->unasked[n] = '\0';
	return UNASKED;
}

/* Whatever can be read now answers nothing.  GO_ON when there is nothing. */
static int look(struct exchange *x)
{
	char bytes[EXCERPT];
	ssize_t n = read(x->child->out, bytes, sizeof(bytes));

	if (n > 0)
		return quote_unasked(x, bytes, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? GO_ON : CLOSED;
}

static bool grow(struct answer_bytes *a)
{
	size_t room = a->room ? 2 * a->room : 1 << 16;
	char *more = room <= longest ? realloc(a->bytes, room) : NULL;

	if (!more)
		return false;
	a->bytes = more;
	a->room = room;
	return true;
}

/* Has the answer ended, by a byte at `from` or later?  Gives where what follows it begins, and its size; or NULL. */
static const char *end_of_answer(struct exchange *x, size_t from, size_t *size)
{
	const struct answer_bytes *a = x->answer;
	const char *marker = x->form->marker, *stop = a->bytes + a->size, *end;

	while ((end = memchr(a->bytes + from, x->form->end, (size_t)(stop - a->bytes) - from)) != NULL) {
		size_t at = (size_t)(end - a->bytes);

		*size = marker ? x->line - (x->line != 0) : at;
		if (!marker ||
		        (at - x->line == strlen(marker) && memcmp(a->bytes + x->line, marker, at - x->line) == 0))
			return end + 1;
		from = x->line = at + 1;
	}
	return NULL;
}

/* GO_ON with so many new bytes of the answer in *taken; when there are none, there may be some later. */
static int take(struct exchange *x, size_t *taken)
{
	struct answer_bytes *a = x->answer;
	ssize_t n;

	*taken = 0;
	if (a->size == a->room && !grow(a))
		return TOO_LONG;
	n = read(x->child->out, a->bytes + a->size, a->room - a->size);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? GO_ON : a->size != 0 ? LAST : CLOSED;
	*taken = (size_t)n;
	a->size += (size_t)n;
	return GO_ON;
}

/* The same, and what it has to do with the answer. */
static int take_answer(struct exchange *x, size_t *taken)
{
	struct answer_bytes *a = x->answer;
	int verdict = take(x, taken);
	const char *end;
	size_t size;

	if (verdict != GO_ON)
		return verdict;
	end = end_of_answer(x, a->size - *taken, &size);
	if (!end)
		return GO_ON;
	if (end != a->bytes + a->size)
		return quote_unasked(x, end, (size_t)(a->bytes + a->size - end));
	x->answered = true;
	a->size = size;
	return GO_ON;
}

/* What comes while the request has not even a whole line.  A filter may begin its answer, as cat(1) does; to end a
 * line of it there is no reason yet. */
static int take_early(struct exchange *x)
{
	const struct answer_bytes *a = x->answer;
	size_t taken;
	int verdict = take(x, &taken);
	const char *begin = a->bytes + a->size - taken;

	if (verdict == LAST)
		return CLOSED;
	if (verdict != GO_ON || taken == 0 || (!memchr(begin, '\n', taken) && !memchr(begin, x->form->end, taken)))
		return verdict;
	return quote_unasked(x, a->bytes, a->size);
}

/* ------------------------------------------------------------------------------------------------ the exchange */

/* Have the first byte read, by a command that is through with all it did before. */
static int knock(struct exchange *x)
{
	int verdict = look(x);

	fcntl(x->child->in, F_SETPIPE_SZ, 1); /* which is a page */
	while (verdict == GO_ON && x->request.size != 0) {
		struct pollfd p[WATCHED];
		ssize_t n = x->sent ? 1 : write(x->child->in, x->request.data, 1);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return DEAF;
		x->sent = n > 0;
		verdict = sleep_on(x, p, POLLOUT);
		if (verdict == GO_ON && (p[OUT].revents || p[IN].revents))
			verdict = x->sent ? take_early(x) : look(x);
		if (verdict == GO_ON && (p[STATUS].revents || (p[IN].revents & (POLLERR | POLLNVAL))))
			return DEAF;
		if (p[IN].revents & POLLOUT && x->sent)
			break;
	}
	return verdict;
}

static int talk(struct exchange *x)
{
	x->given = true;
	if (x->request.size > SHORT)
		fcntl(x->child->in, F_SETPIPE_SZ, ROOMY);
	while (!x->answered || sending(x)) {
		struct pollfd p[WATCHED];
		size_t taken = 0;
		int verdict;

		if (sending(x))
			send_some(x);
		verdict = sleep_on(x, p, sending(x) ? POLLOUT : 0);
		if (verdict != GO_ON)
			return verdict;
		do /* of one that has ended, the pipe holds all it wrote */
			verdict = x->answered ? look(x) : take_answer(x, &taken);
		while (verdict == GO_ON && !x->answered && taken != 0 && p[STATUS].revents);
		if (verdict == UNASKED || verdict == TOO_LONG)
			return verdict;
		if (verdict != GO_ON || p[STATUS].revents)
			break;
	}
	if (!x->answered)
		return x->answer->size != 0 ? LAST : CLOSED;
	return look(x) == UNASKED ? UNASKED : ANSWERED;
}

enum verdict exchange_run(struct exchange *x)
{
	int verdict;

	x->answer->size = 0;
	x->hint = monotonic_now() + hint_after;
	verdict = knock(x);
	return (enum verdict)(verdict == GO_ON ? talk(x) : verdict);
}
