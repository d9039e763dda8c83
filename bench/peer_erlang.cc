/*
 * peer_erlang.cc - drives the Erlang peer, whose steps stand in peer_erlang.erl
 *
 * One Erlang runtime with its default settings, free to use every core, lives beside the suite from the first of its
 * benchmarks on and sleeps between them.  So they are shuffled among the others, and meet the same machine.  Where
 * Erlang is not installed they say so.
 */
#include <cstdlib>
#include <sched.h>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "processes.h"
#include "subjects.h"
#include "trips.h"

namespace bench
{
namespace
{

const char *const command = "command -v erl >/dev/null && command -v erlc >/dev/null &&"
                            " erlc -o '" COVEY_BENCH_BUILD "' '" COVEY_BENCH_SOURCE "/peer_erlang.erl' &&"
                            " exec erl -noshell -pa '" COVEY_BENCH_BUILD "' -s peer_erlang main";

class Erlang
{
	int line_ = -1; /* to its standard input, and from its standard output */

	void start()
	{
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			return;
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			dup2(ends[1], STDIN_FILENO);
			dup2(ends[1], STDOUT_FILENO);
			on_any_core([] { execl("/bin/sh", "sh", "-c", command, nullptr); });
			_exit(127);
		}
		close(ends[1]);
		line_ = ends[0];
	}
	std::string read_line()
	{
		std::string line;
		for (char c; read(line_, &c, 1) == 1 && c != '\n';)
			line += c;
		return line;
	}

      public:
	Erlang()
	{
		start();
		if (read_line() != "ready")
			line_ = -1;
	}
	bool runs() const
	{
		return line_ >= 0;
	}
	std::string ask(const std::string &question)
	{
		send(line_, question.data(), question.size(), MSG_NOSIGNAL);
		return read_line();
	}
};

void time_erlang(benchmark::State &state, const char *what, int trips)
{
	static Erlang erlang;
	if (!erlang.runs()) {
		state.SkipWithError("Erlang is not installed, or does not start");
		return;
	}
	int64_t mean = 0, p50 = 0, p99 = 0, p999 = 0;
	for (auto _ : state) {
		std::istringstream answer(erlang.ask(std::string(what) + " " + std::to_string(trips) + "\n"));
		if (!(answer >> mean >> p50 >> p99 >> p999))
			state.SkipWithError("Erlang gave no answer");
		state.SetIterationTime(static_cast<double>(mean) * 1e-9);
	}
	state.counters["erlang"] = static_cast<double>(mean);
	state.counters["erlang_p50"] = static_cast<double>(p50);
	state.counters["erlang_p99"] = static_cast<double>(p99);
	state.counters["erlang_p999"] = static_cast<double>(p999);
}

void add(const char *name, const char *what, int trips)
{
	benchmark::RegisterBenchmark(name, time_erlang, what, trips)->Iterations(1)->UseManualTime();
}

} // namespace

void register_erlang()
{
	add("P1/same/erlang", "register", 10000);
	add("P5/lookup/erlang", "one", 50000);
	add("P5/groups/erlang", "groups", 50000);
}

} // namespace bench
