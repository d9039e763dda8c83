/*
 * guest_passing.c - the caller's code does not come back: an exception passes through, or its thread ends there
 */
#include "guest_device.h"
#include "world.h"

#include <pthread.h>
#include <signal.h>

/* guest_throw.cc */
void throw_what(int what);
int resolve_and_catch(covey *c, const struct covey_device *device, struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_result *out);
int serve_and_catch(covey *c, const struct covey_device *device, struct covey_lead *lead, struct covey_bytes base);

enum { COMPUTED, ENDED }; /* indexes of world->count */
enum { GO };              /* of world->flag */
enum { THROW = 1, CANCEL, EXIT, WAYS };

static const struct covey_bytes base = {"group", 5}, none;
static covey *here;

static int group(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = b.size;
	memcpy(name->data, b.data, b.size);
	return 0;
}

#ifdef __SANITIZE_ADDRESS__ /* it is to be told that frames are left, where the compiler cannot know */
void __asan_handle_no_return(void);
#else
#define __asan_handle_no_return() ((void)0)
#endif

static void leave(int way)
{
	if (way == THROW)
		throw_what(7);
	if (way == CANCEL) {
		pthread_cancel(pthread_self());
		__asan_handle_no_return();
		pthread_testcancel();
	}
	pthread_exit(NULL);
}

/* ------------------------------------------------------------------------------------------------ in covey_resolve() */

/* self: the way to leave, once one waits.  In a place in the region, or in memory of this process. */
static int computes_and_leaves(
        void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)b;
	atomic_store(&world->flag[GO], 1);
	until(here == NULL || world_waiters(here, "group") == 1);
	if (request.size != 0)
		must(covey_answer_room(answer, 100000) != NULL);
	else
		must(covey_answer_copy(answer, "lost", 4) == 0);
	leave(*(int *)self);
	return 0;
}

static int says_done(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)b, (void)request;
	return covey_answer_copy(answer, "done", 4);
}

/* Leads in place of the one that left. */
static int successor(void *context)
{
	const struct covey_device device = {.group = group, .compute = says_done};
	covey *c = world_open();
	struct covey_result result;

	(void)context;
	until(atomic_load(&world->flag[GO]));
	must(covey_resolve(c, &device, base, none, NULL, &result) == COVEY_OK);
	must(says(&result, "done") && result.part == COVEY_LED);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

struct call {
	int way;
	struct covey_bytes request;
	const struct covey_resolve_options *options;
	struct covey_device device;
	struct covey_result result;
};

static bool is_led_here(void)
{
	struct covey_info info;

	return covey_find(here, "group", 5, &info) == 0 && info.pid == getpid();
}

static void *calls(void *context)
{
	struct call *call = context;

	must(resolve_and_catch(here, &call->device, base, call->request, call->options, &call->result) == 7);
	must(here == NULL || !is_led_here()); /* before the thread ends */
	return call;
}

/* In a thread, which the way may end. */
static void call_in_thread(struct call *call)
{
	pthread_t thread;
	void *returned;

	call->device.self = &call->way;
	must(pthread_create(&thread, NULL, calls, call) == 0);
	must(pthread_join(thread, &returned) == 0);
	must(returned == (call->way == THROW ? call : call->way == CANCEL ? PTHREAD_CANCELED : NULL));
	must(call->result.data == NULL && call->result.owned == NULL);
}

static void begin(void)
{
	world_begin(NULL);
	here = world_open();
}

static void end(void)
{
	assert_int_equal(covey_find(here, "group", 5, NULL), COVEY_ENOENT);
	assert_int_equal(covey_counter(here, COVEY_COUNT_RESCUED), 0);
	world_settle(here, 1);
	world_check(here, 0);
	covey_close(here);
	world_end();
}

static void out_of_compute(void **state)
{
	(void)state;
	for (int way = THROW; way < WAYS; way++)
		for (int in_region = 0; in_region < 2; in_region++) {
			struct call call = {.way = way, .request = {"x", (size_t)in_region}};
			pid_t waiter;

			begin();
			call.device = (struct covey_device){.group = group, .compute = computes_and_leaves};
			waiter = world_spawn(successor, NULL);
			call_in_thread(&call);
			assert_int_equal(world_join(waiter), 0);
			end();
		}
}

static void out_of_a_computation_alone(void **state)
{
	const struct covey_resolve_options alone = {.await_inprogress = COVEY_AWAIT_NONE};
	covey *region;

	(void)state;
	for (int way = THROW; way < WAYS; way++) {
		struct call call = {.way = way, .options = &alone};

		begin();
		region = here;
		here = NULL;
		call.device = (struct covey_device){.group = group, .compute = computes_and_leaves};
		call_in_thread(&call);
		here = region;
		end();
	}
}

static int group_leaves(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_name *name)
{
	(void)b, (void)request, (void)name;
	leave(*(int *)self);
	return 0;
}

static int await_leaves(void *self, covey *c, const struct covey_lead *lead, struct covey_bytes request,
        int64_t deadline, struct covey_result *out)
{
	covey_default_await(c, lead, request.data, request.size, deadline, out);
	leave(*(int *)self);
	return 0;
}

static int leads_until_awaited(void *context)
{
	const struct covey_reply reply = text("a result that is too long for the mailbox of its leader's seat");
	covey *c = world_open();
	struct covey_lead lead;

	must(covey_find_or_register(c, "group", 5, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[GO], 1);
	until(world_waiters(c, "group") == 1);
	if (context != NULL)
		raise(SIGKILL);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

/* With a result that it has borrowed, or with a leadership that it has taken over. */
static void out_of_group_and_await(void **state)
{
	(void)state;
	for (int way = THROW; way < WAYS; way++)
		for (int dies = 0; dies < 2; dies++) {
			struct call call = {.way = way};
			pid_t leader;

			begin();
			call.device = (struct covey_device){.group = group_leaves, .compute = computes_and_leaves};
			call_in_thread(&call);
			leader = world_spawn(leads_until_awaited, dies ? &here : NULL);
			until(atomic_load(&world->flag[GO]));
			call.device = (struct covey_device){
			        .group = group, .compute = computes_and_leaves, .await = await_leaves};
			call_in_thread(&call);
			assert_int_equal(world_join(leader), dies ? 128 + SIGKILL : 0);
			end();
		}
}

static jmp_buf before;

static int jumps(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)b, (void)request, (void)answer;
	longjmp(before, 1);
}

static void *jumps_out(void *context)
{
	const struct covey_device jumping = {.compute = jumps}, device = {.group = group, .compute = says_done};
	struct covey_result result;

	if (setjmp(before) == 0)
		covey_resolve(here, &jumping, base, none, NULL, &result);
	must(covey_in_worker() == 0);
	must(covey_resolve(here, &device, base, none, NULL, &result) == COVEY_OK && result.part == COVEY_LED);
	covey_release(here, &result);
	return context;
}

/* No cleanup is run for that: what it leads is led until its thread ends.  It can go on calling. */
static void a_jump_out_of_compute(void **state)
{
	pthread_t thread;

	(void)state;
	begin();
	must(pthread_create(&thread, NULL, jumps_out, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ in workers */

static void thread_ends(void *self)
{
	(void)self;
	atomic_fetch_add(&world->count[ENDED], 1);
}

static int ends_its_thread(void **self, struct covey_bytes b)
{
	(void)self, (void)b;
	pthread_exit(NULL);
}

static void ends_its_thread_idly(void *self, struct covey_bytes b)
{
	(void)self, (void)b;
	pthread_exit(NULL);
}

/* A callback ends the thread that it runs in: the worker is stopped, its waiters are told, and the host has another thread. */
static void a_worker_s_thread_ends(void **state)
{
	struct covey_device device = guest_device_hosted;
	struct covey_worker *worker;
	struct covey_host *host;
	struct covey_result result;

	(void)state;
	device.end = thread_ends;
	for (int kind = 0; kind < GUEST_KINDS; kind++) {
		begin();
		worker = guest_start(
		        here, (enum guest_kind)kind, kind != GUEST_PROCESS ? &device : NULL, COVEY_FOREVER, &host);
		assert_int_equal(guest_ask(here, "exit", &result), COVEY_GAVE_UP);
		covey_release(here, &result);
		assert_int_equal(covey_wait_worker(worker, covey_in_ms(60000)), 0);
		assert_int_equal(covey_stop_worker(worker), kind == GUEST_PROCESS ? 0 : COVEY_ESTOPPED);
		assert_int_equal(atomic_load(&world->count[ENDED]), kind != GUEST_PROCESS);
		covey_host_close(host);
		end();
	}
}

static void a_host_s_threads_end_one_after_the_other(void **state)
{
	const struct covey_worker_options unhosted = {.worker_timeout = 1000000};
	struct covey_worker_options options = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};
	struct covey_device begins = guest_device_hosted, idles = guest_device_hosted;
	struct covey_worker *worker;
	struct covey_result result;

	(void)state;
	begin();
	begins.begin = ends_its_thread;
	idles.idle = ends_its_thread_idly;
	assert_int_equal(covey_host_open(here, 2, &options.host), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(covey_start_worker(here, &guest_device_hosted, NULL, 0, base, &options, &worker), 0);
		assert_int_equal(guest_ask(here, "exit", &result), COVEY_GAVE_UP);
		assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
		assert_int_equal(covey_start_worker(here, &begins, NULL, 0, base, &options, &worker), COVEY_ESTOPPED);
	}
	covey_host_close(options.host);
	assert_int_equal(covey_start_worker(here, &begins, NULL, 0, base, &unhosted, &worker), COVEY_ESTOPPED);
	assert_int_equal(covey_start_worker(here, &idles, NULL, 0, base, &unhosted, &worker), 0);
	assert_int_equal(covey_stop_worker(worker), COVEY_ESTOPPED);
	end();
}

static int throws(void *self, struct covey_bytes b, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)b, (void)request;
	must(covey_answer_room(answer, 1000) != NULL);
	throw_what(7);
	return 0;
}

static int serves_until_it_throws(void *hosted)
{
	const struct covey_device device = {.group = group, .compute = throws};
	struct covey_worker *worker;
	struct covey_worker_options options = {.worker_timeout = COVEY_FOREVER};
	covey *c = world_open();

	signal(SIGABRT, SIG_DFL);
	must(!hosted || covey_host_open(c, 1, &options.host) == 0);
	must(covey_start_worker(c, &device, NULL, 0, base, &options, &worker) == 0);
	atomic_store(&world->flag[GO], 1);
	covey_wait_worker(worker, covey_in_ms(60000));
	return 1;
}

/* As out of any thread's function: the process ends, and who waits has a dead leader. */
static void an_exception_ends_a_worker_s_process(void **state)
{
	const struct covey_device device = {.group = group, .compute = says_done};
	struct covey_result result;

	(void)state;
	for (int hosted = 0; hosted < 2; hosted++) {
		pid_t process;

		begin();
		process = world_spawn(serves_until_it_throws, hosted ? &here : NULL);
		until(atomic_load(&world->flag[GO]));
		assert_int_equal(covey_resolve(here, &device, base, none, NULL, &result), COVEY_OK);
		assert_int_equal(result.part, COVEY_TOOK_OVER);
		covey_release(here, &result);
		assert_int_equal(world_join(process), 128 + SIGABRT);
		end();
	}
}

static int asks_once(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	until(covey_find(c, "group", 5, NULL) == 0);
	must(covey_join(c, "group", 5, &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_GAVE_UP);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Where the caller lent its own thread, the exception passes on to it. */
static void an_exception_passes_the_loop(void **state)
{
	const struct covey_device device = {.group = group, .compute = throws};
	struct covey_lead lead;
	pid_t waiter;

	(void)state;
	begin();
	waiter = world_spawn(asks_once, NULL);
	assert_int_equal(lead_of(here, "group", &lead), COVEY_LEADER);
	assert_int_equal(serve_and_catch(here, &device, &lead, base), 7);
	assert_int_equal(world_join(waiter), 0);
	assert_int_equal(covey_in_worker(), 0);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(out_of_compute),
	        cmocka_unit_test(out_of_a_computation_alone),
	        cmocka_unit_test(out_of_group_and_await),
	        cmocka_unit_test(a_jump_out_of_compute),
	        cmocka_unit_test(a_worker_s_thread_ends),
	        cmocka_unit_test(a_host_s_threads_end_one_after_the_other),
	        cmocka_unit_test(an_exception_ends_a_worker_s_process),
	        cmocka_unit_test(an_exception_passes_the_loop),
	};
	int status;

	(void)argc;
	return guest_main(argv, &status) ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
