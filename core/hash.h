/*
 * hash.h - a group's place in the table, keyed by a number drawn for each region
 *
 * XXH3 with the region's key as its seed.  The hash only places a name; names are compared in full.  The key keeps
 * whoever chooses names from choosing chains.  Inlined from the library's header: a 24-byte name costs some ten
 * instructions, and a call would double that.
 */
#ifndef CV_HASH_H
#define CV_HASH_H

#include <stddef.h>
#include <stdint.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

static inline uint64_t cv_hash(uint64_t key, const void *name, size_t size)
{
	return XXH3_64bits_withSeed(name, size, key);
}

#endif
