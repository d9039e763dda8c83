/*
 * sweep_groups.h - 1 to 1,000,000 groups led while others are led and given up, or found
 *
 * P1, P4 and P10 at more sizes, with the same loops and tables.  Up to 8192 groups the tables are made for 16384, from
 * there on for a million.
 */
#ifndef BENCH_SWEEP_GROUPS_H
#define BENCH_SWEEP_GROUPS_H

#include "subjects.h"
#include "sweep.h"

namespace bench
{

template <class Subject> void register_sweep_groups_of(const std::string &who)
{
	for (size_t count : points_of_groups) {
		std::string tail = "/" + who + "/" + std::to_string(count);
		register_point("groups/lead" + tail, time_lead_and_leave<Subject, CycledNames>, count);
		register_point("groups/present" + tail, time_find<Subject>, count, true);
		register_point("groups/absent" + tail, time_find<Subject>, count, false);
	}
}

} // namespace bench
#endif
