/*
 * sweep_joins.cc - of a process's requests so many per cent find a leader already there
 *
 * One process asks, with a core of its own; the other leads where a leader is to be found.  A computation takes 1 µs of
 * the leader's core, whoever leads.  A request that finds nobody leads, computes and publishes; one that finds a leader joins
 * it: the other process has begun to lead that group just before, and publishes when its microsecond is over.  Both run
 * all the time.  Timed is each request, from asking to having the checked answer; the time in which the asking process
 * waits for the other to lead is in none of them.  The rate is of requests in the time that they took.
 *
 * A request that was to join but came when the leader had already gone leads by itself; how many really joined is counted.
 */
#include "p5.h"
#include "region_name.h"
#include "sweep.h"

namespace bench
{
namespace
{

constexpr int64_t computation = 1000; /* nanoseconds */
constexpr int requests = 1000;        /* a round */

struct Turn {
	alignas(64) Word wanted; /* the asking process wants this many-th leader */
	alignas(64) Word led;    /* ... which leads now */
	alignas(64) int joined;
	int64_t time[requests];
	bool join[requests];
};

Question compute(uint64_t number)
{
	int64_t begin = now();
	while (now() - begin < computation)
		;
	return {number, 0x5bd1e995};
}

bool publish(covey *region, const covey_lead &lead, uint64_t number)
{
	Question answer = compute(number);
	covey_reply reply{};
	reply.data = &answer;
	reply.size = sizeof answer;
	return covey_unregister_notify(region, &lead, nullptr, 0, &reply) >= 0;
}

/* The n-th of all requests joins, so that of any number of them so many per cent do. */
bool joins(int request, int percent)
{
	return request * percent / 100 != (request + 1) * percent / 100;
}

/* Leads each time that it is wanted, until the round's last. */
bool lead_when_wanted(covey *region, Turn &turn, int percent)
{
	static uint32_t seen = 0;
	for (int i = 0; i < requests; i++) {
		if (!joins(i, percent))
			continue;
		while (turn.wanted.load(std::memory_order_acquire) == seen)
			;
		seen++;
		covey_lead lead;
		const Name name = name_of(cycled + seen % 64);
		if (covey_find_or_register(region, name.data(), name.size(), &lead) != COVEY_LEADER)
			return false;
		turn.led.store(seen, std::memory_order_release);
		if (!publish(region, lead, seen))
			return false;
	}
	return true;
}

/* Gives whether it joined; throws when the answer is wrong. */
bool ask(covey *region, const Name &name, uint64_t number)
{
	covey_lead lead;
	covey_result result;
	int role = covey_find_or_register(region, name.data(), name.size(), &lead);
	if (role == COVEY_LEADER && publish(region, lead, number))
		return false;
	int outcome = role == COVEY_WAIT ? covey_await(region, &lead, nullptr, 0, COVEY_FOREVER, 0, &result) : role;
	if (role == COVEY_WAIT && outcome == COVEY_GAVE_UP) { /* came too late */
		covey_release(region, &result);
		return ask(region, name, number);
	}
	bool ok = outcome == COVEY_OK && answers(result.data, result.size, {number, 0x5bd1e995});
	if (role == COVEY_WAIT)
		covey_release(region, &result);
	if (!ok)
		throw std::runtime_error("a request got no answer, or another's");
	return true;
}

bool ask_all(covey *region, Turn &turn, int percent)
{
	static uint32_t wanted = 0;
	for (int i = 0; i < requests; i++) {
		turn.join[i] = joins(i, percent);
		if (turn.join[i]) {
			turn.wanted.store(++wanted, std::memory_order_release);
			while (turn.led.load(std::memory_order_acquire) != wanted)
				;
		}
		const Name name = name_of(turn.join[i] ? cycled + wanted % 64 : cycled + 1000);
		int64_t begin = now();
		turn.join[i] = ask(region, name, wanted);
		turn.time[i] = now() - begin;
		turn.joined += turn.join[i];
	}
	return true;
}

void rounds(benchmark::State &state, int percent, const std::string &file)
{
	CoveyTable first(file, capacity);
	Shared<Turn> turn;
	Samples waits, all;
	Crew crew(2, Crew::Together, [&](int index) {
		covey *region = attach_for(file, Plan{}, static_cast<uint64_t>(index));
		return [&turn, region, percent, index] {
			return (index == 0 ? lead_when_wanted : ask_all)(region, *turn, percent);
		};
	});
	int64_t joined = 0;
	for (auto _ : state) {
		turn->joined = 0;
		crew.round();
		int64_t sum = 0;
		for (int i = 0; i < requests; i++) {
			sum += turn->time[i];
			if (turn->join[i])
				waits.add(turn->time[i]);
		}
		all.add(sum / requests);
		joined += turn->joined;
		state.SetIterationTime(static_cast<double>(sum) * 1e-9);
	}
	state.counters["rate"] = 1e9 / all.quantile(0.5);
	state.counters["joined_percent"] =
	        100 * static_cast<double>(joined) / static_cast<double>(state.iterations()) / requests;
	if (percent != 0)
		waits.report(state, "wait");
}

void time_joins(benchmark::State &state, int percent)
{
	std::string file = region_name("joins");
	try {
		rounds(state, percent, file);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	covey_unlink(file.c_str());
}

} // namespace

void register_sweep_joins()
{
	for (int percent : {0, 10, 25, 50, 75, 90, 100})
		register_rounds("joins/" + std::to_string(percent), 10, time_joins, percent);
}

} // namespace bench
