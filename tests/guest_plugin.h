/*
 * guest_plugin.h - what guest_plugin.c shows to the tests that load it
 */
#ifndef COVEY_TESTS_GUEST_PLUGIN_H
#define COVEY_TESTS_GUEST_PLUGIN_H

#include "covey.h"

/* Of one copy of the library: its functions, each of one group of the region that it has open. */
struct guest {
	int (*open)(const char *region); /* as covey_open() */
	void (*close)(void);
	int (*ask)(const char *group);  /* as covey_find_or_register() */
	int (*join)(const char *group); /* as covey_join() */
	int (*wait)(
	        const char *group, int64_t until); /* joined and awaited: the outcome; or -100 less what joining gave */
	int (*end)(const char *group);             /* what ask() gave is given up */
	uint32_t (*waiters)(const char *group);
};

COVEY_API extern const struct guest guest;

#endif
