/*
 * guest_handles.c - several handles of one region in one process: libraries of one program that do not know of each other
 *
 * They share a slot, a liveness thread and a seat a thread, so whatever one of them leads, the program leads.
 */
#include "world.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPENED, LED, GO, SEEN };

static uint32_t participants(covey *c)
{
	struct covey_usage usage;

	must(covey_usage_of(c, &usage) == 0);
	return usage.participants;
}

static uint32_t threads(covey *c)
{
	struct covey_usage usage;

	must(covey_usage_of(c, &usage) == 0);
	return usage.threads;
}

static void what_one_leads_the_other_leads(void **state)
{
	struct covey_result result;
	struct covey_lead lead, again;
	covey *a, *b;

	(void)state;
	world_begin(NULL);
	a = world_open();
	b = world_open();
	assert_ptr_not_equal(a, b);
	assert_int_equal(participants(a), 1);
	assert_int_equal(covey_participant(a), covey_participant(b));
	assert_int_equal(lead_of(a, "g", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(b, "g", &again), COVEY_RECURSION);
	assert_int_equal(covey_join(b, "g", 1, &again), COVEY_RECURSION);
	assert_int_equal(covey_await(b, &again, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_CYCLE);
	assert_int_equal(threads(a), 1);
	assert_int_equal(covey_unregister(b, &lead), 0); /* a lead is the thread's, whatever handle it came by */
	assert_int_equal(lead_of(b, "g", &lead), COVEY_LEADER);
	covey_close(a);
	assert_true(covey_leading(b, &lead));
	assert_int_equal(covey_unregister(b, &lead), 0);
	world_check(b, 0);
	covey_close(b);
}

/* ------------------------------------------------------------------------------------------------ closing one of them */

static int publishes(void *context)
{
	static const char bytes[5000] = "bytes";
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "of another process", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[LED], 1);
	until(world_waiters(c, "of another process") == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	return covey_answer_copy(answer, "computed", 8);
}

static void report(void *context, const struct covey_change *changes, size_t count)
{
	(void)changes, (void)count;
	atomic_fetch_add((_Atomic int *)context, 1);
}

static bool led(covey *c, const char *group)
{
	return covey_find(c, group, strlen(group), NULL) == 0;
}

/* Whoever closes ends its own workers and monitors, and nothing of the others'. */
static void closing_one_leaves_the_others(void **state)
{
	const struct covey_device device = {.compute = compute};
	const struct covey_worker_options options = {.worker_timeout = COVEY_FOREVER};
	struct covey_bytes base = {"base", 4};
	struct covey_monitor *ended, *going_on;
	struct covey_worker *first, *second;
	_Atomic int reports[2] = {0, 0};
	struct covey_result result;
	struct covey_lead lead;
	covey *a, *b;
	pid_t child;
	int seen;

	(void)state;
	world_begin(NULL);
	a = world_open();
	child = world_spawn(publishes, NULL);
	until(atomic_load(&world->flag[LED]) == 1);
	assert_int_equal(covey_join(a, "of another process", 18, &lead), COVEY_WAIT);
	assert_int_equal(covey_await(a, &lead, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_OK);
	assert_int_equal(world_join(child), 0);
	b = world_open();
	assert_int_equal(lead_of(a, "mine", &lead), COVEY_LEADER);
	assert_int_equal(covey_start_worker(a, &device, "of a", 4, base, &options, &first), 0);
	assert_int_equal(covey_start_worker(b, &device, "of b", 4, base, &options, &second), 0);
	assert_int_equal(covey_start_monitor(a, NULL, 0, 1, report, &reports[0], &ended), 0);
	assert_int_equal(covey_start_monitor(b, NULL, 0, 1, report, &reports[1], &going_on), 0);
	until(atomic_load(&reports[0]) != 0 && atomic_load(&reports[1]) != 0);

	covey_close(a);
	assert_false(led(b, "of a"));
	assert_true(led(b, "of b") && led(b, "mine"));
	assert_true(covey_leading(b, &lead));
	assert_true(result.size == 5000 && memcmp(result.data, "bytes", 6) == 0);
	seen = atomic_load(&reports[0]);
	assert_int_equal(covey_unregister(b, &lead), 0);
	until(atomic_load(&reports[1]) >= 2);
	assert_int_equal(atomic_load(&reports[0]), seen);

	covey_release(b, &result);
	covey_stop_monitor(ended);
	covey_stop_monitor(going_on);
	assert_int_equal(covey_stop_worker(first), COVEY_ESTOPPED);
	assert_int_equal(covey_stop_worker(second), COVEY_ESTOPPED);
	world_check(b, 0);
	covey_close(b);
}

static void *asks_until_told(void *context)
{
	covey *c = context;
	struct covey_lead lead;

	while (atomic_load(&world->flag[GO]) == 0) {
		must(lead_of(c, "asked", &lead) == COVEY_LEADER);
		must(covey_unregister(c, &lead) == 0);
		atomic_store(&world->flag[SEEN], 1);
	}
	return NULL;
}

static void closing_while_others_are_inside_calls(void **state)
{
	pthread_t thread;
	covey *a, *b;

	(void)state;
	world_begin(NULL);
	a = world_open();
	b = world_open();
	must(pthread_create(&thread, NULL, asks_until_told, b) == 0);
	until(atomic_load(&world->flag[SEEN]) == 1);
	covey_close(a);
	for (int i = 0; i < 200; i++)
		covey_close(world_open());
	atomic_store(&world->flag[GO], 1);
	pthread_join(thread, NULL);
	assert_int_equal(participants(b), 1);
	world_check(b, 0);
	covey_close(b);
}

/* ------------------------------------------------------------------------------------------------ many threads */

static covey *kept;

static void *opens_asks_and_closes(void *context)
{
	char group[32];

	snprintf(group, sizeof(group), "of %d", (int)(intptr_t)context);
	for (int i = 0; i < 50; i++) {
		struct covey_lead lead;
		covey *c = world_open();

		must(lead_of(c, group, &lead) == COVEY_LEADER);
		if (kept != NULL)
			must(covey_find_or_register(kept, group, strlen(group), &lead) == COVEY_RECURSION);
		must(covey_unregister(c, &lead) == 0);
		covey_close(c);
	}
	return NULL;
}

static void eight_threads_open_and_close(void)
{
	pthread_t thread[8];

	for (int i = 0; i < 8; i++)
		must(pthread_create(&thread[i], NULL, opens_asks_and_closes, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
}

static void opened_and_closed_by_eight_threads(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	kept = NULL;
	eight_threads_open_and_close(); /* each may be the first, and the last */
	kept = world_open();
	eight_threads_open_and_close();
	c = world_open();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
	covey_close(kept);
}

static pthread_barrier_t together;

static void *opens(void *context)
{
	(void)context;
	pthread_barrier_wait(&together);
	return world_open();
}

static void opened_by_eight_threads_at_once(void **state)
{
	pthread_t thread[8];
	void *handle[8];

	(void)state;
	world_begin(NULL);
	for (int round = 0; round < 10; round++) {
		must(pthread_barrier_init(&together, NULL, 8) == 0);
		for (int i = 0; i < 8; i++)
			must(pthread_create(&thread[i], NULL, opens, NULL) == 0);
		for (int i = 0; i < 8; i++)
			pthread_join(thread[i], &handle[i]);
		assert_int_equal(participants(handle[0]), 1);
		for (int i = 0; i < 8; i++) {
			assert_int_equal(covey_participant(handle[i]), covey_participant(handle[0]));
			covey_close(handle[i]);
		}
		pthread_barrier_destroy(&together);
	}
}

/* Of a thread that has ended, like any other; and what that thread led is given up. */
static void *opens_and_leads(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	return c;
}

static void opened_in_a_thread_that_has_ended(void **state)
{
	struct covey_lead lead;
	pthread_t thread;
	void *c;

	(void)state;
	world_begin(NULL);
	must(pthread_create(&thread, NULL, opens_and_leads, NULL) == 0);
	pthread_join(thread, &c);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_unregister(c, &lead), 0);
	assert_int_equal(participants(c), 1);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ names */

static void one_region_by_several_names(void **state)
{
	char slash[80], path[96], other[80], link_path[96];
	struct covey_lead lead;
	covey *a, *b, *c;

	(void)state;
	world_begin(NULL);
	a = world_open();
	snprintf(slash, sizeof(slash), "/%s", world->region);
	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	snprintf(other, sizeof(other), "%s-too", world->region);
	snprintf(link_path, sizeof(link_path), "/dev/shm/%s", other);
	must(link(path, link_path) == 0);
	assert_int_equal(covey_open(&b, slash, NULL), 0);
	assert_int_equal(covey_open(&c, other, NULL), 0);
	assert_int_equal(lead_of(a, "g", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(b, "g", &lead), COVEY_RECURSION);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_RECURSION);
	assert_int_equal(participants(a), 1);
	covey_close(a);
	covey_close(b);
	covey_close(c);
	must(unlink(link_path) == 0);
}

/* A name that was removed is another region's when it comes back. */
static void removed_and_made_again(void **state)
{
	struct covey_lead lead;
	covey *old, *new, *more;

	(void)state;
	world_begin(NULL);
	old = world_open();
	assert_int_equal(covey_unlink(world->region), 0);
	new = world_open();
	more = world_open();
	assert_int_equal(lead_of(old, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_find(new, "g", 1, NULL), COVEY_ENOENT);
	assert_int_equal(lead_of(new, "h", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(more, "h", &lead), COVEY_RECURSION);
	covey_close(old);
	covey_close(new);
	covey_close(more);
}

/* Each open is judged by its own flags, and by the file as it is then. */
static void each_open_is_checked(void **state)
{
	struct covey_options shared = {.flags = COVEY_ALLOW_SHARED};
	char path[96];
	covey *a, *b;

	(void)state;
	world_begin(NULL);
	a = world_open();
	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	must(chmod(path, 0666) == 0);
	assert_int_equal(covey_open(&b, world->region, NULL), COVEY_EPERM);
	assert_null(b);
	assert_int_equal(covey_open(&b, world->region, &shared), 0);
	assert_int_equal(participants(a), 1);
	covey_close(b);
	covey_close(a);
}

/* ------------------------------------------------------------------------------------------------ those that are apart */

static void inspectors_and_separate_handles_are_apart(void **state)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_lead lead;
	covey *a, *b, *eye;

	(void)state;
	world_begin(NULL);
	a = world_open();
	must(covey_open(&eye, world->region, &inspect) == 0);
	assert_int_equal(lead_of(eye, "g", &lead), COVEY_EREADONLY);
	b = world_open_apart();
	assert_int_equal(participants(a), 2);
	assert_int_equal(lead_of(b, "g", &lead), COVEY_LEADER);
	covey_close(b); /* what was led through it is given up */
	assert_int_equal(covey_find(eye, "g", 1, NULL), COVEY_ENOENT);
	covey_close(a);
	assert_int_equal(covey_find(eye, "g", 1, NULL), COVEY_ENOENT);
	covey_close(eye);
}

/* ------------------------------------------------------------------------------------------------ forks */

struct pair {
	covey *a, *b;
};

static int uses_both(void *context)
{
	struct pair *p = context;
	struct covey_lead lead;
	covey *c;

	must(lead_of(p->a, "the child's", &lead) == COVEY_LEADER);
	must(lead_of(p->b, "the child's", &lead) == COVEY_RECURSION);
	c = world_open();
	must(lead_of(c, "the child's", &lead) == COVEY_RECURSION);
	must(lead_of(c, "the parent's", &lead) == COVEY_WAIT);
	must(participants(c) == 2);
	covey_close(p->a);
	covey_close(c);
	must(led(p->b, "the child's"));
	covey_close(p->b);
	c = world_open();
	must(!led(c, "the child's") && participants(c) == 2);
	covey_close(c);
	return 0;
}

/* What a child inherits and does not use counts for nothing: it leaves with the handle that it opened itself. */
static int uses_its_own(void *context)
{
	struct pair *p = context;
	struct covey_lead lead;

	for (int i = 0; i < 3; i++) {
		covey *c = world_open();

		must(lead_of(c, "the child's", &lead) == COVEY_LEADER);
		must(participants(c) == 2);
		covey_close(c);
		must(covey_find(p->b, "the child's", 11, NULL) == COVEY_ENOENT);
	}
	must(participants(p->a) == 1);
	must(lead_of(p->a, "the child's", &lead) == COVEY_LEADER && participants(p->a) == 2);
	covey_close(p->b);
	covey_close(p->a);
	return 0;
}

static int uses_none(void *context)
{
	struct pair *p = context;

	covey_close(p->a);
	covey_close(p->b);
	return 0;
}

static void children_of_fork(void **state)
{
	int (*const child[])(void *) = {uses_both, uses_its_own, uses_none};
	struct covey_lead lead;
	struct pair p;

	(void)state;
	world_begin(NULL);
	p.a = world_open();
	p.b = world_open();
	assert_int_equal(lead_of(p.a, "the parent's", &lead), COVEY_LEADER);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(world_spawn(child[i], &p)), 0);
	assert_true(covey_leading(p.b, &lead));
	assert_int_equal(participants(p.a), 1);
	covey_close(p.a);
	world_check(p.b, 0);
	covey_close(p.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_one_leads_the_other_leads),
	        cmocka_unit_test(closing_one_leaves_the_others),
	        cmocka_unit_test(closing_while_others_are_inside_calls),
	        cmocka_unit_test(opened_and_closed_by_eight_threads),
	        cmocka_unit_test(opened_by_eight_threads_at_once),
	        cmocka_unit_test(opened_in_a_thread_that_has_ended),
	        cmocka_unit_test(one_region_by_several_names),
	        cmocka_unit_test(removed_and_made_again),
	        cmocka_unit_test(each_open_is_checked),
	        cmocka_unit_test(inspectors_and_separate_handles_are_apart),
	        cmocka_unit_test(children_of_fork),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
