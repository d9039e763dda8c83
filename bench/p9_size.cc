/*
 * p9_size.cc - P9: how long it takes to attach to a region of 1 GiB, and what groups and participants take of it
 *
 * Attaching is timed in a process that is forked for it and attaches for the first time, and again for the second.  There
 * are two regions of 1 GiB: nearly all of it room for the heap to grow, and nearly all of it groups, whose memory is
 * backed from the start.  Beside it, what nobody can do without who shares memory: shm_open, fstat and mmap of the same file,
 * in the same process.
 *
 * Memory is counted, not computed: the difference between two real regions that differ only in how many groups, or
 * participants, they are made for, once all of them are in use; in the file's size and in the blocks that the file system
 * says it occupies.  Every group is led, by a name of 64 bytes; every participant is a process that leads a group.
 * The table of buckets is a power of two, so what a group takes depends on how many there are: shown are the
 * least and the most.
 */
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

constexpr uint64_t gigabyte = uint64_t{1} << 30;

[[noreturn]] void fail(const std::string &what)
{
	throw std::runtime_error(what);
}

/* Unlinked with the object. */
class Region
{
	std::string file_;
	covey *region_ = nullptr;

      public:
	Region(const std::string &what, const covey_options &options) : file_(region_name("p9-" + what))
	{
		int answer = covey_open(&region_, file_.c_str(), &options);
		if (answer < 0)
			fail("covey_open: " + std::string(covey_strerror(answer)));
	}
	~Region()
	{
		covey_close(region_);
		covey_unlink(file_.c_str());
	}
	Region(const Region &) = delete;
	Region &operator=(const Region &) = delete;

	covey *region() const
	{
		return region_;
	}
	const std::string &file() const
	{
		return file_;
	}
	struct stat stat() const
	{
		struct stat facts;
		int fd = shm_open(("/" + file_).c_str(), O_RDONLY, 0);
		if (fd < 0 || fstat(fd, &facts) != 0)
			fail("no region to look at");
		close(fd);
		return facts;
	}
};

/* ------------------------------------------------------------------------------------------------ attach */

struct Times {
	int64_t first, second, map;
};

int64_t attach(const std::string &file)
{
	covey_options options{};
	options.flags = COVEY_ATTACH_ONLY | COVEY_SEPARATE;
	covey *region;
	int64_t begin = now();
	int answer = covey_open(&region, file.c_str(), &options);
	int64_t end = now();
	if (answer != 0)
		fail("covey_open: " + std::string(covey_strerror(answer)));
	covey_close(region);
	return end - begin;
}

int64_t map(const std::string &file)
{
	int64_t begin = now();
	struct stat facts;
	int fd = shm_open(("/" + file).c_str(), O_RDWR, 0);
	if (fd < 0 || fstat(fd, &facts) != 0)
		fail("shm_open failed");
	auto size = static_cast<size_t>(facts.st_size);
	void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int64_t end = now();
	if (memory == MAP_FAILED)
		fail("mmap failed");
	munmap(memory, size);
	close(fd);
	return end - begin;
}

/* By so many groups, or by the heap, just above 1 GiB. */
covey_options of_one_gigabyte(bool groups)
{
	covey_options options{};
	if (groups) {
		options.groups = 4 << 20; /* 128 bytes a node, 64 of its buckets */
		options.heap_max = gigabyte / 4;
	} else {
		options.heap_max = gigabyte;
	}
	return options;
}

void time_attach(benchmark::State &state, bool groups)
{
	Samples first, second, mapped;
	try {
		Region held("attach", of_one_gigabyte(groups));
		if (static_cast<uint64_t>(held.stat().st_size) < gigabyte)
			fail("the region is smaller than 1 GiB");
		state.counters["region_bytes"] = static_cast<double>(held.stat().st_size);
		Shared<Times> times;
		for (auto _ : state) {
			/* A new process for each round. */
			Crew crew(1, Crew::Loosely, [&](int) {
				return [&] {
					times->first = attach(held.file());
					times->second = attach(held.file());
					times->map = map(held.file());
					return true;
				};
			});
			crew.round();
			first.add(times->first);
			second.add(times->second);
			mapped.add(times->map);
			state.SetIterationTime(static_cast<double>(times->first) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	first.report(state, "first");
	second.report(state, "second");
	mapped.report(state, "map");
}

/* ------------------------------------------------------------------------------------------------ memory */

/* All of its groups are led, by one thread. */
struct stat with_groups(uint32_t count)
{
	covey_options options{};
	options.groups = count;
	options.participants = 4;
	Region made("groups", options);
	for (uint64_t i = 0; i < count; i++) {
		char name[64] = {};
		memcpy(name, &i, sizeof i);
		covey_lead lead;
		if (covey_find_or_register(made.region(), name, sizeof name, &lead) != COVEY_LEADER)
			fail("a group was refused");
	}
	return made.stat();
}

/* All of them attached; the parent is one. */
struct stat with_participants(uint32_t count)
{
	covey_options options{};
	options.participants = count;
	Region made("participants", options);
	Crew others(static_cast<int>(count) - 1, Crew::Loosely, [&](int index) {
		auto *table = new CoveyTable(made.file(), capacity);
		return [table, index] { return table->hold(name_of(held + static_cast<uint64_t>(index))); };
	});
	others.round();
	covey_usage usage;
	if (covey_usage_of(made.region(), &usage) != 0 || usage.participants != count)
		fail("not all are attached");
	return made.stat();
}

using Made = struct stat (*)(uint32_t);

void count_bytes(benchmark::State &state, Made made, uint32_t few, uint32_t many)
{
	try {
		for (auto _ : state) {
			struct stat less = made(few), more = made(many);
			state.counters["size_bytes"] = static_cast<double>(more.st_size - less.st_size) / (many - few);
			state.counters["resident_bytes"] =
			        static_cast<double>(more.st_blocks - less.st_blocks) * 512 / (many - few);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
}

} // namespace

void register_p9()
{
	benchmark::RegisterBenchmark("P9/attach/heap", time_attach, false)->Iterations(40)->UseManualTime();
	benchmark::RegisterBenchmark("P9/attach/groups", time_attach, true)->Iterations(20)->UseManualTime();
	/* 8 buckets a group; and 16, for which it takes one group more than a power of two. */
	benchmark::RegisterBenchmark("P9/group/least", count_bytes, with_groups, 8192, 65536)->Iterations(1);
	benchmark::RegisterBenchmark("P9/group/most", count_bytes, with_groups, 8193, 16385)->Iterations(1);
	benchmark::RegisterBenchmark("P9/participant", count_bytes, with_participants, 16, 80)->Iterations(1);
}

} // namespace bench
