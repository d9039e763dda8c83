/*
 * world.c - see world.h
 */
#include "world.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct world *world;

/* A test that was killed leaves its region, and a later process may have its pid: only a name that nobody has will do. */
static void name_region(void)
{
	static int serial;
	char path[128];

	do {
		snprintf(world->region, sizeof(world->region), "covey-test-%d-%d", (int)getpid(), ++serial);
		snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	} while (access(path, F_OK) == 0);
}

void world_begin(const struct covey_options *options)
{
	if (world == NULL) {
		world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		must(world != MAP_FAILED);
	} else {
		world_end();
	}
	memset(world, 0, sizeof(*world));
	name_region();
	if (options != NULL)
		world->options = *options;
}

void world_end(void)
{
	if (world->region[0] != '\0')
		covey_unlink(world->region);
	world->region[0] = '\0';
}

static covey *open_with(const struct covey_options *options)
{
	covey *c = NULL;
	int r = covey_open(&c, world->region, options);

	if (r != 0)
		fprintf(stderr, "covey_open: %s (%s)\n", covey_strerror(r), strerror(errno));
	must(r == 0 && c != NULL);
	return c;
}

covey *world_open(void)
{
	return open_with(&world->options);
}

covey *world_open_apart(void)
{
	struct covey_options apart = world->options;

	apart.flags |= COVEY_SEPARATE;
	return open_with(&apart);
}

pid_t world_spawn(int (*work)(void *context), void *context)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	must(child >= 0);
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = work(context);
	fflush(NULL);
	_exit(status); /* not exit(): what the parent's other threads owned would be reported as leaked */
}

int world_join(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) != child)
		must(errno == EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void world_kill(pid_t child)
{
	kill(child, SIGKILL);
	must(world_join(child) == 128 + SIGKILL);
}

void world_yield(void)
{
	struct timespec t = {0, 200000};

	nanosleep(&t, NULL);
}

void world_keep_to(int nth)
{
	cpu_set_t all, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	for (int skip = nth % CPU_COUNT(&all); !CPU_ISSET(cpu, &all) || skip-- != 0;)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Those who sleep are moved from the word to itself, none is woken, and the kernel counts whom it moved. */
int world_sleepers(const _Atomic uint32_t *word)
{
	long n;

	do
		n = syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, (long)INT32_MAX, word, atomic_load(word));
	while (n < 0 && errno == EAGAIN); /* it changed meanwhile */
	must(n >= 0);
	return (int)n;
}

uint32_t world_waiters(covey *c, const char *group)
{
	struct covey_info info;

	return covey_find(c, group, strlen(group), &info) == 0 ? info.waiters : 0;
}

static uint32_t participants_after_reaping(covey *c)
{
	struct covey_usage usage;

	must(covey_reap(c) >= 0 && covey_usage_of(c, &usage) == 0);
	return usage.participants;
}

void world_settle(covey *c, uint32_t participants)
{
	until(participants_after_reaping(c) == participants);
}

void world_check(covey *c, uint64_t blocks)
{
	struct covey_usage usage;
	char why[256] = "";
	int r = covey_check(c, why, sizeof(why));

	if (r != 0)
		fail_msg("covey_check: %s: %s", covey_strerror(r), why);
	assert_int_equal(covey_usage_of(c, &usage), 0);
	assert_int_equal(usage.heap_blocks, blocks);
}
