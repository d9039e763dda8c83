/*
 * page.cc - see page.h
 *
 * Every number in the page comes from the run, and so do the verdicts and the lists of what was not met, where a peer is
 * ahead, and on what the passes disagree.
 */
#include <algorithm>
#include <fstream>
#include <gnu/libc-version.h>
#include <sstream>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include "figures.h"
#include "judge.h"
#include "model.h"
#include "page.h"
#include "plot.h"
#include "sweeps.h"
#include "table.h"

namespace bench
{
namespace
{

struct Page {
	const Run &run;
	std::ostringstream body = {}, missed = {}, behind = {}, unsure = {};
	int bars = 0, met = 0, ratios = 0, unsteady = 0;
};

/* ------------------------------------------------------------------------------------------------ rows */

/* "p50, p99, p99.9", where the benchmark tells them. */
std::string quantiles(const Run &run, const std::string &name, const std::string &metric)
{
	size_t tail = metric.rfind("_p50");
	std::string who = metric.substr(0, tail), text;
	for (const char *q : {"_p50", "_p99", "_p999"})
		if (Summary s = summary(run, name, who + q); s.known)
			text += (text.empty() ? "" : ", ") + amount(s.median, metric);
	return text;
}

std::vector<std::string> row(const Run &run, const std::string &title, const std::string &label,
        const std::string &name, const std::string &metric)
{
	Summary s = summary(run, name, metric);
	return {title, label, amount(s.median, metric), amount(s.least, metric) + " … " + amount(s.most, metric),
	        quantiles(run, name, metric)};
}

/* How far apart the passes are: of two that agree, by how much; else each. */
std::string agreement(const Verdict &v)
{
	if (v.each.size() < 2)
		return "";
	if (v.each.size() == 2)
		return format("%.1f %%", (disagreement(v) - 1) * 100);
	std::string text;
	for (double ratio : v.each)
		text += (text.empty() ? "" : ", ") + format("%.2f", ratio);
	return text;
}

std::string short_title(const Figure &figure)
{
	return figure.title.substr(0, figure.title.find(':'));
}

/* Counts a verdict, and gives the cells that it fills. */
std::vector<std::string> verdict_cells(Page &page, const Verdict &v)
{
	if (!v.known)
		return {};
	bool bar = !v.bar_text.empty();
	page.bars += bar;
	page.met += bar && v.met;
	return {v.ratio_text, agreement(v), v.bar_text, bar ? v.met ? "yes" : "**no**" : ""};
}

/* What the verdict adds to the lists. */
void list(Page &page, const Figure &figure, const Case &c, const Peer &peer, const Verdict &v)
{
	std::string what = "- " + short_title(figure) + ", " + c.title + ": " + v.ratio_text + " against " + peer.label;
	if (!v.met)
		page.missed << what << "; the bar is " << v.bar_text << ".\n";
	bool a_floor = peer.name == c.name; /* measured in the same rounds */
	bool a_peer = c.label.rfind("covey", 0) == 0 && peer.label.rfind("covey", 0) != 0 && !a_floor;
	if (v.met && v.slower && a_peer)
		page.behind << what << (v.bar_text.empty() ? "" : ", within its bar of " + v.bar_text) << ".\n";
	page.ratios += v.each.size() > 1;
	if (disagreement(v) > steady) {
		page.unsteady++;
		page.unsure << what << "; by pass " << (v.each.size() == 2 ? format("%.2f, ", v.each[0]) : "")
		            << (v.each.size() == 2 ? format("%.2f", v.each[1]) : agreement(v)) << ".\n";
	}
}

void append(std::vector<std::string> &to, const std::vector<std::string> &more)
{
	to.insert(to.end(), more.begin(), more.end());
}

/* True when the first subject's own bar is met, or there is none. */
bool first_row(Page &page, Table &table, const Figure &figure, const Case &c)
{
	Verdict v = judge_alone(page.run, c);
	auto cells = row(page.run, c.title, c.label, c.name, c.metric);
	append(cells, verdict_cells(page, v));
	if (!v.met)
		page.missed << "- " << short_title(figure) << ", " << c.title << ": "
		            << amount(summary(page.run, c.name, c.metric).median, c.metric) << "; the bar is "
		            << v.bar_text << ".\n";
	table.add(cells);
	return v.met;
}

bool peer_row(Page &page, Table &table, const Figure &figure, const Case &c, const Peer &peer)
{
	const std::string &metric = metric_of(c, peer);
	auto error = page.run.errors.find(peer.name);
	if (!summary(page.run, peer.name, metric).known) {
		if (peer.bar != Bar::None && error != page.run.errors.end())
			table.add({"", peer.label, "absent: " + error->second});
		return true;
	}
	Verdict v = judge(page.run, c, peer);
	auto cells = row(page.run, "", peer.label, peer.name, metric);
	append(cells, verdict_cells(page, v));
	table.add(cells);
	if (v.known)
		list(page, figure, c, peer, v);
	return v.met;
}

/* ------------------------------------------------------------------------------------------------ figures */

/* True when all its bars are met. */
bool write_case(Page &page, Table &table, const Figure &figure, const Case &c)
{
	auto error = page.run.errors.find(c.name);
	bool met = true;
	if (summary(page.run, c.name, c.metric).known)
		met = first_row(page, table, figure, c);
	else if (error != page.run.errors.end())
		table.add(
		        {c.title, c.label, (c.label.rfind("covey", 0) == 0 ? "failed: " : "absent: ") + error->second});
	else
		return true;
	for (const Peer &peer : c.peers)
		met &= peer_row(page, table, figure, c, peer);
	return met;
}

void add_columns(Page &page, Table &table, const Figure &figure, const std::string &title, const std::string &label,
        const std::string &name, const Verdict &v)
{
	auto error = page.run.errors.find(name);
	std::vector<std::string> cells = {title, label};
	bool any = false;
	for (const Column &column : figure.columns) {
		Summary s = summary(page.run, name, column.metric);
		any |= s.known;
		cells.push_back(s.known ? amount(s.median, column.metric) : "");
	}
	append(cells, verdict_cells(page, v));
	if (!any && error != page.run.errors.end())
		cells[2] = "absent: " + error->second;
	if (any || error != page.run.errors.end())
		table.add(cells);
}

Table table_with_columns(Page &page, const Figure &figure)
{
	std::vector<std::string> head = {"case", "subject"};
	for (const Column &column : figure.columns)
		head.push_back(column.title);
	append(head, {"covey against it", "passes differ by"});
	Table table(head);
	for (const Case &c : figure.cases) {
		add_columns(page, table, figure, c.title, c.label, c.name, {});
		for (const Peer &peer : c.peers) {
			Verdict v = judge(page.run, c, peer);
			add_columns(page, table, figure, "", peer.label, peer.name, v);
			if (v.known)
				list(page, figure, c, peer, v);
		}
	}
	return table;
}

Table table_with_quantiles(Page &page, const Figure &figure, bool &met)
{
	Table table({"case", "subject", "median", "least … most", "p50, p99, p99.9", "covey against it",
	        "passes differ by", "bar", "met"});
	for (const Case &c : figure.cases)
		met &= write_case(page, table, figure, c);
	return table;
}

void write_figure(Page &page, const Figure &figure)
{
	bool met = true;
	Table table =
	        figure.columns.empty() ? table_with_quantiles(page, figure, met) : table_with_columns(page, figure);
	if (table.empty())
		return;
	page.body << "\n## " << figure.title << "\n\n" << figure.note << "\n\n";
	table.write(page.body);
	if (!met && !figure.reason.empty())
		page.body << "\nWhere it falls short:\n" << figure.reason << "\n";
}

/* ------------------------------------------------------------------------------------------------ sweeps */

std::string cell(const Run &run, const Curve &curve, size_t i)
{
	Summary s = summary(run, curve.names[i], curve.metric);
	if (!s.known)
		return "";
	return amount(s.median, curve.metric) + " (" + amount(s.least, curve.metric) + " … " +
	       amount(s.most, curve.metric) + ")";
}

/* How this curve stands to the one that it is compared with, here; not judged. */
Verdict compare(const Run &run, const Sweep &sweep, const Curve &curve, size_t i)
{
	const Curve &other = sweep.curves[static_cast<size_t>(curve.against)];
	return judge(run, {"", "", curve.names[i], {}, curve.metric}, {"", other.names[i], Bar::Cost, 0, other.metric});
}

std::vector<std::string> sweep_head(const Sweep &sweep)
{
	std::vector<std::string> head = {sweep.x_label};
	for (const Curve &curve : sweep.curves) {
		head.push_back(curve.label);
		if (curve.against >= 0)
			append(head, {"against " + sweep.curves[static_cast<size_t>(curve.against)].label,
			                     "passes differ by"});
	}
	return head;
}

void write_sweep(Page &page, const Sweep &sweep, const std::string &plots)
{
	Table table(sweep_head(sweep));
	for (size_t i = 0; i < sweep.x.size(); i++) {
		std::vector<std::string> cells = {format("%.0f", sweep.x[i])};
		bool any = false;
		for (const Curve &curve : sweep.curves) {
			cells.push_back(cell(page.run, curve, i));
			any |= !cells.back().empty();
			if (curve.against < 0)
				continue;
			Verdict v = compare(page.run, sweep, curve, i);
			append(cells, {v.ratio_text, agreement(v)});
			if (v.slower && sweep.curves[static_cast<size_t>(curve.against)].subject == Subject::Lfht)
				page.behind << "- Sweep, " << sweep.x_label << " " << format("%.0f", sweep.x[i]) << ", "
				            << curve.label << ": " << v.ratio_text << " against "
				            << sweep.curves[static_cast<size_t>(curve.against)].label << ".\n";
		}
		if (any)
			table.add(cells);
	}
	if (table.empty())
		return;
	page.body << "\n### " << sweep.title << "\n\n" << sweep.note << "\n\n";
	if (has_plot(page.run, sweep) && !plots.empty())
		page.body << "![" << sweep.title << "](" << plots << "/" << sweep.file << ".svg)\n\n";
	table.write(page.body);
}

void write_sweeps(Page &page, const std::string &plots)
{
	std::string before = page.body.str();
	page.body << "\n## Sweeps\n\nMedians of the repetitions, the least and the most of them in brackets, as bars "
	             "in the plots."
	          << (plots.empty() ? " The plots are left out: there was no gnuplot.\n" : "\n");
	std::string head = page.body.str();
	for (const Sweep &sweep : sweeps())
		write_sweep(page, sweep, plots);
	if (page.body.str() != head)
		return;
	page.body.str(before);
	page.body.seekp(0, std::ios::end);
}

/* ------------------------------------------------------------------------------------------------ the head */

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

std::string passes(const Run &run)
{
	std::string text = std::to_string(repetitions(run, 1));
	if (size_t second = repetitions(run, 2); second != 0)
		text += " and, in a second pass, " + std::to_string(second);
	text += " repetitions of every benchmark, in random order";
	if (size_t third = repetitions(run, 3); third != 0)
		text += "; " + std::to_string(third) + " more where the two passes disagreed";
	return text;
}

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
	    << "| run | " << context("date").substr(0, 10) << ", " << passes(run) << " |\n\n";
}

void write_lists(std::ostream &out, const Page &page)
{
	out << "**" << page.met << " of " << page.bars << " bars met.**\n\n";
	if (page.met != page.bars || !page.behind.str().empty())
		out << "## Where covey loses\n\nWhy stands below the table of the figure.\n\n";
	if (page.met != page.bars)
		out << "Bars that are not met:\n\n" << page.missed.str() << "\n";
	if (!page.behind.str().empty())
		out << "A peer is ahead, though no bar says that it must not be:\n\n" << page.behind.str() << "\n";
	if (page.ratios == 0)
		return;
	out << "## Noise\n\n"
	    << page.ratios - page.unsteady << " of " << page.ratios
	    << " ratios differ by at most a tenth between the passes."
	    << (page.unsteady == 0 ? "\n\n" : " The others:\n\n" + page.unsure.str() + "\n");
}

} // namespace

void write_page(std::ostream &out, const Run &run, const std::string &versions, const std::string &plots)
{
	Page page{run};
	for (const Figure &figure : figures())
		write_figure(page, figure);
	write_sweeps(page, plots);
	write_model(page.body, run);
	write_head(out, run, versions);
	write_lists(out, page);
	out << "## Method\n\n" << method << page.body.str();
}

} // namespace bench
