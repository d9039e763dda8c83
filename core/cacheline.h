/*
 * cacheline.h - the unit in which two processors quarrel, and hints to the compiler
 */
#ifndef CV_CACHELINE_H
#define CV_CACHELINE_H

#define CV_LINE 64
#define cv_likely(x) __builtin_expect(!!(x), 1)
#define cv_unlikely(x) __builtin_expect(!!(x), 0)

/* Have the line here for reading, or for writing, soon.  A hint: at may be any address that can be read. */
static inline void cv_fetch(const void *at)
{
	__builtin_prefetch(at);
}

static inline void cv_fetch_to_write(const void *at)
{
#if defined(__x86_64__)
	/* The compiler would only fetch for reading.  Does nothing on a processor that does not know it. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
	__builtin_prefetch(at, 1);
#endif
}

#endif
