/*
 * figures.h - what the page shows: figures of cases, and of each case the first subject and its peers
 *
 * To add a table: write it as a Figure in figures.cc, and name it in figures() there.  A row whose benchmark is not in
 * the run is left out, and so is a figure without rows.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <string>
#include <vector>

namespace bench
{

enum class Bar {
	None,       /* shown by itself */
	Shown,      /* shown with its ratio; no bar */
	Cost,       /* the same, as a multiple of this one's time */
	AtMost,     /* the first subject takes at most so many times as long as this one */
	Faster,     /* it is at least so many times as fast; of a rate, it does at least so many times as much */
	Throughput, /* it does at least so many times as much in the same time */
};

enum class Unit {
	Time, /* nanoseconds */
	Milliseconds,
	Rate, /* in one second; more is better */
	Count,
	Bytes,
	Instructions,
};

/*
 * The unit of a metric, told by the last word of its name: one, two and rate are rates; naps, computed, calls,
 * allocations, misses, copies and count are counts; bytes, instructions and ms are what they say; all others are
 * nanoseconds.
 */
Unit unit_of(const std::string &metric);

struct Peer {
	std::string label, name;
	Bar bar = Bar::None;
	double limit = 0;
	std::string metric = ""; /* when not the case's */
};

/*
 * Of a metric X or X_p50 that comes with X_p99 and X_p999, the page shows these too.  A case may have a bar of its own,
 * which is no ratio but an amount in the metric's unit: AtMost, or Faster, which it must stay below.
 */
struct Case {
	std::string title, label, name; /* the first subject */
	std::vector<Peer> peers;
	std::string metric = "cpu_time";
	Bar bar = Bar::None;
	double limit = 0;
};

struct Column {
	std::string title, metric;
};

struct Figure {
	std::string title, note;
	std::string reason; /* where time goes; printed only when a bar is not met */
	std::vector<Case> cases;
	std::vector<Column> columns =
	        {}; /* if any: a row has the medians of these, and the verdict on the case's metric */
};

/* All, in the order of the page. */
std::vector<Figure> figures();

/* How all of it was measured, as it stands in the page. */
extern const char *const method;

} // namespace bench
#endif
