/*
 * raw.cc - what the machine itself takes: the floors that other figures stand on
 *
 * A cache line that goes from one process to another and back, both running on their own cores; an uncontended
 * compare-and-swap; the same round trip through the kernel, each side asleep on a futex until the other wakes it.
 *
 * How long a line takes depends on where it lies: the part of the last cache that is in charge of it may be near or far.
 * The slowest takes half as long again as the fastest.  So a round plays on one line of each of many pages, every line of
 * a page once, and the median is of lines.  Other work of the machine, and a virtual core that its host moves farther away
 * for a while, can only make it longer: what a line takes is the least of some rounds, spread over a third of a second.
 *
 * How long a wake-up takes depends on how long the other core has been idle: a virtual one is given back to the host after a
 * while, and a real one saves more power.  So both sides let the other sleep for the same long time before each wake-up.
 * A copy of so many bytes into shared memory, from page to page, both in the caches.
 * (FUTEX_WAKE of N parked processes is in p6_publish.cc, and a robust mutex's hand-over in p7_death.cc, beside covey's.)
 */
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>
#include "subjects.h"
#include "trips.h"

namespace bench
{
namespace
{

constexpr uint32_t places = 64, line_trips = 2000;
constexpr size_t words_a_line = 64 / sizeof(Word), words_a_page = 4096 / sizeof(Word);

struct Field {
	Word words[places * words_a_page];
	int64_t time[places]; /* of so many trips there, in this round */

	Word &ball(uint32_t place)
	{
		return words[place * words_a_page + place * words_a_line % words_a_page];
	}
};

/* Side 0 makes the word odd, side 1 even again. */
void rally(Word &ball, uint32_t first)
{
	for (uint32_t mine = first; mine != first + 2 * line_trips; mine += 2) {
		while (ball.load(std::memory_order_acquire) != mine)
			;
		ball.store(mine + 1, std::memory_order_release);
	}
}

Work rally_everywhere(Field &field, uint32_t side)
{
	return [&field, side, first = side]() mutable {
		for (uint32_t place = 0; place < places; place++) {
			int64_t begin = now();
			rally(field.ball(place), first);
			if (side == 0)
				field.time[place] = now() - begin;
		}
		first += 2 * line_trips;
		return true;
	};
}

void time_line(benchmark::State &state)
{
	std::vector<int64_t> least(places, INT64_MAX);
	Samples samples;
	try {
		Shared<Field> field;
		Crew crew(2, Crew::Together,
		        [&](int index) { return rally_everywhere(*field, static_cast<uint32_t>(index)); });
		for (auto _ : state) {
			state.SetIterationTime(static_cast<double>(crew.round()) / places / line_trips * 1e-9);
			for (uint32_t place = 0; place < places; place++)
				least[place] = std::min(least[place], field->time[place]);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
		return;
	}
	for (int64_t time : least)
		samples.add(static_cast<double>(time) / line_trips);
	samples.report(state, "trip");
}

bool await_and_pass(Word &ball, uint32_t mine, uint32_t next)
{
	for (uint32_t seen; (seen = ball.load(std::memory_order_acquire)) != mine;)
		if (!futex_wait(ball, seen))
			return false;
	if (next == mine)
		return true;
	ball.store(next, std::memory_order_release);
	futex_wake(ball, 1);
	return true;
}

void time_futex(benchmark::State &state)
{
	constexpr Plan plan = {100, 1, true, false};
	Trips trips;
	try {
		Shared<Word> ball;
		Pair pair(
		        plan, trips,
		        [&](Score &score, const Plan &) {
			        return answering(
			                score, plan, [&] { return await_and_pass(*ball, 1, 1); },
			                [&] { return await_and_pass(*ball, 1, 0); });
		        },
		        [&](Score &score, const Plan &) {
			        return asking(score, plan,
			                [&] { return await_and_pass(*ball, 0, 1) && await_and_pass(*ball, 0, 0); });
		        });
		for (auto _ : state)
			state.SetIterationTime(static_cast<double>(pair.rounds()) * 1e-9);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	trips.report(state, "trip");
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

	benchmark::RegisterBenchmark("raw/line", time_line)->Iterations(20)->UseManualTime();
	benchmark::RegisterBenchmark("raw/futex", time_futex)->Iterations(2)->UseManualTime();
	benchmark::RegisterBenchmark("raw/swap", time_swap);
}

} // namespace bench
