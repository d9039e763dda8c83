/*
 * request.c - what is asked of a leader is read while its waiter may leave, and ask another thing
 *
 * Seat 1 leads the group of node 1; seat 2 asks, by shm's own request.c.
 */
#ifdef LARGE
#define HEAP
#endif
#include "stage.h"

#define pid_t int /* GenMC's headers have none */

#include <request.c> /* not this one */

/* Never called: no request is kept here. */
void *shm_reallocate(void *memory, size_t size)
{
	(void)memory, (void)size;
	return NULL;
}

_Thread_local struct covey_thread *covey_thread_last;

#define KEY cv_key_of(1, 0)

static struct covey region = {.arena = ARENA};
static struct covey_thread asker = {.c = &region, .seat = 2};

/* Each word of the n-th request is n.  LARGE: it is too long for the seat, and lies in a block. */
#ifdef LARGE
#define REQUEST (CV_REQUEST_INLINE + 8)
#else
#define REQUEST 16
#endif

uint32_t covey_heap_take(covey *c, struct covey_thread *t, size_t skip, size_t size)
{
	return cv_heap_take(&c->arena, t->seat, skip + size, &t->hint);
}

static void ask(uint64_t n)
{
	uint64_t words[REQUEST / 8];

	for (int i = 0; i < REQUEST / 8; i++)
		words[i] = n;
	assert(covey_request_put(&region, &asker, 1, words, sizeof(words)) == 0);
	cv_seat_post(a, 2, KEY);
}

static void setup(void)
{
	region.arena.heap = arena.heap;
	atomic_store(&globals.seat_high, 2);
	ask(1);
}

/* What is read is of the wait that it was read for. */
static int of_this_wait(void *context, const void *request, size_t size)
{
	const uint64_t *words = request, n = *(const uint64_t *)context;

	assert(size == REQUEST);
	for (int i = 0; i < REQUEST / 8; i++)
		assert(words[i] == n);
	return 1;
}

static void first(void)
{
	uint64_t word, n;

	if (!cv_seat_waits(a, 2, KEY, &word))
		return;
	n = cv_seat_seq(word) == 1 ? 1 : 2;
	if (covey_request_matches(&region, 1, 2, word, of_this_wait, &n) == 0)
		assert(atomic_load(&seats[2].word) != word); /* else it is taken for damaged */
}

static void second(void)
{
	assert(cv_seat_withdraw(a, 2));
	covey_request_drop(&region, &asker);
	ask(2);
}

static void after(void)
{
}
