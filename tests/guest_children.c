/*
 * guest_children.c - a guest in a process that forks: from a handler, in the midst of a call, after its privileges are gone
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "internal.h"

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

/* As large as not to be copied on the way. */
#define SIZE 99999

static int fills(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	unsigned char *room = covey_answer_room(answer, SIZE);

	(void)self, (void)request;
	must(room != NULL);
	memset(room, *(const char *)base.data, SIZE);
	return 0;
}

static const struct covey_device device = {.compute = fills};

static int resolve(covey *c, const char *base, struct covey_result *out)
{
	return covey_resolve(c, &device, bytes(base), (struct covey_bytes){0}, NULL, out);
}

/* ------------------------------------------------------------------------------------------------ from a handler */

#define FORKS 150

static _Atomic int forks;

/* Once, after this long: however long a fork takes, what it interrupts goes on in between. */
static void alarm_in(int microseconds)
{
	const struct itimerval once = {{0, 0}, {0, microseconds}};

	must(setitimer(ITIMER_REAL, &once, NULL) == 0);
}

/* A crash reporter, a watchdog. */
static void forks_and_waits(int number)
{
	int saved = errno;
	pid_t child = fork();

	(void)number;
	if (child == 0)
		_exit(0);
	if (child > 0 && waitpid(child, NULL, 0) == child)
		atomic_fetch_add(&forks, 1);
	if (atomic_load(&forks) < FORKS)
		alarm_in(1000);
	errno = saved;
}

static void ignore(void *context, const struct covey_change *changes, size_t count)
{
	(void)context, (void)changes, (void)count;
}

static void *leads_and_ends(void *c)
{
	struct covey_lead lead;

	must(lead_of(c, "thread", &lead) == COVEY_LEADER);
	return NULL;
}

/* What locks, what allocates, what grows. */
static void all_that_locks(void)
{
	struct covey_monitor *monitor;
	struct covey_worker *worker;
	struct covey_lead lead;
	pthread_t thread;
	covey *c = world_open();
	uint32_t room;
	void *data;

	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 1 << 20, &data, &room) == 0);
	covey_room_free(c, room);
	must(covey_unregister(c, &lead) == 0);
	must(covey_start_monitor(c, NULL, 0, 0, ignore, NULL, &monitor) == 0);
	must(covey_start_worker(c, &device, "w", 1, bytes("w"), NULL, &worker) == 0);
	must(pthread_create(&thread, NULL, leads_and_ends, c) == 0 && pthread_join(thread, NULL) == 0);
	must(covey_reap(c) >= 0);
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
	covey_stop_monitor(monitor);
	covey_close(c);
}

static int is_forked_by_its_handler(void *context)
{
	const struct sigaction action = {.sa_handler = forks_and_waits, .sa_flags = SA_RESTART};
	covey *c;

	(void)context;
	must(sigaction(SIGALRM, &action, NULL) == 0);
	alarm_in(1000);
	while (atomic_load(&forks) < FORKS) {
		c = world_open();
		covey_close(c);
		all_that_locks();
	}
	return 0;
}

/* Then it waited for a lock that it held itself. */
static void a_handler_forks(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 16 << 20};
	covey *c;

	(void)state;
	world_begin(&options);
	assert_int_equal(world_join(world_spawn(is_forked_by_its_handler, NULL)), 0);
	c = world_open();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ where a handler must not run */

/* Of the C library's; and our library calls those below in their place. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t each);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);

static _Thread_local bool watched;
static _Atomic int allocations, loud;

/* A handler that ran now and forks would wait for the allocator's locks, which its own thread holds. */
static void allocator_called(void)
{
	sigset_t blocked;

	if (!watched)
		return;
	must(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
	atomic_fetch_add(&allocations, 1);
	if (!sigismember(&blocked, SIGALRM))
		atomic_fetch_add(&loud, 1);
}

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t each);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
	allocator_called();
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t each)
{
	allocator_called();
	return __real_calloc(count, each);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocator_called();
	return __real_realloc(memory, size);
}

void __wrap_free(void *memory)
{
	if (memory != NULL)
		allocator_called();
	__real_free(memory);
}

static int copies(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

static const struct covey_device copier = {.compute = copies};

static void *asks(void *c)
{
	static const char request[CV_REQUEST_INLINE * 4];
	struct covey_result result;
	struct covey_lead lead;

	must(covey_join(c, "asked", 5, &lead) == COVEY_WAIT);
	watched = true;
	must(covey_await(c, &lead, request, sizeof(request), COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(covey_result_own(c, &result) == 0);
	covey_release(c, &result);
	watched = false;
	return NULL;
}

/* Another thread asks; the answer is borrowed and then its own. */
static void serves_one(covey *c)
{
	static char answer[SIZE];
	const struct covey_reply reply = {.data = answer, .size = sizeof(answer)};
	struct covey_request request;
	struct covey_lead lead;
	pthread_t thread;

	must(lead_of(c, "asked", &lead) == COVEY_LEADER);
	must(pthread_create(&thread, NULL, asks, c) == 0);
	watched = true;
	must(covey_receive(c, &lead, COVEY_FOREVER, &request) == 0);
	must(covey_respond(c, &lead, &request, &reply) == 1);
	must(covey_unregister(c, &lead) == 0);
	watched = false;
	must(pthread_join(thread, NULL) == 0);
}

static void reserves_many(covey *c)
{
	uint32_t rooms[20];
	struct covey_lead lead;
	void *data;

	must(lead_of(c, "rooms", &lead) == COVEY_LEADER);
	for (int i = 0; i < 20; i++)
		must(covey_room(c, &lead, NULL, 0, 100, &data, &rooms[i]) == 0);
	for (int i = 0; i < 20; i++)
		covey_room_free(c, rooms[i]);
	must(covey_unregister(c, &lead) == 0);
}

/* It leads and serves in this thread, until nobody has asked for a moment. */
static void works_here(covey *c)
{
	const struct covey_worker_options brief = {.worker_timeout = 1};
	struct covey_lead lead;

	must(lead_of(c, "work", &lead) == COVEY_LEADER);
	must(covey_default_worker(c, &copier, &lead, bytes("state"), &brief) == 0);
}

static void the_allocator_is_called_quietly(void **state)
{
	struct covey_result result;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	serves_one(c);
	watched = true;
	assert_int_equal(covey_resolve(c, &copier, bytes("c"), bytes("answer"), NULL, &result), COVEY_OK);
	covey_release(c, &result);
	assert_int_equal(covey_resolve(NULL, &device, bytes("alone"), bytes(""), NULL, &result), COVEY_OK);
	covey_release(NULL, &result);
	reserves_many(c);
	works_here(c);
	assert_int_equal(covey_check(c, NULL, 0), 0);
	all_that_locks();
	watched = false;
	assert_true(atomic_load(&allocations) > 20);
	assert_int_equal(atomic_load(&loud), 0);
	covey_close(c);
}

static _Atomic int handled;

static void notes(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

/* ---- at the very beginning of a quiet time */

static _Atomic bool unquiet;

static void is_quiet_itself(int number)
{
	struct shm_quiet quiet;
	sigset_t blocked;

	(void)number;
	shm_quiet_begin(&quiet);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (!sigismember(&blocked, SIGUSR2))
		atomic_store(&unquiet, true);
	shm_quiet_end(&quiet);
	atomic_fetch_add(&handled, 1);
}

static _Noreturn void is_quiet_once(void)
{
	const struct sigaction action = {.sa_handler = is_quiet_itself};
	struct shm_quiet quiet;

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	shm_quiet_begin(&quiet);
	shm_quiet_end(&quiet);
	must(!atomic_load(&unquiet));
	_exit(atomic_load(&handled) == 1 ? 0 : 2);
}

static int status_after(int request, pid_t child, int signal)
{
	int status;

	must(ptrace(request, child, NULL, (void *)(intptr_t)signal) == 0);
	must(waitpid(child, &status, 0) == child);
	return status;
}

/* The signal comes after this many instructions.  What the child exits with. */
static int signalled_after(int instructions)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		is_quiet_once();
	must(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	for (int i = 0; i < instructions && WIFSTOPPED(status); i++)
		status = status_after(PTRACE_SINGLESTEP, child, 0);
	for (int signal = SIGUSR1; WIFSTOPPED(status); signal = WSTOPSIG(status)) /* again, if it was blocked */
		status = status_after(PTRACE_CONT, child, signal);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* A handler that ran when its thread had counted itself as quiet, and was not yet, took a lock of ours unquietly. */
static void a_handler_runs_as_its_thread_becomes_quiet(void **state)
{
	int after = 0, status;

	(void)state;
	atomic_store(&handled, 0);
	while ((status = signalled_after(after)) == 0)
		after++;
	assert_int_equal(status, 2); /* it had ended before */
	assert_true(after > 20);
}

/* A handler that forked there waited for who closed another region, and that waited for the visitor. */
static void who_visits_other_regions_is_quiet(void **state)
{
	const struct sigaction action = {.sa_handler = notes}, as_before = {.sa_handler = SIG_DFL};
	struct shm_visit visit;
	covey *c, *other;

	(void)state;
	world_begin(NULL);
	c = world_open();
	other = world_open_apart();
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	shm_visit_begin(&visit, c->attachment);
	assert_int_equal(visit.count, 1);
	raise(SIGUSR1);
	assert_int_equal(atomic_load(&handled), 0);
	shm_visit_end(&visit);
	assert_int_equal(atomic_load(&handled), 1);
	sigaction(SIGUSR1, &as_before, NULL);
	covey_close(other);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ during a call */

static _Atomic bool done;

static void *calls(void *context)
{
	(void)context;
	while (!atomic_load(&done))
		all_that_locks();
	return NULL;
}

static _Noreturn void child_uses(covey *c)
{
	struct covey_monitor *monitor;
	struct covey_lead lead;
	covey *other;

	must(covey_find_or_register(c, "child", 5, &lead) != COVEY_LEADER || covey_unregister(c, &lead) == 0);
	must(covey_start_monitor(c, NULL, 0, 0, ignore, NULL, &monitor) == 0);
	covey_stop_monitor(monitor);
	other = world_open();
	covey_close(other);
	covey_close(c);
	_exit(0);
}

static int forks_during_calls(void *context)
{
	pthread_t thread;
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "mine", &lead) == COVEY_LEADER);
	must(pthread_create(&thread, NULL, calls, NULL) == 0);
	for (int i = 0; i < 40; i++) {
		pid_t child = fork();

		if (child == 0)
			child_uses(c);
		must(world_join(child) == 0);
	}
	atomic_store(&done, true);
	must(pthread_join(thread, NULL) == 0);
	must(covey_leading(c, &lead));
	covey_close(c);
	return 0;
}

static void another_thread_is_inside(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 16 << 20};
	covey *c;

	(void)state;
#ifdef __SANITIZE_ADDRESS__ /* its allocator's locks are not let go of in a child: any thread of a child may hang there */
	skip();
#endif
	world_begin(&options);
	assert_int_equal(world_join(world_spawn(forks_during_calls, NULL)), 0);
	c = world_open();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* The children live for as long as they hear nothing. */
static void *forks_all_the_time(void *line)
{
	int *ends = line;

	for (int i = 0; i < 40; i++) {
		pid_t child = fork();
		char end;

		must(child >= 0);
		if (child == 0) {
			close(ends[1]);
			_exit(read(ends[0], &end, 1) != 0);
		}
	}
	atomic_store(&done, true);
	return NULL;
}

/* Whoever reaps has a descriptor for a moment.  A child that inherited it kept the lock, and nobody could have the slot again
 * as long as it lived. */
static int reaps_as_another_thread_forks(void *context)
{
	const uint32_t slot = 5;
	struct shm_hold hold;
	pthread_t thread;
	int line[2];
	covey *c = world_open();

	(void)context;
	must(pipe(line) == 0);
	must(pthread_create(&thread, NULL, forks_all_the_time, line) == 0);
	while (!atomic_load(&done)) {
		must(shm_hold_take(c, -1, slot, &hold) == 0);
		shm_hold_drop(&hold, slot);
	}
	must(pthread_join(thread, NULL) == 0);
	must(shm_hold_take(c, -1, slot, &hold) == 0);
	shm_hold_drop(&hold, slot);
	close(line[1]);
	while (wait(NULL) > 0) {
	}
	covey_close(c);
	return 0;
}

static void another_thread_reaps(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(reaps_as_another_thread_forks, NULL)), 0);
}

/* ------------------------------------------------------------------------------------------------ what a child has not */

static int child_ends_nothing(covey *c, struct covey_worker *worker, struct covey_monitor *monitor)
{
	pid_t child = fork();

	if (child != 0)
		return world_join(child);
	must(covey_stop_worker(worker) == COVEY_EFENCED);
	must(covey_wait_worker(worker, COVEY_NOW) == COVEY_EFENCED);
	covey_stop_monitor(monitor);
	covey_close(c);
	_exit(0);
}

static void workers_and_monitors_are_the_parents(void **state)
{
	struct covey_monitor *monitor;
	struct covey_worker *worker;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_monitor(c, NULL, 0, 0, ignore, NULL, &monitor), 0);
	assert_int_equal(covey_start_worker(c, &device, "w", 1, bytes("w"), NULL, &worker), 0);
	assert_int_equal(child_ends_nothing(c, worker, monitor), 0);
	assert_int_equal(covey_wait_worker(worker, COVEY_NOW), COVEY_ETIMEDOUT);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	covey_stop_monitor(monitor);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ borrowed results */

static bool all_are(const struct covey_result *r, char byte)
{
	const char *at = r->data;

	for (size_t i = 0; i < r->size; i++)
		if (at[i] != byte)
			return false;
	return r->size == SIZE;
}

/* It streams to a slow client what its parent took. */
static void reads_what_its_parent_took(covey *c, struct covey_result *owned, struct covey_result *borrowed)
{
	until(atomic_load(&world->flag[0]) == 1); /* its parent has released both, and others use the memory */
	must(covey_result_own(c, owned) == 0);
	must(all_are(owned, 'a'));
	must(covey_result_own(c, borrowed) == COVEY_EFENCED && borrowed->data == NULL && borrowed->size == 0);
	covey_release(c, owned);
	covey_release(c, borrowed);
	covey_close(c);
	_exit(0);
}

/* Then the child read what was another's by now, and nothing told it. */
static void a_child_reads_what_it_owns(void **state)
{
	struct covey_result owned, borrowed, other[2];
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(resolve(c, "alice", &owned), COVEY_OK);
	assert_int_equal(resolve(c, "bob", &borrowed), COVEY_OK);
	assert_true(owned.loan != 0 && borrowed.loan != 0);
	assert_int_equal(covey_result_own(c, &owned), 0);
	assert_true(owned.loan == 0 && all_are(&owned, 'a'));
	assert_int_equal(covey_result_own(c, &owned), 0);
	child = fork();
	if (child == 0)
		reads_what_its_parent_took(c, &owned, &borrowed);
	covey_release(c, &owned);
	covey_release(c, &borrowed);
	for (int i = 0; i < 2; i++)
		assert_int_equal(resolve(c, i == 0 ? "xavier" : "yves", &other[i]), COVEY_OK);
	atomic_store(&world->flag[0], 1);
	assert_int_equal(world_join(child), 0);
	assert_true(all_are(&other[0], 'x') && all_are(&other[1], 'y'));
	for (int i = 0; i < 2; i++)
		covey_release(c, &other[i]);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void a_release_in_a_child_ends_no_loan(void **state)
{
	struct covey_result borrowed, other;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(resolve(c, "alice", &borrowed), COVEY_OK);
	child = fork();
	if (child == 0) {
		covey_release(c, &borrowed);
		covey_close(c);
		_exit(0);
	}
	assert_int_equal(world_join(child), 0);
	assert_int_equal(resolve(c, "bob", &other), COVEY_OK);
	assert_true(all_are(&borrowed, 'a') && all_are(&other, 'b'));
	covey_release(c, &borrowed);
	covey_release(c, &other);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ out of reach */

static void drops_privileges(void)
{
	must(setuid(65534) == 0);
}

static void has_another_root(void)
{
	must(chroot("/proc/self") == 0 && chdir("/") == 0 && covey_unlink(world->region) != 0);
	must(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

static void has_no_descriptors(void)
{
	const struct rlimit none = {3, 3};

	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static void has_no_threads(void)
{
	const struct rlimit none = {0, 0};

	must(setuid(65534) == 0); /* root has no such limit */
	must(setrlimit(RLIMIT_NPROC, &none) == 0);
}

static void loses_name_and_descriptors(void)
{
	must(covey_unlink(world->region) == 0);
	must(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

static int helper(covey *c)
{
	struct covey_result result;
	int error;

	must(covey_participant(c) == COVEY_ESYSTEM);
	error = errno;
	errno = 0;
	must(resolve(c, "k", &result) == COVEY_OK);
	must(result.part == COVEY_ALONE && all_are(&result, 'k') && errno == error && error != 0);
	covey_release(c, &result);
	return 0;
}

/* A master makes the region; its worker changes what it may do; the worker's helper asks. */
static void out_of_reach(void (*change)(void))
{
	covey *c;
	pid_t child;

	if (getuid() != 0)
		skip();
	world_begin(NULL);
	c = world_open();
	child = fork();
	if (child == 0) {
		change();
		child = change == has_no_threads ? 0 : fork();
		if (child != 0)
			_exit(world_join(child));
		helper(c);
		_exit(0);
	}
	assert_int_equal(world_join(child), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* Then it failed with COVEY_ESYSTEM. */
static void the_child_of_who_dropped_its_privileges(void **state)
{
	(void)state;
	out_of_reach(drops_privileges);
}

static void the_child_of_who_has_another_root(void **state)
{
	(void)state;
	out_of_reach(has_another_root);
}

static void the_child_of_who_has_no_descriptors(void **state)
{
	(void)state;
	out_of_reach(has_no_descriptors);
}

static void who_may_have_no_threads(void **state)
{
	(void)state;
	out_of_reach(has_no_threads);
}

static void the_child_of_who_lost_name_and_descriptors(void **state)
{
	(void)state;
	out_of_reach(loses_name_and_descriptors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_handler_forks),
	        cmocka_unit_test(the_allocator_is_called_quietly),
	        cmocka_unit_test(who_visits_other_regions_is_quiet),
	        cmocka_unit_test(a_handler_runs_as_its_thread_becomes_quiet),
	        cmocka_unit_test(another_thread_is_inside),
	        cmocka_unit_test(another_thread_reaps),
	        cmocka_unit_test(workers_and_monitors_are_the_parents),
	        cmocka_unit_test(a_child_reads_what_it_owns),
	        cmocka_unit_test(a_release_in_a_child_ends_no_loan),
	        cmocka_unit_test(the_child_of_who_dropped_its_privileges),
	        cmocka_unit_test(the_child_of_who_has_another_root),
	        cmocka_unit_test(the_child_of_who_has_no_descriptors),
	        cmocka_unit_test(who_may_have_no_threads),
	        cmocka_unit_test(the_child_of_who_lost_name_and_descriptors),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
