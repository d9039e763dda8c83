/*
 * group.c - becoming the leader, finding the leader, changing the leader
 *
 * A group that was led before has its node in the table, and leading it again is one swap, IDLE g -> LEADING g + 1.  A new
 * one takes a node, fills it, makes it LEADING while nobody can reach it yet, and links it: the link is the step.  A
 * leader that dies between filling and linking leaves a LEADING node that is not linked; only the reaper, which looks
 * whether it is, can tell, and nobody else can meet it.
 *
 * Change of leader, by death, by hand or by forwarding, is one swap that advances the generation.  The new leader then
 * gives every wait a new sequence before its call returns, so that an answer which the old one had begun to give either
 * arrives before the change is complete or fails.
 */
#include <string.h>

#include "event.h"
#include "hash.h"
#include "internal.h"
#include "pool.h"
#include "watch.h"

static bool key_of(const covey *c, const void *name, size_t size, struct cv_key *key)
{
	if (cv_unlikely(name == NULL || size == 0 || size > COVEY_NAME_MAX))
		return false;
	key->name = name;
	key->size = (uint32_t)size;
	key->hash = cv_hash(c->arena.key, name, size);
	return true;
}

/* Inlined, as the next, because every store before the swap that ends this execution holds that swap up. */
static inline __attribute__((always_inline)) void led(
        struct covey_thread *t, uint32_t node, uint32_t incarnation, uint64_t gen, int64_t now, struct covey_lead *out)
{
	covey *c = t->c;

	/* for people only */
	atomic_store_explicit(&c->arena.nodes[node].since, (uint64_t)now, memory_order_relaxed);
	out->generation = gen; /* each by itself: a whole struct would be cleared first */
	out->pid = c->pid;
	out->previous = 0;
	out->node = node;
	out->incarnation = incarnation;
	out->seat = t->seat;
	out->deaths = 0;
	t->leading++;
	cv_changed(&c->arena, node);
}

/* now: since before the swap that made it ours, for the clock is read while the lookup waits for memory. */
static inline __attribute__((always_inline)) int registered(struct covey_thread *t, uint32_t node, uint32_t incarnation,
        uint64_t gen, uint64_t hash, int64_t now, struct covey_lead *out)
{
	led(t, node, incarnation, gen, now, out);
	cv_seat_stat(&t->c->arena, t->seat, COVEY_COUNT_LED);
	covey_event_write(&t->lane, now, COVEY_EVENT_REGISTERED, node, hash, gen, 0);
	return COVEY_LEADER;
}

bool covey_dead_leader(const covey *c, uint64_t own, struct covey_life *life)
{
	covey_life_of_seat(c, cv_word_owner(own), life);
	return !life->alive;
}

int covey_depose(covey *c, struct covey_thread *t, uint32_t node, uint64_t own, bool dead, struct covey_lead *out)
{
	uint64_t gen = cv_word_gen(own) + 1, key = cv_key_now(&c->arena, node);
	pid_t previous = covey_pid_of_seat(c, cv_word_owner(own));

	if (cv_word_exhausted(own))
		return COVEY_EFULL;
	if (!atomic_compare_exchange_strong(
	            &c->arena.nodes[node].own, &own, cv_word(CV_LEADING, t->seat, gen) | cv_word_waiters(own)))
		return COVEY_EFENCED;
	cv_seat_restamp(&c->arena, key);
	cv_seat_stat(&c->arena, t->seat, COVEY_COUNT_TOOK_OVER);
	led(t, node, (uint32_t)(key >> 32), gen, covey_coarse_now(), out);
	out->previous = previous;
	if (dead)
		out->deaths = shm_deaths_note(c, node, gen);
	return COVEY_LEADER;
}

/* ------------------------------------------------------------------------------------------------ register */

#define AGAIN 100 /* inside this file: look the group up again */

/* role, of this leader; or AGAIN if it has ended meanwhile: then what was read of it may be another's. */
static int wait_for(const covey *c, const struct cv_spot *spot, int role, struct covey_lead *out)
{
	*out = (struct covey_lead){.generation = cv_word_gen(spot->own),
	        .node = spot->node,
	        .incarnation = spot->incarnation,
	        .seat = cv_word_owner(spot->own)};
	out->pid = covey_pid_of_seat(c, out->seat);
	return covey_still(c, spot->node, spot->own) ? role : AGAIN;
}

static inline __attribute__((always_inline)) int register_idle(covey *c, struct covey_thread *t, uint64_t hash,
        const struct cv_spot *spot, int64_t now, struct covey_lead *out)
{
	uint64_t own = spot->own, gen = cv_word_gen(own) + 1;

	if (cv_unlikely(cv_word_exhausted(own)))
		return COVEY_EFULL;
	if (cv_unlikely(!atomic_compare_exchange_strong(
	            &c->arena.nodes[spot->node].own, &own, cv_word(CV_LEADING, t->seat, gen))))
		return AGAIN;
	return registered(t, spot->node, spot->incarnation, gen, hash, now, out);
}

/* Is it this very thread that leads, here or through another copy of the library? */
static bool leads_itself(const covey *c, const struct covey_thread *t, uint64_t own)
{
	return cv_word_state(own) == CV_LEADING && shm_is_thread(c, t, cv_word_owner(own));
}

static int register_taken(covey *c, struct covey_thread *t, const struct cv_spot *spot, struct covey_lead *out)
{
	struct covey_life life;
	int r;

	if (!covey_dead_leader(c, spot->own, &life))
		return wait_for(c, spot, leads_itself(c, t, spot->own) ? COVEY_RECURSION : COVEY_WAIT, out);
	covey_life_relay(c, life.slot);
	r = covey_depose(c, t, spot->node, spot->own, true, out);
	if (r == COVEY_LEADER) {
		covey_ring(c, spot->node); /* its waiters sleep on a life that has ended */
		covey_keeper_reap(c);
		covey_event_succeeded(t, out, true);
	}
	return r == COVEY_EFENCED ? AGAIN : r;
}

static int register_present(covey *c, struct covey_thread *t, const struct cv_key *key, const struct cv_spot *spot,
        int64_t now, struct covey_lead *out)
{
	switch (cv_word_state(spot->own)) {
	case CV_IDLE:
		return register_idle(c, t, key->hash, spot, now, out);
	case CV_LEADING:
	case CV_HANDED:
		return register_taken(c, t, spot, out);
	case CV_PUBLISHED:
		covey_finish(c, t->seat, spot->node, spot->own);
		return AGAIN;
	default:
		return AGAIN;
	}
}

/* A node of our own, filled and not linked, kept across attempts to link it. */
static int node_ready(covey *c, struct covey_thread *t, const struct cv_key *key, uint32_t *node)
{
	int r;

	if (*node != 0)
		return 0;
	*node = cv_pool_take(&c->arena, t->seat, &t->hint);
	if (*node == 0)
		return COVEY_EFULL;
	r = cv_pool_fill(&c->arena, t->seat, *node, key, &t->hint);
	if (r != 0) {
		cv_pool_free(&c->arena, t->seat, *node);
		*node = 0;
	}
	return r;
}

static int register_absent(covey *c, struct covey_thread *t, const struct cv_key *key, const struct cv_spot *spot,
        uint32_t *node, int64_t now, struct covey_lead *out)
{
	int r = node_ready(c, t, key, node);
	struct cv_node *n = &c->arena.nodes[*node];
	uint64_t gen;

	if (r != 0)
		return r;
	gen = cv_pool_refresh(&c->arena, t->seat, *node);
	if (!cv_table_insert(&c->arena, *node, key, spot))
		return AGAIN;
	cv_pool_keep(&t->hint, *node, gen);
	r = registered(t, *node, cv_next_incarnation(atomic_load_explicit(&n->next, memory_order_relaxed)), gen,
	        key->hash, now, out);
	*node = 0;
	return r;
}

static inline __attribute__((always_inline)) int find_or_register(
        covey *c, struct covey_thread *t, const struct cv_key *key, int64_t now, struct covey_lead *out)
{
	struct cv_spot spot;
	uint32_t node = 0;
	int r;

	do {
		r = cv_table_find(&c->arena, t->seat, key, &spot);
		if (cv_likely(r == 1))
			r = register_present(c, t, key, &spot, now, out);
		else if (r == 0)
			r = register_absent(c, t, key, &spot, &node, now, out);
	} while (cv_unlikely(r == AGAIN));
	if (cv_unlikely(node != 0)) /* somebody else inserted the name first */
		cv_pool_free(&c->arena, t->seat, node);
	return r;
}

/* Of any group. */
static __attribute__((noinline)) int register_hashed(
        struct covey_thread *t, const void *name, size_t size, uint64_t hash, int64_t now, struct covey_lead *out)
{
	struct cv_key key = {name, (uint32_t)size, hash};
	int r;

	do
		r = find_or_register(t->c, t, &key, now, out);
	while (cv_unlikely(r == COVEY_EFULL) && covey_reap_some(t->c) > 0); /* full, but of what the dead held */
	return r;
}

/* The first call of a thread, and what is none of a group. */
static __attribute__((noinline)) int register_anew(covey *c, const void *name, size_t size, struct covey_lead *out)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &r);
	struct cv_key key;

	if (t == NULL)
		return r;
	if (out == NULL)
		return COVEY_EINVAL;
	if (!key_of(c, name, size, &key))
		return size == 0 ? COVEY_UNGROUPED : COVEY_EINVAL;
	return register_hashed(t, name, size, key.hash, covey_coarse_now(), out);
}

/* Here is the usual case: a group with a short name that was led before, and whose node is the first of its chain. */
int covey_find_or_register(covey *c, const void *name, size_t size, struct covey_lead *out)
{
	struct covey_thread *t = covey_thread_now(c);
	struct cv_spot spot;
	struct cv_key key;
	int64_t now;

	if (cv_unlikely(t == NULL || out == NULL) || cv_unlikely(!key_of(c, name, size, &key)))
		return register_anew(c, name, size, out);
	now = covey_coarse_now();
	if (cv_likely(cv_table_find_idle(&c->arena, &key, &spot)) &&
	        cv_likely(register_idle(c, t, key.hash, &spot, now, out) == COVEY_LEADER))
		return COVEY_LEADER;
	return register_hashed(t, name, size, key.hash, now, out);
}

/* ------------------------------------------------------------------------------------------------ find */

static inline __attribute__((always_inline)) int find(
        covey *c, uint32_t seat, const void *name, size_t size, struct cv_spot *spot)
{
	struct cv_key key;
	int r;

	if (!key_of(c, name, size, &key))
		return COVEY_EINVAL;
	r = cv_table_find(&c->arena, seat, &key, spot);
	return r < 0 ? r : r == 1 && covey_is_led(spot->own) ? 0 : COVEY_ENOENT;
}

int covey_find_led(covey *c, const void *name, size_t size, struct cv_spot *spot)
{
	return find(c, 0, name, size, spot);
}

/* Only a long name's bytes lie where they must be pinned, and only that takes a seat: anybody else may look without,
 * also an inspector, and the child of a fork. */
__attribute__((noinline)) static int seat_to_look(covey *c, uint32_t *seat)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = c == NULL || c->inspect ? NULL : covey_enter(c, &r);

	*seat = t != NULL ? t->seat : 0;
	return t != NULL || (c != NULL && c->inspect) ? 0 : r;
}

static __attribute__((noinline)) uint32_t waiting(covey *c, const struct cv_spot *spot)
{
	return cv_seat_count_waiting(&c->arena, cv_key_of(spot->node, spot->incarnation));
}

/* 0, COVEY_ENOENT, or AGAIN if the leader has ended meanwhile. */
static inline __attribute__((always_inline)) int tell(covey *c, const struct cv_spot *spot, struct covey_info *out)
{
	if (!covey_is_led(spot->own))
		return COVEY_ENOENT;
	if (out == NULL)
		return 0;
	out->generation = cv_word_gen(spot->own);
	out->since = shm_own_time(atomic_load_explicit(&c->arena.nodes[spot->node].since, memory_order_relaxed));
	out->pid = covey_living_pid_of_seat(c, cv_word_owner(spot->own));
	out->waiters = 0;
	if (cv_unlikely(cv_word_waiters(spot->own)))
		out->waiters = waiting(c, spot);
	return cv_likely(covey_still(c, spot->node, spot->own)) ? 0 : AGAIN;
}

/* Each case but those of the next. */
static __attribute__((noinline)) int find_slowly(covey *c, const void *name, size_t size, struct covey_info *out)
{
	struct cv_spot spot;
	uint32_t seat = 0;
	int r;

	if ((c == NULL || size > CV_NAME_INLINE) && (r = seat_to_look(c, &seat)) != 0)
		return r;
	do {
		r = find(c, seat, name, size, &spot);
		r = r != 0 ? r : tell(c, &spot, out);
	} while (r == AGAIN);
	return r;
}

/* Here are the usual cases: nobody leads any group of this bucket, or this group's node is the first of its chain. */
int covey_find(covey *c, const void *name, size_t size, struct covey_info *out)
{
	struct cv_spot spot;
	struct cv_key key;
	int r;

	if (cv_unlikely(c == NULL || size > CV_NAME_INLINE) || cv_unlikely(!key_of(c, name, size, &key)))
		return find_slowly(c, name, size, out);
	spot.head = cv_table_head(&c->arena, &key);
	if ((uint32_t)spot.head == 0)
		return COVEY_ENOENT;
	if (cv_unlikely(!cv_table_find_first(&c->arena, &key, &spot)))
		return find_slowly(c, name, size, out);
	r = tell(c, &spot, out);
	return cv_likely(r != AGAIN) ? r : find_slowly(c, name, size, out);
}

int covey_join(covey *c, const void *name, size_t size, struct covey_lead *out)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &r);
	struct cv_spot spot;

	if (t == NULL)
		return r;
	if (out == NULL)
		return COVEY_EINVAL;
	do {
		r = find(c, t->seat, name, size, &spot);
		if (r == 0)
			r = wait_for(c, &spot, leads_itself(c, t, spot.own) ? COVEY_RECURSION : COVEY_WAIT, out);
	} while (r == AGAIN);
	return r;
}

int covey_leading(covey *c, const struct covey_lead *lead)
{
	int error;
	struct covey_thread *t = shm_act(c, &error);
	bool leading;

	if (t == NULL)
		return 0;
	leading = covey_lead_check(c, t, lead) == 0 && covey_leads(c, lead);
	shm_act_end(t);
	return leading;
}

/* ------------------------------------------------------------------------------------------------ change of leader */

int covey_take_over(covey *c, const void *name, size_t size, uint64_t generation, struct covey_lead *out)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = covey_enter(c, &r);
	struct covey_life life;
	struct cv_spot spot;
	bool dead;

	if (t == NULL)
		return r;
	if (out == NULL)
		return COVEY_EINVAL;
	do {
		r = find(c, t->seat, name, size, &spot);
		if (r != 0)
			return r;
		if (cv_word_gen(spot.own) != generation)
			return COVEY_EFENCED;
		dead = covey_dead_leader(c, spot.own, &life);
		r = covey_depose(c, t, spot.node, spot.own, dead, out); /* fails if only a waiter came: then again */
	} while (r == COVEY_EFENCED);
	if (r == COVEY_LEADER) {
		covey_ring(c, spot.node); /* waiters now depend on our life */
		covey_event_succeeded(t, out, dead);
	}
	return r;
}

/* Whom we handed a group has left, and perhaps a stranger has its slot: the stranger must not keep it. */
static void take_back(covey *c, uint32_t node, uint64_t handed)
{
	_Atomic uint64_t *word = &c->arena.nodes[node].own;
	uint64_t own = atomic_load(word), orphan;

	do {
		if ((own | CV_WAITERS) != (handed | CV_WAITERS))
			return;
		orphan = cv_word(CV_LEADING, 0, cv_word_gen(own)) | cv_word_waiters(own);
	} while (!atomic_compare_exchange_strong(word, &own, orphan));
	covey_ring(c, node);
	cv_changed(&c->arena, node);
}

/* From here on, should this thread die, its reaper looks whether the group came to whom it was meant for. */
static void forward_begin(covey *c, uint32_t seat, const struct covey_lead *lead, uint32_t to)
{
	struct cv_seat *s = &c->arena.seats[seat];

	atomic_store(&s->forwards_to, to);
	atomic_store(&s->forwards_as, (uint32_t)(lead->generation + 1));
	atomic_store(&s->forwards, lead->node);
}

void covey_forward_end(covey *c, uint32_t seat)
{
	struct cv_seat *s = &c->arena.seats[seat];
	uint32_t node = atomic_load(&s->forwards), to = atomic_load(&s->forwards_to);
	struct covey_life life;
	uint64_t own, handed;

	if (node == 0 || node > c->arena.node_count)
		return;
	own = atomic_load(&c->arena.nodes[node].own);
	handed = cv_word(CV_HANDED, cv_seat_of_keeper(&c->arena, (to & 0x1fff) - 1), cv_word_gen(own));
	if ((uint32_t)cv_word_gen(own) == atomic_load(&s->forwards_as)) {
		if ((own & ~CV_WAITERS) == handed && !covey_participant_lives(c, to, &life))
			take_back(c, node, handed);
		else if ((own & ~CV_WAITERS) == cv_word(CV_LEADING, 0, cv_word_gen(own)))
			covey_ring(c, node); /* taken back, perhaps by one who was killed before it rang */
	}
	cv_pool_settle(&c->arena, node, atomic_load(&c->arena.nodes[node].own)); /* nobody waits for it? */
	atomic_store(&s->forwards, 0);
}

static int forward(covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t to)
{
	int r = covey_lead_check(c, t, lead);
	struct covey_life life;
	uint64_t own, handed;
	pid_t pid;

	if (r != 0)
		return r;
	if (!covey_leads(c, lead))
		return COVEY_EFENCED;
	pid = covey_pid_of_slot(c, (to & 0x1fff) - 1);
	atomic_thread_fence(memory_order_acquire); /* before the look whether the slot is that one's */
	if (!covey_participant_lives(c, to, &life))
		return COVEY_ENOENT;
	forward_begin(c, t->seat, lead, to);
	do {
		if (!covey_leads(c, lead)) {
			atomic_store(&c->arena.seats[t->seat].forwards, 0);
			return COVEY_EFENCED;
		}
		own = atomic_load(&c->arena.nodes[lead->node].own);
		handed = cv_word(CV_HANDED, cv_seat_of_keeper(&c->arena, life.slot), lead->generation + 1) |
		         cv_word_waiters(own);
	} while (!cv_word_is(own, CV_LEADING, lead->seat, lead->generation) ||
	         !atomic_compare_exchange_strong(&c->arena.nodes[lead->node].own, &own, handed));
	covey_thread_unled(t, lead->seat);
	cv_changed(&c->arena, lead->node);
	covey_event(t, COVEY_EVENT_FORWARDED, lead->node, lead->generation, pid);
	/* The waiters sleep on our life, not on the new leader's.  Our keeper tells them if that one ends; if it cannot
	 * take this on, they are woken now, to look for themselves. */
	if (life.slot != c->slot && cv_word_waiters(handed) && !covey_keeper_watch(c, life.slot, lead->node))
		covey_ring(c, lead->node);
	covey_forward_end(c, t->seat);
	/* Whoever is in covey_accept_work() sleeps on the request bell. */
	atomic_fetch_add(&c->arena.tails[lead->node].request_bell, 1);
	cv_kernel.wake(&c->arena.tails[lead->node].request_bell, INT32_MAX);
	return 0;
}

int covey_forward_work(covey *c, const struct covey_lead *lead, uint32_t to)
{
	int r = COVEY_EINVAL;
	struct covey_thread *t = shm_act(c, &r);

	if (t == NULL)
		return r;
	r = forward(c, t, lead, to);
	shm_act_end(t);
	return r;
}

#define NOT_YET 101 /* inside this file: sleep, and look again */

struct accepting {
	covey *c;
	struct covey_thread *t;
	struct cv_spot spot;
	struct cv_futex list[3]; /* the group's bells, and the life of whoever leads it now */
	uint64_t generation;     /* not 0: only what the execution of this generation leaves or hands over */
};

static bool ours_to_take(const struct accepting *a, uint64_t own)
{
	return cv_word_state(own) == CV_HANDED && cv_word_owner(own) == cv_seat_of_keeper(&a->c->arena, a->c->slot);
}

/* Is it still undecided what becomes of that execution, or decided in our favour? */
static bool to_be_had(const struct accepting *a, uint64_t own)
{
	if (a->generation == 0)
		return true;
	return cv_word_state(own) == CV_LEADING ? cv_word_gen(own) == a->generation
	                                        : cv_word_gen(own) == a->generation + 1 && ours_to_take(a, own);
}

/* Taken up, be it handed to us or left by a dead leader. */
static int accept_now(struct accepting *a, struct covey_life *life, struct covey_lead *out)
{
	bool dead = !life->alive;
	int r;

	if (dead)
		covey_life_relay(a->c, life->slot);
	r = covey_depose(a->c, a->t, a->spot.node, a->spot.own, dead, out);
	if (r != COVEY_LEADER)
		return r == COVEY_EFENCED ? AGAIN : r;
	if (dead) {
		covey_ring(a->c, a->spot.node);
		covey_event_succeeded(a->t, out, true);
	} else {
		out->previous = 0; /* it was given, not taken */
		covey_event(a->t, COVEY_EVENT_ACCEPTED, out->node, out->generation, 0);
	}
	return r;
}

/* One look: LEADER, AGAIN, NOT_YET with what to sleep on, or an error. */
static int accept_look(struct accepting *a, const void *name, size_t size, struct covey_lead *out)
{
	struct cv_node *n;
	struct cv_tail *tail;
	struct covey_life life;
	uint64_t own;
	int r = find(a->c, a->t->seat, name, size, &a->spot);

	if (r != 0)
		return r;
	n = &a->c->arena.nodes[a->spot.node];
	tail = &a->c->arena.tails[a->spot.node];
	a->list[0] = (struct cv_futex){&tail->request_bell, atomic_load(&tail->request_bell)}; /* forwarded */
	a->list[1] = (struct cv_futex){&tail->bell, atomic_load(&tail->bell)}; /* ended, or taken over */
	covey_life_of_seat(a->c, cv_word_owner(a->spot.own), &life);
	own = atomic_load(&n->own);
	if ((own | CV_WAITERS) != (a->spot.own | CV_WAITERS))
		return AGAIN;
	if (!to_be_had(a, own))
		return COVEY_ENOENT;
	if (!life.alive || ours_to_take(a, own))
		return accept_now(a, &life, out);
	if (leads_itself(a->c, a->t, own))
		return COVEY_ERECURSION;
	a->list[2] = life.words[0];
	/* W set: whoever ends the execution rings, also if nobody else waits. */
	if (!cv_word_waiters(own) && !atomic_compare_exchange_strong(&n->own, &own, own | CV_WAITERS))
		return AGAIN;
	return NOT_YET;
}

static bool word_changed(const struct accepting *a)
{
	return ((atomic_load(&a->c->arena.nodes[a->spot.node].own) ^ a->spot.own) & ~CV_WAITERS) != 0;
}

static int accept_until(struct accepting *a, const void *name, size_t size, int64_t deadline, struct covey_lead *out)
{
	enum cv_parked parked = CV_PARK_LOOK;
	int r, bounded;

	for (;;) {
		r = accept_look(a, name, size, out);
		if (r == AGAIN)
			continue;
		if (r != NOT_YET)
			return r;
		if (covey_told_to_stop(a->t, a->spot.node))
			return COVEY_ESTOPPED;
		if (parked == CV_PARK_EXPIRED)
			return COVEY_ETIMEDOUT;
		parked = cv_park(a->list, 3, deadline, &bounded);
		if (parked == CV_PARK_BACKSTOP && cv_park_overdue(a->list, 3, word_changed(a)))
			cv_seat_stat(&a->c->arena, a->t->seat, COVEY_COUNT_RESCUED);
	}
}

int covey_accept_work(covey *c, const void *name, size_t size, int64_t deadline, struct covey_lead *out)
{
	int r = COVEY_EINVAL;
	struct accepting a = {.c = c, .t = covey_enter(c, &r)};

	if (a.t == NULL)
		return r;
	return out == NULL ? COVEY_EINVAL : accept_until(&a, name, size, deadline, out);
}

int covey_accept_from(covey *c, const void *name, size_t size, uint64_t generation, struct covey_lead *out)
{
	int r = COVEY_EINVAL;
	struct accepting a = {.c = c, .t = covey_enter(c, &r), .generation = generation};

	return a.t == NULL ? r : accept_until(&a, name, size, COVEY_FOREVER, out);
}
