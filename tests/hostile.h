/*
 * hostile.h - what the tests of a hostile world share: that neighbours finish, whatever has happened to others
 */
#ifndef COVEY_TESTS_HOSTILE_H
#define COVEY_TESTS_HOSTILE_H

#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NEIGHBOUR_LEADS = 30, NEIGHBOUR_STAYS }; /* of world->flag */

static inline int neighbour_leads(void *context)
{
	struct covey_reply reply = text("from next door");
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "next door", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[NEIGHBOUR_LEADS], 1);
	until(world_waiters(c, "next door") == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	covey_close(c);
	return 0;
}

static inline int neighbour_waits(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "next door", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(says(&result, "from next door"));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Two newcomers meet in the region, and one takes the other's result. */
static inline void neighbours_finish(void)
{
	pid_t leader, waiter;

	atomic_store(&world->flag[NEIGHBOUR_LEADS], 0);
	leader = world_spawn(neighbour_leads, NULL);
	until(atomic_load(&world->flag[NEIGHBOUR_LEADS]) == 1);
	waiter = world_spawn(neighbour_waits, NULL);
	must(world_join(waiter) == 0);
	must(world_join(leader) == 0);
}

/* Leads the group of this name until it is killed. */
static inline int leads_until_killed(void *context)
{
	struct covey_lead lead;
	covey *c = world_open();

	must(lead_of(c, context, &lead) == COVEY_LEADER);
	atomic_fetch_add(&world->flag[NEIGHBOUR_STAYS], 1);
	for (;;)
		pause();
	return 0;
}

/* Gives when it leads. */
static inline pid_t spawn_leader(const char *group)
{
	int before = atomic_load(&world->flag[NEIGHBOUR_STAYS]);
	pid_t child = world_spawn(leads_until_killed, (void *)(uintptr_t)group);

	until(atomic_load(&world->flag[NEIGHBOUR_STAYS]) == before + 1);
	return child;
}

/* Waits for "g", and succeeds its leader or gets what a successor says. */
static inline int waits_or_succeeds(void *context)
{
	struct covey_reply reply = text("from the successor");
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();
	int r;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result);
	must(r == COVEY_DIED || (r == COVEY_OK && says(&result, "from the successor")));
	if (r == COVEY_DIED)
		must(covey_unregister_notify(c, &result.lead, NULL, 0, &reply) >= 0);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* Nobody else is left, nothing of the others is, and nobody had to be woken by the backstop. */
static inline void settled(covey *c)
{
	world_settle(c, 1);
	world_check(c, 0);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	covey_close(c);
}

#define skip_because(reason)                                                                                           \
	do {                                                                                                           \
		print_message("skipped: %s\n", reason);                                                                \
		skip();                                                                                                \
	} while (0)

#endif
