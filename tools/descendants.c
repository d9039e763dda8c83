/*
 * descendants.c - find, signal and kill what descends from this process
 *
 * This process is a subreaper: a descendant whose parent dies becomes its child, so that none gets away by
 * daemonising, and "no child left" means "no descendant left".  There are two ways to find them.
 *
 *      /proc of this pid namespace      PID/task/TID/children, from the top down to the last
 *      without one                      each pid from the eldest's to the newest is asked for: waitid(P_PID) knows only
 *                                       children of this process.  The rest become its children as their parents die
 *
 * A /proc that belongs to another pid namespace ("unshare --pid --fork" without one of its own) has other processes
 * behind the same numbers, and is not used: "NSpid" of our own status names one pid, ours, if and only if it is the
 * right one.
 *
 * Nobody else is ever hit.  A child that was not waited for keeps its number, so a signal to a child cannot go astray.
 * Of one further down the number may be a stranger's by the time that we use it: so it is pinned first (pidfd_open),
 * then its parent is looked up once more, and then the signal goes to what was pinned.
 *
 * Killing goes top-down, and stops each process before it looks at that one's children, so that the list cannot grow
 * meanwhile.  It repeats until waitpid(2) knows no child.  Signalling goes bottom-up: who dies of the signal hands no
 * child to somebody whose turn is still to come, and a list of who was told makes sure of it.
 *
 * All this runs between fork and exec, too, or in a process that has forked with other threads around: system calls
 * only, no malloc, no stdio (strangers_take() excepted).
 */
#include "descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEEPEST = 64, KILL_ROUNDS = 1000, ROUND_MS = 10, TOLD = 1024, PID_LAST = 4194304 };

/* ------------------------------------------------------------------------------------------------- text */

static char *put_text(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	*at = '\0';
	return at;
}

static char *put_number(char *at, long number)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
	return at;
}

/* Read the beginning of a file; gives its size, 0 when it cannot be read. */
static size_t read_text(int proc, const char *path, char *text, size_t room)
{
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static long number_at(const char *text)
{
	long number = 0;

	for (text += strspn(text, " \t"); *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (*text - '0');
	return number;
}

/* ------------------------------------------------------------------------------------------------- /proc */

/* "NSpid:	7" - and no second number, which it has if this /proc is of an outer namespace. */
static bool names_us(int proc)
{
	char text[2048];
	const char *line;

	if (read_text(proc, "self/status", text, sizeof(text)) == 0)
		return false;
	line = strstr(text, "\nNSpid:");
	line = line ? line + strlen("\nNSpid:") : NULL;
	return line && number_at(line) == getpid() && memrchr(line, '\t', strcspn(line, "\n")) == line;
}

/* A descriptor of the /proc of this pid namespace, or -1. */
static int open_proc(void)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc >= 0 && !names_us(proc)) {
		close(proc);
		proc = -1;
	}
	return proc;
}

/* The fourth field of PID/stat, after a command name that may hold anything, is the parent. */
static pid_t parent_of(int proc, pid_t pid)
{
	char path[64], text[512];
	const char *at;

	put_text(put_number(path, pid), "/stat");
	if (read_text(proc, path, text, sizeof(text)) == 0)
		return -1;
	at = strrchr(text, ')');
	return at && at[1] && at[2] ? (pid_t)number_at(at + 3) : -1;
}

struct walk;
typedef void (*visit_pid)(struct walk *walk, pid_t parent, pid_t pid, int depth);

struct walk {
	int proc;
	visit_pid visit;
	int signal;
	const struct strangers *strangers;
	bool any; /* something was reached */
	pid_t *told;
	size_t told_count;
};

static void each_number(struct walk *walk, const char *path, pid_t parent, int depth)
{
	char text[512];
	long number = 0;
	bool inside = false;
	ssize_t n;
	int fd = openat(walk->proc, path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				number = number * 10 + (text[i] - '0');
				inside = true;
			} else if (inside) {
				walk->visit(walk, parent, (pid_t)number, depth);
				number = 0;
				inside = false;
			}
		}
	}
	if (fd >= 0)
		close(fd);
}

/* Call visit for each child of pid, whichever of its threads made it. */
static void each_child(struct walk *walk, pid_t pid, int depth)
{
	_Alignas(struct dirent64) char buffer[1024];
	char path[96], *tasks = put_text(put_number(path, pid), "/task");
	int fd = depth < DEEPEST ? openat(walk->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	long n;

	while (fd >= 0 && (n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

			if (entry->d_name[0] != '.') {
				put_text(put_text(put_text(tasks, "/"), entry->d_name), "/children");
				each_number(walk, path, pid, depth);
			}
			at += entry->d_reclen;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* ------------------------------------------------------------------------------------------------- one signal */

static bool is_stranger(const struct strangers *strangers, pid_t pid)
{
	for (size_t i = 0; strangers && i < strangers->count; i++)
		if (strangers->pids[i] == pid)
			return true;
	return false;
}

/* A signal to a process that was just seen as the child of parent.  false: it is not there any more, or may not be
 * told. */
static bool reach(const struct walk *walk, pid_t parent, pid_t pid, int signal)
{
	int pinned;
	bool sent;

	if (parent == getpid())
		return kill(pid, signal) == 0;
	pinned = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pinned < 0)
		return errno != ESRCH && parent_of(walk->proc, pid) == parent && kill(pid, signal) == 0;
	sent = parent_of(walk->proc, pid) == parent && syscall(SYS_pidfd_send_signal, pinned, signal, NULL, 0) == 0;
	close(pinned);
	return sent;
}

/* Kill it and what is below; or reap it, if it has ended.  A stranger's descendants are strangers. */
static void kill_tree(struct walk *walk, pid_t parent, pid_t pid, int depth)
{
	if (is_stranger(walk->strangers, pid))
		return;
	if (parent == getpid() && waitpid(pid, NULL, WNOHANG | __WALL) == pid) {
		walk->any = true;
		return;
	}
	if (!reach(walk, parent, pid, SIGSTOP))
		return;
	each_child(walk, pid, depth + 1);
	walk->any |= reach(walk, parent, pid, SIGKILL);
}

static void signal_tree(struct walk *walk, pid_t parent, pid_t pid, int depth)
{
	for (size_t i = 0; i < walk->told_count; i++)
		if (walk->told[i] == pid)
			return;
	each_child(walk, pid, depth + 1);
	if (reach(walk, parent, pid, walk->signal) && walk->told_count < TOLD)
		walk->told[walk->told_count++] = pid;
}

/* ------------------------------------------------------------------------------------------------- without /proc */

static bool is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* The newest pid that there is; the last that there can be if none is to be had. */
static pid_t newest_pid(void)
{
	pid_t probe = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL); /* its end sends no signal */

	if (probe == 0)
		_exit(0);
	if (probe < 0)
		return PID_LAST;
	while (waitpid(probe, NULL, __WALL) < 0 && errno == EINTR) {
	}
	return probe;
}

static void each_in(struct walk *walk, pid_t from, pid_t to)
{
	pid_t self = getpid();

	for (pid_t pid = from; pid <= to; pid++)
		if (is_child(pid))
			walk->visit(walk, self, pid, DEEPEST);
}

/* Numbers are given out in a circle.  A circle that has gone round altogether leaves nothing but to ask for all. */
static void each_own_child(struct walk *walk, pid_t eldest, bool all)
{
	pid_t newest = all ? PID_LAST : newest_pid();

	if (all || eldest <= newest) {
		each_in(walk, all ? 1 : eldest, newest);
	} else {
		each_in(walk, eldest, PID_LAST);
		each_in(walk, 1, newest);
	}
}

/* ------------------------------------------------------------------------------------------------- all of them */

void descendants_signal(int signal, pid_t eldest)
{
	static pid_t told[TOLD];
	struct walk walk = {.proc = open_proc(), .visit = signal_tree, .signal = signal, .told = told};

	if (walk.proc >= 0) {
		each_child(&walk, getpid(), 0);
		close(walk.proc);
	} else {
		each_own_child(&walk, eldest, false);
	}
}

static bool has_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

void descendants_kill(pid_t eldest, const struct strangers *strangers)
{
	const struct timespec round = {.tv_nsec = ROUND_MS * 1000000L};
	struct walk walk = {.proc = open_proc(), .visit = kill_tree, .strangers = strangers};
	bool alone = !strangers || strangers->count == 0;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = 0; i < KILL_ROUNDS && has_child(); i++) {
		bool all = i != 0 && !walk.any; /* there are some, and none was found */

		walk.any = false;
		if (walk.proc >= 0)
			each_child(&walk, getpid(), 0);
		else
			each_own_child(&walk, eldest, all);
		if (!walk.any && !alone)
			break;
		if (has_child())
			sigtimedwait(&child, NULL, &round); /* a child's end cuts the round short */
	}
	if (walk.proc >= 0)
		close(walk.proc);
}

/* ------------------------------------------------------------------------------------------------- strangers */

struct taking {
	struct walk walk;
	struct strangers *to;
	bool exhausted;
};

static void take_stranger(struct walk *walk, pid_t parent, pid_t pid, int depth)
{
	struct taking *taking = (struct taking *)walk;
	struct strangers *to = taking->to;
	pid_t *more = realloc(to->pids, (to->count + 1) * sizeof(*more));

	(void)parent;
	(void)depth;
	taking->exhausted |= more == NULL;
	if (!more)
		return;
	more[to->count++] = pid;
	to->pids = more;
}

int strangers_take(struct strangers *strangers)
{
	struct taking taking = {.walk = {.visit = take_stranger}, .to = strangers};

	*strangers = (struct strangers){.count = 0};
	if (!has_child())
		return 0; /* the usual case */
	taking.walk.proc = open_proc();
	if (taking.walk.proc >= 0) {
		each_child(&taking.walk, getpid(), 0);
		close(taking.walk.proc);
	} else {
		each_own_child(&taking.walk, 1, true);
	}
	return taking.exhausted ? -1 : 0;
}
