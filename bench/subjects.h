/*
 * subjects.h - the loops that time a table of groups, the same for covey and for each peer
 *
 * A subject is a class with
 *      bool lead_and_leave(const Name &)   register the name, refusing a second holder, then take it out again
 *      bool find(const Name &)             is it held, and by whom
 *      bool hold(const Name &)             register it and leave it there
 * Each peer's file instantiates these loops next to its class, so that no call but the library's own lies between.
 */
#ifndef BENCH_SUBJECTS_H
#define BENCH_SUBJECTS_H

#include <benchmark/benchmark.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include "names.h"
#include "path.h"

namespace bench
{

constexpr size_t capacity = 16384;         /* groups that each table is made for ... */
constexpr size_t large_capacity = 1 << 20; /* ... and that with a million in it */
constexpr size_t large = 1000000;

void register_p1();
void register_p2();
void register_p3();
void register_p4();
void register_p5();
void register_p5_host();
void register_p6();
void register_p7();
void register_p8();
void register_p9();
void register_visits();
void register_raw();
void register_ck_ht();
void register_lfht();
void register_boost();
void register_flock();
void register_redis();
void register_apcu();
void register_go();
void register_erlang();
void register_stampede();

/* The subject with so many names held.  Made once a run: a million registrations are not repeated for each sample. */
template <class Subject> Subject &subject(size_t names_held)
{
	static std::map<size_t, std::unique_ptr<Subject>> made;
	auto &slot = made[names_held];
	if (slot)
		return *slot;
	slot = std::make_unique<Subject>(names_held > capacity ? large_capacity : capacity);
	for (size_t i = 0; i < names_held; i++)
		if (!slot->hold(name_of(held + i)))
			throw std::runtime_error("a table refused a name that it does not hold");
	return *slot;
}

/* The subject, or null when it could not be made; the benchmark then says why. */
template <class Subject> Subject *subject_for(benchmark::State &state, size_t names_held)
{
	try {
		return &subject<Subject>(names_held);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
		return nullptr;
	}
}

/* One name in, and out again; so many of them before that are not timed. */
template <class Names, class Subject> void lead_and_leave(benchmark::State &state, Subject &subject, size_t warming)
{
	Names names;
	bool ok = true;
	for (size_t i = 0; i < warming; i++)
		ok &= subject.lead_and_leave(names.next());
	for (auto _ : state)
		ok &= subject.lead_and_leave(names.next());
	if (!ok)
		state.SkipWithError("a name was refused");
}

/* P1 and P10: with so many others held.  Warmed by twice the table's capacity. */
template <class Subject, class Names> void time_lead_and_leave(benchmark::State &state, size_t names_held)
{
	Subject *table = subject_for<Subject>(state, names_held);
	if (table != nullptr)
		lead_and_leave<Names>(state, *table, 2 * capacity);
}

/* P4 and P10: find names that are all held, or none of them, with so many held. */
template <class Subject> void time_find(benchmark::State &state, size_t names_held, bool present)
{
	Subject *table = subject_for<Subject>(state, names_held);
	if (table == nullptr)
		return;
	Scattered order(names_held);
	uint64_t first = present ? held : absent;
	size_t wrong = 0;
	for (auto _ : state)
		wrong += table->find(name_of(first + order.next())) != present;
	if (wrong)
		state.SkipWithError("a name was found that is not held, or the reverse");
}

template <class Subject> void register_lead_and_leave(const std::string &who)
{
	benchmark::RegisterBenchmark(("P1/same/" + who).c_str(), time_lead_and_leave<Subject, SameName>, 0);
	benchmark::RegisterBenchmark(("P1/cycle/" + who).c_str(), time_lead_and_leave<Subject, CycledNames>, 0);
	benchmark::RegisterBenchmark(("P1/fresh/" + who).c_str(), time_lead_and_leave<Subject, FreshNames>, 0);
	paths()["same/" + who] = leading_path<Subject, SameName>(capacity);
	paths()["cycle/" + who] = leading_path<Subject, CycledNames>(capacity);
	paths()["fresh/" + who] = leading_path<Subject, FreshNames>(capacity);
}

template <class Subject> void register_find(const std::string &who)
{
	for (size_t count : {size_t{1}, size_t{1024}}) {
		std::string tail = std::to_string(count) + "/" + who;
		benchmark::RegisterBenchmark(("P4/present/" + tail).c_str(), time_find<Subject>, count, true);
		benchmark::RegisterBenchmark(("P4/absent/" + tail).c_str(), time_find<Subject>, count, false);
	}
	paths()["present/" + who] = finding_path<Subject>(capacity, true);
	paths()["absent/" + who] = finding_path<Subject>(capacity, false);
}

template <class Subject> void register_large(const std::string &who)
{
	benchmark::RegisterBenchmark(("P10/same/" + who).c_str(), time_lead_and_leave<Subject, SameName>, large);
	benchmark::RegisterBenchmark(("P10/cycle/" + who).c_str(), time_lead_and_leave<Subject, CycledNames>, large);
	benchmark::RegisterBenchmark(("P10/fresh/" + who).c_str(), time_lead_and_leave<Subject, FreshNames>, large);
	benchmark::RegisterBenchmark(("P10/present/" + who).c_str(), time_find<Subject>, large, true);
	benchmark::RegisterBenchmark(("P10/absent/" + who).c_str(), time_find<Subject>, large, false);
}

} // namespace bench
#endif
