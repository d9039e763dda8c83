/*
 * check.c - every invariant of a quiet segment
 *
 *  - every chain ends, holds only nodes of its bucket, and no name twice
 *  - a node is linked exactly once if it is LEADING, HANDED, PUBLISHED, IDLE or EVICTING, and not if FREE or PRIVATE
 *  - what is owned is owned by a seat of a participant that lives; a group without a leader has waiters
 *  - a held block is the long name of the node it names; a retired one is pinned; none is private to the dead
 *  - whoever waits, waits for a group that is led; no outbox holds an answer to two
 *  - nobody who lives has two histories
 *  - nobody's ringing of the watchers is left unfinished
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "hash.h"
#include "internal.h"
#include "pool.h"
#include "watch.h"

struct check {
	covey *c;
	covey_damage_visitor visit;
	void *context;
	int found;
	bool enough; /* the visitor wants no more */
};

__attribute__((format(printf, 2, 3))) static void broken(struct check *k, const char *format, ...)
{
	char what[160];
	va_list arguments;

	if (k->enough)
		return;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	k->found++;
	k->enough = k->visit(k->context, what) != 0;
}

static bool seat_lives(struct check *k, uint32_t seat)
{
	struct covey_life life;

	covey_life_of_seat(k->c, seat, &life);
	return life.alive;
}

static void check_chain(struct check *k, uint32_t bucket, uint8_t *seen)
{
	struct cv_arena *a = &k->c->arena;
	uint32_t node = (uint32_t)atomic_load(&a->buckets[bucket]);

	while (node != 0) { /* it ends: no node is passed twice */
		if (node > a->node_count) {
			broken(k, "bucket %u: its chain leads to node %u of %u", bucket, node, a->node_count);
			return;
		}
		if (seen[node] != 0) {
			broken(k, "bucket %u: node %u is linked twice", bucket, node);
			return;
		}
		seen[node] = 1;
		if ((atomic_load(&a->nodes[node].hash) & a->bucket_mask) != bucket)
			broken(k, "bucket %u: node %u belongs to another chain", bucket, node);
		node = (uint32_t)(atomic_load(&a->nodes[node].next) & CV_NEXT_INDEX);
	}
}

static void check_unique(struct check *k, uint32_t node)
{
	struct cv_arena *a = &k->c->arena;
	unsigned char name[COVEY_NAME_MAX];
	struct cv_key key = {name, cv_table_name(a, 0, node, name, sizeof(name)), 0};
	struct cv_spot spot;

	if (key.size == 0) {
		broken(k, "node %u: its name cannot be read", node);
		return;
	}
	key.hash = cv_hash(a->key, name, key.size);
	if (key.hash != atomic_load(&a->nodes[node].hash))
		broken(k, "node %u: its name and its hash disagree", node);
	else if (cv_table_find(a, 0, &key, &spot) != 1 || spot.node != node)
		broken(k, "node %u: a lookup of its name does not lead to it", node);
}

static void check_node(struct check *k, uint32_t node, bool linked)
{
	uint64_t own = atomic_load(&k->c->arena.nodes[node].own);
	enum cv_state state = cv_word_state(own);
	bool in_table = state != CV_FREE && state != CV_PRIVATE;

	if (state == CV_RETIRED)
		broken(k, "node %u: its state %d is none of a node", node, state);
	else if (in_table != linked)
		broken(k, "node %u: state %d, but it is %slinked", node, state, linked ? "" : "not ");
	else if (cv_word_owner(own) != 0 && !seat_lives(k, cv_word_owner(own)))
		broken(k, "node %u: state %d, owned by seat %u of a dead participant", node, state, cv_word_owner(own));
	else if (cv_word_owner(own) == 0 && state != CV_FREE && state != CV_IDLE && !cv_word_waiters(own))
		broken(k, "node %u: state %d without an owner or a waiter", node, state);
	else if (in_table && state != CV_EVICTING)
		check_unique(k, node);
}

static void check_seat(struct check *k, uint32_t seat)
{
	struct cv_arena *a = &k->c->arena;
	uint64_t w = atomic_load(&a->seats[seat].word), own, awaited = atomic_load(&a->seats[seat].key);
	uint32_t key = (uint32_t)awaited;

	if (cv_seat_owner(a, seat) != 0 && !seat_lives(k, seat))
		broken(k, "seat %u: owned by a dead participant", seat);
	if (cv_seat_state(w) != CV_SEAT_WAITING)
		return;
	if (key == 0 || key > a->node_count) {
		broken(k, "seat %u: waits for node %u of %u", seat, key, a->node_count);
		return;
	}
	own = atomic_load(&a->nodes[key].own);
	if (awaited != cv_key_now(a, key))
		broken(k, "seat %u: waits for a group that node %u no longer holds", seat, key);
	else if (cv_seat_owner(a, seat) == 0)
		broken(k, "seat %u: waits, but nobody owns it", seat);
	else if ((cv_word_state(own) != CV_LEADING && cv_word_state(own) != CV_HANDED) || !cv_word_waiters(own))
		broken(k, "seat %u: waits for node %u, which is in state %d", seat, key, cv_word_state(own));
}

/* told: which seats' outboxes somebody has yet to read. */
static void check_outbox(struct check *k, uint32_t seat, uint8_t *told)
{
	const struct cv_seat *s = &k->c->arena.seats[seat];
	uint64_t w = atomic_load(&s->word);
	uint32_t from = cv_outbox_seat(w);

	if (cv_seat_state(w) != CV_SEAT_OUTBOX || atomic_load(&s->taken) == w)
		return;
	if (from == 0 || from > k->c->arena.seat_count || cv_outbox_size(w) > CV_OUTBOX_BYTES)
		broken(k, "seat %u: answered by the outbox of seat %u, %u bytes", seat, from, cv_outbox_size(w));
	else if (told[from]++ != 0)
		broken(k, "seat %u: its outbox is named by two", from);
}

static void check_outboxes(struct check *k)
{
	uint8_t *told = calloc((size_t)k->c->arena.seat_count + 1, 1);

	for (uint32_t i = 1; told != NULL && i <= k->c->arena.seat_count && !k->enough; i++)
		check_outbox(k, i, told);
	free(told);
}

static void check_block(struct check *k, uint32_t ref)
{
	struct cv_arena *a = &k->c->arena;
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	uint64_t w = word == NULL ? 0 : atomic_load(word);
	const volatile struct cv_block *b = cv_heap_at(a, ref); /* read once */
	uint32_t node = b == NULL ? 0 : b->node;

	if (cv_word_state(w) == CV_FREE)
		return;
	if (b == NULL)
		broken(k, "block %x: in use, but its chunk holds no blocks", ref);
	else if (cv_word_state(w) == CV_PRIVATE && !seat_lives(k, cv_word_owner(w)))
		broken(k, "block %x: private to seat %u of a dead participant", ref, cv_word_owner(w));
	else if (cv_word_state(w) == CV_RETIRED && !cv_seat_pinned(a, ref, 0))
		broken(k, "block %x: retired and held by nobody", ref);
	else if (cv_word_state(w) == CV_IDLE &&
	         (node == 0 || node > a->node_count || atomic_load(&a->nodes[node].long_name) != ref))
		broken(k, "block %x: held, but not by node %u", ref, node);
}

static void check_blocks(struct check *k)
{
	struct cv_arena *a = &k->c->arena;
	uint32_t high = atomic_load(&a->globals->chunk_high);

	for (uint32_t c = 0; c < high && c < a->chunk_count && !k->enough; c++)
		for (uint32_t b = 0; b < CV_CHUNK_BLOCKS && cv_heap_worded(a, c); b++)
			check_block(k, (c + 1) << 8 | b);
}

/* seen: how many rings each participant was found to own. */
static void check_ring(struct check *k, uint32_t ring, uint8_t *seen)
{
	uint64_t owner = atomic_load(&k->c->rings[ring].owner);
	uint32_t slot = covey_ring_slot(owner);

	if (covey_ring_owner_lives(k->c, owner) && seen[slot]++ != 0)
		broken(k, "ring %u: participant %u, which lives, has another one too", ring, slot);
}

static void check_rings(struct check *k)
{
	uint8_t *seen = calloc(k->c->counts.participants, 1);

	for (uint32_t i = 0; seen != NULL && i < k->c->counts.participants && !k->enough; i++)
		check_ring(k, i, seen);
	free(seen);
}

static void check_watch(struct check *k)
{
	for (unsigned i = 0; i < CV_WATCH_WORDS; i++) {
		uint32_t state = atomic_load(&k->c->arena.watch[i]) & CV_WATCH_STATE_MASK;

		if (state != CV_WATCH_IDLE && state != CV_WATCH_ARMED)
			broken(k, "watch word %u: left in state %u", i, state);
	}
}

int covey_each_damage(covey *c, covey_damage_visitor visit, void *context)
{
	struct check k = {c, visit, context, 0, false};
	uint8_t *seen;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	seen = calloc((size_t)c->arena.node_count + 1, 1);
	if (seen == NULL)
		return COVEY_ESYSTEM;
	for (uint32_t i = 0; i <= c->arena.bucket_mask && !k.enough; i++)
		check_chain(&k, i, seen);
	for (uint32_t i = 1; i <= c->arena.node_count && !k.enough; i++)
		check_node(&k, i, seen[i] != 0);
	for (uint32_t i = 1; i <= c->arena.seat_count && !k.enough; i++)
		check_seat(&k, i);
	check_outboxes(&k);
	check_blocks(&k);
	check_rings(&k);
	check_watch(&k);
	free(seen);
	return k.found;
}

struct sentence {
	char *why;
	size_t size;
};

static int keep_first(void *context, const char *what)
{
	struct sentence *first = context;

	if (first->why != NULL && first->size != 0)
		snprintf(first->why, first->size, "%s", what);
	return 1; /* the first one says most */
}

int covey_check(covey *c, char *why, size_t size)
{
	struct sentence first = {why, size};
	int found = covey_each_damage(c, keep_first, &first);

	return found > 0 ? COVEY_ECORRUPT : found;
}
