/*
 * gate.c - the regions that this process has open, for who looks at all of them from a call on one
 *
 * A walk along a circle of waits goes from region to region.  It must not take the registry's lock, which is held while a
 * process forks and so while other people's fork handlers run; and no region may be closed under it.  So each attachment has
 * a gate: a word with a bit "open" and the number of those inside.
 *
 *      visitor     in by a swap, if the bit is set    ... looks, never sleeps, runs nobody else's code ...    out
 *      closer      takes the bit off, and sleeps until nobody is inside
 *
 * A visitor is quiet: a handler of the host's that ran inside and forks would wait for the registry's lock, whose owner may
 * be a closer that waits for that visitor.
 *
 * Gates stand in a list that only grows, and are used again by later attachments; so whoever walks the list finds every
 * gate there, open or not.  There are as many as there were ever attachments at once.
 *
 * Progress: a visitor passes each gate by one swap, again if others pass it at that moment; the closer waits for visitors, whose
 * stay is bounded.
 */
#include <limits.h>
#include <stdlib.h>

#include "internal.h"

#define OPEN 0x80000000u

struct shm_gate {
	_Atomic uint32_t state; /* futex: OPEN, and how many are inside */
	struct shm_attachment *attachment;
	struct shm_gate *next;
	bool used; /* guarded by the registry's lock */
};

static _Atomic(struct shm_gate *) gates;
static _Atomic uint32_t open_count;

static struct shm_gate *gate_unused(void)
{
	struct shm_gate *g = atomic_load(&gates);

	while (g != NULL && g->used)
		g = g->next;
	if (g != NULL || (g = calloc(1, sizeof(*g))) == NULL)
		return g;
	g->next = atomic_load(&gates);
	atomic_store(&gates, g);
	return g;
}

void shm_gate_open(struct shm_attachment *a)
{
	struct shm_gate *g = gate_unused();

	a->gate = g;
	if (g == NULL) /* no memory: circles through this region are not seen */
		return;
	g->used = true;
	g->attachment = a;
	atomic_store(&g->state, OPEN); /* seq_cst, as all here: after what it lets in to */
	atomic_fetch_add(&open_count, 1);
}

void shm_gate_close(struct shm_attachment *a)
{
	struct shm_gate *g = a->gate;
	uint32_t inside;

	if (g == NULL)
		return;
	atomic_fetch_sub(&open_count, 1);
	atomic_fetch_and(&g->state, ~OPEN);
	while ((inside = atomic_load(&g->state)) != 0)
		cv_kernel.wait(&(struct cv_futex){&g->state, inside}, COVEY_FOREVER);
	g->used = false;
	a->gate = NULL;
}

void shm_gates_forget(void)
{
	for (struct shm_gate *g = atomic_load(&gates); g != NULL; g = g->next)
		atomic_fetch_and(&g->state, OPEN);
}

bool shm_visit_worth(void)
{
	return atomic_load_explicit(&open_count, memory_order_relaxed) >
	       1; /* our own other attachments: we opened them before */
}

static bool gate_pass(struct shm_gate *g)
{
	uint32_t state = atomic_load(&g->state);

	while ((state & OPEN) != 0)
		if (atomic_compare_exchange_weak(&g->state, &state, state + 1))
			return true;
	return false;
}

static void gate_leave(struct shm_gate *g)
{
	if (atomic_fetch_sub(&g->state, 1) == 1)
		cv_kernel.wake(&g->state, INT_MAX);
}

void shm_visit_begin(struct shm_visit *v, const struct shm_attachment *but)
{
	shm_quiet_begin(&v->quiet);
	v->count = 0;
	for (struct shm_gate *g = atomic_load(&gates); g != NULL && v->count < SHM_GATES; g = g->next) {
		if (!gate_pass(g))
			continue;
		if (g->attachment == but) {
			gate_leave(g);
			continue;
		}
		v->gates[v->count] = g;
		v->attachments[v->count++] = g->attachment;
	}
}

void shm_visit_end(struct shm_visit *v)
{
	while (v->count != 0)
		gate_leave(v->gates[--v->count]);
	shm_quiet_end(&v->quiet);
}
