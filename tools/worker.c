/*
 * worker.c - "covey worker": lead a group for as long as it is asked, with a command or a device
 *
 *      main thread      signals, the death of the command, the end of the worker
 *      worker's thread  the library's worker loop, and the command's two pipes (exchange.c)
 *      stopper          at the end: waits for the worker's thread, so that main need not
 *
 * The command is started before the group is led: one that cannot be executed never had callers.  Before that comes a
 * look whether another leads already, so that a second worker does not start a command in vain; if both come at the
 * same moment, the command's guard makes one wait for the other, and it is told by the library.
 *
 * Signals are read from a descriptor, all but those that the caller had ignored.
 *  - TERM, INT and HUP end the worker: the request that is being computed has a moment left (--grace), then its caller
 *    gets an error; the command's input is closed, it is told to end, and killed, a moment for each.  A device cannot be
 *    interrupted: after its moment the process ends under it.  The same signal again ends the process at once, as QUIT
 *    does; not HUP, which a terminal's end sends twice.
 *  - The command has a process group of its own, so that a terminal's Ctrl-C is for the worker alone.  What else comes to
 *    the worker is passed on to that group: USR1, USR2, WINCH, CONT, and a Ctrl-Z, with which the worker stops too.
 * The first process of a pid namespace is deaf to signals that it leaves to the kernel: here they are read, and what
 * the kernel would have done is done by an exit with 128+N.  It also reaps whatever lost its parent.
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
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "coprocess.h"
#include "deadline.h"
#include "guard.h"
#include "input.h"
#include "nest.h"
#include "options.h"

static const char usage[] =
        "usage: covey worker [-r REGION] [--timeout MS] [--grace MS] [--restart] [--answer-timeout MS] [--answer-nul]\n"
        "                    [--answer-marker TEXT [--ask-marker LINE]] GROUP -- COMMAND [ARG...]\n"
        "       covey worker [-r REGION] [--timeout MS] [--grace MS] [--static] [--throw] GROUP\n"
        "                    --device FILE.so:SYMBOL [--base FILE]\n"
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
        "      --grace MS            once told to end, finish the present request within so long; default 2000,\n"
        "                            0 is without a limit\n"
        "      --restart             start COMMAND again, for the next request, when it has ended\n"
        "      --answer-timeout MS   a COMMAND that gives no answer within that time is killed; default 0, never\n"
        "      --answer-nul          an answer ends with a NUL byte, and may have many lines\n"
        "      --answer-marker TEXT  an answer is all lines up to a line that is TEXT; there may be none\n"
        "      --ask-marker LINE     send LINE behind each request: with it, COMMAND is to write the marker.\n"
        "                            For bc: --answer-marker END --ask-marker 'print \"END\\n\"'\n"
        "      --device FILE.so:SYMBOL  compute with this struct covey_device of a shared object\n"
        "      --base FILE           the device's first state; else empty\n"
        "      --static              keep the first state and its GROUP, in place of going on with each result.\n"
        "                            The state of a COMMAND is its own, so for it this is always so\n"
        "      --throw               end when the device's compute fails\n"
        "  -h, --help                this text\n"
        "\n"
        "Whoever asks the same while it is being computed gets the same answer.  When COMMAND ends, or fails to\n"
        "answer, its callers get an error.  COMMAND ends with the worker: its input is closed, then it is told to\n"
        "end (TERM), then killed, with 2 s between.  Most programs hold back what they write to a pipe: \"stdbuf -oL\n"
        "COMMAND\", or an option of COMMAND's own, makes them write each line at once.\n"
        "\n"
        "A COMMAND that writes what nobody asked for, such as a second line, is out of step: it is killed, and "
        "whoever\n"
        "asks it gets an error, or with --restart the answer of a new one.  A COMMAND that does not write all of an\n"
        "answer before it reads the next request can be matched by --answer-marker alone.  One that has no answer\n"
        "to some requests, as bc has none to 1/0, keeps all callers waiting: --ask-marker gives them an empty one.\n"
        "\n"
        "TERM, INT or HUP end the worker, the same again (not HUP) at once; USR1, USR2, WINCH and CONT go to COMMAND.\n"
        "The exit status is 0 then, and after the idle time; 1 when COMMAND has ended or is out of step, when another\n"
        "leads GROUP, or took it, or a device did not finish within the grace; 127 when COMMAND was not found, 126 "
        "when\n"
        "it cannot be executed, 125 when covey itself failed.\n";

static const int64_t moment = 2 * (int64_t)1000000000;

struct worker {
	const char *region, *group;
	struct covey_options terms; /* on which the region is used, or made */
	size_t group_size;
	char digest[DIGEST_SIZE], guard[DIGEST_SIZE];
	struct covey_worker_options options;
	char *device_of; /* FILE.so:SYMBOL; NULL: a command */
	const char *base_of;
	void *base;
	size_t base_size;
	struct coprocess command;
	int64_t grace;
	covey *c;
	int signals; /* a signalfd */
	int told;    /* the signal that ends the worker; 0: none yet */
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
	struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signals_add_ending(&set);
	if (!w->device_of)
		signals_add_passing(&set);
	sigaction(SIGPIPE, &ignore, &w->command.child.signals.pipe);
	sigaction(SIGCHLD, &standard, &w->command.child.signals.child);
	sigprocmask(SIG_BLOCK, &set, &w->command.child.signals.mask);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* COMMAND is in another process group: it stops with us, and goes on with us.  Where nobody could make us go on, the
 * kernel does not stop us, and no CONT will come. */
static void stop_a_while(struct worker *w)
{
	sigset_t pending;

	coprocess_signal(&w->command, SIGTSTP);
	stop_by(SIGTSTP);
	sigpending(&pending);
	if (!sigismember(&pending, SIGCONT))
		coprocess_signal(&w->command, SIGCONT);
}

/* The first process of a pid namespace is given all whose parents ended. */
static void reap_orphans(pid_t but)
{
	siginfo_t dead = {.si_pid = 0};

	while (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid != 0 && dead.si_pid != but) {
		waitpid(dead.si_pid, NULL, 0);
		dead.si_pid = 0;
	}
}

static void take_signal(struct worker *w, int signal)
{
	switch (signal) {
	case SIGCHLD:
		if (!w->device_of)
			coprocess_look(&w->command);
		if (getpid() == 1)
			reap_orphans(w->command.child.supervisor);
		break;
	case SIGTSTP:
		stop_a_while(w);
		break;
	case SIGQUIT:
		_exit(end_by(signal));
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
		if (w->told == signal && signal != SIGHUP)
			_exit(end_by(signal));
		if (!w->told)
			w->told = signal;
		break;
	default:
		coprocess_signal(&w->command, signal);
	}
}

enum attended { READABLE, TOLD, PASSED };

/* Take signals until fd can be read, or the first signal wants the worker to end, or the deadline passes. */
static enum attended attend(struct worker *w, int fd, int64_t deadline)
{
	struct pollfd p[2] = {{.fd = w->signals, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int told = w->told;

	for (;;) {
		struct signalfd_siginfo taken;
		int n = await_events(p, 2, ms_until(deadline));

		while (n > 0 && read(w->signals, &taken, sizeof(taken)) == sizeof(taken))
			take_signal(w, (int)taken.ssi_signo);
		if (n > 0 && p[1].revents)
			return READABLE;
		if (w->told != told)
			return TOLD;
		if (n == 0)
			return PASSED;
	}
}

/* ------------------------------------------------------------------------------------------------------- at work */

/* A device's end is when the worker's thread is through: main is to hear of it.  One worker a process, so one of
 * these. */
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

struct stopper {
	struct covey_worker *worker;
	int done; /* an eventfd */
	int ended;
};

static void *stop_worker(void *argument)
{
	struct stopper *s = argument;

	s->ended = covey_stop_worker(s->worker);
	eventfd_write(s->done, 1);
	return NULL;
}

static _Noreturn void abandon(const struct worker *w)
{
	_exit(complain(EXIT_ABSENT, "\"%s\": the device did not finish its request within %lld ms", w->group,
	        (long long)(w->grace / 1000000)));
}

/* Signals are heard meanwhile.  Without a thread for it the wait has no limit. */
static int stop(struct worker *w, struct covey_worker *worker)
{
	struct stopper s = {.worker = worker, .done = eventfd(0, EFD_CLOEXEC)};
	int64_t by = w->told && w->device_of ? deadline_in(w->grace) : COVEY_FOREVER;
	enum attended attended;
	pthread_t thread;

	if (w->told && !w->device_of)
		coprocess_stop(&w->command, w->grace);
	if (s.done < 0 || pthread_create(&thread, NULL, stop_worker, &s) != 0)
		return covey_stop_worker(worker);
	do
		attended = attend(w, s.done, by);
	while (attended == TOLD);
	if (attended == PASSED)
		abandon(w);
	pthread_join(thread, NULL);
	close(s.done);
	return s.ended;
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
	attend(w, w->over, COVEY_FOREVER);
	return exit_status(w, stop(w, worker));
}

/* One that has lost the worker in the middle of a request does not read its input just now: it is told at once. */
static void end_command(struct worker *w)
{
	int ended = coprocess_close(&w->command);

	if (ended >= 0 && (w->command.cut || attend(w, ended, deadline_in(moment)) != READABLE)) {
		coprocess_signal(&w->command, SIGTERM);
		coprocess_signal(&w->command, SIGCONT);
		attend(w, ended, deadline_in(moment));
	}
	coprocess_end(&w->command);
}

static int lead_with_command(struct worker *w)
{
	int status;

	w->command.guard = w->guard;
	w->command.over = w->over;
	w->options.static_worker = 1;
	if (nest_enter_worker(w->digest) < 0)
		return complain(EXIT_COVEY, "cannot start \"%s\": %s", w->command.command[0], strerror(errno));
	status = coprocess_start(&w->command);
	if (status == 0)
		status = lead(w, coprocess_device(&w->command));
	end_command(w);
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
	guard_digest(w->guard, w->region, w->group, w->group_size);
	if (led_by_another(w))
		status = EXIT_ABSENT;
	else
		status = w->device_of ? lead_with_device(w) : lead_with_command(w);
	covey_close(w->c);
	return status;
}

/* ------------------------------------------------------------------------------------------------------- options */

enum {
	TIMEOUT = 256,
	GRACE,
	RESTART,
	ANSWER_TIMEOUT,
	ANSWER_NUL,
	ANSWER_MARKER,
	ASK_MARKER,
	DEVICE,
	BASE,
	STATIC,
	THROW
};

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
	case GRACE:
		return option_ms(usage, "worker", "--grace", optarg, &w->grace);
	case RESTART:
		w->command.restart = true;
		return 0;
	case ANSWER_TIMEOUT:
		return option_ms(usage, "worker", "--answer-timeout", optarg, &w->command.patience);
	case ANSWER_NUL:
		w->command.form.end = '\0';
		return 0;
	case ANSWER_MARKER:
		w->command.form.marker = optarg;
		return 0;
	case ASK_MARKER:
		w->command.form.ask_marker = optarg;
		return 0;
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
	        {"timeout", required_argument, NULL, TIMEOUT}, {"grace", required_argument, NULL, GRACE},
	        {"restart", no_argument, NULL, RESTART}, {"answer-timeout", required_argument, NULL, ANSWER_TIMEOUT},
	        {"answer-nul", no_argument, NULL, ANSWER_NUL},
	        {"answer-marker", required_argument, NULL, ANSWER_MARKER},
	        {"ask-marker", required_argument, NULL, ASK_MARKER}, {"device", required_argument, NULL, DEVICE},
	        {"base", required_argument, NULL, BASE}, {"static", no_argument, NULL, STATIC},
	        {"throw", no_argument, NULL, THROW}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	*status = 0;
	while (*status == 0 && (o = getopt_long(argc, argv, "+:r:h", options, NULL)) != -1) {
		if (o == 'h')
			return *status = help(usage), 1;
		*status = parse_option(w, o, argv);
	}
	return *status != 0;
}

static int check_form(const struct answer_form *form)
{
	if (form->marker && form->end == '\0')
		return misuse(usage, "worker: --answer-nul and --answer-marker exclude each other");
	if (form->ask_marker && !form->marker)
		return misuse(usage, "worker: --ask-marker needs --answer-marker, the line that COMMAND is to write");
	if (form->marker && strchr(form->marker, '\n'))
		return misuse(usage, "worker: --answer-marker takes one line, without a newline");
	return 0;
}

/* What does not go with the one form or the other. */
static int check(const struct worker *w)
{
	const char *symbol = w->device_of ? strrchr(w->device_of, ':') : NULL;

	if (!w->device_of && !w->command.command)
		return misuse(usage, "worker: \"-- COMMAND\" or --device must follow GROUP");
	if (w->device_of && w->command.command)
		return misuse(usage, "worker: --device and a COMMAND exclude each other");
	if (w->device_of && (w->command.restart || w->command.patience != COVEY_FOREVER || w->command.form.marker ||
	                            w->command.form.ask_marker || w->command.form.end == '\0'))
		return misuse(usage,
		        "worker: --restart, --answer-timeout, --answer-nul, --answer-marker and --ask-marker "
		        "are for a COMMAND");
	if (w->command.command && (w->base_of || w->options.error_strategy == COVEY_ERRORS_THROW))
		return misuse(usage, "worker: --base and --throw are for a --device");
	if (w->command.command && (!w->command.command[0] || !w->command.command[0][0]))
		return misuse(usage, "worker: COMMAND is missing after \"--\"");
	if (w->device_of && (!symbol || symbol == w->device_of || !symbol[1]))
		return misuse(usage, "worker: --device takes FILE.so:SYMBOL, not \"%s\"", w->device_of);
	return check_form(&w->command.form);
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
	struct worker w = {.command = {.patience = COVEY_FOREVER, .form.end = '\n'}, .grace = moment};
	int status;

	if (argc == 3 && strcmp(argv[1], "--brief") == 0 && strcmp(argv[2], "3") == 0)
		return worker_process();
	return parse(&w, argc, argv, &status) ? status : work(&w);
}
