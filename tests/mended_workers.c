/*
 * mended_workers.c - workers failed in each of these ways once; held down here
 *
 * What was a matter of luck is brought about: cv_kernel's calls are replaced by some that wait for the other side, or
 * stop their process, at the moment that matters.  This program is also the one that worker processes run; their device
 * is in worker_device.c.
 */
#include "world.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"
#include "seat.h"

enum { GO, STOP, READY, ANSWERED }; /* indexes of world->flag */
enum { COMPUTED };                  /* of world->count */
enum { LOW, HIGH, FIRST };          /* of world->number */

static char program[4096], library[4096]; /* this one, and the device's */
static covey *here;
static struct cv_futex_ops kernel; /* the real one */

static const struct covey_worker_options fixed = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

static struct covey_worker_options in_a_process(void)
{
	return (struct covey_worker_options){
	        .static_worker = 1, .library = library, .symbol = "worker_device", .program = program};
}

/* ------------------------------------------------------------------------------------------------ a device */

static int group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static bool asks_for(struct covey_bytes request, const char *what)
{
	return request.size == strlen(what) && memcmp(request.data, what, request.size) == 0;
}

/* The answer is the base; an execution that is asked "first" lasts until flag[READY] others wait. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char name[16] = "";

	(void)self;
	must(base.size < sizeof(name));
	memcpy(name, base.data, base.size);
	if (asks_for(request, "first"))
		until(world_waiters(here, name) == (uint32_t)atomic_load(&world->flag[READY]));
	return covey_answer_copy(answer, base.data, base.size);
}

static const struct covey_device device = {.group = group, .compute = compute};

static int ask_for(covey *c, const char *name, const char *request, struct covey_result *result)
{
	struct covey_lead lead;
	int r = covey_join(c, name, strlen(name), &lead);

	memset(result, 0, sizeof(*result));
	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, result);
	return r;
}

static int ask(covey *c, const char *name, const char *request)
{
	struct covey_result result;
	int r = ask_for(c, name, request, &result);

	covey_release(c, &result);
	return r;
}

static void begin(const struct covey_options *options)
{
	world_begin(options);
	kernel = cv_kernel;
	here = world_open();
}

static void end(void)
{
	cv_kernel = kernel;
	world_settle(here, 1);
	world_check(here, 0);
	covey_close(here);
	world_end();
}

static bool request_bell(const _Atomic uint32_t *word)
{
	for (uint32_t i = 1; i <= here->arena.node_count; i++)
		if (word == &here->arena.nodes[i].request_bell)
			return true;
	return false;
}

/* ------------------------------------------------------------------------------------------------ ringing */

static int how;

static int ends_before_it_wakes(_Atomic uint32_t *word, int count)
{
	if (request_bell(word))
		raise(how);
	return kernel.wake(word, count);
}

static int rings_and_ends(void *context)
{
	how = *(int *)context;
	here = world_open();
	cv_kernel.wake = ends_before_it_wakes;
	ask(here, "g", "x");
	return 0;
}

/* Without the look once a second at what should have been rung. */
static enum cv_slept until_rung(const struct cv_futex *one, int64_t deadline)
{
	if (!request_bell(one->word))
		return kernel.wait(one, deadline);
	atomic_store(&world->flag[GO], 1);
	return kernel.wait(one, COVEY_FOREVER);
}

/* A waiter that was stopped or killed after it had taken down the flag that says that the receiver sleeps, and before it
 * had woken it: nobody who asked after that woke it. */
static void a_waiter_ends_as_it_rings(void **state)
{
	static int ways[] = {SIGKILL, SIGSTOP};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct covey_worker *worker;
		pid_t child;
		int status;

		begin(NULL);
		cv_kernel.wait = until_rung;
		assert_int_equal(covey_start_worker(here, &device, NULL, 0, bytes("g"), &fixed, &worker), 0);
		until(atomic_load(&world->flag[GO]));
		child = world_spawn(rings_and_ends, &ways[i]);
		assert_int_equal(waitpid(child, &status, WUNTRACED), child);
		assert_true(WIFSTOPPED(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		assert_int_equal(ask(here, "g", "y"), COVEY_OK);
		if (WIFSTOPPED(status))
			world_kill(child);
		assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
		end();
	}
}

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

static int p_group(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)base;
	return group(self, bytes("p"), request, name);
}

static int p_compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)base;
	return compute(self, bytes("p"), request, answer);
}

static const struct covey_device p_device = {.group = p_group, .compute = p_compute};

static int ends_once_it_forwarded(_Atomic uint32_t *word, int count)
{
	int r = kernel.wake(word, count);

	for (uint32_t i = 1; i <= here->arena.node_count; i++)
		if (word == &here->arena.nodes[i].request_bell &&
		        cv_word_state(atomic_load(&here->arena.nodes[i].own)) == CV_HANDED)
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
		atomic_store(&world->flag[READY], 1);
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

/* ------------------------------------------------------------------------------------------------ left behind */

static int asks_the_same(void *context)
{
	const char *name = context;
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	until(covey_join(c, name, strlen(name), &lead) == COVEY_WAIT);
	must(ask_for(c, name, "first", &result) == COVEY_OK && says(&result, name));
	covey_release(c, &result);
	atomic_store(&world->flag[ANSWERED], 1);
	covey_close(c);
	return 0;
}

static int begins_when_answered(void **self, struct covey_bytes base)
{
	(void)self, (void)base;
	until(atomic_load(&world->flag[ANSWERED]));
	return 1; /* and then it does not begin */
}

/* Who had asked the same as an execution had its result only when the worker that this was to leave had begun. */
static void results_do_not_wait_for_a_worker(void **state)
{
	const struct covey_device late = {.group = group, .compute = compute, .begin = begins_when_answered};
	const struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = fixed};
	struct covey_result result;
	pid_t child;

	(void)state;
	begin(NULL);
	atomic_store(&world->flag[READY], 1);
	child = world_spawn(asks_the_same, (void *)"g");
	assert_int_equal(covey_resolve(here, &late, bytes("g"), bytes("first"), &options, &result), COVEY_OK);
	assert_true(says(&result, "g"));
	covey_release(here, &result);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_find(here, "g", 1, NULL), COVEY_ENOENT);
	end();
}

static int leaves_a_process(void *context)
{
	struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = in_a_process()};
	struct covey_result result;

	(void)context;
	here = world_open();
	setenv("COVEY_TEST_STUCK", "1", 1);
	covey_resolve(here, &p_device, bytes("x"), bytes("first"), &options, &result);
	return 0;
}

/* The same with a process that does not come to report, until its starter is killed. */
static void results_do_not_wait_for_a_process(void **state)
{
	pid_t starter, child;

	(void)state;
	begin(NULL);
	atomic_store(&world->flag[READY], 1);
	starter = world_spawn(leaves_a_process, NULL);
	child = world_spawn(asks_the_same, (void *)"p");
	assert_int_equal(world_join(child), 0);
	world_kill(starter);
	end();
}

static void leave(const char *name)
{
	const struct covey_resolve_options options = {.spawn_worker = COVEY_SPAWN_ONCE, .worker = fixed};
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
	const struct covey_worker_options soon = {.static_worker = 1, .worker_timeout = 10000000};
	struct covey_worker *worker;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_start_worker(here, &leaver, NULL, 0, bytes("g"), &soon, &worker), 0);
	assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
	assert_int_equal(covey_stop_worker(worker), 0);
	assert_int_equal(covey_find(here, "beginning", 9, NULL), COVEY_ENOENT);
	assert_int_equal(covey_find(here, "idle", 4, NULL), COVEY_ENOENT);
	assert_int_equal(covey_find(here, "end", 3, NULL), COVEY_ENOENT);
	end();
}

static int positive(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'g';
	return COVEY_TIMED_OUT;
}

/* What a group callback returns, however it is meant, seemed to be an outcome of the call. */
static void a_group_that_returns_a_positive_value(void **state)
{
	const struct covey_device wrong = {.group = positive, .compute = compute};
	struct covey_worker *worker;
	struct covey_result result;
	struct covey_name name;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_group(&wrong, bytes("x"), bytes("y"), NULL, &name), COVEY_EINVAL);
	assert_int_equal(covey_resolve(here, &wrong, bytes("x"), bytes("y"), NULL, &result), COVEY_EINVAL);
	assert_int_equal(result.outcome, COVEY_EINVAL);
	covey_release(here, &result);
	assert_int_equal(covey_start_worker(here, &wrong, NULL, 0, bytes("x"), NULL, &worker), COVEY_EINVAL);
	end();
}

/* ------------------------------------------------------------------------------------------------ answers */

/* Receives for a group of its own while it computes. */
static int receives(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	struct covey_reply reply = {0};
	struct covey_request received;
	struct covey_lead lead;

	if (asks_for(request, "outer")) {
		must(lead_of(here, "inner", &lead) == COVEY_LEADER);
		atomic_store(&world->flag[GO], 1);
		must(covey_receive(here, &lead, covey_in_ms(60000), &received) == 0);
		must(covey_respond(here, &lead, &received, &reply) == 1);
		must(covey_unregister(here, &lead) == 0);
		atomic_store(&world->flag[GO], 0);
		must(asks_for(request, "outer"));
	}
	return compute(self, base, request, answer);
}

static int asks_the_inner(void *context)
{
	covey *c = world_open();

	until(atomic_load(&world->flag[GO]));
	must(ask(c, "inner", context) == COVEY_OK);
	covey_close(c);
	return 0;
}

/* What a callback received for another group came in the place of the request that was being computed, whose waiters
 * were then not found. */
static void a_callback_receives(void **state)
{
	const struct covey_device receiver = {.group = group, .compute = receives};
	static char requests[2][1001] = {"INNER"};
	struct covey_worker *worker;

	(void)state;
	begin(NULL);
	memset(requests[1], 'I', 1000);
	assert_int_equal(covey_start_worker(here, &receiver, NULL, 0, bytes("g"), &fixed, &worker), 0);
	for (int i = 0; i < 2; i++) {
		pid_t child = world_spawn(asks_the_inner, requests[i]);

		assert_int_equal(ask(here, "g", "outer"), COVEY_OK);
		assert_int_equal(world_join(child), 0);
	}
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	end();
}

static struct cv_seat *seat_of(int which)
{
	return &here->arena.seats[atomic_load(&world->number[which])];
}

/* The low seat's waiter has its answer, and so the other one is to ask: then on to the higher seats. */
static int lets_the_other_ask(_Atomic uint32_t *word, int count)
{
	int r = kernel.wake(word, count);

	if (atomic_load(&world->flag[GO]) == 1 && word == cv_seat_futex(seat_of(LOW)) &&
	        cv_seat_state(atomic_load(&seat_of(LOW)->word)) != CV_SEAT_WAITING) {
		until(atomic_load(&world->flag[GO]) == 2);
		until(world_waiters(here, "g") == 1);
		atomic_store(&world->flag[GO], 3);
	}
	return r;
}

/* Counts its computations.  Who is to have the first result sleeps for it. */
static int counts(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	int computed = atomic_fetch_add(&world->count[COMPUTED], 1) + 1;
	char text[16];

	(void)self, (void)base, (void)request;
	if (computed == 1)
		until(atomic_load(&seat_of(LOW)->mode) != CV_PARK_AWAKE);
	return covey_answer_copy(answer, text, (size_t)snprintf(text, sizeof(text), "%d", computed));
}

/* Of two such, the one with the lower seat asks first; the other, when that one has its answer. */
static int asks_in_turn(void *context)
{
	covey *c = world_open();
	struct covey_result result;
	int error, me = *(int *)context;
	struct covey_thread *t = covey_enter(c, &error);

	must(t != NULL);
	atomic_store(&world->number[FIRST + me], t->seat);
	until(atomic_load(&world->flag[READY]));
	if (t->seat == atomic_load(&world->number[LOW])) {
		must(ask_for(c, "g", "next", &result) == COVEY_OK && says(&result, "1"));
		atomic_store(&world->flag[GO], 2);
	} else {
		until(atomic_load(&world->flag[GO]) == 2);
		must(ask_for(c, "g", "next", &result) == COVEY_OK && says(&result, "2"));
	}
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Who asked when another had the answer already was given that one, too, if the answer was still on its way round: an
 * answer from before the question. */
static void an_answer_follows_its_question(void **state)
{
	const struct covey_device counter = {.group = group, .compute = counts};
	static int me[2] = {0, 1};
	struct covey_worker *worker;
	pid_t child[2];

	(void)state;
	begin(NULL);
	cv_kernel.wake = lets_the_other_ask;
	assert_int_equal(covey_start_worker(here, &counter, NULL, 0, bytes("g"), &fixed, &worker), 0);
	for (int i = 0; i < 2; i++) {
		child[i] = world_spawn(asks_in_turn, &me[i]);
		until(atomic_load(&world->number[FIRST + i]) != 0);
	}
	for (int i = 0; i < 2; i++) {
		int64_t seat = atomic_load(&world->number[FIRST + i]),
		        other = atomic_load(&world->number[FIRST + 1 - i]);

		atomic_store(&world->number[seat < other ? LOW : HIGH], seat);
	}
	atomic_store(&world->flag[GO], 1);
	atomic_store(&world->flag[READY], 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	end();
}

/* ------------------------------------------------------------------------------------------------ no room */

#define ROOMS 100000

/* A worker that found no room for an answer could not say so either, and ended. */
static void a_full_heap(void **state)
{
	const struct covey_options small = {.heap = 1 << 16, .heap_max = 1 << 20};
	static uint32_t room[ROOMS];
	struct covey_worker *worker;
	struct covey_result result;
	struct covey_lead lead;
	int rooms = 0;
	void *at;

	(void)state;
	begin(&small);
	assert_int_equal(covey_start_worker(here, &device, NULL, 0, bytes("g"), &fixed, &worker), 0);
	assert_int_equal(lead_of(here, "mine", &lead), COVEY_LEADER);
	for (size_t size = 1 << 17; size != 0; size /= 2)
		while (rooms < ROOMS && covey_room(here, &lead, NULL, 0, size, &at, &room[rooms]) == 0)
			rooms++;
	assert_true(rooms < ROOMS);
	assert_int_equal(ask_for(here, "g", "x", &result), COVEY_EFULL);
	covey_release(here, &result);
	assert_int_equal(covey_resolve(here, &device, bytes("g"), bytes("x"), NULL, &result), COVEY_OK);
	assert_int_equal(result.part, COVEY_ALONE);
	assert_true(says(&result, "g"));
	covey_release(here, &result);
	for (int i = 0; i < rooms; i++)
		covey_room_free(here, room[i]);
	assert_int_equal(ask_for(here, "g", "x", &result), COVEY_OK);
	assert_true(says(&result, "g"));
	covey_release(here, &result);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ slots */

static int step(void *self, uint64_t slot, struct covey_answer *answer)
{
	(void)self;
	return covey_answer_copy(answer, &slot, sizeof(slot));
}

static int recall(void *self, uint64_t slot, struct covey_answer *answer)
{
	(void)self, (void)slot;
	return covey_answer_copy(answer, "past", 4);
}

static int recall_too_much(void *self, uint64_t slot, struct covey_answer *answer)
{
	(void)self, (void)slot;
	return covey_answer_room(answer, 8 << 20) == NULL;
}

static int asks_for_a_far_slot(void *context)
{
	covey *c = world_open();

	(void)context;
	must(ask(c, "log", "slot 1000000000000000") == COVEY_GAVE_UP);
	covey_close(c);
	return 0;
}

static void *stops(void *worker)
{
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
	atomic_store(&world->flag[STOP], 1);
	return NULL;
}

/* On its way to a slot, the worker heard nothing: neither a request that it could answer at once, nor to stop. */
static void a_far_slot_keeps_nobody_waiting(void **state)
{
	struct covey_slots slots = {.name = "log", .step = step, .recall = recall};
	const struct covey_device log = covey_slot_device(&slots);
	struct covey_worker *worker;
	struct covey_result result;
	pthread_t thread;
	pid_t child;

	(void)state;
	begin(NULL);
	assert_int_equal(covey_start_worker(here, &log, NULL, 0, (struct covey_bytes){0}, NULL, &worker), 0);
	assert_int_equal(ask(here, "log", "slot 2"), COVEY_OK);
	child = world_spawn(asks_for_a_far_slot, NULL);
	until(world_waiters(here, "log") == 1);
	assert_int_equal(ask(here, "log", "any"), COVEY_OK); /* it is under way */
	assert_int_equal(ask_for(here, "log", "slot 1", &result), COVEY_OK);
	assert_true(says(&result, "past"));
	covey_release(here, &result);
	assert_int_equal(pthread_create(&thread, NULL, stops, worker), 0);
	until(atomic_load(&world->flag[STOP]));
	pthread_join(thread, NULL);
	assert_int_equal(world_join(child), 0);
	end();
}

/* A past slot that is too large for the region ended the worker. */
static void a_slot_that_has_no_room(void **state)
{
	const struct covey_options small = {.heap = 1 << 16, .heap_max = 1 << 20};
	struct covey_slots slots = {.name = "log", .step = step, .recall = recall_too_much};
	const struct covey_device log = covey_slot_device(&slots);
	struct covey_worker *worker;

	(void)state;
	begin(&small);
	assert_int_equal(covey_start_worker(here, &log, NULL, 0, (struct covey_bytes){0}, NULL, &worker), 0);
	assert_int_equal(ask(here, "log", "slot 2"), COVEY_OK);
	assert_int_equal(ask(here, "log", "slot 1"), COVEY_EFULL);
	assert_int_equal(ask(here, "log", "slot 3"), COVEY_OK);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_waiter_ends_as_it_rings),
	        cmocka_unit_test(a_region_made_anew),
	        cmocka_unit_test(a_starter_ends_once_it_forwarded),
	        cmocka_unit_test(a_relative_program),
	        cmocka_unit_test(results_do_not_wait_for_a_worker),
	        cmocka_unit_test(results_do_not_wait_for_a_process),
	        cmocka_unit_test(callbacks_leave_no_worker),
	        cmocka_unit_test(a_group_that_returns_a_positive_value),
	        cmocka_unit_test(a_callback_receives),
	        cmocka_unit_test(an_answer_follows_its_question),
	        cmocka_unit_test(a_full_heap),
	        cmocka_unit_test(a_far_slot_keeps_nobody_waiting),
	        cmocka_unit_test(a_slot_that_has_no_room),
	};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	if (argc > 1 && strcmp(argv[1], "worker") == 0) {
		if (getenv("COVEY_TEST_STUCK") != NULL)
			return (int)read(4, program, 1); /* the line to its starter ends with that one */
		return covey_worker_main(3, 4) != 0;
	}
	must(n > 0 && (slash = strrchr(program, '/')) != NULL);
	snprintf(library, sizeof(library), "%.*s/libworker_device.so", (int)(slash - program), program);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
