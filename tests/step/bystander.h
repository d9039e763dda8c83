/*
 * bystander.h - who is there when another is killed or stopped, and goes on
 */
#ifndef COVEY_TESTS_STEP_BYSTANDER_H
#define COVEY_TESTS_STEP_BYSTANDER_H

#include "ways.h"

/* What it is told to do each time it says that it is ready, in NUMBER_COMMAND. */
enum bystander_command {
	BYSTANDER_CUE,     /* the way's cue */
	BYSTANDER_SURVIVE, /* finish every call on the groups of the play */
	BYSTANDER_RECOVER, /* take over what the dead led, and reap them */
	BYSTANDER_AUDIT,   /* wait until the dead are reaped, account for everything, leave, and exit with 0 */
};

/* A process: with prepared, one that prepares the way's play first; else one that comes afterwards. */
int bystander_prepares(void *way);
int bystander_comes(void *way);

#endif
