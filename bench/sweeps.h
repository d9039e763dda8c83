/*
 * sweeps.h - which points make a table and a plot: data only
 */
#ifndef BENCH_SWEEPS_H
#define BENCH_SWEEPS_H

#include <string>
#include <vector>

namespace bench
{

/* What a curve is of.  Each has one colour in all plots. */
enum class Subject { Covey, Lfht, Futex, Copy, Machine };

struct Curve {
	std::string label;
	Subject subject;
	std::vector<std::string> names; /* of benchmarks, one for each x */
	std::string metric = "cpu_time";
	int against = -1; /* the table shows this one's ratio to that curve */
};

struct Sweep {
	std::string file, title, note;
	std::string x_label, y_label; /* the plot's */
	double y_unit;                /* what the plot's values are divided by */
	std::vector<double> x;
	std::vector<Curve> curves;
	bool log_x = true, log_y = true;
};

/* All, in the order of the page. */
std::vector<Sweep> sweeps();

} // namespace bench
#endif
