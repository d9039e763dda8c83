/*
 * damage.h - the region that is damaged, its parts, and what can be judged of them
 */
#ifndef COVEY_TESTS_DAMAGE_H
#define COVEY_TESTS_DAMAGE_H

#include "world.h"

#include "internal.h"
#include "pool.h"
#include "watch.h"

/* The region's bytes, and where its parts are; set by take_original(). */
extern unsigned char *original;
extern struct covey_layout layout;
extern struct covey_counts counts;
void take_original(void);

const char *path_of(const char *region); /* until the next call */

enum section { HEADER, WATCH, SLOTS, RINGS, SEATS, NODES, TAILS, BUCKETS, CHUNKS, BLOCKS, HEAP, SECTIONS };

/* Where a section begins, and how much of it is in use or near it: damage to the rest changes nothing. */
void bounds_of(enum section s, uint64_t *begin, uint64_t *size);

/* Which bits of the eight bytes at this place of a section does anything else bear out? */
uint64_t mask_of(enum section s, uint64_t at);

#endif
