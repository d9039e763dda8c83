/*
 * watched.cc - what the inspector takes: of those that it looks at, and by itself
 *
 *      covey_watched cost ROUNDS COMMAND [ARGUMENT...]    P1 with the command running on the other core, and without, in turn
 *      covey_watched time RUNS TEXT COMMAND [ARGUMENT...] its time and memory until it ends or, if TEXT is not empty, until
 *                                                         its output has TEXT
 *
 * The command has a terminal of 80 columns by 24 lines, whose output is read and dropped, and finds in $COVEY_REGION a
 * region: for "cost" one that this process has made, and leads 10,000 groups in.  A round is two samples beside each other,
 * with and without, first one of them and then the other, each of four million calls.  The time is that of the calling thread,
 * as in P1.  What is told is the median of the rounds' ratios and, in brackets, their quartiles.  The command "-" is none: then the ratios tell what is noise.
 */
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <pty.h>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>
#include "covey_table.h"
#include "processes.h"

namespace
{

using namespace bench;

constexpr size_t groups = 10000, turns = 4000000;

double median(std::vector<double> values)
{
	std::sort(values.begin(), values.end());
	return values[values.size() / 2];
}

double quantile(std::vector<double> values, double q)
{
	std::sort(values.begin(), values.end());
	return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

/* A command on a terminal of its own. */
class Command
{
	pid_t pid_ = 0;
	int terminal_ = -1;
	rusage usage_{};
	int status_ = 0;

      public:
	explicit Command(char **argv, int cpu)
	{
		winsize size{24, 80, 0, 0};
		pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
		if (pid_ < 0)
			throw std::runtime_error("forkpty");
		if (pid_ > 0)
			return;
		if (cpu >= 0)
			pin_to(cpu);
		setenv("TERM", "xterm", 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	~Command()
	{
		close(terminal_);
	}
	Command(const Command &) = delete;
	Command &operator=(const Command &) = delete;

	/* Its next output; empty: there is no more. */
	std::string output() const
	{
		char bytes[65536];
		ssize_t n;
		do
			n = read(terminal_, bytes, sizeof bytes);
		while (n < 0 && errno == EINTR);
		return {bytes, n > 0 ? static_cast<size_t>(n) : 0};
	}
	void end()
	{
		kill(-pid_, SIGTERM);
		while (!output().empty()) { /* it may wait for its last output to be taken */
		}
		join();
	}
	void join()
	{
		while (wait4(pid_, &status_, 0, &usage_) < 0 && errno == EINTR) {
		}
	}
	int status() const
	{
		return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
	}
	long kibibytes() const
	{
		return usage_.ru_maxrss;
	}
};

/* ------------------------------------------------------------------------------------------------ time */

int time_command(int runs, const std::string &text, char **argv)
{
	std::vector<double> times;
	long memory = 0;
	size_t bytes = 0;
	int status = 0;
	for (int i = 0; i < runs; i++) {
		int64_t begin = now();
		Command command(argv, -1);
		std::string all, more;
		while (!(more = command.output()).empty()) {
			all += more;
			if (!text.empty() && all.find(text) != std::string::npos)
				break;
		}
		if (more.empty()) {
			command.join();
			times.push_back(static_cast<double>(now() - begin) / 1e6);
		} else {
			times.push_back(static_cast<double>(now() - begin) / 1e6);
			command.end();
		}
		memory = std::max(memory, command.kibibytes());
		status = command.status();
		bytes = all.size();
	}
	printf("%.1f ms | %.1f ms | %ld KiB | %zu | %d\n", median(times), quantile(times, 1), memory, bytes, status);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ cost */

double thread_nanoseconds()
{
	timespec t{};
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/* Nanoseconds of one P1. */
template <class Names> double sample(CoveyTable &table, Names &names)
{
	double begin = thread_nanoseconds();
	bool ok = true;
	for (size_t k = 0; k < turns; k++)
		ok &= table.lead_and_leave(names.next());
	if (!ok)
		throw std::runtime_error("a name was refused");
	return (thread_nanoseconds() - begin) / static_cast<double>(turns);
}

/* The reader of the command's terminal, on the other core; it says when there was output for the first time. */
class Watcher
{
	pid_t pid_ = 0;
	int pipe_[2] = {-1, -1};

	[[noreturn]] static void run(char **argv, int told)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin_to(1);
		Command command(argv, 1);
		bool first = true;
		while (!command.output().empty()) {
			if (first && write(told, "", 1) != 1)
				break;
			first = false;
		}
		_exit(0);
	}

      public:
	explicit Watcher(char **argv)
	{
		char byte;
		if (strcmp(argv[0], "-") == 0)
			return;
		if (pipe(pipe_) != 0 || (pid_ = fork()) < 0)
			throw std::runtime_error("pipe or fork");
		if (pid_ == 0)
			run(argv, pipe_[1]);
		close(pipe_[1]);
		if (read(pipe_[0], &byte, 1) != 1)
			throw std::runtime_error("the command had no output");
	}
	~Watcher()
	{
		if (pid_ == 0)
			return;
		kill(pid_, SIGKILL); /* with it goes the terminal, and so the command: by SIGHUP */
		waitpid(pid_, nullptr, 0);
		close(pipe_[0]);
	}
	Watcher(const Watcher &) = delete;
	Watcher &operator=(const Watcher &) = delete;
};

template <class Names> std::string cost(CoveyTable &table, int rounds, char **argv)
{
	std::vector<double> ratios;
	Names names;
	char text[80];
	sample(table, names);
	for (int i = 0; i < rounds; i++) {
		double seen = 0, unseen = 0;
		for (int k = 0; k < 2; k++) {
			if ((i + k) % 2 == 0) {
				unseen = sample(table, names);
				continue;
			}
			Watcher watcher(argv);
			seen = sample(table, names);
		}
		ratios.push_back(seen / unseen);
	}
	snprintf(
	        text, sizeof text, "%.3f (%.3f to %.3f)", median(ratios), quantile(ratios, .25), quantile(ratios, .75));
	return text;
}

int cost_of_command(int rounds, char **argv)
{
	std::string name = region_name("watched");
	CoveyTable table(name, 16384);
	setenv("COVEY_REGION", name.c_str(), 1);
	pin_to(0);
	for (size_t i = 0; i < groups; i++)
		if (!table.hold(name_of(held + i)))
			throw std::runtime_error("a group was refused");
	std::string same = cost<SameName>(table, rounds, argv), cycle = cost<CycledNames>(table, rounds, argv);
	printf("%s | %s\n", same.c_str(), cycle.c_str());
	covey_unlink(name.c_str());
	return 0;
}

} // namespace

int main(int argc, char **argv)
{
	try {
		if (argc > 3 && strcmp(argv[1], "cost") == 0)
			return cost_of_command(atoi(argv[2]), argv + 3);
		if (argc > 4 && strcmp(argv[1], "time") == 0)
			return time_command(atoi(argv[2]), argv[3], argv + 4);
	} catch (const std::exception &e) {
		fprintf(stderr, "covey_watched: %s\n", e.what());
		return 1;
	}
	fputs("usage: covey_watched cost ROUNDS COMMAND...\n       covey_watched time RUNS TEXT COMMAND...\n", stderr);
	return 2;
}
