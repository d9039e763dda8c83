/*
 * rubbish.c - a segment full of rubbish: never a crash, never an endless loop
 *
 * A region with groups, waiters, results and corpses is copied; bytes of the copy are overwritten, some at random, some
 * with values that look like words of the protocol; then a process attaches and makes every call.  It may be told anything
 * that covey.h lists; it must end by itself.  A second part scribbles while others work, and look: the library's inspector, and
 * the command line's.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"

#define PATIENCE_S 60 /* a loop without end is one that outlasts this */

static unsigned seed = 12345;

static unsigned draw(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % below;
}

static const char *path_of(const char *region)
{
	static char path[128];

	snprintf(path, sizeof(path), "/dev/shm/%s", region);
	return path;
}

/* ------------------------------------------------------------------------------------------------ every call */

static int longer(void *context, const void *request, size_t size)
{
	(void)context;
	return size > 3 && *(const char *)request != 0;
}

static int look(void *context, const struct covey_group_view *group)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; i < group->size; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)group->name)[i]);
	(void)context;
	return 0;
}

static int look_event(void *context, const struct covey_event_view *event)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; i < event->size; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)event->name)[i]);
	(void)context;
	return covey_event_name(event->kind)[0] == '\0';
}

static void look_changes(void *context, const struct covey_change *changes, size_t count)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < changes[i].size; k++)
			sum = (unsigned char)(sum + ((const unsigned char *)changes[i].name)[k]);
	atomic_fetch_add((_Atomic int *)context, 1);
}

/* One look at all groups and one at the group "a...". */
static void watch(covey *c, const char *name, size_t size)
{
	struct covey_monitor *all, *one;
	_Atomic int reports[2] = {0};

	must(covey_start_monitor(c, NULL, 0, 1, look_changes, &reports[0], &all) == 0);
	must(covey_start_monitor(c, name, size, 1, look_changes, &reports[1], &one) == 0);
	until(atomic_load(&reports[0]) != 0 && atomic_load(&reports[1]) != 0);
	covey_stop_monitor(all);
	covey_stop_monitor(one);
}

static int look_waiter(void *context, const struct covey_waiter_view *waiter)
{
	(void)context;
	return waiter->request_size == 1;
}

static void use_lead(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("bytes of a result");
	struct covey_request request;
	void *data = NULL;

	covey_notify(c, lead, "request", 7, &reply);
	covey_notify_if(c, lead, longer, NULL, &reply);
	if (covey_receive(c, lead, COVEY_NOW, &request) == 0)
		covey_respond(c, lead, &request, &reply);
	if (covey_room(c, lead, "r", 1, 3000, &data, &reply.room) == 0)
		memset(data, 1, 3000);
	else
		reply.room = 0;
	covey_notify_all(c, lead, &reply);
	reply.room = 0;
	if (draw(2))
		covey_unregister(c, lead);
	else
		covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static void use_group(covey *c, const char *name, size_t size)
{
	struct covey_lead lead;
	struct covey_info info;
	struct covey_result result;
	int r = covey_find_or_register(c, name, size, &lead);

	if (r == COVEY_LEADER)
		use_lead(c, &lead);
	if (r == COVEY_WAIT) {
		volatile unsigned char sum = 0;

		r = covey_await(c, &lead, "request", 7, covey_in_ms(1), 0, &result);
		for (size_t i = 0; (r == COVEY_OK || r == COVEY_ERROR) && i < result.size; i++)
			sum = (unsigned char)(sum + ((const unsigned char *)result.data)[i]);
		covey_release(c, &result);
	}
	if (covey_find(c, name, size, &info) == 0 &&
	        covey_take_over(c, name, size, info.generation, &lead) == COVEY_LEADER)
		use_lead(c, &lead);
	covey_each_waiter(c, name, size, look_waiter, NULL);
}

static void every_call(covey *c)
{
	static char name[300];
	struct covey_usage usage;
	char why[200];

	memset(name, 'l', sizeof(name));
	covey_check(c, why, sizeof(why));
	covey_usage_of(c, &usage);
	covey_each_group(c, look, NULL);
	covey_each_event(c, look_event, NULL);
	for (int i = 0; i < 12; i++) {
		name[0] = (char)('a' + i);
		use_group(c, name, i % 3 == 0 ? sizeof(name) : 1 + (size_t)i * 5);
	}
	name[0] = 'a';
	watch(c, name, sizeof(name));
	covey_accept_work(c, name, 1, COVEY_NOW, &(struct covey_lead){0});
	covey_reap(c);
	covey_check(c, why, sizeof(why));
}

static int attaches_and_calls(void *context)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT}, attach = {.flags = COVEY_ATTACH_ONLY};
	struct covey_usage usage;
	char why[200];
	covey *c;

	alarm(PATIENCE_S);
	if (covey_open(&c, context, &inspect) == 0) {
		covey_each_group(c, look, NULL);
		covey_each_event(c, look_event, NULL);
		watch(c, "b", 1);
		covey_check(c, why, sizeof(why));
		covey_usage_of(c, &usage);
		covey_close(c);
	}
	if (covey_open(&c, context, &attach) == 0) {
		every_call(c);
		covey_close(c);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------ a full region */

static int leads_and_waits(void *context)
{
	static char name[300];
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	void *data;
	uint32_t room;
	int me = *(int *)context;

	memset(name, 'l', sizeof(name));
	for (int i = me; i < 12; i += 3) {
		name[0] = (char)('a' + i);
		must(covey_find_or_register(c, name, i % 3 == 0 ? sizeof(name) : 1 + (size_t)i * 5, &lead) > 0);
		if (i % 4 == 0)
			must(covey_room(c, &lead, NULL, 0, 100000, &data, &room) == 0);
	}
	atomic_fetch_add(&world->flag[0], 1);
	until(atomic_load(&world->flag[0]) == 3);
	name[0] = (char)('a' + (me + 1) % 3);
	if (covey_find_or_register(c, name, (me + 1) % 3 == 0 ? sizeof(name) : 1 + (size_t)((me + 1) % 3) * 5, &lead) ==
	                COVEY_WAIT &&
	        me != 2)
		covey_await(c, &lead, "request", 7, COVEY_FOREVER, 0, &result);
	for (;;)
		pause();
}

/* The bytes of a region that three processes were killed in. */
static unsigned char *snapshot(size_t *used, size_t *size)
{
	struct covey_options options = {
	        .groups = 32, .participants = 8, .threads = 16, .heap = 512 << 10, .heap_max = 512 << 10};
	static int me[3] = {0, 1, 2};
	unsigned char *bytes;
	struct stat st;
	pid_t child[3];
	int fd;

	world_begin(&options);
	for (int i = 0; i < 3; i++)
		child[i] = world_spawn(leads_and_waits, &me[i]);
	until(atomic_load(&world->flag[0]) == 3);
	for (int i = 0; i < 3; i++)
		world_kill(child[i]);
	fd = open(path_of(world->region), O_RDONLY);
	must(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	must(bytes != NULL && read(fd, bytes, (size_t)st.st_size) == st.st_size);
	close(fd);
	*size = (size_t)st.st_size;
	*used = *size - (480 << 10); /* little of the heap itself is in use */
	return bytes;
}

static void scribble(unsigned char *at, size_t used)
{
	/* what a word of the protocol might hold: states, small indexes, flags, seats, all ones */
	static const uint64_t tempting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x13, 0x1b, UINT64_MAX, UINT64_C(1) << 31,
	        UINT64_C(1) << 32, UINT64_C(0x100000001), UINT64_C(0xffffffff), UINT64_C(3) << 18, UINT64_C(0x40003),
	        UINT64_C(0xc00100000016), UINT64_C(0x0fffffff0000000e)};
	size_t offset = 4096 + draw((unsigned)(used - 4096 - 8));

	switch (draw(4)) {
	case 0:
		at[offset] = (unsigned char)draw(256);
		break;
	case 1:
		at[offset] ^= (unsigned char)(1u << draw(8));
		break;
	default:
		memcpy(at + offset / 8 * 8, &tempting[draw(sizeof(tempting) / sizeof(tempting[0]))], 8);
	}
}

/* A copy is refused for being one; it is to be attached to, so it says that it is the original. */
static void at_home(unsigned char *map, int fd)
{
	struct covey_header *h = (struct covey_header *)(void *)map;

	must(shm_origin_of(fd, &h->origin) == 0);
	h->seal = covey_seal(h);
}

static void damaged_copies(void **state)
{
	int copies = getenv("COVEY_PROVE") != NULL ? 20000 : 400;
	size_t used, size;
	unsigned char *whole = snapshot(&used, &size);
	char name[80];

	(void)state;
	snprintf(name, sizeof(name), "%s-copy", world->region);
	for (int i = 0; i < copies; i++) {
		int fd = open(path_of(name), O_CREAT | O_RDWR | O_TRUNC, 0600), r;
		unsigned char *map;
		unsigned many = 1u << draw(10);

		must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(map != MAP_FAILED);
		memcpy(map, whole, size);
		at_home(map, fd);
		for (unsigned k = 0; k < many; k++)
			scribble(map, used);
		munmap(map, size);
		close(fd);
		r = world_join(world_spawn(attaches_and_calls, name));
		if (r != 0)
			fail_msg("copy %d with %u scribbles: ended with %d", i, many, r);
		covey_unlink(name);
	}
	free(whole);
	print_message("%d damaged copies: no crash, no endless loop\n", copies);
}

/* ------------------------------------------------------------------------------------------------ while others work */

static int works_on_rubbish(void *context)
{
	struct covey_options attach = {.flags = COVEY_ATTACH_ONLY};
	covey *c;

	alarm(PATIENCE_S);
	seed = (unsigned)*(int *)context + 1;
	while (atomic_load(&world->flag[1]) == 0) {
		if (covey_open(&c, world->region, &attach) != 0)
			return 0;
		every_call(c);
		covey_close(c);
	}
	return 0;
}

static void inspect_rubbish(covey *c)
{
	struct covey_usage usage;
	struct covey_info info;
	char why[200];

	covey_each_group(c, look, NULL);
	covey_each_event(c, look_event, NULL);
	covey_each_waiter(c, "b", 1, look_waiter, NULL);
	covey_find(c, "b", 1, &info);
	covey_usage_of(c, &usage);
	covey_check(c, why, sizeof(why));
	watch(c, "b", 1);
}

static int looks_at_rubbish(void *context)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	covey *c;

	(void)context;
	alarm(PATIENCE_S);
	while (atomic_load(&world->flag[1]) == 0) {
		if (covey_open(&c, world->region, &inspect) != 0)
			return 0;
		inspect_rubbish(c);
		covey_close(c);
	}
	return 0;
}

/* One run of the command line, which may say what it likes, but ends by itself. */
static int command(void *arguments)
{
	char *const *list = arguments;

	alarm(PATIENCE_S);
	must(freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL);
	execv(list[0], list);
	return 127;
}

static int runs_commands_on_rubbish(void *context)
{
	char cli[] = COVEY_CLI, region[sizeof(world->region)];
	char *lists[][7] = {{cli, "ls", "-r", region, NULL}, {cli, "ls", "-r", region, "--json", NULL},
	        {cli, "show", "-r", region, "b", NULL}, {cli, "show", "-r", region, "--json", "b", NULL},
	        {cli, "events", "-r", region, NULL}};
	int n = (int)(sizeof(lists) / sizeof(lists[0]));

	(void)context;
	memcpy(region, world->region, sizeof(region));
	for (int i = 0; atomic_load(&world->flag[1]) == 0 || i < n; i++) {
		int r = world_join(world_spawn(command, lists[i % n]));

		if (r >= 126) {
			fprintf(stderr, "covey %s: ended with %d\n", lists[i % n][1], r);
			return 1;
		}
	}
	return 0;
}

static void scribbled_while_others_work(void **state)
{
	int rounds = getenv("COVEY_PROVE") != NULL ? 400 : 12;
	static int me[4] = {0, 1, 2, 3};
	size_t used, size;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		pid_t child[6];
		unsigned char *map;
		int fd;

		free(snapshot(&used, &size));
		atomic_store(&world->flag[1], 0);
		fd = open(path_of(world->region), O_RDWR);
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(map != MAP_FAILED);
		close(fd);
		for (int i = 0; i < 4; i++)
			child[i] = world_spawn(works_on_rubbish, &me[i]);
		child[4] = world_spawn(looks_at_rubbish, NULL);
		child[5] = world_spawn(runs_commands_on_rubbish, NULL);
		for (int k = 0; k < 300; k++) {
			scribble(map, used);
			world_yield();
		}
		atomic_store(&world->flag[1], 1);
		for (int i = 0; i < 6; i++)
			assert_int_equal(world_join(child[i]), 0);
		munmap(map, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(damaged_copies),
	        cmocka_unit_test(scribbled_while_others_work),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
