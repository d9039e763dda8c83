/*
 * stage.h - where the fuzzer's calls take place: a region that can be set back, and a kernel in which nothing is left to chance
 */
#ifndef COVEY_TESTS_FUZZ_STAGE_H
#define COVEY_TESTS_FUZZ_STAGE_H

#include "world.h"

#include "internal.h"

#ifdef COVEY_FUZZ_LOADS
#define UNINSTRUMENTED __attribute__((no_sanitize("coverage", "address")))
#else
#define UNINSTRUMENTED
#endif

struct stage {
	covey *c;               /* attached once, set back for each input */
	covey *inspector;       /* the same region, to be read only */
	struct covey_lead lead; /* of the group "mine", which the caller's thread leads in c */
	unsigned char *map;     /* the region's bytes, through a mapping of their own */
	size_t size;
	struct covey_layout layout;
};
extern struct stage stage;

/* Build the region; to be called once. */
void stage_build(void);
/* Its bytes, the caller's thread and the clock as they were built. */
void stage_reset(void);
void stage_end(void);

/* Another attachment, as covey_open() gives it; NULL and *error. */
covey *stage_attach(uint32_t flags, int *error);
void stage_detach(covey *c);

/* One round of this attachment's keeper. */
void stage_keeper(covey *c);

/* Before the load that is so many loads of the region's bytes ahead, call then() once; 0 cancels.  False: this build was not
 * instrumented for it. */
bool stage_at_load(uint32_t loads, void (*then)(void));

#endif
