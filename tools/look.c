/*
 * look.c - one look at a whole region, and what happened since the one before
 *
 * Rates come from what only grows: the counters, and each group's generation.  What does not grow with a worker's
 * answers comes from the histories, and so does how long waits took.  They hold some 50 events of each participant, so
 * of a busy one this is a sample, its newest.
 */
#include "look.h"

#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "history.h"

/* ------------------------------------------------------------------------------------------------ groups */

static int by_name(const void *a, const void *b)
{
	const struct covey_group_view *x = a, *y = b;
	int r = memcmp(x->name, y->name, x->size < y->size ? x->size : y->size);

	return r ? r : (x->size > y->size) - (x->size < y->size);
}

/* ------------------------------------------------------------------------------------------------ rates */

enum { WAITS_KEPT = 4 }; /* by the smallest part of a history: a part that has so many may have lost others */

struct answer {
	uint64_t hash;
	pid_t pid;
	int64_t since, time;
};

/* How often a group was answered, as far as the histories tell. */
struct answered {
	uint64_t hash;
	double rate;
};

static int order(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* By group, then by who was answered, the newest first. */
static int by_answered(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;
	int r = order(x->hash, y->hash);

	if (r == 0)
		r = order((uint64_t)x->pid, (uint64_t)y->pid);
	if (r == 0)
		r = order((uint64_t)x->since, (uint64_t)y->since);
	return r ? r : order((uint64_t)y->time, (uint64_t)x->time);
}

static size_t answers_since(const struct history *h, int64_t since, struct answer *out)
{
	size_t n = 0;

	for (size_t i = h->size; i-- > 0 && h->entries[i].view.time > since;) {
		const struct covey_event_view *v = &h->entries[i].view;

		if (v->kind == COVEY_EVENT_ANSWERED)
			out[n++] = (struct answer){v->hash, v->pid, v->since, v->time};
	}
	if (n)
		qsort(out, n, sizeof(*out), by_answered);
	return n;
}

/* Of answers to one participant by one group.  A history keeps the newest: so it is the most that it shows, over the
 * time up to now that is covered by any number of them. */
static double rate_of_answers(const struct answer *a, size_t n, double seconds, int64_t now)
{
	double most = (double)n / seconds;

	for (size_t i = WAITS_KEPT; i <= n; i++) {
		double covered = (double)(now - a[i - 1].time) / 1e9;

		if (covered > 0 && (double)i / covered > most)
			most = (double)i / covered;
	}
	return most;
}

/* Which groups were answered how often, by hash; *sum of all.  answers: room for both. */
static size_t count_answered(
        const struct answer *answers, size_t n, double seconds, int64_t now, struct answered *out, double *sum)
{
	size_t count = 0;

	*sum = 0;
	for (size_t i = 0, end; i < n; i = end) {
		double rate;

		for (end = i + 1; end < n && answers[end].hash == answers[i].hash &&
		                  answers[end].pid == answers[i].pid && answers[end].since == answers[i].since;
		        end++) {
		}
		rate = rate_of_answers(&answers[i], end - i, seconds, now);
		if (count == 0 || out[count - 1].hash != answers[i].hash)
			out[count++] = (struct answered){answers[i].hash, 0};
		out[count - 1].rate += rate;
		*sum += rate;
	}
	return count;
}

static int by_hash(const void *a, const void *b)
{
	const struct answered *x = a, *y = b;

	return order(x->hash, y->hash);
}

/* A worker keeps its generation, however much it answers.  All answers of the region are counted exactly; the histories
 * tell which part of them was a group's. */
static bool rate_workers(const struct history *h, const struct look *before, struct look *out)
{
	double seconds = (double)(out->time - before->time) / 1e9, sum = 0, all;
	struct answer *answers = malloc((h->size + 1) * sizeof(*answers));
	struct answered *answered = malloc((h->size + 1) * sizeof(*answered));
	size_t n = 0;

	if (answers && answered && before->time && seconds > 0)
		n = count_answered(
		        answers, answers_since(h, before->time, answers), seconds, out->time, answered, &sum);
	all = look_rate(out, before, COVEY_COUNT_ANSWERED);
	for (size_t i = 0; n && i < out->groups.size; i++) {
		struct answered *found = bsearch(
		        &(struct answered){.hash = out->groups.views[i].hash}, answered, n, sizeof(*answered), by_hash);

		if (found && out->rates[i] == 0)
			out->rates[i] = all * found->rate / sum;
	}
	free(answers);
	free(answered);
	return answers && answered;
}

/* Of executions. */
static double rate_of(const struct covey_group_view *now, const struct look *before, double seconds)
{
	const struct covey_group_view *was = NULL;

	if (before->groups.size)
		was = bsearch(now, before->groups.views, before->groups.size, sizeof(*now), by_name);
	if (!was || seconds <= 0 || now->info.generation < was->info.generation)
		return -1;
	return (double)(now->info.generation - was->info.generation) / seconds;
}

static bool rate_groups(const struct look *before, struct look *out)
{
	double seconds = (double)(out->time - before->time) / 1e9;

	if (out->groups.size == 0)
		return true;
	qsort(out->groups.views, out->groups.size, sizeof(*out->groups.views), by_name);
	out->rates = malloc(out->groups.size * sizeof(*out->rates));
	for (size_t i = 0; out->rates && i < out->groups.size; i++) {
		out->rates[i] = rate_of(&out->groups.views[i], before, seconds);
		out->waiters += out->groups.views[i].info.waiters;
	}
	return out->rates != NULL;
}

/* ------------------------------------------------------------------------------------------------ waits */

/* All its waiters may have noticed: it counts once. */
static bool first_of_death(const struct history *h, size_t at, int64_t since)
{
	const struct covey_event_view *death = &h->entries[at].view;

	if (death->kind != COVEY_EVENT_DIED)
		return false;
	for (size_t i = at; i-- > 0 && h->entries[i].view.time > since;) {
		const struct covey_event_view *v = &h->entries[i].view;

		if (v->kind == COVEY_EVENT_DIED && v->hash == death->hash && v->generation == death->generation)
			return false;
	}
	return true;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool measure_waits(const struct history *h, const struct look *before, struct look *out)
{
	double *waits = malloc((h->size + 1) * sizeof(*waits));

	if (!waits)
		return false;
	for (size_t i = h->size; i-- > 0 && h->entries[i].view.time > before->time;) {
		const struct history_entry *e = &h->entries[i];

		out->died += first_of_death(h, i, before->time);
		if (history_ends_wait(e->view.kind) && e->took >= 0)
			waits[out->waits++] = (double)e->took / 1e9;
	}
	if (out->waits) {
		qsort(waits, out->waits, sizeof(*waits), by_size);
		out->wait_median = waits[out->waits / 2];
		out->wait_longest = waits[out->waits - 1];
	}
	free(waits);
	return true;
}

/* ------------------------------------------------------------------------------------------------ the look */

int look_take(covey *c, const struct look *before, struct look *out)
{
	struct history history = {.size = 0};
	int error;

	*out = (struct look){.time = monotonic_now()};
	error = covey_usage_of(c, &out->usage);
	for (int i = 0; i < COVEY_COUNTERS; i++)
		out->counters[i] = covey_counter(c, i);
	if (error >= 0)
		error = groups_take(c, &out->groups);
	if (error >= 0 && before->time)
		error = history_take(c, &history);
	if (error >= 0 && (!rate_groups(before, out) || !rate_workers(&history, before, out) ||
	                          !measure_waits(&history, before, out) || out->groups.exhausted))
		error = COVEY_ESYSTEM;
	history_free(&history);
	return error < 0 ? error : 0;
}

void look_free(struct look *l)
{
	groups_free(&l->groups);
	free(l->rates);
	*l = (struct look){.time = 0};
}

double look_rate(const struct look *l, const struct look *before, enum covey_counter counter)
{
	double seconds = (double)(l->time - before->time) / 1e9;

	if (!before->time || seconds <= 0)
		return 0;
	return (double)(l->counters[counter] - before->counters[counter]) / seconds;
}
