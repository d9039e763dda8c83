/*
 * hash.c - XXH3 with the region's key as its seed
 *
 * Inlined from the library's header: a 24-byte name costs some ten instructions, and a call would double that.
 */
#include "hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t cv_hash(uint64_t key, const void *name, size_t size)
{
	return XXH3_64bits_withSeed(name, size, key);
}
