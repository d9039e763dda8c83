/*
 * torture.c - threads of one process over two mappings of one region, all calls at once
 *
 * For the thread sanitizer, which cannot see other processes: the threads of one attachment race with each other under its
 * eyes, by two handles, those of the other attachment reach the same memory at other addresses and keep the first ones from having it to
 * themselves.
 */
#include "world.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define THREADS 6
#define GROUPS 5

static int rounds = 4000;
static covey *handle[3];            /* the first two apart; the last is another of the first's attachment */
static _Atomic int leaders[GROUPS]; /* who thinks that it leads */
static _Atomic uint64_t newest[GROUPS];
static _Atomic long led, joined, other;

static void group_name(int group, char *name, size_t size)
{
	/* one line, two lines, and long */
	static const int width[GROUPS] = {1, 24, 60, 65, 200};

	snprintf(name, size, "%0*d", width[group], group);
}

struct payload {
	uint64_t generation;
	int group;
	unsigned char bytes[604]; /* no padding behind them */
};

static void lead_group(covey *c, int group, const struct covey_lead *lead, unsigned seed)
{
	struct payload p = {lead->generation, group, {0}};
	struct covey_reply reply = {.data = &p, .size = sizeof(p) - seed % 500};

	must(atomic_fetch_add(&leaders[group], 1) == 0); /* one leader */
	must(atomic_exchange(&newest[group], lead->generation) < lead->generation);
	memset(p.bytes, (int)(lead->generation & 0xff), sizeof(p.bytes));
	if (seed % 3 == 0)
		must(covey_notify(c, lead, "some", 4, &reply) >= 0);
	for (unsigned i = 0; i < seed % 5; i++)
		sched_yield(); /* time for others to join */
	must(atomic_fetch_sub(&leaders[group], 1) == 1);
	if (seed % 7 == 0)
		must(covey_unregister(c, lead) == 0);
	else
		must(covey_unregister_notify(c, lead, seed % 2 ? "some" : NULL, seed % 2 ? 4 : 0, &reply) >= 0);
	atomic_fetch_add(&led, 1);
}

static void take_result(covey *c, int group, struct covey_result *result)
{
	struct payload p = {0};

	must(result->size <= sizeof(p) && result->size >= sizeof(p) - 500);
	memcpy(&p, result->data, result->size);
	must(p.group == group && p.generation == result->generation);
	for (size_t i = 0; i < result->size - offsetof(struct payload, bytes); i++)
		must(p.bytes[i] == (p.generation & 0xff));
	(void)c;
	atomic_fetch_add(&joined, 1);
}

static void await_group(covey *c, int group, const struct covey_lead *lead, unsigned seed)
{
	struct covey_result result;
	const char *request = seed % 3 ? "some" : "else";
	int r = covey_await(c, lead, request, 4, seed % 5 == 0 ? covey_in_ms(0) + 20000 : COVEY_FOREVER, 0, &result);

	if (r == COVEY_OK)
		take_result(c, group, &result);
	else
		must(r == COVEY_GAVE_UP || r == COVEY_TIMED_OUT);
	atomic_fetch_add(&other, r != COVEY_OK);
	covey_release(c, &result);
}

static _Atomic int one_reports;

static void *torture(void *context)
{
	int me = (int)(intptr_t)context;
	unsigned seed = (unsigned)me * 7919u + 1;

	for (int i = 0; i < rounds; i++) {
		covey *c = handle[me % 2 == 0 && i % 2 == 0 ? 2 : me % 2];
		struct covey_lead lead;
		struct covey_info info;
		char name[256];
		int group, r;

		seed = seed * 1103515245u + 12345u;
		group = (int)(seed >> 16) % GROUPS;
		group_name(group, name, sizeof(name));
		r = covey_find_or_register(c, name, strlen(name), &lead);
		must(r == COVEY_LEADER || r == COVEY_WAIT);
		if (r == COVEY_LEADER)
			lead_group(c, group, &lead, seed >> 8);
		else
			await_group(c, group, &lead, seed >> 8);
		r = covey_find(c, name, strlen(name), &info);
		must(r == 0 || r == COVEY_ENOENT);
		/* names that push others out of the table */
		snprintf(name, sizeof(name), "passing-%u", seed % 97);
		r = covey_find_or_register(c, name, strlen(name), &lead);
		must(r == COVEY_LEADER || r == COVEY_WAIT || r == COVEY_EFULL);
		if (r == COVEY_LEADER)
			must(covey_unregister(c, &lead) == 0);
	}
	return NULL;
}

static bool same(const struct covey_standing *x, const struct covey_standing *y)
{
	return x->generation == y->generation && x->pid == y->pid && x->waiters == y->waiters && x->queue == y->queue;
}

/* What was is what was reported to be; names are in order. */
static void check_report(void *context, const struct covey_change *changes, size_t count)
{
	static struct covey_standing last; /* of the first group, in the monitor of that group */
	_Atomic int *reports = context;

	for (size_t i = 1; i < count; i++)
		must(memcmp(changes[i - 1].name, changes[i].name,
		             changes[i - 1].size < changes[i].size ? changes[i - 1].size : changes[i].size) <= 0);
	for (size_t i = 0; i < count; i++)
		must(!same(&changes[i].was, &changes[i].is));
	if (reports == &one_reports && count != 0) {
		must(count == 1 && same(&changes[0].was, &last));
		last = changes[0].is;
	}
	atomic_fetch_add(reports, 1);
}

static int check_event(void *context, const struct covey_event_view *event)
{
	must(event->alive && event->pid == getpid() && event->kind != COVEY_EVENT_NONE && event->generation != 0);
	(*(int *)context)++;
	return 0;
}

static void *look_around(void *context)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	_Atomic int *stop = context;
	int events = 0;
	covey *c;

	must(covey_open(&c, world->region, &inspect) == 0);
	while (atomic_load(stop) == 0)
		must(covey_each_event(c, check_event, &events) >= 0);
	must(events > 0);
	covey_close(c);
	return NULL;
}

static void all_calls_at_once(void **state)
{
	struct covey_options options = {.groups = 12, .participants = 4, .threads = 16};
	struct covey_monitor *all, *one;
	pthread_t thread[THREADS], looker;
	_Atomic int all_reports = 0, stop = 0;
	char name[256];

	(void)state;
	world_begin(&options);
	handle[0] = world_open();
	handle[1] = world_open_apart();
	handle[2] = world_open();
	if (getenv("COVEY_PROVE") != NULL)
		rounds *= 20;
	group_name(0, name, sizeof(name));
	must(covey_start_monitor(handle[0], NULL, 0, 1, check_report, &all_reports, &all) == 0);
	must(covey_start_monitor(handle[1], name, strlen(name), 1, check_report, &one_reports, &one) == 0);
	must(pthread_create(&looker, NULL, look_around, &stop) == 0);
	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&thread[i], NULL, torture, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&stop, 1);
	pthread_join(looker, NULL);
	covey_stop_monitor(all);
	covey_stop_monitor(one);
	must(atomic_load(&all_reports) > 1 && atomic_load(&one_reports) > 1);
	print_message("led %ld, joined %ld, otherwise %ld\n", led, joined, other);
	assert_true(led > 0 && joined > 0);
	for (int g = 0; g < GROUPS; g++)
		assert_int_equal(atomic_load(&leaders[g]), 0);
	assert_int_equal(covey_counter(handle[0], COVEY_COUNT_RESCUED), 0);
	covey_close(handle[1]);
	covey_close(handle[2]);
	assert_int_equal(covey_check(handle[0], NULL, 0), 0);
	covey_close(handle[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_calls_at_once)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
