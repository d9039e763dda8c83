/*
 * stampede.cc - the scenarios, and the processes that play them
 *
 * The processes are forked at the first benchmark that needs so many of them, and stay: each can ask in every way, and is
 * told before a round which.  So all ways meet the same processes.  They are not pinned, and free to run on every core.
 *
 * To compute takes some milliseconds: of sleep, as if a database were asked, or of a core's time.  A wait is what
 * passes from the first question of the round until a process has its bytes: all want them at the same instant, and who has
 * no core yet waits too.  Nobody waits for the others' questions: whoever asks after the answer is there finds it kept, in
 * all ways, also without coalescing.
 */
#include "stampede.h"
#include <algorithm>
#include <climits>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include "covey_table.h"
#include "redis.h"
#include "scratch.h"
#include "subjects.h"

namespace bench
{

const std::vector<Scenario> &scenarios()
{
	static const std::vector<Scenario> all = {
	        {"16x1", 16, 1, 1, false, 0, 12},
	        {"16x8", 16, 8, 1, false, 0, 12},
	        {"64x1", 64, 1, 1, false, 0, 12},
	        {"64x8", 64, 8, 1, false, 0, 12},
	        {"64x1_burning", 64, 1, 1, true, 0, 12},
	        {"16x1_burning_10", 16, 1, 10, true, 0, 3},
	        {"slow", 16, 8, 1, false, 100, 1},
	};
	return all;
}

std::string answer_to(const Item &item)
{
	char text[32];
	int size = snprintf(text, sizeof text, "group %04d@%010u\n", item.group, item.version);
	std::string answer;
	while (answer.size() < 1024)
		answer.append(text, static_cast<size_t>(size));
	answer.resize(1024);
	return answer;
}

namespace
{

constexpr int64_t millisecond = 1000000;

struct Way {
	const char *name;
	Ask (*make)(const Place &place);
};
const std::vector<Way> ways = {{"alone", ask_alone}, {"flock", ask_flock}, {"redis", ask_redis},
        {"redis_publish", ask_redis_publish}, {"covey", ask_covey}};
constexpr int most_processes = 64;

/* Told to the processes, and by them. */
struct Board {
	size_t way;
	int groups, ms, slow_ms;
	bool burns;
	uint32_t version;
	alignas(64) std::atomic<int> computed;
	alignas(64) Word slow_version; /* futex: the slow answer of this version is being computed */
	struct {
		alignas(64) int64_t begin, end;
	} of[most_processes];
};

void sleep_for(int64_t nanoseconds)
{
	timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
	nanosleep(&time, nullptr);
}

/* The time is this thread's own, since others want the core too. */
void burn_for(int64_t nanoseconds)
{
	timespec begin, t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	while ((t.tv_sec - begin.tv_sec) * 1000000000 + t.tv_nsec - begin.tv_nsec < nanoseconds);
}

std::string compute(Board &board, const Item &item)
{
	board.computed++;
	if (item.group == board.groups) {
		board.slow_version = item.version;
		futex_wake(board.slow_version, INT_MAX);
		sleep_for(board.slow_ms * millisecond);
	} else if (board.burns) {
		burn_for(board.ms * millisecond);
	} else {
		sleep_for(board.ms * millisecond);
	}
	return answer_to(item);
}

/* Which group this process asks for.  The slow one comes after the hot ones; who wants another one waits for it. */
int group_of(Board &board, int index)
{
	if (board.slow_ms > 0 && index == 0)
		return board.groups;
	for (uint32_t seen; board.slow_ms > 0 && (seen = board.slow_version.load()) != board.version;)
		futex_wait(board.slow_version, seen);
	return index % board.groups;
}

Work asking(Board &board, const Place &place, int index)
{
	unpin();
	auto asks = std::make_shared<std::map<size_t, Ask>>();
	return [&board, place, index, asks] {
		Ask &ask = (*asks)[board.way];
		if (!ask)
			ask = ways[board.way].make(place);
		Item item = {group_of(board, index), board.version};
		board.of[index].begin = now();
		std::string answer = ask(item, [&] { return compute(board, item); });
		board.of[index].end = now();
		return answer == answer_to(item);
	};
}

/* The processes, and what they share. */
class Herd
{
	int processes_;
	Scratch directory_;
	CoveyTable region_{0}; /* of the default size */
	Place place_{directory_.path(), region_.region()};
	Shared<Board> board_;
	Crew crew_;

	Round score() const;

      public:
	explicit Herd(int processes);
	Round round(const Scenario &scenario, size_t way);
};

Herd::Herd(int processes)
    : processes_(processes),
      crew_(processes, Crew::Loosely, [this](int index) { return asking(*board_, place_, index); })
{
}

Round Herd::score() const
{
	Round round;
	int hot = board_->slow_ms > 0 ? 1 : 0; /* from this one on */
	int64_t first = INT64_MAX, last = 0;
	for (int i = hot; i < processes_; i++) {
		first = std::min(first, board_->of[i].begin);
		last = std::max(last, board_->of[i].end);
	}
	for (int i = hot; i < processes_; i++)
		round.waits.push_back(board_->of[i].end - first);
	round.time = last - first;
	round.computed = board_->computed;
	return round;
}

/* All crews together count the versions, as they share one Redis. */
Round Herd::round(const Scenario &scenario, size_t way)
{
	static uint32_t version = 0;
	board_->way = way;
	board_->groups = scenario.groups;
	board_->ms = scenario.ms;
	board_->slow_ms = scenario.slow_ms;
	board_->burns = scenario.burns;
	board_->computed = 0;
	board_->version = ++version;
	crew_.round();
	return score();
}

/* Redis comes before the processes that connect to it. */
Herd &herd(int processes)
{
	static std::map<int, std::unique_ptr<Herd>> herds;
	redis_server();
	auto &slot = herds[processes];
	if (!slot)
		slot = std::make_unique<Herd>(processes);
	return *slot;
}

void time_way(benchmark::State &state, const Scenario &scenario, size_t way)
{
	if (std::string(ways[way].name).compare(0, 5, "redis") == 0 && !redis_server().runs(state))
		return;
	try {
		Herd &all = herd(scenario.processes);
		play(state, scenario, [&] { return all.round(scenario, way); });
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
}

} // namespace

void play(benchmark::State &state, const Scenario &scenario, const PlayRound &play_round)
{
	Samples times, waits;
	double computed = 0;
	bool warm = false;
	for (auto _ : state) {
		if (!warm) /* in here, as a repetition that fails must have as many iterations as the others */
			play_round();
		warm = true;
		Round round = play_round();
		times.add(round.time);
		for (int64_t wait : round.waits)
			waits.add(wait);
		computed += round.computed;
		state.SetIterationTime(static_cast<double>(round.time) * 1e-9);
	}
	state.counters["computed"] = computed / static_cast<double>(state.iterations());
	if (scenario.slow_ms == 0)
		state.counters["rate"] = scenario.processes / times.quantile(0.5) * 1e9;
	waits.report(state, "wait");
}

void register_stampede_of(const std::string &who, const std::function<void(benchmark::State &, const Scenario &)> &time)
{
	for (const Scenario &scenario : scenarios())
		benchmark::RegisterBenchmark(("stampede/" + scenario.name + "/" + who).c_str(),
		        [time, &scenario](benchmark::State &state) { time(state, scenario); })
		        ->Iterations(scenario.rounds)
		        ->UseManualTime();
}

void register_stampede()
{
	for (size_t way = 0; way < ways.size(); way++)
		register_stampede_of(ways[way].name,
		        [way](benchmark::State &state, const Scenario &scenario) { time_way(state, scenario, way); });
}

} // namespace bench
