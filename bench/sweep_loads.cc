/*
 * sweep_loads.cc - what one load takes that depends on the one before, in the lines that so many groups lie in
 *
 * A table of n groups has n lines in its array of buckets, wherever the hash puts them, and n nodes side by side, of which
 * a look reads the first line of two.  Here are as many lines in memory of the same extent, linked in one circle without
 * locality, with nothing else: the floor of finding, and a constant of the model.  "nodes" goes through both kinds in turn, as
 * finding a present group does, "buckets" through the first kind only.
 *
 * Also what a system call takes that finds nothing to do: a FUTEX_WAKE of nobody.
 */
#include <map>
#include <random>
#include "processes.h"
#include "subjects.h"
#include "sweep.h"

namespace bench
{
namespace
{

/* As large as covey makes its array for a table of this capacity. */
size_t bucket_bytes(size_t groups)
{
	return 8 * (groups > capacity / 2 ? large_capacity : capacity) * sizeof(uint64_t);
}

/* Offsets of so many different lines, anywhere in so many bytes. */
std::vector<size_t> scattered_lines(size_t count, size_t bytes)
{
	std::vector<size_t> lines(bytes / 64);
	for (size_t i = 0; i < lines.size(); i++)
		lines[i] = i * 64;
	std::mt19937_64 random(42);
	for (size_t i = 0; i < count; i++)
		std::swap(lines[i], lines[i + random() % (lines.size() - i)]);
	lines.resize(count);
	return lines;
}

/* Each line holds the offset of the next. */
class Circle
{
	char *memory_;

	void link(const std::vector<size_t> &lines)
	{
		for (size_t i = 0; i < lines.size(); i++)
			memcpy(memory_ + lines[i], &lines[(i + 1) % lines.size()], sizeof(size_t));
		first = lines[0];
	}

      public:
	size_t first = 0;
	Circle(size_t groups, bool nodes)
	{
		size_t buckets = bucket_bytes(groups);
		memory_ = static_cast<char *>(map_shared(buckets + 64 * groups)); /* never unmapped: made once */
		std::vector<size_t> lines = scattered_lines(std::min(groups, buckets / 64), buckets), order, all;
		if (nodes)
			order = scattered_lines(groups, 64 * groups);
		for (size_t i = 0; i < lines.size(); i++) {
			all.push_back(lines[i]);
			if (nodes)
				all.push_back(buckets + order[i]);
		}
		link(all);
	}
	size_t next(size_t at) const
	{
		size_t to;
		memcpy(&to, memory_ + at, sizeof to);
		return to;
	}
};

void time_loads(benchmark::State &state, size_t groups, bool nodes)
{
	static std::map<std::pair<size_t, bool>, std::unique_ptr<Circle>> made;
	auto &circle = made[{groups, nodes}];
	if (!circle)
		circle = std::make_unique<Circle>(groups, nodes);
	size_t at = circle->first;
	for (auto _ : state)
		at = circle->next(at);
	benchmark::DoNotOptimize(at);
}

void time_call(benchmark::State &state)
{
	Word word{0};
	int woken = 0;
	for (auto _ : state)
		woken += futex_wake(word, 1);
	if (woken != 0)
		state.SkipWithError("nobody was woken");
}

} // namespace

void register_sweep_loads()
{
	for (size_t groups : points_of_groups) {
		register_point("loads/nodes/" + std::to_string(groups), time_loads, groups, true);
		register_point("loads/buckets/" + std::to_string(groups), time_loads, groups, false);
	}
	benchmark::RegisterBenchmark("raw/call", time_call);
}

} // namespace bench
