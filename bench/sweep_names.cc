/*
 * sweep_names.cc - names of 8 to 4096 bytes: lead and give up, the same name and names never seen before, and find
 *
 * Names up to 64 bytes lie in the group's node, longer ones in a block of the heap.  All names of a length differ in
 * their first bytes only.  Beside it, the least that any table must do with a name: hash it (XXH3) and compare it with
 * the one that it has.
 */
#include <map>
#include <memory>
#include <vector>
#include "covey_table.h"
#include "peers.h"
#include "subjects.h"
#include "sweep.h"

namespace bench
{
namespace
{

class LongName
{
	std::vector<unsigned char> bytes_;

      public:
	explicit LongName(size_t size) : bytes_(size, 't')
	{
	}
	const unsigned char *number(uint64_t number)
	{
		number = number * 0x9e3779b97f4a7c15;
		memcpy(bytes_.data(), &number, sizeof number);
		return bytes_.data();
	}
};

/* Each length has a region of its own: a name that makes room for another then has its length, in whatever order the
 * lengths are measured, and no other benchmark meets long names. */
covey *region_for(size_t size)
{
	static std::map<size_t, std::unique_ptr<CoveyTable>> made;
	auto &table = made[size];
	if (!table)
		table = std::make_unique<CoveyTable>(capacity);
	return table->region();
}

bool lead_and_leave(covey *region, const unsigned char *name, size_t size)
{
	static const covey_reply nothing{};
	covey_lead lead;
	return covey_find_or_register(region, name, size, &lead) == COVEY_LEADER &&
	       covey_unregister_notify(region, &lead, nullptr, 0, &nothing) == 0;
}

void time_same(benchmark::State &state, size_t size)
{
	covey *region = region_for(size);
	LongName name(size);
	bool ok = true;
	for (auto _ : state)
		ok &= lead_and_leave(region, name.number(1), size);
	if (!ok)
		state.SkipWithError("a name was refused");
}

void time_fresh(benchmark::State &state, size_t size)
{
	static uint64_t used = 2;
	covey *region = region_for(size);
	LongName name(size);
	bool ok = true;
	for (size_t i = 0; i < capacity; i++) /* so that the region is full */
		ok &= lead_and_leave(region, name.number(used++), size);
	for (auto _ : state)
		ok &= lead_and_leave(region, name.number(used++), size);
	if (!ok)
		state.SkipWithError("a name was refused");
}

void time_find_long(benchmark::State &state, size_t size)
{
	covey *region = region_for(size);
	LongName name(size);
	covey_lead lead;
	covey_info info;
	bool ok = covey_find_or_register(region, name.number(0), size, &lead) == COVEY_LEADER;
	for (auto _ : state)
		ok &= covey_find(region, name.number(0), size, &info) == 0;
	if (!ok || covey_unregister(region, &lead) != 0)
		state.SkipWithError("a name was not found");
}

void time_least(benchmark::State &state, size_t size)
{
	LongName name(size), other(size);
	const unsigned char *kept = other.number(0);
	int differ = 0;
	for (auto _ : state) {
		const unsigned char *bytes = name.number(0);
		benchmark::DoNotOptimize(XXH3_64bits(bytes, size));
		differ |= memcmp(bytes, kept, size);
		benchmark::ClobberMemory();
	}
	if (differ != 0)
		state.SkipWithError("equal names differ");
}

} // namespace

void register_sweep_names()
{
	for (size_t size : {8, 16, 24, 32, 48, 64, 80, 128, 256, 512, 1024, 2048, 4096}) {
		std::string tail = "/" + std::to_string(size);
		register_point("names/same" + tail, time_same, size);
		register_point("names/fresh" + tail, time_fresh, size);
		register_point("names/find" + tail, time_find_long, size);
		register_point("names/least" + tail, time_least, size);
	}
}

} // namespace bench
