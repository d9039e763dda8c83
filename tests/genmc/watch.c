/*
 * watch.c - a watcher arms, looks and sleeps; who changes something rings
 */
#include "stage.h"

#define BEFORE cv_word(CV_IDLE, 0, 1)
#define LED cv_word(CV_LEADING, 1, 2)

#ifdef ONE_GROUP
#define WORD (&watch[cv_watch_index(1)])
#else
#define WORD (&watch[CV_WATCH_ALL])
#endif

#ifdef ABSENT

/* who looks for a name, and finds nobody who leads it, is rung by the first who does */

enum { X };

static void setup(void)
{
	fill(1, 1, X);
}

static void first(void)
{
	struct cv_key key = key_of(X);
	struct cv_spot spot;

	assert(cv_table_find(a, 1, &key, &spot) == 0);
	cv_pool_refresh(a, 1, 1);
	assert(cv_table_insert(a, 1, &key, &spot));
	cv_changed(a, 1);
}

static void second(void)
{
	struct cv_key key = key_of(X);
	struct cv_futex futex = {WORD, cv_watch_arm(WORD)};
	struct cv_spot spot;
	int bounded;

	if (cv_table_find(a, 0, &key, &spot) == 0)
		cv_park(&futex, 1, 2, &bounded);
}

#else

static bool saw[4][3];

static void change(uint32_t node)
{
	uint64_t word = BEFORE;

	assert(atomic_compare_exchange_strong(&nodes[node].own, &word, LED));
#ifdef REAPED /* for a dead one, without a look before */
	cv_watch_ring_all(a);
#else
	cv_changed(a, node);
#endif
}

static void look(int thread)
{
	struct cv_futex futex = {WORD, cv_watch_arm(WORD)};
	int bounded;

	saw[thread][1] = atomic_load(&nodes[1].own) != BEFORE;
	saw[thread][2] = atomic_load(&nodes[2].own) != BEFORE;
	if (!saw[thread][1] && !saw[thread][2])
		cv_park(&futex, 1, thread, &bounded);
}

static void setup(void)
{
	atomic_store(&nodes[1].own, BEFORE);
	atomic_store(&nodes[2].own, BEFORE);
#ifdef RINGING /* a changer died between its swap and its wake */
	atomic_store(WORD, CV_WATCH_RUNG | CV_WATCH_RINGING);
	slept[3] = true;
	asleep_on[3][0] = WORD;
#endif
}

static void first(void)
{
	change(1);
}

static void second(void)
{
	look(2);
}

#ifdef THIRD
static void third(void)
{
#ifdef CHANGERS
	change(2);
#else
	look(3);
#endif
}
#endif

#endif

static void after(void)
{
	assert(!sleeps(2));
	assert(!sleeps(3));
}
