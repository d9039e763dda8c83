/*
 * runtime.h - a peer that is a program of its own, living beside the suite
 *
 * It is started at its first use by a shell command, free to use every core, and sleeps between questions.  So its
 * benchmarks are shuffled among the others, and meet the same machine.  It dies with the suite, however that ends.
 * A peer whose program is not installed says so; the rest of the suite runs without it.
 */
#ifndef BENCH_RUNTIME_H
#define BENCH_RUNTIME_H

#include <benchmark/benchmark.h>
#include <csignal>
#include <cstdint>
#include <string>
#include <vector>

namespace bench
{

class Runtime
{
	int line_ = -1; /* to its standard input, and from its standard output */
	int dies_by_;
	pid_t pid_ = -1;
	std::string name_, command_, ready_, unread_;
	bool worked_ = false; /* so it is installed */

	bool read_line(std::string &line);
	void fork_shell();
	void start();
	void hang_up();

      public:
	/* It can be asked once it has written a line that contains ready.  Its standard input ends with the suite; dies_by
	 * is the signal that it gets if the suite is killed, or in any case if that signal can be handled. */
	Runtime(const std::string &name, const std::string &command, const std::string &ready = "ready",
	        int dies_by = SIGKILL);
	~Runtime();
	Runtime(const Runtime &) = delete;
	Runtime &operator=(const Runtime &) = delete;

	pid_t pid() const
	{
		return pid_;
	}
	/* If not, the benchmark says that it is absent.  One that gave no answer is started anew. */
	bool runs(benchmark::State &state);
	std::string ask(const std::string &question);
	/* Asks for so many numbers at least; throws if they do not come. */
	std::vector<int64_t> ask_numbers(const std::string &question, size_t least);
};

/* Trips that the runtime times itself: it answers with nanoseconds, their mean and p50, p99 and p99.9.  Sets the counters
 * <who>, <who>_p50 and so on. */
void time_trips(benchmark::State &state, Runtime &runtime, const std::string &who, const std::string &question);

/* P2 within the runtime: it answers with the nanoseconds that one took for so many operations, and that two took for as
 * many each.  Sets the counters one and two. */
void time_one_and_two(benchmark::State &state, Runtime &runtime, const std::string &question, int operations);

} // namespace bench
#endif
