/*
 * screen.c - what "covey top" shows, drawn from looks
 *
 * Every line is made as text first and then cut to the terminal's width, by columns, so that a name of any bytes and any
 * width stays within its place.
 */
#include "screen.h"

#include <inttypes.h>
#include <langinfo.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "print.h"

enum { HEAD = 7, LINE = 2048 };

/* ------------------------------------------------------------------------------------------------ lines */

static bool draws_unicode(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Text in at most so many columns; gives how many it took. */
static int put(int row, int column, int width, const char *text)
{
	mbstate_t state = {0};
	int used = 0;

	if (move(row, column) == ERR)
		return 0;
	while (*text) {
		wchar_t wide;
		size_t n = mbrtowc(&wide, text, MB_CUR_MAX, &state);
		int columns = n == (size_t)-1 || n == (size_t)-2 || n == 0 ? -1 : wcwidth(wide);

		if (columns < 0) { /* of another character set than the terminal's */
			state = (mbstate_t){0};
			n = 1;
			columns = 1;
		}
		if (used + columns > width)
			break;
		addnstr(n == 1 && (unsigned char)*text >= 0x80 ? "?" : text, n == 1 ? 1 : (int)n);
		used += columns;
		text += n;
	}
	return used;
}

__attribute__((format(printf, 2, 3))) static void line(int row, const char *format, ...)
{
	char text[LINE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put(row, 0, COLS, text);
}

static void bar(int row, const char *text)
{
	attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	put(row, 0, COLS, text);
	attroff(A_REVERSE);
}

static void format_bytes(uint64_t bytes, char out[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	double value = (double)bytes;
	int unit = 0;

	for (; value >= 1024 && unit < 3; unit++)
		value /= 1024;
	snprintf(out, 16, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void format_wait(double seconds, char out[16])
{
	if (seconds < 1e-3)
		snprintf(out, 16, "%.0f us", seconds * 1e6);
	else if (seconds < 1)
		snprintf(out, 16, "%.1f ms", seconds * 1e3);
	else
		snprintf(out, 16, "%.1f s", seconds);
}

/* ------------------------------------------------------------------------------------------------ the head */

/* One mark a look; its height is the logarithm of the longest wait, from 10 us to 10 s. */
static void draw_sparks(const struct screen *s, int row, int column)
{
	static const char *const unicode[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const plain[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
	int room = COLS - column < SPARKS ? COLS - column : SPARKS;

	for (int i = 0; i < room; i++) {
		double wait = s->sparks[SPARKS - room + i];
		int height = 0;

		for (double step = 1e-5; height < 7 && wait > step; step *= 7.2)
			height++;
		put(row, column + i, 1, wait < 0 ? " " : draws_unicode() ? unicode[height] : plain[height]);
	}
}

static void draw_waits(const struct screen *s, const struct look *l, int row)
{
	char median[16], longest[16], text[80];

	format_wait(l->wait_median, median);
	format_wait(l->wait_longest, longest);
	if (l->waits)
		snprintf(text, sizeof(text), "waits ended: median %s, longest %s ", median, longest);
	else
		snprintf(text, sizeof(text), "waits ended: none ");
	draw_sparks(s, row, put(row, 0, COLS, text));
}

static void draw_head(const struct screen *s, const struct look *l, const struct look *before)
{
	const struct covey_usage *u = &l->usage;
	double seconds = before->time ? (double)(l->time - before->time) / 1e9 : 0;
	char clock[16] = "", used[16], room[16], text[LINE];
	time_t now = time(NULL);
	struct tm parts;

	if (localtime_r(&now, &parts))
		strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
	snprintf(text, sizeof(text), "covey top  %s  %s  every %.4g s%s", s->region, clock, (double)s->period / 1e9,
	        s->paused ? "  PAUSED" : "");
	bar(0, text);
	format_bytes(u->heap_bytes, used);
	format_bytes(u->heap_max, room);
	line(1,
	        "processes %" PRIu32 " of %" PRIu32 ", dead %" PRIu32 "   threads %" PRIu32 " of %" PRIu32
	        "   heap %s of %s",
	        u->participants, u->participants_max, u->participants_dead, u->threads, u->threads_max, used, room);
	line(2, "groups led %" PRIu32 " of %" PRIu32 ", kept %" PRIu32 "   waiters %" PRIu64, u->groups_led,
	        u->groups_max, u->groups_cached, l->waiters);
	line(3, "a second: led %.1f  joined %.1f  died %.1f  taken over %.1f  timed out %.1f",
	        look_rate(l, before, COVEY_COUNT_LED), look_rate(l, before, COVEY_COUNT_JOINED),
	        seconds > 0 ? (double)l->died / seconds : 0, look_rate(l, before, COVEY_COUNT_TOOK_OVER),
	        look_rate(l, before, COVEY_COUNT_TIMED_OUT));
	draw_waits(s, l, 4);
	if (s->typing || s->filter[0])
		line(5, "groups with: %s%s", s->filter, s->typing ? "_" : "   (Esc shows all)");
}

/* ------------------------------------------------------------------------------------------------ the list */

static const struct look *sorted; /* qsort() has no context */
static enum order sorted_by;

static double weight(size_t i)
{
	const struct covey_group_view *v = &sorted->groups.views[i];

	if (sorted_by == BY_WAITERS)
		return (double)v->info.waiters;
	if (sorted_by == BY_AGE)
		return -(double)v->info.since;
	return sorted_by == BY_RATE ? sorted->rates[i] : 0;
}

/* Heaviest first; the look has them by name. */
static int by_weight(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	double left = weight(x), right = weight(y);

	return left != right ? (left < right) - (left > right) : (x > y) - (x < y);
}

bool screen_pick(struct screen *s, const struct look *l)
{
	free(s->rows);
	s->shown = 0;
	s->rows = malloc((l->groups.size + 1) * sizeof(*s->rows));
	if (!s->rows)
		return false;
	for (size_t i = 0; i < l->groups.size; i++) {
		const struct covey_group_view *v = &l->groups.views[i];

		if (memmem(v->name, v->size, s->filter, strlen(s->filter)))
			s->rows[s->shown++] = i;
	}
	sorted = l;
	sorted_by = s->order;
	qsort(s->rows, s->shown, sizeof(*s->rows), by_weight);
	if (s->selected >= s->shown)
		s->selected = s->shown ? s->shown - 1 : 0;
	return true;
}

void screen_spark(struct screen *s, const struct look *l)
{
	memmove(s->sparks, s->sparks + 1, sizeof(s->sparks) - sizeof(s->sparks[0]));
	s->sparks[SPARKS - 1] = l->waits ? l->wait_longest : -1;
}

size_t screen_page(void)
{
	return LINES > HEAD + 1 ? (size_t)(LINES - HEAD - 1) : 0;
}

enum { FIGURES = 63 }; /* columns right of the name */

static void draw_row(int row, const struct look *l, size_t i, bool chosen)
{
	const struct covey_group_view *v = &l->groups.views[i];
	char name[LINE], figures[LINE], rate[16] = "-", age[24];
	int width = COLS > FIGURES + 8 ? COLS - FIGURES : 8;

	format_name(name, sizeof(name), v->name, v->size);
	format_age(v->info.since, age, sizeof(age));
	if (l->rates[i] >= 0)
		snprintf(rate, sizeof(rate), "%.1f", l->rates[i]);
	snprintf(figures, sizeof(figures), "%7d%c%7d %-12.12s %11" PRIu64 " %7s %6" PRIu32 " %7s", (int)v->info.pid,
	        v->leader_alive ? ' ' : '+', (int)v->thread, v->command, v->info.generation, age, v->info.waiters,
	        rate);
	if (chosen)
		attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	put(row, 0, width - 1, name);
	put(row, width, COLS - width, figures);
	if (chosen)
		attroff(A_REVERSE);
}

static void draw_titles(const struct screen *s)
{
	static const char *const orders[ORDERS] = {"WAITERS", "AGE", "RATE", "GROUP"};
	char text[LINE];

	snprintf(text, sizeof(text), "%-*s%7s %7s %-12s %11s %7s %6s %7s", COLS > FIGURES + 8 ? COLS - FIGURES : 8,
	        "GROUP", "PID", "THREAD", "COMMAND", "GENERATION", "AGE", "WAIT", "RATE/s");
	attron(A_BOLD);
	put(HEAD - 1, 0, COLS, text);
	attroff(A_BOLD);
	snprintf(text, sizeof(text),
	        "by %s  %zu of %zu   w a r g sort  / filter  Enter one  space pause  ? keys  q quit", orders[s->order],
	        s->shown ? s->selected + 1 : 0, s->shown);
	bar(LINES - 1, text);
}

void screen_list(struct screen *s, const struct look *l, const struct look *before)
{
	size_t page = screen_page();

	erase();
	draw_head(s, l, before);
	draw_titles(s);
	if (s->selected < s->top)
		s->top = s->selected;
	if (page && s->selected >= s->top + page)
		s->top = s->selected - page + 1;
	if (s->shown <= page)
		s->top = 0;
	for (size_t i = 0; i < page && s->top + i < s->shown; i++)
		draw_row(HEAD + (int)i, l, s->rows[s->top + i], s->top + i == s->selected);
	refresh();
}

/* ------------------------------------------------------------------------------------------------ one group */

struct waiters {
	int row, last;
	unsigned hidden;
};

static int draw_waiter(void *context, const struct covey_waiter_view *v)
{
	struct waiters *w = context;
	char age[24];

	if (w->row > w->last) {
		w->hidden++;
		return 0;
	}
	format_age(v->since, age, sizeof(age));
	line(w->row++, "  %7d  %-15.15s waits %8s, asks %zu bytes", (int)v->pid, v->command, age, v->request_size);
	return 0;
}

static void draw_history(covey *c, const char *name, size_t size, int row)
{
	struct history h;
	size_t from = 0, room = LINES - 1 > row + 1 ? (size_t)(LINES - 1 - row - 1) : 0, count = 0;

	if (history_take(c, &h) == 0)
		line(row, "history");
	for (size_t i = h.size; i-- > 0 && count < room;)
		if (history_is_of(&h.entries[i].view, name, size)) {
			from = i;
			count++;
		}
	for (size_t i = from; count && i < h.size; i++) {
		const struct covey_event_view *v = &h.entries[i].view;
		char age[24], peer[16] = "";

		if (!history_is_of(v, name, size))
			continue;
		format_age(v->time, age, sizeof(age));
		if (v->peer)
			snprintf(peer, sizeof(peer), "%d", (int)v->peer);
		line(++row, "  %8s ago %7d%c %-15.15s %-14s %10" PRIu64 " %s", age, (int)v->pid, v->alive ? ' ' : '+',
		        v->command, covey_event_name(v->kind), v->generation, peer);
	}
	history_free(&h);
}

static void draw_leader(const char *name, size_t size, const struct look *l, int row)
{
	for (size_t i = 0; i < l->groups.size; i++) {
		const struct covey_group_view *v = &l->groups.views[i];
		char age[24];

		if (v->size != size || memcmp(v->name, name, size) != 0)
			continue;
		format_age(v->info.since, age, sizeof(age));
		line(row, "led by %d (%.15s, thread %d)%s for %s, generation %" PRIu64 ", %" PRIu32 " waiting",
		        (int)v->info.pid, v->command, (int)v->thread, v->leader_alive ? "" : ", which is dead,", age,
		        v->info.generation, v->info.waiters);
		return;
	}
	line(row, "nobody leads it now");
}

void screen_group(struct screen *s, covey *c, const char *name, size_t size, const struct look *l)
{
	struct waiters w = {.row = 4, .last = LINES / 2 - 1};
	char shown[LINE], text[LINE + 64];

	format_name(shown, sizeof(shown), name, size);
	erase();
	snprintf(text, sizeof(text), "covey top  %s  group %s%s", s->region, shown, s->paused ? "  PAUSED" : "");
	bar(0, text);
	draw_leader(name, size, l, 2);
	covey_each_waiter(c, name, size, draw_waiter, &w);
	if (w.hidden)
		line(w.row++, "  and %u more", w.hidden);
	draw_history(c, name, size, w.row + 1);
	bar(LINES - 1, "Esc back   space pause   q quit");
	refresh();
}

void screen_help(void)
{
	static const char *const keys[] = {"w a r g      sort by waiters, age, rate or group",
	        "up down      choose a group", "PgUp PgDn    a page of them; Home and End: the first, the last",
	        "Enter        the chosen group: its waiters and its history",
	        "/            show only groups whose name has what you type",
	        "Esc          back; of a filter: show all", "+ -          look less often, more often",
	        "space        pause, and go on", "q            quit", "",
	        "A leader marked with a cross (+) is dead and nobody took over yet.  RATE is executions a",
	        "second.  The marks show the longest wait of each look, from 10 us to 10 s, by its logarithm."};

	erase();
	bar(0, "covey top  keys");
	for (int i = 0; i < (int)(sizeof(keys) / sizeof(keys[0])); i++)
		put(i + 2, 0, COLS, keys[i]);
	bar(LINES - 1, "any key: back");
	refresh();
}
