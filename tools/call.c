/*
 * call.c - "covey call": one request to whoever leads a group
 *
 * It takes no part in who leads: it never registers, and leaves a dead leader's place to others.  So it makes no
 * region either: where there is none, nobody leads.  With --wait that is waited for, and a leader that ended before it
 * took the request is as good as none.  One that died may have computed it: that is an error, for the caller to judge.
 *
 * Signals end it as they end any tool, and the group goes on.  The first process of a pid namespace is deaf to those
 * that it leaves to the kernel, so there it takes them itself.
 *
 * The answer's bytes are written as they are.  A newline goes behind them, because most answers are texts and most
 * readers are lines and terminals; $(covey call ...) takes it off again.  Who wants the bytes alone says --raw.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "cmd.h"
#include "deadline.h"
#include "input.h"
#include "nest.h"
#include "options.h"
#include "signals.h"
#include "waiting.h"

static const char usage[] =
        "usage: covey call [-r REGION] [-w SECONDS] [-t SECONDS] [-E CODE] [-0] GROUP [REQUEST]\n"
        "\n"
        "Ask whoever leads GROUP, such as a \"covey worker\", and print the answer and a newline.  REQUEST is read\n"
        "from standard input when left out: all of it, without the newline at its end.  What follows GROUP is no\n"
        "option; a \"--\" in front of REQUEST is left out.\n"
        "\n"
        "  -r, --region REGION             the region; else $COVEY_REGION, else one of your own\n"
        "      --foreign                   use a region also if another user owns it\n"
        "      --shared                    use a region also if others may write to it\n"
        "  -w, --wait SECONDS              while nobody leads GROUP, wait so long for one who does (fractions\n"
        "                                  allowed; \"inf\" is without a limit)\n"
        "  -t, --timeout SECONDS           wait at most so long for the answer, and for a leader, together\n"
        "  -E, --conflict-exit-code CODE   exit with CODE (0 to 255) when -t ends the wait; default 124\n"
        "  -0, --raw                       the bytes as they are: add no newline, and take none off\n"
        "  -h, --help                      this text\n"
        "\n"
        "An answer that is an error goes to standard error, and its code, if that is 1 to 123, is the exit status;\n"
        "else it is 1.  It is 1 too when nobody leads GROUP, when its leader died or ended before it answered,\n"
        "and when there is no such region; 125 when covey itself failed.\n";

enum { AGAIN = -1 }; /* in place of an exit status: there is nobody to ask, which may yet change */

/* Why there is nobody. */
enum absence { NO_REGION, NO_LEADER, LEADER_ENDED };

struct call {
	const char *region, *group;
	struct covey_options terms; /* on which the region is used */
	size_t group_size;
	const char *text; /* the REQUEST of the command line; NULL: standard input */
	void *input;
	struct covey_bytes request;
	int64_t wait, patience;       /* -w and -t, in nanoseconds */
	int64_t wait_until, deadline; /* the moments that follow from them */
	int busy;                     /* what to exit with when -t ends the wait */
	bool raw;
	enum absence absence;
	struct covey_lead leader; /* the last that was asked */
	covey *c;
};

static int failed(const struct call *call, int error)
{
	return complain(EXIT_COVEY, "region \"%s\": %s", call->region, region_reason(error));
}

static int nobody(const struct call *call)
{
	switch (call->absence) {
	case NO_REGION:
		return complain(EXIT_ABSENT, "there is no region \"%s\"", call->region);
	case NO_LEADER:
		return complain(EXIT_ABSENT, "nobody leads \"%s\"", call->group);
	default:
		return complain(EXIT_ABSENT, "the leader of \"%s\", %d, ended without an answer", call->group,
		        (int)call->leader.pid);
	}
}

static int again(struct call *call, enum absence absence)
{
	call->absence = absence;
	return AGAIN;
}

/* ------------------------------------------------------------------------------------------------------ the answer */

/* The outcome of a "covey run" is no answer, and not meant for people. */
static bool is_outcome_of_run(const struct covey_result *result)
{
	struct answer answer;

	if (!answer_open(result, &answer))
		return false;
	answer_close(&answer);
	return true;
}

static int print_answer(const struct call *call, const struct covey_result *result)
{
	if (is_outcome_of_run(result))
		return complain(
		        EXIT_ABSENT, "\"%s\" was led by a \"covey run\", which answers no requests", call->group);
	fwrite(result->data, 1, result->size, stdout);
	if (!call->raw)
		putchar('\n');
	return finish(0);
}

static int print_error(const struct call *call, const struct covey_result *result)
{
	const char *text = result->data;
	int status = result->code >= 1 && result->code <= 123 ? result->code : EXIT_ABSENT;

	if (result->size == 0 && result->code == COVEY_EFULL)
		return complain(status, "the region has no room for the answer of \"%s\"", call->group);
	if (result->size == 0)
		return complain(
		        status, "\"%s\" answered with error %d, without a text", call->group, (int)result->code);
	say_bytes(text, result->size, !call->raw && text[result->size - 1] != '\n');
	return status;
}

static int end_of_wait(struct call *call, int outcome, const struct covey_result *result)
{
	switch (outcome) {
	case COVEY_OK:
		return print_answer(call, result);
	case COVEY_ERROR:
		return print_error(call, result);
	case COVEY_TIMED_OUT:
		return call->busy;
	case COVEY_DIED:
		return complain(EXIT_ABSENT, "the leader of \"%s\", %d, died", call->group, (int)result->pid);
	case COVEY_GAVE_UP:
		return again(call, LEADER_ENDED);
	default:
		return failed(call, outcome);
	}
}

/* ----------------------------------------------------------------------------------------------------- the question */

/* A dead one's place may be taken soon; who does not wait is told that it died. */
static bool is_dead(const struct call *call)
{
	struct covey_info info;

	return covey_find(call->c, call->group, call->group_size, &info) == 0 && info.pid == 0;
}

static int ask(struct call *call)
{
	struct covey_result result;
	char digest[DIGEST_SIZE];
	struct nest nest = {.c = call->c,
	        .region = call->region,
	        .name = call->group,
	        .size = call->group_size,
	        .digest = digest,
	        .leader = &call->leader};
	int r, status;

	if (call->wait != 0 && is_dead(call))
		return again(call, NO_LEADER);
	r = covey_join(call->c, call->group, call->group_size, &call->leader);
	if (r == COVEY_ENOENT)
		return again(call, NO_LEADER);
	if (r < 0)
		return failed(call, r);
	nest_digest(digest, call->region, call->group, call->group_size);
	if (!nest_begin(&nest))
		return EXIT_COVEY;
	r = covey_await(call->c, &call->leader, call->request.data, call->request.size, call->deadline,
	        COVEY_NO_TAKEOVER, &result);
	nest_end(&nest);
	status = end_of_wait(call, r, &result);
	covey_release(call->c, &result);
	return status;
}

/* For somebody to ask.  Gives AGAIN: there may be one. */
static int await_leader(struct call *call)
{
	const struct wanted a = {.region = call->region,
	        .group = call->group,
	        .group_size = call->group_size,
	        .flags = call->terms.flags,
	        .not_generation = call->absence == LEADER_ENDED ? call->leader.generation : 0,
	        .deadline = call->wait_until < call->deadline ? call->wait_until : call->deadline};
	int error = waiting_for_leader(&a, &call->c);

	if (error == COVEY_ETIMEDOUT)
		return call->deadline < call->wait_until ? call->busy : nobody(call);
	return error == 0 ? AGAIN : failed(call, error);
}

static int attach_and_ask(struct call *call)
{
	int error = waiting_attach(&call->c, call->region, call->terms.flags), status;

	if (error < 0 && error != COVEY_ENOENT)
		return failed(call, error);
	status = error < 0 ? again(call, NO_REGION) : ask(call);
	while (status == AGAIN && call->wait != 0) {
		status = await_leader(call);
		if (status == AGAIN)
			status = ask(call);
	}
	if (status == AGAIN)
		status = nobody(call);
	if (call->c)
		covey_close(call->c);
	return status;
}

/* 0, or the exit status. */
static int read_request(struct call *call)
{
	const char *bytes;
	size_t size;
	int error;

	call->request = (struct covey_bytes){call->text, call->text ? strlen(call->text) : 0};
	if (call->text)
		return 0;
	error = input_all(STDIN_FILENO, &call->input, &size);
	if (error)
		return complain(EXIT_COVEY, "standard input: %s", strerror(error));
	bytes = call->input;
	if (!call->raw && size != 0 && bytes[size - 1] == '\n')
		size--;
	call->request = (struct covey_bytes){bytes, size};
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- options */

static int parse_option(struct call *call, int o, char **argv)
{
	int term = region_term(usage, "call", o, &call->terms);

	if (term != NO_TERM)
		return term;
	switch (o) {
	case 'r':
		call->region = optarg;
		return 0;
	case 'w':
		return option_seconds(usage, "call", "-w", optarg, &call->wait);
	case 't':
		return option_seconds(usage, "call", "-t", optarg, &call->patience);
	case 'E':
		return option_code(usage, "call", optarg, &call->busy);
	case '0':
		call->raw = true;
		return 0;
	case ':':
		return misuse(usage, "call: %s needs a value", argv[optind - 1]);
	default:
		return misuse(usage, "call: unknown option %s", argv[optind - 1]);
	}
}

/* GROUP, and perhaps REQUEST.  Behind GROUP options have ended, so that a REQUEST may begin with a dash; and whoever
 * ends them there once more means the same. */
static int parse_operands(struct call *call, int count, char **operands, bool ended)
{
	int status = operand_name(usage, "call", "GROUP", call->group = operands[0], &call->group_size);

	if (status != 0)
		return status;
	if (count > 1 && !ended && strcmp(operands[1], "--") == 0) {
		operands++;
		count--;
	}
	if (count > 2)
		return misuse(usage, "call: unexpected argument \"%s\"%s", operands[2],
		        operands[1][0] == '-' ? "; options come before GROUP" : "; quote a REQUEST of several words");
	call->text = count > 1 ? operands[1] : NULL;
	return 0;
}

/* Gives 0, or 1 with the exit status in *status. */
static int parse(struct call *call, int argc, char **argv, int *status)
{
	static const struct option options[] = {REGION_TERMS, {"region", required_argument, NULL, 'r'},
	        {"wait", required_argument, NULL, 'w'}, {"timeout", required_argument, NULL, 't'},
	        {"conflict-exit-code", required_argument, NULL, 'E'}, {"raw", no_argument, NULL, '0'},
	        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	*status = 0;
	opterr = 0;
	while (*status == 0 && (o = getopt_long(argc, argv, "+:r:w:t:E:0h", options, NULL)) != -1) {
		if (o == 'h')
			return *status = help(usage), 1;
		*status = parse_option(call, o, argv);
	}
	if (*status == 0)
		*status = parse_operands(call, argc - optind, argv + optind, strcmp(argv[optind - 1], "--") == 0);
	call->region = region_name(call->region);
	return *status != 0;
}

int cmd_call(int argc, char **argv)
{
	struct call call = {.patience = COVEY_FOREVER, .busy = EXIT_BUSY};
	int status;

	if (parse(&call, argc, argv, &status))
		return status;
	signals_obey_as_first();
	status = read_request(&call);
	call.wait_until = deadline_in(call.wait);
	call.deadline = deadline_in(call.patience);
	if (status == 0)
		status = attach_and_ask(&call);
	free(call.input);
	return status;
}
