/*
 * load.c - holds many clients against the server, lets its hot page expire once, and tells what that cost
 *
 * It starts the server itself and reads its log, so that it knows each miss and each computation, and ends it.  Each
 * client sends one request a connection, at once another one when it has its answer, and every answer is compared with the
 * page as it has to be.  When half of the requests are answered the page's file is made old.
 *
 *  --hold  has all workers miss the page before one can have made it: a lock on the orders, which a computation waits for,
 *          is held until the log tells of so many misses.
 *  --kill  holds, and kills the worker that computes first; the lock is held until the log tells of the next one.
 *
 * Prints one line: requests, computations that the expiry caused, those of them that were finished, the latencies' median,
 * 99th percentile and maximum in milliseconds, requests without an answer, and answers with wrong bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum { CLIENTS_MAX = 1024, ANSWER_MAX = 1 << 16, PATIENCE_MS = 60000 };

struct client {
	int fd; /* -1: rests */
	int64_t since;
	size_t got;
	char answer[ANSWER_MAX];
};

struct load {
	const char *orders, *cached, *key; /* cached: the page's file */
	long clients, workers, requests;
	bool hold, kill;

	pid_t server, victim;
	int log, port, lock; /* lock: holds up the computations; -1: not held */
	char line[256];      /* of the log, what came of the last one */
	size_t line_size;
	struct text page;
	struct client *client;
	int64_t *latency;
	long begun, answered, errors, wrong; /* requests */
	long misses, computes, computed;     /* told by the log */
	bool expired;
};

static pid_t to_end; /* the server */

static void die(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	if (to_end > 0)
		kill(to_end, SIGTERM);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------------- the server */

static void start_server(struct load *l, char **command)
{
	int log[2];

	if (pipe2(log, O_CLOEXEC) != 0)
		die("pipe", strerror(errno));
	l->server = to_end = fork();
	if (l->server < 0)
		die("fork", strerror(errno));
	if (l->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(log[1], STDOUT_FILENO);
		execv(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(log[1]);
	l->log = log[0];
}

static void expire(struct load *l)
{
	const struct timespec old[2] = {{0}, {0}};

	l->expired = true;
	if (l->hold) {
		l->lock = open(l->orders, O_RDONLY | O_CLOEXEC);
		if (l->lock < 0 || flock(l->lock, LOCK_EX) != 0)
			die(l->orders, strerror(errno));
	}
	if (utimensat(AT_FDCWD, l->cached, old, 0) != 0)
		die(l->cached, strerror(errno));
}

/* The first miss and the first computation were there before the page expired. */
static void release(struct load *l, pid_t computing)
{
	if (l->lock < 0 || l->misses - 1 < l->workers || l->computes - 1 < (l->victim ? 2 : 1))
		return;
	if (l->kill && !l->victim) {
		l->victim = computing;
		kill(computing, SIGKILL);
		return;
	}
	close(l->lock);
	l->lock = -1;
}

static void log_line(struct load *l)
{
	static pid_t computing;
	char what[16] = "";
	int pid = 0, port = 0;

	l->line[l->line_size] = '\0';
	l->line_size = 0;
	if (sscanf(l->line, "%d listens on %d", &pid, &port) == 2)
		l->port = port;
	else if (sscanf(l->line, "%d %15s", &pid, what) != 2)
		die("log", l->line);
	l->misses += strcmp(what, "misses") == 0;
	l->computed += strcmp(what, "computed") == 0;
	if (strcmp(what, "computes") == 0) {
		l->computes++;
		computing = pid;
	}
	release(l, computing);
}

/* false: the server has ended. */
static bool read_log(struct load *l)
{
	char bytes[4096];
	ssize_t n = read(l->log, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			log_line(l);
		else if (l->line_size < sizeof(l->line) - 1)
			l->line[l->line_size++] = bytes[i];
	}
	return n > 0;
}

/* Its log ends with the last of its workers. */
static void end_server(struct load *l)
{
	int status;

	kill(l->server, SIGTERM);
	while (read_log(l)) {
	}
	if (waitpid(l->server, &status, 0) != l->server || status != 0)
		die("the server", "did not end as it should");
	to_end = 0;
}

/* ------------------------------------------------------------------------------------------------------- the clients */

static void begin(struct load *l, struct client *c)
{
	struct sockaddr_in at = {
	        .sin_family = AF_INET, .sin_port = htons((uint16_t)l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char request[256];
	int n = snprintf(request, sizeof(request), "GET /report?key=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", l->key);

	l->begun++;
	c->since = now();
	c->got = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		die("connect", strerror(errno));
	if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("send", strerror(errno));
}

static void judge(struct load *l, const struct client *c)
{
	const char *body = memmem(c->answer, c->got, "\r\n\r\n", 4);
	size_t head = body ? (size_t)(body + 4 - c->answer) : 0;

	if (!body || strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
		l->errors++;
	else if (c->got - head != l->page.size || memcmp(c->answer + head, l->page.data, l->page.size) != 0)
		l->wrong++;
}

static void receive(struct load *l, struct client *c)
{
	ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - c->got, 0);

	if (n > 0) {
		c->got += (size_t)n;
		return;
	}
	close(c->fd);
	c->fd = -1;
	l->latency[l->answered++] = now() - c->since;
	judge(l, c);
	if (!l->expired && l->answered == l->requests / 2)
		expire(l);
	if (l->begun < l->requests)
		begin(l, c);
}

/* Sleeps until the server says something, to its log or to a client. */
static void step(struct load *l)
{
	static struct pollfd p[CLIENTS_MAX + 1];

	p[0] = (struct pollfd){.fd = l->log, .events = POLLIN};
	for (long i = 0; i < l->clients; i++)
		p[i + 1] = (struct pollfd){.fd = l->client[i].fd, .events = POLLIN};
	if (poll(p, (nfds_t)l->clients + 1, PATIENCE_MS) <= 0)
		die("the server", "says nothing");
	if (p[0].revents && !read_log(l))
		die("the server", "has ended");
	for (long i = 0; i < l->clients; i++)
		if (p[i + 1].revents)
			receive(l, &l->client[i]);
}

static void run(struct load *l)
{
	while (l->port == 0)
		step(l);
	begin(l, &l->client[0]);
	while (l->answered == 0)
		step(l); /* the page is there then */
	l->begun = l->answered = 0;
	for (long i = 0; i < l->clients && l->begun < l->requests; i++)
		begin(l, &l->client[i]);
	while (l->answered < l->requests)
		step(l);
}

/* ------------------------------------------------------------------------------------------------------- the report */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile(const struct load *l, int percent)
{
	long i = (l->requests * percent + 99) / 100 - 1;

	return (double)l->latency[i] / 1e6;
}

static void print(const struct load *l)
{
	qsort(l->latency, (size_t)l->requests, sizeof(l->latency[0]), by_size);
	printf("%ld %ld %ld %.1f %.1f %.1f %ld %ld\n", l->requests, l->computes - 1, l->computed - 1, percentile(l, 50),
	        percentile(l, 99), percentile(l, 100), l->errors, l->wrong);
}

static bool number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && *text != '\0' && *out >= least && *out <= most;
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: load [--clients N] [--requests N] [--hold | --kill] --workers N KEY ORDERS CACHE-DIRECTORY "
	        "-- SERVER ARGUMENT...\n");
	exit(2);
}

static void parse(struct load *l, int argc, char **argv)
{
	static const struct option names[] = {{"clients", required_argument, NULL, 'c'},
	        {"requests", required_argument, NULL, 'n'}, {"workers", required_argument, NULL, 'w'},
	        {"hold", no_argument, NULL, 'h'}, {"kill", no_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
	static char cached[4096];
	int o;

	while ((o = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		if (o == '?' || (o == 'c' && !number(optarg, 1, CLIENTS_MAX, &l->clients)) ||
		        (o == 'n' && !number(optarg, 4, 100000000, &l->requests)) ||
		        (o == 'w' && !number(optarg, 1, CLIENTS_MAX, &l->workers)))
			usage();
		l->kill |= o == 'k';
		l->hold |= o == 'h' || o == 'k';
	}
	/* Held workers keep a client each, and who is held is not answered: enough of both have to be left. */
	if (argc - optind < 5 || strcmp(argv[optind + 3], "--") != 0 || l->workers > l->clients ||
	        l->requests / 2 < l->clients)
		usage();
	l->key = argv[optind];
	l->orders = argv[optind + 1];
	snprintf(cached, sizeof(cached), "%s/%s", argv[optind + 2], l->key);
	l->cached = cached;
	optind += 4;
}

int main(int argc, char **argv)
{
	struct load l = {.clients = 64, .requests = 3200, .lock = -1};

	parse(&l, argc, argv);
	l.client = calloc((size_t)l.clients, sizeof(l.client[0]));
	l.latency = calloc((size_t)l.requests, sizeof(l.latency[0]));
	if (!l.client || !l.latency)
		die("memory", strerror(errno));
	for (long i = 0; i < l.clients; i++)
		l.client[i].fd = -1;
	if (report_make(l.orders, l.key, &l.page) != REPORT_MADE)
		die(l.orders, "gives no page");
	start_server(&l, argv + optind);
	run(&l);
	end_server(&l);
	print(&l);
	free(l.page.data);
	free(l.latency);
	free(l.client);
}
