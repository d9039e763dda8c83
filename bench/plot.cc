/*
 * plot.cc - see plot.h
 *
 * The colours are Okabe and Ito's, which people with any kind of colour vision tell apart.  A subject has one colour in all
 * plots; its curves differ by dash and mark.  Bars show the least and the most of the repetitions.  The legend stands beneath
 * the plot, where it covers nothing.
 */
#include <algorithm>
#include <cmath>
#include "plot.h"

namespace bench
{
namespace
{

const char *colour(Subject subject)
{
	switch (subject) {
	case Subject::Covey:
		return "#0072B2";
	case Subject::Lfht:
		return "#E69F00";
	case Subject::Futex:
		return "#D55E00";
	case Subject::Copy:
		return "#009E73";
	case Subject::Machine:
		break;
	}
	return "#777777";
}

bool known(const Run &run, const Curve &curve, size_t i)
{
	Summary s = summary(run, curve.names[i], curve.metric);
	return s.known && s.median > 0;
}

std::vector<Curve> curves_with_points(const Run &run, const Sweep &sweep)
{
	std::vector<Curve> curves;
	for (const Curve &curve : sweep.curves)
		for (size_t i = 0; i < sweep.x.size(); i++)
			if (known(run, curve, i)) {
				curves.push_back(curve);
				break;
			}
	return curves;
}

/* On a logarithmic axis 0 stands a bit left of the least x. */
double place(const Sweep &sweep, double x)
{
	return x > 0 || !sweep.log_x ? x : sweep.x[1] / 4;
}

void write_data(std::ostream &out, const Run &run, const Sweep &sweep, const Curve &curve, size_t number)
{
	out << "$curve" << number << " << END\n";
	for (size_t i = 0; i < sweep.x.size(); i++) {
		Summary s = summary(run, curve.names[i], curve.metric);
		if (known(run, curve, i))
			out << place(sweep, sweep.x[i]) << " " << s.median / sweep.y_unit << " "
			    << s.least / sweep.y_unit << " " << s.most / sweep.y_unit << "\n";
	}
	out << "END\n";
}

std::string short_number(double x)
{
	auto whole = [](double v, const char *unit) { return std::to_string(static_cast<long>(v)) + unit; };
	if (x >= 1 << 20 && std::fmod(x, 1 << 20) == 0)
		return whole(x / (1 << 20), " Mi");
	if (x >= 1 << 10 && std::fmod(x, 1 << 10) == 0)
		return whole(x / (1 << 10), " Ki");
	return x >= 1e6 ? whole(x / 1e6, " M") : whole(x, "");
}

/* A mark where a point is, but not closer than a factor of 1.9 where the axis is logarithmic. */
void write_x_axis(std::ostream &out, const Sweep &sweep, double most)
{
	double last = 0;
	std::string separator;
	out << "set xtics nomirror (";
	for (double x : sweep.x) {
		if (x > most || (sweep.log_x && last > 0 && place(sweep, x) < last * 1.9))
			continue;
		out << separator << "'" << short_number(x) << "' " << place(sweep, x);
		separator = ", ";
		last = place(sweep, x);
	}
	out << ")\n";
	double first = place(sweep, sweep.x[0]);
	if (sweep.log_x)
		out << "set logscale x\nset xrange [" << first / 1.3 << ":" << most * 1.3 << "]\n";
	else
		out << "set xrange [" << first - (most - first) / 20 << ":" << most + (most - first) / 20 << "]\n";
}

double last_x(const Run &run, const Sweep &sweep)
{
	double most = 0;
	for (const Curve &curve : sweep.curves)
		for (size_t i = 0; i < sweep.x.size(); i++)
			if (known(run, curve, i))
				most = std::max(most, sweep.x[i]);
	return most;
}

} // namespace

bool has_plot(const Run &run, const Sweep &sweep)
{
	for (const Curve &curve : sweep.curves) {
		int points = 0;
		for (size_t i = 0; i < sweep.x.size(); i++)
			points += known(run, curve, i);
		if (points > 1)
			return true;
	}
	return false;
}

void write_plot(std::ostream &out, const Run &run, const Sweep &sweep)
{
	std::vector<Curve> curves = curves_with_points(run, sweep);
	for (size_t i = 0; i < curves.size(); i++)
		write_data(out, run, sweep, curves[i], i);
	double margin = 0.17 + 0.045 * static_cast<double>((curves.size() + 1) / 2);
	out << "set terminal svg noenhanced size 760,480 dynamic font 'sans-serif,13' background '#ffffff'\n"
	    << "set title '" << sweep.title << "'\nset xlabel '" << sweep.x_label << "'\nset ylabel '" << sweep.y_label
	    << "'\n"
	    << "set bmargin at screen " << margin << "\n"
	    << "set key at screen 0.5, screen 0.015 center bottom vertical maxrows " << (curves.size() + 1) / 2
	    << " Left reverse samplen 4\n"
	    << "set border 3\nset ytics nomirror\nset grid lc rgb '#dddddd' lt 1\n"
	    << "set format y '%g'\n";
	write_x_axis(out, sweep, last_x(run, sweep));
	out << (sweep.log_y ? "set logscale y\n" : "set yrange [0:*]\n") << "plot ";
	for (size_t i = 0; i < curves.size(); i++)
		out << (i == 0 ? "" : ", \\\n     ") << "$curve" << i
		    << " using 1:3:(0):($4-$3) with vectors nohead lw 1 lc rgb '" << colour(curves[i].subject)
		    << "' notitle";
	int of_subject[5] = {};
	for (size_t i = 0; i < curves.size(); i++) {
		int style = of_subject[static_cast<int>(curves[i].subject)]++;
		out << ", \\\n     $curve" << i << " using 1:2 with linespoints pt " << 2 * (style % 5) + 5
		    << " ps 0.7 lw 1.6 dt " << style + 1 << " lc rgb '" << colour(curves[i].subject) << "' title '"
		    << curves[i].label << "'";
	}
	out << "\n";
}

} // namespace bench
