/*
 * event.c - taking a ring, and reading all of them; see event.h
 *
 * A ring is taken by one swap of its owner word, from a dead owner to the living caller with a mark that it is being
 * taken; then it is emptied and described, and the mark goes.  Whoever dies in between leaves a ring of a dead owner,
 * as good as any other.  Nothing else can go wrong with it: the histories of others are in other rings.
 *
 * A reader looks at the owner word before and after it has copied a ring, and drops the copy if it changed.  It
 * believes nothing else: heads only say where to look first, every entry has its check, and a name is shown only if it
 * has the hash that the entry has.
 */
#include "event.h"

#include <string.h>

#define TAKING (UINT64_C(1) << 31)
#define LANE_ROOM COVEY_LANE_ENTRIES(0)

static const char *const names[] = {
#define COVEY_EVENT(id, name, text) name,
#include "events.def"
#undef COVEY_EVENT
};

static const char *const texts[] = {
#define COVEY_EVENT(id, name, text) text,
#include "events.def"
#undef COVEY_EVENT
};

const char *covey_event_name(enum covey_event_kind kind)
{
	return (unsigned)kind < COVEY_EVENTS ? names[kind] : "";
}

const char *covey_event_text(enum covey_event_kind kind)
{
	return (unsigned)kind < COVEY_EVENTS ? texts[kind] : "";
}

/* ------------------------------------------------------------------------------------------------ rings */

static uint64_t owner_word(const covey *c, uint32_t slot)
{
	return (uint64_t)atomic_load(&c->slots[slot].epoch) << 32 | (slot + 1);
}

bool covey_ring_owner_lives(const covey *c, uint64_t owner)
{
	uint32_t slot = covey_ring_slot(owner);
	struct covey_life life;

	if (slot >= c->counts.participants)
		return false;
	covey_life_of_slot(c, slot, &life);
	/* The epoch after the life: a slot's life begins after its epoch has changed. */
	return life.alive && owner_word(c, slot) == (owner & ~TAKING);
}

/* Only its owner does this; a reader meanwhile sees the mark. */
static void ring_begin(covey *c, struct covey_ring *r, uint64_t owner)
{
	struct covey_slot *s = &c->slots[c->slot];

	for (unsigned i = 0; i < sizeof(r->lines) / sizeof(r->lines[0]); i++)
		for (unsigned k = 0; k < CV_LINE / 8; k++)
			atomic_store_explicit(&r->lines[i].word[k], 0, memory_order_relaxed);
	for (int i = 0; i < 2; i++)
		atomic_store_explicit(&r->command[i], atomic_load(&s->command[i]), memory_order_relaxed);
	atomic_store_explicit(&r->since, atomic_load(&s->since), memory_order_relaxed);
	atomic_store_explicit(&r->pid, (int32_t)c->pid, memory_order_relaxed);
	atomic_store_explicit(&r->owner, owner, memory_order_release); /* with the reader's first look */
}

void covey_ring_take(covey *c)
{
	uint64_t mine = owner_word(c, c->slot);

	memset(c->attachment->lane_taken, 0, sizeof(c->attachment->lane_taken));
	/* Twice round: others may take from under us what we looked at, but not more than there are others. */
	for (uint32_t tries = 0; tries < 2 * c->counts.participants; tries++) {
		uint32_t i = atomic_fetch_add(&c->header->globals.ring_next, 1) % c->counts.participants;
		uint64_t owner = atomic_load(&c->rings[i].owner);

		if (covey_ring_owner_lives(c, owner) ||
		        !atomic_compare_exchange_strong(&c->rings[i].owner, &owner, mine | TAKING))
			continue;
		atomic_thread_fence(memory_order_release); /* the mark before what it covers; with ring_same() */
		ring_begin(c, &c->rings[i], mine);
		c->ring = i;
		return;
	}
	c->ring = c->counts.participants;
}

/* ------------------------------------------------------------------------------------------------ lanes */

static struct covey_lane lane_of(covey *c, uint32_t number)
{
	if (c->ring >= c->counts.participants)
		return (struct covey_lane){.words = NULL, .number = number};
	return (struct covey_lane){.words = c->rings[c->ring].lines[COVEY_LANE_LINE(number)].word,
	        .stamp = owner_word(c, c->slot),
	        .mask = COVEY_LANE_ENTRIES(number) - 1,
	        .number = number};
}

void covey_lane_take(covey *c, struct covey_lane *out)
{
	uint32_t number = 0;

	while (number < COVEY_LANES - 1 && c->attachment->lane_taken[number])
		number++;
	if (number < COVEY_LANES - 1)
		c->attachment->lane_taken[number] = true;
	*out = lane_of(c, number);
}

void covey_lane_give(covey *c, const struct covey_lane *lane)
{
	if (lane->number < COVEY_LANES - 1)
		c->attachment->lane_taken[lane->number] = false;
}

struct covey_lane covey_lane_shared(covey *c)
{
	return lane_of(c, COVEY_LANES - 1);
}

void covey_event_succeeded(struct covey_thread *t, const struct covey_lead *lead, bool dead)
{
	if (dead)
		covey_event(t, COVEY_EVENT_DIED, lead->node, lead->generation - 1, lead->previous);
	covey_event(t, COVEY_EVENT_TOOK_OVER, lead->node, lead->generation, lead->previous);
}

/* ------------------------------------------------------------------------------------------------ reading */

struct lane_copy {
	uint64_t entries[LANE_ROOM][COVEY_ENTRY_WORDS]; /* those whose check holds, oldest first */
	unsigned count, next;
};

static enum covey_event_kind kind_of(const uint64_t entry[COVEY_ENTRY_WORDS])
{
	return covey_event_kind_of((unsigned)entry[2]);
}

static int32_t code_of(const uint64_t entry[COVEY_ENTRY_WORDS])
{
	const int32_t range = 1 << COVEY_EVENT_CODE_BITS;
	int32_t code = (int32_t)(entry[2] >> COVEY_EVENT_CODE_SHIFT & (uint64_t)(range - 1));

	return code > COVEY_EVENT_CODE_MAX ? code - range : code;
}

static void lane_read(struct covey_line *lines, uint32_t number, uint64_t stamp, struct lane_copy *out)
{
	_Atomic uint64_t *words = lines[COVEY_LANE_LINE(number)].word;
	uint64_t size = COVEY_LANE_ENTRIES(number), place = atomic_load_explicit(words, memory_order_relaxed) - size;

	*out = (struct lane_copy){.count = 0};
	for (uint64_t i = 0; i < size; i++, place++) {
		_Atomic uint64_t *entry = words + CV_LINE / 8 + place % size * COVEY_ENTRY_WORDS;
		uint64_t *to = out->entries[out->count], check;

		for (int k = 0; k < COVEY_ENTRY_WORDS; k++)
			to[k] = atomic_load_explicit(&entry[k], memory_order_relaxed);
		check = to[3] & COVEY_EVENT_CHECK_MASK;
		to[3] &= ~COVEY_EVENT_CHECK_MASK;
		if (check == covey_event_check(to[0], to[1], to[2], to[3], place ^ stamp) &&
		        kind_of(to) != COVEY_EVENT_NONE && kind_of(to) < COVEY_EVENTS)
			out->count++;
	}
	/* Of those recorded by the tick, the time is at least that of the event before. */
	for (unsigned i = 1; i < out->count; i++)
		if ((int64_t)out->entries[i][0] < (int64_t)out->entries[i - 1][0])
			out->entries[i][0] = out->entries[i - 1][0];
}

struct ring_copy {
	struct lane_copy lanes[COVEY_LANES];
	struct covey_event_view view; /* with what is the same for all its events */
	unsigned char name[COVEY_NAME_MAX];
};

/* False: it has no owner, or got another one meanwhile. */
static bool ring_read(const covey *c, struct covey_ring *r, struct ring_copy *out)
{
	uint64_t owner = atomic_load_explicit(&r->owner, memory_order_acquire);

	if (owner == 0 || (owner & TAKING) != 0)
		return false;
	out->view = (struct covey_event_view){.alive = covey_ring_owner_lives(c, owner)};
	out->view.pid = (pid_t)atomic_load_explicit(&r->pid, memory_order_relaxed);
	out->view.since = shm_own_time(atomic_load_explicit(&r->since, memory_order_relaxed));
	for (int i = 0; i < 2; i++) {
		uint64_t w = atomic_load_explicit(&r->command[i], memory_order_relaxed);

		memcpy(out->view.command + i * 8, &w, 8);
	}
	out->view.command[15] = '\0';
	for (uint32_t i = 0; i < COVEY_LANES; i++)
		lane_read(r->lines, i, owner, &out->lanes[i]);
	atomic_thread_fence(memory_order_acquire); /* all that was read, before the second look */
	return atomic_load_explicit(&r->owner, memory_order_relaxed) == owner;
}

/* The oldest that was not visited yet, of all lanes; NULL: that was the last. */
static const uint64_t *ring_next(struct ring_copy *r)
{
	struct lane_copy *from = NULL;

	for (int i = 0; i < COVEY_LANES; i++) {
		struct lane_copy *l = &r->lanes[i];

		if (l->next < l->count &&
		        (from == NULL || (int64_t)l->entries[l->next][0] < (int64_t)from->entries[from->next][0]))
			from = l;
	}
	return from == NULL ? NULL : from->entries[from->next++];
}

static void event_view(covey *c, struct ring_copy *r, const uint64_t *words)
{
	struct covey_event_view *v = &r->view;

	v->time = shm_own_time(words[0]);
	v->hash = words[1];
	v->generation = words[2] >> COVEY_EVENT_WHAT_BITS;
	v->kind = kind_of(words);
	v->error = (int)(words[2] >> COVEY_EVENT_KIND_BITS & 1);
	v->code = code_of(words);
	v->peer = (pid_t)(words[3] >> COVEY_EVENT_CHECK_BITS & COVEY_EVENT_PEER_MASK);
	v->size = covey_name_of(c, (uint32_t)(words[3] >> COVEY_EVENT_NODE_SHIFT), v->hash, r->name);
	v->name = v->size != 0 ? r->name : NULL;
}

int covey_each_event(covey *c, covey_event_visitor visit, void *context)
{
	struct ring_copy r;
	const uint64_t *words;
	int n = 0;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	for (uint32_t i = 0; i < c->counts.participants; i++) {
		if (!ring_read(c, &c->rings[i], &r))
			continue;
		while ((words = ring_next(&r)) != NULL) {
			event_view(c, &r, words);
			n++;
			if (visit(context, &r.view) != 0)
				return n;
		}
	}
	return n;
}
