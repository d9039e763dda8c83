/*
 * monitor.c - reporting which groups changed, asleep while none does
 *
 *      arm the watch word  -->  look  -->  report what differs  -->  sleep on { watch word, stop word, a life }
 *             ^                                                             |
 *             +-------- wait out the period, on the stop word alone <-------+
 *
 * The watch words and why nothing is missed between arming and sleeping: core/watch.h.  Armed only while it sleeps without
 * a timeout, a monitor is woken at most once a period, however much changes; and while nothing does, never.
 *
 * Which word.  All groups: word 0.  One group: its node's word, if the look after the arming finds it led there: as long
 * as it is led it stays in that node, and its end is rung on that word.  A group that nobody leads may leave its node and
 * come back in another; its monitor arms word 0 then, and looks at each change of any group.
 *
 * The dead do not ring.  Whoever reaps them does, or whoever takes over.  If there is nobody left to do either, there is
 * still the kernel: the monitor sleeps on a life word of one who lives, whichever.  If that one dies, the monitor looks,
 * and chooses another; if any other dies, that one's keeper reaps it, and rings.  The word is the monitors' own, since the
 * kernel wakes one sleeper on each, and those who wait for results or reap must not lose theirs to an onlooker.  If the
 * monitor that it woke is killed before it wakes its fellows, they learn of this death with the next change.
 *
 * The monitor writes to nothing but the watch words.  A handle that only reads has its page mapped a second time, if the
 * file may be written by this user.  If not, or where the kernel cannot wait for several words at once, there is a look
 * a period.
 *
 * It may be the thread of a process that has no seat and no slot; all it reads it reads without pinning, see snapshot.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hash.h"
#include "snapshot.h"
#include "watch.h"

#define PERIOD_DEFAULT_NS 1000000000

struct covey_monitor {
	covey *c; /* NULL: covey_close() has ended it already */
	struct covey_monitor *next;
	pid_t process; /* that has the thread: a child of its fork has none */
	pthread_t thread;
	int64_t period;
	covey_monitor_sink sink;
	void *context;
	struct cv_key key; /* of the one group; size 0: all */
	_Atomic uint32_t stop;
	_Atomic uint64_t wakeups;
	_Atomic uint32_t *watch; /* NULL: nobody can wake us */
	void *page;              /* our own mapping of them, or NULL */
	size_t page_size;
	unsigned char name[];
};

/* ------------------------------------------------------------------------------------------------ sleeping */

/* What the next sleep is on: the stop word, the armed word, and perhaps a life. */
struct berth {
	struct cv_futex list[3];
	unsigned count;
};

static bool stopped(struct covey_monitor *m)
{
	return atomic_load(&m->stop) != 0;
}

static void any_life(covey *c, struct berth *b)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);
	struct covey_life life;

	for (uint32_t i = 0; i < high && i < c->counts.participants; i++) {
		covey_life_of_slot(c, i, &life);
		if (!life.alive)
			continue;
		b->list[b->count++] = life.words[COVEY_LIFE_OF_MONITORS];
		return;
	}
}

/* The kernel woke one of those who sleep on this life. */
static void pass_on_death(const struct berth *b)
{
	if (b->count == 3 && atomic_load(b->list[2].word) != b->list[2].expected)
		cv_kernel.wake(b->list[2].word, INT_MAX);
}

static void sleep_until_changed(struct covey_monitor *m, const struct berth *b)
{
	enum cv_slept slept;

	if (m->watch == NULL || stopped(m))
		return;
	slept = cv_kernel.waitv(b->list, b->count, COVEY_FOREVER);
	if (slept == CV_UNSUPPORTED) {
		m->watch = NULL;
		return;
	}
	atomic_fetch_add(&m->wakeups, 1);
	pass_on_death(b);
}

static void sleep_until(struct covey_monitor *m, int64_t deadline)
{
	struct cv_futex stop = {&m->stop, 0};

	while (!stopped(m) && cv_kernel.now() < deadline) {
		cv_kernel.wait(&stop, deadline);
		atomic_fetch_add(&m->wakeups, 1);
	}
}

/* ------------------------------------------------------------------------------------------------ looking */

static bool look_armed(
        struct covey_monitor *m, unsigned word, uint32_t *node, struct berth *b, struct covey_snapshot *out)
{
	*b = (struct berth){.list = {{&m->stop, 0}}, .count = 1};
	if (m->watch != NULL) {
		b->list[b->count++] = (struct cv_futex){&m->watch[word], cv_watch_arm(&m->watch[word])};
		any_life(m->c, b); /* before the look: if it ends after this, we are woken */
	}
	return covey_snapshot_take(m->c, m->key.size != 0 ? &m->key : NULL, node, out);
}

/* A look with the right word armed.  The group may move from node to node under it, but each time somebody led it anew. */
static bool look(struct covey_monitor *m, uint32_t *node, struct berth *b, struct covey_snapshot *out)
{
	unsigned armed;
	bool good;

	do {
		armed = *node == 0 ? CV_WATCH_ALL : cv_watch_index(*node);
		good = look_armed(m, armed, node, b, out);
		if (!good || armed == (*node == 0 ? CV_WATCH_ALL : cv_watch_index(*node)))
			return good;
		covey_snapshot_free(out);
	} while (!stopped(m));
	*out = (struct covey_snapshot){.count = 0};
	return false;
}

/* False: out of memory, and `was` is still what was reported last. */
static bool report(struct covey_monitor *m, struct covey_snapshot *was, struct covey_snapshot *is, bool first)
{
	struct covey_change *changes;
	size_t count;

	if (!covey_snapshot_compare(was, is, &changes, &count))
		return false;
	if ((count != 0 || first) && !stopped(m))
		m->sink(m->context, changes, count);
	free(changes);
	covey_snapshot_free(was);
	*was = *is;
	return true;
}

static void *monitor_run(void *argument)
{
	struct covey_monitor *m = argument;
	struct covey_snapshot was = {.count = 0}, is;
	bool first = true;
	uint32_t node = 0;

	prctl(PR_SET_NAME, "covey-monitor");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	while (!stopped(m)) {
		int64_t looked = cv_kernel.now();
		struct berth berth;

		if (!look(m, &node, &berth, &is)) {
			sleep_until(m, looked + m->period); /* there may be memory then */
			continue;
		}
		if (report(m, &was, &is, first))
			first = false;
		else
			covey_snapshot_free(&is);
		sleep_until_changed(m, &berth);
		sleep_until(m, looked + m->period);
	}
	covey_snapshot_free(&was);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------ beginning and end */

/* The watch words, to be written, for a handle that only reads. */
static void watch_map(struct covey_monitor *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), offset = m->c->layout.watch / page * page;
	int fd = covey_file_reopen(m->c, O_RDWR);
	unsigned char *map;

	if (fd < 0)
		return;
	m->page_size = m->c->layout.watch - offset + COVEY_PAGE;
	map = mmap(NULL, m->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	close(fd);
	if (map == MAP_FAILED)
		return;
	m->page = map;
	m->watch = (_Atomic uint32_t *)(void *)(map + (m->c->layout.watch - offset));
}

/* Quiet, and so is the thread. */
static int thread_start(struct covey_monitor *m)
{
	int r = pthread_create(&m->thread, NULL, monitor_run, m);

	if (r == 0)
		return 0;
	errno = r;
	return COVEY_ESYSTEM;
}

static void monitor_free(struct covey_monitor *m)
{
	if (m->page != NULL)
		munmap(m->page, m->page_size);
	free(m);
}

static struct covey_monitor *monitor_new(covey *c, const void *name, size_t size)
{
	struct covey_monitor *m = calloc(1, sizeof(*m) + (name != NULL ? size : 0));

	if (m == NULL)
		return NULL;
	m->c = c;
	m->process = getpid();
	if (name != NULL) {
		memcpy(m->name, name, size);
		m->key = (struct cv_key){m->name, (uint32_t)size, cv_hash(c->arena.key, name, size)};
	}
	if (c->inspect)
		watch_map(m);
	else
		m->watch = c->arena.watch;
	return m;
}

static int monitor_begin(struct covey_monitor *m)
{
	int r = thread_start(m);

	if (r != 0) {
		monitor_free(m);
		return r;
	}
	covey_registry_lock();
	m->next = m->c->monitors;
	m->c->monitors = m;
	covey_registry_unlock();
	return 0;
}

int covey_start_monitor(covey *c, const void *name, size_t size, int64_t period, covey_monitor_sink sink, void *context,
        struct covey_monitor **out)
{
	struct covey_monitor *m;
	struct shm_quiet quiet;
	int r = COVEY_ESYSTEM;

	if (c == NULL || sink == NULL || out == NULL || period < 0 ||
	        (name != NULL && (size == 0 || size > COVEY_NAME_MAX)))
		return COVEY_EINVAL;
	*out = NULL;
	shm_quiet_begin(&quiet);
	m = monitor_new(c, name, size);
	if (m != NULL) {
		m->period = period != 0 ? period : PERIOD_DEFAULT_NS;
		m->sink = sink;
		m->context = context;
		r = monitor_begin(m);
	}
	shm_quiet_end(&quiet);
	*out = r == 0 ? m : NULL;
	return r;
}

/* End the thread.  In the child of a fork there is none. */
static void monitor_end(struct covey_monitor *m)
{
	atomic_store(&m->stop, 1);
	cv_kernel.wake(&m->stop, INT_MAX);
	if (m->process == getpid())
		pthread_join(m->thread, NULL);
	m->c = NULL;
}

static void monitor_forget(struct covey_monitor *m)
{
	covey_registry_lock();
	for (struct covey_monitor **p = &m->c->monitors; *p != NULL; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	covey_registry_unlock();
}

void covey_stop_monitor(struct covey_monitor *m)
{
	struct shm_quiet quiet;
	int cancel;

	if (m == NULL)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (m->c != NULL) {
		monitor_forget(m);
		monitor_end(m); /* which waits for the host's sink: not quietly */
	}
	shm_quiet_begin(&quiet);
	monitor_free(m);
	shm_quiet_end(&quiet);
	pthread_setcancelstate(cancel, NULL);
}

void covey_monitors_end(covey *c)
{
	for (struct covey_monitor *m = c->monitors, *next; m != NULL; m = next) {
		next = m->next;
		monitor_end(m);
	}
	c->monitors = NULL;
}

uint64_t covey_monitor_wakeups(const struct covey_monitor *m)
{
	return m == NULL ? 0 : atomic_load(&m->wakeups);
}
