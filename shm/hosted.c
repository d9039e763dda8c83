/*
 * hosted.c - one worker of a host: where it is found, how it is attended to, how it ends
 *
 * See host.c for how these fit together.
 */
#include "host.h"

#include <limits.h>
#include <stdlib.h>

#define TURN 64 /* requests that a worker serves before others have theirs */

/* ------------------------------------------------------------------------------------------------ the table */

static unsigned long hash_of(uint32_t node)
{
	return node * 0x9e3779b97f4a7c15ul >> 20;
}

static int same_node(struct cds_lfht_node *link, const void *node)
{
	return caa_container_of(link, struct entry, link)->node == *(const uint32_t *)node;
}

static void entry_free(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct entry, rcu));
}

/* Its worker leads this node now.  Another one's entry for the same node is of a leadership that has ended. */
static bool entry_add(struct hosted *h)
{
	struct entry *e = malloc(sizeof(*e));
	struct cds_lfht_node *old;

	if (e == NULL)
		return false;
	e->node = h->w->serving.lead.node;
	e->hosted = h;
	cds_lfht_node_init(&e->link);
	rcu_read_lock();
	old = cds_lfht_add_replace(h->host->table, hash_of(e->node), same_node, &e->node, &e->link);
	if (old != NULL) /* deposed: it is to find that out, and end.  Its entry is its own to free */
		covey_hosted_want(caa_container_of(old, struct entry, link)->hosted);
	rcu_read_unlock();
	h->entry = e;
	return true;
}

static void entry_remove(struct hosted *h)
{
	struct entry *e = h->entry;

	h->entry = NULL;
	if (e == NULL)
		return;
	rcu_read_lock();
	(void)cds_lfht_del(h->host->table, &e->link); /* refused if it was replaced */
	call_rcu(&e->rcu, entry_free);
	rcu_read_unlock();
}

struct hosted *covey_hosted_find(struct host *host, uint32_t node)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	cds_lfht_lookup(host->table, hash_of(node), same_node, &node, &iter);
	link = cds_lfht_iter_get_node(&iter);
	return link != NULL ? caa_container_of(link, struct entry, link)->hosted : NULL;
}

/* ------------------------------------------------------------------------------------------------ attention */

static void enqueue(struct hosted *h)
{
	cds_wfcq_node_init(&h->queued);
	cds_wfcq_enqueue(&h->host->head, &h->host->tail, &h->queued);
}

/* True: it was put on the queue. */
bool covey_hosted_want(struct hosted *h)
{
	int is = atomic_load(&h->attention), next;

	do {
		if (is != RESTING && is != ATTENDED)
			return false; /* it will be looked at, or never again */
		next = is == RESTING ? QUEUED : AGAIN;
	} while (!atomic_compare_exchange_weak(&h->attention, &is, next));
	if (next != QUEUED)
		return false;
	enqueue(h);
	return true;
}

/* ------------------------------------------------------------------------------------------------ one worker's life */

static void hosted_free(struct rcu_head *rcu)
{
	covey_worker_drop(caa_container_of(rcu, struct hosted, rcu)->w);
}

static void unlist(struct hosted *h)
{
	struct host *host = h->host;

	shm_mutex_lock(&host->listing);
	*h->at = h->next;
	if (h->next != NULL)
		h->next->at = h->at;
	shm_mutex_unlock(&host->listing);
}

static void idle_from_now(struct hosted *h)
{
	int64_t deadline = covey_after(covey_worker_timeout(&h->w->serving.options)), sweep;

	atomic_store(&h->deadline, deadline); /* seq_cst: then look at sweep; the sweeper does the reverse */
	sweep = atomic_load(&h->host->sweep);
	while (deadline < sweep && !atomic_compare_exchange_weak(&h->host->sweep, &sweep, deadline)) {
	}
	if (deadline < sweep)
		covey_ring_host(&h->host->c->slots[h->host->c->slot]); /* the scanner sleeps too long */
}

static void end(struct hosted *h, int why)
{
	struct covey_worker *w = h->w;
	struct covey_serving *s = &w->serving;
	struct host *host = h->host;

	w->ended_with = w->worked ? covey_serving_close(s, why) : why;
	entry_remove(h);
	shm_worker_end_device(w);
	unlist(h);
	covey_serving_end(s);
	covey_memory_end(&w->memory);
	atomic_store(&h->attention, ENDED);
	covey_worker_enter(w, WORKER_ENDED);
	call_rcu(&h->rcu, hosted_free);
	atomic_fetch_sub(&host->count, 1);
	cv_kernel.wake(&host->count, INT_MAX);
}

static int start_to_work(struct hosted *h, int role)
{
	if (role != COVEY_LEADER)
		return role == COVEY_RECURSION ? COVEY_WAIT : role; /* another worker of this thread's */
	h->w->worked = true;
	if (!entry_add(h))
		return COVEY_ESYSTEM;
	h->stage = SERVES;
	covey_serving_event(&h->w->serving, COVEY_EVENT_WORKER_STARTED);
	idle_from_now(h);
	covey_worker_enter(h->w, WORKER_WORKING);
	return 0;
}

/* Requests that are there, one after the other. */
static int serve(struct hosted *h)
{
	struct covey_worker *w = h->w;
	uint32_t node;
	int r = 0, served = 0;

	while (r == 0 && served < TURN) {
		node = w->serving.lead.node;
		r = atomic_load(&w->stop.asked) ? COVEY_ESTOPPED : covey_serve(&w->serving, COVEY_NOW);
		served += r == 0;
		if (r == 0 && w->serving.lead.node != node) {
			entry_remove(h);
			if (!entry_add(h))
				r = COVEY_ESYSTEM;
		}
	}
	if (served != 0) {
		atomic_fetch_add_explicit(&h->host->answered, (uint64_t)served, memory_order_relaxed); /* for people */
		idle_from_now(h);
	}
	if (served == TURN && r == 0)
		h->more = true;
	if (r == COVEY_ETIMEDOUT && cv_kernel.now() < atomic_load(&h->deadline))
		r = 0;
	return r;
}

/* One look: 0 and it rests, or why it ends. */
static int look(struct hosted *h)
{
	struct covey_worker *w = h->w;
	struct covey_serving *s = &w->serving;
	int r;

	switch (h->stage) {
	case BEGINS:
		r = covey_worker_begin(w);
		if (r != 0)
			return r;
		h->stage = ACCEPTS;
		if (!w->accepts)
			return start_to_work(h, covey_find_or_register(s->c, w->name, w->name_size, &s->lead));
		covey_worker_enter(w, WORKER_READY);
		return 0;
	case ACCEPTS:
		if (atomic_load(&w->state) == WORKER_READY)
			return atomic_load(&w->stop.asked) ? COVEY_ESTOPPED : 0;
		if (atomic_load(&w->refused))
			return COVEY_ESTOPPED;
		return start_to_work(h, covey_accept_work(s->c, w->name, w->name_size, COVEY_NOW, &s->lead));
	default:
		return serve(h);
	}
}

/* Its group is led through this thread's seat from here on, so that what its callbacks wait for, it waits for. */
static void lead_here(struct hosted *h)
{
	struct covey_lead *lead = &h->w->serving.lead;
	int error;
	struct covey_thread *t = covey_enter(h->host->c, &error);
	_Atomic uint64_t *word = &h->host->c->arena.nodes[lead->node].own;
	uint64_t own = atomic_load(word);

	if (lead->seat == t->seat)
		return;
	do {
		if (!cv_word_is(own, CV_LEADING, lead->seat, lead->generation))
			return; /* deposed */
	} while (!atomic_compare_exchange_strong(
	        word, &own, cv_word(CV_LEADING, t->seat, lead->generation) | cv_word_waiters(own)));
	lead->seat = t->seat;
	t->leading++;
}

static void end_turn(struct hosted *h)
{
	h->more = false;
	covey_host_scan(h->host); /* who has waited meanwhile comes first */
	atomic_store(&h->attention, QUEUED);
	enqueue(h);
	covey_host_wake(h->host);
}

static void attend(struct hosted *h)
{
	int attended = ATTENDED;

	do {
		enum stage stage = h->stage;
		int r;

		atomic_store(&h->attention, ATTENDED);
		if (h->stage == SERVES)
			lead_here(h);
		r = look(h);
		if (r != 0) {
			end(h, r);
			return;
		}
		if (stage != SERVES && h->stage == SERVES) /* what was asked before its entry was there */
			atomic_store(&h->attention, AGAIN);
		if (h->more) {
			end_turn(h);
			return;
		}
		attended = ATTENDED;
	} while (!atomic_compare_exchange_strong(&h->attention, &attended, RESTING));
}

/* While a worker is attended to. */
struct attending {
	struct hosted *h;
	bool returned;
};

/* A callback has ended the thread: the worker is stopped, and the others are to be attended to. */
static void attending_end(struct attending *a)
{
	if (a->returned)
		return;
	shm_forked_inside(); /* which does not return in the child */
	shm_host_replace_thread(a->h->host);
	end(a->h, COVEY_ESTOPPED);
}

void covey_hosted_attend(struct hosted *h)
{
	struct attending attending SHM_CLEANUP(attending_end) = {.h = h};

	attend(h);
	attending.returned = true;
}
