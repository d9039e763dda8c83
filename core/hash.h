/*
 * hash.h - a group's place in the table, keyed by a number drawn for each region
 *
 * The hash only places a name; names are compared in full.  The key keeps whoever chooses names from choosing chains.
 */
#ifndef CV_HASH_H
#define CV_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t cv_hash(uint64_t key, const void *name, size_t size);

#endif
