/* runtime.cc - see runtime.h */
#include "runtime.h"
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "processes.h"
#include "trips.h"

namespace bench
{

Runtime::Runtime(const std::string &name, const std::string &command, const std::string &ready, int dies_by)
    : dies_by_(dies_by), name_(name), command_(command), ready_(ready)
{
	start();
}

void Runtime::start()
{
	unread_.clear();
	fork_shell();
	for (std::string line; line_ >= 0 && line.find(ready_) == std::string::npos;)
		if (!read_line(line))
			hang_up();
	worked_ = worked_ || line_ >= 0;
}

Runtime::~Runtime()
{
	if (line_ >= 0)
		hang_up();
}

void Runtime::fork_shell()
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return;
	pid_t parent = getpid();
	pid_ = fork();
	if (pid_ == 0) {
		prctl(PR_SET_PDEATHSIG, dies_by_);
		dup2(ends[1], STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		if (getppid() == parent)
			on_any_core([this] { execl("/bin/sh", "sh", "-c", command_.c_str(), nullptr); });
		_exit(127);
	}
	close(ends[1]);
	line_ = ends[0];
}

/* Children of the suite may have copies of the line.  The runtime is given two seconds to end. */
void Runtime::hang_up()
{
	shutdown(line_, SHUT_RDWR);
	close(line_);
	line_ = -1;
	if (dies_by_ != SIGKILL)
		kill(pid_, dies_by_);
	int64_t limit = now() + 2000000000;
	while (waitpid(pid_, nullptr, WNOHANG) == 0) {
		if (now() > limit)
			kill(pid_, SIGKILL);
		usleep(200);
	}
}

bool Runtime::read_line(std::string &line)
{
	size_t end;
	while ((end = unread_.find('\n')) == std::string::npos) {
		char some[4096];
		ssize_t size = read(line_, some, sizeof some);
		if (size <= 0)
			return false;
		unread_.append(some, static_cast<size_t>(size));
	}
	line = unread_.substr(0, end);
	unread_.erase(0, end + 1);
	return true;
}

bool Runtime::runs(benchmark::State &state)
{
	if (line_ < 0 && worked_)
		start();
	if (line_ >= 0)
		return true;
	/* google-benchmark ends the suite if repetitions of one benchmark differ in their iterations, also failed ones. */
	for (auto _ : state)
		state.SetIterationTime(1e-9);
	state.SkipWithError((name_ + " is not installed, or does not start").c_str());
	return false;
}

std::string Runtime::ask(const std::string &question)
{
	std::string text = question + "\n", answer;
	if (line_ < 0)
		throw std::runtime_error(name_ + " gave no answer before");
	if (send(line_, text.data(), text.size(), MSG_NOSIGNAL) < 0 || !read_line(answer)) {
		hang_up();
		throw std::runtime_error(name_ + " gave no answer");
	}
	return answer;
}

std::vector<int64_t> Runtime::ask_numbers(const std::string &question, size_t least)
{
	std::string answer = ask(question);
	std::istringstream in(answer);
	std::vector<int64_t> numbers;
	for (int64_t number; in >> number;)
		numbers.push_back(number);
	if (numbers.size() < least || !in.eof())
		throw std::runtime_error(name_ + " answered: " + answer);
	return numbers;
}

void time_trips(benchmark::State &state, Runtime &runtime, const std::string &who, const std::string &question)
{
	if (!runtime.runs(state))
		return;
	std::vector<int64_t> times(4);
	try {
		for (auto _ : state) {
			times = runtime.ask_numbers(question, 4);
			state.SetIterationTime(static_cast<double>(times[0]) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	state.counters[who] = static_cast<double>(times[0]);
	state.counters[who + "_p50"] = static_cast<double>(times[1]);
	state.counters[who + "_p99"] = static_cast<double>(times[2]);
	state.counters[who + "_p999"] = static_cast<double>(times[3]);
}

void time_one_and_two(benchmark::State &state, Runtime &runtime, const std::string &question, int operations)
{
	if (!runtime.runs(state))
		return;
	Samples one, two;
	try {
		for (auto _ : state) {
			std::vector<int64_t> times = runtime.ask_numbers(question, 2);
			one.add(times[0]);
			two.add(times[1]);
			state.SetIterationTime(static_cast<double>(times[0] + times[1]) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
		return;
	}
	report_one_and_two(state, one, two, operations);
}

} // namespace bench
