/*
 * lead.c - roles, answers and their bytes, between processes and between threads
 */
#include "asleep.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void leads_then_finds(void **state)
{
	struct covey_lead lead, again;
	struct covey_info info;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_find(c, "g", 1, &info), COVEY_ENOENT);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_find(c, "g", 1, &info), 0);
	assert_int_equal(info.pid, getpid());
	assert_int_equal(info.generation, lead.generation);
	assert_int_equal(info.waiters, 0);
	assert_int_equal(lead_of(c, "g", &again), COVEY_RECURSION);
	assert_int_equal(covey_unregister(c, &lead), 0);
	assert_int_equal(covey_unregister(c, &lead), COVEY_EFENCED);
	assert_int_equal(covey_find(c, "g", 1, NULL), COVEY_ENOENT);
	assert_int_equal(lead_of(c, "g", &again), COVEY_LEADER);
	assert_true(again.generation > lead.generation);
	assert_int_equal(covey_unregister_notify(c, &again, NULL, 0, NULL), 0);
	world_check(c, 0);
	covey_close(c);
}

static void refuses_bad_arguments(void **state)
{
	static char name[COVEY_NAME_MAX + 1];
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	memset(name, 'n', sizeof(name));
	assert_int_equal(covey_find_or_register(c, name, sizeof(name), &lead), COVEY_EINVAL);
	assert_int_equal(covey_find_or_register(c, name, COVEY_NAME_MAX, &lead), COVEY_LEADER);
	assert_int_equal(covey_find_or_register(c, name, COVEY_NAME_MAX, &lead), COVEY_RECURSION);
	assert_int_equal(covey_find_or_register(c, name, COVEY_NAME_MAX - 1, &lead), COVEY_LEADER);
	assert_int_equal(covey_find_or_register(c, "", 0, &lead), COVEY_UNGROUPED);
	assert_int_equal(covey_find_or_register(c, NULL, 5, &lead), COVEY_EINVAL);
	assert_int_equal(covey_find_or_register(c, "x", 1, NULL), COVEY_EINVAL);
	assert_int_equal(covey_find_or_register(NULL, "x", 1, &lead), COVEY_EINVAL);
	memset(&lead, 0xff, sizeof(lead));
	assert_int_equal(covey_unregister(c, &lead), COVEY_EINVAL);
	assert_true(strlen(covey_strerror(COVEY_EFULL)) > 20);
	covey_close(c);
}

/* A child that asks once for group "g" with a request, and says in its exit status how it went. */
struct ask {
	const char *request;
	const char *expected; /* NULL: no bytes are compared */
	int outcome;
	int64_t ms;
};

static int asks(void *context)
{
	const struct ask *a = context;
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	int r;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, a->request, a->request ? strlen(a->request) : 0, covey_in_ms(a->ms), 0, &result);
	if (r != a->outcome)
		fprintf(stderr, "await gave %d (%s), expected %d\n", r, covey_strerror(r), a->outcome);
	must(r == a->outcome && result.outcome == r);
	if (a->expected != NULL)
		must(says(&result, a->expected));
	if (r == COVEY_OK || r == COVEY_ERROR)
		must(result.generation == lead.generation && result.pid == getppid() && result.part == COVEY_JOINED);
	covey_release(c, &result);
	covey_release(c, &result); /* twice is harmless */
	covey_close(c);
	return 0;
}

static void one_result_for_all(void **state)
{
	struct ask ask = {NULL, "the bytes", COVEY_OK, 60000};
	struct covey_lead lead;
	struct covey_reply reply = text("the bytes");
	pid_t child[8];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 8; i++)
		child[i] = world_spawn(asks, &ask);
	until(world_waiters(c, "g") == 8);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(world_join(child[i]), 0);
	world_check(c, 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	covey_close(c);
}

static void requests_are_told_apart(void **state)
{
	struct ask a = {"a", "for a", COVEY_OK, 60000}, b = {"b", NULL, COVEY_GAVE_UP, 60000};
	struct ask e = {"e", "for e", COVEY_ERROR, 60000};
	struct covey_lead lead;
	struct covey_reply for_a = text("for a"), for_e = text("for e");
	pid_t child[6];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 6; i++)
		child[i] = world_spawn(asks, i % 3 == 0 ? &a : i % 3 == 1 ? &b : &e);
	until(world_waiters(c, "g") == 6);
	for_e.error = 1;
	assert_int_equal(covey_notify(c, &lead, "nothing", 7, &for_e), 0);
	assert_int_equal(covey_notify(c, &lead, "e", 1, &for_e), 2);
	assert_int_equal(world_waiters(c, "g"), 4);
	assert_int_equal(covey_unregister_notify(c, &lead, "a", 1, &for_a), 2);
	for (int i = 0; i < 6; i++)
		assert_int_equal(world_join(child[i]), 0);
	world_check(c, 0);
	covey_close(c);
}

static int longer_than(void *context, const void *request, size_t size)
{
	(void)request;
	return size > *(size_t *)context;
}

static void predicate_picks(void **state)
{
	char large[5000];
	struct ask small = {"small", "last", COVEY_OK, 60000}, big = {large, "picked", COVEY_OK, 60000};
	struct covey_lead lead;
	struct covey_reply picked = text("picked"), last = text("last");
	size_t limit = 1000;
	pid_t child[4];
	covey *c;

	(void)state;
	memset(large, 'L', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 4; i++)
		child[i] = world_spawn(asks, i % 2 ? &big : &small);
	until(world_waiters(c, "g") == 4);
	assert_int_equal(covey_notify_if(c, &lead, longer_than, &limit, &picked), 2);
	assert_int_equal(covey_notify_all(c, &lead, &last), 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(world_join(child[i]), 0);
	assert_int_equal(covey_unregister(c, &lead), 0);
	world_check(c, 0);
	covey_close(c);
}

static void receives_in_order_and_responds(void **state)
{
	static char name[3][8] = {"one", "two", "three"};
	struct ask ask[3];
	struct covey_lead lead;
	struct covey_request request;
	pid_t child[3];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_receive(c, &lead, covey_in_ms(1), &request), COVEY_ETIMEDOUT);
	for (int i = 0; i < 3; i++) {
		ask[i] = (struct ask){name[i], name[i], COVEY_OK, 60000};
		child[i] = world_spawn(asks, &ask[i]);
		until(world_waiters(c, "g") == (uint32_t)i + 1);
	}
	for (int i = 0; i < 3; i++) {
		struct covey_reply reply;

		assert_int_equal(covey_receive(c, &lead, COVEY_FOREVER, &request), 0);
		assert_int_equal(request.size, strlen(name[i]));
		assert_memory_equal(request.data, name[i], request.size);
		assert_int_equal(request.pid, child[i]);
		reply = text(name[i]);
		assert_int_equal(covey_respond(c, &lead, &request, &reply), 1);
		assert_int_equal(covey_respond(c, &lead, &request, &reply), 0);
		assert_int_equal(world_join(child[i]), 0);
	}
	assert_int_equal(covey_receive(c, &lead, COVEY_NOW, &request), COVEY_ETIMEDOUT);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

/* Both are received before the first is answered. */
static void receives_each_once(void **state)
{
	struct ask ask[2] = {{"one", "answer", COVEY_OK, 60000}, {"two", "answer", COVEY_OK, 60000}};
	struct covey_reply reply = text("answer");
	struct covey_request request[2], none;
	struct covey_lead lead;
	pid_t child[2];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	for (int i = 0; i < 2; i++)
		child[i] = world_spawn(asks, &ask[i]);
	until(world_waiters(c, "g") == 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_receive(c, &lead, COVEY_NOW, &request[i]), 0);
	assert_int_not_equal(request[0].pid, request[1].pid);
	assert_int_equal(covey_receive(c, &lead, COVEY_NOW, &none), COVEY_ETIMEDOUT);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_respond(c, &lead, &request[i], &reply), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_join(child[i]), 0);
	covey_unregister(c, &lead);
	world_check(c, 0);
	covey_close(c);
}

struct receiving {
	covey *c;
	struct covey_lead lead;
	_Atomic bool leads;
	int said;
};

static void *receives(void *context)
{
	struct receiving *r = context;
	struct covey_request request;

	must(lead_of(r->c, "g", &r->lead) == COVEY_LEADER);
	atomic_store(&r->leads, true);
	r->said = covey_receive(r->c, &r->lead, COVEY_FOREVER, &request);
	return NULL;
}

/* Nobody waits for the group; a receiver that sleeps is to hear of its end all the same. */
static void receiver_hears_that_a_sibling_ended_it(void **state)
{
	struct receiving r = {0};
	pthread_t thread;

	(void)state;
	world_begin(NULL);
	r.c = world_open();
	assert_int_equal(pthread_create(&thread, NULL, receives, &r), 0);
	until(atomic_load(&r.leads) && world_sleepers(&r.c->arena.tails[r.lead.node].request_bell) == 1);
	assert_int_equal(covey_unregister(r.c, &r.lead), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r.said, COVEY_EFENCED);
	assert_int_equal(covey_counter(r.c, COVEY_COUNT_RESCUED), 0);
	world_check(r.c, 0);
	covey_close(r.c);
}

static int asks_after_a_while(void *context)
{
	covey *c = world_open();

	until(atomic_load(&world->flag[0]) == 1);
	covey_close(c);
	return asks(context);
}

static void receiver_is_woken(void **state)
{
	struct ask ask = {"q", "answer", COVEY_OK, 60000};
	struct covey_reply reply = text("answer");
	struct covey_lead lead;
	struct covey_request request;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = world_spawn(asks_after_a_while, &ask);
	assert_int_equal(covey_receive(c, &lead, covey_in_ms(50), &request), COVEY_ETIMEDOUT);
	atomic_store(&world->flag[0], 1);
	assert_int_equal(covey_receive(c, &lead, COVEY_FOREVER, &request), 0);
	assert_int_equal(covey_respond(c, &lead, &request, &reply), 1);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	covey_unregister(c, &lead);
	covey_close(c);
}

static void result_built_in_the_region(void **state)
{
	struct ask ask = {"r", "built in place", COVEY_OK, 60000}, other = {"s", NULL, COVEY_GAVE_UP, 60000};
	struct covey_lead lead;
	struct covey_reply reply = {0};
	void *data;
	pid_t child[2];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child[0] = world_spawn(asks, &ask);
	child[1] = world_spawn(asks, &other);
	until(world_waiters(c, "g") == 2);
	assert_int_equal(covey_room(c, &lead, "r", 1, 100, &data, &reply.room), 0);
	assert_int_equal((uintptr_t)data % 16, 0);
	memcpy(data, "built in place", 14);
	reply.data = data;
	reply.size = 14;
	assert_int_equal(covey_unregister_notify(c, &lead, "r", 1, &reply), 1);
	assert_int_equal(world_join(child[0]), 0);
	assert_int_equal(world_join(child[1]), 0);
	world_check(c, 0);
	/* A room that is given back, and one that is published with nobody there. */
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 70000, &data, &reply.room), 0);
	covey_room_free(c, reply.room);
	covey_room_free(c, reply.room);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 700000, &data, &reply.room), 0);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 0);
	world_check(c, 0);
	covey_close(c);
}

static void *asks_in_a_thread(void *context)
{
	covey *c = context;
	struct covey_lead lead;
	struct covey_result result;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(says(&result, "threads"));
	covey_release(c, &result);
	return NULL;
}

static void a_sibling_thread_waits(void **state)
{
	struct covey_reply reply = text("threads");
	struct covey_lead lead;
	pthread_t thread[3];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_RECURSION);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, asks_in_a_thread, c);
	until(world_waiters(c, "g") == 3);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 3);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	world_check(c, 0);
	covey_close(c);
}

static void *leads_and_exits(void *context)
{
	covey *c = context;
	struct covey_lead lead;

	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	until(world_waiters(c, "g") == 1);
	return NULL;
}

static void a_thread_that_exits_gives_up(void **state)
{
	struct ask ask = {NULL, NULL, COVEY_GAVE_UP, 60000};
	struct covey_info info;
	pthread_t thread;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	pthread_create(&thread, NULL, leads_and_exits, c);
	until(covey_find(c, "g", 1, &info) == 0);
	child = world_spawn(asks, &ask);
	pthread_join(thread, NULL);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_find(c, "g", 1, &info), COVEY_ENOENT);
	world_check(c, 0);
	covey_close(c);
}

static void closing_gives_up(void **state)
{
	struct ask ask = {NULL, NULL, COVEY_GAVE_UP, 60000};
	struct covey_lead lead;
	covey *c, *other;
	pid_t child;

	(void)state;
	world_begin(NULL);
	c = world_open();
	other = world_open_apart();
	assert_int_equal(lead_of(other, "g", &lead), COVEY_LEADER);
	child = world_spawn(asks, &ask);
	until(world_waiters(c, "g") == 1);
	covey_close(other);
	assert_int_equal(world_join(child), 0);
	world_check(c, 0);
	covey_close(c);
}

static void many_loans(void **state)
{
	struct covey_result result[10];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 10; i++) {
		struct covey_lead wait;
		char group[16], bytes[16];
		struct covey_reply reply;
		pid_t child;

		snprintf(group, sizeof(group), "g%d", i);
		snprintf(bytes, sizeof(bytes), "bytes %d", i);
		reply = text(bytes);
		child = fork();
		if (child == 0) { /* publishes once its parent sleeps */
			covey *mine = world_open();
			struct covey_lead lead;

			must(lead_of(mine, group, &lead) == COVEY_LEADER);
			until(world_waiters(mine, group) == 1);
			must(covey_unregister_notify(mine, &lead, NULL, 0, &reply) >= 0); /* the waiter may help */
			covey_close(mine);
			_exit(0);
		}
		until(covey_join(c, group, strlen(group), &wait) == COVEY_WAIT);
		assert_int_equal(covey_await(c, &wait, NULL, 0, COVEY_FOREVER, 0, &result[i]), COVEY_OK);
		assert_int_equal(world_join(child), 0);
	}
	for (int i = 0; i < 10; i++) {
		char bytes[16];

		snprintf(bytes, sizeof(bytes), "bytes %d", i);
		assert_true(says(&result[i], bytes));
		covey_release(c, &result[i]);
	}
	world_check(c, 0);
	covey_close(c);
}

static int in_a_room(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	void *room = covey_answer_room(answer, 60000);

	(void)self, (void)base;
	must(room != NULL);
	memset(room, *(const char *)request.data, 60000);
	return 0;
}

/* A thread borrows four results at once; what its own computations make beyond that is copied, before the room is another's. */
static void more_rooms_than_loans(void **state)
{
	const struct covey_device device = {.compute = in_a_room};
	const struct covey_options six = {.heap = 6 << 16, .heap_max = 6 << 16}; /* rooms at once */
	struct covey_result result[12];
	covey *c;

	(void)state;
	world_begin(&six);
	c = world_open();
	for (int i = 0; i < 12; i++) {
		const char letter = (char)('a' + i);

		assert_int_equal(covey_resolve(c, &device, (struct covey_bytes){0}, (struct covey_bytes){&letter, 1},
		                         NULL, &result[i]),
		        COVEY_OK);
		assert_int_equal(result[i].loan != 0, i < 4);
	}
	for (int i = 0; i < 12; i++) {
		assert_int_equal(result[i].size, 60000);
		for (int k = 0; k < 60000; k++)
			assert_int_equal(((const char *)result[i].data)[k], 'a' + i);
		covey_release(c, &result[i]);
	}
	world_check(c, 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(leads_then_finds),
	        cmocka_unit_test(refuses_bad_arguments),
	        cmocka_unit_test(one_result_for_all),
	        cmocka_unit_test(requests_are_told_apart),
	        cmocka_unit_test(predicate_picks),
	        cmocka_unit_test(receives_in_order_and_responds),
	        cmocka_unit_test(receives_each_once),
	        cmocka_unit_test(receiver_is_woken),
	        cmocka_unit_test(receiver_hears_that_a_sibling_ended_it),
	        cmocka_unit_test(result_built_in_the_region),
	        cmocka_unit_test(a_sibling_thread_waits),
	        cmocka_unit_test(a_thread_that_exits_gives_up),
	        cmocka_unit_test(closing_gives_up),
	        cmocka_unit_test(many_loans),
	        cmocka_unit_test(more_rooms_than_loans),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
