/*
 * guest_named.c - a region whose name was removed tells so to those who are attached, and only then
 */
#include "region.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOLD, ROUNDS };   /* indexes of world->count */
enum { ATTACHED, STOP }; /* of world->flag */

static char *path(void)
{
	static char to[128];

	snprintf(to, sizeof(to), "/dev/shm/%s", world->region);
	return to;
}

static covey *inspect(void)
{
	const struct covey_options options = {.flags = COVEY_INSPECT};
	covey *c;

	must(covey_open(&c, world->region, &options) == 0);
	return c;
}

/* Attached before it is removed; told without a wait. */
static int is_told(void *context)
{
	covey *c = context != NULL ? inspect() : world_open();

	must(covey_named(c) == 1);
	atomic_fetch_add(&world->flag[ATTACHED], 1);
	until(atomic_load(&world->flag[STOP]));
	atomic_fetch_add(&world->count[TOLD], covey_named(c) == 0);
	covey_close(c);
	return 0;
}

static int waits(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	until(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(says(&result, "of the old one"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* By covey_unlink(): every process that is attached knows at once, also one that only looks; and all go on. */
static void removed_by_covey(void **state)
{
	struct covey_reply reply = text("of the old one");
	struct covey_lead lead;
	pid_t told[2], waiter;
	covey *c, *anew;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_named(c), 1);
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	waiter = world_spawn(waits, NULL);
	for (int i = 0; i < 2; i++)
		told[i] = world_spawn(is_told, i == 0 ? NULL : &told);
	until(atomic_load(&world->flag[ATTACHED]) == 2 && world_waiters(c, "g") == 1);
	assert_int_equal(covey_unlink(world->region), 0);
	assert_int_equal(covey_named(c), 0);
	atomic_store(&world->flag[STOP], 1);
	assert_int_equal(world_join(told[0]) | world_join(told[1]), 0);
	assert_int_equal(atomic_load(&world->count[TOLD]), 2);
	/* another region has the name now */
	anew = world_open();
	assert_int_equal(covey_named(anew), 1);
	assert_int_equal(covey_named(c), 0);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(waiter), 0);
	assert_int_equal(covey_unlink(world->region), 0);
	assert_int_equal(covey_named(anew), 0);
	assert_int_equal(covey_unlink(world->region), COVEY_ENOENT);
	assert_int_equal(covey_named(NULL), COVEY_EINVAL);
	covey_close(anew);
	covey_close(c);
	world_end();
}

/* By anything else: the path is looked at, by and by. */
static void removed_by_another(void **state)
{
	covey *c, *anew;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_named(c), 1);
	assert_int_equal(unlink(path()), 0);
	anew = world_open();
	until(covey_named(c) == 0);
	assert_int_equal(covey_named(anew), 1);
	covey_close(anew);
	covey_close(c);
	world_end();
}

/* A file with two names has one left: the region is not told that it has none.  Who came by the other one knows it so. */
static void the_other_name_is_left(void **state)
{
	struct covey_options options = {0};
	char other[128], other_path[160];
	covey *c, *by_other;

	(void)state;
	world_begin(NULL);
	c = world_open();
	snprintf(other, sizeof(other), "%s-2", world->region);
	snprintf(other_path, sizeof(other_path), "/dev/shm/%s", other);
	assert_int_equal(link(path(), other_path), 0);
	assert_int_equal(covey_open(&by_other, other, &options), 0);
	assert_int_equal(covey_unlink(world->region), 0);
	assert_int_equal(covey_named(c), 0);
	assert_int_equal(covey_named(by_other), 1);
	assert_int_equal(covey_unlink(other), 0);
	assert_int_equal(covey_named(by_other), 0);
	covey_close(by_other);
	covey_close(c);
	world_end();
}

/* What is no region is not written to. */
static void a_file_that_is_no_region(void **state)
{
	static char page[3 * 4096], after[sizeof(page)];
	int fd;

	(void)state;
	world_begin(NULL);
	memset(page, 'x', sizeof(page));
	fd = open(path(), O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(covey_unlink(world->region), 0);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(page, after, sizeof(page));
	close(fd);
	world_end();
}

static bool leads_here(const char *to, const struct stat *file)
{
	struct stat st;

	return lstat(to, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static int removes(void *context)
{
	(void)context;
	while (!atomic_load(&world->flag[STOP])) {
		covey_unlink(world->region);
		atomic_fetch_add(&world->count[ROUNDS], 1);
	}
	return 0;
}

/* Two remove it again and again, while it is made anew: none is told that it has lost the name which it still has. */
static void never_the_wrong_one(void **state)
{
	pid_t removers[2];

	(void)state;
	world_begin(NULL);
	for (int i = 0; i < 2; i++)
		removers[i] = world_spawn(removes, NULL);
	for (int i = 0; i < 40; i++) {
		covey *c = world_open();
		struct stat file = {.st_dev = c->device, .st_ino = c->inode};

		for (int looks = 0; looks < 20; looks++) {
			bool told = covey_named(c) == 0; /* first: it does not get its name back */

			assert_false(told && leads_here(path(), &file));
		}
		until(!leads_here(path(), &file));
		atomic_fetch_add(&world->count[TOLD], covey_named(c) == 0);
		covey_close(c);
	}
	atomic_store(&world->flag[STOP], 1);
	assert_int_equal(world_join(removers[0]) | world_join(removers[1]), 0);
	assert_true(atomic_load(&world->count[TOLD]) > 0);
	world_end();
}

static int in_another_root(void *context)
{
	covey *c = context;

	if (chroot("/proc/self/fdinfo") != 0)
		return 77;
	must(covey_named(c) == COVEY_ESYSTEM && errno == ENOENT);
	must(atomic_fetch_add(&world->flag[ATTACHED], 1) == 0);
	until(atomic_load(&world->flag[STOP]));
	must(covey_named(c) == 0);
	return 0;
}

static int as_another_user(void *context)
{
	covey *c = context;

	if (setresuid(65534, 65534, 65534) != 0)
		return 77;
	must(covey_named(c) == 1);
	return 0;
}

/* Where the path says nothing, that is what is said; until somebody tells. */
static void where_the_path_is_not_seen(void **state)
{
	int user, root;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	user = world_join(world_spawn(as_another_user, c));
	assert_true(user == 0 || user == 77);
	child = world_spawn(in_another_root, c);
	if (geteuid() == 0)
		until(atomic_load(&world->flag[ATTACHED]) == 1);
	assert_int_equal(covey_unlink(world->region), 0);
	atomic_store(&world->flag[STOP], 1);
	root = world_join(child);
	assert_true(root == 0 || (root == 77 && geteuid() != 0));
	covey_close(c);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(removed_by_covey),
	        cmocka_unit_test(removed_by_another),
	        cmocka_unit_test(the_other_name_is_left),
	        cmocka_unit_test(a_file_that_is_no_region),
	        cmocka_unit_test(never_the_wrong_one),
	        cmocka_unit_test(where_the_path_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
