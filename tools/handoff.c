/*
 * handoff.c - results that do not fit into the region go from hand to hand
 *
 * The region's heap has a limit, and /dev/shm may be smaller still.  A result that it cannot take stays in the leader's
 * spools, and what is published is a socket's name: each waiter connects and is given the two open files.  They have no
 * name in any file system and live until the last who holds them is gone, so neither a killed leader nor a killed
 * waiter leaves anything behind, and nobody has to count who still reads.
 *
 * Only the same user is served, and only the same user's socket is believed (SO_PEERCRED on either side).  The leader
 * stays until each waiter it answered has come; for one that was killed or is stopped it does not stay for ever: after
 * a while in which nobody came it leaves, and who comes later finds no socket and asks for the group again.  So does
 * who cannot see the socket at all, for want of a common network namespace: then such waiters run the command anew,
 * one after the other.
 */
#include "handoff.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

enum { QUIET_MS = 5000, ANSWER_MS = 10000 };

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static bool same_user(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Binding to the bare family lets the kernel pick a free abstract name. */
int handoff_open(struct handoff *h)
{
	const struct sockaddr bare = {.sa_family = AF_UNIX};

	h->size = sizeof(h->name);
	h->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->listener < 0)
		return -1;
	if (bind(h->listener, &bare, sizeof(sa_family_t)) == 0 && listen(h->listener, SOMAXCONN) == 0 &&
	        getsockname(h->listener, (struct sockaddr *)&h->name, &h->size) == 0)
		return 0;
	close(h->listener);
	h->listener = -1;
	return -1;
}

static void give(int peer, const int files[2])
{
	union control control = {.space = {0}};
	char byte = 0;
	struct iovec one = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &one,
	        .msg_iovlen = 1,
	        .msg_control = control.space,
	        .msg_controllen = sizeof(control.space)};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.header), files, 2 * sizeof(int));
	if (sendmsg(peer, &message, MSG_NOSIGNAL) < 0)
		return; /* it has gone; one less */
}

void handoff_serve(struct handoff *h, const int files[2], int waiters)
{
	struct pollfd p = {.fd = h->listener, .events = POLLIN};

	while (waiters > 0) {
		int n = await_events(&p, 1, QUIET_MS);
		int peer = n > 0 ? accept4(h->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (n == 0)
			break;
		if (peer < 0)
			continue;
		if (same_user(peer)) {
			give(peer, files);
			waiters--;
		}
		close(peer);
	}
	close(h->listener);
	h->listener = -1;
}

static bool receive(int fd, int files[2])
{
	union control control;
	char byte;
	struct iovec one = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &one,
	        .msg_iovlen = 1,
	        .msg_control = control.space,
	        .msg_controllen = sizeof(control.space)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct cmsghdr *rights;
	ssize_t n;

	if (await_events(&p, 1, ANSWER_MS) <= 0)
		return false; /* a leader that is stopped: ask again */
	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	rights = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!rights || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return false;
	memcpy(files, CMSG_DATA(rights), 2 * sizeof(int));
	return true;
}

int handoff_fetch(const struct sockaddr_un *name, socklen_t size, int files[2])
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool got =
	        fd >= 0 && connect(fd, (const struct sockaddr *)name, size) == 0 && same_user(fd) && receive(fd, files);

	if (fd >= 0)
		close(fd);
	return got ? 0 : -1;
}
