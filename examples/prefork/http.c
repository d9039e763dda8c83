/*
 * http.c - one request and its answer
 *
 * Nobody is waited for longer than PATIENCE_MS, neither to send his request nor to take the answer.  A connection that is
 * closed while something of the client's lies there unread is reset, and the answer may be lost with it; so after an
 * error, when what came was perhaps not all read, the rest is read away first.
 */
#include "http.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { PATIENCE_MS = 5000, LINGER_MS = 1000 };

/* ------------------------------------------------------------------------------------------------------- waiting */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* false: not until then. */
static bool await(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		int64_t left = deadline - now_ms();

		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Bytes received; 0: no more will come; -1: not until then. */
static ssize_t receive(int fd, void *data, size_t size, int64_t deadline)
{
	for (;;) {
		ssize_t n = recv(fd, data, size, 0);

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return 0;
		if (errno == EAGAIN && !await(fd, POLLIN, deadline))
			return -1;
	}
}

/* ------------------------------------------------------------------------------------------------------- the request */

static bool is_host(const char *line)
{
	return strncasecmp(line, "Host:", strlen("Host:")) == 0;
}

/* The lines behind the first one: name, colon, value.  HTTP/1.1 wants one Host. */
static bool fields_right(char *line, bool old)
{
	int hosts = 0;

	for (char *end; *line != '\0'; line = end + 2) {
		size_t name = strcspn(line, ": \t\r\n");

		end = strstr(line, "\r\n");
		if (!end || name == 0 || line[name] != ':')
			return false;
		hosts += is_host(line);
	}
	return hosts == 1 || (old && hosts == 0);
}

/* "GET /path?query HTTP/1.1"; head ends with the last field's line. */
static int parse(struct http_request *r, char *head)
{
	char *end = strstr(head, "\r\n"), *version;
	bool old;

	*end = '\0';
	r->path = strchr(head, ' ');
	version = r->path ? strchr(r->path + 1, ' ') : NULL;
	if (!version || r->path == head || r->path[1] != '/')
		return 400;
	*r->path++ = '\0';
	*version++ = '\0';
	old = strcmp(version, "HTTP/1.0") == 0;
	if (!old && strcmp(version, "HTTP/1.1") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
	if (!fields_right(end + 2, old))
		return 400;
	r->query = r->path + strcspn(r->path, "?");
	if (*r->query)
		*r->query++ = '\0';
	r->head = strcmp(head, "HEAD") == 0;
	return r->head || strcmp(head, "GET") == 0 ? 0 : 405;
}

int http_receive(int fd, struct http_request *r)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	size_t size = 0;
	char *end;

	r->head = false;
	do {
		ssize_t n = receive(fd, r->bytes + size, HTTP_HEAD_MAX - size, deadline);

		if (n <= 0)
			return n == 0 || size == 0 ? -1 : 408;
		size += (size_t)n;
		r->bytes[size] = '\0';
		if (strlen(r->bytes) != size)
			return 400;
		end = strstr(r->bytes, "\r\n\r\n");
	} while (!end && size < HTTP_HEAD_MAX);
	if (!end)
		return 431;
	end[2] = '\0';
	return parse(r, r->bytes);
}

/* ------------------------------------------------------------------------------------------------------- the answer */

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

static void drop_sent(struct msghdr *message, size_t n)
{
	while (message->msg_iovlen > 0 && n >= message->msg_iov->iov_len) {
		n -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen > 0) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + n;
		message->msg_iov->iov_len -= n;
	}
}

static void send_all(int fd, struct iovec *parts, size_t count)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};

	while (message.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR && (errno != EAGAIN || !await(fd, POLLOUT, deadline)))
			return; /* he has gone, or does not take it */
		drop_sent(&message, n > 0 ? (size_t)n : 0);
	}
}

static void linger(int fd)
{
	int64_t deadline = now_ms() + LINGER_MS;
	char rest[4096];

	while (now_ms() < deadline && receive(fd, rest, sizeof(rest), deadline) > 0) {
	}
}

void http_respond(int fd, const struct http_request *request, int status, const void *body, size_t size)
{
	char head[512];
	int n = snprintf(head, sizeof(head),
	        "HTTP/1.1 %d %s\r\n%sContent-Type: text/%s; charset=utf-8\r\nContent-Length: %zu\r\n"
	        "Connection: close\r\n\r\n",
	        status, reason(status), status == 405 ? "Allow: GET, HEAD\r\n" : "", status == 200 ? "html" : "plain",
	        size);
	struct iovec parts[2] = {{head, (size_t)n}, {(void *)(uintptr_t)body, request->head ? 0 : size}};

	send_all(fd, parts, 2);
	shutdown(fd, SHUT_WR);
	if (status != 200)
		linger(fd);
}
