/*
 * stampede.h - the headline: many processes want the same few answers at the same instant, and none is there yet
 *
 * In a round all W processes start together, and each asks for one of K hot groups.  A new round asks for a new version
 * of every group, so each begins as a stampede of misses.  An answer is 1 KiB that whoever asked checks in full.
 * Scenarios and what is reported of them stand in stampede.cc, the ways to answer in stampede_ways.cc, APCu's in
 * peer_apcu.php.
 */
#ifndef BENCH_STAMPEDE_H
#define BENCH_STAMPEDE_H

#include <benchmark/benchmark.h>
#include <covey.h>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>
#include "processes.h"

namespace bench
{

/* One version of one group. */
struct Item {
	int group;
	uint32_t version;
};

/* Its bytes. */
std::string answer_to(const Item &item);

/* ---- the ways to answer */

using Compute = std::function<std::string()>;
/* Gives the answer: from where it is kept, from whoever computes it now, or by computing it. */
using Ask = std::function<std::string(const Item &item, const Compute &compute)>;

/* What the processes of one crew have in common: they inherit it. */
struct Place {
	std::string directory;
	covey *region;
};

/* Made in the process that asks, once. */
Ask ask_alone(const Place &place);
Ask ask_flock(const Place &place);
Ask ask_redis(const Place &place);
Ask ask_redis_publish(const Place &place);
Ask ask_covey(const Place &place);

/* ---- scenarios */

struct Scenario {
	std::string name;
	int processes, groups;
	int ms;     /* to compute takes so long ... */
	bool burns; /* ... of a core's time, not of sleep */
	int slow_ms; /* not 0: the first process asks for a group of its own, which takes so long; then the others start */
	int rounds;
};
const std::vector<Scenario> &scenarios();

/* What one round brought. */
struct Round {
	int64_t time = 0; /* from the first question to the last answer, of those who asked for a hot group */
	int computed = 0;
	std::vector<int64_t> waits; /* of each of those, from the first question to its answer */
};

using PlayRound = std::function<Round()>;
/* Plays one round that is not counted, and then so many as the scenario has.  Sets the counters computed (of one round),
 * rate (answers a second, of the median round; not with a slow group), wait_p50, wait_p99. */
void play(benchmark::State &state, const Scenario &scenario, const PlayRound &round);

/* "stampede/<scenario>/<who>" */
void register_stampede_of(
        const std::string &who, const std::function<void(benchmark::State &, const Scenario &)> &time);

} // namespace bench
#endif
