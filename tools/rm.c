/*
 * rm.c - "covey rm": remove a region's name
 *
 * Only the name goes.  Who is attached goes on with the others who are; who comes next makes a new region.  So it is
 * safe at any time, but callers before and after do not find each other.
 */
#include "cmd.h"

static const char usage[] =
        "usage: covey rm [-r REGION]\n"
        "\n"
        "Remove the region's name.  Attached processes go on; the memory goes with the last of them.\n"
        "\n"
        "  -r, --region REGION   the region; else $COVEY_REGION, else one of your own\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region.\n";

int cmd_rm(int argc, char **argv)
{
	const char *region;
	int status, error;

	if (region_begin(&region, NULL, argc, argv, usage, &status))
		return status;
	error = covey_unlink(region);
	return error == 0 ? 0 : region_failed(region, error);
}
