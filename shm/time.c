/*
 * time.c - deadlines
 */
#include "covey.h"
#include "futex.h"

int64_t covey_in_ms(int64_t ms)
{
	int64_t now = cv_kernel.now();

	if (ms <= 0)
		return now;
	return ms >= (COVEY_FOREVER - now) / 1000000 ? COVEY_FOREVER : now + ms * 1000000;
}
