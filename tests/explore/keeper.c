/*
 * keeper.c - participant.c, and its keeper's loop as the body of an actor
 *
 * The loop is static there, as nobody else is to call it, and so is the way into a slot; so the source is taken in whole.
 */
#include "../../shm/participant.c" /* NOLINT(bugprone-suspicious-include) */

#include "explore.h"

void keeper_body(void)
{
	keeper_run(self->c);
}

/* Participant 1 is killed, for sure, and a stranger, who was participant 3, takes its slot and lives there. */
void stranger_body(void)
{
	covey *c = &shared.handles[3];

	kernel_death();
	while (slot_claim(c, 1, true) != 0 && slot_claim(c, 1, false) != 0)
		explore_pause(); /* somebody else is reaping it */
	for (int i = 0; i < COVEY_LIFE_WORDS; i++)
		atomic_store(&c->slots[1].life[i * COVEY_LIFE_STRIDE], TID(3) | FUTEX_WAITERS);
	tell_predecessor(c);
}

void stranger_at_once_body(void)
{
	machine_at_once(stranger_body);
}

static void killed_and_reaped(void)
{
	int left = 0;

	kernel_death();
	covey_reap_dead(&shared.handles[world_checker], -1, &left);
}

void reaped_body(void)
{
	machine_at_once(killed_and_reaped);
}
