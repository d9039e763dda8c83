/*
 * peer_apcu.cc - drives the APCu peer, whose steps stand in peer_apcu.php
 *
 * One PHP interpreter with its default settings, but that APCu, which is off on the command line, is on.
 */
#include <sstream>
#include "runtime.h"
#include "stampede.h"
#include "subjects.h"

namespace bench
{
namespace
{

/* PHP ends by itself when it cannot load APCu, before it says that it is ready. */
const char *const command = "command -v php >/dev/null && exec php -d apc.enable_cli=1"
                            " '" COVEY_BENCH_SOURCE "/peer_apcu.php'";

constexpr int operations = 20000;

Runtime &apcu()
{
	static Runtime runtime("PHP with APCu", command);
	return runtime;
}

void one(benchmark::State &state, const char *question)
{
	time_trips(state, apcu(), "apcu", question);
}

void two(benchmark::State &state)
{
	time_one_and_two(state, apcu(), "two " + std::to_string(operations), operations);
}

/* The answer: the round's time, how often it was computed, and each wait. */
Round round_of(const Scenario &scenario)
{
	std::ostringstream question;
	question << "stampede " << scenario.processes << " " << scenario.groups << " "
	         << (scenario.burns ? "burn " : "sleep ") << scenario.ms << " " << scenario.slow_ms;
	size_t waits = static_cast<size_t>(scenario.processes - (scenario.slow_ms > 0));
	std::vector<int64_t> numbers = apcu().ask_numbers(question.str(), 2 + waits);
	return {numbers[0], static_cast<int>(numbers[1]), {numbers.begin() + 2, numbers.end()}};
}

void stampede(benchmark::State &state, const Scenario &scenario)
{
	if (!apcu().runs(state))
		return;
	try {
		play(state, scenario, [&scenario] { return round_of(scenario); });
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
}

} // namespace

void register_apcu()
{
	benchmark::RegisterBenchmark("P1/same/apcu_entry", one, "entry_same 20000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P1/cycle/apcu_entry", one, "entry_cycle 20000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P1/fresh/apcu_entry", one, "entry_fresh 20000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P1/same/apcu_add", one, "add_same 20000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P2/cycle/apcu_entry", two)->Iterations(5)->UseManualTime();
	register_stampede_of("apcu", stampede);
}

} // namespace bench
