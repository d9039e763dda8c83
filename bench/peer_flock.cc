/*
 * peer_flock.cc - flock(2) on a file per key: the peer of P1 and P2 that every shell script knows
 *
 * Three habits, all with LOCK_NB, since nobody else holds the key:
 *  - "file": open the key's file, lock it, close it; the file stays, as flock(1) leaves it.
 *  - "descriptor": the file is open already; lock and unlock.  What a server does that has few keys.
 *  - "removed": as the first, but whoever holds the key removes its file in the end.  After locking one must then see
 *    whether the locked file is still the one that bears the name.  The only habit for names never seen before, which
 *    would otherwise fill the directory.
 * A file name is the key in hexadecimal.  The kernel frees the lock of who dies, as covey does.
 */
#include <array>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "processes.h"
#include "scratch.h"
#include "subjects.h"

namespace bench
{
namespace
{

class LockFiles
{
	Scratch directory_;
	std::string path_ = directory_.path() + "/" + std::string(2 * Name::size(), '0');

	const char *path_of(const Name &name)
	{
		static const char digits[] = "0123456789abcdef";
		const auto *bytes = static_cast<const unsigned char *>(name.data());
		char *to = &path_[path_.size() - 2 * Name::size()];
		for (size_t i = 0; i < Name::size(); i++) {
			*to++ = digits[bytes[i] >> 4];
			*to++ = digits[bytes[i] & 15];
		}
		return path_.c_str();
	}

      public:
	int open_file(const Name &name)
	{
		return open(path_of(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	bool lead_and_leave(const Name &name)
	{
		int fd = open_file(name);
		bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
		close(fd);
		return locked;
	}
	bool lead_and_remove(const Name &name)
	{
		int fd = open_file(name);
		struct stat held, named;
		bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
		              stat(path_.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
		              unlink(path_.c_str()) == 0;
		close(fd);
		return locked;
	}
};

class RemovedLockFiles : LockFiles
{
      public:
	bool lead_and_leave(const Name &name)
	{
		return lead_and_remove(name);
	}
};

class OpenLockFile
{
	LockFiles files_;
	int fd_ = files_.open_file(name_of(cycled));

      public:
	OpenLockFile() = default;
	~OpenLockFile()
	{
		close(fd_);
	}
	OpenLockFile(const OpenLockFile &) = delete;
	OpenLockFile &operator=(const OpenLockFile &) = delete;
	bool lead_and_leave(const Name &)
	{
		return flock(fd_, LOCK_EX | LOCK_NB) == 0 && flock(fd_, LOCK_UN) == 0;
	}
};

template <class Subject, class Names> void one_process(benchmark::State &state)
{
	Subject files;
	lead_and_leave<Names>(state, files, 2048);
}

constexpr int operations = 5000;

void two_processes(benchmark::State &state)
{
	LockFiles files;
	time_one_and_two(
	        state, [&files](int index) { return leading_and_leaving<CycledNames>(files, index, operations); },
	        operations);
}

} // namespace

void register_flock()
{
	benchmark::RegisterBenchmark("P1/same/flock", one_process<LockFiles, SameName>);
	benchmark::RegisterBenchmark("P1/same/flock_open", one_process<OpenLockFile, SameName>);
	benchmark::RegisterBenchmark("P1/cycle/flock", one_process<LockFiles, CycledNames>);
	benchmark::RegisterBenchmark("P1/fresh/flock_removed", one_process<RemovedLockFiles, FreshNames>);
	benchmark::RegisterBenchmark("P2/cycle/flock", two_processes)->Iterations(5)->UseManualTime();
}

} // namespace bench
