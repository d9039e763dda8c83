/*
 * tracer.c - see tracer.h
 *
 * Breakpoints are the processor's, not in the text: the text is shared by all threads of a process, and only one is traced.
 * Whether a thread sleeps is told by /proc, looked at when the interval timer interrupts the wait.
 */
#include "tracer.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define HANG_MS 10000

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same number on every architecture */
#endif

void tracer_ready(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL); /* refused if it was said before: fine */
	raise(SIGSTOP);
}

static void tick(int signal)
{
	(void)signal;
}

void tracer_begin(void)
{
	struct sigaction action = {.sa_handler = tick}; /* without SA_RESTART: it ends a wait */
	struct itimerval often = {{0, 1000}, {0, 1000}};

	must(sigaction(SIGALRM, &action, NULL) == 0);
	must(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

/* ------------------------------------------------------------------------------------------------ waiting */

static bool asleep(pid_t thread)
{
	char path[64], line[256];
	const char *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	state = strrchr(line, ')');
	return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* What a stop means; TRACER_LOST: nothing, the thread was let run again. */
static enum tracer_event meaning(pid_t thread, int status)
{
	int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

	if (!WIFSTOPPED(status))
		return TRACER_GONE;
	if (signal == SIGTRAP)
		return TRACER_STEPPED;
	if (signal == SIGSTOP)
		return TRACER_READY;
	must(ptrace(PTRACE_CONT, thread, NULL, (void *)(intptr_t)signal) == 0); /* a fault: let it have it */
	return TRACER_LOST;
}

/* Has it been asleep at each look for so long?  By when it is to be so is told from look to look, 0: it was awake. */
static bool slept(pid_t thread, int asleep_ms, int64_t *by)
{
	if (asleep_ms < 0 || !asleep(thread)) {
		*by = 0;
		return false;
	}
	if (*by == 0)
		*by = covey_in_ms(asleep_ms);
	return covey_in_ms(0) >= *by;
}

enum tracer_event tracer_await(pid_t thread, int asleep_ms)
{
	int64_t patience = covey_in_ms(HANG_MS), slept_by = 0;
	enum tracer_event event;
	int status;

	for (;;) {
		pid_t r = waitpid(thread, &status, __WALL);

		if (r == thread && (event = meaning(thread, status)) != TRACER_LOST)
			return event;
		if (r < 0 && errno == ECHILD)
			return TRACER_GONE;
		if (r < 0 && slept(thread, asleep_ms, &slept_by))
			return TRACER_ASLEEP;
		if (covey_in_ms(0) > patience)
			return TRACER_LOST;
	}
}

enum tracer_event tracer_step(pid_t thread, int asleep_ms)
{
	return ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL) == 0 ? tracer_await(thread, asleep_ms) : TRACER_GONE;
}

enum tracer_event tracer_continue(pid_t thread, int asleep_ms)
{
	return ptrace(PTRACE_CONT, thread, NULL, NULL) == 0 ? tracer_await(thread, asleep_ms) : TRACER_GONE;
}

/* ------------------------------------------------------------------------------------------------ the processor */

/* On words that processes share: so of our library, and not of a mutex. */
static bool waits_on_words(uint64_t call, uint64_t operation)
{
	return call == SYS_futex_waitv ||
	       (call == SYS_futex && (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET));
}

#if defined(__x86_64__)

/* It was interrupted there, by the hold, and goes back into it once it is let go: the kernel's ERESTARTSYS and its like. */
static bool stopped_asleep(pid_t thread)
{
	struct user_regs_struct regs;
	int64_t result;

	if (ptrace(PTRACE_GETREGS, thread, NULL, &regs) != 0)
		return false;
	result = (int64_t)regs.rax;
	return result <= -512 && result >= -516 && waits_on_words(regs.orig_rax, regs.rsi);
}

uint64_t tracer_pc(pid_t thread)
{
	return (uint64_t)ptrace(PTRACE_PEEKUSER, thread, offsetof(struct user, regs.rip), NULL);
}

bool tracer_break(pid_t thread, uint64_t pc)
{
	const size_t address = offsetof(struct user, u_debugreg[0]), control = offsetof(struct user, u_debugreg[7]);

	if (ptrace(PTRACE_POKEUSER, thread, control, NULL) != 0)
		return false;
	return pc == 0 ||
	       (ptrace(PTRACE_POKEUSER, thread, address, pc) == 0 && ptrace(PTRACE_POKEUSER, thread, control, 1L) == 0);
}

bool tracer_is_system_call(uint64_t pc)
{
	const unsigned char *at = (const unsigned char *)(uintptr_t)pc;

	return at[0] == 0x0f && at[1] == 0x05;
}

#elif defined(__aarch64__)

uint64_t tracer_pc(pid_t thread)
{
	struct user_regs_struct regs = {0};
	struct iovec into = {&regs, sizeof(regs)};

	ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &into);
	return regs.pc;
}

/* The kernel has put it back before the call already. */
static bool stopped_asleep(pid_t thread)
{
	struct user_regs_struct regs = {0};
	struct iovec into = {&regs, sizeof(regs)};

	return ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &into) == 0 && tracer_is_system_call(regs.pc) &&
	       waits_on_words(regs.regs[8], regs.regs[1]);
}

/* All points are stepped to from the start. */
bool tracer_break(pid_t thread, uint64_t pc)
{
	(void)thread;
	return pc == 0;
}

bool tracer_is_system_call(uint64_t pc)
{
	return (*(const uint32_t *)(uintptr_t)pc & 0xffe0001fu) == 0xd4000001u; /* svc */
}

#endif

/* ------------------------------------------------------------------------------------------------ other threads */

static bool has_name(pid_t process, pid_t thread, const char *name)
{
	char path[64], text[32] = "";
	ssize_t n;
	int fd;

	if (name == NULL)
		return thread == process;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)process, (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n - 1 : 0] = '\0'; /* it ends with a new line */
	return strcmp(text, name) == 0;
}

static int threads_of(pid_t process, pid_t *list, int room)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	tasks = opendir(path);
	while (tasks != NULL && n < room && (entry = readdir(tasks)) != NULL)
		if (entry->d_name[0] != '.')
			list[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
	if (tasks != NULL)
		closedir(tasks);
	return n;
}

pid_t tracer_find(pid_t process, const char *name)
{
	pid_t list[64];
	int n = threads_of(process, list, 64);

	for (int i = 0; i < n; i++)
		if (has_name(process, list[i], name))
			return list[i];
	return 0;
}

bool tracer_hold(pid_t thread)
{
	int status;

	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0)
		return false;
	ptrace(PTRACE_INTERRUPT, thread, NULL, NULL);
	while (waitpid(thread, &status, __WALL) != thread)
		if (errno != EINTR)
			return false;
	return WIFSTOPPED(status);
}

bool tracer_hold_asleep(pid_t thread)
{
	int64_t patience = covey_in_ms(HANG_MS);

	while (tracer_hold(thread)) {
		if (stopped_asleep(thread))
			return true;
		tracer_let_go(thread);
		if (covey_in_ms(0) > patience)
			return false;
		sched_yield();
	}
	return false;
}

void tracer_let_go(pid_t thread)
{
	if (ptrace(PTRACE_DETACH, thread, NULL, NULL) == 0)
		return;
	while (waitpid(thread, NULL, __WALL) < 0 && errno == EINTR) { /* its process is ending: it is ours to bury */
	}
}

int tracer_hold_others(pid_t process, pid_t but, pid_t *held, int room)
{
	pid_t list[64];
	int n = threads_of(process, list, 64), count = 0;

	for (int i = 0; i < n && count < room; i++)
		if (list[i] != but && tracer_hold(list[i]))
			held[count++] = list[i];
	return count;
}
