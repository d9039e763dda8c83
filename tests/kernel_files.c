/*
 * kernel_files.c - what covey takes for granted of the kernel about locks, memory, clocks and names, one test for each
 *
 * Each test says who relies on it.
 */
#include "kernel.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

/* ------------------------------------------------------------------------------------------------ locks */

#define FAR ((off_t)1 << 60) /* beyond any file's end */

static bool lock(int fd, off_t place)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = FAR + place, .l_len = 1};

	if (fcntl(fd, F_OFD_SETLK, &l) == 0)
		return true;
	must(errno == EAGAIN || errno == EACCES);
	return false;
}

/* A page of the open file, which keeps that for as long as it is mapped. */
static void *map_page(int fd, int advice)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_SHARED, fd, 0);

	must(page != MAP_FAILED && madvise(page, 4096, advice) == 0);
	return page;
}

static int reopen(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	must(again >= 0);
	return again;
}

static void *writes(void *written)
{
	for (;;)
		atomic_fetch_add((_Atomic uint64_t *)written, 1);
	return NULL;
}

static int locks_and_writes(void *context)
{
	pthread_t thread;
	int fd = reopen(file);

	(void)context;
	map_page(fd, MADV_DONTFORK);
	must(lock(fd, 0) && close(fd) == 0);
	for (int i = 0; i < WRITERS; i++)
		must(pthread_create(&thread, NULL, writes, (void *)&shared->written[i]) == 0);
	start_keeper(&thread);
	return stays();
}

static bool all_write(void)
{
	for (int i = 0; i < WRITERS; i++)
		if (atomic_load(&shared->written[i]) == 0)
			return false;
	return atomic_load(&shared->actor[VICTIM].ready) == 1;
}

/* Relied on by participant.c: "life ended" before "lock free", and by recovery.c: "no thread of the dead process can still
 * write".  A mapping alone holds the lock.  Once that of a killed process can be had, its life has ended and its memory stays as it is. */
static void a_free_lock_means_that_nobody_writes(void **state)
{
	int64_t give_up;
	uint64_t then[WRITERS];

	(void)state;
	for (int round = 0; round < 50; round++) {
		pid_t child;
		int fd;

		begin();
		fd = reopen(file);
		child = world_spawn(locks_and_writes, NULL);
		until(all_write());
		assert_false(lock(fd, 0));
		kill(child, SIGKILL);
		for (give_up = covey_in_ms(60000); !lock(fd, 0);) /* at the very instant */
			assert_true(covey_in_ms(0) < give_up);
		for (int i = 0; i < LIVES; i++)
			assert_int_equal(atomic_load(word(i)), ENDED);
		for (int i = 0; i < WRITERS; i++)
			then[i] = atomic_load(&shared->written[i]);
		world_join(child);
		for (int i = 0; i < WRITERS; i++)
			assert_true(then[i] == atomic_load(&shared->written[i]));
		close(fd);
	}
}

enum { KEPT_FROM_CHILDREN, INHERITED, MAPPED, UNMAPPED, LOCKS };

/* Open files of one memory: the child of our fork closes all but one, and has all mappings that it is not kept from. */
static int locks_and_forks(void *context)
{
	void *page[LOCKS];
	int fd[LOCKS];
	pid_t child;

	(void)context;
	for (int i = 0; i < LOCKS; i++) {
		fd[i] = reopen(file);
		page[i] = i == INHERITED ? NULL : map_page(fd[i], i == MAPPED ? MADV_NORMAL : MADV_DONTFORK);
		must(lock(fd[i], i));
		must(i == INHERITED || close(fd[i]) == 0);
	}
	munmap(page[UNMAPPED], 4096);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	must(child >= 0);
	if (child == 0)
		atomic_store(&world->number[0], getpid());
	return stays();
}

/* Relied on by slot_lock.c: the slot's lock is held by a mapping that children do not have, and ends with that.  A child would
 * keep those of open files that it has inherited, or maps. */
static void a_child_keeps_no_lock_that_it_is_kept_from(void **state)
{
	pid_t parent, child;
	int fd;

	(void)state;
	world_begin(NULL);
	begin();
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	fd = reopen(file);
	parent = world_spawn(locks_and_forks, NULL);
	until(atomic_load(&world->number[0]) != 0);
	child = (pid_t)atomic_load(&world->number[0]);
	for (int i = 0; i < UNMAPPED; i++)
		assert_false(lock(fd, i));
	assert_true(lock(fd, UNMAPPED));
	world_kill(parent);
	assert_true(lock(fd, KEPT_FROM_CHILDREN));
	assert_false(lock(fd, INHERITED));
	assert_false(lock(fd, MAPPED));
	world_kill(child);
	assert_true(lock(fd, INHERITED) && lock(fd, MAPPED));
	must(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	close(fd);
}

static void *has_a_table_of_its_own(void *context)
{
	int fd = *(int *)context, own;

	if (syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE) != 0)
		return NULL; /* before Linux 5.9 */
	must(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	own = open("/", O_PATH | O_CLOEXEC);
	must(own == 0 && dup2(own, fd + 1) == fd + 1);
	return context;
}

/* Relied on by slot_lock.c: what one thread closes and makes in its table, the others do not see. */
static void a_thread_has_descriptors_of_its_own(void **state)
{
	int fd = open("/", O_PATH | O_CLOEXEC);
	pthread_t thread;
	void *done;

	(void)state;
	assert_true(fd > 2 && fcntl(fd + 1, F_GETFD) < 0);
	assert_int_equal(pthread_create(&thread, NULL, has_a_table_of_its_own, &fd), 0);
	assert_int_equal(pthread_join(thread, &done), 0);
	for (int i = 0; i < 3; i++)
		assert_true(fcntl(i, F_GETFD) >= 0);
	assert_true(fcntl(fd, F_GETFD) >= 0 && fcntl(fd + 1, F_GETFD) < 0);
	close(fd);
	if (done == NULL)
		skip();
}

static int locks_and_execs(void *context)
{
	(void)context;
	must(lock(reopen(file), 0));
	atomic_store(&shared->actor[VICTIM].ready, 1);
	while (atomic_load(&shared->go) == 0)
		wait_plain(&shared->go, 0, NULL);
	execl("/bin/sleep", "sleep", "600", (char *)NULL);
	return 1;
}

/* Relied on by region.c and recovery.c: the lock is the open file's, so it excludes other handles of the same process; an
 * exec lets go of it. */
static void a_lock_is_the_open_files(void **state)
{
	int first, second;
	pid_t child;

	(void)state;
	begin();
	first = reopen(file);
	second = reopen(file);
	assert_true(lock(first, 0));
	assert_false(lock(second, 0));
	close(first);
	assert_true(lock(second, 0));
	close(second);
	second = reopen(file);
	child = world_spawn(locks_and_execs, NULL);
	until(atomic_load(&shared->actor[VICTIM].ready) == 1);
	assert_false(lock(second, 0));
	atomic_store(&shared->go, 1);
	wake(&shared->go, INT_MAX);
	until(lock(second, 0));
	assert_int_equal(kill(child, 0), 0);
	world_kill(child);
	close(second);
}

/* ------------------------------------------------------------------------------------------------ memory, clocks, names */

static long new_child(int how)
{
	return how == 0 ? fork() : syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* Relied on by thread.c and region.h: the child of a fork finds these pages empty, its parent does not. */
static void pages_that_a_fork_empties(void **state)
{
	int *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0);
	for (int how = 0; how < 2; how++) {
		long child;

		*page = 42;
		child = new_child(how);
		if (child == 0)
			syscall(SYS_exit_group, *page);
		assert_true(child > 0);
		assert_int_equal(world_join((pid_t)child), 0);
		assert_int_equal(*page, 42);
	}
	munmap(page, 4096);
}

/* Relied on by create.c: a file without a name gets one whole, once; who comes second is told.  And memory that is given
 * back reads as zeroes through every mapping. */
static void files_without_a_name(void **state)
{
	char path[64], self[64];
	char byte = 1;
	const char *mapped;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/covey-kernel-%d", (int)getpid());
	unlink(path);
	for (int i = 0; i < 2; i++) {
		int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

		if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
			skip(); /* create.c has another way */
		assert_true(fd >= 0 && ftruncate(fd, 8192) == 0 && pwrite(fd, &byte, 1, 4096) == 1);
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		if (i == 0)
			assert_int_equal(linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW), 0);
		else
			assert_true(linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == -1 && errno == EEXIST);
		mapped = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
		assert_true(mapped != MAP_FAILED && mapped[4096] == 1);
		assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
		assert_int_equal(*(const volatile char *)&mapped[4096], 0);
		munmap((void *)(uintptr_t)mapped, 8192);
		close(fd);
	}
	assert_int_equal(unlink(path), 0);
}

/* Relied on by await.c: finish_result(): the tick's clock is never ahead of the exact one. */
static void the_tick_is_not_ahead(void **state)
{
	struct timespec tick, exact;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &tick);
		clock_gettime(CLOCK_MONOTONIC, &exact);
		assert_true(
		        tick.tv_sec < exact.tv_sec || (tick.tv_sec == exact.tv_sec && tick.tv_nsec <= exact.tv_nsec));
	}
}

static int listens(void *context)
{
	const struct sockaddr bare = {.sa_family = AF_UNIX};
	socklen_t size = sizeof(struct sockaddr_un);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)context;
	must(fd >= 0 && bind(fd, &bare, sizeof(sa_family_t)) == 0 && listen(fd, 5) == 0);
	must(getsockname(fd, (struct sockaddr *)(void *)world->number, &size) == 0);
	atomic_store(&world->flag[0], (int)size);
	return stays();
}

/* Relied on by tools/guard.c and tools/handoff.c: the kernel picks an abstract name, and a connection that nobody ever
 * accepted ends when its listener is killed. */
static void a_connection_ends_with_its_listener(void **state)
{
	struct pollfd p = {.events = POLLIN};
	pid_t child;

	(void)state;
	world_begin(NULL);
	child = world_spawn(listens, NULL);
	until(atomic_load(&world->flag[0]) != 0);
	p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p.fd, (struct sockaddr *)(void *)world->number, (socklen_t)world->flag[0]), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	world_kill(child);
	assert_int_equal(poll(&p, 1, 60000), 1);
	close(p.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_free_lock_means_that_nobody_writes),
	        cmocka_unit_test(a_child_keeps_no_lock_that_it_is_kept_from),
	        cmocka_unit_test(a_thread_has_descriptors_of_its_own),
	        cmocka_unit_test(a_lock_is_the_open_files),
	        cmocka_unit_test(pages_that_a_fork_empties),
	        cmocka_unit_test(files_without_a_name),
	        cmocka_unit_test(the_tick_is_not_ahead),
	        cmocka_unit_test(a_connection_ends_with_its_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
