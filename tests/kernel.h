/*
 * kernel.h - what the tests of the kernel's contracts share: words in a file that all map, lives, and their ends
 *
 * Nothing here calls libcovey's engine.  Actors are real processes.  An actor is awaited in the queue of
 * its last word: the order in which several fell asleep is therefore known.
 */
#ifndef COVEY_TESTS_KERNEL_H
#define COVEY_TESTS_KERNEL_H

#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "futex.h"

#define WAITV 449 /* the same number on every architecture; Debian 12's headers may lack it */
#define LIVES 4   /* words of a life, as far apart as robust-list nodes must be */
#define STRIDE 4
#define ACTORS 32
#define WRITERS 3
#define ENDED (FUTEX_OWNER_DIED | FUTEX_WAITERS)

struct actor {
	_Atomic int ready; /* a victim lives */
	_Atomic int done;  /* a sleeper's call has returned */
	_Atomic int result, error;
};

/* Memory that all share; the words below are indexes into word[], STRIDE apart. */
struct shared {
	_Atomic uint32_t word[CV_FUTEX_MAX * STRIDE];
	struct actor actor[ACTORS];
	_Atomic uint32_t go, stop;
	_Atomic uint64_t written[WRITERS];
};
static struct shared *shared;
static const struct shared *read_only; /* the same file, mapped a second time */
static int file;

enum { BELL = LIVES, OWN }; /* words that are nobody's life */

static inline _Atomic uint32_t *word(int i)
{
	return &shared->word[i * STRIDE];
}

static inline void begin(void)
{
	if (shared == NULL) {
		file = memfd_create("covey-kernel", MFD_CLOEXEC);
		must(file >= 0 && ftruncate(file, sizeof(*shared)) == 0);
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		read_only = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, file, 0);
		must(shared != MAP_FAILED && read_only != MAP_FAILED);
	}
	memset(shared, 0, sizeof(*shared));
}

/* ------------------------------------------------------------------------------------------------ calls */

struct waitv_entry {
	uint64_t expected;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

static inline long waitv(const struct waitv_entry *list, unsigned count, const struct timespec *deadline)
{
	return syscall(WAITV, list, count, 0, deadline, CLOCK_MONOTONIC);
}

static inline struct waitv_entry entry(const struct shared *mapping, int i)
{
	return (struct waitv_entry){.expected = atomic_load(word(i)),
	        .address = (uint64_t)(uintptr_t)&mapping->word[i * STRIDE],
	        .flags = 2 /* FUTEX_32, shared */};
}

static inline long wait_plain(const _Atomic uint32_t *w, uint32_t expected, const struct timespec *deadline)
{
	return syscall(SYS_futex, w, FUTEX_WAIT_BITSET, expected, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static inline int wake(const _Atomic uint32_t *w, int count)
{
	return (int)syscall(SYS_futex, w, FUTEX_WAKE, count, NULL, NULL, 0);
}

static inline void need_waitv(void)
{
	if (waitv(NULL, 0, NULL) < 0 && errno == ENOSYS)
		skip();
}

/* R, S (sleeps), T (stopped), Z ... */
static inline char state_of(pid_t process)
{
	char path[64], line[256] = "", *after;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	after = strrchr(line, ')');
	must(after != NULL && after[1] == ' ');
	return after[2];
}

/* Until it is killed. */
static inline int stays(void)
{
	for (;;)
		pause();
	return 0;
}

/* ------------------------------------------------------------------------------------------------ lives */

struct robust {
	struct robust_list_head head;
	_Alignas(16) unsigned char nodes[LIVES][STRIDE * sizeof(uint32_t)];
};

/* As participant.c does: nodes in our own memory, words in the shared one. */
static inline void live(struct robust *r, uint32_t tid)
{
	r->head.list.next = (struct robust_list *)(void *)r->nodes[0];
	r->head.futex_offset = (long)((uintptr_t)word(0) - (uintptr_t)r->nodes[0]);
	r->head.list_op_pending = NULL;
	for (int i = 0; i < LIVES; i++)
		((struct robust_list *)(void *)r->nodes[i])->next =
		        i + 1 < LIVES ? (struct robust_list *)(void *)r->nodes[i + 1] : &r->head.list;
	must(syscall(SYS_set_robust_list, &r->head, sizeof(r->head)) == 0);
	for (int i = 0; i < LIVES; i++)
		atomic_store(word(i), tid | FUTEX_WAITERS);
}

static inline uint32_t own_tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

enum { VICTIM = ACTORS - 1 }; /* its place among the actors */

static inline void *keeper(void *context)
{
	static struct robust list;

	(void)context;
	live(&list, own_tid());
	atomic_store(&shared->actor[VICTIM].ready, 1);
	while (atomic_load(&shared->stop) == 0)
		wait_plain(&shared->stop, 0, NULL);
	return NULL;
}

static inline void start_keeper(pthread_t *thread)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	must(pthread_create(thread, NULL, keeper, NULL) == 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

enum way { KILLED, SIGNALLED, EXITS, EXECS, THREAD_ENDS, WAYS };

static inline int end_thread(pthread_t thread)
{
	atomic_store(&shared->stop, 1);
	wake(&shared->stop, INT_MAX);
	pthread_join(thread, NULL);
	/* covey_participant_leave() wakes after the join what the kernel may have woken one of. */
	for (int i = 0; i < LIVES; i++)
		must(atomic_load(word(i)) == ENDED);
	return stays();
}

static inline int victim(void *context)
{
	enum way way = *(enum way *)context;
	pthread_t thread;

	start_keeper(&thread);
	while (atomic_load(&shared->go) == 0)
		wait_plain(&shared->go, 0, NULL);
	if (way == EXITS)
		_exit(0);
	if (way == EXECS)
		execl("/bin/sleep", "sleep", "600", (char *)NULL);
	if (way == THREAD_ENDS)
		return end_thread(thread);
	return stays();
}

static inline pid_t begin_victim(enum way way)
{
	pid_t child = world_spawn(victim, &way);

	until(atomic_load(&shared->actor[VICTIM].ready) == 1);
	return child;
}

/* Gives when the kernel has told of it; the process is gone, if that is its way. */
static inline void end_victim(pid_t child, enum way way)
{
	atomic_store(&shared->go, 1);
	wake(&shared->go, INT_MAX);
	if (way == KILLED || way == SIGNALLED)
		kill(child, way == KILLED ? SIGKILL : SIGTERM);
	if (way == EXECS || way == THREAD_ENDS) {
		until(atomic_load(word(LIVES - 1)) == ENDED);
		must(kill(child, 0) == 0 && state_of(child) != 'Z');
		return;
	}
	world_join(child);
}

#endif
