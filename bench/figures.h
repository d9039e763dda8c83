/*
 * figures.h - what the page shows: figures of cases, and of each case the first subject and its peers
 *
 * To add a table: write it as a Figure in figures.cc, and name it in figures() there.  A row whose benchmark is not in
 * the run is left out.
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
	Faster,     /* it is at least so many times as fast */
	Throughput, /* it does at least so many times as much in the same time */
};

enum class Unit {
	Time, /* nanoseconds */
	Rate, /* in one second; more is better */
	Count,
};

/* The unit of a metric, told by the last word of its name: one and two are rates, naps are counts, others are times. */
Unit unit_of(const std::string &metric);

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
	std::string reason; /* where time goes; printed only when a bar is not met */
	std::vector<Case> cases;
};

/* All, in the order of the page. */
std::vector<Figure> figures();

/* How all of it was measured, as it stands in the page. */
extern const char *const method;

} // namespace bench
#endif
