/*
 * core.c - the algorithms alone, on memory of this test: no region, no process, no kernel
 */
#include "world.h"

#include "hash.h"
#include "heap.h"
#include "outbox.h"
#include "parking.h"
#include "pool.h"
#include "seat.h"
#include "table.h"
#include "watch.h"

#define NODES 16
#define SEATS 8
#define CHUNKS 8

static int commit_result;
static int committed, released;

static int commit(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk;
	committed += (int)count;
	return commit_result;
}

static void release(void *context, uint32_t chunk, uint32_t count)
{
	(void)context, (void)chunk;
	released += (int)count;
}

static struct cv_arena make_arena_of(uint32_t nodes, uint32_t buckets)
{
	struct cv_arena a = {.node_count = nodes,
	        .bucket_mask = buckets - 1,
	        .seat_count = SEATS,
	        .keeper_count = 1,
	        .chunk_count = CHUNKS,
	        .chunk_base = CHUNKS / 2,
	        .key = 42};

	a.nodes = aligned_alloc(CV_LINE, sizeof(struct cv_node) * (nodes + 1));
	a.tails = aligned_alloc(CV_LINE, sizeof(struct cv_tail) * (nodes + 1));
	a.seats = aligned_alloc(CV_LINE, sizeof(struct cv_seat) * (SEATS + 2));
	a.globals = aligned_alloc(CV_LINE, sizeof(struct cv_globals));
	a.watch = calloc(CV_WATCH_WORDS, sizeof(*a.watch));
	a.buckets = calloc(buckets, 8);
	a.chunks = calloc(CHUNKS, 8);
	a.blocks = calloc(CHUNKS * CV_CHUNK_BLOCKS, 8);
	a.heap = aligned_alloc(CV_LINE, CHUNKS * CV_CHUNK_SIZE);
	memset(a.nodes, 0, sizeof(struct cv_node) * (nodes + 1));
	memset(a.tails, 0, sizeof(struct cv_tail) * (nodes + 1));
	memset(a.seats, 0, sizeof(struct cv_seat) * (SEATS + 2));
	memset(a.globals, 0, sizeof(struct cv_globals));
	a.backing = (struct cv_backing){commit, release, NULL};
	committed = released = commit_result = 0;
	return a;
}

static struct cv_arena make_arena(uint32_t buckets)
{
	return make_arena_of(NODES, buckets);
}

static void free_arena(struct cv_arena *a)
{
	free(a->nodes);
	free(a->tails);
	free(a->seats);
	free(a->globals);
	free((void *)a->watch);
	free(a->buckets);
	free((void *)a->chunks);
	free((void *)a->blocks);
	free(a->heap);
}

static struct cv_key key_of(const struct cv_arena *a, const char *name)
{
	return (struct cv_key){
	        (const unsigned char *)name, (uint32_t)strlen(name), cv_hash(a->key, name, strlen(name))};
}

/* ------------------------------------------------------------------------------------------------ words */

static void words_hold_what_they_are_given(void **state)
{
	static const uint64_t gens[] = {0, 1, 12345678901234, CV_GEN_MAX};
	static const uint32_t owners[] = {0, 1, CV_SEAT_LIMIT};

	(void)state;
	for (int s = CV_FREE; s <= CV_RETIRED; s++)
		for (int g = 0; g < 4; g++)
			for (int o = 0; o < 3; o++) {
				uint64_t w = cv_word((enum cv_state)s, owners[o], gens[g]);

				assert_int_equal(cv_word_state(w | CV_WAITERS), s);
				assert_int_equal(cv_word_owner(w | CV_WAITERS), owners[o]);
				assert_int_equal(cv_word_gen(w | CV_WAITERS), gens[g]);
				assert_true(cv_word_is(w | CV_WAITERS, (enum cv_state)s, owners[o], gens[g]));
				assert_int_equal(cv_word_waiters(w), 0);
			}
	assert_true(cv_word_exhausted(cv_word(CV_IDLE, 0, CV_GEN_MAX - 1)));
	assert_false(cv_word_exhausted(cv_word(CV_IDLE, 0, CV_GEN_MAX / 2)));
}

static void seat_words_hold_what_they_are_given(void **state)
{
	static const uint64_t seqs[] = {0, 1, (UINT64_C(1) << 29) - 1, UINT64_C(1) << 29, CV_SEQ_MASK};
	static const uint32_t blocks[] = {0, 1, (uint32_t)CV_BLOCK_MASK};

	(void)state;
	for (int i = 0; i < 5; i++)
		for (int b = 0; b < 3; b++) {
			uint64_t w = cv_seat_word(CV_SEAT_DONE, seqs[i], blocks[b]);

			assert_int_equal(cv_seat_state(w), CV_SEAT_DONE);
			assert_int_equal(cv_seat_seq(w), seqs[i]);
			assert_int_equal(cv_seat_block(w), blocks[b]);
		}
	assert_true(cv_seat_word(CV_SEAT_WAITING, CV_SEQ_MASK + 1, 0) == cv_seat_word(CV_SEAT_WAITING, 0, 0));
}

/* ------------------------------------------------------------------------------------------------ the heap */

static void blocks_of_every_size(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint64_t blocks, bytes;

	(void)state;
	for (uint64_t size = 0; size < 300000; size = size * 2 + 1) {
		uint32_t ref = cv_heap_take(&a, 1, size, &hint);

		assert_true(ref != 0 && cv_heap_fitting(&a, ref, size) != NULL);
		memset(cv_heap_at(&a, ref) + 1, 0xee, size);
		assert_int_equal(cv_heap_count(&a, &blocks, &bytes), 0);
		assert_int_equal(blocks, 1);
		cv_heap_free(&a, 1, ref);
	}
	assert_int_equal(cv_heap_count(&a, &blocks, &bytes), 0);
	assert_int_equal(blocks, 0);
	assert_int_equal(cv_heap_take(&a, 1, CHUNKS * CV_CHUNK_SIZE, &hint), 0);
	free_arena(&a);
}

/* The sizes in a block's header are another process's: what they say must lie in the block. */
static void damaged_headers_are_refused(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint32_t ref = cv_heap_take(&a, 1, 100, &hint);
	struct cv_block *b = cv_heap_fitting(&a, ref, 100);
	const unsigned char *request, *data;
	size_t size;

	(void)state;
	b->request_size = 20;
	b->size = 64;
	assert_true(cv_heap_payload(&a, ref, &request, &data, &size));
	assert_int_equal(size, 64);
	assert_int_equal(data - request, 32);
	b->size = (uint64_t)1 << 30;
	assert_false(cv_heap_payload(&a, ref, &request, &data, &size));
	b->size = UINT64_MAX;
	assert_false(cv_heap_payload(&a, ref, &request, &data, &size));
	b->size = 0;
	b->request_size = UINT32_MAX;
	assert_false(cv_heap_payload(&a, ref, &request, &data, &size));
	b->size = 4096;
	b->request_size = 0;
	assert_false(cv_heap_payload(&a, ref, &request, &data, &size));
	cv_heap_free(&a, 1, ref);
	free_arena(&a);
}

static void memory_is_committed_and_given_back(void **state)
{
	struct cv_arena a = make_arena(4); /* eight chunks, four of them backed for good; a header makes one more */
	struct cv_hint hint = {0};
	uint32_t first = cv_heap_take(&a, 1, 3 * CV_CHUNK_SIZE, &hint), second;

	(void)state;
	assert_int_equal(committed, 0);
	assert_int_equal(cv_heap_take(&a, 1, 4 * CV_CHUNK_SIZE, &hint), 0); /* four are left, five are asked for */
	cv_heap_free(&a, 1, first);
	assert_int_equal(released, 0);
	first = cv_heap_take(&a, 1, 6 * CV_CHUNK_SIZE, &hint);
	assert_int_equal(committed, 7);
	cv_heap_free(&a, 1, first);
	assert_int_equal(released, 3);
	first = cv_heap_take(&a, 1, 3 * CV_CHUNK_SIZE, &hint);
	assert_int_equal(committed, 7);
	second = cv_heap_take(&a, 1, CV_CHUNK_SIZE, &hint);
	assert_true(first != 0 && second != 0);
	assert_int_equal(committed, 9);
	cv_heap_free(&a, 1, second);
	assert_int_equal(released, 5);
	commit_result = -1; /* the file system is full */
	assert_int_equal(cv_heap_take(&a, 1, CV_CHUNK_SIZE, &hint), 0);
	cv_heap_free(&a, 1, first);
	free_arena(&a);
}

/* An empty slab gives its memory back, unless it is the only one of its class. */
static void slabs_are_given_back(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint32_t refs[CHUNKS * 2];

	(void)state;
	for (int i = 0; i < CHUNKS * 2; i++) {
		refs[i] = cv_heap_take(&a, 1, 20000, &hint);
		assert_int_not_equal(refs[i], 0);
	}
	assert_int_equal(committed, CHUNKS / 2);
	assert_int_equal(cv_heap_take(&a, 1, 20000, &hint), 0);
	for (int i = CHUNKS * 2; i-- > 0;)
		cv_heap_free(&a, 1, refs[i]);
	assert_int_equal(released, CHUNKS / 2);
	for (int i = 0; i < 10; i++)
		cv_heap_free(&a, 1, cv_heap_take(&a, 1, 20000, &hint));
	assert_int_equal(committed, CHUNKS / 2);
	assert_int_not_equal(cv_heap_take(&a, 1, CHUNKS * CV_CHUNK_SIZE - 100, &hint), 0);
	free_arena(&a);
}

/* Who is about to take a block keeps its slab open; if it is killed there, its reaper ends that. */
static void an_entered_slab_stays(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint32_t seat = cv_seat_take(&a, 0), ref = cv_heap_take(&a, seat, 100, &hint);

	(void)state;
	cv_heap_free(&a, seat, ref);
	assert_int_equal(atomic_load(&a.seats[seat].takes), 0);
	atomic_store(&a.seats[seat].takes, 1); /* the first chunk */
	assert_int_equal(cv_heap_take(&a, 2, CHUNKS * CV_CHUNK_SIZE - 100, &hint), 0);
	cv_seat_clear(&a, seat);
	assert_int_not_equal(cv_heap_take(&a, 2, CHUNKS * CV_CHUNK_SIZE - 100, &hint), 0);
	free_arena(&a);
}

static bool first_is_dead(void *context, uint32_t seat)
{
	(void)context;
	return seat == 1;
}

/* What the dead hold is found where it can be: in slabs, at the heads of runs; what the living hold stays. */
static void the_dead_are_reaped(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint64_t blocks, bytes;

	(void)state;
	for (uint32_t seat = 1; seat <= 2; seat++) {
		assert_int_not_equal(cv_heap_take(&a, seat, 100, &hint), 0);
		assert_int_not_equal(cv_heap_take(&a, seat, 20000, &hint), 0);
		assert_int_not_equal(cv_heap_take(&a, seat, 100000, &hint), 0);
	}
	cv_heap_reap(&a, 3, first_is_dead, NULL);
	assert_int_equal(cv_heap_count(&a, &blocks, &bytes), 0);
	assert_int_equal(blocks, 3);
	assert_int_equal(bytes, 4 * CV_CHUNK_SIZE);
	free_arena(&a);
}

static void a_pinned_block_is_not_reused(void **state)
{
	struct cv_arena a = make_arena(4);
	struct cv_hint hint = {0};
	uint32_t seat = cv_seat_take(&a, 0), ref = cv_heap_take(&a, seat, 100, &hint);
	uint64_t blocks, bytes, word;
	int loan;

	(void)state;
	word = cv_seat_post(&a, seat, cv_key_of(3, 7));
	assert_false(cv_seat_waits(&a, seat, cv_key_of(3, 8), &word));
	assert_true(cv_seat_waits(&a, seat, cv_key_of(3, 7), &word));
	assert_true(cv_seat_answer(&a, seat, word, CV_SEAT_DONE, ref));
	assert_false(cv_seat_answer(&a, seat, word, CV_SEAT_GAVE_UP, 0));
	assert_false(cv_seat_withdraw(&a, seat));
	cv_heap_retire(&a, seat, ref);
	assert_true(cv_seat_pinned(&a, ref, 1));
	loan = cv_seat_lend(&a, seat, ref);
	assert_int_equal(loan, 0);
	cv_seat_settle(&a, seat);
	cv_heap_try_free(&a, seat, ref);
	assert_int_equal(cv_heap_count(&a, &blocks, &bytes), 0);
	assert_int_equal(blocks, 1);
	cv_seat_pin(&a, cv_seat_of_keeper(&a, 0), CV_PIN_RESULT, ref);
	atomic_store(&a.globals->slot_high, 1);
	atomic_store(&a.seats[seat].loans[loan], 0);
	cv_heap_try_free(&a, seat, ref);
	assert_int_equal(cv_word_state(atomic_load(cv_heap_word(&a, ref))), CV_RETIRED);
	cv_seat_unpin(&a, cv_seat_of_keeper(&a, 0), CV_PIN_RESULT);
	cv_heap_try_free(&a, seat, ref);
	assert_int_equal(cv_heap_count(&a, &blocks, &bytes), 0);
	assert_int_equal(blocks, 0);
	free_arena(&a);
}

static void an_outbox_is_one_addressees(void **state)
{
	struct cv_arena a = make_arena(4);
	uint32_t leader = cv_seat_take(&a, 0), waiter = cv_seat_take(&a, 1);
	struct cv_note note = {.generation = 7, .code = -3, .tag = 9, .size = 5}, got;
	struct cv_sent sent = {0}, next_owner = {0}, third = {0};
	unsigned char copy[CV_OUTBOX_BYTES];
	uint64_t word, old;

	(void)state;
	word = cv_seat_post(&a, waiter, cv_key_of(3, 7));
	assert_true(cv_outbox_free(&a, leader, &sent));
	cv_outbox_fill(&a, leader, &note, "short");
	cv_seat_restamp(&a, cv_key_of(3, 7)); /* deposed meanwhile */
	assert_false(cv_outbox_send(&a, leader, note.size, waiter, word, &sent));
	assert_true(cv_outbox_free(&a, leader, &sent));
	assert_true(cv_seat_waits(&a, waiter, cv_key_of(3, 7), &word));
	assert_true(cv_outbox_send(&a, leader, note.size, waiter, word, &sent));
	assert_false(cv_seat_withdraw(&a, waiter));
	assert_false(cv_outbox_free(&a, leader, &sent));
	assert_false(cv_outbox_free(&a, leader, &next_owner)); /* also for whoever gets this seat */
	word = atomic_load(&a.seats[waiter].word);
	assert_int_equal(cv_seat_state(word), CV_SEAT_OUTBOX);
	assert_int_equal(cv_outbox_seat(word), leader);
	assert_true(cv_outbox_take(&a, word, &got, copy));
	assert_int_equal(got.generation, 7);
	assert_int_equal(got.code, -3);
	assert_int_equal(got.tag, 9);
	assert_int_equal(got.size, 5);
	assert_memory_equal(copy, "short", 5);
	assert_false(cv_outbox_free(&a, leader, &sent)); /* copied, but not said so */
	cv_outbox_taken(&a, waiter, word);
	assert_true(cv_outbox_free(&a, leader, &sent));
	assert_true(cv_outbox_free(&a, leader, &next_owner));
	old = word;
	word = cv_seat_post(&a, waiter, cv_key_of(3, 7));
	assert_true(cv_outbox_send(&a, leader, 0, waiter, word, &sent));
	assert_true(atomic_load(&a.seats[waiter].word) != old); /* so what was noted of that is not true of this */
	assert_false(cv_outbox_free(&a, leader, &sent));
	assert_false(cv_outbox_free(&a, leader, &third));
	cv_seat_clear(&a, waiter); /* died, and was reaped */
	assert_true(cv_outbox_free(&a, leader, &sent));
	assert_true(cv_outbox_free(&a, leader, &third));
	free_arena(&a);
}

static void damaged_outbox_words_are_refused(void **state)
{
	struct cv_arena a = make_arena(4);
	unsigned char copy[CV_OUTBOX_BYTES];
	struct cv_note got;

	(void)state;
	assert_false(cv_outbox_take(&a, cv_seat_word(CV_SEAT_OUTBOX, 1, 0), &got, copy));
	assert_false(cv_outbox_take(&a, cv_seat_word(CV_SEAT_OUTBOX, 1, SEATS + 1), &got, copy)); /* a keeper's */
	assert_false(cv_outbox_take(&a, cv_seat_word(CV_SEAT_OUTBOX, 1, CV_BLOCK_MASK), &got, copy));
	assert_false(cv_outbox_take(
	        &a, cv_seat_word(CV_SEAT_OUTBOX, 1, (CV_OUTBOX_BYTES + 1) << CV_OWNER_BITS | 1), &got, copy));
	assert_true(
	        cv_outbox_take(&a, cv_seat_word(CV_SEAT_OUTBOX, 1, CV_OUTBOX_BYTES << CV_OWNER_BITS | 1), &got, copy));
	free_arena(&a);
}

static void seats_run_out_and_come_back(void **state)
{
	struct cv_arena a = make_arena(4);

	(void)state;
	for (uint32_t i = 1; i <= SEATS; i++)
		assert_int_equal(cv_seat_take(&a, 5), i);
	assert_int_equal(cv_seat_take(&a, 5), 0);
	assert_int_equal(cv_seat_owner(&a, 3), 6);
	cv_seat_give(&a, 3);
	assert_int_equal(cv_seat_take(&a, 0), 3);
	assert_int_equal(cv_seat_owner(&a, SEATS + 1), 1); /* the keeper's */
	assert_int_equal(cv_seat_owner(&a, SEATS + 2), 0);
	free_arena(&a);
}

/* ------------------------------------------------------------------------------------------------ the table */

static uint32_t insert(struct cv_arena *a, const char *name, struct cv_hint *hint)
{
	struct cv_key key = key_of(a, name);
	struct cv_spot spot;
	uint32_t node = cv_pool_take(a, 1, hint);
	uint64_t gen;

	if (node == 0)
		return 0;
	assert_int_equal(cv_pool_fill(a, 1, node, &key, hint), 0);
	assert_int_equal(cv_table_find(a, 1, &key, &spot), 0);
	gen = cv_pool_refresh(a, 1, node);
	assert_int_equal(cv_table_linked(a, node), 0);
	assert_true(cv_table_insert(a, node, &key, &spot));
	cv_pool_keep(hint, node, gen);
	assert_false(cv_table_insert(a, node, &key, &spot)); /* that head is gone */
	assert_int_equal(cv_table_linked(a, node), 1);
	assert_int_equal(cv_table_find(a, 1, &key, &spot), 1);
	assert_int_equal(spot.node, node);
	return node;
}

static void make_idle(struct cv_arena *a, uint32_t node)
{
	uint64_t own = atomic_load(&a->nodes[node].own);

	atomic_store(&a->nodes[node].own, cv_word(CV_IDLE, 0, cv_word_gen(own)));
}

/* Two buckets for sixteen groups: long chains, removal from their beginning, middle and end. */
static void chains_and_eviction(void **state)
{
	struct cv_arena a = make_arena(2);
	struct cv_hint hint = {0};
	struct cv_spot spot;
	unsigned char bytes[300];
	char name[NODES + 1][128];
	uint32_t node[NODES + 1];
	uint64_t gen = 0, blocks, bytes_used, long_names = 0;

	(void)state;
	for (int i = 0; i < NODES; i++) {
		snprintf(name[i], sizeof(name[i]), "%0*d", i % 2 ? 100 : 10 + i, i);
		node[i] = insert(&a, name[i], &hint);
		assert_true(node[i] != 0);
		assert_int_equal(cv_table_name(&a, 1, node[i], bytes, sizeof(bytes)), strlen(name[i]));
		assert_memory_equal(bytes, name[i], strlen(name[i]));
	}
	assert_int_equal(cv_pool_take(&a, 1, &hint), 0); /* all are led */
	for (int round = 0; round < 200; round++) {
		int i = round * 7 % NODES;
		struct cv_key key = key_of(&a, name[i]);

		make_idle(&a, node[i]);
		gen = cv_word_gen(atomic_load(&a.nodes[node[i]].own));
		snprintf(name[i], sizeof(name[i]), "%0*d", round % 3 ? 20 : 90, 1000 + round);
		node[i] = insert(&a, name[i], &hint); /* takes the idle one's place */
		assert_true(node[i] != 0);
		assert_true(cv_word_gen(atomic_load(&a.nodes[node[i]].own)) > gen);
		assert_int_equal(cv_table_find(&a, 1, &key, &spot), 0);
	}
	for (int i = 0; i < NODES; i++) {
		struct cv_key key = key_of(&a, name[i]);

		assert_int_equal(cv_table_find(&a, 1, &key, &spot), 1);
		assert_int_equal(spot.node, node[i]);
		long_names += key.size > CV_NAME_INLINE;
	}
	assert_int_equal(cv_heap_count(&a, &blocks, &bytes_used), 0);
	assert_int_equal(blocks, long_names); /* those of the evicted are free */
	free_arena(&a);
}

/* A node of this name, which is absent, ready to be inserted where *spot says. */
static uint32_t prepare(struct cv_arena *a, const struct cv_key *key, struct cv_hint *hint, struct cv_spot *spot)
{
	uint32_t node = cv_pool_take(a, 1, hint);

	assert_true(node != 0);
	assert_int_equal(cv_pool_fill(a, 1, node, key, hint), 0);
	assert_int_equal(cv_table_find(a, 1, key, spot), 0);
	cv_pool_refresh(a, 1, node);
	return node;
}

/* Somebody found a name absent; before it inserts it, another does, in the very node that was the head all the time. */
static void a_head_that_came_back_is_another_one(void **state)
{
	struct cv_arena a = make_arena_of(2, 1);
	struct cv_hint hint = {0};
	struct cv_key key = key_of(&a, "wanted");
	struct cv_spot spot;
	uint32_t first = insert(&a, "first", &hint), node = prepare(&a, &key, &hint, &spot);
	uint64_t was = cv_key_now(&a, first);

	(void)state;
	assert_int_equal((uint32_t)spot.head, first);
	make_idle(&a, first);
	assert_int_equal(insert(&a, "wanted", &hint), first);
	assert_false(cv_table_insert(&a, node, &key, &spot));
	assert_true(cv_key_now(&a, first) != was); /* nor does who waits for the first wait for the second */
	free_arena(&a);
}

static void names_of_one_hash_are_told_apart(void **state)
{
	struct cv_arena a = make_arena(2);
	struct cv_hint hint = {0};
	struct cv_spot spot;
	unsigned char names[4][100];
	uint32_t node[4];

	(void)state;
	memset(names, 'n', sizeof(names));
	for (int i = 0; i < 4; i++) {
		struct cv_key key = {names[i], i < 2 ? 21 : 100, 7};

		names[i][20] = (unsigned char)i;
		node[i] = prepare(&a, &key, &hint, &spot);
		assert_true(cv_table_insert(&a, node[i], &key, &spot));
	}
	for (int i = 0; i < 4; i++) {
		struct cv_key key = {names[i], i < 2 ? 21 : 100, 7};

		assert_int_equal(cv_table_find(&a, 1, &key, &spot), 1);
		assert_int_equal(spot.node, node[i]);
	}
	free_arena(&a);
}

static bool present(struct cv_arena *a, const char *name, struct cv_spot *spot)
{
	struct cv_key key = key_of(a, name);

	return cv_table_find(a, 1, &key, spot) == 1;
}

/* Led and given up: its generation. */
static uint64_t use_once(struct cv_arena *a, const char *name, struct cv_hint *hint)
{
	uint32_t node = insert(a, name, hint);
	uint64_t gen;

	assert_true(node != 0);
	gen = cv_word_gen(atomic_load(&a->nodes[node].own));
	make_idle(a, node);
	return gen;
}

static void use_names(struct cv_arena *a, const char *what, int count, struct cv_hint *hint, uint64_t *gens)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		uint64_t gen;

		snprintf(name, sizeof(name), "%s %d", what, i);
		gen = use_once(a, name, hint);
		if (gens != NULL)
			gens[i] = gen;
	}
}

static int count_present(struct cv_arena *a, const char *what, int count)
{
	struct cv_spot spot;
	char name[32];
	int found = 0;

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s %d", what, i);
		found += present(a, name, &spot);
	}
	return found;
}

/* Names used once take each other's places; those of others, and those that came back, stay.  Chains of four. */
static void names_used_once_take_each_others_places(void **state)
{
	enum { MANY = 256, OTHERS = 100, SOME = 20, ROUNDS = 400 };
	struct cv_arena a = make_arena_of(MANY, MANY / 4);
	struct cv_hint hint = {0}, of_another = {0};
	uint64_t gens[ROUNDS];
	struct cv_spot spot;
	char name[32];

	(void)state;
	use_names(&a, "other", OTHERS, &of_another, NULL);
	use_names(&a, "filler", MANY - OTHERS, &hint, NULL); /* now all nodes are in the table */
	use_names(&a, "once", SOME, &hint, gens);
	use_names(&a, "again", SOME, &hint, NULL);
	for (int i = 0; i < SOME; i++) { /* as an execution leaves it */
		snprintf(name, sizeof(name), "again %d", i);
		assert_true(present(&a, name, &spot));
		atomic_store(&a.nodes[spot.node].own, cv_word(CV_IDLE, 0, cv_word_gen(spot.own) + 1));
	}
	use_names(&a, "flood", 4 * (int)CV_POCKET, &hint, NULL);
	assert_true(count_present(&a, "once", SOME) <= SOME / 4);
	assert_true(count_present(&a, "again", SOME) >= SOME * 3 / 4);
	assert_true(count_present(&a, "other", OTHERS) >= OTHERS / 2);
	for (int i = 0; i < SOME; i++) { /* tokens grow also where the node was another's meanwhile */
		snprintf(name, sizeof(name), "once %d", i);
		if (!present(&a, name, &spot))
			assert_true(use_once(&a, name, &hint) > gens[i]);
	}
	/* Names that go round, more than the pocket holds, come to stay in a table that is full of others. */
	for (int round = 0; round < ROUNDS && count_present(&a, "round", 2 * (int)CV_POCKET) < (int)CV_POCKET; round++)
		for (int i = 0; i < 2 * (int)CV_POCKET; i++) {
			snprintf(name, sizeof(name), "round %d", i);
			if (!present(&a, name, &spot))
				use_once(&a, name, &hint);
		}
	assert_true(count_present(&a, "round", 2 * (int)CV_POCKET) >= (int)CV_POCKET);
	free_arena(&a);
}

/* What a pocket says of a node does not count once the node has changed. */
static void a_pocket_gives_only_what_is_idle(void **state)
{
	struct cv_arena a = make_arena(2);
	struct cv_hint hint = {0};
	uint32_t node[NODES];

	(void)state;
	for (int round = 0; round < 2 * (int)CV_POCKET; round++) { /* so it is full, most of it out of date */
		char name[32];

		snprintf(name, sizeof(name), "old %d", round);
		make_idle(&a, node[round % NODES] = insert(&a, name, &hint));
	}
	for (uint32_t i = 1; i <= NODES; i++) /* another leads them all again */
		atomic_store(&a.nodes[i].own, cv_word(CV_LEADING, 2, cv_word_gen(atomic_load(&a.nodes[i].own)) + 1));
	for (int i = 0; i < 20; i++)
		assert_int_equal(cv_pool_take(&a, 1, &hint), 0);
	make_idle(&a, 5);
	assert_int_equal(cv_pool_take(&a, 1, &hint), 5);
	free_arena(&a);
}

static void damaged_chains_are_said_to_be(void **state)
{
	struct cv_arena a = make_arena(1);
	struct cv_hint hint = {0};
	struct cv_spot spot;
	struct cv_key other = key_of(&a, "absent");
	uint32_t first = insert(&a, "one", &hint), second = insert(&a, "two", &hint);

	(void)state;
	atomic_fetch_or(&a.nodes[first].next, second); /* a circle */
	assert_int_equal(cv_table_find(&a, 1, &other, &spot), CV_ECORRUPT);
	assert_int_equal(cv_table_linked(&a, 9), CV_ECORRUPT);
	atomic_store(&a.buckets[0], UINT64_C(0xffffffff)); /* out of bounds */
	assert_int_equal(cv_table_find(&a, 1, &other, &spot), CV_ECORRUPT);
	assert_null(cv_heap_at(&a, 0));
	assert_null(cv_heap_at(&a, 0x0fffffff));
	assert_null(cv_heap_fitting(&a, 0x0fffff00, 0));
	free_arena(&a);
}

/* ------------------------------------------------------------------------------------------------ parking */

static int waits, waitvs;

static enum cv_slept no_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	(void)list, (void)count, (void)deadline;
	waitvs++;
	return CV_UNSUPPORTED;
}

static enum cv_slept no_wait(const struct cv_futex *one, int64_t deadline)
{
	(void)one;
	waits++;
	assert_true(deadline < INT64_MAX); /* bounded */
	return CV_TIMED_OUT;
}

static int64_t set_clock, put_aside;

static int64_t set_now(void)
{
	return set_clock;
}

static enum cv_slept late_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	(void)list, (void)count;
	set_clock = deadline + put_aside;
	return CV_TIMED_OUT;
}

static void parking_under_another_kernel(void **state)
{
	struct cv_futex_ops real = cv_kernel;
	_Atomic uint32_t words[2] = {1, 2};
	struct cv_futex list[2] = {{&words[0], 1}, {&words[1], 2}};
	int bounded = 0;

	(void)state;
	assert_int_equal(cv_park(list, 2, 0, &bounded), CV_PARK_EXPIRED);
	words[1] = 3;
	assert_int_equal(cv_park(list, 2, INT64_MAX, &bounded), CV_PARK_LOOK); /* changed before the sleep */
	cv_kernel.waitv = no_waitv;
	cv_kernel.wait = no_wait;
	assert_int_equal(cv_park(list, 2, INT64_MAX, &bounded), CV_PARK_LOOK);
	assert_int_equal(bounded, 1);
	assert_int_equal(waits, 1);
	assert_int_equal(waitvs, 1);
	cv_kernel.waitv = late_waitv;
	cv_kernel.now = set_now;
	assert_int_equal(cv_park(list, 2, INT64_MAX, &bounded), CV_PARK_BACKSTOP);
	assert_int_equal(bounded, 0);
	put_aside = CV_LATE_NS; /* what it finds then may have come after the sleep */
	assert_int_equal(cv_park(list, 2, INT64_MAX, &bounded), CV_PARK_LATE);
	cv_kernel.now = real.now;
	assert_int_equal(cv_park(list, 2, cv_kernel.now() + 1000000, &bounded), CV_PARK_EXPIRED);
	cv_kernel = real;
}

static _Atomic uint32_t *rung_late; /* NULL: nobody rings any more */

/* It is slept on as it is now, and the wake-up comes then. */
static enum cv_slept rung_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	(void)deadline;
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(list[i].expected, atomic_load(list[i].word));
		if (list[i].word == rung_late)
			return CV_WOKEN;
	}
	return CV_TIMED_OUT;
}

/* A wake-up that is still on its way is none that was lost, whichever of the words it is for. */
static void overdue_is_what_nobody_rings_for(void **state)
{
	struct cv_futex_ops real = cv_kernel;
	_Atomic uint32_t words[CV_PARK_WORDS] = {1, 2, 3};
	struct cv_futex list[CV_PARK_WORDS] = {{&words[0], 1}, {&words[1], 2}, {&words[2], 3}};

	(void)state;
	cv_kernel.waitv = rung_waitv;
	rung_late = NULL;
	assert_false(cv_park_overdue(list, CV_PARK_WORDS, false));
	assert_true(cv_park_overdue(list, CV_PARK_WORDS, true));
	for (int changed = 0; changed < CV_PARK_WORDS; changed++) {
		words[changed]++;
		rung_late = NULL;
		assert_true(cv_park_overdue(list, CV_PARK_WORDS, false));
		for (int rung = 0; rung < CV_PARK_WORDS; rung++) {
			rung_late = &words[rung];
			assert_false(cv_park_overdue(list, CV_PARK_WORDS, false));
		}
		words[changed]--;
	}
	cv_kernel = real;
}

/* Who read the bells before this does not fall asleep on them after it. */
static void ringing_changes_the_bells(void **state)
{
	struct cv_tail n = {0};

	(void)state;
	cv_ring(&n);
	assert_int_not_equal(n.bell, 0);
	assert_int_not_equal(n.request_bell, 0);
}

/* ------------------------------------------------------------------------------------------------ watching */

static int wakes;

static int count_wake(_Atomic uint32_t *word, int count)
{
	(void)word;
	wakes += count == INT32_MAX;
	return 0;
}

/* What a change of node 5 does to a word in each state: at most one wake, and none for those who watch another node. */
static void watchers_are_rung_once(void **state)
{
	int (*real)(_Atomic uint32_t *, int) = cv_kernel.wake;
	struct cv_arena a = make_arena(4);
	_Atomic uint32_t *all = &a.watch[CV_WATCH_ALL], *five = &a.watch[cv_watch_index(5)];
	uint32_t armed;

	(void)state;
	cv_kernel.wake = count_wake;
	wakes = 0;
	cv_changed(&a, 5);
	assert_int_equal(wakes, 0); /* nobody watches */
	armed = cv_watch_arm(all);
	assert_int_equal(cv_watch_arm(all), armed); /* a second watcher sleeps on the same */
	cv_changed(&a, 5);
	assert_int_equal(wakes, 1);
	assert_int_not_equal(atomic_load(all), armed);
	cv_changed(&a, 5);
	cv_changed(&a, 6);
	assert_int_equal(wakes, 1); /* not armed again yet */
	assert_int_not_equal(cv_watch_arm(all), armed);
	atomic_store(all, CV_WATCH_IDLE);
	armed = cv_watch_arm(five);
	cv_changed(&a, 6);
	assert_int_equal(wakes, 1);
	assert_int_equal(atomic_load(five), armed);
	cv_changed(&a, 5);
	assert_int_equal(wakes, 2);
	/* who changed was killed, or is stopped, before its wake: the next one, an arming and a reaper make up for it */
	atomic_store(five, CV_WATCH_RINGING);
	cv_changed(&a, 5);
	assert_int_equal(wakes, 3);
	assert_int_equal(atomic_load(five), CV_WATCH_IDLE);
	atomic_store(five, CV_WATCH_RINGING);
	assert_int_equal(cv_watch_arm(five), CV_WATCH_ARMED);
	assert_int_equal(wakes, 4);
	atomic_store(five, CV_WATCH_RINGING);
	cv_watch_ring_all(&a);
	assert_int_equal(wakes, 5);
	/* a state that is none */
	atomic_store(five, 3);
	cv_changed(&a, 5);
	assert_int_equal(atomic_load(five), CV_WATCH_IDLE);
	atomic_store(five, 3);
	assert_int_equal(cv_watch_arm(five), CV_WATCH_ARMED);
	cv_kernel.wake = real;
	free_arena(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(words_hold_what_they_are_given),
	        cmocka_unit_test(seat_words_hold_what_they_are_given),
	        cmocka_unit_test(blocks_of_every_size),
	        cmocka_unit_test(damaged_headers_are_refused),
	        cmocka_unit_test(memory_is_committed_and_given_back),
	        cmocka_unit_test(slabs_are_given_back),
	        cmocka_unit_test(an_entered_slab_stays),
	        cmocka_unit_test(the_dead_are_reaped),
	        cmocka_unit_test(a_pinned_block_is_not_reused),
	        cmocka_unit_test(an_outbox_is_one_addressees),
	        cmocka_unit_test(damaged_outbox_words_are_refused),
	        cmocka_unit_test(seats_run_out_and_come_back),
	        cmocka_unit_test(chains_and_eviction),
	        cmocka_unit_test(a_head_that_came_back_is_another_one),
	        cmocka_unit_test(names_of_one_hash_are_told_apart),
	        cmocka_unit_test(names_used_once_take_each_others_places),
	        cmocka_unit_test(a_pocket_gives_only_what_is_idle),
	        cmocka_unit_test(damaged_chains_are_said_to_be),
	        cmocka_unit_test(parking_under_another_kernel),
	        cmocka_unit_test(overdue_is_what_nobody_rings_for),
	        cmocka_unit_test(ringing_changes_the_bells),
	        cmocka_unit_test(watchers_are_rung_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
