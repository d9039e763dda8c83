/*
 * limits.c - what the machine itself takes, measured a second time by code that shares nothing with the suite
 *
 * A line each on standard output: a name, and a median in nanoseconds.  It measures what raw.cc, p6_publish.cc and p7_death.cc
 * measure as their floors, in the plainest way, so that a mistake in the suite would show as a difference.  The parent has the
 * first core, its child the last, as there.
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

enum { ROUNDS = 301, TRIPS = 20000, SLEEPS = 200, WAKEN = 16, COPY = 1 << 20 };

static struct {
	_Alignas(64) _Atomic uint32_t ball;
	_Alignas(64) _Atomic uint32_t gate, awake, owned;
	_Alignas(64) _Atomic int64_t end[WAKEN];
	_Alignas(64) pthread_mutex_t lock;
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
	usleep(200);
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

/* So many times there and back: each waits for its number, and passes the next one on. */
static void play(uint32_t side, int trips, int asleep)
{
	for (int i = 0; i < trips; i++) {
		uint32_t mine = (uint32_t)i * 2 + side, seen;

		while ((seen = atomic_load_explicit(&shared->ball, memory_order_acquire)) != mine)
			if (asleep)
				sleep_on(&shared->ball, seen);
		atomic_store_explicit(&shared->ball, mine + 1, memory_order_release);
		if (asleep)
			wake(&shared->ball, 1);
	}
}

static void trips(const char *name, int count, int asleep)
{
	enum { TIMES = 21 };

	for (int i = 0; i < TIMES; i++) {
		int64_t begin;
		pid_t other;

		atomic_store(&shared->ball, 0);
		atomic_store(&shared->gate, 0);
		other = child(-1 + (int)sysconf(_SC_NPROCESSORS_ONLN));
		if (other == 0) {
			atomic_store(&shared->gate, 1);
			play(1, count, asleep);
			_exit(0);
		}
		while (atomic_load(&shared->gate) == 0)
			;
		begin = now();
		play(0, count, asleep);
		samples[i] = (double)(now() - begin) / count;
		waitpid(other, NULL, 0);
	}
	tell(name, TIMES);
}

/* One wake of all: from before it until the last of them runs. */
static void wake_all(void)
{
	pid_t pids[WAKEN];

	atomic_store(&shared->gate, 0);
	for (int i = 0; i < WAKEN; i++) {
		pids[i] = child(i + 1);
		for (uint32_t round = 0; pids[i] == 0; round++) {
			while (atomic_load(&shared->gate) == round)
				sleep_on(&shared->gate, round);
			atomic_store(&shared->end[i], now());
			if (atomic_fetch_add(&shared->awake, 1) + 1 == WAKEN)
				wake(&shared->awake, 1);
		}
	}
	for (int r = 0; r < ROUNDS; r++) {
		int64_t begin, last = 0;
		uint32_t seen;

		until_asleep(pids, WAKEN);
		atomic_store(&shared->awake, 0);
		begin = now();
		atomic_fetch_add(&shared->gate, 1);
		wake(&shared->gate, INT_MAX);
		while ((seen = atomic_load(&shared->awake)) != WAKEN)
			sleep_on(&shared->awake, seen);
		for (int i = 0; i < WAKEN; i++)
			last = shared->end[i] > last ? shared->end[i] : last;
		samples[r] = (double)(last - begin);
	}
	for (int i = 0; i < WAKEN; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	tell("wake_16", ROUNDS);
}

/* The owner of a robust mutex is killed while another sleeps for it. */
static void hand_over(void)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->lock, &attributes);
	for (int r = 0; r < ROUNDS; r++) {
		pid_t owner, heir;
		int64_t begin;

		atomic_store(&shared->owned, 0);
		owner = child(0);
		if (owner == 0) {
			pthread_mutex_lock(&shared->lock);
			atomic_store(&shared->owned, 1);
			wake(&shared->owned, 1);
			for (;;)
				pause();
		}
		while (atomic_load(&shared->owned) == 0)
			sleep_on(&shared->owned, 0);
		heir = child(-1 + (int)sysconf(_SC_NPROCESSORS_ONLN));
		if (heir == 0) {
			if (pthread_mutex_lock(&shared->lock) != EOWNERDEAD)
				_exit(1);
			atomic_store(&shared->end[0], now());
			pthread_mutex_consistent(&shared->lock);
			pthread_mutex_unlock(&shared->lock);
			_exit(0);
		}
		until_asleep((pid_t[]){owner, heir}, 2);
		begin = now();
		kill(owner, SIGKILL);
		waitpid(heir, NULL, 0);
		waitpid(owner, NULL, 0);
		samples[r] = (double)(shared->end[0] - begin);
	}
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
	trips("line", TRIPS, 0);
	swaps();
	trips("futex", SLEEPS, 1);
	wake_all();
	hand_over();
	copies("copy_64", 64, 100000);
	copies("copy_4096", 4096, 10000);
	copies("copy_1048576", COPY, 20);
	return 0;
}
