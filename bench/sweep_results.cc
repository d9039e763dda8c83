/*
 * sweep_results.cc - results of 0 to 16 MiB, to one waiter asleep
 *
 * P6's rounds: the waiter looks at the first and the last bytes where they lie.  Beside it, the same bytes copied into a
 * shared page and one FUTEX_WAKE; and that copy alone.
 */
#include "p6.h"
#include "sweep.h"

namespace bench
{

void register_sweep_results()
{
	for (size_t bytes : {0, 64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20})
		register_rounds(
		        "results/" + std::to_string(bytes), bytes <= 256 << 10 ? 100 : 30, time_publish, 1, bytes);
}

} // namespace bench
