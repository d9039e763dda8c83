/*
 * shim.h - put in front of every source of the library when it is compiled for the explorer
 *
 * The compiler is told to include this first (-include).  It lets the standard headers define what they define, and then
 * takes the names away again: each atomic operation, and each call of the system that the library makes while it works,
 * becomes a call of the explorer's (machine.c, kernel.c), which may have another actor go on before it does what was
 * asked.  The sources themselves are those of the library, unchanged; a normal build knows nothing of this file.
 *
 * The type of a loaded value is that of +*p: the unary operator takes the value, and with it the qualifier _Atomic off.
 * All orders are taken for sequentially consistent ones: what weaker ones allow is not explored here.
 */
#ifndef COVEY_TESTS_EXPLORE_SHIM_H
#define COVEY_TESTS_EXPLORE_SHIM_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where in the sources an operation stands. */
#define EXPLORE_HERE __FILE__, __LINE__
#define EXPLORE_AT const char *file, int line

uint64_t explore_load(const volatile void *at, size_t size, EXPLORE_AT);
void explore_store(volatile void *at, size_t size, uint64_t value, EXPLORE_AT);
bool explore_swap(volatile void *at, size_t size, void *expected, uint64_t desired, EXPLORE_AT);
enum explore_change { EXPLORE_SET, EXPLORE_ADD, EXPLORE_SUB, EXPLORE_OR };
uint64_t explore_change(volatile void *at, size_t size, enum explore_change how, uint64_t value, EXPLORE_AT);

int explore_lock(pthread_mutex_t *mutex, EXPLORE_AT);
int explore_unlock(pthread_mutex_t *mutex, EXPLORE_AT);
long explore_system_call(long number, ...);
void explore_pause(void);
void *explore_allocate(void *old, size_t size);
void explore_free(void *at);

#define explore_value(p) __typeof__(+*(p))

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_thread_fence

#define atomic_load_explicit(p, order) ((explore_value(p))explore_load((p), sizeof(*(p)), EXPLORE_HERE))
#define atomic_store_explicit(p, value, order) explore_store((p), sizeof(*(p)), (uint64_t)(value), EXPLORE_HERE)
#define atomic_compare_exchange_strong_explicit(p, expected, value, won, lost)                                         \
	explore_swap((p), sizeof(*(p)), (expected), (uint64_t)(value), EXPLORE_HERE)
#define explore_changed(p, how, value)                                                                                 \
	((explore_value(p))explore_change((p), sizeof(*(p)), (how), (uint64_t)(value), EXPLORE_HERE))
#define atomic_exchange_explicit(p, value, order) explore_changed(p, EXPLORE_SET, value)
#define atomic_fetch_add_explicit(p, value, order) explore_changed(p, EXPLORE_ADD, value)
#define atomic_fetch_sub_explicit(p, value, order) explore_changed(p, EXPLORE_SUB, value)
#define atomic_fetch_or_explicit(p, value, order) explore_changed(p, EXPLORE_OR, value)
#define atomic_thread_fence(order) ((void)0)

/* A weak swap that fails for no reason is one that is tried again: nothing else comes of it in these sources. */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong(p, expected, value)                                                             \
	atomic_compare_exchange_strong_explicit(p, expected, value, , )
#define atomic_compare_exchange_weak(p, expected, value) atomic_compare_exchange_strong_explicit(p, expected, value, , )
#define atomic_load(p) atomic_load_explicit(p, )
#define atomic_store(p, value) atomic_store_explicit(p, value, )
#define atomic_exchange(p, value) atomic_exchange_explicit(p, value, )
#define atomic_fetch_add(p, value) atomic_fetch_add_explicit(p, value, )
#define atomic_fetch_sub(p, value) atomic_fetch_sub_explicit(p, value, )
#define atomic_fetch_or(p, value) atomic_fetch_or_explicit(p, value, )

#define pthread_mutex_lock(mutex) explore_lock((mutex), EXPLORE_HERE)
#define pthread_mutex_unlock(mutex) explore_unlock((mutex), EXPLORE_HERE)
#define syscall(...) explore_system_call(__VA_ARGS__)
#define prctl(what, name) ((void)(name))
#define sysconf(what) 1L /* one processor: nobody spins */
#define malloc(size) explore_allocate(NULL, (size))
#define realloc(old, size) explore_allocate((old), (size))
#define free(at) explore_free(at)

/* In place of core/spin.h: who waits for somebody in a loop lets the others go on. */
#define CV_SPIN_H
static inline void cv_pause(void)
{
	explore_pause();
}

#endif
