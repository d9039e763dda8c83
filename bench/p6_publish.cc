/*
 * p6_publish.cc - P6: from publish until the last of N parked processes has the bytes
 *
 * Every waiter is a process.  Before each publish all of them are seen asleep: the region counts N waiters, and
 * /proc shows every one of them sleeping in the kernel.  The time runs from just before covey_unregister_notify() until
 * the last waiter, which notes the time when it has checked and released its bytes: where they lie, the first and the
 * last of them.
 *
 * Beside it, the floor: the bytes are copied into a shared page, and the same N processes, asleep on one futex word, are
 * woken by one FUTEX_WAKE and check the bytes there.  Both have processes of the same kind on the same cores, note the time
 * in the same way, and take turns, round by round.  The copy is also timed by itself.
 * The publisher has the first core; waiters have the cores in turn, beginning with the last.
 */
#include "p6.h"
#include <climits>
#include <cstring>
#include <vector>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

/* So many bytes that begin and end with the round's number, as far as they have room for it. */
class Message
{
	std::vector<char> bytes_;
	uint64_t round_ = 0;

      public:
	explicit Message(size_t bytes) : bytes_(bytes)
	{
	}
	void next()
	{
		round_++;
		if (bytes_.size() < sizeof round_)
			return;
		memcpy(bytes_.data(), &round_, sizeof round_);
		memcpy(bytes_.data() + bytes_.size() - sizeof round_, &round_, sizeof round_);
	}
	const char *data() const
	{
		return bytes_.data();
	}
	size_t size() const
	{
		return bytes_.size();
	}
};

bool whole(const char *bytes, size_t size)
{
	uint64_t first, last;
	if (size < sizeof first)
		return size == 0;
	memcpy(&first, bytes, sizeof first);
	memcpy(&last, bytes + size - sizeof last, sizeof last);
	return first != 0 && first == last;
}

struct FloorHead {
	alignas(64) Word word;
	alignas(64) char bytes[64]; /* and more */
};

class Floor
{
	size_t size_, mapped_;
	FloorHead *head_;

      public:
	explicit Floor(size_t size)
	    : size_(size), mapped_(sizeof(FloorHead) + size), head_(static_cast<FloorHead *>(map_shared(mapped_)))
	{
	}
	~Floor()
	{
		unmap_shared(head_, mapped_);
	}
	Floor(const Floor &) = delete;
	Floor &operator=(const Floor &) = delete;

	void copy(const Message &message)
	{
		if (size_ != 0)
			memcpy(head_->bytes, message.data(), size_);
		benchmark::ClobberMemory();
	}
	void wake()
	{
		head_->word++;
		futex_wake(head_->word, INT_MAX);
	}
	/* Sleeps until the word has changed, and reads the bytes. */
	bool take()
	{
		static uint32_t seen = 0;
		while (head_->word.load() == seen)
			futex_wait(head_->word, seen);
		seen = head_->word.load();
		return whole(head_->bytes, size_);
	}
};

bool take_from(covey *region, const Name &name, size_t bytes)
{
	covey_lead lead;
	if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_WAIT)
		return false;
	covey_result result;
	int outcome = covey_await(region, &lead, nullptr, 0, covey_in_ms(10000), 0, &result);
	bool ok = outcome == COVEY_OK && result.size == bytes &&
	          whole(static_cast<const char *>(result.data), result.size);
	covey_release(region, &result);
	return ok;
}

/* One round of the floor.  Gives when the copying began. */
int64_t wake_once(Floor &floor, Crew &crew, Message &message)
{
	crew.start();
	crew.settle();
	message.next();
	int64_t begin = now();
	floor.copy(message);
	floor.wake();
	crew.finish();
	return begin;
}

int64_t copy_once(Floor &floor, Message &message)
{
	message.next();
	int64_t begin = now();
	floor.copy(message);
	return now() - begin;
}

/* One round: lead, let them come and sleep, publish.  Gives when the publishing began. */
int64_t publish_once(covey *region, const Name &name, Crew &crew, int waiters, Message &message)
{
	covey_lead lead;
	if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_LEADER)
		throw std::runtime_error("the publisher does not lead");
	crew.start();
	crew.settle([&] {
		covey_info info;
		return covey_find(region, name.data(), name.size(), &info) == 0 &&
		       info.waiters == static_cast<uint32_t>(waiters);
	});
	message.next();
	covey_reply reply{};
	reply.data = message.data();
	reply.size = message.size();
	int64_t begin = now();
	int answered = covey_unregister_notify(region, &lead, nullptr, 0, &reply);
	crew.finish();
	if (answered != waiters)
		throw std::runtime_error("answered " + std::to_string(answered) + " of " + std::to_string(waiters));
	return begin;
}

struct Times {
	Samples covey, futex, copy;
};

/* Rounds of covey and of the floor in turn, each with N processes of its own, the others asleep. */
void rounds(benchmark::State &state, int waiters, size_t bytes, const std::string &file, Times &times)
{
	CoveyTable mine(file, capacity);
	Name name = name_of(cycled);
	Crew awaiting(waiters, Crew::Loosely, [&](int) {
		covey *region = (new CoveyTable(file, capacity))->region();
		return [region, name, bytes] { return take_from(region, name, bytes); };
	});
	Floor floor(bytes);
	Crew sleeping(waiters, Crew::Loosely, [&floor](int) { return [&floor] { return floor.take(); }; });
	Message message(bytes);
	uint64_t slept = covey_counter(mine.region(), COVEY_COUNT_PARKED);
	for (auto _ : state) {
		int64_t begin = publish_once(mine.region(), name, awaiting, waiters, message);
		times.covey.add(awaiting.last_end() - begin);
		state.SetIterationTime(static_cast<double>(awaiting.last_end() - begin) * 1e-9);
		begin = wake_once(floor, sleeping, message);
		times.futex.add(sleeping.last_end() - begin);
		times.copy.add(copy_once(floor, message));
	}
	slept = covey_counter(mine.region(), COVEY_COUNT_PARKED) - slept;
	state.counters["parked_a_round"] = static_cast<double>(slept) / static_cast<double>(state.iterations());
	state.counters["rescued"] = static_cast<double>(covey_counter(mine.region(), COVEY_COUNT_RESCUED));
}

} // namespace

void time_publish(benchmark::State &state, int waiters, size_t bytes)
{
	std::string file = region_name("p6");
	Times times;
	try {
		rounds(state, waiters, bytes, file, times);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
	times.covey.report(state, "covey");
	times.futex.report(state, "futex");
	times.copy.report(state, "copy");
}

void register_p6()
{
	for (int waiters : {1, 4, 16, 64, 256}) {
		int rounds_each = waiters <= 16 ? 200 : waiters == 64 ? 60 : 20;
		benchmark::RegisterBenchmark(
		        ("P6/" + std::to_string(waiters)).c_str(), time_publish, waiters, size_t{64})
		        ->Iterations(rounds_each)
		        ->UseManualTime();
	}
}

} // namespace bench
