/*
 * plot.h - a sweep as a gnuplot script with its data in it
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <ostream>
#include "samples.h"
#include "sweeps.h"

namespace bench
{

/* Two points of one curve, at least: less is no plot. */
bool has_plot(const Run &run, const Sweep &sweep);
void write_plot(std::ostream &out, const Run &run, const Sweep &sweep);

} // namespace bench
#endif
