/*
 * model.cc - see model.h
 *
 * The counts were taken from the code, path by path; those of locked instructions were counted once more by running the
 * paths (but publishing and the trip) under callgrind and adding up the executions of locked instructions.  A count changes when the code does: whoever
 * changes a path of core/ or shm/ that is named here counts again.
 *
 * A transfer is a line that comes from the core that wrote it last, be it to be read or to be written.  Time is added up,
 * as if nothing overlapped: so the model is least wrong where each step waits for the one before.
 */
#include <optional>
#include <vector>
#include "judge.h"
#include "model.h"
#include "table.h"

namespace bench
{
namespace
{

/* ------------------------------------------------------------------------------------------------ what is counted */

struct Counts {
	const char *call;
	double locked;
	double transfers; /* when others' lines are all involved; see `of` */
	const char *of;
	const char *system_calls;
};

constexpr double locked_known = 2, locked_fresh = 4.13, bucket_swaps_fresh = 2;
constexpr double transfers_shared = 2;
constexpr double locked_trip = 5, transfers_trip = 6;
constexpr double locked_waiter = 4, transfers_waiter = 2;

const Counts counts[] = {
        {"lead and give up, a known group, nobody waits", locked_known, 1,
                "the node's first line, if another core led the group last", "0"},
        {"lead and give up, a name never seen before", locked_fresh, bucket_swaps_fresh,
                "the new name's bucket and that of the name which makes room, if another core wrote to the line last",
                "0"},
        {"lead and give up, while others want the same group", locked_known, transfers_shared,
                "the node's first line, at the look and at the swap", "0; those who wait sleep after a while"},
        {"find", 0, 2, "the bucket, the node's first line; only after somebody changed them", "0"},
        {"request to a worker, and its answer", locked_trip, transfers_trip,
                "the waiter's word and request 4, the leader's outbox 2, if one asks again and again and the answer is "
                "short",
                "0 while both run; a sleep and a wake each if not"},
        {"publish, for each waiter", locked_waiter, transfers_waiter, "its seat: to the publisher, and back",
                "its sleep; the wake is one call for all"},
};

/* ------------------------------------------------------------------------------------------------ constants */

using Value = std::optional<double>;

Value value(const Run &run, const std::string &name, const std::string &metric)
{
	Summary s = summary(run, name, metric);
	return s.known ? Value(s.median) : std::nullopt;
}

Value operator+(Value a, Value b)
{
	return a && b ? Value(*a + *b) : std::nullopt;
}

Value operator*(double factor, Value a)
{
	return a ? Value(factor * *a) : std::nullopt;
}

Value per(Value a, Value b)
{
	return a && b && *b != 0 ? Value(*a / *b) : std::nullopt;
}

struct Machine {
	Value line, locked, instruction, wake, wake_more, call;
	double remote = 1; /* a transfer takes so many times as long, on the mean */
};

Machine constants(const Run &run)
{
	Machine m;
	m.line = 0.5 * value(run, "raw/line", "trip_p50");
	m.locked = value(run, "raw/swap", "cpu_time");
	m.instruction =
	        per(value(run, "P4/absent/1024/covey", "cpu_time"), value(run, "path/absent/covey", "instructions"));
	m.wake = value(run, "P6/1", "futex_p50");
	m.wake_more = (1.0 / 255) * (value(run, "P6/256", "futex_p50") + -1 * m.wake);
	m.call = value(run, "raw/call", "cpu_time");
	return m;
}

/* ------------------------------------------------------------------------------------------------ the formulas */

Value instructions(const Run &run, const Machine &m, const std::string &path)
{
	Value count = value(run, "path/" + path + "/covey", "instructions");
	return count ? *count * m.instruction : std::nullopt;
}

Value known_group(const Run &run, const Machine &m)
{
	return instructions(run, m, "same") + locked_known * m.locked;
}

/* Of so many processes that lead fresh names, the share (1 - 1/P) of swaps meets a line that another one wrote last. */
Value fresh_name(const Machine &m, Value alone, double processes)
{
	return alone + bucket_swaps_fresh * (1 - 1 / processes) * m.remote * m.line;
}

Value trip(const Machine &m)
{
	return transfers_trip * m.remote * m.line + locked_trip * m.locked;
}

Value publish(const Machine &m, double waiters)
{
	return m.wake + (waiters - 1) * m.wake_more +
	       waiters * (transfers_waiter * m.remote * m.line + locked_waiter * m.locked);
}

/* So many operations a second, if one takes so many nanoseconds. */
Value rate(double processes, Value time)
{
	return time ? Value(processes / *time * 1e9) : std::nullopt;
}

/* ------------------------------------------------------------------------------------------------ this machine */

struct Prediction {
	std::string what, formula;
	Value predicted, measured;
	std::string metric = "cpu_time";
};

std::string number(double x)
{
	return std::to_string(static_cast<long>(x));
}

void add_register(const Run &run, const Machine &m, std::vector<Prediction> &to)
{
	Value same = value(run, "P1/same/covey", "cpu_time"), fresh = value(run, "P1/fresh/covey", "cpu_time");
	to.push_back({"P1, the same name, one process", "instructions + 2 locked", known_group(run, m), same});
	to.push_back({"P1, names never seen, one process", "instructions + 4.13 locked",
	        instructions(run, m, "fresh") + locked_fresh * m.locked, fresh});
	to.push_back({"P2, the same name each, two processes", "2 / P1", rate(2, same),
	        value(run, "P2/same/covey", "two"), "two"});
	to.push_back({"P2, 1024 names each, two processes", "2 / P1", rate(2, value(run, "P1/cycle/covey", "cpu_time")),
	        value(run, "P2/cycle/covey", "two"), "two"});
	to.push_back({"P2, names never seen, two processes", "2 / (P1 + 2 · 1/2 line)",
	        rate(2, fresh_name(m, fresh, 2)), value(run, "P2/fresh/covey", "two"), "two"});
	to.push_back({"two processes on one group", "1 / (2 lines + P1)", rate(1, transfers_shared * m.line + same),
	        value(run, "sweep/processes/one_group/2", "rate"), "rate"});
}

void add_trips(const Run &run, const Machine &m, std::vector<Prediction> &to)
{
	to.push_back({"P5, both running", "6 lines + 5 locked", trip(m), value(run, "P5/running/16", "covey")});
	to.push_back({"P5, both asleep", "its futex round trip + 6 lines + 5 locked",
	        value(run, "P5/asleep/two_cores", "raw_p50") + trip(m),
	        value(run, "P5/asleep/two_cores", "covey_p50")});
	for (double n : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
		std::string name = number(n);
		Value measured = value(run, "P6/" + name, "covey_p50");
		if (!measured)
			measured = value(run, "sweep/waiters/" + name, "covey_p50");
		to.push_back({"P6, waiters: " + name, "wake + (N - 1) more + N (2 lines + 4 locked)", publish(m, n),
		        measured});
	}
}

void add_groups(const Run &run, std::vector<Prediction> &to)
{
	Value one = value(run, "sweep/groups/present/covey/1", "cpu_time"),
	      none = value(run, "sweep/groups/absent/covey/1", "cpu_time");
	Value next = value(run, "sweep/groups/next/covey/1", "cpu_time");
	for (double n : {1024, 8192, 65536, 262144, 1000000}) {
		std::string tail = number(n);
		Value hot = value(run, "sweep/loads/nodes/1", "cpu_time"),
		      load = value(run, "sweep/loads/nodes/" + tail, "cpu_time"),
		      bucket = value(run, "sweep/loads/buckets/" + tail, "cpu_time");
		Value present = 2 * (load + -1 * hot), absent = bucket + -1 * hot;
		to.push_back({"find one of " + tail + " groups, one by one", "of 1 + 2 (load - load of 1)",
		        next + present, value(run, "sweep/groups/next/covey/" + tail, "cpu_time")});
		to.push_back({"find one of " + tail + " groups, in a loop", "the same", one + present,
		        value(run, "sweep/groups/present/covey/" + tail, "cpu_time")});
		to.push_back(
		        {"find an absent group beside " + tail + ", in a loop", "of 1 + load of a bucket - load of 1",
		                none + absent, value(run, "sweep/groups/absent/covey/" + tail, "cpu_time")});
	}
}

std::vector<Prediction> predictions(const Run &run, const Machine &m)
{
	std::vector<Prediction> all, known;
	add_register(run, m, all);
	add_trips(run, m, all);
	add_groups(run, all);
	for (const Prediction &p : all)
		if (p.predicted && p.measured)
			known.push_back(p);
	return known;
}

/* ------------------------------------------------------------------------------------------------ text */

const char *const intro =
        R"(What a call does was counted in the code: locked instructions, cache lines that another core wrote last and that have to come
from there, system calls. What each of these takes on this machine was measured in this run. The model adds them up, as
if nothing overlapped. Its errors here tell what it is worth elsewhere.)";

const char *const remote_note =
        R"(With 64 cores on two sockets, all at work, half of the lines come from the other socket. How long that takes was not
measured here: the first column says that it takes no longer than between cores of this machine, the second three times as long, which
makes a transfer twice as long on the mean.)";

const char *const unknown =
        R"(What is not known:

- Whether 64 cores that swap one line get it in turn at the rate of two. Failed swaps, and a core that gets the line twice in a
  row, are not in the model; on one group it is already wrong for two processes by what the table says.
- What the kernel's wake-ups take when waiters run on 62 other cores. Above, each further waiter takes what it takes here,
  where two cores run them all; with more cores they run beside each other, and only the publisher's part adds up.
- Memory on the other socket: a find among a million groups pays its misses there half of the time.
- Who publishes or receives looks at the seat of every thread that ever attached, one line each. With 64 processes that is
  64 lines, of which only those come from elsewhere whose threads have just waited; with thousands of threads it is the largest
  cost, and linear.
- Names that were never seen before also share, rarely, a line of counters of the pool; 64 cores at once were not tried.
)";

void write_counts(std::ostream &out)
{
	Table table({"call", "locked", "lines at most", "which", "system calls"});
	for (const Counts &c : counts)
		table.add({c.call, format("%.3g", c.locked), format("%.3g", c.transfers), c.of, c.system_calls});
	table.write(out);
}

void write_constants(std::ostream &out, const Machine &m)
{
	Table table({"constant", "this run", "from"});
	auto add = [&table](const char *what, Value v, const char *from) {
		if (v)
			table.add({what, format(*v < 1 ? "%.3f ns" : *v < 1000 ? "%.2f ns" : "%.0f ns", *v), from});
	};
	add("a line from the other core", m.line, "half of its round trip");
	add("a locked instruction", m.locked, "a compare-and-swap of a line of one's own");
	add("an instruction", m.instruction, "finding an absent group: its time by its instructions");
	add("wake of one", m.wake, "FUTEX_WAKE until a process has run");
	add("each one more", m.wake_more, "FUTEX_WAKE of 256, less that of one, by 255");
	add("a system call", m.call, "FUTEX_WAKE of nobody; no path above has one that finds nothing to do");
	table.write(out);
}

const char *const errors_note =
        R"(The error is what was predicted by what was measured, less one. Finds in a loop are predicted too slow, by far: the
processor fetches the lines of the next names while it waits for those of this one, and the model lets nothing overlap. It is
meant for a find among other work, which is the row before. Trips leave out plain instructions, for which a side that
spins has no number; their lines were counted when their time was known already, so that their small error proves less than
the others. Each further waiter takes longer the more there are; the model has one constant for all.)";

void write_predictions(std::ostream &out, const std::vector<Prediction> &all)
{
	Table table({"what", "formula", "predicted", "measured", "error"});
	for (const Prediction &p : all)
		table.add({p.what, p.formula, amount(*p.predicted, p.metric), amount(*p.measured, p.metric),
		        format("%+.0f %%", (*p.predicted / *p.measured - 1) * 100)});
	table.write(out);
	out << "\n" << errors_note << "\n";
}

void add_elsewhere(Table &table, const std::string &what, const std::string &metric, Value near, Value far)
{
	if (near && far)
		table.add({what, amount(*near, metric), amount(*far, metric)});
}

void write_elsewhere(std::ostream &out, const Run &run, const Machine &near)
{
	constexpr double cores = 64;
	Machine far = near;
	far.remote = 2;
	Table table({"64 cores, two sockets", "lines as here", "lines of the other socket 3 x"});
	Value same = value(run, "P1/same/covey", "cpu_time"), fresh = value(run, "P1/fresh/covey", "cpu_time");
	add_elsewhere(table, "lead and give up, each its own known groups, all together", "rate", rate(cores, same),
	        rate(cores, same));
	add_elsewhere(table, "the same, names never seen before", "rate", rate(cores, fresh_name(near, fresh, cores)),
	        rate(cores, fresh_name(far, fresh, cores)));
	auto shared = [&](const Machine &m) { return rate(1, transfers_shared * m.remote * m.line + same); };
	add_elsewhere(table, "all on one group", "rate", shared(near), shared(far));
	add_elsewhere(table, "request and answer, both running", "time", trip(near), trip(far));
	for (double n : {1, 64, 256})
		add_elsewhere(table, "publish to waiters: " + number(n), "time", publish(near, n), publish(far, n));
	out << remote_note << "\n\n";
	table.write(out);
}

} // namespace

void write_model(std::ostream &out, const Run &run)
{
	Machine m = constants(run);
	std::vector<Prediction> known = predictions(run, m);
	if (known.empty())
		return;
	out << "\n## Beyond this machine\n\n" << intro << "\n\n";
	write_counts(out);
	out << "\n";
	write_constants(out, m);
	out << "\n";
	write_predictions(out, known);
	out << "\n";
	write_elsewhere(out, run, m);
	out << "\n" << unknown;
}

} // namespace bench
