/*
 * guest_cancel.c - threads that are cancelled, or have little of a stack, inside covey's calls
 */
#include "world.h"

#include <errno.h>
#include <pthread.h>

#include "internal.h"

#ifdef __SANITIZE_ADDRESS__ /* it is to be told that frames are left, where the compiler cannot know */
void __asan_handle_no_return(void);
#else
#define __asan_handle_no_return() ((void)0)
#endif

static covey *c;

static struct covey_bytes bytes(const char *s)
{
	return (struct covey_bytes){s, strlen(s)};
}

static int computes(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)request;
	return covey_answer_copy(answer, base.data, base.size);
}

static const struct covey_device device = {.compute = computes};

/* ------------------------------------------------------------------------------------------------ the calls */

static void call_open(void)
{
	covey *other;

	must(covey_open(&other, world->region, &world->options) == 0);
	covey_close(other);
}

static void call_create(void)
{
	char name[80];
	covey *other;

	snprintf(name, sizeof(name), "%s-new", world->region);
	must(covey_open(&other, name, &world->options) == 0);
	covey_close(other);
	must(covey_unlink(name) == 0);
}

/* The heap must grow for it, and gives back. */
static void call_room(void)
{
	struct covey_lead lead;
	uint32_t room;
	void *data;

	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 16 << 20, &data, &room) == 0);
	covey_room_free(c, room);
	must(covey_unregister(c, &lead) == 0);
}

static void call_resolve(void)
{
	struct covey_result result;

	must(covey_resolve(c, &device, bytes("k"), (struct covey_bytes){0}, NULL, &result) == COVEY_OK);
	must(covey_result_own(c, &result) == 0);
	covey_release(c, &result);
}

static void call_await(void)
{
	struct covey_result result;
	struct covey_lead lead, mine;

	must(lead_of(c, "g", &mine) == COVEY_LEADER); /* who leads looks for a circle of waits */
	must(lead_of(c, "led", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "r", 1, covey_in_ms(20), 0, &result) == COVEY_TIMED_OUT);
	covey_release(c, &result);
	must(covey_unregister(c, &mine) == 0);
}

static void call_receive(void)
{
	struct covey_request request;
	struct covey_lead lead;

	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_receive(c, &lead, covey_in_ms(20), &request) == COVEY_ETIMEDOUT);
	must(covey_unregister_notify(c, &lead, NULL, 0, NULL) == 0);
}

static void call_reap(void)
{
	must(covey_reap(c) >= 0);
	must(covey_check(c, NULL, 0) == 0);
	must(covey_named(c) == 1);
}

static void call_worker(void)
{
	struct covey_worker *worker;

	must(covey_start_worker(c, &device, "w", 1, bytes("w"), NULL, &worker) == 0);
	must(covey_wait_worker(worker, covey_in_ms(20)) == COVEY_ETIMEDOUT);
	must(covey_stop_worker(worker) == COVEY_ESTOPPED);
}

/* What it runs is no program. */
static void call_process(void)
{
	const struct covey_worker_options options = {
	        .library = "/dev/null", .symbol = "device", .program = "/dev/null"};
	struct covey_worker *worker;

	must(covey_start_worker(c, NULL, "p", 1, bytes("p"), &options, &worker) < 0);
}

static void ignore(void *context, const struct covey_change *changes, size_t count)
{
	(void)context, (void)changes, (void)count;
}

static void call_monitor(void)
{
	struct covey_monitor *monitor;

	must(covey_start_monitor(c, NULL, 0, 0, ignore, NULL, &monitor) == 0);
	covey_stop_monitor(monitor);
}

static void call_inspect(void)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_monitor *monitor;
	covey *other;

	must(covey_open(&other, world->region, &inspect) == 0);
	must(covey_start_monitor(other, "g", 1, 0, ignore, NULL, &monitor) == 0);
	covey_stop_monitor(monitor);
	covey_close(other);
}

static const struct call {
	const char *name;
	void (*call)(void);
} all_calls[] = {{"open", call_open}, {"create", call_create}, {"room", call_room}, {"resolve", call_resolve},
        {"await", call_await}, {"receive", call_receive}, {"reap", call_reap}, {"worker", call_worker},
        {"process", call_process}, {"monitor", call_monitor}, {"inspect", call_inspect}};
#define CALLS (sizeof(all_calls) / sizeof(all_calls[0]))

/* ------------------------------------------------------------------------------------------------ cancelled */

static _Atomic bool through;

static void *is_cancelled(void *context)
{
	const struct call *call = context;

	pthread_cancel(pthread_self()); /* at the next cancellation point */
	call->call();
	atomic_store(&through, true);
	__asan_handle_no_return();
	pthread_testcancel();
	return NULL;
}

/* Then it ended there, with locks held or memory taken. */
static void no_call_is_a_cancellation_point(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 64 << 20};
	struct covey_lead lead;

	(void)state;
	world_begin(&options);
	c = world_open();
	assert_int_equal(lead_of(c, "led", &lead), COVEY_LEADER);
	for (size_t i = 0; i < CALLS; i++) {
		pthread_t thread;
		void *result;

		atomic_store(&through, false);
		assert_int_equal(pthread_create(&thread, NULL, is_cancelled, (void *)(uintptr_t)&all_calls[i]), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		if (!atomic_load(&through))
			fail_msg("cancelled inside: %s", all_calls[i].name);
		assert_ptr_equal(result, PTHREAD_CANCELED);
	}
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_check(c, 0);
	covey_close(c);
}

static void *leaves_a_room(void *context)
{
	struct covey_lead lead;
	uint32_t room;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	pthread_cancel(pthread_self());
	must(covey_room(c, &lead, NULL, 0, 16 << 20, &data, &room) == 0);
	__asan_handle_no_return();
	pthread_testcancel();
	return NULL;
}

/* Then its room stayed until the region was closed, and the next one's, too. */
static void a_room_ends_with_its_leader(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 40 << 20};

	(void)state;
	world_begin(&options);
	c = world_open();
	for (int i = 0; i < 9; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, leaves_a_room, NULL), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		world_check(c, 0);
	}
	covey_close(c);
}

/* A compute that is cancelled in the host's own code. */
static int waits_to_be_cancelled(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	must(covey_answer_room(answer, 16 << 20) != NULL);
	__asan_handle_no_return();
	atomic_store(&world->flag[0], 1);
	for (;;)
		pause();
}

static void *resolves(void *context)
{
	const struct covey_device waiting = {.compute = waits_to_be_cancelled};
	struct covey_result result;

	(void)context;
	covey_resolve(c, &waiting, bytes("k"), (struct covey_bytes){0}, NULL, &result);
	return NULL;
}

static void cancelled_in_its_compute(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 40 << 20};
	struct covey_result result;

	(void)state;
	world_begin(&options);
	c = world_open();
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		atomic_store(&world->flag[0], 0);
		assert_int_equal(pthread_create(&thread, NULL, resolves, NULL), 0);
		until(atomic_load(&world->flag[0]) == 1);
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		world_check(c, 0); /* the group is given up, and its room with it */
	}
	assert_int_equal(covey_resolve(c, &device, bytes("k"), (struct covey_bytes){0}, NULL, &result), COVEY_OK);
	assert_int_equal(result.part, COVEY_LED);
	covey_release(c, &result);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ little stacks */

static void *has_little_stack(void *context)
{
	(void)context;
	for (size_t i = 0; i < CALLS; i++)
		all_calls[i].call();
	return NULL;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LITTLE (256 << 10) /* their frames are many times as large */
#else
#define LITTLE 16384
#endif

/* As those of a coroutine, or of an alternative stack for signals. */
static void sixteen_kib_of_stack(void **state)
{
	const struct covey_options options = {.heap = 1 << 16, .heap_max = 64 << 20};
	pthread_attr_t attributes;
	struct covey_lead lead;
	pthread_t thread;

	(void)state;
	world_begin(&options);
	c = world_open();
	assert_int_equal(lead_of(c, "led", &lead), COVEY_LEADER);
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstacksize(&attributes, LITTLE), 0);
	assert_int_equal(pthread_create(&thread, &attributes, has_little_stack, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_check(c, 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_call_is_a_cancellation_point),
	        cmocka_unit_test(a_room_ends_with_its_leader),
	        cmocka_unit_test(cancelled_in_its_compute),
	        cmocka_unit_test(sixteen_kib_of_stack),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
