/*
 * parking.c - see parking.h
 */
#include "parking.h"

#include <limits.h>
#include <unistd.h>

#include "spin.h"

#define SPIN_MIN 32
#define SPIN_START 256
#define SPIN_MAX 8192       /* longer than a wake-up takes */
#define SPIN_LONG_ONE_IN 16 /* a power of two */

/* How many processors there are; asked once.  Not how many this thread may use: one that is pinned to a processor is
 * answered from another.  Where both sides are kept on the same one, each spin fails, and the budget stays at its least. */
static int processors(void)
{
	static _Atomic int known; /* relaxed: every thread would find the same */
	int n = atomic_load_explicit(&known, memory_order_relaxed);

	if (n == 0) {
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
		n = n > 0 ? n : 1;
		atomic_store_explicit(&known, n, memory_order_relaxed);
	}
	return n;
}

void cv_ring_receiver(struct cv_tail *n)
{
	/* seq_cst: a receiver reads the bell, looks, says that it sleeps, and then the kernel compares the bell */
	atomic_fetch_add(&n->request_bell, 1);
	/* Only who sleeps says that he does not any more: whoever rings may be stopped right here, or killed. */
	if (atomic_load(&n->receivers) != 0)
		cv_kernel.wake(&n->request_bell, INT_MAX);
}

void cv_ring(struct cv_tail *n)
{
	/* release: after what the sleepers are to see; they read the bell before they look */
	atomic_fetch_add_explicit(&n->bell, 1, memory_order_release);
	cv_kernel.wake(&n->bell, INT_MAX);
	cv_ring_receiver(n);
}

static uint32_t spin_limit(const struct cv_spinner *spinner)
{
	if (processors() == 1)
		return 0;
	return spinner->vain % SPIN_LONG_ONE_IN == SPIN_LONG_ONE_IN - 1 ? SPIN_MAX : spinner->budget;
}

/* It paid after so many rounds: the next one is to last for twice as long at least. */
static void spin_paid(struct cv_spinner *spinner, uint32_t rounds)
{
	uint32_t longest = rounds > spinner->budget ? rounds : spinner->budget;

	spinner->budget = longest < SPIN_MAX / 2 ? longest * 2 : SPIN_MAX;
	spinner->vain = 0;
}

int cv_spin_for(struct cv_spinner *spinner, _Atomic uint32_t *word, uint32_t expected, const void *then)
{
	if (spinner->budget == 0)
		spinner->budget = SPIN_START;
	for (uint32_t i = 0, limit = spin_limit(spinner); i < limit; i++) {
		/* acquire: the caller goes on as if it had been woken */
		if (atomic_load_explicit(word, memory_order_acquire) != expected) {
			spin_paid(spinner, i);
			return 1;
		}
		cv_fetch(then);
		cv_pause();
	}
	spinner->budget = spinner->budget > SPIN_MIN ? spinner->budget / 2 : SPIN_MIN;
	spinner->vain++;
	return 0;
}

int cv_spin(struct cv_spinner *spinner, _Atomic uint32_t *word, uint32_t expected)
{
	return cv_spin_for(spinner, word, expected, (const void *)word);
}

uint32_t cv_look_on(const _Atomic uint64_t *word, uint64_t expected, uint32_t rounds)
{
	if (processors() == 1)
		return 0;
	/* acquire: the caller goes on with what it was changed for */
	while (rounds != 0 && atomic_load_explicit(word, memory_order_acquire) == expected) {
		cv_pause();
		rounds--;
	}
	return rounds != 0 ? rounds - 1 : 0;
}

bool cv_keep_off(int64_t nanoseconds)
{
	int64_t until;

	if (processors() == 1)
		return false;
	until = cv_kernel.now() + nanoseconds;
	do
		cv_pause();
	while (cv_kernel.now() < until);
	return true;
}

static enum cv_slept sleep_on(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	return count == 1 ? cv_kernel.wait(list, deadline) : cv_kernel.waitv(list, count, deadline);
}

enum cv_parked cv_park(const struct cv_futex *list, unsigned count, int64_t deadline, int *bounded)
{
	int64_t now = cv_kernel.now(), backstop = now + CV_BACKSTOP_NS;
	enum cv_slept slept;

	if (deadline <= now)
		return CV_PARK_EXPIRED;
	slept = sleep_on(list, count, deadline < backstop ? deadline : backstop);
	*bounded = slept == CV_UNSUPPORTED;
	if (slept == CV_UNSUPPORTED) {
		if (count > 1)
			cv_kernel.wait(list, deadline < now + CV_BOUNDED_NS ? deadline : now + CV_BOUNDED_NS);
		return CV_PARK_LOOK; /* the caller's next look at the clock ends it */
	}
	if (slept != CV_TIMED_OUT)
		return slept == CV_WOKEN_EARLY ? CV_PARK_EARLY : CV_PARK_LOOK;
	if (deadline < backstop)
		return CV_PARK_EXPIRED;
	return cv_kernel.now() - backstop < CV_LATE_NS ? CV_PARK_BACKSTOP : CV_PARK_LATE;
}

bool cv_park_overdue(const struct cv_futex *list, unsigned count, bool news)
{
	struct cv_futex now[CV_PARK_WORDS];

	for (unsigned i = 0; i < count; i++) {
		/* relaxed: what matters is what the kernel finds as it compares */
		now[i] = (struct cv_futex){list[i].word, atomic_load_explicit(list[i].word, memory_order_relaxed)};
		news = news || now[i].expected != list[i].expected;
	}
	return news && sleep_on(now, count, cv_kernel.now() + CV_GRACE_NS) == CV_TIMED_OUT;
}
