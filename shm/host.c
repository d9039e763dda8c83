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
 * A group is led through the seat of the thread that attended to it last: whoever attends to it puts its own seat into the
 * ownership word, and the generation stays.  So what a callback waits for, its group's leader is seen to wait for, and a
 * circle is found.  A thread that computes for one group is taken for the leader of others at rest, too: a callback that
 * asks for one of these may be told COVEY_RECURSION or COVEY_CYCLE.
 *
 * A worker with more requests than a turn's goes to the end of the queue, behind those whom the seats show by then.
 *
 * Whoever sleeps on the work bell is counted in the slot by himself: a waiter that is stopped or killed while it rings has
 * not kept the next one from ringing.
 *
 * Ended workers are unlinked under RCU and freed after a grace period (call_rcu), because a scanner may just hold them.
 *
 * Sources: liburcu's rculfhash (cds_lfht) and wfcqueue.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host.h"

#define SLACK_NS 10000000 /* a worker may idle so much longer: what ends at about the same time, ends in one sweep */

/* ------------------------------------------------------------------------------------------------ ringing */

/* Whoever waits for its turn says so first, then looks, then sleeps. */
void covey_host_wake(struct host *host)
{
	atomic_fetch_add(&host->turn, 1);
	if (atomic_load(&host->parked) != 0)
		cv_kernel.wake(&host->turn, 1);
}

static void host_ring(struct host *host)
{
	covey_ring_host(&host->c->slots[host->c->slot]);
	covey_host_wake(host);
}

static void attend(struct covey_worker *w)
{
	struct hosted *h = w->hosted;

	if (covey_hosted_want(h))
		host_ring(h->host);
}

/* ------------------------------------------------------------------------------------------------ the scanner */

/* How many workers were put on the queue. */
unsigned covey_host_scan(struct host *host)
{
	uint32_t at = 0, node;
	unsigned found = 0;

	rcu_read_lock();
	while ((node = covey_asked(host->c, &at)) != 0) {
		struct hosted *h = covey_hosted_find(host, node);

		found += h != NULL && covey_hosted_want(h);
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
			found += covey_hosted_want(e->hosted); /* cppcheck-suppress uninitvar */
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

		found = covey_host_scan(host) + sweep_idle(host);
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
	struct shm_entry entry SHM_CLEANUP(shm_inside_leave) = {.here = {.worker = true, .thread_is_ours = true}};
	int error;

	prctl(PR_SET_NAME, "covey-host");
	shm_inside_enter(&entry, host->c);
	covey_memory_thread();
	if (covey_enter(host->c, &error) == NULL) {
		atomic_store(&host->why, errno);
		atomic_store(&host->failed, error);
	}
	atomic_fetch_add(&host->ready, 1);
	cv_kernel.wake(&host->ready, INT_MAX);
	while (!atomic_load(&host->stop)) {
		uint32_t turn = atomic_load(&host->turn);
		struct hosted *h = next_worker(host);

		if (h != NULL) {
			covey_host_wake(host); /* for the next on the queue, or to scan */
			covey_hosted_attend(h);
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
	struct hosted *h = shm_allocate_zeros(1, sizeof(*h));

	if (h == NULL || w->serving.c->attachment != host->c->attachment) {
		shm_free(h);
		atomic_store(&w->holders, 1); /* it is not ours */
		return h == NULL ? COVEY_ESYSTEM : COVEY_EINVAL;
	}
	h->w = w;
	h->host = host;
	w->hosted = h;
	w->serving.c = host->c; /* it may outlast the handle that it was started through */
	w->serving.memory = w->serving.options.own_memory ? &w->memory : NULL;
	w->serving.thread_is_ours = true;
	shm_mutex_lock(&host->listing);
	h->next = host->list;
	h->at = &host->list;
	if (h->next != NULL)
		h->next->at = &h->next;
	host->list = h;
	shm_mutex_unlock(&host->listing);
	atomic_fetch_add(&host->count, 1);
	attend(w);
	return 0;
}

static bool serves(struct covey_host *face, uint32_t node)
{
	bool found;

	rcu_read_lock();
	found = covey_hosted_find((struct host *)face, node) != NULL;
	rcu_read_unlock();
	return found;
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

static int thread_start(struct host *host, pthread_t *thread)
{
	struct shm_quiet quiet; /* and so is the thread */
	int r;

	shm_quiet_begin(&quiet);
	r = pthread_create(thread, NULL, run, host);
	shm_quiet_end(&quiet);
	return r;
}

/* It is not closed meanwhile, as a worker of it has not ended yet.  If there can be no further thread, it has one less.
 */
void shm_host_replace_thread(struct host *host)
{
	pthread_t self = pthread_self();

	for (unsigned i = 0; i < host->threads; i++)
		if (pthread_equal(host->thread[i], self) && thread_start(host, &host->thread[i]) == 0)
			pthread_detach(self);
}

static int threads_start(struct host *host, unsigned threads)
{
	int r = 0;

	while (r == 0 && host->threads < threads) {
		r = thread_start(host, &host->thread[host->threads]);
		host->threads += r == 0;
	}
	for (uint32_t n; r == 0 && (n = atomic_load(&host->ready)) < threads;)
		cv_kernel.wait(&(struct cv_futex){&host->ready, n}, COVEY_FOREVER);
	if (r == 0 && atomic_load(&host->failed) == 0)
		return 0;
	threads_end(host);
	errno = r != 0 ? r : atomic_load(&host->why);
	return r != 0 ? COVEY_ESYSTEM : atomic_load(&host->failed);
}

static struct host *host_new(covey *c)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return NULL;
	host->face = (struct covey_host){start, attend, serves};
	host->c = c;
	host->process = getpid();
	host->table = cds_lfht_new(64, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
	if (host->table == NULL) {
		free(host);
		return NULL;
	}
	cds_wfcq_init(&host->head, &host->tail);
	pthread_mutex_init(&host->scanning, NULL);
	shm_mutex_init(&host->listing);
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

static int host_begin(covey *c, unsigned threads, struct covey_host **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct host *host;
	int error;

	pthread_once(&once, fork_safely);
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

int covey_host_open(covey *c, unsigned threads, struct covey_host **out)
{
	struct shm_quiet quiet;
	long processors;
	int error = COVEY_EINVAL;

	if (out == NULL || threads > COVEY_HOST_THREADS_MAX)
		return COVEY_EINVAL;
	*out = NULL;
	if (covey_enter(c, &error) == NULL)
		return error;
	shm_quiet_begin(&quiet);
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (threads == 0)
		threads = processors < 1                        ? 1
		          : processors > COVEY_HOST_THREADS_MAX ? COVEY_HOST_THREADS_MAX
		                                                : (unsigned)processors;
	error = host_begin(c, threads, out);
	shm_quiet_end(&quiet);
	return error;
}

static void workers_stop(struct host *host)
{
	shm_mutex_lock(&host->listing);
	for (struct hosted *h = host->list; h != NULL; h = h->next) {
		atomic_store(&h->w->stop.asked, 1);
		covey_hosted_want(h);
	}
	shm_mutex_unlock(&host->listing);
	host_ring(host);
	for (uint32_t left; (left = atomic_load(&host->count)) != 0;)
		cv_kernel.wait(&(struct cv_futex){&host->count, left}, COVEY_FOREVER);
}

void covey_host_close(struct covey_host *face)
{
	struct host *host = (struct host *)face;
	struct shm_quiet quiet;
	int cancel;

	if (host == NULL || host->process != getpid())
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	workers_stop(host); /* which takes as long as what they compute: not quietly */
	shm_quiet_begin(&quiet);
	threads_end(host);
	atomic_fetch_sub(&host->c->slots[host->c->slot].hosting, 1);
	host_free(host);
	shm_quiet_end(&quiet);
	pthread_setcancelstate(cancel, NULL);
}

int covey_host_usage_of(struct covey_host *face, struct covey_host_usage *out)
{
	struct host *host = (struct host *)face;

	if (host == NULL || out == NULL)
		return COVEY_EINVAL;
	*out = (struct covey_host_usage){
	        .workers = atomic_load(&host->count), .answered = atomic_load(&host->answered)};
	covey_memory_count();
	shm_mutex_lock(&host->listing);
	for (const struct hosted *h = host->list; h != NULL; h = h->next) {
		out->arenas += h->w->memory.own;
		out->bytes += covey_memory_bytes(&h->w->memory);
	}
	shm_mutex_unlock(&host->listing);
	return 0;
}
