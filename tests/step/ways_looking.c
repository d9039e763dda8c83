/*
 * ways_looking.c - monitors, and changes while one is armed; inspecting
 */
#include "internal.h"
#include "watch.h"
#include "ways.h"

#define HOUR INT64_C(3600000000000)

static void ignore(void *context, const struct covey_change *changes, size_t count)
{
	(void)context, (void)changes, (void)count;
}

static bool armed(covey *c)
{
	return (atomic_load(&c->arena.watch[CV_WATCH_ALL]) & CV_WATCH_STATE_MASK) == CV_WATCH_ARMED;
}

/* It arms once: what rings it first is the last that it hears of. */
static void watch(covey *c)
{
	struct covey_monitor *monitor;

	must(covey_start_monitor(c, NULL, 0, HOUR, ignore, NULL, &monitor) == 0);
	until(armed(c));
	atomic_store(&world->flag[FLAG_WATCHED], 1);
}

static void watch_and_lead(covey *c)
{
	lead_g(c);
	watch(c);
}

static int call_await_briefly(covey *c, struct covey_lead *l)
{
	struct covey_result result;
	int r = covey_await(c, l, "q", 1, covey_in_ms(1), 0, &result);

	if (r == COVEY_DIED && result.part == COVEY_TOOK_OVER)
		covey_unregister(c, &result.lead);
	covey_release(c, &result);
	return r;
}

/* ------------------------------------------------------------------------------------------------ in all that changes one */

static int leads_and_sleeps(void *context)
{
	covey *c = world_open();
	struct covey_lead l;

	(void)context;
	until(atomic_load(&world->flag[FLAG_WATCHED]) == 1);
	must(lead_of(c, "g", &l) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

/* ------------------------------------------------------------------------------------------------ the monitor itself */

static struct covey_monitor *monitor;

static int call_start(covey *c, struct covey_lead *l)
{
	(void)l;
	return covey_start_monitor(c, NULL, 0, HOUR, ignore, NULL, &monitor);
}

static int call_stop(covey *c, struct covey_lead *l)
{
	(void)c, (void)l;
	covey_stop_monitor(monitor);
	return 0;
}

static void start(covey *c, struct covey_lead *l)
{
	(void)l;
	must(covey_start_monitor(c, NULL, 0, HOUR, ignore, NULL, &monitor) == 0);
	until(armed(c));
}

/* These look again at once. */
static void start_eager(covey *c, struct covey_lead *l)
{
	(void)l;
	must(covey_start_monitor(c, NULL, 0, 1, ignore, NULL, &monitor) == 0);
	until(armed(c));
}

static void start_eager_of_one(covey *c, struct covey_lead *l)
{
	(void)l;
	must(covey_start_monitor(c, "g", 1, 1, ignore, NULL, &monitor) == 0);
	until(armed(c));
}

static void cue_change(covey *c)
{
	lead_g(c);
}

/* ------------------------------------------------------------------------------------------------ inspecting */

static int see_group(void *context, const struct covey_group_view *group)
{
	(void)context;
	must(group->size != 0);
	return 0;
}

static int see_waiter(void *context, const struct covey_waiter_view *waiter)
{
	(void)context;
	must(waiter->pid != 0);
	return 0;
}

static int see_event(void *context, const struct covey_event_view *event)
{
	(void)context;
	must(event->kind < COVEY_EVENTS);
	return 0;
}

static int call_each_group(covey *c, struct covey_lead *l)
{
	(void)l;
	return covey_each_group(c, see_group, NULL);
}

static int call_each_waiter(covey *c, struct covey_lead *l)
{
	int r = covey_each_waiter(c, "g", 1, see_waiter, NULL);

	(void)l;
	return r == COVEY_ENOENT ? 0 : r;
}

static int call_each_event(covey *c, struct covey_lead *l)
{
	(void)l;
	return covey_each_event(c, see_event, NULL);
}

static int call_figures(covey *c, struct covey_lead *l)
{
	struct covey_usage usage;

	(void)l;
	covey_counter(c, COVEY_COUNT_LED);
	return covey_usage_of(c, &usage);
}

const struct way ways_of_looking[] = {
        {"find_or_register", "watched", &small, .prepare = watch, .setup = attach, .call = call_register},
        {"unregister", "watched", &small, .prepare = watch, .setup = lead_and_tell, .call = call_unregister},
        {"unregister_notify", "two wait, watched", &small, .prepare = watch, .actor = waits_for_g, .actors = 2,
                .setup = lead_two_waiters, .call = call_publish},
        {"await", "its deadline passes, watched", &small, .prepare = watch_and_lead, .setup = join_g,
                .call = call_await_briefly},
        {"forward_work", "to one who dies meanwhile, watched", &small, .prepare = watch, .actor = is_forwarded_to,
                .actors = 1, .setup = lead_and_know_actor, .call = call_forward_to_actor, .cue_kills = true,
                .at = (const void *)(uintptr_t)ways_now},
        {"reap", "a leader, watched", &small, .prepare = watch, .actor = leads_and_sleeps, .actors = 1, .corpse = true,
                .setup = attach_after_actor, .call = call_reap},
        {"unlink", "one is led, watched", &small, .prepare = watch_and_lead, .call = call_unlink, .detached = true,
                .once = true},
        {"start_monitor", "of all groups", &small, .setup = attach, .call = call_start},
        {"stop_monitor", "of all groups", &small, .setup = start, .call = call_stop},
        {"the monitor", "of all groups, sees a change", &small, .setup = start_eager, .call = call_stop,
                .thread = "covey-monitor", .cue = cue_change},
        {"the monitor", "of one group, sees a change", &small, .setup = start_eager_of_one, .call = call_stop,
                .thread = "covey-monitor", .cue = cue_change},
        {"each_group", "one is led", &small, .prepare = lead_g, .setup = attach, .call = call_each_group},
        {"each_waiter", "two wait", &small, .actor = waits_for_g, .actors = 2, .setup = lead_two_waiters,
                .call = call_each_waiter},
        {"each_event", "two histories", &small, .prepare = lead_g, .setup = attach, .call = call_each_event},
        {"usage_of, counter", "one is led", &small, .prepare = lead_g, .setup = attach, .call = call_figures},
        {.what = NULL},
};
