/*
 * report.cc - what is to be said of one run of the suite, from its JSON
 *
 * usage: covey_bench_report page VERSIONS PLOTS FILE.json...  BENCHMARKS.md; VERSIONS is its text about the peers, PLOTS where
 *                                                             the plots are, or empty when there are none
 *        covey_bench_report unsteady FILE.json...             a --benchmark_filter of what is to be measured once more
 *        covey_bench_report plots FILE.json...                the names of the plots
 *        covey_bench_report plot NAME FILE.json...            one of them, for gnuplot
 *
 * The files are parts of one run (samples.h).  One that cannot be read, or was cut off, is an error: a page with holes
 * looks like one without.
 */
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include "judge.h"
#include "page.h"
#include "plot.h"
#include "samples.h"

namespace bench
{
namespace
{

Run read(char **files)
{
	Run run;
	for (; *files != nullptr; files++) {
		std::ifstream in(*files);
		if (!in)
			throw std::runtime_error(std::string(*files) + " cannot be read");
		try {
			read_json(run, in);
		} catch (const std::exception &e) {
			throw std::runtime_error(std::string(*files) + " " + e.what());
		}
	}
	return run;
}

/* Nothing when nothing is unsteady. */
void write_filter(const std::set<std::string> &names)
{
	std::string separator = "^(";
	for (const std::string &name : names) {
		std::cout << separator << name;
		separator = "|";
	}
	if (!names.empty())
		std::cout << ")(/|$)\n";
}

void list_plots(const Run &run)
{
	for (const Sweep &sweep : sweeps())
		if (has_plot(run, sweep))
			std::cout << sweep.file << "\n";
}

void plot(const std::string &name, const Run &run)
{
	for (const Sweep &sweep : sweeps())
		if (sweep.file == name && has_plot(run, sweep))
			return write_plot(std::cout, run, sweep);
	throw std::runtime_error("no plot " + name + " in this run");
}

bool report(int argc, char **argv)
{
	std::string what = argc < 2 ? "" : argv[1];
	if (what == "page" && argc > 4)
		write_page(std::cout, read(argv + 4), argv[2], argv[3]);
	else if (what == "unsteady" && argc > 2)
		write_filter(unsteady(read(argv + 2)));
	else if (what == "plots" && argc > 2)
		list_plots(read(argv + 2));
	else if (what == "plot" && argc > 3)
		plot(argv[2], read(argv + 3));
	else
		return false;
	return true;
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	try {
		if (!bench::report(argc, argv)) {
			std::cerr << "usage: covey_bench_report {page VERSIONS PLOTS | unsteady | plots | plot NAME} "
			             "FILE.json...\n";
			return 2;
		}
	} catch (const std::exception &e) {
		std::cerr << "covey_bench_report: " << e.what() << "\n";
		return 1;
	}
	return std::cout.flush() ? 0 : 1;
}
