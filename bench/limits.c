/*
 * limits.c - what the machine itself takes, measured a second time by code that shares nothing with the suite
 *
 * A line each on standard output: a name, and a median in nanoseconds.  It measures what raw.cc, p6_publish.cc and p7_death.cc
 * measure as their floors, in the plainest way, so that a mistake in the suite would show as a difference.  The parent has the
 * first core, its child the last, as there.
 *
 * Three things must be as they are there, or the machine itself answers differently.  A line's time depends on where it lies,
 * so many are tried.  A wake-up takes the longer the longer its core has been idle, so the time that all are left to sleep
 * is the same.  And what has just run on a core, or was just made, finds other caches than what waited while others ran:
 * so processes stay, and two sets of them take turns.
 */
#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 301,
	PAGES = 100, /* each with one line to play on */
	VISITS = 25,
	TRIPS = 2000,
	WAKEN = 16,
	SETS = 2, /* of processes, in turn */
	COPY = 1 << 20,
	APART_NS = 400000, /* one side of a futex trip sleeps for so long */
	SETTLE_US = 400,   /* so long after all were seen asleep */
};

static struct {
	_Alignas(4096) _Atomic uint32_t field[PAGES][1024];
	_Alignas(64) _Atomic uint32_t ball;
	_Alignas(64) _Atomic int64_t woken, answered;
	_Alignas(64) _Atomic uint32_t awake, owned;
	struct {
		_Alignas(64) _Atomic uint32_t gate;
		_Alignas(64) pthread_mutex_t lock;
	} set[SETS];
	struct {
		_Alignas(64) _Atomic int64_t end;
	} waiter[WAKEN];
	_Alignas(4096) unsigned char from[COPY], to[COPY];
} * shared;

static double samples[ROUNDS];

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* A child on this core, which ends with its parent. */
static pid_t child(int cpu)
{
	pid_t pid = fork();

	if (pid < 0)
		exit(1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(cpu);
	}
	return pid;
}

/* All these sleep: /proc says S. */
static void until_asleep(const pid_t *pids, int count)
{
	char path[64], state = 0;

	for (int i = 0; i < count; i += state == 'S') {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pids[i]);
		f = fopen(path, "r");
		if (f == NULL || fscanf(f, "%*d %*[^)]) %c", &state) != 1)
			exit(1);
		fclose(f);
	}
	usleep(SETTLE_US);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell(const char *name, int count)
{
	qsort(samples, (size_t)count, sizeof(samples[0]), by_size);
	printf("%s %.2f\n", name, samples[count / 2]);
	fflush(stdout);
}

/* ------------------------------------------------------------------------------------------------ two processes */

static _Atomic uint32_t *line(int page)
{
	return &shared->field[page][page * 16 % 1024];
}

/* So many times there and back on a line that says 0 now, and in the end. */
static void play(_Atomic uint32_t *ball, uint32_t mine, uint32_t theirs)
{
	for (int i = 0; i < TRIPS; i++) {
		while (atomic_load_explicit(ball, memory_order_acquire) != mine)
			;
		atomic_store_explicit(ball, theirs, memory_order_release);
	}
}

static int last_cpu(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Of each line the least of several visits: whatever else the machine does can only lengthen one. */
static void lines(void)
{
	pid_t other = child(last_cpu());

	if (other == 0)
		for (int page = 0;; page = (page + 1) % PAGES)
			play(line(page), 1, 0);
	for (int i = 0; i < VISITS * PAGES; i++) {
		int page = i % PAGES;
		int64_t begin = now();
		double time;

		play(line(page), 0, 1);
		while (atomic_load(line(page)) != 0)
			;
		time = (double)(now() - begin) / TRIPS;
		samples[page] = i < PAGES || time < samples[page] ? time : samples[page];
	}
	end(other);
	tell("line", PAGES);
}

static void idle_apart(void)
{
	for (int64_t until = now() + APART_NS; now() < until;)
		;
}

static void until_it_says(_Atomic uint32_t *word, uint32_t wanted)
{
	for (uint32_t seen; (seen = atomic_load(word)) != wanted;)
		sleep_on(word, seen);
}

static void say(_Atomic uint32_t *word, uint32_t what)
{
	atomic_store(word, what);
	wake(word, 1);
}

/* There, and back: each from before the wake-up until the other runs, which then stays awake until this side sleeps. */
static void futex_trips(void)
{
	pid_t other = child(last_cpu());

	while (other == 0) { /* NOLINT(bugprone-infinite-loop): until it is killed */
		until_it_says(&shared->ball, 1);
		atomic_store(&shared->woken, now());
		idle_apart();
		atomic_store(&shared->answered, now());
		say(&shared->ball, 0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int64_t begin, back;

		idle_apart();
		begin = now();
		say(&shared->ball, 1);
		until_it_says(&shared->ball, 0);
		back = now();
		samples[i] = (double)(shared->woken - begin + back - shared->answered);
	}
	end(other);
	tell("futex", ROUNDS);
}

static void sleeper(int set, int i)
{
	for (uint32_t round = 0;; round++) {
		while (atomic_load(&shared->set[set].gate) == round)
			sleep_on(&shared->set[set].gate, round);
		atomic_store(&shared->waiter[i].end, now());
		if (atomic_fetch_add(&shared->awake, 1) + 1 == WAKEN)
			wake(&shared->awake, 1);
	}
}

/* One wake of all: from before it until the last of them runs. */
static double wake_set(int set, const pid_t *pids)
{
	int64_t begin, last = 0;

	until_asleep(pids, WAKEN);
	atomic_store(&shared->awake, 0);
	begin = now();
	atomic_fetch_add(&shared->set[set].gate, 1);
	wake(&shared->set[set].gate, INT_MAX);
	until_it_says(&shared->awake, WAKEN);
	for (int i = 0; i < WAKEN; i++)
		last = shared->waiter[i].end > last ? shared->waiter[i].end : last;
	return (double)(last - begin);
}

static void wake_all(void)
{
	pid_t pids[SETS][WAKEN];

	for (int i = 0; i < SETS * WAKEN; i++) {
		pids[i / WAKEN][i % WAKEN] = child(i % WAKEN + last_cpu());
		if (pids[i / WAKEN][i % WAKEN] == 0)
			sleeper(i / WAKEN, i % WAKEN);
	}
	for (int r = 0; r < ROUNDS; r++)
		samples[r] = wake_set(r % SETS, pids[r % SETS]);
	for (int i = 0; i < SETS * WAKEN; i++)
		end(pids[i / WAKEN][i % WAKEN]);
	tell("wake_16", ROUNDS);
}

static void make_robust(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(lock, &attributes);
}

/* Whoever is told to goes for its set's lock, and notes when it got it. */
static void heir(int set)
{
	for (uint32_t round = 0;; round++) {
		while (atomic_load(&shared->set[set].gate) == round)
			sleep_on(&shared->set[set].gate, round);
		if (pthread_mutex_lock(&shared->set[set].lock) != EOWNERDEAD)
			_exit(1);
		atomic_store(&shared->waiter[set].end, now());
		pthread_mutex_consistent(&shared->set[set].lock);
		pthread_mutex_unlock(&shared->set[set].lock);
		say(&shared->awake, 1);
	}
}

static pid_t owner(int set)
{
	pid_t pid = child(0);

	if (pid == 0) {
		pthread_mutex_lock(&shared->set[set].lock);
		say(&shared->owned, 1);
		for (;;)
			pause();
	}
	return pid;
}

/* The owner of a robust mutex is killed while another sleeps for it. */
static double succeed(int set, pid_t next)
{
	pid_t first;
	int64_t begin;

	atomic_store(&shared->owned, 0);
	atomic_store(&shared->awake, 0);
	first = owner(set);
	until_it_says(&shared->owned, 1);
	atomic_fetch_add(&shared->set[set].gate, 1);
	wake(&shared->set[set].gate, 1);
	usleep(SETTLE_US); /* it slept until now, and does again */
	until_asleep((pid_t[]){first, next}, 2);
	begin = now();
	kill(first, SIGKILL);
	until_it_says(&shared->awake, 1);
	waitpid(first, NULL, 0);
	return (double)(shared->waiter[set].end - begin);
}

static void hand_over(void)
{
	pid_t heirs[SETS];

	for (int set = 0; set < SETS; set++) {
		make_robust(&shared->set[set].lock);
		atomic_store(&shared->set[set].gate, 0);
		heirs[set] = child(last_cpu());
		if (heirs[set] == 0)
			heir(set);
	}
	for (int r = 0; r < ROUNDS; r++)
		samples[r] = succeed(r % SETS, heirs[r % SETS]);
	for (int set = 0; set < SETS; set++)
		end(heirs[set]);
	tell("hand_over", ROUNDS);
}

/* ------------------------------------------------------------------------------------------------ one process */

static void swaps(void)
{
	enum { TIMES = 51, MANY = 100000 };
	_Atomic uint64_t word = 0;

	for (int i = 0; i < TIMES; i++) {
		uint64_t seen = atomic_load(&word);
		int64_t begin = now();

		for (int n = 0; n < MANY; n++)
			if (atomic_compare_exchange_strong(&word, &seen, seen + 1))
				seen++;
		samples[i] = (double)(now() - begin) / MANY;
	}
	tell("swap", TIMES);
}

static void copies(const char *name, size_t size, int many)
{
	enum { TIMES = 51 };

	for (int i = 0; i < TIMES; i++) {
		int64_t begin = now();

		for (int n = 0; n < many; n++) {
			memcpy(shared->to, shared->from, size);
			__asm__ volatile("" : : "r"(shared) : "memory");
		}
		samples[i] = (double)(now() - begin) / many;
	}
	tell(name, TIMES);
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	memset(shared->from, 1, COPY);
	pin(0);
	lines();
	swaps();
	futex_trips();
	wake_all();
	hand_over();
	copies("copy_64", 64, 100000);
	copies("copy_4096", 4096, 10000);
	copies("copy_1048576", COPY, 20);
	return 0;
}
