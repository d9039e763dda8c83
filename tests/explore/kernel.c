/*
 * kernel.c - what the system does for the library, as far as tests/kernel.c has established it
 *
 *  - futex_waitv compares all its words and sleeps in one step.  A wake takes those who have slept longest.  Who was rung
 *    on one word stays in the queues of its others until it runs, and may so take further wakes; it is told of the last
 *    of its words that was rung.
 *  - A process that is killed takes no further step (kernel_death).  Its threads stay in their queues until the kernel
 *    ends them; then each life word is changed and one of its sleepers woken, one word after the other; then its file
 *    lock is free.  Any actor's step may come between any two of these.
 *  - A mutex is the process's own; a lock of a file is the participant's.
 *  - Time stands still.  The backstop never comes, so a wake-up that is missing is not made up for.  A deadline of the
 *    caller's own passes when nobody else can go on; or, if the scenario says so, at any time.
 */
#include "explore.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ atomics */

uint64_t explore_load(const volatile void *at, size_t size, EXPLORE_AT)
{
	bool counts = machine_before(at, TO_READ, "load", file, line);
	uint64_t value = machine_read(at, size);

	machine_after(counts, value);
	return value;
}

void explore_store(volatile void *at, size_t size, uint64_t value, EXPLORE_AT)
{
	bool counts = machine_before(at, TO_WRITE, "store", file, line);
	uint64_t old = machine_read(at, size);

	machine_write(at, size, value);
	machine_after(counts, value);
	world_changed(at, old, value);
}

bool explore_swap(volatile void *at, size_t size, void *expected, uint64_t desired, EXPLORE_AT)
{
	bool counts = machine_before(at, TO_READ | TO_WRITE, "swap", file, line);
	uint64_t old = machine_read(at, size);
	bool same = old == machine_read(expected, size);

	if (same)
		machine_write(at, size, desired);
	else
		memcpy(expected, &old, size); /* the least significant bytes come first, or all of them */
	machine_after(counts, same ? desired : ~old);
	if (same)
		world_changed(at, old, desired);
	return same;
}

uint64_t explore_change(volatile void *at, size_t size, enum explore_change how, uint64_t value, EXPLORE_AT)
{
	bool counts = machine_before(at, TO_READ | TO_WRITE, "change", file, line);
	uint64_t old = machine_read(at, size);

	machine_write(at, size,
	        how == EXPLORE_SET   ? value
	        : how == EXPLORE_ADD ? old + value
	        : how == EXPLORE_SUB ? old - value
	                             : old | value);
	machine_after(counts, old);
	return old;
}

void explore_pause(void)
{
	if (self == NULL || !machine.running)
		return;
	self->paused = true;
	self->paused_at = machine.writes;
	machine_saw(0x7061757365);
	machine_give_way();
}

/* ------------------------------------------------------------------------------------------------ locks */

/* Its first word says whether it is taken. */
int explore_lock(pthread_mutex_t *mutex, EXPLORE_AT)
{
	bool counts = machine_before(mutex, TO_READ | TO_WRITE, "lock", file, line);

	while (machine_read(mutex, 4) != 0 && self != NULL) {
		self->mutex = mutex;
		self->state = ACTOR_SHUT_OUT;
		machine_give_way();
	}
	machine_write(mutex, 4, 1);
	machine_after(counts, machine.memory);
	return 0;
}

int explore_unlock(pthread_mutex_t *mutex, EXPLORE_AT)
{
	bool counts = machine_before(mutex, TO_WRITE, "unlock", file, line);

	machine_write(mutex, 4, 0);
	machine_after(counts, 0);
	return 0;
}

/* A descriptor is the participant's number and one. */
static bool file_lock(int fd, uint32_t slot, bool take)
{
	uint32_t *owner = &shared.slot_locks[slot];
	bool counts = machine_before(owner, TO_READ | TO_WRITE, take ? "try lock" : "unlock", __FILE__, __LINE__);
	bool ours = *owner == 0 || *owner == (uint32_t)fd;

	if (ours)
		machine_write(owner, 4, take ? (uint32_t)fd : 0);
	machine_after(counts, ours);
	return ours;
}

int shm_hold_take(const covey *c, int own, uint32_t slot, struct shm_hold *hold)
{
	(void)own;
	*hold = (struct shm_hold){NULL, c->attachment->fd};
	return file_lock(c->attachment->fd, slot, true) ? 0 : COVEY_WAIT;
}

void shm_hold_drop(struct shm_hold *hold, uint32_t slot)
{
	file_lock(hold->fd, slot, false);
}

int shm_descriptor_apart(const covey *c)
{
	return c->attachment->fd;
}

/* There is no other time namespace here. */
int shm_open_above(int directory, const char *path, int flags, mode_t mode)
{
	(void)directory, (void)path, (void)flags, (void)mode;
	errno = ENOENT;
	return -1;
}

bool covey_threads_current(const covey *c)
{
	(void)c;
	return true;
}

void shm_quiet_begin(struct shm_quiet *quiet)
{
	memset(quiet, 0, sizeof(*quiet));
}

void shm_quiet_end(const struct shm_quiet *quiet)
{
	(void)quiet;
}

void *shm_allocate(size_t size)
{
	return malloc(size);
}

void *shm_allocate_zeros(size_t count, size_t each)
{
	return calloc(count, each);
}

void *shm_reallocate(void *memory, size_t size)
{
	return realloc(memory, size);
}

void shm_free(void *memory)
{
	free(memory);
}

long explore_system_call(long number, ...)
{
	return number == SYS_gettid && self != NULL ? (long)TID(self->participant) : 0;
}

/* ------------------------------------------------------------------------------------------------ futexes */

bool kernel_in_time(const struct actor *a)
{
	return a->deadline - shared.now < CV_BACKSTOP_NS;
}

static bool any_rung(const struct actor *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->rung[i])
			return true;
	return false;
}

bool kernel_can_go_on(const struct actor *a)
{
	switch (a->state) {
	case ACTOR_READY:
		return !a->paused || a->paused_at != machine.writes;
	case ACTOR_ASLEEP:
		return any_rung(a);
	case ACTOR_SHUT_OUT:
		return machine_read(a->mutex, 4) == 0;
	default:
		return false;
	}
}

void kernel_resume(struct actor *a, bool timed_out)
{
	a->paused = false;
	if (a->state == ACTOR_ASLEEP) {
		a->timed_out = timed_out;
		a->queued = false;
		a->touched = true;
		a->steps++;
		if (timed_out && shared.now < a->deadline)
			shared.now = a->deadline;
	}
	a->state = a->state == ACTOR_DORMANT || a->state == ACTOR_DONE ? a->state : ACTOR_READY;
}

/* Who sleeps on it since longest, and was not rung on it yet: its place in that one's list. */
static struct actor *sleeper(const volatile void *word, unsigned *place)
{
	struct actor *first = NULL;

	for (unsigned i = 0; i < actor_count; i++) {
		struct actor *a = &actors[i];

		for (unsigned k = 0; k < a->count && a->queued; k++)
			if (a->words[k].word == word && !a->rung[k] && (first == NULL || a->turn < first->turn)) {
				first = a;
				*place = k;
			}
	}
	return first;
}

static int ring(const volatile void *word, int count)
{
	struct actor *a;
	unsigned place;
	int woken = 0;

	while (woken < count && (a = sleeper(word, &place)) != NULL) {
		a->rung[place] = true;
		woken++;
	}
	return woken;
}

static int wake(_Atomic uint32_t *word, int count)
{
	bool counts = machine_before(word, TO_WRITE | QUEUE, "wake", __FILE__, __LINE__);
	int woken = ring(word, count);

	machine_after(counts, (uint64_t)woken);
	return woken;
}

static enum cv_slept sleep_on(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	bool counts = false, changed = false;

	if (self == NULL)
		abort(); /* the final checks must not sleep */
	for (unsigned i = 1; i < count;
	        i++) { /* what it touches is told of all words, the point comes with the first */
		machine_touches(list[i].word, TO_READ);
		machine_touches(list[i].word, TO_READ | TO_WRITE | QUEUE);
	}
	machine_touches(list[0].word, TO_READ);
	counts = machine_before(list[0].word, TO_READ | TO_WRITE | QUEUE | ALWAYS, "sleep", __FILE__, __LINE__);
	for (unsigned i = 0; i < count; i++)
		changed = changed || machine_read(list[i].word, 4) != list[i].expected;
	machine_after(counts, changed);
	if (changed)
		return CV_WOKEN;
	self->count = count;
	memcpy(self->words, list, count * sizeof(*list));
	memset(self->rung, 0, sizeof(self->rung));
	self->queued = true;
	self->turn = machine.turns++;
	self->deadline = deadline;
	self->state = ACTOR_ASLEEP;
	self->touched = true;
	machine_give_way();
	machine_saw(0x776f6b656e);
	if (self->timed_out)
		return CV_TIMED_OUT;
	for (unsigned i = count; i-- > 0;)
		if (self->rung[i]) {
			machine_saw(i);
			return i + 1 < count ? CV_WOKEN_EARLY : CV_WOKEN;
		}
	return CV_WOKEN;
}

static enum cv_slept sleep_on_one(const struct cv_futex *one, int64_t deadline)
{
	return sleep_on(one, 1, deadline) == CV_TIMED_OUT ? CV_TIMED_OUT : CV_WOKEN;
}

static int64_t now(void)
{
	return shared.now;
}

struct cv_futex_ops cv_kernel = {.wait = sleep_on_one, .waitv = sleep_on, .wake = wake, .now = now};

/* The queues, as far as they matter: who was rung on what, and who comes before whom on the same word. */
uint64_t kernel_signature(void)
{
	uint64_t h = (uint64_t)shared.now;

	for (unsigned i = 0; i < actor_count; i++) {
		const struct actor *a = &actors[i];

		for (unsigned k = 0; k < a->count && a->queued; k++) {
			h = mix(h, (uint64_t)i << 8 | (uint64_t)k << 1 | a->rung[k]);
			for (unsigned j = 0; j < actor_count; j++)
				for (unsigned m = 0; m < actors[j].count && actors[j].queued && j != i; m++)
					if (actors[j].words[m].word == a->words[k].word && actors[j].turn < a->turn)
						h = mix(h, 1000 + j);
		}
		h = mix(h, a->state);
	}
	return h;
}

/* ------------------------------------------------------------------------------------------------ death */

static void threads_stop(uint32_t participant)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].participant == participant && &actors[i] != self)
			actors[i].state = ACTOR_DEAD;
	law_dead(participant);
}

static void threads_leave_queues(uint32_t participant)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].participant == participant && &actors[i] != self)
			actors[i].queued = false;
}

void kernel_death(void)
{
	struct covey_slot *slot = &shared.handles[0].slots[self->participant];
	uint32_t *lock = &shared.slot_locks[self->participant];

	self->steps++;
	threads_stop(self->participant);
	machine_saw(0x6b696c6c);
	/* here they still take wake-ups */
	machine_before(lock, TO_READ | ALWAYS, "ends the threads of", __FILE__, __LINE__);
	threads_leave_queues(self->participant);
	machine_after(true, 0);
	for (int i = 0; i < COVEY_LIFE_WORDS; i++) {
		_Atomic uint32_t *word = &slot->life[i * COVEY_LIFE_STRIDE];
		bool counts = machine_before(word, TO_READ | TO_WRITE, "ends", __FILE__, __LINE__);

		machine_touches(word, TO_WRITE | QUEUE);
		if ((machine_read(word, 4) & FUTEX_TID_MASK) == TID(self->participant)) {
			machine_write(word, 4, (machine_read(word, 4) & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
			ring(word, 1);
		}
		machine_after(counts, 0);
	}
	/* Its descriptors are closed: all its file locks are free, also those of the dead that it was reaping. */
	for (uint32_t i = 0; i < PARTICIPANTS; i++)
		if (shared.slot_locks[i] == self->participant + 1)
			explore_store(&shared.slot_locks[i], 4, 0, __FILE__, __LINE__);
}
