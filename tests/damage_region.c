/*
 * damage_region.c - a region with all that can be in one, and its bytes
 *
 * Groups led, idle and handed over; names short and long; waiters with requests short and long; results lent and in an
 * outbox; rooms of all sizes.  It is copied while its processes sleep, and lives on as these bytes: in a copy of them all
 * participants look alive.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "damage.h"

enum { LED = 40, IDLE = 40, WAITERS = 6, NAME_MOST = 300 };

/* Name i: of 3 to 64 bytes, and each fifth longer. */
static size_t name_of(char kind, int i, char out[NAME_MOST])
{
	size_t size = i % 5 == 4 ? (size_t)(65 + 5 * i) : (size_t)(3 + i * 61 / LED);

	memset(out, 'a' + i % 26, NAME_MOST);
	out[0] = kind;
	out[1] = (char)('0' + i / 10);
	out[2] = (char)('0' + i % 10);
	return size < NAME_MOST ? size : NAME_MOST;
}

static void lead_name(covey *c, char kind, int i, struct covey_lead *lead)
{
	char name[NAME_MOST];

	must(covey_find_or_register(c, name, name_of(kind, i, name), lead) == COVEY_LEADER);
}

/* The leader: of groups, of idle ones, of one that it hands over, and of two whose waiters it answers. */
static int leads(void *context)
{
	covey *c = world_open();
	struct covey_lead lead, answers;
	struct covey_request asked;
	struct covey_reply reply = text("a short answer");
	static char large[100000];
	uint32_t room;
	void *data;

	(void)context;
	for (int i = 0; i < IDLE; i++) {
		lead_name(c, 'i', i, &lead);
		must(covey_unregister(c, &lead) == 0);
	}
	for (int i = 0; i < LED; i++)
		lead_name(c, 'l', i, &lead);
	for (size_t size = 100; size < 300000; size *= 8)
		must(covey_room(c, &lead, NULL, 0, size, &data, &room) == 0);
	lead_name(c, 'h', 0, &lead);
	must(lead_of(c, "answers", &answers) == COVEY_LEADER);
	atomic_store(&world->flag[0], 1);
	until(atomic_load(&world->number[0]) != 0);
	must(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[0])) == 0);
	must(covey_receive(c, &answers, COVEY_FOREVER, &asked) == 0);
	must(covey_respond(c, &answers, &asked, &reply) == 1); /* by the outbox */
	until(world_waiters(c, "answers") == 2);
	reply.data = large;
	reply.size = sizeof(large);
	must(covey_unregister_notify(c, &answers, NULL, 0, &reply) == 2);
	atomic_store(&world->flag[1], 1);
	for (;;)
		pause();
	return 0;
}

static covey *of_waiters;

static void *waits(void *number)
{
	static const size_t sizes[WAITERS] = {0, 20, 88, 300, 5000, 100000};
	static char request[100000];
	int i = (int)(uintptr_t)number;
	char name[NAME_MOST];
	struct covey_lead lead;
	struct covey_result result;

	must(covey_find_or_register(of_waiters, name, name_of('l', i / 2 * 4, name), &lead) == COVEY_WAIT);
	covey_await(of_waiters, &lead, request, sizes[i], COVEY_FOREVER, 0, &result);
	return NULL;
}

static void *is_answered(void *number)
{
	struct covey_lead lead;
	struct covey_result result;

	must(lead_of(of_waiters, "answers", &lead) == COVEY_WAIT);
	must(covey_await(of_waiters, &lead, "ask", number == NULL ? 3 : 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	atomic_fetch_add(&world->count[0], 1);
	for (;;)
		pause(); /* what it was lent stays lent */
	return NULL;
}

static int waits_in_threads(void *context)
{
	pthread_t thread;

	(void)context;
	until(atomic_load(&world->flag[0]) == 1);
	of_waiters = world_open();
	for (uintptr_t i = 0; i < WAITERS; i++)
		must(pthread_create(&thread, NULL, waits, (void *)i) == 0);
	must(pthread_create(&thread, NULL, is_answered, NULL) == 0);
	until(world_waiters(of_waiters, "answers") == 1);
	atomic_store(&world->number[0], covey_participant(of_waiters));
	until(atomic_load(&world->count[0]) == 1);
	for (uintptr_t i = 1; i < 3; i++)
		must(pthread_create(&thread, NULL, is_answered, (void *)i) == 0);
	for (;;)
		pause();
	return 0;
}

const char *path_of(const char *region)
{
	static char path[128];

	snprintf(path, sizeof(path), "/dev/shm/%s", region);
	return path;
}

static int count_waiters(void *context, const struct covey_group_view *group)
{
	*(unsigned *)context += group->info.waiters;
	return 0;
}

static bool all_asleep(covey *c)
{
	unsigned waiting = 0;

	covey_each_group(c, count_waiters, &waiting);
	return waiting == WAITERS;
}

unsigned char *original;
struct covey_layout layout;
struct covey_counts counts;

void take_original(void)
{
	struct covey_options options = {
	        .groups = 256, .participants = 8, .threads = 64, .heap = 1 << 20, .heap_max = 2 << 20};
	struct covey_options look = {.flags = COVEY_INSPECT | COVEY_ATTACH_ONLY};
	pid_t actors[2];
	covey *c;
	int fd;

	world_begin(&options);
	covey_close(world_open());
	must(covey_open(&c, world->region, &look) == 0);
	actors[0] = world_spawn(leads, NULL);
	actors[1] = world_spawn(waits_in_threads, NULL);
	until(atomic_load(&world->flag[1]) == 1 && atomic_load(&world->count[0]) == 3 && all_asleep(c));
	layout = c->layout;
	counts = c->counts;
	original = malloc(layout.size);
	fd = open(path_of(world->region), O_RDONLY);
	must(original != NULL && fd >= 0);
	for (uint64_t at = 0; at < layout.size;) {
		ssize_t n = read(fd, original + at, layout.size - at);

		must(n > 0);
		at += (uint64_t)n;
	}
	close(fd);
	covey_close(c);
	world_kill(actors[0]);
	world_kill(actors[1]);
}
