/*
 * stats.c - "covey stats": the region's figures
 *
 * Two kinds: what it holds now and has room for, and what was done since it was created.  Each figure stands once in a
 * table here, or in shm/counters.def, and text, JSON and Prometheus are made of these.  The figures are read one after
 * the other while others work: each by itself was true.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "options.h"
#include "print.h"

static const char usage[] =
        "usage: covey stats [-r REGION] [--json | --prometheus]\n"
        "\n"
        "Print what the region holds and has room for, and what was done in it since its creation.\n"
        "\n" REGION_HELP "      --json            as JSON, with a list of the attached processes; see docs/json.md\n"
        "      --prometheus      in the text format that Prometheus reads\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region, 2 when it is damaged.\n";

struct gauge {
	const char *name, *text;
	uint64_t value, most; /* 0: there is no limit of its own */
};

enum { GAUGES = 7 };

static void gauges_of(const struct covey_usage *u, struct gauge out[GAUGES])
{
	const struct gauge gauges[GAUGES] = {
	        {"participants", "processes attached", u->participants, u->participants_max},
	        {"participants_dead", "of them, dead and not reaped yet", u->participants_dead, 0},
	        {"threads", "their threads that have led or waited", u->threads, u->threads_max},
	        {"groups_led", "groups led now", u->groups_led, u->groups_max},
	        {"groups_cached", "groups led before, whose names are kept", u->groups_cached, 0},
	        {"heap_blocks", "blocks of results, requests and long names", u->heap_blocks, 0},
	        {"heap_bytes", "bytes of them", u->heap_bytes, u->heap_max},
	};

	memcpy(out, gauges, sizeof(gauges));
}

static void print_text(covey *c, const struct gauge gauges[GAUGES])
{
	for (int i = 0; i < GAUGES; i++) {
		char most[32] = "";

		if (gauges[i].most)
			snprintf(most, sizeof(most), "of %" PRIu64, gauges[i].most);
		printf("%-17s %12" PRIu64 " %-14s  %s\n", gauges[i].name, gauges[i].value, most, gauges[i].text);
	}
	for (int i = 0; i < COVEY_COUNTERS; i++)
		printf("%-17s %12" PRIu64 " %-14s  %s\n", covey_counter_name(i), covey_counter(c, i), "",
		        covey_counter_text(i));
}

static int print_participant(void *context, const struct covey_participant_view *v)
{
	int *shown = context;

	printf("%s\n  {\"pid\": %d, \"alive\": %s, \"command\": ", (*shown)++ ? "," : "", (int)v->pid,
	        v->alive ? "true" : "false");
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"age\": %.3f, \"threads\": %" PRIu32 "}", age_seconds(v->since), v->threads);
	return 0;
}

static void print_object(const struct inspection *in, const struct gauge gauges[GAUGES])
{
	int shown = 0;

	printf("{\"region\": ");
	print_json_text(in->region);
	for (int i = 0; i < GAUGES; i++) {
		printf(",\n \"%s\": %" PRIu64, gauges[i].name, gauges[i].value);
		if (gauges[i].most)
			printf(", \"%s_max\": %" PRIu64, gauges[i].name, gauges[i].most);
	}
	printf(",\n \"counters\": {");
	for (int i = 0; i < COVEY_COUNTERS; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", covey_counter_name(i), covey_counter(in->c, i));
	printf("},\n \"processes\": [");
	covey_each_participant(in->c, print_participant, &shown);
	printf("%s]}\n", shown ? "\n " : "");
}

/* A label's value escapes backslash, quote and newline; a region's name may hold any byte but a slash. */
static void print_label(const char *region)
{
	printf("{region=\"");
	for (; *region; region++) {
		if (*region == '\n')
			printf("\\n");
		else if (*region == '"' || *region == '\\')
			printf("\\%c", *region);
		else
			putchar(*region);
	}
	printf("\"}");
}

static void print_metric(
        const char *region, const char *kind, const char *name, const char *end, const char *text, uint64_t value)
{
	printf("# HELP covey_%s%s %s.\n# TYPE covey_%s%s %s\ncovey_%s%s", name, end, text, name, end, kind, name, end);
	print_label(region);
	printf(" %" PRIu64 "\n", value);
}

static void print_prometheus(const struct inspection *in, const struct gauge gauges[GAUGES])
{
	for (int i = 0; i < GAUGES; i++) {
		print_metric(in->region, "gauge", gauges[i].name, "", gauges[i].text, gauges[i].value);
		if (gauges[i].most)
			print_metric(in->region, "gauge", gauges[i].name, "_max", "room for them", gauges[i].most);
	}
	for (int i = 0; i < COVEY_COUNTERS; i++)
		print_metric(in->region, "counter", covey_counter_name(i), "_total", covey_counter_text(i),
		        covey_counter(in->c, i));
}

static int stats(const struct inspection *in)
{
	struct covey_usage usage_now;
	struct gauge gauges[GAUGES];
	int error = covey_usage_of(in->c, &usage_now);

	if (error < 0)
		return complain(EXIT_DAMAGED, "region \"%s\": %s", in->region, covey_strerror(error));
	gauges_of(&usage_now, gauges);
	if (in->json)
		print_object(in, gauges);
	else if (in->prometheus)
		print_prometheus(in, gauges);
	else
		print_text(in->c, gauges);
	return finish(0);
}

int cmd_stats(int argc, char **argv)
{
	struct inspection in;
	int status;

	if (inspect_begin(&in, argc, argv, usage, TAKES_PROMETHEUS, &status))
		return status;
	if (in.json && in.prometheus)
		status = misuse(usage, "stats: --json or --prometheus, not both");
	else
		status = stats(&in);
	covey_close(in.c);
	return status;
}
