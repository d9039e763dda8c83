/*
 * watch.c - the monitor: what it reports, that it sleeps while nothing changes, and that nobody depends on it
 *
 * What is reported is compared whole, as text.  A report is held in its sink until the test has made the next change
 * complete; so each report shows the whole of one step, however the threads are scheduled.
 */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "futex.h"
#include "layout.h"
#include "watch.h"

#define WAIT_FOR(flag_number) until(atomic_load(&world->flag[flag_number]) != 0)
#define SET(flag_number) atomic_store(&world->flag[flag_number], 1)
#define HOUR_NS (INT64_C(3600) * 1000000000)

/* ------------------------------------------------------------------------------------------------ reports as text */

static struct {
	pid_t pid;
	const char *name;
} actors[8];

static void name_actor(int i, pid_t pid, const char *name)
{
	actors[i].pid = pid;
	actors[i].name = name;
}

static const char *name_of(pid_t pid)
{
	for (int i = 0; i < 8; i++)
		if (actors[i].pid == pid && actors[i].name != NULL)
			return actors[i].name;
	return pid == 0 ? "nobody" : "somebody";
}

struct desk {
	char text[8192];
	size_t size;
	_Atomic int reports, let_go, left;
	_Atomic int sleeps;
	_Atomic(const _Atomic uint32_t *) sleeps_on; /* its own word; NULL: it has not slept since its last report */
};

/* ------------------------------------------------------------------------------------------------ how a monitor sleeps */

static struct cv_futex_ops kernel; /* the real one */
static _Thread_local struct desk *desk;

static void about_to_sleep(const struct cv_futex *first)
{
	if (desk == NULL)
		return;
	atomic_fetch_add(&desk->sleeps, 1);
	atomic_store(&desk->sleeps_on, first->word);
}

static enum cv_slept told_wait(const struct cv_futex *one, int64_t deadline)
{
	about_to_sleep(one);
	return kernel.wait(one, deadline);
}

static enum cv_slept told_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	about_to_sleep(list);
	return kernel.waitv(list, count, deadline);
}

/* ------------------------------------------------------------------------------------------------ what a monitor tells */

static void write_standing(struct desk *d, const struct covey_standing *s)
{
	d->size += (size_t)snprintf(d->text + d->size, sizeof(d->text) - d->size, " %s %llu/%u/%u", name_of(s->pid),
	        (unsigned long long)s->generation, s->waiters, s->queue);
}

static void write_change(struct desk *d, const struct covey_change *change)
{
	d->size += (size_t)snprintf(d->text + d->size, sizeof(d->text) - d->size, "%c%.*s", " +~-"[change->kind],
	        (int)change -> size, (const char *)change -> name);
	if (change->kind != COVEY_APPEARED)
		write_standing(d, &change->was);
	if (change->kind == COVEY_CHANGED)
		d->size += (size_t)snprintf(d->text + d->size, sizeof(d->text) - d->size, " ->");
	if (change->kind != COVEY_VANISHED)
		write_standing(d, &change->is);
	d->size += (size_t)snprintf(d->text + d->size, sizeof(d->text) - d->size, "\n");
	must(d->size < sizeof(d->text));
}

static void write_report(void *context, const struct covey_change *changes, size_t count)
{
	struct desk *d = context;
	int number;

	for (size_t i = 0; i < count; i++)
		write_change(d, &changes[i]);
	desk = d;
	atomic_store(&d->sleeps_on, NULL);
	number = atomic_fetch_add(&d->reports, 1) + 1;
	until(atomic_load(&d->let_go) >= number);
	atomic_store(&d->left, number);
}

/* The change is complete: the report that comes now has all of it. */
static void next_report(struct desk *d)
{
	int next = atomic_fetch_add(&d->let_go, 1) + 2;

	until(atomic_load(&d->reports) >= next);
}

static struct covey_monitor *watch(covey *c, const char *group, int64_t period, struct desk *d)
{
	struct covey_monitor *m = NULL;

	memset(d, 0, sizeof(*d));
	must(covey_start_monitor(c, group, group != NULL ? strlen(group) : 0, period, write_report, d, &m) == 0);
	until(atomic_load(&d->reports) == 1);
	return m;
}

static void unwatch(struct covey_monitor *m, struct desk *d)
{
	atomic_store(&d->let_go, INT32_MAX);
	covey_stop_monitor(m);
}

/* No further report is held. */
static void let_run(struct desk *d)
{
	atomic_store(&d->let_go, INT32_MAX);
}

/* Gives when the monitor sleeps, after its last report. */
static void until_asleep(struct desk *d)
{
	until(atomic_load(&d->left) == atomic_load(&d->reports));
	until(atomic_load(&d->sleeps_on) != NULL && world_sleepers(atomic_load(&d->sleeps_on)) == 1);
}

static _Atomic uint32_t *map_words(size_t *size, unsigned char **map)
{
	char path[128];
	const struct covey_header *h;
	struct covey_layout layout;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	fd = open(path, O_RDWR);
	must(fd >= 0 && fstat(fd, &st) == 0);
	*size = (size_t)st.st_size;
	*map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(*map != MAP_FAILED);
	close(fd);
	h = (const struct covey_header *)(const void *)*map;
	must(covey_layout_of(&h->counts, &layout));
	return (_Atomic uint32_t *)(void *)(*map + layout.watch);
}

static uint32_t state_of(_Atomic uint32_t *word)
{
	return atomic_load(word) & CV_WATCH_STATE_MASK;
}

/* ------------------------------------------------------------------------------------------------ a story */

static int alice(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_request request;
	struct covey_reply reply = text("yes");

	(void)context;
	must(lead_of(c, "report", &lead) == COVEY_LEADER);
	SET(0);
	WAIT_FOR(1);
	must(covey_receive(c, &lead, COVEY_FOREVER, &request) == 0 && request.size == 1);
	SET(2);
	WAIT_FOR(3);
	must(covey_respond(c, &lead, &request, &reply) == 1);
	SET(4);
	for (;;)
		pause();
}

static int asks(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	struct covey_reply reply = text("from the successor");
	const char *request = context;
	int r;

	must(lead_of(c, "report", &lead) == COVEY_WAIT);
	r = covey_await(c, &lead, request, strlen(request), COVEY_FOREVER, 0, &result);
	if (r == COVEY_DIED) {
		atomic_store(&world->number[0], getpid());
		WAIT_FOR(5);
		must(covey_unregister_notify(c, &result.lead, NULL, 0, &reply) == 1);
		SET(6);
	} else {
		must(r == COVEY_OK);
		atomic_fetch_add(&world->count[0], 1);
	}
	covey_release(c, &result);
	WAIT_FOR(7); /* the end of a participant would be rung too */
	return 0;
}

static void a_story(void **state)
{
	struct covey_lead leads[2];
	struct covey_monitor *m;
	struct desk d;
	pid_t child[4];
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	name_actor(0, getpid(), "test");
	m = watch(c, NULL, 1, &d);
	name_actor(1, child[0] = world_spawn(alice, NULL), "alice");
	WAIT_FOR(0);
	next_report(&d);
	for (int i = 1; i <= 3; i++) {
		child[i] = world_spawn(asks, i == 1 ? "x" : "yy");
		until(world_waiters(c, "report") == (uint32_t)i);
	}
	next_report(&d);
	SET(1);
	WAIT_FOR(2);
	next_report(&d);
	assert_int_equal(lead_of(c, "still another", &leads[0]), COVEY_LEADER);
	assert_int_equal(lead_of(c, "another", &leads[1]), COVEY_LEADER);
	next_report(&d);
	SET(3);
	WAIT_FOR(4);
	next_report(&d);
	world_kill(child[0]);
	until(atomic_load(&world->number[0]) != 0);
	world_settle(c, 4);
	name_actor(2, (pid_t)atomic_load(&world->number[0]), "successor");
	next_report(&d);
	SET(5);
	WAIT_FOR(6);
	until(atomic_load(&world->count[0]) == 2);
	next_report(&d);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_unregister(c, &leads[i]), 0);
	next_report(&d);
	assert_string_equal(d.text, "+report alice 1/0/0\n"
	                            "~report alice 1/0/0 -> alice 1/3/3\n"
	                            "~report alice 1/3/3 -> alice 1/3/2\n"
	                            "+another test 1/0/0\n"
	                            "+still another test 1/0/0\n"
	                            "~report alice 1/3/2 -> alice 1/2/2\n"
	                            "~report alice 1/2/2 -> successor 2/1/1\n"
	                            "-report successor 2/1/1\n"
	                            "-another test 1/0/0\n"
	                            "-still another test 1/0/0\n");
	unwatch(m, &d);
	SET(7);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(world_join(child[i]), 0);
	world_settle(c, 1);
	world_check(c, 0);
	covey_close(c);
}

static void give_up(covey *c, struct covey_lead *lead)
{
	must(covey_unregister(c, lead) == 0);
}

static int waits_for(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;
	int64_t deadline = context != NULL ? covey_in_ms(*(int *)context) : COVEY_FOREVER;

	must(lead_of(c, "group", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, deadline, 0, &result) == COVEY_TIMED_OUT);
	covey_release(c, &result);
	SET(0);
	WAIT_FOR(1);
	return 0;
}

/* A waiter that leaves at its deadline, one that is killed, a group that is forwarded and accepted. */
static void changes_of_other_kinds(void **state)
{
	static int patience_ms = 2000;
	struct covey_monitor *m;
	struct covey_lead lead;
	struct desk d;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	name_actor(0, getpid(), "test");
	assert_int_equal(lead_of(c, "group", &lead), COVEY_LEADER);
	m = watch(c, "group", 1, &d);
	child = world_spawn(waits_for, &patience_ms);
	until(world_waiters(c, "group") == 1);
	next_report(&d);
	WAIT_FOR(0);
	next_report(&d);
	SET(1);
	assert_int_equal(world_join(child), 0);
	child = world_spawn(waits_for, NULL);
	until(world_waiters(c, "group") == 1);
	next_report(&d);
	world_kill(child);
	next_report(&d);
	assert_int_equal(covey_forward_work(c, &lead, (uint32_t)covey_participant(c)), 0);
	next_report(&d);
	assert_int_equal(covey_accept_work(c, "group", 5, COVEY_NOW, &lead), COVEY_LEADER);
	next_report(&d);
	assert_string_equal(d.text, "+group test 1/0/0\n"
	                            "~group test 1/0/0 -> test 1/1/1\n"
	                            "~group test 1/1/1 -> test 1/0/0\n"
	                            "~group test 1/0/0 -> test 1/1/1\n"
	                            "~group test 1/1/1 -> test 1/0/0\n"
	                            "~group test 1/0/0 -> test 2/0/0\n"
	                            "~group test 2/0/0 -> test 3/0/0\n");
	unwatch(m, &d);
	covey_close(c);
}

/* Its group leaves the table for others, and comes back in another node. */
static void one_group_wherever_it_is(void **state)
{
	struct covey_options two = {.groups = 2};
	struct covey_lead mine, other, third;
	struct covey_monitor *m;
	struct desk d;
	uint32_t node;
	covey *c;

	(void)state;
	world_begin(&two);
	c = world_open();
	name_actor(0, getpid(), "test");
	m = watch(c, "mine", 1, &d);
	assert_int_equal(lead_of(c, "other", &other), COVEY_LEADER);
	assert_int_equal(lead_of(c, "mine", &mine), COVEY_LEADER);
	next_report(&d);
	node = mine.node;
	give_up(c, &mine);
	next_report(&d);
	assert_int_equal(lead_of(c, "third", &third), COVEY_LEADER);
	assert_int_equal(third.node, node);
	give_up(c, &other);
	assert_int_equal(lead_of(c, "mine", &mine), COVEY_LEADER);
	assert_int_not_equal(mine.node, node);
	next_report(&d);
	give_up(c, &mine);
	next_report(&d);
	assert_string_equal(d.text, "+mine test 1/0/0\n-mine test 1/0/0\n+mine test 2/0/0\n-mine test 2/0/0\n");
	unwatch(m, &d);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ sleep */

static void lead_often(covey *c, const char *group, int times)
{
	struct covey_lead lead;

	for (int i = 0; i < times; i++) {
		must(lead_of(c, group, &lead) == COVEY_LEADER);
		must(covey_unregister_notify(c, &lead, NULL, 0, NULL) == 0);
	}
}

/* Many times its period passes: whatever polls would show it. */
static void asleep_while_nothing_changes(void **state)
{
	struct covey_lead mine, other;
	struct covey_monitor *all, *one;
	struct desk d[2];
	int sleeps[2];
	_Atomic uint32_t *words;
	unsigned char *map;
	size_t size;
	int64_t end;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(lead_of(c, "mine", &mine), COVEY_LEADER);
	assert_int_equal(lead_of(c, "other", &other), COVEY_LEADER);
	give_up(c, &other);
	words = map_words(&size, &map);
	all = watch(c, NULL, 1000000, &d[0]);
	one = watch(c, "mine", 1000000, &d[1]);
	for (int i = 0; i < 2; i++) {
		let_run(&d[i]);
		until_asleep(&d[i]);
		sleeps[i] = atomic_load(&d[i].sleeps);
	}
	end = covey_in_ms(200);
	until(covey_in_ms(0) > end);
	for (int i = 0; i < 2; i++)
		assert_int_equal(atomic_load(&d[i].sleeps), sleeps[i]);
	assert_int_equal(covey_monitor_wakeups(all), 0);
	covey_stop_monitor(all);
	/* what others do is nothing to the monitor of one group that is led */
	lead_often(c, "other", 1000);
	assert_int_equal(covey_monitor_wakeups(one), 0);
	assert_int_equal(state_of(&words[CV_WATCH_ALL]), CV_WATCH_IDLE);
	assert_int_equal(state_of(&words[cv_watch_index(mine.node)]), CV_WATCH_ARMED);
	give_up(c, &mine);
	until(atomic_load(&d[1].reports) == 2);
	assert_true(covey_monitor_wakeups(one) != 0);
	covey_stop_monitor(one);
	munmap(map, size);
	covey_close(c);
}

/* After the one change that wakes it, no other does before the period is over. */
static void one_wake_a_period(void **state)
{
	struct covey_monitor *m;
	struct desk d;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	m = watch(c, NULL, HOUR_NS, &d);
	let_run(&d);
	until_asleep(&d);
	lead_often(c, "group", 1);
	until(covey_monitor_wakeups(m) == 1);
	until_asleep(&d);
	lead_often(c, "group", 10000);
	assert_int_equal(covey_monitor_wakeups(m), 1);
	assert_int_equal(atomic_load(&d.reports), 1);
	covey_stop_monitor(m); /* asleep for the rest of its hour */
	m = watch(c, NULL, HOUR_NS, &d);
	let_run(&d);
	until_asleep(&d);
	covey_stop_monitor(m); /* asleep for ever */
	m = watch(c, NULL, HOUR_NS, &d);
	unwatch(m, &d); /* somewhere between its report and its sleep */
	m = watch(c, NULL, HOUR_NS, &d);
	let_run(&d);
	covey_close(c);
	assert_int_equal(atomic_load(&d.reports), 1);
	covey_stop_monitor(m);
	covey_stop_monitor(NULL);
}

static enum cv_slept no_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	(void)list, (void)count, (void)deadline;
	return CV_UNSUPPORTED;
}

static void without_waitv(void **state)
{
	enum cv_slept (*real)(const struct cv_futex *, unsigned, int64_t) = cv_kernel.waitv;
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_lead lead;
	struct covey_monitor *m;
	struct desk d;
	covey *c, *reader;

	(void)state;
	world_begin(NULL);
	name_actor(0, getpid(), "test");
	c = world_open();
	assert_int_equal(covey_open(&reader, world->region, &inspect), 0);
	cv_kernel.waitv = no_waitv;
	m = watch(reader, NULL, 1000000, &d);
	assert_int_equal(lead_of(c, "group", &lead), COVEY_LEADER);
	next_report(&d);
	give_up(c, &lead);
	next_report(&d);
	assert_string_equal(d.text, "+group test 1/0/0\n-group test 1/0/0\n");
	unwatch(m, &d);
	m = watch(reader, NULL, HOUR_NS, &d);
	let_run(&d);
	until_asleep(&d);
	covey_stop_monitor(m);
	cv_kernel.waitv = real;
	covey_close(reader);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ who may only read */

static int leads(void *context)
{
	covey *c = world_open();
	struct covey_lead lead;

	(void)context;
	must(lead_of(c, "group", &lead) == COVEY_LEADER);
	SET(0);
	WAIT_FOR(1);
	lead_often(c, "once", 1);
	give_up(c, &lead);
	must(lead_of(c, "group", &lead) == COVEY_LEADER);
	SET(2);
	for (;;)
		pause();
}

/* Nobody else is there: only the kernel can tell that the last participant has died. */
static void reads_only_and_is_woken(void **state)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct covey_monitor *m;
	struct desk d;
	covey *c;

	(void)state;
	world_begin(NULL);
	name_actor(0, world_spawn(leads, NULL), "leader");
	WAIT_FOR(0);
	assert_int_equal(covey_open(&c, world->region, &inspect), 0);
	m = watch(c, NULL, 1, &d);
	SET(1);
	WAIT_FOR(2);
	next_report(&d);
	let_run(&d);
	until_asleep(&d);
	world_kill(actors[0].pid);
	until(atomic_load(&d.reports) == 3);
	assert_string_equal(d.text, "+group leader 1/0/0\n"
	                            "~group leader 1/0/0 -> leader 2/0/0\n"
	                            "~group leader 2/0/0 -> nobody 2/0/0\n");
	covey_stop_monitor(m);
	covey_close(c);
}

/* In a process that may not write the file. */
static int watches_unarmed(void *context)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT | COVEY_ALLOW_FOREIGN};
	struct covey_monitor *m;
	struct desk d;
	covey *c;

	(void)context;
	must(getuid() != 0 || setresuid(65534, 65534, 65534) == 0);
	must(covey_open(&c, world->region, &inspect) == 0);
	m = watch(c, NULL, 1000000, &d);
	SET(3);
	next_report(&d);
	must(strcmp(d.text, "+group somebody 1/0/0\n-group somebody 1/0/0\n") == 0);
	unwatch(m, &d);
	m = watch(c, NULL, HOUR_NS, &d);
	let_run(&d);
	until_asleep(&d);
	covey_stop_monitor(m);
	covey_close(c);
	return 0;
}

static void may_not_write(void **state)
{
	struct covey_lead lead;
	char path[128];
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(lead_of(c, "group", &lead), COVEY_LEADER);
	child = world_spawn(watches_unarmed, NULL);
	WAIT_FOR(3);
	give_up(c, &lead);
	assert_int_equal(world_join(child), 0);
	covey_close(c);
}

/* ------------------------------------------------------------------------------------------------ death and fork */

static int watches_until_killed(void *context)
{
	struct covey_options inspect = {.flags = COVEY_INSPECT};
	struct desk d;
	covey *c;

	(void)context;
	must(covey_open(&c, world->region, &inspect) == 0);
	watch(c, NULL, 1, &d);
	let_run(&d);
	until_asleep(&d);
	SET(0);
	for (;;)
		pause();
}

static void a_killed_monitor_leaves_one_spare_wake(void **state)
{
	_Atomic uint32_t *words;
	struct covey_monitor *m;
	struct desk d;
	unsigned char *map;
	uint32_t after;
	size_t size;
	pid_t child;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	name_actor(0, getpid(), "test");
	words = map_words(&size, &map);
	child = world_spawn(watches_until_killed, NULL);
	WAIT_FOR(0);
	world_kill(child);
	assert_int_equal(state_of(&words[CV_WATCH_ALL]), CV_WATCH_ARMED);
	world_check(c, 0);
	lead_often(c, "group", 1);
	assert_int_equal(state_of(&words[CV_WATCH_ALL]), CV_WATCH_IDLE);
	after = atomic_load(&words[CV_WATCH_ALL]);
	lead_often(c, "group", 1000);
	assert_int_equal(atomic_load(&words[CV_WATCH_ALL]), after);
	/* A changer that was killed before its wake: whoever comes next makes up for it. */
	m = watch(c, NULL, 1, &d);
	let_run(&d);
	until_asleep(&d);
	atomic_store(&words[CV_WATCH_ALL], after + CV_WATCH_RUNG + CV_WATCH_RINGING);
	lead_often(c, "group", 1);
	until(covey_monitor_wakeups(m) != 0);
	covey_stop_monitor(m);
	world_check(c, 0);
	munmap(map, size);
	covey_close(c);
}

static int inherits(void *context)
{
	struct covey_monitor **m = context;
	covey *c = world_open();

	lead_often(c, "of the child", 1);
	covey_stop_monitor(m[0]);
	covey_close(c);
	return 0;
}

static int inherits_and_closes(void *context)
{
	covey_close(context);
	return 0;
}

static void a_child_of_fork_has_no_monitor(void **state)
{
	struct covey_monitor *m;
	struct covey_lead lead;
	struct desk d;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	name_actor(0, getpid(), "test");
	m = watch(c, NULL, 1, &d);
	assert_int_equal(world_join(world_spawn(inherits, &m)), 0);
	assert_int_equal(world_join(world_spawn(inherits_and_closes, c)), 0);
	assert_int_equal(lead_of(c, "group", &lead), COVEY_LEADER);
	next_report(&d);
	assert_string_equal(d.text, "+group test 1/0/0\n");
	unwatch(m, &d);
	covey_close(c);
}

static void arguments(void **state)
{
	struct covey_monitor *m;
	struct desk d;
	covey *c;

	(void)state;
	world_begin(NULL);
	c = world_open();
	assert_int_equal(covey_start_monitor(NULL, NULL, 0, 0, write_report, &d, &m), COVEY_EINVAL);
	assert_int_equal(covey_start_monitor(c, NULL, 0, 0, NULL, &d, &m), COVEY_EINVAL);
	assert_int_equal(covey_start_monitor(c, NULL, 0, -1, write_report, &d, &m), COVEY_EINVAL);
	assert_int_equal(covey_start_monitor(c, "x", 0, 0, write_report, &d, &m), COVEY_EINVAL);
	assert_int_equal(covey_start_monitor(c, "x", COVEY_NAME_MAX + 1, 0, write_report, &d, &m), COVEY_EINVAL);
	assert_int_equal(covey_start_monitor(c, NULL, 0, 0, write_report, &d, NULL), COVEY_EINVAL);
	assert_int_equal(covey_monitor_wakeups(NULL), 0);
	covey_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(arguments),
	        cmocka_unit_test(a_story),
	        cmocka_unit_test(one_group_wherever_it_is),
	        cmocka_unit_test(changes_of_other_kinds),
	        cmocka_unit_test(asleep_while_nothing_changes),
	        cmocka_unit_test(one_wake_a_period),
	        cmocka_unit_test(without_waitv),
	        cmocka_unit_test(reads_only_and_is_woken),
	        cmocka_unit_test(may_not_write),
	        cmocka_unit_test(a_killed_monitor_leaves_one_spare_wake),
	        cmocka_unit_test(a_child_of_fork_has_no_monitor),
	};
	int failed;

	kernel = cv_kernel;
	cv_kernel.wait = told_wait;
	cv_kernel.waitv = told_waitv;
	failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
