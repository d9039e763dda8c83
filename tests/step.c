/*
 * step.c - killed, or stopped, at any instruction
 *
 * A child is single-stepped through one public call.  After N instructions it is killed; then the survivor must finish
 * every call on the same group, the dead one must be reaped to the last block, and the checker must find the segment
 * whole.  The same again with the child only stopped: the survivor finishes every call all the same, and the child,
 * continued, ends its own correctly.
 *
 * COVEY_PROVE=long does it for every N; otherwise a sample: every N up to 10, then growing strides.  The number of points and
 * the length of each call are printed.
 */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct scenario {
	const char *name;
	const struct covey_options *options;
	void (*prepare)(covey *survivor);                 /* before the child is stepped */
	void (*setup)(covey *c, struct covey_lead *lead); /* in the child, not stepped */
	int (*call)(covey *c, struct covey_lead *lead);   /* in the child, stepped */
	bool blocks;                                      /* the call sleeps until the survivor acts */
	void (*release)(covey *survivor);                 /* ends that sleep */
};

static char long_name[300];

/* ------------------------------------------------------------------------------------------------ the child */

static int stepped(void *context)
{
	const struct scenario *s = context;
	covey *c = world_open();
	struct covey_lead lead = {0};

	if (s->setup != NULL)
		s->setup(c, &lead);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP); /* the first step is from here */
	s->call(c, &lead);
	raise(SIGSTOP); /* and the last one ends here */
	covey_close(c);
	return 0;
}

static bool stopped_by(int status, int signal)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

/* Single-step n instructions.  True if the call was over before that; *asleep if it sleeps in the kernel. */
static bool step(pid_t child, long n, bool may_sleep, bool *asleep)
{
	int status;

	*asleep = false;
	for (long i = 0; i < n; i++) {
		int64_t patience = covey_in_ms(may_sleep ? 30 : 60000);
		pid_t r;

		must(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
		for (long spin = 0; (r = waitpid(child, &status, WNOHANG | __WALL)) == 0; spin++) {
			if ((spin & 1023) != 1023 || covey_in_ms(0) < patience)
				continue;
			must(may_sleep);
			*asleep = true;
			return true;
		}
		must(r == child);
		if (stopped_by(status, SIGSTOP))
			return true;
		if (!stopped_by(status, SIGTRAP))
			fprintf(stderr, "stepped child: status %x after %ld\n", status, i);
		must(stopped_by(status, SIGTRAP));
	}
	return false;
}

static pid_t begin(covey *survivor, const struct scenario *s)
{
	pid_t child;
	int status;

	if (s->prepare != NULL)
		s->prepare(survivor);
	child = world_spawn(stepped, (void *)(uintptr_t)s);
	must(waitpid(child, &status, 0) == child);
	must(stopped_by(status, SIGSTOP));
	return child;
}

/* ------------------------------------------------------------------------------------------------ the survivor */

/* Every call on the group, by one who found it in whatever state; ends with nobody leading it. */
static void use_group(covey *c, const char *group)
{
	struct covey_lead lead, again;
	struct covey_info info;
	struct covey_reply reply = text("survivor");
	int r = lead_of(c, group, &lead);

	if (r == COVEY_WAIT) { /* stopped or dying while it leads: depose it */
		r = covey_find(c, group, strlen(group), &info);
		must(r == 0 || r == COVEY_ENOENT);
		if (r == 0)
			r = covey_take_over(c, group, strlen(group), info.generation, &lead);
		if (r != COVEY_LEADER)
			r = lead_of(c, group, &lead);
	}
	if (r == COVEY_RECURSION) /* the scenario has us lead it */
		return;
	must(r == COVEY_LEADER);
	must(lead_of(c, group, &again) == COVEY_RECURSION);
	must(covey_notify_all(c, &lead, &reply) >= 0);
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0);
	must(covey_find(c, group, strlen(group), &info) == COVEY_ENOENT);
}

/* A name that no other child has used. */
static const char *new_name(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "new %d", (int)atomic_load(&world->number[1]));
	return name;
}

static void end_led(covey *c);

static void survive(covey *c)
{
	use_group(c, "g");
	if (atomic_load(&world->number[1]) != 0)
		use_group(c, new_name());
	use_group(c, long_name);
	use_group(c, "another");
	end_led(c);
}

/* Used again, reaped and whole; what is cached for one long name is the only block that may remain. */
static void whole_again(covey *c)
{
	struct covey_usage usage;

	survive(c);
	world_settle(c, 1);
	must(covey_usage_of(c, &usage) == 0);
	world_check(c, usage.heap_blocks <= 1 ? usage.heap_blocks : 1);
}

static bool kill_point(covey *c, const struct scenario *s, long n)
{
	bool asleep;
	pid_t child = begin(c, s);
	bool over = step(child, n, s->blocks, &asleep);

	kill(child, SIGKILL);
	must(world_join(child) == 128 + SIGKILL);
	whole_again(c);
	return over;
}

static bool stop_point(covey *c, const struct scenario *s, long n)
{
	bool asleep;
	pid_t child = begin(c, s);
	bool over = step(child, n, s->blocks, &asleep);
	int status;

	survive(c);
	if (!asleep && !over)
		ptrace(PTRACE_CONT, child, NULL, NULL);
	if (asleep || !over) { /* it must reach the end of its call, and nothing but that */
		do {
			must(waitpid(child, &status, 0) == child);
			if (stopped_by(status, SIGSTOP))
				break;
			must(stopped_by(status, SIGTRAP));
			ptrace(PTRACE_CONT, child, NULL, NULL);
		} while (true);
	}
	ptrace(PTRACE_DETACH, child, NULL, NULL);
	kill(child, SIGCONT);
	must(world_join(child) == 0);
	whole_again(c);
	return over;
}

/* ------------------------------------------------------------------------------------------------ scenarios */

static struct covey_lead led_by_survivor;
static bool survivor_leads;

static void end_led(covey *c)
{
	struct covey_reply reply = text("survivor");

	int r = survivor_leads ? covey_unregister_notify(c, &led_by_survivor, NULL, 0, &reply) : 0;

	must(r >= 0 || r == COVEY_EFENCED);
	survivor_leads = false;
}

static void forget_groups(covey *c)
{
	struct covey_lead lead;
	char group[16];

	for (int i = 0; i < 8; i++) { /* the region holds eight: all others are evicted */
		snprintf(group, sizeof(group), "fill%d", i);
		must(lead_of(c, group, &lead) == COVEY_LEADER);
		must(covey_unregister(c, &lead) == 0);
	}
}

/* More names than the region holds, so that the thread has a full pocket. */
static void fill_pocket(covey *c, struct covey_lead *lead)
{
	char group[16];

	atomic_store(&world->number[1], (int)getpid());

	for (int i = 0; i < 300; i++) {
		snprintf(group, sizeof(group), "once%d", i);
		must(lead_of(c, group, lead) == COVEY_LEADER);
		must(covey_unregister(c, lead) == 0);
	}
}

static void lead_g(covey *c)
{
	must(lead_of(c, "g", &led_by_survivor) == COVEY_LEADER);
	survivor_leads = true;
}

static int call_register(covey *c, struct covey_lead *lead)
{
	return lead_of(c, "g", lead);
}

static int call_register_new(covey *c, struct covey_lead *lead)
{
	return lead_of(c, new_name(), lead);
}

static int call_register_long(covey *c, struct covey_lead *lead)
{
	return lead_of(c, long_name, lead);
}

static void setup_lead(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_LEADER);
}

static int call_publish(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = text("stepped");

	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static int call_unregister(covey *c, struct covey_lead *lead)
{
	return covey_unregister(c, lead);
}

static int call_room(covey *c, struct covey_lead *lead)
{
	uint32_t room;
	void *data;
	int r = covey_room(c, lead, "r", 1, 200000, &data, &room);

	if (r == 0)
		covey_room_free(c, room);
	return r;
}

static int call_room_published(covey *c, struct covey_lead *lead)
{
	struct covey_reply reply = {.size = 5000};
	void *data;

	if (covey_room(c, lead, NULL, 0, 5000, &data, &reply.room) != 0)
		return 0;
	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static int call_find(covey *c, struct covey_lead *lead)
{
	struct covey_info info;

	(void)lead;
	return covey_find(c, "g", 1, &info) + covey_find(c, long_name, strlen(long_name), &info);
}

static int call_take_over(covey *c, struct covey_lead *lead)
{
	struct covey_info info;

	if (covey_find(c, "g", 1, &info) != 0)
		return 0;
	return covey_take_over(c, "g", 1, info.generation, lead);
}

static int call_forward(covey *c, struct covey_lead *lead)
{
	return covey_forward_work(c, lead, (uint32_t)atomic_load(&world->number[0]));
}

static void setup_wait(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_WAIT);
}

static int call_await(covey *c, struct covey_lead *lead)
{
	struct covey_result result;
	char request[500] = "request";
	int r = covey_await(c, lead, request, sizeof(request), COVEY_FOREVER, 0, &result);

	must(r == COVEY_OK || r == COVEY_GAVE_UP || r == COVEY_DIED);
	if (r == COVEY_DIED)
		covey_unregister(c, &result.lead);
	covey_release(c, &result);
	return r;
}

/* Two threads of the survivor wait for what the stepped child leads. */
static int waits_for_stepped(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	int r = lead_of(c, "g", &lead);

	(void)context;
	must(r == COVEY_WAIT || r == COVEY_LEADER);
	if (r == COVEY_WAIT)
		r = covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result);
	else
		must(covey_unregister(c, &lead) == 0);
	must(r != COVEY_OK || says(&result, "stepped") || says(&result, "survivor"));
	if (r == COVEY_DIED)
		must(covey_unregister(c, &result.lead) == 0 || true);
	covey_close(c);
	return 0;
}

static pid_t waiter[2];

static void setup_lead_with_waiters(covey *c, struct covey_lead *lead)
{
	setup_lead(c, lead);
	atomic_store(&world->flag[0], 1);
	until(world_waiters(c, "g") == 2);
}

/* As a worker does: each is answered by itself, and shortly. */
static int call_serve(covey *c, struct covey_lead *lead)
{
	struct covey_request request;
	struct covey_reply reply = text("stepped");
	int r = 0;

	for (int i = 0; i < 2 && r >= 0; i++) {
		r = covey_receive(c, lead, COVEY_FOREVER, &request);
		if (r == 0)
			r = covey_respond(c, lead, &request, &reply);
	}
	must(r >= 0 || r == COVEY_EFENCED);
	return r;
}

/* A thread of the survivor answers. */
static int repeat(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

static int group_of_repeater(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size;
	memcpy(name->data, base.data, base.size);
	return 0;
}

static struct covey_worker *repeater;

static void start_repeater(covey *c)
{
	static const struct covey_worker_options fixed = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};
	static const struct covey_device device = {.group = group_of_repeater, .compute = repeat};

	if (repeater == NULL)
		must(covey_start_worker(c, &device, NULL, 0, (struct covey_bytes){"w", 1}, &fixed, &repeater) == 0);
}

static void setup_ask(covey *c, struct covey_lead *lead)
{
	must(covey_join(c, "w", 1, lead) == COVEY_WAIT);
}

static int call_ask(covey *c, struct covey_lead *lead)
{
	struct covey_result result[2];

	for (int i = 0; i < 2; i++)
		must(covey_await(c, lead, i == 0 ? "one" : "two", 3, COVEY_FOREVER, 0, &result[i]) == COVEY_OK);
	must(says(&result[0], "one") && says(&result[1], "two"));
	covey_release(c, &result[0]);
	covey_release(c, &result[1]);
	return 0;
}

static int leads_and_dies(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	uint32_t room;
	void *data;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, NULL, 0, 100000, &data, &room) == 0);
	must(lead_of(c, long_name, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[1], 1);
	for (;;)
		pause();
}

/* A corpse that the stepped child is to meet.  No keeper is told of it, so none is faster. */
static void leave_a_corpse(covey *c, struct covey_lead *lead)
{
	pid_t child;

	(void)c, (void)lead;
	atomic_store(&world->flag[1], 0);
	child = world_spawn(leads_and_dies, NULL);
	until(atomic_load(&world->flag[1]) == 1);
	world_kill(child);
}

static int call_reap(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return covey_reap(c);
}

static const struct covey_options eight = {.groups = 12, .participants = 6, .heap = 1 << 20, .heap_max = 2 << 20};

static const struct covey_options many = {.groups = 128, .participants = 6, .heap = 1 << 20, .heap_max = 2 << 20};

static const struct scenario scenarios[] = {
        {"register, cached", &eight, NULL, NULL, call_register, false, NULL},
        {"register, evicting", &eight, forget_groups, NULL, call_register, false, NULL},
        {"register, out of the pocket", &many, NULL, fill_pocket, call_register_new, false, NULL},
        {"register a long name", &eight, forget_groups, NULL, call_register_long, false, NULL},
        {"find", &eight, NULL, NULL, call_find, false, NULL},
        {"unregister", &eight, NULL, setup_lead, call_unregister, false, NULL},
        {"publish, alone", &eight, NULL, setup_lead, call_publish, false, NULL},
        {"a large room", &eight, NULL, setup_lead, call_room, false, NULL},
        {"publish a room", &eight, NULL, setup_lead, call_room_published, false, NULL},
        {"forward", &eight, NULL, setup_lead, call_forward, false, NULL},
        {"take over", &eight, lead_g, NULL, call_take_over, false, NULL},
        {"await", &eight, lead_g, setup_wait, call_await, true, NULL},
        {"take over from the dead", &eight, NULL, leave_a_corpse, call_register, false, NULL},
        {"reap", &eight, NULL, leave_a_corpse, call_reap, false, NULL},
        {"publish to two", &eight, NULL, setup_lead_with_waiters, call_publish, false, NULL},
        {"receive and respond", &eight, NULL, setup_lead_with_waiters, call_serve, false, NULL},
        {"ask a worker", &eight, start_repeater, setup_ask, call_ask, false, NULL},
};

static bool has_waiters(const struct scenario *s)
{
	return s->setup == setup_lead_with_waiters;
}

/* The waiters are processes of their own; they are spawned once the child leads, and must all end. */
static int brings_waiters(void *context)
{
	(void)context;
	until(atomic_load(&world->flag[0]) == 1);
	return waits_for_stepped(NULL);
}

static bool point(covey *c, const struct scenario *s, long n, bool killing)
{
	bool over;

	atomic_store(&world->flag[0], 0);
	if (has_waiters(s))
		for (int i = 0; i < 2; i++)
			waiter[i] = world_spawn(brings_waiters, NULL);
	survivor_leads = false;
	over = killing ? kill_point(c, s, n) : stop_point(c, s, n);
	for (int i = 0; i < 2 && has_waiters(s); i++)
		must(world_join(waiter[i]) == 0);
	return over;
}

static long next_point(long n)
{
	const char *stride = getenv("COVEY_STRIDE"); /* where each step costs more */

	if (getenv("COVEY_PROVE") != NULL || n < 10)
		return n + 1;
	return n + n / (stride != NULL ? 1 : 4) + 1;
}

static void every_point(const struct scenario *s, bool killing)
{
	long n = 0, points = 0;
	covey *c;

	world_begin(s->options);
	c = world_open();
	atomic_store(&world->number[0], covey_participant(c));
	for (bool over = false; !over; n = next_point(n), points++)
		over = point(c, s, n, killing);
	print_message("%-26s %s at %5ld points of about %ld instructions\n", s->name, killing ? "killed " : "stopped",
	        points, n);
	/* A publisher that is held for over a second between answering its waiters and ringing them, as single steps and a stop
	 * do, leaves them to the backstop: that is what it is for.  Everybody else must not need it. */
	if (!has_waiters(s))
		assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	if (repeater != NULL)
		assert_int_equal(covey_stop_worker(repeater), COVEY_ESTOPPED);
	repeater = NULL;
	covey_close(c);
}

static void killed_at_any_instruction(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		every_point(&scenarios[i], true);
}

static void stopped_at_any_instruction(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		every_point(&scenarios[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(killed_at_any_instruction),
	        cmocka_unit_test(stopped_at_any_instruction),
	};
	int failed;

	memset(long_name, 'l', sizeof(long_name) - 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return failed;
}
