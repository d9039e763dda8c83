/*
 * covey_table.h - covey as a subject beside its peers: one region, reached through the public header only
 *
 * Each call is checked as a program would check it.  The region is sized as the peers' tables are, and loses its name
 * as soon as nobody else has to find it, so that a run that is broken off leaves nothing behind.
 */
#ifndef BENCH_COVEY_TABLE_H
#define BENCH_COVEY_TABLE_H

#include <covey.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include "names.h"
#include "region_name.h"

namespace bench
{

class CoveyTable
{
	covey *region_ = nullptr;

      public:
	explicit CoveyTable(size_t groups) : CoveyTable(region_name("table"), groups)
	{
		region_name("table"); /* the name goes at once */
	}
	CoveyTable(const std::string &name, size_t groups)
	{
		covey_options options{};
		options.groups = static_cast<uint32_t>(groups);
		int answer = covey_open(&region_, name.c_str(), &options);
		if (answer < 0)
			throw std::runtime_error("covey_open: " + std::string(covey_strerror(answer)));
	}
	~CoveyTable()
	{
		covey_close(region_);
	}
	CoveyTable(const CoveyTable &) = delete;
	CoveyTable &operator=(const CoveyTable &) = delete;

	covey *region() const
	{
		return region_;
	}
	bool lead_and_leave(const Name &name)
	{
		covey_lead lead;
		static const covey_reply nothing{};
		if (covey_find_or_register(region_, name.data(), name.size(), &lead) != COVEY_LEADER)
			return false;
		return covey_unregister_notify(region_, &lead, nullptr, 0, &nothing) == 0;
	}
	bool hold(const Name &name)
	{
		covey_lead lead;
		return covey_find_or_register(region_, name.data(), name.size(), &lead) == COVEY_LEADER;
	}
	bool find(const Name &name)
	{
		covey_info info;
		return covey_find(region_, name.data(), name.size(), &info) == 0;
	}
};

} // namespace bench
#endif
