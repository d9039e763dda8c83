/*
 * time.c - deadlines, the clock of the fastest path, and one clock for all
 *
 * In a time namespace CLOCK_MONOTONIC is ahead of the machine's, or behind, by an offset that is fixed once a process is in
 * it.  Deadlines are by the caller's clock, and the kernel, which alone compares them, knows whose they are.  But what one
 * process writes into the segment and another reads is by the machine's, and turned into the reader's own where it leaves
 * the library.  /proc/self/timens_offsets has the offset; however, it is that of the namespace for *children*.  A
 * process that has made one for its children stays in its own: it was told its offset when it attached, or is in the
 * machine's.  (No process can make threads and attach in between.)  Without /proc the clocks are taken to be equal, and
 * ages may be wrong; nothing else depends on them.
 *
 * When an execution began and ended is recorded by the kernel's tick.  Reading that takes some five nanoseconds, half of
 * which are the C library's way to the function that the kernel has mapped into every process; registering and giving
 * up a group together take twenty-five.  So that function is looked up once, by its name, and called.  Where it is not
 * found, the library's is used.  In a time namespace it is called by way of a function that takes the offset off.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "futex.h"

#ifdef __aarch64__
#define VDSO_CLOCK "__kernel_clock_gettime"
#else
#define VDSO_CLOCK "__vdso_clock_gettime"
#endif

static int (*own_clock)(clockid_t clock, struct timespec *out) = clock_gettime;
int (*covey_clock)(clockid_t clock, struct timespec *out) = clock_gettime;

void covey_clock_find(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *found = vdso == NULL ? NULL : dlsym(vdso, VDSO_CLOCK);

	if (found != NULL) /* POSIX has dlsym() give functions this way */
		__builtin_memcpy(&own_clock, &found, sizeof(found));
	covey_clock = own_clock;
}

/* ------------------------------------------------------------------------------------------------ time namespaces */

#define NAMESPACE_SIZE 40
#define OF_THE_MACHINE "time:[4026531834]" /* the first time namespace has this number in every kernel */

int64_t shm_clock_ahead;

static bool namespace_read(const char *link, char out[NAMESPACE_SIZE])
{
	ssize_t n = readlink(link, out, NAMESPACE_SIZE - 1);

	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A line of the file is a clock's name, seconds and nanoseconds; the latter are not negative. */
static bool offset_read(int64_t *out)
{
	int fd = shm_open_above(AT_FDCWD, "/proc/self/timens_offsets", O_RDONLY, 0);
	char text[256], *at;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "monotonic");
	if (at == NULL)
		return false;
	*out = strtoll(at + strlen("monotonic"), &at, 10) * 1000000000;
	*out += strtoll(at, NULL, 10);
	return true;
}

/* In a time namespace only: elsewhere the process's own clock is the machine's. */
static int machine_clock(clockid_t clock, struct timespec *out)
{
	int r = own_clock(clock, out);
	int64_t now = (int64_t)out->tv_sec * 1000000000 + out->tv_nsec - shm_clock_ahead;

	out->tv_sec = (time_t)(now / 1000000000);
	out->tv_nsec = (long)(now % 1000000000);
	return r;
}

/* Called in the child of a fork, too: system calls only.  What cannot be found out stays as it was. */
void shm_clock_compare(void)
{
	char own[NAMESPACE_SIZE], children[NAMESPACE_SIZE];
	int64_t ahead = 0;

	if (!namespace_read("/proc/thread-self/ns/time", own))
		return;
	if (strcmp(own, OF_THE_MACHINE) != 0 && (!namespace_read("/proc/self/ns/time_for_children", children) ||
	                                                strcmp(own, children) != 0 || !offset_read(&ahead)))
		return;
	/* It changes only before a second thread reads it: at the first attaching, or after a fork. */
	if (shm_clock_ahead == ahead)
		return;
	/* only before a second thread reads them: at the first attaching, or after a fork */
	shm_clock_ahead = ahead;
	covey_clock = ahead == 0 ? own_clock : machine_clock;
}

/* ------------------------------------------------------------------------------------------------ deadlines */

int64_t covey_in_ms(int64_t ms)
{
	int64_t now = cv_kernel.now();

	if (ms <= 0)
		return now;
	return ms >= (COVEY_FOREVER - now) / 1000000 ? COVEY_FOREVER : now + ms * 1000000;
}
