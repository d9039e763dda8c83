/*
 * guest_creation.c - making a region where that is hard: in a crowd, in little room, after creators that were killed or
 * stopped half-way, on other file systems, under filters, beside another version's; and in a directory of one's own
 *
 * What is mounted or forbidden is so in a child, and for its children.
 */
#include "guest.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "layout.h"

#define CROWD 50

/* ------------------------------------------------------------------------------------------------ in place of the C library's */

static int stop_at; /* at which of its allocations this process stops; 0: never */

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	int r = (int)syscall(SYS_fallocate, fd, mode, offset, length);

	if (stop_at != 0 && --stop_at == 0)
		raise(SIGSTOP);
	return r;
}

/* ------------------------------------------------------------------------------------------------ crowds */

enum { GO, CAME, LED, JOINED };

static int one_of_a_crowd(void *context)
{
	struct covey_reply reply = text("x");
	struct covey_result result;
	struct covey_lead lead;
	covey *c;
	int role;

	(void)context;
	atomic_fetch_add(&world->count[CAME], 1);
	until(atomic_load(&world->flag[GO]) == 1);
	c = world_open();
	role = lead_of(c, "g", &lead);
	must(role == COVEY_LEADER || role == COVEY_WAIT);
	if (role == COVEY_LEADER) {
		until(world_waiters(c, "g") == CROWD - 1);
		must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
		atomic_fetch_add(&world->count[LED], 1);
	} else {
		must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
		covey_release(c, &result);
		atomic_fetch_add(&world->count[JOINED], 1);
	}
	covey_close(c);
	return 0;
}

static void crowd_meets(void)
{
	pid_t child[CROWD];

	for (int i = 0; i < CROWD; i++)
		child[i] = world_spawn(one_of_a_crowd, NULL);
	until(atomic_load(&world->count[CAME]) == CROWD);
	atomic_store(&world->flag[GO], 1);
	for (int i = 0; i < CROWD; i++)
		must(world_join(child[i]) == 0);
	must(atomic_load(&world->count[LED]) == 1 && atomic_load(&world->count[JOINED]) == CROWD - 1);
}

static bool shm_of(const char *type, const char *options)
{
	return guest_mounts_alone() && mount("none", "/dev/shm", type, 0, options) == 0;
}

static int crowd_in_little_room(void *options)
{
	if (!shm_of("tmpfs", options))
		return GUEST_CANNOT;
	crowd_meets();
	return 0;
}

static void a_crowd_in_64_megabytes(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(crowd_in_little_room, (void *)"size=64m");
}

static void a_crowd_in_20_megabytes(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(crowd_in_little_room, (void *)"size=20m");
}

static int creates_and_stops(void *context)
{
	stop_at = *(int *)context;
	covey_close(world_open());
	return 0;
}

static pid_t spawn_stopped_creator(int at)
{
	pid_t child = world_spawn(creates_and_stops, &at);
	int status;

	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	return child;
}

static int crowd_after_the_killed(void *context)
{
	(void)context;
	if (!shm_of("tmpfs", "size=20m"))
		return GUEST_CANNOT;
	for (int at = 1; at <= 2; at++)
		world_kill(spawn_stopped_creator(at));
	crowd_meets();
	return 0;
}

static void a_crowd_after_creators_that_were_killed(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(crowd_after_the_killed, NULL);
}

static int crowd_beside_the_stopped(void *context)
{
	pid_t stopped;

	(void)context;
	if (!shm_of("tmpfs", "size=64m"))
		return GUEST_CANNOT;
	stopped = spawn_stopped_creator(2);
	crowd_meets();
	kill(stopped, SIGCONT); /* it finds the name taken, and attaches to the crowd's */
	must(world_join(stopped) == 0);
	return 0;
}

static void a_crowd_beside_a_creator_that_is_stopped(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(crowd_beside_the_stopped, NULL);
}

/* ------------------------------------------------------------------------------------------------ file systems and filters */

/* A system call that fails with this error, of which argument `which` has any of these bits; no bits: always. */
struct refused {
	int number, error, which;
	unsigned bits;
};

static void refuse(const struct refused *r)
{
	struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)r->number, 0, 3),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                (unsigned)offsetof(struct seccomp_data, args) + 8 * (unsigned)r->which),
	        BPF_JUMP(
	                r->bits == 0 ? BPF_JMP | BPF_JA : BPF_JMP | BPF_JSET | BPF_K, r->bits, 0, r->bits == 0 ? 0 : 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)r->error),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#define UNNAMED                                                                                                        \
	{                                                                                                              \
		SYS_openat, EOPNOTSUPP, 2, O_TMPFILE & ~O_DIRECTORY                                                    \
	}
#define LINKS_OF_OPEN_FILES                                                                                            \
	{                                                                                                              \
		SYS_linkat, EPERM, 4, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH                                                \
	}
#define LINKS                                                                                                          \
	{                                                                                                              \
		SYS_linkat, EPERM, 0, 0                                                                                \
	}
#define RENAMES                                                                                                        \
	{                                                                                                              \
		SYS_renameat2, ENOSYS, 0, 0                                                                            \
	}
#define MEMORY(error)                                                                                                  \
	{                                                                                                              \
		SYS_fallocate, error, 0, 0                                                                             \
	}

static int left_in_shm(void)
{
	DIR *list = opendir("/dev/shm");
	int n = 0;

	must(list != NULL);
	for (struct dirent *e; (e = readdir(list)) != NULL;)
		n += strncmp(e->d_name, ".covey-", 7) == 0;
	closedir(list);
	return n;
}

/* It grows, and another process uses it. */
static void region_works(void)
{
	static char large[3 << 20];
	struct covey_reply reply = {.data = large, .size = sizeof(large)};
	struct covey_lead lead;
	covey *c = world_open();

	must(lead_of(c, "large", &lead) == COVEY_LEADER);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	neighbours_finish();
	world_check(c, 0);
	covey_close(c);
	must(covey_unlink(world->region) == 0);
	must(left_in_shm() == 0);
}

struct guest {
	const char *type;
	struct refused refused[4];
};

static int creates_as_a_guest(void *context)
{
	const struct guest *g = context;

	if (!shm_of(g->type, NULL))
		return GUEST_CANNOT;
	for (int i = 0; i < 4 && g->refused[i].number != 0; i++)
		refuse(&g->refused[i]);
	region_works();
	return 0;
}

static void on_other_file_systems_and_under_filters(void **state)
{
	static const struct guest guests[] = {
	        {"ramfs", {{0}}},
	        {"tmpfs", {MEMORY(EOPNOTSUPP)}},
	        {"tmpfs", {MEMORY(ENOSYS)}},
	        {"tmpfs", {UNNAMED}},
	        {"tmpfs", {LINKS_OF_OPEN_FILES}},
	        {"tmpfs", {LINKS}},
	        {"tmpfs", {UNNAMED, LINKS}},
	        {"tmpfs", {UNNAMED, RENAMES}},
	        {"ramfs", {UNNAMED, LINKS, MEMORY(ENOSYS)}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		world_begin(NULL);
		guest_runs(creates_as_a_guest, (void *)(uintptr_t)&guests[i]);
	}
}

static int cannot_publish(void *context)
{
	struct refused refused[] = {LINKS, RENAMES};
	covey *c;

	(void)context;
	if (!shm_of("tmpfs", NULL))
		return GUEST_CANNOT;
	refuse(&refused[0]);
	refuse(&refused[1]);
	must(covey_open(&c, world->region, &world->options) == COVEY_ESYSTEM && errno == EOPNOTSUPP);
	must(left_in_shm() == 0);
	return 0;
}

static void no_way_to_publish_is_said(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(cannot_publish, NULL);
}

static int leaves_temporary_names(void *context)
{
	struct refused refused = UNNAMED;

	(void)context;
	if (!shm_of("tmpfs", NULL))
		return GUEST_CANNOT;
	refuse(&refused);
	for (int i = 0; i < 5; i++) {
		world_kill(spawn_stopped_creator(1 + i % 2));
		must(left_in_shm() == 1); /* its own, not its predecessors' */
	}
	region_works();
	return 0;
}

static void temporary_names_do_not_pile_up(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(leaves_temporary_names, NULL);
}

static int creates_in_a_poor_world(void *context)
{
	(void)context;
	if (!shm_of("tmpfs", "mode=1777") || mount("none", "/proc", "tmpfs", 0, NULL) != 0)
		return GUEST_CANNOT;
	must(setgid(65534) == 0 && setuid(65534) == 0);
	region_works();
	return 0;
}

static void without_proc_and_without_privileges(void **state)
{
	(void)state;
	world_begin(NULL);
	guest_runs(creates_in_a_poor_world, NULL);
}

/* ------------------------------------------------------------------------------------------------ another version */

static const char *in_shm(void)
{
	static char buffer[300];

	snprintf(buffer, sizeof(buffer), "/dev/shm/%s", world->region);
	return buffer;
}

/* As if another version had made the region, and those who are attached were of that one. */
static void of_another_version(const char *path)
{
	struct covey_header header;
	int fd = open(path, O_RDWR);

	must(fd >= 0 && pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header));
	header.abi--;
	header.seal = covey_seal(&header);
	must(pwrite(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header));
	close(fd);
}

static void another_versions_region_is_replaced(void **state)
{
	struct covey_options attach = {.flags = COVEY_ATTACH_ONLY}, inspect = {.flags = COVEY_INSPECT};
	pid_t user;
	covey *c;

	(void)state;
	world_begin(NULL);
	user = spawn_leader("g");
	of_another_version(in_shm());
	errno = 0;
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN);
	assert_int_equal(errno, EBUSY);
	world_kill(user);
	assert_int_equal(covey_open(&c, world->region, &attach), COVEY_EFOREIGN);
	assert_int_not_equal(errno, EBUSY);
	assert_int_equal(covey_open(&c, world->region, &inspect), COVEY_EFOREIGN);
	neighbours_finish();
	assert_int_equal(covey_open(&c, world->region, &attach), 0);
	settled(c);
}

static void a_crowd_replaces_another_versions_region_once(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		world_begin(NULL);
		covey_close(world_open());
		of_another_version(in_shm());
		crowd_meets();
	}
}

/* ------------------------------------------------------------------------------------------------ a directory of one's own */

static char own[48];

static const char *in_own(const char *file)
{
	static char buffer[120];

	snprintf(buffer, sizeof(buffer), "%s/%s", own, file);
	return buffer;
}

static void own_begin(void)
{
	world_begin(NULL);
	snprintf(own, sizeof(own), "/tmp/covey-test-own-XXXXXX");
	must(mkdtemp(own) != NULL);
	snprintf(world->region, sizeof(world->region), "%s/region", own);
}

static void own_end(void)
{
	world_end();
	must(rmdir(own) == 0);
}

static int leads_at_a_relative_path(void *context)
{
	struct covey_lead lead;
	covey *c;

	(void)context;
	must(chdir(own) == 0);
	must(covey_open(&c, "./region", NULL) == 0);
	must(chdir("/") == 0);
	must(lead_of(c, "relative", &lead) == COVEY_WAIT);
	if (fork() == 0) {
		must(lead_of(c, "relative", &lead) == COVEY_WAIT);
		_exit(0);
	}
	must(wait(NULL) > 0);
	covey_close(c);
	return 0;
}

static void a_region_in_a_directory_of_ones_own(void **state)
{
	struct covey_lead lead;
	struct stat st;
	pid_t leader;
	covey *c;

	(void)state;
	own_begin();
	c = world_open();
	assert_int_equal(stat(in_own("region"), &st), 0);
	assert_int_equal(lead_of(c, "relative", &lead), COVEY_LEADER);
	guest_runs(leads_at_a_relative_path, NULL);
	assert_int_equal(covey_unregister(c, &lead), 0);
	leader = spawn_leader("g");
	world_kill(leader);
	world_settle(c, 1);
	neighbours_finish();
	settled(c);
	own_end();
}

static void directories_that_others_may_write(void **state)
{
	struct covey_options shared = {.flags = COVEY_ALLOW_SHARED}, foreign = {.flags = COVEY_ALLOW_FOREIGN};
	covey *c;

	(void)state;
	own_begin();
	assert_int_equal(chmod(own, 0770), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
	assert_int_equal(covey_open(&c, world->region, &shared), 0);
	covey_close(c);
	assert_int_equal(chmod(own, 01777), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
	assert_int_equal(chmod(own, 0700), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), 0);
	covey_close(c);
	if (geteuid() == 0) {
		assert_int_equal(chown(own, 12345, (gid_t)-1), 0);
		assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
		assert_int_equal(covey_open(&c, world->region, &foreign), 0);
		covey_close(c);
	}
	own_end();
}

static void paths_that_are_no_regions(void **state)
{
	struct covey_options attach = {.flags = COVEY_ATTACH_ONLY};
	char path[2000];
	covey *c;
	int fd;

	(void)state;
	own_begin();
	assert_int_equal(covey_open(&c, in_own(""), NULL), COVEY_EINVAL);
	assert_int_equal(covey_open(&c, in_own(".."), NULL), COVEY_EINVAL);
	assert_int_equal(covey_open(&c, in_own("none/region"), &attach), COVEY_ENOENT);
	assert_int_equal(covey_open(&c, in_own("none/region"), NULL), COVEY_ESYSTEM);
	assert_int_equal(covey_unlink(in_own("none/region")), COVEY_ENOENT);
	memset(path, '/', sizeof(path));
	snprintf(path + 1500, 300, "%s", world->region);
	assert_int_equal(covey_open(&c, path, NULL), COVEY_EINVAL);
	/* What is no region is not removed either. */
	fd = open(in_own("letter"), O_CREAT | O_RDWR, 0600);
	assert_int_equal(write(fd, "dear all", 8), 8);
	close(fd);
	assert_int_equal(covey_unlink(in_own("letter")), COVEY_EFOREIGN);
	assert_int_equal(unlink(in_own("letter")), 0);
	own_end();
}

/* ------------------------------------------------------------------------------------------------ a thread's own descriptors */

static void *creates_among_its_own_descriptors(void *unused)
{
	(void)unused;
	must(unshare(CLONE_FILES) == 0 && syscall(SYS_close_range, 3, 63, 0) == 0);
	covey_close(world_open());
	return NULL;
}

/* By the numbers that the region's file has in the other thread, the main thread has a file of its own. */
static int creates_in_a_thread(void *context)
{
	char path[] = "/dev/shm/covey-test-own-XXXXXX";
	int mine = mkstemp(path);
	pthread_t thread;
	struct stat st;

	(void)context;
	must(mine >= 0);
	for (int fd = 3; fd < 64; fd++)
		must(fd == mine || dup2(mine, fd) == fd);
	must(pthread_create(&thread, NULL, creates_among_its_own_descriptors, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	must(fstat(mine, &st) == 0 && st.st_nlink == 1 && unlink(path) == 0);
	return 0;
}

/* Then the main thread's file was given the region's name. */
static void a_thread_has_descriptors_of_its_own(void **state)
{
	covey *c;

	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(creates_in_a_thread, NULL)), 0);
	c = world_open();
	world_check(c, 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_crowd_in_64_megabytes),
	        cmocka_unit_test(a_crowd_in_20_megabytes),
	        cmocka_unit_test(a_crowd_after_creators_that_were_killed),
	        cmocka_unit_test(a_crowd_beside_a_creator_that_is_stopped),
	        cmocka_unit_test(on_other_file_systems_and_under_filters),
	        cmocka_unit_test(no_way_to_publish_is_said),
	        cmocka_unit_test(temporary_names_do_not_pile_up),
	        cmocka_unit_test(without_proc_and_without_privileges),
	        cmocka_unit_test(another_versions_region_is_replaced),
	        cmocka_unit_test(a_crowd_replaces_another_versions_region_once),
	        cmocka_unit_test(a_region_in_a_directory_of_ones_own),
	        cmocka_unit_test(directories_that_others_may_write),
	        cmocka_unit_test(paths_that_are_no_regions),
	        cmocka_unit_test(a_thread_has_descriptors_of_its_own),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
