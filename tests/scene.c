/*
 * scene.c - a region as a large service might have it, for the inspector to look at
 *
 * usage: test_scene REGION [GROUPS [WAITERS]]
 *
 * Fills REGION with GROUPS led groups (10000) of four processes with four threads each, WAITERS waiters (200) in four
 * more processes, most of them on few groups, and two processes whose threads ask for the same four values again and
 * again, so that there is something to see.  Names are short, long, of other scripts, and of bytes that are no text.
 * It goes on by the lines of its standard input, and tells on standard output when each has come about:
 *
 *      (at the start)  lively    all is there
 *      corpses         held      all processes are stopped, and three that led are killed
 *      go              lively    the others go on, and have freed what the dead held
 *      end, or no more           all are killed, and the region's name is removed
 *
 * Keepers free what the dead held within milliseconds.  To hold corpses for a look, those who would reap them are stopped
 * first: then the dead are seen as they are in the instant after their death.  This process is no participant.
 */
#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { PROCESSES = 4, THREADS = 4, ASKERS = 2, CORPSES = 3, VALUES = 4, MOST = 2 * PROCESSES + ASKERS };

static unsigned groups = 10000, waiters = 200;
static pid_t living[MOST], corpses[CORPSES];

/* ------------------------------------------------------------------------------------------------ names */

/* What group i is called: its size. */
static size_t name_of(unsigned i, char out[COVEY_NAME_MAX])
{
	static const char *const odd[] = {"berichte/2026/übersicht", "価格/東京/日次", "line\nbreak\tand \033[31mred",
	        "bytes/\xff\xfe\x80 of no text", "quote\"and\\slash"};
	int size;

	if (i % 100 == 7)
		size = snprintf(out, COVEY_NAME_MAX, "%s/%u", odd[i / 100 % 5], i);
	else if (i % 100 == 11)
		size = snprintf(out, COVEY_NAME_MAX, "tenant/%05u/export/%0150u.csv", i, i);
	else
		size = snprintf(out, COVEY_NAME_MAX, "user/%05u/avatar", i);
	return (size_t)size;
}

/* Waiter i awaits one of a few groups: half of all the first, half of the rest the second, and so on. */
static unsigned awaited(unsigned i)
{
	unsigned rank = 0;

	for (unsigned left = waiters / 2; i >= left && left != 0; left /= 2) {
		i -= left;
		rank++;
	}
	return rank * 100 + rank % 13;
}

/* ------------------------------------------------------------------------------------------------ the actors */

static covey *region;

static void *lead_share(void *argument)
{
	unsigned share = (unsigned)(uintptr_t)argument;
	char name[COVEY_NAME_MAX];
	struct covey_lead lead;

	for (unsigned i = share; i < groups; i += PROCESSES * THREADS)
		must(covey_find_or_register(region, name, name_of(i, name), &lead) == COVEY_LEADER);
	atomic_fetch_add(&world->count[0], 1);
	for (;;)
		pause(); /* a thread that ends gives up what it leads */
}

static void run_threads(void *(*run)(void *), unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, run, (void *)(uintptr_t)(first + i)) == 0);
	}
	for (;;)
		pause();
}

static int leads(void *context)
{
	region = world_open();
	run_threads(lead_share, *(unsigned *)context * THREADS, THREADS);
	return 0;
}

static void *wait_for_one(void *argument)
{
	char name[COVEY_NAME_MAX], request[32];
	unsigned i = (unsigned)(uintptr_t)argument;
	size_t size = name_of(awaited(i), name);
	struct covey_lead lead;
	struct covey_result result;

	must(covey_find_or_register(region, name, size, &lead) == COVEY_WAIT);
	snprintf(request, sizeof(request), "size=%u", 16u << i % 5);
	covey_await(region, &lead, request, strlen(request), COVEY_FOREVER, COVEY_NO_TAKEOVER, &result);
	covey_release(region, &result);
	return NULL;
}

static int waits(void *context)
{
	unsigned first = *(unsigned *)context * waiters / PROCESSES;

	region = world_open();
	run_threads(wait_for_one, first, (*(unsigned *)context + 1) * waiters / PROCESSES - first);
	return 0;
}

/* Takes its time, as what is worth sharing does. */
static int slow_value(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	const struct timespec work = {0, 20000000};

	(void)self, (void)request;
	nanosleep(&work, NULL);
	return covey_answer_copy(answer, base.data, base.size);
}

static int group_is_base(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static void *ask_for_ever(void *argument)
{
	static const struct covey_device device = {.group = group_is_base, .compute = slow_value};
	struct covey_result result;
	char name[32];
	int size = snprintf(name, sizeof(name), "price/%u", (unsigned)(uintptr_t)argument % VALUES);

	for (;;) {
		covey_resolve(region, &device, (struct covey_bytes){name, (size_t)size}, (struct covey_bytes){0}, NULL,
		        &result);
		covey_release(region, &result);
		atomic_fetch_add(&world->count[1], 1);
	}
	return NULL;
}

static int asks(void *context)
{
	(void)context;
	region = world_open();
	run_threads(ask_for_ever, 0, 2 * VALUES);
	return 0;
}

static int leads_until_killed(void *context)
{
	struct covey_lead lead;
	char name[32];

	region = world_open();
	snprintf(name, sizeof(name), "report/2026-%02u", *(unsigned *)context + 1);
	must(lead_of(region, name, &lead) == COVEY_LEADER);
	atomic_fetch_add(&world->count[0], 1);
	for (;;)
		pause();
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the scene */

static int add_waiters(void *context, const struct covey_group_view *group)
{
	*(unsigned *)context += group->info.waiters;
	return 0;
}

static bool all_wait(covey *c)
{
	unsigned waiting = 0;

	must(covey_each_group(c, add_waiters, &waiting) >= 0);
	return waiting >= waiters;
}

static void begin_scene(covey *c)
{
	static unsigned number[] = {0, 1, 2, 3};

	for (unsigned i = 0; i < PROCESSES; i++)
		living[i] = world_spawn(leads, &number[i]);
	for (unsigned i = 0; i < CORPSES; i++)
		corpses[i] = world_spawn(leads_until_killed, &number[i]);
	until(atomic_load(&world->count[0]) == PROCESSES * THREADS + CORPSES);
	for (unsigned i = 0; i < PROCESSES; i++)
		living[PROCESSES + i] = world_spawn(waits, &number[i]);
	for (unsigned i = 0; i < ASKERS; i++)
		living[2 * PROCESSES + i] = world_spawn(asks, NULL);
	until(all_wait(c) && atomic_load(&world->count[1]) > 4 * VALUES);
}

static void hold(pid_t process)
{
	int status;

	must(kill(process, SIGSTOP) == 0);
	must(waitpid(process, &status, WUNTRACED) == process && WIFSTOPPED(status));
}

/* Those who are to die are stopped as well, or the last of them would reap the first. */
static void hold_corpses(void)
{
	for (unsigned i = 0; i < MOST; i++)
		hold(living[i]);
	for (unsigned i = 0; i < CORPSES; i++)
		hold(corpses[i]);
	for (unsigned i = 0; i < CORPSES; i++)
		world_kill(corpses[i]);
}

static bool none_dead(covey *c)
{
	struct covey_usage usage;

	must(covey_usage_of(c, &usage) == 0);
	return usage.participants_dead == 0;
}

static void go_on(covey *c)
{
	for (unsigned i = 0; i < MOST; i++)
		must(kill(living[i], SIGCONT) == 0);
	until(none_dead(c));
}

static void end_scene(bool corpses_live)
{
	for (unsigned i = 0; i < MOST; i++)
		world_kill(living[i]);
	for (unsigned i = 0; i < CORPSES && corpses_live; i++)
		world_kill(corpses[i]);
}

static void tell(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void follow_lines(covey *c)
{
	bool corpses_live = true;
	char line[32];

	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "end\n") != 0) {
		if (strcmp(line, "corpses\n") == 0 && corpses_live) {
			hold_corpses();
			corpses_live = false;
			tell("held");
		} else if (strcmp(line, "go\n") == 0) {
			go_on(c);
			tell("lively");
		}
	}
	end_scene(corpses_live);
}

int main(int argc, char **argv)
{
	struct covey_options options = {.groups = 16384}, look = {.flags = COVEY_INSPECT | COVEY_ATTACH_ONLY};
	covey *c;

	if (argc < 2) {
		fputs("usage: test_scene REGION [GROUPS [WAITERS]]\n", stderr);
		return 2;
	}
	groups = argc > 2 ? (unsigned)atoi(argv[2]) : groups;
	waiters = argc > 3 ? (unsigned)atoi(argv[3]) : waiters;
	signal(SIGPIPE, SIG_IGN);
	world_begin(&options);
	snprintf(world->region, sizeof(world->region), "%s", argv[1]);
	covey_close(world_open());
	must(covey_open(&c, world->region, &look) == 0);
	begin_scene(c);
	tell("lively");
	follow_lines(c);
	covey_close(c);
	world_end();
	return 0;
}
