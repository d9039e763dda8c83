/*
 * sweep.h - what the sweeps have in common: how long a point of one takes
 *
 * A sweep is one benchmark a point and subject, "sweep/<what>/<subject>/<x>".  sweeps.cc says which of them make a table
 * and a plot.
 */
#ifndef BENCH_SWEEP_H
#define BENCH_SWEEP_H

#include <benchmark/benchmark.h>
#include <string>

namespace bench
{

constexpr double seconds_a_point = 0.02;
constexpr int repetitions_a_point = 2; /* a pass */

constexpr size_t points_of_groups[] = {1, 16, 128, 1024, 8192, 65536, 262144, 1000000};

/* A point whose loop google-benchmark sizes. */
template <class... Arguments> void register_point(const std::string &name, Arguments &&...arguments)
{
	benchmark::RegisterBenchmark(("sweep/" + name).c_str(), std::forward<Arguments>(arguments)...)
	        ->MinTime(seconds_a_point)
	        ->Repetitions(repetitions_a_point);
}

/* A point of so many rounds, each of which notes its own time. */
template <class... Arguments> void register_rounds(const std::string &name, int rounds, Arguments &&...arguments)
{
	benchmark::RegisterBenchmark(("sweep/" + name).c_str(), std::forward<Arguments>(arguments)...)
	        ->Iterations(rounds)
	        ->UseManualTime()
	        ->Repetitions(repetitions_a_point);
}

void register_sweep_names();
void register_sweep_results();
void register_sweep_groups();
void register_sweep_waiters();
void register_sweep_processes();
void register_sweep_joins();
void register_sweep_loads();

inline void register_sweeps()
{
	register_sweep_names();
	register_sweep_results();
	register_sweep_groups();
	register_sweep_waiters();
	register_sweep_processes();
	register_sweep_joins();
	register_sweep_loads();
}

} // namespace bench
#endif
