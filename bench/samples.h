/*
 * samples.h - what the suite measured, read back from its JSON
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <cstddef>
#include <istream>
#include <map>
#include <string>
#include <vector>

namespace bench
{

struct Run {
	/* by benchmark and metric: one sample a repetition */
	std::map<std::string, std::map<std::string, std::vector<double>>> samples;
	std::map<std::string, std::string> errors;
	std::map<std::string, std::string> context;
};

/* Add one file to a run.  Repetitions of a benchmark that is in several files are all samples of it; of the context,
 * the first file's counts. */
void read_json(Run &run, std::istream &in);

struct Summary {
	double median = 0, least = 0, most = 0;
	bool known = false;
};

Summary summary(const Run &run, const std::string &name, const std::string &metric);

/* Of the benchmark that has the most. */
size_t repetitions(const Run &run);

} // namespace bench
#endif
