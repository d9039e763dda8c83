/*
 * heap.c - see heap.h for what is guaranteed and why
 */
#include "heap.h"

#include "race.h"
#include "seat.h"

#ifdef CV_TSAN
char cv_race_places[1 << 16];
#endif

enum chunk_state {
	CHUNK_FREE = 0,
	CHUNK_TAKEN = 1,   /* by owner: a run being assembled or taken apart */
	CHUNK_SLAB = 2,    /* arg: size class */
	CHUNK_RUN = 3,     /* arg: length in chunks */
	CHUNK_PART = 4,    /* arg: the run's head */
	CHUNK_CLOSING = 5, /* arg: size class; a slab that owner looks through, still readable */
};

/* chunk word: worded 1, sequence 21, arg 24, owner 14, backed 1, state 3.  Zeroed memory is free and, above the base,
 * neither it nor its block words are backed; the latter stay once they are. */
#define CHUNK_BACKED UINT64_C(8)
#define CHUNK_WORDED (UINT64_C(1) << 63)

static uint64_t chunk_word(uint64_t old, enum chunk_state state, uint32_t owner, uint32_t arg)
{
	uint64_t seq = ((old >> 42) + 1) & 0x1fffff;

	return (old & CHUNK_WORDED) | seq << 42 | (uint64_t)arg << 18 | (uint64_t)owner << 4 | (old & CHUNK_BACKED) |
	       (uint64_t)state;
}

static enum chunk_state chunk_state(uint64_t w)
{
	return (enum chunk_state)(w & 7);
}

static uint32_t chunk_arg(uint64_t w)
{
	return (uint32_t)(w >> 18) & 0xffffff;
}

static uint32_t chunk_owner(uint64_t w)
{
	return (uint32_t)(w >> 4) & CV_SEAT_LIMIT;
}

static uint64_t chunk_load(const struct cv_arena *a, uint32_t chunk)
{
	return atomic_load(&a->chunks[chunk]); /* seq_cst: half of the pair with closing a slab */
}

static bool chunk_swap(struct cv_arena *a, uint32_t chunk, uint64_t old, uint64_t new)
{
	return atomic_compare_exchange_strong(&a->chunks[chunk], &old, new);
}

static uint32_t ref_of(uint32_t chunk, uint32_t block)
{
	return (chunk + 1) << 8 | block;
}

static bool ref_split(const struct cv_arena *a, uint32_t ref, uint32_t *chunk, uint32_t *block)
{
	*chunk = (ref >> 8) - 1;
	*block = ref & 0xff;
	return ref >> 8 != 0 && *chunk < a->chunk_count;
}

/* Do blocks of some size class lie in this chunk? */
static bool chunk_sliced(uint64_t w)
{
	return (chunk_state(w) == CHUNK_SLAB || chunk_state(w) == CHUNK_CLOSING) && chunk_arg(w) < CV_CLASSES;
}

bool cv_heap_worded(const struct cv_arena *a, uint32_t chunk)
{
	return chunk < a->chunk_base || (chunk_load(a, chunk) & CHUNK_WORDED) != 0;
}

static uint64_t class_size(uint32_t class)
{
	return UINT64_C(1) << (CV_CLASS_MIN_SHIFT + class);
}

static uint32_t class_blocks(uint32_t class)
{
	return (uint32_t)(CV_CHUNK_SIZE / class_size(class));
}

/* How many of this chunk's block words may be in use: the first ones, and none of the others ever. */
static uint32_t chunk_blocks(uint64_t w)
{
	if (chunk_sliced(w))
		return class_blocks(chunk_arg(w));
	return chunk_state(w) == CHUNK_RUN || chunk_state(w) == CHUNK_TAKEN ? 1 : 0;
}

static _Atomic uint64_t *block_word(const struct cv_arena *a, uint32_t chunk, uint32_t block)
{
	return &a->blocks[(uint64_t)chunk * CV_CHUNK_BLOCKS + block];
}

_Atomic uint64_t *cv_heap_word(const struct cv_arena *a, uint32_t ref)
{
	uint32_t chunk, block;

	if (!ref_split(a, ref, &chunk, &block) || !cv_heap_worded(a, chunk))
		return NULL;
	return block_word(a, chunk, block);
}

struct cv_block *cv_heap_span(const struct cv_arena *a, uint32_t ref, uint64_t *room)
{
	uint32_t chunk, block;
	uint64_t w, n, offset = 0, bytes = sizeof(struct cv_block);

	if (!ref_split(a, ref, &chunk, &block))
		return NULL;
	w = chunk_load(a, chunk);
	n = chunk_arg(w);
	if (chunk_sliced(w)) {
		bytes = class_size((uint32_t)n);
		offset = block * bytes;
	} else if (block != 0 || (chunk_state(w) != CHUNK_RUN && chunk_state(w) != CHUNK_TAKEN)) {
		return NULL;
	} else if (chunk_state(w) == CHUNK_RUN && n > 0 && n <= a->chunk_count - chunk) {
		bytes = n << CV_CHUNK_SHIFT;
	}
	if (offset >= CV_CHUNK_SIZE)
		return NULL;
	*room = bytes - sizeof(struct cv_block);
	return (struct cv_block *)(void *)(a->heap + ((uint64_t)chunk << CV_CHUNK_SHIFT) + offset);
}

struct cv_block *cv_heap_at(const struct cv_arena *a, uint32_t ref)
{
	uint64_t room;

	return cv_heap_span(a, ref, &room);
}

struct cv_block *cv_heap_fitting(const struct cv_arena *a, uint32_t ref, uint64_t size)
{
	uint64_t room;
	struct cv_block *b = cv_heap_span(a, ref, &room);

	return b != NULL && size <= room ? b : NULL;
}

bool cv_heap_payload(
        const struct cv_arena *a, uint32_t ref, const unsigned char **request, const unsigned char **data, size_t *size)
{
	uint64_t room, skip, bytes;
	const volatile struct cv_block *b =
	        cv_heap_span(a, ref, &room); /* read once, whatever the compiler would like */

	if (b == NULL)
		return false;
	skip = ((uint64_t)b->request_size + 15) & ~UINT64_C(15);
	bytes = b->size;
	if (skip > room || bytes > room - skip)
		return false;
	*request = (const unsigned char *)((uintptr_t)b + sizeof(struct cv_block));
	*data = *request + skip;
	*size = bytes;
	return true;
}

/* ------------------------------------------------------------------------------------------------ chunks */

static void chunk_raise(struct cv_arena *a, uint32_t count)
{
	uint32_t high = atomic_load_explicit(&a->globals->chunk_high, memory_order_relaxed);

	/* relaxed: it only grows, and the chunk is taken after it; whoever reaps a user of these blocks knows of that one's
	 * death, and so of all before it */
	while (high < count && !atomic_compare_exchange_weak_explicit(&a->globals->chunk_high, &high, count,
	                               memory_order_relaxed, memory_order_relaxed)) {
	}
}

static uint32_t chunk_high(const struct cv_arena *a)
{
	uint32_t high = atomic_load_explicit(&a->globals->chunk_high, memory_order_relaxed); /* see chunk_raise() */

	return high < a->chunk_count ? high : a->chunk_count;
}

/* How many chunks from head on belong to its run, as their words tell. */
static uint32_t run_length(const struct cv_arena *a, uint32_t head)
{
	uint32_t n = 1;
	uint64_t w;

	while (head + n < a->chunk_count) {
		w = chunk_load(a, head + n);
		if (chunk_state(w) != CHUNK_PART || chunk_arg(w) != head)
			break;
		n++;
	}
	return n;
}

/* head is TAKEN by us: free the parts behind it, then the head itself.  From the end down, so that whoever finds us
 * dead half-way still finds the rest right behind the head. */
static void run_dissolve(struct cv_arena *a, uint32_t head, bool unbacked)
{
	for (uint32_t i = head + run_length(a, head); i-- > head;) {
		uint64_t w = chunk_load(a, i);

		w = unbacked && i >= a->chunk_base ? w & ~CHUNK_BACKED : w;
		/* release: with the swap that takes it, whose owner may write where we did */
		atomic_store_explicit(&a->chunks[i], chunk_word(w, CHUNK_FREE, 0, 0), memory_order_release);
	}
}

/* The memory of head .. head+n-1, all ours, as far as it lies above the base. */
static void run_give_back(struct cv_arena *a, uint32_t head, uint32_t n)
{
	uint32_t from = head < a->chunk_base ? a->chunk_base : head;

	if (head + n > from)
		a->backing.release(a->backing.context, from, head + n - from);
}

/* Make the memory of head .. head+n-1, all ours, usable; of their block words, the head's. */
static bool run_commit(struct cv_arena *a, uint32_t head, uint32_t n)
{
	bool backed = cv_heap_worded(a, head);

	for (uint32_t i = head; i < head + n; i++)
		backed = backed && (i < a->chunk_base || (chunk_load(a, i) & CHUNK_BACKED));
	if (!backed && a->backing.commit(a->backing.context, head, n) != 0) {
		run_give_back(a, head, n); /* what there was of it */
		return false;
	}
	for (uint32_t i = head; i < head + n && !backed; i++)
		/* release: who sees it WORDED may look at its block words */
		atomic_fetch_or_explicit(
		        &a->chunks[i], CHUNK_BACKED | (i == head ? CHUNK_WORDED : 0), memory_order_release);
	return true;
}

/* Take n chunks from head on: how many are ours now, n or (with nothing kept) the place of the first that was not. */
static uint32_t run_take(struct cv_arena *a, uint32_t seat, uint32_t head, uint32_t n)
{
	uint64_t w = chunk_load(a, head);

	if (chunk_state(w) != CHUNK_FREE)
		return 0;
	chunk_raise(a, head + n);
	if (!chunk_swap(a, head, w, chunk_word(w, CHUNK_TAKEN, seat, 0)))
		return 0;
	for (uint32_t i = 1; i < n; i++) {
		w = chunk_load(a, head + i);
		if (chunk_state(w) == CHUNK_FREE && chunk_swap(a, head + i, w, chunk_word(w, CHUNK_PART, 0, head)))
			continue;
		run_dissolve(a, head, false);
		return i;
	}
	return n;
}

/* n chunks in a row, not before `from`, TAKEN by seat at their head and committed; chunk_count when there are none. */
static uint32_t run_find(struct cv_arena *a, uint32_t seat, uint32_t n, uint32_t from)
{
	for (uint32_t head = from, got; n <= a->chunk_count && head <= a->chunk_count - n; head += got + 1) {
		got = run_take(a, seat, head, n);
		if (got < n)
			continue;
		if (run_commit(a, head, n))
			return head;
		run_dissolve(a, head, true);
		break;
	}
	return a->chunk_count;
}

/* ------------------------------------------------------------------------------------------------ slabs */

/* From here on nobody closes the slab that this chunk is seen to be after this, until a block of it is taken. */
static void slab_enter(struct cv_arena *a, uint32_t seat, uint32_t chunk)
{
	/* seq_cst: entered, then the chunk's word is read; who closes swaps that word, then looks who has entered */
	atomic_store(&a->seats[seat].takes, chunk + 1);
}

static void slab_leave(struct cv_arena *a, uint32_t seat)
{
	/* release: the block's word, which was swapped before, is seen by who sees this */
	atomic_store_explicit(&a->seats[seat].takes, 0, memory_order_release);
}

static bool slab_entered(const struct cv_arena *a, uint32_t chunk)
{
	uint32_t high = cv_seat_high(a), keepers = cv_keeper_high(a);

	for (uint32_t i = 1; i <= high; i++)
		if (atomic_load(&a->seats[i].takes) == chunk + 1)
			return true;
	for (uint32_t i = 0; i < keepers; i++)
		if (atomic_load(&a->seats[cv_seat_of_keeper(a, i)].takes) == chunk + 1)
			return true;
	return false;
}

/* Also of a damaged one, whose block words were never backed. */
static bool slab_used(const struct cv_arena *a, uint32_t chunk, uint32_t class)
{
	uint32_t count = class_blocks(class);
	bool used = !cv_heap_worded(a, chunk);

	for (uint32_t b = 0; b < count && !used; b++)
		used = cv_word_state(atomic_load(block_word(a, chunk, b))) != CV_FREE;
	return used;
}

/* Close this slab if it is one, and no block of it is in use, or about to be.  give_back: its memory, too. */
static bool slab_close(struct cv_arena *a, uint32_t seat, uint32_t chunk, bool give_back)
{
	uint64_t w = chunk_load(a, chunk), closing = chunk_word(w, CHUNK_CLOSING, seat, chunk_arg(w));

	if (chunk_state(w) != CHUNK_SLAB || !chunk_sliced(w) || !chunk_swap(a, chunk, w, closing))
		return false;
	/* In this order: who has left by now has swapped its block's word. */
	if (slab_entered(a, chunk) || slab_used(a, chunk, chunk_arg(w))) {
		atomic_store_explicit(&a->chunks[chunk], w, memory_order_release);
		return false;
	}
	if (give_back && chunk >= a->chunk_base) {
		/* relaxed: as in run_free() */
		atomic_store_explicit(
		        &a->chunks[chunk], chunk_word(closing, CHUNK_TAKEN, seat, 0), memory_order_relaxed);
		run_give_back(a, chunk, 1);
	}
	/* It releases: with the swap that takes it; who freed its blocks had done with their bytes. */
	run_dissolve(a, chunk, give_back);
	return true;
}

/* Close every slab without a block in use, to use its memory at once.  True if one was closed. */
static bool slabs_close(struct cv_arena *a, uint32_t seat)
{
	bool closed = false;

	for (uint32_t c = 0; c < chunk_high(a); c++)
		closed = slab_close(a, seat, c, false) || closed;
	return closed;
}

static bool slab_is(const struct cv_arena *a, uint32_t chunk, uint32_t class)
{
	uint64_t w = chunk < a->chunk_count ? chunk_load(a, chunk) : 0;

	return chunk_state(w) == CHUNK_SLAB && chunk_arg(w) == class;
}

/* A block of this slab was freed.  Was it the last one, the slab is closed, unless it is the only such of its class: who
 * takes a block and frees it, again and again, finds that one.  Of two the lower one stays. */
static void slab_freed_in(struct cv_arena *a, uint32_t seat, uint32_t chunk, uint32_t class)
{
	/* relaxed: which one it names is a hint */
	uint32_t kept = atomic_load_explicit(&a->globals->spare[class], memory_order_relaxed);
	bool spare;

	if (kept == chunk + 1 || slab_used(a, chunk, class))
		return;
	spare = kept != 0 && slab_is(a, kept - 1, class) && !slab_used(a, kept - 1, class);
	if (!spare || chunk < kept)
		atomic_store_explicit(&a->globals->spare[class], chunk + 1, memory_order_relaxed);
	if (spare)
		slab_close(a, seat, chunk < kept ? kept - 1 : chunk, true);
}

/* ------------------------------------------------------------------------------------------------ blocks */

static bool block_claim(struct cv_arena *a, uint32_t seat, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	uint64_t w = word == NULL ? 0 : atomic_load_explicit(word, memory_order_relaxed);

	if (word == NULL || cv_word_state(w) != CV_FREE ||
	        !atomic_compare_exchange_strong(word, &w, cv_word(CV_PRIVATE, seat, cv_word_gen(w) + 1)))
		return false;
	cv_race_acquire(a, word);
	return true;
}

static void block_unclaim(struct cv_arena *a, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref); /* private to us */

	if (word == NULL)
		return;
	cv_race_release(a, word);
	/* release: with the swap in block_claim() */
	atomic_store_explicit(word, cv_word(CV_FREE, 0, cv_word_gen(atomic_load_explicit(word, memory_order_relaxed))),
	        memory_order_release);
}

/* Looked at before it is entered: that is a locked instruction, and most slabs are full. */
static bool block_is_free(const struct cv_arena *a, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);

	return word != NULL && cv_word_state(atomic_load_explicit(word, memory_order_relaxed)) == CV_FREE;
}

static uint32_t slab_take_in(struct cv_arena *a, uint32_t seat, uint32_t chunk, uint32_t class, uint32_t *from)
{
	uint32_t count = class_blocks(class), got = 0;
	bool entered = false;

	if (!slab_is(a, chunk, class))
		return 0;
	for (uint32_t i = 0; i < count && got == 0; i++) {
		uint32_t b = (*from + i) % count, ref = ref_of(chunk, b);

		if (!block_is_free(a, ref))
			continue;
		if (!entered)
			slab_enter(a, seat, chunk);
		entered = true;
		if (!slab_is(a, chunk, class)) /* closed meanwhile */
			break;
		if (block_claim(a, seat, ref)) {
			*from = b + 1;
			got = ref;
		}
	}
	if (entered)
		slab_leave(a, seat);
	return got;
}

void cv_heap_look_at(const struct cv_arena *a, uint32_t ref, struct cv_hint *hint)
{
	uint32_t chunk, block, class;

	if (!ref_split(a, ref, &chunk, &block))
		return;
	class = chunk_arg(chunk_load(a, chunk));
	if (chunk_state(chunk_load(a, chunk)) != CHUNK_SLAB || class >= CV_CLASSES)
		return;
	hint->chunk[class] = chunk;
	hint->block[class] = block;
}

/* A slab of this class, new, and entered: nobody closes it before a block of it was looked for. */
static uint32_t slab_open(struct cv_arena *a, uint32_t seat, uint32_t class)
{
	uint32_t chunk = run_find(a, seat, 1, 0);

	if (chunk == a->chunk_count)
		return chunk;
	slab_enter(a, seat, chunk);
	/* release: what was here before is over, and is seen so by whoever takes a block of it */
	atomic_store_explicit(
	        &a->chunks[chunk], chunk_word(chunk_load(a, chunk), CHUNK_SLAB, 0, class), memory_order_release);
	return chunk;
}

static uint32_t slab_take(struct cv_arena *a, uint32_t seat, uint32_t class, struct cv_hint *hint)
{
	uint32_t ref = 0, chunk = hint->chunk[class], tries = 3;

	if (chunk < a->chunk_count && (ref = slab_take_in(a, seat, chunk, class, &hint->block[class])) != 0)
		return ref;
	hint->block[class] = seat * 17; /* threads begin apart */
	for (uint32_t c = 0; c < chunk_high(a); c++)
		if ((ref = slab_take_in(a, seat, c, class, &hint->block[class])) != 0) {
			hint->chunk[class] = c;
			return ref;
		}
	/* A fresh slab may be filled by others before we get to it: try again, but not for ever. */
	while (ref == 0 && tries-- > 0) {
		chunk = slab_open(a, seat, class);
		if (chunk == a->chunk_count && slabs_close(a, seat))
			chunk = slab_open(a, seat, class);
		if (chunk == a->chunk_count)
			return 0;
		hint->chunk[class] = chunk;
		ref = slab_take_in(a, seat, chunk, class, &hint->block[class]);
		slab_leave(a, seat);
	}
	return ref;
}

/* The block of a run that is ours: nobody else swaps its word. */
static uint32_t run_claim(struct cv_arena *a, uint32_t seat, uint32_t head, uint32_t n)
{
	if (!block_claim(a, seat, ref_of(head, 0))) { /* damaged: it is said to be in use */
		run_dissolve(a, head, false);
		return 0;
	}
	/* relaxed: whoever comes to read the block was given its number by us, by a release of that */
	atomic_store_explicit(&a->chunks[head], chunk_word(chunk_load(a, head), CHUNK_RUN, 0, n), memory_order_relaxed);
	return ref_of(head, 0);
}

static uint32_t run_block_from(struct cv_arena *a, uint32_t seat, uint32_t n)
{
	uint32_t head = run_find(a, seat, n, 0);

	return head < a->chunk_count ? run_claim(a, seat, head, n) : 0;
}

static uint32_t run_block(struct cv_arena *a, uint32_t seat, uint64_t bytes)
{
	uint64_t n = (bytes + CV_CHUNK_SIZE - 1) >> CV_CHUNK_SHIFT;
	uint32_t ref = n <= a->chunk_count ? run_block_from(a, seat, (uint32_t)n) : 0;

	if (ref == 0 && n <= a->chunk_count && slabs_close(a, seat))
		ref = run_block_from(a, seat, (uint32_t)n);
	return ref;
}

uint32_t cv_heap_take(struct cv_arena *a, uint32_t seat, uint64_t size, struct cv_hint *hint)
{
	uint64_t bytes = size + sizeof(struct cv_block);
	uint32_t class = 0, ref;
	struct cv_block *b;

	if (size > UINT64_C(1) << 40)
		return 0;
	while (class < CV_CLASSES && class_size(class) < bytes)
		class ++;
	ref = class < CV_CLASSES ? slab_take(a, seat, class, hint) : run_block(a, seat, bytes);
	b = ref == 0 ? NULL : cv_heap_at(a, ref);
	if (b == NULL)
		return 0;
	*b = (struct cv_block){.size = size};
	return ref;
}

static void run_free(struct cv_arena *a, uint32_t seat, uint32_t head, uint64_t w)
{
	/* relaxed: all that others make of it comes after one of the releases below, or after our death */
	atomic_store_explicit(&a->chunks[head], chunk_word(w, CHUNK_TAKEN, seat, 0), memory_order_relaxed);
	run_give_back(a, head, chunk_arg(w));
	block_unclaim(a, ref_of(head, 0));
	run_dissolve(a, head, true);
}

void cv_heap_free(struct cv_arena *a, uint32_t seat, uint32_t ref)
{
	uint32_t chunk, block;
	uint64_t w;

	if (!ref_split(a, ref, &chunk, &block))
		return;
	w = chunk_load(a, chunk);
	if (chunk_state(w) == CHUNK_RUN && block == 0 && chunk_arg(w) <= a->chunk_count - chunk) {
		run_free(a, seat, chunk, w);
		return;
	}
	block_unclaim(a, ref);
	if (chunk_sliced(w))
		slab_freed_in(a, seat, chunk, chunk_arg(w));
}

void cv_heap_hold(struct cv_arena *a, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	uint64_t w = word == NULL ? 0 : atomic_load_explicit(word, memory_order_relaxed);

	if (word == NULL)
		return;
	cv_race_release(a, word);
	atomic_store_explicit(word, cv_word(CV_IDLE, 0, cv_word_gen(w)), memory_order_release);
}

void cv_heap_try_free(struct cv_arena *a, uint32_t seat, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	uint64_t w = word == NULL ? 0 : atomic_load(word);

	if (cv_word_state(w) != CV_RETIRED || cv_seat_pinned(a, ref, seat))
		return;
	/* relaxed: the load acquired what it was retired with, and cv_seat_pinned() what was read of it */
	if (!atomic_compare_exchange_strong_explicit(
	            word, &w, cv_word(CV_PRIVATE, seat, cv_word_gen(w)), memory_order_relaxed, memory_order_relaxed))
		return;
	cv_race_acquire(a, word);
	cv_heap_free(a, seat, ref);
}

uint64_t cv_heap_pass(struct cv_arena *a, uint32_t ref, uint64_t word, uint32_t seat)
{
	_Atomic uint64_t *at = cv_heap_word(a, ref);
	uint64_t passed = cv_word(CV_PRIVATE, seat, cv_word_gen(word));

	if (at == NULL || cv_word_state(word) != CV_PRIVATE)
		return 0;
	/* relaxed: both are one process, whose threads see to the order of the bytes */
	return atomic_compare_exchange_strong_explicit(at, &word, passed, memory_order_relaxed, memory_order_relaxed)
	               ? passed
	               : 0;
}

static bool retirable(uint64_t w)
{
	return cv_word_state(w) == CV_PRIVATE || cv_word_state(w) == CV_IDLE;
}

static bool retire_once(struct cv_arena *a, uint32_t seat, uint32_t ref, _Atomic uint64_t *word, uint64_t *w)
{
	cv_race_release(a, word);
	/* seq_cst: store RETIRED, then look for pins; who unpins does the reverse */
	if (!atomic_compare_exchange_strong(word, w, cv_word(CV_RETIRED, 0, cv_word_gen(*w))))
		return false;
	cv_heap_try_free(a, seat, ref);
	return true;
}

void cv_heap_retire_as(struct cv_arena *a, uint32_t seat, uint32_t ref, uint64_t w)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);

	if (word != NULL && retirable(w))
		retire_once(a, seat, ref, word, &w);
}

void cv_heap_retire(struct cv_arena *a, uint32_t seat, uint32_t ref)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	/* relaxed: the swap compares it */
	uint64_t w = word == NULL ? 0 : atomic_load_explicit(word, memory_order_relaxed), gen = cv_word_gen(w);

	/* Again if it was passed on meanwhile, as the thread that took it has ended. */
	while (word != NULL && retirable(w) && cv_word_gen(w) == gen && !retire_once(a, seat, ref, word, &w)) {
	}
}

/* ------------------------------------------------------------------------------------------------ reaping */

/* A held block whose node names another one, or none, was left by somebody who died between the two steps. */
static bool block_orphaned(const struct cv_arena *a, uint32_t ref)
{
	const volatile struct cv_block *b = cv_heap_at(a, ref); /* read once */
	uint32_t node = b == NULL ? 0 : b->node;

	/* relaxed: the node named it before it was held, and the caller saw it held */
	return node == 0 || node > a->node_count ||
	       atomic_load_explicit(&a->nodes[node].long_name, memory_order_relaxed) != ref;
}

static void reap_block(struct cv_arena *a, uint32_t seat, uint32_t ref, bool (*dead)(void *, uint32_t), void *context)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref);
	/* acquire: with the release in cv_heap_hold() */
	uint64_t w = word == NULL ? 0 : atomic_load_explicit(word, memory_order_acquire);

	switch (cv_word_state(w)) {
	case CV_PRIVATE:
		/* A leader's block may be pinned by waiters that it answered: retire it, do not free it. */
		if (dead(context, cv_word_owner(w)))
			cv_heap_retire_as(a, seat, ref, w);
		break;
	case CV_IDLE:
		/* as it was when it was looked at: its node's owner may free it meanwhile, and another take it */
		if (block_orphaned(a, ref))
			cv_heap_retire_as(a, seat, ref, w);
		break;
	case CV_RETIRED:
		cv_heap_try_free(a, seat, ref);
		break;
	default:
		break;
	}
}

/* A dead owner's run: free its block's word, while the chunk still names the dead one, so that it cannot be left to
 * nobody; then take it over, and take it apart.  Its memory may be given back already, or not. */
static void reap_run(struct cv_arena *a, uint32_t seat, uint32_t chunk, uint64_t w)
{
	_Atomic uint64_t *word = cv_heap_word(a, ref_of(chunk, 0)); /* NULL: it died before it committed anything */
	uint64_t b =
	        word == NULL ? 0 : atomic_load_explicit(word, memory_order_relaxed); /* it is the dead one's, or free */

	if (cv_word_state(b) == CV_PRIVATE && cv_word_owner(b) == chunk_owner(w))
		block_unclaim(a, ref_of(chunk, 0));
	if (!chunk_swap(a, chunk, w, chunk_word(w, CHUNK_TAKEN, seat, 0)))
		return;
	run_give_back(a, chunk, run_length(a, chunk));
	run_dissolve(a, chunk, true);
}

static void reap_chunk(struct cv_arena *a, uint32_t seat, uint32_t chunk, uint64_t w)
{
	if (chunk_state(w) == CHUNK_TAKEN)
		reap_run(a, seat, chunk, w);
	else if (chunk_state(w) == CHUNK_CLOSING) /* the look was interrupted: the slab goes on */
		chunk_swap(a, chunk, w, chunk_word(w, CHUNK_SLAB, 0, chunk_arg(w)));
}

/* All chunks, and of each the block words that can be in use as what it is now: a block is taken only where it is kept from
 * becoming anything else, so none is in use anywhere else. */
void cv_heap_reap(struct cv_arena *a, uint32_t seat, bool (*dead)(void *context, uint32_t seat), void *context)
{
	uint32_t high = chunk_high(a);

	for (uint32_t c = 0; c < high; c++) {
		uint64_t w = chunk_load(a, c);

		/* nobody's, and without a block: most of them, once a large result was here */
		if (chunk_state(w) == CHUNK_FREE || chunk_state(w) == CHUNK_PART)
			continue;
		if (chunk_owner(w) != 0 && dead(context, chunk_owner(w))) {
			reap_chunk(a, seat, c, w);
			w = chunk_load(a, c);
		}
		for (uint32_t b = 0; b < chunk_blocks(w) && cv_heap_worded(a, c); b++)
			reap_block(a, seat, ref_of(c, b), dead, context);
		if (chunk_state(w) == CHUNK_SLAB && chunk_sliced(w))
			slab_freed_in(a, seat, c, chunk_arg(w));
	}
}

/* Also after its owner's death: a run's parts are taken before its head says RUN, and freed after that says TAKEN. */
bool cv_heap_chunk_sound(const struct cv_arena *a, uint32_t chunk, uint32_t *owner)
{
	uint64_t w = chunk_load(a, chunk), backed = chunk < a->chunk_base ? 0 : CHUNK_BACKED | CHUNK_WORDED, head;
	uint32_t n = chunk_arg(w);
	bool used = chunk < chunk_high(a) && (w & backed) == backed;

	*owner = chunk_owner(w);
	switch (chunk_state(w)) {
	case CHUNK_FREE:
		return *owner == 0 && n == 0;
	case CHUNK_TAKEN:
		return *owner != 0 && n == 0;
	case CHUNK_SLAB:
	case CHUNK_CLOSING:
		return used && n < CV_CLASSES && (*owner != 0) == (chunk_state(w) == CHUNK_CLOSING);
	case CHUNK_RUN:
		return used && *owner == 0 && n == run_length(a, chunk) &&
		       cv_word_state(atomic_load_explicit(block_word(a, chunk, 0), memory_order_relaxed)) != CV_FREE;
	case CHUNK_PART:
		head = n < chunk ? chunk_load(a, n) : 0;
		return *owner == 0 && (chunk_state(head) == CHUNK_TAKEN ||
		                              (chunk_state(head) == CHUNK_RUN && chunk_arg(head) > chunk - n));
	}
	return false;
}

int cv_heap_count(const struct cv_arena *a, uint64_t *blocks, uint64_t *bytes)
{
	uint32_t high = chunk_high(a);

	*blocks = *bytes = 0;
	for (uint32_t c = 0; c < high; c++) {
		uint64_t w = chunk_load(a, c);

		if (chunk_state(w) > CHUNK_CLOSING || (chunk_state(w) == CHUNK_SLAB && chunk_arg(w) >= CV_CLASSES))
			return CV_ECORRUPT;
		*bytes += chunk_state(w) != CHUNK_FREE ? CV_CHUNK_SIZE : 0;
		for (uint32_t b = 0; b < chunk_blocks(w) && cv_heap_worded(a, c); b++)
			*blocks += cv_word_state(atomic_load_explicit(block_word(a, c, b), memory_order_relaxed)) !=
			           CV_FREE;
	}
	return 0;
}
