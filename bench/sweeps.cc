/*
 * sweeps.cc - the sweeps, their points and curves, and the words around them: data only
 *
 * The notes stand here line by line as they stand in the page.
 */
#include "sweeps.h"

namespace bench
{
namespace
{

using Points = std::vector<double>;

/* head, and x as a whole number */
std::string at(const std::string &head, double x)
{
	return head + std::to_string(static_cast<long>(x));
}

std::vector<std::string> along(const Points &points, const std::string &head)
{
	std::vector<std::string> names;
	for (double x : points)
		names.push_back(at("sweep/" + head + "/", x));
	return names;
}

/* ------------------------------------------------------------------------------------------------ names */

Sweep names()
{
	Points x = {8, 16, 24, 32, 48, 64, 80, 128, 256, 512, 1024, 2048, 4096};
	return {"names", "Names of 8 to 4096 bytes",
	        R"(Lead and give up, and find. Names up to 64 bytes lie in the group's node, longer ones in a block of the heap, from 65
bytes on. "Hash and compare" is XXH3 and `memcmp` of as many bytes, the least that a table must do with a name.)",
	        "bytes of the name", "ns a call or pair of calls", 1, x,
	        {{"covey: lead, the same name", Subject::Covey, along(x, "names/same"), "cpu_time", 3},
	                {"covey: lead, never seen", Subject::Covey, along(x, "names/fresh")},
	                {"covey: find", Subject::Covey, along(x, "names/find"), "cpu_time", 3},
	                {"hash and compare", Subject::Machine, along(x, "names/least")}}};
}

/* ------------------------------------------------------------------------------------------------ results */

Sweep results()
{
	Points x = {0, 64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20};
	return {"results", "Results of 0 to 16 MiB, to one waiter",
	        R"(From publish until a waiter that slept has the result, beside one `memcpy` into a shared page and one FUTEX_WAKE. The
waiter reads the first and the last bytes. The copy alone is shown below them. A result that does not fit in the heap's
first 8 MiB has its memory made for it, page by page, and given back to the system when it is released.)",
	        "bytes of the result", "µs", 1e3, x,
	        {{"covey, p50", Subject::Covey, along(x, "results"), "covey_p50", 2},
	                {"covey, p99", Subject::Covey, along(x, "results"), "covey_p99"},
	                {"memcpy and FUTEX_WAKE, p50", Subject::Futex, along(x, "results"), "futex_p50"},
	                {"memcpy and FUTEX_WAKE, p99", Subject::Futex, along(x, "results"), "futex_p99"},
	                {"memcpy alone, p50", Subject::Copy, along(x, "results"), "copy_p50"}}};
}

/* ------------------------------------------------------------------------------------------------ groups */

Sweep groups()
{
	Points x = {1, 16, 128, 1024, 8192, 65536, 262144, 1000000};
	return {"groups", "1 to 1,000,000 groups led",
	        R"(What is led and given up are 1024 other names in turn; what is found are all the groups, in an order without locality.
"One by one": no find begins before the one before has ended, as in the midst of other work; the others
overlap in the processor. Up to 8192 groups the tables are made for 16384, above that for a million.)",
	        "groups led", "ns a call or pair of calls", 1, x,
	        {{"covey: lead and give up", Subject::Covey, along(x, "groups/lead/covey"), "cpu_time", 4},
	                {"covey: find, present", Subject::Covey, along(x, "groups/present/covey"), "cpu_time", 5},
	                {"covey: find, absent", Subject::Covey, along(x, "groups/absent/covey"), "cpu_time", 6},
	                {"covey: find, one by one", Subject::Covey, along(x, "groups/next/covey")},
	                {"cds_lfht: add and delete", Subject::Lfht, along(x, "groups/lead/lfht")},
	                {"cds_lfht: find, present", Subject::Lfht, along(x, "groups/present/lfht")},
	                {"cds_lfht: find, absent", Subject::Lfht, along(x, "groups/absent/lfht")}}};
}

/* ------------------------------------------------------------------------------------------------ waiters */

/* P6 has some of the points itself. */
std::vector<std::string> publish_to(const Points &points)
{
	std::vector<std::string> names;
	for (double x : points)
		names.push_back(at(x == 1 || x == 4 || x == 16 || x == 64 || x == 256 ? "P6/" : "sweep/waiters/", x));
	return names;
}

Sweep waiters()
{
	Points x = {1, 2, 4, 8, 16, 32, 64, 128, 256};
	return {"waiters", "1 to 256 waiters",
	        R"(From publish of 64 bytes until the last of N processes that slept has them, beside one FUTEX_WAKE of as many.)",
	        "waiters", "µs", 1e3, x,
	        {{"covey, p50", Subject::Covey, publish_to(x), "covey_p50", 2},
	                {"covey, p99", Subject::Covey, publish_to(x), "covey_p99"},
	                {"FUTEX_WAKE, p50", Subject::Futex, publish_to(x), "futex_p50"},
	                {"FUTEX_WAKE, p99", Subject::Futex, publish_to(x), "futex_p99"}}};
}

/* ------------------------------------------------------------------------------------------------ processes */

Sweep processes()
{
	Points x = {1, 2, 3, 4, 5, 6, 7, 8};
	Sweep s = {"processes", "One running process, and as many as there are cores",
	        R"(Operations of all processes together in a second. In "one group" all lead or join the same one; the others have groups
of their own. The machine's row shares nothing: four swaps of a word of one's own.)",
	        "processes, a core each", "million operations a second", 1e6, x, {}, false, true};
	s.curves = {{"covey: find", Subject::Covey, along(x, "processes/find"), "rate"},
	        {"covey: lead, the same name", Subject::Covey, along(x, "processes/same"), "rate"},
	        {"covey: lead, 1024 names", Subject::Covey, along(x, "processes/cycle"), "rate"},
	        {"covey: lead, names never seen", Subject::Covey, along(x, "processes/fresh"), "rate"},
	        {"covey: one group", Subject::Covey, along(x, "processes/one_group"), "rate"},
	        {"nothing shared", Subject::Machine, along(x, "processes/machine"), "rate"}};
	return s;
}

/* ------------------------------------------------------------------------------------------------ joins */

Points joins()
{
	return {0, 10, 25, 50, 75, 90, 100};
}

const char *const joins_note =
        R"(One process asks, another leads where a leader is to be found; both run. To compute takes 1 µs of the leader's core.
The wait is of the requests that joined, from asking to having the answer: what was left of the leader's microsecond,
and the way of the answer. The rate is of all requests, in the time that they took.)";

Sweep join_waits()
{
	Points x = joins();
	Sweep s = {"join-waits", "Requests that find a leader: 0 to 100 %", joins_note,
	        "per cent of the requests that find a leader", "µs", 1e3, x, {}, false, true};
	s.curves = {{"covey: wait, p50", Subject::Covey, along(x, "joins"), "wait_p50"},
	        {"covey: wait, p99", Subject::Covey, along(x, "joins"), "wait_p99"},
	        {"covey: wait, p99.9", Subject::Covey, along(x, "joins"), "wait_p999"}};
	return s;
}

Sweep join_rates()
{
	Points x = joins();
	Sweep s = {"join-rates", "Requests that find a leader: the rate",
	        "Of one process that computes or waits all the time.", "per cent of the requests that find a leader",
	        "thousand requests a second", 1e3, x, {}, false, false};
	s.curves = {{"covey", Subject::Covey, along(x, "joins"), "rate"}};
	return s;
}

} // namespace

std::vector<Sweep> sweeps()
{
	return {names(), results(), groups(), waiters(), processes(), join_waits(), join_rates()};
}

} // namespace bench
