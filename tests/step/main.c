/*
 * main.c - killed, and stopped, at any instruction
 *
 *      main.c        which points, in which processes, and the table of what was covered
 *      points.c      one point: killed, stopped, killed twice
 *      stage.c       the play at a point: bystander, actors, victim
 *      bystander.c   what the others must be able to do, and the audit
 *      path.c        the instructions of a call, and how to get to one
 *      tracer.c      ptrace
 *      ways*.c       the calls, and the ways through them
 *
 * COVEY_PROVE=long takes every instruction; otherwise a sample.  Arguments choose ways: those whose name contains one.
 * COVEY_STRIDE=wide takes a smaller sample, without second kills, where each instruction costs more.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "points.h"
#include "tracer.h"

#define JOBS 2

static struct report *reports; /* shared with the processes that work */
static _Atomic size_t *next;
static const struct way *ways[256];
static size_t way_count;

static const struct way *const tables[] = {ways_of_leading, ways_of_answering, ways_of_waiting, ways_of_working,
        ways_of_regions, ways_of_threads, ways_of_recovery, ways_of_looking, ways_of_rivals};

static bool chosen(const struct way *way, int argc, char **argv)
{
	char name[128];

	snprintf(name, sizeof(name), "%s, %s", way->what, way->name);
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]) != NULL)
			return true;
	return argc <= 1;
}

static void choose(int argc, char **argv)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct way *w = tables[t]; w->what != NULL; w++)
			if (chosen(w, argc, argv) && way_count < sizeof(ways) / sizeof(ways[0]))
				ways[way_count++] = w;
}

/* A job is a way, or in the long form one mode of it. */
static size_t job_count(void)
{
	return way_count * (points_all() ? POINT_MODES : 1);
}

static void do_job(size_t i)
{
	if (!points_all())
		points_of(ways[i], POINT_KILL, POINT_SECOND, &reports[i]);
	else
		points_of(ways[i / POINT_MODES], (enum point_mode)(i % POINT_MODES), (enum point_mode)(i % POINT_MODES),
		        &reports[i / POINT_MODES]);
}

/* In one piece. */
static void print_row(const char *what, const char *way, const struct report *r)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s%s", what, way[0] != '\0' ? ", " : "", way);
	printf("%-52s %7u %6u %7u %7u %8u %6u %7u %5u %7.1f\n", name, r->instructions, r->distinct,
	        atomic_load(&r->killed), atomic_load(&r->stopped), atomic_load(&r->second), atomic_load(&r->missed),
	        atomic_load(&r->longest), atomic_load(&r->violations), (double)atomic_load(&r->nanoseconds) * 1e-9);
	fflush(stdout);
}

static void work(int job)
{
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world_keep_to(job);
	tracer_begin();
	while ((i = atomic_fetch_add(next, 1)) < job_count()) {
		size_t way = points_all() ? i / POINT_MODES : i;

		do_job(i);
		if (atomic_load(&reports[way].done) == POINT_MODES)
			print_row(ways[way]->what, ways[way]->name, &reports[way]);
	}
	_exit(0);
}

static void progress(void)
{
	size_t at = atomic_load(next);
	const struct way *way = at < job_count() ? ways[points_all() ? at / POINT_MODES : at] : NULL;

	if (way != NULL && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%zu of %zu: %s, %s", at, job_count(), way->what, way->name);
}

static void run_jobs(void)
{
	pid_t jobs[JOBS];
	int left = JOBS, status;

	fflush(NULL);
	for (int i = 0; i < JOBS; i++)
		if ((jobs[i] = fork()) == 0)
			work(i);
	while (left > 0) {
		progress();
		if (waitpid(-1, &status, WNOHANG) > 0)
			left--;
		else
			world_yield();
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static void add(struct report *sum, const struct report *r)
{
	sum->instructions += r->instructions;
	sum->distinct += r->distinct;
	sum->killed += r->killed;
	sum->stopped += r->stopped;
	sum->second += r->second;
	sum->missed += r->missed;
	sum->violations += r->violations;
	sum->longest = r->longest > sum->longest ? r->longest : sum->longest;
	sum->nanoseconds += r->nanoseconds;
}

/* instructions: of the call.  distinct: those after which the region, or what the kernel holds, was another.  missed: a
 * run took another path, and did not come to the point.  longest: instructions of the survivor.  Of two that are inside at
 * once: killed, one of them; 2nd kill, both. */
static void print_head(void)
{
	printf("%-52s %7s %6s %7s %7s %8s %6s %7s %5s %7s\n", "call", "instr.", "dist.", "killed", "stopped",
	        "2nd kill", "missed", "longest", "viol.", "seconds");
}

int main(int argc, char **argv)
{
	static struct report sum;
	size_t size;
	bool whole = true;

	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return ways_hand_on_brief(getenv("COVEY_STEP_BRIEF"));
	memset(long_name, 'l', LONG_NAME_SIZE);
	choose(argc, argv);
	size = sizeof(*next) + way_count * sizeof(*reports);
	next = mmap(NULL, size + 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(next != MAP_FAILED);
	reports = (struct report *)(void *)((char *)next + 64);
	print_head();
	run_jobs();
	for (size_t i = 0; i < way_count; i++) {
		add(&sum, &reports[i]);
		whole = whole && atomic_load(&reports[i].done) == POINT_MODES;
	}
	print_row("all", "", &sum);
	if (!whole)
		printf("not every way was gone through\n");
	return sum.violations == 0 && whole && way_count != 0 ? 0 : 1;
}
