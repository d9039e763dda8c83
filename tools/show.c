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
#include "print.h"

static const char usage[] =
        "usage: covey show [-r REGION] [--json] GROUP\n"
        "\n"
        "Show who leads GROUP since when, and who waits for it.\n"
        "\n"
        "  -r, --region REGION   the region; else $COVEY_REGION, else one of your own\n"
        "      --json            as JSON; \"name_hex\" has the group's bytes where \"group\" cannot\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when nobody leads GROUP, or there is no such region.\n";

struct count {
	unsigned shown;
};

static int print_waiter(void *context, const struct covey_waiter_view *v)
{
	struct count *count = context;

	if (count->shown++ == 0)
		printf("%7s  %-15s %8s %7s\n", "WAITER", "COMMAND", "WAITS", "REQUEST");
	printf("%7d  %-15.15s ", (int)v->pid, v->command);
	print_age(v->since, 8);
	printf(" %7zu\n", v->request_size);
	return 0;
}

static int print_waiter_object(void *context, const struct covey_waiter_view *v)
{
	struct count *count = context;

	printf("%s\n  {\"pid\": %d, \"command\": ", count->shown++ ? "," : "", (int)v->pid);
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"waits\": %.3f, \"request_size\": %zu}", age_seconds(v->since), v->request_size);
	return 0;
}

static int show_text(const struct inspection *in, const struct covey_info *info)
{
	struct count count = {.shown = 0};

	printf("group       ");
	print_name(in->group, strlen(in->group));
	if (info->pid)
		printf("\nleader      %d\nsince       ", (int)info->pid);
	else
		printf("\nleader      dead, not taken over yet\nsince       ");
	print_age(info->since, 0);
	printf("\ngeneration  %" PRIu64 "\nwaiters     %" PRIu32 "\n", info->generation, info->waiters);
	return covey_each_waiter(in->c, in->group, strlen(in->group), print_waiter, &count);
}

static int show_json(const struct inspection *in, const struct covey_info *info)
{
	struct count count = {.shown = 0};
	int n;

	printf("{");
	print_json_name(in->group, strlen(in->group));
	printf(", \"pid\": %d, \"generation\": %" PRIu64 ", \"age\": %.3f, \"waiters\": [", (int)info->pid,
	        info->generation, age_seconds(info->since));
	n = covey_each_waiter(in->c, in->group, strlen(in->group), print_waiter_object, &count);
	printf("%s]}\n", count.shown ? "\n" : "");
	return n;
}

static int show(const struct inspection *in)
{
	struct covey_info info;
	int error = covey_find(in->c, in->group, strlen(in->group), &info);

	if (error == COVEY_ENOENT)
		return complain(EXIT_ABSENT, "nobody leads \"%s\"", in->group);
	if (error == 0)
		error = in->json ? show_json(in, &info) : show_text(in, &info);
	if (error < 0 && error != COVEY_ENOENT) /* it may have ended between the two looks */
		return complain(EXIT_ABSENT, "region \"%s\": %s", in->region, covey_strerror(error));
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
