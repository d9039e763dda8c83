/*
 * guest_clocks.c - containers whose monotonic clocks are days apart see each other's ages and histories right
 *
 * Each side is a real process; the one inside is in a time namespace whose clock is ten days ahead, as after a container
 * was moved from another machine.
 */
#include "guest.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define AHEAD_S 864000
#define SANE_NS (INT64_C(3600) * 1000000000) /* far more than any of this takes, far less than ten days */

/* Children of this process are in another time from here on. */
static bool children_in_another_time(void)
{
	char text[64];
	int fd, n = snprintf(text, sizeof(text), "monotonic %d 500000000\n", AHEAD_S);

	if (unshare(CLONE_NEWTIME) != 0 || (fd = open("/proc/self/timens_offsets", O_WRONLY)) < 0)
		return false;
	if (write(fd, text, (size_t)n) != n) {
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

static bool sane(int64_t since)
{
	int64_t now = covey_in_ms(0);

	return since > now - SANE_NS && since <= now;
}

/* ------------------------------------------------------------------------------------------------ what one sees */

static int waiter_sane(void *context, const struct covey_waiter_view *v)
{
	must(sane(v->since));
	++*(int *)context;
	return 0;
}

static int participant_sane(void *context, const struct covey_participant_view *v)
{
	must(sane(v->since));
	++*(int *)context;
	return 0;
}

static int event_sane(void *context, const struct covey_event_view *v)
{
	must(sane(v->since) && sane(v->time));
	++*(int *)context;
	return 0;
}

static int group_sane(void *context, const struct covey_group_view *v)
{
	must(sane(v->info.since));
	++*(int *)context;
	return 0;
}

static void sees_sane_times(covey *c, const char *group)
{
	int groups = 0, waiters = 0, participants = 0, events = 0;
	struct covey_info info;

	must(covey_find(c, group, strlen(group), &info) == 0 && sane(info.since));
	must(covey_each_waiter(c, group, strlen(group), waiter_sane, &waiters) == 1 && waiters == 1);
	must(covey_each_group(c, group_sane, &groups) > 0 && groups > 0);
	must(covey_each_participant(c, participant_sane, &participants) >= 2 && participants >= 2);
	must(covey_each_event(c, event_sane, &events) >= 2 && events >= 2);
}

/* ------------------------------------------------------------------------------------------------ both sides */

enum { INSIDE_LEADS, OUTSIDE_LEADS, SEEN_INSIDE, SEEN_OUTSIDE, CANNOT };

static int waits_outside(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "of inside", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(result.wait >= 0 && result.wait < SANE_NS);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static int waits_inside(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "of inside", &lead) == COVEY_WAIT); /* until somebody waits for the other one */
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(5), 0, &result) == COVEY_TIMED_OUT);
	must(lead_of(c, "of outside", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(result.wait >= 0 && result.wait < SANE_NS);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* The handle is its own, or inherited from a parent that has another clock; it inspects through a second one of that kind. */
static void works_inside(covey *c, covey *looks)
{
	struct covey_reply reply = text("x");
	struct covey_lead lead;
	pid_t waiter;

	must(lead_of(c, "of inside", &lead) == COVEY_LEADER);
	waiter = world_spawn(waits_inside, NULL);
	atomic_store(&world->flag[INSIDE_LEADS], 1);
	until(atomic_load(&world->flag[OUTSIDE_LEADS]) == 1);
	until(world_waiters(c, "of inside") == 1 && world_waiters(c, "of outside") == 1);
	sees_sane_times(c, "of outside");
	sees_sane_times(c, "of inside");
	sees_sane_times(looks, "of outside");
	sees_sane_times(looks, "of inside");
	atomic_store(&world->flag[SEEN_INSIDE], 1);
	until(atomic_load(&world->flag[SEEN_OUTSIDE]) == 1);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	must(world_join(waiter) == 0);
	covey_close(looks);
	covey_close(c);
}

static covey *inspector(void)
{
	struct covey_options options = world->options;
	covey *c;

	options.flags |= COVEY_INSPECT;
	must(covey_open(&c, world->region, &options) == 0);
	return c;
}

static covey *inherited, *inherited_looks;

static int opens_and_works(void *context)
{
	covey *looks = inspector();

	(void)context;
	works_inside(world_open(), looks);
	return 0;
}

static int works_with_what_it_inherited(void *context)
{
	(void)context;
	works_inside(inherited, inherited_looks);
	return 0;
}

static int enters(void *inherits)
{
	bool may;

	if (*(bool *)inherits) {
		inherited = world_open();
		inherited_looks = inspector();
	}
	may = children_in_another_time();
	if (!may) {
		atomic_store(&world->flag[CANNOT], 1);
		return GUEST_CANNOT;
	}
	return world_join(world_spawn(*(bool *)inherits ? works_with_what_it_inherited : opens_and_works, NULL));
}

static void both_sides_see_sane_times(bool inherits)
{
	struct covey_reply reply = text("x");
	struct covey_lead lead;
	pid_t inside, waiter;
	covey *c, *looks;

	world_begin(NULL);
	c = world_open();
	looks = inspector();
	assert_int_equal(lead_of(c, "of outside", &lead), COVEY_LEADER);
	inside = world_spawn(enters, &inherits);
	until(atomic_load(&world->flag[INSIDE_LEADS]) == 1 || atomic_load(&world->flag[CANNOT]) == 1);
	if (atomic_load(&world->flag[CANNOT]) == 1) {
		world_join(inside);
		covey_close(looks);
		covey_close(c);
		skip_because("no time namespace of its own");
	}
	waiter = world_spawn(waits_outside, NULL);
	atomic_store(&world->flag[OUTSIDE_LEADS], 1);
	until(atomic_load(&world->flag[SEEN_INSIDE]) == 1);
	sees_sane_times(c, "of inside");
	sees_sane_times(c, "of outside");
	sees_sane_times(looks, "of inside");
	sees_sane_times(looks, "of outside");
	atomic_store(&world->flag[SEEN_OUTSIDE], 1);
	assert_true(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	assert_int_equal(world_join(inside), 0);
	assert_int_equal(world_join(waiter), 0);
	covey_close(looks);
	settled(c);
}

static void another_clock(void **state)
{
	(void)state;
	both_sides_see_sane_times(false);
}

static void another_clock_after_a_fork(void **state)
{
	(void)state;
	both_sides_see_sane_times(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(another_clock),
	        cmocka_unit_test(another_clock_after_a_fork),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
