/*
 * report.h - the page that takes long to make: what the orders of one region of sales came to, month by month
 *
 * The orders are lines such as "2026-03-17,north,129950", the last being cents.  All of them are read, and sorted by
 * their amount, for every page.  The same orders always give the same page.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>

/* A page or another text; data is to be freed. */
struct text {
	char *data;
	size_t size;
};

enum report { REPORT_FAILED = -1, REPORT_MADE = 0, REPORT_NO_ORDERS = 1 };

/* report_make - waits while somebody holds an exclusive flock(2) on the orders, as who replaces them does.
 * REPORT_FAILED leaves its reason in errno, which is EINVAL for a line that is no order. */
enum report report_make(const char *orders, const char *region, struct text *page);

#endif
