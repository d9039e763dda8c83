/*
 * judge.h - how the first subject of a case stands to a peer: the ratio, whether it meets its bar, and whether the passes
 * of the suite agree on it
 */
#ifndef BENCH_JUDGE_H
#define BENCH_JUDGE_H

#include <set>
#include <string>
#include <vector>
#include "figures.h"
#include "samples.h"

namespace bench
{

/* An amount of this metric, with its unit. */
std::string amount(double value, const std::string &metric);

/* printf of one value. */
std::string format(const char *how, double value);

struct Verdict {
	bool known = false;       /* both were measured */
	double ratio = 0;         /* of the medians of all passes */
	std::string ratio_text;   /* "1.03 x the time" */
	std::vector<double> each; /* the ratio in each pass that measured both */
	std::string bar_text;     /* empty where there is no bar */
	bool met = true;
	bool slower = false; /* the peer does better */
};

Verdict judge(const Run &run, const Case &c, const Peer &peer);
Verdict judge_alone(const Run &run, const Case &c); /* the case's own bar */

const std::string &metric_of(const Case &c, const Peer &peer);

/* The passes' ratios differ by more than a tenth. */
constexpr double steady = 1.1;
double disagreement(const Verdict &verdict); /* the largest by the least; 1 when there is one or none */

/* The benchmarks of ratios on which the first two passes differ by more than that. */
std::set<std::string> unsteady(const Run &run);

} // namespace bench
#endif
