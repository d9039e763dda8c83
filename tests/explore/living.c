/*
 * living.c - scenarios in which nobody dies
 */
#include "stories.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------ one group */

static void resolve_x(void)
{
	resolve_group(0, 'x');
}

static void resolve_y(void)
{
	resolve_group(0, 'y');
}

static void set_up_two(void)
{
	make_world(2, 2, 2);
	actor("first", 0, resolve);
	actor("second", 1, resolve);
	led_before(0, 1);
	shared.all_publish = true;
}

static void set_up_two_new(void)
{
	make_world(2, 2, 2);
	actor("first", 0, resolve);
	actor("second", 1, resolve);
	shared.all_publish = true;
}

static void set_up_three(void)
{
	make_world(2, 2, 3);
	actor("first", 0, resolve);
	actor("second", 1, resolve);
	actor("third", 2, resolve);
	led_before(0, 1);
	shared.all_publish = true;
}

static void set_up_publish(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, publish_led);
	actor("waiter", 1, resolve);
	leads(0, 0);
	shared.all_publish = true;
}

static void set_up_no_room(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_too_much);
	actor("waiter", 1, wait_for_led);
	actor("other", 2, wait_for_led);
	leads(0, 0);
	shared.may_be_full = true;
}

static void set_up_give_up(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, give_up_led);
	actor("waiter", 1, wait_for_led);
	leads(0, 0);
}

static void set_up_requests(void)
{
	make_world(2, 2, 3);
	actor("x", 0, resolve_x);
	actor("y", 1, resolve_y);
	led_before(0, 1);
}

/* ------------------------------------------------------------------------------------------------ a full table */

static void resolve_1(void)
{
	resolve_group(1, 0);
}

static void resolve_2_and_3(void)
{
	resolve_group(2, 0);
	resolve_group(3, 0);
}

static void set_up_evict(void)
{
	make_world(2, 1, 2);
	actor("known", 0, resolve);
	actor("new", 1, resolve_2);
	full_table();
}

static void set_up_evict_same(void)
{
	make_world(2, 1, 2);
	actor("first", 0, resolve_2);
	actor("second", 1, resolve_2);
	full_table();
}

static void set_up_evict_twice(void)
{
	make_world(2, 1, 2);
	actor("known", 0, resolve_1);
	actor("new", 1, resolve_2_and_3);
	full_table();
}

/* The names lie in blocks. */
static void set_up_evict_long(void)
{
	make_world(2, 1, 2);
	name_size[0] = name_size[2] = LONG_NAME;
	actor("known", 0, resolve);
	actor("new", 1, resolve_2);
	full_table();
}

/* Each may hold a node of its own for a moment, and the third then finds none, however long it looks. */
static void set_up_evict_three(void)
{
	make_world(3, 1, 3);
	actor("known", 0, resolve);
	actor("same", 1, resolve);
	actor("new", 2, resolve_2_and_3);
	full_table();
	shared.may_be_full = true;
}

/* ------------------------------------------------------------------------------------------------ on the way */

static void depose_led(void)
{
	struct covey_lead lead;
	int r = covey_take_over(self->c, names[0], name_size[0], led.generation, &lead);

	machine_saw((uint64_t)r);
	expect(r == COVEY_LEADER || r == COVEY_EFENCED || r == COVEY_ENOENT, "taking over gives %d", r);
	if (r == COVEY_LEADER) {
		law_leads(0, &lead, true);
		lead_on(0, &lead, 0);
	}
}

static void set_up_notify(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, notify_and_give_up);
	actor("waiter", 1, wait_for_led);
	leads(0, 0);
}

static void set_up_notify_two(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, notify_and_give_up);
	actor("waiter", 1, wait_for_led);
	actor("other", 2, wait_for_led);
	leads(0, 0);
}

static void set_up_depose(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, notify_and_give_up);
	actor("waiter", 1, wait_for_led);
	actor("newcomer", 2, depose_led);
	leads(0, 0);
}

static void set_up_threads(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, give_up_led);
	actor("sibling", 0, notify_led);
	actor("waiter", 1, resolve);
	actor("newcomer", 2, resolve);
	leads(0, 0);
}

/* ------------------------------------------------------------------------------------------------ requests */

static void ask_and_leave(void)
{
	struct covey_lead lead = led;

	wait_once(0, &lead, 'x', shared.now + 100, 0);
	wait_once(0, &lead, 'y', shared.now + 100, 0);
}

static void set_up_serve(void)
{
	make_world(2, 2, 2);
	actor("server", 0, serve);
	actor("asker", 1, ask_twice);
	leads(0, 0);
	shared.all_told = true;
}

static void set_up_serve_two(void)
{
	make_world(2, 2, 3);
	actor("server", 0, serve);
	actor("asker", 1, ask_x);
	actor("other", 2, ask_y);
	leads(0, 0);
	shared.all_told = true;
}

static void set_up_serve_leave(void)
{
	make_world(2, 2, 3);
	actor("server", 0, serve);
	actor("leaver", 1, ask_and_leave);
	leads(0, 0);
}

/* ------------------------------------------------------------------------------------------------ deadlines */

static void set_up_deadline(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_a_while);
	leads(0, 0);
}

/* One leaves, and its bit stays; another comes. */
static void set_up_deadline_join(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("leaver", 1, wait_a_while);
	actor("waiter", 2, wait_for_led);
	leads(0, 0);
	shared.all_publish = true;
}

/* ------------------------------------------------------------------------------------------------ circles */

static struct covey_lead circle[2]; /* each led by one who waits for the other */

static void wait_in_circle(unsigned mine)
{
	struct covey_lead lead = circle[1 - mine];
	struct covey_result result;
	int r = covey_await(self->c, &lead, NULL, 0, COVEY_FOREVER, 0, &result);

	machine_saw((uint64_t)r);
	laws.cycles += r == COVEY_CYCLE;
	expect(r == COVEY_CYCLE || r == COVEY_OK || r == COVEY_GAVE_UP, "%s: a wait in a circle gives %d", self->name,
	        r);
	if (r == COVEY_OK)
		law_result(1 - mine, &lead, 0, &result);
	covey_release(self->c, &result);
	lead_on(mine, &circle[mine], 0);
}

static void wait_for_second(void)
{
	wait_in_circle(0);
}

static void wait_for_first(void)
{
	wait_in_circle(1);
}

static void set_up_circle(void)
{
	make_world(2, 2, 2);
	actor("first", 0, wait_for_second);
	actor("second", 1, wait_for_first);
	for (unsigned i = 0; i < 2; i++) {
		leads(i, i);
		circle[i] = led;
	}
}

static void one_is_told(void)
{
	if (laws.cycles != 1)
		violation("%u are told of the circle", laws.cycles);
}

/* ------------------------------------------------------------------------------------------------ the heap */

/* A block of its own: what it writes there stays until it is given back. */
static void take_and_give(size_t size)
{
	struct cv_arena *a = &self->c->arena;
	uint32_t ref = cv_heap_take(a, self->t->seat, size, &self->t->hint);
	volatile uint64_t *bytes = ref != 0 ? (volatile uint64_t *)(cv_heap_at(a, ref) + 1) : NULL;

	machine_saw(ref);
	if (bytes == NULL) {
		laws.full++;
		return;
	}
	*bytes = self->t->seat;
	expect(cv_heap_fitting(a, ref, size) != NULL, "a block that is too small for %zu bytes", size);
	expect(cv_word_owner(atomic_load(cv_heap_word(a, ref))) == self->t->seat, "%s has another's block", self->name);
	expect(*bytes == self->t->seat, "somebody wrote to the block of %s", self->name);
	cv_heap_retire(a, self->t->seat, ref);
}

void take_small(void)
{
	take_and_give(8);
	take_and_give(8);
}

void take_larger(void)
{
	take_and_give(300);
}

static void set_up_heap(void)
{
	make_world(2, 2, 2);
	actor("first", 0, take_small);
	actor("second", 1, take_small);
	for (int i = 1; i <= 2; i++) { /* both begin at the same block */
		shared.threads[i].hint.block[0] = 1;
		shared.threads[i].hint.chunk[0] = 0;
	}
}

static void set_up_loan(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_for_led);
	actor("third", 2, take_small);
	leads(0, 0);
	shared.threads[1].hint.block[0] = shared.threads[3].hint.block[0] = 1;
}

/* The only chunk is cut into small blocks; who needs a larger one closes that slab, if no block of it is in use. */
static void set_up_heap_close(void)
{
	make_world(2, 2, 2);
	actor("small", 0, take_small);
	actor("larger", 1, take_larger);
}

const struct scenario living[] = {
        {"two", "two callers of one group", set_up_two, NULL, 0, false, -1, -1},
        {"two-new", "two callers of a group that nobody has led", set_up_two_new, NULL, 0, false, -1, 3},
        {"three", "three callers of one group", set_up_three, NULL, 0, false, 3, 2},
        {"publish", "a result against a waiter that comes", set_up_publish, NULL, 0, false, -1, -1},
        {"no-room", "a result that there is no room for against two waiters that come", set_up_no_room, NULL, 0, false,
                2, 1},
        {"give-up", "giving up against a waiter that comes", set_up_give_up, NULL, 0, false, -1, -1},
        {"requests", "two callers that ask different things", set_up_requests, NULL, 0, false, -1, 3},
        {"evict", "a known name against a new one that needs a node", set_up_evict, NULL, 0, false, 3, 2},
        {"evict-same", "two callers of a new name in a full table", set_up_evict_same, NULL, 0, false, 3, 2},
        {"evict-twice", "a known name against two new ones", set_up_evict_twice, NULL, 0, false, 3, 2},
        {"evict-long", "a known name against a new one, both long", set_up_evict_long, NULL, 0, false, 3, 2},
        {"evict-three", "two callers of a known name against a new one", set_up_evict_three, NULL, 0, false, 2, 1},
        {"notify", "an answer on the way against a waiter", set_up_notify, NULL, 0, false, -1, -1},
        {"notify-two", "an answer on the way against two waiters", set_up_notify_two, NULL, 0, false, 3, 2},
        {"depose", "an answer on the way against who takes over by hand", set_up_depose, NULL, 0, false, 3, 2},
        {"threads", "two threads of one leader: one ends what the other answers", set_up_threads, NULL, 0, false, 2, 2},
        {"serve", "a worker and who asks twice", set_up_serve, NULL, 0, false, -1, 2},
        {"serve-two", "a worker and two who ask", set_up_serve_two, NULL, 0, false, 2, 2},
        {"serve-leave", "a worker and one who asks, and leaves at any time", set_up_serve_leave, NULL, 0, true, 3, 2},
        {"deadline", "a result against a deadline", set_up_deadline, NULL, 0, true, -1, -1},
        {"deadline-join", "a result against one who leaves and one who comes", set_up_deadline_join, NULL, 0, true, 3,
                2},
        {"circle", "two who wait for each other's group", set_up_circle, one_is_told, 0, false, -1, 3},
        {"heap", "two who take blocks and give them back", set_up_heap, NULL, 0, false, -1, 3},
        {"loan", "a result that is read while another looks for a block", set_up_loan, NULL, 0, false, 3, 2},
        {"heap-close", "one takes a block of a slab that the other closes", set_up_heap_close, NULL, 0, false, 3, 3},
        {0},
};
