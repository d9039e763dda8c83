/*
 * judge.cc - see judge.h
 *
 * A ratio is of medians over all passes, and is compared with its bar as it is: no rounding in anyone's favour.
 */
#include <algorithm>
#include <cstdio>
#include "judge.h"

namespace bench
{

std::string format(const char *how, double value)
{
	char text[64];
	snprintf(text, sizeof text, how, value);
	return text;
}

namespace
{

std::string time_text(double ns)
{
	if (ns >= 10e6)
		return format("%.1f ms", ns / 1e6);
	if (ns >= 10e3)
		return format("%.1f µs", ns / 1e3);
	return format(ns < 10 ? "%.2f ns" : ns < 1000 ? "%.1f ns" : "%.0f ns", ns);
}

std::string rate_text(double rate)
{
	if (rate >= 1e6)
		return format("%.2f M/s", rate / 1e6);
	if (rate >= 1e4)
		return format("%.1f k/s", rate / 1e3);
	return format("%.0f /s", rate);
}

std::string bytes_text(double bytes)
{
	if (bytes >= 10 << 20)
		return format("%.1f MiB", bytes / (1 << 20));
	if (bytes >= 10 << 10)
		return format("%.1f KiB", bytes / (1 << 10));
	return format("%.4g B", bytes);
}

double ratio_of(const Summary &first, const Summary &peer, bool inverse)
{
	double over = inverse ? peer.median : first.median, under = inverse ? first.median : peer.median;
	return over == under ? 1 : over / under;
}

} // namespace

std::string amount(double value, const std::string &metric)
{
	switch (unit_of(metric)) {
	case Unit::Count:
		return format(value >= 100 ? "%.0f" : "%.2f", value);
	case Unit::Rate:
		return rate_text(value);
	case Unit::Bytes:
		return bytes_text(value);
	case Unit::Instructions:
		return format("%.4g instr.", value);
	case Unit::Milliseconds:
		return time_text(value * 1e6);
	case Unit::Time:
		break;
	}
	return time_text(value);
}

const std::string &metric_of(const Case &c, const Peer &peer)
{
	return peer.metric.empty() ? c.metric : peer.metric;
}

Verdict judge(const Run &run, const Case &c, const Peer &peer)
{
	Verdict v;
	const std::string &metric = metric_of(c, peer);
	Summary first = summary(run, c.name, c.metric), other = summary(run, peer.name, metric);
	if (!first.known || !other.known || peer.bar == Bar::None)
		return v;
	bool more_is_better = unit_of(metric) == Unit::Rate;
	bool at_least = peer.bar == Bar::Faster || peer.bar == Bar::Throughput;
	bool inverse = !more_is_better && (peer.bar == Bar::Faster || peer.bar == Bar::Shown);
	std::string what = inverse ? " faster" : unit_of(metric) == Unit::Time ? " the time" : "";
	v.known = true;
	v.ratio = ratio_of(first, other, inverse);
	v.slower = (inverse || more_is_better) ? v.ratio < 1 : v.ratio > 1;
	for (int pass = 1; summary(run, c.name, c.metric, pass).known; pass++)
		if (Summary s = summary(run, peer.name, metric, pass); s.known)
			v.each.push_back(ratio_of(summary(run, c.name, c.metric, pass), s, inverse));
	v.ratio_text = format("%.2f x", v.ratio) + what;
	if (peer.bar == Bar::Shown || peer.bar == Bar::Cost)
		return v;
	v.bar_text = (at_least ? "≥ " : "≤ ") + format("%.3g", peer.limit);
	v.met = at_least ? v.ratio >= peer.limit : v.ratio <= peer.limit;
	if (!v.met && format("%.2f", v.ratio) == format("%.2f", peer.limit))
		v.ratio_text = format("%.4f x", v.ratio) + what;
	return v;
}

Verdict judge_alone(const Run &run, const Case &c)
{
	Verdict v;
	Summary first = summary(run, c.name, c.metric);
	if (!first.known || c.bar == Bar::None)
		return v;
	bool below = c.bar == Bar::Faster;
	v.known = true;
	v.bar_text = (below ? "< " : "≤ ") + amount(c.limit, c.metric);
	v.met = below ? first.median < c.limit : first.median <= c.limit;
	return v;
}

double disagreement(const Verdict &verdict)
{
	if (verdict.each.size() < 2)
		return 1;
	auto [least, most] = std::minmax_element(verdict.each.begin(), verdict.each.end());
	return *most <= 0 ? 1 : *most / *least;
}

std::set<std::string> unsteady(const Run &run)
{
	std::set<std::string> names;
	for (const Figure &figure : figures())
		for (const Case &c : figure.cases)
			for (const Peer &peer : c.peers)
				if (disagreement(judge(run, c, peer)) > steady)
					names.insert({c.name, peer.name});
	return names;
}

} // namespace bench
