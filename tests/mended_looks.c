/*
 * mended_looks.c - another process is known by several words: what is told of it must have been true together
 *
 * A process is single-stepped into a call that has to do with another, and stopped after N instructions, for every seventh N
 * (COVEY_PROVE: every one).  Meanwhile the other one ends what it does, is killed and reaped, and a stranger gets its slot
 * and its seat.  Continued, the call must tell of the other as it was, or of nobody; not that it died as it led, and not of
 * the stranger.  Nor may the stranger keep a group that was being forwarded to the other one; also if the forwarder is
 * killed before it is done.
 */
#include "world.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "internal.h"

enum { THERE, END, ENDED, STRANGER };                      /* of world->flag */
enum { ANSWER, GENERATION, PID, SLOT, LED, OTHER, ALIVE }; /* of world->number */

/* ------------------------------------------------------------------------------------------------ who is stepped */

static struct covey_lead held; /* a process's own */

static void note(int r, uint64_t generation, pid_t pid, bool alive)
{
	atomic_store(&world->number[ANSWER], r);
	atomic_store(&world->number[GENERATION], (int64_t)generation);
	atomic_store(&world->number[PID], pid);
	atomic_store(&world->number[ALIVE], alive);
}

static void finds(covey *c)
{
	struct covey_info info = {0};
	int r = covey_find(c, "g", 1, &info);

	note(r == 0 ? COVEY_WAIT : r, info.generation, info.pid, true);
}

static void registers(covey *c)
{
	struct covey_lead lead = {0};
	int r = lead_of(c, "g", &lead);

	note(r, lead.generation, lead.pid, true);
	if (r == COVEY_LEADER)
		covey_unregister(c, &lead);
}

static void joins(covey *c)
{
	struct covey_lead lead = {0};
	int r = covey_join(c, "g", 1, &lead);

	note(r, lead.generation, lead.pid, true);
}

static int visit(void *context, const struct covey_group_view *group)
{
	(void)context;
	if (group->size == 1 && *(const char *)group->name == 'g')
		note(COVEY_WAIT, group->info.generation, group->info.pid, group->leader_alive);
	return 0;
}

static void visits(covey *c)
{
	note(COVEY_ENOENT, 0, 0, true);
	covey_each_group(c, visit, NULL);
}

/* Of the third participant, beside this one and the test: its name says who it is. */
static int sees(void *context, const struct covey_participant_view *view)
{
	(void)context;
	if (view->pid != getpid() && view->pid != getppid())
		note(strcmp(view->command, "other") == 0, (uint64_t)view->since, view->pid, view->alive);
	return 0;
}

static void sees_all(covey *c)
{
	note(-1, 0, 0, true);
	covey_each_participant(c, sees, NULL);
}

static void waits(covey *c)
{
	struct covey_result result;

	if (covey_join(c, "g", 1, &held) == COVEY_WAIT)
		covey_await(c, &held, NULL, 0, covey_in_ms(1), 0, &result);
}

static void begins_to_lead(covey *c)
{
	must(lead_of(c, "g", &held) == COVEY_LEADER);
	atomic_store(&world->number[LED], (int64_t)held.generation);
}

static void receives(covey *c)
{
	struct covey_request request = {0};
	int r = covey_receive(c, &held, COVEY_NOW, &request);

	note(r, held.generation, request.pid, true);
}

static void begins_and_receives(covey *c)
{
	begins_to_lead(c);
	receives(c);
}

static void forwards(covey *c)
{
	int r = covey_forward_work(c, &held, (uint32_t)atomic_load(&world->number[OTHER]));

	must(r == 0 || (r == COVEY_ENOENT && covey_unregister(c, &held) == 0));
}

/* Who is stepped, and who is replaced meanwhile; the first is there before the other. */
struct play {
	void (*prepare)(covey *c); /* not stepped */
	void (*call)(covey *c);
	int (*other)(void *context);
	void (*judge)(covey *c, pid_t stepped, pid_t other);
	uint32_t waiters; /* for the group, before the first step */
};

static int is_stepped(void *context)
{
	const struct play *play = context;
	covey *c = world_open();

	play->prepare(c);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP); /* the first step is from here */
	play->call(c);
	raise(SIGSTOP); /* and the last one ends here */
	covey_close(c);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the others */

static void is_there(covey *c)
{
	atomic_store(&world->number[OTHER], covey_participant(c));
	atomic_store(&world->number[SLOT], covey_participant(c) & 0x1fff);
	atomic_store(&world->flag[THERE], 1);
}

static _Noreturn void has_ended(void)
{
	atomic_store(&world->flag[ENDED], 1);
	for (;;)
		pause();
}

static int leads(void *context)
{
	covey *c = world_open();

	(void)context;
	begins_to_lead(c);
	is_there(c);
	until(atomic_load(&world->flag[END]) == 1);
	must(covey_unregister(c, &held) == 0);
	has_ended();
}

static int takes_part(void *context)
{
	(void)context;
	is_there(world_open());
	has_ended();
}

static int is_seen(void *context)
{
	covey *c;

	(void)context;
	prctl(PR_SET_NAME, "other");
	c = world_open();
	is_there(c);
	atomic_store(&world->number[LED], (int64_t)atomic_load(&c->slots[c->slot].since));
	has_ended();
}

static int asks(void *context)
{
	struct covey_result result;
	covey *c = world_open();

	(void)context;
	must(covey_join(c, "g", 1, &held) == COVEY_WAIT);
	atomic_store(&world->flag[ENDED], 1);
	is_there(c);
	covey_await(c, &held, "what", 4, COVEY_FOREVER, 0, &result);
	return 1; /* it is killed as it waits */
}

/* In the end it is told that there is nothing, or left the group. */
static int waits_for_all(void *context)
{
	struct covey_result result;
	covey *c = world_open();
	int r;

	(void)context;
	must(covey_join(c, "g", 1, &held) == COVEY_WAIT);
	r = covey_await(c, &held, NULL, 0, covey_in_ms(20000), 0, &result);
	must(r == COVEY_GAVE_UP || (r == COVEY_DIED && result.part == COVEY_TOOK_OVER));
	must(r == COVEY_GAVE_UP || covey_unregister(c, &result.lead) == 0);
	covey_close(c);
	return 0;
}

static int is_a_stranger(void *context)
{
	covey *c;

	(void)context;
	prctl(PR_SET_NAME, "stranger");
	c = world_open();
	while ((covey_participant(c) & 0x1fff) != atomic_load(&world->number[SLOT])) {
		covey_close(c); /* whoever reaped the other one holds that slot's lock for a moment longer */
		c = world_open();
	}
	must(lead_of(c, "another", &held) == COVEY_LEADER);
	atomic_store(&world->flag[STRANGER], 1);
	for (;;)
		pause();
	return 0;
}

/* ------------------------------------------------------------------------------------------------ what is told */

static void told_of(pid_t told, pid_t other)
{
	if (told != other)
		fprintf(stderr, "told of pid %d instead of %d\n", (int)told, (int)other);
	must(told == other);
}

static void judge_look(covey *c, pid_t stepped, pid_t other)
{
	(void)c, (void)stepped;
	if (atomic_load(&world->number[ANSWER]) != COVEY_WAIT)
		return;
	must(atomic_load(&world->number[GENERATION]) == atomic_load(&world->number[LED]));
	told_of((pid_t)atomic_load(&world->number[PID]), other);
	must(atomic_load(&world->number[ALIVE]));
}

/* All that is told is of the one, or of the other; and neither was seen dead. */
static void judge_participant(covey *c, pid_t stepped, pid_t other)
{
	int64_t told = atomic_load(&world->number[ANSWER]);

	(void)c, (void)stepped;
	must(told >= 0 && atomic_load(&world->number[ALIVE]));
	must((told == 1) == (atomic_load(&world->number[PID]) == other));
	must((told == 1) == (atomic_load(&world->number[GENERATION]) == atomic_load(&world->number[LED])));
}

static void judge_request(covey *c, pid_t stepped, pid_t other)
{
	(void)c, (void)stepped;
	if (atomic_load(&world->number[ANSWER]) == 0)
		told_of((pid_t)atomic_load(&world->number[PID]), other);
}

struct story {
	pid_t stepped, other;
	uint32_t waits;
};

static int tells(void *context, const struct covey_event_view *event)
{
	struct story *story = context;
	bool waiting = event->kind == COVEY_EVENT_WAITING || event->kind == COVEY_EVENT_UNANSWERED ||
	               event->kind == COVEY_EVENT_DIED;

	/* pids come again, but not with this generation */
	if (event->pid != story->stepped || event->generation < (uint64_t)atomic_load(&world->number[LED]))
		return 0;
	if ((waiting || event->kind == COVEY_EVENT_FORWARDED) && event->peer != 0 && story->other != 0)
		told_of(event->peer, story->other);
	story->waits += waiting;
	return 0;
}

static void judge_history(covey *c, pid_t stepped, pid_t other)
{
	struct story story = {.stepped = stepped, .other = other};

	must(covey_each_event(c, tells, &story) >= 0);
}

/* That it waits is in its history: nothing more is told of whom it waits for. */
static bool has_told(covey *c, pid_t stepped)
{
	struct story story = {.stepped = stepped};

	must(covey_each_event(c, tells, &story) >= 0);
	return story.waits != 0;
}

/* ------------------------------------------------------------------------------------------------ one performance */

struct stage {
	covey *c;
	const struct play *play;
	pid_t stepped, other, stranger, waiter; /* 0: not there */
};

static bool stopped_by(int status, int signal)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

static void await_stop(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0) == child);
	must(stopped_by(status, SIGSTOP));
}

/* True if the call was over before that. */
static bool step(pid_t child, long n)
{
	int status;

	for (long i = 0; i < n; i++) {
		must(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
		must(waitpid(child, &status, __WALL) == child);
		if (stopped_by(status, SIGSTOP))
			return true;
		must(stopped_by(status, SIGTRAP));
	}
	return false;
}

static void begin(struct stage *s)
{
	memset(world->flag, 0, sizeof(world->flag));
	s->stepped = world_spawn(is_stepped, (void *)(uintptr_t)s->play);
	await_stop(s->stepped);
	s->other = world_spawn(s->play->other, NULL);
	until(atomic_load(&world->flag[THERE]) == 1);
	s->waiter = s->play->call == forwards ? world_spawn(waits_for_all, NULL) : 0;
	until(world_waiters(s->c, "g") == s->play->waiters);
}

/* The other one is gone, and a stranger has its place. */
static void replace(struct stage *s)
{
	atomic_store(&world->flag[END], 1);
	until(atomic_load(&world->flag[ENDED]) == 1);
	world_kill(s->other);
	until(covey_reap(s->c) >= 0 &&
	        atomic_load(&s->c->slots[atomic_load(&world->number[SLOT]) - 1].state) == COVEY_SLOT_FREE);
	s->stranger = world_spawn(is_a_stranger, NULL);
	until(atomic_load(&world->flag[STRANGER]) == 1);
}

static void end(struct stage *s)
{
	must(s->waiter == 0 || world_join(s->waiter) == 0); /* before the forwarder leaves */
	if (s->stepped != 0) {
		ptrace(PTRACE_DETACH, s->stepped, NULL, NULL);
		kill(s->stepped, SIGCONT);
		must(world_join(s->stepped) == 0);
	}
	world_kill(s->stranger);
	world_settle(s->c, 1);
}

static long stride(void)
{
	return getenv("COVEY_PROVE") != NULL ? 1 : 7;
}

/* Where what may go wrong lies dozens of instructions apart. */
static long wide_stride(void)
{
	return stride() == 7 ? 21 : stride();
}

/* How many instructions it is until then. */
static long steps_until(covey *c, const struct play *play, bool (*reached)(covey *c))
{
	struct stage s = {.c = c, .play = play};
	long n = 0;

	begin(&s);
	while (!reached(c)) {
		must(!step(s.stepped, 1));
		n++;
	}
	replace(&s);
	ptrace(PTRACE_CONT, s.stepped, NULL, NULL);
	await_stop(s.stepped);
	end(&s);
	return n;
}

static bool replaced_after(covey *c, const struct play *play, long n)
{
	struct stage s = {.c = c, .play = play};
	bool over, told;

	begin(&s);
	over = step(s.stepped, n);
	told = play->call == waits && has_told(c, s.stepped);
	replace(&s);
	if (!over) {
		ptrace(PTRACE_CONT, s.stepped, NULL, NULL);
		await_stop(s.stepped);
	}
	play->judge(c, s.stepped, s.other);
	end(&s);
	return over || told;
}

/* So few that to look through all of them takes not many instructions. */
static const struct covey_options few = {.participants = 8, .threads = 24};

/* From a little before it has reached that; NULL: from its beginning. */
static void replaced_from(const struct play *play, bool (*reached)(covey *c))
{
	long n = 0;
	covey *c;

	world_begin(&few);
	c = world_open();
	if (reached != NULL && stride() == 7)
		n = steps_until(c, play, reached) - 50;
	while (!replaced_after(c, play, n))
		n += play->call == forwards || play->call == receives ? wide_stride() : stride();
	assert_true(n > 100);
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_check(c, 0);
	covey_close(c);
}

static void replaced_anywhere(const struct play *play)
{
	replaced_from(play, NULL);
}

/* ------------------------------------------------------------------------------------------------ replaced as ... */

static void a_leader_ends_as_it_is_found(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){finds, finds, leads, judge_look, 0});
}

static void a_leader_ends_as_one_registers(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){registers, registers, leads, judge_look, 0});
}

static void a_leader_ends_as_one_joins(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){joins, joins, leads, judge_look, 0});
}

static void a_leader_ends_as_it_is_listed(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){visits, visits, leads, judge_look, 0});
}

static void a_participant_ends_as_it_is_listed(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){sees_all, sees_all, is_seen, judge_participant, 0});
}

/* ------------------------------------------------------------------------------------------------ attaching, leaving */

static int comes_and_leaves(void *context)
{
	covey *c;

	(void)context;
	prctl(PR_SET_NAME, "other");
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	c = world_open();
	raise(SIGSTOP);
	covey_close(c);
	raise(SIGSTOP);
	return 0;
}

struct seen {
	pid_t child;
	int times, dead;
};

static int sees_child(void *context, const struct covey_participant_view *view)
{
	struct seen *seen = context;

	if (view->pid == getpid())
		return 0;
	must(view->pid == seen->child && strcmp(view->command, "other") == 0);
	seen->times++;
	seen->dead += !view->alive;
	return 0;
}

/* After each instruction until it stops by itself. */
static void look_at_each_step(covey *c, struct seen *seen)
{
	struct covey_usage usage;

	while (!step(seen->child, 1)) {
		must(covey_each_participant(c, sees_child, seen) >= 1 && covey_usage_of(c, &usage) == 0);
		seen->dead += (int)usage.participants_dead;
	}
}

static void who_comes_is_not_told_as_dead(void **state)
{
	struct seen seen = {0};
	covey *c;

	(void)state;
	world_begin(&few);
	c = world_open();
	seen.child = world_spawn(comes_and_leaves, NULL);
	await_stop(seen.child);
	look_at_each_step(c, &seen);
	assert_true(seen.times > 0);
	assert_int_equal(seen.dead, 0);
	look_at_each_step(c, &seen); /* as it leaves, its life has ended, and its slot is not free yet */
	assert_true(seen.dead > 0);
	ptrace(PTRACE_DETACH, seen.child, NULL, NULL);
	kill(seen.child, SIGCONT);
	assert_int_equal(world_join(seen.child), 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ waiting, receiving */

static bool is_waited_for(covey *c)
{
	return world_waiters(c, "g") != 0;
}

static void a_leader_ends_as_one_waits(void **state)
{
	(void)state;
	replaced_from(&(struct play){waits, waits, leads, judge_history, 0}, is_waited_for);
}

static void an_asker_leaves_as_its_request_is_received(void **state)
{
	(void)state;
	replaced_anywhere(&(struct play){begins_and_receives, receives, asks, judge_request, 1});
}

/* ------------------------------------------------------------------------------------------------ forwarding */

static const struct play forwarding = {begins_to_lead, forwards, takes_part, judge_history, 1};

static void a_stranger_is_not_forwarded_to(void **state)
{
	(void)state;
	replaced_anywhere(&forwarding);
}

/* Whether it has handed the group over. */
static bool handed(covey *c)
{
	for (uint32_t i = 1; i <= c->arena.node_count; i++)
		if (cv_word_state(atomic_load(&c->arena.nodes[i].own)) == CV_HANDED)
			return true;
	return false;
}

/* The other one is replaced before the last of the first steps, and the forwarder is killed after some more. */
static bool killed_after(covey *c, long first, long more)
{
	struct stage s = {.c = c, .play = &forwarding};
	bool over;

	begin(&s);
	must(!step(s.stepped, first - 1));
	must(!handed(c));
	replace(&s);
	must(!step(s.stepped, 1));
	must(handed(c));
	over = step(s.stepped, more);
	world_kill(s.stepped);
	s.stepped = 0;
	end(&s);
	return over;
}

static void a_stranger_does_not_keep_what_the_dead_forwarded(void **state)
{
	long first, more = 0;
	covey *c;

	(void)state;
	world_begin(&few);
	c = world_open();
	first = steps_until(c, &forwarding, handed);
	while (!killed_after(c, first, more))
		more += wide_stride();
	assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	world_check(c, 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_leader_ends_as_it_is_found),
	        cmocka_unit_test(a_leader_ends_as_one_registers),
	        cmocka_unit_test(a_leader_ends_as_one_joins),
	        cmocka_unit_test(a_leader_ends_as_it_is_listed),
	        cmocka_unit_test(a_participant_ends_as_it_is_listed),
	        cmocka_unit_test(who_comes_is_not_told_as_dead),
	        cmocka_unit_test(a_leader_ends_as_one_waits),
	        cmocka_unit_test(an_asker_leaves_as_its_request_is_received),
	        cmocka_unit_test(a_stranger_is_not_forwarded_to),
	        cmocka_unit_test(a_stranger_does_not_keep_what_the_dead_forwarded),
	};
	int failed;

	world_keep_to(0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return failed;
}
