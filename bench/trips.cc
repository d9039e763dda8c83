/* trips.cc - see trips.h */
#include "trips.h"
#include <sched.h>
#include <sys/resource.h>

namespace bench
{

/* Falling asleep takes a few microseconds, also where the host's processor has to be given back for it; but a side may
 * spin before that, for about as long as a wake-up takes. */
constexpr int64_t time_to_sleep = 400000;

int64_t naps()
{
	rusage usage{};
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

int64_t let_the_other_sleep()
{
	int64_t begin = now(), end = begin;
	while (end - begin < time_to_sleep)
		end = now();
	return end - begin;
}

void on_any_core(const std::function<void()> &what)
{
	cpu_set_t own;
	sched_getaffinity(0, sizeof own, &own);
	unpin();
	what();
	sched_setaffinity(0, sizeof own, &own);
}

Work answered_by_others(Score &score)
{
	score.awaited = true;
	return [&score, rounds = uint32_t{0}]() mutable {
		for (rounds++; score.ended.load() != rounds;)
			futex_wait(score.ended, rounds - 1);
		return true;
	};
}

Pair::Pair(const Plan &plan, Trips &times, const Side &answers, const Side &asks)
    : plan_(plan), times_(times), crew_(2, plan.one_core ? Crew::Loosely : Crew::Together, [&](int index) {
	      if (plan.one_core)
		      pin_to(0);
	      return (index == 0 ? answers : asks)(*score_, plan);
      })
{
}

int64_t Pair::together()
{
	score_->each = false;
	int64_t mean = crew_.round() / plan_.trips;
	times_.means.add(mean);
	return mean;
}

int64_t Pair::each()
{
	int64_t sum = 0;
	score_->each = true;
	crew_.round();
	for (int i = 0; i < plan_.trips; i++) {
		times_.single.add(score_->trip[i]);
		sum += score_->trip[i];
	}
	times_.naps.add((score_->naps[0] + score_->naps[1]) * 1000 / plan_.trips);
	return sum / plan_.trips;
}

int64_t Pair::rounds()
{
	if (!plan_.asleep && !plan_.one_core) {
		int64_t mean = together();
		each();
		return mean;
	}
	int64_t mean = each();
	times_.means.add(mean);
	return mean;
}

void Trips::report(benchmark::State &state, const std::string &who)
{
	state.counters[who] = means.quantile(0.5);
	single.report(state, who);
	state.counters[who + "_naps"] = naps.quantile(0.5) / 1000;
}

} // namespace bench
