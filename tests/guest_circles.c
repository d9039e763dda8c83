/*
 * guest_circles.c - a thread waits for itself, or for others that wait for it, where no single handle shows that
 *
 * It may lead through one copy of the library, or one attachment, and wait through another; and a circle may go through
 * several regions.
 */
#include "world.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include "guest_plugin.h"

#define ROUNDS 20
#define MEMBERS 3

enum { LED, ROUND, CYCLES, TOLD, BEGIN };

/* ------------------------------------------------------------------------------------------------ one thread */

static const struct guest *load(const char *path)
{
	void *loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct guest *g = loaded != NULL ? dlsym(loaded, "guest") : NULL;

	must(g != NULL);
	return g;
}

static int asks_itself(void *context)
{
	const struct guest *one = load(GUEST_STATIC), *other = load(GUEST_SHARED);
	struct covey_lead lead;
	covey *third; /* of the program itself */

	(void)context;
	must(one->open(world->region) == 0 && other->open(world->region) == 0);
	third = world_open();
	must(one->ask("g") == COVEY_LEADER);
	must(other->ask("g") == COVEY_RECURSION && other->join("g") == COVEY_RECURSION);
	must(lead_of(third, "g", &lead) == COVEY_RECURSION);
	must(covey_accept_work(third, "g", 1, COVEY_NOW, &lead) == COVEY_ERECURSION);
	must(one->end("g") == 0);
	must(other->ask("g") == COVEY_LEADER && one->ask("g") == COVEY_RECURSION && other->end("g") == 0);
	one->close();
	other->close();
	covey_close(third);
	return 0;
}

static void a_thread_is_one_in_all_copies(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(asks_itself, NULL)), 0);
}

static void *asks_apart(void *context)
{
	struct covey_lead lead;

	must(lead_of(context, "g", &lead) == COVEY_WAIT); /* another thread leads it */
	return NULL;
}

static int asks_as_a_child(void *context)
{
	struct covey_lead lead;

	must(lead_of(context, "g", &lead) == COVEY_WAIT);
	return 0;
}

static void a_thread_is_one_in_separate_attachments(void **state)
{
	struct covey_result result;
	struct covey_lead lead, wait;
	pthread_t thread;
	covey *a, *b;

	(void)state;
	world_begin(NULL);
	a = world_open();
	b = world_open_apart();
	assert_int_equal(lead_of(a, "g", &lead), COVEY_LEADER);
	assert_int_equal(lead_of(b, "g", &wait), COVEY_RECURSION);
	assert_int_equal(covey_await(b, &wait, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_CYCLE);
	must(pthread_create(&thread, NULL, asks_apart, b) == 0);
	pthread_join(thread, NULL);
	assert_int_equal(world_join(world_spawn(asks_as_a_child, b)), 0);
	covey_close(b);
	covey_close(a);
}

/* ------------------------------------------------------------------------------------------------ circles */

/* Of each member the handle through which it leads its own group, and that through which it waits for the next one's. */
struct member {
	covey *leads, *waits;
	int number, of;
};

static void group_of(int number, char name[16])
{
	snprintf(name, 16, "of %d", number);
}

/* Rounds: each leads its own, and waits for the next one's; whoever is told of the circle goes back, and so the others. */
static void go_round(const struct member *m)
{
	char mine[16], next[16];

	group_of(m->number, mine);
	group_of((m->number + 1) % m->of, next);
	for (int round = 0; round < ROUNDS; round++) {
		struct covey_lead lead, wait;
		struct covey_result result;
		int r;

		must(lead_of(m->leads, mine, &lead) == COVEY_LEADER);
		atomic_fetch_add(&world->count[LED], 1);
		until(atomic_load(&world->count[LED]) == (round + 1) * m->of);
		must(covey_join(m->waits, next, strlen(next), &wait) == COVEY_WAIT);
		r = covey_await(m->waits, &wait, NULL, 0, covey_in_ms(60000), 0, &result);
		must(r == COVEY_CYCLE || r == COVEY_GAVE_UP);
		atomic_fetch_add(&world->count[CYCLES], r == COVEY_CYCLE);
		must(covey_unregister(m->leads, &lead) == 0);
		atomic_fetch_add(&world->count[TOLD], 1);
		until(atomic_load(&world->count[TOLD]) == (round + 1) * m->of);
	}
}

static void *goes_round(void *context)
{
	go_round(context);
	return NULL;
}

static int goes_round_alone(void *context)
{
	go_round(context);
	return 0;
}

/* Exactly one of each round is told; else some wait in vain for a minute. */
static void one_is_told_each_round(void)
{
	assert_int_equal(atomic_load(&world->count[CYCLES]), ROUNDS);
	for (int i = 0; i < 3; i++)
		atomic_store(&world->count[i == 0 ? LED : i == 1 ? CYCLES : TOLD], 0);
}

static void as_threads(struct member *members, int of)
{
	pthread_t thread[MEMBERS];

	for (int i = 0; i < of; i++) {
		members[i].number = i;
		members[i].of = of;
		must(pthread_create(&thread[i], NULL, goes_round, &members[i]) == 0);
	}
	for (int i = 0; i < of; i++)
		pthread_join(thread[i], NULL);
	one_is_told_each_round();
}

/* Each in a child of its own, which attaches anew by what it inherits. */
static void as_processes(struct member *members, int of)
{
	pid_t child[MEMBERS];

	for (int i = 0; i < of; i++) {
		members[i].number = i;
		members[i].of = of;
		child[i] = world_spawn(goes_round_alone, &members[i]);
	}
	for (int i = 0; i < of; i++)
		assert_int_equal(world_join(child[i]), 0);
	one_is_told_each_round();
}

static covey *further_region(int number)
{
	char name[96];
	covey *c;

	snprintf(name, sizeof(name), "%s-%d", world->region, number);
	must(covey_open(&c, name, NULL) == 0 && covey_unlink(name) == 0);
	return c;
}

static void through_regions(int of, void (*run)(struct member *, int))
{
	struct member members[MEMBERS];
	covey *c[MEMBERS];

	world_begin(NULL);
	for (int i = 0; i < of; i++)
		c[i] = i == 0 ? world_open() : further_region(i);
	for (int i = 0; i < of; i++) /* group i is of region i */
		members[i] = (struct member){.leads = c[i], .waits = c[(i + 1) % of]};
	run(members, of);
	for (int i = 0; i < of; i++) {
		if (run == as_threads)
			world_check(c[i], 0);
		covey_close(c[i]);
	}
}

static void through_two_regions(void **state)
{
	(void)state;
	through_regions(2, as_threads);
	through_regions(2, as_processes);
}

static void through_three_regions(void **state)
{
	(void)state;
	through_regions(3, as_threads);
	through_regions(3, as_processes);
}

/* In one region, but each leads through one attachment and waits through another. */
static void through_two_attachments(void **state)
{
	struct member members[MEMBERS];
	covey *a, *b;

	(void)state;
	world_begin(NULL);
	a = world_open();
	b = world_open_apart();
	for (int i = 0; i < MEMBERS; i++)
		members[i] = (struct member){.leads = a, .waits = b};
	as_threads(members, 2);
	as_processes(members, MEMBERS);
	members[0] = (struct member){.leads = b, .waits = a};
	as_threads(members, 2);
	covey_close(b);
	covey_close(a);
}

/* The same in two processes, each of which leads through one copy of the library and waits through another. */
static int goes_round_in_copies(void *context)
{
	const struct guest *one = load(GUEST_STATIC), *other = load(GUEST_SHARED);
	int number = (int)(intptr_t)context;
	char mine[16], next[16];

	group_of(number, mine);
	group_of(1 - number, next);
	must(one->open(world->region) == 0 && other->open(world->region) == 0);
	for (int round = 0; round < ROUNDS; round++) {
		int r;

		must(one->ask(mine) == COVEY_LEADER);
		atomic_fetch_add(&world->count[LED], 1);
		until(atomic_load(&world->count[LED]) == (round + 1) * 2);
		r = other->wait(next, covey_in_ms(60000));
		must(r == COVEY_CYCLE || r == COVEY_GAVE_UP);
		atomic_fetch_add(&world->count[CYCLES], r == COVEY_CYCLE);
		must(one->end(mine) == 0);
		atomic_fetch_add(&world->count[TOLD], 1);
		until(atomic_load(&world->count[TOLD]) == (round + 1) * 2);
	}
	other->close();
	one->close();
	return 0;
}

static void through_two_copies(void **state)
{
	pid_t child[2];

	(void)state;
	world_begin(NULL);
	for (int i = 0; i < 2; i++)
		child[i] = world_spawn(goes_round_in_copies, (void *)(intptr_t)i);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_join(child[i]), 0);
	one_is_told_each_round();
}

static char passing[96]; /* the name of a region that is not the scene's */

/* Regions come and go while threads walk through them. */
static void *opens_and_closes_others(void *context)
{
	_Atomic int *stop = context;

	while (atomic_load(stop) == 0) {
		struct covey_lead lead;
		covey *c;

		must(covey_open(&c, passing, NULL) == 0 && covey_unlink(passing) == 0);
		must(lead_of(c, "g", &lead) == COVEY_LEADER);
		covey_close(c);
	}
	return NULL;
}

static void while_regions_come_and_go(void **state)
{
	_Atomic int stop = 0;
	pthread_t thread;

	(void)state;
	world_begin(NULL);
	snprintf(passing, sizeof(passing), "%s-passing", world->region);
	must(pthread_create(&thread, NULL, opens_and_closes_others, &stop) == 0);
	through_regions(2, as_threads);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
}

/* Who leads in one region and waits in another for somebody who waits for nothing is told nothing. */
static int leads_for_a_while(void *context)
{
	struct member *m = context;
	struct covey_reply reply = text("bytes");
	struct covey_lead lead;

	must(lead_of(m->leads, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[BEGIN], 1);
	until(world_waiters(m->leads, "g") == 1);
	must(covey_unregister_notify(m->leads, &lead, NULL, 0, &reply) == 1);
	return 0;
}

static void no_circle_is_none(void **state)
{
	struct member m;
	struct covey_lead lead, wait;
	struct covey_result result;
	pid_t child;

	(void)state;
	world_begin(NULL);
	m.leads = world_open();
	m.waits = further_region(1);
	child = world_spawn(leads_for_a_while, &m);
	until(atomic_load(&world->flag[BEGIN]) == 1);
	assert_int_equal(lead_of(m.waits, "mine", &lead), COVEY_LEADER);
	assert_int_equal(covey_join(m.leads, "g", 1, &wait), COVEY_WAIT);
	assert_int_equal(covey_await(m.leads, &wait, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_OK);
	covey_release(m.leads, &result);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_unregister(m.waits, &lead), 0);
	covey_close(m.waits);
	covey_close(m.leads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_thread_is_one_in_all_copies),
	        cmocka_unit_test(a_thread_is_one_in_separate_attachments),
	        cmocka_unit_test(through_two_regions),
	        cmocka_unit_test(through_three_regions),
	        cmocka_unit_test(through_two_attachments),
	        cmocka_unit_test(through_two_copies),
	        cmocka_unit_test(while_regions_come_and_go),
	        cmocka_unit_test(no_circle_is_none),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
