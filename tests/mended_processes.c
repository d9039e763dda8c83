/*
 * mended_processes.c - workers that are processes failed in each of these ways once; held down here
 *
 * This program is also the one that the processes run; their device is in worker_device.c.
 */
#include "mended.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seat.h"

static char program[4096], library[4096]; /* this one, and the device's */

static struct covey_worker_options in_a_process(void)
{
	return (struct covey_worker_options){
	        .static_worker = 1, .library = library, .symbol = "worker_device", .program = program};
}

/* ------------------------------------------------------------------------------------------------ a device */

static int p_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)base;
	return group(self, bytes("p"), request, name);
}

/* Lasts until somebody waits. */
static int p_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	until(world_waiters(here, "p") == 1);
	return covey_answer_copy(answer, "here", 4);
}

static const struct covey_device p_device = {.group = p_group, .compute = p_compute};

/* ------------------------------------------------------------------------------------------------ processes */

/* The process of a worker found the region by its name, and worked in another one if it had been made anew. */
static void a_region_made_anew(void **state)
{
	const struct covey_worker_options options = in_a_process();
	struct covey_worker *worker;
	covey *anew;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_unlink(world->region), 0);
	anew = world_open();
	assert_true(covey_start_worker(here, NULL, "p", 1, bytes("x"), &options, &worker) < 0);
	assert_null(worker);
	assert_int_equal(covey_find(here, "p", 1, NULL), COVEY_ENOENT);
	assert_int_equal(covey_find(anew, "p", 1, NULL), COVEY_ENOENT);
	world_settle(anew, 1);
	world_check(anew, 0);
	covey_close(anew);
	end();
}

static int how;

static int ends_once_it_forwarded(_Atomic uint32_t *word, int count)
{
	int r = kernel.wake(word, count);

	for (uint32_t i = 1; i <= here->arena.node_count; i++)
		if (word == &here->arena.tails[i].request_bell &&
		        cv_seat_owner(&here->arena, cv_word_owner(atomic_load(&here->arena.nodes[i].own))) !=
		                here->slot + 1)
			raise(how);
	return r;
}

static int forwards_and_ends(void *context)
{
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = in_a_process()};
	struct covey_result result;

	how = *(int *)context;
	options.worker.worker_timeout = 1000000000;
	here = world_open();
	cv_kernel.wake = ends_once_it_forwarded;
	covey_resolve(here, &p_device, bytes("x"), bytes("first"), &options, &result);
	return 0;
}

static int asks_the_process(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();
	pid_t pid;

	(void)context;
	until(covey_join(c, "p", 1, &lead) == COVEY_WAIT);
	must(ask_for(c, "p", "other", &result) == COVEY_OK && result.size == sizeof(pid));
	memcpy(&pid, result.data, sizeof(pid));
	must(pid != getpid() && pid == result.pid);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* The worker's process waited for its starter's word, also when the group was its own already: a starter that was stopped
 * before it gave that word kept all who waited from being answered. */
static void a_starter_ends_once_it_forwarded(void **state)
{
	static int ways[] = {SIGSTOP, SIGKILL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		pid_t starter, other;
		int status;

		begin(NULL);
		starter = world_spawn(forwards_and_ends, &ways[i]);
		other = world_spawn(asks_the_process, NULL);
		assert_int_equal(waitpid(starter, &status, WUNTRACED), starter);
		assert_true(WIFSTOPPED(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		assert_int_equal(world_join(other), 0);
		if (WIFSTOPPED(status))
			world_kill(starter);
		end();
	}
}

/* The program of a worker's process was looked for in "/", where that process lives, not where its starter does. */
static void a_relative_program(void **state)
{
	struct covey_worker_options options = in_a_process();
	struct covey_worker *worker;
	char place[4096], relative[4096];
	char *name = strrchr(program, '/') + 1;

	(void)state;
	begin(NULL);
	assert_non_null(getcwd(place, sizeof(place)));
	snprintf(relative, sizeof(relative), "%.*s", (int)(name - program), program);
	assert_int_equal(chdir(relative), 0);
	snprintf(relative, sizeof(relative), "./%s", name);
	options.program = relative;
	options.library = "./libworker_device.so";
	assert_int_equal(covey_start_worker(here, NULL, "p", 1, bytes("x"), &options, &worker), 0);
	assert_int_equal(ask(here, "p", "x"), COVEY_OK);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(chdir(place), 0);
	end();
}

static int starts_a_silent_one(void *context)
{
	const struct covey_worker_options options = in_a_process();
	struct covey_worker *worker;
	covey *c = world_open();

	(void)context;
	setenv("COVEY_TEST_PROGRAM", "silent", 1);
	must(covey_start_worker(c, NULL, "p", 1, bytes("x"), &options, &worker) == COVEY_EDEVICE && worker == NULL);
	covey_close(c);
	return 0;
}

/* The line to a process that ended without a word does not end with it while somebody else has its descriptor: another
 * child of the starter, forked just then.  The starter waited for ever. */
static void a_process_ends_without_a_word(void **state)
{
	pid_t starter;
	int status;

	(void)state;
	begin(NULL);
	starter = world_spawn(starts_a_silent_one, NULL);
	until(waitpid(starter, &status, WNOHANG) == starter);
	assert_int_equal(status, 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ left behind */

static int asks_the_same(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	until(covey_join(c, "p", 1, &lead) == COVEY_WAIT);
	must(ask_for(c, "p", "first", &result) == COVEY_OK && says(&result, "here"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static int leaves_a_process(void *context)
{
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = in_a_process()};
	struct covey_result result;

	(void)context;
	here = world_open();
	setenv("COVEY_TEST_PROGRAM", "stuck", 1);
	covey_resolve(here, &p_device, bytes("x"), bytes("first"), &options, &result);
	return 0;
}

/* Who had asked the same as an execution had its result only when the process that this was to leave had reported.  This
 * one does not, until its starter is killed. */
static void results_do_not_wait_for_a_process(void **state)
{
	pid_t starter, child;

	(void)state;
	begin(NULL);
	starter = world_spawn(leaves_a_process, NULL);
	child = world_spawn(asks_the_same, NULL);
	assert_int_equal(world_join(child), 0);
	world_kill(starter);
	end();
}

/* "stuck": it says nothing; "silent": it ends, and leaves somebody who has its descriptors; until the other end of the line
 * is closed. */
static int is_a_worker(const char *how_else)
{
	char byte;

	if (how_else == NULL)
		return covey_worker_main(3, 4) != 0;
	if (strcmp(how_else, "silent") == 0 && fork() != 0)
		return 0;
	return (int)read(4, &byte, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_region_made_anew),
	        cmocka_unit_test(a_starter_ends_once_it_forwarded),
	        cmocka_unit_test(a_relative_program),
	        cmocka_unit_test(a_process_ends_without_a_word),
	        cmocka_unit_test(results_do_not_wait_for_a_process),
	};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return is_a_worker(getenv("COVEY_TEST_PROGRAM"));
	must(n > 0 && (slash = strrchr(program, '/')) != NULL);
	snprintf(library, sizeof(library), "%.*s/libworker_device.so", (int)(slash - program), program);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
