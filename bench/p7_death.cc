/*
 * p7_death.cc - P7: from SIGKILL of the leader until its successor runs
 *
 * N processes sleep for a leader, which sleeps in its computation and is killed.  The time runs from just before kill()
 * until the one waiter for which covey_await() gave COVEY_DIED with the leadership, which notes the time, and publishes
 * for the others.  That it is exactly one, and that the others get its bytes, is checked in each round.
 *
 * Beside it, the floor: a robust process-shared mutex, whose owner is killed while N processes sleep in
 * pthread_mutex_lock(), until the one that gets EOWNERDEAD.  Its victim has the same memory maps and the same threads as
 * covey's, since the kernel takes those down too: it is attached to a region of its own, alone in it.  A third victim is
 * attached to nothing: "bare", the least that a hand-over takes here.  The three take turns, round by round, each with
 * waiters of its own, the others asleep.
 *
 * Victims are forked anew for each round, and share the first core with the process that kills them, which then sleeps; the
 * waiters have the cores in turn, beginning with the last.  So the successor of one waiter does not meet the rest of the
 * victim's end on its own core.
 */
#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "covey_table.h"
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

struct Scene {
	alignas(64) Word ready;                 /* futex: the victim holds what it will be killed for */
	alignas(64) std::atomic<int64_t> taken; /* when the successor had it */
	std::atomic<int> successors;            /* of this round: must be one */
	alignas(64) pthread_mutex_t lock;
};

void succeed(Scene &scene)
{
	scene.taken = now();
	scene.successors++;
}

bool await_leader(Scene &scene, covey *region, const Name &name)
{
	covey_lead lead;
	if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_WAIT)
		return false;
	covey_result result;
	uint64_t bytes = 42;
	int outcome = covey_await(region, &lead, nullptr, 0, covey_in_ms(10000), 0, &result);
	bool ok = outcome == COVEY_OK && result.size == sizeof bytes && memcmp(result.data, &bytes, sizeof bytes) == 0;
	if (outcome == COVEY_DIED && result.part == COVEY_TOOK_OVER) {
		succeed(scene);
		covey_reply reply{};
		reply.data = &bytes;
		reply.size = sizeof bytes;
		ok = covey_unregister_notify(region, &result.lead, nullptr, 0, &reply) >= 0;
	}
	covey_release(region, &result);
	return ok;
}

bool await_owner(Scene &scene)
{
	int answer = pthread_mutex_lock(&scene.lock);
	if (answer == EOWNERDEAD) {
		succeed(scene);
		answer = pthread_mutex_consistent(&scene.lock);
	}
	return answer == 0 && pthread_mutex_unlock(&scene.lock) == 0;
}

/* What the victim of a round does before it sleeps for good. */
using Part = std::function<bool(Scene &)>;

Part leads(const std::string &file, const Name &name)
{
	return [file, name](Scene &) {
		covey_lead lead;
		covey *region = (new CoveyTable(file, capacity))->region();
		return covey_find_or_register(region, name.data(), name.size(), &lead) == COVEY_LEADER;
	};
}

bool owns(Scene &scene)
{
	return pthread_mutex_lock(&scene.lock) == 0;
}

/* As a leader, but of a group in a region where nobody else is. */
Part leads_and_owns(const std::string &file, const Name &name)
{
	return [file, name](Scene &scene) { return leads(file, name)(scene) && owns(scene); };
}

pid_t begin_victim(Scene &scene, const Part &part)
{
	scene.ready = 0;
	scene.successors = 0;
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		throw std::runtime_error("fork failed");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || !part(scene))
			_exit(1);
		scene.ready = 1;
		futex_wake(scene.ready, 1);
		for (;;)
			pause();
	}
	return pid;
}

/* Sleeps in the kernel, as its /proc entry tells. */
bool asleep(pid_t pid)
{
	char state = 0;
	FILE *file = fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re");
	if (file == nullptr)
		throw std::runtime_error("the victim died by itself");
	if (fscanf(file, "%*d %*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

/* One round: a victim takes what the waiters then sleep for, and is killed.  Gives how long its successor took. */
int64_t kill_once(Scene &scene, Crew &waiters, const Part &part, const std::function<bool()> &all_wait)
{
	pid_t victim = begin_victim(scene, part);
	if (scene.ready.load() == 0)
		futex_wait(scene.ready, 0);
	if (scene.ready.load() == 0)
		throw std::runtime_error("the victim does not hold what it is to be killed for");
	waiters.start();
	waiters.settle([&] { return all_wait() && asleep(victim); });
	int64_t begin = now();
	kill(victim, SIGKILL);
	waiters.finish();
	waitpid(victim, nullptr, 0);
	if (scene.successors.load() != 1)
		throw std::runtime_error("not exactly one successor");
	return scene.taken.load() - begin;
}

Setup locking(Scene &scene)
{
	return [&scene](int) { return [&scene] { return await_owner(scene); }; };
}

struct All {
	Samples covey, mutex, bare;
};

void rounds(benchmark::State &state, int waiters, const std::string &file, All &all)
{
	Name name = name_of(cycled);
	CoveyTable mine(file, capacity);
	CoveyTable(file + "-alone", capacity); /* there is one now, and nobody in it */
	covey *region = mine.region();
	Shared<Scene> leading, owning, bare;
	make_robust_lock(owning->lock);
	make_robust_lock(bare->lock);
	Crew awaiting(waiters, Crew::Loosely, [&](int) {
		struct covey *own = (new CoveyTable(file, capacity))->region();
		return [&leading, own, name] { return await_leader(*leading, own, name); };
	});
	Crew locking_owned(waiters, Crew::Loosely, locking(*owning));
	Crew locking_bare(waiters, Crew::Loosely, locking(*bare));
	auto all_await = [&] {
		covey_info info;
		return covey_find(region, name.data(), name.size(), &info) == 0 &&
		       info.waiters == static_cast<uint32_t>(waiters);
	};
	auto asleep_will_do = [] { return true; };
	for (auto _ : state) {
		int64_t time = kill_once(*leading, awaiting, leads(file, name), all_await);
		all.covey.add(time);
		all.mutex.add(kill_once(*owning, locking_owned, leads_and_owns(file + "-alone", name), asleep_will_do));
		all.bare.add(kill_once(*bare, locking_bare, owns, asleep_will_do));
		state.SetIterationTime(static_cast<double>(time) * 1e-9);
	}
	state.counters["rescued"] = static_cast<double>(covey_counter(region, COVEY_COUNT_RESCUED));
}

void death(benchmark::State &state, int waiters)
{
	std::string file = region_name("p7");
	All all;
	try {
		rounds(state, waiters, file, all);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
	covey_unlink((file + "-alone").c_str());
	all.covey.report(state, "covey");
	all.mutex.report(state, "mutex");
	all.bare.report(state, "bare");
}

} // namespace

void register_p7()
{
	for (int waiters : {1, 16})
		benchmark::RegisterBenchmark(("P7/" + std::to_string(waiters)).c_str(), death, waiters)
		        ->Iterations(60)
		        ->UseManualTime();
}

} // namespace bench
