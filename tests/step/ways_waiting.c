/*
 * ways_waiting.c - awaiting, however it ends; accepting what is forwarded
 */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "ways.h"

void until_waiters(covey *c, uint32_t count)
{
	until(world_waiters(c, "g") == count);
}

void until_later(void)
{
	while (atomic_load(&world->flag[FLAG_LATER]) == 0)
		world_yield();
}

void sleep_for_flag(int flag)
{
	while (atomic_load(&world->flag[flag]) == 0)
		syscall(SYS_futex, &world->flag[flag], FUTEX_WAIT, 0, NULL, NULL, 0);
}

void set_flag(int flag)
{
	atomic_store(&world->flag[flag], 1);
	syscall(SYS_futex, &world->flag[flag], FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* An answer is whole, and one of those that the plays give. */
static void count_answer(const struct covey_result *result)
{
	static const unsigned char large[5000];
	bool is_large = result->size == sizeof(large) && memcmp(result->data, large, sizeof(large)) == 0;

	if (says(result, "stepped") || is_large)
		atomic_fetch_add(&world->count[COUNT_STEPPED], 1);
	else if (says(result, "survivor") || says(result, "successor"))
		atomic_fetch_add(&world->count[COUNT_OTHERS], 1);
	else
		must(result->size == 0 || !"bytes that nobody gave");
}

/* Does the play allow that somebody is told so?  Also who takes over from whom it was full of, while another reaps that one. */
static bool may_be_full(int r)
{
	return r == COVEY_EFULL && atomic_load(&world->flag[FLAG_FULL]) == 1;
}

static void succeed(covey *c, const struct covey_lead *lead)
{
	struct covey_reply reply = text("successor");
	int r;

	atomic_fetch_add(&world->count[COUNT_TOOK_OVER], 1);
	r = covey_unregister_notify(c, lead, NULL, 0, &reply);
	must(r >= 0 || may_be_full(r) || r == COVEY_EFENCED); /* the survivor may have taken over in turn */
}

int waits_for_g(void *context)
{
	const char *const requests[] = {"zero", "one", "two"};
	const char *request = requests[(intptr_t)context];
	covey *c = world_open();
	struct covey_result result;
	struct covey_lead lead;
	int r;

	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	r = covey_join(c, "g", 1, &lead);
	if (r != COVEY_WAIT)
		return r == COVEY_ENOENT ? 0 : 1;
	r = covey_await(c, &lead, request, strlen(request), COVEY_FOREVER, 0, &result);
	if (r == COVEY_OK)
		count_answer(&result);
	else if (r == COVEY_DIED)
		succeed(c, &result.lead);
	else if (r == COVEY_GAVE_UP)
		atomic_fetch_add(&world->count[COUNT_GAVE_UP], 1);
	else if (!may_be_full(r))
		return 1;
	covey_release(c, &result);
	return 0; /* without leaving: its death is one more to be noticed */
}

/* ------------------------------------------------------------------------------------------------ the victim waits */

void join_g(covey *c, struct covey_lead *lead)
{
	until(covey_join(c, "g", 1, lead) == COVEY_WAIT);
}

static int await_with(covey *c, struct covey_lead *lead, size_t request, int64_t deadline, uint32_t flags)
{
	static const char bytes[500] = "request";
	struct covey_result result;
	int r = covey_await(c, lead, bytes, request, deadline, flags, &result);

	if (r == COVEY_DIED && result.part == COVEY_TOOK_OVER)
		covey_unregister(c, &result.lead);
	if (r == COVEY_OK)
		count_answer(&result);
	covey_release(c, &result);
	return r;
}

static int call_await(covey *c, struct covey_lead *lead)
{
	return await_with(c, lead, 7, COVEY_FOREVER, 0);
}

static int call_await_long(covey *c, struct covey_lead *lead)
{
	return await_with(c, lead, 500, COVEY_FOREVER, 0);
}

static int call_await_briefly(covey *c, struct covey_lead *lead)
{
	return await_with(c, lead, 7, covey_in_ms(1), 0);
}

static int call_await_no_takeover(covey *c, struct covey_lead *lead)
{
	return await_with(c, lead, 7, COVEY_FOREVER, COVEY_NO_TAKEOVER);
}

static int call_await_twice(covey *c, struct covey_lead *lead)
{
	int r = await_with(c, lead, 7, COVEY_FOREVER, 0);

	return r < 0 ? r : await_with(c, lead, 500, covey_in_ms(1), 0);
}

static void cue_respond(covey *c)
{
	struct covey_reply reply = text("stepped");
	struct covey_request request;

	if (covey_receive(c, &bystander_lead, COVEY_NOW, &request) == 0)
		must(covey_respond(c, &bystander_lead, &request, &reply) == 1);
}

void cue_publish(covey *c)
{
	struct covey_reply reply = text("stepped");

	must(covey_unregister_notify(c, &bystander_lead, NULL, 0, &reply) >= 0);
	bystander_leads = false;
}

static void cue_publish_large(covey *c)
{
	static const unsigned char bytes[5000];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};

	must(covey_unregister_notify(c, &bystander_lead, NULL, 0, &reply) >= 0);
	bystander_leads = false;
}

static void cue_publish_other(covey *c)
{
	struct covey_reply reply = text("stepped");

	must(covey_unregister_notify(c, &bystander_lead, "other", 5, &reply) >= 0);
	bystander_leads = false;
}

static void cue_give_up(covey *c)
{
	must(covey_unregister(c, &bystander_lead) == 0);
	bystander_leads = false;
}

static int leads_g(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	for (;;)
		pause();
}

/* Actor 0 leads, the others wait. */
static int leads_or_waits(void *context)
{
	return context == NULL ? leads_g(NULL) : waits_for_g(context);
}

static void join_g_third(covey *c, struct covey_lead *lead)
{
	join_g(c, lead);
	until_waiters(c, 2);
}

/* The victim leads a group that is waited for through `other`: the wait of the victim closes the circle. */
static int leads_and_waits(covey *c, covey *other)
{
	struct covey_lead led, lead;
	struct covey_result result;
	int r;

	must(lead_of(c, "g", &led) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	until(covey_join(other, "v", 1, &lead) == COVEY_WAIT);
	r = covey_await(other, &lead, NULL, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER, &result);
	covey_release(other, &result);
	covey_unregister(c, &led);
	return r < 0;
}

static int waits_for_v(void *context)
{
	covey *c = world_open();

	(void)context;
	return leads_and_waits(c, c);
}

static void lead_v(covey *c, struct covey_lead *lead)
{
	struct covey_lead led;

	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	must(lead_of(c, "v", &led) == COVEY_LEADER);
	until(world_waiters(c, "v") == 1);
	must(covey_join(c, "g", 1, lead) == COVEY_WAIT);
}

static int call_await_cycle(covey *c, struct covey_lead *lead)
{
	struct covey_info info;
	struct covey_lead led;
	int r = await_with(c, lead, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER);

	if (covey_find(c, "v", 1, &info) == 0) {
		must(lead_of(c, "v", &led) == COVEY_RECURSION);
		covey_unregister(c, &led);
	}
	return r;
}

/* ------------------------------------------------------------------------------------------------ apart */

/* Through another attachment of the process, or to another region. */
static covey *apart;

static void lead_g_apart(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_LEADER);
	apart = world_open_apart();
	attach(apart, lead);
}

static void finish_apart(covey *c)
{
	(void)c;
	covey_close(apart);
}

static bool is_recursion(int r)
{
	return r == COVEY_RECURSION ||
	       atomic_load(&world->number[NUMBER_COMMAND]) != 0; /* or the survivor came first */
}

static int call_recursion_apart(covey *c, struct covey_lead *lead)
{
	struct covey_lead again;

	(void)c, (void)lead;
	must(is_recursion(covey_join(apart, "g", 1, &again)));
	must(is_recursion(lead_of(apart, "g", &again)));
	return 0;
}

/* Leads "g" and waits for the victim's "v", each through another attachment; so does the victim, the other way round. */
static int waits_for_v_apart(void *context)
{
	covey *c = world_open(), *other = world_open_apart();

	(void)context;
	return leads_and_waits(c, other);
}

static void lead_v_apart(covey *c, struct covey_lead *lead)
{
	lead_v(c, lead);
	apart = world_open_apart();
	must(covey_join(apart, "g", 1, lead) == COVEY_WAIT);
}

/* A circle's member that is told goes back, and so the others. */
static int call_await_cycle_apart(covey *c, struct covey_lead *lead)
{
	struct covey_info info;
	struct covey_lead led;
	int r = await_with(apart, lead, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER);

	if (covey_find(c, "v", 1, &info) == 0 && lead_of(c, "v", &led) == COVEY_RECURSION)
		covey_unregister(c, &led);
	return r;
}

/* The same with "v" in a region of its own, whose name is gone once both have it. */
static covey *open_further(void)
{
	char name[96];
	covey *c;

	snprintf(name, sizeof(name), "%s-further", world->region);
	must(covey_open(&c, name, &small) == 0);
	return c;
}

/* Everybody else has left it, or was reaped. */
static bool is_whole_and_ours(covey *c)
{
	struct covey_usage usage;
	char why[256];

	must(covey_reap(c) >= 0 && covey_usage_of(c, &usage) == 0);
	return usage.participants == 1 && covey_check(c, why, sizeof(why)) == 0;
}

static int waits_for_v_further(void *context)
{
	covey *c = world_open(), *other = open_further();
	struct covey_lead led, lead;
	struct covey_result result;
	int r;

	(void)context;
	must(lead_of(c, "g", &led) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LED], 1);
	until(covey_join(other, "v", 1, &lead) == COVEY_WAIT);
	r = covey_await(other, &lead, NULL, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER, &result);
	covey_release(other, &result);
	covey_unregister(c, &led);
	until(is_whole_and_ours(other));
	return r < 0;
}

static void lead_v_further(covey *c, struct covey_lead *lead)
{
	struct covey_lead led;
	char name[96];

	until(atomic_load(&world->flag[FLAG_LED]) == 1);
	apart = open_further();
	snprintf(name, sizeof(name), "%s-further", world->region);
	must(covey_unlink(name) == 0);
	must(lead_of(apart, "v", &led) == COVEY_LEADER);
	until(world_waiters(apart, "v") == 1);
	must(covey_join(c, "g", 1, lead) == COVEY_WAIT);
}

static int call_await_cycle_further(covey *c, struct covey_lead *lead)
{
	struct covey_lead led;
	int r = await_with(c, lead, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER);

	must(lead_of(apart, "v", &led) == COVEY_RECURSION);
	covey_unregister(apart, &led);
	return r;
}

/* ------------------------------------------------------------------------------------------------ accepting */

static void hand_over(covey *c)
{
	int r = covey_forward_work(c, &bystander_lead, (uint32_t)atomic_load(&world->number[NUMBER_VICTIM]));

	must(r == 0);
	bystander_leads = false;
}

static void be_handed(covey *c, struct covey_lead *lead)
{
	(void)lead;
	must(covey_find(c, long_name, LONG_NAME_SIZE, NULL) == COVEY_ENOENT);
	atomic_store(&world->number[NUMBER_VICTIM], covey_participant(c));
}

static int hands_over(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	until(atomic_load(&world->number[NUMBER_VICTIM]) != 0);
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_forward_work(c, &lead, (uint32_t)atomic_load(&world->number[NUMBER_VICTIM])) == 0);
	atomic_store(&world->flag[FLAG_LED], 1);
	return 0;
}

static void be_handed_already(covey *c, struct covey_lead *lead)
{
	be_handed(c, lead);
	until(atomic_load(&world->flag[FLAG_LED]) == 1);
}

static void know_who_leads(covey *c, struct covey_lead *lead)
{
	be_handed(c, lead);
	until(covey_find(c, "g", 1, NULL) == 0);
}

static int call_accept(covey *c, struct covey_lead *lead)
{
	int r = covey_accept_work(c, "g", 1, COVEY_FOREVER, lead);

	return r == COVEY_ENOENT ? 0 : r; /* another took it over meanwhile */
}

const struct way ways_of_waiting[] = {
        {"await", "answered while the leader goes on", &small, .prepare = lead_g, .setup = join_g, .call = call_await,
                .cue = cue_respond},
        {"await", "a long request, answered so", &small, .prepare = lead_g, .setup = join_g, .call = call_await_long,
                .cue = cue_respond},
        {"await", "published", &small, .prepare = lead_g, .setup = join_g, .call = call_await, .cue = cue_publish},
        {"await", "published, large", &small, .prepare = lead_g, .setup = join_g, .call = call_await_long,
                .cue = cue_publish_large},
        {"await", "published to others", &small, .prepare = lead_g, .setup = join_g, .call = call_await_long,
                .cue = cue_publish_other},
        {"await", "given up", &small, .prepare = lead_g, .setup = join_g, .call = call_await, .cue = cue_give_up},
        {"await", "its deadline passes", &small, .prepare = lead_g, .setup = join_g, .call = call_await_briefly},
        {"await", "answered, then its deadline passes", &small, .prepare = lead_g, .setup = join_g,
                .call = call_await_twice, .cue = cue_respond},
        {"await", "the leader dies, it takes over", &small, .actor = leads_or_waits, .actors = 1, .cue_kills = true,
                .setup = join_g, .call = call_await},
        {"await", "the leader dies, one of three waiters", &small, .actor = leads_or_waits, .actors = 3,
                .cue_kills = true, .setup = join_g_third, .call = call_await},
        {"await", "the leader dies, without taking over", &small, .actor = leads_or_waits, .actors = 1,
                .cue_kills = true, .setup = join_g, .call = call_await_no_takeover},
        {"await", "it closes a circle", &small, .actor = waits_for_v, .actors = 1, .setup = lead_v,
                .call = call_await_cycle},
        {"await", "it closes a circle, attachments apart", &small, .actor = waits_for_v_apart, .actors = 1,
                .setup = lead_v_apart, .call = call_await_cycle_apart, .finish = finish_apart},
        {"await", "it closes a circle through two regions", &small, .actor = waits_for_v_further, .actors = 1,
                .setup = lead_v_further, .call = call_await_cycle_further, .finish = finish_apart},
        {"join, find_or_register", "led by itself, apart", &small, .setup = lead_g_apart, .call = call_recursion_apart,
                .finish = finish_apart},
        {"accept_work", "handed already", &small, .actor = hands_over, .actors = 1, .setup = be_handed_already,
                .call = call_accept},
        {"accept_work", "handed while it sleeps", &small, .prepare = lead_g, .setup = be_handed, .call = call_accept,
                .cue = hand_over},
        {"accept_work", "the leader dies first", &small, .actor = leads_or_waits, .actors = 1, .cue_kills = true,
                .setup = know_who_leads, .call = call_accept},
        {.what = NULL},
};
