/*
 * report.cc - writes BENCHMARKS.md from the JSON of one run of the suite
 *
 * usage: covey_bench_report VERSIONS FILE.json...
 *
 * The files are parts of one run (samples.h); VERSIONS is the page's text about the peers.  Every number in the page
 * comes from the files, and so do the verdicts: a bar is met when the ratio of the medians meets it, without rounding
 * in anyone's favour.  The list of what was not met is made by the same comparison.
 */
#include <cstdio>
#include <fstream>
#include <gnu/libc-version.h>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include "figures.h"
#include "samples.h"

namespace bench
{
namespace
{

std::string format(const char *how, double value)
{
	char text[64];
	snprintf(text, sizeof text, how, value);
	return text;
}

std::string amount(double value, const std::string &metric)
{
	switch (unit_of(metric)) {
	case Unit::Count:
		return format("%.2f", value);
	case Unit::Rate:
		return format("%.2f M/s", value / 1e6);
	case Unit::Time:
		break;
	}
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
	bool more_is_better = unit_of(metric) == Unit::Rate;
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

void write_page(std::ostream &out, const Run &run, const std::string &versions)
{
	Page page{run, {}, {}, 0, 0, false};
	for (const Figure &figure : figures())
		write_figure(page, figure);
	write_head(out, run, versions);
	out << "**" << page.met << " of " << page.bars << " bars met.**";
	if (page.met == page.bars)
		out << "\n\n";
	else
		out << " Not met:\n\n" << page.missed.str() << "\n";
	out << "## Method\n\n" << method << page.body.str();
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	if (argc < 3) {
		std::cerr << "usage: covey_bench_report VERSIONS FILE.json...\n";
		return 2;
	}
	bench::Run run;
	for (int i = 2; i < argc; i++) {
		std::ifstream in(argv[i]);
		if (!in) {
			std::cerr << "covey_bench_report: cannot read " << argv[i] << "\n";
			return 1;
		}
		bench::read_json(run, in);
	}
	bench::write_page(std::cout, run, argv[1]);
	return 0;
}
