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

constexpr int every_pass = 0;

struct Sample {
	double value;
	int pass;
};

struct Run {
	/* by benchmark and metric: one sample a repetition */
	std::map<std::string, std::map<std::string, std::vector<Sample>>> samples;
	std::map<std::string, std::string> errors;
	std::map<std::string, std::string> context;
};

/*
 * Add one file to a run.  The suite is run in passes, one after the other, and "pass" in a file's context says which of
 * them it is a part of, 1 if it does not.  Repetitions of a benchmark that is in several files are all samples of it; of
 * the context, the first file's counts.  Throws std::runtime_error when the file has no benchmarks or no end.
 */
void read_json(Run &run, std::istream &in);

struct Summary {
	double median = 0, least = 0, most = 0;
	bool known = false;
};

Summary summary(const Run &run, const std::string &name, const std::string &metric, int pass = every_pass);

/* Of the benchmark that has the most, in one pass. */
size_t repetitions(const Run &run, int pass);

} // namespace bench
#endif
