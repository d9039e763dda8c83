/*
 * supervise.c - a command that dies with its leader, whole
 *
 *	leader ---- life ----> supervisor ---- fork, exec ----> COMMAND ---- its descendants
 *	       <--- status ---
 *
 * There are two kinds of command.  The one of "covey run" has covey's standard input, and two pipes for what it writes.
 * The one of "covey worker" serves: its standard input and output are pipes to the leader, its standard error is covey's.
 *
 * Nobody can act after SIGKILL, so somebody else has to: a supervisor, forked from the leader, between it and COMMAND.
 * The leader alone holds the write end of the pipe "life"; whatever way the leader ends, the kernel closes it, and the
 * supervisor reads end of file.  (A parent-death signal would tell of the death of the thread that forked, and could be
 * missed between fork and prctl; a pipe can do neither.)  The same pipe carries, as single bytes, the signals that the
 * leader passes on: only the supervisor, who has not reaped COMMAND yet, can signal its pid without the risk of hitting
 * a stranger that inherited the number.
 *
 * The supervisor is a subreaper: a descendant whose parent dies becomes its child, so that none gets away by
 * daemonising, and "no child left" means "no descendant left".  It kills top-down, stopping each process before it
 * looks at that one's children so that the list cannot grow meanwhile, and repeats until waitpid(2) knows no child.
 * What can be left: processes that it may not signal (set-user-id) or that are stuck in the kernel; it gives up after
 * about ten seconds.  If the supervisor itself is killed, COMMAND gets SIGKILL from the kernel (a parent-death signal),
 * and the leader, a subreaper too, inherits the rest and kills it.  If both are killed in one stroke, only COMMAND
 * itself is sure to die.
 *
 * All stay in the leader's process group and session, so that the terminal's Ctrl-C, Ctrl-Z and standard input work as
 * if COMMAND had been started by the shell.  One that serves gets a group of its own: Ctrl-C is for covey, which lets it
 * end the request that it is at.  And what it leaves behind when it ends is killed: its leader lives on, and would
 * inherit it.  The supervisor blocks every signal, and keeps no descriptor but the two
 * pipes and the guard: a pipeline around covey sees no ends but those of covey and COMMAND.
 *
 * The process that forks has a second thread, the library's keeper.  So between fork and exec, and in the supervisor,
 * there are system calls only: no malloc, no stdio, no call of covey.
 */
#include "supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

enum { WALK_DEPTH = 64, KILL_ROUNDS = 1000, ROUND_MS = 10 };

/* ------------------------------------------------------------------------------- the descendants of a process */

/* "/proc/PID/task/TID/children", without the printf family. */
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

typedef bool (*visit_pid)(pid_t pid, int depth);

/* Call visit for every decimal number in the file; true when any call gave true. */
static bool each_number(const char *path, int depth, visit_pid visit)
{
	char text[512];
	long number = 0;
	bool any = false, inside = false;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				number = number * 10 + (text[i] - '0');
				inside = true;
			} else if (inside) {
				any |= visit((pid_t)number, depth);
				number = 0;
				inside = false;
			}
		}
	}
	if (fd >= 0)
		close(fd);
	return any;
}

/* Call visit for every entry of the directory whose name is a number. */
static void each_entry(const char *path, void (*visit)(const char *name, void *context), void *context)
{
	_Alignas(struct dirent64) char buffer[2048];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	while (fd >= 0 && (n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

			if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
				visit(entry->d_name, context);
			at += entry->d_reclen;
		}
	}
	if (fd >= 0)
		close(fd);
}

struct walk {
	pid_t pid;
	int depth;
	bool any;
};

static bool kill_tree(pid_t pid, int depth);

static void visit_thread(const char *tid, void *context)
{
	struct walk *walk = context;
	char path[96], *at = put_text(path, "/proc/");

	at = put_text(put_number(at, walk->pid), "/task/");
	put_text(put_text(at, tid), "/children");
	walk->any |= each_number(path, walk->depth, kill_tree);
}

/* Kill what is below pid, not itself.  true when there was anything that could be killed. */
static bool kill_below(pid_t pid, int depth)
{
	struct walk walk = {.pid = pid, .depth = depth};
	char path[64], *at = put_text(path, "/proc/");

	put_text(put_number(at, pid), "/task");
	if (depth < WALK_DEPTH) /* deeper ones become our children once their parents are dead */
		each_entry(path, visit_thread, &walk);
	return walk.any;
}

static bool kill_tree(pid_t pid, int depth)
{
	kill(pid, SIGSTOP);
	kill_below(pid, depth + 1);
	return kill(pid, SIGKILL) == 0;
}

/* The fifth field of /proc/PID/stat, after a command name that may hold anything, is the parent. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	const char *at;
	ssize_t n;
	long parent = 0;
	int fd;

	put_text(put_text(put_text(path, "/proc/"), pid), "/stat");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strrchr(text, ')');
	for (at = at ? at + 4 : ""; *at >= '0' && *at <= '9'; at++)
		parent = parent * 10 + (*at - '0');
	return (pid_t)parent;
}

static void visit_process(const char *name, void *context)
{
	const pid_t *self = context;
	long pid = 0;

	if (parent_of(name) != *self)
		return;
	for (const char *at = name; *at; at++)
		pid = pid * 10 + (*at - '0');
	kill((pid_t)pid, SIGKILL);
}

/* Kill and reap every descendant.  Where the kernel has no "children" files, a scan of all processes finds the direct
 * ones, and each round brings up the next level. */
static void kill_descendants(void)
{
	const struct timespec round = {.tv_nsec = ROUND_MS * 1000000L};
	pid_t self = getpid();
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = 0; i < KILL_ROUNDS; i++) {
		pid_t dead;

		if (!kill_below(self, 0))
			each_entry("/proc", visit_process, &self);
		while ((dead = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (dead < 0 && errno == ECHILD)
			return;
		sigtimedwait(&child, NULL, &round); /* a child's end cuts the round short */
	}
}

/* ---------------------------------------------------------------------------------------------- the command */

static int exec_failed(const char *name)
{
	int status = errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT;
	const char *parts[] = {"covey: ", name, ": ", strerrordesc_np(errno), "\n"};
	struct iovec line[5];

	for (int i = 0; i < 5; i++)
		line[i] = (struct iovec){.iov_base = (void *)(uintptr_t)parts[i], .iov_len = strlen(parts[i])};
	if (writev(STDERR_FILENO, line, 5) < 0)
		return status; /* nobody to tell; the status says it */
	return status;
}

enum pipe { OUT, ERR, STATUS, LIFE, IN, FAILED, PIPES };
enum { READ = 0, WRITE = 1 };

static _Noreturn void become_command(
        const struct child *child, char *const argv[], const int pipes[PIPES][2], pid_t supervisor)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(EXIT_COVEY); /* it was killed before the kernel knew that we care */
	if (child->serves) {
		setpgid(0, 0);
		dup2(pipes[IN][READ], STDIN_FILENO);
	} else {
		dup2(pipes[ERR][WRITE], STDERR_FILENO);
	}
	dup2(pipes[OUT][WRITE], STDOUT_FILENO);
	sigaction(SIGPIPE, &child->sigpipe, NULL);
	sigprocmask(SIG_SETMASK, &child->mask, NULL);
	execvp(argv[0], argv);
	status = exec_failed(argv[0]);
	if (child->serves && write(pipes[FAILED][WRITE], "", 1) < 0)
		_exit(status); /* the leader is gone */
	_exit(status);
}

/* ------------------------------------------------------------------------------------------- the supervisor */

/* Reap all that has ended.  true when COMMAND was among them: *status is its wait status then. */
static bool reap_until(pid_t command, int *status)
{
	int ended;
	pid_t pid;

	while ((pid = waitpid(-1, &ended, WNOHANG)) > 0) {
		if (pid == command) {
			*status = ended;
			return true;
		}
	}
	return pid < 0 && errno == ECHILD;
}

/* Pass signals on to a process, or a group.  false when the leader is gone. */
static bool obey(int life, pid_t target)
{
	unsigned char signals[16];
	ssize_t n = read(life, signals, sizeof(signals));

	for (ssize_t i = 0; i < n; i++)
		kill(target, signals[i]);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until COMMAND ends: true and its wait status.  Until the leader ends: false. */
static bool watch(int life, pid_t command, pid_t target, int *status)
{
	struct signalfd_siginfo told;
	sigset_t child;
	int ended;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd p[2] = {{.fd = ended, .events = POLLIN}, {.fd = life, .events = POLLIN}};

		if (poll(p, 2, ended < 0 ? ROUND_MS : -1) < 0 && errno != EINTR)
			return false; /* refused: it would be asked for ever, or the leader's end be missed */
		if (ended >= 0 && read(ended, &told, sizeof(told)) < 0 && errno != EAGAIN)
			return false;
		if (reap_until(command, status))
			return true;
		if (p[1].revents && !obey(life, target))
			return false;
	}
}

/* Keep the two pipes and the guard as 0, 1 and 2, and nothing else. */
static void keep_only(int life, int report, int guard)
{
	dup2(life, 0);
	dup2(report, 1);
	if (guard < 0 || dup2(guard, 2) < 0)
		close(2);
	closefrom(3);
}

static _Noreturn void supervise(const struct child *child, char *const argv[], const int pipes[PIPES][2])
{
	pid_t self = getpid(), command;
	int status = EXIT_COVEY << 8;
	bool serves = child->serves;

	close(child->life); /* or the leader's death would go unnoticed */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "covey-guard");
	command = fork();
	if (command == 0)
		become_command(child, argv, pipes, self);
	if (command > 0 && serves)
		setpgid(command, command); /* both do: neither waits for the other */
	keep_only(pipes[LIFE][READ], pipes[STATUS][WRITE], child->guard);
	if (command > 0 && !watch(0, command, serves ? -command : command, &status)) {
		kill_descendants();
		status = SIGKILL; /* for a leader that lives, and has hung up */
	} else if (serves) {
		kill_descendants();
	}
	_exit(write(1, &status, sizeof(status)) == sizeof(status) ? 0 : 1);
}

/* ------------------------------------------------------------------------------------------------ the leader */

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pipes(int pipes[PIPES][2])
{
	int error = errno;

	for (int i = 0; i < PIPES; i++) {
		close_end(&pipes[i][READ]);
		close_end(&pipes[i][WRITE]);
	}
	errno = error;
}

static int make_pipes(int pipes[PIPES][2], bool serves)
{
	for (int i = 0; i < PIPES; i++)
		pipes[i][READ] = pipes[i][WRITE] = -1;
	for (int i = 0; i < PIPES; i++) {
		bool wanted = i == ERR ? !serves : i == IN || i == FAILED ? serves : true;

		if (wanted && pipe2(pipes[i], O_CLOEXEC) < 0) {
			close_pipes(pipes);
			return -1;
		}
	}
	return 0;
}

/* Take the leader's end of a pipe out of the table, so that it stays open. */
static int keep_end(int pipes[PIPES][2], enum pipe which, int end, bool nonblocking)
{
	int fd = pipes[which][end];

	pipes[which][end] = -1;
	if (fd >= 0 && nonblocking)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int child_start(struct child *child, char *const argv[])
{
	int pipes[PIPES][2];
	sigset_t all, before;
	int error;

	if (make_pipes(pipes, child->serves) < 0) {
		error = errno;
		close_end(&child->guard);
		errno = error;
		return -1;
	}
	child->life = pipes[LIFE][WRITE];
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no instant at which a signal could end the supervisor */
	child->supervisor = fork();
	if (child->supervisor == 0)
		supervise(child, argv, (const int(*)[2])pipes);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child->supervisor > 0) {
		child->out = keep_end(pipes, OUT, READ, true);
		child->err = keep_end(pipes, ERR, READ, true);
		child->in = keep_end(pipes, IN, WRITE, true);
		child->status = keep_end(pipes, STATUS, READ, false);
		child->failed = keep_end(pipes, FAILED, READ, false);
		keep_end(pipes, LIFE, WRITE, false);
	}
	close_pipes(pipes);
	close_end(&child->guard);
	errno = error;
	return child->supervisor < 0 ? -1 : 0;
}

bool child_executed(struct child *child)
{
	char failed;
	ssize_t n;

	do
		n = read(child->failed, &failed, 1); /* its other end is closed by exec, or by death */
	while (n < 0 && errno == EINTR);
	close_end(&child->failed);
	return n == 0;
}

void child_signal(struct child *child, int signal)
{
	unsigned char byte = (unsigned char)signal;

	if (write(child->life, &byte, 1) < 0)
		return; /* the supervisor is gone, and so is whom it would tell */
}

void child_kill(struct child *child)
{
	close_end(&child->life);
}

int child_reap(struct child *child)
{
	int status = SIGKILL;
	ssize_t n;

	do
		n = read(child->status, &status, sizeof(status));
	while (n < 0 && errno == EINTR);
	while (waitpid(child->supervisor, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(status)) {
		status = SIGKILL;
		kill_descendants();
	}
	close_end(&child->status);
	close_end(&child->life);
	close_end(&child->in);
	close_end(&child->failed);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
