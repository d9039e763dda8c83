/*
 * server.c - a pre-fork web server with one page that takes long to make, with covey and without
 *
 *      master    forks the workers, and another one for each that is killed; ends them all on SIGTERM
 *      workers   accept on one socket, each a connection at a time; GET /report?key=REGION
 *
 * A page is kept in a cache for some time.  When it is too old, and 16 workers are asked for it, with --plain all of them
 * make it anew.  With --covey one makes it, and the others sleep until it is there: covey_resolve() in covey_page() is all
 * the difference.
 *
 * Its log, on standard output, is one line for each worker's start and for each miss and computation.
 */
#include <covey.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "http.h"
#include "report.h"

enum { WORKERS_MAX = 256, KEY_MAX = 64, WAIT_MS = 60000, GOODBYE_S = 10 };

struct site {
	covey *covey;       /* NULL: --plain */
	const char *orders; /* the file that reports are made of */
	struct cache cache;
};

/* One line, in one piece. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n >= (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		return; /* a server goes on without a reader of its log */
}

/* ------------------------------------------------------------------------------------------------------- the page */

/* Gives 200 and the page, or the status and the text of an error. */
static int make_page(const struct site *site, const char *key, struct text *page)
{
	enum report made;

	say("%d computes %s", (int)getpid(), key);
	made = report_make(site->orders, key, page);
	if (made == REPORT_MADE) {
		if (cache_put(&site->cache, key, page) != 0)
			say("%d cannot keep %s: %s", (int)getpid(), key, strerror(errno));
		say("%d computed %s", (int)getpid(), key);
		return 200;
	}
	if (made == REPORT_FAILED)
		say("%d cannot make %s: %s", (int)getpid(), key, strerror(errno));
	page->data =
	        strdup(made == REPORT_FAILED ? "the report cannot be made\n" : "there are no orders of that key\n");
	page->size = page->data ? strlen(page->data) : 0;
	return made == REPORT_FAILED ? 500 : 404;
}

static int cached_page(const struct site *site, const char *key, struct text *page)
{
	int got = cache_get(&site->cache, key, page);

	if (got < 0)
		say("%d cannot read %s: %s", (int)getpid(), key, strerror(errno));
	return got > 0;
}

/* Runs in the one worker that leads.  It may have missed before its predecessor was done, so it looks again. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	const struct site *site = self;
	char key[KEY_MAX + 1];
	struct text page;
	int status = 200;

	(void)base;
	memcpy(key, request.data, request.size);
	key[request.size] = '\0';
	if (!cached_page(site, key, &page))
		status = make_page(site, key, &page);
	if (covey_answer_copy(answer, page.data, page.size) != 0)
		status = 500;
	free(page.data);
	covey_answer_code(answer, status);
	return status != 200;
}

/* The bytes are sent from where they lie in the region, and given back then. */
static void covey_page(struct site *site, int fd, const struct http_request *request, const char *key)
{
	const struct covey_device device = {.self = site, .compute = compute};
	const struct covey_resolve_options options = {.deadline = covey_in_ms(WAIT_MS)};
	const struct covey_bytes base = {"report", strlen("report")}, asked = {key, strlen(key)};
	struct covey_result result;
	int r = covey_resolve(site->covey, &device, base, asked, &options, &result);

	if (r == COVEY_OK || r == COVEY_ERROR)
		http_respond(fd, request, (int)result.code, result.data, result.size);
	else
		http_respond(fd, request, r == COVEY_TIMED_OUT ? 503 : 500, NULL, 0);
	if (r < 0)
		say("%d: %s", (int)getpid(), covey_strerror(r));
	covey_release(site->covey, &result);
}

static void plain_page(struct site *site, int fd, const struct http_request *request, const char *key)
{
	struct text page;
	int status = make_page(site, key, &page);

	http_respond(fd, request, status, page.data, page.size);
	free(page.data);
}

static void send_page(struct site *site, int fd, const struct http_request *request, const char *key)
{
	struct text page;

	if (cached_page(site, key, &page)) {
		http_respond(fd, request, 200, page.data, page.size);
		free(page.data);
		return;
	}
	say("%d misses %s", (int)getpid(), key);
	(site->covey ? covey_page : plain_page)(site, fd, request, key);
}

/* ------------------------------------------------------------------------------------------------------- a worker */

static volatile sig_atomic_t ending;

static void end(int signal)
{
	(void)signal;
	ending = 1;
}

/* The value of "key=": small letters, digits and '-'; NULL when there is none such. */
static const char *key_of(char *query)
{
	for (char *rest = query, *field; (field = strsep(&rest, "&"));) {
		if (strncmp(field, "key=", 4) == 0) {
			size_t size = strspn(field + 4, "abcdefghijklmnopqrstuvwxyz0123456789-");

			return size >= 1 && size <= KEY_MAX && field[4 + size] == '\0' ? field + 4 : NULL;
		}
	}
	return NULL;
}

static void answer_client(struct site *site, int fd)
{
	struct http_request request;
	int error = http_receive(fd, &request);
	const char *key = NULL;

	if (error == 0 && strcmp(request.path, "/report") != 0)
		error = 404;
	if (error == 0 && !(key = key_of(request.query)))
		error = 400;
	if (key)
		send_page(site, fd, &request, key);
	else if (error > 0)
		http_respond(fd, &request, error, NULL, 0);
}

/* What a connection that is not taken may end with; the rest is about us. */
static int of_the_client(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

/* Signals come while it sleeps in ppoll(2), and at no other time: what was begun is brought to its end. */
static int work(struct site *site, int listener)
{
	struct sigaction action = {.sa_handler = end};
	struct pollfd p = {.fd = listener, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	say("%d starts", (int)getpid());
	while (!ending) {
		int fd = ppoll(&p, 1, NULL, &none) > 0 ? accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
		                                       : -1;

		if (fd >= 0) {
			answer_client(site, fd);
			close(fd);
		} else if (!of_the_client(errno)) {
			say("%d cannot accept: %s", (int)getpid(), strerror(errno));
			return 1;
		}
	}
	covey_close(site->covey);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- the master */

struct crew {
	struct site *site;
	int listener, size;
	pid_t pid[WORKERS_MAX]; /* 0: has ended */
};

/* A worker ends with its master, whatever ends that one. */
static int start_worker(struct crew *crew, int i)
{
	pid_t master = getpid();

	crew->pid[i] = fork();
	if (crew->pid[i] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(getppid() == master ? work(crew->site, crew->listener) : 0);
	}
	if (crew->pid[i] > 0)
		return 0;
	crew->pid[i] = 0;
	perror("server: fork");
	return -1;
}

static int left(const struct crew *crew)
{
	int n = 0;

	for (int i = 0; i < crew->size; i++)
		n += crew->pid[i] != 0;
	return n;
}

/* Reaps who has ended, and replaces him if told to; but one that gave up would only do so again: -1. */
static int reap(struct crew *crew, int replace)
{
	int status, i, result = 0;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (i = 0; i < crew->size && crew->pid[i] != pid; i++) {
		}
		if (i == crew->size)
			continue;
		crew->pid[i] = 0;
		if (WIFSIGNALED(status))
			say("%d was killed by signal %d", (int)pid, WTERMSIG(status));
		if (replace && ((WIFEXITED(status) && WEXITSTATUS(status) != 0) || start_worker(crew, i) != 0))
			result = -1;
	}
	return result;
}

static void signal_all(const struct crew *crew, int signal)
{
	for (int i = 0; i < crew->size; i++)
		if (crew->pid[i] != 0)
			kill(crew->pid[i], signal);
}

/* Those who have not ended by themselves after a while are not waited for. */
static void end_all(struct crew *crew, const sigset_t *set)
{
	const struct timespec limit = {.tv_sec = GOODBYE_S};
	int signal;

	signal_all(crew, SIGTERM);
	while (reap(crew, 0), left(crew) != 0) {
		do
			signal = sigtimedwait(set, NULL, &limit);
		while (signal < 0 && errno == EINTR);
		if (signal < 0)
			signal_all(crew, SIGKILL);
	}
}

static int lead_crew(struct crew *crew, const sigset_t *set)
{
	int result = 0, signal = 0;

	for (int i = 0; i < crew->size && result == 0; i++)
		result = start_worker(crew, i);
	while (result == 0 && signal != SIGTERM && signal != SIGINT) {
		signal = sigwaitinfo(set, NULL);
		if (signal == SIGCHLD)
			result = reap(crew, 1);
	}
	end_all(crew, set);
	return result == 0 ? 0 : 1;
}

/* ------------------------------------------------------------------------------------------------------- the start */

static int failed(const char *what, const char *why)
{
	fprintf(stderr, "server: %s: %s\n", what, why);
	return -1;
}

static int listen_on(int port)
{
	struct sockaddr_in at = {
	        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return failed("socket", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1024) != 0 ||
	        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
		failed("cannot listen", strerror(errno));
		close(fd);
		return -1;
	}
	say("%d listens on %d", (int)getpid(), ntohs(at.sin_port));
	return fd;
}

/* Signals are blocked before the library starts a thread.  The workers inherit its handle, and attach at their first call. */
static int run(struct crew *crew, const char *region, int port)
{
	sigset_t set;
	int error, result;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	error = region ? covey_open(&crew->site->covey, region, NULL) : 0;
	if (error) {
		failed(region, error == COVEY_ESYSTEM ? strerror(errno) : covey_strerror(error));
		return 1;
	}
	crew->listener = listen_on(port);
	result = crew->listener < 0 ? 1 : lead_crew(crew, &set);
	covey_close(crew->site->covey);
	return result;
}

static int number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *text != '\0' && *out >= least && *out <= most;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"plain", no_argument, NULL, 'P'},
	        {"covey", required_argument, NULL, 'C'}, {"port", required_argument, NULL, 'p'},
	        {"workers", required_argument, NULL, 'w'}, {"seconds", required_argument, NULL, 's'},
	        {NULL, 0, NULL, 0}};
	struct site site = {.cache.seconds = 60};
	struct crew crew = {.site = &site};
	const char *region = NULL;
	long port = 0, workers = 16;
	int o, plain = 0, right = 1;

	while ((o = getopt_long(argc, argv, "", names, NULL)) != -1) {
		plain |= o == 'P';
		if (o == 'C')
			region = optarg;
		right &= o != '?' && (o != 'p' || number(optarg, 0, 65535, &port)) &&
		         (o != 'w' || number(optarg, 1, WORKERS_MAX, &workers)) &&
		         (o != 's' || number(optarg, 0, 1000000000, &site.cache.seconds));
	}
	if (!right || plain == (region != NULL) || argc - optind != 2) {
		fprintf(stderr,
		        "usage: server --plain | --covey REGION  [--port PORT] [--workers N] [--seconds LIFETIME] "
		        "ORDERS CACHE-DIRECTORY\n");
		return 2;
	}
	crew.size = (int)workers;
	site.orders = argv[optind];
	site.cache.directory = open(argv[optind + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (site.cache.directory < 0) {
		failed(argv[optind + 1], strerror(errno));
		return 1;
	}
	return run(&crew, region, (int)port);
}
