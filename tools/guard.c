/*
 * guard.c - no two commands of one group at a time
 *
 * When a leader is killed the library hands its group to a waiter within a fraction of a millisecond; killing what the
 * dead leader's COMMAND left running takes its supervisor a little longer.  In between, two commands of one group
 * would run side by side.  So each execution holds a guard: a listening socket with an abstract name made of the user,
 * the region's file and the key.  The file, because the name of a region may mean another one elsewhere, as in a
 * container with a /dev/shm of its own, or after it was removed; and one region has several names.  The supervisor
 * inherits it and drops it by ending, which it does when the last descendant is dead.  A name that is bound already
 * tells that an earlier command is not gone yet; the newcomer connects to it and sleeps until the kernel breaks the
 * connection, because the listener is no more.
 *
 * An abstract name belongs to no file system: whoever is killed at whatever instant, nothing is left behind.  Names are
 * one network namespace's: containers that share a region but no network do without the guard.  A socket that another
 * user bound is no guard of ours and is ignored, and so is one whose queue is full.  The wait is bounded, because a
 * process stuck in the kernel may stay for ever: then the command starts beside it.
 */
#include "guard.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach.h"
#include "cmd.h"
#include "deadline.h"

void guard_digest(char digest[DIGEST_SIZE], const char *region, const char *key, size_t key_size)
{
	char file[64];
	struct stat st;

	if (!attach_file(region, &st)) { /* its name is removed already */
		nest_digest(digest, region, key, key_size);
		return;
	}
	snprintf(file, sizeof(file), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	nest_digest(digest, file, key, key_size);
}

static socklen_t guard_name(struct sockaddr_un *name, const char *digest)
{
	int length;

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	length = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, "covey/%u/%s", (unsigned)geteuid(), digest);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static bool owned_by_us(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Sleep until the holder is gone: nobody ever accepts or sends, so the only event is the end.  A holder that has bound
 * its name and does not listen yet, or has gone in between, refuses: look again in a moment.  false: do without. */
static bool outlast(const struct sockaddr_un *name, socklen_t size, int64_t deadline)
{
	int left = ms_until(deadline);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool again = false;

	if (fd < 0)
		return false;
	if (connect(fd, (const struct sockaddr *)name, size) == 0)
		again = left != 0 && owned_by_us(fd) && await_events(&p, 1, left) != 0;
	else if (errno == ECONNREFUSED && left != 0)
		again = await_events(NULL, 0, 1) == 0;
	close(fd);
	return again;
}

int guard_take(const char *digest, int64_t patience)
{
	struct sockaddr_un name;
	socklen_t size = guard_name(&name, digest);
	int64_t deadline = deadline_in(patience);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	while (fd >= 0) {
		if (bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 16) == 0)
			return fd;
		if (errno == EADDRINUSE && outlast(&name, size, deadline))
			continue;
		close(fd);
		fd = -1;
	}
	return -1;
}
