/*
 * look.c - one look at a whole region, and what happened since the one before
 *
 * Rates come from what only grows: the counters, and each group's generation.  How long waits took comes from the
 * histories: each wait that ended since the look before is paired with its beginning.  They hold some 50 events of each
 * participant, so of a busy one this is a sample, its newest.
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

static bool ends_wait(const struct covey_event_view *v)
{
	return v->kind == COVEY_EVENT_ANSWERED || v->kind == COVEY_EVENT_UNANSWERED || v->kind == COVEY_EVENT_TOOK_OVER;
}

static bool same_wait(const struct covey_event_view *a, const struct covey_event_view *b)
{
	return a->pid == b->pid && a->since == b->since && a->hash == b->hash;
}

/* When the wait that entry `end` ended began; 0 when that is forgotten. */
static int64_t began(const struct history *h, size_t end)
{
	for (size_t i = end; i-- > 0;) {
		const struct covey_event_view *v = &h->entries[i].view;

		if (same_wait(v, &h->entries[end].view) && (v->kind == COVEY_EVENT_WAITING || ends_wait(v)))
			return v->kind == COVEY_EVENT_WAITING ? v->time : 0;
	}
	return 0;
}

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
		int64_t begin = ends_wait(&h->entries[i].view) ? began(h, i) : 0;

		out->died += first_of_death(h, i, before->time);
		if (begin)
			waits[out->waits++] = (double)(h->entries[i].view.time - begin) / 1e9;
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
	if (error >= 0 && (!rate_groups(before, out) || !measure_waits(&history, before, out) || out->groups.exhausted))
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
