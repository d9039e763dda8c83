/*
 * path.h - the instructions that a thread ran, recorded once, and the shortest way to each of them again
 */
#ifndef COVEY_TESTS_STEP_PATH_H
#define COVEY_TESTS_STEP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_NOWHERE UINT32_MAX

/* Where to set a breakpoint, and how often to come by; then this many single steps are left. */
struct waypoint {
	uint32_t index; /* of the instruction; the start, if there is none better */
	uint32_t times;
};

struct path {
	uint32_t length; /* instructions; entry n is of the state after n of them */
	uint32_t room;
	uint64_t *pc;
	uint64_t *segment; /* a hash of the region's bytes */
	struct waypoint *way;
	bool *again;      /* a round of a loop like those before it, and not the last one */
	uint32_t cue;     /* where the cue was given, or PATH_NOWHERE */
	bool cue_asleep;  /* while the next instruction slept */
	bool ends_asleep; /* the next sleep after the cue is the end; before it, there is none */
};

void path_begin(struct path *p);
void path_free(struct path *p);
void path_add(struct path *p, uint64_t pc, uint64_t segment);
/* Once it is whole: the ways to all points, from the start, and from the cue on from there. */
void path_finish(struct path *p);

/* Did instruction n change the region, or may it have changed what the kernel holds for the process? */
bool path_distinct(const struct path *p, uint32_t n);
uint32_t path_distinct_count(const struct path *p);

/* Run a thread that is at `from` (the start, or right after the cue) to point n, by breakpoints or by single steps only.
 * False: it did not come there. */
bool path_run(const struct path *p, pid_t thread, uint32_t from, uint32_t n, bool only_steps);

#endif
