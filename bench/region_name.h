/*
 * region_name.h - what the suite calls its regions
 */
#ifndef BENCH_REGION_NAME_H
#define BENCH_REGION_NAME_H

#include <covey.h>
#include <string>
#include <unistd.h>

namespace bench
{

/* A name of this process alone.  A region that has it was left by a killed run whose pid came around: it goes. */
inline std::string region_name(const std::string &what)
{
	std::string name = "covey-bench-" + what + "-" + std::to_string(getpid());
	covey_unlink(name.c_str());
	return name;
}

} // namespace bench
#endif
