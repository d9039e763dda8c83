/*
 * p5_host.cc - P5 with 10,000 groups: from a request to one of the workers of a host to its answer
 *
 * One process hosts a worker for each group, all served by one thread; the computation is the identity.  The other process
 * picks groups pseudo-randomly, looks each up and asks it.  Both are running.  The peer is the Erlang runtime with as many
 * processes, in peer_erlang.erl, which picks them in the same way.
 */
#include "p5.h"
#include "region_name.h"

namespace bench
{
namespace
{

constexpr uint64_t groups = 10000;

Name group(uint64_t number)
{
	return name_of(cycled + number % groups);
}

int identity(void *, covey_bytes, covey_bytes request, covey_answer *answer)
{
	return covey_answer_copy(answer, request.data, request.size);
}

Work host(const std::string &file, Score &score, const Plan &plan)
{
	covey *region = attach_for(file, plan, 0);
	covey_device device{};
	covey_worker_options options{};
	device.compute = identity;
	options.static_worker = 1;
	options.worker_timeout = COVEY_FOREVER;
	bool ok = covey_host_open(region, 1, &options.host) == 0;
	for (uint64_t i = 0; i < groups && ok; i++) {
		Name name = group(i);
		ok = covey_start_worker(region, &device, name.data(), name.size(), {nullptr, 0}, &options, nullptr) ==
		     0;
	}
	if (!ok)
		throw std::runtime_error("a host's worker did not start");
	return answered_by_others(score);
}

class Caller
{
	covey *region_;
	uint64_t pick_ = 1;

      public:
	explicit Caller(covey *region) : region_(region)
	{
	}
	bool ask()
	{
		pick_ = (pick_ * 1103515245 + 12345) & 0x7fffffff;
		Name name = group(pick_);
		Question question{pick_, 0x5bd1e995};
		covey_lead lead;
		covey_result result;
		if (covey_join(region_, name.data(), name.size(), &lead) != COVEY_WAIT)
			return false;
		bool ok = covey_await(region_, &lead, &question, sizeof question, COVEY_FOREVER, 0, &result) ==
		                  COVEY_OK &&
		          answers(result.data, result.size, question);
		covey_release(region_, &result);
		return ok;
	}
};

Work caller(const std::string &file, Score &score, const Plan &plan)
{
	auto *side = new Caller(attach_for(file, plan, 1));
	return asking(score, plan, [side] { return side->ask(); });
}

void time_host(benchmark::State &state, const std::string &file)
{
	CoveyTable mine(file, capacity);
	Trips trips;
	Pair pair(
	        Plan{}, trips, [&](Score &score, const Plan &plan) { return host(file, score, plan); },
	        [&](Score &score, const Plan &plan) { return caller(file, score, plan); });
	for (auto _ : state)
		state.SetIterationTime(static_cast<double>(pair.rounds()) * 1e-9);
	trips.report(state, "covey");
}

void ask_many(benchmark::State &state)
{
	std::string file = region_name("p5-host");
	try {
		time_host(state, file);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
}

} // namespace

void register_p5_host()
{
	benchmark::RegisterBenchmark("P5/groups/covey", ask_many)->Iterations(Plan{}.rounds)->UseManualTime();
}

} // namespace bench
