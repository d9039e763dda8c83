/*
 * p4_find.cc - P4: who leads this group?  Of groups that are led, and of groups that nobody leads
 *
 * covey_find() also tells the generation, the time, the pid and the number of waiters; cds_lfht_lookup only finds the
 * node, of which the peer's loop reads one field.  P10 repeats both with a million groups (see p1_register.cc), in an
 * order without locality, so that each find pays its cache misses.
 */
#include "covey_table.h"
#include "subjects.h"

namespace bench
{

void register_p4()
{
	register_find<CoveyTable>("covey");
}

} // namespace bench
