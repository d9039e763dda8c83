/*
 * screen.c - what "covey top" shows, drawn from looks
 *
 * Every line is made as text first and then cut to the terminal's width, by columns, so that a name of any bytes and
 * any width stays within its place.
 */
#include "screen.h"

#include <inttypes.h>
#include <langinfo.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { HEAD = 7, LINE = 2048 };

/* ------------------------------------------------------------------------------------------------ lines */

static bool draws_unicode(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Text in at most so many columns; gives how many it took.  Where the locale has no such characters, marks take their
 * place. */
static int put(int row, int column, int width, const char *text)
{
	int used = 0, columns;

	if (move(row, column) == ERR)
		return 0;
	for (size_t n; *text; text += n) {
		n = text_step(text, &columns);
		if (used + columns > width)
			break;
		if ((unsigned char)*text < 0x80 || (n > 1 && draws_unicode()))
			addnstr(text, (int)n);
		else if (columns > 0)
			addnstr("??", columns);
		used += columns;
	}
	return used;
}

/* Columns that all of a text takes. */
static int columns_of(const char *text)
{
	int used = 0, columns;

	for (; *text; text += text_step(text, &columns), used += columns) {
	}
	return used;
}

/* Where the last so many columns of a text begin. */
static const char *end_of(const char *text, int width)
{
	int columns;

	while (columns_of(text) > width)
		text += text_step(text, &columns);
	return text;
}

/* The same, but of a text that is too long the middle is left out: names differ at both ends. */
static void put_ends(int row, int column, int width, const char *text)
{
	int end = (width - 1) / 3, used;

	if (columns_of(text) <= width || width < 4) {
		put(row, column, width, text);
		return;
	}
	used = put(row, column, width - 1 - end, text);
	put(row, column + used, 1, draws_unicode() ? "…" : "~");
	put(row, column + used + 1, end, end_of(text, end));
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

/* right: what must be seen however long the text is. */
static void bar(int row, const char *text, const char *right)
{
	int width = COLS - columns_of(right);

	attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	put_ends(row, 0, width > 2 ? width - 2 : COLS, text);
	if (width > 2)
		put(row, width, COLS - width, right);
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

/* In at most seven columns. */
static void format_rate(double rate, char out[16])
{
	static const char *const units[] = {"", "k", "M", "G"};
	int unit = 0;

	for (; rate >= 10000 && unit < 3; unit++)
		rate /= 1000;
	snprintf(out, 16, "%.1f%s", rate, units[unit]);
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

static void draw_top(const struct screen *s, const char *what)
{
	char clock[16], left[LINE], right[64];

	format_clock(realtime_now(), clock, sizeof(clock));
	clock[8] = '\0'; /* whole seconds */
	snprintf(left, sizeof(left), "covey top  %s%s%s%s", s->shown_region, what,
	        s->unnamed    ? "   THIS REGION'S NAME WAS REMOVED"
	        : s->since[0] ? "   A NEW REGION SINCE "
	                      : "",
	        s->unnamed ? "" : s->since);
	snprintf(right, sizeof(right), "%severy %.4g s  %s", s->paused ? "PAUSED  " : "", (double)s->period / 1e9,
	        clock);
	bar(0, left, right);
}

static void draw_rates(const struct look *l, const struct look *before)
{
	double seconds = before->time ? (double)(l->time - before->time) / 1e9 : 0;
	char rates[5][16];

	format_rate(look_rate(l, before, COVEY_COUNT_LED), rates[0]);
	format_rate(look_rate(l, before, COVEY_COUNT_JOINED), rates[1]);
	format_rate(seconds > 0 ? (double)l->died / seconds : 0, rates[2]);
	format_rate(look_rate(l, before, COVEY_COUNT_TOOK_OVER), rates[3]);
	format_rate(look_rate(l, before, COVEY_COUNT_TIMED_OUT), rates[4]);
	line(3, "a second: led %s  joined %s  died %s  taken over %s  timed out %s", rates[0], rates[1], rates[2],
	        rates[3], rates[4]);
}

static void draw_head(const struct screen *s, const struct look *l, const struct look *before)
{
	const struct covey_usage *u = &l->usage;
	char used[16], room[16];

	draw_top(s, "");
	format_bytes(u->heap_bytes, used);
	format_bytes(u->heap_max, room);
	line(1,
	        "processes %" PRIu32 " of %" PRIu32 ", dead %" PRIu32 "  threads %" PRIu32 " of %" PRIu32
	        "  heap %s of %s",
	        u->participants, u->participants_max, u->participants_dead, u->threads, u->threads_max, used, room);
	line(2, "groups led %" PRIu32 " of %" PRIu32 ", kept %" PRIu32 "  waiters %" PRIu64, u->groups_led,
	        u->groups_max, u->groups_cached, l->waiters);
	draw_rates(l, before);
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

/* What stands right of the name, in order; on a narrow terminal only some of it. */
enum column { PID, THREAD, COMMAND, GENERATION, AGE, WAITERS, RATE, COLUMNS };
static const struct {
	const char *title;
	int width, least; /* the terminal's width from which on it is shown */
	bool left;
} columns[COLUMNS] = {{"PID", 8, 50, false}, {"THREAD", 7, 110, false}, {"COMMAND", 15, 72, true},
        {"GENERATION", 11, 94, false}, {"AGE", 7, 28, false}, {"WAITERS", 7, 0, false}, {"RATE/s", 7, 38, false}};

static int name_width(void)
{
	int width = COLS;

	for (int i = 0; i < COLUMNS; i++)
		width -= COLS >= columns[i].least ? columns[i].width + 1 : 0;
	return width > 4 ? width : 4;
}

static void draw_columns(int row, const char *name, char text[COLUMNS][48])
{
	int at = name_width();

	put_ends(row, 0, at, name);
	for (int i = 0; i < COLUMNS; i++) {
		int width = columns[i].width, free = width - columns_of(text[i]);

		if (COLS < columns[i].least)
			continue;
		put(row, at + 1 + (columns[i].left || free < 0 ? 0 : free), width, text[i]);
		at += width + 1;
	}
}

static void draw_row(int row, const struct look *l, size_t i, bool chosen)
{
	const struct covey_group_view *v = &l->groups.views[i];
	char name[LINE], text[COLUMNS][48] = {[RATE] = "-"};

	format_name(name, sizeof(name), v->name, v->size);
	if (v->leader_alive)
		snprintf(text[PID], sizeof(text[PID]), "%d ", (int)v->info.pid);
	else
		snprintf(text[PID], sizeof(text[PID]), "dead+");
	snprintf(text[THREAD], sizeof(text[THREAD]), "%d", (int)v->thread);
	format_command(text[COMMAND], v->command);
	snprintf(text[GENERATION], sizeof(text[GENERATION]), "%" PRIu64, v->info.generation);
	format_age(v->info.since, text[AGE], sizeof(text[AGE]));
	snprintf(text[WAITERS], sizeof(text[WAITERS]), "%" PRIu32, v->info.waiters);
	if (l->rates[i] >= 0)
		format_rate(l->rates[i], text[RATE]);
	if (chosen)
		attron(A_REVERSE);
	mvhline(row, 0, ' ', COLS);
	draw_columns(row, name, text);
	if (chosen)
		attroff(A_REVERSE);
}

static void draw_titles(const struct screen *s)
{
	static const char *const orders[ORDERS] = {"WAITERS", "AGE", "RATE", "GROUP"};
	char text[COLUMNS][48], left[LINE];

	for (int i = 0; i < COLUMNS; i++)
		snprintf(text[i], sizeof(text[i]), i == PID ? "%s " : "%s", columns[i].title);
	attron(A_BOLD);
	draw_columns(HEAD - 1, "GROUP", text);
	attroff(A_BOLD);
	snprintf(left, sizeof(left), "by %s  %zu of %zu%s%s", orders[s->order], s->shown ? s->selected + 1 : 0,
	        s->shown, COLS >= 78 ? "  w a r g sort  / filter  Enter one" : "", COLS >= 100 ? "  space pause" : "");
	bar(LINES - 1, left, COLS >= 36 ? "? keys  q quit" : "?");
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
	char age[24], command[COMMAND_ROOM];

	if (w->row > w->last) {
		w->hidden++;
		return 0;
	}
	format_age(v->since, age, sizeof(age));
	format_command(command, v->command);
	line(w->row++, "%9s %7d  %7d %s %7zu bytes", age, (int)v->pid, (int)v->thread, command, v->request_size);
	return 0;
}

static void draw_waiters(covey *c, const char *name, size_t size, struct waiters *w)
{
	int titles = w->row++;

	covey_each_waiter(c, name, size, draw_waiter, w);
	if (w->row == titles + 1 && !w->hidden) {
		w->row = titles;
		return;
	}
	attron(A_BOLD);
	line(titles, "%9s %7s  %7s %-15s %s", "WAITS", "PID", "THREAD", "COMMAND", "REQUEST");
	attroff(A_BOLD);
	if (w->hidden)
		line(w->row++, "and %u more", w->hidden);
	w->row++;
}

static void draw_event(int row, const struct history_entry *e)
{
	const struct covey_event_view *v = &e->view;
	char status[STATUS_ROOM], took[48] = "-", age[24], peer[16] = "-", command[COMMAND_ROOM];

	format_age(v->time, age, sizeof(age));
	format_command(command, v->command);
	if (v->peer)
		snprintf(peer, sizeof(peer), "%d", (int)v->peer);
	if (e->took >= 0)
		format_span(e->took, took, sizeof(took));
	format_status(v, status);
	line(row, "%9s %7d%c %s %-14s %10" PRIu64 " %7s %8s %6s", age, (int)v->pid, v->alive ? ' ' : '+', command,
	        covey_event_name(v->kind), v->generation, peer, took, status);
}

static void draw_history(covey *c, const char *name, size_t size, int row)
{
	struct history h;
	size_t from = 0, room = LINES - 1 > row + 1 ? (size_t)(LINES - 1 - row - 1) : 0, count = 0;

	if (history_take(c, &h) == 0) {
		attron(A_BOLD);
		line(row, "%9s %7s  %-15s %-14s %10s %7s %8s %6s", "AGO", "PID", "COMMAND", "EVENT", "GENERATION",
		        "PEER", "TOOK", "STATUS");
		attroff(A_BOLD);
	}
	for (size_t i = h.size; i-- > 0 && count < room;)
		if (history_is_of(&h.entries[i].view, name, size)) {
			from = i;
			count++;
		}
	for (size_t i = from; count && i < h.size; i++)
		if (history_is_of(&h.entries[i].view, name, size))
			draw_event(++row, &h.entries[i]);
	history_free(&h);
}

static void draw_leader(const char *name, size_t size, const struct look *l, int row)
{
	for (size_t i = 0; i < l->groups.size; i++) {
		const struct covey_group_view *v = &l->groups.views[i];
		char age[24], command[96];

		if (v->size != size || memcmp(v->name, name, size) != 0)
			continue;
		format_age(v->info.since, age, sizeof(age));
		format_name(command, sizeof(command), v->command, strnlen(v->command, sizeof(v->command)));
		if (v->leader_alive)
			line(row, "led by %d (%s, thread %d) for %s, generation %" PRIu64 ", %" PRIu32 " waiting",
			        (int)v->info.pid, command, (int)v->thread, age, v->info.generation, v->info.waiters);
		else
			line(row, "its leader is dead (%s, thread %d; %s), generation %" PRIu64 ", %" PRIu32 " waiting",
			        command, (int)v->thread, age, v->info.generation, v->info.waiters);
		return;
	}
	line(row, "nobody leads it now");
}

void screen_group(struct screen *s, covey *c, const char *name, size_t size, const struct look *l)
{
	struct waiters w = {.row = 4, .last = LINES / 2 - 1};
	char text[LINE] = "  group ";

	format_name(text + strlen(text), sizeof(text) - strlen(text), name, size);
	erase();
	draw_top(s, text);
	draw_leader(name, size, l, 2);
	draw_waiters(c, name, size, &w);
	draw_history(c, name, size, w.row);
	bar(LINES - 1, "Esc back   space pause   q quit", "");
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
	        "RATE is executions a second, or answers where a worker leads (all that were",
	        "given, shared out by those that the histories still have).  A leader marked",
	        "with a cross (+) is dead, and nobody took over yet.  The marks behind the waits",
	        "that ended show the longest of each look, from 10 us to 10 s, by its logarithm.",
	        "A wider terminal shows more columns."};

	erase();
	bar(0, "covey top  keys", "");
	for (int i = 0; i < (int)(sizeof(keys) / sizeof(keys[0])); i++)
		put(i + 2, 0, COLS, keys[i]);
	bar(LINES - 1, "any key: back", "");
	refresh();
}
