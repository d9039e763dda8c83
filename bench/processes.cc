/* processes.cc - see processes.h */
#include "processes.h"
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench
{

int64_t now()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

int cpus()
{
	static const int count = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
	return count;
}

void pin_to(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu % cpus(), &set);
	sched_setaffinity(0, sizeof set, &set);
}

void unpin()
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < cpus(); i++)
		CPU_SET(i, &set);
	sched_setaffinity(0, sizeof set, &set);
}

bool futex_wait(Word &word, uint32_t while_value, int64_t milliseconds)
{
	timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	long answer = syscall(SYS_futex, &word, FUTEX_WAIT, while_value, &limit, nullptr, 0);
	return !(answer == -1 && errno == ETIMEDOUT);
}

int futex_wake(Word &word, int how_many)
{
	return static_cast<int>(syscall(SYS_futex, &word, FUTEX_WAKE, how_many, nullptr, nullptr, 0));
}

void make_robust_lock(pthread_mutex_t &lock)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

void *map_shared(size_t size)
{
	void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		throw std::runtime_error("no shared memory");
	return memory;
}

void unmap_shared(void *memory, size_t size)
{
	munmap(memory, size);
}

struct Crew::Member {
	alignas(64) int64_t begin, end;
};

struct Crew::Control {
	alignas(64) Word round;   /* futex: the members sleep on it between rounds; 0 ends them */
	alignas(64) Word ready;   /* futex: so many are set up */
	alignas(64) Word arrived; /* so many have begun this round */
	alignas(64) Word done;    /* futex: so many have ended it */
	Word failed;
	Member members[1];
};

constexpr uint32_t over = UINT32_MAX;

Crew::Crew(int processes, Start start, const Setup &setup)
    : processes_(processes), start_(start),
      control_size_(sizeof(Control) + sizeof(Member) * static_cast<size_t>(processes))
{
	if (start == Together && processes > cpus())
		throw std::runtime_error("fewer cpus than processes");
	control_ = static_cast<Control *>(map_shared(control_size_));
	fflush(nullptr);
	pid_t parent = getpid();
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == parent)
				run(i, setup);
			_exit(1);
		}
		if (pid < 0)
			fail("fork failed");
		pids_.push_back(pid);
		stats_.push_back(open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
	}
	await_count(control_->ready, static_cast<uint32_t>(processes), "be set up");
}

Crew::~Crew()
{
	end_all();
}

/* Once: after a failure the destructor comes too. */
void Crew::end_all()
{
	if (control_ == nullptr)
		return;
	control_->round = over;
	futex_wake(control_->round, INT_MAX);
	int64_t limit = now() + 2000000000;
	for (pid_t pid : pids_) {
		while (waitpid(pid, nullptr, WNOHANG) == 0) {
			if (now() > limit)
				kill(pid, SIGKILL);
			usleep(200);
		}
	}
	for (int fd : stats_)
		close(fd);
	pids_.clear();
	stats_.clear();
	unmap_shared(control_, control_size_);
	control_ = nullptr;
}

void Crew::fail(const std::string &why)
{
	end_all();
	throw std::runtime_error(why);
}

void Crew::await_count(Word &count, uint32_t value, const char *what)
{
	for (uint32_t seen; (seen = count.load()) != value;) {
		bool woken = futex_wait(count, seen);
		if (control_->failed.load() != 0)
			fail(std::string("a process failed to ") + what);
		if (!woken && count.load() == seen)
			fail("only " + std::to_string(seen) + " of " + std::to_string(value) + " processes came to " +
			        what);
	}
}

/* In the child. */
void Crew::run(int index, const Setup &setup)
{
	pin_to(index + cpus() - 1); /* the first member is on the last cpu: not where the parent is */
	try {
		rounds(index, setup(index));
	} catch (const std::exception &e) {
		fprintf(stderr, "process %d: %s\n", index, e.what());
	}
	control_->failed = 1;
	futex_wake(control_->ready, INT_MAX);
	futex_wake(control_->done, INT_MAX);
	_exit(1);
}

/* Last of all: the last of them wakes the parent. */
static void count_in(Word &count, uint32_t all)
{
	if (count.fetch_add(1) + 1 == all)
		futex_wake(count, 1);
}

void Crew::rounds(int index, const Work &work)
{
	Control &c = *control_;
	Member &me = c.members[index];
	const uint32_t all = static_cast<uint32_t>(processes_);
	uint32_t seen = c.round.load();
	count_in(c.ready, all);
	for (;;) {
		while (c.round.load() == seen)
			futex_wait(c.round, seen, INT_MAX);
		seen = c.round.load();
		if (seen == over)
			_exit(0);
		c.arrived++;
		while (start_ == Together && c.arrived.load(std::memory_order_relaxed) < all)
			;
		me.begin = now();
		bool ok = work();
		me.end = now();
		if (!ok) {
			fprintf(stderr, "process %d: its work went wrong\n", index);
			c.failed = 1;
		}
		count_in(c.done, all);
	}
}

void Crew::start()
{
	control_->arrived = 0;
	control_->done = 0;
	control_->round++;
	futex_wake(control_->round, INT_MAX);
}

void Crew::finish()
{
	await_count(control_->done, static_cast<uint32_t>(processes_), "end a round");
	if (control_->failed.load() != 0)
		fail("a process's work went wrong");
}

bool Crew::all_asleep()
{
	if (control_->failed.load() != 0)
		fail("a process failed before it slept");
	if (control_->arrived.load() != static_cast<uint32_t>(processes_))
		return false;
	for (int fd : stats_) {
		char text[128];
		ssize_t size = pread(fd, text, sizeof text - 1, 0);
		text[size < 0 ? 0 : size] = 0;
		const char *paren = strrchr(text, ')');
		if (paren == nullptr || paren[1] == 0 || paren[2] != 'S')
			return false;
	}
	return true;
}

/* A wake-up takes the longer the longer its core has been idle: the host of a virtual one waits for a while before it gives
 * it to others.  So the cores idle for longer than that before each round, however soon all were seen asleep. */
constexpr useconds_t time_to_idle = 400;

void Crew::settle(const std::function<bool()> &also)
{
	int64_t limit = now() + 10000000000;
	while (!((!also || also()) && all_asleep())) {
		if (now() > limit)
			throw std::runtime_error("the processes did not all fall asleep");
		usleep(100);
	}
	usleep(time_to_idle);
}

int64_t Crew::first_begin() const
{
	int64_t first = INT64_MAX;
	for (int i = 0; i < processes_; i++)
		first = std::min(first, control_->members[i].begin);
	return first;
}

int64_t Crew::last_end() const
{
	int64_t last = 0;
	for (int i = 0; i < processes_; i++)
		last = std::max(last, control_->members[i].end);
	return last;
}

double Samples::quantile(double q)
{
	std::sort(values_.begin(), values_.end());
	return values_.empty() ? 0 : values_[static_cast<size_t>(static_cast<double>(values_.size() - 1) * q)];
}

void Samples::report(benchmark::State &state, const std::string &who)
{
	state.counters[who + "_p50"] = quantile(0.5);
	state.counters[who + "_p99"] = quantile(0.99);
	state.counters[who + "_p999"] = quantile(0.999);
}

void report_one_and_two(benchmark::State &state, Samples &one, Samples &two, int operations)
{
	state.counters["one"] = operations / one.quantile(0.5) * 1e9;
	state.counters["two"] = 2 * operations / two.quantile(0.5) * 1e9;
}

void time_one_and_two(benchmark::State &state, const Setup &setup, int operations)
{
	Samples one, two;
	try {
		Crew single(1, Crew::Together, setup), pair(2, Crew::Together, setup);
		for (auto _ : state) {
			single.round(); /* brings caches and the table's hints back to these processes */
			int64_t alone = single.round();
			pair.round();
			int64_t together = pair.round();
			one.add(alone);
			two.add(together);
			state.SetIterationTime(static_cast<double>(alone + together) * 1e-9);
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
		return;
	}
	report_one_and_two(state, one, two, operations);
}

} // namespace bench
