/*
 * guest_unload.c - the library is unloaded while the process goes on, and two copies of it are in one process
 *
 * Each scenario is a process of its own: what it has loaded stays loaded.
 */
#include "world.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest_plugin.h"

static const char *const plugins[] = {GUEST_STATIC, GUEST_SHARED};

enum { CALLED, GO };

static void *loaded;

static const struct guest *load(const char *path)
{
	const struct guest *g;

	loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (loaded == NULL)
		fprintf(stderr, "%s\n", dlerror());
	must(loaded != NULL);
	g = dlsym(loaded, "guest");
	must(g != NULL);
	return g;
}

/* Those who are left in the region get along. */
static void is_whole(void)
{
	covey *c = world_open();

	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void with_each(int (*scenario)(void *))
{
	for (int i = 0; i < 2; i++) {
		world_begin(NULL);
		assert_int_equal(world_join(world_spawn(scenario, (void *)(uintptr_t)plugins[i])), 0);
		is_whole();
	}
}

/* Something happens that runs code of the library behind the caller's back: the liveness thread reaps. */
static int dies(void *context)
{
	struct covey_lead lead;

	(void)context;
	must(lead_of(world_open(), "of the dead", &lead) == COVEY_LEADER);
	return 0;
}

static void a_neighbour_dies(void)
{
	must(world_join(world_spawn(dies, NULL)) == 0);
}

static int unloads_while_open(void *path)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_usage usage;
	covey *eye;

	must(load(path)->open(world->region) == 0);
	dlclose(loaded);
	must(covey_open(&eye, world->region, &inspect) == 0);
	a_neighbour_dies();
	until(covey_usage_of(eye, &usage) == 0 && usage.participants == 1); /* its keeper has reaped */
	covey_close(eye);
	return 0;
}

static void unloaded_while_a_region_is_open(void **state)
{
	(void)state;
	with_each(unloads_while_open);
}

static int unloads_closed(void *path)
{
	const struct guest *g = load(path);

	must(g->open(world->region) == 0 && g->ask("g") == COVEY_LEADER);
	g->close();
	dlclose(loaded);
	a_neighbour_dies();
	exit(0); /* with all that runs at the exit of a process */
}

static void unloaded_after_closing(void **state)
{
	(void)state;
	with_each(unloads_closed);
}

static const struct guest *calling;

static void *calls_and_exits_later(void *context)
{
	must(calling->ask("of a thread") == COVEY_LEADER);
	atomic_store(&world->flag[CALLED], 1);
	until(atomic_load(&world->flag[GO]) == 1);
	return context;
}

static int a_thread_exits_later(void *path)
{
	pthread_t thread;

	atomic_store(&world->flag[CALLED], 0);
	atomic_store(&world->flag[GO], 0);
	calling = load(path);
	must(calling->open(world->region) == 0);
	must(pthread_create(&thread, NULL, calls_and_exits_later, NULL) == 0);
	until(atomic_load(&world->flag[CALLED]) == 1);
	calling->close();
	dlclose(loaded);
	atomic_store(&world->flag[GO], 1);
	pthread_join(thread, NULL);
	return 0;
}

static void a_thread_that_called_exits_after_unloading(void **state)
{
	(void)state;
	with_each(a_thread_exits_later);
}

static int forks_later(void *path)
{
	const struct guest *g = load(path);
	pid_t child;

	must(g->open(world->region) == 0 && g->ask("g") == COVEY_LEADER);
	g->close();
	dlclose(loaded);
	child = fork();
	if (child == 0)
		_exit(0);
	must(world_join(child) == 0);
	return 0;
}

static void forked_after_unloading(void **state)
{
	(void)state;
	with_each(forks_later);
}

/* ------------------------------------------------------------------------------------------------ two copies */

static int uses_two_copies(void *context)
{
	const struct guest *one = load(plugins[0]), *other;
	void *first = loaded;
	pthread_t thread;
	pid_t child;

	(void)context;
	other = load(plugins[1]);
	must(one != other);
	must(one->open(world->region) == 0 && other->open(world->region) == 0);
	must(one->ask("a") == COVEY_LEADER && other->ask("b") == COVEY_LEADER);
	calling = other;
	must(pthread_create(&thread, NULL, calls_and_exits_later, NULL) == 0);
	until(atomic_load(&world->flag[CALLED]) == 1);
	must(one->join("of a thread") == COVEY_WAIT);
	must(one->end("a") == 0);
	one->close();
	dlclose(first);
	must(other->ask("a") == COVEY_LEADER); /* the other one goes on */
	atomic_store(&world->flag[GO], 1);
	pthread_join(thread, NULL);
	must(other->ask("of a thread") == COVEY_LEADER); /* its thread's end gave it up */
	child = fork();
	if (child == 0) {
		must(other->ask("a") == COVEY_WAIT && other->ask("c") == COVEY_LEADER);
		_exit(0);
	}
	must(world_join(child) == 0);
	other->close();
	dlclose(loaded);
	a_neighbour_dies();
	return 0;
}

static void two_copies_in_one_process(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(uses_two_copies, NULL)), 0);
	is_whole();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(unloaded_while_a_region_is_open),
	        cmocka_unit_test(unloaded_after_closing),
	        cmocka_unit_test(a_thread_that_called_exits_after_unloading),
	        cmocka_unit_test(forked_after_unloading),
	        cmocka_unit_test(two_copies_in_one_process),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
