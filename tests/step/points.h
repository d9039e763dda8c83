/*
 * points.h - all points of a way, in one of three modes
 */
#ifndef COVEY_TESTS_STEP_POINTS_H
#define COVEY_TESTS_STEP_POINTS_H

#include "stage.h"

enum point_mode {
	POINT_KILL,   /* the victim is killed there */
	POINT_STOP,   /* it is stopped there, and continued when the others have finished */
	POINT_SECOND, /* it is killed there, and so is who recovers first, at each point of that; or the rival */
	POINT_MODES
};

struct report {
	_Atomic uint32_t instructions, distinct;
	_Atomic uint32_t killed, stopped, second;
	_Atomic uint32_t missed;  /* points that a run did not come to */
	_Atomic uint32_t longest; /* instructions of the survivor's calls */
	_Atomic uint32_t violations;
	_Atomic int64_t nanoseconds;
	_Atomic int done; /* modes */
};

/* Every instruction, or a sample? */
bool points_all(void);

/* The call is recorded once for all these modes. */
void points_of(const struct way *way, enum point_mode first, enum point_mode last, struct report *report);

#endif
