/*
 * place.c - the world it must live in: creators at once, foreign files, small memory, fork, kernels without waitv
 */
#include "asleep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char path_buffer[300];

static const char *path(void)
{
	snprintf(path_buffer, sizeof(path_buffer), "/dev/shm/%s", world->region);
	return path_buffer;
}

/* ------------------------------------------------------------------------------------------------ creating */

static int opens_at_the_signal(void *context)
{
	covey *c;
	struct covey_lead lead;
	int r;

	(void)context;
	atomic_fetch_add(&world->flag[0], 1);
	until(atomic_load(&world->flag[1]) == 1);
	c = world_open();
	r = lead_of(c, "g", &lead);
	must(r == COVEY_LEADER || r == COVEY_WAIT);
	atomic_fetch_add(&world->count[0], r == COVEY_LEADER);
	atomic_fetch_add(&world->count[1], 1);
	until(atomic_load(&world->count[1]) == 16); /* all have asked: one region, one leader */
	covey_close(c);
	return 0;
}

static void creators_at_once_share_one_region(void **state)
{
	pid_t child[16];

	(void)state;
	for (int round = 0; round < 10; round++) {
		world_begin(NULL);
		for (int i = 0; i < 16; i++)
			child[i] = world_spawn(opens_at_the_signal, NULL);
		until(atomic_load(&world->flag[0]) == 16);
		atomic_store(&world->flag[1], 1);
		for (int i = 0; i < 16; i++)
			assert_int_equal(world_join(child[i]), 0);
		assert_int_equal(atomic_load(&world->count[0]), 1);
	}
}

_Noreturn static int creates_for_ever(void *context)
{
	(void)context;
	for (;;) {
		covey *c = world_open();

		covey_unlink(world->region);
		atomic_fetch_add(&world->count[0], 1);
		covey_close(c);
	}
}

/* Whenever a creator is killed, the name is absent or names a whole region, and no other file is left. */
static void a_creator_killed_half_way(void **state)
{
	(void)state;
	world_begin(NULL);
	for (int i = 0; i < 60; i++) {
		pid_t child = world_spawn(creates_for_ever, NULL);
		int before = atomic_load(&world->count[0]);
		covey *c;

		until(atomic_load(&world->count[0]) > before + 1);
		for (volatile int spin = 0; spin < i * 20000; spin++) {
		}
		world_kill(child);
		c = world_open();
		world_check(c, 0);
		covey_close(c);
		covey_unlink(world->region);
	}
}

static void refuses_foreign_files(void **state)
{
	struct covey_options attach = {.flags = COVEY_ATTACH_ONLY};
	static char junk[8192] = "no region";
	covey *c;
	int fd;

	(void)state;
	world_begin(NULL);
	assert_int_equal(covey_open(&c, world->region, &attach), COVEY_ENOENT);
	assert_null(c);
	assert_int_equal(covey_open(&c, "a/", NULL), COVEY_EINVAL);
	assert_int_equal(covey_open(&c, ".covey-1", NULL), COVEY_EINVAL); /* as files that become regions */
	assert_int_equal(covey_open(&c, "", NULL), COVEY_EINVAL);
	assert_int_equal(covey_open(&c, "..", NULL), COVEY_EINVAL);
	fd = open(path(), O_CREAT | O_RDWR | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN); /* empty */
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN);
	close(fd);
	assert_int_equal(covey_unlink(world->region), 0);
	assert_int_equal(covey_unlink(world->region), COVEY_ENOENT);
	assert_int_equal(symlink("/dev/shm/elsewhere", path()), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN);
	covey_unlink(world->region);
}

static void refuses_other_owners_and_writers(void **state)
{
	struct covey_options shared = {.flags = COVEY_ALLOW_SHARED, .mode = 0666},
	                     foreign = {.flags = COVEY_ALLOW_FOREIGN};
	struct covey_options wide = {.mode = 0666};
	covey *c;

	(void)state;
	world_begin(NULL);
	assert_int_equal(covey_open(&c, world->region, &wide), COVEY_EPERM);
	assert_int_equal(covey_open(&c, world->region, &shared), 0);
	covey_close(c);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
	assert_int_equal(chmod(path(), 0600), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), 0);
	covey_close(c);
	if (geteuid() != 0)
		return; /* only root can give a file away */
	assert_int_equal(chown(path(), 12345, (gid_t)-1), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EPERM);
	assert_int_equal(covey_open(&c, world->region, &foreign), 0);
	covey_close(c);
}

static void truncated_or_altered_headers(void **state)
{
	struct covey_options attach = {
	        .flags = COVEY_ATTACH_ONLY}; /* what looks like another version's would be replaced */
	covey *c;
	char byte;
	int fd;

	(void)state;
	world_begin(NULL);
	covey_close(world_open());
	fd = open(path(), O_RDWR);
	for (off_t at = 0; at < 64; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		{
			int r = covey_open(&c, world->region, &attach);

			assert_true(r == COVEY_EFOREIGN || r == COVEY_ECORRUPT);
		}
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_ECORRUPT);
	close(fd);
}

/* A whole region that was made before the machine was started anew, and saved and restored: none of its participants
 * lives.  It may be looked at. */
static void another_boot(void **state)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_header header;
	covey *c;
	int fd;

	(void)state;
	world_begin(NULL);
	covey_close(world_open());
	fd = open(path(), O_RDWR);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.origin.boot[3] ^= 1;
	header.origin.inode++;
	header.seal = covey_seal(&header);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	assert_int_equal(covey_open(&c, world->region, NULL), COVEY_EFOREIGN);
	assert_int_equal(covey_open(&c, world->region, &inspect), 0);
	covey_close(c);
}

static int opens_in_a_small_place(void *context)
{
	struct covey_options small = {.groups = 64, .participants = 4, .heap = 65536, .heap_max = 16 << 20};
	struct covey_lead lead;
	uint32_t room;
	covey *c;
	void *data;

	(void)context;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	        mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") != 0)
		return 77;
	must(covey_open(&c, world->region, NULL) == COVEY_ENOSPC && c == NULL);
	must(access(path(), F_OK) != 0);
	must(covey_open(&c, world->region, &small) == 0);
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	/* the heap may grow to 16 MiB, but the file system may not: an error, not a signal */
	must(covey_room(c, &lead, NULL, 0, 8 << 20, &data, &room) == COVEY_EFULL);
	must(covey_room(c, &lead, NULL, 0, 300000, &data, &room) == 0);
	memset(data, 1, 300000);
	covey_close(c);
	return 0;
}

static void shared_memory_too_small(void **state)
{
	int r;

	(void)state;
	world_begin(NULL);
	r = world_join(world_spawn(opens_in_a_small_place, NULL));
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static int opens_with_a_file_limit(void *context)
{
	struct rlimit limit = {64 << 20, 64 << 20}, tiny = {4096, 4096};
	struct covey_lead lead;
	covey *c;

	(void)context;
	setrlimit(RLIMIT_FSIZE, &limit);
	c = world_open();
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	covey_close(c);
	covey_unlink(world->region);
	setrlimit(RLIMIT_FSIZE, &tiny);
	must(covey_open(&c, world->region, NULL) == COVEY_ENOSPC);
	return 0;
}

static void a_file_size_limit_is_no_signal(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(opens_with_a_file_limit, NULL)), 0);
}

static void unlinked_regions_go_on(void **state)
{
	struct covey_lead lead;
	covey *a, *b, *c;

	(void)state;
	world_begin(NULL);
	a = world_open();
	b = world_open_apart();
	assert_int_equal(lead_of(a, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_unlink(world->region), 0);
	c = world_open(); /* another region of the same name */
	assert_int_equal(covey_find(b, "g", 1, NULL), 0);
	assert_int_equal(covey_find(c, "g", 1, NULL), COVEY_ENOENT);
	covey_close(a);
	assert_int_equal(covey_find(b, "g", 1, NULL), COVEY_ENOENT);
	covey_close(b);
	covey_close(c);
}

static void participants_run_out(void **state)
{
	struct covey_options options = {.participants = 2}, apart = {.flags = COVEY_SEPARATE};
	covey *a, *b, *c;

	(void)state;
	world_begin(&options);
	a = world_open();
	b = world_open_apart();
	assert_int_equal(covey_open(&c, world->region, &apart), COVEY_EFULL);
	covey_close(b);
	assert_int_equal(covey_open(&c, world->region, &apart), 0);
	covey_close(c);
	covey_close(a);
}

static int attaches(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	must(lead_of(c, context, &lead) == COVEY_LEADER);
	atomic_fetch_add(&world->flag[0], 1);
	for (;;)
		pause();
}

/* All slots belong to the dead: whoever comes next frees one and takes it. */
static void the_dead_make_room(void **state)
{
	struct covey_options options = {.participants = 2, .threads = 2};
	pid_t child[2];
	covey *c;

	(void)state;
	world_begin(&options);
	child[0] = world_spawn(attaches, (void *)"a");
	child[1] = world_spawn(attaches, (void *)"b");
	until(atomic_load(&world->flag[0]) == 2);
	world_kill(child[0]);
	world_kill(child[1]);
	c = world_open();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void inspecting_changes_nothing(void **state)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_lead lead;
	struct covey_info info;
	struct covey_usage usage;
	char why[200];
	covey *c, *i;

	(void)state;
	world_begin(NULL);
	assert_int_equal(covey_open(&i, world->region, &inspect), COVEY_ENOENT);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	assert_int_equal(covey_open(&i, world->region, &inspect), 0);
	assert_int_equal(covey_find(i, "g", 1, &info), 0);
	assert_int_equal(info.pid, getpid());
	assert_int_equal(lead_of(i, "g", &lead), COVEY_EREADONLY);
	assert_int_equal(covey_reap(i), COVEY_EREADONLY);
	assert_int_equal(covey_check(i, why, sizeof(why)), 0);
	assert_int_equal(covey_usage_of(i, &usage), 0);
	assert_int_equal(usage.participants, 1);
	covey_close(i);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ fork */

static covey *inherited;
static struct covey_lead inherited_lead;

static void child_of_fork(bool bare)
{
	struct covey_lead lead;

	must(lead_of(inherited, "g", &lead) == COVEY_WAIT);   /* its parent's, not its own */
	must(lead_of(inherited, "h", &lead) == COVEY_LEADER); /* attached anew */
	if (!bare)
		must((covey_participant(inherited) & 0x1fff) == 2);
	atomic_store(&world->flag[0], 1);
	until(atomic_load(&world->flag[1]) == 1);
	covey_close(inherited);
	_exit(0);
}

static void fork_attaches_anew(bool bare)
{
	struct covey_info info;
	pid_t child;

	world_begin(NULL);
	inherited = world_open();
	assert_int_equal(lead_of(inherited, "g", &inherited_lead), COVEY_LEADER);
	child = bare ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	if (child == 0)
		child_of_fork(bare);
	until(atomic_load(&world->flag[0]) == 1);
	assert_int_equal(covey_find(inherited, "h", 1, &info), 0);
	assert_int_equal(info.pid, child);
	atomic_store(&world->flag[1], 1);
	assert_int_equal(world_join(child), 0);
	assert_true(covey_leading(inherited, &inherited_lead));
	assert_int_equal(covey_unregister(inherited, &inherited_lead), 0);
	world_check(inherited, 0);
	covey_close(inherited);
}

static void a_forked_child_attaches_anew(void **state)
{
	(void)state;
	fork_attaches_anew(false);
}

static void a_cloned_child_attaches_anew(void **state)
{
	(void)state;
	fork_attaches_anew(true);
}

/* A parent that is killed is reaped, though a child of its fork lives on. */
static int forks_and_leads(void *context)
{
	struct covey_lead lead;
	pid_t child;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	atomic_store(&world->number[0], child);
	for (;;)
		pause();
}

static void a_child_does_not_keep_its_parent_alive(void **state)
{
	pid_t parent;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	parent = world_spawn(forks_and_leads, NULL);
	until(atomic_load(&world->number[0]) != 0);
	world_kill(parent);
	world_settle(c, 1);
	assert_int_equal(covey_find(c, "g", 1, NULL), COVEY_ENOENT);
	kill((pid_t)atomic_load(&world->number[0]), SIGKILL);
	world_check(c, 0);
	covey_close(c);
}

static void an_unused_inherited_handle_can_be_closed(void **state)
{
	struct covey_lead lead;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = fork();
	if (child == 0) {
		covey_close(c);
		_exit(0);
	}
	assert_int_equal(world_join(child), 0);
	assert_true(covey_leading(c, &lead));
	covey_unregister(c, &lead);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ the kernel */

/* As some containers' filters do. */
static void forbid_waitv(int with)
{
	struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)with),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static int waits_without_waitv(void *context)
{
	covey *c;
	struct covey_lead lead;
	struct covey_result result;
	int r, rounds = 0;

	forbid_waitv(*(int *)context);
	c = world_open();
	for (const char *g = "abc"; *g != '\0'; g++, rounds++) {
		must(covey_find_or_register(c, g, 1, &lead) == COVEY_WAIT);
		r = covey_await(c, &lead, NULL, 0, covey_in_ms(*g == 'c' ? 20 : 60000), 0, &result);
		must(r == (*g == 'a' ? COVEY_OK : *g == 'b' ? COVEY_DIED : COVEY_TIMED_OUT));
		covey_release(c, &result);
	}
	must(covey_counter(c, COVEY_COUNT_BOUNDED) > 0);
	covey_close(c);
	return 0;
}

static void without_waitv(int with)
{
	struct covey_reply reply = text("x");
	struct covey_lead a, other;
	pid_t waiter, leader;
	covey *c;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "a", &a), COVEY_LEADER);
	assert_int_equal(lead_of(c, "c", &other), COVEY_LEADER);
	leader = world_spawn(attaches, (void *)"b");
	until(atomic_load(&world->flag[0]) == 1);
	waiter = world_spawn(waits_without_waitv, &with);
	until(world_waiters(c, "a") == 1 && covey_counter(c, COVEY_COUNT_BOUNDED) > 0);
	assert_int_equal(covey_unregister_notify(c, &a, NULL, 0, &reply), 1);
	until(world_waiters(c, "b") == 1);
	world_kill(leader);
	assert_int_equal(world_join(waiter), 0);
	covey_unregister(c, &other);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void goes_on_without_waitv(void **state)
{
	(void)state;
	without_waitv(EPERM);
	without_waitv(ENOSYS);
	without_waitv(EINVAL);
}

static void on_signal(int signal)
{
	(void)signal;
	atomic_fetch_add(&world->count[0], 1);
}

static int waits_under_signals(void *context)
{
	struct sigaction action = {.sa_handler = on_signal};
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	(void)context;
	sigaction(SIGUSR1, &action, NULL);
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void signals_do_not_end_a_wait(void **state)
{
	struct covey_reply reply = text("x");
	struct covey_lead lead;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = world_spawn(waits_under_signals, NULL);
	until(asleep(c) == 1);
	for (int i = 1; i <= 20; i++) {
		kill(child, SIGUSR1);
		until(atomic_load(&world->count[0]) == i);
	}
	assert_int_equal(world_waiters(c, "g"), 1);
	assert_int_equal(covey_unregister_notify(c, &lead, NULL, 0, &reply), 1);
	assert_int_equal(world_join(child), 0);
	covey_close(c);
}

/* In a pid namespace of its own a process has another number; its death is told all the same. */
static int leads_in_another_namespace(void *context)
{
	pid_t child;

	(void)context;
	if (unshare(CLONE_NEWPID) != 0) {
		atomic_store(&world->flag[5], 1);
		return 77;
	}
	child = world_spawn(attaches, (void *)"g");
	atomic_store(&world->number[1], child);
	return world_join(child) == 128 + SIGKILL ? 0 : 1;
}

/* By its number here; once its waiter sleeps, who would be told that nobody leads if it had been reaped before. */
static int kills_the_leader(void *c)
{
	until(asleep(c) == 1);
	return kill((pid_t)atomic_load(&world->number[1]), SIGKILL);
}

static void another_pid_namespace(void **state)
{
	struct covey_result result;
	struct covey_lead lead;
	pid_t outer, killer;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	outer = world_spawn(leads_in_another_namespace, NULL);
	until(atomic_load(&world->flag[0]) == 1 || atomic_load(&world->flag[5]) == 1);
	if (atomic_load(&world->flag[5]) == 1) {
		world_join(outer);
		skip();
	}
	assert_int_equal(lead_of(c, "g", &lead), COVEY_WAIT);
	assert_int_equal(lead.pid, 1);              /* as it sees itself: for people, not for proof */
	until(atomic_load(&world->number[1]) != 0); /* it may have attached before its parent knew its number here */
	killer = world_spawn(kills_the_leader, c);
	assert_int_equal(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result), COVEY_DIED);
	assert_int_equal(covey_unregister(c, &result.lead), 0);
	covey_release(c, &result);
	assert_int_equal(world_join(killer), 0);
	assert_int_equal(world_join(outer), 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(creators_at_once_share_one_region),
	        cmocka_unit_test(a_creator_killed_half_way),
	        cmocka_unit_test(refuses_foreign_files),
	        cmocka_unit_test(refuses_other_owners_and_writers),
	        cmocka_unit_test(truncated_or_altered_headers),
	        cmocka_unit_test(another_boot),
	        cmocka_unit_test(shared_memory_too_small),
	        cmocka_unit_test(a_file_size_limit_is_no_signal),
	        cmocka_unit_test(unlinked_regions_go_on),
	        cmocka_unit_test(participants_run_out),
	        cmocka_unit_test(the_dead_make_room),
	        cmocka_unit_test(inspecting_changes_nothing),
	        cmocka_unit_test(a_forked_child_attaches_anew),
	        cmocka_unit_test(a_cloned_child_attaches_anew),
	        cmocka_unit_test(a_child_does_not_keep_its_parent_alive),
	        cmocka_unit_test(an_unused_inherited_handle_can_be_closed),
	        cmocka_unit_test(goes_on_without_waitv),
	        cmocka_unit_test(signals_do_not_end_a_wait),
	        cmocka_unit_test(another_pid_namespace),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
