/*
 * samples.cc - reads google-benchmark's JSON, and whatever else is written in its form
 *
 * That form has one "key": value to a line: first those of the "context", then, after the line "benchmarks": [, those of
 * one entry after the other, each ended by a line with a brace.  Only entries with "run_type": "iteration" are taken,
 * so google-benchmark's own means and medians are not mistaken for samples.  Each other key of an entry is a metric.
 */
#include <algorithm>
#include <cstdlib>
#include "samples.h"

namespace bench
{
namespace
{

/* "key": value, of a line of google-benchmark's JSON, which has one to a line. */
bool split(const std::string &line, std::string &key, std::string &value)
{
	size_t from = line.find('"');
	size_t to = line.find("\": ", from + 1);
	if (from == std::string::npos || to == std::string::npos)
		return false;
	key = line.substr(from + 1, to - from - 1);
	value = line.substr(to + 3);
	while (!value.empty() && (value.back() == ',' || value.back() == '\r'))
		value.pop_back();
	if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
		value = value.substr(1, value.size() - 2);
	return true;
}

std::string plain_name(const std::string &name)
{
	return name.substr(0, std::min(name.find("/iterations:"), name.find("/repeats:")));
}

void add_entry(Run &run, std::map<std::string, std::string> &entry)
{
	if (entry["run_type"] == "iteration" && entry.count("name") != 0) {
		std::string name = plain_name(entry["name"]);
		if (entry.count("error_message") != 0)
			run.errors[name] = entry["error_message"];
		else
			for (const auto &[key, value] : entry)
				run.samples[name][key].push_back(atof(value.c_str()));
	}
	entry.clear();
}

} // namespace

void read_json(Run &run, std::istream &in)
{
	std::map<std::string, std::string> entry;
	bool in_context = true;
	for (std::string line, key, value; std::getline(in, line);) {
		if (line.find("\"benchmarks\": [") != std::string::npos) {
			in_context = false;
		} else if (split(line, key, value)) {
			if (in_context)
				run.context.emplace(key, value);
			else
				entry[key] = value;
		} else if (!in_context && line.find('}') != std::string::npos) {
			add_entry(run, entry);
		}
	}
}

Summary summary(const Run &run, const std::string &name, const std::string &metric)
{
	Summary s;
	auto benchmark = run.samples.find(name);
	if (benchmark == run.samples.end() || benchmark->second.count(metric) == 0)
		return s;
	std::vector<double> v = benchmark->second.at(metric);
	std::sort(v.begin(), v.end());
	s.median = v.size() % 2 != 0 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
	s.least = v.front();
	s.most = v.back();
	s.known = true;
	return s;
}

size_t repetitions(const Run &run)
{
	size_t most = 0;
	for (const auto &[name, metrics] : run.samples)
		most = std::max(most, metrics.begin()->second.size());
	return most;
}

} // namespace bench
