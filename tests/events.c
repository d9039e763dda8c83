/*
 * events.c - the histories of participants: what is recorded, who can read it when, and what a reader drops
 *
 * Histories are compared whole, as text: who (a cross marks the dead), what, group, generation, the other process.
 */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

#define WAIT_FOR(flag_number) until(atomic_load(&world->flag[flag_number]) != 0)
#define SET(flag_number) atomic_store(&world->flag[flag_number], 1)

enum { ALICE, BOB, CAROL, ACTORS };
static const char *const actor_names[ACTORS] = {"alice", "bob", "carol"};
static pid_t actors[ACTORS];

static const char *name_of(pid_t pid)
{
	for (int i = 0; i < ACTORS; i++)
		if (actors[i] == pid)
			return actor_names[i];
	return pid == 0 ? "-" : "somebody";
}

struct text {
	char bytes[8192];
	size_t size;
	int events;
	int64_t time;
	pid_t pid;
};

static int add_line(void *context, const struct covey_event_view *e)
{
	struct text *t = context;
	char name[80] = "?";

	if (e->name != NULL)
		snprintf(name, sizeof(name), "%.*s", (int)e->size, (const char *)e->name);
	t->size += (size_t)snprintf(t->bytes + t->size, sizeof(t->bytes) - t->size, "%s%s %s %s %llu %s\n",
	        name_of(e->pid), e->alive ? "" : "+", covey_event_name(e->kind), name,
	        (unsigned long long)e->generation, name_of(e->peer));
	must(t->size < sizeof(t->bytes));
	must(e->pid != t->pid || e->time >= t->time); /* in order for each */
	must(e->time >= e->since - 10000000);         /* the tick */
	t->time = e->time;
	t->pid = e->pid;
	t->events++;
	return 0;
}

/* Through a handle that only reads. */
static struct text *history(void)
{
	static struct text t;
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	covey *c;

	t = (struct text){.size = 0};
	must(covey_open(&c, world->region, &inspect) == 0);
	must(covey_each_event(c, add_line, &t) == t.events);
	covey_close(c);
	return &t;
}

/* ------------------------------------------------------------------------------------------------ a story */

static int alice_leads(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "report", &lead) == COVEY_LEADER);
	SET(0);
	for (;;)
		pause();
}

static int bob_succeeds(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	struct covey_reply reply = text("done");

	(void)context;
	must(lead_of(c, "report", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "r", 1, COVEY_FOREVER, 0, &result) == COVEY_DIED);
	lead = result.lead;
	covey_release(c, &result);
	SET(1);
	until(world_waiters(c, "report") == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) == 1);
	must(lead_of(c, "report", &lead) == COVEY_LEADER);
	SET(6);
	WAIT_FOR(2);
	must(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[0])) == 0);
	WAIT_FOR(5);
	must(lead_of(c, "report", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(1), 0, &result) == COVEY_TIMED_OUT);
	covey_release(c, &result);
	SET(3);
	WAIT_FOR(9);
	return 0;
}

static int carol_accepts(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	atomic_store(&world->number[0], covey_participant(c));
	must(lead_of(c, "report", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	covey_release(c, &result);
	SET(2);
	WAIT_FOR(6); /* a group that nobody leads is none to accept */
	must(covey_accept_work(c, "report", 6, COVEY_FOREVER, &lead) == COVEY_LEADER);
	SET(5);
	WAIT_FOR(3);
	must(covey_unregister(c, &lead) == 0);
	SET(4);
	WAIT_FOR(9);
	return 0;
}

static void a_story_read_by_another_process(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	actors[ALICE] = world_spawn(alice_leads, NULL);
	WAIT_FOR(0);
	actors[BOB] = world_spawn(bob_succeeds, NULL);
	until(world_waiters(c, "report") == 1);
	world_kill(actors[ALICE]);
	WAIT_FOR(1);
	actors[CAROL] = world_spawn(carol_accepts, NULL);
	WAIT_FOR(4);
	world_settle(c, 3);
	assert_string_equal(history()->bytes, "alice+ registered report 1 -\n"
	                                      "bob waiting report 1 alice\n"
	                                      "bob died report 1 alice\n"
	                                      "bob took-over report 2 alice\n"
	                                      "bob resolved report 2 -\n"
	                                      "bob registered report 3 -\n"
	                                      "bob forwarded report 3 carol\n"
	                                      "bob waiting report 5 carol\n"
	                                      "bob unanswered report 5 carol\n"
	                                      "carol waiting report 2 bob\n"
	                                      "carol answered report 2 bob\n"
	                                      "carol accepted report 5 -\n"
	                                      "carol gave-up report 5 -\n");
	SET(9);
	assert_int_equal(world_join(actors[BOB]), 0);
	assert_int_equal(world_join(actors[CAROL]), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ after a death */

static int leads_and_stays(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	int me = *(int *)context;

	atomic_store(&world->number[me], covey_participant(c));
	must(lead_of(c, actor_names[me], &lead) == COVEY_LEADER);
	atomic_store(&world->flag[me], 1);
	for (;;)
		pause();
}

static void actor_lives_and_dies(covey *c, int which)
{
	atomic_store(&world->flag[which], 0);
	actors[which] = world_spawn(leads_and_stays, &which);
	WAIT_FOR(which);
	world_kill(actors[which]);
	world_settle(c, 1);
}

static void the_dead_ones_slot_is_reused(void **state)
{
	struct covey_options few = {.participants = 4};
	covey *c;

	(void)state;
	world_begin(&few);
	c = world_open();
	actor_lives_and_dies(c, ALICE);
	actor_lives_and_dies(c, BOB);
	/* the same slot, and not the same participant */
	assert_int_equal(atomic_load(&world->number[ALICE]) & 0x1fff, atomic_load(&world->number[BOB]) & 0x1fff);
	assert_int_not_equal(atomic_load(&world->number[ALICE]), atomic_load(&world->number[BOB]));
	assert_string_equal(history()->bytes, "alice+ registered alice 1 -\n"
	                                      "bob+ registered bob 1 -\n");
	actor_lives_and_dies(c, CAROL);
	assert_string_equal(history()->bytes, "alice+ registered alice 1 -\n"
	                                      "bob+ registered bob 1 -\n"
	                                      "carol+ registered carol 1 -\n");
	/* the one who lives keeps a ring; of the other three the oldest goes */
	actors[ALICE] = 0;
	actor_lives_and_dies(c, ALICE);
	assert_string_equal(history()->bytes, "alice+ registered alice 2 -\n"
	                                      "bob+ registered bob 1 -\n"
	                                      "carol+ registered carol 1 -\n");
	world_check(c, 0);
	covey_close(c);
}

static void what_is_led_at_the_end_is_given_up(void **state)
{
	struct covey_lead lead;
	covey *c;

	(void)state;
	world_begin(NULL);
	actors[ALICE] = getpid();
	c = world_open();
	assert_int_equal(lead_of(c, "mine", &lead), COVEY_LEADER);
	covey_close(c);
	assert_string_equal(history()->bytes, "alice+ registered mine 1 -\n"
	                                      "alice+ gave-up mine 1 -\n");
}

/* ------------------------------------------------------------------------------------------------ how it ended */

struct endings {
	char bytes[512];
	size_t size;
};

static int add_ending(void *context, const struct covey_event_view *e)
{
	struct endings *t = context;

	if (e->kind == COVEY_EVENT_RESOLVED)
		t->size += (size_t)snprintf(
		        t->bytes + t->size, sizeof(t->bytes) - t->size, "%d/%d ", e->error, (int)e->code);
	else
		must(e->error == 0 && e->code == 0);
	must(t->size < sizeof(t->bytes));
	return 0;
}

static int waits_for_code(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	must(lead_of(c, "code", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK && result.code == 100000);
	covey_release(c, &result);
	return 0;
}

static void end_with(covey *c, const struct covey_reply *reply, int waiters)
{
	pid_t waiter = 0;
	struct covey_lead lead;

	must(lead_of(c, "code", &lead) == COVEY_LEADER);
	if (waiters != 0)
		waiter = world_spawn(waits_for_code, NULL);
	until(world_waiters(c, "code") == (unsigned)waiters);
	must(covey_unregister_notify(c, &lead, NULL, 0, reply) == waiters);
	if (waiters != 0)
		assert_int_equal(world_join(waiter), 0);
}

/* An answer's code and whether it is an error, with and without a waiter, in a room and out of range. */
static void a_history_tells_how_it_ended(void **state)
{
	const struct covey_reply replies[] = {{.code = 0}, {.code = 3}, {.code = -1}, {.error = 1},
	        {.error = 5, .code = 7}, {.code = 2047}, {.code = 2048}, {.code = -2048}, {.code = -2049},
	        {.code = INT32_MAX}, {.error = -1, .code = INT32_MIN}};
	struct covey_reply large = {.code = 100000}, roomy = {.code = 9, .size = 4};
	struct endings endings = {.size = 0};
	struct covey_lead lead;
	void *room;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	end_with(c, NULL, 0);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		end_with(c, &replies[i], 0);
	end_with(c, &large, 1);
	assert_int_equal(lead_of(c, "code", &lead), COVEY_LEADER);
	assert_int_equal(covey_room(c, &lead, NULL, 0, 4, &room, &roomy.room), 0);
	roomy.data = room;
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &roomy), 0);
	must(covey_each_event(c, add_ending, &endings) > 0);
	assert_string_equal(endings.bytes, "0/0 0/0 0/3 0/-1 1/0 1/7 0/2047 0/2047 0/-2048 0/-2048 0/2047 1/-2048 "
	                                   "0/2047 0/9 ");
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ lanes */

static void lead_often(covey *c, const char *group, int times)
{
	struct covey_lead lead;

	for (int i = 0; i < times; i++) {
		must(lead_of(c, group, &lead) == COVEY_LEADER);
		must(covey_unregister_notify(c, &lead, NULL, 0, NULL) == 0);
	}
}

struct thread {
	covey *c;
	char group[16];
	_Atomic int done, leave;
};

static void *lead_in_thread(void *context)
{
	struct thread *t = context;

	lead_often(t->c, t->group, 100);
	atomic_store(&t->done, 1);
	until(atomic_load(&t->leave) != 0);
	return NULL;
}

static int count_kinds(void *context, const struct covey_event_view *e)
{
	int *counts = context;

	must(e->size == 1 && e->kind >= COVEY_EVENT_REGISTERED && e->kind <= COVEY_EVENT_RESOLVED);
	must(e->generation > 80);
	counts[*(const char *)e->name - '0']++;
	return 0;
}

/* Each of the first two threads keeps its own last ones, the others share a lane; who leaves makes room for the
 * next. */
static void threads_keep_out_of_each_others_lanes(void **state)
{
	struct thread threads[4];
	pthread_t id[4];
	int counts[10] = {0};
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	for (int i = 0; i < 4; i++) {
		threads[i] = (struct thread){.c = c, .group = {(char)('0' + i)}};
		assert_int_equal(pthread_create(&id[i], NULL, lead_in_thread, &threads[i]), 0);
		until(atomic_load(&threads[i].done) != 0);
	}
	assert_int_equal(covey_each_event(c, count_kinds, counts), 56);
	assert_int_equal(counts[0], 32);
	assert_int_equal(counts[1], 16);
	assert_int_equal(counts[2], 0);
	assert_int_equal(counts[3], 8);
	atomic_store(&threads[0].leave, 1);
	pthread_join(id[0], NULL);
	lead_often(c, "7", 100);
	memset(counts, 0, sizeof(counts));
	assert_int_equal(covey_each_event(c, count_kinds, counts), 56);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[7], 32);
	for (int i = 1; i < 4; i++) {
		atomic_store(&threads[i].leave, 1);
		pthread_join(id[i], NULL);
	}
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ what fails its
 * check */

static struct covey_ring *map_rings(size_t *size, unsigned char **map)
{
	char path[128];
	const struct covey_header *h;
	struct covey_layout layout;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	fd = open(path, O_RDWR);
	must(fd >= 0 && fstat(fd, &st) == 0);
	*size = (size_t)st.st_size;
	*map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(*map != MAP_FAILED);
	close(fd);
	h = (const struct covey_header *)(const void *)*map;
	must(covey_layout_of(&h->counts, &layout));
	return (struct covey_ring *)(void *)(*map + layout.rings);
}

/* A word of the second entry as it was before the entry was written: whoever was killed half-way left it so. */
static void half_an_entry_is_no_event(void **state)
{
	static const char whole[] = "alice registered one 1 -\nalice resolved one 1 -\nalice registered two 1 -\n";
	static const char rest[] = "alice registered one 1 -\nalice registered two 1 -\n";
	struct covey_lead lead;
	struct covey_ring *ring;
	unsigned char *map;
	size_t size;
	covey *c;

	(void)state;
	world_begin(NULL);
	actors[ALICE] = getpid();
	c = world_open();
	lead_often(c, "one", 1);
	assert_int_equal(lead_of(c, "two", &lead), COVEY_LEADER);
	ring = map_rings(&size, &map);
	assert_string_equal(history()->bytes, whole);
	for (int word = 0; word < COVEY_ENTRY_WORDS; word++) {
		_Atomic uint64_t *at = &ring->lines[1].word[COVEY_ENTRY_WORDS + word];
		uint64_t was = atomic_load(at), before = atomic_load(&ring->lines[1].word[word]);

		atomic_store(at, 0);
		assert_string_equal(history()->bytes, rest);
		if (before != was) { /* of the entry beside it */
			atomic_store(at, before);
			assert_string_equal(history()->bytes, rest);
		}
		atomic_store(at, was);
	}
	assert_string_equal(history()->bytes, whole);
	for (int word = 0; word < COVEY_ENTRY_WORDS; word++) /* a whole entry in the wrong place */
		atomic_store(&ring->lines[1].word[COVEY_ENTRY_WORDS + word], atomic_load(&ring->lines[1].word[word]));
	assert_string_equal(history()->bytes, rest);
	munmap(map, size);
	covey_close(c);
}

static int sums(void *context, const struct covey_event_view *e)
{
	uint64_t *sum = context;

	for (size_t i = 0; i < e->size; i++)
		*sum += ((const unsigned char *)e->name)[i];
	must(covey_event_name(e->kind)[0] != '\0' && e->command[15] == '\0');
	return 0;
}

/* Rings full of anything: as many events as there is room for, at most, and each of them sane. */
static void rubbish_is_no_history(void **state)
{
	uint64_t sum = 0, seed = 1;
	struct covey_options few = {.participants = 4};
	struct covey_ring *rings;
	unsigned char *map;
	size_t size;
	covey *c;

	(void)state;
	world_begin(&few);
	c = world_open();
	rings = map_rings(&size, &map);
	for (int round = 0; round < 200; round++) {
		_Atomic uint64_t *words = (_Atomic uint64_t *)(void *)rings;
		int n;

		for (size_t i = 0; i < 4 * sizeof(*rings) / 8; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			atomic_store(&words[i], round % 2 == 0 ? seed : seed >> 40 & 0x3fff00ff);
		}
		n = covey_each_event(c, sums, &sum);
		assert_in_range(n, 0, 4 * 56);
		lead_often(c, "still working", 3);
	}
	munmap(map, size);
	covey_close(c);
}

static void texts(void **state)
{
	(void)state;
	for (int i = 0; i < COVEY_EVENTS; i++) {
		assert_true(covey_event_name((enum covey_event_kind)i)[0] != '\0');
		assert_true(covey_event_text((enum covey_event_kind)i)[0] != '\0');
	}
	assert_string_equal(covey_event_name(COVEY_EVENT_TOOK_OVER), "took-over");
	assert_string_equal(covey_event_name(COVEY_EVENTS), "");
	assert_int_equal(covey_each_event(NULL, add_line, NULL), COVEY_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(texts),
	        cmocka_unit_test(a_story_read_by_another_process),
	        cmocka_unit_test(the_dead_ones_slot_is_reused),
	        cmocka_unit_test(what_is_led_at_the_end_is_given_up),
	        cmocka_unit_test(a_history_tells_how_it_ended),
	        cmocka_unit_test(threads_keep_out_of_each_others_lanes),
	        cmocka_unit_test(half_an_entry_is_no_event),
	        cmocka_unit_test(rubbish_is_no_history),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
