/*
 * figures.cc - the figures, their cases, subjects and bars, and the words around them: data only
 *
 * The notes stand here line by line as they stand in the page.
 */
#include <map>
#include "figures.h"

namespace bench
{

Unit unit_of(const std::string &metric)
{
	static const std::map<std::string, Unit> units = {
	        {"one", Unit::Rate},
	        {"two", Unit::Rate},
	        {"rate", Unit::Rate},
	        {"naps", Unit::Count},
	        {"computed", Unit::Count},
	        {"calls", Unit::Count},
	        {"allocations", Unit::Count},
	        {"misses", Unit::Count},
	        {"copies", Unit::Count},
	        {"count", Unit::Count},
	        {"bytes", Unit::Bytes},
	        {"instructions", Unit::Instructions},
	        {"ms", Unit::Milliseconds},
	};
	auto at = units.find(metric.substr(metric.rfind('_') + 1));
	return at == units.end() ? Unit::Time : at->second;
}

namespace
{

Case against_lfht(const std::string &title, const std::string &head)
{
	return {title, "covey", head + "covey", {{"cds_lfht", head + "lfht", Bar::AtMost, 1.0}}};
}

/* ------------------------------------------------------------------------------------------------ P1 */

const char *const p1_note =
        R"(`covey_find_or_register` and `covey_unregister_notify`, 24-byte names. CPU time of the calling thread. ck_ht and
cds_lfht live in one process and survive no crash; cds_lfht retires its nodes in a thread of its own, whose time
is not counted. With fresh names ck_ht is reset whenever half of it may be tombstones. Redis, APCu, Go and Erlang: real
time. Redis has its server either where the kernel puts it or on the client's core, and two round trips. APCu holds its
whole cache meanwhile; singleflight is for goroutines of one process.)";

const char *const p1_reason =
        R"(of a known group's pair two swaps are about 40 %, two readings of the coarse clock 15 %, two events of the history 10 %. A name
never seen before costs two locked steps more, beside being linked and given up: its node is taken from an idle group and
unlinked from that one's bucket; ck_ht has two in all, and leaves a tombstone. Two clock readings and two events, which the
peers do not make, are a tenth of it.)";

Case lead_and_leave(const std::string &title, const std::string &head)
{
	return {title, "covey", head + "covey",
	        {{"ck_ht, spinlock", head + "ck_ht", Bar::AtMost, 1.0},
	                {"cds_lfht, nodes recycled", head + "lfht", Bar::Faster, 3},
	                {"cds_lfht, malloc and free", head + "lfht_malloc", Bar::Shown},
	                {"Boost map, robust mutex", head + "boost", Bar::Faster, 10},
	                {"flock, open and close", head + "flock", Bar::Shown},
	                {"flock, a descriptor kept open", head + "flock_open", Bar::Shown},
	                {"flock, file removed", head + "flock_removed", Bar::Shown},
	                {"Redis, SET NX PX and DEL", head + "redis", Bar::Shown, 0, "real_time"},
	                {"Redis, on the client's core", head + "redis_one_core", Bar::Shown, 0, "real_time"},
	                {"APCu, apcu_entry and delete", head + "apcu_entry", Bar::Shown, 0, "real_time"},
	                {"APCu, apcu_add and delete", head + "apcu_add", Bar::Shown, 0, "real_time"},
	                {"Go singleflight", head + "go", Bar::Shown, 0, "real_time"},
	                {"Erlang, pg join and leave", head + "erlang", Bar::Shown, 0, "real_time"}}};
}

Figure p1()
{
	return {"P1: lead a group and give it up, nobody waits, no bytes", p1_note, p1_reason,
	        {lead_and_leave("the same name", "P1/same/"), lead_and_leave("1024 names in turn", "P1/cycle/"),
	                lead_and_leave("names never seen before", "P1/fresh/")}};
}

/* ------------------------------------------------------------------------------------------------ P2 */

const char *const p2_note =
        R"(Pinned to a core each, started together; until the slower one ends. The machine's own row shares nothing.
APCu's two processes and Go's two goroutines are not pinned. Redis's server is where the kernel puts it: one client is
served ten times as fast when that is the client's own core.)";

const char *const p2_reason =
        R"(two processes that link new names write to random lines of one array of buckets, which the other core has often written
last. In regions of their own each of two is as fast as one alone; the fewer lines the array has, the slower both are.)";

Case two_and_one(const std::string &title, const std::string &who, const std::string &name, Bar bar)
{
	return {title, who + ", two", name, {{who + ", one", name, bar, 1.8, "one"}}, "two"};
}

Figure p2()
{
	return {"P2: the same in two processes, each with groups of its own", p2_note, p2_reason,
	        {two_and_one("the same name", "covey", "P2/same/covey", Bar::Throughput),
	                two_and_one("1024 names in turn", "covey", "P2/cycle/covey", Bar::Throughput),
	                two_and_one("names never seen before", "covey", "P2/fresh/covey", Bar::Throughput),
	                two_and_one("1024 names in turn", "Boost map", "P2/cycle/boost", Bar::Shown),
	                two_and_one("1024 names in turn", "flock", "P2/cycle/flock", Bar::Shown),
	                two_and_one("1024 names in turn", "Redis", "P2/cycle/redis", Bar::Shown),
	                two_and_one("1024 names in turn", "APCu", "P2/cycle/apcu_entry", Bar::Shown),
	                two_and_one("1024 names in turn", "Go, goroutines", "P2/cycle/go", Bar::Shown),
	                two_and_one("nothing shared", "machine", "P2/cycle/machine", Bar::Shown)}};
}

/* ------------------------------------------------------------------------------------------------ P3 */

const char *const p3_note =
        R"(Finished operations of two processes that both want the same eight bytes, all the time. Under the mutex each computes
in turn; with covey each leads and computes, or joins whoever leads and takes its bytes. Computed: the share of
operations that had to compute.)";

const char *const p3_reason =
        R"(to join costs both sides about a microsecond, whatever the section. So covey keeps away from a group whose executions are
shorter (shm/standoff.c), and one process then leads many times in a row, as one of them has the mutex; from about a
microsecond on it joins. Between 200 ns and 500 ns neither way gains much.)";

Case one_group(const std::string &section, const std::string &nanoseconds)
{
	std::string name = "P3/" + nanoseconds;
	return {section, "covey", name,
	        {{"robust mutex", name, Bar::Faster, 1, "mutex_rate"},
	                {"covey, computed", name, Bar::None, 0, "covey_computed"},
	                {"robust mutex, computed", name, Bar::None, 0, "mutex_computed"}},
	        "covey_rate"};
}

Figure p3()
{
	return {"P3: two processes on one group", p3_note, p3_reason,
	        {one_group("an empty section", "0"), one_group("100 ns", "100"), one_group("1 µs", "1000"),
	                one_group("10 µs", "10000"), one_group("100 µs", "100000")}};
}

/* ------------------------------------------------------------------------------------------------ P4 */

const char *const p4_note =
        R"(`covey_find` and `cds_lfht_lookup`, each copying out generation, time, pid and number of waiters.)";

const char *const p4_reason =
        R"(covey_find also learns which process leads and whether it lives, through its seat and its participant, and takes
every node as a snapshot that may change under it.)";

Figure p4()
{
	return {"P4: who leads this group?", p4_note, p4_reason,
	        {against_lfht("present, 1 group led", "P4/present/1/"),
	                against_lfht("present, 1024 groups led", "P4/present/1024/"),
	                against_lfht("absent, 1 group led", "P4/absent/1/"),
	                against_lfht("absent, 1024 groups led", "P4/absent/1024/")}};
}

/* ------------------------------------------------------------------------------------------------ P5 */

const char *const p5_note =
        R"(A process that asks and one that answers, by `covey_await` and by `covey_receive` and `covey_respond`. Requests have
16 bytes, and answers too where nothing else is said. Both running: means of many trips, back to back, on two cores.
Both asleep: the median trip, each side having slept before the other went on. The floors: a cache line to the other
process and back, with one copy of a larger answer; two processes that wake each other by futex. Quantiles are of
trips timed one by one, with the clock in them. With short answers covey has eight regions and the floor eight lines, in turn, as
how long a line takes depends on where it lies. The 10,000 groups are picked pseudo-randomly; one thread of a host
answers for all. Erlang: `pg` and selective receives in one process of the operating system, mostly on one core.)";

const char *const p5_reason =
        R"(where the floor moves one cache line there and back, a trip of covey moves two, in six transfers instead of two: that of the
waiter's word and request (got by the waiter to write, read by the leader, got by the leader to write, read by the waiter) and
that of the leader's outbox with the answer (got to write, read). There are five locked instructions beside. An answer on
the line of the waiter's word would save two transfers, but a leader that was stopped and deposed could then tear it.)";

Case trip(const std::string &title, const std::string &name, const std::string &floor, Bar bar, double limit,
        const std::string &quantile = "")
{
	Case c = {title, "covey", name, {{floor, name, bar, limit, "raw" + quantile}}, "covey" + quantile};
	c.peers.push_back({"covey, sleeps a trip", name, Bar::None, 0, "covey_naps"});
	c.peers.push_back({floor + ", sleeps a trip", name, Bar::None, 0, "raw_naps"});
	return c;
}

Case against_erlang(const std::string &title, const std::string &name, const std::string &peer)
{
	return {title, "covey", name,
	        {{"covey, sleeps a trip", name, Bar::None, 0, "covey_naps"}, {"Erlang", peer, Bar::Cost, 0, "erlang"}},
	        "covey"};
}

Figure p5()
{
	Case seats = trip("both running, 64 other threads attached", "P5/running/seats", "cache line", Bar::Cost, 0);
	seats.peers.push_back({"covey, no others attached", "P5/running/16", Bar::Cost, 0, "covey"});
	return {"P5: from a request to a worker to its answer", p5_note, p5_reason,
	        {trip("both running", "P5/running/16", "cache line", Bar::AtMost, 3), seats,
	                trip("both running, answer of 1 KiB", "P5/running/1024", "cache line, one copy", Bar::Cost, 0),
	                trip("both running, answer of 64 KiB", "P5/running/65536", "cache line, one copy", Bar::Cost,
	                        0),
	                against_erlang("both running, looked up each time", "P5/running/lookup", "P5/lookup/erlang"),
	                against_erlang("10,000 groups, served by one host", "P5/groups/covey", "P5/groups/erlang"),
	                trip("both asleep", "P5/asleep/two_cores", "futex", Bar::AtMost, 1.15, "_p50"),
	                trip("both on one core", "P5/asleep/one_core", "futex", Bar::Cost, 0, "_p50")}};
}

/* ------------------------------------------------------------------------------------------------ P6 */

const char *const p6_note =
        R"(N processes, all asleep in the kernel; 64 bytes. Against one FUTEX_WAKE of N processes that sleep on one word and
read the same bytes. Medians (p50) of each repetition's rounds.)";

const char *const p6_reason =
        R"(each waiter spends 0.6 to 1.2 µs in covey after its wake-up, most of it on lines and pages that went cold in its sleep (some
480 instructions on 50 lines of code and 30 of data in 18 pages), where the floor's waiter reads two lines; with many waiters the cores have
nothing else to do meanwhile. That it sleeps on three words and not on one makes no difference that could be measured.)";

Case publish(const std::string &waiters)
{
	std::string name = "P6/" + waiters;
	return {waiters + (waiters == "1" ? " waiter" : " waiters"), "covey", name,
	        {{"FUTEX_WAKE", name, Bar::AtMost, 1.1, "futex_p50"}}, "covey_p50"};
}

Figure p6()
{
	return {"P6: from publish until all waiters have the bytes", p6_note, p6_reason,
	        {publish("1"), publish("4"), publish("16"), publish("64"), publish("256")}};
}

/* ------------------------------------------------------------------------------------------------ P7 */

const char *const p7_note =
        R"(From just before kill() until one of N processes that sleep for the victim runs with what it held. The mutex's victim
has the same memory maps and threads as covey's; a bare one has neither.)";

const char *const p7_reason =
        R"(a trace of the scheduler shows where the time goes: the victim's main thread ends first and its keeper after it, usually on the
same core, and only then do the waiters hear of it; the first of them wakes two more before it takes over, so that the others
learn of the death even if it is killed at once. A mutex wakes one process, and nobody else. How many words the dead one has to
tell of makes no difference: a plain program with one, two and three robust words measured the same.)";

Case death(const std::string &waiters)
{
	std::string name = "P7/" + waiters;
	return {waiters + (waiters == "1" ? " waiter" : " waiters"), "covey", name,
	        {{"robust mutex, same maps", name, Bar::AtMost, 1.2, "mutex_p50"},
	                {"robust mutex, bare victim", name, Bar::Cost, 0, "bare_p50"}},
	        "covey_p50"};
}

Figure p7()
{
	return {"P7: from SIGKILL of the leader until its successor runs", p7_note, p7_reason,
	        {death("1"), death("16")}};
}

/* ------------------------------------------------------------------------------------------------ P8 */

const char *const p8_note =
        R"(16 processes, all asleep in the kernel; each reads the first and the last line in place. Copied in: what the heap holds
more than before, while all have the result, by its size. Copied out: waiters whose bytes lie outside the region.)";

const char *const p8_reason =
        R"(the floor itself, one memcpy and one FUTEX_WAKE, takes 15 to 20 % more than the sum of the two measured
apart; probably the cores of the waiters idle for longer meanwhile, and the copy sends what the wake-ups need out of the caches.
covey's copy goes past them. What the wake-ups take more: see P6.)";

Figure p8()
{
	return {"P8: a result of 1 MiB, from publish until all 16 waiters have it", p8_note, p8_reason,
	        {{"1 MiB", "covey", "P8/16",
	                 {{"memcpy and FUTEX_WAKE", "P8/16", Bar::AtMost, 1.1, "floor_p50"},
	                         {"memcpy, plus P6 of 16", "P8/16", Bar::AtMost, 1.1, "sum_p50"},
	                         {"memcpy alone", "P8/16", Bar::None, 0, "copy_p50"},
	                         {"covey, 64 bytes", "P8/16", Bar::None, 0, "small_p50"}},
	                 "covey_p50"},
	                {"copied in", "covey", "P8/16", {}, "in_copies", Bar::AtMost, 1},
	                {"copied out", "covey", "P8/16", {}, "out_copies", Bar::AtMost, 0}}};
}

/* ------------------------------------------------------------------------------------------------ P9 */

const char *const p9_note =
        R"(Attaching, by a process forked for it: its first time, and its second. Beside it shm_open, fstat and mmap of the same
file. Memory is the difference between two regions made for different numbers and in full use, divided by the difference of
the numbers: in the file's size, and in what it occupies. Names have 64 bytes. Buckets are a power of two, 8 to 16 a group.)";

Case attach(const std::string &title, const std::string &name)
{
	return {title, "covey", name,
	        {{"covey, the second time", name, Bar::None, 0, "second_p50"},
	                {"shm_open and mmap", name, Bar::Cost, 0, "map_p50"},
	                {"the region", name, Bar::None, 0, "region_bytes"}},
	        "first_p50", Bar::Faster, 1e6};
}

Case takes(const std::string &title, const std::string &name, const std::string &metric, double limit)
{
	return {title + (metric == "size_bytes" ? ", size" : ", resident"), "covey", name, {}, metric, Bar::AtMost,
	        limit};
}

Figure p9()
{
	return {"P9: attaching to 1 GiB, and memory", p9_note, "",
	        {attach("attach, room for the heap", "P9/attach/heap"), attach("attach, groups", "P9/attach/groups"),
	                takes("a group, 8 buckets", "P9/group/least", "size_bytes", 256),
	                takes("a group, 8 buckets", "P9/group/least", "resident_bytes", 256),
	                takes("a group, 16 buckets", "P9/group/most", "size_bytes", 256),
	                takes("a group, 16 buckets", "P9/group/most", "resident_bytes", 256),
	                takes("a participant", "P9/participant", "size_bytes", 4096),
	                takes("a participant", "P9/participant", "resident_bytes", 4096)}};
}

/* ------------------------------------------------------------------------------------------------ visits */

const char *const visits_note =
        R"(A process is started, attaches, leads a group once, leaves and ends, in a region that has held nothing large, and in the same
region after a result of 1 GiB was there. And 16 processes that want a result of 4 MiB, computed in 20 ms, of a region of 1 MiB:
each has to compute for itself, all at once. And a call that opens the region, leads a group once and closes, alone in its process
and while another handle of it stays open.)";

Figure visits()
{
	return {"Processes that come and go, and a result that finds no room", visits_note, "",
	        {{"a visit, after a large result", "covey", "visits/large",
	                 {{"covey, before it", "visits/large", Bar::AtMost, 1.2, "before_p50"}}, "after_p50"},
	                {"no room, 16 callers", "covey", "visits/no_room",
	                        {{"covey, one caller", "visits/no_room", Bar::AtMost, 2, "one_p50"}}, "all_p50"},
	                {"open, lead and close again", "covey", "visits/open_again",
	                        {{"covey, alone", "visits/open_again", Bar::Faster, 20, "alone_p50"}}, "again_p50"}}};
}

/* ------------------------------------------------------------------------------------------------ a stampede */

const char *const stampede_note =
        R"(Many processes start together, and each asks for one of a few hot groups, of which none has an answer yet. The answer
has 1 KiB; to compute it is to sleep, as if a database were asked, or to burn a core's time. Computations and answers a
second are those of a round; a wait is what passes from the first question of a round until one process has its bytes.
Alone, flock and covey keep answers in files in memory, Redis and APCu in themselves. Redis polls every millisecond; the
other Redis publishes answers to those who wait. APCu: `apcu_entry`, in PHP. covey is compared by the median wait. With a
slow group, one process is computing it already when 15 others ask for the 8 hot ones; the waits are theirs. What burns a
core for a millisecond coalesces almost by itself on two cores: who runs next finds the answer.)";

Case stampede_of(const std::string &title, const std::string &scenario)
{
	Case c = {title, "covey", "stampede/" + scenario + "/covey", {}, "wait_p50"};
	for (auto [label, who] : {std::pair{"alone, no coalescing", "alone"}, {"flock", "flock"},
	             {"Redis, polling", "redis"}, {"Redis, publishing", "redis_publish"}, {"APCu", "apcu"}})
		c.peers.push_back({label, "stampede/" + scenario + "/" + who, Bar::Cost});
	return c;
}

Figure stampede()
{
	return {"A stampede: many processes, few answers, none there yet", stampede_note, "",
	        {stampede_of("16 processes, 1 group, 1 ms of sleep", "16x1"),
	                stampede_of("16 processes, 8 groups, 1 ms of sleep", "16x8"),
	                stampede_of("64 processes, 1 group, 1 ms of sleep", "64x1"),
	                stampede_of("64 processes, 8 groups, 1 ms of sleep", "64x8"),
	                stampede_of("64 processes, 1 group, 1 ms of a core", "64x1_burning"),
	                stampede_of("16 processes, 1 group, 10 ms of a core", "16x1_burning_10"),
	                stampede_of("one slow group of 100 ms, 8 groups, 1 ms of sleep", "slow")},
	        {{"computations", "computed"}, {"answers a second", "rate"}, {"wait, p50", "wait_p50"},
	                {"wait, p99", "wait_p99"}, {"wait, p99.9", "wait_p999"}}};
}

/* ------------------------------------------------------------------------------------------------ P10 */

const char *const p10_note = R"(The finds go through all of them in an order without locality.)";

const char *const p10_reason =
        R"(with a million groups each step to another node or bucket is a cache miss, and evicting an idle node for a fresh
name touches both of another group.)";

Figure p10()
{
	return {"P10: P1 and P4 with 1,000,000 groups led", p10_note, p10_reason,
	        {against_lfht("lead and give up, the same name", "P10/same/"),
	                against_lfht("lead and give up, 1024 names in turn", "P10/cycle/"),
	                against_lfht("lead and give up, names never seen before", "P10/fresh/"),
	                against_lfht("find, present", "P10/present/"), against_lfht("find, absent", "P10/absent/")}};
}

/* ------------------------------------------------------------------------------------------------ the machine */

const char *const raw_note =
        R"(A cache line to another process and back, both running; a compare-and-swap; the same round trip by futex, both asleep;
one FUTEX_WAKE of 16 processes; a killed owner's robust mutex; copies within the caches. Of the cache line: the median of many
lines, of each the least of some visits, as its time depends on its address by a half. Before each wake-up its core has idled
for 0.4 ms, as a wake-up takes up to three times as long after a long idle time as after a short one. Beside each, what
`bench/limits.c` says, a plain program that shares no code with the suite.)";

Case limit(const std::string &title, const std::string &name, const std::string &again, const std::string &metric)
{
	return {title, "the suite", name, {{"limits.c", "limits/" + again, Bar::Cost, 0, "median"}}, metric};
}

Figure machine()
{
	return {"The machine itself", raw_note, "",
	        {limit("cache line, round trip", "raw/line", "line", "trip_p50"),
	                limit("compare-and-swap", "raw/swap", "swap", "cpu_time"),
	                limit("futex, round trip", "raw/futex", "futex", "trip_p50"),
	                limit("FUTEX_WAKE of 16", "P6/16", "wake_16", "futex_p50"),
	                limit("hand-over, 1 waiter", "P7/1", "hand_over", "bare_p50"),
	                limit("copy of 64 bytes", "raw/copy/64", "copy_64", "cpu_time"),
	                limit("copy of 4 KiB", "raw/copy/4096", "copy_4096", "cpu_time"),
	                limit("copy of 1 MiB", "raw/copy/1048576", "copy_1048576", "cpu_time")}};
}

/* ------------------------------------------------------------------------------------------------ call paths */

const char *const path_note =
        R"(What one operation takes, by strace, callgrind and a counting allocator: the difference between a run of many and one of
none. Misses are of a simulated cache of this machine's sizes. One trip is a request and its answer, each by a process of
its own; on one core each side sleeps, on two both run. What spins has no number of instructions. The finds are of 1024
groups.)";

Case path(const std::string &title, const std::string &head, const std::vector<Peer> &peers)
{
	std::string name = "path/" + head + "/covey";
	Case c = {title, "covey", name, {}, "instructions"};
	for (const Peer &peer : peers)
		c.peers.push_back({peer.label, "path/" + head + "/" + peer.name, Bar::Cost, 0, "instructions"});
	c.peers.push_back({"covey, system calls", name, Bar::None, 0, "all_calls"});
	c.peers.push_back({"covey, allocations", name, Bar::None, 0, "allocations"});
	c.peers.push_back({"covey, first-level misses", name, Bar::None, 0, "l1_misses"});
	c.peers.push_back({"covey, last-level misses", name, Bar::None, 0, "ll_misses"});
	return c;
}

Figure call_paths()
{
	std::vector<Peer> tables = {{"ck_ht", "ck_ht"}, {"cds_lfht, nodes recycled", "lfht"}};
	std::string asleep = "path/trip_asleep/covey", running = "path/trip_running/covey";
	return {"Instructions, system calls and allocations", path_note, "",
	        {path("lead and give up, the same name", "same", tables),
	                path("lead and give up, 1024 names in turn", "cycle", tables),
	                path("lead and give up, names never seen before", "fresh", tables),
	                path("find, present", "present", {{"cds_lfht", "lfht"}}),
	                path("find, absent", "absent", {{"cds_lfht", "lfht"}}),
	                path("resolve, nobody waits", "resolve", {}),
	                {"trip, one core", "covey, who asks", asleep,
	                        {{"covey, who answers", asleep, Bar::None, 0, "answers_instructions"},
	                                {"covey, who asks, system calls", asleep, Bar::None, 0, "asks_calls"},
	                                {"covey, who answers, system calls", asleep, Bar::None, 0, "answers_calls"},
	                                {"covey, both, allocations", asleep, Bar::None, 0, "allocations"}},
	                        "instructions"},
	                {"trip, two cores", "covey, who asks, system calls", running,
	                        {{"covey, who answers, system calls", running, Bar::None, 0, "answers_calls"},
	                                {"covey, both, allocations", running, Bar::None, 0, "allocations"}},
	                        "asks_calls"}}};
}

} // namespace

std::vector<Figure> figures()
{
	return {p1(), p2(), p3(), p4(), p5(), p6(), p7(), p8(), p9(), visits(), stampede(), p10(), machine(),
	        call_paths()};
}

const char *const method = R"(- Every subject gets the same names in the same order, and every answer is checked.
- Repetitions of all benchmarks are shuffled among each other, so that a slow minute of the machine falls on all
  alike. The tables give the median of the repetitions, and the least and the most of them.
- The suite runs in two passes, one after the other. "Passes differ by" compares the ratio of the one with that of the
  other. Where that is more than a tenth both subjects are measured once more, and the ratio of each pass is shown in
  its place. Verdicts are on the median of the repetitions of all passes.
- Quantiles are of the single trips or rounds in a repetition, the median of the repetitions of each. Of fewer than a
  thousand rounds p99.9 is the longest. Calls of some ten nanoseconds have none: reading the clock costs more.
- What runs in one process is pinned to the first core and timed by the calling thread's CPU time; what runs in
  several is forked and set up beforehand, pinned, and timed by one monotonic clock from the first begin to the
  last end.
- Peers are tuned as their users would tune them: XXH3 inlined, tables made in their full size, entries recycled.
  What each of them does, and what it is spared, stands at the top of its file in `bench/`.
- In P5 the kernel counts how often each side went to sleep; in P6, P7 and P8 all waiters are seen asleep in `/proc`
  before each publish, or kill.
)";

} // namespace bench
