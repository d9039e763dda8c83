/*
 * thread.c - which thread of which process is calling
 *
 * A thread takes a seat in a region at its first call and keeps it until it exits or the region is closed.  Its state
 * lies in pages that the kernel empties in the child of a fork (MADV_WIPEONFORK), so the child's first call finds no
 * seat, comes here, and attaches anew; nothing of the parent's can be mistaken for its own.  The pages are never
 * unmapped: a thread-local pointer into them stays readable for ever, and its two tags tell whether it still applies.
 *
 * At the exit of a thread, a thread-specific destructor gives up the groups that it leads, as an Erlang process's
 * monitor would see to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event.h"
#include "internal.h"
#include "memory.h"
#include "pool.h"

#define SLAB_THREADS 128

_Thread_local struct covey_thread *covey_thread_last;

/* The regions and seats of one thread, in ordinary memory; each is checked against the open regions before use. */
struct membership {
	covey *c;
	uint64_t serial;
	struct covey_thread *thread;
	struct membership *next;
};

struct slab {
	struct slab *next; /* lost in the child, and with it the use of the slabs behind */
	struct covey_thread threads[SLAB_THREADS];
	uint64_t parent; /* of the first slab: 1 in the process that attached, 0 in a child of it that has not yet */
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static covey *open_regions;
static uint64_t serials, thread_serials;
static struct slab *slabs;
static pthread_key_t exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ------------------------------------------------------------------------------------------------ a thread's state */

static struct slab *slab_add(void)
{
	struct slab *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	if (madvise(s, sizeof(*s), MADV_WIPEONFORK) != 0) {
		munmap(s, sizeof(*s));
		return NULL;
	}
	s->parent = 1;
	s->next = slabs;
	slabs = s;
	return s;
}

/* ------------------------------------------------------------------------------------------------ fork and exit */

static void before_fork(void)
{
	pthread_mutex_lock(&registry);
}

static void after_fork_parent(void)
{
	pthread_mutex_unlock(&registry);
}

/* In the child: no region is attached.  It must not keep its parent's slots locked, so it gets descriptors of its own.
 * Called by fork(); and by the first call, where a bare clone() left that out. */
static void disown_regions(void)
{
	if (slabs == NULL || slabs->parent != 0)
		return;
	slabs->parent = 1;
	for (covey *c = open_regions; c != NULL; c = c->next) {
		c->attached = false;
		c->workers = NULL;              /* our parent's threads */
		if (covey_file_again(c) != 0) { /* rather none than our parent's: attaching tries again, and says so */
			close(c->fd);
			c->fd = -1;
		}
	}
}

static void after_fork_child(void)
{
	int saved = errno;

	pthread_mutex_init(&registry, NULL);
	shm_clock_compare();
	disown_regions();
	errno = saved;
}

static bool still_open(const covey *c, uint64_t serial)
{
	for (const covey *r = open_regions; r != NULL; r = r->next)
		if (r == c)
			return r->serial == serial;
	return false;
}

/* Nobody else uses this thread's seat, so what it leads cannot grow while we look. */
static void give_up_led(covey *c, struct covey_thread *t)
{
	uint32_t high = t->leading != 0 ? cv_pool_high(&c->arena) : 0;

	for (uint32_t i = 1; i <= high; i++) {
		uint64_t own = atomic_load(&c->arena.nodes[i].own);
		struct covey_lead lead = {.generation = cv_word_gen(own), .node = i, .seat = t->seat};

		if (cv_word_state(own) == CV_LEADING && cv_word_owner(own) == t->seat)
			covey_end(c, t, &lead, 0, COVEY_EVENT_GAVE_UP);
	}
}

static bool lends(const covey *c, uint32_t seat)
{
	for (int i = 0; i < CV_LOANS; i++)
		if (atomic_load(&c->arena.seats[seat].loans[i]) != 0)
			return true;
	return false;
}

static void thread_forget(struct covey_thread *t)
{
	free(t->request);
	free(t->spare);
	*t = (struct covey_thread){0};
}

static void thread_leave(struct membership *m)
{
	struct covey_thread *t = m->thread;

	if (!still_open(m->c, m->serial) || t->c != m->c)
		return;
	give_up_led(m->c, t);
	/* A result or a room that outlives its thread keeps the seat until the region is closed. */
	if (t->rooms == 0 && !lends(m->c, t->seat)) {
		cv_seat_clear(&m->c->arena, t->seat);
		cv_seat_give(&m->c->arena, t->seat);
	}
	covey_lane_give(m->c, &t->lane);
	thread_forget(t);
}

static void thread_exit(void *list)
{
	struct membership *m = list, *next;

	pthread_mutex_lock(&registry);
	for (; m != NULL; m = next) {
		next = m->next;
		thread_leave(m);
		free(m);
	}
	covey_thread_last = NULL;
	pthread_mutex_unlock(&registry);
}

static void set_up(void)
{
	covey_clock_find();
	pthread_key_create(&exit_key, thread_exit);
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* ------------------------------------------------------------------------------------------------ the registry */

void covey_registry_lock(void)
{
	pthread_once(&once, set_up);
	pthread_mutex_lock(&registry);
}

void covey_registry_unlock(void)
{
	pthread_mutex_unlock(&registry);
}

/* A fork between the two would give the child a copy of a locked file that no handler closes: so fork waits. */
int covey_registry_join(covey *c)
{
	int r;

	covey_registry_lock();
	disown_regions();
	r = slabs == NULL && slab_add() == NULL ? COVEY_ESYSTEM : covey_participant_join(c);
	if (r != 0) {
		pthread_mutex_unlock(&registry);
		return r;
	}
	c->serial = ++serials;
	c->attached = true;
	c->next = open_regions;
	open_regions = c;
	pthread_mutex_unlock(&registry);
	return 0;
}

void covey_registry_remove(covey *c)
{
	pthread_mutex_lock(&registry);
	for (covey **p = &open_regions; *p != NULL; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	pthread_mutex_unlock(&registry);
}

bool covey_threads_current(const covey *c)
{
	bool current;

	pthread_mutex_lock(&registry);
	disown_regions();
	current = c->attached;
	pthread_mutex_unlock(&registry);
	return current;
}

void covey_threads_forget(covey *c)
{
	pthread_mutex_lock(&registry);
	for (struct slab *s = slabs; s != NULL; s = s->next)
		for (int i = 0; i < SLAB_THREADS; i++)
			if (s->threads[i].c == c)
				thread_forget(&s->threads[i]);
	pthread_mutex_unlock(&registry);
}

static struct covey_thread *slot_in_slabs(void)
{
	struct slab *s;

	for (s = slabs; s != NULL; s = s->next)
		for (int i = 0; i < SLAB_THREADS; i++)
			if (s->threads[i].c == NULL)
				return &s->threads[i];
	s = slab_add();
	return s == NULL ? NULL : &s->threads[0];
}

/* Of this thread's memberships those whose regions are still open: it may open and close regions for ever. */
static struct membership *memberships(void)
{
	struct membership *first = pthread_getspecific(exit_key), **p = &first;

	while (*p != NULL) {
		struct membership *m = *p;

		if (still_open(m->c, m->serial)) {
			p = &m->next;
			continue;
		}
		*p = m->next;
		free(m);
	}
	return first;
}

static int thread_join(covey *c, struct covey_thread **out)
{
	struct covey_thread *t = slot_in_slabs();
	unsigned arena = covey_memory_outside(); /* a worker's callback may be the first to call */
	struct membership *m = malloc(sizeof(*m));
	uint32_t seat = 0;

	covey_memory_leave(arena);

	if (t != NULL && m != NULL && (seat = cv_seat_take(&c->arena, c->slot)) == 0 && covey_reap_some(c) > 0)
		seat = cv_seat_take(&c->arena, c->slot);
	if (t == NULL || m == NULL || seat == 0) {
		free(m);
		return seat == 0 && t != NULL ? COVEY_EFULL : COVEY_ESYSTEM;
	}
	/* release: who sees it sees whose the seat is; with covey_still() */
	atomic_store_explicit(&c->arena.seats[seat].thread, (uint32_t)gettid(), memory_order_release);
	*t = (struct covey_thread){.c = c, .thread = &covey_thread_last, .serial = ++thread_serials, .seat = seat};
	covey_lane_take(c, &t->lane);
	*m = (struct membership){c, c->serial, t, memberships()};
	pthread_setspecific(exit_key, m);
	*out = t;
	return 0;
}

/* In the child of a fork, once: a slot and a keeper of its own. */
static int attach_anew(covey *c)
{
	int r;

	pthread_mutex_init(&c->reaping, NULL);
	shm_clock_compare();
	if (c->fd < 0 && covey_file_again(c) != 0)
		return COVEY_ESYSTEM;
	r = covey_participant_join(c);
	if (r != 0)
		return r;
	c->serial = ++serials;
	c->attached = true;
	return 0;
}

static struct covey_thread *thread_find(covey *c)
{
	for (struct membership *m = pthread_getspecific(exit_key); m != NULL; m = m->next)
		if (m->c == c && m->serial == c->serial && m->thread->c == c && m->thread->thread == &covey_thread_last)
			return m->thread;
	return NULL;
}

struct covey_thread *covey_thread_slow(covey *c, int *error)
{
	struct covey_thread *t = NULL;

	*error = c == NULL ? COVEY_EINVAL : c->inspect ? COVEY_EREADONLY : 0;
	if (*error != 0)
		return NULL;
	pthread_mutex_lock(&registry);
	disown_regions();
	if (!c->attached)
		*error = attach_anew(c);
	if (*error == 0)
		t = thread_find(c);
	if (*error == 0 && t == NULL)
		*error = thread_join(c, &t);
	pthread_mutex_unlock(&registry);
	if (*error == 0)
		covey_thread_last = t;
	return *error == 0 ? t : NULL;
}
