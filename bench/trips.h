/*
 * trips.h - one process asks, another answers: the loops that time it, the same for covey and for the floors
 *
 * A trip is one request and its answer.  The process that answers has the last core, the one that asks the first.  A
 * trip is timed in one of two ways:
 *  - both running: rounds of many trips, back to back.  One round is timed as a whole, which gives the mean without a
 *    clock in it; in the next the asking side reads the clock after every trip, which gives the quantiles.
 *  - both asleep: before each side goes on, it lets so much time pass that the other has fallen asleep.  What passed
 *    so on the answering side, by its own clock, is taken off the trip.  How often both really slept is what the
 *    kernel counted: voluntary context switches, two a trip.
 */
#ifndef BENCH_TRIPS_H
#define BENCH_TRIPS_H

#include <algorithm>
#include <string>
#include "processes.h"

namespace bench
{

constexpr int most_trips = 500;

struct Plan {
	int trips = most_trips; /* a round: few, so that most rounds meet no other work of the machine */
	int rounds = 20;        /* a repetition, of each kind */
	bool asleep = false;    /* each side sleeps before the other goes on */
	bool one_core = false;
};

/* Of the round that runs now, or ran last; in memory shared by both sides and the parent. */
struct Score {
	bool each = false;   /* note the time of each trip */
	int64_t thought = 0; /* nanoseconds to be taken off this trip */
	int64_t naps[2] = {};
	int64_t trip[most_trips] = {};
	Word ended{0}; /* futex: rounds that the asking side has ended; rung if somebody waits for it */
	bool awaited = false;
};

int64_t naps();                /* how often this thread has gone to sleep so far */
int64_t let_the_other_sleep(); /* spins; gives for how long */

/* Do this with the process free to run on any core; after that it is pinned as it was. */
void on_any_core(const std::function<void()> &what);

/* The answering side: take() a request, then give() its answer. */
template <class Take, class Give> Work answering(Score &score, const Plan &plan, Take take, Give give)
{
	return [&score, plan, take, give]() mutable {
		int64_t slept = naps();
		for (int i = 0; i < plan.trips; i++) {
			if (!take())
				return false;
			if (plan.asleep)
				score.thought = let_the_other_sleep();
			if (!give())
				return false;
		}
		score.naps[0] = naps() - slept;
		return true;
	};
}

/* The answering side, where other threads of it answer: this one sleeps meanwhile. */
Work answered_by_others(Score &score);

template <class Ask> bool ask_running(Score &score, const Plan &plan, Ask &ask)
{
	int64_t last = now();
	for (int i = 0; i < plan.trips; i++) {
		if (!ask())
			return false;
		if (!score.each)
			continue;
		int64_t time = now();
		score.trip[i] = time - last;
		last = time;
	}
	return true;
}

template <class Ask> bool ask_asleep(Score &score, const Plan &plan, Ask &ask)
{
	for (int i = 0; i < plan.trips; i++) {
		let_the_other_sleep();
		int64_t begin = now();
		if (!ask())
			return false;
		score.trip[i] = now() - begin - score.thought;
	}
	return true;
}

/* The asking side: ask() is a whole trip. */
template <class Ask> Work asking(Score &score, const Plan &plan, Ask ask)
{
	return [&score, plan, ask]() mutable {
		int64_t slept = naps();
		bool ok = plan.asleep ? ask_asleep(score, plan, ask) : ask_running(score, plan, ask);
		score.naps[1] = naps() - slept;
		score.ended++;
		if (score.awaited)
			futex_wake(score.ended, 1);
		return ok;
	};
}

/* What the rounds of one pair, or of several that do the same, took. */
struct Trips {
	Samples means, single, naps;
	void report(benchmark::State &state, const std::string &who); /* sets <who>, <who>_p50 and so on */
};

/* Two processes that ask and answer. */
class Pair
{
      public:
	using Side = std::function<Work(Score &score, const Plan &plan)>;
	Pair(const Plan &plan, Trips &times, const Side &answers, const Side &asks);
	int64_t rounds(); /* one of each kind; nanoseconds a trip */
	void warm_up()    /* one of which no time is kept */
	{
		crew_.round();
	}

      private:
	Plan plan_;
	Trips &times_;
	Shared<Score> score_;
	Crew crew_;
	int64_t together();
	int64_t each();
};

} // namespace bench
#endif
