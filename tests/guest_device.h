/*
 * guest_device.h - one device in workers of all three kinds: it does what is asked of it, by name
 */
#ifndef COVEY_TESTS_GUEST_DEVICE_H
#define COVEY_TESTS_GUEST_DEVICE_H

#include "covey.h"

/*
 * Requests:
 *	give up        gives up, with a result and an error beside it
 *	outer          resolves "inner" of its own group, and tells the outcome, the part, and whether it ran in a worker
 *	fork           forks; the child returns.  The parent tells how that one ended, as world_join() does
 *	fork and ask   the same, but the child calls covey first
 *	exit           ends its thread
 *	what else      is the answer
 */
COVEY_API extern const struct covey_device guest_device;        /* by a worker of its own, over the library's */
COVEY_API extern const struct covey_device guest_device_hosted; /* the same without */
COVEY_API void guest_use(covey *c);                             /* for the calls that it makes */

/* The three kinds. */
enum guest_kind { GUEST_THREAD, GUEST_PROCESS, GUEST_HOSTED, GUEST_KINDS };

/* Once, first thing in main(): whether this is a worker's process, and what it ended with. */
int guest_main(char **argv, int *status);

/* A worker of this kind that serves the device's group, "guest".  It keeps its state, and never idles too long but with timeout.
 * A host is made for it, which *host is to be ended. */
struct covey_worker *guest_start(
        covey *c, enum guest_kind kind, const struct covey_device *device, int64_t timeout, struct covey_host **host);

/* Ask its group's leader: the outcome; *out is to be released. */
int guest_ask(covey *c, const char *request, struct covey_result *out);

#endif
