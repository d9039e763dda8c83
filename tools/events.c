/*
 * events.c - "covey events": what living and dead participants did last
 *
 * Followed, a history is read anew once a period, and what the look before had not is printed.  Reading is all there
 * is to do: recording an event wakes nobody.  An event is known again by all that it is, except that the times of some
 * change as the history before them is lost (see history.c): of those there is one an execution.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "history.h"
#include "options.h"
#include "print.h"
#include "vigil.h"

static const char usage[] =
        "usage: covey events [-r REGION] [--json] [GROUP]\n"
        "       covey events -f [-n SECONDS] [-r REGION] [--json] [GROUP]\n"
        "\n"
        "Print what the participants of the region did last, oldest first, or what they did to GROUP: the\n"
        "time of day, or the day, the participant's pid and command, the event, the generation of the\n"
        "execution, the other process of the event, how long the execution or the wait took that it\n"
        "ended, its status if it was resolved (of covey run that of COMMAND), and the group.  A participant\n"
        "marked with a cross (+) has left or died.  Each has room for some 50 events.  A group that the\n"
        "region no longer knows is shown as the hash of its name, in brackets.\n"
        "\n" REGION_HELP "  -f, --follow          then print new events as they come, until SIGINT or SIGTERM\n"
        "  -n SECONDS            look for new ones so often, 0.1 to 60; 1 unless given\n"
        "      --json            as JSON, with --follow one object a line, see docs/json.md; \"name_hex\" has\n"
        "                        the group's very bytes\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region, or nothing is known of GROUP, 2 when the region is damaged.\n";

static void print_row(const struct history_entry *e)
{
	const struct covey_event_view *v = &e->view;
	char clock[16], peer[16] = "-", took[48] = "-", status[STATUS_ROOM];

	format_clock(realtime_of(v->time), clock, sizeof(clock));
	if (v->peer != 0)
		snprintf(peer, sizeof(peer), "%d", (int)v->peer);
	if (e->took >= 0)
		format_span(e->took, took, sizeof(took));
	printf("%-12s %7d%c ", clock, (int)v->pid, v->alive ? ' ' : '+');
	print_command(v->command);
	format_status(v, status);
	printf(" %-14s %10" PRIu64 " %7s %8s %6s  ", covey_event_name(v->kind), v->generation, peer, took, status);
	if (v->name)
		print_name(v->name, v->size);
	else
		printf("[%016" PRIx64 "]", v->hash);
	printf("\n");
}

static void print_object(const struct history_entry *e)
{
	const struct covey_event_view *v = &e->view;

	printf("{\"time\": %.3f, \"age\": %.6f, \"pid\": %d, \"alive\": %s, \"command\": ",
	        (double)realtime_of(v->time) / 1e9, age_seconds(v->time), (int)v->pid, v->alive ? "true" : "false");
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"event\": \"%s\", \"generation\": %" PRIu64 ", \"peer\": %d, \"hash\": \"%016" PRIx64 "\"",
	        covey_event_name(v->kind), v->generation, (int)v->peer, v->hash);
	if (v->name) {
		printf(", ");
		print_json_name(v->name, v->size);
	}
	if (e->took < 0)
		printf(", \"took\": null");
	else
		printf(", \"took\": %.6f", (double)e->took / 1e9);
	if (v->kind == COVEY_EVENT_RESOLVED)
		printf(", \"error\": %s, \"code\": %d}", v->error ? "true" : "false", (int)v->code);
	else
		printf(", \"error\": null, \"code\": null}");
}

static bool wanted(const struct inspection *in, const struct history_entry *e)
{
	return !in->group || history_is_of(&e->view, in->group, strlen(in->group));
}

static void print_titles(void)
{
	printf("%-12s %7s  %-15s %-14s %10s %7s %8s %6s  %s\n", "TIME", "PID", "COMMAND", "EVENT", "GENERATION", "PEER",
	        "TOOK", "STATUS", "GROUP");
}

/* ------------------------------------------------------------------------------------------------ once */

static void print_list(const struct inspection *in, const struct history *list)
{
	size_t shown = 0;

	if (in->json) {
		printf("{\"region\": ");
		print_json_text(in->region);
		printf(", \"events\": [");
	} else {
		print_titles();
	}
	for (size_t i = 0; i < list->size; i++) {
		if (!wanted(in, &list->entries[i]))
			continue;
		if (in->json) {
			printf("%s\n  ", shown++ ? "," : "");
			print_object(&list->entries[i]);
		} else {
			print_row(&list->entries[i]);
		}
	}
	if (in->json)
		printf("%s]}\n", shown ? "\n" : "");
}

static bool known(const struct inspection *in, const struct history *list)
{
	if (!in->group || covey_find(in->c, in->group, strlen(in->group), NULL) == 0)
		return true;
	for (size_t i = 0; i < list->size; i++)
		if (wanted(in, &list->entries[i]))
			return true;
	return false;
}

static int list_once(const struct inspection *in)
{
	struct history list;
	int error = history_take(in->c, &list), status = 0;

	if (error < 0)
		status = region_failed(in->region, error);
	else if (!known(in, &list))
		status = complain(EXIT_ABSENT, "nobody leads \"%s\", and no event of it is known", in->group);
	else
		print_list(in, &list);
	if (list.exhausted)
		status = complain(EXIT_ABSENT, "out of memory: the history is cut short");
	history_free(&list);
	return status == 0 ? finish(0) : status;
}

/* ------------------------------------------------------------------------------------------------ followed */

static int order(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* One an execution, of a participant: the generation tells it from others, and its time may be that of the clock's
 * tick. */
static bool once_an_execution(enum covey_event_kind kind)
{
	return kind == COVEY_EVENT_REGISTERED || kind == COVEY_EVENT_RESOLVED || kind == COVEY_EVENT_GAVE_UP;
}

static int by_identity(const void *a, const void *b)
{
	const struct covey_event_view *x = &((const struct history_entry *)a)->view,
	                              *y = &((const struct history_entry *)b)->view;
	int r = order((uint64_t)x->pid, (uint64_t)y->pid);

	if (r == 0)
		r = order((uint64_t)x->since, (uint64_t)y->since);
	if (r == 0)
		r = order(x->hash, y->hash);
	if (r == 0)
		r = order(x->generation, y->generation);
	if (r == 0)
		r = order((uint64_t)x->kind, (uint64_t)y->kind);
	return r || once_an_execution(x->kind) ? r : order((uint64_t)x->time, (uint64_t)y->time);
}

/* What the look before had not; that one is in the order of identity, and this one is then. */
static void print_new(const struct inspection *in, struct history *before, struct history *now)
{
	for (size_t i = 0; i < now->size; i++) {
		const struct history_entry *e = &now->entries[i];

		if (!wanted(in, e) ||
		        (before->size && bsearch(e, before->entries, before->size, sizeof(*e), by_identity)))
			continue;
		if (in->json)
			print_object(e);
		else
			print_row(e);
		if (in->json)
			printf("\n");
	}
	if (now->size)
		qsort(now->entries, now->size, sizeof(*now->entries), by_identity);
	history_free(before);
	*before = *now;
}

static int follow(struct inspection *in)
{
	const int64_t least = 100000000, most = 60000000000;
	int64_t period = in->period < least ? least : in->period > most ? most : in->period;
	struct history before = {.size = 0}, now;
	enum vigil_end end = VIGIL_TIME;
	struct vigil vigil;
	int error = 0, status = vigil_begin(&vigil, in, "events");

	if (status != 0)
		return status;
	if (!in->json)
		print_titles();
	while (error == 0 && end == VIGIL_TIME) {
		error = history_take(in->c, &now);
		if (error == 0 && now.exhausted)
			error = COVEY_ESYSTEM;
		print_new(in, &before, &now);
		if (fflush(stdout) != 0)
			break;
		end = error == 0 ? vigil_sleep(&vigil, (int)(period / 1000000)) : end;
	}
	history_free(&before);
	vigil_end(&vigil);
	return error == 0 ? finish(0) : region_failed(in->region, error);
}

int cmd_events(int argc, char **argv)
{
	struct inspection in;
	int status;

	if (inspect_begin(&in, argc, argv, usage, MAY_TAKE_GROUP | TAKES_PERIOD | TAKES_FOLLOW, &status))
		return status;
	if (in.paced && !in.follow)
		status = misuse(usage, "events: -n is for --follow");
	else
		status = in.follow ? follow(&in) : list_once(&in);
	covey_close(in.c);
	return status;
}
