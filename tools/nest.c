/*
 * nest.c - a command must not wait for itself
 *
 * "covey run K -- sh -c 'covey run K -- ...'" would wait for ever: the inner call waits for the outer's result, and
 * the outer for the inner to end.  The library tells a thread that waits for itself; here the one who waits is another
 * process, a descendant of COMMAND.  So COMMAND inherits, in $COVEY_LEADS, the executions that it works for, as
 * "DIGEST.GENERATION" joined by ':', outermost first.
 *
 * The generation makes this exact.  A daemon that COMMAND left behind inherits the list too, but the execution it names
 * is over, the group's generation has grown, and the daemon may ask for the group like anyone else.  The digest is the
 * library's own cryptographic one, cut to 128 bits; padding the region's name takes it past the length up to which the
 * library would use the bytes themselves.  An entry takes at most 50 bytes and the kernel allows a variable 128 KiB, so
 * some 2,600 levels fit; beyond, COMMAND cannot be executed ("Argument list too long"), which is an error, not a hang.
 *
 * A worker's command is started before its group is led, so no generation is known yet.  Its entry has the worker's pid in
 * its place, marked by a 'p': as long as any process with that entry lives, so does the worker (supervise.c), and nobody
 * else has its pid.
 *
 * What this does not see: two commands that wait for each other's groups, each through a child of its own.  -t ends
 * such a wait.
 */
#include "nest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool nest_inside(const char *digest, const struct covey_lead *leader)
{
	char execution[64], worker[64];

	entry_of_generation(execution, digest, leader->generation);
	entry_of_worker(worker, digest, leader->pid);
	return listed(execution) || listed(worker);
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
