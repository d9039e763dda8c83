/*
 * cycle.c - a wait that would close a circle
 *
 * A waits for a group that B leads, B for one that C leads, C for one that A leads: nobody would ever go on.  The edges
 * lie in the segment: a seat's word and key say for which node its thread waits, the node's ownership word says which
 * seat leads it.  The threads may be in any processes.
 *
 *      seat A --waits for--> node 1 --led by--> seat B --waits for--> node 2 --led by--> seat A
 *
 * Each thread that leads something posts its wait before it walks, so of the waits that close a circle the last posted
 * one sees the whole of it.  A walk reads the edges one after the other and could join edges that never held together;
 * so it is read twice, and both must agree in every word: sequence and generation in them make that mean that nothing
 * changed in between.  Then it is a circle, and it stays one until somebody leaves it.
 *
 * Several may find the same circle.  All choose the same victim, the highest seat in it, and tell it by the same swap
 * as any answer, so exactly one is told, once.  The others' waits stay in force.
 *
 * Progress: wait-free, bounded by the depth; a circle of more than CYCLE_DEPTH threads is not seen.
 * Source: wait-for graphs as in Chandy and Misra (1983), made simple by shared memory.
 */
#include "internal.h"
#include "watch.h"

#define CYCLE_DEPTH 256

struct edge {
	uint32_t seat;
	uint32_t node;
	uint64_t key;
	uint64_t word;
	uint64_t own;
};

/* The wait of a seat and the leader of what it waits for; 0: it does not wait. */
static uint32_t edge_read(covey *c, uint32_t seat, struct edge *e)
{
	struct cv_arena *a = &c->arena;

	if (seat == 0 || seat > a->seat_count)
		return 0;
	e->seat = seat;
	e->word = atomic_load(&a->seats[seat].word);
	e->key = atomic_load(&a->seats[seat].key);
	e->node = (uint32_t)e->key;
	if (cv_seat_state(e->word) != CV_SEAT_WAITING || e->node == 0 || e->node > a->node_count)
		return 0;
	e->own = atomic_load(&a->nodes[e->node].own);
	if (cv_key_now(a, e->node) != e->key) /* it holds another group by now, for which nobody here waits */
		return 0;
	return cv_word_state(e->own) == CV_LEADING ? cv_word_owner(e->own) : 0;
}

static bool edge_holds(covey *c, const struct edge *e)
{
	struct edge again;

	return edge_read(c, e->seat, &again) != 0 && again.word == e->word && again.key == e->key &&
	       again.own == e->own;
}

/* The circle through seat, in path; its length, or 0. */
static unsigned circle(covey *c, uint32_t seat, struct edge *path)
{
	uint32_t at = seat;

	for (unsigned n = 0; n < CYCLE_DEPTH; n++) {
		at = edge_read(c, at, &path[n]);
		if (at == 0)
			return 0;
		if (at == seat)
			return n + 1;
	}
	return 0;
}

static bool circle_holds(covey *c, const struct edge *path, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		if (!edge_holds(c, &path[i]))
			return false;
	return true;
}

static const struct edge *victim_of(const struct edge *path, unsigned length)
{
	const struct edge *victim = path;

	for (unsigned i = 1; i < length; i++)
		victim = path[i].seat > victim->seat ? &path[i] : victim;
	return victim;
}

void covey_cycle_check(covey *c, uint32_t seat)
{
	struct edge path[CYCLE_DEPTH];
	unsigned length;

	while ((length = circle(c, seat, path)) != 0) {
		const struct edge *victim = victim_of(path, length);

		if (!circle_holds(c, path, length))
			continue;
		if (!cv_seat_answer(&c->arena, victim->seat, victim->word, CV_SEAT_CYCLE, 0))
			continue;
		covey_wake_seat(c, victim->seat);
		cv_changed(&c->arena, victim->node);
		return;
	}
}
