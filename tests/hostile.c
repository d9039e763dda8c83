/*
 * hostile.c - a hostile world: no descriptors, no memory, no threads to be had; names that are replaced; other users
 *
 * Each hazard has a clear answer, leaves nothing behind, and keeps no neighbour from finishing.
 */
#include "hostile.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *path(void)
{
	static char buffer[300];

	snprintf(buffer, sizeof(buffer), "/dev/shm/%s", world->region);
	return buffer;
}

static void limit_to(int resource, rlim_t soft)
{
	struct rlimit limit;

	must(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	must(setrlimit(resource, &limit) == 0);
}

/* ------------------------------------------------------------------------------------------------ descriptors */

/* Whoever may have made the region with so few: it is one that others can use, or there is none. */
static void others_can_use_it(void)
{
	struct covey_options attach = world->options;
	struct covey_usage usage;
	char why[200];
	covey *c;
	int r;

	attach.flags |= COVEY_ATTACH_ONLY;
	r = covey_open(&c, world->region, &attach);
	must(r == 0 || r == COVEY_ENOENT);
	if (r != 0)
		return;
	must(covey_usage_of(c, &usage) == 0 && usage.participants == 1);
	must(covey_check(c, why, sizeof(why)) == 0);
	covey_close(c);
}

/* As descriptors become scarce one by one, each attempt fails in its own place. */
static int opens_with_few_descriptors(void *context)
{
	bool create = *(bool *)context;
	int failures = 0;

	for (rlim_t n = 0;; n++) {
		covey *c;
		int r;

		if (create)
			covey_unlink(world->region);
		limit_to(RLIMIT_NOFILE, n);
		r = covey_open(&c, world->region, &world->options);
		limit_to(RLIMIT_NOFILE, 256);
		must(r == 0 || (r == COVEY_ESYSTEM && c == NULL));
		if (r == 0)
			covey_close(c);
		others_can_use_it();
		if (r == 0)
			break;
		failures++;
	}
	must(failures >= 3);
	return 0;
}

static void few_descriptors_to_create_with(void **state)
{
	bool create = true;

	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(opens_with_few_descriptors, &create)), 0);
	neighbours_finish();
}

static void few_descriptors_to_attach_with(void **state)
{
	bool create = false;

	(void)state;
	world_begin(NULL);
	covey_close(world_open());
	assert_int_equal(world_join(world_spawn(opens_with_few_descriptors, &create)), 0);
	neighbours_finish();
}

/* Who has attached needs none: it leads, grows the heap, waits, takes over and reaps. */
static int works_without_descriptors(void *context)
{
	static char large[3 << 20];
	struct covey_reply reply = {.data = large, .size = sizeof(large)};
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	limit_to(RLIMIT_NOFILE, 0);
	must(lead_of(c, "large", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[0], 1);
	until(world_waiters(c, "large") == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_DIED);
	must(covey_unregister(c, &result.lead) == 0);
	covey_release(c, &result);
	world_settle(c, 2);
	covey_close(c);
	return 0;
}

static void attached_without_descriptors(void **state)
{
	struct covey_options options = {.heap = 65536, .heap_max = 64 << 20};
	struct covey_result result;
	struct covey_lead lead;
	pid_t leader, child;
	covey *c;

	(void)state;
	world_begin(&options);
	c = world_open();
	leader = spawn_leader("g");
	child = world_spawn(works_without_descriptors, NULL);
	until(atomic_load(&world->flag[0]) == 1);
	assert_int_equal(lead_of(c, "large", &lead), COVEY_WAIT);
	assert_int_equal(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_OK);
	assert_int_equal(result.size, 3 << 20);
	covey_release(c, &result);
	until(world_waiters(c, "g") == 1);
	world_kill(leader);
	assert_int_equal(world_join(child), 0);
	neighbours_finish();
	settled(c);
}

/* ------------------------------------------------------------------------------------------------ memory */

static rlim_t address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f != NULL && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int opens_with_little_memory(void *context)
{
	const rlim_t step = 1 << 20;
	int failures = 0, r;
	covey *c;

	(void)context;
	do {
		limit_to(RLIMIT_AS, address_space() + (rlim_t)failures * step);
		r = covey_open(&c, world->region, &world->options);
		limit_to(RLIMIT_AS, RLIM_INFINITY);
		must(r == 0 || (r == COVEY_ESYSTEM && c == NULL));
		if (r == 0)
			covey_close(c);
		others_can_use_it();
		failures += r != 0;
	} while (r != 0);
	must(failures > 1);
	return 0;
}

static void little_address_space(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 8, .heap = 1 << 20, .heap_max = 16 << 20};

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("the sanitizer needs the address space for itself");
#endif
	world_begin(&options);
	assert_int_equal(world_join(world_spawn(opens_with_little_memory, NULL)), 0);
	neighbours_finish();
}

static int answers_large(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	void *room = covey_answer_room(answer, 8 << 20);

	(void)self, (void)base, (void)request;
	must(room != NULL);
	memset(room, 7, 8 << 20);
	return 0;
}

/* The heap may grow, but the file system is full. */
static int resolves_in_a_small_place(void *context)
{
	struct covey_device device = {.compute = answers_large};
	struct covey_result result;
	struct covey_lead lead;
	covey *c;

	(void)context;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	        mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=2m") != 0)
		return 77;
	c = world_open();
	for (int i = 0; i < 3; i++) {
		must(covey_resolve(c, &device, (struct covey_bytes){"large", 5}, (struct covey_bytes){0}, NULL,
		             &result) == COVEY_OK);
		must(result.size == 8 << 20 && ((const char *)result.data)[result.size - 1] == 7);
		covey_release(c, &result);
	}
	must(lead_of(c, "g", &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
	world_check(c, 0);
	covey_close(c);
	neighbours_finish();
	return 0;
}

static void shared_memory_is_full(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 8, .heap = 65536, .heap_max = 64 << 20};
	int r;

	(void)state;
	world_begin(&options);
	r = world_join(world_spawn(resolves_in_a_small_place, NULL));
	if (r == 77)
		skip_because("no mount namespace of its own");
	assert_int_equal(r, 0);
}

/* ------------------------------------------------------------------------------------------------ names */

static void replace_by_region(void)
{
	covey_close(world_open());
}

static void replace_by_file(void)
{
	int fd = open(path(), O_CREAT | O_EXCL | O_RDWR, 0600);

	assert_true(fd >= 0 && write(fd, "something else", 14) == 14);
	close(fd);
}

static void replace_by_directory(void)
{
	assert_int_equal(mkdir(path(), 0700), 0);
}

static void remove_again(void)
{
	assert_true(unlink(path()) == 0 || rmdir(path()) == 0);
}

/* The child of a fork attaches anew: to the region of its parent, not to what has its name. */
static int inherits(void *context)
{
	covey *c = context;
	struct covey_lead lead;

	must(lead_of(c, "the parent's", &lead) == COVEY_WAIT);
	must(lead_of(c, "the child's", &lead) == COVEY_LEADER);
	return 0;
}

/* Leader and waiters are attached while the name goes, and comes back as something else; then the leader is killed. */
static void replaced(void (*by)(void), int newcomer)
{
	struct covey_lead lead;
	pid_t leader, waiter[3];
	covey *c, *other;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "the parent's", &lead), COVEY_LEADER);
	leader = spawn_leader("g");
	for (int i = 0; i < 3; i++)
		waiter[i] = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(c, "g") == 3);
	assert_int_equal(covey_unlink(world->region), 0);
	by();
	assert_int_equal(covey_open(&other, world->region, NULL), newcomer);
	if (newcomer == 0)
		assert_int_equal(covey_find(other, "g", 1, NULL), COVEY_ENOENT);
	covey_close(other);
	assert_int_equal(world_join(world_spawn(inherits, c)), 0);
	world_kill(leader);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_join(waiter[i]), 0);
	assert_int_equal(covey_unregister(c, &lead), 0);
	settled(c);
	remove_again();
	neighbours_finish();
}

static void replaced_by_another_region(void **state)
{
	(void)state;
	replaced(replace_by_region, 0);
}

static void replaced_by_a_file(void **state)
{
	(void)state;
	replaced(replace_by_file, COVEY_EFOREIGN);
}

static void replaced_by_a_directory(void **state)
{
	(void)state;
	replaced(replace_by_directory, COVEY_EFOREIGN);
}

/* ------------------------------------------------------------------------------------------------ other users */

static void become_nobody(void)
{
	must(setgid(65534) == 0 && setuid(65534) == 0);
}

static int makes_a_region_of_nobodys(void *context)
{
	(void)context;
	become_nobody();
	covey_close(world_open());
	return 0;
}

static int is_refused_as_nobody(void *context)
{
	struct covey_options any = {.flags = COVEY_ALLOW_FOREIGN | COVEY_ALLOW_SHARED};
	covey *c;

	(void)context;
	become_nobody();
	must(covey_open(&c, world->region, NULL) == COVEY_EPERM && c == NULL);
	must(covey_open(&c, world->region, &any) == COVEY_EPERM && c == NULL); /* the file's mode */
	must(covey_unlink(world->region) == COVEY_ESYSTEM);
	return 0;
}

static void regions_of_other_users(void **state)
{
	struct covey_options foreign = {.flags = COVEY_ALLOW_FOREIGN};
	covey *c;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become another user");
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(makes_a_region_of_nobodys, NULL)), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
	assert_int_equal(covey_open(&c, world->region, &foreign), 0);
	covey_close(c);
	world_begin(NULL);
	c = world_open();
	assert_int_equal(world_join(world_spawn(is_refused_as_nobody, NULL)), 0);
	neighbours_finish();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static int leads_as_nobody(void *context)
{
	become_nobody();
	return leads_until_killed(context);
}

/* A region that both have asked to share: a death is told across users, and what the dead one held is freed. */
static void users_who_share(void **state)
{
	struct covey_options both = {.flags = COVEY_ALLOW_FOREIGN | COVEY_ALLOW_SHARED, .mode = 0666};
	pid_t leader, waiter;
	covey *c;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become another user");
	world_begin(&both);
	c = world_open();
	leader = world_spawn(leads_as_nobody, (void *)"g");
	until(covey_find(c, "g", 1, NULL) == 0);
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(c, "g") == 1);
	world_kill(leader);
	assert_int_equal(world_join(waiter), 0);
	settled(c);
}

/* No thread for the keeper: the process does not attach, and keeps no place. */
static int opens_without_threads(void *context)
{
	covey *c;

	(void)context;
	become_nobody();
	limit_to(RLIMIT_NPROC, 0);
	must(covey_open(&c, world->region, NULL) == COVEY_ESYSTEM && c == NULL);
	limit_to(RLIMIT_NPROC, RLIM_INFINITY);
	others_can_use_it();
	return 0;
}

static void no_threads_to_be_had(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become a user without processes");
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(opens_without_threads, NULL)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(few_descriptors_to_create_with),
	        cmocka_unit_test(few_descriptors_to_attach_with),
	        cmocka_unit_test(attached_without_descriptors),
	        cmocka_unit_test(little_address_space),
	        cmocka_unit_test(shared_memory_is_full),
	        cmocka_unit_test(replaced_by_another_region),
	        cmocka_unit_test(replaced_by_a_file),
	        cmocka_unit_test(replaced_by_a_directory),
	        cmocka_unit_test(regions_of_other_users),
	        cmocka_unit_test(users_who_share),
	        cmocka_unit_test(no_threads_to_be_had),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
