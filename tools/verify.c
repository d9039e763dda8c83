/*
 * verify.c - "covey verify": is the segment whole?
 *
 * The checks are exact of a region at rest.  While others work, one may look between two of their steps, so what was
 * found is looked for again, and only what is found each time counts: a step takes microseconds, damage stays.  A step
 * that its process was stopped or killed in stays too, until its keeper, or that of a neighbour, has mended it; so the
 * looks lie further and further apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "options.h"
#include "print.h"

static const char usage[] =
        "usage: covey verify [-r REGION] [--json]\n"
        "\n"
        "Check every invariant of the region's segment, and name each that is broken.  Works on a live\n"
        "region, which it does not disturb, and on what is left of a dead one.\n"
        "\n" REGION_HELP "      --json            as JSON, see docs/json.md\n"
        "  -h, --help            this text\n"
        "\n"
        "What the dead hold, and nobody has freed yet, is named too: covey reap frees it.\n"
        "Exits 0 when the region is whole, 1 when there is none, 2 when it is damaged.\n";

enum { SHOWN = 100, LOOKS = 5, FIRST_PAUSE_NS = 1000000 };
_Static_assert((long)FIRST_PAUSE_NS << (2 * (LOOKS - 1)) < 1000000000, "nanoseconds of a second");

struct damages {
	char *what[SHOWN]; /* each is owned */
	size_t size;
	size_t more;
	bool exhausted;
};

static int keep(void *context, const char *what)
{
	struct damages *d = context;

	if (d->size == SHOWN) {
		d->more++;
		return 0;
	}
	d->what[d->size] = strdup(what);
	d->exhausted = d->what[d->size] == NULL;
	d->size += !d->exhausted;
	return d->exhausted;
}

static void clear(struct damages *d)
{
	for (size_t i = 0; i < d->size; i++)
		free(d->what[i]);
	*d = (struct damages){.size = 0};
}

static bool has(const struct damages *d, const char *what)
{
	for (size_t i = 0; i < d->size; i++)
		if (strcmp(d->what[i], what) == 0)
			return true;
	return false;
}

/* Only what both have. */
static void intersect(struct damages *d, const struct damages *again)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->size; i++) {
		if (has(again, d->what[i]))
			d->what[kept++] = d->what[i];
		else
			free(d->what[i]);
	}
	d->size = kept;
	d->more = again->more < d->more ? again->more : d->more;
}

static int look(covey *c, struct damages *out)
{
	int found = covey_each_damage(c, keep, out);

	for (int i = 1; i < LOOKS && found > 0 && (out->size != 0 || out->more != 0); i++) {
		const struct timespec pause = {0, (long)FIRST_PAUSE_NS << (2 * i)};
		struct damages again = {.size = 0};

		nanosleep(&pause, NULL); /* the others' steps have no end that could be awaited */
		found = covey_each_damage(c, keep, &again);
		intersect(out, &again);
		clear(&again);
	}
	return found < 0 ? found : 0;
}

static void print_text(const struct inspection *in, const struct damages *d)
{
	if (d->size == 0 && d->more == 0) {
		printf("region \"%s\" is whole\n", in->region);
		return;
	}
	for (size_t i = 0; i < d->size; i++)
		printf("%s\n", d->what[i]);
	if (d->more)
		printf("and %zu more\n", d->more);
}

static void print_object(const struct inspection *in, const struct damages *d)
{
	printf("{\"region\": ");
	print_json_text(in->region);
	printf(", \"whole\": %s, \"damages\": [", d->size == 0 && d->more == 0 ? "true" : "false");
	for (size_t i = 0; i < d->size; i++) {
		printf("%s\n  ", i ? "," : "");
		print_json_text(d->what[i]);
	}
	printf("%s], \"more\": %zu}\n", d->size ? "\n" : "", d->more);
}

int cmd_verify(int argc, char **argv)
{
	struct inspection in;
	struct damages damages = {.size = 0};
	int status, error;

	if (inspect_begin(&in, argc, argv, usage, 0, &status))
		return status;
	error = look(in.c, &damages);
	covey_close(in.c);
	if (error < 0 || damages.exhausted) {
		clear(&damages);
		return complain(EXIT_COVEY, "verify: out of memory");
	}
	if (in.json)
		print_object(&in, &damages);
	else
		print_text(&in, &damages);
	status = damages.size || damages.more ? EXIT_DAMAGED : 0;
	clear(&damages);
	return finish(status);
}
