/*
 * show.c - "covey show": one group, its leader and who waits for it
 *
 * Leader and waiters are read one after the other, so a waiter may be listed that came after the count was taken; each
 * line by itself was true.  Waiters are printed as they are visited, in no order.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "options.h"
#include "print.h"

static const char usage[] =
        "usage: covey show [-r REGION] [--json] GROUP\n"
        "\n"
        "Show who leads GROUP since when, and who waits for it: since when, and with a request of how\n"
        "many bytes.\n"
        "\n" REGION_HELP "      --json            as JSON, see docs/json.md; \"name_hex\" has the group's very bytes\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when nobody leads GROUP, or there is no such region, 2 when the region is damaged.\n";

struct count {
	unsigned shown;
};

static int print_waiter(void *context, const struct covey_waiter_view *v)
{
	struct count *count = context;

	if (count->shown++ == 0)
		printf("%7s %7s  %-15s %8s %7s\n", "WAITER", "THREAD", "COMMAND", "WAITS", "REQUEST");
	printf("%7d %7d  ", (int)v->pid, (int)v->thread);
	print_command(v->command);
	printf(" ");
	print_age(v->since, 8);
	printf(" %7zu\n", v->request_size);
	return 0;
}

static int print_waiter_object(void *context, const struct covey_waiter_view *v)
{
	struct count *count = context;

	printf("%s\n  {\"pid\": %d, \"thread\": %d, \"command\": ", count->shown++ ? "," : "", (int)v->pid,
	        (int)v->thread);
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"waits\": %.3f, \"request_size\": %zu}", age_seconds(v->since), v->request_size);
	return 0;
}

static int show_text(const struct inspection *in, const struct covey_group_view *v)
{
	struct count count = {.shown = 0};

	printf("group       ");
	print_name(in->group, strlen(in->group));
	printf("\nleader      ");
	if (v->leader_alive)
		printf("%d\n", (int)v->info.pid);
	else
		printf("dead, not taken over yet\n");
	printf("thread      %d\ncommand     ", (int)v->thread);
	print_name(v->command, strnlen(v->command, sizeof(v->command)));
	printf("\nsince       ");
	print_age(v->info.since, 0);
	printf("\ngeneration  %" PRIu64 "\nwaiters     %" PRIu32 "\n", v->info.generation, v->info.waiters);
	return covey_each_waiter(in->c, in->group, strlen(in->group), print_waiter, &count);
}

static int show_json(const struct inspection *in, const struct covey_group_view *v)
{
	struct count count = {.shown = 0};
	int n;

	printf("{\"region\": ");
	print_json_text(in->region);
	printf(", ");
	print_json_leader(v);
	printf(", \"waiters\": [");
	n = covey_each_waiter(in->c, in->group, strlen(in->group), print_waiter_object, &count);
	printf("%s]}\n", count.shown ? "\n" : "");
	return n;
}

static int show(const struct inspection *in)
{
	struct covey_group_view view;
	int error = covey_group_view_of(in->c, in->group, strlen(in->group), &view);

	if (error == COVEY_ENOENT)
		return complain(EXIT_ABSENT, "nobody leads \"%s\"", in->group);
	if (error == 0)
		error = in->json ? show_json(in, &view) : show_text(in, &view);
	if (error < 0 && error != COVEY_ENOENT) /* it may have ended between the two looks */
		return region_failed(in->region, error);
	return finish(0);
}

int cmd_show(int argc, char **argv)
{
	struct inspection in;
	int status;

	if (inspect_begin(&in, argc, argv, usage, TAKES_GROUP, &status))
		return status;
	status = show(&in);
	covey_close(in.c);
	return status;
}
