/*
 * host.c - many workers in one process, served by a few threads
 *
 *      waiter: posts, rings the slot's work bell             (await.c, covey_ring_host)
 *                        |
 *      scanner: one of the threads, whichever is free.  Walks the seats; for each that asks something of a group, looks
 *               the group's node up (cds_lfht, under RCU) and puts the worker on the queue.  Sleeps on the bell if there
 *               is nothing, until the first worker's idle time is over
 *                        |
 *      queue (wfcqueue) of workers to attend to
 *                        |
 *      threads: take a worker, serve all its requests, let go of it
 *
 * A worker is on the queue once at most, and attended to by one thread at a time:
 *
 *      RESTING --> QUEUED --> ATTENDED --> RESTING        what happens to it meanwhile makes
 *                                 ^ |                     ATTENDED --> AGAIN, and it is looked at once more
 *                                 | v                     before it rests: nothing is overlooked
 *                                AGAIN        ENDED: for good
 *
 * No request is lost: its waiter posts, then rings; the scanner reads the bell, then walks.  A group that is led anew has
 * its entry in the table first and is attended to after that, so requests that came in between are found then.
 *
 * Whoever takes a worker from the queue wakes the next thread, which takes the next worker or becomes the scanner.  So of
 * the threads, all but the scanner and those that compute sleep, on a word of the process.
 *
 * The groups are led through the seats of these threads, which live as long as the host does.  To the engine a thread
 * that computes for one of its groups leads all of them: a callback that asks for another group of the same host may be
 * told COVEY_RECURSION or COVEY_CYCLE.
 *
 * Ended workers are unlinked under RCU and freed after a grace period (call_rcu), because a scanner may just hold them.
 *
 * Sources: liburcu's rculfhash (cds_lfht) and wfcqueue.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <urcu-bp.h>
#include <urcu/rculfhash.h>
#include <urcu/wfcqueue.h>

#include "spin.h"
#include "worker_handle.h"

#define THREADS_MAX 256
#define TURN 64           /* requests that a worker serves before others have theirs */
#define SLACK_NS 10000000 /* a worker may idle so much longer: what ends at about the same time, ends in one sweep */

enum attention { RESTING = 0, QUEUED, ATTENDED, AGAIN, ENDED };
enum stage { BEGINS, ACCEPTS, SERVES };

/* One worker of a host. */
struct hosted {
	struct cds_wfcq_node queued;
	struct covey_worker *w;
	struct host *host;
	struct entry *entry;
	_Atomic int attention; /* enum attention */
	_Atomic int64_t deadline;
	enum stage stage;
	bool more;                 /* its turn is over, its requests may not be */
	struct hosted *next, **at; /* in the host's list */
	struct rcu_head rcu;
};

/* Where the scanner finds it: under the node that it leads.  A worker that moves gets another one. */
struct entry {
	struct cds_lfht_node link;
	uint32_t node;
	struct hosted *hosted;
	struct rcu_head rcu;
};

struct host {
	struct covey_host face;
	covey *c;
	struct cds_lfht *table;
	struct cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	pthread_mutex_t scanning;
	_Atomic int64_t sweep;   /* when the first worker may have idled long enough */
	_Atomic uint32_t turn;   /* futex: threads without work sleep on it */
	_Atomic uint32_t parked; /* how many */
	_Atomic int stop;
	_Atomic int failed;     /* why a thread has no seat */
	_Atomic uint32_t ready; /* futex: threads that have, or have not got, one */
	_Atomic uint64_t answered;
	pthread_mutex_t listing;
	struct hosted *list;
	_Atomic uint32_t count; /* futex */
	unsigned threads;
	pthread_t thread[THREADS_MAX];
};

/* ------------------------------------------------------------------------------------------------ the table */

static bool want(struct hosted *h);

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
		want(caa_container_of(old, struct entry, link)->hosted);
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

/* ------------------------------------------------------------------------------------------------ attention */

/* Whoever waits for its turn says so first, then looks, then sleeps. */
static void wake_one(struct host *host)
{
	atomic_fetch_add(&host->turn, 1);
	if (atomic_load(&host->parked) != 0)
		cv_kernel.wake(&host->turn, 1);
}

/* True: it was put on the queue. */
static bool want(struct hosted *h)
{
	int is = atomic_load(&h->attention), next;

	do {
		if (is != RESTING && is != ATTENDED)
			return false; /* it will be looked at, or never again */
		next = is == RESTING ? QUEUED : AGAIN;
	} while (!atomic_compare_exchange_weak(&h->attention, &is, next));
	if (next != QUEUED)
		return false;
	cds_wfcq_node_init(&h->queued);
	cds_wfcq_enqueue(&h->host->head, &h->host->tail, &h->queued);
	return true;
}

static void host_ring(struct host *host)
{
	covey_ring_host(&host->c->slots[host->c->slot]);
	wake_one(host);
}

static void attend(struct covey_worker *w)
{
	struct hosted *h = w->hosted;

	if (want(h))
		host_ring(h->host);
}

/* ------------------------------------------------------------------------------------------------ one worker's life */

static void hosted_free(struct rcu_head *rcu)
{
	covey_worker_drop(caa_container_of(rcu, struct hosted, rcu)->w);
}

static void unlist(struct hosted *h)
{
	struct host *host = h->host;

	pthread_mutex_lock(&host->listing);
	*h->at = h->next;
	if (h->next != NULL)
		h->next->at = h->at;
	pthread_mutex_unlock(&host->listing);
}

static void idle_from_now(struct hosted *h)
{
	int64_t deadline = covey_after(covey_serving_timeout(&h->w->serving)), sweep;

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
	if (s->device.end != NULL && h->stage != BEGINS)
		s->device.end(s->device.self);
	unlist(h);
	covey_serving_end(s);
	covey_memory_end(&w->memory);
	atomic_store(&h->attention, ENDED);
	covey_worker_enter(w, WORKER_ENDED);
	call_rcu(&h->rcu, hosted_free);
	atomic_fetch_sub(&host->count, 1);
	cv_kernel.wake(&host->count, INT_MAX);
}

static int begin(struct hosted *h)
{
	unsigned before = covey_memory_enter(&h->w->memory);
	int r = covey_worker_begin(&h->w->serving);

	covey_memory_leave(before);
	return r;
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
		r = begin(h);
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

static unsigned scan_requests(struct host *host);

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

static void attend_to(struct hosted *h)
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
			h->more = false;
			scan_requests(h->host); /* who has waited meanwhile comes first */
			atomic_store(&h->attention, QUEUED);
			cds_wfcq_node_init(&h->queued);
			cds_wfcq_enqueue(&h->host->head, &h->host->tail, &h->queued);
			wake_one(h->host);
			return;
		}
		attended = ATTENDED;
	} while (!atomic_compare_exchange_strong(&h->attention, &attended, RESTING));
}

/* ------------------------------------------------------------------------------------------------ the scanner */

static struct hosted *find(struct host *host, uint32_t node)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	cds_lfht_lookup(host->table, hash_of(node), same_node, &node, &iter);
	link = cds_lfht_iter_get_node(&iter);
	return link != NULL ? caa_container_of(link, struct entry, link)->hosted : NULL;
}

/* How many workers were put on the queue. */
static unsigned scan_requests(struct host *host)
{
	uint32_t at = 0, node;
	unsigned found = 0;

	rcu_read_lock();
	while ((node = covey_asked(host->c, &at)) != 0) {
		struct hosted *h = find(host, node);

		found += h != NULL && want(h);
	}
	rcu_read_unlock();
	return found;
}

/* Those that have idled long enough are attended to, which ends them; and when the next one may have. */
static unsigned sweep_idle(struct host *host)
{
	int64_t now = cv_kernel.now(), next = COVEY_FOREVER;
	struct cds_lfht_iter iter;
	struct entry *e;
	unsigned found = 0;

	if (now < atomic_load(&host->sweep))
		return 0;
	atomic_store(&host->sweep, COVEY_FOREVER); /* a deadline that is set from here on, lowers it */
	rcu_read_lock();
	cds_lfht_for_each_entry(host->table, &iter, e, link)
	{
		int64_t deadline = atomic_load(&e->hosted->deadline);

		if (deadline <= now)
			found += want(e->hosted);
		else if (deadline < next)
			next = deadline;
	}
	rcu_read_unlock();
	next = next < now + SLACK_NS ? now + SLACK_NS : next;
	now = atomic_load(&host->sweep);
	while (next < now && !atomic_compare_exchange_weak(&host->sweep, &now, next)) {
	}
	return found;
}

static void scanner_sleep(struct host *host, struct covey_slot *slot, uint32_t work, struct cv_spinner *spinner)
{
	struct cv_futex bell = {&slot->work, work};

	if (cv_spin(spinner, bell.word, work))
		return;
	atomic_fetch_add(&slot->idle, 1); /* seq_cst: before the kernel compares the bell */
	cv_kernel.wait(&bell, atomic_load(&host->sweep));
	atomic_fetch_sub(&slot->idle, 1);
}

/* Scan until there is something on the queue, or the host closes. */
static void scan(struct host *host, struct cv_spinner *spinner)
{
	struct covey_slot *slot = &host->c->slots[host->c->slot];
	unsigned found = 0;

	while (found == 0 && !atomic_load(&host->stop)) {
		uint32_t work = atomic_load(&slot->work);

		found = scan_requests(host) + sweep_idle(host);
		found += !cds_wfcq_empty(&host->head, &host->tail); /* attend() has put it there */
		if (found == 0 && !atomic_load(&host->stop))
			scanner_sleep(host, slot, work, spinner);
	}
}

/* ------------------------------------------------------------------------------------------------ the threads */

static struct hosted *next_worker(struct host *host)
{
	struct cds_wfcq_node *n = cds_wfcq_dequeue_blocking(&host->head, &host->tail);

	return n != NULL ? caa_container_of(n, struct hosted, queued) : NULL;
}

static void wait_turn(struct host *host, uint32_t turn)
{
	struct cv_futex word = {&host->turn, turn};

	atomic_fetch_add(&host->parked, 1);
	if (cds_wfcq_empty(&host->head, &host->tail) && !atomic_load(&host->stop))
		cv_kernel.wait(&word, COVEY_FOREVER);
	atomic_fetch_sub(&host->parked, 1);
}

static void *run(void *argument)
{
	struct host *host = argument;
	struct cv_spinner spinner = {0};
	int error;

	prctl(PR_SET_NAME, "covey-host");
	covey_spawning_set((struct covey_spawning){.forbidden = true});
	covey_memory_thread();
	if (covey_enter(host->c, &error) == NULL)
		atomic_store(&host->failed, error);
	atomic_fetch_add(&host->ready, 1);
	cv_kernel.wake(&host->ready, INT_MAX);
	while (!atomic_load(&host->stop)) {
		uint32_t turn = atomic_load(&host->turn);
		struct hosted *h = next_worker(host);

		if (h != NULL) {
			wake_one(host); /* for the next on the queue, or to scan */
			attend_to(h);
		} else if (pthread_mutex_trylock(&host->scanning) == 0) {
			scan(host, &spinner);
			pthread_mutex_unlock(&host->scanning);
		} else {
			wait_turn(host, turn);
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------------------ the calls */

static int start(struct covey_host *face, struct covey_worker *w)
{
	struct host *host = (struct host *)face;
	struct hosted *h = calloc(1, sizeof(*h));

	if (h == NULL || w->serving.c != host->c) {
		free(h);
		covey_worker_drop(w); /* in our place */
		return h == NULL ? COVEY_ESYSTEM : COVEY_EINVAL;
	}
	h->w = w;
	h->host = host;
	w->hosted = h;
	w->serving.memory = w->serving.options.own_memory ? &w->memory : NULL;
	pthread_mutex_lock(&host->listing);
	h->next = host->list;
	h->at = &host->list;
	if (h->next != NULL)
		h->next->at = &h->next;
	host->list = h;
	pthread_mutex_unlock(&host->listing);
	atomic_fetch_add(&host->count, 1);
	attend(w);
	return 0;
}

static void threads_end(struct host *host)
{
	atomic_store(&host->stop, 1);
	covey_ring_host(&host->c->slots[host->c->slot]);
	atomic_fetch_add(&host->turn, 1);
	cv_kernel.wake(&host->turn, INT_MAX);
	for (unsigned i = 0; i < host->threads; i++)
		pthread_join(host->thread[i], NULL);
}

static void host_free(struct host *host)
{
	rcu_barrier(); /* entries and workers that are to be freed */
	cds_lfht_destroy(host->table, NULL);
	cds_wfcq_destroy(&host->head, &host->tail);
	free(host);
}

static int threads_start(struct host *host, unsigned threads)
{
	sigset_t all, old;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r == 0 && host->threads < threads) {
		r = pthread_create(&host->thread[host->threads], NULL, run, host);
		host->threads += r == 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (uint32_t n; r == 0 && (n = atomic_load(&host->ready)) < threads;)
		cv_kernel.wait(&(struct cv_futex){&host->ready, n}, COVEY_FOREVER);
	if (r == 0 && atomic_load(&host->failed) == 0)
		return 0;
	threads_end(host);
	errno = r;
	return r != 0 ? COVEY_ESYSTEM : atomic_load(&host->failed);
}

static struct host *host_new(covey *c)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return NULL;
	host->face = (struct covey_host){start, attend};
	host->c = c;
	host->table = cds_lfht_new(64, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
	if (host->table == NULL) {
		free(host);
		return NULL;
	}
	cds_wfcq_init(&host->head, &host->tail);
	pthread_mutex_init(&host->scanning, NULL);
	pthread_mutex_init(&host->listing, NULL);
	atomic_store(&host->sweep, COVEY_FOREVER);
	return host;
}

/* The child of a fork has none of our threads: not the one that frees after a grace period, nor any reader. */
static void before_fork(void)
{
	call_rcu_before_fork();
	urcu_bp_before_fork();
}

static void after_fork_parent(void)
{
	urcu_bp_after_fork_parent();
	call_rcu_after_fork_parent();
}

static void after_fork_child(void)
{
	urcu_bp_after_fork_child();
	call_rcu_after_fork_child();
}

static void fork_safely(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

int covey_host_open(covey *c, unsigned threads, struct covey_host **out)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int error = COVEY_EINVAL;
	struct host *host;

	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (out == NULL || threads > THREADS_MAX)
		return COVEY_EINVAL;
	*out = NULL;
	pthread_once(&once, fork_safely);
	if (covey_enter(c, &error) == NULL)
		return error;
	if (threads == 0)
		threads = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (unsigned)processors;
	host = host_new(c);
	if (host == NULL)
		return COVEY_ESYSTEM;
	atomic_fetch_add(&c->slots[c->slot].hosting, 1); /* seq_cst: before the first worker leads */
	error = threads_start(host, threads);
	if (error == 0) {
		*out = &host->face;
		return 0;
	}
	atomic_fetch_sub(&c->slots[c->slot].hosting, 1);
	host_free(host);
	return error;
}

void covey_host_close(struct covey_host *face)
{
	struct host *host = (struct host *)face;
	uint32_t left;

	if (host == NULL)
		return;
	pthread_mutex_lock(&host->listing);
	for (struct hosted *h = host->list; h != NULL; h = h->next) {
		atomic_store(&h->w->stop.asked, 1);
		want(h);
	}
	pthread_mutex_unlock(&host->listing);
	host_ring(host);
	while ((left = atomic_load(&host->count)) != 0)
		cv_kernel.wait(&(struct cv_futex){&host->count, left}, COVEY_FOREVER);
	threads_end(host);
	atomic_fetch_sub(&host->c->slots[host->c->slot].hosting, 1);
	host_free(host);
}

int covey_host_usage_of(struct covey_host *face, struct covey_host_usage *out)
{
	struct host *host = (struct host *)face;

	if (host == NULL || out == NULL)
		return COVEY_EINVAL;
	*out = (struct covey_host_usage){
	        .workers = atomic_load(&host->count), .answered = atomic_load(&host->answered)};
	covey_memory_count();
	pthread_mutex_lock(&host->listing);
	for (const struct hosted *h = host->list; h != NULL; h = h->next) {
		out->arenas += h->w->memory.own;
		out->bytes += covey_memory_bytes(&h->w->memory);
	}
	pthread_mutex_unlock(&host->listing);
	return 0;
}
