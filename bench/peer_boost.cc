/*
 * peer_boost.cc - a Boost.Interprocess map under a robust process-shared mutex: the peer of P1, beside it in P2
 *
 * What a C++ programmer writes today to keep names between processes that may crash: a managed_shared_memory, a map
 * in it, and a pthread mutex that is robust and process-shared.  The names are arrays of 24 bytes in the map's nodes,
 * which is cheaper than the strings that names of any length would need.  An EOWNERDEAD would have to repair the map;
 * here it is only refused.
 */
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/allocators/allocator.hpp>
#include <pthread.h>
#include <unistd.h>
#include "processes.h"
#include "subjects.h"

namespace bench
{
namespace
{

namespace ipc = boost::interprocess;
using Value = std::pair<const Name, pid_t>;
using Allocator = ipc::allocator<Value, ipc::managed_shared_memory::segment_manager>;
using Map = ipc::map<Name, pid_t, std::less<Name>, Allocator>;

class BoostMap
{
	std::string name_ = "covey-bench-boost-" + std::to_string(getpid());
	ipc::managed_shared_memory segment_;
	pthread_mutex_t *lock_;
	Map *map_;

      public:
	explicit BoostMap(size_t room) : segment_(ipc::create_only, name_.c_str(), room * 256)
	{
		ipc::shared_memory_object::remove(name_.c_str());
		lock_ = segment_.construct<pthread_mutex_t>(ipc::anonymous_instance)();
		map_ = segment_.construct<Map>(ipc::anonymous_instance)(
		        std::less<Name>(), segment_.get_segment_manager());
		pthread_mutexattr_t attributes;
		pthread_mutexattr_init(&attributes);
		pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(lock_, &attributes);
		pthread_mutexattr_destroy(&attributes);
	}
	BoostMap(const BoostMap &) = delete;
	BoostMap &operator=(const BoostMap &) = delete;

	bool lead_and_leave(const Name &name)
	{
		if (!hold(name) || pthread_mutex_lock(lock_) != 0)
			return false;
		bool out = map_->erase(name) == 1;
		pthread_mutex_unlock(lock_);
		return out;
	}
	bool hold(const Name &name)
	{
		if (pthread_mutex_lock(lock_) != 0)
			return false;
		bool in = map_->emplace(name, 1).second;
		pthread_mutex_unlock(lock_);
		return in;
	}
};

/* The children use the mapping that they inherit; the map and its mutex are the same for all of them. */
void two_processes(benchmark::State &state)
{
	BoostMap map(capacity);
	time_one_and_two(state, [&map](int index) { return leading_and_leaving<CycledNames>(map, index); });
}

} // namespace

void register_boost()
{
	register_lead_and_leave<BoostMap>("boost");
	benchmark::RegisterBenchmark("P2/cycle/boost", two_processes)->Iterations(20)->UseManualTime();
}

} // namespace bench
