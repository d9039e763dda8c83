/* coprocess.h - a command that answers a line with a line, as a worker's device: see coprocess.c */
#ifndef COVEY_COPROCESS_H
#define COVEY_COPROCESS_H

#include <pthread.h>

#include "cmd.h"
#include "supervise.h"

/* Set by the caller: the first block.  The rest is coprocess.c's. */
struct coprocess {
	char **command;
	const char *digest; /* of the group, for its guard */
	bool restart;
	int64_t patience;   /* nanoseconds for one answer; COVEY_FOREVER */
	int over;           /* an eventfd that is rung when the command has ended for good */
	struct child child; /* with its mask and sigpipe */

	pthread_mutex_t lock; /* of the next two, and of who starts and reaps the child */
	bool running;
	bool busy;  /* a request is being answered: the worker's thread will look after the child */
	bool ended; /* for good; final */
	char why[160];
	char *line;
	size_t size, room;
};

/* coprocess_start - execute the command.  Gives 0, or the exit status after it has complained. */
int coprocess_start(struct coprocess *p);

/* coprocess_device - the device whose compute asks the command. */
struct covey_device coprocess_device(struct coprocess *p);

/* coprocess_look - to be called after SIGCHLD: bury a command that died with nothing to do. */
void coprocess_look(struct coprocess *p);

/* coprocess_end - once the worker has ended: close the command's input, give it a moment to end, then have it killed. */
void coprocess_end(struct coprocess *p);

#endif
