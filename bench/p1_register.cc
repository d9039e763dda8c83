/*
 * p1_register.cc - P1, and its part of P10: lead a group and give it up, when nobody waits and there are no bytes
 *
 * The call pair that every user pays on every cache miss, with a name of 24 bytes: the same name each time, 1024 names
 * in turn, and names never seen before, for which nothing kept from an earlier use can help.  The last use up the
 * region's capacity many times over.  The time is that of the calling thread.
 */
#include "covey_table.h"
#include "subjects.h"

namespace bench
{

void register_p1()
{
	register_lead_and_leave<CoveyTable>("covey");
	register_large<CoveyTable>("covey");
}

} // namespace bench
