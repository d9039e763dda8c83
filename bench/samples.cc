/*
 * samples.cc - reads google-benchmark's JSON, and whatever else is written in its form
 *
 * That form has one "key": value to a line: first those of the "context", then, after the line "benchmarks": [, those of
 * one entry after the other, each ended by a line with a brace; at last the line with the closing bracket.  A file that
 * was cut off lacks the bracket.  Only entries with "run_type": "iteration" are taken, so google-benchmark's own means
 * and medians are not mistaken for samples.  Each other key of an entry is a metric.
 */
#include <algorithm>
#include <cstdlib>
#include <stdexcept>
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

/* Without what google-benchmark adds to a name about how it was run. */
std::string plain_name(const std::string &name)
{
	size_t end = name.size();
	for (const char *added : {"/min_time:", "/iterations:", "/repeats:", "/manual_time", "/real_time"})
		end = std::min(end, name.find(added));
	return name.substr(0, end);
}

class Reader
{
	Run &run_;
	std::map<std::string, std::string> entry_;
	int pass_ = 1;
	size_t entries_ = 0;
	enum { Context, Entries, Ended } at_ = Context;

	void add_entry()
	{
		if (entry_["run_type"] == "iteration" && entry_.count("name") != 0) {
			entries_++;
			std::string name = plain_name(entry_["name"]);
			if (entry_.count("error_message") != 0)
				run_.errors[name] = entry_["error_message"];
			else
				for (const auto &[key, value] : entry_)
					run_.samples[name][key].push_back({atof(value.c_str()), pass_});
		}
		entry_.clear();
	}
	void add(const std::string &key, const std::string &value)
	{
		if (at_ == Entries)
			entry_[key] = value;
		else if (at_ == Context)
			run_.context.emplace(key, value);
		if (at_ == Context && key == "pass")
			pass_ = atoi(value.c_str());
	}

      public:
	explicit Reader(Run &run) : run_(run)
	{
	}
	void line(const std::string &line)
	{
		std::string key, value;
		if (at_ == Context && line.find("\"benchmarks\": [") != std::string::npos)
			at_ = Entries;
		else if (split(line, key, value))
			add(key, value);
		else if (at_ == Entries && line.find('}') != std::string::npos)
			add_entry();
		else if (at_ == Entries && line.find(']') != std::string::npos && entry_.empty())
			at_ = Ended;
	}
	void end() const
	{
		if (at_ == Context)
			throw std::runtime_error("is no list of benchmarks");
		if (at_ == Entries)
			throw std::runtime_error("was cut off");
		if (entries_ == 0)
			throw std::runtime_error("has no benchmark in it");
	}
};

} // namespace

void read_json(Run &run, std::istream &in)
{
	Reader reader(run);
	for (std::string line; std::getline(in, line);)
		reader.line(line);
	reader.end();
}

Summary summary(const Run &run, const std::string &name, const std::string &metric, int pass)
{
	Summary s;
	auto benchmark = run.samples.find(name);
	if (benchmark == run.samples.end() || benchmark->second.count(metric) == 0)
		return s;
	std::vector<double> v;
	for (const Sample &sample : benchmark->second.at(metric))
		if (pass == every_pass || sample.pass == pass)
			v.push_back(sample.value);
	if (v.empty())
		return s;
	std::sort(v.begin(), v.end());
	s.median = v.size() % 2 != 0 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
	s.least = v.front();
	s.most = v.back();
	s.known = true;
	return s;
}

size_t repetitions(const Run &run, int pass)
{
	size_t most = 0;
	for (const auto &[name, metrics] : run.samples) {
		const auto &samples = metrics.begin()->second;
		auto count = std::count_if(
		        samples.begin(), samples.end(), [pass](const Sample &s) { return s.pass == pass; });
		most = std::max(most, static_cast<size_t>(count));
	}
	return most;
}

} // namespace bench
