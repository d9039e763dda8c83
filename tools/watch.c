/*
 * watch.c - "covey watch": each change of a group as a line
 *
 * The monitor's thread prints; this one waits for the signal that ends it.  Both are blocked in all threads, so that a
 * line is never cut short by them.  Output that nobody takes any more ends the command too.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "options.h"
#include "print.h"
#include "removal.h"

static const char usage[] =
        "usage: covey watch [-r REGION] [-n SECONDS] [--json] [GROUP]\n"
        "\n"
        "Print each change of GROUP, or of any group, as a line: the time, what happened, the leader's pid,\n"
        "the generation of its execution, how many wait, how many of their requests the leader was not\n"
        "given yet, and the group.  What is there comes first.  Sleeps until something changes.\n"
        "\n" REGION_HELP
        "  -n SECONDS            print at most every so often, 1 unless given, 0 for at once; what comes\n"
        "                        and goes between is not shown\n"
        "      --json            one JSON object a line, with what was and what is; see docs/json.md\n"
        "  -h, --help            this text\n"
        "\n"
        "When the region's name is removed, a line on standard error says so.\n"
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

/* Until a signal ends it. */
static void wait_for_end(struct inspection *in, const sigset_t *ends)
{
	struct removal removal;
	struct pollfd p[2] = {{.fd = signalfd(-1, ends, SFD_CLOEXEC), .events = POLLIN}, {.events = POLLIN}};

	removal_begin(&removal, in->c, in->region);
	do {
		p[0].revents = p[1].revents = 0;
		p[1].fd = removal.events;
		if (poll(p, 2, removal_patience(&removal)) >= 0 && removal_seen(&removal, p[1].revents))
			complain(0, "watch: this region's name was removed (\"%s\"); what goes on in it is still shown",
			        in->region);
	} while (p[0].fd >= 0 && p[0].revents == 0);
	removal_end(&removal);
	if (p[0].fd >= 0)
		close(p[0].fd);
}

static int watch(struct inspection *in)
{
	const int64_t longest = COVEY_FOREVER / 2; /* which may yet be added to a time */
	struct covey_monitor *monitor;
	sigset_t ends;
	int error;

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
	wait_for_end(in, &ends);
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
