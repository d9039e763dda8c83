/*
 * p5.h - what the two files of P5 have in common: questions, answers, and how their processes attach
 *
 * covey spins before it sleeps if it has a second processor, and asks how many it may run on when it first waits.  Where
 * both sides are to run, that first wait comes before the process is pinned to its core.
 */
#ifndef BENCH_P5_H
#define BENCH_P5_H

#include <cstring>
#include <numeric>
#include "covey_table.h"
#include "subjects.h"
#include "trips.h"

namespace bench
{

struct Question {
	uint64_t number, mark;
};

/* Does the answer belong to the question?  Reads all of it. */
inline bool answers(const void *bytes, size_t size, const Question &question)
{
	Question first{};
	if (size < sizeof first)
		return false;
	memcpy(&first, bytes, sizeof first);
	const auto *words = static_cast<const uint64_t *>(bytes);
	benchmark::DoNotOptimize(std::accumulate(words, words + size / 8, uint64_t{0}));
	return first.number == question.number && first.mark == question.mark;
}

inline covey *attach(const std::string &file)
{
	return (new CoveyTable(file, capacity))->region(); /* lives as long as the process */
}

/* A first wait, in vain. */
inline void wait_once(covey *region, const Name &mine)
{
	covey_lead lead;
	covey_request request;
	if (covey_find_or_register(region, mine.data(), mine.size(), &lead) != COVEY_LEADER ||
	        covey_receive(region, &lead, covey_in_ms(1), &request) != COVEY_ETIMEDOUT ||
	        covey_unregister(region, &lead) != 0)
		throw std::runtime_error("waiting in vain went wrong");
}

inline covey *attach_for(const std::string &file, const Plan &plan, uint64_t side)
{
	covey *region = attach(file);
	if (!plan.one_core)
		on_any_core([&] { wait_once(region, name_of(once + side)); });
	return region;
}

} // namespace bench
#endif
