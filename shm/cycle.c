/*
 * cycle.c - a wait that would close a circle
 *
 * A waits for a group that B leads, B for one that C leads, C for one that A leads: nobody would ever go on.  The edges
 * lie in the segment: a seat's word and key say for which node its thread waits, the node's ownership word says which
 * seat leads it.  The threads may be in any processes.
 *
 *      seat A --waits for--> node 1 --led by--> seat B --waits for--> node 2 --led by--> seat A
 *
 * A thread leads through one seat and may wait through another: in another region, or in the same one through another copy
 * of this library.  Both are that thread's, see identity.c.  So from a leader that does not wait where it leads, the walk goes
 * on at the seat of the same thread that waits, wherever this process can look: in all regions that it has open with this
 * copy of the library.
 *
 *      region 1    seat A --waits for--> node 1 --led by--> seat B
 *                    :                                        :
 *      region 2    seat A' <--led by-- node 2 <--waits for-- seat B'        A and A' are one thread, B and B' another
 *
 * Each thread that leads something, in whatever region, posts its wait before it walks, so of the waits that close a circle
 * the last posted one sees the whole of it, if it can look at all its regions.  A walk reads the edges one after the other and
 * could join edges that never held together; so it is read twice, and both must agree in every word: sequence and generation
 * in them make that mean that nothing changed in between.  Whose the seats are is read in between, too.  Then it is a
 * circle, and it stays one until somebody leaves it.
 *
 * Several may find the same circle.  All choose the same victim, the highest thread in it (by identity of the process,
 * number of the thread, and seat, which all see alike), and tell it by the same swap as any answer, so exactly one is told,
 * once.  The others' waits stay in force.
 *
 * Progress: wait-free, bounded by the depth, the regions and their seats; a circle of more than CYCLE_DEPTH threads is not
 * seen.  Other regions are kept from being closed meanwhile (gate.c); nothing is slept for, and no lock is taken.
 * Source: wait-for graphs as in Chandy and Misra (1983), made simple by shared memory.
 */
#include <sys/mman.h>

#include "internal.h"
#include "watch.h"

#define CYCLE_DEPTH 256
#define CYCLE_NEAR 16 /* most are no longer; the caller's stack may be a small one */

/* A seat in one of the regions. */
struct place {
	covey *c;
	uint32_t seat;
};

struct edge {
	struct place from;
	uint32_t node;
	uint64_t key;
	uint64_t word;
	uint64_t own;
};

struct who {
	uint64_t process;
	uint32_t thread;
};

/* Where a walk may look: first where it begins. */
struct walk {
	covey *regions[1 + SHM_GATES];
	unsigned count;
};

/* The wait of a seat and the leader of what it waits for; 0: it does not wait. */
static uint32_t edge_read(const struct place *from, struct edge *e)
{
	struct cv_arena *a = &from->c->arena;

	if (from->seat == 0 || from->seat > a->seat_count)
		return 0;
	e->from = *from;
	e->word = atomic_load(&a->seats[from->seat].word);
	e->key = atomic_load(&a->seats[from->seat].key);
	e->node = (uint32_t)e->key;
	if (cv_seat_state(e->word) != CV_SEAT_WAITING || e->node == 0 || e->node > a->node_count)
		return 0;
	e->own = atomic_load(&a->nodes[e->node].own);
	if (cv_key_now(a, e->node) != e->key) /* it holds another group by now, for which nobody here waits */
		return 0;
	return cv_word_state(e->own) == CV_LEADING ? cv_word_owner(e->own) : 0;
}

static bool edge_holds(const struct edge *e)
{
	struct edge again;

	return edge_read(&e->from, &again) != 0 && again.word == e->word && again.key == e->key && again.own == e->own;
}

/* ------------------------------------------------------------------------------------------------ threads */

/* The slot that has this seat; counts.participants: none. */
static uint32_t slot_of(const struct place *p)
{
	uint32_t owner = p->seat > p->c->arena.seat_count ? 0 : cv_seat_owner(&p->c->arena, p->seat);

	return owner == 0 || owner > p->c->counts.participants ? p->c->counts.participants : owner - 1;
}

/* False: nobody knows, or it is dead. */
static bool who_is(const struct place *p, struct who *out)
{
	uint32_t slot = slot_of(p);

	*out = (struct who){0, 0};
	if (slot == p->c->counts.participants)
		return false;
	out->process = atomic_load(&p->c->slots[slot].identity);
	out->thread = atomic_load(&p->c->arena.seats[p->seat].thread);
	return out->process != 0 && out->thread != 0 && covey_life_word_alive(atomic_load(&p->c->slots[slot].life[0]));
}

static bool is_attached(const covey *c, uint64_t process)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);

	for (uint32_t i = 0; i < high && i < c->counts.participants; i++)
		if (atomic_load(&c->slots[i].identity) == process)
			return true;
	return false;
}

static bool is_waiting(const struct place *p)
{
	return p->seat != 0 && p->seat <= p->c->arena.seat_count &&
	       cv_seat_state(atomic_load(&p->c->arena.seats[p->seat].word)) == CV_SEAT_WAITING;
}

/* The seat in c at which this thread waits. */
static bool waits_in(covey *c, const struct who *who, struct place *out)
{
	uint32_t high = is_attached(c, who->process) ? cv_seat_high(&c->arena) : 0;
	struct who other;

	*out = (struct place){c, 1};
	for (; out->seat <= high; out->seat++)
		if (is_waiting(out) && who_is(out, &other) && other.thread == who->thread &&
		        other.process == who->process)
			return true;
	return false;
}

/* From the seat through which a thread leads to that at which it waits.  False: it does not, or not where we can look. */
static bool waits_where(const struct walk *w, struct place *at)
{
	uint32_t slot = slot_of(at);
	struct who who;

	if (is_waiting(at))
		return true;
	/* It has no other seat that we could see? */
	if (slot == at->c->counts.participants || (w->count == 1 && atomic_load(&at->c->slots[slot].twins) == 0))
		return false;
	if (!who_is(at, &who))
		return false;
	for (unsigned i = 0; i < w->count; i++)
		if (waits_in(w->regions[i], &who, at))
			return true;
	return false;
}

/* A region may be open twice, as two attachments. */
static bool same_place(const struct place *x, const struct place *y)
{
	return x->seat == y->seat && (x->c == y->c || (x->c->device == y->c->device && x->c->inode == y->c->inode));
}

/* ------------------------------------------------------------------------------------------------ circles */

/* The circle through this seat, in path; its length, or 0.  depth + 1: it may be a longer one. */
static unsigned circle(const struct walk *w, struct place start, struct edge *path, unsigned depth)
{
	struct place at = start;

	for (unsigned n = 0; n < depth; n++) {
		at.seat = edge_read(&at, &path[n]);
		if (at.seat == 0 || !waits_where(w, &at))
			return 0;
		if (same_place(&at, &start))
			return n + 1;
	}
	return depth + 1;
}

/* Is whoever leads what this edge waits for the thread of the next? */
static bool joined(const struct edge *e, const struct edge *next)
{
	struct place leader = {e->from.c, cv_word_owner(e->own)};
	struct who one, other;

	if (same_place(&leader, &next->from))
		return true;
	return who_is(&leader, &one) && who_is(&next->from, &other) && one.process == other.process &&
	       one.thread == other.thread;
}

static bool circle_holds(const struct edge *path, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		if (!joined(&path[i], &path[(i + 1) % length]))
			return false;
	for (unsigned i = 0; i < length; i++)
		if (!edge_holds(&path[i]))
			return false;
	return true;
}

static bool is_above(const struct edge *x, const struct edge *y)
{
	struct who one, other;

	who_is(&x->from, &one);
	who_is(&y->from, &other);
	if (one.process != other.process)
		return one.process > other.process;
	return one.thread != other.thread ? one.thread > other.thread : x->from.seat > y->from.seat;
}

static const struct edge *victim_of(const struct edge *path, unsigned length)
{
	const struct edge *victim = path;

	for (unsigned i = 1; i < length; i++)
		victim = is_above(&path[i], victim) ? &path[i] : victim;
	return victim;
}

/* False: it goes on beyond this depth. */
static bool walk_from(const struct walk *w, uint32_t seat, struct edge *path, unsigned depth)
{
	unsigned length;

	while ((length = circle(w, (struct place){w->regions[0], seat}, path, depth)) != 0) {
		const struct edge *victim;

		if (length > depth)
			return false;
		victim = victim_of(path, length);
		if (!circle_holds(path, length))
			continue;
		if (!cv_seat_answer(&victim->from.c->arena, victim->from.seat, victim->word, CV_SEAT_CYCLE, 0))
			continue;
		covey_wake_seat(victim->from.c, victim->from.seat);
		cv_changed(&victim->from.c->arena, victim->node);
		break;
	}
	return true;
}

/* With a path that is too long for the stack.  Where there is no memory for it, the circle is not seen. */
static void walk_far(const struct walk *w, uint32_t seat)
{
	const size_t size = CYCLE_DEPTH * sizeof(struct edge);
	void *path = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (path == MAP_FAILED)
		return;
	walk_from(w, seat, path, CYCLE_DEPTH);
	munmap(path, size);
}

static void walk(const struct walk *w, uint32_t seat)
{
	struct edge path[CYCLE_NEAR];

	if (!walk_from(w, seat, path, CYCLE_NEAR))
		walk_far(w, seat);
}

void covey_cycle_check(covey *c, const struct covey_thread *t)
{
	struct walk w = {{c}, 1};
	struct shm_visit visit;

	/* Only a thread that leads can be waited for, and so close a circle.  What it leads through other copies of the library
	 * nobody has counted here. */
	if (!shm_thread_leads(t) && atomic_load(&c->slots[c->slot].twins) == 0)
		return;
	shm_visit_begin(&visit, c->attachment);
	for (unsigned i = 0; i < visit.count; i++)
		w.regions[w.count++] = &visit.attachments[i]->view;
	walk(&w, t->seat);
	shm_visit_end(&visit);
}
