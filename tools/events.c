/*
 * events.c - "covey events": what living and dead participants did last, in one history
 *
 * Histories are merged by time.  An execution that nobody waited for is recorded by the clock's tick, so it may bear a
 * time some milliseconds before it happened, and seem to come before the one that it followed.  The generations tell:
 * what a leader of a group does comes after all that its predecessors did, and its time is raised to that.
 *
 * A group that has left the region's table is known by its hash only, unless another event of it has the name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "print.h"

static const char usage[] =
        "usage: covey events [-r REGION] [--json] [GROUP]\n"
        "\n"
        "Print what the participants of the region did last, oldest first, or what they did to GROUP: how\n"
        "long ago, the participant's pid and command, the event, the generation of the execution, the\n"
        "other process of the event, and the group.  A participant marked with a cross (+) has left or\n"
        "died.  Each has room for some 50 events.  A group that the region no longer knows is shown as\n"
        "the hash of its name, in brackets.\n"
        "\n"
        "  -r, --region REGION   the region; else $COVEY_REGION, else one of your own\n"
        "      --json            as JSON; \"name_hex\" has the group's bytes where \"group\" cannot\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region.\n";

enum { TICK_NS = 20000000 }; /* more than the coarsest tick */

struct entry {
	struct covey_event_view view; /* owns its name */
	size_t order;                 /* in which it was visited: a participant's own */
};

struct list {
	struct entry *entries;
	size_t size, room;
	bool exhausted;
};

static bool make_room(struct list *list)
{
	size_t room = list->room ? 2 * list->room : 256;
	struct entry *entries;

	if (list->size < list->room)
		return true;
	entries = realloc(list->entries, room * sizeof(*entries));
	if (!entries)
		return false;
	list->entries = entries;
	list->room = room;
	return true;
}

static int keep(void *context, const struct covey_event_view *view)
{
	struct list *list = context;
	void *name = NULL;

	list->exhausted = !make_room(list) || (view->size && !(name = malloc(view->size)));
	if (list->exhausted)
		return 1;
	if (name)
		memcpy(name, view->name, view->size);
	list->entries[list->size] = (struct entry){*view, list->size};
	list->entries[list->size++].view.name = name;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the order */

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

static int by_execution(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = compare(x->view.hash, y->view.hash);

	if (r == 0)
		r = compare(x->view.generation, y->view.generation);
	return r ? r : compare(x->order, y->order);
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = compare((uint64_t)x->view.time, (uint64_t)y->view.time);

	return r ? r : by_execution(a, b);
}

/* Waiters' events bear the generation that they began to wait for, and may come after the next. */
static bool by_leader(const struct covey_event_view *v)
{
	return v->kind == COVEY_EVENT_REGISTERED || v->kind == COVEY_EVENT_RESOLVED || v->kind == COVEY_EVENT_GAVE_UP ||
	       v->kind == COVEY_EVENT_TOOK_OVER || v->kind == COVEY_EVENT_FORWARDED || v->kind == COVEY_EVENT_ACCEPTED;
}

/* The events of one group, by generation: names and times that one has are those of the others. */
static void settle_group(struct entry *e, size_t n)
{
	const struct entry *named = NULL;
	int64_t latest = 0;

	for (size_t i = 0; i < n; i++)
		named = e[i].view.name ? &e[i] : named;
	for (size_t i = 0; i < n; i++) {
		struct covey_event_view *v = &e[i].view;
		void *name = !v->name && named ? malloc(named->view.size) : NULL;

		if (name) {
			v->name = memcpy(name, named->view.name, named->view.size);
			v->size = named->view.size;
		}
		if (!by_leader(v))
			continue;
		if (v->time < latest && latest - v->time < TICK_NS)
			v->time = latest;
		latest = v->time > latest ? v->time : latest;
	}
}

static void settle(struct list *list)
{
	if (list->size == 0)
		return;
	qsort(list->entries, list->size, sizeof(*list->entries), by_execution);
	for (size_t i = 0, end; i < list->size; i = end) {
		for (end = i + 1; end < list->size && list->entries[end].view.hash == list->entries[i].view.hash;
		        end++) {
		}
		settle_group(&list->entries[i], end - i);
	}
	qsort(list->entries, list->size, sizeof(*list->entries), by_time);
}

/* ------------------------------------------------------------------------------------------------ printing */

static void print_row(const struct covey_event_view *v)
{
	char peer[16] = "-";

	print_age(v->time, 8);
	if (v->peer != 0)
		snprintf(peer, sizeof(peer), "%d", (int)v->peer);
	printf(" %7d%c %-15.15s %-14s %10" PRIu64 " %7s  ", (int)v->pid, v->alive ? ' ' : '+', v->command,
	        covey_event_name(v->kind), v->generation, peer);
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

static bool wanted(const char *group, const struct covey_event_view *v)
{
	return !group || (v->name && v->size == strlen(group) && memcmp(v->name, group, v->size) == 0);
}

static void print_list(const struct inspection *in, const struct list *list)
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
		if (!wanted(in->group, &list->entries[i].view))
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

static void list_free(struct list *list)
{
	for (size_t i = 0; i < list->size; i++)
		free((void *)(uintptr_t)list->entries[i].view.name);
	free(list->entries);
}

int cmd_events(int argc, char **argv)
{
	struct inspection in;
	struct list list = {.size = 0};
	int status, n;

	if (inspect_begin(&in, argc, argv, usage, MAY_TAKE_GROUP, &status))
		return status;
	n = covey_each_event(in.c, keep, &list);
	covey_close(in.c);
	settle(&list);
	print_list(&in, &list);
	list_free(&list);
	if (n < 0)
		return complain(EXIT_ABSENT, "region \"%s\": %s", in.region, covey_strerror(n));
	return list.exhausted ? complain(EXIT_ABSENT, "out of memory: the history is cut short") : finish(0);
}
