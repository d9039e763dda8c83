/*
 * answer.c - a command's outcome as the bytes that a region carries
 *
 *	+-------+---------+------+--------+-----+---------------------+---------------------------------------------+
 *	| magic | version | form | status | pid | sizes of order,     | whole: order, out, err                      |
 *	|       |         |      |        |     | out and err         | apart: address         lost: why            |
 *	+-------+---------+------+--------+-----+---------------------+---------------------------------------------+
 *
 * How the bytes get there depends on their size.
 *  - A small outcome is put together in memory and handed to covey_unregister_notify(), which copies it only if somebody
 *    waits: one step, no gap.
 *  - A large one is read from the spools straight into memory of the region, and only if somebody waits at all.  Who
 *    joins between that look and the end finds an empty result and asks again; it then runs the command itself, which
 *    is what happens to anyone who comes after the end.
 *  - One that the region cannot take is "apart": what is published is where to fetch the spools (handoff.c).  The order
 *    in which they were written goes behind the bytes of the first.
 *  - Of a spool that took not all, that is told: to run COMMAND again would meet the same full disk.
 *  - Output whose end nobody wanted is no outcome: the group is given up.
 * COMMAND's status is the answer's code as well, so that the region's history tells it ("covey events"); it is no
 * error to those who wait.
 *
 * The other side trusts no byte: sizes that do not add up to the result's make it of no use, as does the result of
 * some other program under the same key.
 */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handoff.h"

enum { MAGIC = 0x79657663, VERSION = 2, SMALL = 1 << 18 };
enum form { WHOLE = 1, APART = 2, LOST = 3 };

struct head {
	uint32_t magic;
	uint16_t version;
	uint16_t form;
	int32_t status;
	int32_t pid; /* of who ran it, which is not whom one began to wait for when that one was killed */
	uint64_t order;
	uint64_t sizes[STREAMS];
};

struct address {
	struct head head;
	uint32_t size;
	struct sockaddr_un name;
};

struct loss {
	struct head head;
	int32_t why;
};

static struct head head_of(enum form form, int status, const struct spools *p)
{
	return (struct head){.magic = MAGIC,
	        .version = VERSION,
	        .form = (uint16_t)form,
	        .status = status,
	        .pid = getpid(),
	        .order = order_bytes(&p->order),
	        .sizes = {p->s[OUT].size, p->s[ERR].size}};
}

/* ------------------------------------------------------------------------------------------------- publishing */

static uint64_t size_of_whole(const struct spools *p)
{
	return sizeof(struct head) + order_bytes(&p->order) + p->s[OUT].size + p->s[ERR].size;
}

static bool compose(char *to, int status, const struct spools *p)
{
	struct head head = head_of(WHOLE, status, p);

	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	if (head.order != 0)
		memcpy(to, p->order.runs, head.order);
	to += head.order;
	return spools_read(p, OUT, to) && spools_read(p, ERR, to + head.sizes[OUT]);
}

static int publish_copied(covey *c, const struct covey_lead *lead, int status, const struct spools *p)
{
	struct covey_reply reply = {.code = status, .size = (size_t)size_of_whole(p)};
	char *bytes = malloc(reply.size);
	int error;

	reply.data = bytes;
	if (bytes && compose(bytes, status, p))
		error = covey_unregister_notify(c, lead, NULL, 0, &reply);
	else
		error = covey_unregister(c, lead);
	free(bytes);
	return error;
}

/* False: it is not known then, which is no more than a pity. */
static bool append_order(const struct spools *p)
{
	size_t size = order_bytes(&p->order);

	return pwrite(p->s[OUT].file, p->order.runs, size, (off_t)p->s[OUT].size) == (ssize_t)size;
}

static int publish_apart(covey *c, const struct covey_lead *lead, int status, const struct spools *p)
{
	struct address address = {.head = head_of(APART, status, p)};
	const struct covey_reply reply = {.code = status, .data = &address, .size = sizeof(address)};
	const int files[STREAMS] = {p->s[OUT].file, p->s[ERR].file};
	struct handoff h;
	int waiters;

	if (handoff_open(&h) < 0)
		return covey_unregister(c, lead);
	if (!append_order(p))
		address.head.order = 0;
	address.size = h.size;
	address.name = h.name;
	waiters = covey_unregister_notify(c, lead, NULL, 0, &reply);
	handoff_serve(&h, files, waiters);
	return waiters;
}

static int publish_in_place(covey *c, const struct covey_lead *lead, int status, const struct spools *p)
{
	struct covey_reply reply = {.code = status, .size = (size_t)size_of_whole(p)};
	void *room;
	int error = covey_room(c, lead, NULL, 0, reply.size, &room, &reply.room);

	if (error == COVEY_EFENCED)
		return error;
	if (error < 0)
		return publish_apart(c, lead, status, p);
	reply.data = room;
	if (compose(room, status, p))
		return covey_unregister_notify(c, lead, NULL, 0, &reply);
	covey_room_free(c, reply.room);
	return covey_unregister(c, lead);
}

static int publish_loss(covey *c, const struct covey_lead *lead, int status, const struct spools *p)
{
	const struct loss loss = {.head = head_of(LOST, status, p), .why = p->over ? -1 : p->torn};
	const struct covey_reply reply = {.code = status, .data = &loss, .size = sizeof(loss)};

	return covey_unregister_notify(c, lead, NULL, 0, &reply);
}

int answer_publish(
        covey *c, const struct covey_lead *lead, const char *key, size_t key_size, int status, struct spools *p)
{
	const struct covey_reply nothing = {.code = status};
	struct covey_info info;

	if (p->over || p->torn)
		return publish_loss(c, lead, status, p);
	if (p->cut)
		return covey_unregister(c, lead);
	if (size_of_whole(p) <= SMALL)
		return publish_copied(c, lead, status, p);
	if (covey_find(c, key, key_size, &info) == 0 && info.waiters == 0)
		return covey_unregister_notify(c, lead, NULL, 0, &nothing);
	return publish_in_place(c, lead, status, p);
}

/* --------------------------------------------------------------------------------------------------- receiving */

static bool open_whole(const struct head *head, const struct covey_result *result, struct answer *answer)
{
	const char *bytes = (const char *)result->data + sizeof(*head);
	uint64_t size = result->size - sizeof(*head);

	if (head->order > size || head->sizes[OUT] > size - head->order ||
	        head->sizes[ERR] != size - head->order - head->sizes[OUT])
		return false;
	spools_of_memory(&answer->spools, bytes + head->order, head->sizes);
	return order_load(&answer->spools.order, bytes, head->order / sizeof(uint64_t), head->sizes);
}

static bool read_order(struct answer *answer, const struct head *head)
{
	char *runs = malloc(head->order + 1);
	bool read = runs && pread(answer->spools.s[OUT].file, runs, head->order, (off_t)head->sizes[OUT]) ==
	                            (ssize_t)head->order;

	read = read && order_load(&answer->spools.order, runs, head->order / sizeof(uint64_t), head->sizes);
	free(runs);
	return read;
}

static bool open_apart(const struct covey_result *result, struct answer *answer)
{
	struct address address;
	int files[STREAMS];

	if (result->size != sizeof(address))
		return false;
	memcpy(&address, result->data, sizeof(address));
	if (address.size > sizeof(address.name) || address.name.sun_family != AF_UNIX ||
	        handoff_fetch(&address.name, address.size, files) < 0)
		return false;
	spools_of_files(&answer->spools, files, address.head.sizes);
	return read_order(answer, &address.head);
}

static bool open_lost(const struct covey_result *result, struct answer *answer)
{
	struct loss loss;

	if (result->size != sizeof(loss))
		return false;
	memcpy(&loss, result->data, sizeof(loss));
	answer->lost = loss.why;
	return loss.why != 0;
}

bool answer_open(const struct covey_result *result, struct answer *answer)
{
	struct head head;
	bool opened = false;

	if (result->size < sizeof(head))
		return false;
	memcpy(&head, result->data, sizeof(head));
	if (head.magic != MAGIC || head.version != VERSION || head.status < 0 || head.status > 255)
		return false;
	*answer = (struct answer){.status = head.status, .leader = head.pid};
	spools_of_memory(&answer->spools, NULL, (uint64_t[STREAMS]){0});
	if (head.form == WHOLE)
		opened = open_whole(&head, result, answer);
	else if (head.form == APART)
		opened = open_apart(result, answer);
	else if (head.form == LOST)
		opened = open_lost(result, answer);
	if (!opened)
		answer_close(answer);
	return opened;
}

void answer_close(struct answer *answer)
{
	spools_close(&answer->spools);
}
