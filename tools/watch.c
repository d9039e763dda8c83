/*
 * watch.c - "covey watch": each change of a group as a line
 *
 * The monitor's thread prints; this one waits for the signal that ends it.  Both are blocked in all threads, so that a
 * line is never cut short by them.  Output that nobody takes any more ends the command too.
 *
 * What comes and goes between two reports is not in them, but a group's generation tells how many executions that
 * were: it grows by one with each.  A group that has left the region's table begins above all that did: for it the
 * figure is the most that it can have been.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "options.h"
#include "print.h"
#include "vigil.h"

static const char usage[] =
        "usage: covey watch [-r REGION] [-n SECONDS] [--wait] [--json] [GROUP]\n"
        "\n"
        "Print each change of GROUP, or of any group, as a line: the time, what happened, the leader's pid,\n"
        "the generation of its execution, how many executions came and went since the line before that\n"
        "were not shown, how many wait, how many of their requests the leader was not given yet, and the\n"
        "group.  What is there comes first.  Sleeps until something changes.\n"
        "\n" REGION_HELP
        "  -n SECONDS            print at most every so often, 1 unless given, 0 for at once; what comes\n"
        "                        and goes between is counted, not shown\n"
        "      --wait            wait for a region that is not there yet, and, when its name was removed, for\n"
        "                        the next one of that name\n"
        "      --json            one JSON object a line, with what was and what is; see docs/json.md\n"
        "  -h, --help            this text\n"
        "\n"
        "When the region's name is removed, a line on standard error says so.\n"
        "Runs until SIGINT or SIGTERM, and exits 0 then; 1 when there is no such region, 2 when it\n"
        "is damaged.\n";

static const char *const kinds[] = {
        [COVEY_APPEARED] = "appeared", [COVEY_CHANGED] = "changed", [COVEY_VANISHED] = "vanished"};

/* ------------------------------------------------------------------------------------------------ what was missed */

/* The last generation of groups that have vanished, by a hash of their names; of those that meet here, the later
 * one's. */
enum { VANISHED = 1 << 16 };
static struct {
	uint64_t hash, generation;
} vanished[VANISHED];

/* FNV-1a: what is forgotten, or mistaken, by chance is a figure for people. */
static uint64_t hash_of(const unsigned char *name, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ name[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Executions of this group that began and ended between two reports. */
static uint64_t missed(const struct covey_change *change)
{
	uint64_t hash = hash_of(change->name, change->size), i = (hash ^ hash >> 32) % VANISHED;
	uint64_t last = change->was.generation;

	if (change->kind == COVEY_VANISHED) {
		vanished[i].hash = hash;
		vanished[i].generation = last;
		return 0;
	}
	if (change->kind == COVEY_APPEARED && vanished[i].hash == hash)
		last = vanished[i].generation;
	return last != 0 && change->is.generation > last + 1 ? change->is.generation - last - 1 : 0;
}

/* ------------------------------------------------------------------------------------------------ reports */

static void print_row(int64_t now, const struct covey_change *change)
{
	const struct covey_standing *s = change->kind == COVEY_VANISHED ? &change->was : &change->is;
	char clock[16], pid[16] = "dead";

	format_clock(now, clock, sizeof(clock));
	if (s->pid != 0)
		snprintf(pid, sizeof(pid), "%d", (int)s->pid);
	printf("%-12s  %-8s %7s %10" PRIu64 " %6" PRIu64 " %7" PRIu32 " %7" PRIu32 "  ", clock, kinds[change->kind],
	        pid, s->generation, missed(change), s->waiters, s->queue);
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

static void print_object(int64_t now, const struct covey_change *change)
{
	printf("{\"time\": %.3f, \"missed\": %" PRIu64 ", \"change\": \"%s\", ", (double)now / 1e9, missed(change),
	        kinds[change->kind]);
	print_json_name(change->name, change->size);
	print_standing("was", &change->was);
	print_standing("is", &change->is);
	printf("}\n");
}

static void print_report(void *context, const struct covey_change *changes, size_t count)
{
	const struct inspection *in = context;
	int64_t now = realtime_now();

	for (size_t i = 0; i < count; i++)
		if (in->json)
			print_object(now, &changes[i]);
		else
			print_row(now, &changes[i]);
	if (fflush(stdout) != 0)
		kill(getpid(), SIGTERM);
}

/* Until a signal ends it, or there is another region. */
static enum vigil_end watch_region(struct vigil *v)
{
	const int64_t longest = COVEY_FOREVER / 2; /* which may yet be added to a time */
	struct inspection *in = v->in;
	struct covey_monitor *monitor;
	enum vigil_end end;
	int error = covey_start_monitor(in->c, in->group, in->group != NULL ? strlen(in->group) : 0,
	        in->period == 0        ? 1
	        : in->period < longest ? in->period
	                               : longest,
	        print_report, in, &monitor);

	if (error != 0) {
		v->status = complain(EXIT_COVEY, "watch: %s", covey_strerror(error));
		return VIGIL_FAILED;
	}
	end = vigil_sleep(v, -1);
	covey_stop_monitor(monitor);
	return end;
}

static int watch(struct inspection *in)
{
	struct vigil vigil;
	enum vigil_end end;
	int status;

	if (!in->json)
		printf("%-12s  %-8s %7s %10s %6s %7s %7s  %s\n", "TIME", "CHANGE", "PID", "GENERATION", "MISSED",
		        "WAITERS", "QUEUE", "GROUP");
	status = vigil_begin(&vigil, in, "watch");
	if (status != 0)
		return status;
	do {
		end = in->c ? watch_region(&vigil) : vigil_sleep(&vigil, -1);
		if (end == VIGIL_REGION) {
			vigil_renew(&vigil);
			memset(vanished, 0, sizeof(vanished));
		}
	} while (end == VIGIL_REGION);
	vigil_end(&vigil);
	return end == VIGIL_FAILED ? vigil.status : finish(0);
}

int cmd_watch(int argc, char **argv)
{
	struct inspection in;
	int status;

	if (inspect_begin(&in, argc, argv, usage, MAY_TAKE_GROUP | TAKES_PERIOD | TAKES_WAIT, &status))
		return status;
	status = watch(&in);
	covey_close(in.c);
	return status;
}
