/* sweep_groups.cc - see sweep_groups.h; the peer's part is registered in its own file */
#include "sweep_groups.h"
#include "covey_table.h"

namespace bench
{

void register_sweep_groups()
{
	register_sweep_groups_of<CoveyTable>("covey");
}

} // namespace bench
