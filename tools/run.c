/*
 * run.c - "covey run": one caller runs the command, everyone who asks meanwhile gets its outcome
 *
 * The loop is the library's own: find or register, then lead or wait.  It comes round again when the leader gave up, or
 * when what it published is of no use here (answer.c); each round either ends or finds a newer execution.  A waiter
 * whose leader dies leads in its place.  A waiter takes no precautions: whatever signal ends it, the group goes on.
 *
 * A full region, a /dev/shm too small for one, or a region that another version of covey still uses, is no reason to fail:
 * the command then runs alone.  One that is another user's, no region or damaged is an error, because there the caller's
 * wish cannot be known.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "lead.h"
#include "options.h"

static const char usage[] =
        "usage: covey run [-r REGION] [-t SECONDS] [-n] [-E CODE] [-v] KEY -- COMMAND [ARG...]\n"
        "\n"
        "One caller runs COMMAND; everyone who asks for KEY meanwhile gets its standard output, its standard\n"
        "error and its exit status.  If that caller is killed its COMMAND is killed too, and one of those who\n"
        "wait runs it anew.\n"
        "\n"
        "  -r, --region REGION             the region; else $COVEY_REGION, else one of your own\n"
        "  -t, --timeout SECONDS           wait at most so long for another caller (fractions allowed)\n"
        "  -n, --no-wait                   do not wait for another caller\n"
        "  -E, --conflict-exit-code CODE   exit with CODE (0 to 255) when -t or -n ends the wait; default 124\n"
        "  -v, --verbose                   tell on a last line of standard error who ran it: led, joined PID,\n"
        "                                  took over PID, or alone; and before that, while COMMAND runs, that\n"
        "                                  the region's name was removed, so that nobody can join any more\n"
        "  -h, --help                      this text\n"
        "\n"
        "KEY is 1 to 4096 bytes.  The exit status is COMMAND's, 128+N when signal N ended it; 127 when COMMAND\n"
        "was not found, 126 when it cannot be executed, 125 when covey itself failed.\n";

enum { AGAIN = -1 };

/* ----------------------------------------------------------------------------------------------------- waiting */

static int timed_out(const struct run *run, pid_t leader)
{
	if (run->verbose)
		complain(0, "not waiting any longer for %d", (int)leader);
	return run->busy;
}

/* What one execution of "covey run" publishes can be of no use once.  Who does it twice is a worker, or another program. */
static int of_no_use(struct run *run, const struct covey_result *result)
{
	if (run->useless == result->generation)
		return complain(EXIT_COVEY, "\"%s\" is led by %d, and not for \"covey run\": see \"covey call\"",
		        run->key, (int)result->pid);
	run->useless = result->generation;
	return AGAIN;
}

/* Hand on what the leader published. */
static int accept_result(struct run *run, const struct covey_result *result)
{
	struct stream s[2];
	pid_t leader;
	int status = result->outcome == COVEY_OK ? answer_open(result, s, &leader) : -1;

	if (status < 0)
		return of_no_use(run, result);
	streams_deliver(s);
	status = told(s, status);
	stream_close(&s[0]);
	stream_close(&s[1]);
	if (run->verbose)
		complain(0, "joined %d", (int)leader);
	return status;
}

static int failed(const struct run *run, int error)
{
	const char *why = error == COVEY_ESYSTEM ? strerror(errno) : covey_strerror(error);

	return complain(EXIT_COVEY, "region \"%s\": %s", run->region, why);
}

static int alone(struct run *run, int error)
{
	if (run->verbose)
		complain(0, "region \"%s\": %s; running alone", run->region, covey_strerror(error));
	return lead_command(run, NULL);
}

/* The leader died, and of all who waited it fell to this caller. */
static int succeed(struct run *run, const struct covey_result *result)
{
	struct covey_lead lead = result->lead;

	lead.previous = result->pid;
	return lead_command(run, &lead);
}

static int end_of_wait(struct run *run, int outcome, const struct covey_result *result)
{
	switch (outcome) {
	case COVEY_OK:
	case COVEY_ERROR:
		return accept_result(run, result);
	case COVEY_DIED:
		return result->part == COVEY_TOOK_OVER ? succeed(run, result) : AGAIN;
	case COVEY_GAVE_UP:
		return AGAIN;
	case COVEY_TIMED_OUT:
		return timed_out(run, result->pid);
	case COVEY_CYCLE:
		return complain(EXIT_COVEY, "waiting for \"%s\" would close a circle of waits", run->key);
	case COVEY_EFULL:
		return alone(run, outcome);
	default:
		return failed(run, outcome);
	}
}

static int join(struct run *run, const struct covey_lead *leader)
{
	struct covey_result result;
	int outcome, status;

	if (run->no_wait)
		return timed_out(run, leader->pid);
	if (nest_inside(run->digest, leader))
		return complain(
		        EXIT_COVEY, "\"%s\" is being run by this very command: it would wait for itself", run->key);
	outcome = covey_await(run->c, leader, NULL, 0, run->deadline, 0, &result);
	if (outcome == COVEY_TIMED_OUT)
		result.pid = leader->pid;
	status = end_of_wait(run, outcome, &result);
	if (run->c)
		covey_release(run->c, &result);
	return status;
}

/* --------------------------------------------------------------------------------------------------- the loop */

static int take_part(struct run *run)
{
	int status = AGAIN;

	while (status == AGAIN) {
		struct covey_lead lead;
		int role = covey_find_or_register(run->c, run->key, run->key_size, &lead);

		if (role == COVEY_LEADER)
			status = lead_command(run, &lead);
		else if (role == COVEY_WAIT)
			status = join(run, &lead);
		else if (role == COVEY_EFULL)
			status = alone(run, role);
		else
			status = failed(run, role < 0 ? role : COVEY_ERECURSION);
	}
	return status;
}

static int run_command(struct run *run)
{
	int error = covey_open(&run->c, run->region, NULL), status;

	if (error == COVEY_EFULL || error == COVEY_ENOSPC || (error == COVEY_EFOREIGN && errno == EBUSY))
		return alone(run, error);
	if (error < 0)
		return failed(run, error);
	nest_digest(run->digest, run->region, run->key, run->key_size);
	status = take_part(run);
	covey_close(run->c);
	return status;
}

/* ---------------------------------------------------------------------------------------------------- options */

static int parse_key(struct run *run, int argc, char **argv)
{
	int status;

	run->key = argv[optind];
	status = operand_name(usage, "run", "KEY", run->key, &run->key_size);
	if (status != 0)
		return status;
	if (optind + 1 == argc || strcmp(argv[optind + 1], "--") != 0)
		return misuse(usage, "run: KEY is taken to be \"%s\"; \"-- COMMAND\" must follow it", run->key);
	if (optind + 2 == argc || argv[optind + 2][0] == '\0')
		return misuse(usage, "run: COMMAND is missing after \"--\"");
	run->command = argv + optind + 2;
	return 0;
}

/* Gives 0, or 1 with the exit status in *status. */
static int parse(struct run *run, int argc, char **argv, int *status)
{
	static const struct option options[] = {{"region", required_argument, NULL, 'r'},
	        {"timeout", required_argument, NULL, 't'}, {"no-wait", no_argument, NULL, 'n'},
	        {"nonblock", no_argument, NULL, 'n'}, {"conflict-exit-code", required_argument, NULL, 'E'},
	        {"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int64_t patience = COVEY_FOREVER;
	int o;

	*status = 0;
	opterr = 0;
	while (*status == 0 && (o = getopt_long(argc, argv, "+:r:t:nE:vh", options, NULL)) != -1) {
		if (o == 'r')
			run->region = optarg;
		else if (o == 't')
			*status = option_seconds(usage, "run", "-t", optarg, &patience);
		else if (o == 'n')
			run->no_wait = true;
		else if (o == 'E')
			*status = option_code(usage, "run", optarg, &run->busy);
		else if (o == 'v')
			run->verbose = true;
		else if (o == 'h')
			return *status = help(usage), 1;
		else if (o == ':')
			*status = misuse(usage, "run: %s needs a value", argv[optind - 1]);
		else
			*status = misuse(usage, "run: unknown option %s", argv[optind - 1]);
	}
	if (*status == 0)
		*status = parse_key(run, argc, argv);
	run->deadline = deadline_in(patience);
	run->region = region_name(run->region);
	return *status != 0;
}

int cmd_run(int argc, char **argv)
{
	struct run run = {.busy = EXIT_BUSY};
	int status;

	return parse(&run, argc, argv, &status) ? status : run_command(&run);
}
