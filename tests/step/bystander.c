/*
 * bystander.c - finishes every call on the groups of the play, and accounts for all that the region has
 *
 * Whole again means: the checker finds every invariant; every group can be led, all at once and not one more; every byte
 * of the heap can be had; nobody but the bystander has a slot or a seat; no block is in use that no name lies in; and the
 * generations have only grown.
 */
#include "bystander.h"

#include "heap.h"
#include "internal.h"
#include "tracer.h"

const struct covey_options small = {
        .groups = 12, .participants = 6, .threads = 12, .heap = 1 << 17, .heap_max = 1 << 18};
char long_name[LONG_NAME_SIZE + 1];
static bool crowded; /* the victim may hold all nodes, or all of the heap, for as long as it lives */
struct covey_lead bystander_lead;
bool bystander_leads;

const char *new_name(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "new %d", (int)atomic_load(&world->number[NUMBER_NEW_NAME]));
	return name;
}

void lead_g(covey *c)
{
	must(lead_of(c, "g", &bystander_lead) == COVEY_LEADER);
	bystander_leads = true;
	atomic_store(&world->flag[FLAG_PATIENT], 1);
}

/* ------------------------------------------------------------------------------------------------ every call */

/* The leader, whoever led before: what is led by one who is stopped, or dies, is taken over. */
static bool come_to_lead(covey *c, const char *group, struct covey_lead *lead)
{
	struct covey_info info;
	int r = lead_of(c, group, lead);

	if (r == COVEY_WAIT) {
		r = covey_find(c, group, strlen(group), &info);
		must(r == 0 || r == COVEY_ENOENT);
		if (r == 0)
			r = covey_take_over(c, group, strlen(group), info.generation, lead);
		must(r != COVEY_LEADER || lead->generation == info.generation + 1);
		if (r != COVEY_LEADER)
			r = lead_of(c, group, lead);
	}
	must(r == COVEY_LEADER || (r == COVEY_RECURSION && bystander_leads) || (r == COVEY_EFULL && crowded));
	return r == COVEY_LEADER;
}

/* What came of an answer: there may be no room for it. */
static bool answered(int r)
{
	return r >= 0 || (r == COVEY_EFULL && crowded);
}

/* While it leads: everything that a leader can do. */
static void lead_through(covey *c, const char *group, struct covey_lead *lead)
{
	struct covey_lead again, accepted;
	struct covey_reply reply = text("survivor");
	struct covey_request request;
	struct covey_info info;
	uint32_t room;
	void *data;
	int r;

	must(lead_of(c, group, &again) == COVEY_RECURSION);
	must(covey_join(c, group, strlen(group), &again) == COVEY_RECURSION);
	must(covey_leading(c, lead) == 1);
	must(covey_find(c, group, strlen(group), &info) == 0 && info.generation == lead->generation);
	while (covey_receive(c, lead, COVEY_NOW, &request) == 0)
		must(answered(covey_respond(c, lead, &request, &reply)));
	r = covey_notify(c, lead, "nobody's", 8, &reply);
	must(r == 0 || (r == COVEY_EFULL && crowded));
	r = covey_room(c, lead, NULL, 0, 2000, &data, &room);
	must(r == 0 || (r == COVEY_EFULL && crowded));
	if (r == 0)
		covey_room_free(c, room);
	must(covey_forward_work(c, lead, (uint32_t)covey_participant(c)) == 0);
	must(covey_leading(c, lead) == 0);
	must(covey_accept_work(c, group, strlen(group), COVEY_NOW, &accepted) == COVEY_LEADER);
	must(accepted.generation > lead->generation);
	*lead = accepted;
	must(answered(covey_notify_all(c, lead, &reply)));
}

/* Ends with nobody leading the group. */
static void use_group(covey *c, const char *group)
{
	struct covey_reply reply = text("survivor");
	struct covey_lead lead, next;
	struct covey_info info;

	if (!come_to_lead(c, group, &lead))
		return;
	lead_through(c, group, &lead);
	must(answered(covey_unregister_notify(c, &lead, NULL, 0, &reply)));
	must(covey_unregister(c, &lead) == COVEY_EFENCED);
	must(covey_find(c, group, strlen(group), &info) == COVEY_ENOENT);
	must(lead_of(c, group, &next) == COVEY_LEADER && next.generation > lead.generation);
	must(covey_unregister(c, &next) == 0);
}

static int echo(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

static void resolve_something(covey *c)
{
	static const struct covey_device device = {.compute = echo};
	struct covey_result result;

	must(covey_resolve(c, &device, (struct covey_bytes){0}, (struct covey_bytes){"echo", 4}, NULL, &result) ==
	        COVEY_OK);
	must(says(&result, "echo"));
	covey_release(c, &result);
}

static int count_one(void *context, const struct covey_group_view *group)
{
	(void)context;
	must(group->size != 0);
	return 0;
}

/* What the bystander itself led. */
static void end_led(covey *c)
{
	struct covey_reply reply = text("survivor");
	int r = bystander_leads ? covey_unregister_notify(c, &bystander_lead, NULL, 0, &reply) : 0;

	must(r >= 0 || r == COVEY_EFENCED);
	bystander_leads = false;
}

static void survive(covey *c)
{
	use_group(c, "g");
	if (atomic_load(&world->number[NUMBER_NEW_NAME]) != 0)
		use_group(c, new_name());
	use_group(c, long_name);
	use_group(c, "another");
	resolve_something(c);
	must(covey_each_group(c, count_one, NULL) >= 0);
	end_led(c);
}

/* The shortest that makes good a death: the successor's part, and the reaper's. */
static void recover(covey *c)
{
	struct covey_lead lead;

	if (!bystander_leads && lead_of(c, "g", &lead) == COVEY_LEADER)
		must(covey_unregister(c, &lead) == 0);
	must(covey_reap(c) >= 0);
}

/* ------------------------------------------------------------------------------------------------ the audit */

static void no_node_is_lost(covey *c)
{
	struct cv_arena *a = &c->arena;
	struct covey_lead leads[128], more;
	uint32_t n = a->node_count;
	char name[32];

	must(n <= 128);
	for (uint32_t i = 1; i <= n; i++) {
		enum cv_state state = cv_word_state(atomic_load(&a->nodes[i].own));

		must(state == CV_FREE || state == CV_IDLE);
	}
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "audit %u", i);
		must(lead_of(c, name, &leads[i]) == COVEY_LEADER);
	}
	must(lead_of(c, "one more", &more) == COVEY_EFULL);
	for (uint32_t i = 0; i < n; i++)
		must(covey_unregister(c, &leads[i]) == 0);
}

/* Of all the chunks, as a leader can have them. */
static void no_byte_is_lost(covey *c)
{
	struct covey_usage usage;
	struct covey_lead lead;
	uint32_t rooms[64], n = 0;
	void *data;

	must(covey_usage_of(c, &usage) == 0 && usage.heap_blocks == 0 && usage.groups_led == 0);
	must(lead_of(c, "audit 0", &lead) == COVEY_LEADER);
	while (n < 64 && covey_room(c, &lead, NULL, 0, CV_CHUNK_SIZE - sizeof(struct cv_block), &data, &rooms[n]) == 0)
		n++;
	must(n == usage.heap_max >> CV_CHUNK_SHIFT);
	while (n != 0)
		covey_room_free(c, rooms[--n]);
	must(covey_unregister(c, &lead) == 0);
}

static void no_seat_is_lost(covey *c)
{
	struct cv_arena *a = &c->arena;

	for (uint32_t i = 1; i <= a->seat_count + a->keeper_count; i++) {
		struct cv_seat *s = &a->seats[i];
		uint32_t owner = i <= a->seat_count ? cv_seat_owner(a, i) : 0;

		must(owner == 0 || owner == c->slot + 1);
		for (int k = 0; k < CV_LOANS; k++)
			must(atomic_load(&s->loans[k]) == 0);
		for (int k = 0; k < CV_PINS; k++)
			must(atomic_load(&s->pins[k]) == 0);
		must(atomic_load(&s->request_block) == 0);
		must(cv_seat_state(atomic_load(&s->word)) != CV_SEAT_WAITING);
	}
}

static uint32_t participants(covey *c)
{
	struct covey_usage usage;

	must(covey_reap(c) >= 0 && covey_usage_of(c, &usage) == 0);
	return usage.participants;
}

static void audit(covey *c)
{
	char why[256] = "";

	until(participants(c) == 1);
	if (covey_check(c, why, sizeof(why)) != 0)
		fprintf(stderr, "covey_check: %s\n", why);
	must(why[0] == '\0');
	no_seat_is_lost(c);
	no_node_is_lost(c);
	no_byte_is_lost(c);
	must(covey_check(c, why, sizeof(why)) == 0);
	atomic_store(&world->number[NUMBER_RESCUED], (int64_t)covey_counter(c, COVEY_COUNT_RESCUED));
}

/* ------------------------------------------------------------------------------------------------ the process */

static void obey(covey *c, const struct way *way)
{
	switch (atomic_load(&world->number[NUMBER_COMMAND])) {
	case BYSTANDER_CUE:
		way->cue(c);
		break;
	case BYSTANDER_SURVIVE:
		survive(c);
		break;
	case BYSTANDER_RECOVER:
		recover(c);
		break;
	default:
		audit(c);
		covey_close(c);
		atomic_store(&world->flag[FLAG_AUDITED], 1);
		_exit(0);
	}
}

static _Noreturn void bystander(const struct way *way, bool prepares)
{
	covey *c = world_open();

	atomic_store(&world->number[NUMBER_BYSTANDER], covey_participant(c));
	crowded = way->crowded;
	if (prepares) {
		tracer_ready(); /* the actors may come now */
		if (way->prepare != NULL)
			way->prepare(c);
	}
	for (;;) {
		tracer_ready();
		obey(c, way);
	}
}

int bystander_prepares(void *way)
{
	bystander(way, true);
}

int bystander_comes(void *way)
{
	bystander(way, false);
}
