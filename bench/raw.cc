/*
 * raw.cc - what the machine itself takes: the floors that other figures stand on
 *
 * A cache line that goes from one process to another and back, both running on their own cores; an uncontended
 * compare-and-swap; the same round trip through the kernel, each side asleep on a futex until the other wakes it.
 * A copy of so many bytes into shared memory, from page to page, both in the caches.
 * (FUTEX_WAKE of N parked processes is in p6_publish.cc, and a robust mutex's hand-over in p7_death.cc, beside covey's.)
 */
#include <atomic>
#include <cstring>
#include "subjects.h"
#include "trips.h"

namespace bench
{
namespace
{

struct Rally {
	alignas(64) Word ball;
	alignas(64) char end;
};

/* Side 0 makes the word odd, side 1 even again. */
bool rally(Word &ball, uint32_t side, int trips)
{
	for (int i = 0; i < trips; i++) {
		uint32_t mine = static_cast<uint32_t>(i) * 2 + side;
		while (ball.load(std::memory_order_acquire) != mine)
			;
		ball.store(mine + 1, std::memory_order_release);
	}
	return true;
}

/* Two that run would pass it on without ever falling asleep, so side 0 lets side 1 do so first: a small part of the round,
 * after which each is woken while the other falls asleep. */
bool rally_asleep(Word &ball, uint32_t side, int trips)
{
	if (side == 0)
		let_the_other_sleep();
	for (int i = 0; i < trips; i++) {
		uint32_t mine = static_cast<uint32_t>(i) * 2 + side;
		for (uint32_t seen; (seen = ball.load(std::memory_order_acquire)) != mine;)
			futex_wait(ball, seen);
		ball.store(mine + 1, std::memory_order_release);
		futex_wake(ball, 1);
	}
	return true;
}

using Side = bool (*)(Word &, uint32_t, int);

void time_rally(benchmark::State &state, Side play, int trips)
{
	Samples samples;
	try {
		Shared<Rally> shared;
		Crew crew(2, Crew::Together, [&](int index) {
			return [&shared, play, trips, index] {
				return play(shared->ball, static_cast<uint32_t>(index), trips);
			};
		});
		for (auto _ : state) {
			shared->ball = 0;
			int64_t time = crew.round() / trips;
			samples.add(time);
			state.SetIterationTime(static_cast<double>(time) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	samples.report(state, "trip");
}

void time_swap(benchmark::State &state)
{
	std::atomic<uint64_t> word{0};
	uint64_t seen = 0;
	for (auto _ : state) {
		word.compare_exchange_strong(seen, seen + 1);
		benchmark::DoNotOptimize(seen);
	}
}

void time_copy(benchmark::State &state, size_t size)
{
	void *from = map_shared(size), *to = map_shared(size);
	memset(from, 1, size);
	for (auto _ : state) {
		memcpy(to, from, size);
		benchmark::ClobberMemory();
	}
	if (memcmp(to, from, size) != 0)
		state.SkipWithError("the copy differs");
	unmap_shared(from, size);
	unmap_shared(to, size);
}

} // namespace

void register_raw()
{
	for (size_t size : {size_t{64}, size_t{4096}, size_t{1} << 20})
		benchmark::RegisterBenchmark(("raw/copy/" + std::to_string(size)).c_str(), time_copy, size);

	benchmark::RegisterBenchmark("raw/line", time_rally, rally, 50000)->Iterations(11)->UseManualTime();
	benchmark::RegisterBenchmark("raw/futex", time_rally, rally_asleep, 1000)->Iterations(5)->UseManualTime();
	benchmark::RegisterBenchmark("raw/swap", time_swap);
}

} // namespace bench
