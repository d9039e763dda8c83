/*
 * rm.c - "covey rm": remove a region's name
 *
 * Only the name goes.  Who is attached goes on with the others who are; who comes next makes a new region.  So it is
 * safe at any time, but callers before and after do not find each other.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

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

static int remove_region(const char *region)
{
	int error = covey_unlink(region);

	if (error == 0)
		return 0;
	if (error == COVEY_ENOENT)
		return complain(EXIT_ABSENT, "there is no region \"%s\"", region);
	return complain(EXIT_ABSENT, "region \"%s\": %s", region,
	        error == COVEY_ESYSTEM ? strerror(errno) : covey_strerror(error));
}

int cmd_rm(int argc, char **argv)
{
	static const struct option options[] = {
	        {"region", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *region = NULL;
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		if (o == 'r')
			region = optarg;
		else if (o == 'h')
			return help(usage);
		else if (o == ':')
			return misuse(usage, "rm: %s needs a value", argv[optind - 1]);
		else
			return misuse(usage, "rm: unknown option %s", argv[optind - 1]);
	}
	if (optind < argc)
		return misuse(usage, "rm: unexpected argument \"%s\"; the region is named by -r", argv[optind]);
	return remove_region(region_name(region));
}
