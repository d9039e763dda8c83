/*
 * snapshot.c - the standing of groups at one look, and what differs between two looks
 *
 * One walk over the nodes and one over the seats, whatever the number of groups: the seats' walk counts for each node who
 * waits for it.  Nothing stops for a look, so a snapshot may show half of a change; whoever makes one rings after it, and
 * the next look shows the whole.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "pool.h"

/* ------------------------------------------------------------------------------------------------ who waits */

struct crowd {
	uint32_t waiters, queue;
};

/* Of one node, or of all up to high. */
struct crowds {
	struct crowd *of;
	uint32_t only, high;
};

static struct crowd *crowd_of(const struct crowds *k, uint32_t node)
{
	if (k->only != 0)
		return node == k->only ? &k->of[0] : NULL;
	return node <= k->high ? &k->of[node] : NULL;
}

static void crowds_count(covey *c, struct crowds *k)
{
	struct cv_arena *a = &c->arena;
	uint32_t high = cv_seat_high(a);

	for (uint32_t i = 1; i <= high; i++) {
		uint64_t word, key = atomic_load_explicit(&a->seats[i].key, memory_order_relaxed); /* checked below */
		uint32_t node = (uint32_t)key;
		struct crowd *crowd = node == 0 || node > a->node_count ? NULL : crowd_of(k, node);

		if (crowd == NULL || key != cv_key_now(a, node) || !cv_seat_waits(a, i, key, &word))
			continue;
		crowd->waiters++;
		crowd->queue += atomic_load(&a->seats[i].given) != word;
	}
}

/* ------------------------------------------------------------------------------------------------ who leads */

/* Room for one more of this size, or NULL. */
static void *grown(void *list, size_t used, size_t *room, size_t more, size_t each)
{
	size_t want = *room;
	void *larger;

	if (used + more <= want && list != NULL)
		return list;
	while (want < used + more)
		want = want < 64 ? 64 : want * 2;
	larger = realloc(list, want * each);
	if (larger != NULL)
		*room = want;
	return larger;
}

/* The names may move while the list grows: until it is complete, each is known by its offset. */
static bool seen_add(struct covey_snapshot *s, const unsigned char *name, size_t size, struct covey_standing standing)
{
	struct covey_seen *seen = grown(s->seen, s->count, &s->room, 1, sizeof(*seen));
	unsigned char *names;

	if (seen == NULL)
		return false;
	s->seen = seen;
	names = grown(s->names, s->names_size, &s->names_room, size, 1);
	if (names == NULL)
		return false;
	s->names = names;
	memcpy(names + s->names_size, name, size);
	seen[s->count++] = (struct covey_seen){NULL, size, standing};
	s->names_size += size;
	return true;
}

/* False: out of memory.  What changes under the look is left out: whoever changes it rings. */
static bool look_at(covey *c, uint32_t node, const struct crowds *k, struct covey_snapshot *out)
{
	struct cv_node *n = &c->arena.nodes[node];
	unsigned char name[COVEY_NAME_MAX];
	struct cv_key key = {.name = name, .hash = atomic_load_explicit(&n->hash, memory_order_relaxed)};
	struct covey_standing standing;
	struct crowd *crowd = crowd_of(k, node);
	struct cv_spot spot;

	if (!covey_is_led(atomic_load(&n->own)) || (key.size = (uint32_t)covey_name_of(c, node, key.hash, name)) == 0)
		return true;
	/* If a lookup does not lead here, its leader has not finished registering it, and perhaps never will. */
	if (cv_table_find(&c->arena, 0, &key, &spot) != 1 || spot.node != node || !covey_is_led(spot.own))
		return true;
	standing = (struct covey_standing){.generation = cv_word_gen(spot.own),
	        .pid = covey_living_pid_of_seat(c, cv_word_owner(spot.own)),
	        .waiters = crowd != NULL ? crowd->waiters : 0,
	        .queue = crowd != NULL ? crowd->queue : 0};
	return !covey_still(c, node, spot.own) || seen_add(out, name, key.size, standing);
}

static int by_name(const struct covey_seen *x, const struct covey_seen *y)
{
	int r = memcmp(x->name, y->name, x->size < y->size ? x->size : y->size);

	return r != 0 ? r : (x->size > y->size) - (x->size < y->size);
}

static int by_name_and_generation(const void *a, const void *b)
{
	const struct covey_seen *x = a, *y = b;
	int r = by_name(x, y);

	return r != 0 ? r
	              : (x->standing.generation > y->standing.generation) -
	                        (x->standing.generation < y->standing.generation);
}

/* In order.  A group that moved to another node under the walk may have been seen twice: the later one counts. */
static void seen_order(struct covey_snapshot *s)
{
	size_t offset = 0, kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		s->seen[i].name = s->names + offset;
		offset += s->seen[i].size;
	}
	if (s->count != 0)
		qsort(s->seen, s->count, sizeof(*s->seen), by_name_and_generation);
	for (size_t i = 0; i < s->count; i++) {
		if (kept != 0 && by_name(&s->seen[kept - 1], &s->seen[i]) == 0)
			kept--;
		s->seen[kept++] = s->seen[i];
	}
	s->count = kept;
}

static uint32_t node_of(covey *c, const struct cv_key *key)
{
	struct cv_spot spot;

	return cv_table_find(&c->arena, 0, key, &spot) == 1 && covey_is_led(spot.own) ? spot.node : 0;
}

bool covey_snapshot_take(covey *c, const struct cv_key *key, uint32_t *node, struct covey_snapshot *out)
{
	struct crowds k = {.high = cv_pool_high(&c->arena)};
	bool good = true;

	*out = (struct covey_snapshot){.count = 0};
	*node = k.only = key != NULL ? node_of(c, key) : 0;
	if (key != NULL && k.only == 0)
		return true;
	k.of = calloc(k.only != 0 ? 1 : (size_t)k.high + 1, sizeof(*k.of));
	if (k.of == NULL)
		return false;
	crowds_count(c, &k);
	for (uint32_t i = k.only != 0 ? k.only : 1; good && i <= (k.only != 0 ? k.only : k.high); i++)
		good = look_at(c, i, &k, out);
	free(k.of);
	seen_order(out);
	if (!good)
		covey_snapshot_free(out);
	return good;
}

void covey_snapshot_free(struct covey_snapshot *s)
{
	free(s->seen);
	free(s->names);
	*s = (struct covey_snapshot){.count = 0};
}

/* ------------------------------------------------------------------------------------------------ differences */

static bool same(const struct covey_standing *x, const struct covey_standing *y)
{
	return x->generation == y->generation && x->pid == y->pid && x->waiters == y->waiters && x->queue == y->queue;
}

static const struct covey_seen *seen_at(const struct covey_snapshot *s, size_t i)
{
	return i < s->count ? &s->seen[i] : NULL;
}

bool covey_snapshot_compare(
        const struct covey_snapshot *was, const struct covey_snapshot *is, struct covey_change **changes, size_t *count)
{
	const struct covey_seen *x = seen_at(was, 0), *y = seen_at(is, 0);
	struct covey_change *list = calloc(was->count + is->count + 1, sizeof(*list));
	size_t i = 0, k = 0, n = 0;

	if (list == NULL)
		return false;
	while (x != NULL || y != NULL) {
		int order = x == NULL ? 1 : y == NULL ? -1 : by_name(x, y);
		const struct covey_seen *named = order <= 0 ? x : y;

		list[n] = (struct covey_change){.name = named->name, .size = named->size};
		list[n].kind = order < 0 ? COVEY_VANISHED : order > 0 ? COVEY_APPEARED : COVEY_CHANGED;
		if (order <= 0) {
			list[n].was = x->standing;
			x = seen_at(was, ++i);
		}
		if (order >= 0) {
			list[n].is = y->standing;
			y = seen_at(is, ++k);
		}
		n += order != 0 || !same(&list[n].was, &list[n].is);
	}
	*changes = list;
	*count = n;
	return true;
}
