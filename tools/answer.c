/*
 * answer.c - a command's outcome as the bytes that a region carries
 *
 *	+-------+---------+------+--------+-----+-------------+-------------+----------------------------------+
 *	| magic | version | form | status | pid | size of out | size of err | whole: out, err   apart: address |
 *	+-------+---------+------+--------+-----+-------------+-------------+----------------------------------+
 *
 * How the bytes get there depends on their size.
 *  - A small outcome is put together in memory and handed to covey_unregister_notify(), which copies it only if somebody
 *    waits: one step, no gap.
 *  - A large one is read from the spools straight into a room in the region, and only if somebody waits at all.  Who
 *    joins between that look and the end finds an empty result and asks again; it then runs the command itself, which
 *    is what happens to anyone who comes after the end.
 *  - One that the region cannot take is "apart": what is published is where to fetch the spools (handoff.c).
 *  - A torn spool is no outcome: the group is given up.
 *
 * The other side trusts no byte: sizes that do not add up to the result's make it of no use, as does the result of
 * some other program under the same key.
 */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handoff.h"

enum { MAGIC = 0x79657663, VERSION = 1, SMALL = 1 << 18 };
enum form { WHOLE = 1, APART = 2 };

struct head {
	uint32_t magic;
	uint16_t version;
	uint16_t form;
	int32_t status;
	int32_t pid; /* of who ran it, which is not whom one began to wait for when that one was killed */
	uint64_t out;
	uint64_t err;
};

struct address {
	struct head head;
	uint32_t size;
	struct sockaddr_un name;
};

static struct head head_of(enum form form, int status, const struct stream spools[2])
{
	return (struct head){.magic = MAGIC,
	        .version = VERSION,
	        .form = (uint16_t)form,
	        .status = status,
	        .pid = getpid(),
	        .out = spools[0].size,
	        .err = spools[1].size};
}

/* ------------------------------------------------------------------------------------------------- publishing */

static bool compose(char *to, int status, const struct stream spools[2])
{
	struct head head = head_of(WHOLE, status, spools);

	memcpy(to, &head, sizeof(head));
	return stream_read(&spools[0], to + sizeof(head)) && stream_read(&spools[1], to + sizeof(head) + head.out);
}

static int publish_copied(covey *c, const struct covey_lead *lead, int status, const struct stream spools[2])
{
	struct covey_reply reply = {.size = (size_t)(sizeof(struct head) + spools[0].size + spools[1].size)};
	char *bytes = malloc(reply.size);
	int error;

	reply.data = bytes;
	if (bytes && compose(bytes, status, spools))
		error = covey_unregister_notify(c, lead, NULL, 0, &reply);
	else
		error = covey_unregister(c, lead);
	free(bytes);
	return error;
}

static int publish_apart(covey *c, const struct covey_lead *lead, int status, const struct stream spools[2])
{
	struct address address = {.head = head_of(APART, status, spools)};
	const struct covey_reply reply = {.data = &address, .size = sizeof(address)};
	const int files[2] = {spools[0].file, spools[1].file};
	struct handoff h;
	int waiters;

	if (handoff_open(&h) < 0)
		return covey_unregister(c, lead);
	address.size = h.size;
	address.name = h.name;
	waiters = covey_unregister_notify(c, lead, NULL, 0, &reply);
	handoff_serve(&h, files, waiters);
	return waiters;
}

static int publish_in_place(covey *c, const struct covey_lead *lead, int status, const struct stream spools[2])
{
	struct covey_reply reply = {.size = (size_t)(sizeof(struct head) + spools[0].size + spools[1].size)};
	void *room;
	int error = covey_room(c, lead, NULL, 0, reply.size, &room, &reply.room);

	if (error == COVEY_EFENCED)
		return error;
	if (error < 0)
		return publish_apart(c, lead, status, spools);
	reply.data = room;
	if (compose(room, status, spools))
		return covey_unregister_notify(c, lead, NULL, 0, &reply);
	covey_room_free(c, reply.room);
	return covey_unregister(c, lead);
}

int answer_publish(covey *c, const struct covey_lead *lead, const char *key, size_t key_size, int status,
        const struct stream spools[2])
{
	const struct covey_reply nothing = {.size = 0};
	struct covey_info info;

	if (spools[0].torn || spools[1].torn)
		return covey_unregister(c, lead);
	if (spools[0].size + spools[1].size <= SMALL)
		return publish_copied(c, lead, status, spools);
	if (covey_find(c, key, key_size, &info) == 0 && info.waiters == 0)
		return covey_unregister_notify(c, lead, NULL, 0, &nothing);
	return publish_in_place(c, lead, status, spools);
}

/* --------------------------------------------------------------------------------------------------- receiving */

static int open_whole(const struct head *head, const struct covey_result *result, struct stream streams[2])
{
	const char *bytes = (const char *)result->data + sizeof(*head);
	uint64_t size = result->size - sizeof(*head);

	if (head->out > size || head->err != size - head->out)
		return -1;
	stream_memory(&streams[0], bytes, head->out, STDOUT_FILENO);
	stream_memory(&streams[1], bytes + head->out, head->err, STDERR_FILENO);
	return head->status;
}

static int open_apart(const struct covey_result *result, struct stream streams[2])
{
	struct address address;
	int files[2];

	if (result->size != sizeof(address))
		return -1;
	memcpy(&address, result->data, sizeof(address));
	if (address.size > sizeof(address.name) || address.name.sun_family != AF_UNIX ||
	        handoff_fetch(&address.name, address.size, files) < 0)
		return -1;
	stream_file(&streams[0], files[0], address.head.out, STDOUT_FILENO);
	stream_file(&streams[1], files[1], address.head.err, STDERR_FILENO);
	return address.head.status;
}

int answer_open(const struct covey_result *result, struct stream streams[2], pid_t *leader)
{
	struct head head;

	if (result->size < sizeof(head))
		return -1;
	memcpy(&head, result->data, sizeof(head));
	if (head.magic != MAGIC || head.version != VERSION || head.status < 0 || head.status > 255)
		return -1;
	*leader = head.pid;
	if (head.form == WHOLE)
		return open_whole(&head, result, streams);
	return head.form == APART ? open_apart(result, streams) : -1;
}
