/*
 * mended_workers.c - workers failed in each of these ways once; held down here
 */
#include "mended.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seat.h"

enum { GO, STOP, READY, ANSWERED }; /* indexes of world->flag */
enum { COMPUTED };                  /* of world->count */
enum { LOW, HIGH, FIRST };          /* of world->number */

static const struct covey_worker_options fixed = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};

/* ------------------------------------------------------------------------------------------------ a device */

/* The answer is the base; an execution that is asked "first" lasts until flag[READY] others wait. */
static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	char name[16] = "";

	(void)self;
	must(base.size < sizeof(name));
	memcpy(name, base.data, base.size);
	if (asks_for(request, "much"))
		return covey_answer_copy(answer, (char[1000]){""}, 1000);
	if (asks_for(request, "first"))
		until(world_waiters(here, name) == (uint32_t)atomic_load(&world->flag[READY]));
	return covey_answer_copy(answer, base.data, base.size);
}

static const struct covey_device device = {.group = group, .compute = compute};

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
	assert_int_equal(ask_for(here, "g", "much", &result), COVEY_EFULL);
	covey_release(here, &result);
	assert_int_equal(covey_resolve(here, &device, bytes("g"), bytes("much"), NULL, &result), COVEY_OK);
	assert_int_equal(result.part, COVEY_ALONE);
	assert_int_equal(result.size, 1000);
	covey_release(here, &result);
	assert_int_equal(ask_for(here, "g", "x", &result), COVEY_OK); /* so short an answer takes no room */
	assert_true(says(&result, "g"));
	covey_release(here, &result);
	for (int i = 0; i < rooms; i++)
		covey_room_free(here, room[i]);
	assert_int_equal(ask_for(here, "g", "much", &result), COVEY_OK);
	assert_int_equal(result.size, 1000);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_waiter_ends_as_it_rings),
	        cmocka_unit_test(results_do_not_wait_for_a_worker),
	        cmocka_unit_test(callbacks_leave_no_worker),
	        cmocka_unit_test(a_group_that_returns_a_positive_value),
	        cmocka_unit_test(a_callback_receives),
	        cmocka_unit_test(an_answer_follows_its_question),
	        cmocka_unit_test(a_full_heap),
	        cmocka_unit_test(a_far_slot_keeps_nobody_waiting),
	        cmocka_unit_test(a_slot_that_has_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
