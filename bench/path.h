/*
 * path.h - call paths that path.cc can repeat, registered by the subjects beside their benchmarks
 */
#ifndef BENCH_PATH_H
#define BENCH_PATH_H

#include <functional>
#include <map>
#include <string>
#include "names.h"

namespace bench
{

/* So many operations, after as much preparation for any number of them; false: one went wrong. */
using Path = std::function<bool(size_t operations)>;

/* By name: call path, slash, subject. */
inline std::map<std::string, Path> &paths()
{
	static std::map<std::string, Path> all;
	return all;
}

template <class Subject, class Names> Path leading_path(size_t room)
{
	return [room](size_t operations) {
		Subject table(room);
		Names names;
		bool ok = true;
		for (size_t i = 0; i < 2 * room + operations; i++)
			ok &= table.lead_and_leave(names.next());
		return ok;
	};
}

template <class Subject> Path finding_path(size_t room, bool present)
{
	return [room, present](size_t operations) {
		constexpr uint64_t count = 1024;
		Subject table(room);
		bool ok = true;
		for (uint64_t i = 0; i < count; i++)
			ok &= table.hold(name_of(held + i));
		for (size_t i = 0; i < 2 * count + operations; i++)
			ok &= table.find(name_of((present ? held : absent) + i % count)) == present;
		return ok;
	};
}

} // namespace bench
#endif
