/*
 * history_linear.c - is the history of each group that of one sequential object?
 *
 * The search is that of Wing and Gong, with the memory of Lowe: it goes through the begins and ends in their order and
 * keeps every configuration that is possible so far, which is a state of the group and the set of those open calls that
 * have taken effect in it.  When a call ends, each configuration in which it has not taken effect is replaced by all that
 * follow from it if other open calls and then this one take effect now; one from which this cannot be is dropped.  The
 * history is in order for as long as a configuration is left.  Groups are independent, so each is searched by itself; and
 * when no call is open, nothing is left of a configuration but the group's state.
 *
 *  - A call that changes nothing takes effect at the first state that gives its answer: what it does not change, it cannot
 *    spoil for others.  So few configurations live at a time.
 *  - A killed process's call may take effect or not until the process was gone.  If it becomes the leader so, its generation
 *    is not known; the first answer that tells it is believed, provided that it is larger than the last one.
 *  - A death is a call of its own, on every group.  A dying process's last call may take effect after it: the keeper thread
 *    ends when it likes.
 *  - A group whose leader is dead becomes free when it is reaped and nobody waits.  Nobody calls that, so it is taken to have
 *    happened where an answer says so.
 *  - A waiter that took over, but was answered at the same moment, passes the leadership on (await.c).  So a wait that ended
 *    with a result may have advanced the generation of a dead leader's group; until it ends, its process may lead.
 *  - A waiter whose leader has ended awaits the next one, if there is one by then; but where groups lose their places in the
 *    table, it may find that its own is another's, and is told that its leader gave up.
 *
 * Sources: Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2017).
 */
#include "history.h"

#define NOBODY (-1)
#define OPEN_MAX 64
#define WIDTH_MAX (1u << 18) /* configurations at once: a history that needs more is not decided, and so refused */

enum phase { FREE, LED, HANDED };

/* Without padding, as it is compared as bytes. */
struct config {
	uint64_t done; /* which of the open calls have taken effect */
	uint64_t generation;
	int32_t owner; /* a process, or NOBODY: the leader died and was reaped */
	uint8_t phase;
	uint8_t at_least; /* the generation is this one or a larger one */
	uint8_t passing;  /* owner is a waiter that took over, and may have passed the group on */
	uint8_t zero;
};

struct set {
	struct config *at;
	uint32_t count, room;
	uint32_t *slot; /* hash table of index + 1; 2 x room */
};

struct event {
	uint64_t tick;
	uint32_t index; /* of the record */
	bool ends;
};

struct search {
	const struct history *h;
	unsigned group;
	const struct record *open[OPEN_MAX];
	uint64_t free;                   /* places among the open ones */
	int8_t dying[HISTORY_PROCESSES]; /* 0; 1 + the place of its death among the open ones; -1: gone */
	struct set now, next, seen;
	struct config *stack; /* those of seen that are still to be gone on from */
	uint32_t depth, room;
	bool delivered[HISTORY_RECORDS]; /* somebody has the bytes of this one */
};

/* ------------------------------------------------------------------------------------------------ sets */

static uint32_t hash_of(const struct config *c)
{
	uint64_t x = c->done * UINT64_C(0x9e3779b97f4a7c15) ^ c->generation * UINT64_C(0xc2b2ae3d27d4eb4f) ^
	             (uint64_t)(uint32_t)c->owner << 24 ^ (uint64_t)c->phase << 3 ^ (uint64_t)c->at_least << 2 ^
	             c->passing;

	x ^= x >> 31;
	return (uint32_t)((x * UINT64_C(0x94d049bb133111eb)) >> 32);
}

static void set_clear(struct set *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		for (uint32_t k = hash_of(&s->at[i]) & (2 * s->room - 1); s->slot[k] != 0;
		        k = (k + 1) & (2 * s->room - 1))
			s->slot[k] = 0;
	s->count = 0;
}

static void set_place(struct set *s, uint32_t index)
{
	uint32_t k = hash_of(&s->at[index]) & (2 * s->room - 1);

	while (s->slot[k] != 0)
		k = (k + 1) & (2 * s->room - 1);
	s->slot[k] = index + 1;
}

static void set_grow(struct set *s)
{
	s->room = s->room != 0 ? 2 * s->room : 64;
	s->at = realloc(s->at, s->room * sizeof(*s->at));
	free(s->slot);
	s->slot = calloc(2 * (size_t)s->room, sizeof(*s->slot));
	must(s->at != NULL && s->slot != NULL);
	for (uint32_t i = 0; i < s->count; i++)
		set_place(s, i);
}

/* False: it is there already. */
static bool set_add(struct set *s, const struct config *c)
{
	if (s->count == s->room)
		set_grow(s);
	for (uint32_t k = hash_of(c) & (2 * s->room - 1); s->slot[k] != 0; k = (k + 1) & (2 * s->room - 1))
		if (memcmp(&s->at[s->slot[k] - 1], c, sizeof(*c)) == 0)
			return false;
	s->at[s->count] = *c;
	set_place(s, s->count++);
	return true;
}

static void set_free(struct set *s)
{
	free(s->at);
	free(s->slot);
}

/* ------------------------------------------------------------------------------------------------ the object */

static bool dead(const struct search *s, const struct config *c)
{
	int8_t d = c->owner == NOBODY ? -1 : s->dying[c->owner];

	return d < 0 || (d > 0 && (c->done >> (d - 1) & 1) != 0);
}

static bool may_be_dead(const struct search *s, const struct config *c)
{
	return dead(s, c) || c->passing != 0;
}

static int32_t pid_of(const struct search *s, int32_t process)
{
	return process == NOBODY ? 0 : atomic_load(&s->h->pid[process]);
}

/* The answer tells this generation, of the state. */
static bool told(struct config *c, uint64_t generation)
{
	if (c->at_least ? generation < c->generation : generation != c->generation)
		return false;
	c->generation = generation;
	c->at_least = 0;
	return true;
}

static void lead(struct config *c, int32_t process, uint64_t generation)
{
	c->phase = LED;
	c->owner = process;
	c->at_least = generation == 0; /* not known: larger than the last */
	c->generation = generation != 0 ? generation : c->generation + 1;
	c->passing = 0;
}

static bool end_of(struct config *c)
{
	c->phase = FREE;
	c->owner = NOBODY;
	c->passing = 0;
	return true;
}

static bool led_by(struct config *c, const struct record *r)
{
	return c->phase == LED && c->owner == r->process && told(c, r->asked);
}

/* Nobody leads; or so it has become, after a death. */
static bool is_free(const struct search *s, struct config *c)
{
	return c->phase == FREE || (may_be_dead(s, c) && end_of(c));
}

/* The pid of the one taken over from; 0 once that one was reaped. */
static bool previous_told(const struct search *s, const struct config *c, int32_t pid)
{
	if (pid == 0)
		return c->phase == FREE || may_be_dead(s, c);
	return c->passing || (c->phase != FREE && pid == pid_of(s, c->owner));
}

/* Take over from a dead leader. */
static bool succeeds(const struct search *s, const struct record *r, struct config *c)
{
	if (c->phase == FREE || !may_be_dead(s, c) || (r->generation != 0 && r->generation <= c->generation))
		return false;
	lead(c, r->process, r->generation);
	return true;
}

static bool becomes_leader(const struct search *s, const struct record *r, struct config *c)
{
	if (!previous_told(s, c, r->pid))
		return false;
	if (c->phase != FREE)
		return succeeds(s, r, c);
	if (r->generation != 0 && r->generation <= c->generation)
		return false;
	lead(c, r->process, r->generation);
	return true;
}

static bool registers(const struct search *s, const struct record *r, struct config *c)
{
	switch (r->answer) {
	case COVEY_LEADER:
		return becomes_leader(s, r, c);
	case COVEY_WAIT:
		return c->phase != FREE && !dead(s, c) && told(c, r->generation) && r->pid == pid_of(s, c->owner);
	case COVEY_RECURSION:
		return c->phase == LED && c->owner == r->process && told(c, r->generation);
	default:
		return r->answer == COVEY_EFULL;
	}
}

static bool joins(const struct search *s, const struct record *r, struct config *c)
{
	if (r->answer == COVEY_ENOENT)
		return is_free(s, c);
	return r->answer == COVEY_WAIT && c->phase != FREE && told(c, r->generation) &&
	       (r->pid == pid_of(s, c->owner) || (r->pid == 0 && may_be_dead(s, c)));
}

static bool finds(const struct search *s, const struct record *r, struct config *c)
{
	if (r->answer == COVEY_ENOENT)
		return is_free(s, c);
	return r->answer == 0 && c->phase != FREE && told(c, r->generation) &&
	       (r->pid == 0 ? may_be_dead(s, c) : !dead(s, c) && r->pid == pid_of(s, c->owner));
}

static bool takes_over(const struct search *s, const struct record *r, struct config *c)
{
	switch (r->answer) {
	case COVEY_LEADER:
		if (c->phase == FREE || !previous_told(s, c, r->pid) || !told(c, r->asked) || r->generation <= r->asked)
			return false;
		lead(c, r->process, r->generation);
		return true;
	case COVEY_ENOENT:
		return is_free(s, c);
	case COVEY_EFENCED: /* another generation leads */
		return c->phase != FREE && (c->at_least || r->asked != c->generation);
	default:
		return false;
	}
}

static bool accepts(const struct search *s, const struct record *r, struct config *c)
{
	bool given = c->phase == HANDED && c->owner == r->process;

	switch (r->answer) {
	case COVEY_LEADER:
		if (!given)
			return succeeds(s, r, c);
		if (r->generation <= c->generation)
			return false;
		lead(c, r->process, r->generation);
		return true;
	case COVEY_ENOENT:
		return is_free(s, c);
	case COVEY_ETIMEDOUT:
		return c->phase != FREE && !given && !dead(s, c);
	default:
		return false;
	}
}

/* Its effect on the group, if any; the bytes are history_waits.c's. */
static bool awaits(const struct search *s, const struct record *r, struct config *c)
{
	if (r->answer == COVEY_DIED)
		return r->took_over ? succeeds(s, r, c) : c->phase != FREE && may_be_dead(s, c);
	if (r->answer == COVEY_GAVE_UP)
		return is_free(s, c) || (s->h->evicts && c->generation > r->asked);
	if (r->answer == COVEY_TIMED_OUT)
		return true;
	/* With a result: it may have taken over, and passed that on. */
	if ((r->answer != COVEY_OK && r->answer != COVEY_ERROR) || !may_be_dead(s, c) || c->phase == FREE)
		return false;
	lead(c, r->process, 0);
	c->passing = 1;
	return true;
}

/* A call that was cut short: what it may have done. */
static bool cut_short(const struct search *s, const struct record *r, struct config *c)
{
	switch (r->call) {
	case REGISTER:
		return becomes_leader(s, r, c);
	case TAKE_OVER:
		if (c->phase == FREE || !told(c, r->asked))
			return false;
		lead(c, r->process, 0);
		return true;
	case ACCEPT:
		if (c->phase != HANDED || c->owner != r->process)
			return succeeds(s, r, c);
		lead(c, r->process, 0);
		return true;
	case AWAIT:
		if (!succeeds(s, r, c))
			return false;
		c->passing = 1;
		return true;
	case PUBLISH:
	case UNREGISTER:
		return led_by(c, r) && end_of(c);
	case FORWARD:
		if (!led_by(c, r))
			return false;
		c->phase = HANDED;
		c->generation++;
		return true;
	default:
		return false;
	}
}

/* The state after this call, if it can take effect here with the answer that it had. */
static bool apply(const struct search *s, const struct record *r, struct config *c)
{
	if (r->call == DEATH)
		return true;
	if (atomic_load(&r->end) == 0)
		return cut_short(s, r, c);
	switch (r->call) {
	case REGISTER:
		return registers(s, r, c);
	case JOIN:
		return joins(s, r, c);
	case FIND:
		return finds(s, r, c);
	case LEADING:
		return led_by(c, r) == (r->answer != 0);
	case NOTIFY:
		return led_by(c, r) == (r->answer != COVEY_EFENCED);
	case PUBLISH:
	case UNREGISTER:
		if (led_by(c, r) != (r->answer != COVEY_EFENCED))
			return false;
		return r->answer == COVEY_EFENCED || end_of(c);
	case TAKE_OVER:
		return takes_over(s, r, c);
	case FORWARD:
		if (led_by(c, r) != (r->answer == 0))
			return false;
		if (r->answer == 0) {
			c->phase = HANDED;
			c->generation++;
		}
		return true;
	case ACCEPT:
		return accepts(s, r, c);
	case AWAIT:
		return awaits(s, r, c);
	default:
		return false;
	}
}

/* It need not take effect: it was cut short, or what it may do is only a possibility.  But a publication that somebody has
 * the bytes of did. */
static bool optional(const struct search *s, const struct record *r)
{
	if (r->call == AWAIT && atomic_load(&r->end) != 0)
		return r->answer == COVEY_OK || r->answer == COVEY_ERROR;
	if (r->call == PUBLISH && s->delivered[r - s->h->record])
		return false;
	return atomic_load(&r->end) == 0 && r->call != DEATH;
}

/* ------------------------------------------------------------------------------------------------ the search */

/* Give this call its effect in the configuration, if it can have it. */
static bool effect(const struct search *s, unsigned place, struct config *c)
{
	if ((c->done >> place & 1) != 0 || s->open[place] == NULL || !apply(s, s->open[place], c))
		return false;
	c->done |= UINT64_C(1) << place;
	return true;
}

/* Let all that changes nothing take effect. */
static void settle(const struct search *s, struct config *c)
{
	for (uint64_t left = ~s->free & ~c->done; left != 0; left &= left - 1) {
		unsigned place = (unsigned)__builtin_ctzll(left);
		const struct record *r = s->open[place];
		struct config then = *c;

		if (r->call == DEATH || optional(s, r) || !apply(s, r, &then) || memcmp(&then, c, sizeof(then)) != 0)
			continue;
		c->done |= UINT64_C(1) << place;
	}
}

static void push(struct search *s, const struct config *c)
{
	if (s->depth == s->room) {
		s->room = s->room != 0 ? 2 * s->room : 64;
		s->stack = realloc(s->stack, s->room * sizeof(*s->stack));
		must(s->stack != NULL);
	}
	s->stack[s->depth++] = *c;
}

/* One more open call takes effect: the one in this place, then we are done, or another. */
static void step(struct search *s, const struct config *from, unsigned other, unsigned place)
{
	struct config then = *from;

	if (!effect(s, other, &then))
		return;
	settle(s, &then);
	if ((then.done >> place & 1) != 0)
		set_add(&s->next, &then);
	else if (s->seen.count < WIDTH_MAX && set_add(&s->seen, &then))
		push(s, &then);
}

/* The call in this place ends: what follows from c in which it has taken effect goes to s->next. */
static void explore(struct search *s, const struct config *c, unsigned place)
{
	push(s, c);
	while (s->depth != 0) {
		struct config from = s->stack[--s->depth];

		for (uint64_t left = ~s->free & ~from.done; left != 0; left &= left - 1)
			step(s, &from, (unsigned)__builtin_ctzll(left), place);
	}
}

/* It is no more among the open ones. */
static void forget(struct search *s, unsigned place)
{
	const struct record *r = s->open[place];

	set_clear(&s->now);
	for (uint32_t i = 0; i < s->next.count; i++) {
		struct config c = s->next.at[i];

		c.done &= ~(UINT64_C(1) << place);
		if (c.passing && c.owner == r->process && r->call == AWAIT) {
			c.owner = NOBODY;
			c.passing = 0;
		}
		set_add(&s->now, &c);
	}
	if (r->call == DEATH)
		s->dying[r->process] = -1;
	s->open[place] = NULL;
	s->free |= UINT64_C(1) << place;
}

static bool ends(struct search *s, const struct record *r)
{
	unsigned place = 0;

	while (s->open[place] != r)
		place++;
	set_clear(&s->next);
	set_clear(&s->seen);
	for (uint32_t i = 0; i < s->now.count; i++) {
		struct config c = s->now.at[i];
		bool done = (c.done >> place & 1) != 0;

		if (done || optional(s, r))
			set_add(&s->next, &c);
		if (!done)
			explore(s, &c, place);
	}
	if (s->next.count == 0 || s->seen.count >= WIDTH_MAX)
		return false;
	forget(s, place);
	return true;
}

static bool begins(struct search *s, const struct record *r)
{
	unsigned place;

	if (s->free == 0)
		return false;
	place = (unsigned)__builtin_ctzll(s->free);
	s->free &= s->free - 1;
	s->open[place] = r;
	if (r->call == DEATH)
		s->dying[r->process] = (int8_t)(place + 1);
	set_clear(&s->next);
	for (uint32_t i = 0; i < s->now.count; i++) {
		struct config c = s->now.at[i];

		settle(s, &c);
		set_add(&s->next, &c);
	}
	set_clear(&s->now);
	for (uint32_t i = 0; i < s->next.count; i++)
		set_add(&s->now, &s->next.at[i]);
	return true;
}

/* ------------------------------------------------------------------------------------------------ events */

static int by_tick(const void *a, const void *b)
{
	uint64_t x = ((const struct event *)a)->tick, y = ((const struct event *)b)->tick;

	return x < y ? -1 : x > y;
}

/* When its effect was over at the latest: its end, or its process's. */
static uint64_t over(const uint64_t *gone, const struct record *r)
{
	uint64_t end = atomic_load(&r->end);

	return end != 0 ? end : gone[r->process] != 0 ? gone[r->process] : UINT64_MAX / 4;
}

static uint32_t events_of(const struct history *h, unsigned group, struct event *events)
{
	static uint64_t gone[HISTORY_PROCESSES];
	uint32_t n = 0, used = atomic_load(&h->used);

	memset(gone, 0, sizeof(gone));
	for (uint32_t i = 0; i < used; i++)
		if (h->record[i].call == DEATH)
			gone[h->record[i].process] = atomic_load(&h->record[i].end);
	for (uint32_t i = 0; i < used; i++) {
		const struct record *r = &h->record[i];
		uint64_t begin = atomic_load(&r->begin);

		if (begin == 0 || (r->group != group && r->call != DEATH))
			continue;
		events[n++] = (struct event){2 * begin, i, false};
		/* a death comes after the calls that it ended */
		events[n++] = (struct event){2 * over(gone, r) + (r->call == DEATH), i, true};
	}
	qsort(events, n, sizeof(*events), by_tick);
	return n;
}

static bool group_linear(struct search *s, struct event *events, char *why, size_t size)
{
	uint32_t n = events_of(s->h, s->group, events);
	struct config first = {.generation = s->h->floor[s->group], .owner = NOBODY, .phase = FREE, .at_least = 1};
	char text[200];

	s->free = UINT64_MAX;
	memset(s->open, 0, sizeof(s->open));
	memset(s->dying, 0, sizeof(s->dying));
	set_clear(&s->now);
	set_add(&s->now, &first);
	for (uint32_t i = 0; i < n; i++) {
		const struct record *r = &s->h->record[events[i].index];

		if (events[i].ends ? ends(s, r) : begins(s, r))
			continue;
		snprintf(why, size, "%s: %s, in any order",
		        s->free == 0 || s->seen.count >= WIDTH_MAX ? "too many" : "no such answer",
		        history_tell(s->h, events[i].index, text, sizeof(text)));
		return false;
	}
	return true;
}

bool history_linear(const struct history *h, char *why, size_t size)
{
	static struct search s;
	struct event *events = malloc(2 * HISTORY_RECORDS * sizeof(*events));
	bool good = true;

	must(events != NULL);
	memset(&s, 0, sizeof(s));
	s.h = h;
	for (uint32_t i = 0; i < atomic_load(&h->used); i++)
		if (h->record[i].source != 0)
			s.delivered[h->record[i].source - 1] = true;
	for (s.group = 0; s.group < HISTORY_GROUPS && good; s.group++)
		good = group_linear(&s, events, why, size);
	free(events);
	free(s.stack);
	set_free(&s.now);
	set_free(&s.next);
	set_free(&s.seen);
	return good;
}
