/*
 * p2_two_processes.cc - P2: two processes, each leading and leaving groups of its own, against one that does
 *
 * Both are pinned to a core each, attach by name, and start together; a round lasts until the slower of them ends, so
 * nothing is hidden in a mean.  Rounds of one process and of two take turns in the same region,
 * each after one that is not counted.  "machine" is the same shape with nothing shared at all (hash a name, compare-and-swap a
 * word of one's own): what two cores of this machine make of two processes at best.
 */
#include <atomic>
#include "covey_table.h"
#include "peers.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

template <class Names> void two_processes(benchmark::State &state)
{
	std::string name = region_name("p2");
	try {
		CoveyTable first(name, capacity);
		time_one_and_two(state, [&name](int index) {
			auto *mine = new CoveyTable(name, capacity); /* lives as long as the process */
			return leading_and_leaving<Names>(*mine, index);
		});
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(name.c_str());
}

/* Nothing shared: some 30 ns of hashing and of locked instructions on a line of one's own. */
class Private
{
	alignas(64) std::atomic<uint64_t> word_[8] = {};

      public:
	bool lead_and_leave(const Name &name)
	{
		uint64_t hash = hash_of(name);
		auto &word = word_[0];
		for (int i = 0; i < 4; i++) {
			uint64_t seen = word.load(std::memory_order_relaxed);
			word.compare_exchange_strong(seen, seen ^ (hash << i));
		}
		return true;
	}
};

void machine(benchmark::State &state)
{
	time_one_and_two(state, [](int index) { return leading_and_leaving<CycledNames>(*new Private, index); });
}

} // namespace

void register_p2()
{
	benchmark::RegisterBenchmark("P2/same/covey", two_processes<SameName>)->Iterations(20)->UseManualTime();
	benchmark::RegisterBenchmark("P2/cycle/covey", two_processes<CycledNames>)->Iterations(20)->UseManualTime();
	benchmark::RegisterBenchmark("P2/fresh/covey", two_processes<FreshNames>)->Iterations(20)->UseManualTime();
	benchmark::RegisterBenchmark("P2/cycle/machine", machine)->Iterations(20)->UseManualTime();
}

} // namespace bench
