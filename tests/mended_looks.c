/*
 * mended_looks.c - who leads a group is read from several words: what is told of them must have been true together
 *
 * A process is single-stepped into a call that tells who leads, and stopped after N instructions, for every seventh N
 * (COVEY_PROVE: every one).  Meanwhile the leader gives the group up, is killed and reaped, and a stranger gets its slot and
 * its seat.  Continued, the call must tell of the leader as it was, or that there is none; not that it died as it led, and
 * not of the stranger.
 */
#include "world.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { LEADS, END, ENDED, STRANGER };                       /* of world->flag */
enum { ANSWER, GENERATION, PID, SLOT, LED, LEADER, ALIVE }; /* of world->number */

static void note(int r, uint64_t generation, pid_t pid, bool alive)
{
	atomic_store(&world->number[ANSWER], r);
	atomic_store(&world->number[GENERATION], (int64_t)generation);
	atomic_store(&world->number[PID], pid);
	atomic_store(&world->number[ALIVE], alive);
}

static void finds(covey *c)
{
	struct covey_info info = {0};
	int r = covey_find(c, "g", 1, &info);

	note(r == 0 ? COVEY_WAIT : r, info.generation, info.pid, true);
}

static void registers(covey *c)
{
	struct covey_lead lead = {0};
	int r = lead_of(c, "g", &lead);

	note(r, lead.generation, lead.pid, true);
	if (r == COVEY_LEADER)
		covey_unregister(c, &lead);
}

static void joins(covey *c)
{
	struct covey_lead lead = {0};
	int r = covey_join(c, "g", 1, &lead);

	note(r, lead.generation, lead.pid, true);
}

static int visit(void *context, const struct covey_group_view *group)
{
	(void)context;
	if (group->size == 1 && *(const char *)group->name == 'g')
		note(COVEY_WAIT, group->info.generation, group->info.pid, group->leader_alive);
	return 0;
}

static void visits(covey *c)
{
	note(COVEY_ENOENT, 0, 0, true);
	covey_each_group(c, visit, NULL);
}

static int reads(void *context)
{
	void (*look)(covey *) = *(void (**)(covey *))context;
	covey *c = world_open();

	look(c);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP); /* the first step is from here */
	look(c);
	raise(SIGSTOP); /* and the last one ends here */
	covey_close(c);
	return 0;
}

static int leads(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->number[LED], (int64_t)lead.generation);
	atomic_store(&world->number[SLOT], covey_participant(c) & 0x1fff);
	atomic_store(&world->flag[LEADS], 1);
	until(atomic_load(&world->flag[END]) == 1);
	must(covey_unregister(c, &lead) == 0);
	atomic_store(&world->flag[ENDED], 1);
	for (;;)
		pause();
	return 0;
}

static int is_a_stranger(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "another", &lead) == COVEY_LEADER);
	must((covey_participant(c) & 0x1fff) == atomic_load(&world->number[SLOT]));
	atomic_store(&world->flag[STRANGER], 1);
	for (;;)
		pause();
	return 0;
}

static bool stopped_by(int status, int signal)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

/* The leader is gone, and another has its place. */
static pid_t replace(covey *c, pid_t leader)
{
	pid_t stranger;

	atomic_store(&world->flag[END], 1);
	until(atomic_load(&world->flag[ENDED]) == 1);
	world_kill(leader);
	world_settle(c, 2);
	stranger = world_spawn(is_a_stranger, NULL);
	until(atomic_load(&world->flag[STRANGER]) == 1);
	return stranger;
}

static void await_stop(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0) == child);
	must(stopped_by(status, SIGSTOP));
}

/* True if the call was over before that. */
static bool step(pid_t child, long n)
{
	int status;

	for (long i = 0; i < n; i++) {
		must(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
		must(waitpid(child, &status, __WALL) == child);
		if (stopped_by(status, SIGSTOP))
			return true;
		must(stopped_by(status, SIGTRAP));
	}
	return false;
}

static bool looks_stopped_after(covey *c, void (*look)(covey *), long n)
{
	pid_t leader, reader, stranger;
	bool over;

	memset(world->flag, 0, sizeof(world->flag));
	leader = world_spawn(leads, NULL);
	until(atomic_load(&world->flag[LEADS]) == 1);
	reader = world_spawn(reads, &look);
	await_stop(reader);
	over = step(reader, n);
	stranger = replace(c, leader);
	if (!over) {
		ptrace(PTRACE_CONT, reader, NULL, NULL);
		await_stop(reader);
	}
	if (atomic_load(&world->number[ANSWER]) == COVEY_WAIT) {
		must(atomic_load(&world->number[GENERATION]) == atomic_load(&world->number[LED]));
		if (atomic_load(&world->number[PID]) != leader)
			fprintf(stderr, "after %ld instructions: pid %d instead of %d; the stranger is %d\n", n,
			        (int)atomic_load(&world->number[PID]), (int)leader, (int)stranger);
		must(atomic_load(&world->number[PID]) == leader && atomic_load(&world->number[ALIVE]));
	}
	ptrace(PTRACE_DETACH, reader, NULL, NULL);
	kill(reader, SIGCONT);
	must(world_join(reader) == 0);
	world_kill(stranger);
	world_settle(c, 1);
	return over;
}

static void looks(void (*look)(covey *))
{
	long n = 0, stride = getenv("COVEY_PROVE") != NULL ? 1 : getenv("COVEY_STRIDE") != NULL ? 61 : 7;
	covey *c;

	world_begin(NULL);
	c = world_open();
	while (!looks_stopped_after(c, look, n))
		n += stride;
	assert_true(n > 100);
	world_check(c, 0);
	covey_close(c);
}

static void a_leader_ends_as_it_is_found(void **state)
{
	(void)state;
	looks(finds);
}

static void a_leader_ends_as_one_registers(void **state)
{
	(void)state;
	looks(registers);
}

static void a_leader_ends_as_one_joins(void **state)
{
	(void)state;
	looks(joins);
}

static void a_leader_ends_as_it_is_listed(void **state)
{
	(void)state;
	looks(visits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_leader_ends_as_it_is_found),
	        cmocka_unit_test(a_leader_ends_as_one_registers),
	        cmocka_unit_test(a_leader_ends_as_one_joins),
	        cmocka_unit_test(a_leader_ends_as_it_is_listed),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
