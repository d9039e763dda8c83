/*
 * p3_one_group.cc - P3: two processes that both want the same thing, all the time
 *
 * The section is a computation of a fixed length whose result is eight bytes.  Under the mutex, which is process-shared
 * and robust, each process locks, computes, keeps the result and unlocks: every operation computes.  With covey each
 * process leads, computes and publishes, or joins whoever leads and takes its result: that is what covey is for, so a
 * joined operation counts as one.  How many were computed is told beside the rate.  Every result is checked.
 *
 * Both subjects run for the same time, a round each in turn, with a core for each process; nobody's part goes on alone,
 * since all stop on one word.  The rate is of the finished operations of both processes, from the first begin to the last end.
 */
#include <pthread.h>
#include "p5.h"
#include "region_name.h"
#include "subjects.h"

namespace bench
{
namespace
{

constexpr int64_t round_length = 10000; /* microseconds */
constexpr uint64_t seed = 42;

uint64_t compute(uint64_t steps)
{
	uint64_t value = seed;
	for (uint64_t i = 0; i < steps; i++) {
		value = value * 6364136223846793005 + 1442695040888963407;
		benchmark::DoNotOptimize(value);
	}
	return value;
}

/* So many steps take so many nanoseconds here. */
uint64_t steps_of(int64_t nanoseconds)
{
	static const double step = [] {
		constexpr uint64_t steps = 200000;
		int64_t least = INT64_MAX;
		for (int i = 0; i < 20; i++) {
			int64_t begin = now();
			benchmark::DoNotOptimize(compute(steps));
			least = std::min(least, now() - begin);
		}
		return static_cast<double>(least) / steps;
	}();
	return static_cast<uint64_t>(static_cast<double>(nanoseconds) / step);
}

struct Count {
	alignas(64) uint64_t finished, computed;
};

struct Place {
	alignas(64) std::atomic<bool> stop;
	alignas(64) pthread_mutex_t lock;
	uint64_t result;
	Count counts[2];
};

class Locking
{
	Place &place_;
	uint64_t steps_, expected_;

      public:
	Locking(Place &place, uint64_t steps) : place_(place), steps_(steps), expected_(compute(steps))
	{
	}
	bool operate(Count &count)
	{
		if (pthread_mutex_lock(&place_.lock) != 0)
			return false;
		uint64_t value = place_.result = compute(steps_);
		pthread_mutex_unlock(&place_.lock);
		count.computed++;
		return value == expected_;
	}
};

class Joining
{
	covey *region_;
	Name name_ = name_of(cycled);
	uint64_t steps_, expected_;

	bool lead(const covey_lead &lead, Count &count)
	{
		uint64_t value = compute(steps_);
		covey_reply reply{};
		reply.data = &value;
		reply.size = sizeof value;
		count.computed++;
		return covey_unregister_notify(region_, &lead, nullptr, 0, &reply) >= 0 && value == expected_;
	}
	/* What the leader gave: COVEY_OK and the right bytes, or COVEY_GAVE_UP, when it had ended before this one asked. */
	int join(const covey_lead &lead)
	{
		covey_result result;
		int outcome = covey_await(region_, &lead, nullptr, 0, COVEY_FOREVER, 0, &result);
		if (outcome == COVEY_OK &&
		        (result.size != sizeof expected_ || memcmp(result.data, &expected_, sizeof expected_) != 0))
			outcome = COVEY_ERROR;
		covey_release(region_, &result);
		return outcome;
	}

      public:
	Joining(covey *region, uint64_t steps) : region_(region), steps_(steps), expected_(compute(steps))
	{
	}
	bool operate(Count &count)
	{
		for (;;) {
			covey_lead whom;
			int role = covey_find_or_register(region_, name_.data(), name_.size(), &whom);
			if (role == COVEY_LEADER)
				return lead(whom, count);
			int outcome = role == COVEY_WAIT ? join(whom) : role;
			if (outcome != COVEY_GAVE_UP)
				return outcome == COVEY_OK;
		}
	}
};

/* Operations until it is told to stop. */
template <class Subject> Work operating(Place &place, int index, Subject *subject)
{
	return [&place, index, subject] {
		Count count{};
		bool ok = true;
		while (!place.stop.load(std::memory_order_relaxed)) {
			ok &= subject->operate(count);
			count.finished++;
		}
		place.counts[index] = count;
		return ok;
	};
}

struct Rates {
	Samples finished, computed; /* a second; thousandths of all operations */

	void add(Place &place, Crew &crew)
	{
		place.stop = false;
		crew.start();
		usleep(round_length);
		place.stop = true;
		crew.finish();
		double time = static_cast<double>(crew.last_end() - crew.first_begin()) * 1e-9;
		uint64_t all = place.counts[0].finished + place.counts[1].finished;
		uint64_t made = place.counts[0].computed + place.counts[1].computed;
		finished.add(static_cast<int64_t>(static_cast<double>(all) / time));
		computed.add(static_cast<int64_t>(1000 * made / std::max<uint64_t>(all, 1)));
	}
	void report(benchmark::State &state, const std::string &who)
	{
		state.counters[who + "_rate"] = finished.quantile(0.5);
		state.counters[who + "_computed"] = computed.quantile(0.5) / 1000;
	}
};

void time_both(benchmark::State &state, int64_t length, const std::string &file)
{
	CoveyTable mine(file, capacity);
	uint64_t steps = steps_of(length);
	Shared<Place> place;
	make_robust_lock(place->lock);
	Crew joining(2, Crew::Together, [&](int index) {
		covey *region = attach_for(file, Plan{}, static_cast<uint64_t>(index));
		return operating(*place, index, new Joining(region, steps));
	});
	Crew locking(
	        2, Crew::Together, [&](int index) { return operating(*place, index, new Locking(*place, steps)); });
	Rates joined, locked;
	uint64_t slept = covey_counter(mine.region(), COVEY_COUNT_PARKED);
	for (auto _ : state) {
		joined.add(*place, joining);
		locked.add(*place, locking);
		state.SetIterationTime(2 * static_cast<double>(round_length) * 1e-6);
	}
	slept = covey_counter(mine.region(), COVEY_COUNT_PARKED) - slept;
	joined.report(state, "covey");
	locked.report(state, "mutex");
	state.counters["parked_a_round"] = static_cast<double>(slept) / static_cast<double>(state.iterations());
	state.counters["rescued"] = static_cast<double>(covey_counter(mine.region(), COVEY_COUNT_RESCUED));
}

void one_group(benchmark::State &state, int64_t length)
{
	std::string file = region_name("p3");
	try {
		time_both(state, length, file);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
}

} // namespace

void register_p3()
{
	for (int64_t length : {0, 100, 1000, 10000, 100000})
		benchmark::RegisterBenchmark(("P3/" + std::to_string(length)).c_str(), one_group, length)
		        ->Iterations(10)
		        ->UseManualTime();
}

} // namespace bench
