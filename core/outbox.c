/*
 * outbox.c - see outbox.h
 */
#include "outbox.h"

#include <string.h>

/* May its addressee yet read what it was told of by this word? */
static bool still_told(const struct cv_seat *s, uint64_t word)
{
	/* acquire: with the post of the next wait, which comes after the copying; and with cv_outbox_taken() */
	return atomic_load_explicit(&s->word, memory_order_acquire) == word &&
	       atomic_load_explicit(&s->taken, memory_order_acquire) != word;
}

/* Who was sent this seat's outbox by the seat's last thread, and has not taken it yet? */
static void find_addressee(const struct cv_arena *a, uint32_t seat, struct cv_sent *sent)
{
	uint32_t high = cv_seat_high(a);

	sent->known = true;
	for (uint32_t i = 1; i <= high && sent->seat == 0; i++) {
		uint64_t w = atomic_load_explicit(&a->seats[i].word, memory_order_acquire);

		if (cv_seat_state(w) == CV_SEAT_OUTBOX && cv_outbox_seat(w) == seat && still_told(&a->seats[i], w)) {
			sent->seat = i;
			sent->word = w;
		}
	}
}

bool cv_outbox_free(const struct cv_arena *a, uint32_t seat, struct cv_sent *sent)
{
	if (!sent->known)
		find_addressee(a, seat, sent);
	if (sent->seat != 0 && still_told(&a->seats[sent->seat], sent->word))
		return false;
	sent->seat = 0;
	return true;
}

void cv_outbox_fill(struct cv_arena *a, uint32_t seat, const struct cv_note *note, const void *bytes)
{
	struct cv_outbox *o = &a->seats[seat].outbox;
	uint64_t words[CV_OUTBOX_BYTES / 8] = {0};

	if (note->size != 0)
		memcpy(words, bytes, note->size);
	/* relaxed: all of it is published by the swap in cv_outbox_send() */
	for (uint32_t i = 0; i < (note->size + 7) / 8; i++)
		atomic_store_explicit(&o->bytes[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&o->generation, note->generation, memory_order_relaxed);
	atomic_store_explicit(&o->code, (uint32_t)note->code, memory_order_relaxed);
	atomic_store_explicit(&o->tag, note->tag, memory_order_relaxed);
}

bool cv_outbox_send(struct cv_arena *a, uint32_t seat, uint32_t size, uint32_t to, uint64_t word, struct cv_sent *sent)
{
	uint32_t from = size << CV_OWNER_BITS | seat;

	if (!cv_seat_answer(a, to, word, CV_SEAT_OUTBOX, from))
		return false;
	sent->seat = to;
	sent->word = cv_seat_word(CV_SEAT_OUTBOX, cv_seat_seq(word), from);
	return true;
}

bool cv_outbox_take(const struct cv_arena *a, uint64_t word, struct cv_note *note, unsigned char to[CV_OUTBOX_BYTES])
{
	uint32_t from = cv_outbox_seat(word), size = cv_outbox_size(word);
	const struct cv_outbox *o;

	if (from == 0 || from > a->seat_count || size > CV_OUTBOX_BYTES)
		return false;
	o = &a->seats[from].outbox;
	/* relaxed: the caller's load of the word acquired what the swap released */
	for (uint32_t i = 0; i < (size + 7) / 8; i++) {
		uint64_t bytes = atomic_load_explicit(&o->bytes[i], memory_order_relaxed);

		memcpy(to + i * 8, &bytes, 8);
	}
	*note = (struct cv_note){.generation = atomic_load_explicit(&o->generation, memory_order_relaxed),
	        .code = (int32_t)atomic_load_explicit(&o->code, memory_order_relaxed),
	        .tag = atomic_load_explicit(&o->tag, memory_order_relaxed),
	        .size = size};
	return true;
}

void cv_outbox_taken(struct cv_arena *a, uint32_t seat, uint64_t word)
{
	atomic_store_explicit(&a->seats[seat].taken, word, memory_order_release); /* with still_told() */
}
