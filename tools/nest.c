/*
 * nest.c - a command must not wait for itself
 *
 * "covey run K -- sh -c 'covey run K -- ...'" would wait for ever: the inner call waits for the outer's result, and the
 * outer for the inner to end.  The library tells a thread that waits for itself; here the one who waits is another
 * process, a descendant of COMMAND.  There are two ways to know whom one descends from, and each sees what the other
 * does not.
 *
 * The environment.  COMMAND inherits, in $COVEY_LEADS, the executions that it works for, as "DIGEST.GENERATION" joined
 * by ':', outermost first.  It reaches into other pid namespaces, and needs no /proc; but COMMAND may drop it.  The
 * generation makes this exact.  A daemon that COMMAND left behind inherits the list too, but the execution it names is
 * over, the group's generation has grown, and the daemon may ask for the group like anyone else.  The digest is the
 * library's own cryptographic one, cut to 128 bits; padding the region's name takes it past the length up to which the
 * library would use the bytes themselves.  An entry takes at most 50 bytes and the kernel allows a variable 128 KiB, so
 * some 2,600 levels fit; beyond, COMMAND cannot be executed ("Argument list too long"), which is an error, not a hang.
 * A worker's command is started before its group is led, so no generation is known yet.  Its entry has the worker's pid
 * in its place, marked by a 'p': as long as any process with that entry lives, so does the worker (supervise.c), and
 * nobody else has its pid.
 *
 * The ancestry.  The parents of a process lead to the leader that it works for (ancestry.c), if it is proven to be
 * the one (circle.c); whatever was done to the environment.
 *
 * Two commands may wait for each other, each through a child of its own; or three.  Who works for a leader looks for
 * such a circle (circle.c) before it waits, and once more from a second thread, the watcher, when its wait can be seen
 * by others.  If that finds one the process ends, as if by a signal: the library deals with a waiter that dies.  Of
 * several that see one circle at the same time the highest pid ends at once; the others look again after a while that
 * grows with their rank, and go on if it is gone.  Nobody else looks, and nobody looks a second time for nothing.
 *
 * Not seen, so that -t has to end such waits: a circle through several regions; one through leaders or waiters in
 * another pid namespace, or under another user; and without a usable /proc all but what the environment tells.
 */
#include "nest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "circle.h"
#include "cmd.h"

/* A wait that was posted can be seen within microseconds, if the machine is not loaded. */
static const int64_t first_nap = 100000, longest_nap = 100000000, grace = 200000000;
static const char variable[] = "COVEY_LEADS";

void nest_digest(char digest[DIGEST_SIZE], const char *region, const char *key, size_t key_size)
{
	char base[256] = {0};
	struct covey_name name;
	const size_t bytes = (DIGEST_SIZE - 1) / 2;

	strncpy(base, region + (region[0] == '/'), sizeof(base) - 1);
	if (covey_default_grouper(
	            (struct covey_bytes){base, sizeof(base)}, (struct covey_bytes){key, key_size}, NULL, &name) < 0 ||
	        name.size < bytes)
		abort(); /* the arguments are in range, and a digest has 256 bits at least */
	for (size_t i = 0; i < bytes; i++)
		snprintf(digest + 2 * i, 3, "%02x", name.data[name.size - bytes + i]);
}

static void entry_of_generation(char entry[64], const char *digest, uint64_t generation)
{
	snprintf(entry, 64, "%s.%" PRIx64, digest, generation);
}

static void entry_of_worker(char entry[64], const char *digest, pid_t pid)
{
	snprintf(entry, 64, "%s.p%d", digest, (int)pid);
}

static bool listed(const char *entry)
{
	const char *list = secure_getenv(variable);
	size_t length = strlen(entry);

	while (list && *list) {
		size_t span = strcspn(list, ":");

		if (span == length && memcmp(list, entry, length) == 0)
			return true;
		list += span + (list[span] == ':');
	}
	return false;
}

bool nest_listed(const char *digest, uint64_t generation, pid_t leader)
{
	char execution[64], worker[64];

	entry_of_generation(execution, digest, generation);
	entry_of_worker(worker, digest, leader);
	return listed(execution) || listed(worker);
}

bool nest_may_list(uint64_t generation, pid_t leader)
{
	const char *list = secure_getenv(variable);
	char execution[64], worker[64];

	entry_of_generation(execution, "", generation);
	entry_of_worker(worker, "", leader);
	return list && (strstr(list, execution) || strstr(list, worker));
}

static int enter(const char *entry)
{
	const char *outer = secure_getenv(variable);
	char *list;
	int error;

	if (!outer || !*outer)
		return setenv(variable, entry, 1);
	if (asprintf(&list, "%s:%s", outer, entry) < 0)
		return -1;
	error = setenv(variable, list, 1);
	free(list);
	return error;
}

int nest_enter(const char *digest, uint64_t generation)
{
	char entry[64];

	entry_of_generation(entry, digest, generation);
	return enter(entry);
}

int nest_leave(void)
{
	const char *list = secure_getenv(variable);
	const char *last = list ? strrchr(list, ':') : NULL;
	char *outer;
	int error;

	if (!last)
		return unsetenv(variable);
	outer = strndup(list, (size_t)(last - list));
	error = outer ? setenv(variable, outer, 1) : -1;
	free(outer);
	return error;
}

int nest_enter_worker(const char *digest)
{
	char entry[64];

	entry_of_worker(entry, digest, getpid());
	return enter(entry);
}

/* ------------------------------------------------------------------------------------------------ the wait */

static bool for_itself(const struct nest *n)
{
	return nest_listed(n->digest, n->leader->generation, n->leader->pid) ||
	       (ancestry_has(&n->ancestry, n->leader->pid) && circle_proves(n, n->leader->pid));
}

static bool is_nested(const struct nest *n)
{
	const char *list = secure_getenv(variable);

	return n->ancestry.supervised || (list && *list);
}

static int complain_of_circle(const struct nest *n)
{
	return complain(EXIT_COVEY, "waiting for \"%s\" would close a circle of waits", n->name);
}

/* True: the wait is over. */
static bool nap(struct nest *n, int64_t nanoseconds)
{
	int64_t until = monotonic_now() + nanoseconds;
	const struct timespec deadline = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};

	while (sem_clockwait(&n->over, CLOCK_MONOTONIC, &deadline) < 0)
		if (errno != EINTR)
			return false;
	return true;
}

/* Nonzero, and stops, at our own. */
static int is_ours(void *context, const struct covey_waiter_view *waiter)
{
	struct nest *n = context;
	bool ours = waiter->pid == getpid() && waiter->thread == n->thread;

	n->visible |= ours;
	return ours;
}

static void *watch(void *context)
{
	struct nest *n = context;
	int rank;

	for (int64_t ns = first_nap; !n->visible; ns = ns < longest_nap ? 2 * ns : ns) {
		if (nap(n, ns))
			return NULL;
		covey_each_waiter(n->c, n->name, n->size, is_ours, n);
	}
	rank = circle_look(n);
	if (rank > 1) {
		if (nap(n, (rank - 1) * grace))
			return NULL;
		rank = circle_look(n);
	}
	if (rank > 0 && atomic_exchange(&n->decided, 1) == 0)
		_exit(complain_of_circle(n));
	return NULL;
}

/* Without a watcher it is a wait as any other. */
static void start_watcher(struct nest *n)
{
	n->thread = gettid();
	n->watched = sem_init(&n->over, 0, 0) == 0 && pthread_create(&n->watcher, NULL, watch, n) == 0;
}

bool nest_begin(struct nest *n)
{
	ancestry_take(&n->ancestry, getpid(), NULL);
	if (for_itself(n)) {
		complain(EXIT_COVEY, "\"%s\" is led by the very command that asks: it would wait for itself", n->name);
		return false;
	}
	if (!is_nested(n))
		return true;
	if (circle_look(n) != 0) {
		complain_of_circle(n);
		return false;
	}
	start_watcher(n);
	return true;
}

void nest_end(struct nest *n)
{
	if (!n->watched)
		return;
	while (atomic_exchange(&n->decided, 1) != 0)
		pause(); /* the watcher ends the process */
	sem_post(&n->over);
	pthread_join(n->watcher, NULL);
	sem_destroy(&n->over);
}
