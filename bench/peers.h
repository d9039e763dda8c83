/*
 * peers.h - what the peers have in common
 *
 * They all use XXH3 where they let the caller choose the hash: the fastest of its kind, inlined here, so that no peer
 * loses by its hash.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#define XXH_INLINE_ALL
#include <xxhash.h>
#include "names.h"

namespace bench
{

inline uint64_t hash_of(const Name &name)
{
	return XXH3_64bits(name.data(), name.size());
}

} // namespace bench
#endif
