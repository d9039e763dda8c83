/* coprocess.h - a command that answers request after request, as a worker's device: see coprocess.c */
#ifndef COVEY_COPROCESS_H
#define COVEY_COPROCESS_H

#include <pthread.h>

#include "exchange.h"

/* Set by the caller: the first block.  The rest is coprocess.c's. */
struct coprocess {
	char **command;
	const char *guard; /* guard_digest() of the group */
	struct answer_form form;
	bool restart;
	int64_t patience;   /* nanoseconds for one answer; COVEY_FOREVER */
	int over;           /* an eventfd that is rung when the command has ended for good */
	struct child child; /* with its mask and sigpipe */

	pthread_mutex_t lock; /* of the next two, and of who starts, signals and reaps the child */
	bool running;
	bool busy;  /* a request is being answered: the worker's thread will look after the child */
	bool ended; /* for good; final */
	bool cut;   /* the worker was told to end before the command answered */
	bool hinted;
	int not_started; /* the last child: an errno; 0: it was */
	struct stop stop;
	char why[160];
	struct answer_bytes answer;
};

/* coprocess_start - execute the command.  Gives 0, or the exit status after it has complained. */
int coprocess_start(struct coprocess *p);

/* coprocess_device - the device whose compute asks the command. */
struct covey_device coprocess_device(struct coprocess *p);

/* coprocess_look - to be called after SIGCHLD: bury a command that died with nothing to do.  After coprocess_close()
 * its end is no news. */
void coprocess_look(struct coprocess *p);

/* coprocess_signal - pass a signal on to the command's process group. */
void coprocess_signal(struct coprocess *p, int signal);

/* coprocess_stop - the worker is to end: the request that is being answered has so many nanoseconds left. */
void coprocess_stop(struct coprocess *p, int64_t grace);

/* coprocess_close - once the worker has ended: close the command's input.  Gives a descriptor that becomes readable
 * when the command has ended, or -1 when there is none. */
int coprocess_close(struct coprocess *p);

/* coprocess_end - after that: have the command killed if it lives, and free what was held. */
void coprocess_end(struct coprocess *p);

#endif
