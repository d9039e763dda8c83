/*
 * inspect.c - looking at a region without touching it
 *
 * Nothing here writes to the segment, so it works on a read-only mapping and disturbs nobody.  A group may change while
 * it is looked at: each line is true of one instant, the whole of none.
 */
#include <string.h>

#include "hash.h"
#include "event.h"
#include "internal.h"
#include "pool.h"

static void command_of_slot(const covey *c, uint32_t slot, char out[16])
{
	memset(out, 0, 16);
	for (int i = 0; i < 2 && slot < c->counts.participants; i++) {
		uint64_t w = atomic_load(&c->slots[slot].command[i]);

		memcpy(out + i * 8, &w, 8);
	}
	out[15] = '\0';
}

static void command_of(const covey *c, uint32_t seat, char out[16])
{
	command_of_slot(c, cv_seat_owner(&c->arena, seat) - 1, out);
}

static uint32_t thread_of(const covey *c, uint32_t seat)
{
	return cv_seat_owner(&c->arena, seat) == 0
	               ? 0
	               : atomic_load_explicit(&c->arena.seats[seat].thread, memory_order_relaxed);
}

/* The hash tells whether the bytes are its: without a pin they may be another's by the time they are copied. */
size_t covey_name_of(covey *c, uint32_t node, uint64_t hash, unsigned char name[COVEY_NAME_MAX])
{
	uint32_t size;

	if (node == 0 || node > c->arena.node_count ||
	        atomic_load_explicit(&c->arena.nodes[node].hash, memory_order_relaxed) != hash)
		return 0;
	size = cv_table_name(&c->arena, 0, node, name, COVEY_NAME_MAX);
	return size != 0 && cv_hash(c->arena.key, name, size) == hash ? size : 0;
}

/* As of this word of the node. */
static bool group_view_as(covey *c, uint32_t node, uint64_t own, unsigned char *name, struct covey_group_view *out)
{
	struct cv_node *n = &c->arena.nodes[node];
	struct covey_life life;

	out->hash = atomic_load_explicit(&n->hash, memory_order_relaxed);
	out->size = covey_name_of(c, node, out->hash, name);
	if (out->size == 0)
		return false;
	covey_life_of_seat(c, cv_word_owner(own), &life);
	out->name = name;
	out->leader_alive = life.alive;
	out->info.generation = cv_word_gen(own);
	out->info.since = shm_own_time(atomic_load_explicit(&n->since, memory_order_relaxed));
	out->info.pid = life.alive ? covey_pid_of_seat(c, cv_word_owner(own)) : 0;
	out->info.waiters = cv_word_waiters(own) ? cv_seat_count_waiting(&c->arena, cv_key_now(&c->arena, node)) : 0;
	out->thread = (pid_t)thread_of(c, cv_word_owner(own));
	command_of(c, cv_word_owner(own), out->command);
	return true;
}

static bool group_view(covey *c, uint32_t node, unsigned char *name, struct covey_group_view *out)
{
	uint64_t own;
	bool seen;

	do {
		own = atomic_load(&c->arena.nodes[node].own);
		seen = covey_is_led(own) && group_view_as(c, node, own, name, out);
	} while (!covey_still(c, node, own));
	return seen;
}

int covey_each_group(covey *c, covey_group_visitor visit, void *context)
{
	unsigned char name[COVEY_NAME_MAX];
	struct covey_group_view view;
	uint32_t high;
	int n = 0;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	high = cv_pool_high(&c->arena);
	for (uint32_t i = 1; i <= high; i++) {
		if (!group_view(c, i, name, &view))
			continue;
		n++;
		if (visit(context, &view) != 0)
			break;
	}
	return n;
}

int covey_group_view_of(covey *c, const void *name, size_t size, struct covey_group_view *out)
{
	unsigned char found[COVEY_NAME_MAX];
	struct cv_spot spot;
	int r;

	if (c == NULL || out == NULL)
		return COVEY_EINVAL;
	r = covey_find_led(c, name, size, &spot);
	if (r != 0)
		return r;
	/* If the node is another group's by now, nobody led this one in between. */
	if (!group_view(c, spot.node, found, out) || out->size != size || memcmp(found, name, size) != 0)
		return COVEY_ENOENT;
	out->name = name;
	return 0;
}

static void waiter_read(covey *c, uint32_t seat, struct covey_waiter_view *out)
{
	struct cv_seat *s = &c->arena.seats[seat];

	out->pid = covey_pid_of_seat(c, seat);
	out->since = shm_own_time(atomic_load_explicit(&s->since, memory_order_relaxed));
	if (atomic_load_explicit(&s->mode, memory_order_relaxed) == CV_PARK_AWAKE)
		out->since = cv_kernel.now(); /* it has not gone to sleep yet, or is about to go on */
	out->request_size = atomic_load_explicit(&s->request_size, memory_order_relaxed);
	out->thread = (pid_t)thread_of(c, seat);
	command_of(c, seat, out->command);
}

/* False: this seat does not wait for key.  The view is of one wait: a waiter may leave under the look, and its seat be
 * another's, so the word is compared again; if only a new leader re-stamped it, it is read once more. */
static bool waiter_view(covey *c, uint32_t seat, uint64_t key, struct covey_waiter_view *out)
{
	uint64_t word;

	while (cv_seat_waits(&c->arena, seat, key, &word)) {
		waiter_read(c, seat, out);
		atomic_thread_fence(memory_order_acquire); /* the reads before the second look */
		if (atomic_load(&c->arena.seats[seat].word) == word)
			return true;
	}
	return false;
}

int covey_each_waiter(covey *c, const void *name, size_t size, covey_waiter_visitor visit, void *context)
{
	struct covey_waiter_view view;
	struct cv_spot spot;
	uint32_t high;
	int n = 0, r;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	r = covey_find_led(c, name, size, &spot);
	if (r != 0)
		return r;
	high = cv_seat_high(&c->arena);
	for (uint32_t i = 1; i <= high; i++) {
		if (!waiter_view(c, i, cv_key_of(spot.node, spot.incarnation), &view))
			continue;
		n++;
		if (visit(context, &view) != 0)
			break;
	}
	return n;
}

/* Who attaches has a slot first, and lives when all words of its life are set, in their order; who dies or leaves keeps them
 * until the slot is free. */
static bool joins(const covey *c, uint32_t slot)
{
	return atomic_load(&c->slots[slot].life[(COVEY_LIFE_WORDS - 1) * COVEY_LIFE_STRIDE]) == 0;
}

static bool is_participant(const covey *c, uint32_t slot)
{
	return atomic_load(&c->slots[slot].state) == COVEY_SLOT_TAKEN && !joins(c, slot);
}

static bool participant_view_of_slot(covey *c, uint32_t slot, struct covey_participant_view *out)
{
	const struct covey_slot *s = &c->slots[slot];
	struct covey_life life;

	if (!is_participant(c, slot))
		return false;
	covey_life_of_slot(c, slot, &life);
	out->pid = atomic_load(&s->pid);
	out->alive = life.alive;
	out->since = shm_own_time(atomic_load(&s->since));
	out->threads = 0;
	for (uint32_t i = 1; i <= c->counts.threads; i++)
		out->threads += cv_seat_owner(&c->arena, i) == slot + 1;
	command_of_slot(c, slot, out->command);
	return out->pid != 0; /* else it is being freed */
}

/* Who takes a slot changes its epoch first, then describes itself, and then begins to live: all that is seen within one
 * epoch, of one who lives or has died, is of one owner. */
static bool participant_view(covey *c, uint32_t slot, struct covey_participant_view *out)
{
	uint32_t epoch;
	bool seen;

	do {
		epoch = atomic_load(&c->slots[slot].epoch);
		seen = participant_view_of_slot(c, slot, out);
	} while (atomic_load(&c->slots[slot].epoch) != epoch);
	return seen;
}

int covey_each_participant(covey *c, covey_participant_visitor visit, void *context)
{
	struct covey_participant_view view;
	int n = 0;

	if (c == NULL || visit == NULL)
		return COVEY_EINVAL;
	for (uint32_t i = 0; i < c->counts.participants; i++) {
		if (!participant_view(c, i, &view))
			continue;
		n++;
		if (visit(context, &view) != 0)
			break;
	}
	return n;
}

static void count_groups(const covey *c, struct covey_usage *out)
{
	uint32_t high = cv_pool_high(&c->arena);

	for (uint32_t i = 1; i <= high; i++) {
		uint64_t own = atomic_load(&c->arena.nodes[i].own);

		out->groups_led += covey_is_led(own);
		out->groups_cached += cv_word_state(own) == CV_IDLE;
	}
}

static void count_participant(covey *c, uint32_t slot, struct covey_usage *out)
{
	struct covey_life life;

	if (atomic_load(&c->slots[slot].state) != COVEY_SLOT_TAKEN)
		return;
	out->participants++;
	if (joins(c, slot))
		return;
	covey_life_of_slot(c, slot, &life);
	out->participants_dead += !life.alive;
}

int covey_usage_of(covey *c, struct covey_usage *out)
{
	if (c == NULL || out == NULL)
		return COVEY_EINVAL;
	memset(out, 0, sizeof(*out));
	out->participants_max = c->counts.participants;
	out->threads_max = c->counts.threads;
	out->groups_max = c->counts.groups;
	out->heap_max = (uint64_t)c->counts.chunks << CV_CHUNK_SHIFT;
	for (uint32_t i = 0; i < c->counts.participants; i++)
		count_participant(c, i, out);
	for (uint32_t i = 1; i <= c->counts.threads; i++)
		out->threads += cv_seat_owner(&c->arena, i) != 0;
	count_groups(c, out);
	return cv_heap_count(&c->arena, &out->heap_blocks, &out->heap_bytes);
}
