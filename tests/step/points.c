/*
 * points.c - see points.h
 *
 * A call is recorded once, by single steps; then each point is a play of its own, in a fresh region, in which the victim
 * runs to the point.  If a play takes another path than the recorded one, it is tried again by steps, and counted as missed
 * if that does not come there either.
 *
 * A dead process leaves the region's bytes, and what the kernel held for it: so for death, points between which neither
 * changed are the same.  The long form takes them all for first kills and for stops, but that of a loop in which the region
 * stays as it is, such as a spin, it takes the first two rounds and the last; for second kills it takes the distinct ones, of
 * the first and of the second.
 *
 * Where a rival is held inside at the same time, all this is done with it at each of its distinct points, for the distinct
 * points of the victim: one is killed and the other goes on; both are stopped; both are killed.
 */
#include "points.h"

#include <time.h>

#include "tracer.h"

#define HELD_TOO_LONG_MS 400  /* a sleeper may have had its backstop by then, and rightly */
#define RIVAL_POINTS 40       /* at most so many of its distinct ones, evenly */
#define SURVIVOR_BOUND 400000 /* instructions of all its calls */

bool points_all(void)
{
	return getenv("COVEY_PROVE") != NULL;
}

static bool wide(void)
{
	return getenv("COVEY_STRIDE") != NULL;
}

static uint32_t sample_size(void)
{
	return wide() ? 2 : 10;
}

/* Of the rival, and of the victim with the rival at each of these. */
static uint32_t sample_of_rival(void)
{
	return wide() ? 1 : 2;
}

static uint32_t sample_of_pairs(void)
{
	return wide() ? 2 : 3;
}

/* The points to be taken: every one; or the distinct ones; or of these so many, at even distances. */
static uint32_t choose(const struct path *path, bool all, uint32_t sample, uint32_t **out)
{
	uint32_t *list = malloc((path->length + 1) * sizeof(*list)), n = 0;

	must(list != NULL);
	for (uint32_t i = 0; i <= path->length; i++)
		if (path_distinct(path, i) || (all && !path->again[i]))
			list[n++] = i;
	if (sample != 0 && n > sample) {
		for (uint32_t i = 0; i < sample; i++)
			list[i] = list[(uint64_t)(2 * i + 1) * n / (2 * sample)];
		n = sample;
	}
	*out = list;
	return n;
}

struct job {
	const struct way *way;
	struct report *report;
	struct path path, rival; /* of the victim, and of who is inside with it */
	uint32_t at;             /* where on its path the rival is held */
	bool all;
};

/* A play of this job's way, its rival in place. */
static bool begin(struct job *j, struct stage *s, bool hold_keepers)
{
	return stage_begin(s, j->way, hold_keepers, j->way->rival != NULL ? &j->rival : NULL, j->at);
}

static void violation(struct job *j, const char *what, uint32_t n, uint32_t m, const struct stage *s)
{
	fprintf(stderr, "%s, %s: %s after %u of %u instructions", j->way->what, j->way->name, what, n, j->path.length);
	if (j->way->rival != NULL)
		fprintf(stderr, ", the rival after %u of %u", j->at, j->rival.length);
	if (m != PATH_NOWHERE)
		fprintf(stderr, ", the recoverer after %u", m);
	fprintf(stderr, " (%#llx): %s\n", (unsigned long long)j->path.pc[n], s->fault);
	atomic_fetch_add(&j->report->violations, 1);
}

/* The laws that can be seen from what the actors counted. */
static void judge(struct stage *s)
{
	if (atomic_load(&world->count[COUNT_TOOK_OVER]) > 1)
		stage_fault(s, "one death had more than one successor");
}

static bool waiting_for_bystander(void)
{
	return atomic_load(&world->flag[FLAG_PATIENT]) != 0;
}

/* After the deaths: every call is finished, by one who comes now, if there is nobody else. */
static void others_go_on(struct stage *s)
{
	stage_newcomer(s);
	stage_tell(s, BYSTANDER_SURVIVE);
	stage_join_actors(s);
}

static void killed(struct job *j, struct stage *s)
{
	int64_t held = covey_in_ms(0) - s->began;

	stage_kill_victim(s);
	stage_let_keepers_go(s);
	stage_end_rival(s);
	if (!waiting_for_bystander()) /* of themselves, without anybody's help */
		stage_join_actors(s);
	others_go_on(s);
	judge(s);
	stage_audit(s);
	if (atomic_load(&world->number[NUMBER_RESCUED]) != 0 && held < HELD_TOO_LONG_MS * INT64_C(1000000))
		stage_fault(s, "somebody was woken by the backstop only");
	atomic_fetch_add(&j->report->killed, 1);
}

static void raise_longest(struct report *r, long count)
{
	uint32_t longest = atomic_load(&r->longest);

	while (longest < count && !atomic_compare_exchange_weak(&r->longest, &longest, (uint32_t)count)) {
	}
}

/* counting: the survivor is stepped through its calls, to see that they are bounded. */
static void stopped(struct job *j, struct stage *s, bool counting)
{
	long count;

	stage_stop_victim(s);
	stage_stop_rival(s);
	stage_let_keepers_go(s);
	stage_newcomer(s);
	if (counting) {
		count = stage_count(s, BYSTANDER_SURVIVE);
		raise_longest(j->report, count);
		if (count > SURVIVOR_BOUND)
			stage_fault(s, "the survivor took too many instructions");
	} else {
		stage_tell(s, BYSTANDER_SURVIVE);
	}
	stage_end_victim(s);
	stage_end_rival(s);
	stage_join_actors(s);
	stage_audit(s);
	atomic_fetch_add(&j->report->stopped, 1);
}

/* A survivor is stepped where it matters; of so many pairs, with some. */
static bool counts(const struct job *j, uint32_t n)
{
	return j->all && path_distinct(&j->path, n) && (j->way->rival == NULL || (n + j->at) % 16 == 0);
}

/* One point.  False: the run did not come to it. */
static bool point(struct job *j, enum point_mode mode, uint32_t n, bool asleep, bool only_steps)
{
	struct stage s;
	bool there = false;

	if (begin(j, &s, false))
		there = stage_run(&s, &j->path, n, asleep, only_steps);
	if (there && mode == POINT_KILL)
		killed(j, &s);
	else if (there)
		stopped(j, &s, counts(j, n));
	if (!stage_end(&s))
		violation(j, mode == POINT_KILL ? "killed" : "stopped", n, PATH_NOWHERE, &s);
	return there;
}

static void point_or_missed(struct job *j, enum point_mode mode, uint32_t n, bool asleep)
{
	if (!point(j, mode, n, asleep, false) && !point(j, mode, n, asleep, true))
		atomic_fetch_add(&j->report->missed, 1);
}

/* Of pairs, those that are distinct. */
static uint32_t choose_first(const struct job *j, uint32_t **list)
{
	bool alone = j->way->rival == NULL;

	return choose(&j->path, j->all && alone, j->all ? 0 : alone ? sample_size() : sample_of_pairs(), list);
}

static void first_points(struct job *j, enum point_mode mode)
{
	uint32_t *list, n = choose_first(j, &list);

	for (uint32_t i = 0; i < n && atomic_load(&j->report->violations) < 20; i++)
		point_or_missed(j, mode, list[i], false);
	if (j->path.cue_asleep && j->way->thread == NULL) /* a thread that was held is stopped asleep at point 0 */
		point_or_missed(j, mode, j->path.cue, true);
	free(list);
}

/* ------------------------------------------------------------------------------------------------ twice */

/* The victim is killed at n, nobody's keeper runs, and the bystander is about to recover. */
static bool killed_once(struct job *j, struct stage *s, uint32_t n)
{
	if (!begin(j, s, true) || !stage_run(s, &j->path, n, false, false))
		return false;
	stage_kill_victim(s);
	if (!waiting_for_bystander())
		stage_join_actors(s);
	return s->fault[0] == '\0';
}

static void second_point(struct job *j, uint32_t n, const struct path *recovery, uint32_t m)
{
	struct stage s;
	bool there = killed_once(j, &s, n) && stage_run_bystander(&s, BYSTANDER_RECOVER, recovery, m, false);

	if (there) {
		stage_kill_bystander(&s);
		stage_let_keepers_go(&s);
		others_go_on(&s);
		stage_audit(&s);
		atomic_fetch_add(&j->report->second, 1);
	} else {
		atomic_fetch_add(&j->report->missed, 1);
	}
	if (!stage_end(&s))
		violation(j, "killed", n, m, &s);
}

static bool record_recovery(struct job *j, uint32_t n, struct path *recovery)
{
	struct stage s;
	bool done;

	path_begin(recovery);
	done = killed_once(j, &s, n) && stage_record_bystander(&s, BYSTANDER_RECOVER, recovery);
	if (!stage_end(&s))
		violation(j, "killed", n, PATH_NOWHERE, &s);
	return done;
}

static void second_points(struct job *j)
{
	uint32_t *first, *second, n = choose(&j->path, false, j->all ? 0 : 1, &first), m;
	struct path recovery;

	for (uint32_t i = 0; i < n && atomic_load(&j->report->violations) < 20; i++) {
		if (!record_recovery(j, first[i], &recovery)) {
			atomic_fetch_add(&j->report->missed, 1);
			path_free(&recovery);
			continue;
		}
		m = choose(&recovery, false, j->all ? 0 : sample_size() / 2, &second);
		for (uint32_t k = 0; k < m && atomic_load(&j->report->violations) < 20; k++)
			second_point(j, first[i], &recovery, second[k]);
		free(second);
		path_free(&recovery);
	}
	free(first);
}

/* ------------------------------------------------------------------------------------------------ both */

/* The victim and its rival are killed, each where it is. */
static void both_killed(struct job *j, uint32_t n)
{
	struct stage s;

	if (begin(j, &s, false) && stage_run(&s, &j->path, n, false, false)) {
		stage_kill_victim(&s);
		stage_kill_rival(&s);
		stage_let_keepers_go(&s);
		if (!waiting_for_bystander())
			stage_join_actors(&s);
		others_go_on(&s);
		stage_audit(&s);
		atomic_fetch_add(&j->report->second, 1);
	} else {
		atomic_fetch_add(&j->report->missed, 1);
	}
	if (!stage_end(&s))
		violation(j, "both killed", n, PATH_NOWHERE, &s);
}

static void both_points(struct job *j)
{
	uint32_t *list, n = choose_first(j, &list);

	for (uint32_t i = 0; i < n && atomic_load(&j->report->violations) < 20; i++)
		both_killed(j, list[i]);
	free(list);
}

/* ------------------------------------------------------------------------------------------------ a way */

static bool ended(struct job *j, struct stage *s)
{
	if (stage_end(s))
		return true;
	fprintf(stderr, "%s, %s: %s\n", j->way->what, j->way->name, s->fault);
	atomic_fetch_add(&j->report->violations, 1);
	return false;
}

static bool changes_nothing(const struct path *path)
{
	for (uint32_t n = 1; n <= path->length; n++)
		if (path->segment[n] != path->segment[0])
			return false;
	return true;
}

static bool record(struct job *j)
{
	struct stage s;
	bool done = begin(j, &s, false) && stage_record(&s, &j->path);

	if (done && j->way->silent && !changes_nothing(&j->path))
		stage_fault(&s, "the call changed the region");
	return ended(j, &s) && done;
}

static bool record_rival(struct job *j)
{
	struct stage s;
	bool done = stage_begin(&s, j->way, false, NULL, 0) && stage_record_rival(&s, &j->rival);

	return ended(j, &s) && done;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void in_mode(struct job *j, enum point_mode mode)
{
	if (mode != POINT_SECOND)
		first_points(j, mode);
	else if (j->way->rival != NULL)
		both_points(j);
	else if (!j->way->unattended && !j->way->once && (j->all || !wide()))
		second_points(j);
}

static bool in_modes(struct job *j, enum point_mode first, enum point_mode last)
{
	bool recorded;

	path_begin(&j->path);
	recorded = record(j);
	if (recorded) {
		atomic_store(&j->report->instructions, j->path.length);
		atomic_store(&j->report->distinct, path_distinct_count(&j->path));
		for (enum point_mode mode = first; mode <= last; mode++)
			in_mode(j, mode);
	}
	path_free(&j->path);
	return recorded;
}

/* With the rival at each of its points, or at some. */
static bool in_modes_with_rival(struct job *j, enum point_mode first, enum point_mode last)
{
	bool recorded;
	uint32_t *list, n;

	path_begin(&j->rival);
	recorded = record_rival(j);
	n = recorded ? choose(&j->rival, false, j->all ? RIVAL_POINTS : sample_of_rival(), &list) : 0;
	for (uint32_t i = 0; i < n; i++) {
		j->at = list[i];
		if (!in_modes(j, first, last))
			atomic_fetch_add(&j->report->missed, 1);
	}
	if (recorded)
		free(list);
	path_free(&j->rival);
	return recorded;
}

void points_of(const struct way *way, enum point_mode first, enum point_mode last, struct report *report)
{
	struct job j = {.way = way, .report = report, .all = points_all()};
	int64_t began = now();

	if (way->rival != NULL ? in_modes_with_rival(&j, first, last) : in_modes(&j, first, last))
		atomic_fetch_add(&report->done, (int)(last - first) + 1);
	atomic_fetch_add(&report->nanoseconds, now() - began);
}
