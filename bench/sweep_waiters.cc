/* sweep_waiters.cc - P6 at the numbers of waiters between those that have a bar */
#include "p6.h"
#include "sweep.h"

namespace bench
{

void register_sweep_waiters()
{
	for (int waiters : {2, 8, 32, 128})
		register_rounds("waiters/" + std::to_string(waiters), waiters <= 32 ? 100 : 30, time_publish, waiters,
		        size_t{64});
}

} // namespace bench
