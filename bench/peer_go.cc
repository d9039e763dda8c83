/*
 * peer_go.cc - drives the Go peer, whose steps stand in peer_go.go
 *
 * It is compiled at its first use, from Debian's packages alone, with its cache in the build tree.
 */
#include "runtime.h"
#include "subjects.h"

namespace bench
{
namespace
{

const char *const command =
        "command -v go >/dev/null && test -d /usr/share/gocode/src/golang.org/x/sync/singleflight &&"
        " cd '" COVEY_BENCH_BUILD "' && GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOTOOLCHAIN=local"
        " GOPATH=/usr/share/gocode GOCACHE='" COVEY_BENCH_BUILD "/go-cache'"
        " go build -o peer_go '" COVEY_BENCH_SOURCE "/peer_go.go' && exec ./peer_go";

constexpr int operations = 100000;

Runtime &go()
{
	static Runtime runtime("Go with golang.org/x/sync", command);
	return runtime;
}

void one(benchmark::State &state, const char *question)
{
	time_trips(state, go(), "go", question);
}

void two(benchmark::State &state)
{
	time_one_and_two(state, go(), "two " + std::to_string(operations), operations);
}

} // namespace

void register_go()
{
	benchmark::RegisterBenchmark("P1/same/go", one, "same 100000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P1/cycle/go", one, "cycle 100000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P1/fresh/go", one, "fresh 100000")->Iterations(1)->UseManualTime();
	benchmark::RegisterBenchmark("P2/cycle/go", two)->Iterations(10)->UseManualTime();
}

} // namespace bench
