/*
 * hostile_clocks.c - a hostile world: the time of day jumps at every look, and containers count their uptime differently
 *
 * The C library's clocks are replaced in this program, libcovey's calls included: the time of day goes back or ahead by years
 * whenever it is asked for.  And each system call that waits is looked at: none may wait by the time of day.
 */
#include "hostile.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define WAITV 449 /* the same number on every architecture; Debian 12's headers may lack it */

static _Atomic int wrong_waits, waits_seen, jumps;

/* ------------------------------------------------------------------------------------------------ in place of the C library's */

static long raw(long number, long a, long b, long c, long d, long e, long f)
{
	long r;
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	r = x0;
#endif
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

/* By the time of day? */
static bool wrong(long number, const long a[6])
{
	if (number == WAITV)
		return a[3] != 0 && a[4] != CLOCK_MONOTONIC;
	return (a[1] & FUTEX_CLOCK_REALTIME) != 0;
}

long syscall(long number, ...)
{
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == WAITV || (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)) {
		atomic_fetch_add(&waits_seen, 1);
		atomic_fetch_add(&wrong_waits, wrong(number, a));
	}
	return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static time_t jump(void)
{
	int n = atomic_fetch_add(&jumps, 1);

	return n % 2 == 0 ? 7 : (time_t)4000000000 + n * 100000;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return (int)raw(SYS_clock_gettime, clock, (long)(uintptr_t)out, 0, 0, 0, 0);
	*out = (struct timespec){.tv_sec = jump()};
	return 0;
}

time_t time(time_t *out)
{
	time_t t = jump();

	if (out != NULL)
		*out = t;
	return t;
}

int gettimeofday(struct timeval *out, void *zone)
{
	(void)zone;
	*out = (struct timeval){.tv_sec = jump()};
	return 0;
}

/* ------------------------------------------------------------------------------------------------ what goes on meanwhile */

static int times_out_and_is_answered(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	int64_t deadline;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	for (int i = 0; i < 5; i++) {
		deadline = covey_in_ms(10);
		must(covey_await(c, &lead, NULL, 0, deadline, 0, &result) == COVEY_TIMED_OUT);
		must(covey_in_ms(0) >= deadline);
		covey_release(c, &result);
	}
	atomic_store(&world->flag[0], 1);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK && says(&result, "x"));
	covey_release(c, &result);
	must(atomic_load(&waits_seen) > 0 && atomic_load(&wrong_waits) == 0);
	covey_close(c);
	return 0;
}

static void everybody_finishes(int (*waiter)(void *context))
{
	struct covey_reply reply = text("x");
	struct covey_lead lead;
	pid_t child, leader;
	covey *c;

	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "g", &lead), COVEY_LEADER);
	child = world_spawn(waiter, NULL);
	until(atomic_load(&world->flag[0]) != 0 && (atomic_load(&world->flag[0]) == 77 || world_waiters(c, "g") == 1));
	if (atomic_load(&world->flag[0]) == 77) {
		world_join(child);
		covey_close(c);
		skip_because("no time namespace of its own");
	}
	assert_true(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	assert_int_equal(world_join(child), 0);
	leader = spawn_leader("g");
	child = world_spawn(waits_or_succeeds, NULL);
	until(world_waiters(c, "g") == 1);
	world_kill(leader);
	assert_int_equal(world_join(child), 0);
	neighbours_finish();
	settled(c);
}

static void the_time_of_day_jumps(void **state)
{
	(void)state;
	everybody_finishes(times_out_and_is_answered);
	assert_int_equal(atomic_load(&wrong_waits), 0);
}

/* In a time namespace whose monotonic clock is a day ahead of the others'. */
static int waits_in_another_time(void *context)
{
	int fd, r;
	pid_t child;

	(void)context;
	if (unshare(0x80 /* CLONE_NEWTIME */) != 0 || (fd = open("/proc/self/timens_offsets", O_WRONLY)) < 0 ||
	        write(fd, "monotonic 86400 0\n", 18) != 18) {
		atomic_store(&world->flag[0], 77);
		return 77;
	}
	close(fd);
	child = world_spawn(times_out_and_is_answered, NULL);
	r = world_join(child);
	return r;
}

static void another_time_namespace(void **state)
{
	(void)state;
	everybody_finishes(waits_in_another_time);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_time_of_day_jumps),
	        cmocka_unit_test(another_time_namespace),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
