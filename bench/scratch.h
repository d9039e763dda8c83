/*
 * scratch.h - a directory in memory for what peers keep in files; it goes with its owner, also if that is killed
 *
 * It lies in /dev/shm, where covey's region lies too, so no subject waits for a disk.  A shell waits for the owner's end,
 * and removes it.
 */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <cstdlib>
#include <stdexcept>
#include <string>
#include "runtime.h"

namespace bench
{

class Scratch
{
	std::string path_ = made();
	Runtime remover_{"sh", "trap '' INT TERM HUP; echo ready; read -r _; rm -rf " + path_, "ready", SIGTERM};

	static std::string made()
	{
		std::string path = "/dev/shm/covey-bench-XXXXXX";
		if (mkdtemp(path.data()) == nullptr)
			throw std::runtime_error("no directory in /dev/shm");
		return path;
	}

      public:
	const std::string &path() const
	{
		return path_;
	}
};

} // namespace bench
#endif
