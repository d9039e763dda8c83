/*
 * mended_host_ends.c - how hosts and their workers began and ended wrongly once; held down here
 */
#include "mended_host.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP = HOST_FLAGS, READY }; /* indexes of world->flag */

/* It asks the group of this name to hold. */
static int holds(void *context)
{
	covey *c = world_open();

	must(covey_participant(c) > 0);
	atomic_fetch_add(&world->flag[READY], 1);
	until(atomic_load(&world->flag[GO]));
	must(ask(c, context, "hold") == COVEY_OK);
	covey_close(c);
	return 0;
}

static bool gone(pid_t child, int *status)
{
	return waitpid(child, status, WNOHANG) == child;
}

/* ------------------------------------------------------------------------------------------------ seats */

static _Atomic int seated;

static void *sits(void *context)
{
	(void)covey_participant(context);
	atomic_fetch_add(&seated, 1);
	until(atomic_load(&world->flag[STOP]));
	return NULL;
}

static uint32_t free_seats(void)
{
	struct covey_usage usage;

	must(covey_usage_of(here, &usage) == 0);
	return usage.threads_max - usage.threads;
}

/* A host's threads took their seats when they first needed them.  If there were none, the group of the worker whose turn
 * it was could neither be served nor given up. */
static void no_seats_for_its_threads(void **state)
{
	const struct covey_options options = {.threads = 9, .participants = 8};
	struct covey_host *host, *none;
	pthread_t sitter[16];
	pid_t child;
	int sitters = 0;

	(void)state;
	begin(&options);
	atomic_store(&seated, 0);
	assert_int_equal(covey_host_open(here, free_seats() + 1, &none), COVEY_EFULL);
	child = world_spawn(holds, (void *)"a");
	until(atomic_load(&world->flag[READY]) == 1);
	atomic_store(&world->flag[HOLD], 1);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	start(here, host, &device, "a", NULL);
	for (; free_seats() != 0; sitters++) {
		must(sitters < 16 && pthread_create(&sitter[sitters], NULL, sits, here) == 0);
		until(atomic_load(&seated) == sitters + 1);
	}
	assert_int_equal(covey_host_open(here, 1, &none), COVEY_EFULL);
	/* Its threads have theirs: while one computes, the other serves. */
	atomic_store(&world->flag[GO], 1);
	until(atomic_load(&world->count[RUNNING]) == 1);
	start(here, host, &device, "b", NULL);
	assert_int_equal(ask(here, "b", "x"), COVEY_OK);
	atomic_store(&world->flag[HOLD], 0);
	assert_int_equal(world_join(child), 0);
	covey_host_close(host);
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < sitters; i++)
		pthread_join(sitter[i], NULL);
	end();
}

/* ------------------------------------------------------------------------------------------------ closing */

static pthread_t resolver, closer;

/* The group is handed over, and the worker not told yet: now its only thread gets something else to do. */
static int keeps_the_thread_busy(_Atomic uint32_t *word, int count)
{
	if (pthread_equal(pthread_self(), resolver) && !atomic_load(&world->flag[GO]) && request_bell(word)) {
		atomic_store(&world->flag[GO], 1);
		until(atomic_load(&world->count[RUNNING]) == 1);
	}
	return kernel.wake(word, count);
}

static enum cv_slept tells_it_closes(const struct cv_futex *one, int64_t deadline)
{
	if (atomic_load(&world->flag[STOP]) == 1 && pthread_equal(pthread_self(), closer))
		atomic_store(&world->flag[STOP], 2);
	return kernel.wait(one, deadline);
}

static void *closes(void *host)
{
	closer = pthread_self();
	atomic_store(&world->flag[STOP], 1);
	covey_host_close(host);
	return NULL;
}

static int computes_when_awaited(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	if (asks_for(request, "first"))
		until(world_waiters(here, "g") == 1);
	return compute(self, base, request, answer);
}

static int asks_something_else(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	int r;

	(void)context;
	until(covey_join(c, "g", 1, &lead) == COVEY_WAIT);
	r = ask(c, "g", "other");
	must(r == COVEY_OK || r == COVEY_GAVE_UP);
	covey_close(c);
	return 0;
}

/* A host that was closed when a group had just been handed to one of its workers left that group to nobody. */
static void closed_as_a_group_is_handed_over(void **state)
{
	const struct covey_device patient = {.group = group, .compute = computes_when_awaited};
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE};
	struct covey_result result;
	struct covey_host *host;
	pid_t holder, other;
	pthread_t thread;

	(void)state;
	begin(NULL);
	resolver = pthread_self();
	atomic_store(&world->flag[HOLD], 1);
	holder = world_spawn(holds, (void *)"x");
	until(atomic_load(&world->flag[READY]) == 1);
	other = world_spawn(asks_something_else, NULL);
	cv_kernel.wake = keeps_the_thread_busy;
	cv_kernel.wait = tells_it_closes;
	assert_int_equal(covey_host_open(here, 1, &host), 0);
	start(here, host, &device, "x", NULL);
	options.worker = on(host);
	assert_int_equal(covey_resolve(here, &patient, bytes("g"), bytes("first"), &options, &result), COVEY_OK);
	covey_release(here, &result);
	assert_int_equal(atomic_load(&world->flag[GO]), 1);
	must(pthread_create(&thread, NULL, closes, host) == 0);
	until(atomic_load(&world->flag[STOP]) == 2);
	atomic_store(&world->flag[HOLD], 0);
	pthread_join(thread, NULL);
	assert_int_equal(covey_find(here, "g", 1, NULL), COVEY_ENOENT);
	assert_int_equal(world_join(holder), 0);
	assert_int_equal(world_join(other), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ memory */

static covey *elsewhere;
static FILE *stream;
static void *_Atomic kept[64];

/* What has memory that outlives this worker: another handle, and, where the worker's is not its own, a stream and a list of
 * the program's. */
static int allocates(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	struct covey_result result;

	must(covey_resolve(elsewhere, &device, base, request, NULL, &result) == COVEY_OK);
	covey_release(elsewhere, &result);
	if (*(bool *)self)
		return compute(self, base, request, answer);
	must(fprintf(stream, ".") == 1);
	for (int i = 0; i < 64; i++)
		if (atomic_load(&kept[i]) == NULL)
			atomic_store(&kept[i], strdup("kept"));
	return compute(self, base, request, answer);
}

static void works_and_ends(struct covey_host *host, int i, bool *own)
{
	const struct covey_device allocator = {.self = own, .group = group, .compute = allocates};
	struct covey_worker_options options = on(host);
	struct covey_worker *worker;
	char name[16];

	options.own_memory = *own;
	snprintf(name, sizeof(name), "group %d", i);
	must(covey_start_worker(here, &allocator, NULL, 0, bytes(name), &options, &worker) == 0);
	for (int j = 0; j < 3; j++)
		must(ask(here, name, "x") == COVEY_OK);
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
}

static int uses_what_they_leave(void *own)
{
	struct covey_host *host;
	char other[80], written[128] = "";

	here = world_open();
	snprintf(other, sizeof(other), "%s-2", world->region);
	must(covey_open(&elsewhere, other, NULL) == 0 && covey_unlink(other) == 0);
	stream = tmpfile();
	must(stream != NULL && covey_host_open(here, 1, &host) == 0);
	for (int i = 0; i < 20; i++)
		works_and_ends(host, i, own);
	covey_host_close(host);
	rewind(stream);
	must(fread(written, 1, sizeof(written), stream) == (*(bool *)own ? 0 : 60));
	must(strspn(written, ".") == strlen(written));
	fclose(stream);
	for (int i = 0; i < 64; i++) {
		must(*(bool *)own || strcmp(atomic_load(&kept[i]), "kept") == 0);
		free(atomic_load(&kept[i]));
	}
	covey_close(elsewhere);
	covey_close(here);
	return 0;
}

/* With a worker went all that was allocated in its callbacks: also the thread's place in another region, and the buffer of
 * a stream that was first written to there.  Now it does so only if asked to, and covey's own does not. */
static void memory_that_outlives_its_worker(void **state)
{
	static bool own[] = {false, true};

	(void)state;
	for (int i = 0; i < 2; i++) {
		world_begin(NULL);
		assert_int_equal(world_join(world_spawn(uses_what_they_leave, &own[i])), 0);
		world_end();
	}
}

/* ------------------------------------------------------------------------------------------------ fork */

static int hosts_and_closes(void *context)
{
	covey *c = world_open();
	struct covey_worker_options options;
	struct covey_worker *worker;
	struct covey_host *host;

	(void)context;
	must(covey_host_open(c, 2, &host) == 0);
	options = on(host);
	must(covey_start_worker(c, &device, NULL, 0, bytes("child"), &options, &worker) == 0);
	must(ask(c, "child", "x") == COVEY_OK);
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
	covey_host_close(host);
	covey_close(c);
	return 0;
}

/* The thread that frees what no scanner holds any more does not live in a child: there a host could not be closed. */
static void a_child_has_a_host_of_its_own(void **state)
{
	struct covey_worker *worker;
	struct covey_host *host;
	pid_t child;
	int status;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 2, &host), 0);
	start(here, host, &device, "parent", &worker);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	child = world_spawn(hosts_and_closes, NULL); /* while its parent has one */
	until(gone(child, &status));
	assert_int_equal(status, 0);
	start(here, host, &device, "parent", NULL);
	assert_int_equal(ask(here, "parent", "x"), COVEY_OK);
	covey_host_close(host);
	child = world_spawn(hosts_and_closes, NULL); /* and after that */
	until(gone(child, &status));
	assert_int_equal(status, 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ no workers of workers */

static void leave(const char *name)
{
	const struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE};
	struct covey_result result;

	must(covey_resolve(here, &device, bytes(name), bytes("x"), &options, &result) == COVEY_OK);
	covey_release(here, &result);
}

static int leaves_at_the_beginning(void **self, struct covey_bytes base)
{
	(void)self, (void)base;
	leave("beginning");
	return 0;
}

static void leaves_when_idle(void *self, struct covey_bytes base)
{
	(void)self, (void)base;
	leave("idle");
}

static void leaves_at_the_end(void *self)
{
	(void)self;
	leave("end");
}

/* "Workers do not spawn workers" was true of compute only. */
static void callbacks_leave_no_worker(void **state)
{
	const struct covey_device leaver = {.group = group,
	        .compute = compute,
	        .begin = leaves_at_the_beginning,
	        .idle = leaves_when_idle,
	        .end = leaves_at_the_end};
	struct covey_worker_options options;
	struct covey_worker *worker;
	struct covey_host *host;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_host_open(here, 1, &host), 0);
	options = on(host);
	options.worker_timeout = 10000000;
	assert_int_equal(covey_start_worker(here, &leaver, NULL, 0, bytes("g"), &options, &worker), 0);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), 0);
	assert_int_equal(covey_find(here, "beginning", 9, NULL), COVEY_ENOENT);
	assert_int_equal(covey_find(here, "idle", 4, NULL), COVEY_ENOENT);
	assert_int_equal(covey_find(here, "end", 3, NULL), COVEY_ENOENT);
	covey_host_close(host);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_seats_for_its_threads),
	        cmocka_unit_test(closed_as_a_group_is_handed_over),
	        cmocka_unit_test(memory_that_outlives_its_worker),
	        cmocka_unit_test(a_child_has_a_host_of_its_own),
	        cmocka_unit_test(callbacks_leave_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
