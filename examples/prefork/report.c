/*
 * report.c - the page that takes long to make
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MONTHS = 12 };

struct order {
	uint32_t cents;
	uint8_t month; /* 0 to 11 */
	bool ours;     /* of the region that is reported on */
};

struct orders {
	struct order *all;
	size_t count, room;
};

/* ------------------------------------------------------------------------------------------------------- reading */

static bool add(struct orders *o, struct order order)
{
	if (o->count == o->room) {
		size_t room = o->room ? 2 * o->room : 4096;
		struct order *more = realloc(o->all, room * sizeof(*more));

		if (!more)
			return false;
		o->all = more;
		o->room = room;
	}
	o->all[o->count++] = order;
	return true;
}

/* One line, without its newline: YYYY-MM-DD,region,cents. */
static bool parse(const char *line, const char *end, const char *region, struct order *order)
{
	const char *name = line + strlen("YYYY-MM-DD,"), *comma, *c;
	uint64_t cents = 0;
	int month;

	if (end - line <= name - line || name[-1] != ',' || !(comma = memchr(name, ',', (size_t)(end - name))))
		return false;
	month = 10 * (line[5] - '0') + line[6] - '0';
	for (c = comma + 1; c < end && *c >= '0' && *c <= '9' && cents <= UINT32_MAX; c++)
		cents = 10 * cents + (uint64_t)(*c - '0');
	if (month < 1 || month > MONTHS || c == comma + 1 || c != end || cents > UINT32_MAX)
		return false;
	order->cents = (uint32_t)cents;
	order->month = (uint8_t)(month - 1);
	order->ours = strlen(region) == (size_t)(comma - name) && memcmp(region, name, (size_t)(comma - name)) == 0;
	return true;
}

/* 0 or an errno. */
static int parse_all(const char *text, size_t size, const char *region, struct orders *o)
{
	const char *line = text, *last = text + size, *end;
	struct order order;

	for (; line < last; line = end + 1) {
		end = memchr(line, '\n', (size_t)(last - line));
		if (!end || !parse(line, end, region, &order))
			return EINVAL;
		if (!add(o, order))
			return ENOMEM;
	}
	return 0;
}

static int read_locked(int fd, const char *region, struct orders *o)
{
	struct stat st;
	void *text;
	int error;

	if (flock(fd, LOCK_SH) != 0 || fstat(fd, &st) != 0)
		return errno;
	if (st.st_size == 0)
		return 0;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return errno;
	error = parse_all(text, (size_t)st.st_size, region, o);
	munmap(text, (size_t)st.st_size);
	return error;
}

static int read_orders(const char *path, const char *region, struct orders *o)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = read_locked(fd, region, o);
	close(fd); /* and the lock is gone */
	return error;
}

/* ------------------------------------------------------------------------------------------------------- reporting */

static int by_cents(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return (x->cents > y->cents) - (x->cents < y->cents);
}

static void money(FILE *f, const char *before, uint64_t cents)
{
	fprintf(f, "%s%llu.%02llu", before, (unsigned long long)(cents / 100), (unsigned long long)(cents % 100));
}

/* The orders are sorted: the one in the middle is where half of the month's have gone by. */
static void write_month(FILE *f, const struct orders *o, unsigned month)
{
	uint64_t count = 0, total = 0, seen = 0, median = 0;

	for (size_t i = 0; i < o->count; i++) {
		if (o->all[i].ours && o->all[i].month == month) {
			count++;
			total += o->all[i].cents;
		}
	}
	for (size_t i = 0; i < o->count && seen <= count / 2; i++) {
		if (o->all[i].ours && o->all[i].month == month) {
			seen++;
			median = o->all[i].cents;
		}
	}
	fprintf(f, "<tr><td>%u<td>%llu", month + 1, (unsigned long long)count);
	money(f, "<td>", total);
	money(f, "<td>", median);
	fputc('\n', f);
}

static size_t ours_from(const struct orders *o, size_t first)
{
	size_t count = 0;

	for (size_t i = first; i < o->count; i++)
		count += o->all[i].ours;
	return count;
}

static enum report write_page(const struct orders *o, const char *region, struct text *page)
{
	FILE *f = open_memstream(&page->data, &page->size);

	if (!f)
		return REPORT_FAILED;
	fprintf(f, "<!doctype html>\n<title>%s</title>\n<h1>Orders of %s</h1>\n", region, region);
	fprintf(f, "<table>\n<tr><th>month<th>orders<th>total<th>median\n");
	for (unsigned month = 0; month < MONTHS; month++)
		write_month(f, o, month);
	fprintf(f, "</table>\n<p>Among the dearest hundredth of all orders: %zu\n",
	        ours_from(o, o->count - o->count / 100));
	if (fclose(f) == 0)
		return REPORT_MADE;
	free(page->data);
	return REPORT_FAILED;
}

enum report report_make(const char *path, const char *region, struct text *page)
{
	struct orders o = {0};
	int error = read_orders(path, region, &o);
	enum report made = REPORT_NO_ORDERS;

	if (error) {
		free(o.all);
		errno = error;
		return REPORT_FAILED;
	}
	if (ours_from(&o, 0) != 0) {
		qsort(o.all, o.count, sizeof(o.all[0]), by_cents);
		made = write_page(&o, region, page);
	}
	free(o.all);
	return made;
}
