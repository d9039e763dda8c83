/*
 * p6.h - P6's rounds, for any number of waiters and bytes
 */
#ifndef BENCH_P6_H
#define BENCH_P6_H

#include <benchmark/benchmark.h>
#include <cstddef>

namespace bench
{

/* Rounds of covey, of the floor, and of memcpy alone, in turn.  Sets covey_p50 and so on, futex_p50, copy_p50. */
void time_publish(benchmark::State &state, int waiters, size_t bytes);

} // namespace bench
#endif
