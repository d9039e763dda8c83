/*
 * deaths.c - scenarios in which a process is killed, after any of its steps
 */
#include "stories.h"

#include <linux/futex.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ a leader */

static void set_up_death_one(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, publish_led);
	actor("waiter", 1, resolve);
	death("death", 0);
	leads(0, 0);
}

static void set_up_death_two(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_for_led);
	actor("other", 2, wait_for_led);
	death("death", 0);
	leads(0, 0);
}

static void set_up_deadline_death(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_a_while);
	actor("other", 2, wait_for_led);
	death("death", 0);
	leads(0, 0);
}

static void set_up_evict_death(void)
{
	make_world(2, 1, 2);
	actor("known", 0, resolve);
	actor("new", 1, resolve_2);
	full_table();
	death("death", 1);
}

static void set_up_evict_same_death(void)
{
	make_world(2, 1, 2);
	actor("first", 0, resolve_2);
	actor("second", 1, resolve_2);
	full_table();
	death("death", 1);
}

static void set_up_serve_death(void)
{
	make_world(2, 2, 3);
	actor("server", 0, serve);
	actor("victim", 1, ask_twice);
	actor("other", 2, ask_y);
	death("death", 1);
	leads(0, 0);
}

/* ------------------------------------------------------------------------------------------------ forwarding */

static void forward_led(void)
{
	int r;

	law_ends(0, &led);
	r = covey_forward_work(self->c, &led, 1u << 13 | (1 + 1)); /* participant 1, first of its slot */
	machine_saw((uint64_t)r);
	expect(r == 0 || r == COVEY_EFENCED || r == COVEY_ENOENT, "forwarding gives %d", r);
	if (r == COVEY_ENOENT)
		lead_on(0, &led, 0);
}

static void accept_led(void)
{
	struct covey_lead lead;
	int r = covey_accept_work(self->c, names[0], name_size[0], COVEY_FOREVER, &lead);

	machine_saw((uint64_t)r);
	expect(r == COVEY_LEADER || r == COVEY_ENOENT, "accepting gives %d", r);
	if (r == COVEY_LEADER) {
		law_leads(0, &lead, false);
		lead_on(0, &lead, 0);
	}
}

static void set_up_forward(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, forward_led);
	actor("target", 1, accept_led);
	actor("waiter", 2, wait_for_led);
	keeper("its keeper", 0);
	leads(0, 0);
}

static void set_up_forward_death(void)
{
	set_up_forward();
	death("death", 1);
}

static void set_up_forwarder_death(void)
{
	set_up_forward();
	death("death", 0);
}

/* The target dies and a stranger takes its slot, while the work is being forwarded. */
static void set_up_forward_stranger(void)
{
	make_world(2, 2, 4);
	actor("leader", 0, forward_led);
	actor("waiter", 2, wait_for_led);
	machine_actor("stranger", 1, 0, stranger_body);
	keeper("leader's keeper", 0);
	keeper("a bystander", 4); /* before the leader in the ring of keepers */
	death("death", 0);
	leads(0, 0);
}

/* The same without keepers, and what befalls the dead is one step. */
static void set_up_forward_stranger_at_once(void)
{
	make_world(2, 2, 4);
	actor("leader", 0, forward_led);
	actor("waiter", 2, wait_for_led);
	machine_actor("stranger", 1, 0, stranger_at_once_body);
	machine_actor("death", 0, 0, reaped_body);
	leads(0, 0);
}

/* ------------------------------------------------------------------------------------------------ reaping */

/* The participant was killed before the story begins. */
static void was_killed(uint32_t participant)
{
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_store(&shared.handles[0].slots[participant].life[i * COVEY_LIFE_STRIDE],
		        FUTEX_WAITERS | FUTEX_OWNER_DIED);
	shared.slot_locks[participant] = 0;
}

/* It led, and held a block. */
static void dead_leader(void)
{
	struct cv_hint hint = {0};
	uint32_t seat = world_seat(0);

	world_as(seat);
	covey_find_or_register(&shared.handles[0], names[0], name_size[0], &led);
	cv_heap_take(&shared.handles[0].arena, seat, 8, &hint);
	laws.groups[0].newest = led.generation;
	laws.groups[0].begun[led.generation] = 1;
	was_killed(0);
}

static void reap(void)
{
	int left = 0;

	machine_saw((uint64_t)covey_reap_dead(self->c, -1, &left));
}

static void resolve_y(void)
{
	resolve_group(0, 'y');
}

static void wait_for_x(void)
{
	struct covey_lead lead = led;

	wait_once(0, &lead, 'x', COVEY_FOREVER, 0);
}

static void wait_without_taking_over(void)
{
	struct covey_lead lead = led;

	wait_once(0, &lead, 0, COVEY_FOREVER, COVEY_NO_TAKEOVER);
}

static void set_up_death_keeper(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, publish_led);
	actor("waiter", 1, resolve);
	keeper("its keeper", 1);
	death("death", 0);
	leads(0, 0);
}

static void set_up_death_relay(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_for_led);
	actor("other", 2, wait_for_led);
	keeper("other's keeper", 2);
	death("death", 0);
	death("second death", 1);
	leads(0, 0);
}

static void set_up_notify_death(void)
{
	make_world(2, 2, 2);
	actor("leader", 0, notify_and_give_up);
	actor("waiter", 1, wait_for_led);
	death("death", 0);
	leads(0, 0);
}

static void set_up_notify_two_death(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, notify_and_give_up);
	actor("waiter", 1, wait_for_led);
	actor("other", 2, wait_for_led);
	death("death", 0);
	leads(0, 0);
}

static void set_up_serve_leader_death(void)
{
	make_world(2, 2, 3);
	actor("server", 0, serve);
	actor("asker", 1, wait_for_x);
	actor("newcomer", 2, resolve_y);
	death("death", 0);
	leads(0, 0);
}

static void set_up_no_takeover(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_led);
	actor("waiter", 1, wait_without_taking_over);
	actor("reaper", 2, reap);
	death("death", 0);
	leads(0, 0);
}

static void set_up_reapers(void)
{
	make_world(2, 2, 4);
	dead_leader();
	actor("reaper", 1, reap);
	actor("other", 2, reap);
	death("death", 1);
}

static void set_up_reap_register(void)
{
	make_world(2, 2, 3);
	dead_leader();
	actor("newcomer", 1, resolve);
	actor("reaper", 2, reap);
}

/* The last who waited for a dead leader has gone, and the waiters' bit stays; who reaps it is killed between orphaning the
 * group and its look whether anybody waits. */
static void set_up_orphaner(void)
{
	make_world(2, 2, 3);
	dead_leader();
	atomic_fetch_or(&shared.handles[0].arena.nodes[led.node].own, CV_WAITERS);
	actor("reaper", 1, reap);
	death("death", 1);
}

/* The same, and the last one leaves at any time. */
static void set_up_orphaner_leaver(void)
{
	make_world(2, 2, 3);
	dead_leader();
	actor("reaper", 1, reap);
	actor("leaver", 2, wait_without_taking_over);
	death("death", 1);
}

/* Who waits for a dead leader is killed before it has taken over. */
static void set_up_orphan(void)
{
	make_world(2, 2, 3);
	dead_leader();
	actor("waiter", 1, wait_for_led);
	actor("reaper", 2, reap);
	death("death", 1);
}

static void set_up_reap_wait(void)
{
	make_world(2, 2, 4);
	dead_leader();
	actor("waiter", 1, wait_for_led);
	actor("reaper", 2, reap);
	death("death", 2);
}

/* ------------------------------------------------------------------------------------------------ the heap */

static void set_up_no_room_death(void)
{
	make_world(2, 2, 3);
	actor("leader", 0, publish_too_much);
	actor("waiter", 1, wait_for_led);
	death("death", 0);
	leads(0, 0);
	shared.may_be_full = true;
}

/* The slab is closed by the other, or by who reaps. */
static void set_up_heap_close_death(void)
{
	make_world(2, 2, 3);
	actor("small", 0, take_small);
	actor("larger", 1, take_larger);
	death("death", 0);
}

/* The same; who closes is killed. */
static void set_up_heap_closer_death(void)
{
	make_world(2, 2, 3);
	actor("small", 0, take_small);
	actor("larger", 1, take_larger);
	death("death", 1);
}

const struct scenario deaths[] = {
        {"no-room-death", "a leader is killed whose result has no room, and one waits", set_up_no_room_death, NULL, 1,
                false, 2, 1},
        {"heap-close-death", "who takes a block of a slab that another closes is killed", set_up_heap_close_death, NULL,
                1, false, 3, 2},
        {"heap-closer-death", "the same; who closes it is killed", set_up_heap_closer_death, NULL, 1, false, 3, 2},
        {"death", "a leader is killed at any step, and one waits", set_up_death_one, NULL, 1, false, -1, -1},
        {"death-two", "a leader is killed at any step, and two wait", set_up_death_two, NULL, 1, false, 1, 0},
        {"evict-death", "the same, and who evicts is killed", set_up_evict_death, NULL, 1, false, 3, 2},
        {"evict-same-death", "two callers of a new name, one is killed", set_up_evict_same_death, NULL, 1, false, 2, 1},
        {"serve-death", "a worker and two who ask, one is killed", set_up_serve_death, NULL, 1, false, 1, 0},
        {"deadline-death", "the same, the leader is killed, another waits", set_up_deadline_death, NULL, 1, true, 1, 0},
        {"forward", "forwarded work and a waiter", set_up_forward, NULL, 0, false, 2, 1},
        {"forward-death", "the same, the new leader is killed", set_up_forward_death, NULL, 1, false, 1, 0},
        {"forward-stranger", "the new leader is killed, a stranger has its slot, the old one may be killed",
                set_up_forward_stranger, NULL, 1, false, 1, 0},
        {"forward-at-once", "the same without keepers; death, reaping and the stranger's coming are one step",
                set_up_forward_stranger_at_once, NULL, 1, false, 3, 1},
        {"forwarder-death", "the same, the old leader is killed", set_up_forwarder_death, NULL, 1, false, 1, 0},
        {"death-keeper", "a leader is killed; a waiter, and its keeper, which reaps", set_up_death_keeper, NULL, 1,
                false, 2, 1},
        {"death-relay", "a leader is killed, and a waiter; another, with its keeper", set_up_death_relay, NULL, 2,
                false, 0, 0},
        {"notify-death", "a leader is killed while it answers on the way", set_up_notify_death, NULL, 1, false, -1, -1},
        {"notify-two-death", "the same, and two wait", set_up_notify_two_death, NULL, 1, false, 1, 0},
        {"serve-killed", "a worker is killed; one asks, another registers", set_up_serve_leader_death, NULL, 1, false,
                1, 0},
        {"no-takeover", "who waits will not lead; the dead leader is reaped", set_up_no_takeover, NULL, 1, false, 2, 1},
        {"reapers", "two reap a dead leader, and one of them is killed", set_up_reapers, NULL, 1, false, 2, 1},
        {"reap-register", "a newcomer for a dead leader's group, and a reaper", set_up_reap_register, NULL, 0, false, 3,
                2},
        {"reap-wait", "a waiter for a dead leader, and a reaper, which is killed", set_up_reap_wait, NULL, 1, false, 2,
                1},
        {"orphaner", "a dead leader for whom nobody waits any more, and a reaper, which is killed", set_up_orphaner,
                NULL, 1, false, -1, -1},
        {"orphaner-leaver", "the same, and the last who waited leaves meanwhile", set_up_orphaner_leaver, NULL, 1,
                false, 2, 1},
        {"orphan", "a waiter for a dead leader, which is killed, and a reaper", set_up_orphan, NULL, 1, false, 2, 2},
        {0},
};
