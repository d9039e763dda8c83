/*
 * processes.h - real processes that work in rounds, for everything that is measured between processes
 *
 * They are forked before anything is timed, pinned, and set up; then each round they start together and note in shared
 * memory when they began and ended.  The parent sleeps meanwhile, so two cores are free for two of them.  The clock is
 * CLOCK_MONOTONIC, which is one clock for all of them.
 */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <functional>
#include <memory>
#include <pthread.h>
#include <string>
#include <sys/types.h>
#include <vector>
#include "names.h"

namespace bench
{

int64_t now();        /* nanoseconds, CLOCK_MONOTONIC */
void pin_to(int cpu); /* this thread, to cpu modulo the cpus of the machine */
void unpin();         /* this thread may run on any of them */
int cpus();

using Word = std::atomic<uint32_t>;
bool futex_wait(Word &word, uint32_t while_value, int64_t milliseconds = 10000); /* false after so long */
int futex_wake(Word &word, int how_many);

void make_robust_lock(pthread_mutex_t &lock); /* in shared memory: the kernel hands it over when its owner dies */

/* A shared, zeroed T that the children of fork() share with their parent. */
void *map_shared(size_t size);
void unmap_shared(void *memory, size_t size);
template <class T> class Shared
{
	T *at_;

      public:
	Shared() : at_(new (map_shared(sizeof(T))) T())
	{
	}
	~Shared()
	{
		unmap_shared(at_, sizeof(T));
	}
	Shared(const Shared &) = delete;
	Shared &operator=(const Shared &) = delete;
	T *operator->() const
	{
		return at_;
	}
	T &operator*() const
	{
		return *at_;
	}
};

/* What a process does in one round; false says that it went wrong.  Made in that process, once, by a Setup. */
using Work = std::function<bool()>;
using Setup = std::function<Work(int index)>;

class Crew
{
      public:
	enum Start {
		Together, /* spin until all have come: never more of them than cpus */
		Loosely,  /* each as it is woken */
	};
	Crew(int processes, Start start, const Setup &setup);
	~Crew(); /* ends them */
	Crew(const Crew &) = delete;
	Crew &operator=(const Crew &) = delete;

	void start();      /* begin a round */
	bool all_asleep(); /* all have begun the round's work and sleep in the kernel in it */
	void settle(const std::function<bool()> &also = nullptr); /* until all sleep, and this holds too */
	void finish();                                            /* wait for the end of the round */
	int64_t first_begin() const;
	int64_t last_end() const;
	int64_t round() /* a whole round: nanoseconds from the first's begin to the last's end */
	{
		start();
		finish();
		return last_end() - first_begin();
	}

      private:
	struct Control;
	struct Member;
	void run(int index, const Setup &setup);
	void rounds(int index, const Work &work);
	void await_count(Word &count, uint32_t value, const char *what);
	[[noreturn]] void fail(const std::string &why);
	void end_all();

	int processes_;
	Start start_;
	Control *control_;
	size_t control_size_;
	std::vector<pid_t> pids_;
	std::vector<int> stats_; /* /proc/<pid>/stat */
};

/* Samples of one subject in one benchmark, whose quantiles become counters. */
class Samples
{
	std::vector<double> values_;

      public:
	void add(double nanoseconds)
	{
		values_.push_back(nanoseconds);
	}
	void add(int64_t nanoseconds)
	{
		add(static_cast<double>(nanoseconds));
	}
	double quantile(double q);                                    /* 0 when there are none */
	void report(benchmark::State &state, const std::string &who); /* sets <who>_p50, _p99, _p999 */
};

/* ---- P2: so many processes, each leading and leaving groups of its own */

constexpr int operations_a_round = 100000;

template <class Names, class Subject>
Work leading_and_leaving(Subject &table, int index, int operations = operations_a_round)
{
	auto names = std::make_shared<Names>(static_cast<uint64_t>(index) + 1);
	return [&table, names, operations] {
		bool ok = true;
		for (int i = 0; i < operations; i++)
			ok &= table.lead_and_leave(names->next());
		return ok;
	};
}

/* Rounds of one process and of two, in turn, so that both meet the same machine.  Sets the counters one and two: how
 * often a second, in the middle round. */
void time_one_and_two(benchmark::State &state, const Setup &setup, int operations = operations_a_round);
void report_one_and_two(benchmark::State &state, Samples &one, Samples &two, int operations);

} // namespace bench
#endif
