/*
 * peer_redis.cc - Redis as the lock between processes: the peer of P1 and P2 that servers know
 *
 * The documented pattern: SET key token NX PX 10000 takes the key, if nobody has it, and DEL gives it up: two round
 * trips to the server over a Unix socket.  It is spared the script that deletes only one's own token.  The server is on
 * whichever core the kernel gives it, and its time counts: what is measured is real time.  On an idle machine that is the
 * other core, which then has to be woken for each command; so it is also measured with the server on the client's core,
 * its best place here.  Which name it is makes no difference.  A holder that dies is noticed when the lock's time is up.
 */
#include <sched.h>
#include "processes.h"
#include "redis.h"
#include "subjects.h"

namespace bench
{
namespace
{

class RedisLocks
{
	Redis redis_;

      public:
	bool lead_and_leave(const Name &name)
	{
		std::string_view key(static_cast<const char *>(name.data()), Name::size());
		redis_.say({"SET", key, "token", "NX", "PX", "10000"});
		if (redis_.hear().text != "OK")
			return false;
		redis_.say({"DEL", key});
		return redis_.hear().text == "1";
	}
};

void one_process(benchmark::State &state)
{
	if (!redis_server().runs(state))
		return;
	try {
		RedisLocks locks;
		lead_and_leave<SameName>(state, locks, 100);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
}

/* The server may run on cpus [0, count). */
void keep_server_on(int count)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < count; i++)
		CPU_SET(i, &set);
	sched_setaffinity(redis_server().pid(), sizeof set, &set);
}

void one_core(benchmark::State &state)
{
	if (!redis_server().runs(state))
		return;
	keep_server_on(1);
	one_process(state);
	keep_server_on(cpus());
}

constexpr int operations = 200;

void two_processes(benchmark::State &state)
{
	if (!redis_server().runs(state))
		return;
	time_one_and_two(
	        state, [](int index) { return leading_and_leaving<CycledNames>(*new RedisLocks, index, operations); },
	        operations);
}

} // namespace

void register_redis()
{
	benchmark::RegisterBenchmark("P1/same/redis", one_process)->UseRealTime();
	benchmark::RegisterBenchmark("P1/same/redis_one_core", one_core)->UseRealTime();
	benchmark::RegisterBenchmark("P2/cycle/redis", two_processes)->Iterations(3)->UseManualTime();
}

} // namespace bench
