/*
 * world.h - what the tests stand on: a region of their own, real processes, and conditions that are awaited
 *
 * A condition that does not come true within a minute fails the test; nothing here asserts how long anything takes.
 */
#ifndef COVEY_TESTS_WORLD_H
#define COVEY_TESTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "covey.h"

/* Memory that the test and its children share. */
struct world {
	char region[64];
	struct covey_options options;
	_Atomic int flag[32];
	_Atomic int count[32];
	_Atomic int64_t number[512];
};
extern struct world *world;

/* A fresh region's name and these options for every later world_open(); the old region is removed. */
void world_begin(const struct covey_options *options);
void world_end(void);
covey *world_open(void);
covey *world_open_apart(void); /* as another participant, also where this process is one already */

/* A child process that runs work(context) and exits with what it returns. */
pid_t world_spawn(int (*work)(void *context), void *context);
/* Its exit status, or 128 + the signal that ended it. */
int world_join(pid_t child);
void world_kill(pid_t child); /* SIGKILL, and wait until it is gone */

/* Ends the process with a message: for children, where cmocka's assertions cannot be heard. */
#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: pid %d: %s\n", __FILE__, __LINE__, (int)getpid(), #condition);         \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* Wait until the condition holds; a minute is for ever. */
#define until(condition)                                                                                               \
	do {                                                                                                           \
		int64_t give_up_ = covey_in_ms(60000);                                                                 \
		while (!(condition)) {                                                                                 \
			if (covey_in_ms(0) > give_up_) {                                                               \
				fprintf(stderr, "%s:%d: pid %d: never came true: %s\n", __FILE__, __LINE__,            \
				        (int)getpid(), #condition);                                                    \
				abort();                                                                               \
			}                                                                                              \
			world_yield();                                                                                 \
		}                                                                                                      \
	} while (0)
void world_yield(void);

/* Keep to one processor, and whom this process spawns from now on: of those that it may use, the nth, and then the first again.
 * Between a tracer and whom it traces the switch is the shortest then. */
void world_keep_to(int nth);

/* How many sleep in the kernel on this shared word, at this instant.  Who is in state S of /proc may not have got there yet, or
 * wait for something else; and an emulator's system calls have numbers of their own. */
int world_sleepers(const _Atomic uint32_t *word);

/* How many wait for this group now; perhaps they do not sleep yet. */
uint32_t world_waiters(covey *c, const char *group);
/* Wait until the dead are reaped and only this many participants are left. */
void world_settle(covey *c, uint32_t participants);
/* The region is whole, and nothing is leaked: `blocks` heap blocks are in use. */
void world_check(covey *c, uint64_t blocks);

static inline int lead_of(covey *c, const char *group, struct covey_lead *lead)
{
	return covey_find_or_register(c, group, strlen(group), lead);
}

static inline struct covey_reply text(const char *s)
{
	return (struct covey_reply){.data = s, .size = strlen(s)};
}

static inline bool says(const struct covey_result *r, const char *s)
{
	return r->size == strlen(s) && (r->size == 0 || memcmp(r->data, s, r->size) == 0);
}

#endif
