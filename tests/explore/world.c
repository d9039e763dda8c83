/*
 * world.c - a region of some hundred words with its participants, and what must hold of it at the end
 *
 * The region lies in ordinary memory; nothing here needs a file.  Each participant has a handle of its own, which knows it
 * by the views that covey_open() would have made; they all point to the same memory.  One more participant has no actors:
 * the checker, which reaps the dead when nobody else goes on any more, and then looks at everything.
 *
 * Histories of events are left out: they are for people, and nothing else reads them.
 */
#include "explore.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "pool.h"

_Thread_local struct covey_thread *covey_thread_last;

uint32_t world_checker;
static uint32_t seats_taken;

struct covey_thread *covey_thread_slow(covey *c, int *error)
{
	(void)c;
	*error = COVEY_ESYSTEM;
	violation("a call was made by a thread without a seat");
	return NULL;
}

struct covey_thread *shm_act_seatless(covey *c, int *error)
{
	return covey_thread_slow(c, error);
}

void shm_act_unlock(struct covey_thread *t)
{
	(void)t;
}

/* Each participant has one handle here, and its threads do not exit. */
bool shm_slot_is_ours(const covey *c, uint32_t slot)
{
	return slot == c->slot;
}

void shm_seat_settle(const covey *c, uint32_t seat)
{
	(void)c, (void)seat;
}

bool shm_reserve_ready(struct covey_thread *t)
{
	(void)t;
	return true;
}

void shm_reserve_note(struct covey_thread *t, uint32_t ref)
{
	(void)t, (void)ref;
}

unsigned covey_memory_outside(void)
{
	return 0;
}

void covey_memory_leave(unsigned before)
{
	(void)before;
}

bool shm_thread_leads(const struct covey_thread *t)
{
	return t->leading != 0;
}

void shm_visit_begin(struct shm_visit *v, const struct shm_attachment *but)
{
	(void)but;
	v->count = 0;
}

void shm_visit_end(struct shm_visit *v)
{
	(void)v;
}

uint64_t shm_process_identity(void)
{
	return 0;
}

void shm_twins_tell(covey *c)
{
	(void)c;
}

void covey_registry_lock(void)
{
}

void covey_registry_unlock(void)
{
}

static int clock_stopped(clockid_t clock, struct timespec *out)
{
	(void)clock;
	*out = (struct timespec){.tv_nsec = (long)shared.now};
	return 0;
}

static int commit(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk, (void)count;
	return 0;
}

static void release(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk, (void)count;
}

/* ------------------------------------------------------------------------------------------------ making it */

static void view(covey *c, uint32_t slot, const struct covey_counts *counts, const struct covey_layout *layout)
{
	struct shm_attachment *a = &shared.attachments[slot];
	unsigned char *base = shared.region;

	*c = (covey){.header = (struct covey_header *)(void *)base,
	        .slots = (struct covey_slot *)(void *)(base + layout->slots),
	        .rings = (struct covey_ring *)(void *)(base + layout->rings),
	        .counts = *counts,
	        .layout = *layout,
	        .attachment = a,
	        .slot = slot,
	        .pid = 1000 + (pid_t)slot,
	        .ring = counts->participants};
	a->fd = (int)slot + 1;
	a->attached = true;
	c->arena = (struct cv_arena){.nodes = (struct cv_node *)(void *)(base + layout->nodes),
	        .tails = (struct cv_tail *)(void *)(base + layout->tails),
	        .buckets = (_Atomic uint64_t *)(void *)(base + layout->buckets),
	        .seats = (struct cv_seat *)(void *)(base + layout->seats),
	        .chunks = (_Atomic uint64_t *)(void *)(base + layout->chunks),
	        .blocks = (_Atomic uint64_t *)(void *)(base + layout->blocks),
	        .heap = base + layout->heap,
	        .globals = &c->header->globals,
	        .watch = (_Atomic uint32_t *)(void *)(base + layout->watch),
	        .node_count = counts->groups,
	        .bucket_mask = counts->buckets - 1,
	        .seat_count = counts->threads,
	        .keeper_count = counts->participants,
	        .chunk_count = counts->chunks,
	        .chunk_base = counts->chunks_base,
	        .backing = {commit, release, c}};
}

static void participant_begin(covey *c)
{
	struct covey_slot *s = &c->slots[c->slot];

	shared.slot_locks[c->slot] = (uint32_t)c->attachment->fd;
	atomic_store(&s->epoch, 1);
	atomic_store(&s->state, COVEY_SLOT_TAKEN);
	atomic_store(&s->pid, (int32_t)c->pid);
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_store(&s->life[i * COVEY_LIFE_STRIDE], TID(c->slot) | FUTEX_WAITERS);
}

void world_make(uint32_t groups, uint32_t buckets, uint32_t participants)
{
	struct covey_counts counts = {participants + 1, THREADS, groups, 1, 1, buckets};
	struct covey_layout layout;
	struct cv_hint hint = {0};
	uint32_t block;

	memset(&shared, 0, sizeof(shared));
	actor_count = seats_taken = 0;
	world_checker = participants;
	shared.now = 1000;
	covey_clock = clock_stopped;
	if (!covey_layout_of(&counts, &layout) || layout.size > sizeof(shared.region) || participants >= PARTICIPANTS)
		abort();
	for (uint32_t i = 0; i <= participants; i++) {
		view(&shared.handles[i], i, &counts, &layout);
		participant_begin(&shared.handles[i]);
	}
	atomic_store(&shared.handles[0].header->globals.slot_high, participants + 1);
	/* A slab is there already, as in any region that is in use. */
	block = cv_heap_take(&shared.handles[0].arena, 1, 8, &hint);
	cv_heap_free(&shared.handles[0].arena, 1, block);
}

uint32_t world_seat(uint32_t participant)
{
	covey *c = &shared.handles[participant];
	uint32_t seat = cv_seat_take(&c->arena, participant);

	shared.threads[seat] = (struct covey_thread){.c = c, .thread = &covey_thread_last, .seat = seat};
	shared.threads[seat].lane.number = COVEY_LANES - 1;
	return seat;
}

void world_as(uint32_t seat)
{
	covey_thread_last = &shared.threads[seat];
}

/* ------------------------------------------------------------------------------------------------ telling where */

static const char *node_field(size_t offset)
{
	return offset == offsetof(struct cv_node, own)         ? "own"
	       : offset == offsetof(struct cv_node, next)      ? "next"
	       : offset == offsetof(struct cv_node, hash)      ? "hash"
	       : offset == offsetof(struct cv_node, since)     ? "since"
	       : offset == offsetof(struct cv_node, size)      ? "size"
	       : offset == offsetof(struct cv_node, long_name) ? "long_name"
	                                                       : "name";
}

static const char *tail_field(size_t offset)
{
	return offset == offsetof(struct cv_tail, outcome)        ? "outcome"
	       : offset == offsetof(struct cv_tail, bell)         ? "bell"
	       : offset == offsetof(struct cv_tail, request_bell) ? "request_bell"
	       : offset == offsetof(struct cv_tail, tickets)      ? "tickets"
	       : offset == offsetof(struct cv_tail, receivers)    ? "receivers"
	                                                          : "name";
}

static const char *seat_field(size_t offset)
{
	return offset == offsetof(struct cv_seat, word)                                               ? "word"
	       : offset == offsetof(struct cv_seat, key)                                              ? "key"
	       : offset == offsetof(struct cv_seat, ticket)                                           ? "ticket"
	       : offset == offsetof(struct cv_seat, mode)                                             ? "mode"
	       : offset == offsetof(struct cv_seat, taken)                                            ? "taken"
	       : offset == offsetof(struct cv_seat, given)                                            ? "given"
	       : offset == offsetof(struct cv_seat, owner)                                            ? "owner"
	       : offset == offsetof(struct cv_seat, request_block)                                    ? "request_block"
	       : offset >= offsetof(struct cv_seat, outbox)                                           ? "outbox"
	       : offset >= offsetof(struct cv_seat, pins) && offset < offsetof(struct cv_seat, loans) ? "pins"
	       : offset >= offsetof(struct cv_seat, loans) && offset < offsetof(struct cv_seat, thread) ? "loans"
	                                                                                                : "others";
}

void world_place(const volatile void *at, char *out, size_t size)
{
	const struct covey_layout *l = &shared.handles[0].layout;
	size_t o = (size_t)((uintptr_t)at - (uintptr_t)shared.region), in;

	if (o >= l->size)
		snprintf(out, size, "private+%zu", o - l->size);
	else if (o >= l->heap)
		snprintf(out, size, "heap+%zu", o - l->heap);
	else if (o >= l->blocks)
		snprintf(out, size, "block %zu", (o - l->blocks) / 8);
	else if (o >= l->chunks)
		snprintf(out, size, "chunk %zu", (o - l->chunks) / 8);
	else if (o >= l->buckets)
		snprintf(out, size, "bucket %zu", (o - l->buckets) / 8);
	else if (o >= l->tails && (in = o - l->tails, true))
		snprintf(
		        out, size, "node %zu %s", in / sizeof(struct cv_tail), tail_field(in % sizeof(struct cv_tail)));
	else if (o >= l->nodes && (in = o - l->nodes, true))
		snprintf(
		        out, size, "node %zu %s", in / sizeof(struct cv_node), node_field(in % sizeof(struct cv_node)));
	else if (o >= l->seats && (in = o - l->seats, true))
		snprintf(
		        out, size, "seat %zu %s", in / sizeof(struct cv_seat), seat_field(in % sizeof(struct cv_seat)));
	else if (o >= l->slots && o < l->rings)
		snprintf(out, size, "slot %zu+%zu", (o - l->slots) / 256, (o - l->slots) % 256);
	else
		snprintf(out, size, "%s+%zu", o >= l->watch && o < l->slots ? "watch" : "header", o);
}

/* ------------------------------------------------------------------------------------------------ the ownership word */

/* What may follow on what; generations as in word.h. */
static bool may_follow(enum cv_state was, enum cv_state is, uint64_t more)
{
	switch (was) {
	case CV_FREE:
		return is == CV_PRIVATE && more == 0;
	case CV_PRIVATE:
		return is == CV_LEADING || ((is == CV_FREE || is == CV_PRIVATE) && more == 0);
	case CV_IDLE:
		return (is == CV_LEADING && more == 1) || (is == CV_EVICTING && more == 0);
	case CV_LEADING:
		return is == CV_HANDED ? more == 1
		                       : is == CV_LEADING || (more == 0 && is != CV_EVICTING && is != CV_RETIRED);
	case CV_HANDED:
		return is == CV_LEADING ? more <= 1
		                        : more == 0 && (is == CV_HANDED || is == CV_IDLE || is == CV_PUBLISHED);
	case CV_PUBLISHED:
		return is == CV_IDLE && more == 0;
	case CV_EVICTING:
		return (is == CV_PRIVATE || is == CV_EVICTING) && more == 0;
	default:
		return false;
	}
}

/* Is this the word at this offset of one of these?  Which. */
static bool is_word_of(
        const volatile void *at, const void *first, size_t count, size_t size, size_t offset, size_t *which)
{
	uintptr_t p = (uintptr_t)at, from = (uintptr_t)first;

	if (p < from || p >= from + count * size || (p - from) % size != offset)
		return false;
	*which = (p - from) / size;
	return true;
}

void world_changed(const volatile void *at, uint64_t old, uint64_t now)
{
	const struct cv_arena *a = &shared.handles[0].arena;
	size_t which;

	if (!machine.running || self == NULL)
		return;
	if (is_word_of(at, a->seats, THREADS + 1, sizeof(struct cv_seat), offsetof(struct cv_seat, word), &which) &&
	        cv_seat_state(old) == CV_SEAT_WAITING && cv_seat_state(now) != CV_SEAT_WAITING &&
	        cv_seat_state(now) != CV_SEAT_QUIET)
		law_answered(now);
	if (!is_word_of(at, a->nodes, a->node_count + 1, sizeof(struct cv_node), offsetof(struct cv_node, own), &which))
		return;
	if (cv_word_gen(now) < cv_word_gen(old) ||
	        !may_follow(cv_word_state(old), cv_word_state(now), cv_word_gen(now) - cv_word_gen(old)))
		violation("law 1: node %zu goes from state %d, generation %llu, to state %d, generation %llu", which,
		        cv_word_state(old), (unsigned long long)cv_word_gen(old), cv_word_state(now),
		        (unsigned long long)cv_word_gen(now));
}

/* ------------------------------------------------------------------------------------------------ the end */

static void nobody_sleeps(void)
{
	for (unsigned i = 0; i < actor_count; i++) {
		const struct actor *a = &actors[i];

		if (!a->daemon && a->state != ACTOR_DONE && a->state != ACTOR_DEAD && a->state != ACTOR_DORMANT)
			violation("law 2: %s sleeps for ever (%s:%d)", a->name, a->file, a->line);
	}
}

/* The names of groups that are in the table. */
static uint64_t blocks_held(const struct cv_arena *a)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i <= a->node_count; i++)
		n += atomic_load(&a->nodes[i].long_name) != 0;
	return n;
}

static void nothing_is_left(covey *c)
{
	struct covey_usage usage;
	char why[200];
	int left = 0;

	covey_reap_dead(c, -1, &left);
	if (left != 0)
		violation("law 5: %d of the dead cannot be reaped", left);
	if (covey_check(c, why, sizeof(why)) != 0)
		violation("the checker: %s", why);
	if (covey_usage_of(c, &usage) != 0)
		violation("the heap is damaged");
	if (usage.heap_blocks != blocks_held(&c->arena))
		violation("law 5: %llu blocks are still in use", (unsigned long long)usage.heap_blocks);
	if (usage.groups_led != 0)
		violation("law 5: %u groups are still led", usage.groups_led);
}

void world_verdict(const struct scenario *s)
{
	self = NULL;
	nobody_sleeps();
	law_verdict();
	if (s->verdict != NULL)
		s->verdict();
	nothing_is_left(&shared.handles[world_checker]);
}
