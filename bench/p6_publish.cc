/*
 * p6_publish.cc - P6: from publish until the last of N parked processes has the bytes
 *
 * Every waiter is a process.  Before each publish all of them are seen asleep: the region counts N waiters, and
 * /proc shows every one of them sleeping in the kernel.  The time runs from just before covey_unregister_notify() until
 * the last waiter, which notes the time when it has checked and released its bytes.
 *
 * Beside it, the floor: the same N processes asleep on one futex word, woken by one FUTEX_WAKE, each of which reads
 * the same bytes from a shared page.  Both have processes of the same kind on the same cores, note the time in the same way,
 * and take turns, round by round.
 * The publisher has the first core; waiters have the cores in turn, beginning with the last.
 */
#include <climits>
#include <cstring>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

constexpr size_t bytes = 64;

struct Message {
	uint64_t round;
	char rest[bytes - sizeof(uint64_t)];
};

struct Floor {
	alignas(64) Word word;
	alignas(64) Message message;
};

/* Sleeps until the word has changed, and reads the bytes. */
bool take_from(Floor &floor)
{
	static uint32_t seen = 0;
	while (floor.word.load() == seen)
		futex_wait(floor.word, seen);
	seen = floor.word.load();
	Message copy = floor.message;
	return copy.round == seen;
}

bool take_from(covey *region, const Name &name)
{
	covey_lead lead;
	if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_WAIT)
		return false;
	covey_result result;
	int outcome = covey_await(region, &lead, nullptr, 0, covey_in_ms(10000), 0, &result);
	Message copy{};
	if (outcome == COVEY_OK && result.size == sizeof copy)
		memcpy(&copy, result.data, sizeof copy);
	covey_release(region, &result);
	return copy.round != 0;
}

/* One round of the floor.  Gives when the waking began. */
int64_t wake_once(Floor &floor, Crew &crew)
{
	crew.start();
	crew.settle();
	floor.message.round = floor.word.load() + 1;
	int64_t begin = now();
	floor.word++;
	futex_wake(floor.word, INT_MAX);
	crew.finish();
	return begin;
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
	message.round++;
	covey_reply reply{};
	reply.data = &message;
	reply.size = sizeof message;
	int64_t begin = now();
	int answered = covey_unregister_notify(region, &lead, nullptr, 0, &reply);
	crew.finish();
	if (answered != waiters)
		throw std::runtime_error("answered " + std::to_string(answered) + " of " + std::to_string(waiters));
	return begin;
}

struct Both {
	Samples covey, futex;
};

/* Rounds of covey and of the floor in turn, each with N processes of its own, the others asleep. */
void rounds(benchmark::State &state, int waiters, const std::string &file, Both &both)
{
	CoveyTable mine(file, capacity);
	Name name = name_of(cycled);
	Crew awaiting(waiters, Crew::Loosely, [&](int) {
		covey *region = (new CoveyTable(file, capacity))->region();
		return [region, name] { return take_from(region, name); };
	});
	Shared<Floor> floor;
	Crew sleeping(waiters, Crew::Loosely, [&floor](int) { return [&floor] { return take_from(*floor); }; });
	Message message{};
	uint64_t slept = covey_counter(mine.region(), COVEY_COUNT_PARKED);
	for (auto _ : state) {
		int64_t begin = publish_once(mine.region(), name, awaiting, waiters, message);
		both.covey.add(awaiting.last_end() - begin);
		state.SetIterationTime(static_cast<double>(awaiting.last_end() - begin) * 1e-9);
		begin = wake_once(*floor, sleeping);
		both.futex.add(sleeping.last_end() - begin);
	}
	slept = covey_counter(mine.region(), COVEY_COUNT_PARKED) - slept;
	state.counters["parked_a_round"] = static_cast<double>(slept) / static_cast<double>(state.iterations());
	state.counters["rescued"] = static_cast<double>(covey_counter(mine.region(), COVEY_COUNT_RESCUED));
}

void publish(benchmark::State &state, int waiters)
{
	std::string file = "covey-bench-p6-" + std::to_string(getpid());
	Both both;
	try {
		rounds(state, waiters, file, both);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
	both.covey.report(state, "covey");
	both.futex.report(state, "futex");
}

} // namespace

void register_p6()
{
	for (int waiters : {1, 4, 16, 64, 256}) {
		int rounds_each = waiters <= 16 ? 200 : waiters == 64 ? 60 : 20;
		benchmark::RegisterBenchmark(("P6/" + std::to_string(waiters)).c_str(), publish, waiters)
		        ->Iterations(rounds_each)
		        ->UseManualTime();
	}
}

} // namespace bench
