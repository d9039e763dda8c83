/*
 * guest_memory.c - the heap gives back what is not used, has room for what is wanted before what is idle, and costs nobody who
 * does not use it
 */
#include "world.h"

#include <sys/stat.h>

#include "internal.h"

static covey *here;

static void begin(const struct covey_options *options)
{
	world_begin(options);
	here = world_open();
}

static void end(void)
{
	world_check(here, 0);
	covey_close(here);
}

/* ------------------------------------------------------------------------------------------------ memory given back */

static uint64_t memory_of_region(void)
{
	char path[128];
	struct stat s;

	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	assert_int_equal(stat(path, &s), 0);
	return (uint64_t)s.st_blocks * 512;
}

#define ROOMS 512

/* Blocks that lie in slabs. */
static void small_blocks_go_back(void **state)
{
	static const size_t sizes[] = {200, 3000, 30000};
	static uint32_t rooms[ROOMS];
	const struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 16, .heap_max = 32 << 20};
	struct covey_lead lead;
	struct covey_usage usage;
	uint64_t before, most = 0;
	void *at;

	(void)state;
	begin(&options);
	before = memory_of_region();
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	for (int s = 0; s < 3; s++) {
		for (int i = 0; i < ROOMS; i++)
			assert_int_equal(covey_room(here, &lead, NULL, 0, sizes[s], &at, &rooms[i]), 0);
		most = memory_of_region() - before;
		for (int i = 0; i < ROOMS; i++)
			covey_room_free(here, rooms[(i * 7) % ROOMS]);
	}
	assert_true(most > 15u << 20);
	assert_int_equal(covey_usage_of(here, &usage), 0);
	assert_true(usage.heap_bytes <= 3u << CV_CHUNK_SHIFT); /* one slab of each kind may stay */
	assert_true(memory_of_region() < before + (4u << CV_CHUNK_SHIFT) + most / 16);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

static int commits;
static struct cv_backing backing;

static int counts(void *context, uint32_t chunk, uint32_t count)
{
	commits++;
	return backing.commit(context, chunk, count);
}

/* ... but not each time that one is taken and freed. */
static void a_block_again_and_again(void **state)
{
	const struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 16, .heap_max = 32 << 20};
	struct covey_lead lead;
	uint32_t kept, room;
	void *at;

	(void)state;
	begin(&options);
	backing = here->arena.backing;
	here->arena.backing.commit = counts;
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(here, &lead, NULL, 0, 60000, &at, &kept), 0); /* all that is there from the start */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(covey_room(here, &lead, NULL, 0, 30000, &at, &room), 0);
		covey_room_free(here, room);
	}
	assert_int_equal(commits, 1);
	covey_room_free(here, kept);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

/* Whoever was killed held it. */
static int dies_with_rooms(void *context)
{
	struct covey_lead lead;
	uint32_t room;
	void *at;

	(void)context;
	here = world_open();
	must(lead_of(here, "k", &lead) == COVEY_LEADER);
	for (int i = 0; i < ROOMS; i++)
		must(covey_room(here, &lead, NULL, 0, 30000, &at, &room) == 0);
	atomic_store(&world->flag[0], 1);
	for (;;)
		pause();
}

static void blocks_of_the_dead_go_back(void **state)
{
	const struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 16, .heap_max = 32 << 20};
	uint64_t before, most;
	pid_t child;

	(void)state;
	begin(&options);
	before = memory_of_region();
	child = world_spawn(dies_with_rooms, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	most = memory_of_region() - before;
	world_kill(child);
	world_settle(here, 1);
	assert_true(memory_of_region() < before + (2u << CV_CHUNK_SHIFT) + most / 16);
	end();
}

/* ------------------------------------------------------------------------------------------------ after a large result */

static bool nobody(void *context, uint32_t seat)
{
	(void)context, (void)seat;
	return false;
}

/* How much of the region is resident in this process. */
static uint64_t resident(void)
{
	char line[128];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	must(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssShmem: %lu", &kib) == 1)
			break;
	fclose(f);
	return (uint64_t)kib << 10;
}

/* What a process does as it leaves, and to tell how much of the heap is used. */
static int leaves(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	uint64_t blocks, bytes, before;

	must(lead_of(c, "other", &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
	before = resident();
	cv_heap_reap(&c->arena, lead.seat, nobody, NULL);
	must(cv_heap_count(&c->arena, &blocks, &bytes) == 0);
	atomic_store((_Atomic int64_t *)context, (int64_t)(resident() - before));
	covey_close(c);
	return 0;
}

static void who_leaves_after_a_large_result(void **state)
{
	const struct covey_options options = {.groups = 64, .participants = 4, .heap = 1 << 20, .heap_max = 64 << 20};
	struct covey_lead lead;
	uint32_t room;
	void *at;
	int r;

	(void)state;
	begin(&options);
	assert_int_equal(world_join(world_spawn(leaves, &world->number[0])), 0);
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	r = covey_room(here, &lead, NULL, 0, 48 << 20, &at, &room);
	if (r == COVEY_EFULL) { /* a small /dev/shm */
		covey_close(here);
		skip();
	}
	assert_int_equal(r, 0);
	covey_room_free(here, room);
	assert_int_equal(covey_unregister(here, &lead), 0);
	assert_int_equal(world_join(world_spawn(leaves, &world->number[1])), 0);
	/* the words of 768 chunks' blocks would be 1.5 MiB */
	assert_true(atomic_load(&world->number[1]) <= atomic_load(&world->number[0]) + (128 << 10));
	end();
}

/* ------------------------------------------------------------------------------------------------ idle names */

static const struct covey_options tight = {.groups = 4096, .participants = 8, .heap = 1 << 20, .heap_max = 1 << 20};

/* Lead and end so many groups with names of this size: how many are refused. */
static int name_groups(int from, int count, size_t size)
{
	char name[COVEY_NAME_MAX] = "";
	struct covey_lead lead;
	int refused = 0;

	for (int i = from; i < from + count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (covey_find_or_register(here, name, size, &lead) == COVEY_LEADER)
			assert_int_equal(covey_unregister(here, &lead), 0);
		else
			refused++;
	}
	return refused;
}

/* The checker's count: each name lies in a block. */
static void end_with_names(void)
{
	struct covey_usage usage;

	assert_int_equal(covey_usage_of(here, &usage), 0);
	world_check(here, usage.groups_cached);
	covey_close(here);
}

static void names_make_room_for_names(void **state)
{
	(void)state;
	begin(&tight);
	assert_int_equal(name_groups(0, 1000, 4000), 0); /* 256 have room */
	assert_int_equal(name_groups(1000, 1000, 100), 0);
	assert_int_equal(name_groups(0, 1000, 2000), 0);
	assert_int_equal(name_groups(0, 3000, 4096), 0);
	end_with_names();
}

static void names_make_room_for_results(void **state)
{
	static const size_t sizes[] = {10, 5000, 30000, 70000, 500000, 1000000};
	struct covey_lead lead;
	uint32_t room;
	void *at;

	(void)state;
	begin(&tight);
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(name_groups(0, 300, 4000), 0);
		assert_int_equal(covey_room(here, &lead, NULL, 0, sizes[i], &at, &room), 0);
		covey_room_free(here, room);
	}
	assert_int_equal(covey_unregister(here, &lead), 0);
	assert_int_equal(covey_room(here, &lead, NULL, 0, 2 << 20, &at, &room), COVEY_EFENCED);
	covey_close(here);
}

/* A group that is led keeps its name. */
static void names_of_led_groups_stay(void **state)
{
	struct covey_lead lead[8];
	char name[8][4000];
	uint32_t room;
	void *at;

	(void)state;
	begin(&tight);
	for (int i = 0; i < 8; i++) {
		memset(name[i], 'a' + i, sizeof(name[i]));
		assert_int_equal(covey_find_or_register(here, name[i], sizeof(name[i]), &lead[i]), COVEY_LEADER);
	}
	assert_int_equal(name_groups(0, 600, 4000), 0);
	assert_int_equal(covey_room(here, &lead[0], NULL, 0, 800000, &at, &room), 0);
	assert_int_equal(covey_room(here, &lead[0], NULL, 0, 800000, &at, &room), COVEY_EFULL);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(covey_find(here, name[i], sizeof(name[i]), NULL), 0);
		assert_int_equal(covey_unregister(here, &lead[i]), 0);
	}
	covey_close(here);
}

static int asks_at_length(void *context)
{
	static char request[20000];
	struct covey_result result;
	covey *c = world_open();
	struct covey_lead lead;
	int r;

	(void)context;
	memset(request, 'r', sizeof(request));
	must(covey_join(c, "k", 1, &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, request, sizeof(request), covey_in_ms(60000), 0, &result);
	covey_release(c, &result);
	covey_close(c);
	return r == COVEY_OK ? 0 : 1;
}

static void names_make_room_for_requests(void **state)
{
	struct covey_reply reply = text("answered");
	struct covey_lead lead;
	pid_t child;

	(void)state;
	begin(&tight);
	assert_int_equal(lead_of(here, "k", &lead), COVEY_LEADER);
	assert_int_equal(name_groups(0, 300, 4000), 0);
	child = world_spawn(asks_at_length, NULL);
	until(world_waiters(here, "k") == 1);
	assert_int_equal(covey_unregister_notify(here, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(child), 0);
	covey_close(here);
}

/* ------------------------------------------------------------------------------------------------ no room for a result */

#define CALLERS 6

static int too_much(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	bool first = atomic_fetch_add(&world->count[0], 1) == 0;
	covey *c = self;

	(void)base, (void)request;
	if (first) /* it leads, and all others wait */
		until(world_waiters(c, "k") == CALLERS - 1);
	return covey_answer_room(answer, 4 << 20) == NULL;
}

static int named_k(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'k';
	return 0;
}

static int resolves(void *context)
{
	covey *c = world_open();
	const struct covey_device device = {.self = c, .group = named_k, .compute = too_much};
	struct covey_result result;

	(void)context;
	must(covey_resolve(c, &device, (struct covey_bytes){"k", 1}, (struct covey_bytes){0}, NULL, &result) ==
	        COVEY_OK);
	atomic_fetch_add(&world->count[1 + result.part], 1);
	must(result.size == 4 << 20);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* All who wait compute at once, each for itself, and not one after the other. */
static void nobody_queues_for_what_has_no_room(void **state)
{
	pid_t callers[CALLERS];

	(void)state;
	begin(&tight);
	for (int i = 0; i < CALLERS; i++)
		callers[i] = world_spawn(resolves, NULL);
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(world_join(callers[i]), 0);
	assert_int_equal(atomic_load(&world->count[1 + COVEY_LED]), 1);
	assert_int_equal(atomic_load(&world->count[1 + COVEY_ALONE]), CALLERS - 1);
	world_settle(here, 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(small_blocks_go_back),
	        cmocka_unit_test(a_block_again_and_again),
	        cmocka_unit_test(blocks_of_the_dead_go_back),
	        cmocka_unit_test(who_leaves_after_a_large_result),
	        cmocka_unit_test(names_make_room_for_names),
	        cmocka_unit_test(names_make_room_for_results),
	        cmocka_unit_test(names_of_led_groups_stay),
	        cmocka_unit_test(names_make_room_for_requests),
	        cmocka_unit_test(nobody_queues_for_what_has_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
