/*
 * supervise.c - a command that dies with its leader, whole
 *
 *	leader ---- life ----> supervisor ---- fork, exec ----> COMMAND ---- its descendants
 *	       <--- status ---
 *
 * There are two kinds of command.  The one of "covey run" has covey's standard input, and two pipes for what it
 * writes. The one of "covey worker" serves: its standard input and output are pipes to the leader, its standard error
 * is covey's.
 *
 * Nobody can act after SIGKILL, so somebody else has to: a supervisor, forked from the leader, between it and COMMAND.
 * The leader alone holds the write end of the pipe "life"; whatever way the leader ends, the kernel closes it, and the
 * supervisor reads end of file.  (A parent-death signal would tell of the death of the thread that forked, and could
 * be missed between fork and prctl; a pipe can do neither.)  Then it kills COMMAND and all that descends from it
 * (descendants.c).  If the supervisor itself is killed, COMMAND gets SIGKILL from the kernel (a parent-death signal),
 * and the leader, a subreaper too, inherits the rest and kills it.  If both are killed in one stroke, only COMMAND
 * itself is sure to die.
 *
 * The same pipe carries the signals that the leader got, with who sent them.  All of "covey run" stay in the leader's
 * process group and session, so that the terminal's Ctrl-C, Ctrl-Z and standard input work as if COMMAND had been
 * started by the shell.  So the supervisor gets what is sent to the group; it has every signal blocked, and what is
 * pending there with the same sender COMMAND has got by itself.  Only the rest is sent on.  One that serves gets a
 * group of its own: Ctrl-C is for covey, which lets it end the request that it is at.  And what it leaves behind when
 * it ends is killed: its leader lives on, and would inherit it.
 *
 * When COMMAND stops, its leader is to stop as well, or a shell would go on waiting for the job.  The supervisor
 * reports it and wakes the leader when COMMAND goes on.  The leader might be about to stop just then: until it says
 * that it has been stopped and goes on, it is woken again and again.
 *
 * The supervisor keeps no descriptor but the two pipes and the guard: a pipeline around covey sees no ends but those of
 * covey and COMMAND.  The process that forks has a second thread, the library's.  So between fork and exec, and in the
 * supervisor, there are system calls only: no malloc, no stdio, no call of covey.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

enum { AGAIN_MS = 10 };

/* What the supervisor tells. */
enum told { ENDED, STOPPED, NOT_STARTED };
struct report {
	enum told what;
	int value; /* the wait status; the signal; errno */
};

/* What it is told: a signal to send on.  0: the leader had stopped, and goes on. */
struct order {
	int signal;
	int code; /* how the leader got it */
	pid_t sender;
};

/* ---------------------------------------------------------------------------------------------- the command */

static int exec_failed(const char *name)
{
	int error = errno;

	complain_exec(name, error);
	return error == ENOENT ? EXIT_MISSING : EXIT_CANNOT;
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
	signals_as_before(&child->signals);
	execvp(argv[0], argv);
	status = exec_failed(argv[0]);
	if (child->serves && write(pipes[FAILED][WRITE], "", 1) < 0)
		_exit(status); /* the leader is gone */
	_exit(status);
}

/* ------------------------------------------------------------------------------------------- the supervisor */

/* What the supervisor knows. */
struct watched {
	pid_t command, leader;
	bool serves;
	bool leader_stops; /* it was told that COMMAND stopped, and has not answered yet */
	bool resumed;      /* COMMAND goes on since */
	int ended;         /* the wait status */
};

static void report(enum told what, int value)
{
	const struct report report = {.what = what, .value = value};

	if (write(1, &report, sizeof(report)) < 0)
		return; /* the leader is gone: life tells */
}

static void wake_leader(const struct watched *w)
{
	if (w->leader_stops && w->resumed && getppid() == w->leader)
		kill(w->leader, SIGCONT);
}

/* COMMAND stopped, goes on, or has ended: true then. */
static bool note(struct watched *w, int status)
{
	if (WIFSTOPPED(status)) {
		w->leader_stops = !w->serves;
		w->resumed = false;
		if (!w->serves)
			report(STOPPED, WSTOPSIG(status));
		return false;
	}
	if (WIFCONTINUED(status)) {
		w->resumed = true;
		wake_leader(w);
		return false;
	}
	w->ended = status;
	w->resumed = true;
	wake_leader(w);
	return true;
}

/* Reap all that has ended.  true when COMMAND was among them. */
static bool reap_until(struct watched *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
		if (pid == w->command && note(w, status))
			return true;
	return pid < 0 && errno == ECHILD;
}

/* Did the process group get it, and so COMMAND? */
static bool had_by_group(const struct order *order)
{
	const struct timespec at_once = {.tv_sec = 0};
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, order->signal);
	return sigtimedwait(&set, &info, &at_once) == order->signal && info.si_code == order->code &&
	       (info.si_code == SI_KERNEL || info.si_pid == order->sender);
}

static void obey(struct watched *w, const struct order *order)
{
	if (order->signal == 0) {
		w->leader_stops = false;
		return;
	}
	if (!w->serves && had_by_group(order))
		return;
	if (ends_a_job(order->signal))
		descendants_signal(order->signal, w->command);
	else
		kill(w->serves ? -w->command : w->command, order->signal);
}

/* false: the leader is gone. */
static bool take_orders(struct watched *w)
{
	struct order orders[16];
	ssize_t n = read(0, orders, sizeof(orders));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(orders[0]); i++)
		obey(w, &orders[i]);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until COMMAND ends: true.  Until the leader ends: false. */
static bool watch(struct watched *w)
{
	struct signalfd_siginfo told;
	sigset_t child;
	int ended;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd p[2] = {{.fd = ended, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
		bool waking = w->leader_stops && w->resumed;

		if (poll(p, 2, ended < 0 || waking ? AGAIN_MS : -1) < 0 && errno != EINTR)
			return false; /* refused: it would be asked for ever, or the leader's end be missed */
		if (ended >= 0 && read(ended, &told, sizeof(told)) < 0 && errno != EAGAIN)
			return false;
		if (reap_until(w))
			return true;
		if (p[1].revents && !take_orders(w))
			return false;
		wake_leader(w);
	}
}

/* Keep the two pipes and the guard as 0, 1 and 2, and nothing else. */
static void keep_only(int life, int status, int guard)
{
	dup2(life, 0);
	dup2(status, 1);
	if (guard < 0 || dup2(guard, 2) < 0)
		close(2);
	closefrom(3);
}

/* What came before COMMAND was there may have missed it: then the leader's word alone counts. */
static void forget_pending(void)
{
	const struct timespec at_once = {.tv_sec = 0};
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	while (sigtimedwait(&all, NULL, &at_once) > 0) {
	}
}

static _Noreturn void supervise(const struct child *child, char *const argv[], const int pipes[PIPES][2], pid_t leader)
{
	struct watched w = {.leader = leader, .serves = child->serves};
	pid_t self = getpid();
	int error;

	close(child->life); /* or the leader's death would go unnoticed */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "covey-guard");
	w.command = fork();
	error = errno;
	if (w.command == 0)
		become_command(child, argv, pipes, self);
	if (w.command > 0 && w.serves)
		setpgid(w.command, w.command); /* both do: neither waits for the other */
	forget_pending();
	keep_only(pipes[LIFE][READ], pipes[STATUS][WRITE], child->guard);
	if (w.command < 0) {
		report(NOT_STARTED, error);
		_exit(0);
	}
	if (!watch(&w)) {
		descendants_kill(w.command, NULL);
		w.ended = SIGKILL; /* for a leader that lives, and has hung up */
	} else if (w.serves) {
		descendants_kill(w.command, NULL);
	}
	report(ENDED, w.ended);
	while (w.leader_stops && getppid() == w.leader &&
	        poll(&(struct pollfd){.fd = 0, .events = POLLIN}, 1, AGAIN_MS) == 0)
		wake_leader(&w); /* it may have been about to stop */
	_exit(0);
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

static int no_start(struct child *child, int pipes[PIPES][2], int error)
{
	if (pipes)
		close_pipes(pipes);
	close_end(&child->guard);
	free(child->strangers.pids);
	child->strangers = (struct strangers){.count = 0};
	errno = error;
	return -1;
}

int child_start(struct child *child, char *const argv[])
{
	int pipes[PIPES][2];
	pid_t self = getpid();
	sigset_t all, before;
	int error;

	child->ended = child->killed = false;
	if (strangers_take(&child->strangers) < 0 || make_pipes(pipes, child->serves) < 0)
		return no_start(child, NULL, errno);
	child->life = pipes[LIFE][WRITE];
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no instant at which a signal could end the supervisor */
	child->supervisor = fork();
	if (child->supervisor == 0)
		supervise(child, argv, (const int(*)[2])pipes, self);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child->supervisor < 0)
		return no_start(child, pipes, error);
	child->out = keep_end(pipes, OUT, READ, true);
	child->err = keep_end(pipes, ERR, READ, true);
	child->in = keep_end(pipes, IN, WRITE, true);
	child->status = keep_end(pipes, STATUS, READ, false);
	child->failed = keep_end(pipes, FAILED, READ, false);
	keep_end(pipes, LIFE, WRITE, false);
	close_pipes(pipes);
	close_end(&child->guard);
	return 0;
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

/* ------------------------------------------------------------------------------------------------ news and orders */

static void end_with(struct child *child, int wait_status)
{
	child->ended = true;
	child->wait_status = wait_status;
}

enum child_news child_news(struct child *child, int *signal)
{
	struct report report;
	ssize_t n;

	do
		n = read(child->status, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report)) { /* it was killed */
		end_with(child, SIGKILL);
		child->killed = true;
		return CHILD_ENDED;
	}
	if (report.what == STOPPED) {
		*signal = report.value;
		return CHILD_STOPPED;
	}
	if (report.what == NOT_STARTED) {
		end_with(child, EXIT_COVEY << 8);
		errno = report.value;
		return CHILD_NOT_STARTED;
	}
	end_with(child, report.value);
	return CHILD_ENDED;
}

static void send_order(struct child *child, const struct order *order)
{
	if (write(child->life, order, sizeof(*order)) < 0)
		return; /* the supervisor is gone, and so is whom it would tell */
}

void child_resumed(struct child *child)
{
	send_order(child, &(struct order){.signal = 0});
}

void child_signal(struct child *child, int signal)
{
	send_order(child, &(struct order){.signal = signal});
}

void child_relay(struct child *child, const struct signalfd_siginfo *got)
{
	if ((pid_t)got->ssi_pid == child->supervisor && got->ssi_signo == SIGCONT)
		return; /* that was for us */
	send_order(child,
	        &(struct order){.signal = (int)got->ssi_signo, .code = got->ssi_code, .sender = (pid_t)got->ssi_pid});
}

void child_kill(struct child *child)
{
	close_end(&child->life);
}

int child_reap(struct child *child)
{
	int ignored;

	while (!child->ended)
		child_news(child, &ignored);
	close_end(&child->life);
	while (waitpid(child->supervisor, NULL, 0) < 0 && errno == EINTR)
		;
	if (child->killed)
		descendants_kill(child->supervisor, &child->strangers);
	free(child->strangers.pids);
	child->strangers = (struct strangers){.count = 0};
	close_end(&child->status);
	close_end(&child->in);
	close_end(&child->failed);
	return WIFSIGNALED(child->wait_status) ? 128 + WTERMSIG(child->wait_status) : WEXITSTATUS(child->wait_status);
}
