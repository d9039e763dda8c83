/*
 * worker_process.c - the worker that is a process of its own
 *
 *      starter                      between                  the worker's process
 *      clone, no exit signal  --->  fork, end          --->  setsid, exec PROGRAM worker --brief 3
 *      wait for the middle one                               reads the brief (descriptor 3): region, library, base...
 *      sleep on the line  <------------- report -----------  attaches, loads the device, leads (or is ready to)
 *      forward the group, if it is to be handed over         takes it up
 *
 * The process is nobody's child that could reap or miss it: the one in the middle ends at once and is waited for, with
 * no SIGCHLD, by a wait that only asks for such children.  (It shares our descriptors, so the pidfd of the process that
 * it makes is ours.)  The worker lives in its own session and ends by its own timeout.
 *
 * What becomes of a group that is to be handed over, the worker's process learns from the region, not from its starter:
 * it sleeps until the execution of that generation has forwarded it, ended, or died, in which case it takes over.  So it
 * does not matter where in between the starter is killed or stopped.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker_handle.h"

#define BRIEF_MAGIC UINT64_C(0x316665697262766f)
enum { BRIEF_FD = 3, LINE_FD = 4 };

/* What the process is to do; then, one behind the other: region, library, symbol (each with its end), name, base. */
struct brief {
	uint64_t magic;
	uint32_t flags; /* of covey_open() */
	uint32_t accepts;
	int32_t static_worker;
	int32_t error_strategy;
	int64_t worker_timeout;
	uint64_t device, inode; /* of the region: its name may be another's by now */
	uint64_t generation;    /* of the execution that hands its group over */
	uint64_t sizes[5];
};

/* What it says of itself. */
struct report {
	int32_t result;
	int32_t error; /* errno */
	int32_t pid;
	uint32_t number;
};

/* ------------------------------------------------------------------------------------------------ the brief */

static bool write_all(int fd, const void *bytes, size_t size)
{
	for (const char *at = bytes; size != 0;) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static int brief_make(const struct covey_worker *w, const char *library)
{
	const struct covey_worker_options *o = &w->serving.options;
	const covey *c = w->serving.c;
	const char *region = c->path;
	const void *parts[] = {region, library, o->symbol, w->name, w->serving.base.data};
	struct brief b = {.magic = BRIEF_MAGIC,
	        .flags = (c->flags & (COVEY_ALLOW_FOREIGN | COVEY_ALLOW_SHARED)) | COVEY_ATTACH_ONLY,
	        .accepts = w->accepts,
	        .static_worker = o->static_worker,
	        .error_strategy = o->error_strategy,
	        .worker_timeout = o->worker_timeout,
	        .device = c->device,
	        .inode = c->inode,
	        .generation = w->from.generation,
	        .sizes = {strlen(region) + 1, strlen(library) + 1, strlen(o->symbol) + 1, w->name_size,
	                w->serving.base.size}};
	bool written;
	int fd;

	shm_floor_begin();
	fd = memfd_create("covey-brief", MFD_CLOEXEC);
	shm_floor_end();
	written = fd >= 0 && write_all(fd, &b, sizeof(b));
	for (int i = 0; i < 5; i++)
		written = written && write_all(fd, parts[i], b.sizes[i]);
	if (written)
		return fd;
	if (fd >= 0)
		close(fd);
	return COVEY_ESYSTEM;
}

/* ------------------------------------------------------------------------------------------------ launching */

struct launch {
	const char *program;
	int brief, line;
	sigset_t signals;
	int pidfd;
	int error; /* of the fork */
};

static void report_failure(int line, int error)
{
	struct report r = {.result = COVEY_ESYSTEM, .error = error};

	(void)write_all(line, &r, sizeof(r));
	_exit(127);
}

/* In the process itself, before exec: only calls that are safe after a fork. */
static void become(const struct launch *l)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};
	/* out of the way of the numbers that they are to have */
	int brief = fcntl(l->brief, F_DUPFD, LINE_FD + 1), line = fcntl(l->line, F_DUPFD, LINE_FD + 1);
	int null = open("/dev/null", O_RDWR), error = errno;

	setsid();
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &usual, NULL);
	sigprocmask(SIG_SETMASK, &l->signals, NULL);
	if (brief < 0 || line < 0 || null < 0)
		report_failure(l->line, error);
	if (chdir("/") != 0)
		report_failure(l->line, errno);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(brief, BRIEF_FD);
	dup2(line, LINE_FD);
	syscall(SYS_close_range, LINE_FD + 1, ~0u, 0); /* older kernels: what is not close-on-exec stays open */
	execlp(l->program, l->program, "worker", "--brief", "3", (char *)NULL);
	report_failure(LINE_FD, errno);
}

static int between(void *argument)
{
	struct launch *l = argument;
	/* A plain fork: this one shares its parent's memory and descriptors, the next gets copies. */
	long child = syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, 0, &l->pidfd, 0, 0);

	if (child == 0)
		become(l);
	l->error = child < 0 ? errno : 0;
	return 0;
}

/* Quiet: no handler of the host's runs in a child. */
static int launch(struct launch *l)
{
	const size_t size = 64 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t child;

	if (stack == MAP_FAILED)
		return COVEY_ESYSTEM;
	sigemptyset(&l->signals);
	shm_floor_begin(); /* the pidfd is made among our descriptors */
	child = clone(between, stack + size, CLONE_VM | CLONE_VFORK | CLONE_FILES, l);
	if (child < 0)
		l->error = errno;
	else
		while (waitpid(child, NULL, __WCLONE) < 0 && errno == EINTR) {
		}
	shm_floor_end();
	munmap(stack, size);
	errno = l->error;
	return l->error == 0 ? 0 : COVEY_ESYSTEM;
}

/* The report, or the end of the process without one, which the line alone might not tell: a sibling thread that forks
 * just now gives its child a copy of the other end. */
static int hear(int line, int pidfd, struct report *r)
{
	struct pollfd both[] = {{.fd = line, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	int n;

	do
		n = poll(both, 2, -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return COVEY_ESYSTEM;
	return recv(line, r, sizeof(*r), MSG_DONTWAIT) == (ssize_t)sizeof(*r) ? 0 : COVEY_EDEVICE;
}

static int read_report(struct covey_worker *w, int line, uint32_t *number)
{
	struct report r;
	int heard = hear(line, w->pidfd, &r), error = errno;

	if (heard == COVEY_ESYSTEM)
		syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0); /* nothing was handed to it yet */
	errno = error;
	if (heard != 0)
		return heard;
	errno = r.error;
	w->pid = r.pid;
	*number = r.number;
	return r.result;
}

/* Its path, where it is not to be looked for: the process works in another directory.  To be freed. */
static char *program_of(const struct covey_worker_options *o)
{
	const char *program = o->program != NULL ? o->program : secure_getenv("COVEY_PROGRAM");

	if (program == NULL || program[0] == '\0') /* a set-user-id program does not follow its caller's search path */
		program = getauxval(AT_SECURE) != 0 ? "/usr/bin/covey" : "covey";
	return strchr(program, '/') != NULL ? realpath(program, NULL) : strdup(program);
}

static int line_make(int line[2])
{
	int r;

	shm_floor_begin();
	r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line);
	shm_floor_end();
	return r == 0 ? 0 : COVEY_ESYSTEM;
}

/* The process begins; *line is what it will be heard on. */
static int launch_program(struct covey_worker *w, int brief, int *line)
{
	char *program = program_of(&w->serving.options);
	struct launch l = {.program = program, .brief = brief, .pidfd = -1};
	int ends[2], r = program == NULL ? COVEY_ESYSTEM : line_make(ends);

	if (r == 0) {
		*line = ends[0];
		l.line = ends[1];
		r = launch(&l);
		w->pidfd = l.pidfd;
		close(ends[1]);
	}
	free(program);
	return r;
}

static int process_begin(struct covey_worker *w, int *line)
{
	char *library = realpath(w->serving.options.library, NULL);
	int brief, r;

	if (library == NULL)
		return COVEY_EDEVICE;
	brief = brief_make(w, library);
	free(library);
	if (brief < 0)
		return brief;
	r = launch_program(w, brief, line);
	close(brief);
	return r;
}

int covey_process_start(struct covey_worker *w, uint32_t *number)
{
	struct shm_quiet quiet;
	int line = -1, r;

	atomic_store(&w->holders, 1);
	shm_quiet_begin(&quiet);
	r = process_begin(w, &line);
	shm_quiet_end(&quiet);
	if (r == 0)
		r = read_report(w, line, number); /* once its device has begun: not quietly */
	if (line >= 0)
		close(line);
	return r;
}

/* ------------------------------------------------------------------------------------------------ the handle */

int covey_process_wait(struct covey_worker *w, int64_t deadline)
{
	struct pollfd end = {.fd = w->pidfd, .events = POLLIN};
	int64_t left;

	for (;;) {
		struct timespec t;
		int n;

		left = deadline == COVEY_FOREVER ? INT64_C(1000000000) * INT_MAX
		       : deadline > 0            ? deadline - cv_kernel.now()
		                                 : 0;
		left = left > 0 ? left : 0;
		t = (struct timespec){left / 1000000000, left % 1000000000};
		n = ppoll(&end, 1, &t, NULL);
		if (n == 1)
			return 0;
		if (n < 0 && errno != EINTR)
			return COVEY_ESYSTEM;
		if (left == 0)
			return COVEY_ETIMEDOUT;
	}
}

int covey_process_stop(struct covey_worker *w)
{
	int r = covey_process_wait(w, COVEY_NOW);

	if (r != COVEY_ETIMEDOUT)
		return r; /* it had ended, or it cannot be told */
	if (syscall(SYS_pidfd_send_signal, w->pidfd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
		return COVEY_ESYSTEM; /* it works on */
	r = covey_process_wait(w, COVEY_FOREVER);
	return r == 0 ? COVEY_ESTOPPED : r;
}

/* ------------------------------------------------------------------------------------------------ in the process */

struct duty {
	struct brief *brief;
	const char *region, *library, *symbol;
	struct covey_bytes name, base;
	covey *c;
	struct covey_worker *w;
};

/* The brief, mapped, if it is one. */
static bool brief_read(int fd, struct duty *d)
{
	const char *parts[5], *at;
	struct stat st;
	uint64_t room;

	if (fstat(fd, &st) != 0 || (size_t)st.st_size < sizeof(struct brief))
		return false;
	d->brief = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (d->brief == MAP_FAILED || d->brief->magic != BRIEF_MAGIC)
		return false;
	at = (const char *)(d->brief + 1);
	room = (uint64_t)st.st_size - sizeof(struct brief);
	for (int i = 0; i < 5; i++) {
		uint64_t size = d->brief->sizes[i];

		if (size > room || (i < 3 && (size == 0 || at[size - 1] != '\0')))
			return false;
		parts[i] = at;
		at += size;
		room -= size;
	}
	d->region = parts[0];
	d->library = parts[1];
	d->symbol = parts[2];
	d->name = (struct covey_bytes){parts[3], (size_t)d->brief->sizes[3]};
	d->base = (struct covey_bytes){parts[4], (size_t)d->brief->sizes[4]};
	return true;
}

const struct covey_device *covey_load_device(const char *library, const char *symbol)
{
	void *loaded = library != NULL && symbol != NULL ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;

	return loaded != NULL ? dlsym(loaded, symbol) : NULL;
}

/* Attached, and the worker started or ready to accept. */
static int duty_begin(struct duty *d, struct report *report)
{
	const struct covey_options options = {.flags = d->brief->flags};
	const struct covey_worker_options o = {.static_worker = d->brief->static_worker,
	        .error_strategy = d->brief->error_strategy,
	        .worker_timeout = d->brief->worker_timeout};
	const struct covey_handover from = {.generation = d->brief->generation, .elsewhere = true};
	const struct covey_device *device = covey_load_device(d->library, d->symbol);
	int r;

	if (device == NULL)
		return COVEY_EDEVICE;
	r = covey_open(&d->c, d->region, &options);
	if (r != 0)
		return r;
	if (d->c->device != d->brief->device || d->c->inode != d->brief->inode)
		return COVEY_EFOREIGN;
	report->number = (uint32_t)covey_participant(d->c);
	if (d->brief->accepts)
		return covey_worker_prepare(d->c, device, d->name, d->base, &o, &from, &d->w, &report->number);
	return covey_start_worker(d->c, device, d->name.data, d->name.size, d->base, &o, &d->w);
}

static void *announce_end(void *argument)
{
	struct duty *d = argument;

	covey_wait_worker(d->w, COVEY_FOREVER);
	kill(getpid(), SIGTERM); /* which every thread blocks, and duty_do() waits for */
	return NULL;
}

/* Until the worker ends by itself, or SIGTERM tells it to. */
static int duty_do(struct duty *d, const sigset_t *signals)
{
	pthread_t waiter;
	int signal, r;

	if (pthread_create(&waiter, NULL, announce_end, d) != 0)
		return COVEY_ESYSTEM;
	sigwait(signals, &signal);
	atomic_fetch_add(&d->w->holders, 1); /* the waiter looks at it until it is joined */
	r = covey_stop_worker(d->w);
	pthread_join(waiter, NULL);
	covey_worker_drop(d->w);
	return r;
}

int covey_worker_main(int brief, int line)
{
	struct duty d = {0};
	struct report report = {.pid = getpid()};
	sigset_t signals;
	int r = COVEY_EINVAL;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before there are other threads */
	fcntl(line, F_SETFD, FD_CLOEXEC);
	if (brief_read(brief, &d))
		r = duty_begin(&d, &report);
	close(brief);
	report.result = r;
	report.error = errno;
	(void)!send(line, &report, sizeof(report), MSG_NOSIGNAL);
	close(line);
	if (r == 0)
		r = duty_do(&d, &signals);
	covey_close(d.c);
	return r;
}
