/*
 * run.c - "covey run": one caller runs the command, everyone who asks meanwhile gets its outcome
 *
 * The loop is the library's own: find or register, then lead or wait.  It comes round again when the leader gave up, or
 * when what it published is of no use here (answer.c); each round either ends or finds a newer execution.  A waiter
 * whose leader dies leads in its place.  A waiter takes no precautions: whatever signal ends it, the group goes on.
 *
 * A region that cannot be used (full, another version's, another user's, damaged; no /dev/shm, no memory, descriptor or
 * process to be had) is no reason to fail: the command then runs alone, in this very process, and -v says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "attach.h"
#include "guard.h"
#include "lead.h"
#include "deadline.h"
#include "options.h"
#include "signals.h"

static const char usage[] =
        "usage: covey run [-r REGION] [-t SECONDS] [-n] [-E CODE] [-v] [--no-input] [--drain SECONDS]\n"
        "                 [--spool-limit SIZE] KEY -- COMMAND [ARG...]\n"
        "\n"
        "One caller runs COMMAND; everyone who asks for KEY meanwhile gets its standard output, its standard\n"
        "error and its exit status.  If that caller is killed its COMMAND is killed too, and one of those who\n"
        "wait runs it anew.\n"
        "\n"
        "  -r, --region REGION             the region; else $COVEY_REGION, else one of your own\n"
        "      --foreign                   use a region also if another user owns it\n"
        "      --shared                    use a region also if others may write to it\n"
        "      --mode OCTAL                permissions of a new region; default 600.  660 shares it, as --shared\n"
        "      --heap SIZE                 memory to which a new region may grow; default 4G\n"
        "  -t, --timeout SECONDS           wait at most so long for another caller (fractions allowed)\n"
        "  -n, --no-wait                   do not wait for another caller\n"
        "  -E, --conflict-exit-code CODE   exit with CODE (0 to 255) when -t or -n ends the wait; default 124\n"
        "      --no-input                  give COMMAND /dev/null as standard input\n"
        "      --drain SECONDS             when COMMAND has ended, wait at most so long for what it started to close\n"
        "                                  its outputs; default 5\n"
        "      --spool-limit SIZE          a COMMAND that writes more is ended, and all are told; default: no limit\n"
        "  -v, --verbose                   tell whom it waits for, that the region's name was removed, so that\n"
        "                                  nobody can join any more, and on a last line who ran it: led,\n"
        "                                  joined PID, took over PID, or alone (before COMMAND runs)\n"
        "  -h, --help                      this text\n"
        "\n"
        "COMMAND has covey's standard input; those who join have no part in it.  What COMMAND leaves running with\n"
        "its outputs open is waited for as in a pipeline, but not longer than --drain says.  A reader that closes\n"
        "our output ends COMMAND, as in a pipeline, unless others wait for it.  Signals reach COMMAND as if it had\n"
        "been started without covey; one that they end has no outcome: of those who wait one runs it anew.\n"
        "Where no region can be used, COMMAND runs alone, and -v says why.\n"
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

/* What one execution of "covey run" publishes can be of no use once.  Who does it twice is a worker, or another
 * program. */
static int of_no_use(struct run *run, const struct covey_result *result)
{
	if (run->useless == result->generation)
		return complain(EXIT_COVEY, "\"%s\" is led by %d, and not for \"covey run\": see \"covey call\"",
		        run->key, (int)result->pid);
	run->useless = result->generation;
	return AGAIN;
}

/* There is no output to hand on. */
static int lost(const struct run *run, const struct answer *answer)
{
	if (answer->lost < 0)
		return complain(EXIT_COVEY, "\"%s\", run by %d, wrote more than --spool-limit allows, and was ended",
		        run->key, (int)answer->leader);
	return complain(EXIT_COVEY, "what \"%s\", run by %d, wrote could not be kept: %s", run->key,
	        (int)answer->leader, strerror(answer->lost));
}

/* Hand on what the leader published. */
static int accept_result(struct run *run, const struct covey_result *result)
{
	struct answer answer;
	int status;

	if (result->outcome != COVEY_OK || !answer_open(result, &answer))
		return of_no_use(run, result);
	spools_deliver(&answer.spools);
	status = answer.lost ? lost(run, &answer) : told(&answer.spools, answer.status);
	answer_close(&answer);
	if (run->verbose)
		complain(0, "joined %d", (int)answer.leader);
	return status;
}

static int alone(struct run *run, int error)
{
	const char *why = region_reason(error);

	covey_close(run->c);
	run->c = NULL;
	if (run->verbose)
		complain(0, "region \"%s\": %s; running alone", run->region, why);
	return run_alone(run);
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
	default:
		return alone(run, outcome);
	}
}

static int join(struct run *run, const struct covey_lead *leader)
{
	struct nest nest = {.c = run->c,
	        .region = run->region,
	        .name = run->key,
	        .size = run->key_size,
	        .digest = run->digest,
	        .leader = leader};
	struct covey_result result;
	int outcome, status;

	if (run->no_wait)
		return timed_out(run, leader->pid);
	if (!nest_begin(&nest))
		return EXIT_COVEY;
	if (run->verbose)
		complain(0, "waiting for %d", (int)leader->pid);
	outcome = covey_await(run->c, leader, NULL, 0, run->deadline, 0, &result);
	nest_end(&nest);
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
		else
			status = alone(run, role);
	}
	return status;
}

/* The name of a region is the caller's to mend.  All else is no reason to fail: whoever waits for COMMAND, has it
 * run. */
static int run_command(struct run *run)
{
	int error = attach_as(&run->c, run->region, &run->terms, run->command[0]), status;

	if (error == COVEY_EINVAL)
		return complain(EXIT_COVEY, "region \"%s\": %s", run->region, covey_strerror(error));
	if (error < 0)
		return alone(run, error);
	nest_digest(run->digest, run->region, run->key, run->key_size);
	guard_digest(run->guard, run->region, run->key, run->key_size);
	signals_obey_as_first();
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

enum { NO_INPUT = 256, DRAIN, SPOOL_LIMIT };

/* Gives 0, or 1 with the exit status in *status. */
static int parse(struct run *run, int argc, char **argv, int *status)
{
	static const struct option options[] = {NEW_REGION_TERMS, {"region", required_argument, NULL, 'r'},
	        {"timeout", required_argument, NULL, 't'}, {"no-wait", no_argument, NULL, 'n'},
	        {"nonblock", no_argument, NULL, 'n'}, {"conflict-exit-code", required_argument, NULL, 'E'},
	        {"no-input", no_argument, NULL, NO_INPUT}, {"drain", required_argument, NULL, DRAIN},
	        {"spool-limit", required_argument, NULL, SPOOL_LIMIT}, {"verbose", no_argument, NULL, 'v'},
	        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int64_t patience = COVEY_FOREVER;
	int o, term;

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
		else if (o == NO_INPUT)
			run->no_input = true;
		else if (o == DRAIN)
			*status = option_seconds(usage, "run", "--drain", optarg, &run->drain);
		else if (o == SPOOL_LIMIT)
			*status = option_size(usage, "run", "--spool-limit", optarg, &run->spool_limit);
		else if (o == 'h')
			return *status = help(usage), 1;
		else if ((term = region_term(usage, "run", o, &run->terms)) != NO_TERM)
			*status = term;
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

static int without_input(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return complain(EXIT_COVEY, "/dev/null: %s", strerror(errno));
	close(null);
	return 0;
}

int cmd_run(int argc, char **argv)
{
	struct run run = {.busy = EXIT_BUSY, .drain = 5 * (int64_t)1000000000};
	int status;

	if (parse(&run, argc, argv, &status))
		return status;
	if (run.no_input)
		status = without_input();
	return status ? status : run_command(&run);
}
