/*
 * p8_large.cc - P8: from publish of a result of 1 MiB until all of 16 parked waiters have it
 *
 * As P6, with more bytes.  Each waiter checks the first and the last line of the result in place, and releases it.
 *
 * Beside it, in turn, round by round:
 *  - the floor: memcpy of as many bytes into a shared page, one FUTEX_WAKE of 16 processes asleep on one word, each of which
 *    checks the same two lines;
 *  - covey with 64 bytes, which is P6, and one memcpy of 1 MiB into a shared page: the spec's sum.
 * All have waiters of their own, of the same kind on the same cores; the others are asleep.
 *
 * The source is written anew before each publish, as a result is; both copies read it from the same cache.  Each of the
 * copies has memory of its own, which it touches once a turn: of two that share some, the second would find it in the cache.
 *
 * The copies are counted in a round that is not timed, while all waiters hold the result: what the region's heap holds more
 * than before, divided by the result's size, is how often it was copied in; a waiter whose bytes do not lie where its region
 * is mapped has copied them out.
 */
#include <climits>
#include <cstring>
#include <fstream>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

constexpr size_t large_result = 1 << 20, small_result = 64, line = 64;
constexpr int waiters = 16;

struct Board {
	alignas(64) Word word;    /* futex: the floor's waiters sleep on it */
	alignas(64) Word hold;    /* futex: not 0 while waiters are to keep what they have */
	alignas(64) Word holding; /* so many have it */
	std::atomic<int> outside; /* so many have it outside the region */
	alignas(64) unsigned char bytes[large_result];
};

/* The round is in the first and the last bytes. */
void mark(unsigned char *bytes, size_t size, uint64_t round)
{
	memset(bytes, static_cast<int>(round), size);
	memcpy(bytes, &round, sizeof round);
	memcpy(bytes + size - sizeof round, &round, sizeof round);
}

/* Reads the first line and the last. */
bool marked(const void *data, size_t size, uint64_t round)
{
	unsigned char first[line], last[line];
	memcpy(first, data, line);
	memcpy(last, static_cast<const unsigned char *>(data) + size - line, line);
	return memcmp(first, &round, sizeof round) == 0 &&
	       memcmp(last + line - sizeof round, &round, sizeof round) == 0 &&
	       first[line / 2] == static_cast<unsigned char>(round) &&
	       last[line / 2] == static_cast<unsigned char>(round);
}

/* ------------------------------------------------------------------------------------------------ the waiters */

/* Where this process has mapped the region of this name. */
class Mapping
{
	uintptr_t begin_ = 0, end_ = 0;

      public:
	explicit Mapping(const std::string &file)
	{
		std::ifstream maps("/proc/self/maps");
		for (std::string entry; std::getline(maps, entry);) {
			unsigned long from = 0, to = 0;
			if (entry.find("/" + file) == std::string::npos ||
			        sscanf(entry.c_str(), "%lx-%lx", &from, &to) != 2)
				continue;
			begin_ = begin_ == 0 ? from : begin_;
			end_ = to;
		}
	}
	bool has(const void *data) const
	{
		auto at = reinterpret_cast<uintptr_t>(data);
		return begin_ <= at && at < end_;
	}
};

class Waiter
{
	Board &board_;
	covey *region_;
	Name name_;
	size_t size_;
	Mapping mapping_;
	uint64_t round_ = 0;

	void show(const covey_result &result)
	{
		if (board_.hold.load() == 0)
			return;
		board_.outside += !mapping_.has(result.data);
		board_.holding++;
		while (board_.hold.load() != 0)
			futex_wait(board_.hold, 1);
	}

      public:
	Waiter(Board &board, const std::string &file, const Name &name, size_t size)
	    : board_(board), region_((new CoveyTable(file, capacity))->region()), name_(name), size_(size),
	      mapping_(file)
	{
	}
	bool take()
	{
		covey_lead lead;
		covey_result result;
		if (covey_find_or_register(region_, name_.data(), name_.size(), &lead) != COVEY_WAIT)
			return false;
		int outcome = covey_await(region_, &lead, nullptr, 0, covey_in_ms(10000), 0, &result);
		bool ok = outcome == COVEY_OK && result.size == size_ && marked(result.data, size_, ++round_);
		if (ok)
			show(result);
		covey_release(region_, &result);
		return ok;
	}
};

bool take_from(Board &board)
{
	static uint32_t seen = 0;
	while (board.word.load() == seen)
		futex_wait(board.word, seen);
	seen = board.word.load();
	return marked(board.bytes, large_result, seen);
}

/* ------------------------------------------------------------------------------------------------ the publishers */

class Publisher
{
	covey *region_;
	Name name_;
	std::vector<unsigned char> bytes_;
	Crew crew_;
	uint64_t round_ = 0;
	int64_t begin_ = 0;

      public:
	Publisher(covey *region, Board &board, const std::string &file, const Name &name, size_t size)
	    : region_(region), name_(name), bytes_(size), crew_(waiters, Crew::Loosely, [&, size](int) {
		      auto *waiter = new Waiter(board, file, name, size);
		      return [waiter] { return waiter->take(); };
	      })
	{
	}
	void publish()
	{
		covey_lead lead;
		if (covey_find_or_register(region_, name_.data(), name_.size(), &lead) != COVEY_LEADER)
			throw std::runtime_error("the publisher does not lead");
		crew_.start();
		crew_.settle([&] {
			covey_info info;
			return covey_find(region_, name_.data(), name_.size(), &info) == 0 && info.waiters == waiters;
		});
		mark(bytes_.data(), bytes_.size(), ++round_);
		covey_reply reply{};
		reply.data = bytes_.data();
		reply.size = bytes_.size();
		begin_ = now();
		if (covey_unregister_notify(region_, &lead, nullptr, 0, &reply) < 0)
			throw std::runtime_error("publishing failed");
	}
	void finish()
	{
		crew_.finish();
	}
	int64_t time()
	{
		publish();
		finish();
		return crew_.last_end() - begin_;
	}
};

class Waker
{
	Board &board_;
	std::vector<unsigned char> bytes_ = std::vector<unsigned char>(large_result);
	Crew crew_;

      public:
	explicit Waker(Board &board)
	    : board_(board),
	      crew_(waiters, Crew::Loosely, [&board](int) { return [&board] { return take_from(board); }; })
	{
	}
	int64_t time()
	{
		crew_.start();
		crew_.settle();
		mark(bytes_.data(), large_result, board_.word.load() + 1);
		int64_t begin = now();
		memcpy(board_.bytes, bytes_.data(), large_result);
		board_.word++;
		futex_wake(board_.word, INT_MAX);
		crew_.finish();
		return crew_.last_end() - begin;
	}
};

/* The copy alone. */
class Copier
{
	Shared<Board> board_;
	std::vector<unsigned char> bytes_ = std::vector<unsigned char>(large_result);
	uint64_t round_ = 0;

      public:
	int64_t time()
	{
		mark(bytes_.data(), large_result, ++round_);
		int64_t begin = now();
		memcpy(board_->bytes, bytes_.data(), large_result);
		int64_t time = now() - begin;
		if (!marked(board_->bytes, large_result, round_))
			throw std::runtime_error("the copy differs");
		return time;
	}
};

/* ------------------------------------------------------------------------------------------------ in turn */

uint64_t heap_bytes(covey *region)
{
	covey_usage usage;
	if (covey_usage_of(region, &usage) != 0)
		throw std::runtime_error("covey_usage_of failed");
	return usage.heap_bytes;
}

/* One round in which all hold what they have while it is looked at. */
void count_copies(benchmark::State &state, covey *region, Board &board, Publisher &publisher)
{
	uint64_t before = heap_bytes(region);
	board.hold = 1;
	publisher.publish();
	int64_t limit = now() + 10000000000;
	while (board.holding.load() != waiters)
		if (now() > limit)
			throw std::runtime_error("the waiters did not all get the result");
	uint64_t grown = heap_bytes(region) - before;
	board.hold = 0;
	futex_wake(board.hold, INT_MAX);
	publisher.finish();
	state.counters["in_copies"] = static_cast<double>(grown / large_result);
	state.counters["out_copies"] = board.outside.load();
}

struct All {
	Samples covey, floor, copy, small;
};

void rounds(benchmark::State &state, const std::string &file, All &all)
{
	CoveyTable mine(file, capacity);
	Shared<Board> board;
	Publisher large(mine.region(), *board, file, name_of(cycled), large_result);
	Publisher small(mine.region(), *board, file, name_of(cycled + 1), small_result);
	Waker waker(*board);
	Copier copier;
	count_copies(state, mine.region(), *board, large);
	for (auto _ : state) {
		int64_t time = large.time();
		all.covey.add(time);
		all.floor.add(waker.time());
		all.small.add(small.time());
		all.copy.add(copier.time());
		state.SetIterationTime(static_cast<double>(time) * 1e-9);
	}
	state.counters["rescued"] = static_cast<double>(covey_counter(mine.region(), COVEY_COUNT_RESCUED));
}

void publish_large(benchmark::State &state)
{
	std::string file = region_name("p8");
	All all;
	try {
		rounds(state, file, all);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
	all.covey.report(state, "covey");
	all.floor.report(state, "floor");
	all.copy.report(state, "copy");
	all.small.report(state, "small");
	state.counters["sum_p50"] = all.copy.quantile(0.5) + all.small.quantile(0.5);
}

} // namespace

void register_p8()
{
	benchmark::RegisterBenchmark("P8/16", publish_large)->Iterations(100)->UseManualTime();
}

} // namespace bench
