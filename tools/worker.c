/*
 * worker.c - "covey worker": lead a group for as long as it is asked, with a command or a device
 *
 *      main thread     signals, the death of the command, the end of the worker
 *      worker's thread the library's worker loop, and the command's two pipes (coprocess.c)
 *
 * The command is started before the group is led: one that cannot be executed never had callers.  Before that comes a
 * look whether another leads already, so that a second worker does not start a command in vain; if both come at the
 * same moment, the command's guard makes one wait for the other, and it is told by the library.
 *
 * A signal ends the worker as covey_stop_worker() does: after the request that is being computed.  The same signal again
 * ends this process at once.  Signals that the caller had ignored stay so.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "coprocess.h"
#include "input.h"
#include "nest.h"
#include "options.h"

static const char usage[] =
        "usage: covey worker [-r REGION] [--timeout MS] [--restart] [--answer-timeout MS] GROUP -- COMMAND [ARG...]\n"
        "       covey worker [-r REGION] [--timeout MS] [--static] [--throw] GROUP --device FILE.so:SYMBOL\n"
        "                    [--base FILE]\n"
        "\n"
        "Lead GROUP and answer what \"covey call GROUP\" asks.  COMMAND is started once; it reads one request a line\n"
        "and writes one answer a line.  A request that holds a newline or a NUL byte is answered with an error.\n"
        "\n"
        "  -r, --region REGION       the region; else $COVEY_REGION, else one of your own\n"
        "      --foreign             use a region also if another user owns it\n"
        "      --shared              use a region also if others may write to it\n"
        "      --mode OCTAL          permissions of a new region; default 600.  660 shares it, as --shared\n"
        "      --heap SIZE           memory to which a new region may grow; default 4G\n"
        "      --timeout MS          end when nobody asked for so long; default 10000, 0 is never\n"
        "      --restart             start COMMAND again, for the next request, when it has ended\n"
        "      --answer-timeout MS   a COMMAND that gives no answer within that time is killed; default 0, never\n"
        "      --device FILE.so:SYMBOL  compute with this struct covey_device of a shared object\n"
        "      --base FILE           the device's first state; else empty\n"
        "      --static              keep the first state and its GROUP, in place of going on with each result.\n"
        "                            The state of a COMMAND is its own, so for it this is always so\n"
        "      --throw               end when the device's compute fails\n"
        "  -h, --help                this text\n"
        "\n"
        "Whoever asks the same while it is being computed gets the same answer.  When COMMAND ends, or fails to\n"
        "answer, its callers get an error.  COMMAND ends with the worker: its input is closed, later it is killed.\n"
        "Most programs hold back what they write to a pipe: \"stdbuf -oL COMMAND\", or an option of COMMAND's\n"
        "own, makes them write each line at once.\n"
        "\n"
        "TERM, INT or HUP end the worker after the request that is being computed.  The exit status is 0 then, and\n"
        "after the idle time; 1 when COMMAND has ended, when another leads GROUP, or took it; 127 when COMMAND was\n"
        "not found, 126 when it cannot be executed, 125 when covey itself failed.\n";

static const int ending[] = {SIGTERM, SIGINT, SIGHUP};
enum { ENDING = sizeof(ending) / sizeof(ending[0]) };

struct worker {
	const char *region, *group;
	struct covey_options terms; /* on which the region is used, or made */
	size_t group_size;
	char digest[DIGEST_SIZE];
	struct covey_worker_options options;
	char *device_of; /* FILE.so:SYMBOL; NULL: a command */
	const char *base_of;
	void *base;
	size_t base_size;
	struct coprocess command;
	covey *c;
	int signals; /* a signalfd */
	int over;    /* an eventfd: the worker has ended, or is to */
};

static int failed(const struct worker *w, int error)
{
	return complain(EXIT_COVEY, "region \"%s\": %s", w->region, region_reason(error));
}

/* Somebody who is alive: then it has been said. */
static bool led_by_another(const struct worker *w)
{
	struct covey_info info;

	if (covey_find(w->c, w->group, w->group_size, &info) != 0 || info.pid == 0)
		return false;
	complain(0, "\"%s\" is led by %d", w->group, (int)info.pid);
	return true;
}

/* ------------------------------------------------------------------------------------------------------ signals */

/* Before there are other threads.  COMMAND gets back what is changed here. */
static void take_signals(struct worker *w)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL}, is;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (int i = 0; i < ENDING; i++)
		if (sigaction(ending[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
			sigaddset(&set, ending[i]);
	sigaction(SIGPIPE, &ignore, &w->command.child.signals.pipe);
	sigaction(SIGCHLD, &standard, &w->command.child.signals.child);
	sigprocmask(SIG_BLOCK, &set, &w->command.child.signals.mask);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* From here on this one ends us at once. */
static void let_through(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Until a signal wants the worker to end, or it is over. */
static void watch(struct worker *w)
{
	struct pollfd p[2] = {{.fd = w->signals, .events = POLLIN}, {.fd = w->over, .events = POLLIN}};
	struct signalfd_siginfo told;

	while (!p[1].revents) {
		await_events(p, 2, -1);
		while (read(w->signals, &told, sizeof(told)) == sizeof(told)) {
			if (told.ssi_signo != SIGCHLD) {
				let_through((int)told.ssi_signo);
				return;
			}
			if (!w->device_of)
				coprocess_look(&w->command);
		}
	}
}

/* ------------------------------------------------------------------------------------------------------- at work */

/* A device's end is when the worker's thread is through: main is to hear of it.  One worker a process, so one of these. */
static struct {
	void (*end)(void *self);
	int over;
} at_end;

static void tell_end(void *self)
{
	if (at_end.end)
		at_end.end(self);
	eventfd_write(at_end.over, 1);
}

static int exit_status(const struct worker *w, int ended)
{
	if (w->command.ended)
		return EXIT_ABSENT; /* that has been said */
	switch (ended) {
	case 0:
	case COVEY_ESTOPPED:
		return 0;
	case COVEY_EFENCED:
		return complain(EXIT_ABSENT, "\"%s\" was taken over: another leads it now", w->group);
	case COVEY_ERROR:
		return complain(EXIT_ABSENT, "\"%s\": the device failed to compute an answer", w->group);
	case COVEY_WAIT:
		return complain(EXIT_ABSENT, "the group of the new state is led by another");
	default:
		return failed(w, ended);
	}
}

static int lead(struct worker *w, struct covey_device device)
{
	struct covey_worker *worker;
	int r;

	at_end.end = device.end;
	at_end.over = w->over;
	device.end = tell_end;
	do {
		r = covey_start_worker(w->c, &device, w->group, w->group_size,
		        (struct covey_bytes){w->base, w->base_size}, &w->options, &worker);
		if (r == COVEY_WAIT && led_by_another(w))
			return EXIT_ABSENT;
	} while (r == COVEY_WAIT); /* whoever it was has ended meanwhile */
	if (r == COVEY_EDEVICE)
		return complain(EXIT_COVEY, "%s: the device did not begin", w->device_of);
	if (r != 0)
		return failed(w, r);
	watch(w);
	return exit_status(w, covey_stop_worker(worker));
}

static int lead_with_command(struct worker *w)
{
	int status;

	w->command.digest = w->digest;
	w->command.over = w->over;
	w->options.static_worker = 1;
	if (nest_enter_worker(w->digest) < 0)
		return complain(EXIT_COVEY, "cannot start \"%s\": %s", w->command.command[0], strerror(errno));
	status = coprocess_start(&w->command);
	if (status == 0)
		status = lead(w, coprocess_device(&w->command));
	coprocess_end(&w->command);
	return status;
}

/* ------------------------------------------------------------------------------------------------------- a device */

static int read_base(struct worker *w)
{
	int fd = open(w->base_of, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? errno : input_all(fd, &w->base, &w->base_size);

	if (fd >= 0)
		close(fd);
	return error == 0 ? 0 : complain(EXIT_COVEY, "%s: %s", w->base_of, strerror(error));
}

static const struct covey_device *cannot_load(const struct worker *w, const char *why)
{
	complain(0, "cannot load the device %s: %s", w->device_of, why ? why : "it is NULL");
	return NULL;
}

/* As a file, whatever the name: no search along the path of libraries.  NULL: it has complained. */
static const struct covey_device *load(const struct worker *w)
{
	char *colon = strrchr(w->device_of, ':'), *file;
	const struct covey_device *device;

	*colon = '\0';
	file = realpath(w->device_of, NULL);
	*colon = ':';
	if (!file)
		return cannot_load(w, strerror(errno));
	device = covey_load_device(file, colon + 1);
	free(file);
	if (!device)
		return cannot_load(w, dlerror());
	if (!device->compute && !device->worker)
		return cannot_load(w, "it has neither compute nor worker");
	return device;
}

static int lead_with_device(struct worker *w)
{
	const struct covey_device *device = load(w);
	int status = device ? 0 : EXIT_COVEY;

	if (status == 0 && w->base_of)
		status = read_base(w);
	if (status == 0)
		status = lead(w, *device);
	free(w->base);
	return status;
}

/* The program, or the device's symbol: what the region's inspectors show. */
static const char *shown_as(const struct worker *w)
{
	return w->device_of ? strrchr(w->device_of, ':') + 1 : w->command.command[0];
}

static int work(struct worker *w)
{
	int error, status;

	take_signals(w);
	w->over = w->signals < 0 ? -1 : eventfd(0, EFD_CLOEXEC);
	if (w->over < 0)
		return complain(EXIT_COVEY, "cannot be told of signals, or that it is over: %s", strerror(errno));
	error = attach_as(&w->c, w->region, &w->terms, shown_as(w));
	if (error < 0)
		return failed(w, error);
	nest_digest(w->digest, w->region, w->group, w->group_size);
	if (led_by_another(w))
		status = EXIT_ABSENT;
	else
		status = w->device_of ? lead_with_device(w) : lead_with_command(w);
	covey_close(w->c);
	return status;
}

/* ------------------------------------------------------------------------------------------------------- options */

enum { TIMEOUT = 256, RESTART, ANSWER_TIMEOUT, DEVICE, BASE, STATIC, THROW };

static int parse_option(struct worker *w, int o, char **argv)
{
	int term = region_term(usage, "worker", o, &w->terms);

	if (term != NO_TERM)
		return term;
	switch (o) {
	case 'r':
		w->region = optarg;
		return 0;
	case TIMEOUT:
		return option_ms(usage, "worker", "--timeout", optarg, &w->options.worker_timeout);
	case RESTART:
		w->command.restart = true;
		return 0;
	case ANSWER_TIMEOUT:
		return option_ms(usage, "worker", "--answer-timeout", optarg, &w->command.patience);
	case DEVICE:
		w->device_of = optarg;
		return 0;
	case BASE:
		w->base_of = optarg;
		return 0;
	case STATIC:
		w->options.static_worker = 1;
		return 0;
	case THROW:
		w->options.error_strategy = COVEY_ERRORS_THROW;
		return 0;
	case ':':
		return misuse(usage, "worker: %s needs a value", argv[optind - 1]);
	default:
		return misuse(usage, "worker: unknown option %s", argv[optind - 1]);
	}
}

/* The options up to the next operand.  Gives 0, or 1 with the exit status in *status. */
static int parse_options(struct worker *w, int argc, char **argv, int *status)
{
	static const struct option options[] = {NEW_REGION_TERMS, {"region", required_argument, NULL, 'r'},
	        {"timeout", required_argument, NULL, TIMEOUT}, {"restart", no_argument, NULL, RESTART},
	        {"answer-timeout", required_argument, NULL, ANSWER_TIMEOUT},
	        {"device", required_argument, NULL, DEVICE}, {"base", required_argument, NULL, BASE},
	        {"static", no_argument, NULL, STATIC}, {"throw", no_argument, NULL, THROW},
	        {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	*status = 0;
	while (*status == 0 && (o = getopt_long(argc, argv, "+:r:h", options, NULL)) != -1) {
		if (o == 'h')
			return *status = help(usage), 1;
		*status = parse_option(w, o, argv);
	}
	return *status != 0;
}

/* What does not go with the one form or the other. */
static int check(const struct worker *w)
{
	const char *symbol = w->device_of ? strrchr(w->device_of, ':') : NULL;

	if (!w->device_of && !w->command.command)
		return misuse(usage, "worker: \"-- COMMAND\" or --device must follow GROUP");
	if (w->device_of && w->command.command)
		return misuse(usage, "worker: --device and a COMMAND exclude each other");
	if (w->device_of && (w->command.restart || w->command.patience != COVEY_FOREVER))
		return misuse(usage, "worker: --restart and --answer-timeout are for a COMMAND");
	if (w->command.command && (w->base_of || w->options.error_strategy == COVEY_ERRORS_THROW))
		return misuse(usage, "worker: --base and --throw are for a --device");
	if (w->command.command && (!w->command.command[0] || !w->command.command[0][0]))
		return misuse(usage, "worker: COMMAND is missing after \"--\"");
	if (w->device_of && (!symbol || symbol == w->device_of || !symbol[1]))
		return misuse(usage, "worker: --device takes FILE.so:SYMBOL, not \"%s\"", w->device_of);
	return 0;
}

/* Options, GROUP, more options, then "--" and the command. */
static int parse(struct worker *w, int argc, char **argv, int *status)
{
	opterr = 0;
	if (parse_options(w, argc, argv, status))
		return 1;
	argc -= optind;
	argv += optind;
	w->group = argv[0];
	*status = operand_name(usage, "worker", "GROUP", w->group, &w->group_size);
	if (*status != 0)
		return 1;
	optind = 0; /* begin anew, as if GROUP were the program */
	if (parse_options(w, argc, argv, status))
		return 1;
	if (optind > 1 && strcmp(argv[optind - 1], "--") == 0)
		w->command.command = argv + optind;
	else if (optind < argc)
		*status = misuse(usage, "worker: unexpected argument \"%s\"; a COMMAND follows \"--\"", argv[optind]);
	if (*status == 0)
		*status = check(w);
	w->region = region_name(w->region);
	return *status != 0;
}

/* The process of covey_start_worker(): what it does is all the library's. */
static int worker_process(void)
{
	int ended = covey_worker_main(3, 4);

	return ended == 0 || ended == COVEY_ESTOPPED ? 0 : EXIT_ABSENT;
}

int cmd_worker(int argc, char **argv)
{
	struct worker w = {.command.patience = COVEY_FOREVER};
	int status;

	if (argc == 3 && strcmp(argv[1], "--brief") == 0 && strcmp(argv[2], "3") == 0)
		return worker_process();
	return parse(&w, argc, argv, &status) ? status : work(&w);
}
