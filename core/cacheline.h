/*
 * cacheline.h - the unit in which two processors quarrel, and hints to the compiler
 */
#ifndef CV_CACHELINE_H
#define CV_CACHELINE_H

#define CV_LINE 64
#define cv_likely(x) __builtin_expect(!!(x), 1)
#define cv_unlikely(x) __builtin_expect(!!(x), 0)

#endif
