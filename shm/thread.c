/*
 * thread.c - which thread of which process is calling
 *
 * A thread takes a seat in a region at its first call and keeps it until it exits or the last handle is closed.  Its state
 * lies in pages that the kernel empties in the child of a fork (MADV_WIPEONFORK), so the child's first call finds no
 * seat, comes here, and attaches anew; nothing of the parent's can be mistaken for its own.  The pages are never
 * unmapped: a thread-local pointer into them stays readable for ever, and its two tags tell whether it still applies.
 *
 * A region that is opened several times has one attachment here, with a handle for each time.  They look the same, so the
 * state of a thread notes which one it was called with last, and a call with another one has only that note to change.  A
 * closed handle is kept for the next open until the attachment ends: so a note that a thread still has of it is harmless.
 *
 * At the exit of a thread, a thread-specific destructor gives up the groups that it leads, as an Erlang process's
 * monitor would see to.  What outlives the thread does not keep its seat for good:
 *
 *      a room, that a sibling may publish    becomes the participant's own: its block's word names the keeper's seat then
 *      a borrowed result                     its seat stays taken, by no thread, until somebody ends its last loan
 *
 * A thread keeps a list of the rooms that it took, so that they are found.  It may err high, since siblings publish them
 * and give them back: what is no longer its room, by the word with which it was taken, is dropped as the list grows.
 *
 * A thread that finds no seat can take nothing; but it can end, answer and give back what its siblings hold.  It does so
 * through the keeper's seat: see shm_act() in internal.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event.h"
#include "internal.h"
#include "memory.h"
#include "named.h"
#include "pool.h"

#define SLAB_THREADS 128

_Thread_local struct covey_thread *covey_thread_last;

/* The regions and seats of one thread, in ordinary memory; each is checked against the open regions before use. */
struct membership {
	struct shm_attachment *attachment;
	uint64_t serial;
	struct covey_thread *thread;
	struct membership *next;
};

struct slab {
	struct slab *next; /* lost in the child, and with it the use of the slabs behind */
	struct covey_thread threads[SLAB_THREADS];
	uint64_t parent; /* of the first slab: 1 in the process that attached, 0 in a child of it that has not yet */
};

static struct shm_mutex registry = SHM_MUTEX_INITIALIZER;
static struct shm_attachment *open_regions;
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
	shm_mutex_lock(&registry);
	shm_guest_before_fork();
}

static void after_fork_parent(void)
{
	shm_guest_in_parent();
	shm_mutex_unlock(&registry);
}

/* In the child: no region is attached.  What keeps its parent's slots locked it has not inherited; see slot_lock.c.
 * Called by fork(); and by the first call, where a bare clone() left that out. */
static void disown_regions(void)
{
	if (slabs == NULL || slabs->parent != 0)
		return;
	slabs->parent = 1;
	shm_gates_forget();
	for (struct shm_attachment *a = open_regions; a != NULL; a = a->next) {
		a->attached = false;
		a->own = (struct shm_hold){NULL, -1};
		for (covey *c = a->handles; c != NULL; c = c->next) {
			atomic_store(&c->inherited, true);
			c->workers = NULL; /* our parent's threads */
		}
	}
}

static void after_fork_child(void)
{
	int saved = errno;

	shm_guest_in_child();
	shm_clock_compare();
	disown_regions();
	shm_mutex_renew(&registry);
	errno = saved;
}

static bool still_open(const struct shm_attachment *a, uint64_t serial)
{
	for (const struct shm_attachment *r = open_regions; r != NULL; r = r->next)
		if (r == a)
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

/* Can nobody publish this room any more?  The leadership that it was made for has ended. */
static bool room_is_over(const struct cv_arena *a, const struct shm_reserved *r)
{
	const _Atomic uint64_t *word = cv_heap_word(a, r->ref);
	const struct cv_block *b = cv_heap_at(a, r->ref);
	uint64_t own;

	if (word == NULL || b == NULL || atomic_load(word) != r->word || b->node == 0 || b->node > a->node_count)
		return false;
	own = atomic_load(&a->nodes[b->node].own);
	return cv_word_gen(own) != b->generation || cv_word_state(own) == CV_IDLE;
}

/* Those of its rooms that it still has go with what it led; a room for what a sibling leads is the participant's from now on. */
static void pass_reserved(covey *c, struct covey_thread *t)
{
	struct cv_arena *a = &c->arena;

	for (uint32_t i = 0; i < t->reserved_count; i++) {
		const struct shm_reserved *r = &t->reserved[i];

		if (room_is_over(a, r))
			cv_heap_retire_as(a, t->seat, r->ref, r->word);
		else
			cv_heap_pass(a, r->ref, r->word, cv_seat_of_keeper(a, c->slot));
	}
}

static bool is_this_seat(void *context, uint32_t seat)
{
	return seat == *(const uint32_t *)context;
}

/* Was it ended in the midst of a call? */
static bool left_inside(const struct covey_thread *t)
{
	const struct cv_seat *s = &t->c->arena.seats[t->seat];
	enum cv_seat_state state = cv_seat_state(atomic_load(&s->word));

	return t->taking || (state != CV_SEAT_QUIET && state != CV_SEAT_OUTBOX) ||
	       atomic_load(&s->pins[CV_PIN_RESULT]) != 0 || atomic_load(&s->pins[CV_PIN_BYTES]) != 0 ||
	       atomic_load(&s->request_block) != 0;
}

static void seat_give(struct cv_arena *a, uint32_t seat)
{
	cv_seat_clear(a, seat);
	cv_seat_give(a, seat);
}

static void thread_forget(struct covey_thread *t)
{
	free(t->request);
	free(t->spare);
	free(t->reserved);
	*t = (struct covey_thread){0};
}

static void threads_forget(const struct shm_attachment *a)
{
	for (struct slab *s = slabs; s != NULL; s = s->next)
		for (int i = 0; i < SLAB_THREADS; i++)
			if (s->threads[i].attachment == a)
				thread_forget(&s->threads[i]);
}

static void thread_leave(struct membership *m)
{
	struct covey_thread *t = m->thread;
	struct cv_arena *a;
	bool inside;
	covey *c;

	if (!still_open(m->attachment, m->serial) || t->attachment != m->attachment)
		return;
	c = &m->attachment->view;
	a = &c->arena;
	give_up_led(c, t);
	pass_reserved(c, t);
	inside = left_inside(t);
	cv_seat_quiet(a, t->seat);
	if (inside) /* what it was about to have is nobody's */
		cv_heap_reap(a, t->seat, is_this_seat, &t->seat);
	if (!cv_seat_lends(a, t->seat)) /* else whoever ends the last loan does this */
		seat_give(a, t->seat);
	covey_lane_give(c, &t->lane);
	thread_forget(t);
}

static void thread_exit(void *list)
{
	struct membership *m = list, *next;

	shm_mutex_lock(&registry);
	for (; m != NULL; m = next) {
		next = m->next;
		thread_leave(m);
		free(m);
	}
	covey_thread_last = NULL;
	shm_mutex_unlock(&registry);
}

static void set_up(void)
{
	covey_clock_find();
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* ------------------------------------------------------------------------------------------------ the registry */

void covey_registry_lock(void)
{
	pthread_once(&once, set_up);
	shm_mutex_lock(&registry);
}

void covey_registry_unlock(void)
{
	shm_mutex_unlock(&registry);
}

/* In the child of a fork, once: a slot and a liveness thread of its own. */
static int attach_anew(struct shm_attachment *a)
{
	covey *view = &a->view;
	int r;

	shm_mutex_init(&a->reaping);
	shm_clock_compare();
	r = covey_participant_join(view);
	if (r != 0)
		return r;
	for (covey *c = a->handles; c != NULL; c = c->next) {
		c->slot = view->slot;
		c->pid = view->pid;
		c->ring = view->ring;
	}
	a->serial = ++serials;
	a->attached = true;
	return 0;
}

static int handle_add(struct shm_attachment *a, const char *path, uint32_t flags, covey **out)
{
	covey *c = a->spares;

	if (c != NULL)
		a->spares = c->next;
	else if ((c = malloc(sizeof(*c))) == NULL)
		return COVEY_ESYSTEM;
	*c = a->view;
	if (strcmp(c->path, path) != 0) {
		snprintf(c->path, sizeof(c->path), "%s", path);
		shm_named_begin(c);
	}
	c->flags = flags;
	c->next = a->handles;
	a->handles = c;
	*out = c;
	return 0;
}

static struct shm_attachment *attachment_of(uint64_t device, uint64_t inode)
{
	struct shm_attachment *a = open_regions;

	while (a != NULL &&
	        (a->view.device != device || a->view.inode != inode || (a->view.flags & COVEY_SEPARATE) != 0))
		a = a->next;
	return a;
}

/* Under the registry's lock. */
static int share(uint64_t device, uint64_t inode, const char *path, uint32_t flags, covey **out)
{
	struct shm_attachment *a = attachment_of(device, inode);
	int r;

	if (a == NULL)
		return COVEY_ENOENT;
	r = a->attached ? 0 : attach_anew(a);
	return r != 0 ? r : handle_add(a, path, flags, out);
}

int shm_registry_share(uint64_t device, uint64_t inode, const char *path, uint32_t flags, covey **out)
{
	int r;

	covey_registry_lock();
	disown_regions();
	r = share(device, inode, path, flags, out);
	shm_mutex_unlock(&registry);
	return r;
}

/* The host may have used up the process's keys: without one no end of a thread would be heard of. */
static int exit_key_make(void)
{
	static bool made;

	if (!made)
		errno = pthread_key_create(&exit_key, thread_exit);
	made = made || errno == 0;
	return made ? 0 : COVEY_ESYSTEM;
}

static int attach(struct shm_attachment *a, covey **out)
{
	covey *c = &a->view;
	int r = slabs == NULL && slab_add() == NULL ? COVEY_ESYSTEM : exit_key_make();

	if (r == 0)
		r = covey_participant_join(c);
	if (r != 0)
		return r;
	r = handle_add(a, c->path, c->flags, out);
	if (r != 0) {
		covey_participant_leave(c);
		return r;
	}
	a->serial = ++serials;
	a->attached = true;
	a->next = open_regions;
	open_regions = a;
	shm_gate_open(a);
	return 0;
}

/* A fork between the two would give the child a region that it does not know of, and that looks attached: so fork waits. */
int covey_registry_join(struct shm_attachment *a, covey **out)
{
	const covey *c = &a->view;
	int r = COVEY_ENOENT;

	covey_registry_lock();
	disown_regions();
	if ((c->flags & COVEY_SEPARATE) == 0)
		r = share(c->device, c->inode, c->path, c->flags, out);
	if (r == COVEY_ENOENT)
		r = attach(a, out);
	shm_mutex_unlock(&registry);
	return r;
}

/* Is there a handle left that this process opened, or has called with? */
static bool in_use(const struct shm_attachment *a)
{
	const covey *c = a->handles;

	while (c != NULL && atomic_load(&c->inherited))
		c = c->next;
	return c != NULL;
}

static void unlist(struct shm_attachment *a)
{
	struct shm_attachment **p = &open_regions;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
}

bool shm_registry_leave(covey *c)
{
	struct shm_attachment *a = c->attachment;
	covey **h = &a->handles;
	bool last;

	shm_mutex_lock(&registry);
	while (*h != c)
		h = &(*h)->next;
	*h = c->next;
	c->next = a->spares;
	a->spares = c;
	last = a->handles == NULL;
	if (last) {
		unlist(a);
		shm_gate_close(a);
	} else if (a->attached && !in_use(a)) { /* as before this child's first call */
		shm_gate_close(a);
		covey_participant_leave(&a->view);
		threads_forget(a);
		a->attached = false;
		shm_gate_open(a);
	}
	shm_mutex_unlock(&registry);
	return last;
}

bool covey_threads_current(const covey *c)
{
	bool current;

	shm_mutex_lock(&registry);
	disown_regions();
	current = c->attachment->attached;
	shm_mutex_unlock(&registry);
	return current;
}

void covey_threads_forget(struct shm_attachment *a)
{
	shm_mutex_lock(&registry);
	threads_forget(a);
	shm_mutex_unlock(&registry);
}

static bool seat_has_thread(const struct shm_attachment *a, uint32_t seat)
{
	for (const struct slab *s = slabs; s != NULL; s = s->next)
		for (int i = 0; i < SLAB_THREADS; i++)
			if (s->threads[i].attachment == a && s->threads[i].seat == seat)
				return true;
	return false;
}

/* The attachment through which this process has this slot of c's region, or NULL. */
static struct shm_attachment *attachment_of_slot(const covey *c, uint32_t slot)
{
	for (struct shm_attachment *a = open_regions; a != NULL; a = a->next)
		if (a->attached && a->view.slot == slot && a->view.device == c->device && a->view.inode == c->inode)
			return a;
	return NULL;
}

bool shm_slot_is_ours(const covey *c, uint32_t slot)
{
	bool ours;

	if (slot == c->slot)
		return true;
	shm_mutex_lock(&registry);
	ours = attachment_of_slot(c, slot) != NULL;
	shm_mutex_unlock(&registry);
	return ours;
}

void shm_seat_settle(const covey *c, uint32_t seat)
{
	struct shm_attachment *holder;

	shm_mutex_lock(&registry);
	holder = attachment_of_slot(c, cv_seat_owner(&c->arena, seat) - 1);
	if (holder != NULL && !seat_has_thread(holder, seat) && !cv_seat_lends(&c->arena, seat))
		seat_give(&holder->view.arena, seat);
	shm_mutex_unlock(&registry);
}

static struct covey_thread *slot_in_slabs(void)
{
	struct slab *s;

	for (s = slabs; s != NULL; s = s->next)
		for (int i = 0; i < SLAB_THREADS; i++)
			if (s->threads[i].attachment == NULL)
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

		if (still_open(m->attachment, m->serial)) {
			p = &m->next;
			continue;
		}
		*p = m->next;
		free(m);
	}
	return first;
}

/* A membership that the thread's end will find, to be filled; or NULL. */
static struct membership *membership_add(void)
{
	unsigned arena = covey_memory_outside(); /* a worker's callback may be the first to call */
	struct membership *m = calloc(1, sizeof(*m));

	if (m != NULL) {
		m->next = memberships();
		errno = pthread_setspecific(exit_key, m);
		if (errno != 0) {
			free(m);
			m = NULL;
		}
	}
	covey_memory_leave(arena);
	return m;
}

static int thread_join(struct shm_attachment *a, struct covey_thread **out)
{
	covey *c = &a->view;
	struct covey_thread *t = slot_in_slabs();
	struct membership *m = t == NULL ? NULL : membership_add(); /* empty, it is dropped by the next */
	uint32_t seat;

	if (m == NULL)
		return COVEY_ESYSTEM;
	if ((seat = cv_seat_take(&c->arena, c->slot)) == 0 && covey_reap_some(c) > 0)
		seat = cv_seat_take(&c->arena, c->slot);
	if (seat == 0)
		return COVEY_EFULL;
	/* release: who sees it sees whose the seat is; with covey_still() */
	atomic_store_explicit(&c->arena.seats[seat].thread, (uint32_t)gettid(), memory_order_release);
	*t = (struct covey_thread){
	        .c = c, .thread = &covey_thread_last, .serial = ++thread_serials, .seat = seat, .attachment = a};
	covey_lane_take(c, &t->lane);
	m->attachment = a;
	m->serial = a->serial;
	m->thread = t;
	*out = t;
	return 0;
}

static struct covey_thread *thread_find(const struct shm_attachment *a)
{
	for (struct membership *m = pthread_getspecific(exit_key); m != NULL; m = m->next)
		if (m->attachment == a && m->serial == a->serial && m->thread->attachment == a &&
		        m->thread->thread == &covey_thread_last)
			return m->thread;
	return NULL;
}

static struct covey_thread *thread_of(covey *c, int *error)
{
	struct shm_attachment *a = c->attachment;
	struct covey_thread *t = NULL;

	shm_mutex_lock(&registry);
	disown_regions();
	atomic_store(&c->inherited, false);
	if (!a->attached)
		*error = attach_anew(a);
	if (*error == 0)
		t = thread_find(a);
	if (*error == 0 && t == NULL)
		*error = thread_join(a, &t);
	shm_mutex_unlock(&registry);
	return *error == 0 ? t : NULL;
}

/* As of the gates: only this thread changes its memberships, and no region is closed under us. */
static bool leads_in(const struct shm_attachment *a)
{
	const struct covey_thread *t = thread_find(a);

	return t != NULL && t->leading != 0;
}

bool shm_thread_leads(const struct covey_thread *t)
{
	struct shm_visit visit;
	bool leads = t->leading != 0;

	if (leads || !shm_visit_worth())
		return leads;
	shm_visit_begin(&visit, t->attachment);
	for (unsigned i = 0; i < visit.count && !leads; i++)
		leads = leads_in(visit.attachments[i]);
	shm_visit_end(&visit);
	return leads;
}

struct covey_thread *covey_thread_slow(covey *c, int *error)
{
	struct covey_thread *t = covey_thread_last;

	*error = c == NULL ? COVEY_EINVAL : c->inspect ? COVEY_EREADONLY : 0;
	if (*error != 0)
		return NULL;
	/* If its last call was with another handle of the same attachment, the state is here already. */
	if (t == NULL || t->thread != &covey_thread_last || t->attachment != c->attachment ||
	        atomic_load(&c->inherited))
		t = thread_of(c, error);
	if (t == NULL)
		return NULL;
	t->c = c;
	covey_thread_last = t;
	return t;
}

/* ------------------------------------------------------------------------------------------------ without a seat */

struct covey_thread *shm_act_seatless(covey *c, int *error)
{
	struct covey_thread *t = covey_thread_slow(c, error);
	struct shm_attachment *a;

	/* Attached, but without a seat: none is left, or no memory. */
	if (t != NULL || c == NULL || c->inspect || !covey_threads_current(c))
		return t;
	a = c->attachment;
	shm_mutex_lock(&a->reaping);
	a->act = (struct covey_thread){
	        .c = c, .attachment = a, .seat = cv_seat_of_keeper(&c->arena, c->slot), .lane = covey_lane_shared(c)};
	return &a->act;
}

void shm_act_unlock(struct covey_thread *t)
{
	shm_mutex_unlock(&t->attachment->reaping);
}

/* ------------------------------------------------------------------------------------------------ reservations */

/* Drop what is not this thread's room any more. */
static void prune_reserved(struct covey_thread *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->reserved_count; i++) {
		const _Atomic uint64_t *word = cv_heap_word(&t->c->arena, t->reserved[i].ref);

		if (word != NULL && atomic_load_explicit(word, memory_order_relaxed) == t->reserved[i].word)
			t->reserved[kept++] = t->reserved[i];
	}
	t->reserved_count = kept;
}

bool shm_reserve_ready(struct covey_thread *t)
{
	uint32_t room = t->reserved_room == 0 ? 8 : t->reserved_room * 2;
	struct shm_reserved *more;
	unsigned arena;

	if (t->reserved_count < t->reserved_room)
		return true;
	prune_reserved(t);
	if (t->reserved_count < t->reserved_room / 2) /* so that it is not pruned at each call */
		return true;
	arena = covey_memory_outside(); /* a worker's callback may call, and end before the room does */
	more = shm_reallocate(t->reserved, room * sizeof(*more));
	covey_memory_leave(arena);
	if (more == NULL)
		return t->reserved_count < t->reserved_room;
	t->reserved = more;
	t->reserved_room = room;
	return true;
}

void shm_reserve_note(struct covey_thread *t, uint32_t ref)
{
	const _Atomic uint64_t *word = cv_heap_word(&t->c->arena, ref);

	if (word == NULL)
		return;
	t->reserved[t->reserved_count++] = (struct shm_reserved){atomic_load_explicit(word, memory_order_relaxed), ref};
	atomic_signal_fence(memory_order_release); /* before the thread says that it has noted it */
}
