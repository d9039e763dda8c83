/*
 * guest_plugin.c - a plug-in that uses covey: linked once with the archive, and once with the shared library
 */
#include "guest_plugin.h"

#include <string.h>

static covey *c;
static struct covey_lead leads[8];
static char names[8][32];

static int open_region(const char *region)
{
	return covey_open(&c, region, NULL);
}

static void close_region(void)
{
	covey_close(c);
}

static int ask(const char *group)
{
	struct covey_lead lead;
	int r = covey_find_or_register(c, group, strlen(group), &lead);

	for (int i = 0; r == COVEY_LEADER && i < 8; i++)
		if (names[i][0] == '\0') {
			strncpy(names[i], group, sizeof(names[i]) - 1);
			leads[i] = lead;
			break;
		}
	return r;
}

static int join(const char *group)
{
	struct covey_lead lead;

	return covey_join(c, group, strlen(group), &lead);
}

static int wait_for(const char *group, int64_t until)
{
	struct covey_result result;
	struct covey_lead lead;
	int r = covey_join(c, group, strlen(group), &lead);

	if (r != COVEY_WAIT)
		return -100 - r;
	r = covey_await(c, &lead, NULL, 0, until, 0, &result);
	covey_release(c, &result);
	return r;
}

static int end(const char *group)
{
	for (int i = 0; i < 8; i++)
		if (strcmp(names[i], group) == 0) {
			names[i][0] = '\0';
			return covey_unregister(c, &leads[i]);
		}
	return COVEY_ENOENT;
}

static uint32_t waiters(const char *group)
{
	struct covey_info info;

	return covey_find(c, group, strlen(group), &info) == 0 ? info.waiters : 0;
}

const struct guest guest = {open_region, close_region, ask, join, wait_for, end, waiters};
