/* vigil.h - sleep until a signal ends the command, or its region is another: see vigil.c */
#ifndef COVEY_VIGIL_H
#define COVEY_VIGIL_H

#include "appearance.h"
#include "cmd.h"
#include "removal.h"

struct vigil {
	struct inspection *in;
	const char *command; /* that complains */
	struct removal removal;
	struct appearance appearance;
	int signals;
	covey *next; /* the new region */
	int status;  /* of VIGIL_FAILED */
};

enum vigil_end {
	VIGIL_TIME,   /* so much has passed */
	VIGIL_SIGNAL, /* to end the command */
	VIGIL_REGION, /* there is a new one, for vigil_renew() */
	VIGIL_FAILED, /* which has been said */
};

/* vigil_begin - block the signals that end the command, and be told of them; 0, or the exit status after a
 * complaint. */
int vigil_begin(struct vigil *v, struct inspection *in, const char *command);

/* vigil_sleep - at most so many milliseconds, -1 for ever.  That the region's name was removed is said meanwhile. */
enum vigil_end vigil_sleep(struct vigil *v, int ms);

/* vigil_renew - from here on in->c is the new region. */
void vigil_renew(struct vigil *v);

void vigil_end(struct vigil *v);

#endif
