/*
 * hostile_processes.c - a hostile world: processes that vfork, exec, dump core, are stopped, frozen or out of memory
 *
 * Each hazard has a clear answer, and keeps no neighbour from finishing.
 */
#include "hostile.h"

#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { READY, GO }; /* of world->flag */

static struct covey_lead led;
static covey *here;

static void begin(void)
{
	world_begin(NULL);
	here = world_open();
}

static void end(void)
{
	neighbours_finish();
	settled(here);
}

/* ------------------------------------------------------------------------------------------------ vfork and exec */

/* The child of vfork runs in its parent's memory until it execs or ends; it does neither the one nor the other to the
 * parent's groups. */
static int leads_and_vforks(void *context)
{
	char *const command[] = {(char *)(uintptr_t) "true", NULL};
	struct covey_reply reply = text("from the parent");
	struct covey_lead lead;
	covey *c = world_open();
	pid_t child;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	until(world_waiters(c, "g") == 1);
	child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is what this is about */
	if (child == 0)
		_exit(0);
	must(child > 0 && world_join(child) == 0 && covey_leading(c, &lead));
	child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	if (child == 0) {
		execv("/bin/true", command);
		_exit(1);
	}
	must(child > 0 && world_join(child) == 0 && covey_leading(c, &lead));
	must(posix_spawn(&child, "/bin/true", NULL, NULL, command, environ) == 0);
	must(world_join(child) == 0 && covey_leading(c, &lead));
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

static void a_leader_vforks(void **state)
{
	struct covey_result result;
	pid_t leader;

	(void)state;
	begin();
	leader = world_spawn(leads_and_vforks, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	assert_int_equal(lead_of(here, "g", &led), COVEY_WAIT);
	assert_int_equal(covey_await(here, &led, NULL, 0, COVEY_FOREVER, 0, &result), COVEY_OK);
	assert_true(says(&result, "from the parent"));
	covey_release(here, &result);
	assert_int_equal(world_join(leader), 0);
	end();
}

/* What the child executes keeps nothing of the region open: its parent is reaped though it lives on. */
static int leads_and_leaves_a_program(void *context)
{
	char *const command[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "600", NULL};
	struct covey_lead lead;
	covey *c = world_open();
	pid_t child;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(posix_spawn(&child, "/bin/sleep", NULL, NULL, command, environ) == 0);
	atomic_store(&world->number[0], child);
	for (;;)
		pause();
	return 0;
}

static void a_program_outlives_its_leader(void **state)
{
	pid_t leader, waiter;

	(void)state;
	begin();
	leader = world_spawn(leads_and_leaves_a_program, NULL);
	until(atomic_load(&world->number[0]) != 0);
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(here, "g") == 1);
	world_kill(leader);
	assert_int_equal(world_join(waiter), 0);
	world_settle(here, 1);
	assert_int_equal(kill((pid_t)atomic_load(&world->number[0]), SIGKILL), 0);
	end();
}

static void *execs(void *context)
{
	(void)context;
	until(atomic_load(&world->flag[GO]) == 1);
	execl("/bin/sleep", "sleep", "600", (char *)NULL);
	abort();
}

static int leads_until_another_thread_execs(void *context)
{
	struct covey_lead lead;
	pthread_t thread;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(pthread_create(&thread, NULL, execs, NULL) == 0);
	atomic_store(&world->flag[READY], 1);
	for (;;)
		pause();
	return 0;
}

static void another_thread_of_the_leader_execs(void **state)
{
	pid_t leader, waiter;

	(void)state;
	begin();
	leader = world_spawn(leads_until_another_thread_execs, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(here, "g") == 1);
	atomic_store(&world->flag[GO], 1);
	assert_int_equal(world_join(waiter), 0);
	world_settle(here, 1);
	world_kill(leader);
	end();
}

/* ------------------------------------------------------------------------------------------------ a core dump */

#define DUMPED ((size_t)256 << 20)

static char directory[96];

/* Its memory takes a while to write. */
static int leads_and_dumps(void *context)
{
	struct rlimit whole = {RLIM_INFINITY, RLIM_INFINITY};
	struct covey_lead lead;
	covey *c;
	char *memory;

	(void)context;
	if (chdir(directory) != 0 || setrlimit(RLIMIT_CORE, &whole) != 0)
		return 77;
	prctl(PR_SET_DUMPABLE, 1);
	memory = mmap(NULL, DUMPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED);
	memset(memory, 0x5a, DUMPED);
	c = world_open();
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	until(atomic_load(&world->flag[GO]) == 1);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static bool dumps_core(pid_t process)
{
	char path[64], line[256];
	bool dumping = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		dumping = dumping || strcmp(line, "CoreDumping:\t1\n") == 0;
	if (f != NULL)
		fclose(f);
	return dumping;
}

static bool has_ended(pid_t process)
{
	siginfo_t info = {0};

	must(waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
	return info.si_pid == process;
}

static void remove_directory(void)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	for (; d != NULL && (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			must(unlinkat(dirfd(d), e->d_name, 0) == 0);
	if (d != NULL)
		closedir(d);
	rmdir(directory);
}

/* A name in the directory of the process, and no program that it is piped into. */
static bool cores_come_here(void)
{
	char pattern[256] = "|";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
	bool got = f != NULL && fgets(pattern, sizeof(pattern), f) != NULL;

	if (f != NULL)
		fclose(f);
	return got && strchr(pattern, '/') == NULL && pattern[0] != '|' && pattern[0] != '@';
}

/* While its core is written the leader counts as living: deadlines pass, it can be deposed, and neighbours do not notice.
 * Then its end is told as any other's. */
static void a_core_dump_in_progress(void **state)
{
	struct covey_result result;
	struct covey_info info;
	pid_t leader, waiter;
	bool seen = false;
	int status;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("a sanitizer's address space is not dumped");
#endif
	if (!cores_come_here())
		skip_because("core_pattern puts cores elsewhere");
	begin();
	snprintf(directory, sizeof(directory), "/dev/shm/%s-core", world->region);
	assert_int_equal(mkdir(directory, 0700), 0);
	leader = world_spawn(leads_and_dumps, NULL);
	until(atomic_load(&world->flag[READY]) == 1 || has_ended(leader));
	assert_int_equal(atomic_load(&world->flag[READY]), 1);
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(here, "g") == 1);
	assert_int_equal(covey_find(here, "g", 1, &info), 0);
	assert_int_equal(lead_of(here, "g", &led), COVEY_WAIT);
	atomic_store(&world->flag[GO], 1);
	until((seen = dumps_core(leader)) || has_ended(leader));
	if (seen) {
		int r = covey_await(here, &led, NULL, 0, covey_in_ms(1), COVEY_NO_TAKEOVER, &result);

		assert_true(r == COVEY_TIMED_OUT || (r == COVEY_DIED && !dumps_core(leader)) ||
		            (r == COVEY_OK && says(&result, "from the successor")));
		covey_release(here, &result);
		neighbours_finish();
	}
	assert_int_equal(world_join(waiter), 0);
	assert_int_equal(waitpid(leader, &status, 0), leader);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	print_message("a core %s, and was %sseen while it was written\n",
	        WCOREDUMP(status) ? "was dumped" : "was not dumped", seen ? "" : "not ");
	remove_directory();
	end();
}

/* ------------------------------------------------------------------------------------------------ stopped */

static int leads_and_publishes_late(void *context)
{
	struct covey_reply reply = text("late");
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	until(atomic_load(&world->flag[GO]) == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

static int waits_for_what_is_late(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK && says(&result, "late"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static void stop(pid_t process)
{
	int status;

	must(kill(process, SIGSTOP) == 0);
	must(waitpid(process, &status, WUNTRACED) == process && WIFSTOPPED(status));
}

/* The leader, a waiter and a process with no part in it are stopped, for longer than any deadline of the others. */
static void stopped_beyond_all_deadlines(void **state)
{
	struct covey_result result;
	pid_t leader, waiter, third;

	(void)state;
	begin();
	leader = world_spawn(leads_and_publishes_late, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	waiter = world_spawn(waits_for_what_is_late, NULL);
	until(world_waiters(here, "g") == 1);
	third = spawn_leader("elsewhere");
	stop(leader);
	stop(waiter);
	stop(third);
	assert_int_equal(lead_of(here, "g", &led), COVEY_WAIT);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(covey_await(here, &led, NULL, 0, covey_in_ms(10), 0, &result), COVEY_TIMED_OUT);
		covey_release(here, &result);
		neighbours_finish();
	}
	world_kill(third); /* the dead are reaped, though their neighbours are stopped */
	world_settle(here, 3);
	kill(leader, SIGCONT);
	atomic_store(&world->flag[GO], 1); /* it publishes, and the waiter is still stopped */
	assert_int_equal(world_join(leader), 0);
	kill(waiter, SIGCONT);
	assert_int_equal(world_join(waiter), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ control groups */

/* A control group of this controller for this test, of the first version or the second.  NULL: not permitted. */
static const char *control_group(const char *controller)
{
	static char group[128];

	snprintf(group, sizeof(group), "/sys/fs/cgroup/%s/%s", controller, world->region);
	if (mkdir(group, 0755) == 0)
		return group;
	return NULL;
}

static bool write_to(const char *group, const char *file, const char *value)
{
	char path[256];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	if (fd >= 0)
		close(fd);
	return good;
}

static bool reads_as(const char *group, const char *file, const char *value)
{
	char path[256], line[64] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	if (fd >= 0)
		close(fd);
	return n > 0 && strncmp(line, value, strlen(value)) == 0;
}

static bool put_into(const char *group, pid_t process)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)process);
	return write_to(group, "cgroup.procs", number);
}

/* Leads, and takes memory until the kernel kills it. */
static int leads_and_eats(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[READY], 1);
	until(atomic_load(&world->flag[GO]) == 1);
	for (;;) {
		char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(memory != MAP_FAILED);
		memset(memory, 1, 1 << 20);
	}
	return 0;
}

static void killed_for_want_of_memory(void **state)
{
	const char *group;
	pid_t leader, waiter;
	bool limited;

	(void)state;
	begin();
	group = control_group("memory");
	if (group == NULL) {
		covey_close(here);
		skip_because("no memory control group of the first version to be made");
	}
	leader = world_spawn(leads_and_eats, NULL);
	until(atomic_load(&world->flag[READY]) == 1);
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(here, "g") == 1);
	limited = write_to(group, "memory.limit_in_bytes", "33554432") && put_into(group, leader);
	if (limited)
		atomic_store(&world->flag[GO], 1);
	else
		kill(leader, SIGKILL);
	assert_int_equal(world_join(leader), 128 + SIGKILL);
	assert_int_equal(world_join(waiter), 0);
	until(rmdir(group) == 0);
	end();
	if (!limited)
		skip_because("the memory control group takes no limit");
}

static void freeze(const char *group, const char *word)
{
	must(write_to(group, "freezer.state", word));
	until(reads_as(group, "freezer.state", word));
}

/* A frozen leader is a stopped one, that does not even die: deadlines pass, it can be deposed, and is fenced once thawed. */
static void frozen(void **state)
{
	struct covey_result result;
	struct covey_lead now;
	struct covey_info info;
	const char *group;
	pid_t leader, waiter;

	(void)state;
	begin();
	group = control_group("freezer");
	if (group == NULL) {
		covey_close(here);
		skip_because("no freezer of the first version to be made");
	}
	leader = spawn_leader("g");
	waiter = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(here, "g") == 1);
	assert_true(put_into(group, leader));
	freeze(group, "FROZEN");
	assert_int_equal(lead_of(here, "g", &led), COVEY_WAIT);
	assert_int_equal(covey_await(here, &led, NULL, 0, covey_in_ms(10), 0, &result), COVEY_TIMED_OUT);
	covey_release(here, &result);
	kill(leader, SIGKILL); /* it is to die, and cannot */
	neighbours_finish();
	assert_int_equal(covey_find(here, "g", 1, &info), 0);
	assert_int_equal(covey_take_over(here, "g", 1, info.generation, &now), COVEY_LEADER);
	{
		struct covey_reply reply = text("from the successor");

		assert_true(covey_unregister_notify(here, &now, NULL, 0, &reply) >= 0);
	}
	assert_int_equal(world_join(waiter), 0);
	freeze(group, "THAWED");
	assert_int_equal(world_join(leader), 128 + SIGKILL);
	until(rmdir(group) == 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_leader_vforks),
	        cmocka_unit_test(a_program_outlives_its_leader),
	        cmocka_unit_test(another_thread_of_the_leader_execs),
	        cmocka_unit_test(a_core_dump_in_progress),
	        cmocka_unit_test(stopped_beyond_all_deadlines),
	        cmocka_unit_test(killed_for_want_of_memory),
	        cmocka_unit_test(frozen),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
