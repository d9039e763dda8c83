/*
 * cache.h - pages that any process may use, for some time: one file each in a directory
 */
#ifndef CACHE_H
#define CACHE_H

#include "report.h"

struct cache {
	int directory;
	long seconds; /* so long is a page good for */
};

/* Gives 1 and the page; 0: it is not there, or too old; -1: errno has the reason. */
int cache_get(const struct cache *cache, const char *key, struct text *page);

/* The page is there whole or not at all.  0, or -1: errno has the reason. */
int cache_put(const struct cache *cache, const char *key, const struct text *page);

#endif
