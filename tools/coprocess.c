/*
 * coprocess.c - a command that answers request after request, as a worker's device
 *
 *      worker's thread   begin, exchange, end                             one request
 *      main thread       SIGCHLD -> look                                  a death with nothing to do
 *                        a signal -> pass it on, or stop
 *
 * The two share the child under a lock that is held for moments only.  While a request is being answered, "busy", the
 * child is the worker's thread's; it looks for a death itself before it gives the child back, so none is missed: a
 * death that main was told of while busy was to be seen by then.
 *
 * How a request and its answer go over the pipes, and how a command that is out of step is found: exchange.c.  Such a
 * command is killed, for all it says is somebody else's answer.  If that was found before it got the request, and it
 * is to be restarted, the request is put to the new one; else it may have been computed, and its caller gets an error.
 *
 * Of a command that ends in the middle of a line, with success, what it wrote is the answer.  One that closes its
 * output is of no more use, and gets a moment to end by itself, so that its exit status can be told; then it is
 * killed.
 */
#include "coprocess.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "deadline.h"
#include "guard.h"

enum { MOMENT_MS = 2000, KEEP = 1 << 20 };
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
	int ignored;

	p->running = false;
	p->not_started = child_news(&p->child, &ignored) == CHILD_NOT_STARTED ? errno : 0;
	close(p->child.out);
	return child_reap(&p->child);
}

static int start(struct coprocess *p)
{
	p->child.serves = true;
	p->child.guard = guard_take(p->guard, guard_patience);
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

static void say_why(struct coprocess *p, enum verdict verdict, const char *unasked)
{
	static const char *const whys[] = {[LAST] = "closed its output in the middle of an answer",
	        [CLOSED] = "closed its output",
	        [DEAF] = "closed its input",
	        [TOO_LONG] = "gave an answer that memory has no room for"};

	if (verdict == LATE)
		snprintf(p->why, sizeof(p->why), "the command gave no answer within %lld ms",
		        (long long)(p->patience / 1000000));
	else if (verdict == UNASKED)
		snprintf(p->why, sizeof(p->why),
		        "the command wrote what nobody asked for%s%s%s: its answers cannot be told apart",
		        unasked[0] ? " (\"" : "", unasked, unasked[0] ? "\")" : "");
	else
		snprintf(p->why, sizeof(p->why), "the command %s", whys[verdict]);
}

/* A text's last line may lack its newline. */
static bool is_answer(const struct coprocess *p, enum verdict verdict, int status)
{
	return verdict == LAST && status == 0 && !p->form.marker && p->form.end == '\n';
}

static void say_how(struct coprocess *p, enum verdict verdict, int status)
{
	const char *when = verdict == LAST && !is_answer(p, verdict, status) ? " in the middle of an answer" : "";

	if (p->not_started)
		snprintf(p->why, sizeof(p->why), "the command cannot be started: %s", strerror(p->not_started));
	else if (status > 128)
		snprintf(p->why, sizeof(p->why), "the command was ended by signal %d%s", status - 128, when);
	else
		snprintf(p->why, sizeof(p->why), "the command ended with exit status %d%s", status, when);
}

/* The command has ended, or is to, for what it did.  Gives its exit status, or -1 when it was killed here. */
static int bury(struct coprocess *p, enum verdict verdict, const char *unasked)
{
	bool by_itself = has_ended(&p->child, 0), told = by_itself && verdict != UNASKED && verdict != TOO_LONG;
	int status;

	if (!by_itself)
		child_kill(&p->child);
	status = reap(p);
	if (told)
		say_how(p, verdict, status);
	else
		say_why(p, verdict, unasked);
	complain(0, "%s: %s%s%s", p->command[0], p->why, p->restart ? "; it is started again for the next request" : "",
	        verdict == UNASKED && !p->form.marker ? "; see --answer-marker in \"covey worker --help\"" : "");
	if (!p->restart)
		end_for_good(p);
	return by_itself ? status : -1;
}

int coprocess_start(struct coprocess *p)
{
	pthread_mutex_init(&p->lock, NULL);
	p->stop.told = eventfd(0, EFD_CLOEXEC);
	if (p->stop.told < 0)
		return complain(EXIT_COVEY, "cannot start \"%s\": %s", p->command[0], strerror(errno));
	return start(p);
}

void coprocess_look(struct coprocess *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->running && !p->busy && p->child.in >= 0 && has_ended(&p->child, 0))
		bury(p, CLOSED, "");
	pthread_mutex_unlock(&p->lock);
}

void coprocess_signal(struct coprocess *p, int signal)
{
	pthread_mutex_lock(&p->lock);
	if (p->running)
		child_signal(&p->child, signal);
	pthread_mutex_unlock(&p->lock);
}

void coprocess_stop(struct coprocess *p, int64_t grace)
{
	p->stop.by = deadline_in(grace);
	eventfd_write(p->stop.told, 1);
}

int coprocess_close(struct coprocess *p)
{
	if (!p->running)
		return -1;
	close(p->child.in);
	p->child.in = -1;
	return p->child.status;
}

void coprocess_end(struct coprocess *p)
{
	free(p->answer.bytes);
	close(p->stop.told);
	if (!p->running)
		return;
	if (!has_ended(&p->child, 0))
		child_kill(&p->child);
	reap(p);
}

/* ------------------------------------------------------------------------------------------------ one request */

/* A living command, for this thread alone.  false: there is none, and p->why tells why. */
static bool begin_request(struct coprocess *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->running && has_ended(&p->child, 0))
		bury(p, CLOSED, "");
	if (!p->running && p->restart && start(p) != 0)
		snprintf(p->why, sizeof(p->why), "the command cannot be started again");
	p->busy = p->running;
	pthread_mutex_unlock(&p->lock);
	return p->busy;
}

/* Gives whether there is an answer; p->why tells why not. */
static bool end_request(struct coprocess *p, const struct exchange *x, enum verdict verdict)
{
	bool answered = verdict == ANSWERED;

	if (verdict == LAST || verdict == CLOSED || verdict == DEAF)
		has_ended(&p->child, MOMENT_MS);
	pthread_mutex_lock(&p->lock);
	p->busy = false;
	if (verdict == STOPPED) { /* main ends it */
		p->cut = true;
		snprintf(p->why, sizeof(p->why), "the worker was told to end before the command answered");
	} else if (!answered) {
		answered = is_answer(p, verdict, bury(p, verdict, x->unasked));
	} else if (has_ended(&p->child, 0)) {
		bury(p, verdict, "");
	}
	pthread_mutex_unlock(&p->lock);
	return answered;
}

static bool ask_once(struct coprocess *p, struct covey_bytes request, bool *given)
{
	struct exchange x = {.name = p->command[0],
	        .child = &p->child,
	        .form = &p->form,
	        .stop = &p->stop,
	        .request = request,
	        .answer = &p->answer,
	        .hinted = &p->hinted};
	enum verdict verdict;
	bool answered;

	*given = true;
	if (!begin_request(p))
		return false;
	x.deadline = deadline_in(p->patience);
	verdict = exchange_run(&x);
	answered = end_request(p, &x, verdict);
	*given = x.given || verdict == LATE || verdict == STOPPED;
	return answered;
}

static bool ask(struct coprocess *p, struct covey_bytes request)
{
	bool given, answered = ask_once(p, request, &given);

	return answered || (!given && p->restart && ask_once(p, request, &given));
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
	void *room = covey_answer_room(answer, p->answer.size);

	if (!room)
		return refuse(answer, "no memory for the answer");
	if (p->answer.size != 0)
		memcpy(room, p->answer.bytes, p->answer.size);
	if (p->answer.room > KEEP) {
		free(p->answer.bytes);
		p->answer = (struct answer_bytes){0};
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
