/*
 * p5_worker.cc - P5: from a request to its answer, between a process that asks and one that answers
 *
 * The one leads a group and is in covey_receive() and covey_respond() by turns, the other in covey_await().  Requests
 * have 16 bytes, answers 16 or more, and every answer is checked to be that of its request and read to its end.
 *
 * Beside it, the floors, in the same rounds on the same cores:
 *  - both running: one cache line that goes to the other process and back; for larger answers with one copy of as many
 *    bytes into a shared page, where the asking side reads them.
 *  - both asleep: two processes that sleep on one futex word and wake each other.
 *
 * How long a line takes depends on where it lies (raw.cc).  Where lines are all that there is, covey has several regions,
 * and the floor as many lines, each with two processes of its own; they take turns, and the figures are of all rounds.
 */
#include <cstring>
#include <thread>
#include "p5.h"
#include "region_name.h"
#include "subjects.h"

namespace bench
{
namespace
{

struct Case {
	const char *name;
	size_t answer = sizeof(Question); /* bytes */
	int idle_seats = 0;               /* threads of a third process that have a seat and do nothing */
	bool look_up = false;             /* the asking side looks the group up each time */
	Plan plan = {};
	int places = 1; /* plan.rounds are in each of them */
};

/* As many trips as in one place of the others. */
const Plan few_rounds = {most_trips, 4};

const Case cases[] = {
        {"running/16", sizeof(Question), 0, false, few_rounds, 8},
        {"running/1024", 1024},
        {"running/65536", 65536, 0, false, {100, 10, false, false}},
        {"running/seats", sizeof(Question), 64, false, few_rounds, 8},
        {"running/lookup", sizeof(Question), 0, true, few_rounds, 8},
        {"asleep/two_cores", sizeof(Question), 0, false, {25, 10, true, false}},
        {"asleep/one_core", sizeof(Question), 0, false, {most_trips, 20, false, true}},
};

constexpr size_t most_bytes = 65536;
using Bytes = std::array<uint64_t, most_bytes / 8>;

/* ------------------------------------------------------------------------------------------------ covey */

class Worker
{
	covey *region_;
	covey_lead lead_{};
	covey_request request_{};
	Bytes answer_{};
	size_t size_;

      public:
	Worker(covey *region, const Name &name, size_t size) : region_(region), size_(size)
	{
		if (covey_find_or_register(region, name.data(), name.size(), &lead_) != COVEY_LEADER)
			throw std::runtime_error("the worker does not lead");
	}
	bool take()
	{
		return covey_receive(region_, &lead_, COVEY_FOREVER, &request_) == 0 &&
		       request_.size == sizeof(Question);
	}
	bool give()
	{
		memcpy(answer_.data(), request_.data, request_.size);
		covey_reply reply{};
		reply.data = answer_.data();
		reply.size = size_;
		return covey_respond(region_, &lead_, &request_, &reply) == 1;
	}
};

class Client
{
	covey *region_;
	Name name_;
	size_t size_;
	bool look_up_;
	covey_lead lead_{};
	Question question_{0, 0x5bd1e995};

      public:
	Client(covey *region, const Name &name, const Case &c)
	    : region_(region), name_(name), size_(c.answer), look_up_(c.look_up)
	{
	}
	bool ask()
	{
		if ((look_up_ || lead_.node == 0) &&
		        covey_find_or_register(region_, name_.data(), name_.size(), &lead_) != COVEY_WAIT)
			return false;
		covey_result result;
		question_.number++;
		bool ok = covey_await(region_, &lead_, &question_, sizeof question_, COVEY_FOREVER, 0, &result) ==
		                  COVEY_OK &&
		          result.size == size_ && answers(result.data, result.size, question_);
		covey_release(region_, &result);
		return ok;
	}
};

Pair *covey_pair(const Case &c, const std::string &file, Trips &times)
{
	Name name = name_of(cycled);
	return new Pair(
	        c.plan, times,
	        [&c, file, name](Score &score, const Plan &plan) {
		        auto *side = new Worker(attach_for(file, plan, 0), name, c.answer);
		        return answering(
		                score, plan, [side] { return side->take(); }, [side] { return side->give(); });
	        },
	        [&c, file, name](Score &score, const Plan &plan) {
		        auto *side = new Client(attach_for(file, plan, 1), name, c);
		        return asking(score, plan, [side] { return side->ask(); });
	        });
}

/* A process with so many threads, each of which has taken its seat. */
Work sit_idle(const std::string &file, int seats)
{
	covey *region = attach(file);
	std::atomic<int> seated{0};
	for (int i = 0; i < seats; i++)
		std::thread([&seated, region] {
			covey_lead nobodys{};
			covey_leading(region, &nobodys);
			seated++;
			for (;;)
				pause();
		}).detach();
	while (seated < seats)
		usleep(1000);
	return [] { return true; };
}

/* ------------------------------------------------------------------------------------------------ the floors */

struct Court {
	alignas(64) Word ball; /* odd: on the answering side */
	alignas(64) Bytes bytes;
};

/* No work but the waiting, and for larger answers the copy. */
class Player
{
	Court &court_;
	const Case &case_;
	uint32_t number_ = 0;
	Question question_{};
	Bytes answer_{};

	bool asleep() const
	{
		return case_.plan.asleep || case_.plan.one_core;
	}
	void pass(uint32_t to)
	{
		court_.ball.store(to, std::memory_order_release);
		if (asleep())
			futex_wake(court_.ball, 1);
	}
	bool await(uint32_t mine)
	{
		for (uint32_t seen; (seen = court_.ball.load(std::memory_order_acquire)) != mine;)
			if (asleep() && !futex_wait(court_.ball, seen))
				return false;
		return true;
	}

      public:
	Player(Court &court, const Case &c) : court_(court), case_(c)
	{
	}
	bool take()
	{
		return await(number_ + 1);
	}
	bool give()
	{
		number_ += 2;
		if (case_.answer > sizeof(Question))
			memcpy(court_.bytes.data(), answer_.data(), case_.answer);
		pass(number_);
		return true;
	}
	bool ask()
	{
		pass(number_ + 1);
		number_ += 2;
		return await(number_) &&
		       (case_.answer <= sizeof(Question) || answers(court_.bytes.data(), case_.answer, question_));
	}
};

Pair *raw_pair(const Case &c, Court &court, Trips &times)
{
	return new Pair(
	        c.plan, times,
	        [&](Score &score, const Plan &plan) {
		        auto *side = new Player(court, c);
		        return answering(
		                score, plan, [side] { return side->take(); }, [side] { return side->give(); });
	        },
	        [&](Score &score, const Plan &plan) {
		        auto *side = new Player(court, c);
		        return asking(score, plan, [side] { return side->ask(); });
	        });
}

/* ------------------------------------------------------------------------------------------------ both in turn */

struct All {
	Trips covey, raw;
	uint64_t rescued = 0;
};

/* A region and a court, each with its two processes. */
class Place
{
	std::string file_;
	std::unique_ptr<CoveyTable> mine_;
	std::unique_ptr<Crew> idle_;
	std::unique_ptr<Pair> asking_;
	Shared<Court> court_;
	std::unique_ptr<Pair> playing_;
	All &all_;

      public:
	Place(const Case &c, int number, All &all) : file_(region_name("p5-" + std::to_string(number))), all_(all)
	{
		try {
			mine_ = std::make_unique<CoveyTable>(file_, capacity);
			if (c.idle_seats != 0)
				idle_ = std::make_unique<Crew>(
				        1, Crew::Loosely, [&](int) { return sit_idle(file_, c.idle_seats); });
			asking_.reset(covey_pair(c, file_, all.covey));
			playing_.reset(raw_pair(c, *court_, all.raw));
		} catch (...) {
			covey_unlink(file_.c_str());
			throw;
		}
	}
	~Place()
	{
		all_.rescued += covey_counter(mine_->region(), COVEY_COUNT_RESCUED);
		covey_unlink(file_.c_str());
	}
	Place(const Place &) = delete;
	Place &operator=(const Place &) = delete;

	void warm_up()
	{
		asking_->warm_up();
		playing_->warm_up();
	}
	int64_t rounds() /* covey's, in nanoseconds a trip; the floor's come after it */
	{
		int64_t time = asking_->rounds();
		playing_->rounds();
		return time;
	}
};

void time_everywhere(benchmark::State &state, const Case &c, All &all)
{
	std::vector<std::unique_ptr<Place>> places;
	for (int i = 0; i < c.places; i++)
		places.push_back(std::make_unique<Place>(c, i, all));
	if (places.size() > 1)
		for (auto &place : places)
			place->warm_up();
	size_t turn = 0;
	for (auto _ : state)
		state.SetIterationTime(static_cast<double>(places[turn++ % places.size()]->rounds()) * 1e-9);
}

void ask_and_answer(benchmark::State &state, const Case &c)
{
	All all;
	try {
		time_everywhere(state, c, all);
	} catch (const std::exception &e) {
		state.SkipWithError(e.what());
	}
	all.covey.report(state, "covey");
	all.raw.report(state, "raw");
	state.counters["rescued"] = static_cast<double>(all.rescued);
}

} // namespace

void register_p5()
{
	for (const Case &c : cases)
		benchmark::RegisterBenchmark(("P5/" + std::string(c.name)).c_str(), ask_and_answer, c)
		        ->Iterations(c.plan.rounds * c.places)
		        ->UseManualTime();
}

} // namespace bench
