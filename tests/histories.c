/*
 * histories.c - storms of kills in which each call is recorded, and what was recorded is judged after each storm
 *
 * Processes register, join, find, await, notify, publish, give up, forward and take over a few groups, and are killed at
 * random instants, in bursts; some are stopped for a while.  After each storm the survivors end by themselves, the history of
 * each group must be that of one sequential object (history.h), and the segment must be whole and as empty as it was.
 *
 * The judge is judged first: of stories made by hand each true one is accepted, and each false one refused.
 */
#include "history.h"

#include <signal.h>
#include <sys/mman.h>

#define WORKERS 12
#define GROUPS 4
#define BURST 4
#define ENOUGH (HISTORY_RECORDS * 3 / 4) /* records of one storm */

static struct history *h;
static char why[400];

static void clear(void)
{
	if (h == NULL) {
		h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		must(h != MAP_FAILED);
	}
	memset(h->record, 0, atomic_load(&h->used) * sizeof(h->record[0]));
	atomic_store(&h->used, 0);
	atomic_store(&h->clock, 0);
	atomic_store(&h->processes, 0);
}

/* ------------------------------------------------------------------------------------------------ stories */

struct line {
	enum call call;
	int process; /* 0 to 9; its pid is 100 more */
	unsigned begin, end;
	uint64_t asked;
	int answer;
	uint64_t generation;
	int pid;
	unsigned source; /* 1 + the line */
	uint8_t request, for_ever, took_over, group;
};

struct story {
	const char *name;
	bool true_one;
	struct line line[10];
};

/* (process, begin, end, ...): end 0 is a call that was cut short */
/* NOLINTBEGIN(bugprone-macro-parentheses): designated initialisers, which take no harm */
#define LED_(p, b, e, g)                                                                                               \
	{                                                                                                              \
		.call = REGISTER, .process = p, .begin = b, .end = e, .answer = COVEY_LEADER, .generation = g          \
	}
#define SUCCEEDED_(p, b, e, g, from)                                                                                   \
	{                                                                                                              \
		.call = REGISTER, .process = p, .begin = b, .end = e, .answer = COVEY_LEADER, .generation = g,         \
		.pid = 100 + (from)                                                                                    \
	}
#define CUT_(what, p, b, g)                                                                                            \
	{                                                                                                              \
		.call = what, .process = p, .begin = b, .asked = g, .request = EVERYBODY                               \
	}
#define WAIT_(p, b, e, g, leader)                                                                                      \
	{                                                                                                              \
		.call = REGISTER, .process = p, .begin = b, .end = e, .answer = COVEY_WAIT, .generation = g,           \
		.pid = 100 + (leader)                                                                                  \
	}
#define FOUND_(p, b, e, g, leader)                                                                                     \
	{                                                                                                              \
		.call = FIND, .process = p, .begin = b, .end = e, .generation = g, .pid = 100 + (leader)               \
	}
#define ABSENT_(p, b, e)                                                                                               \
	{                                                                                                              \
		.call = FIND, .process = p, .begin = b, .end = e, .answer = COVEY_ENOENT                               \
	}
#define ENDED_(what, p, b, e, g, result)                                                                               \
	{                                                                                                              \
		.call = what, .process = p, .begin = b, .end = e, .asked = g, .answer = result, .request = EVERYBODY   \
	}
#define GOT_(p, b, e, asked_, g, leader, line_)                                                                        \
	{                                                                                                              \
		.call = AWAIT, .process = p, .begin = b, .end = e, .asked = asked_, .answer = COVEY_OK,                \
		.generation = g, .pid = 100 + (leader), .source = (line_) + 1                                          \
	}
#define AWAITED_(p, b, e, outcome)                                                                                     \
	{                                                                                                              \
		.call = AWAIT, .process = p, .begin = b, .end = e, .asked = 1, .answer = outcome                       \
	}
#define INHERITED_(p, b, e, g)                                                                                         \
	{                                                                                                              \
		.call = AWAIT, .process = p, .begin = b, .end = e, .asked = 1, .answer = COVEY_DIED, .generation = g,  \
		.took_over = 1                                                                                         \
	}
#define DEPOSED_(p, b, e, g, next, leader)                                                                             \
	{                                                                                                              \
		.call = TAKE_OVER, .process = p, .begin = b, .end = e, .asked = g, .answer = COVEY_LEADER,             \
		.generation = next, .pid = 100 + (leader)                                                              \
	}
#define DIED_(p, b, e)                                                                                                 \
	{                                                                                                              \
		.call = DEATH, .process = p, .begin = b, .end = e                                                      \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct story stories[] = {
        {"one leads after another", true,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 4, 1, 0), LED_(2, 5, 6, 2),
                        ENDED_(UNREGISTER, 2, 7, 8, 2, 0)}},
        {"two lead at once", false, {LED_(1, 1, 2, 1), LED_(2, 3, 4, 2), ENDED_(PUBLISH, 1, 5, 6, 1, 0)}},
        {"two lead, as the ends of calls overlap", true,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 6, 1, 0), LED_(2, 4, 5, 2)}},
        {"a generation comes twice", false, {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 4, 1, 0), LED_(2, 5, 6, 1)}},
        {"a generation falls", false, {LED_(1, 1, 2, 7), ENDED_(PUBLISH, 1, 3, 4, 7, 0), LED_(2, 5, 6, 6)}},
        {"a group of its own", true,
                {LED_(1, 1, 2, 1), {REGISTER, 2, 3, 4, .answer = COVEY_LEADER, .generation = 1, .group = 1}}},
        {"told to wait for the leader", true, {LED_(1, 1, 2, 1), WAIT_(2, 3, 4, 1, 1)}},
        {"told to wait for another", false, {LED_(1, 1, 2, 1), WAIT_(2, 3, 4, 1, 3)}},
        {"told to wait for a generation to come", false, {LED_(1, 1, 2, 1), WAIT_(2, 3, 4, 2, 1)}},
        {"told to wait for one that has ended", false,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 4, 1, 0), WAIT_(2, 5, 6, 1, 1)}},
        {"told to wait for one that ends", true,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 6, 1, 0), WAIT_(2, 4, 5, 1, 1)}},
        {"told to wait for one that dies", true, {LED_(1, 1, 2, 1), DIED_(1, 3, 6), WAIT_(2, 4, 5, 1, 1)}},
        {"told to wait for the dead", false, {LED_(1, 1, 2, 1), DIED_(1, 3, 4), WAIT_(2, 5, 6, 1, 1)}},
        {"found as it was", true,
                {LED_(1, 1, 2, 1), FOUND_(2, 3, 4, 1, 1), ENDED_(PUBLISH, 1, 5, 6, 1, 0), ABSENT_(2, 7, 8)}},
        {"found before it began", false, {FOUND_(2, 1, 2, 1, 1), LED_(1, 3, 4, 1)}},
        {"absent while it is led", false, {LED_(1, 1, 2, 1), ABSENT_(2, 3, 4), ENDED_(PUBLISH, 1, 5, 6, 1, 0)}},
        {"seen to end, and then to lead", false,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 8, 1, 0), ABSENT_(2, 4, 5), FOUND_(3, 6, 7, 1, 1)}},
        {"seen to lead, and then to end", true,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 8, 1, 0), FOUND_(2, 4, 5, 1, 1), ABSENT_(3, 6, 7)}},
        {"fenced, as another leads", true,
                {LED_(1, 1, 2, 1), DEPOSED_(2, 3, 4, 1, 2, 1), ENDED_(PUBLISH, 1, 5, 6, 1, COVEY_EFENCED)}},
        {"fenced for nothing", false, {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 5, 6, 1, COVEY_EFENCED)}},
        {"fenced before another leads", false,
                {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 4, 1, COVEY_EFENCED), DEPOSED_(2, 5, 6, 1, 2, 1)}},
        {"the deposed publishes", false,
                {LED_(1, 1, 2, 1), DEPOSED_(2, 3, 4, 1, 2, 1), ENDED_(PUBLISH, 1, 5, 6, 1, 0)}},
        {"deposed as it publishes", true,
                {LED_(1, 1, 2, 1), DEPOSED_(2, 3, 6, 1, 2, 1), ENDED_(NOTIFY, 1, 4, 5, 1, 0)}},
        {"the deposed notifies", false, {LED_(1, 1, 2, 1), DEPOSED_(2, 3, 4, 1, 2, 1), ENDED_(NOTIFY, 1, 5, 6, 1, 0)}},
        {"another generation is deposed", false, {LED_(1, 1, 2, 2), DEPOSED_(2, 3, 4, 1, 3, 1)}},
        {"both depose", false, {LED_(1, 1, 2, 1), DEPOSED_(2, 3, 6, 1, 2, 1), DEPOSED_(3, 4, 5, 1, 3, 1)}},
        {"the dead one's successor", true, {LED_(1, 1, 2, 1), DIED_(1, 3, 4), SUCCEEDED_(2, 5, 6, 2, 1)}},
        {"a living one's successor", false, {LED_(1, 1, 2, 1), SUCCEEDED_(2, 3, 4, 2, 1), DIED_(1, 5, 6)}},
        {"the successor of somebody else", false, {LED_(1, 1, 2, 1), DIED_(1, 3, 4), SUCCEEDED_(2, 5, 6, 2, 3)}},
        {"reaped, and led anew", true, {LED_(1, 1, 2, 1), DIED_(1, 3, 4), ABSENT_(3, 5, 6), LED_(2, 7, 8, 2)}},
        {"reaped, and led by the dead", false,
                {LED_(1, 1, 2, 1), DIED_(1, 3, 4), ABSENT_(3, 5, 6), FOUND_(3, 7, 8, 1, 1)}},
        {"a waiter succeeds", true, {LED_(1, 1, 2, 1), INHERITED_(2, 3, 8, 2), DIED_(1, 4, 5), FOUND_(3, 6, 7, 2, 2)}},
        {"a waiter succeeds the living", false, {LED_(1, 1, 2, 1), INHERITED_(2, 3, 4, 2), DIED_(1, 5, 6)}},
        {"two waiters succeed", false,
                {LED_(1, 1, 2, 1), DIED_(1, 3, 4), INHERITED_(2, 5, 6, 2), INHERITED_(3, 7, 8, 3)}},
        {"cut short, and led", true, {CUT_(REGISTER, 1, 1, 0), WAIT_(2, 2, 3, 5, 1), DIED_(1, 4, 5)}},
        {"cut short, and did nothing", true, {CUT_(REGISTER, 1, 1, 0), DIED_(1, 2, 3), LED_(2, 4, 5, 1)}},
        {"cut short, and led after its death", false,
                {CUT_(REGISTER, 1, 1, 0), DIED_(1, 2, 3), ABSENT_(2, 4, 5), WAIT_(2, 6, 7, 1, 1)}},
        {"cut short, with two generations", false,
                {CUT_(REGISTER, 1, 1, 0), WAIT_(2, 2, 3, 5, 1), WAIT_(3, 4, 5, 6, 1), DIED_(1, 6, 7)}},
        {"cut short as it published", true,
                {LED_(1, 1, 2, 1), CUT_(PUBLISH, 1, 3, 1), FOUND_(2, 4, 5, 1, 1), ABSENT_(2, 6, 7), DIED_(1, 8, 9)}},
        {"published twice by one cut call", false,
                {LED_(1, 1, 2, 1), CUT_(PUBLISH, 1, 3, 1), ABSENT_(2, 4, 5), LED_(3, 6, 7, 2), ABSENT_(2, 8, 9),
                        DIED_(1, 10, 11)}},
        {"its bytes are out, and it leads", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2), CUT_(PUBLISH, 1, 4, 1), DIED_(1, 7, 8),
                        SUCCEEDED_(3, 9, 10, 2, 1)}},
        {"given up", true, {LED_(1, 1, 2, 1), AWAITED_(2, 3, 6, COVEY_GAVE_UP), ENDED_(UNREGISTER, 1, 4, 5, 1, 0)}},
        {"given up by nobody", false,
                {LED_(1, 1, 2, 1), AWAITED_(2, 3, 4, COVEY_GAVE_UP), ENDED_(UNREGISTER, 1, 5, 6, 1, 0)}},
        {"died, and not taken over", true, {LED_(1, 1, 2, 1), AWAITED_(2, 3, 6, COVEY_DIED), DIED_(1, 4, 5)}},
        {"died while it lived", false, {LED_(1, 1, 2, 1), AWAITED_(2, 3, 4, COVEY_DIED), DIED_(1, 5, 6)}},
        {"leads still", false, {LED_(1, 1, 2, 1), ENDED_(PUBLISH, 1, 3, 4, 1, 0), ENDED_(LEADING, 1, 5, 6, 1, 1)}},
        {"leads no more", false, {LED_(1, 1, 2, 1), ENDED_(LEADING, 1, 3, 4, 1, 0), ENDED_(PUBLISH, 1, 5, 6, 1, 0)}},
        {"forwarded and accepted", true,
                {LED_(1, 1, 2, 1), ENDED_(FORWARD, 1, 3, 4, 1, 0), FOUND_(2, 5, 6, 2, 1),
                        {ACCEPT, 1, 7, 8, .answer = COVEY_LEADER, .generation = 3}}},
        {"forwarded, and published by the old one", false,
                {LED_(1, 1, 2, 1), ENDED_(FORWARD, 1, 3, 4, 1, 0), ENDED_(PUBLISH, 1, 5, 6, 1, 0)}},
        {"accepted by another", false,
                {LED_(1, 1, 2, 1), ENDED_(FORWARD, 1, 3, 4, 1, 0),
                        {ACCEPT, 2, 7, 8, .answer = COVEY_LEADER, .generation = 3}}},
        {"bytes that were published", true,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 1)}},
        {"bytes of nobody", false, {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 0), ENDED_(PUBLISH, 1, 4, 5, 1, 0)}},
        {"bytes of another group", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 3), ENDED_(PUBLISH, 1, 4, 5, 1, 0),
                        {PUBLISH, 1, 4, 5, .asked = 1, .answer = COVEY_EFENCED, .request = EVERYBODY, .group = 1}}},
        {"bytes of another generation", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 2, 1, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 1)}},
        {"bytes of an earlier execution", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 2, 1, 1, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 1)}},
        {"bytes for another request", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2),
                        {PUBLISH, 1, 4, 5, .asked = 1, .answer = 1, .request = 2}}},
        {"bytes of another process", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 3, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 1)}},
        {"bytes from the future", false, {LED_(1, 1, 2, 1), GOT_(2, 3, 4, 1, 1, 1, 2), ENDED_(PUBLISH, 1, 5, 6, 1, 1)}},
        {"bytes from the past", false, {LED_(1, 1, 2, 1), GOT_(2, 5, 6, 1, 1, 1, 2), ENDED_(PUBLISH, 1, 3, 4, 1, 1)}},
        {"bytes of one that was killed", true,
                {LED_(1, 1, 2, 1), CUT_(PUBLISH, 1, 3, 1), GOT_(2, 4, 7, 1, 1, 1, 1), DIED_(1, 5, 6)}},
        {"a notice of one that was killed before", false,
                {LED_(1, 1, 2, 1), CUT_(NOTIFY, 1, 3, 1), DIED_(1, 4, 5), GOT_(2, 6, 7, 1, 1, 1, 1)}},
        {"bytes that were refused", false,
                {LED_(1, 1, 2, 1), DEPOSED_(3, 3, 4, 1, 2, 1), GOT_(2, 5, 8, 1, 1, 1, 3),
                        ENDED_(PUBLISH, 1, 6, 7, 1, COVEY_EFENCED)}},
        {"more got a notice than it told", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2), ENDED_(NOTIFY, 1, 4, 5, 1, 0)}},
        {"fewer got it than it told", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 2)}},
        {"the other one was killed", true,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 2), ENDED_(PUBLISH, 1, 4, 5, 1, 2), CUT_(AWAIT, 3, 3, 1),
                        DIED_(3, 4, 8)}},
        {"the same answer twice", false,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 3), GOT_(2, 7, 9, 1, 1, 1, 3),
                        ENDED_(NOTIFY, 1, 4, 8, 1, 2)}},
        {"one answer for two", true,
                {LED_(1, 1, 2, 1), GOT_(2, 3, 6, 1, 1, 1, 3), GOT_(3, 4, 7, 1, 1, 1, 3),
                        ENDED_(NOTIFY, 1, 5, 8, 1, 2)}},
        {"a deadline passed", true, {LED_(1, 1, 2, 1), AWAITED_(2, 3, 4, COVEY_TIMED_OUT)}},
        {"there was no deadline", false,
                {LED_(1, 1, 2, 1), {AWAIT, 2, 3, 4, .asked = 1, .answer = COVEY_TIMED_OUT, .for_ever = 1}}},
        {"no such end", false, {LED_(1, 1, 2, 1), AWAITED_(2, 3, 4, COVEY_CYCLE)}},
};

static void write_down(const struct story *story)
{
	clear();
	memset(h->floor, 0, sizeof(h->floor));
	h->evicts = 0;
	for (int p = 0; p < 10; p++)
		atomic_store(&h->pid[p], 100 + p);
	for (const struct line *l = story->line; l->call != 0; l++) {
		struct record *r = &h->record[h->used++];

		*r = (struct record){.call = (uint8_t)l->call,
		        .group = l->group,
		        .request = l->request,
		        .for_ever = l->for_ever,
		        .process = l->process,
		        .asked = l->asked,
		        .answer = l->answer,
		        .pid = l->pid,
		        .generation = l->generation,
		        .source = l->source,
		        .took_over = l->took_over};
		atomic_store(&r->begin, l->begin);
		atomic_store(&r->end, l->end);
	}
}

static void false_stories_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		bool found;

		why[0] = '\0';
		write_down(&stories[i]);
		found = history_linear(h, why, sizeof(why)) && history_waits(h, why, sizeof(why));
		if (found != stories[i].true_one)
			fail_msg("\"%s\" was %s %s", stories[i].name, found ? "accepted" : "refused", why);
	}
}

/* ------------------------------------------------------------------------------------------------ one process */

enum { STOP }; /* of world->flag */

struct payload {
	uint64_t generation;
	uint32_t source, size;
	unsigned char bytes[20000];
};

static struct payload payload;
static int32_t me;
static const char requests[][100] = {"", "short",
        "one that is longer than what a seat has room for, so that it takes a block of the heap of its own"};

static size_t name_of(unsigned group, char name[200])
{
	memset(name, 'n', 200);
	name[0] = (char)('a' + group);
	return group == 0 ? 200 : 10;
}

static struct covey_reply reply_from(uint32_t source, uint64_t generation, unsigned seed)
{
	static const uint32_t sizes[] = {0, 20, 180, 19000};

	payload.generation = generation;
	payload.source = source;
	payload.size = (uint32_t)offsetof(struct payload, bytes) + (seed % 32 == 0 ? sizes[3] : sizes[seed % 3]);
	memset(payload.bytes, (int)(source & 0xff), payload.size - offsetof(struct payload, bytes));
	return (struct covey_reply){.data = &payload, .size = payload.size};
}

static uint32_t source_of(const struct covey_result *result)
{
	const struct payload *p = result->data;

	must(result->size >= offsetof(struct payload, bytes) && result->size == p->size);
	must(p->generation == result->generation);
	for (size_t i = 0; i < result->size - offsetof(struct payload, bytes); i++)
		must(p->bytes[i] == (p->source & 0xff));
	return p->source + 1;
}

static int answer(uint32_t i, int r, uint64_t generation, pid_t pid)
{
	h->record[i].answer = r;
	h->record[i].generation = generation;
	h->record[i].pid = pid;
	history_end(h, i);
	return r;
}

static uint32_t ask(enum call call, unsigned group, uint64_t asked)
{
	uint32_t i = history_ask(h, me, call, group);

	h->record[i].asked = asked;
	history_begin(h, i);
	return i;
}

static int find(covey *c, unsigned group, struct covey_info *info)
{
	char name[200];
	size_t size = name_of(group, name);
	uint32_t i = ask(FIND, group, 0);
	int r = covey_find(c, name, size, info);

	return answer(i, r, r == 0 ? info->generation : 0, r == 0 ? info->pid : 0);
}

static int get_lead(covey *c, enum call call, unsigned group, uint64_t asked, struct covey_lead *lead)
{
	char name[200];
	size_t size = name_of(group, name);
	uint32_t i = ask(call, group, asked);
	int r = call == REGISTER ? covey_find_or_register(c, name, size, lead)
	        : call == JOIN   ? covey_join(c, name, size, lead)
	        : call == ACCEPT ? covey_accept_work(c, name, size, COVEY_NOW, lead)
	                         : covey_take_over(c, name, size, asked, lead);

	return answer(i, r, r > 0 ? lead->generation : 0, r == COVEY_LEADER ? lead->previous : r > 0 ? lead->pid : 0);
}

/* LEADING, UNREGISTER or FORWARD. */
static int tell(covey *c, enum call call, unsigned group, const struct covey_lead *lead)
{
	uint32_t i, self = call == FORWARD ? (uint32_t)covey_participant(c) : 0;

	i = ask(call, group, lead->generation);
	return answer(i,
	        call == LEADING      ? covey_leading(c, lead)
	        : call == UNREGISTER ? covey_unregister(c, lead)
	                             : covey_forward_work(c, lead, self),
	        0, 0);
}

/* NOTIFY or PUBLISH. */
static int give(covey *c, enum call call, unsigned group, const struct covey_lead *lead, unsigned seed)
{
	uint32_t i = history_ask(h, me, call, group);
	struct covey_reply reply = reply_from(i, lead->generation, seed);
	bool all = seed / 32 % 2 == 0;
	unsigned which = seed / 64 % 3;
	const char *request = all ? NULL : requests[which];
	size_t size = all ? 0 : strlen(request);

	if (call == PUBLISH && seed / 256 % 4 == 0 &&
	        covey_room(c, lead, request, size, reply.size, (void **)(uintptr_t)&reply.data, &reply.room) == 0)
		memcpy((void *)(uintptr_t)reply.data, &payload, reply.size);
	h->record[i].asked = lead->generation;
	h->record[i].request = all ? EVERYBODY : (uint8_t)which;
	history_begin(h, i);
	return answer(i,
	        call == PUBLISH ? covey_unregister_notify(c, lead, request, size, &reply)
	        : all           ? covey_notify_all(c, lead, &reply)
	                        : covey_notify(c, lead, request, size, &reply),
	        0, 0);
}

static bool goes_well(int r)
{
	return r >= 0 || r == COVEY_EFENCED || r == COVEY_EFULL;
}

static void lead(covey *c, unsigned group, struct covey_lead *lead, unsigned seed)
{
	struct covey_lead again;

	if (seed % 4 == 0)
		must(goes_well(give(c, NOTIFY, group, lead, seed / 4)));
	if (seed % 7 == 0)
		tell(c, LEADING, group, lead);
	if (seed % 13 == 0 && get_lead(c, REGISTER, group, 0, &again) == COVEY_LEADER)
		*lead = again; /* we had been deposed, and that one has ended */
	if (seed % 3 == 0)
		world_yield(); /* time for others to join */
	if (seed % 11 == 0 && tell(c, FORWARD, group, lead) == 0)
		if (get_lead(c, ACCEPT, group, 0, lead) != COVEY_LEADER)
			return;
	if (seed % 5 == 0)
		must(goes_well(tell(c, UNREGISTER, group, lead)));
	else
		must(goes_well(give(c, PUBLISH, group, lead, seed / 4)));
	if (seed % 17 == 0)
		must(tell(c, UNREGISTER, group, lead) == COVEY_EFENCED);
}

static void await(covey *c, unsigned group, const struct covey_lead *leader, unsigned seed)
{
	uint32_t i = history_ask(h, me, AWAIT, group);
	struct record *r = &h->record[i];
	struct covey_result result;
	int64_t deadline = seed % 3 == 0 ? covey_in_ms(0) + 100000 : COVEY_FOREVER;
	unsigned which = seed / 3 % 3;

	r->asked = leader->generation;
	r->request = (uint8_t)which;
	r->for_ever = deadline == COVEY_FOREVER;
	history_begin(h, i);
	r->answer = covey_await(c, leader, requests[which], strlen(requests[which]), deadline,
	        seed % 11 == 0 ? COVEY_NO_TAKEOVER : 0, &result);
	r->source = r->answer == COVEY_OK ? source_of(&result) : 0;
	r->took_over = r->answer == COVEY_DIED && result.part == COVEY_TOOK_OVER;
	answer(i, r->answer, result.generation, r->answer == COVEY_OK ? result.pid : 0);
	if (r->took_over)
		lead(c, group, &result.lead, seed / 9);
	covey_release(c, &result);
}

static void depose(covey *c, unsigned group, unsigned seed)
{
	struct covey_info info;
	struct covey_lead now;

	if (find(c, group, &info) == 0 && seed % 4 == 0 &&
	        get_lead(c, TAKE_OVER, group, info.generation, &now) == COVEY_LEADER)
		lead(c, group, &now, seed / 4);
}

/* A name that pushes others out of the table. */
static void pass_by(covey *c, unsigned seed)
{
	struct covey_lead now;
	char name[32];

	snprintf(name, sizeof(name), "passing-%u", seed % 97);
	if (lead_of(c, name, &now) == COVEY_LEADER)
		covey_unregister(c, &now);
}

static void one_turn(covey *c, unsigned seed)
{
	unsigned group = seed % GROUPS;
	struct covey_lead now;
	int r;

	if (h->evicts)
		pass_by(c, seed / 4);
	seed /= 4;
	if (seed % 6 == 0) {
		depose(c, group, seed / 6);
		return;
	}
	r = get_lead(c, seed % 8 == 1 ? JOIN : REGISTER, group, 0, &now);
	if (r == COVEY_LEADER)
		lead(c, group, &now, seed / 8);
	else if (r == COVEY_WAIT)
		await(c, group, &now, seed / 8);
	else
		must(r == COVEY_ENOENT || (h->evicts && r == COVEY_EFULL));
}

static int works(void *context)
{
	unsigned seed;
	covey *c;

	me = *(int32_t *)context;
	atomic_store(&h->pid[me], getpid());
	seed = (unsigned)me * 2654435761u + (unsigned)atomic_load(&world->number[0]);
	c = world_open();
	while (atomic_load(&world->flag[STOP]) == 0) {
		seed = seed * 1103515245u + 12345u;
		if (atomic_load(&h->used) < ENOUGH)
			one_turn(c, seed >> 8);
		else
			world_yield(); /* the killer came late; it may still kill us */
	}
	covey_close(c);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ storms */

static struct {
	long storms, kills, stops, calls, cut, histories;
	long by[CALLS];
	int64_t nanoseconds; /* of the killing */
	int64_t longest_stop;
} sum;

struct worker {
	pid_t pid;
	int32_t process;
	uint32_t death; /* its record, once it is killed */
};

static void begin_worker(struct worker *w)
{
	w->process = atomic_fetch_add(&h->processes, 1);
	must(w->process < HISTORY_PROCESSES);
	w->pid = world_spawn(works, &w->process);
}

static void begin_kill(struct worker *w)
{
	w->death = history_ask(h, w->process, DEATH, 0);
	history_begin(h, w->death);
	kill(w->pid, SIGKILL);
}

static void end_kill(struct worker *w)
{
	must(world_join(w->pid) == 128 + SIGKILL);
	history_end(h, w->death);
	begin_worker(w);
}

/* One to BURST neighbours at once, after some calls. */
static int burst(struct worker worker[WORKERS], unsigned seed, bool await_calls)
{
	uint32_t before = atomic_load(&h->used);
	int count = 1 + (int)(seed / 16 % 8 == 0 ? seed / 128 % BURST : 0), first = (int)(seed / 1024 % WORKERS);

	if (await_calls)
		until(atomic_load(&h->used) > before + seed % 16 || atomic_load(&h->used) >= ENOUGH);
	for (int i = 0; i < count; i++)
		begin_kill(&worker[(first + i) % WORKERS]);
	for (int i = 0; i < count; i++)
		end_kill(&worker[(first + i) % WORKERS]);
	return count;
}

static void go_on(const struct worker *stopped, int64_t since)
{
	int64_t now;

	kill(stopped->pid, SIGCONT);
	now = covey_in_ms(0);
	if (now - since > sum.longest_stop)
		sum.longest_stop = now - since;
}

static int storm_of(struct worker worker[WORKERS], int kills, unsigned seed)
{
	struct worker *stopped = NULL;
	int64_t since = 0;
	int killed = 0;

	while (killed < kills && atomic_load(&h->used) < ENOUGH) {
		seed = seed * 1103515245u + 12345u;
		/* All others may wait for who is stopped, so then no call is awaited. */
		killed += burst(worker, seed >> 8, stopped == NULL);
		if (stopped != NULL)
			go_on(stopped, since);
		stopped = NULL;
		if (seed >> 24 & 1) {
			stopped = &worker[(seed >> 16) % WORKERS];
			since = covey_in_ms(0);
			kill(stopped->pid, SIGSTOP);
			sum.stops++;
		}
	}
	if (stopped != NULL)
		go_on(stopped, since);
	return killed;
}

static void judge(void)
{
	uint32_t used = atomic_load(&h->used);

	if (!history_linear(h, why, sizeof(why)) || !history_waits(h, why, sizeof(why)))
		fail_msg("%s", why);
	for (uint32_t i = 0; i < used; i++) {
		const struct record *r = &h->record[i];
		uint64_t *floor = &h->floor[r->group];

		sum.calls += atomic_load(&r->begin) != 0 && r->call != DEATH;
		sum.cut += atomic_load(&r->begin) != 0 && atomic_load(&r->end) == 0;
		sum.by[r->call]++;
		if (r->call != FORWARD && r->generation > *floor)
			*floor = r->generation;
	}
	sum.histories += GROUPS;
}

static void storm(covey *c, int kills)
{
	struct worker worker[WORKERS];
	int64_t begin;

	clear();
	atomic_store(&world->flag[STOP], 0);
	atomic_fetch_add(&world->number[0], 1);
	for (int i = 0; i < WORKERS; i++)
		begin_worker(&worker[i]);
	begin = covey_in_ms(0);
	sum.kills += storm_of(worker, kills, (unsigned)atomic_load(&world->number[0]));
	sum.nanoseconds += covey_in_ms(0) - begin;
	atomic_store(&world->flag[STOP], 1);
	for (int i = 0; i < WORKERS; i++)
		must(world_join(worker[i].pid) == 0);
	world_settle(c, 1);
	sum.storms++;
	judge();
}

/* The groups are in the table, that with the long name at any rate, and nothing else takes memory. */
static void touch_groups(covey *c, struct covey_usage *usage)
{
	for (unsigned group = GROUPS; group-- > 0;) {
		struct covey_lead now;
		char name[200];
		size_t size = name_of(group, name);

		must(covey_find_or_register(c, name, size, &now) == COVEY_LEADER && covey_unregister(c, &now) == 0);
		h->floor[group] = now.generation;
	}
	must(covey_usage_of(c, usage) == 0);
	world_check(c, 1); /* the long name */
}

static void storms(const struct covey_options *options, bool with_evictions, int count)
{
	struct covey_usage start, now;
	covey *c;

	memset(&sum, 0, sizeof(sum));
	clear();
	h->evicts = with_evictions;
	world_begin(options);
	c = world_open();
	touch_groups(c, &start);
	for (int i = 0; i < count; i++) {
		storm(c, 150);
		touch_groups(c, &now);
		assert_int_equal(now.participants, start.participants);
		assert_int_equal(now.threads, start.threads);
		assert_int_equal(now.groups_led, 0);
		assert_int_equal(now.heap_blocks, start.heap_blocks);
		if (!h->evicts)
			assert_int_equal(now.groups_cached, start.groups_cached);
	}
	print_message(
	        "%ld storms, %ld kills, %ld a second, %ld stops; %ld calls, %ld of them cut short; %ld histories of "
	        "groups in order; rescued %llu\n",
	        sum.storms, sum.kills, (long)(sum.kills * INT64_C(1000000000) / sum.nanoseconds), sum.stops, sum.calls,
	        sum.cut, sum.histories, (unsigned long long)covey_counter(c, COVEY_COUNT_RESCUED));
	print_message(
	        "register %ld, join %ld, find %ld, leading %ld, notify %ld, publish %ld, unregister %ld, take over "
	        "%ld, forward %ld, accept %ld, await %ld\n",
	        sum.by[REGISTER], sum.by[JOIN], sum.by[FIND], sum.by[LEADING], sum.by[NOTIFY], sum.by[PUBLISH],
	        sum.by[UNREGISTER], sum.by[TAKE_OVER], sum.by[FORWARD], sum.by[ACCEPT], sum.by[AWAIT]);
	/* Whoever waits for a leader that was stopped for longer than the backstop, in the middle of its end, is rescued. */
	if (sum.longest_stop < 500000000)
		assert_int_equal(covey_counter(c, COVEY_COUNT_RESCUED), 0);
	else
		print_message("a stop lasted %ld ms on this machine: rescues are not judged\n",
		        (long)(sum.longest_stop / 1000000));
	covey_close(c);
}

static int storms_to_run(void)
{
	return getenv("COVEY_PROVE") != NULL ? 300 : 12;
}

static void groups_that_stay(void **state)
{
	struct covey_options options = {.groups = 64, .participants = 32, .heap = 1 << 20, .heap_max = 64 << 20};

	(void)state;
	storms(&options, false, storms_to_run());
}

static void groups_that_are_evicted(void **state)
{
	struct covey_options options = {.groups = 8, .participants = 32, .heap = 1 << 20, .heap_max = 64 << 20};

	(void)state;
	storms(&options, true, storms_to_run());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(false_stories_are_refused),
	        cmocka_unit_test(groups_that_stay),
	        cmocka_unit_test(groups_that_are_evicted),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	world_end();
	return failed;
}
