/*
 * region.c - a region is damaged as some bytes say, and calls are made on it: never a crash, a hang, or a look outside of it
 *
 * An input is a sequence of steps until it ends.  A step overwrites something: a field of the layout, chosen by its
 * section, index and place, by a value that is made to look like what belongs there; either at once, or before one of the
 * next loads that the library makes, so also between a check and the use of what was checked.  Or it makes one call.  If no
 * step was a call, the first byte says which are made.  What they answer is theirs, as long as covey.h lists it.
 *
 * With libFuzzer's engine (tests/fuzz/run) this searches for inputs that lead to new code; tests/fuzz/replay.c makes the
 * stored ones again.
 */
#include <string.h>

#include "hash.h"
#include "pool.h"
#include "snapshot.h"
#include "stage.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ------------------------------------------------------------------------------------------------ the input */

static const uint8_t *input, *input_end;

static uint32_t take(unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && input < input_end; i++)
		value |= (uint32_t)*input++ << i * 8;
	return value;
}

/* ------------------------------------------------------------------------------------------------ damage */

struct damage {
	uint64_t offset, value;
	unsigned size;
};

#define LATER_MAX 8
static struct later {
	uint32_t loads; /* after the one before */
	struct damage what;
} later[LATER_MAX];
static unsigned later_first, later_end;

static void inflict(const struct damage *d)
{
	memcpy(stage.map + d->offset, &d->value, d->size);
}

UNINSTRUMENTED static void inflict_next(void)
{
	inflict(&later[later_first++].what);
	stage_at_load(later_first < later_end ? later[later_first].loads : 0, inflict_next);
}

static void inflict_later(uint32_t loads, const struct damage *d)
{
	if (later_first == later_end)
		later_first = later_end = 0;
	if (later_end == LATER_MAX) {
		inflict(d);
		return;
	}
	later[later_end++] = (struct later){loads + 1, *d};
	if (later_end - later_first == 1 && !stage_at_load(loads + 1, inflict_next))
		inflict_next();
}

/* What was to come before a load that was not made. */
static void inflict_rest(void)
{
	stage_at_load(0, NULL);
	while (later_first < later_end)
		inflict(&later[later_first++].what);
}

/* One struct of a section: where it begins and its size. */
struct place {
	uint64_t offset, size;
};

static struct place element(uint64_t section, uint64_t count, uint64_t size)
{
	return (struct place){section + take(1) % count * size, size};
}

static struct place place_of(unsigned section)
{
	const struct covey_counts *n = &stage.c->counts;
	const struct covey_layout *l = &stage.layout;
	uint64_t heap = (uint64_t)n->chunks << CV_CHUNK_SHIFT;

	switch (section) {
	case 0:
		return (struct place){offsetof(struct covey_header, globals), sizeof(struct cv_globals)};
	case 1:
		return (struct place){l->watch, CV_WATCH_WORDS * sizeof(uint32_t) / 8 * 8};
	case 2:
		return element(l->slots, n->participants, sizeof(struct covey_slot));
	case 3:
		return element(l->rings, n->participants * 32, CV_LINE);
	case 4:
	case 5:
		return element(l->seats, n->threads + n->participants + 1, sizeof(struct cv_seat));
	case 6:
		return element(l->nodes, n->groups + 1, sizeof(struct cv_node));
	case 7:
		return element(l->tails, n->groups + 1, sizeof(struct cv_tail));
	case 8:
		return element(l->buckets, n->buckets, 8);
	case 9:
		return element(l->chunks, n->chunks, 8);
	case 10:
		return element(l->blocks, (uint64_t)n->chunks * CV_CHUNK_BLOCKS, 8);
	case 11:
		return element(l->heap, heap / 256, sizeof(struct cv_block));
	case 12:
		return (struct place){l->heap + take(2) * 8 % heap, 8};
	case 13:
		return (struct place){0, sizeof(struct covey_header)};
	default:
		return (struct place){take(3) % (stage.size / 8) * 8, 8};
	}
}

static uint32_t some_block(void)
{
	uint32_t chunk = take(1), block = take(1);

	return (chunk % 8) << 8 | block; /* some of them are none */
}

static uint64_t some_node_word(uint64_t old)
{
	uint32_t state = take(1), owner = take(1);
	uint64_t gen = cv_word_gen(old) + (uint64_t)(int64_t)(int8_t)take(1);

	return cv_word((enum cv_state)(state & 7), owner == 255 ? CV_SEAT_LIMIT : owner % 32, gen) | (state & 8);
}

static uint64_t some_seat_word(uint64_t old)
{
	uint32_t state = take(1), block = state & 8 ? take(3) : some_block();

	return cv_seat_word((enum cv_seat_state)(state & 7), cv_seat_seq(old) + (state >> 4), block);
}

static uint64_t some_chunk_word(uint64_t old)
{
	uint32_t state = take(1), arg = take(1), owner = take(1) % 32;

	return (old & ~UINT64_C(0x3ffffffffff)) | (uint64_t)(arg == 255 ? 0xffffff : arg) << 18 | (uint64_t)owner << 4 |
	       (state & 15);
}

static uint64_t some_value(unsigned kind, const struct place *p, uint64_t offset)
{
	uint64_t old, value;

	memcpy(&old, stage.map + offset / 8 * 8, 8);
	switch (kind) {
	case 0:
		value = take(4);
		return value | (uint64_t)take(4) << 32;
	case 1:
		return take(1);
	case 2:
		return take(4);
	case 3:
		return old ^ UINT64_C(1) << take(1) % 64;
	case 4:
		return old + (uint64_t)(int64_t)(int8_t)take(1);
	case 5:
		return some_node_word(old);
	case 6:
		return some_seat_word(old);
	case 7:
		return some_chunk_word(old);
	case 8:
		return some_block();
	case 9:
		return (old & ~UINT64_C(0xffffffff)) | take(1) % 32 | (take(1) & 1 ? CV_NEXT_MARK : 0);
	case 10: /* the same field of another */
		value = p->size <= offset ? offset - p->size : offset;
		memcpy(&old, stage.map + value / 8 * 8, 8);
		return old;
	case 11:
		return UINT64_MAX;
	case 12:
		return old ^ FUTEX_OWNER_DIED;
	case 13:
		return UINT64_C(1) << take(1) % 64;
	case 14:
		return cv_key_of(take(1) % 32, take(1));
	default:
		return 0;
	}
}

static void damage(unsigned step)
{
	static const unsigned sizes[] = {8, 4, 8, 1};
	struct place p = place_of(step & 15);
	unsigned how = take(1);
	struct damage d = {.size = sizes[how >> 4 & 3]};

	d.offset = p.offset + take(1) * d.size % (p.size != 0 ? p.size : 1);
	d.value = some_value(how & 15, &p, d.offset);
	if (d.offset + d.size > stage.size)
		return;
	if (step & 16)
		inflict_later(take(step & 32 ? 2 : 1), &d);
	else
		inflict(&d);
}

/* As if whoever made the region had made it so. */
static void seal(void)
{
	struct covey_header *h = (struct covey_header *)(void *)stage.map;

	h->seal = covey_seal(h);
}

/* ------------------------------------------------------------------------------------------------ calls */

static covey *c; /* on which they are made */
static struct covey_lead leads[4];

static char names[8][300];
static const size_t name_sizes[8] = {4, 1, 300, 1, 1, 300, 24, 64};

static void name_groups(void)
{
	static const char *const begins[] = {"mine", "b", "l", "c", "d", "e", "new", "another"};

	for (int i = 0; i < 8; i++) {
		memset(names[i], 'l', sizeof(names[i]));
		memcpy(names[i], begins[i], strlen(begins[i]));
	}
}

/* All of it is there to be read. */
static unsigned char touch(const void *data, size_t size)
{
	volatile unsigned char sum = 0;

	must(size <= stage.size || data == NULL);
	for (size_t i = 0; data != NULL && i < size; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)data)[i]);
	return sum;
}

static int pick(void *context, const void *request, size_t size)
{
	(void)context;
	return touch(request, size) & 1;
}

static int see_group(void *context, const struct covey_group_view *group)
{
	(void)context;
	touch(group->name, group->size);
	must(memchr(group->command, 0, sizeof(group->command)) != NULL);
	return 0;
}

static int see_waiter(void *context, const struct covey_waiter_view *waiter)
{
	(void)context;
	must(memchr(waiter->command, 0, sizeof(waiter->command)) != NULL);
	return 0;
}

static int see_event(void *context, const struct covey_event_view *event)
{
	(void)context;
	touch(event->name, event->size);
	must(covey_event_name(event->kind)[0] != '\0');
	return 0;
}

static struct covey_reply some_reply(unsigned how)
{
	static const size_t sizes[] = {0, 5, 48, 300, 5000, 40000, 70000, 140000};
	static unsigned char bytes[140000];

	return (struct covey_reply){.error = how >> 3 & 1, .data = bytes, .size = sizes[how & 7]};
}

static int compute(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	unsigned how = *(unsigned *)self;
	struct covey_reply reply = some_reply(how);

	touch(base.data, base.size);
	touch(request.data, request.size);
	if (how & 16) {
		void *room = covey_answer_room(answer, reply.size);

		return room == NULL ? 1 : (memset(room, 1, reply.size), 0);
	}
	return covey_answer_copy(answer, reply.data, reply.size) != 0 || reply.error;
}

static int group_of(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)request;
	name->size = base.size < 300 ? base.size : 300;
	memcpy(name->data, base.data, name->size);
	return 0;
}

static void got(int r, struct covey_result *result)
{
	must(r == result->outcome || r < 0);
	if (r == COVEY_OK || r == COVEY_ERROR)
		touch(result->data, result->size);
	if (r == COVEY_DIED && result->part == COVEY_TOOK_OVER)
		leads[3] = result->lead;
	covey_release(c, result);
}

static void await(unsigned how, const struct covey_lead *lead)
{
	static const size_t sizes[] = {0, 5, 88, 200};
	struct covey_result result;

	got(covey_await(c, lead, names[2], sizes[how & 3], covey_in_ms(how & 4 ? 3000 : 1),
	            how & 8 ? COVEY_NO_TAKEOVER : 0, &result),
	        &result);
}

static void receive(struct covey_lead *lead, unsigned how)
{
	struct covey_request request;
	struct covey_reply reply = some_reply(how);

	if (covey_receive(c, lead, how & 16 ? covey_in_ms(1) : COVEY_NOW, &request) != 0)
		return;
	touch(request.data, request.size);
	covey_respond(c, lead, &request, &reply);
}

static void make_room(const struct covey_lead *lead, unsigned how)
{
	struct covey_reply reply = some_reply(how);
	void *data;

	if (covey_room(c, lead, "r", 1, reply.size, &data, &reply.room) != 0)
		return;
	memset(data, 1, reply.size);
	reply.data = (unsigned char *)data + (how & 32 ? reply.size / 2 : 0);
	if (how & 64)
		covey_room_free(c, reply.room);
	else
		covey_unregister_notify(c, lead, NULL, 0, &reply);
}

static void resolve(unsigned how, unsigned which)
{
	struct covey_device device = {.self = &how, .group = group_of, .compute = compute};
	struct covey_resolve_options options = {
	        .deadline = covey_in_ms(2), .no_wait = how >> 5 & 1, .allow_infinite = how >> 6 & 1};
	struct covey_result result;
	int r = covey_resolve(c, &device, (struct covey_bytes){names[which], name_sizes[which]},
	        (struct covey_bytes){"request", how & 128 ? 7 : 0}, &options, &result);

	if (r == COVEY_OK || r == COVEY_ERROR)
		touch(result.data, result.size);
	covey_release(c, &result);
}

static void work(unsigned how, struct covey_lead *lead)
{
	struct covey_device device = {.self = &how, .group = group_of, .compute = compute};
	struct covey_worker_options options = {
	        .static_worker = how >> 5 & 1, .error_strategy = how >> 6 & 1, .worker_timeout = 1000000};

	covey_default_worker(c, &device, lead, (struct covey_bytes){"mine", 4}, &options);
}

static void forward(const struct covey_lead *lead, unsigned to)
{
	uint32_t slot = to % stage.c->counts.participants;

	covey_forward_work(c, lead,
	        to & 64 ? (uint32_t)covey_participant(c)
	                : (atomic_load(&stage.c->slots[slot].epoch) & 0x3ffff) << 13 | (slot + 1));
}

static void snapshots(covey *of, unsigned which)
{
	struct cv_key key = {(const unsigned char *)names[which], (uint32_t)name_sizes[which], 0};
	struct covey_snapshot was, is;
	struct covey_change *changes;
	uint32_t node;
	size_t count;

	key.hash = cv_hash(of->arena.key, names[which], name_sizes[which]);
	must(covey_snapshot_take(of, &key, &node, &was) && covey_snapshot_take(of, NULL, &node, &is));
	must(covey_snapshot_compare(&was, &is, &changes, &count));
	for (size_t i = 0; i < count; i++)
		touch(changes[i].name, changes[i].size);
	free(changes);
	covey_snapshot_free(&was);
	covey_snapshot_free(&is);
}

/* What an inspector does; on its own handle, which may only read. */
static void inspect(covey *of, unsigned which)
{
	struct covey_usage usage;
	struct covey_info info;
	char why[200] = "";

	covey_find(of, names[which], name_sizes[which], &info);
	covey_each_group(of, see_group, NULL);
	covey_each_waiter(of, names[which], name_sizes[which], see_waiter, NULL);
	covey_each_event(of, see_event, NULL);
	covey_usage_of(of, &usage);
	for (int i = 0; i < COVEY_COUNTERS; i++)
		covey_counter(of, (enum covey_counter)i);
	must(covey_check(of, why, sizeof(why)) == 0 || why[0] != '\0');
	snapshots(of, which);
}

static void requests(void)
{
	for (uint32_t at = 0; covey_asked(c, &at) != 0;)
		must(at <= c->arena.seat_count);
}

static void take_over(unsigned which, struct covey_lead *lead)
{
	struct covey_info info;

	if (covey_find(c, names[which], name_sizes[which], &info) == 0)
		covey_take_over(c, names[which], name_sizes[which], info.generation, lead);
}

static void call(unsigned what, unsigned which, unsigned how)
{
	const char *name = names[which & 7];
	size_t size = name_sizes[which & 7];
	struct covey_lead *lead = &leads[which >> 3 & 3];
	struct covey_reply reply = some_reply(how);
	struct covey_info info;

	switch (what) {
	case 0:
		covey_find(c, name, size, &info);
		break;
	case 1:
		covey_join(c, name, size, lead);
		break;
	case 2:
		covey_find_or_register(c, name, size, lead);
		break;
	case 3:
		await(how, lead);
		break;
	case 4:
		covey_notify(c, lead, "request", how & 16 ? 7 : 0, &reply);
		break;
	case 5:
		covey_notify_all(c, lead, &reply);
		break;
	case 6:
		covey_notify_if(c, lead, pick, NULL, &reply);
		break;
	case 7:
		receive(lead, how);
		break;
	case 8:
		make_room(lead, how);
		break;
	case 9:
		covey_unregister_notify(c, lead, how & 16 ? "request" : NULL, how & 16 ? 7 : 0, &reply);
		break;
	case 10:
		covey_unregister(c, lead);
		break;
	case 11:
		take_over(which & 7, lead);
		break;
	case 12:
		forward(lead, how);
		break;
	case 13:
		covey_accept_work(c, name, size, how & 1 ? covey_in_ms(1) : COVEY_NOW, lead);
		break;
	case 14:
		resolve(how, which & 7);
		break;
	case 15:
		work(how, lead);
		break;
	case 16:
		covey_reap(c);
		break;
	case 17:
		stage_keeper(c);
		break;
	case 18:
		inspect(c, which & 7);
		break;
	case 19:
		inspect(stage.inspector, which & 7);
		break;
	case 20:
		covey_leading(c, lead);
		break;
	case 21:
		covey_room_free(c, (how % 8) << 8 | which);
		break;
	case 22:
		requests();
		break;
	case 23: /* to be given what is put aside for this thread */
		covey_release(c, &(struct covey_result){.loan = (how % 8) << 8 | which,
		                         .loan_seat = (which % 16) * CV_LOANS + how % CV_LOANS});
		break;
	default: /* as covey_find_or_register() and what follows from it */
		if (covey_find_or_register(c, name, size, lead) == COVEY_WAIT)
			await(how, lead);
		else
			covey_unregister_notify(c, lead, NULL, 0, &reply);
	}
}

/* All that is done with one group. */
static void use_group(unsigned which)
{
	call(2, which, 0);
	call(3, which, 1);
	call(7, which, 1);
	call(4, which, 1 | 16);
	call(9, which, 3);
	call(11, which, 0);
	call(8, which, 4);
}

/* Some calls, or (0) all. */
static void calls(unsigned some)
{
	if (some < 2)
		inspect(c, 0);
	if (some == 0 || some == 2)
		inspect(stage.inspector, 1);
	for (unsigned which = 0; which < 8; which++)
		if (some == 0 || some - 3 == which)
			use_group(which);
	if (some == 0 || some == 11)
		call(16, 0, 0);
	if (some == 0 || some >= 12)
		stage_keeper(c);
	if (some >= 13)
		call(14, some - 13, 1);
}

/* ------------------------------------------------------------------------------------------------ one input */

#define STEP_CALL 128
#define STEP_SEAL 127

static void steps(unsigned otherwise)
{
	bool called = false;

	while (input < input_end) {
		unsigned step = take(1);

		if (step == STEP_SEAL) {
			seal();
		} else if (step & STEP_CALL) {
			unsigned which = take(1), how = take(1);

			call(step & 31, which, how);
			called = true;
		} else {
			damage(step);
		}
	}
	if (!called)
		calls(otherwise);
	inflict_rest();
}

/* Damage done before a process attaches.  A header that was changed and not sealed again must be seen. */
static void steps_attached(unsigned otherwise)
{
	struct covey_header was, *is = (struct covey_header *)(void *)stage.map;
	size_t sealed = offsetof(struct covey_header, seal) + sizeof(is->seal);
	bool seal_used = false;
	int error;

	memcpy(&was, is, sealed);
	while (input < input_end && (*input & STEP_CALL) == 0) {
		seal_used = seal_used || *input == STEP_SEAL;
		if (*input == STEP_SEAL)
			seal(), input++;
		else
			damage(take(1));
	}
	inflict_rest();
	c = stage_attach(COVEY_ATTACH_ONLY, &error);
	must(c == NULL || seal_used || memcmp(&was, is, sealed) == 0);
	must(c != NULL || error == COVEY_ECORRUPT || error == COVEY_EFOREIGN || error == COVEY_EFULL);
	if (c == NULL)
		return;
	steps(otherwise);
	stage_detach(c);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	(void)count, (void)arguments;
	name_groups();
	stage_build();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned how;

	input = data;
	input_end = data + size;
	later_first = later_end = 0;
	stage_reset();
	for (int i = 0; i < 4; i++)
		leads[i] = stage.lead;
	c = stage.c;
	how = take(1);
	if (how % 16 == 15)
		steps_attached(how / 16);
	else
		steps(how / 16);
	inflict_rest();
	return 0;
}
