/*
 * pool.c - where nodes come from: fresh, free, evicted, out of the pocket; and what their generations may be
 */
#include "stage.h"

enum { X, K };

static struct cv_hint hints[SEATS + 1];

#if defined(FLOOR)

/* X is evicted and led again in another node: its generation has grown.  BEHIND: another was before it in its chain;
 * HELPED: and it may be the one who sees the mark that unlinks it */

static bool linked_anew;

static void setup(void)
{
	put(1, 1, X);
	atomic_store(&nodes[1].own, cv_word(CV_IDLE, 0, 5));
	fill(2, 2, X);
#ifdef BEHIND
	put(1, 3, K);
#endif
}

static void first(void)
{
	claim_idle(a, 1, 1, cv_word(CV_IDLE, 0, 5), &hints[1]);
}

static void second(void)
{
	struct cv_key key = key_of(X);
	struct cv_spot spot;

#ifdef HELPED
	assert(cv_table_linked(a, 1) >= 0); /* as a reaper: it takes out what is marked */
#endif
	if (cv_table_find(a, 2, &key, &spot) == 1)
		return;
	cv_pool_refresh(a, 2, 2);
	linked_anew = cv_table_insert(a, 2, &key, &spot);
	assert(cv_word_gen(atomic_load(&nodes[2].own)) > 5);
}

static void after(void)
{
	assert(linked(X) == linked_anew);
}

#elif defined(FLOORS)

/* two are evicted: the floor is that of the later one */

static void setup(void)
{
	put(1, 1, X);
	put(1, 2, K);
	atomic_store(&nodes[1].own, cv_word(CV_IDLE, 0, 5));
	atomic_store(&nodes[2].own, cv_word(CV_IDLE, 0, 4));
}

static void first(void)
{
	floor_raise(a, 5);
}

static void second(void)
{
	floor_raise(a, 4);
	assert(floor_of(a) >= 4);
}

static void after(void)
{
	assert(floor_of(a) == 5);
}

#elif defined(TAKE)

/* two threads take a node each, and a scan reaches what it sees in use */

static uint32_t taken[3];

static void setup(void)
{
}

static void first(void)
{
	taken[1] = cv_pool_take(a, 1, &hints[1]);
}

static void second(void)
{
	taken[2] = cv_pool_take(a, 2, &hints[2]);
}

#ifdef THIRD
static void third(void)
{
	if (cv_word_state(atomic_load(&nodes[1].own)) != CV_FREE)
		assert(cv_pool_high(a) >= 1);
}
#endif

static void after(void)
{
	assert(taken[1] != 0 && taken[2] != 0 && taken[1] != taken[2]);
	assert(atomic_load(&nodes[taken[1]].own) == cv_word(CV_PRIVATE, 1, 0));
	assert(atomic_load(&nodes[taken[2]].own) == cv_word(CV_PRIVATE, 2, 0));
}

#elif defined(FREE)

/* a node is freed, and filled by another: what the first wrote does not come after it */

static bool taken;

static void setup(void)
{
	atomic_store(&nodes[1].own, cv_word(CV_PRIVATE, 1, 3));
}

static void first(void)
{
	struct cv_key key = key_of(X);

	assert(cv_pool_fill(a, 1, 1, &key, &hints[1]) == 0);
	cv_pool_free(a, 1, 1);
}

static void second(void)
{
	struct cv_key key = key_of(K);

	taken = take_node(a, 2, 1, &hints[2]) == 1;
	if (taken)
		assert(cv_pool_fill(a, 2, 1, &key, &hints[2]) == 0);
}

static void after(void)
{
	int name = taken ? K : X;

	assert(cv_next_incarnation(atomic_load(&nodes[1].next)) == 1u + taken);
	assert(atomic_load(&nodes[1].name[0]) == names[name][0]);
	assert(atomic_load(&nodes[1].hash) == key_of(name).hash);
}

#elif defined(EVICT)

/* a name is put in and its execution ends; who evicts it finds its chain */

static bool taken;

static void setup(void)
{
	atomic_store(&nodes[1].own, cv_word(CV_PRIVATE, 1, 0));
}

static void first(void)
{
	put(1, 1, X);
	atomic_store(&nodes[1].own, cv_word(CV_IDLE, 0, 1));
}

static void second(void)
{
	taken = take_node(a, 2, 1, &hints[2]) == 1;
}

static void after(void)
{
	assert(((uint32_t)atomic_load(&buckets[BUCKETS - 1]) == 1) == !taken);
}

#elif defined(POCKET)

/* the oldest of a pocket is taken, or its group is led once more, never both */

static uint32_t taken;
static bool led;

static void setup(void)
{
	put_idle(1, 1, X);
	atomic_store(&globals.node_fresh, NODES);
	for (unsigned i = 0; i < CV_POCKET; i++)
		cv_pool_keep(&hints[1], 1, 1);
	hints[1].taken = 1; /* not by the clock */
}

static void first(void)
{
	taken = take_from_pocket(a, 1, &hints[1]);
}

static void second(void)
{
	struct cv_key key = key_of(X);
	struct cv_spot spot;

	if (cv_table_find_idle(a, &key, &spot))
		led = atomic_compare_exchange_strong(&nodes[1].own, &spot.own, cv_word(CV_LEADING, 2, 2));
}

static void after(void)
{
	assert(led + (taken == 1) == 1);
	assert(linked(X) == led);
}

#elif defined(SETTLE)

/* an orphaned group becomes idle: who posted and sleeps for it is rung; WATCHED: so is who watches it; LEAVE: its last
 * waiter leaves as it is orphaned, and one of the two sees that nobody waits */

#define ORPHANED cv_word(CV_LEADING, 0, 1)

static void setup(void)
{
	put(1, 1, X);
	atomic_store(&nodes[1].own, ORPHANED);
	atomic_store(&globals.seat_high, 2);
#ifdef LEAVE
	atomic_store(&nodes[1].own, cv_word(CV_LEADING, 1, 1));
	cv_seat_post(a, 2, cv_key_now(a, 1));
#endif
}

static void first(void)
{
#ifdef LEAVE
	uint64_t own = cv_word(CV_LEADING, 1, 1);

	assert(atomic_compare_exchange_strong(&nodes[1].own, &own, ORPHANED)); /* as its reaper */
#endif
	cv_pool_settle(a, 1, ORPHANED);
}

#if defined(LEAVE)

static void second(void)
{
	assert(cv_seat_withdraw(a, 2));
	cv_pool_settle(a, 1, atomic_load(&nodes[1].own));
}

static void after(void)
{
	assert(cv_word_state(atomic_load(&nodes[1].own)) == CV_IDLE);
}

#elif defined(WATCHED)

static void second(void)
{
	struct cv_futex futex = {&watch[CV_WATCH_ALL], cv_watch_arm(&watch[CV_WATCH_ALL])};
	int bounded;

	if (atomic_load(&nodes[1].own) == ORPHANED)
		cv_park(&futex, 1, 2, &bounded);
}

static void after(void)
{
	assert(!sleeps(2));
}

#else

static void second(void)
{
	struct cv_futex bell = {&tails[1].bell, 0};
	int bounded;

	cv_seat_post(a, 2, cv_key_now(a, 1));
	bell.expected = atomic_load(&tails[1].bell);
	if (cv_word_state(atomic_load(&nodes[1].own)) == CV_LEADING)
		cv_park(&bell, 1, 2, &bounded);
}

static void after(void)
{
	assert(!sleeps(2) || cv_word_state(atomic_load(&nodes[1].own)) == CV_LEADING);
}

#endif

#endif
