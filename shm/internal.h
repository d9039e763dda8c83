/*
 * internal.h - what the library's files call of each other
 *
 * Callers above, callees below:
 *
 *      host  worker_thread  worker_process
 *      worker  slots
 *      resolve  answer  inspect  check  monitor
 *      group  await  request        the calls of covey.h
 *      publish  cycle  recovery     what several of them share
 *      event                        what happened, for people
 *      participant  thread          who we are, who is alive
 *      identity  gate               one process in several slots and regions
 *      slot_lock                    what keeps a slot ours
 *      region  create  backing      where it all lies
 *      guest                        what the host must not notice
 */
#ifndef COVEY_INTERNAL_H
#define COVEY_INTERNAL_H

#include <linux/futex.h>

#include "region.h"
#include "seat.h"
#include "table.h"

/* ---- participant.c: slots, life and death */

int covey_participant_join(covey *c);   /* take a slot and start the keeper; 0 or an error */
void covey_participant_leave(covey *c); /* give up what this process leads, free what it holds, end the keeper */

/* The life words of the participant that a seat belongs to. */
struct covey_life {
	struct cv_futex words[COVEY_LIFE_WORDS]; /* with what they held: to be slept on */
	uint32_t slot;
	bool alive;
};
void covey_life_of_slot(const covey *c, uint32_t slot, struct covey_life *out);
void covey_life_of_seat(const covey *c, uint32_t seat, struct covey_life *out);
/* Wake everybody who sleeps on a life: the kernel woke one.  Called by whoever finds it ended, before all else. */
void covey_life_relay(const covey *c, uint32_t slot);
/* The same for one sleeper on each of the waiters' two words.  Whoever does this owes the others the above. */
void covey_life_pass(const covey *c, uint32_t slot);
/* Have the keeper free what dead participants hold, soon. */
void covey_keeper_reap(covey *c);
/* Have the keeper tell a forwarded group's waiters when its new leader's participant dies.  False: no place left. */
bool covey_keeper_watch(covey *c, uint32_t slot, uint32_t node);
/* Does this number, as of covey_participant(), still name a living participant? */
bool covey_participant_lives(const covey *c, uint32_t number, struct covey_life *life);
pid_t covey_pid_of_slot(const covey *c, uint32_t slot); /* 0: there is none */
pid_t covey_pid_of_seat(const covey *c, uint32_t seat);

static inline bool covey_life_word_alive(uint32_t w)
{
	return (w & FUTEX_TID_MASK) != 0 && (w & FUTEX_OWNER_DIED) == 0;
}

/* The same, or 0 if it has died. */
static inline pid_t covey_living_pid_of_seat(const covey *c, uint32_t seat)
{
	uint32_t slot = cv_seat_owner(&c->arena, seat) - 1;
	const struct covey_slot *s = &c->slots[slot];

	if (cv_unlikely(slot >= c->counts.participants || !covey_life_word_alive(atomic_load(&s->life[0]))))
		return 0;
	return (pid_t)atomic_load_explicit(&s->pid, memory_order_relaxed);
}

/* Are these the slots of one process?  For living ones. */
static inline bool shm_same_process(const covey *c, uint32_t slot, uint32_t other)
{
	uint64_t identity = atomic_load(&c->slots[slot].identity);

	return identity != 0 && identity == atomic_load(&c->slots[other].identity);
}

/* Is the thread of this seat that of t, and alive?  It may have another seat here: in another slot of its process. */
static inline bool shm_is_thread(const covey *c, const struct covey_thread *t, uint32_t seat)
{
	uint32_t slot = cv_seat_owner(&c->arena, seat) - 1;

	if (seat == t->seat)
		return true;
	if (cv_likely(slot == c->slot || slot >= c->counts.participants || seat > c->arena.seat_count))
		return false;
	return cv_unlikely(shm_same_process(c, slot, c->slot)) &&
	       covey_life_word_alive(atomic_load(&c->slots[slot].life[0])) &&
	       atomic_load(&c->arena.seats[seat].thread) == atomic_load(&c->arena.seats[t->seat].thread);
}

/* Does the word of this node still say the same, but for W?  Then what was read in between of the leader, whom the
 * word names by its seat, is this leader's: a seat, or a slot, has a new owner only after the words that named it were
 * changed. */
static inline bool covey_still(const covey *c, uint32_t node, uint64_t own)
{
	/* the fence keeps the loads above before the one below; its partner is each of the new owner's stores, which
	 * release */
	atomic_thread_fence(memory_order_acquire);
	return ((atomic_load_explicit(&c->arena.nodes[node].own, memory_order_relaxed) ^ own) & ~CV_WAITERS) == 0;
}

/* ---- identity.c */

uint64_t shm_process_identity(
        void); /* of the calling process, the same for all copies of the library in it; 0: unknown */
/* Have it known in this region that the process has several living slots here, if it has.  Once ours lives: of two
 * that join side by side, one sees the other. */
void shm_twins_tell(covey *c);

/* ---- slot_lock.c */

/* Hold the slot's file lock, alone, and until it is dropped or no thread of this process can write any more.  0;
 * COVEY_WAIT: another has it; COVEY_ESYSTEM: it cannot be asked for.  own: a descriptor that only this thread has, to
 * hold it by; -1: none. */
int shm_hold_take(const covey *c, int own, uint32_t slot, struct shm_hold *hold);
void shm_hold_drop(struct shm_hold *hold, uint32_t slot);
/* Give the calling thread a table of descriptors of its own, with one of the region in it: that, or -1. */
int shm_descriptor_apart(const covey *c);

/* ---- recovery.c */

void covey_slot_free(covey *c, uint32_t slot, bool leaving); /* free all that a slot holds; its lock is held */
void covey_slot_give_up(covey *c);                           /* what this participant leads, while it still lives */
int covey_reap_some(covey *c);                               /* as covey_reap(), for a process that is attached */
/* How many slots were freed; *left: how many could not be yet.  own: of the liveness thread its descriptor; else -1 */
int covey_reap_dead(covey *c, int own, int *left);

/* ---- thread.c */

bool covey_threads_current(const covey *c);          /* is this the process that attached? */
bool shm_thread_leads(const struct covey_thread *t); /* does it lead anything, in whatever region?  May err to true */

/* For a call that ends, answers or gives back: the caller's thread state.  If there is no seat for that thread, the
 * participant's own until shm_act_end(): with the keeper's seat, under its lock, and with signals blocked, as a
 * handler may call, too.  Nobody reaps meanwhile, and this seat has no outbox. */
struct covey_thread *shm_act_seatless(covey *c, int *error);
void shm_act_unlock(struct covey_thread *t);
static inline struct covey_thread *shm_act(covey *c, int *error)
{
	struct covey_thread *t = covey_thread_now(c);

	return cv_likely(t != NULL) ? t : shm_act_seatless(c, error);
}
static inline bool shm_acts_seatless(const struct covey_thread *t)
{
	return t->seat > t->c->arena.seat_count;
}
static inline void shm_act_end(struct covey_thread *t)
{
	if (cv_unlikely(shm_acts_seatless(t)))
		shm_act_unlock(t);
}

/* Is this slot, of c's region, this process's own, through c or another handle? */
bool shm_slot_is_ours(const covey *c, uint32_t slot);
/* A loan of this seat has been ended by another than its thread: if that one has exited, and it was the last, so does
 * the seat. */
void shm_seat_settle(const covey *c, uint32_t seat);

/* A place for one more reservation of this thread's; false: no memory. */
bool shm_reserve_ready(struct covey_thread *t);
/* This room is the thread's now. */
void shm_reserve_note(struct covey_thread *t, uint32_t ref);
/* This thread gave up a group that was led through seat.  Led by a sibling: its own hint stays high, as it may. */
static inline void covey_thread_unled(struct covey_thread *t, uint32_t seat)
{
	t->leading -= t->seat == seat && t->leading != 0;
}

/* Who called the caller's code.  It may fork: the child that returns from there has none of this, neither lead nor
 * seat. */
struct shm_caller {
	const struct covey_thread *thread;
	uint64_t serial;
};

static inline struct shm_caller shm_caller_of(const struct covey_thread *t)
{
	return (struct shm_caller){t, t != NULL ? t->serial : 0};
}

/* In the child the thread's state was emptied by the kernel; or it is another by now, if the child has called covey. */
static inline bool shm_caller_forked(const struct shm_caller *caller)
{
	return caller->thread != NULL && caller->thread->serial != caller->serial;
}

/* ---- publish.c: the end of an execution */

/* The tag of a block: two flags, and above them the pid of the leader who made it. */
#define COVEY_TAG_ERROR 1u  /* the leader's own error */
#define COVEY_TAG_ANYONE 2u /* answers whatever was asked */
#define COVEY_TAG_PID_SHIFT 2

/* A block for skip + size bytes, PRIVATE to the thread's seat; 0 when the region is full, also after reaping. */
uint32_t covey_heap_take(covey *c, struct covey_thread *t, size_t skip, size_t size);
/* A block with this reply for this request, PRIVATE to seat; 0 when the region is full. */
uint32_t covey_block_make(covey *c, struct covey_thread *t, const struct covey_lead *lead, const void *request,
        size_t request_size, const struct covey_reply *reply);
/* Tell the waiters of a PUBLISHED execution, and make the group idle.  Anyone may do it; how many it answered. */
int covey_finish(covey *c, uint32_t seat, uint32_t node, uint64_t own);
/* Ring a group's waiters. */
void covey_ring(covey *c, uint32_t node);
/* Wake one answered waiter. */
void covey_wake_seat(covey *c, uint32_t seat);
/* End an execution with the given block (0: nothing) as its outcome, recorded as this event.  How many were answered,
 * or COVEY_EFENCED. */
int covey_end(covey *c, struct covey_thread *t, const struct covey_lead *lead, uint32_t block, unsigned event);

/* As covey_notify(), covey_notify_if() and covey_respond(); but where there is no room for the answer, those who are to
 * have it are told so, and the call has done its work. */
int covey_answer_equal(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply);
int covey_answer_if(
        covey *c, const struct covey_lead *lead, covey_predicate pick, void *context, const struct covey_reply *reply);
int covey_answer_one(
        covey *c, const struct covey_lead *lead, const struct covey_request *request, const struct covey_reply *reply);

/* Tell who asked the same, or whom the predicate picks, that there is no result for it; the leader goes on leading. */
int shm_give_up_equal(covey *c, const struct covey_lead *lead, const struct covey_request *request);
int shm_give_up_if(covey *c, const struct covey_lead *lead, covey_predicate pick, void *context);

/* The leader of this generation has succeeded one who died: how many died in a row before it, now noted for the next.
 * Called before anybody else knows that it leads.  If it is killed in between, or as it ends, the
 * count begins anew. */
uint32_t shm_deaths_note(covey *c, uint32_t node, uint64_t generation);
/* It leaves its place to the next waiter, and has not died. */
void shm_deaths_unnote(covey *c, uint32_t node, uint64_t generation);

/* Has this leadership not ended?  A claim of this process's is assumed; see covey_lead_check(). */
static inline bool covey_leads(const covey *c, const struct covey_lead *lead)
{
	return cv_word_is(atomic_load(&c->arena.nodes[lead->node].own), CV_LEADING, lead->seat, lead->generation);
}

/* May this thread use this lead at all?  0; COVEY_EINVAL: it is none; COVEY_EFENCED: it is another process's, as is
 * that of a parent for the child of its fork. */
static inline int covey_lead_check(const covey *c, const struct covey_thread *t, const struct covey_lead *lead)
{
	if (cv_unlikely(lead == NULL || lead->node == 0 || lead->node > c->arena.node_count))
		return COVEY_EINVAL;
	if (cv_likely(lead->seat == t->seat))
		return 0;
	return cv_seat_owner(&c->arena, lead->seat) == c->slot + 1 ? 0 : COVEY_EFENCED;
}

/* ---- request.c */

/* A host that serves groups of this participant's is to look for requests. */
void covey_ring_host(struct covey_slot *slot);
/* Of the seats from *at on, the next that asks something which its leader was not given: the node; 0 when none is
 * left. */
uint32_t covey_asked(covey *c, uint32_t *at);

/* Is what this seat asks equal to these bytes, as of this word of it? */
bool covey_request_equal(covey *c, uint32_t reader, uint32_t seat, uint64_t word, const void *bytes, size_t size);

/* What the predicate says of this seat's request, as of this word of it; 0 if the wait has changed. */
int covey_request_matches(covey *c, uint32_t reader, uint32_t seat, uint64_t word, covey_predicate pick, void *context);
/* Put a request into the caller's seat, before it is posted.  0 or COVEY_EFULL. */
int covey_request_put(covey *c, struct covey_thread *t, uint32_t node, const void *request, size_t size);
/* After the wait: give its bytes back. */
void covey_request_drop(covey *c, struct covey_thread *t);

/* Set W, so that whoever ends this leadership tells those who wait, and rings, instead of doing it silently.  False:
 * it has ended.  Done by a receiver before it sleeps. */
bool covey_arm_receiver(covey *c, const struct covey_lead *lead);

/* Was the worker whose thread this is told to stop?  Whoever tells it writes asked, then reads the node, then rings
 * that node's bells; we write the node, after the bells were read, then read asked. */
static inline bool covey_told_to_stop(struct covey_thread *t, uint32_t node)
{
	if (cv_likely(t->stop == NULL))
		return false;
	atomic_store(&t->stop->node, node);
	return atomic_load(&t->stop->asked) != 0;
}

/* ---- group.c */

/* As covey_accept_work(), without a deadline, for one hand-over: that of the execution of this generation.  It ends
 * with COVEY_ENOENT when that execution has ended in another way, and with COVEY_ESTOPPED. */
int covey_accept_from(covey *c, const void *name, size_t size, uint64_t generation, struct covey_lead *out);

/* Of a group that is led: 0 and where it is; else COVEY_ENOENT, COVEY_EINVAL or COVEY_ECORRUPT.  For who only looks:
 * it takes no seat. */
int covey_find_led(covey *c, const void *name, size_t size, struct cv_spot *spot);

/* Does this word say that somebody leads the group, or is about to? */
static inline bool covey_is_led(uint64_t own)
{
	return cv_word_state(own) == CV_LEADING || cv_word_state(own) == CV_HANDED;
}

/* The thread of this seat, or who reaps it: take a group back that was forwarded to a participant which has ended
 * since. */
void covey_forward_end(covey *c, uint32_t seat);
/* Lead in place of whom this word names; dead: because that one died. */
int covey_depose(covey *c, struct covey_thread *t, uint32_t node, uint64_t own, bool dead, struct covey_lead *out);
bool covey_dead_leader(const covey *c, uint64_t own, struct covey_life *life);

/* ---- standoff.c */

/* Before a wait is posted, at the time now of the clock's tick: true if the group is free by then, so that there is
 * nothing to wait for. */
bool covey_stand_off(covey *c, struct covey_standoff *s, uint32_t node, int64_t now);

/* ---- worker_thread.c: at covey_close(), have all workers of this process in c end, and wait for that */
void covey_workers_end(covey *c);

/* ---- monitor.c */

void covey_monitors_end(covey *c); /* of this handle, which is being closed */

/* ---- inspect.c */

/* The name of the group in this node, if it has this hash; nothing is pinned for it.  Its size, or 0. */
size_t covey_name_of(covey *c, uint32_t node, uint64_t hash, unsigned char name[COVEY_NAME_MAX]);

/* ---- cycle.c: if the wait that this thread has posted closed a circle, tell one of its members to leave it */
void covey_cycle_check(covey *c, const struct covey_thread *t);

/* ---- gate.c: the other regions of this process, for a call on one of them */

#define SHM_GATES 16 /* others beyond these are not seen */

struct shm_visit {
	struct shm_gate *gates[SHM_GATES];
	struct shm_attachment *attachments[SHM_GATES];
	unsigned count;
	struct shm_quiet quiet;
};
/* All attachments of this process but this one: none of them ends until shm_visit_end(), which is to come soon.  The
 * thread is quiet meanwhile. */
void shm_visit_begin(struct shm_visit *v, const struct shm_attachment *but);
void shm_visit_end(struct shm_visit *v);
bool shm_visit_worth(void); /* is there more than one attachment at all? */
/* Under the registry's lock: from here on it is seen; and before it ends, it is not, and nobody is inside any more. */
void shm_gate_open(struct shm_attachment *a);
void shm_gate_close(struct shm_attachment *a);
void shm_gates_forget(void); /* in the child of a fork: whoever was inside is a thread of the parent */

static inline uint64_t covey_command_word(const char comm[16], int half)
{
	uint64_t w;

	__builtin_memcpy(&w, comm + half * 8, 8);
	return w;
}

#endif
