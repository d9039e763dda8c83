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
 *
 * and what each word by itself can tell:
 *
 *  - a free node, block or seat has nothing left of its last owner; one that is idle or retired has no owner
 *  - what lies above a mark of how far scans must go was never used, and no mark points past the end
 *  - no generation of an evicted group is above those of all nodes, nor a published one above its own node's
 *  - a long name, a long request, an answer and a loan lie in blocks that are in use and that they fit
 *  - a chunk is what its neighbours say that it is
 *  - a life is told alike by all its words, in a slot that is taken
 *
 * All of these hold in whatever state a kill leaves the segment, but for what the dead own, which is named until it is
 * reaped.  Where one is about two words that change in order, they are read in the other order.
 */
#include <inttypes.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
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
	bool enough;     /* the visitor wants no more */
	uint64_t newest; /* generation of all nodes */
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

/* Does this seat or pin name a block that can be? */
static bool block_possible(const struct check *k, uint32_t ref)
{
	return ref == 0 || (ref >> 8 != 0 && (ref >> 8) - 1 < k->c->arena.chunk_count);
}

static bool block_used(const struct check *k, uint32_t ref)
{
	const _Atomic uint64_t *word = cv_heap_word(&k->c->arena, ref);

	return word != NULL && cv_word_state(atomic_load(word)) != CV_FREE;
}

/* A block that was answered with, lent, or holds a name: its header is written. */
static bool block_whole(const struct check *k, uint32_t ref)
{
	const unsigned char *request, *data;
	size_t size;

	return block_used(k, ref) && cv_heap_payload(&k->c->arena, ref, &request, &data, &size);
}

/* The block that a long name lies in, or the lack of one. */
static void check_long_name(struct check *k, uint32_t node, enum cv_state state)
{
	struct cv_arena *a = &k->c->arena;
	uint32_t size = atomic_load(&a->nodes[node].size), ref = atomic_load(&a->nodes[node].long_name);
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	const volatile struct cv_block *b = cv_heap_at(a, ref); /* read once */

	if (state == CV_FREE ? ref != 0 : size <= CV_NAME_INLINE && ref != 0)
		broken(k, "node %u: state %d, a name of %u bytes, but block %x", node, state, size, ref);
	else if (state != CV_FREE && size > CV_NAME_INLINE &&
	         (word == NULL || b == NULL || cv_word_state(atomic_load(word)) != CV_IDLE || b->node != node ||
	                 b->size != size || b->request_size != 0))
		broken(k, "node %u: block %x does not hold its name of %u bytes", node, ref, size);
}

/* Who may own a node in this state? */
static bool owner_fits(const struct check *k, uint32_t owner, enum cv_state state)
{
	uint32_t seats = k->c->arena.seat_count;

	switch (state) {
	case CV_FREE:
	case CV_IDLE:
		return owner == 0;
	case CV_LEADING: /* a thread, or nobody yet */
		return owner <= seats;
	case CV_HANDED: /* a participant, by its keeper's seat, or nobody yet */
		return owner == 0 || owner > seats;
	default:
		return true;
	}
}

/* What a node's words tell of each other, beside what check_node() has seen. */
static void check_node_parts(struct check *k, uint32_t node)
{
	struct cv_arena *a = &k->c->arena;
	uint64_t outcome = atomic_load(&a->tails[node].outcome), own = atomic_load(&a->nodes[node].own);
	uint64_t next = atomic_load(&a->nodes[node].next), newest = outcome & ((UINT64_C(1) << 36) - 1);
	enum cv_state state = cv_word_state(own);

	k->newest = cv_word_gen(own) > k->newest ? cv_word_gen(own) : k->newest;
	if (own != 0 && node > cv_pool_high(a))
		broken(k, "node %u: in use, but the mark is at %u", node, cv_pool_high(a));
	if (!owner_fits(k, cv_word_owner(own), state) ||
	        ((state == CV_FREE || state == CV_IDLE) && cv_word_waiters(own)))
		broken(k, "node %u: state %d, but owned by seat %u, or awaited", node, state, cv_word_owner(own));
	if (state >= CV_IDLE && state <= CV_PUBLISHED && (next & CV_NEXT_MARK) != 0)
		broken(k, "node %u: state %d, but marked for removal", node, state);
	if (cv_word_gen(own) >> 36 == 0 && newest > cv_word_gen(own))
		broken(k, "node %u: its outcome is of an execution that has not been", node);
	if (outcome >> 36 > 0xff &&
	        !block_possible(k, (uint32_t)(outcome >> 36))) /* below: no block's, see publish.c */
		broken(k, "node %u: its outcome names block %x, which there is not", node, (uint32_t)(outcome >> 36));
	if (state == CV_FREE || (state >= CV_IDLE && state <= CV_PUBLISHED))
		check_long_name(k, node, state);
}

static void check_nodes(struct check *k, const uint8_t *seen)
{
	struct cv_arena *a = &k->c->arena;
	uint64_t floor = atomic_load(&a->globals->gen_floor); /* first: all generations only grow */

	for (uint32_t i = 1; i <= a->node_count && !k->enough; i++) {
		check_node(k, i, seen[i] != 0);
		check_node_parts(k, i);
	}
	if (!k->enough && floor > k->newest)
		broken(k, "the floor of generations is at %" PRIu64 ", but none is above %" PRIu64, floor, k->newest);
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

/* What a seat waits with, or was answered with. */
static void check_seat_word(struct check *k, uint32_t seat, uint64_t w)
{
	struct cv_arena *a = &k->c->arena;
	const struct cv_seat *s = &a->seats[seat];
	enum cv_seat_state state = cv_seat_state(w);
	uint32_t size = atomic_load(&s->request_size), asks = atomic_load(&s->request_block);

	if (state > CV_SEAT_OUTBOX)
		broken(k, "seat %u: its state %d is none", seat, state);
	else if (state != CV_SEAT_QUIET && seat > cv_seat_high(a))
		broken(k, "seat %u: in use, but the mark is at %u", seat, cv_seat_high(a));
	else if (state == CV_SEAT_DONE && !block_whole(k, cv_seat_block(w)) && atomic_load(&s->word) == w)
		broken(k, "seat %u: answered with block %x, which holds no answer", seat, cv_seat_block(w));
	else if (state != CV_SEAT_DONE && state != CV_SEAT_OUTBOX && cv_seat_block(w) != 0)
		broken(k, "seat %u: state %d, but it names block %x", seat, state, cv_seat_block(w));
	else if (state == CV_SEAT_WAITING && size <= CV_REQUEST_INLINE && asks != 0)
		broken(k, "seat %u: its request of %u bytes needs no block", seat, size);
	else if (state == CV_SEAT_WAITING && size > CV_REQUEST_INLINE &&
	         (!block_used(k, asks) || cv_heap_fitting(a, asks, size) == NULL) && atomic_load(&s->word) == w)
		broken(k, "seat %u: its request of %u bytes is not in block %x", seat, size, asks);
}

/* A seat that nobody owns was emptied before it was given back. */
static bool seat_empty(const struct cv_seat *s)
{
	uint32_t held = atomic_load(&s->request_block) | atomic_load(&s->mode);

	for (int i = 0; i < CV_LOANS; i++)
		held |= atomic_load(&s->loans[i]);
	for (int i = 0; i < CV_PINS; i++)
		held |= atomic_load(&s->pins[i]);
	return held == 0 && cv_seat_state(atomic_load(&s->word)) == CV_SEAT_QUIET;
}

static void check_held(struct check *k, uint32_t seat)
{
	const struct cv_seat *s = &k->c->arena.seats[seat];

	for (int i = 0; i < CV_LOANS; i++) {
		uint32_t loan = atomic_load(&s->loans[i]);

		if (loan != 0 && !block_whole(k, loan) && atomic_load(&s->loans[i]) == loan)
			broken(k, "seat %u: block %x is lent to it, but not in use", seat, loan);
	}
	for (int i = 0; i < CV_PINS; i++)
		if (!block_possible(k, atomic_load(&s->pins[i])))
			broken(k, "seat %u: pins block %x, which there is not", seat, atomic_load(&s->pins[i]));
}

static void check_seat_parts(struct check *k, uint32_t seat)
{
	const struct cv_arena *a = &k->c->arena;
	const struct cv_seat *s = &a->seats[seat];
	uint32_t owner = cv_seat_owner(a, seat);

	if (owner > a->keeper_count)
		broken(k, "seat %u: owned by participant %u of %u", seat, owner, a->keeper_count);
	else if (owner == 0 && !seat_empty(s) && cv_seat_owner(a, seat) == 0)
		broken(k, "seat %u: holds something, but nobody owns it", seat);
	if (atomic_load(&s->mode) > CV_PARK_BOUNDED)
		broken(k, "seat %u: sleeps in mode %u, which is none", seat, atomic_load(&s->mode));
	if (atomic_load(&s->forwards) > a->node_count)
		broken(k, "seat %u: forwards node %u of %u", seat, atomic_load(&s->forwards), a->node_count);
	check_seat_word(k, seat, atomic_load(&s->word));
	check_held(k, seat);
}

static void check_seats(struct check *k)
{
	const struct cv_arena *a = &k->c->arena;

	for (uint32_t i = 1; i <= a->seat_count && !k->enough; i++) {
		check_seat(k, i);
		check_seat_parts(k, i);
	}
	for (uint32_t i = a->seat_count + 1; i <= a->seat_count + a->keeper_count && !k->enough; i++) {
		if (cv_seat_state(atomic_load(&a->seats[i].word)) != CV_SEAT_QUIET)
			broken(k, "seat %u: a keeper's, but it waits", i);
		check_held(k, i);
	}
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
	uint8_t *told = shm_allocate_zeros((size_t)k->c->arena.seat_count + 1, 1);

	for (uint32_t i = 1; told != NULL && i <= k->c->arena.seat_count && !k->enough; i++)
		check_outbox(k, i, told);
	shm_free(told);
}

static void check_block(struct check *k, uint32_t ref)
{
	struct cv_arena *a = &k->c->arena;
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	uint64_t w = word == NULL ? 0 : atomic_load(word);
	const volatile struct cv_block *b = cv_heap_at(a, ref); /* read once */
	uint32_t node = b == NULL ? 0 : b->node;

	if (cv_word_state(w) == CV_FREE && (w & ~(CV_GEN_MAX << CV_GEN_SHIFT)) == 0)
		return;
	if (cv_word_state(w) > CV_IDLE && cv_word_state(w) != CV_RETIRED)
		broken(k, "block %x: its state %d is none of a block", ref, cv_word_state(w));
	else if (cv_word_waiters(w) || (cv_word_state(w) != CV_PRIVATE && cv_word_owner(w) != 0))
		broken(k, "block %x: state %d, but owned by seat %u, or awaited", ref, cv_word_state(w),
		        cv_word_owner(w));
	else if (b == NULL)
		broken(k, "block %x: in use, but its chunk holds no blocks", ref);
	else if (cv_word_state(w) == CV_PRIVATE && !seat_lives(k, cv_word_owner(w)))
		broken(k, "block %x: private to seat %u of a dead participant", ref, cv_word_owner(w));
	else if (cv_word_state(w) == CV_RETIRED && !cv_seat_pinned(a, ref, 0))
		broken(k, "block %x: retired and held by nobody", ref);
	else if (cv_word_state(w) == CV_IDLE &&
	         (node == 0 || node > a->node_count || atomic_load(&a->nodes[node].long_name) != ref))
		broken(k, "block %x: held, but not by node %u", ref, node);
}

static void check_chunk(struct check *k, uint32_t chunk)
{
	uint32_t owner;

	if (!cv_heap_chunk_sound(&k->c->arena, chunk, &owner))
		broken(k, "chunk %u: its word is none, or at odds with its neighbours'", chunk);
	else if (owner != 0 && !seat_lives(k, owner))
		broken(k, "chunk %u: taken by seat %u of a dead participant", chunk, owner);
}

/* Of a chunk that was never used. */
static void check_unused(struct check *k, uint32_t chunk)
{
	struct cv_arena *a = &k->c->arena;

	for (uint32_t b = 0; b < CV_CHUNK_BLOCKS; b++)
		if (atomic_load(&a->blocks[(uint64_t)chunk * CV_CHUNK_BLOCKS + b]) != 0 &&
		        chunk >= atomic_load(&a->globals->chunk_high))
			broken(k, "block %x: used, but the mark is at chunk %u", (chunk + 1) << 8 | b, chunk);
}

static void check_blocks(struct check *k)
{
	struct cv_arena *a = &k->c->arena;
	uint32_t high = atomic_load(&a->globals->chunk_high);

	for (uint32_t c = 0; c < a->chunk_count && !k->enough; c++) {
		check_chunk(k, c);
		if (c >= high && cv_heap_worded(a, c))
			check_unused(k, c);
		for (uint32_t b = 0; c < high && b < CV_CHUNK_BLOCKS && cv_heap_worded(a, c); b++)
			check_block(k, (c + 1) << 8 | b);
	}
}

/* ------------------------------------------------------------------------------------------------ participants */

static void check_slot(struct check *k, uint32_t slot)
{
	const struct covey_slot *s = &k->c->slots[slot];
	uint32_t state = atomic_load(&s->state), high = atomic_load(&k->c->header->globals.slot_high);
	struct covey_life life;
	bool alike = true;

	covey_life_of_slot(k->c, slot, &life);
	for (int i = 0; i < COVEY_LIFE_WORDS && life.alive; i++)
		alike = alike && life.words[i].expected == life.words[0].expected &&
		        (life.words[i].expected & FUTEX_WAITERS) != 0;
	if (state > COVEY_SLOT_TAKEN)
		broken(k, "participant %u: its state %u is none", slot, state);
	else if (state == COVEY_SLOT_TAKEN && slot >= high)
		broken(k, "participant %u: in use, but the mark is at %u", slot, high);
	else if (!alike)
		broken(k, "participant %u: the words of its life differ", slot);
	else if (life.alive && (state == COVEY_SLOT_FREE || atomic_load(&s->pid) <= 0) &&
	         atomic_load(life.words[0].word) == life.words[0].expected)
		broken(k, "participant %u: lives, but is not attached, or has no pid", slot);
}

static void check_slots(struct check *k)
{
	const struct cv_globals *g = k->c->arena.globals;
	const struct cv_arena *a = &k->c->arena;

	/* Threads that take nodes at once, each some, may take the last mark past the end. */
	if (atomic_load(&g->seat_high) > a->seat_count || atomic_load(&g->slot_high) > a->keeper_count ||
	        atomic_load(&g->chunk_high) > a->chunk_count ||
	        atomic_load(&g->node_fresh) > a->node_count + 16 * CV_SEAT_LIMIT)
		broken(k, "a mark of how far scans must go lies past the end");
	for (uint32_t i = 0; i < a->keeper_count && !k->enough; i++)
		check_slot(k, i);
}

/* seen: how many rings each participant was found to own. */
static void check_ring(struct check *k, uint32_t ring, uint8_t *seen)
{
	uint64_t owner = atomic_load(&k->c->rings[ring].owner);
	uint32_t slot = covey_ring_slot(owner);

	if (owner != 0 && (slot >= k->c->counts.participants || (owner >> 13 & 0x3ffff) != 0 ||
	                          (int32_t)(atomic_load(&k->c->slots[slot].epoch) - (uint32_t)(owner >> 32)) < 0))
		broken(k, "ring %u: its owner has not been", ring);
	else if (covey_ring_owner_lives(k->c, owner) && seen[slot]++ != 0)
		broken(k, "ring %u: participant %u, which lives, has another one too", ring, slot);
}

static void check_rings(struct check *k)
{
	uint8_t *seen = shm_allocate_zeros(k->c->counts.participants, 1);

	for (uint32_t i = 0; seen != NULL && i < k->c->counts.participants && !k->enough; i++)
		check_ring(k, i, seen);
	shm_free(seen);
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
	struct check k = {.c = c, .visit = visit, .context = context};
	uint8_t *seen;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	seen = shm_allocate_zeros((size_t)c->arena.node_count + 1, 1);
	if (seen == NULL)
		return COVEY_ESYSTEM;
	for (uint32_t i = 0; i <= c->arena.bucket_mask && !k.enough; i++)
		check_chain(&k, i, seen);
	check_nodes(&k, seen);
	check_seats(&k);
	check_outboxes(&k);
	check_blocks(&k);
	check_slots(&k);
	check_rings(&k);
	check_watch(&k);
	shm_free(seen);
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
