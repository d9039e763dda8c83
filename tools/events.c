/*
 * events.c - "covey events": what living and dead participants did last
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "history.h"
#include "options.h"
#include "print.h"

static const char usage[] =
        "usage: covey events [-r REGION] [--json] [GROUP]\n"
        "\n"
        "Print what the participants of the region did last, oldest first, or what they did to GROUP: how\n"
        "long ago, the participant's pid and command, the event, the generation of the execution, the\n"
        "other process of the event, and the group.  A participant marked with a cross (+) has left or\n"
        "died.  Each has room for some 50 events.  A group that the region no longer knows is shown as\n"
        "the hash of its name, in brackets.\n"
        "\n" REGION_HELP "      --json            as JSON, see docs/json.md; \"name_hex\" has the group's very bytes\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region, 2 when it is damaged.\n";

static void print_row(const struct covey_event_view *v)
{
	char peer[16] = "-";

	print_age(v->time, 8);
	if (v->peer != 0)
		snprintf(peer, sizeof(peer), "%d", (int)v->peer);
	printf(" %7d%c ", (int)v->pid, v->alive ? ' ' : '+');
	print_command(v->command);
	printf(" %-14s %10" PRIu64 " %7s  ", covey_event_name(v->kind), v->generation, peer);
	if (v->name)
		print_name(v->name, v->size);
	else
		printf("[%016" PRIx64 "]", v->hash);
	printf("\n");
}

static void print_object(const struct covey_event_view *v)
{
	printf("{\"age\": %.6f, \"pid\": %d, \"alive\": %s, \"command\": ", age_seconds(v->time), (int)v->pid,
	        v->alive ? "true" : "false");
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"event\": \"%s\", \"generation\": %" PRIu64 ", \"peer\": %d, \"hash\": \"%016" PRIx64 "\"",
	        covey_event_name(v->kind), v->generation, (int)v->peer, v->hash);
	if (v->name) {
		printf(", ");
		print_json_name(v->name, v->size);
	}
	printf("}");
}

static void print_list(const struct inspection *in, const struct history *list)
{
	size_t shown = 0;

	if (in->json) {
		printf("{\"region\": ");
		print_json_text(in->region);
		printf(", \"events\": [");
	} else {
		printf("%8s %7s  %-15s %-14s %10s %7s  %s\n", "AGE", "PID", "COMMAND", "EVENT", "GENERATION", "PEER",
		        "GROUP");
	}
	for (size_t i = 0; i < list->size; i++) {
		if (in->group && !history_is_of(&list->entries[i].view, in->group, strlen(in->group)))
			continue;
		if (in->json) {
			printf("%s\n  ", shown++ ? "," : "");
			print_object(&list->entries[i].view);
		} else {
			print_row(&list->entries[i].view);
		}
	}
	if (in->json)
		printf("%s]}\n", shown ? "\n" : "");
}

int cmd_events(int argc, char **argv)
{
	struct inspection in;
	struct history list;
	bool exhausted;
	int status, n;

	if (inspect_begin(&in, argc, argv, usage, MAY_TAKE_GROUP, &status))
		return status;
	n = history_take(in.c, &list);
	covey_close(in.c);
	print_list(&in, &list);
	exhausted = list.exhausted;
	history_free(&list);
	if (n < 0)
		return region_failed(in.region, n);
	return exhausted ? complain(EXIT_ABSENT, "out of memory: the history is cut short") : finish(0);
}
