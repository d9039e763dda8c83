/*
 * table.c - lookups against insertions, evictions, and nodes that are used again under a reader
 *
 * Names X, K and C lie in one bucket.
 */
#include "stage.h"

enum { X, K, C };

/* What is found of a name must be that name's. */
static void find(uint32_t seat, int name, uint32_t node, uint32_t incarnation, uint64_t from, uint64_t to)
{
	struct cv_key key = key_of(name);
	struct cv_spot spot;
	int r = cv_table_find(a, seat, &key, &spot);

	assert(r >= 0);
	if (r == 0)
		return;
	assert(spot.node == node);
	assert(spot.incarnation == incarnation);
	assert(cv_word_gen(spot.own) >= from && cv_word_gen(spot.own) <= to);
}

static void find_present(uint32_t seat, int name)
{
	struct cv_key key = key_of(name);
	struct cv_spot spot;

	assert(cv_table_find(a, seat, &key, &spot) == 1);
}

static bool insert(uint32_t seat, uint32_t node, int name)
{
	struct cv_key key = key_of(name);
	struct cv_spot spot;
	int r;

	do {
		r = cv_table_find(a, seat, &key, &spot);
		if (r == 1)
			return false;
		assert(r == 0);
		cv_pool_refresh(a, seat, node);
	} while (!cv_table_insert(a, node, &key, &spot));
	return true;
}

/* False: it is led. */
static bool evict(uint32_t seat, uint32_t node)
{
	static struct cv_hint hints[SEATS + 1];

	return claim_idle(a, seat, node, cv_word(CV_IDLE, 0, 1), &hints[seat]) == 1;
}

/* An idle node is taken out and comes back with another name. */
static void become(uint32_t seat, uint32_t node, int name)
{
	struct cv_key key = key_of(name);
	struct cv_hint hint;

	if (!evict(seat, node))
		return;
	assert(cv_pool_fill(a, seat, node, &key, &hint) == 0);
	assert(insert(seat, node, name));
}

#if defined(SAME_NAME)

/* one of two who insert it is the first */

static bool led[3];

static void setup(void)
{
	fill(1, 1, X);
	fill(2, 2, X);
}

static void first(void)
{
	led[1] = insert(1, 1, X);
}

static void second(void)
{
	led[2] = insert(2, 2, X);
}

static void after(void)
{
	assert(led[1] + led[2] == 1);
	assert(linked(X) == 1);
}

#elif defined(OTHER_NAME)

/* a name stays to be found while another is inserted before it */

static void setup(void)
{
	put_idle(1, 1, K);
	fill(1, 2, X);
}

static void first(void)
{
	assert(insert(1, 2, X));
}

static void second(void)
{
	find_present(2, K);
	find(2, X, 2, 1, 1, 2);
}

static void after(void)
{
	assert(linked(X) == 1 && linked(K) == 1);
}

#elif defined(REFILL) || defined(REFILL_FIRST) || defined(REFILL_IDLE)

/* X is evicted, and its node becomes K's; REFILL: behind another in the chain; the others: alone in it */

static bool led;

static void setup(void)
{
	put_idle(1, 1, X);
#ifdef REFILL
	put_idle(1, 2, C);
#endif
}

static void first(void)
{
	become(1, 1, K);
#ifdef REFILL_IDLE
	uint64_t own = cv_word(CV_LEADING, 1, 2);

	atomic_compare_exchange_strong(&nodes[1].own, &own, cv_word(CV_IDLE, 0, 2));
#endif
}

static void second(void)
{
#ifdef REFILL_IDLE
	struct cv_key key = key_of(X);
	struct cv_spot spot;

	/* what is led is the group that was looked for: then the eviction fails */
	if (cv_table_find_idle(a, &key, &spot)) {
		uint64_t own = spot.own;

		led = atomic_compare_exchange_strong(&nodes[1].own, &own, cv_word(CV_LEADING, 2, 9));
		assert(spot.node == 1 && (!led || (spot.incarnation == 1 && cv_word_gen(own) == 1)));
	}
#elif defined(NEW)
	find(2, K, 1, 2, 2, 2);
#else
	find(2, X, 1, 1, 1, 1);
#endif
}

static void after(void)
{
	assert(linked(X) + linked(K) == 1 && linked(X) == led);
}

#elif defined(MOVE)

/* the node before one that is looked for is taken out, and comes back at the head */

static void setup(void)
{
	put_idle(1, 1, C);
	put_idle(1, 2, X);
}

static void first(void)
{
	become(1, 2, K);
}

static void second(void)
{
	find_present(2, C);
}

static void after(void)
{
	assert(linked(C) == 1 && linked(K) == 1 && linked(X) == 0);
}

#elif defined(NEIGHBOURS)

/* two who are next to each other in the chain are taken out at once */

static void setup(void)
{
	put_idle(1, 1, C);
	put_idle(1, 2, X);
#ifdef MORE
	put_idle(1, 3, K);
#endif
}

static void first(void)
{
	assert(evict(1, 1));
}

static void second(void)
{
	assert(evict(2, 2));
}

static void after(void)
{
	assert(linked(C) == 0 && linked(X) == 0);
	assert(cv_table_linked(a, 1) == 0 && cv_table_linked(a, 2) == 0);
}

#elif defined(TAIL_AND_HEAD)

/* the last one is taken out while another is inserted at the head */

static void setup(void)
{
	put_idle(1, 1, C);
#ifdef MORE
	put_idle(1, 3, X);
#endif
	fill(2, 2, K);
}

static void first(void)
{
	assert(evict(1, 1));
}

static void second(void)
{
	assert(insert(2, 2, K));
}

static void after(void)
{
	assert(linked(C) == 0 && linked(K) == 1);
}

#elif defined(REAP)

/* whoever sees the node PRIVATE, as who reaps its dead owner does, may free it: it is out of the chain */

static void setup(void)
{
	put_idle(1, 1, X);
#ifdef MORE
	put_idle(1, 2, C);
#endif
}

static void first(void)
{
	assert(evict(1, 1));
}

static void second(void)
{
	uint64_t own = atomic_load(&nodes[1].own);

	if (cv_word_state(own) == CV_PRIVATE)
		assert((uint32_t)atomic_load_explicit(&buckets[0], memory_order_relaxed) != 1 &&
		        (uint32_t)atomic_load_explicit(&nodes[2].next, memory_order_relaxed) != 1);
}

static void after(void)
{
	assert(linked(X) == 0);
}

#elif defined(NAME)

/* a name is read while its node is refilled with another */

static void setup(void)
{
	put_idle(1, 1, X);
}

static void first(void)
{
	become(1, 1, K);
}

static void second(void)
{
	uint64_t name[WORDS] = {0};
	uint32_t size = cv_table_name(a, 2, 1, (unsigned char *)name, sizeof(name));

	assert(size == 0 || (size == sizeof(name) && name[0] == name[WORDS - 1]));
	assert(size == 0 || name[0] == names[X][0] || name[0] == names[K][0]);
}

static void after(void)
{
}

#endif
