/*
 * guest_descriptors.c - a guest's descriptors: none below 3, none that the host may write to by mistake, none of the host's touched
 *
 * The host closes what it did not open, has files of its own by the same numbers, drops its privileges, meets its limits: of its
 * files nothing changes, and the region goes on working.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

#define NUMBERS 64                    /* of descriptors that are looked at */
#define LOCK_OF_SLOT ((off_t)1 << 60) /* as slot_lock.c has it */
#define MIB ((size_t)1 << 20)

static const struct covey_options growing = {.heap = 1 << 20, .heap_max = 64 << 20};

static const char *region_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	return path;
}

static bool is_region(int fd, const struct stat *region)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == region->st_dev && st.st_ino == region->st_ino;
}

/* What the descriptors of this process that lead to the region can be used for; how many there are. */
static int check_descriptors(void)
{
	struct stat region;
	int found = 0;

	must(stat(region_path(), &region) == 0);
	for (int fd = 0; fd < NUMBERS; fd++) {
		if (!is_region(fd, &region))
			continue;
		must(fd > 2);
		must((fcntl(fd, F_GETFL) & O_PATH) != 0);
		must((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
		found++;
	}
	return found;
}

/* Lead, have a room that the heap must grow for, give it back. */
static void grow_and_shrink(covey *c, size_t size)
{
	struct covey_lead lead;
	uint32_t room;
	void *data;

	must(lead_of(c, "growing", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, size, &data, &room) == 0);
	memset(data, 'r', size);
	covey_room_free(c, room);
	must(covey_unregister(c, &lead) == 0);
}

static int leads_until_killed(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	must(lead_of(c, context, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[0], 1);
	for (;;)
		pause();
}

/* By its liveness thread, without being asked to. */
static void until_reaped(covey *c)
{
	struct covey_usage usage;

	do {
		world_yield();
		must(covey_usage_of(c, &usage) == 0);
	} while (usage.participants != 1);
	must(covey_find(c, "dying", 5, NULL) == COVEY_ENOENT);
}

static void see_one_die(covey *c)
{
	pid_t child;

	atomic_store(&world->flag[0], 0);
	child = world_spawn(leads_until_killed, "dying");
	until(atomic_load(&world->flag[0]) == 1);
	world_kill(child);
	until_reaped(c);
}

static void whole(covey *c)
{
	char why[200] = "";

	if (covey_check(c, why, sizeof(why)) != 0)
		fprintf(stderr, "%s\n", why);
	must(why[0] == '\0');
}

/* ------------------------------------------------------------------------------------------------ 0 to 2 */

static _Atomic bool done;

/* A host that has something to say, all the time. */
static void *warns(void *context)
{
	(void)context;
	while (!atomic_load(&done))
		for (int fd = 0; fd < 3; fd++)
			must(write(fd, "a warning\n", 10) < 0 && errno == EBADF);
	return NULL;
}

static int opens_without_standard_descriptors(void *context)
{
	pthread_t warner;
	int report = fcntl(2, F_DUPFD_CLOEXEC, 10);
	covey *c;

	(void)context;
	must(report >= 10);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	must(pthread_create(&warner, NULL, warns, NULL) == 0);
	for (int i = 0; i < 20; i++) {
		c = world_open();
		check_descriptors();
		grow_and_shrink(c, 2 * MIB);
		whole(c);
		covey_close(c);
	}
	c = world_open();
	see_one_die(c);
	atomic_store(&done, true);
	must(pthread_join(warner, NULL) == 0);
	for (int fd = 0; fd < 3; fd++)
		must(fcntl(fd, F_GETFD) < 0);
	covey_close(c);
	return 0;
}

/* Then the region was descriptor 2, and a warning went over its header. */
static void standard_descriptors_stay_closed(void **state)
{
	covey *c;

	(void)state;
	world_begin(&growing);
	assert_int_equal(world_join(world_spawn(opens_without_standard_descriptors, NULL)), 0);
	c = world_open();
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void nothing_to_write_to_by_mistake(void **state)
{
	covey *c, *inspects;
	struct covey_options inspect = {.flags = COVEY_INSPECT};

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_open(&inspects, world->region, &inspect), 0);
	assert_true(check_descriptors() <= 2);
	covey_close(inspects);
	assert_true(check_descriptors() <= 1);
	grow_and_shrink(c, MIB);
	assert_true(check_descriptors() <= 1);
	covey_close(c);
	assert_int_equal(check_descriptors(), 0);
}

/* ------------------------------------------------------------------------------------------------ closed, and reused */

static unsigned char pattern(size_t at)
{
	return (unsigned char)('a' + at % 23);
}

/* One file of the host's, by every number from 3 on. */
static int host_file(size_t size)
{
	unsigned char *bytes = malloc(size);
	int fd = (int)syscall(SYS_memfd_create, "host", 0);

	must(bytes != NULL && fd >= 0);
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(i);
	must(write(fd, bytes, size) == (ssize_t)size);
	free(bytes);
	for (int n = 3; n < NUMBERS; n++)
		must(n == fd || dup2(fd, n) == n);
	return fd;
}

static void host_file_untouched(int fd, size_t size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* of all of it, and beyond */
	const unsigned char *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	struct stat st;

	must(bytes != MAP_FAILED && fstat(fd, &st) == 0 && st.st_size == (off_t)size);
	must(st.st_blocks * 512 >= (off_t)size);
	for (size_t i = 0; i < size; i++)
		must(bytes[i] == pattern(i));
	must(fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK);
	for (int n = 3; n < NUMBERS; n++)
		must(fcntl(n, F_GETFD) >= 0);
	munmap((void *)(uintptr_t)bytes, size);
}

/* The region's chunks, and its block words, have offsets far into the file; the host's is as large. */
static int daemonizes(void *context)
{
	const size_t size = 48 * MIB;
	covey *c = world_open();
	int fd;

	(void)context;
	grow_and_shrink(c, 2 * MIB);
	must(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	fd = host_file(size);
	grow_and_shrink(c, 32 * MIB);
	see_one_die(c);
	must(covey_reap(c) >= 0);
	whole(c);
	host_file_untouched(fd, size);
	covey_close(c);
	host_file_untouched(fd, size);
	return 0;
}

/* Then what the heap gave back was punched out of the host's file. */
static void closed_and_reused(void **state)
{
	(void)state;
	world_begin(&growing);
	assert_int_equal(world_join(world_spawn(daemonizes, NULL)), 0);
}

/* dup2() over ours, one by one: nobody was asked to close anything. */
static int replaces(void *context)
{
	const size_t size = 8 * MIB;
	struct stat region;
	covey *c = world_open();
	int fd;

	(void)context;
	must(stat(region_path(), &region) == 0);
	fd = (int)syscall(SYS_memfd_create, "host", 0);
	for (int n = 3; n < NUMBERS; n++)
		if (is_region(n, &region))
			must(dup2(fd, n) == n);
	fd = host_file(size);
	grow_and_shrink(c, 4 * MIB);
	see_one_die(c);
	covey_close(c);
	host_file_untouched(fd, size);
	return 0;
}

static void replaced(void **state)
{
	(void)state;
	world_begin(&growing);
	assert_int_equal(world_join(world_spawn(replaces, NULL)), 0);
}

/* ------------------------------------------------------------------------------------------------ whose the slot is */

static bool slot_locked(uint32_t slot)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_OF_SLOT + slot, .l_len = 1};
	int fd = open(region_path(), O_RDWR | O_CLOEXEC);

	must(fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0);
	close(fd);
	return lock.l_type != F_UNLCK;
}

static int stays_without_descriptors(void *context)
{
	covey *c = world_open();
	pid_t child;

	(void)context;
	must(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* no handler runs for this one */
	if (child == 0)
		for (;;)
			pause();
	must(child > 0);
	atomic_store(&world->number[0], (int64_t)c->slot + 1);
	atomic_store(&world->number[1], child);
	for (;;)
		pause();
}

/* Then whoever came next found the slot of a living process free. */
static void a_slot_outlives_its_descriptors(void **state)
{
	uint32_t slot;
	pid_t owner;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	owner = world_spawn(stays_without_descriptors, NULL);
	until(atomic_load(&world->number[1]) != 0);
	slot = (uint32_t)atomic_load(&world->number[0]) - 1;
	assert_true(slot_locked(slot));
	world_kill(owner); /* its child lives on */
	world_settle(c, 1);
	assert_false(slot_locked(slot));
	kill((pid_t)atomic_load(&world->number[1]), SIGKILL);
	world_check(c, 0);
	covey_close(c);
}

/* Neither name nor descriptors nor privileges, nor room for a descriptor: it grows, and reaps, all the same. */
static int gives_up_everything(void *context)
{
	struct rlimit none = {0, 0};
	covey *c = world_open();
	pid_t dying;

	(void)context;
	atomic_store(&world->flag[0], 0);
	dying = world_spawn(leads_until_killed, "dying");
	until(atomic_load(&world->flag[0]) == 1);
	must(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	must(covey_unlink(world->region) == 0);
	if (getuid() == 0)
		must(chroot("/proc/self") == 0 && chdir("/") == 0 && setuid(65534) == 0);
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
	grow_and_shrink(c, 4 * MIB);
	atomic_store(&world->number[0], dying);
	until_reaped(c);
	whole(c);
	covey_close(c);
	return 0;
}

static void nothing_left_but_the_memory(void **state)
{
	pid_t child;

	(void)state;
	world_begin(&growing);
	child = world_spawn(gives_up_everything, NULL);
	until(atomic_load(&world->number[0]) != 0);
	kill((pid_t)atomic_load(&world->number[0]), SIGKILL); /* who dropped privileges may not */
	assert_int_equal(world_join(child), 0);
}

/* ------------------------------------------------------------------------------------------------ exec */

static int counts_descriptors_of_a_program(void *context)
{
	char command[256];
	covey *c = world_open();
	int r;

	(void)context;
	snprintf(command, sizeof(command), "ls -l /proc/self/fd | grep -q %s", world->region);
	r = system(command); /* NOLINT(cert-env33-c) */
	must(WIFEXITED(r) && WEXITSTATUS(r) == 1);
	covey_close(c);
	return 0;
}

static void a_program_inherits_none(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(counts_descriptors_of_a_program, NULL)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(standard_descriptors_stay_closed),
	        cmocka_unit_test(nothing_to_write_to_by_mistake),
	        cmocka_unit_test(closed_and_reused),
	        cmocka_unit_test(replaced),
	        cmocka_unit_test(a_slot_outlives_its_descriptors),
	        cmocka_unit_test(nothing_left_but_the_memory),
	        cmocka_unit_test(a_program_inherits_none),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
