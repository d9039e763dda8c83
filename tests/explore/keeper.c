/*
 * keeper.c - participant.c, and its keeper's loop as the body of an actor
 *
 * The loop is static there, as nobody else is to call it; so the source is taken in whole.
 */
#include "../../shm/participant.c"

#include "explore.h"

void keeper_body(void)
{
	keeper_run(self->c);
}
