/*
 * watch.c - "covey watch": each change of a group as a line
 *
 * The monitor's thread prints; this one waits for the signal that ends it.  Both are blocked in all threads, so that a
 * line is never cut short by them.  Output that nobody takes any more ends the command too.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "print.h"

static const char usage[] =
        "usage: covey watch [-r REGION] [-n SECONDS] [--json] [GROUP]\n"
        "\n"
        "Print each change of GROUP, or of any group, as a line: the time, what happened, the leader's pid,\n"
        "the generation of its execution, how many wait, how many of their requests the leader was not\n"
        "given yet, and the group.  What is there comes first.  Sleeps until something changes.\n"
        "\n"
        "  -r, --region REGION   the region; else $COVEY_REGION, else one of your own\n"
        "  -n SECONDS            print at most every so often, 1 unless given, 0 for at once; what comes\n"
        "                        and goes between is not shown\n"
        "      --json            one JSON object a line, with what was and what is; see docs/json.md\n"
        "  -h, --help            this text\n"
        "\n"
        "Runs until SIGINT or SIGTERM, and exits 0 then; 1 when there is no such region, 2 when it\n"
        "is damaged.\n";

static const char *const kinds[] = {
        [COVEY_APPEARED] = "appeared", [COVEY_CHANGED] = "changed", [COVEY_VANISHED] = "vanished"};

static void print_row(const struct timespec *now, const struct covey_change *change)
{
	const struct covey_standing *s = change->kind == COVEY_VANISHED ? &change->was : &change->is;
	char clock[16] = "", pid[16] = "dead";
	struct tm parts;

	if (localtime_r(&now->tv_sec, &parts) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
	if (s->pid != 0)
		snprintf(pid, sizeof(pid), "%d", (int)s->pid);
	printf("%s.%03ld  %-8s %7s %10" PRIu64 " %7" PRIu32 " %7" PRIu32 "  ", clock, now->tv_nsec / 1000000,
	        kinds[change->kind], pid, s->generation, s->waiters, s->queue);
	print_name(change->name, change->size);
	printf("\n");
}

static void print_standing(const char *field, const struct covey_standing *s)
{
	if (s->generation == 0)
		printf(", \"%s\": null", field);
	else
		printf(", \"%s\": {\"pid\": %d, \"generation\": %" PRIu64 ", \"waiters\": %" PRIu32
		       ", \"queue\": %" PRIu32 "}",
		        field, (int)s->pid, s->generation, s->waiters, s->queue);
}

static void print_object(const struct timespec *now, const struct covey_change *change)
{
	printf("{\"time\": %lld.%03ld, \"change\": \"%s\", ", (long long)now->tv_sec, now->tv_nsec / 1000000,
	        kinds[change->kind]);
	print_json_name(change->name, change->size);
	print_standing("was", &change->was);
	print_standing("is", &change->is);
	printf("}\n");
}

static void print_report(void *context, const struct covey_change *changes, size_t count)
{
	const struct inspection *in = context;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < count; i++)
		if (in->json)
			print_object(&now, &changes[i]);
		else
			print_row(&now, &changes[i]);
	if (fflush(stdout) != 0)
		kill(getpid(), SIGTERM);
}

static int watch(struct inspection *in)
{
	const int64_t longest = COVEY_FOREVER / 2; /* which may yet be added to a time */
	struct covey_monitor *monitor;
	sigset_t ends;
	int error, which;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (!in->json)
		printf("%-12s  %-8s %7s %10s %7s %7s  %s\n", "TIME", "CHANGE", "PID", "GENERATION", "WAITERS", "QUEUE",
		        "GROUP");
	error = covey_start_monitor(in->c, in->group, in->group != NULL ? strlen(in->group) : 0,
	        in->period == 0        ? 1
	        : in->period < longest ? in->period
	                               : longest,
	        print_report, in, &monitor);
	if (error != 0)
		return complain(EXIT_COVEY, "watch: %s", covey_strerror(error));
	sigwait(&ends, &which);
	covey_stop_monitor(monitor);
	return finish(0);
}

int cmd_watch(int argc, char **argv)
{
	struct inspection in;
	int status;

	if (inspect_begin(&in, argc, argv, usage, MAY_TAKE_GROUP | TAKES_PERIOD, &status))
		return status;
	status = watch(&in);
	covey_close(in.c);
	return status;
}
