/*
 * complain.c - what covey says on standard error, a whole line at a time
 *
 * Many processes may share one log.  So a message is put together first, and is one write(2): in a file opened to
 * append no other writer's bytes come in between.  The line is built in one buffer, for which threads take turns.
 *
 * A message quotes what others chose: keys, names of files, words of the command line.  They may be of any bytes, and
 * must neither steer the terminal nor look like a line of covey's own.  So all that is not printable is escaped,
 * newlines too; those that a message has of its own are put in behind that.
 *
 * Between fork and exec neither a lock nor the standard library will do: complain_exec() has a line of its own, and
 * makes system calls only.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmd.h"
#include "print.h"

enum {
	TEXT = COVEY_NAME_MAX + 512, /* as it is quoted; what is longer is cut */
	USAGE = 2048,
	LINE = 4 * TEXT + USAGE,
	EXEC_LINE = 1024,
	REASON = 128,
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* What did not go out at once is sent after, as after a signal; of what fails nobody can be told. */
static void send_parts(struct iovec parts[2])
{
	ssize_t n;

	while (parts[0].iov_len + parts[1].iov_len != 0) {
		n = writev(STDERR_FILENO, parts, 2);
		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2 && n > 0; i++) {
			size_t part = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;

			parts[i].iov_base = (char *)parts[i].iov_base + part;
			parts[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
}

void say_bytes(const void *bytes, size_t size, bool newline)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)bytes, size}, {(void *)(uintptr_t) "\n", newline ? 1 : 0}};

	send_parts(parts);
}

/* The usage up to its first empty line: all of it would push the complaint out of sight. */
static size_t put_usage(char *out, size_t room, const char *usage)
{
	const char *name = usage + strlen("usage: covey "), *rest = strstr(usage, "\n\n");
	int size = (int)(rest ? (size_t)(rest - usage) : strlen(usage));
	int n = snprintf(
	        out, room, "%.*s\n\"covey %.*s --help\" tells more.\n", size, usage, (int)strcspn(name, " "), name);

	return (size_t)n < room ? (size_t)n : room - 1;
}

/* usage NULL: without one. */
static void say(const char *usage, const char *format, va_list args)
{
	static char text[TEXT], line[LINE] = "covey: ";
	size_t n = strlen("covey: ");

	pthread_mutex_lock(&turn);
	if (vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text))
		memcpy(text + sizeof(text) - sizeof("..."), "...", sizeof("..."));
	n += escape_text(line + n, sizeof(line) - USAGE - n, text);
	line[n++] = '\n';
	if (usage)
		n += put_usage(line + n, sizeof(line) - n, usage);
	say_bytes(line, n, false);
	pthread_mutex_unlock(&turn);
}

int complain(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	say(NULL, format, args);
	va_end(args);
	return status;
}

int misuse(const char *usage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(usage, format, args);
	va_end(args);
	return EXIT_COVEY;
}

void complain_exec(const char *name, int error)
{
	char line[EXEC_LINE] = "covey: ";
	const char *reason = strerrordesc_np(error);
	size_t n = strlen(line);

	n += escape_text(line + n, sizeof(line) - n - REASON, name);
	n = (size_t)(stpncpy(stpcpy(line + n, ": "), reason ? reason : "unknown error", REASON - 8) - line);
	line[n++] = '\n';
	say_bytes(line, n, false);
}
