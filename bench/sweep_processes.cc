/*
 * sweep_processes.cc - 1 process to as many as there are cores (8 at most), all at the same kind of work
 *
 * P2's loops and rounds, and three more: finding groups that are led; leading, or joining whoever leads, one group that all
 * share; and nothing shared, which is what the machine itself makes of so many.  Each process has a core of its own; the rate is of
 * all together, until the slowest has ended.
 */
#include <algorithm>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"
#include "sweep.h"

namespace bench
{
namespace
{

constexpr int operations = 50000;

/* Leads and publishes, or joins; who comes too late for the one asks again. */
bool lead_or_join(covey *region, const Name &name)
{
	static const covey_reply nothing{};
	for (;;) {
		covey_lead lead;
		covey_result result;
		int role = covey_find_or_register(region, name.data(), name.size(), &lead);
		if (role == COVEY_LEADER)
			return covey_unregister_notify(region, &lead, nullptr, 0, &nothing) >= 0;
		if (role != COVEY_WAIT)
			return false;
		int outcome = covey_await(region, &lead, nullptr, 0, COVEY_FOREVER, 0, &result);
		covey_release(region, &result);
		if (outcome != COVEY_GAVE_UP)
			return outcome == COVEY_OK;
	}
}

template <class Operation> Work repeated(Operation operation)
{
	return [operation]() mutable {
		bool ok = true;
		for (int i = 0; i < operations; i++)
			ok &= operation();
		return ok;
	};
}

template <class Names> Work leading(CoveyTable &table, int index)
{
	auto names = std::make_shared<Names>(static_cast<uint64_t>(index) + 1);
	return repeated([&table, names] { return table.lead_and_leave(names->next()); });
}

Work finding(CoveyTable &table, int index)
{
	for (uint64_t i = 0; i < 1024; i++)
		if (!table.hold(name_of((uint64_t(index) << 20) + i)))
			throw std::runtime_error("a name was refused");
	return repeated([&table, order = Scattered(1024), index]() mutable {
		return table.find(name_of((uint64_t(index) << 20) + order.next()));
	});
}

Work sharing(CoveyTable &table, int)
{
	return repeated([&table] { return lead_or_join(table.region(), name_of(cycled)); });
}

/* A hash of a name and some swaps of a word of one's own. */
Work alone(CoveyTable &, int index)
{
	auto word = std::make_shared<std::array<std::atomic<uint64_t>, 16>>();
	return repeated([word, number = static_cast<uint64_t>(index)]() mutable {
		for (int i = 0; i < 4; i++)
			(*word)[8].exchange(number++);
		return true;
	});
}

using Make = Work (*)(CoveyTable &, int);

void time_together(benchmark::State &state, int processes, Make make)
{
	std::string file = region_name("sweep");
	Samples times;
	try {
		CoveyTable first(file, capacity);
		Crew crew(processes, Crew::Together, [&](int index) {
			auto *mine = new CoveyTable(file, capacity); /* lives as long as the process */
			return make(*mine, index);
		});
		for (auto _ : state) {
			crew.round(); /* not counted */
			int64_t time = crew.round();
			times.add(time);
			state.SetIterationTime(static_cast<double>(time) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
	state.counters["rate"] = processes * operations / times.quantile(0.5) * 1e9;
}

} // namespace

void register_sweep_processes()
{
	for (int processes = 1; processes <= std::min(cpus(), 8); processes++) {
		std::string tail = "/" + std::to_string(processes);
		register_rounds("processes/same" + tail, 10, time_together, processes, Make(leading<SameName>));
		register_rounds("processes/cycle" + tail, 10, time_together, processes, Make(leading<CycledNames>));
		register_rounds("processes/fresh" + tail, 10, time_together, processes, Make(leading<FreshNames>));
		register_rounds("processes/find" + tail, 10, time_together, processes, Make(finding));
		register_rounds("processes/one_group" + tail, 10, time_together, processes, Make(sharing));
		register_rounds("processes/machine" + tail, 10, time_together, processes, Make(alone));
	}
}

} // namespace bench
