/* deadline.h - moments of monotonic_now() until which something is waited for: see deadline.c */
#ifndef COVEY_DEADLINE_H
#define COVEY_DEADLINE_H

#include <stdint.h>

/* deadline_in - the moment that lies so many nanoseconds ahead, or COVEY_FOREVER. */
int64_t deadline_in(int64_t nanoseconds);

/* earlier - of two moments; COVEY_FOREVER is after any other. */
int64_t earlier(int64_t a, int64_t b);

/* ms_until - what is left until a deadline, for poll(2): -1 for COVEY_FOREVER, 0 only when it has come. */
int ms_until(int64_t deadline);

#endif
