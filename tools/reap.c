/*
 * reap.c - "covey reap": free now what the dead hold
 *
 * Keepers do this by themselves while any process is attached; when the last ones died together, nobody was left to.
 * This attaches as a participant for the moment, so it writes to the region.
 */
#include <stdio.h>

#include "options.h"

static const char usage[] = "usage: covey reap [-r REGION]\n"
                            "\n"
                            "Free what dead participants still hold: groups, results, places.  While any process is\n"
                            "attached, this happens by itself soon after each death.\n"
                            "\n" REGION_HELP "  -h, --help            this text\n"
                            "\n"
                            "Exits 1 when there is no such region, 2 when it is damaged.\n";

static int dead_in(const char *region, uint32_t flags, uint32_t *dead)
{
	const struct covey_options look = {.flags = COVEY_INSPECT | COVEY_ATTACH_ONLY | flags};
	struct covey_usage held;
	covey *c;
	int error = covey_open(&c, region, &look);

	if (error == 0)
		error = covey_usage_of(c, &held);
	if (error == 0)
		*dead = held.participants_dead;
	covey_close(c);
	return error;
}

static int reap(const char *region, uint32_t flags, uint32_t *before, uint32_t *after)
{
	const struct covey_options options = {.flags = COVEY_ATTACH_ONLY | flags};
	covey *c;
	int error = dead_in(region, flags, before);

	if (error == 0)
		error = covey_open(&c, region, &options); /* which may reap already, to find a place */
	if (error != 0)
		return error;
	error = covey_reap(c);
	covey_close(c);
	return error < 0 ? error : dead_in(region, flags, after);
}

int cmd_reap(int argc, char **argv)
{
	struct covey_options terms = {.flags = 0};
	const char *region;
	uint32_t before = 0, after = 0;
	int status, error;

	if (region_begin(&region, &terms, argc, argv, usage, &status))
		return status;
	error = reap(region, terms.flags, &before, &after);
	if (error < 0)
		return region_failed(region, error);
	printf("reaped %u of %u dead participants\n", before > after ? before - after : 0, before);
	return finish(0);
}
