/*
 * scratch.h - a directory in memory for what peers keep in files; it goes with its owner
 *
 * It lies in /dev/shm, where covey's region lies too, so no subject waits for a disk.
 */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace bench
{

class Scratch
{
	std::string path_ = "/dev/shm/covey-bench-XXXXXX";

      public:
	Scratch()
	{
		if (mkdtemp(path_.data()) == nullptr)
			throw std::runtime_error("no directory in /dev/shm");
	}
	~Scratch()
	{
		std::error_code ignored;
		std::filesystem::remove_all(path_, ignored);
	}
	Scratch(const Scratch &) = delete;
	Scratch &operator=(const Scratch &) = delete;
	const std::string &path() const
	{
		return path_;
	}
};

} // namespace bench
#endif
