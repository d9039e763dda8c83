/*
 * storm.c - many processes work, and are killed, all the time
 *
 * Each worker registers, awaits, publishes, notifies, times out, forks nothing and remembers nothing; a killer ends one
 * of them every few milliseconds and starts another.  Every result is checked byte for byte.  After each storm the
 * survivors end by themselves, which they can only do if nobody sleeps for ever, and the segment must be whole and empty.
 */
#include "world.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 12
#define GROUPS 4

enum { STOP };                                           /* of world->flag */
enum { LED = 1, JOINED, TOOK_OVER, GAVE_UP, TIMED_OUT }; /* of world->count */

struct payload {
	uint64_t generation;
	uint32_t group;
	uint32_t size;
	unsigned char bytes[40000];
};

static struct payload payload;

static void check_bytes(const struct covey_result *result, uint32_t group)
{
	const struct payload *p = result->data;

	must(result->size >= offsetof(struct payload, bytes) && result->size == p->size);
	must(p->group == group && p->generation == result->generation);
	for (size_t i = 0; i < result->size - offsetof(struct payload, bytes); i++)
		must(p->bytes[i] == (unsigned char)(p->generation + group));
}

static void publish(covey *c, const struct covey_lead *lead, uint32_t group, unsigned seed)
{
	struct covey_reply reply = {.data = &payload};
	int r;

	payload.generation = lead->generation;
	payload.group = group;
	payload.size = (uint32_t)(offsetof(struct payload, bytes) + seed % (seed % 8 == 0 ? 40000 : 200));
	memset(payload.bytes, (int)(unsigned char)(lead->generation + group), sizeof(payload.bytes));
	reply.size = payload.size;
	if (seed % 4 == 0)
		must((r = covey_notify_all(c, lead, &reply)) >= 0 || r == COVEY_EFENCED);
	world_yield();
	if (seed % 5 == 0) {
		must((r = covey_unregister(c, lead)) == 0 || r == COVEY_EFENCED);
	} else if (seed % 3 == 0 &&
	           covey_room(c, lead, NULL, 0, reply.size, (void **)(uintptr_t)&reply.data, &reply.room) == 0) {
		memcpy((void *)(uintptr_t)reply.data, &payload, reply.size);
		must((r = covey_unregister_notify(c, lead, NULL, 0, &reply)) >= 0 || r == COVEY_EFENCED);
	} else {
		reply.data = &payload;
		must((r = covey_unregister_notify(c, lead, NULL, 0, &reply)) >= 0 || r == COVEY_EFENCED);
	}
	atomic_fetch_add(&world->count[LED], 1);
}

static void one_turn(covey *c, unsigned seed)
{
	uint32_t group = seed % GROUPS;
	struct covey_lead lead;
	struct covey_result result;
	char name[200];
	int r;

	memset(name, 'n', sizeof(name));
	name[0] = (char)('a' + group);
	r = covey_find_or_register(c, name, group == 0 ? sizeof(name) : 10, &lead);
	must(r == COVEY_LEADER || r == COVEY_WAIT);
	if (r == COVEY_LEADER) {
		publish(c, &lead, group, seed >> 8);
		return;
	}
	r = covey_await(c, &lead, name, seed % 7 == 0 ? sizeof(name) : 0,
	        seed % 9 == 0 ? covey_in_ms(0) + 50000 : COVEY_FOREVER, 0, &result);
	if (r == COVEY_OK)
		check_bytes(&result, group);
	else if (r == COVEY_DIED)
		publish(c, &result.lead, group, seed >> 8);
	else
		must(r == COVEY_GAVE_UP || r == COVEY_TIMED_OUT);
	atomic_fetch_add(&world->count[r == COVEY_OK        ? JOINED
	                               : r == COVEY_DIED    ? TOOK_OVER
	                               : r == COVEY_GAVE_UP ? GAVE_UP
	                                                    : TIMED_OUT],
	        1);
	covey_release(c, &result);
}

static int works(void *context)
{
	unsigned seed = (unsigned)getpid() * 2654435761u;
	covey *c = world_open();

	(void)context;
	while (atomic_load(&world->flag[STOP]) == 0) {
		seed = seed * 1103515245u + 12345u;
		one_turn(c, seed >> 4);
	}
	covey_close(c);
	return 0;
}

static int storm(covey *c, int kills)
{
	pid_t worker[WORKERS];
	unsigned seed = 1;

	atomic_store(&world->flag[STOP], 0);
	for (int i = 0; i < WORKERS; i++)
		worker[i] = world_spawn(works, NULL);
	for (int k = 0; k < kills; k++) {
		int victim = (int)((seed = seed * 1103515245u + 12345u) >> 16) % WORKERS;
		int before = atomic_load(&world->count[LED]);

		until(atomic_load(&world->count[LED]) > before + k % 3);
		world_kill(worker[victim]);
		worker[victim] = world_spawn(works, NULL);
	}
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < WORKERS; i++)
		must(world_join(worker[i]) == 0);
	world_settle(c, 1);
	return kills;
}

static void whole_after_every_storm(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 32, .heap = 1 << 20, .heap_max = 64 << 20};
	int storms = getenv("COVEY_PROVE") != NULL ? 300 : 20, kills = 0;
	struct covey_usage usage;
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	for (int i = 0; i < storms; i++) {
		kills += storm(c, 100);
		assert_int_equal(covey_usage_of(c, &usage), 0);
		assert_int_equal(usage.groups_led, 0);
		assert_int_equal(usage.threads, 1); /* this process's own */
		world_check(c, 1);                  /* the one long name that is cached */
	}
	print_message("%d kills: led %d, joined %d, took over %d, gave up %d, timed out %d\n", kills,
	        atomic_load(&world->count[LED]), atomic_load(&world->count[JOINED]),
	        atomic_load(&world->count[TOOK_OVER]), atomic_load(&world->count[GAVE_UP]),
	        atomic_load(&world->count[TIMED_OUT]));
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole_after_every_storm)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
