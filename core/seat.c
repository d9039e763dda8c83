/*
 * seat.c - taking seats, waiting in them, answering and pinning
 *
 * Progress: take is lock-free (a failed swap means that somebody else took that seat); post, lend, pin and settle are
 * wait-free; withdraw and answer are one swap; the scans are bounded by the number of seats.
 */
#include "seat.h"

#include "race.h"

static void raise_high(struct cv_arena *a, uint32_t seat)
{
	uint32_t high = atomic_load_explicit(&a->globals->seat_high, memory_order_relaxed);

	/* seq_cst: a seat's first post comes after it, and a scanner that misses the post may rely on the old mark */
	while (high < seat && !atomic_compare_exchange_weak(&a->globals->seat_high, &high, seat)) {
	}
}

uint32_t cv_seat_take(struct cv_arena *a, uint32_t slot)
{
	for (uint32_t i = 1; i <= a->seat_count; i++) {
		uint32_t free = 0;

		if (atomic_load_explicit(&a->seats[i].owner, memory_order_relaxed) != 0)
			continue;
		/* acquire: with the release in cv_seat_give(); release: with cv_seat_owner() */
		if (!atomic_compare_exchange_strong_explicit(
		            &a->seats[i].owner, &free, slot + 1, memory_order_acq_rel, memory_order_relaxed))
			continue;
		raise_high(a, i);
		return i;
	}
	return 0;
}

void cv_seat_give(struct cv_arena *a, uint32_t seat)
{
	atomic_store_explicit(&a->seats[seat].owner, 0, memory_order_release); /* with cv_seat_take() */
}

uint64_t cv_seat_post(struct cv_arena *a, uint32_t seat, uint64_t key)
{
	struct cv_seat *s = &a->seats[seat];
	uint64_t old = atomic_load_explicit(&s->word, memory_order_relaxed); /* quiet: only we change it */
	uint64_t posted = cv_seat_word(CV_SEAT_WAITING, cv_seat_seq(old) + 1, 0);

	atomic_store_explicit(&s->key, key, memory_order_relaxed); /* published by the store below */
	cv_race_release(a, &s->word);
	/* seq_cst: first half of "post, then look at the group"; the leader's is "end the execution, then scan" */
	atomic_store(&s->word, posted);
	return posted;
}

bool cv_seat_withdraw(struct cv_arena *a, uint32_t seat)
{
	struct cv_seat *s = &a->seats[seat];
	uint64_t w =
	        atomic_load_explicit(&s->word, memory_order_relaxed); /* an answer is read from the word, by acquire */

	/* seq_cst: it is withdrawn, and then the caller looks whether the group is an orphan; who makes it one counts then */
	while (cv_seat_state(w) == CV_SEAT_WAITING)
		if (atomic_compare_exchange_weak_explicit(&s->word, &w,
		            cv_seat_word(CV_SEAT_QUIET, cv_seat_seq(w) + 1, 0), memory_order_seq_cst,
		            memory_order_relaxed))
			return true;
	return false;
}

void cv_seat_settle(struct cv_arena *a, uint32_t seat)
{
	struct cv_seat *s = &a->seats[seat];
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	cv_race_release(a, &s->pins);
	/* seq_cst: a loan was stored before; a freeing scan that misses the word must see the loan */
	atomic_store(&s->word, cv_seat_word(CV_SEAT_QUIET, cv_seat_seq(w), 0));
}

bool cv_seat_waits(struct cv_arena *a, uint32_t seat, uint64_t key, uint64_t *word)
{
	struct cv_seat *s = &a->seats[seat];

	*word = atomic_load(&s->word); /* seq_cst: the leader's half of cv_seat_post()'s pair */
	cv_race_acquire(a, &s->word);
	return cv_seat_state(*word) == CV_SEAT_WAITING && atomic_load_explicit(&s->key, memory_order_relaxed) == key;
}

bool cv_seat_answer(struct cv_arena *a, uint32_t seat, uint64_t word, enum cv_seat_state answer, uint32_t block)
{
	cv_race_release(a, &a->seats[seat].word);
	/* seq_cst: it is answered, and then the caller looks how its thread sleeps; it releases the block's bytes, too */
	return atomic_compare_exchange_strong(
	        &a->seats[seat].word, &word, cv_seat_word(answer, cv_seat_seq(word), block));
}

void cv_seat_restamp(struct cv_arena *a, uint64_t key)
{
	uint32_t high = cv_seat_high(a);
	uint64_t w;

	/* A failed swap means that the wait was answered or ended, or that another leader re-stamped it: all fine. */
	for (uint32_t i = 1; i <= high; i++)
		if (cv_seat_waits(a, i, key, &w))
			/* release: whoever answers the new sequence has seen the change of leader */
			atomic_compare_exchange_strong_explicit(&a->seats[i].word, &w,
			        cv_seat_word(CV_SEAT_WAITING, cv_seat_seq(w) + 1, 0), memory_order_release,
			        memory_order_relaxed);
}

uint32_t cv_seat_count_waiting(struct cv_arena *a, uint64_t key)
{
	uint32_t high = cv_seat_high(a), count = 0;
	uint64_t w;

	for (uint32_t i = 1; i <= high; i++)
		count += cv_seat_waits(a, i, key, &w);
	return count;
}

void cv_seat_pin(struct cv_arena *a, uint32_t seat, enum cv_pin which, uint32_t block)
{
	atomic_store(&a->seats[seat].pins[which], block); /* seq_cst: the caller validates after it */
}

void cv_seat_unpin(struct cv_arena *a, uint32_t seat, enum cv_pin which)
{
	cv_race_release(a, &a->seats[seat].pins);
	atomic_store(&a->seats[seat].pins[which], 0); /* seq_cst: after the swap that the pin covered */
}

void cv_seat_quiet(struct cv_arena *a, uint32_t seat)
{
	struct cv_seat *s = &a->seats[seat];
	uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

	/* By a swap: a new leader may re-stamp the wait meanwhile, and its sequence must not come again.  seq_cst, here and
	 * below: as in cv_seat_unpin(), the caller frees then what was retired meanwhile. */
	while (!atomic_compare_exchange_weak_explicit(&s->word, &w, cv_seat_word(CV_SEAT_QUIET, cv_seat_seq(w) + 1, 0),
	        memory_order_seq_cst, memory_order_relaxed)) {
	}
	for (int i = 0; i < CV_PINS; i++)
		atomic_store(&s->pins[i], 0);
	/* relaxed: only the next owner of the seat makes anything of them */
	atomic_store_explicit(&s->request_block, 0, memory_order_relaxed);
	/* release: as in slab_leave(), for the dead one, whose block's word is known to its reaper */
	if (atomic_load_explicit(&s->takes, memory_order_relaxed) != 0)
		atomic_store_explicit(&s->takes, 0, memory_order_release);
	atomic_store_explicit(&s->mode, CV_PARK_AWAKE, memory_order_relaxed);
}

void cv_seat_clear(struct cv_arena *a, uint32_t seat)
{
	for (int i = 0; i < CV_LOANS; i++)
		atomic_store(&a->seats[seat].loans[i], 0); /* seq_cst: as in cv_seat_quiet() */
	cv_seat_quiet(a, seat);
}

bool cv_seat_lends(const struct cv_arena *a, uint32_t seat)
{
	/* seq_cst: looked at by who gives the seat back, and who ended a loan looks whether that one has */
	for (int i = 0; i < CV_LOANS; i++)
		if (atomic_load(&a->seats[seat].loans[i]) != 0)
			return true;
	return false;
}

int cv_seat_lend(struct cv_arena *a, uint32_t seat, uint32_t block)
{
	struct cv_seat *s = &a->seats[seat];

	/* Only this seat's thread fills loans; others may empty them. */
	for (int i = 0; i < CV_LOANS; i++) {
		if (atomic_load_explicit(&s->loans[i], memory_order_relaxed) != 0)
			continue;
		/* relaxed: the word lets go of it after this, by a release */
		atomic_store_explicit(&s->loans[i], block, memory_order_relaxed);
		return i;
	}
	return -1;
}

static bool seat_holds(struct cv_seat *s, uint32_t block)
{
	uint64_t w = atomic_load(&s->word); /* the word before the loans: see seat.h */

	if (cv_seat_state(w) == CV_SEAT_DONE && cv_seat_block(w) == block)
		return true;
	for (int i = 0; i < CV_LOANS; i++)
		if (atomic_load(&s->loans[i]) == block)
			return true;
	return false;
}

static bool seat_pins(struct cv_seat *s, uint32_t block)
{
	return atomic_load(&s->pins[CV_PIN_RESULT]) == block || atomic_load(&s->pins[CV_PIN_BYTES]) == block;
}

bool cv_seat_pinned(struct cv_arena *a, uint32_t block, uint32_t near)
{
	uint32_t high = cv_seat_high(a), keepers = cv_keeper_high(a);

	/* A cheap look first, from our own neighbourhood on: with many holders it ends at once, and any holder found
	 * will do this check itself when it lets go. */
	for (uint32_t i = 0; i < high; i++)
		if (seat_holds(&a->seats[(near + i) % high + 1], block))
			return true;
	for (uint32_t i = 1; i <= high; i++)
		if (seat_pins(&a->seats[i], block))
			return true;
	for (uint32_t i = 0; i < keepers; i++)
		if (seat_pins(&a->seats[cv_seat_of_keeper(a, i)], block))
			return true;
	for (uint32_t i = 1; i <= high; i++) {
		if (seat_holds(&a->seats[i], block))
			return true;
		cv_race_acquire(a, &a->seats[i].pins); /* whoever let go had done with the bytes */
	}
	return false;
}
