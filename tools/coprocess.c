/*
 * coprocess.c - a command that answers a line with a line, as a worker's device
 *
 *      worker's thread   begin, send and take at once, end        one request
 *      main thread       SIGCHLD -> look                                  a death with nothing to do
 *
 * The two share the child under a lock that is held for moments only.  While a request is being answered, "busy", the
 * child is the worker's thread's; it looks for a death itself before it gives the child back, so none is missed: a death
 * that main was told of while busy was to be seen by then.
 *
 * Writing the request and reading the answer go on together, because a command such as cat(1) answers before it has
 * read all, and both pipes are shorter than a line may be.  A line ends an answer once all of the request is written;
 * what the command writes behind it, or unasked, answers nothing, and is dropped when the next request begins.
 *
 * Of a command that ends, what it wrote so far is the answer, if there is anything.  One that closes its output is of
 * no more use, and gets a moment to end by itself, so that its exit status can be told; then it is killed.
 */
#include "coprocess.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guard.h"
#include "options.h"

enum { MOMENT_MS = 2000, UNASKED_READS = 64, KEEP = 1 << 20 };
static const size_t longest = (size_t)4 << 30;                 /* as much as a region's heap has by default */
static const int64_t guard_patience = 6 * (int64_t)1000000000; /* two moments, and the time to kill */

/* -------------------------------------------------------------------------------------------- start and burial */

static bool has_ended(const struct child *child, int ms)
{
	struct pollfd p = {.fd = child->status, .events = POLLIN};
	int n;

	do
		n = await_events(&p, 1, ms);
	while (n < 0);
	return n > 0;
}

/* Gives the exit status of the command. */
static int reap(struct coprocess *p)
{
	p->running = false;
	close(p->child.out);
	return child_reap(&p->child);
}

static int start(struct coprocess *p)
{
	p->child.serves = true;
	p->child.guard = guard_take(p->digest, guard_patience);
	if (child_start(&p->child, p->command) < 0)
		return complain(EXIT_COVEY, "cannot start \"%s\": %s", p->command[0], strerror(errno));
	p->running = true;
	return child_executed(&p->child) ? 0 : reap(p);
}

static void end_for_good(struct coprocess *p)
{
	p->ended = true;
	eventfd_write(p->over, 1);
}

/* How a request went.  After all but the first the command is of no more use. */
enum verdict { ANSWERED, ANSWERED_LAST, CLOSED, LATE, TOO_LONG };

static void say_why(struct coprocess *p, enum verdict verdict)
{
	if (verdict == LATE)
		snprintf(p->why, sizeof(p->why), "the command gave no answer within %lld ms",
		        (long long)(p->patience / 1000000));
	else if (verdict == TOO_LONG)
		snprintf(p->why, sizeof(p->why), "the command gave an answer that memory has no room for");
	else
		snprintf(p->why, sizeof(p->why), "the command closed its output");
}

static void say_how(struct coprocess *p, int status)
{
	if (status > 128)
		snprintf(p->why, sizeof(p->why), "the command was ended by signal %d", status - 128);
	else
		snprintf(p->why, sizeof(p->why), "the command ended with exit status %d", status);
}

/* The command has ended, or is to, for what it did. */
static void bury(struct coprocess *p, enum verdict verdict)
{
	if (has_ended(&p->child, 0)) {
		say_how(p, reap(p));
	} else {
		child_kill(&p->child);
		reap(p);
		say_why(p, verdict);
	}
	complain(0, "%s: %s%s", p->command[0], p->why, p->restart ? "; it is started again for the next request" : "");
	if (!p->restart)
		end_for_good(p);
}

int coprocess_start(struct coprocess *p)
{
	pthread_mutex_init(&p->lock, NULL);
	return start(p);
}

void coprocess_look(struct coprocess *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->running && !p->busy && has_ended(&p->child, 0))
		bury(p, CLOSED);
	pthread_mutex_unlock(&p->lock);
}

void coprocess_end(struct coprocess *p)
{
	free(p->line);
	if (!p->running)
		return;
	close(p->child.in);
	p->child.in = -1;
	if (!has_ended(&p->child, MOMENT_MS)) {
		child_signal(&p->child, SIGTERM);
		if (!has_ended(&p->child, MOMENT_MS))
			child_kill(&p->child);
	}
	reap(p);
}

/* ------------------------------------------------------------------------------------------------ one exchange */

struct exchange {
	struct coprocess *p;
	const char *request;
	size_t size; /* of the request; its newline comes on top */
	size_t sent;
	bool deaf;     /* it reads no more */
	bool answered; /* there is a whole line, p->size bytes long */
	int64_t deadline;
};

enum taken { TAKEN_SOME, TAKEN_NOTHING, TAKEN_END, TAKEN_NO_ROOM };

static void send_some(struct exchange *x)
{
	size_t left = x->sent < x->size ? x->size - x->sent : 0;
	const struct iovec parts[2] = {{(char *)(uintptr_t)x->request + x->size - left, left}, {"\n", 1}};
	ssize_t n = writev(x->p->child.in, parts, 2);

	if (n >= 0)
		x->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		x->deaf = true; /* it may answer all the same */
}

static bool grow(struct coprocess *p)
{
	size_t room = p->room ? 2 * p->room : 1 << 16;
	char *more = room <= longest ? realloc(p->line, room) : NULL;

	if (!more)
		return false;
	p->line = more;
	p->room = room;
	return true;
}

static enum taken take_some(struct exchange *x)
{
	struct coprocess *p = x->p;
	const char *end;
	ssize_t n;

	if (p->size == p->room && !grow(p))
		return TAKEN_NO_ROOM;
	n = read(p->child.out, p->line + p->size, p->room - p->size);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? TAKEN_NOTHING : TAKEN_END;
	end = memchr(p->line + p->size, '\n', (size_t)n);
	x->answered = end != NULL;
	p->size = end ? (size_t)(end - p->line) : p->size + (size_t)n;
	return TAKEN_SOME;
}

static int ms_left(int64_t deadline)
{
	int64_t left = (deadline - monotonic_now() + 999999) / 1000000;

	return deadline == COVEY_FOREVER ? -1 : left < 0 ? 0 : left < 1000000000 ? (int)left : 1000000000;
}

static bool sending(const struct exchange *x)
{
	return x->sent <= x->size && !x->deaf;
}

static enum verdict talk(struct exchange *x)
{
	const struct child *child = &x->p->child;

	while (!x->answered || sending(x)) {
		struct pollfd p[3] = {{.fd = x->answered ? -1 : child->out, .events = POLLIN},
		        {.fd = child->status, .events = POLLIN},
		        {.fd = sending(x) ? child->in : -1, .events = POLLOUT}};
		int ms = ms_left(x->deadline), n = ms != 0 ? await_events(p, 3, ms) : 0;
		enum taken taken = TAKEN_NOTHING;

		if (n < 0)
			continue;
		if (n == 0)
			return LATE;
		if (p[2].revents)
			send_some(x);
		do /* of one that has ended, the pipe holds all it wrote */
			taken = x->answered ? TAKEN_NOTHING : take_some(x);
		while (taken == TAKEN_SOME && p[1].revents);
		if (taken == TAKEN_NO_ROOM)
			return TOO_LONG;
		if (p[1].revents || taken == TAKEN_END)
			return x->answered || x->p->size != 0 ? ANSWERED_LAST : CLOSED;
	}
	return ANSWERED;
}

/* What it said unasked.  One that never stops talking is not waited for. */
static void drop_unasked(struct coprocess *p)
{
	char bytes[4096];

	for (int i = 0; i < UNASKED_READS && read(p->child.out, bytes, sizeof(bytes)) > 0; i++) {
	}
}

/* A living command, for this thread alone.  false: there is none, and p->why tells why. */
static bool begin_request(struct coprocess *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->running && has_ended(&p->child, 0))
		bury(p, CLOSED);
	if (!p->running && p->restart && start(p) != 0)
		snprintf(p->why, sizeof(p->why), "the command cannot be started again");
	p->busy = p->running;
	pthread_mutex_unlock(&p->lock);
	return p->busy;
}

static void end_request(struct coprocess *p, enum verdict verdict)
{
	if (verdict == ANSWERED_LAST || verdict == CLOSED)
		has_ended(&p->child, MOMENT_MS);
	pthread_mutex_lock(&p->lock);
	p->busy = false;
	if (verdict != ANSWERED || has_ended(&p->child, 0))
		bury(p, verdict);
	pthread_mutex_unlock(&p->lock);
}

/* Gives whether there is an answer; p->why tells why not. */
static bool ask(struct coprocess *p, struct covey_bytes request)
{
	struct exchange x = {.p = p, .request = request.data, .size = request.size};
	enum verdict verdict;

	if (!begin_request(p))
		return false;
	x.deadline = deadline_in(p->patience);
	p->size = 0;
	drop_unasked(p);
	verdict = talk(&x);
	end_request(p, verdict);
	return verdict == ANSWERED || verdict == ANSWERED_LAST;
}

/* ------------------------------------------------------------------------------------------------ the device */

static int refuse(struct covey_answer *answer, const char *why)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "covey worker: %s", why);

	covey_answer_copy(answer, text, (size_t)n);
	return 1;
}

static bool is_line(struct covey_bytes request)
{
	return !memchr(request.data, '\n', request.size) && !memchr(request.data, '\0', request.size);
}

static int hand_over(struct coprocess *p, struct covey_answer *answer)
{
	void *room = covey_answer_room(answer, p->size);

	if (!room)
		return refuse(answer, "no memory for the answer");
	if (p->size != 0)
		memcpy(room, p->line, p->size);
	if (p->room > KEEP) {
		free(p->line);
		p->line = NULL;
		p->room = 0;
	}
	return 0;
}

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	struct coprocess *p = self;

	(void)base;
	if (!is_line(request))
		return refuse(answer, "the request holds a newline or a NUL byte, and so is not a line");
	if (!ask(p, request))
		return refuse(answer, p->why);
	return hand_over(p, answer);
}

struct covey_device coprocess_device(struct coprocess *p)
{
	return (struct covey_device){.self = p, .compute = compute};
}
