/*
 * peer_erlang.cc - drives the Erlang peer, whose steps stand in peer_erlang.erl
 *
 * One Erlang runtime with its default settings.
 */
#include "runtime.h"
#include "subjects.h"

namespace bench
{
namespace
{

const char *const command = "command -v erl >/dev/null && command -v erlc >/dev/null &&"
                            " erlc -o '" COVEY_BENCH_BUILD "' '" COVEY_BENCH_SOURCE "/peer_erlang.erl' &&"
                            " exec erl -noshell -pa '" COVEY_BENCH_BUILD "' -s peer_erlang main";

void time_erlang(benchmark::State &state, const char *question)
{
	static Runtime erlang("Erlang", command);
	time_trips(state, erlang, "erlang", question);
}

void add(const char *name, const char *question)
{
	benchmark::RegisterBenchmark(name, time_erlang, question)->Iterations(1)->UseManualTime();
}

} // namespace

void register_erlang()
{
	add("P1/same/erlang", "register 10000");
	add("P5/lookup/erlang", "one 50000");
	add("P5/groups/erlang", "groups 50000");
}

} // namespace bench
