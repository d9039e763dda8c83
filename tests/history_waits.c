/*
 * history_waits.c - did each wait get what was published for it, and while it waited?
 *
 * What is answered carries the number of the record of the call that answered, so each wait with a result names its source.
 * Intervals alone decide: a source that began after the wait had ended, or had ended before it began, cannot have answered
 * it.  A publisher that was killed is the exception: who comes later finishes what it began.
 */
#include "history.h"

static const char *const names[CALLS] = {"?", "register", "join", "find", "leading", "notify", "publish", "unregister",
        "take over", "forward", "accept", "await", "death"};

const char *history_tell(const struct history *h, uint32_t index, char *text, size_t size)
{
	const struct record *r = &h->record[index];

	snprintf(text, size, "record %u: process %d, group %d, [%llu, %llu] %s(%llu) = %d, pid %d, generation %llu",
	        index, (int)r->process, r->group, (unsigned long long)atomic_load(&r->begin),
	        (unsigned long long)atomic_load(&r->end), r->call < CALLS ? names[r->call] : "?",
	        (unsigned long long)r->asked, (int)r->answer, (int)r->pid, (unsigned long long)r->generation);
	return text;
}

/* When a call was over: at its end, or at its process's. */
static uint64_t over(const struct history *h, const struct record *r)
{
	uint32_t used = atomic_load(&h->used);
	uint64_t end = atomic_load(&r->end);

	for (uint32_t i = 0; i < used && end == 0; i++)
		if (h->record[i].call == DEATH && h->record[i].process == r->process)
			end = atomic_load(&h->record[i].end);
	return end != 0 ? end : UINT64_MAX;
}

/* NULL, or what is wrong with a wait that has a result. */
static const char *answered_wrongly(const struct history *h, const struct record *w)
{
	const struct record *s = &h->record[w->source != 0 ? w->source - 1 : 0];
	bool killed = atomic_load(&s->end) == 0;

	if (w->source == 0 || w->source > atomic_load(&h->used) || (s->call != PUBLISH && s->call != NOTIFY))
		return "bytes of nobody";
	if (s->group != w->group)
		return "bytes of another group";
	if (s->asked != w->generation)
		return "bytes of another generation";
	if (w->generation < w->asked)
		return "bytes of an execution that had ended before";
	if (s->request != EVERYBODY && s->request != w->request)
		return "bytes for another request";
	if (w->pid != atomic_load(&h->pid[s->process]))
		return "bytes of another process";
	if (atomic_load(&s->begin) == 0 || atomic_load(&s->begin) > atomic_load(&w->end))
		return "bytes from the future";
	if (!killed && s->answer < 0)
		return "bytes of a call that was refused";
	if (!(killed && s->call == PUBLISH) && over(h, s) < atomic_load(&w->begin))
		return "bytes from before it waited";
	return NULL;
}

static const char *waited_wrongly(const struct history *h, const struct record *w)
{
	switch (w->answer) {
	case COVEY_OK:
		return answered_wrongly(h, w);
	case COVEY_TIMED_OUT:
		return w->for_ever ? "it had no deadline" : NULL;
	case COVEY_DIED:
	case COVEY_GAVE_UP:
		return w->source != 0 ? "bytes, but no result" : NULL;
	default:
		return "no such end of a wait";
	}
}

/* A killed wait that this call may have answered; also one that was killed before, as its seat waits until it is reaped. */
static bool may_have_had(const struct record *w, const struct record *s)
{
	return w->call == AWAIT && atomic_load(&w->begin) != 0 && atomic_load(&w->end) == 0 && w->group == s->group &&
	       atomic_load(&w->begin) < atomic_load(&s->end);
}

/* As many were answered as the call said; a publication may have had helpers. */
static const char *counted_wrongly(const struct history *h, const struct record *s, uint32_t had)
{
	uint32_t used = atomic_load(&h->used), most = had;

	if (s->answer >= 0 && s->call == NOTIFY && (uint32_t)s->answer < had)
		return "more had its answer than it told";
	for (uint32_t i = 0; i < used && s->answer > 0 && (uint32_t)s->answer > most; i++)
		most += may_have_had(&h->record[i], s);
	return s->answer > 0 && (uint32_t)s->answer > most ? "fewer had its answer than it told" : NULL;
}

/* An answer that a process has had already: the one before, in this group. */
static const char *answered_twice(const struct record *w)
{
	static uint32_t last[HISTORY_PROCESSES][HISTORY_GROUPS];
	uint32_t *source;

	if (w == NULL) {
		memset(last, 0, sizeof(last));
		return NULL;
	}
	source = &last[w->process][w->group];
	if (w->source != 0 && *source == w->source)
		return "the same answer twice";
	*source = w->source;
	return NULL;
}

bool history_waits(const struct history *h, char *why, size_t size)
{
	uint32_t used = atomic_load(&h->used), *had = calloc(HISTORY_RECORDS + 1, sizeof(*had));
	const char *wrong = NULL;
	char text[200];

	must(had != NULL);
	answered_twice(NULL);
	for (uint32_t i = 0; i < used && wrong == NULL; i++) {
		const struct record *r = &h->record[i];

		if (r->call == AWAIT && atomic_load(&r->end) != 0 &&
		        ((wrong = waited_wrongly(h, r)) != NULL || (wrong = answered_twice(r)) != NULL))
			snprintf(why, size, "%s: %s", wrong, history_tell(h, i, text, sizeof(text)));
		else if (r->call == AWAIT && r->source != 0)
			had[r->source - 1]++;
	}
	for (uint32_t i = 0; i < used && wrong == NULL; i++) {
		const struct record *r = &h->record[i];

		if ((r->call == NOTIFY || r->call == PUBLISH) && atomic_load(&r->end) != 0 &&
		        (wrong = counted_wrongly(h, r, had[i])) != NULL)
			snprintf(why, size, "%s: %s", wrong, history_tell(h, i, text, sizeof(text)));
	}
	free(had);
	return wrong == NULL;
}
