/*
 * time.c - deadlines, and the clock of the fastest path
 *
 * When an execution began and ended is recorded by the kernel's tick.  Reading that takes some five nanoseconds, half of
 * which are the C library's way to the function that the kernel has mapped into every process; registering and giving
 * up a group together take twenty-five.  So that function is looked up once, by its name, and called.  Where it is not
 * found, the library's is used.
 */
#include <dlfcn.h>

#include "event.h"
#include "futex.h"

#ifdef __aarch64__
#define VDSO_CLOCK "__kernel_clock_gettime"
#else
#define VDSO_CLOCK "__vdso_clock_gettime"
#endif

int (*covey_clock)(clockid_t clock, struct timespec *out) = clock_gettime;

void covey_clock_find(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void *found = vdso == NULL ? NULL : dlsym(vdso, VDSO_CLOCK);

	if (found != NULL) /* POSIX has dlsym() give functions this way */
		__builtin_memcpy(&covey_clock, &found, sizeof(found));
}

int64_t covey_in_ms(int64_t ms)
{
	int64_t now = cv_kernel.now();

	if (ms <= 0)
		return now;
	return ms >= (COVEY_FOREVER - now) / 1000000 ? COVEY_FOREVER : now + ms * 1000000;
}
