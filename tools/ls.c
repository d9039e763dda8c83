/*
 * ls.c - "covey ls": the groups that are led now
 *
 * The region is mapped read-only and takes no slot, so looking disturbs nobody.  Each line is true of its group at one
 * instant; the list as a whole is not, because nothing stops for it.  The views are copied first, so that printing to a
 * slow terminal does not stretch the walk, and come out oldest first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "groups.h"
#include "options.h"
#include "print.h"

static const char usage[] =
        "usage: covey ls [-r REGION] [--json]\n"
        "\n"
        "List the groups that are led now, oldest first: the group, its leader's pid and command, the\n"
        "generation of this execution, its age, and how many wait for it.  The command of a covey run or\n"
        "covey worker is the one that it was given.  A leader that is dead, and that nobody took over from\n"
        "yet, is marked with a cross (+).\n"
        "\n" REGION_HELP "      --json            as JSON, see docs/json.md; \"name_hex\" has the group's very bytes\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region, 2 when it is damaged.\n";

enum { WIDEST = 48 };

static int by_age(const void *a, const void *b)
{
	const struct covey_group_view *x = a, *y = b;

	int r = (x->info.since > y->info.since) - (x->info.since < y->info.since);

	if (r == 0)
		r = memcmp(x->name, y->name, x->size < y->size ? x->size : y->size);
	return r ? r : (x->size > y->size) - (x->size < y->size);
}

static void print_row(const struct covey_group_view *v)
{
	int columns = print_name(v->name, v->size);

	printf("%*s ", columns < WIDEST ? WIDEST - columns : 0, "");
	if (v->leader_alive)
		printf("%7d  ", (int)v->info.pid);
	else
		printf("%7s+ ", "dead");
	print_command(v->command);
	printf(" %10" PRIu64 " ", v->info.generation);
	print_age(v->info.since, 8);
	printf(" %7" PRIu32 "\n", v->info.waiters);
}

static void print_table(const struct group_list *list)
{
	printf("%-*s %7s  %-15s %10s %8s %7s\n", WIDEST, "GROUP", "PID", "COMMAND", "GENERATION", "AGE", "WAITERS");
	for (size_t i = 0; i < list->size; i++)
		print_row(&list->views[i]);
}

static void print_object(const struct covey_group_view *v)
{
	printf("{");
	print_json_leader(v);
	printf(", \"waiters\": %" PRIu32 "}", v->info.waiters);
}

static void print_array(const char *region, const struct group_list *list)
{
	printf("{\"region\": ");
	print_json_text(region);
	printf(", \"groups\": [");
	for (size_t i = 0; i < list->size; i++) {
		printf("%s\n  ", i ? "," : "");
		print_object(&list->views[i]);
	}
	printf("%s]}\n", list->size ? "\n" : "");
}

int cmd_ls(int argc, char **argv)
{
	struct inspection in;
	struct group_list list;
	bool exhausted;
	int status, n;

	if (inspect_begin(&in, argc, argv, usage, 0, &status))
		return status;
	n = groups_take(in.c, &list);
	covey_close(in.c);
	if (list.size)
		qsort(list.views, list.size, sizeof(*list.views), by_age);
	if (in.json)
		print_array(in.region, &list);
	else
		print_table(&list);
	exhausted = list.exhausted;
	groups_free(&list);
	if (n < 0)
		return region_failed(in.region, n);
	return exhausted ? complain(EXIT_ABSENT, "out of memory: the list is cut short") : finish(0);
}
