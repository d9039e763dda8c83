/*
 * report.cc - writes BENCHMARKS.md from the JSON of one run of covey_bench
 *
 * usage: covey_bench_report bench.json [VERSIONS]
 *
 * Every number in the page comes from that file, and so do the verdicts: a bar is met when the ratio of the medians
 * meets it, without rounding in anyone's favour.  The list of what was not met is made by the same comparison.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gnu/libc-version.h>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <vector>

namespace
{

/* ------------------------------------------------------------------------------------------------ the run */

struct Run {
	/* by benchmark and metric: one sample a repetition */
	std::map<std::string, std::map<std::string, std::vector<double>>> samples;
	std::map<std::string, std::string> errors;
	std::map<std::string, std::string> context;
};

/* "key": value, of a line of google-benchmark's JSON, which has one to a line. */
bool split(const std::string &line, std::string &key, std::string &value)
{
	size_t from = line.find('"');
	size_t to = line.find("\": ", from + 1);
	if (from == std::string::npos || to == std::string::npos)
		return false;
	key = line.substr(from + 1, to - from - 1);
	value = line.substr(to + 3);
	while (!value.empty() && (value.back() == ',' || value.back() == '\r'))
		value.pop_back();
	if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
		value = value.substr(1, value.size() - 2);
	return true;
}

std::string plain_name(const std::string &name)
{
	return name.substr(0, std::min(name.find("/iterations:"), name.find("/repeats:")));
}

void add_entry(Run &run, std::map<std::string, std::string> &entry)
{
	if (entry["run_type"] == "iteration" && entry.count("name") != 0) {
		std::string name = plain_name(entry["name"]);
		if (entry.count("error_message") != 0)
			run.errors[name] = entry["error_message"];
		else
			for (const auto &[key, value] : entry)
				run.samples[name][key].push_back(atof(value.c_str()));
	}
	entry.clear();
}

Run read_run(std::istream &in)
{
	Run run;
	std::map<std::string, std::string> entry;
	bool in_context = true;
	for (std::string line, key, value; std::getline(in, line);) {
		if (line.find("\"benchmarks\": [") != std::string::npos) {
			in_context = false;
		} else if (split(line, key, value)) {
			(in_context ? run.context : entry)[key] = value;
		} else if (!in_context && line.find('}') != std::string::npos) {
			add_entry(run, entry);
		}
	}
	return run;
}

struct Summary {
	double median = 0, least = 0, most = 0;
	bool known = false;
};

Summary summary(const Run &run, const std::string &name, const std::string &metric)
{
	Summary s;
	auto benchmark = run.samples.find(name);
	if (benchmark == run.samples.end() || benchmark->second.count(metric) == 0)
		return s;
	std::vector<double> v = benchmark->second.at(metric);
	std::sort(v.begin(), v.end());
	s.median = v.size() % 2 != 0 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
	s.least = v.front();
	s.most = v.back();
	s.known = true;
	return s;
}

/* ------------------------------------------------------------------------------------------------ the figures */

enum class Bar {
	None,       /* shown by itself */
	Shown,      /* shown with its ratio; no bar */
	Cost,       /* the same, as a multiple of this one's time */
	AtMost,     /* the first subject takes at most so many times as long as this one */
	Faster,     /* it is at least so many times as fast */
	Throughput, /* it does at least so many times as much in the same time */
};

struct Peer {
	std::string label, name;
	Bar bar = Bar::None;
	double limit = 0;
	std::string metric = ""; /* when not the case's */
};

struct Case {
	std::string title, label, name; /* the first subject */
	std::vector<Peer> peers;
	std::string metric = "cpu_time";
};

struct Figure {
	std::string title, note;
	std::string reason; /* where time goes, when a bar is not met */
	std::vector<Case> cases;
};

Case lead_and_leave(const std::string &title, const std::string &head)
{
	return {title, "covey", head + "covey",
	        {{"ck_ht, spinlock", head + "ck_ht", Bar::AtMost, 1.0},
	                {"cds_lfht, nodes recycled", head + "lfht", Bar::Faster, 3},
	                {"cds_lfht, malloc and free", head + "lfht_malloc", Bar::Shown},
	                {"Boost map, robust mutex", head + "boost", Bar::Faster, 10},
	                {"Erlang, pg join and leave", head + "erlang", Bar::Shown, 0, "real_time"}}};
}

Case against_lfht(const std::string &title, const std::string &head)
{
	return {title, "covey", head + "covey", {{"cds_lfht", head + "lfht", Bar::AtMost, 1.0}}};
}

Case two_and_one(const std::string &title, const std::string &who, const std::string &name, Bar bar)
{
	return {title, who + ", two", name, {{who + ", one", name, bar, 1.8, "one"}}, "two"};
}

/* A trip's quantiles, without a bar. */
void add_quantiles(Case &c, const std::string &label, const std::string &who)
{
	for (const char *q : {"p50", "p99", "p999"})
		if (c.metric != who + "_" + q && c.metric != "covey_" + std::string(q))
			c.peers.push_back({label + ", " + (strcmp(q, "p999") == 0 ? "p99.9" : q), c.name, Bar::None, 0,
			        who + "_" + q});
}

Case trip(const std::string &title, const std::string &name, const std::string &floor, Bar bar, double limit,
        const std::string &quantile = "")
{
	Case c = {title, "covey", name, {{floor, name, bar, limit, "raw" + quantile}}, "covey" + quantile};
	c.peers.push_back({"covey, sleeps a trip", name, Bar::None, 0, "covey_naps"});
	c.peers.push_back({floor + ", sleeps a trip", name, Bar::None, 0, "raw_naps"});
	return c;
}

Case trip_with_quantiles(const std::string &title, const std::string &name, const std::string &floor, double limit,
        const std::string &quantile)
{
	Case c = trip(title, name, floor, Bar::AtMost, limit, quantile);
	add_quantiles(c, "covey", "covey");
	add_quantiles(c, floor, "raw");
	return c;
}

Case against_erlang(const std::string &title, const std::string &name, const std::string &peer)
{
	return {title, "covey", name,
	        {{"covey, p99", name, Bar::None, 0, "covey_p99"},
	                {"covey, sleeps a trip", name, Bar::None, 0, "covey_naps"},
	                {"Erlang", peer, Bar::Cost, 0, "erlang"}, {"Erlang, p99", peer, Bar::None, 0, "erlang_p99"}},
	        "covey"};
}

std::vector<Case> trips()
{
	Case seats = trip("both running, 64 other threads attached", "P5/running/seats", "cache line", Bar::Cost, 0);
	seats.peers.push_back({"covey, no others attached", "P5/running/16", Bar::Cost, 0, "covey"});
	return {trip_with_quantiles("both running", "P5/running/16", "cache line", 3, ""), seats,
	        trip("both running, answer of 1 KiB", "P5/running/1024", "cache line, one copy", Bar::Cost, 0),
	        trip("both running, answer of 64 KiB", "P5/running/65536", "cache line, one copy", Bar::Cost, 0),
	        against_erlang("both running, looked up each time", "P5/running/lookup", "P5/lookup/erlang"),
	        against_erlang("10,000 groups, served by one host", "P5/groups/covey", "P5/groups/erlang"),
	        trip_with_quantiles("both asleep", "P5/asleep/two_cores", "futex", 1.15, "_p50"),
	        trip("both on one core", "P5/asleep/one_core", "futex", Bar::Cost, 0, "_p50")};
}

Case publish(const std::string &waiters)
{
	std::string name = "P6/" + waiters;
	return {waiters + (waiters == "1" ? " waiter" : " waiters"), "covey", name,
	        {{"FUTEX_WAKE", name, Bar::AtMost, 1.1, "futex_p50"}, {"covey, p99", name, Bar::None, 0, "covey_p99"},
	                {"FUTEX_WAKE, p99", name, Bar::None, 0, "futex_p99"}},
	        "covey_p50"};
}

/* What stands under each title; the second is printed only where a bar is not met. */
const char *const p1_note = "`covey_find_or_register` and `covey_unregister_notify`, 24-byte names. CPU time of the "
                            "calling thread. ck_ht and\n"
                            "cds_lfht live in one process and survive no crash; cds_lfht retires its nodes in a thread "
                            "of its own, whose time\n"
                            "is not counted. With fresh names ck_ht is reset whenever half of it may be tombstones.";
const char *const p1_reason = "a name never seen before needs a node. When all are in use, the idle one of another "
                              "group is evicted first, which\n"
                              "takes several atomic steps where ck_ht overwrites a slot.";
const char *const p2_note =
        "Pinned to a core each, started together; until the slower one ends. The machine's own row shares nothing.";
const char *const p2_reason =
        "processes that lead different groups still meet where two names share a chain or a line of the bucket array.\n"
        "Fresh names write to buckets and to other groups' idle nodes all the time.";
const char *const p4_note =
        "`covey_find` and `cds_lfht_lookup`, each copying out generation, time, pid and number of waiters.";
const char *const p4_reason = "covey_find also learns which process leads and whether it lives, through its seat and "
                              "its participant, and takes\n"
                              "every node as a snapshot that may change under it.";
// clang-format off: lines as they stand in the page
const char *const p5_note = "A process that asks and one that answers, by `covey_await` and by `covey_receive` and "
                            "`covey_respond`. Requests have\n"
                            "16 bytes, and answers too where nothing else is said. Both running: means of many trips, "
                            "back to back, on two cores.\n"
                            "Both asleep: the median trip, each side having slept before the other went on. The "
                            "floors: a cache line to the other\n"
                            "process and back, with one copy of a larger answer; two processes that wake each other by "
                            "futex. Quantiles are of\n"
                            "trips timed one by one, with the clock in them. The 10,000 groups are picked "
                            "pseudo-randomly; one thread of a host\n"
                            "answers for all. Erlang: `pg` and selective receives in one process of the operating "
                            "system, mostly on one core.";
const char *const p5_reason = "where the floor moves one cache line, a trip of covey moves the lines of the waiter's "
                              "seat, of the group and of the\n"
                              "answer's block, some of them several times; the ticket and the bell lie on the line "
                              "that the worker spins on. The block\n"
                              "of the answer is the largest single cost, about a third. To receive, and to free the "
                              "answer, each walk through all seats\n"
                              "ever taken.";
// clang-format on
const char *const p6_note = "N processes, all asleep in the kernel; 64 bytes. Against one FUTEX_WAKE of N processes "
                            "that sleep on one word and\n"
                            "read the same bytes. Medians (p50) of each repetition's rounds, and their p99.";
const char *const p6_reason = "a waiter sleeps on several words at once (its answer, the group's bell, its leader's "
                              "life), which costs the kernel\n"
                              "more than one word does, and each waiter then takes its answer by itself.";
const char *const p10_note = "The finds go through all of them in an order without locality.";
const char *const p10_reason = "with a million groups each step to another node or bucket is a cache miss, and "
                               "evicting an idle node for a fresh\n"
                               "name touches both of another group.";
const char *const raw_note = "A cache line to another process and back, both running; a compare-and-swap; the same "
                             "round trip by futex, both asleep.";

std::vector<Figure> figures()
{
	return {
	        {"P1: lead a group and give it up, nobody waits, no bytes", p1_note, p1_reason,
	                {lead_and_leave("the same name", "P1/same/"), lead_and_leave("1024 names in turn", "P1/cycle/"),
	                        lead_and_leave("names never seen before", "P1/fresh/")}},
	        {"P2: the same in two processes, each with groups of its own", p2_note, p2_reason,
	                {two_and_one("the same name", "covey", "P2/same/covey", Bar::Throughput),
	                        two_and_one("1024 names in turn", "covey", "P2/cycle/covey", Bar::Throughput),
	                        two_and_one("names never seen before", "covey", "P2/fresh/covey", Bar::Throughput),
	                        two_and_one("1024 names in turn", "Boost map", "P2/cycle/boost", Bar::Shown),
	                        two_and_one("nothing shared", "machine", "P2/cycle/machine", Bar::Shown)}},
	        {"P4: who leads this group?", p4_note, p4_reason,
	                {against_lfht("present, 1 group led", "P4/present/1/"),
	                        against_lfht("present, 1024 groups led", "P4/present/1024/"),
	                        against_lfht("absent, 1 group led", "P4/absent/1/"),
	                        against_lfht("absent, 1024 groups led", "P4/absent/1024/")}},
	        {"P5: from a request to a worker to its answer", p5_note, p5_reason, trips()},
	        {"P6: from publish until all waiters have the bytes", p6_note, p6_reason,
	                {publish("1"), publish("4"), publish("16"), publish("64"), publish("256")}},
	        {"P10: P1 and P4 with 1,000,000 groups led", p10_note, p10_reason,
	                {against_lfht("lead and give up, the same name", "P10/same/"),
	                        against_lfht("lead and give up, 1024 names in turn", "P10/cycle/"),
	                        against_lfht("lead and give up, names never seen before", "P10/fresh/"),
	                        against_lfht("find, present", "P10/present/"),
	                        against_lfht("find, absent", "P10/absent/")}},
	        {"The machine itself", raw_note, "",
	                {{"cache line", "round trip", "raw/line", {}, "trip_p50"},
	                        {"compare-and-swap", "one", "raw/swap", {}},
	                        {"futex", "round trip", "raw/futex", {}, "trip_p50"}}},
	};
}

/* ------------------------------------------------------------------------------------------------ the page */

std::string format(const char *how, double value)
{
	char text[64];
	snprintf(text, sizeof text, how, value);
	return text;
}

bool is_rate(const std::string &metric)
{
	return metric == "one" || metric == "two";
}

bool is_count(const std::string &metric)
{
	return metric.size() > 5 && metric.compare(metric.size() - 5, 5, "_naps") == 0;
}

std::string amount(double value, const std::string &metric)
{
	if (is_count(metric))
		return format("%.2f", value);
	if (is_rate(metric))
		return format("%.2f M/s", value / 1e6);
	if (value >= 10000)
		return format("%.1f µs", value / 1000);
	return format(value < 10 ? "%.2f ns" : "%.1f ns", value);
}

struct Verdict {
	double ratio = 0;
	std::string ratio_text, bar_text;
	bool met = true;
};

Verdict judge(const Summary &first, const Summary &peer, Bar bar, double limit, const std::string &metric)
{
	Verdict v;
	bool more_is_better = is_rate(metric);
	bool faster = bar == Bar::Faster || bar == Bar::Throughput;
	bool inverse = bar == Bar::Faster || (bar == Bar::Shown && !more_is_better);
	v.ratio = inverse ? peer.median / first.median : first.median / peer.median;
	v.ratio_text = format("%.2f x", v.ratio) + (inverse ? " faster" : more_is_better ? "" : " the time");
	if (bar == Bar::Shown || bar == Bar::Cost)
		return v;
	v.bar_text = (faster ? "≥ " : "≤ ") + format("%.3g", limit);
	v.met = faster ? v.ratio >= limit : v.ratio <= limit;
	if (!v.met && format("%.2f", v.ratio) == format("%.2f", limit))
		v.ratio_text = format("%.4f x", v.ratio) + (inverse ? " faster" : more_is_better ? "" : " the time");
	return v;
}

struct Page {
	const Run &run;
	std::ostringstream body, missed;
	int bars = 0, met = 0;
	bool figure_missed = false;
};

void row(Page &page, const std::string &title, const std::string &label, const Summary &s, const std::string &metric,
        const std::string &verdict)
{
	page.body << "| " << title << " | " << label << " | " << amount(s.median, metric) << " | "
	          << amount(s.least, metric) << " … " << amount(s.most, metric) << " | " << verdict << " |\n";
}

void peer_row(Page &page, const Figure &figure, const Case &c, const Summary &first, const Peer &peer)
{
	const std::string &metric = peer.metric.empty() ? c.metric : peer.metric;
	Summary s = summary(page.run, peer.name, metric);
	auto error = page.run.errors.find(peer.name);
	if (!s.known && peer.bar != Bar::None && error != page.run.errors.end())
		page.body << "|  | " << peer.label << " | absent: " << error->second << " | | | | |\n";
	if (!s.known)
		return;
	if (peer.bar == Bar::None || !first.known) {
		row(page, "", peer.label, s, metric, " | | ");
		return;
	}
	Verdict v = judge(first, s, peer.bar, peer.limit, metric);
	bool bar = peer.bar != Bar::Shown && peer.bar != Bar::Cost;
	row(page, "", peer.label, s, metric,
	        v.ratio_text + " | " + v.bar_text + " | " +
	                (!bar           ? ""
	                        : v.met ? "yes"
	                                : "**no**"));
	page.bars += bar;
	page.met += bar && v.met;
	page.figure_missed |= !v.met;
	if (bar && !v.met)
		page.missed << "- " << figure.title.substr(0, figure.title.find(':')) << ", " << c.title << ": "
		            << v.ratio_text << " against " << peer.label << "; the bar is " << v.bar_text << ".\n";
}

void write_figure(Page &page, const Figure &figure)
{
	page.body << "\n## " << figure.title << "\n\n"
	          << figure.note << "\n\n"
	          << "| case | subject | median | least … most | covey against it | bar | met "
	             "|\n|---|---|---|---|---|---|---|\n";
	page.figure_missed = false;
	for (const Case &c : figure.cases) {
		Summary first = summary(page.run, c.name, c.metric);
		auto error = page.run.errors.find(c.name);
		if (first.known)
			row(page, c.title, c.label, first, c.metric, " | | ");
		else if (error != page.run.errors.end())
			page.body << "| " << c.title << " | " << c.label << " | failed: " << error->second
			          << " | | | | |\n";
		else
			continue;
		for (const Peer &peer : c.peers)
			peer_row(page, figure, c, first, peer);
	}
	if (page.figure_missed)
		page.body << "\nWhere it falls short:\n" << figure.reason << "\n";
}

std::string processor()
{
	std::ifstream in("/proc/cpuinfo");
	for (std::string line; std::getline(in, line);)
		if (line.compare(0, 10, "model name") == 0)
			return line.substr(line.find(": ") + 2);
	return "unknown processor";
}

size_t repetitions(const Run &run)
{
	size_t most = 0;
	for (const auto &[name, metrics] : run.samples)
		most = std::max(most, metrics.begin()->second.size());
	return most;
}

#ifdef __clang__
const char *const compiler = __VERSION__;
#else
const char *const compiler = "GCC " __VERSION__;
#endif

void write_head(std::ostream &out, const Run &run, const std::string &versions)
{
	utsname system;
	uname(&system);
	struct sysinfo memory;
	sysinfo(&memory);
	auto context = [&run](const char *key) {
		auto at = run.context.find(key);
		return at == run.context.end() ? std::string("?") : at->second;
	};
	std::string release = system.release;
	release = release.substr(0, release.find('-'));
	out << "# Benchmarks\n\n"
	    << "Written by `bench/run` from one run of the suite; do not edit. Each ratio is of medians taken in that "
	       "one\n"
	    << "run, on one machine, with the peer beside it.\n\n| | |\n|---|---|\n"
	    << "| machine | " << processor() << ", " << context("num_cpus") << " cpus, "
	    << (memory.totalram * memory.mem_unit + (1 << 29)) / (1 << 30) << " GiB |\n"
	    << "| kernel | " << system.sysname << " " << release << " " << system.machine << " |\n"
	    << "| built with | " << compiler << ", glibc " << gnu_get_libc_version() << " |\n"
	    << "| peers | " << versions << " |\n"
	    << "| run | " << context("date").substr(0, 10) << ", " << repetitions(run)
	    << " repetitions of every benchmark, in random order |\n\n";
}

const char *const method =
        "## Method\n\n"
        "- Every subject gets the same names in the same order, and every answer is checked.\n"
        "- Repetitions of all benchmarks are shuffled among each other, so that a slow minute of the machine falls on "
        "all\n"
        "  alike. The tables give the median of the repetitions, and the least and the most of them.\n"
        "- What runs in one process is pinned to the first core and timed by the calling thread's CPU time; what runs "
        "in\n"
        "  several is forked and set up beforehand, pinned, and timed by one monotonic clock from the first begin to "
        "the\n"
        "  last end.\n"
        "- Peers are tuned as their users would tune them: XXH3 inlined, tables made in their full size, entries "
        "recycled.\n"
        "  What each of them does, and what it is spared, stands at the top of its file in `bench/`.\n"
        "- In P5 the kernel counts how often each side went to sleep; in P6 all waiters are seen asleep in `/proc` "
        "before\n"
        "  each publish.\n";

} // namespace

int main(int argc, char **argv)
{
	std::ifstream in(argc > 1 ? argv[1] : "");
	if (!in) {
		std::cerr << "usage: covey_bench_report bench.json [VERSIONS]\n";
		return 1;
	}
	Run run = read_run(in);
	Page page{run, {}, {}, 0, 0, false};
	for (const Figure &figure : figures())
		write_figure(page, figure);
	write_head(std::cout, run, argc > 2 ? argv[2] : "versions not recorded");
	std::cout << "**" << page.met << " of " << page.bars << " bars met.**";
	if (page.met == page.bars)
		std::cout << "\n\n";
	else
		std::cout << " Not met:\n\n" << page.missed.str() << "\n";
	std::cout << method << page.body.str();
	return 0;
}
