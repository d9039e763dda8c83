/*
 * sweep_groups.cc - see sweep_groups.h; the peer's part is registered in its own file
 *
 * And finds of which each needs the answer of the one before, as when other work lies between them: the processor cannot
 * fetch the lines of the next name while it waits for those of this one.
 */
#include "sweep_groups.h"
#include "covey_table.h"

namespace bench
{

namespace
{

/* The next name is made of a bit of the last answer, which is masked away by what only memory knows to be 0. */
void time_next(benchmark::State &state, size_t names_held)
{
	static volatile uint64_t zero = 0;
	CoveyTable *table = subject_for<CoveyTable>(state, names_held);
	if (table == nullptr)
		return;
	Scattered order(names_held);
	const uint64_t mask = zero;
	uint64_t last = 0;
	bool ok = true;
	for (auto _ : state) {
		covey_info info;
		Name name = name_of(held + order.next() + (last & mask));
		ok &= covey_find(table->region(), name.data(), name.size(), &info) == 0;
		last = info.generation;
	}
	if (!ok)
		state.SkipWithError("a name was not found");
}

} // namespace

void register_sweep_groups()
{
	register_sweep_groups_of<CoveyTable>("covey");
	for (size_t count : points_of_groups)
		register_point("groups/next/covey/" + std::to_string(count), time_next, count);
}

} // namespace bench
