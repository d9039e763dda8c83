/*
 * path.cc - repeats one call path, for the tools that count what it takes: see bench/path
 *
 * usage: covey_path PATH OPERATIONS       prints how many allocations the process made in all
 *        covey_path                       prints the names of all paths
 *
 * Before the operations comes as much preparation for any number of them; so the difference between two runs, divided by
 * that between their operations, is what one of them takes: no more and no less than what lies between.  Allocations
 * are counted by standing in for the allocator's functions, which the libraries then use too.
 *
 * A trip has two sides, in two processes; the one that asks is the first one.  On one core each side sleeps once a trip, as
 * covey does not spin there; on two cores both run.
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <urcu/urcu-memb.h>
#include <urcu/call-rcu.h>
#include "p5.h"
#include "path.h"
#include "region_name.h"

static std::atomic<unsigned long> allocations;

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	allocations++;
	return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	allocations++;
	*out = __libc_memalign(alignment, size);
	return *out == nullptr ? ENOMEM : 0;
}
}

namespace bench
{
namespace
{

int compute(void *, covey_bytes, covey_bytes, covey_answer *answer)
{
	uint64_t value = 42;
	return covey_answer_copy(answer, &value, sizeof value);
}

/* Led by the caller each time, since nobody else is there. */
bool resolve(size_t operations)
{
	CoveyTable table(capacity);
	covey_device device{};
	device.compute = compute;
	Name name = name_of(cycled);
	bool ok = true;
	for (size_t i = 0; i < capacity + operations; i++) {
		covey_result result;
		int outcome = covey_resolve(
		        table.region(), &device, {name.data(), name.size()}, {nullptr, 0}, nullptr, &result);
		ok &= outcome == COVEY_OK && result.part == COVEY_LED && result.size == sizeof(uint64_t);
		covey_release(table.region(), &result);
	}
	return ok;
}

/* ------------------------------------------------------------------------------------------------ trips */

constexpr size_t trips_before = 1000;

bool answer(covey *region, covey_lead &lead, size_t trips)
{
	for (size_t i = 0; i < trips; i++) {
		covey_request request;
		uint64_t number;
		if (covey_receive(region, &lead, COVEY_FOREVER, &request) != 0 || request.size != sizeof number)
			return false;
		memcpy(&number, request.data, sizeof number);
		covey_reply reply{};
		reply.data = &number;
		reply.size = sizeof number;
		if (covey_respond(region, &lead, &request, &reply) != 1)
			return false;
	}
	return covey_unregister(region, &lead) == 0;
}

bool ask(covey *region, const Name &name, size_t trips)
{
	covey_lead lead;
	if (covey_join(region, name.data(), name.size(), &lead) != COVEY_WAIT)
		return false;
	for (uint64_t i = 0; i < trips; i++) {
		covey_result result;
		bool ok = covey_await(region, &lead, &i, sizeof i, COVEY_FOREVER, 0, &result) == COVEY_OK &&
		          result.size == sizeof i && memcmp(result.data, &i, sizeof i) == 0;
		covey_release(region, &result);
		if (!ok)
			return false;
	}
	return true;
}

/* The process that answers; futex ready tells that it leads. */
[[noreturn]] void answering_process(
        const std::string &file, const Plan &plan, const Name &name, size_t trips, Word &ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!plan.one_core)
		pin_to(1);
	covey_lead lead;
	covey *region = attach_for(file, plan, 1);
	if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_LEADER)
		_exit(1);
	ready = 1;
	futex_wake(ready, 1);
	exit(answer(region, lead, trips) ? 0 : 1);
}

bool trips(size_t operations, bool one_core)
{
	std::string file = region_name("path");
	Plan plan;
	plan.one_core = one_core;
	pin_to(0);
	covey *region = attach_for(file, plan, 0);
	Name name = name_of(cycled);
	Shared<Word> ready;
	size_t count = trips_before + operations;
	pid_t other = fork();
	if (other == 0)
		answering_process(file, plan, name, count, *ready);
	while (ready->load() == 0)
		if (!futex_wait(*ready, 0))
			return false;
	bool ok = ask(region, name, count);
	int status = 1;
	ok &= other > 0 && waitpid(other, &status, 0) == other && status == 0;
	covey_unlink(file.c_str());
	return ok;
}

void add_covey()
{
	paths()["resolve/covey"] = resolve;
	paths()["trip_asleep/covey"] = [](size_t operations) { return trips(operations, true); };
	paths()["trip_running/covey"] = [](size_t operations) { return trips(operations, false); };
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	urcu_memb_register_thread();
	urcu_memb_get_default_call_rcu_data();
	bench::register_p1();
	bench::register_p4();
	bench::register_ck_ht();
	bench::register_lfht();
	bench::add_covey();
	if (argc != 3) {
		for (const auto &path : bench::paths())
			puts(path.first.c_str());
		return argc == 1 ? 0 : 2;
	}
	auto path = bench::paths().find(argv[1]);
	if (path == bench::paths().end() || !path->second(strtoul(argv[2], nullptr, 10))) {
		fprintf(stderr, "covey_path: %s went wrong\n", argv[1]);
		return 1;
	}
	printf("%lu\n", allocations.load());
	return 0;
}
