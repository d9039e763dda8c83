/*
 * participant.c - slots, life and death
 *
 * A participant is a process with a slot.  That it owns the slot is a file lock (an open-file-description lock on one
 * byte, far beyond the end of the segment's file), held by a page of the process's memory; see slot_lock.c.  The kernel
 * releases it when the process's last thread has given up that memory: then nothing of the process can write to the
 * segment any more.  That it lives is told by its life words, which the kernel changes when the process's keeper thread
 * ends; that comes a little earlier.  So:
 *
 *      life ended    its leadership may be taken over: a swap of the ownership word fences whatever still runs
 *      lock free     its memory may be reused
 *
 * The keeper registers a robust list (set_robust_list(2)) whose nodes lie in its own memory and whose futex words
 * lie in the slot.  When it ends, be it by exit, exec, a signal or SIGKILL, the kernel walks the list, replaces each word
 * that holds the keeper's thread id by FUTEX_OWNER_DIED, and wakes one sleeper on each.  The id is compared in the dying
 * thread's own pid namespace, so containers do not matter.
 *
 *      keeper's memory                 slot in the segment
 *      head -> node 0 -> node 1        life 0 ... life 1
 *               |         |              ^          ^
 *               +---------+-- offset ----+----------+
 *
 * Only one sleeper is woken on a word, and it might be killed before it tells the others.  The waiters of a group sleep
 * on the first two words in turn, so two different ones are woken (on one word, or with all on both, the longest sleeper
 * would be the one woken, twice).  Whoever finds a life ended wakes everybody on all words before anything else; but a
 * waiter, that there be a leader again the sooner, first wakes one more on each of its two words, takes over or finds
 * that another did, and then wakes everybody: the successor through its keeper, all others by themselves.  For some to
 * sleep on, all who are awake must be killed within the microseconds between their wake-up and that call, and the
 * neighbouring keeper too; for that there is the backstop, and it is counted.
 *
 * Keepers sleep on the third word of the next living participant, so in this ring each one's death is noticed by a
 * keeper, which frees what the dead one held, also if it led nothing that anybody waits for.
 *
 * A fourth word is the monitors': see monitor.c.
 *
 * Sources: the kernel's robust futex ABI (Documentation/locking/robust-futex-ABI.rst); fcntl(2), F_OFD_SETLK.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event.h"
#include "internal.h"

#define REAP_RETRY_MIN_NS 1000000
#define REAP_RETRY_MAX_NS 1000000000

/* ------------------------------------------------------------------------------------------------ life */

void covey_life_of_slot(const covey *c, uint32_t slot, struct covey_life *out)
{
	out->slot = slot;
	out->alive = slot < c->counts.participants;
	for (int i = 0; i < COVEY_LIFE_WORDS && out->alive; i++) {
		_Atomic uint32_t *word = &c->slots[slot].life[i * COVEY_LIFE_STRIDE];

		out->words[i] = (struct cv_futex){word, atomic_load(word)};
		out->alive = covey_life_word_alive(out->words[i].expected);
	}
}

void covey_life_of_seat(const covey *c, uint32_t seat, struct covey_life *out)
{
	/* A seat that nobody owns gives slot 0 - 1, which is none: dead. */
	covey_life_of_slot(c, cv_seat_owner(&c->arena, seat) - 1, out);
}

void covey_life_relay(const covey *c, uint32_t slot)
{
	for (int i = 0; i < COVEY_LIFE_WORDS && slot < c->counts.participants; i++)
		cv_kernel.wake(&c->slots[slot].life[i * COVEY_LIFE_STRIDE], INT_MAX);
}

void covey_life_pass(const covey *c, uint32_t slot)
{
	for (int i = 0; i < COVEY_LIFE_OF_KEEPERS && slot < c->counts.participants; i++)
		cv_kernel.wake(&c->slots[slot].life[i * COVEY_LIFE_STRIDE], 1);
}

pid_t covey_pid_of_slot(const covey *c, uint32_t slot)
{
	return slot < c->counts.participants ? (pid_t)atomic_load_explicit(&c->slots[slot].pid, memory_order_relaxed)
	                                     : 0;
}

pid_t covey_pid_of_seat(const covey *c, uint32_t seat)
{
	return covey_pid_of_slot(c, cv_seat_owner(&c->arena, seat) - 1);
}

/* ------------------------------------------------------------------------------------------------ the keeper */

struct robust {
	struct robust_list_head head;
	/* as far apart as the words that they stand for */
	_Alignas(16) unsigned char nodes[COVEY_LIFE_WORDS][COVEY_LIFE_STRIDE * sizeof(uint32_t)];
};
_Static_assert(sizeof(struct robust) <= sizeof(((struct covey_keeper *)0)->robust), "the keeper has room for it");
_Static_assert(sizeof(struct robust_list) <= COVEY_LIFE_STRIDE * sizeof(uint32_t), "a list node fits its stride");

static struct robust_list *robust_node(struct robust *r, int i)
{
	return (struct robust_list *)(void *)r->nodes[i];
}

/* Who takes over from the dead has its keeper wake the others, and is to lead before that: a thread of this policy does not
 * interrupt the one that wakes it.  It works seldom, and briefly; where this is refused, it interrupts. */
static void give_way(void)
{
	const struct sched_param none = {0};

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static void life_begin(covey *c, struct robust *r)
{
	struct covey_slot *slot = &c->slots[c->slot];
	uint32_t alive = (uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS;

	give_way();
	r->head.list.next = robust_node(r, 0);
	r->head.futex_offset = (long)((uintptr_t)&slot->life[0] - (uintptr_t)r->nodes[0]);
	r->head.list_op_pending = NULL;
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		robust_node(r, i)->next = i + 1 < COVEY_LIFE_WORDS ? robust_node(r, i + 1) : &r->head.list;
	/* Registered before the words say that we live: there is no instant at which our death would go unnoticed. */
	if (syscall(SYS_set_robust_list, &r->head, sizeof(r->head)) != 0) {
		atomic_store(&c->attachment->keeper.ready, -errno);
		return;
	}
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_store(&slot->life[i * COVEY_LIFE_STRIDE], alive);
	atomic_store(&c->attachment->keeper.ready, 1);
}

/* Forget watches whose participant has died, after waking those who rely on them; list the others' words. */
static unsigned watches_visit(covey *c, struct cv_futex *list, unsigned room)
{
	struct covey_keeper *k = &c->attachment->keeper;
	unsigned n = 0;

	shm_mutex_lock(&k->lock);
	for (int i = 0; i < COVEY_WATCHES; i++) {
		struct covey_life life;

		if (k->watches[i].node == 0)
			continue;
		covey_life_of_slot(c, k->watches[i].slot, &life);
		if (!life.alive) {
			covey_life_relay(c, k->watches[i].slot); /* we may have had the one wake of that word */
			covey_ring(c, k->watches[i].node);
			k->watches[i].node = 0;
		} else if (n < room) {
			list[n++] = life.words[0];
		}
	}
	shm_mutex_unlock(&k->lock);
	return n;
}

/* The next living participant: its death is ours to notice, so that in a ring of keepers each one's is somebody's. */
static bool neighbour(const covey *c, struct covey_life *life)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);

	high = high < c->counts.participants ? high : c->counts.participants;
	for (uint32_t i = 1; i < high; i++) {
		covey_life_of_slot(c, (c->slot + i) % high, life);
		if (life->alive)
			return true;
	}
	return false;
}

static bool others_died(const covey *c)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);

	for (uint32_t i = 0; i < high && i < c->counts.participants; i++) {
		struct covey_life life;

		covey_life_of_slot(c, i, &life);
		if (i != c->slot && !life.alive && atomic_load(&c->slots[i].state) == COVEY_SLOT_TAKEN)
			return true;
	}
	return false;
}

static void keeper_sleep(covey *c, uint32_t bell, int64_t retry)
{
	struct cv_futex list[CV_FUTEX_MAX] = {{&c->slots[c->slot].bell, bell}};
	unsigned n = 1 + watches_visit(c, list + 1, CV_FUTEX_MAX - 2), watches = n - 1;
	int64_t deadline = retry == 0 ? COVEY_FOREVER : cv_kernel.now() + retry;
	struct covey_life life;

	if (neighbour(c, &life))
		list[n++] = life.words[COVEY_LIFE_OF_KEEPERS];
	/* After the neighbour was chosen: one who died before that is on nobody's list any more. */
	if (retry == 0 && others_died(c))
		return;
	if (n == 1)
		cv_kernel.wait(list, deadline);
	else if (cv_kernel.waitv(list, n, deadline) == CV_UNSUPPORTED)
		cv_kernel.wait(list, cv_kernel.now() + (watches != 0 ? CV_BOUNDED_NS : CV_BACKSTOP_NS));
}

static void *keeper_run(void *argument)
{
	covey *c = argument;
	struct robust *robust = (struct robust *)(void *)c->attachment->keeper.robust;
	int64_t retry = 0;
	int left = 0;

	prctl(PR_SET_NAME, "covey-keeper");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	c->attachment->keeper.fd = shm_descriptor_apart(c);
	life_begin(c, robust);
	cv_kernel.wake((_Atomic uint32_t *)(void *)&c->attachment->keeper.ready, INT_MAX);
	while (atomic_load(&c->attachment->keeper.ready) > 0) {
		uint32_t bell = atomic_load(&c->slots[c->slot].bell);

		if (atomic_load(&c->attachment->keeper.stop))
			break;
		if (atomic_exchange(&c->attachment->keeper.reap, 0) != 0 || left != 0 || others_died(c))
			covey_reap_dead(c, c->attachment->keeper.fd, &left);
		/* Between the end of a life and the release of its lock lie microseconds, or a core dump. */
		retry = left == 0 ? 0 : retry == 0 ? REAP_RETRY_MIN_NS : retry * 2;
		retry = retry < REAP_RETRY_MAX_NS ? retry : REAP_RETRY_MAX_NS;
		keeper_sleep(c, bell, retry);
	}
	/* It ends with its list registered, as in any other death: the kernel changes the words and wakes, so there is no
	 * instant at which it could be killed with half of that done. */
	return NULL;
}

static void keeper_ring(covey *c, uint32_t slot)
{
	atomic_fetch_add(&c->slots[slot].bell, 1);
	cv_kernel.wake(&c->slots[slot].bell, INT_MAX);
}

void covey_keeper_reap(covey *c)
{
	if (atomic_exchange(&c->attachment->keeper.reap, 1) == 0)
		keeper_ring(c, c->slot);
}

bool covey_keeper_watch(covey *c, uint32_t slot, uint32_t node)
{
	struct covey_keeper *k = &c->attachment->keeper;
	unsigned used = 0, place = COVEY_WATCHES;

	shm_mutex_lock(&k->lock);
	for (unsigned i = COVEY_WATCHES; i-- > 0;)
		if (k->watches[i].node == 0 || k->watches[i].node == node)
			place = i;
		else
			used++;
	/* Each watch is one word to sleep on. */
	if (place < COVEY_WATCHES && used < CV_FUTEX_MAX - 1) {
		k->watches[place].slot = slot;
		k->watches[place].node = node;
	} else {
		place = COVEY_WATCHES;
	}
	shm_mutex_unlock(&k->lock);
	if (place == COVEY_WATCHES)
		return false;
	keeper_ring(c, c->slot);
	return true;
}

/* Under the registry's lock, and so quiet, as the thread is then. */
static int keeper_start(covey *c)
{
	struct covey_keeper *k = &c->attachment->keeper;
	int r;

	memset(k, 0, sizeof(*k));
	k->fd = -1;
	shm_mutex_init(&k->lock);
	r = pthread_create(&k->thread, NULL, keeper_run, c);
	if (r != 0) {
		errno = r;
		return COVEY_ESYSTEM;
	}
	while (atomic_load(&k->ready) == 0) {
		struct cv_futex ready = {(_Atomic uint32_t *)(void *)&k->ready, 0};

		cv_kernel.wait(&ready, INT64_MAX);
	}
	if (atomic_load(&k->ready) > 0)
		return 0;
	pthread_join(k->thread, NULL);
	errno = -atomic_load(&k->ready);
	return COVEY_ESYSTEM;
}

/* ------------------------------------------------------------------------------------------------ slots */

static void slot_describe(covey *c)
{
	struct covey_slot *s = &c->slots[c->slot];
	char command[16] = "";

	prctl(PR_GET_NAME, command);
	c->pid = getpid();
	atomic_store(&s->pid, (int32_t)c->pid);
	atomic_store(&s->since, (uint64_t)shm_now());
	atomic_store(&s->idle, 0);
	atomic_store(&s->twins, 0);
	atomic_store(&s->identity, shm_process_identity());
	atomic_store(&s->hosting, 0); /* its last owner may have been killed while it hosted */
	for (int i = 0; i < 2; i++)
		atomic_store(&s->command[i], covey_command_word(command, i));
}

static void slot_high_raise(covey *c, uint32_t count)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);

	while (high < count && !atomic_compare_exchange_weak(&c->header->globals.slot_high, &high, count)) {
	}
}

/* Take slot i if nobody lives in it; what a dead owner left there is freed first.  0, COVEY_EFULL or COVEY_ESYSTEM. */
static int slot_claim(covey *c, uint32_t i, bool dirty)
{
	struct covey_slot *s = &c->slots[i];
	struct covey_life life;
	int r;

	covey_life_of_slot(c, i, &life);
	if (life.alive || (atomic_load(&s->state) == COVEY_SLOT_TAKEN) != dirty)
		return COVEY_EFULL;
	r = shm_hold_take(c, -1, i, &c->attachment->own);
	if (r != 0)
		return r == COVEY_WAIT ? COVEY_EFULL : r;
	c->slot = i;
	slot_high_raise(c, i + 1);
	if (atomic_load(&s->state) != COVEY_SLOT_FREE)
		covey_slot_free(c, i, false);
	atomic_fetch_add(&s->epoch, 1);
	atomic_store(&s->state, COVEY_SLOT_TAKEN);
	slot_describe(c);
	return 0;
}

static int slot_take(covey *c)
{
	int r = COVEY_EFULL;

	for (int dirty = 0; dirty < 2; dirty++)
		for (uint32_t i = 0; i < c->counts.participants && r == COVEY_EFULL; i++)
			r = slot_claim(c, i, dirty != 0);
	return r;
}

/* The keeper of the living participant before us is to watch us now.  We live already: of two who join side by side, one
 * sees the other. */
static void tell_predecessor(covey *c)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);
	struct covey_life life;

	high = high < c->counts.participants ? high : c->counts.participants;
	for (uint32_t i = 1; i < high; i++) {
		covey_life_of_slot(c, (c->slot + high - i) % high, &life);
		if (life.alive) {
			keeper_ring(c, life.slot);
			return;
		}
	}
}

int covey_participant_join(covey *c)
{
	int r = slot_take(c);

	if (r == 0 && (r = keeper_start(c)) != 0) {
		atomic_store(&c->slots[c->slot].state, COVEY_SLOT_FREE);
		shm_hold_drop(&c->attachment->own, c->slot);
	}
	if (r == 0) {
		covey_ring_take(c); /* once we live: who is dead loses it */
		tell_predecessor(c);
		shm_twins_tell(c);
	}
	return r;
}

void covey_participant_leave(covey *c)
{
	covey_slot_give_up(c); /* first: who finds our life ended would take over instead of being told */
	atomic_store(&c->attachment->keeper.stop, 1);
	keeper_ring(c, c->slot);
	pthread_join(c->attachment->keeper.thread, NULL);
	covey_life_relay(c, c->slot);
	watches_visit(c, NULL, 0);
	covey_slot_free(c, c->slot, true);
	shm_hold_drop(&c->attachment->own, c->slot);
}

/* A participant's number: slot + 1 in the low 13 bits, above them the slot's epoch, so that the number of one who has
 * left is not soon another's. */
static uint32_t number_of(const covey *c, uint32_t slot)
{
	return (atomic_load(&c->slots[slot].epoch) & 0x3ffff) << 13 | (slot + 1);
}

int covey_participant(covey *c)
{
	int error;

	return covey_enter(c, &error) == NULL ? error : (int)number_of(c, c->slot);
}

bool covey_participant_lives(const covey *c, uint32_t number, struct covey_life *life)
{
	uint32_t slot = (number & 0x1fff) - 1;

	if (slot >= c->counts.participants)
		return false;
	covey_life_of_slot(c, slot, life);
	return life->alive && number_of(c, slot) == number;
}
