/*
 * visits.cc - processes that come and go, and callers whose result finds no room
 *
 * visits/large: a process is started, attaches, leads a group once, leaves and ends; from before fork() until it has been
 * waited for.  First in a region that has held nothing large ("before"), then in the same one after a result of 1 GiB
 * was there and has gone ("after").  What once was in the heap must not cost those who come later.
 *
 * visits/open_again: a call of a program that opens the region, leads a group once and closes again, while nothing else of the
 * process has it open ("alone"), and while another handle of the process stays open ("again").
 *
 * visits/no_room: 16 processes ask for one group at once.  Its result is larger than the region, so each has to compute for
 * itself, and all may do that at the same time: from the first's begin to the last's end ("all"), beside one process alone
 * ("one").  Computing is a sleep of 20 ms, which needs no processor.
 */
#include <chrono>
#include <sys/wait.h>
#include <thread>
#include "processes.h"
#include "region_name.h"
#include "subjects.h"

namespace bench
{
namespace
{

[[noreturn]] void fail(const std::string &what, int answer)
{
	throw std::runtime_error(what + ": " + covey_strerror(answer));
}

/* Unlinked with the object. */
class Region
{
	std::string file_;
	covey *region_ = nullptr;

      public:
	Region(const std::string &what, const covey_options &options) : file_(region_name(what))
	{
		int answer = covey_open(&region_, file_.c_str(), &options);
		if (answer < 0)
			fail("covey_open", answer);
	}
	~Region()
	{
		covey_close(region_);
		covey_unlink(file_.c_str());
	}
	Region(const Region &) = delete;
	Region &operator=(const Region &) = delete;

	covey *region() const
	{
		return region_;
	}
	void leave() /* it stays */
	{
		covey_close(region_);
		region_ = nullptr;
	}
	const char *name() const
	{
		return file_.c_str();
	}
};

/* ------------------------------------------------------------------------------------------------ after a large result */

bool visit(const char *name, const covey_options *options)
{
	covey *region;
	covey_lead lead;
	if (covey_open(&region, name, options) != 0)
		return false;
	bool led = covey_find_or_register(region, "visit", 5, &lead) == COVEY_LEADER &&
	           covey_unregister(region, &lead) == 0;
	covey_close(region);
	return led;
}

int64_t time_visit(const char *name)
{
	covey_options options{};
	options.flags = COVEY_SEPARATE; /* it attaches from the start, not by what it has inherited */
	int64_t begin = now();
	pid_t pid = fork();
	if (pid == 0)
		_exit(visit(name, &options) ? 0 : 1);
	int status = -1;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		throw std::runtime_error("a visitor failed");
	return now() - begin;
}

void hold_large_result(covey *region, size_t size)
{
	covey_lead lead;
	void *data;
	uint32_t room;
	int answer = covey_find_or_register(region, "large", 5, &lead);
	if (answer == COVEY_LEADER)
		answer = covey_room(region, &lead, nullptr, 0, size, &data, &room);
	if (answer != 0)
		fail("a large result", answer);
	covey_room_free(region, room);
	covey_unregister(region, &lead);
}

void time_visits(benchmark::State &state)
{
	Samples before, after;
	try {
		for (auto _ : state) {
			Region held("visits", covey_options{});
			for (int i = 0; i < 100; i++)
				before.add(time_visit(held.name()));
			hold_large_result(held.region(), size_t{1} << 30);
			for (int i = 0; i < 100; i++)
				after.add(time_visit(held.name()));
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	before.report(state, "before");
	after.report(state, "after");
}

/* ------------------------------------------------------------------------------------------------ a further handle */

int64_t time_handle(const char *name)
{
	int64_t begin = now();
	if (!visit(name, nullptr))
		fail("a visit", COVEY_ESYSTEM);
	return now() - begin;
}

void time_handles(benchmark::State &state)
{
	Samples alone, again;
	try {
		Region kept("again", covey_options{}), left("alone", covey_options{});
		left.leave();
		for (auto _ : state) {
			alone.add(time_handle(left.name()));
			again.add(time_handle(kept.name()));
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	alone.report(state, "alone");
	again.report(state, "again");
}

/* ------------------------------------------------------------------------------------------------ no room for the result */

int compute_slowly(void *, covey_bytes, covey_bytes, covey_answer *answer)
{
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	return covey_answer_room(answer, 4 << 20) == nullptr;
}

Work asking(const char *name)
{
	covey *region;
	int answer = covey_open(&region, name, nullptr);
	if (answer != 0)
		fail("covey_open", answer);
	return [region] {
		covey_device device{};
		covey_result result;
		device.compute = compute_slowly;
		int outcome = covey_resolve(region, &device, {"no room", 7}, {}, nullptr, &result);
		covey_release(region, &result);
		return outcome == COVEY_OK;
	};
}

void time_without_room(benchmark::State &state)
{
	Samples one, all;
	covey_options options{};
	options.heap = 1 << 16;
	options.heap_max = 1 << 20;
	try {
		Region held("no-room", options);
		auto setup = [&](int) { return asking(held.name()); };
		Crew alone(1, Crew::Loosely, setup), many(16, Crew::Loosely, setup);
		for (auto _ : state) {
			one.add(alone.round());
			all.add(many.round());
		}
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	one.report(state, "one");
	all.report(state, "all");
}

} // namespace

void register_visits()
{
	benchmark::RegisterBenchmark("visits/large", time_visits)->Iterations(1);
	benchmark::RegisterBenchmark("visits/open_again", time_handles)->Iterations(500);
	benchmark::RegisterBenchmark("visits/no_room", time_without_room)->Iterations(10);
}

} // namespace bench
