/*
 * guest_boot.c - is it a region of this boot?  In containers with another boot id, without /proc, as a copy, on a disk
 *
 * Containers that share /dev/shm are real mount namespaces here, in which another file lies over the boot's id; copies are
 * made by cp.
 */
#include "guest.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static const char *in_shm(const char *region)
{
	static char buffer[300];

	snprintf(buffer, sizeof(buffer), "/dev/shm/%s", region);
	return buffer;
}

/* ------------------------------------------------------------------------------------------------ containers */

/* As some container runtimes do. */
static bool another_boot_id(void)
{
	char path[64] = "/dev/shm/covey-test-id-XXXXXX";
	int fd;

	if (!guest_mounts_alone())
		return false;
	fd = mkstemp(path);
	must(fd >= 0 && write(fd, "01234567-89ab-cdef-0123-456789abcdef\n", 37) == 37);
	close(fd);
	must(mount(path, BOOT_ID, NULL, MS_BIND, NULL) == 0);
	return unlink(path) == 0;
}

/* Nothing is below /proc. */
static bool no_proc(void)
{
	return guest_mounts_alone() && mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0;
}

typedef bool enter_function(void);

static int joins_inside(void *enter)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c;

	if (!(*(enter_function **)enter)()) {
		atomic_store(&world->flag[0], GUEST_CANNOT);
		return GUEST_CANNOT;
	}
	c = world_open();
	must(lead_of(c, "outside", &lead) == COVEY_WAIT);
	atomic_store(&world->flag[0], 1);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK && says(&result, "from outside"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Who is inside joins a leader that lives outside. */
static void joins_the_living(enter_function *enter)
{
	struct covey_reply reply = text("from outside");
	struct covey_lead lead;
	pid_t child;
	covey *c;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "outside", &lead), COVEY_LEADER);
	child = world_spawn(joins_inside, &enter);
	until(atomic_load(&world->flag[0]) == GUEST_CANNOT || world_waiters(c, "outside") == 1);
	assert_true(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	assert_int_equal(world_join(child), atomic_load(&world->flag[0]) == GUEST_CANNOT ? GUEST_CANNOT : 0);
	settled(c);
	if (atomic_load(&world->flag[0]) == GUEST_CANNOT)
		skip_because("no mount namespace to be had");
}

static int leads_inside(void *enter)
{
	struct covey_lead lead;
	covey *c;

	if (!(*(enter_function **)enter)())
		return GUEST_CANNOT;
	c = world_open();
	must(lead_of(c, "inside", &lead) == COVEY_LEADER);
	must(covey_unregister(c, &lead) == 0);
	covey_close(c);
	return 0;
}

/* Who is inside attaches to a region that nobody uses; and who is outside to one that was made inside. */
static void attaches_to_what_is_left(enter_function *enter)
{
	struct covey_options attach = {.flags = COVEY_ATTACH_ONLY};
	covey *c;

	world_begin(NULL);
	covey_close(world_open());
	guest_runs(leads_inside, &enter);
	world_begin(NULL);
	guest_runs(leads_inside, &enter);
	assert_int_equal(covey_open(&c, world->region, &attach), 0);
	settled(c);
}

static void another_id_and_a_leader(void **state)
{
	(void)state;
	joins_the_living(another_boot_id);
}

static void another_id_and_nobody(void **state)
{
	(void)state;
	attaches_to_what_is_left(another_boot_id);
}

static void no_proc_and_a_leader(void **state)
{
	(void)state;
	joins_the_living(no_proc);
}

static void no_proc_and_nobody(void **state)
{
	(void)state;
	attaches_to_what_is_left(no_proc);
}

/* ------------------------------------------------------------------------------------------------ copies */

static void copy(const char *from, const char *to)
{
	pid_t child = fork();

	must(child >= 0);
	if (child == 0) {
		execlp("cp", "cp", "--sparse=always", "--preserve=all", from, to, (char *)NULL);
		_exit(127);
	}
	must(world_join(child) == 0);
}

/* Its words say that the leader lives, and no kernel will ever say otherwise there. */
static void copies_are_refused(void **state)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	char original[80], from[300];
	pid_t leader;
	covey *c;

	(void)state;
	world_begin(NULL);
	leader = spawn_leader("g");
	snprintf(original, sizeof(original), "%.60s", world->region);
	snprintf(from, sizeof(from), "%s", in_shm(original));
	snprintf(world->region, sizeof(world->region), "%.50s-copy", original);
	copy(from, in_shm(world->region));
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN);
	assert_int_equal(covey_open(&c, world->region, &inspect), 0);
	assert_int_equal(covey_find(c, "g", 1, NULL), 0);
	covey_close(c);
	/* Put back in the original's place, as by one who restores it. */
	world_kill(leader);
	assert_int_equal(unlink(from), 0);
	copy(in_shm(world->region), from);
	assert_int_equal(covey_open(&c, original, NULL), COVEY_EFOREIGN);
	assert_int_equal(unlink(from), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(another_id_and_a_leader),
	        cmocka_unit_test(another_id_and_nobody),
	        cmocka_unit_test(no_proc_and_a_leader),
	        cmocka_unit_test(no_proc_and_nobody),
	        cmocka_unit_test(copies_are_refused),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
