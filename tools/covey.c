/*
 * covey.c - the command: which subcommand is meant, and what all of them share
 *
 * The table below is the only list of subcommands: dispatch, help and the guess at a mistyped name all read it. A
 * standard descriptor that the caller closed gets a placeholder first, so that no pipe or segment of covey's can land
 * on 0, 1 or 2 and be taken for COMMAND's output.  It behaves as a closed one does: reads and writes fail with EBADF,
 * so that a command with nowhere to print says so.  Only what goes to standard error is dropped, for there is nobody
 * to tell.  The placeholders are close-on-exec: COMMAND finds closed what it would find closed without covey.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "options.h"

struct subcommand {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *summary;
};

static const struct subcommand subcommands[] = {
        {"run", cmd_run, "one caller runs a command, everyone who asks meanwhile gets its output and status"},
        {"worker", cmd_worker, "lead a group with a command, or a device, that answers request after request"},
        {"call", cmd_call, "ask whoever leads a group, and print the answer"},
        {"ls", cmd_ls, "list the groups that are led now"},
        {"show", cmd_show, "show one group: its leader and who waits for it"},
        {"watch", cmd_watch, "print each change of a group, or of all, as it comes"},
        {"top", cmd_top, "show the region on the terminal, look after look"},
        {"events", cmd_events, "print what living and dead participants did last"},
        {"stats", cmd_stats, "print the region's figures: who is attached, what it holds, what was done"},
        {"verify", cmd_verify, "check every invariant of the segment, and name what is broken"},
        {"reap", cmd_reap, "free now what dead participants still hold"},
        {"rm", cmd_rm, "remove a region's name; attached processes go on"},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]), NAME_LIMIT = 32 };

int await_events(struct pollfd *events, unsigned count, int ms)
{
	int n = poll(events, count, ms);

	if (n < 0 && errno != EINTR)
		_exit(complain(EXIT_COVEY, "poll: %s", strerror(errno)));
	return n;
}

int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return complain(EXIT_COVEY, "standard output: %s", strerror(errno));
}

int help(const char *usage)
{
	fputs(usage, stdout);
	return finish(0);
}

const char *region_name(const char *given)
{
	static char own[32];
	const char *name = given ? given : secure_getenv("COVEY_REGION");

	if (name && (given || name[0]))
		return name;
	snprintf(own, sizeof(own), "covey-%u", (unsigned)geteuid());
	return own;
}

int64_t monotonic_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---------------------------------------------------------------------------- the inspector's common options */

void (*inspect_restore)(void);

/* The region's file may be cut short by anybody who may write it: what was mapped is not there any more then. */
static void cut_short(int signal)
{
	static const char text[] = "covey: the region's file was cut short while it was read\n";
	ssize_t ignored;

	if (inspect_restore)
		inspect_restore(); /* it comes from a read of the region, so no other code of ours was under way */
	ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal;
	(void)ignored;
	_exit(EXIT_DAMAGED);
}

const char *region_reason(int error)
{
	if (error == COVEY_EPERM)
		return "it or its directory is another user's (--foreign allows that), or others may write to it "
		       "(--shared allows that): allow it, or use one of your own";
	if (error != COVEY_ESYSTEM)
		return covey_strerror(error);
	return errno != EOPNOTSUPP
	               ? strerror(errno)
	               : "its directory, or a filter of system calls, allows none of what a new region needs one of: "
	                 "linkat(2) of an open file, link(2), renameat2(2)";
}

int region_failed(const char *region, int error)
{
	if (error == COVEY_ENOENT)
		return complain(EXIT_ABSENT, "there is no region \"%s\"", region);
	return complain(error == COVEY_ECORRUPT || error == COVEY_EFOREIGN ? EXIT_DAMAGED : EXIT_ABSENT,
	        "region \"%s\": %s", region, region_reason(error));
}

int region_begin(
        const char **region, struct covey_options *terms, int argc, char **argv, const char *usage, int *status)
{
	static const struct option all[] = {REGION_TERMS, {"region", required_argument, NULL, 'r'},
	        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const struct option *own = all + 2; /* without the terms */
	int o;

	*region = NULL;
	*status = 0;
	opterr = 0;
	while ((o = getopt_long(argc, argv, ":r:h", terms ? all : own, NULL)) != -1) {
		if (o == 'r')
			*region = optarg;
		else if (terms && region_term(usage, argv[0], o, terms) == 0)
			continue;
		else if (o == 'h')
			*status = help(usage);
		else if (o == ':')
			*status = misuse(usage, "%s: %s needs a value", argv[0], argv[optind - 1]);
		else
			*status = misuse(usage, "%s: unknown option %s", argv[0], argv[optind - 1]);
		if (o != 'r')
			return 1;
	}
	if (optind < argc)
		*status = misuse(
		        usage, "%s: unexpected argument \"%s\"; the region is named by -r", argv[0], argv[optind]);
	*region = region_name(*region);
	return *status != 0;
}

int inspect_open(struct inspection *in)
{
	const struct covey_options options = {.flags = COVEY_INSPECT | COVEY_ATTACH_ONLY | in->terms.flags};

	return covey_open(&in->c, in->region, &options);
}

static int inspect_group(struct inspection *in, int argc, char **argv, const char *usage, unsigned takes)
{
	int most = (takes & (TAKES_GROUP | MAY_TAKE_GROUP)) != 0;

	if (argc - optind > most)
		return misuse(usage, "%s: unexpected argument \"%s\"%s", argv[0], argv[optind + most],
		        most == 0 ? "; the region is named by -r" : "");
	if (most == 0 || (optind == argc && (takes & MAY_TAKE_GROUP) != 0))
		return 0;
	if (optind == argc || argv[optind][0] == '\0')
		return misuse(usage, "%s: GROUP is missing", argv[0]);
	if (strlen(argv[optind]) > COVEY_NAME_MAX)
		return complain(EXIT_COVEY, "%s: GROUP is longer than %d bytes", argv[0], COVEY_NAME_MAX);
	in->group = argv[optind];
	return 0;
}

/* The options that not every command takes, and what takes them. */
static const struct {
	int letter;
	unsigned takes;
	const char *name;
} particular[] = {{'n', TAKES_PERIOD, "-n"}, {'p', TAKES_PROMETHEUS, "--prometheus"}, {'f', TAKES_FOLLOW, "--follow"},
        {'w', TAKES_WAIT, "--wait"}};

/* The name of an option that this command does not take; NULL: it does. */
static const char *refused(int o, unsigned takes)
{
	for (size_t i = 0; i < sizeof(particular) / sizeof(particular[0]); i++)
		if (particular[i].letter == o && (takes & particular[i].takes) == 0)
			return particular[i].name;
	return NULL;
}

/* True: that was the last one to look at, and *status is the exit status. */
static bool inspect_option(struct inspection *in, int o, char **argv, const char *usage, int *status)
{
	switch (o) {
	case 'r':
		in->region = optarg;
		return false;
	case 'j':
		in->json = true;
		return false;
	case 'p':
		in->prometheus = true;
		return false;
	case 'f':
		in->follow = true;
		return false;
	case 'w':
		in->wait = true;
		return false;
	case 'n':
		in->paced = true;
		*status = option_seconds(usage, argv[0], "-n", optarg, &in->period);
		return *status != 0;
	case 'h':
		*status = help(usage);
		return true;
	case ':':
		*status = misuse(usage, "%s: %s needs a value", argv[0], argv[optind - 1]);
		return true;
	default:
		*status = region_term(usage, argv[0], o, &in->terms);
		if (*status == NO_TERM)
			*status = misuse(usage, "%s: unknown option %s", argv[0], argv[optind - 1]);
		return *status != 0;
	}
}

static bool inspect_options(
        struct inspection *in, int argc, char **argv, const char *usage, unsigned takes, int *status)
{
	static const struct option options[] = {REGION_TERMS, {"region", required_argument, NULL, 'r'},
	        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'},
	        {"prometheus", no_argument, NULL, 'p'}, {"follow", no_argument, NULL, 'f'},
	        {"wait", no_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, ":r:n:hf", options, NULL)) != -1) {
		const char *name = refused(o, takes);

		if (name) {
			*status = misuse(usage, "%s: unknown option %s", argv[0], name);
			return true;
		}
		if (inspect_option(in, o, argv, usage, status))
			return true;
	}
	return false;
}

/* Of one set of options each command takes some. */
int inspect_begin(struct inspection *in, int argc, char **argv, const char *usage, unsigned takes, int *status)
{
	int error;

	*in = (struct inspection){.period = 1000000000};
	setvbuf(stdout, NULL, _IOFBF, 1 << 16); /* not line by line, also on a terminal */
	sigaction(SIGBUS, &(struct sigaction){.sa_handler = cut_short}, NULL);
	if (inspect_options(in, argc, argv, usage, takes, status))
		return 1;
	in->region = region_name(in->region);
	*status = inspect_group(in, argc, argv, usage, takes);
	if (*status != 0)
		return 1;
	error = inspect_open(in);
	if (error != 0 && (error != COVEY_ENOENT || !in->wait))
		*status = region_failed(in->region, error);
	return *status != 0;
}

/* ------------------------------------------------------------------------------------------------ dispatch */

static int overview(void)
{
	printf("usage: covey COMMAND [OPTION...]\n\n");
	for (int i = 0; i < SUBCOMMANDS; i++)
		printf("  %-6s %s\n", subcommands[i].name, subcommands[i].summary);
	printf("\nEvery command takes -r REGION (else $COVEY_REGION, else a region of your own).\n"
	       "\"covey COMMAND --help\" tells more, \"covey --version\" the version.\n\n"
	       "Commands that look at a region exit 1 when it is not there, or nobody leads the GROUP to show, 2 when\n"
	       "it is damaged, and 125 when they are misused or cannot write what they found.\n");
	return finish(0);
}

static int smallest(int a, int b, int c)
{
	int low = a < b ? a : b;

	return low < c ? low : c;
}

/* How many letters must be inserted, dropped or replaced to make one name of the other; two rows of Levenshtein's
 * table.  Names longer than the table are not compared: they are nobody's slip of the finger. */
static int distance(const char *a, const char *b)
{
	int row[NAME_LIMIT + 1], length = (int)strlen(b);

	if (strlen(a) > NAME_LIMIT || length > NAME_LIMIT)
		return NAME_LIMIT;
	for (int j = 0; j <= length; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= length; j++) {
			int above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

static const struct subcommand *nearest(const char *name)
{
	const struct subcommand *best = NULL;
	int least = 3;

	for (int i = 0; i < SUBCOMMANDS; i++) {
		int d = distance(name, subcommands[i].name);

		if (d < least && d < (int)strlen(subcommands[i].name)) {
			least = d;
			best = &subcommands[i];
		}
	}
	return best;
}

static const struct subcommand *lookup(const char *name)
{
	for (int i = 0; i < SUBCOMMANDS; i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const struct subcommand *guess = nearest(name);

	if (guess)
		return complain(EXIT_COVEY, "\"%s\" is not a covey command; did you mean \"%s\"?", name, guess->name);
	return complain(EXIT_COVEY, "\"%s\" is not a covey command; \"covey help\" lists them", name);
}

static int dispatch(int argc, char **argv)
{
	static char ask[] = "--help";
	const struct subcommand *chosen = lookup(argv[0]);

	if (chosen)
		return chosen->main(argc, argv);
	if (strcmp(argv[0], "--version") == 0) {
		puts("covey " COVEY_VERSION);
		return finish(0);
	}
	if (strcmp(argv[0], "help") != 0 && strcmp(argv[0], "--help") != 0 && strcmp(argv[0], "-h") != 0)
		return unknown(argv[0]);
	if (argc == 1)
		return overview();
	chosen = lookup(argv[1]);
	return chosen ? chosen->main(2, (char *[]){argv[1], ask, NULL}) : unknown(argv[1]);
}

/* A path can be neither read nor written, and "/" is there also where /dev is not. */
static int placeholder(int fd)
{
	int sink = fd == STDERR_FILENO ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

	return sink >= 0 ? sink : open("/", O_PATH | O_CLOEXEC);
}

static void standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && placeholder(fd) != fd)
			_exit(complain(EXIT_COVEY, "descriptor %d is closed, and nothing can stand in for it: %s", fd,
			        strerror(errno)));
}

int main(int argc, char **argv)
{
	standard_descriptors();
	if (argc < 2) {
		static const char brief[] = "usage: covey COMMAND [OPTION...]; \"covey help\" lists the commands";

		say_bytes(brief, strlen(brief), true);
		return EXIT_COVEY;
	}
	return dispatch(argc - 1, argv + 1);
}
