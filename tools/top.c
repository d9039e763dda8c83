/*
 * top.c - "covey top": the region on a terminal, look after look
 *
 * Between two looks it sleeps for the period, or until a key.  The region is mapped read-only and takes no slot; a look
 * reads it once from end to end.
 */
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appearance.h"
#include "cmd.h"
#include "deadline.h"
#include "options.h"
#include "print.h"
#include "screen.h"

#include <term.h> /* after all others: it defines words such as "columns" */

static const char usage[] =
        "usage: covey top [-r REGION] [-n SECONDS] [--wait]\n"
        "\n"
        "Show the region on the terminal: who leads what with how many waiting, how much is done a second,\n"
        "and how long waits take.  Press ? for its keys.\n"
        "\n" REGION_HELP "  -n SECONDS            between two looks, 0.1 to 60; 1 unless given\n"
        "      --wait            wait for a region that is not there yet, and, when its name was removed, go on\n"
        "                        with the next one of that name\n"
        "  -h, --help            this text\n"
        "\n"
        "Exits 1 when there is no such region, 2 when it is damaged.\n";

static const int64_t period_least = 100000000, period_most = 60000000000;

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	(void)signal;
	ended = 1;
}

struct top {
	struct screen screen;
	struct look looks[2]; /* now, and before */
	struct inspection *in;
	char *group; /* not NULL: this one's details are shown */
	size_t group_size;
	int error;
	bool quit;
};

/* ------------------------------------------------------------------------------------------------ keys */

static void show_group(struct top *t)
{
	const struct covey_group_view *v;

	if (t->screen.selected >= t->screen.shown)
		return;
	v = &t->looks[0].groups.views[t->screen.rows[t->screen.selected]];
	t->group = malloc(v->size);
	t->group_size = t->group ? v->size : 0;
	if (t->group)
		memcpy(t->group, v->name, v->size);
}

static void leave_group(struct top *t)
{
	free(t->group);
	t->group = NULL;
}

static void type_filter(struct screen *s, int key)
{
	size_t size = strlen(s->filter);

	if (key == 27)
		s->filter[0] = '\0';
	if (key == 27 || key == '\n' || key == '\r' || key == KEY_ENTER)
		s->typing = false;
	else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && size > 0)
		s->filter[size - 1] = '\0';
	else if (key >= 0x20 && key < 0x100 && key != 127 && size + 1 < FILTER) {
		s->filter[size] = (char)key;
		s->filter[size + 1] = '\0';
	}
}

static void move_by(struct screen *s, long rows)
{
	long to = (long)s->selected + rows, last = s->shown ? (long)s->shown - 1 : 0;

	s->selected = (size_t)(to < 0 ? 0 : to > last ? last : to);
}

static void change_period(struct screen *s, bool longer)
{
	int64_t period = longer ? s->period * 2 : s->period / 2;

	s->period = period < period_least ? period_least : period > period_most ? period_most : period;
}

static void sort_by(struct screen *s, enum order order)
{
	s->order = order;
	s->selected = 0;
}

static void on_list_key(struct top *t, int key)
{
	struct screen *s = &t->screen;

	switch (key) {
	case 'w':
		sort_by(s, BY_WAITERS);
		break;
	case 'a':
		sort_by(s, BY_AGE);
		break;
	case 'r':
		sort_by(s, BY_RATE);
		break;
	case 'g':
		sort_by(s, BY_GROUP);
		break;
	case '/':
		s->typing = true;
		break;
	case 27:
		s->filter[0] = '\0';
		break;
	case KEY_UP:
		move_by(s, -1);
		break;
	case KEY_DOWN:
		move_by(s, 1);
		break;
	case KEY_PPAGE:
		move_by(s, -(long)screen_page());
		break;
	case KEY_NPAGE:
		move_by(s, (long)screen_page());
		break;
	case KEY_HOME:
		s->selected = 0;
		break;
	case KEY_END:
		move_by(s, (long)s->shown);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		show_group(t);
		break;
	default:
		break;
	}
}

static void on_key(struct top *t, int key)
{
	struct screen *s = &t->screen;

	if (s->typing) {
		type_filter(s, key);
	} else if (s->helping) {
		s->helping = false;
	} else if (key == 'q') {
		t->quit = true;
	} else if (key == '?' || key == 'h') {
		s->helping = true;
	} else if (key == ' ') {
		s->paused = !s->paused;
	} else if (key == '+' || key == '-') {
		change_period(s, key == '+');
	} else if (t->group) {
		if (key == 27 || key == KEY_LEFT || key == KEY_BACKSPACE)
			leave_group(t);
	} else {
		on_list_key(t, key);
	}
}

/* ------------------------------------------------------------------------------------------------ looks */

/* The next region of the name: nothing is known of it yet. */
static void renew(struct top *t)
{
	covey *before = t->in->c;

	if (inspect_open(t->in) != 0) {
		t->in->c = before;
		return;
	}
	covey_close(before);
	for (int i = 0; i < 2; i++)
		look_free(&t->looks[i]);
	t->screen.unnamed = false;
	format_clock(realtime_now(), t->screen.since, sizeof(t->screen.since));
	t->screen.since[8] = '\0'; /* whole seconds */
}

static void look(struct top *t)
{
	struct look now;

	t->screen.unnamed = covey_named(t->in->c) == 0;
	if (t->screen.unnamed && t->in->wait)
		renew(t);
	t->error = look_take(t->in->c, &t->looks[0], &now);
	if (t->error < 0) {
		look_free(&now);
		return;
	}
	look_free(&t->looks[1]);
	t->looks[1] = t->looks[0];
	t->looks[0] = now;
	screen_spark(&t->screen, &now);
}

static void draw(struct top *t)
{
	if (!screen_pick(&t->screen, &t->looks[0])) {
		t->error = COVEY_ESYSTEM;
		return;
	}
	if (t->screen.helping)
		screen_help();
	else if (t->group)
		screen_group(&t->screen, t->in->c, t->group, t->group_size, &t->looks[0]);
	else
		screen_list(&t->screen, &t->looks[0], &t->looks[1]);
}

/* Until there is a region; signals have their usual effect.  Gives the exit status of a failure, or 0. */
static int await_region(struct inspection *in)
{
	struct appearance appearance;
	int error = 0;

	if (in->c)
		return 0;
	complain(0, "top: waiting for region \"%s\"", in->region);
	appearance_begin(&appearance, in->region);
	while ((error = inspect_open(in)) == COVEY_ENOENT) {
		struct pollfd p = {.fd = appearance.events, .events = POLLIN};

		await_events(&p, 1, ms_until(appearance.again));
		appearance_seen(&appearance, p.revents);
	}
	appearance_end(&appearance);
	return error == 0 ? 0 : region_failed(in->region, error);
}

/* The terminal is gone, and nobody told us by SIGHUP. */
static bool terminal_gone(void)
{
	struct pollfd in = {.fd = STDIN_FILENO};

	return poll(&in, 1, 0) > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void run(struct top *t)
{
	int64_t next = monotonic_now();

	while (!t->quit && !ended && t->error == 0) {
		int64_t now = monotonic_now();
		int key;

		if (now >= next) {
			if (!t->screen.paused)
				look(t);
			next = now + t->screen.period;
		}
		if (t->error == 0)
			draw(t);
		timeout((int)((next - now) / 1000000) + 1);
		key = getch();
		if (key == ERR)
			t->quit = terminal_gone();
		else if (key != KEY_RESIZE)
			on_key(t, key);
		if (next > monotonic_now() + t->screen.period)
			next = monotonic_now() + t->screen.period;
	}
}

static SCREEN *terminal;

static void terminal_end(void)
{
	endwin();
}

/* A terminal of a kind that is known and whose cursor can be moved; asked before anything is sent to it. */
static bool terminal_usable(void)
{
	int error;
	char *move;
	bool moves;

	if (!getenv("TERM") || setupterm(NULL, STDOUT_FILENO, &error) == ERR)
		return false;
	move = tigetstr("cup");
	moves = move && move != (char *)-1;
	del_curterm(cur_term); /* newterm() makes another */
	return moves;
}

/* True: the terminal can be drawn on. */
static bool terminal_open(void)
{
	const struct sigaction end = {.sa_handler = on_end};

	/* One that is not installed here is most likely of UTF-8, as are the terminals of those who name it. */
	if (!setlocale(LC_CTYPE, ""))
		setlocale(LC_CTYPE, "C.UTF-8");
	set_escdelay(50);
	if (!terminal_usable() || !(terminal = newterm(NULL, stdout, stdin)))
		return false;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	sigaction(SIGINT, &end, NULL); /* after initscr(), which has handlers of its own */
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	inspect_restore = terminal_end;
	return true;
}

static void *open_in_thread(void *opened)
{
	*(bool *)opened = terminal_open();
	return NULL;
}

/* The terminal's description is read through some 100 KiB of stack, more than the caller may have given this thread. */
static bool terminal_begin(void)
{
	pthread_attr_t roomy;
	pthread_t thread;
	bool opened, apart;

	if (pthread_attr_init(&roomy) != 0)
		return terminal_open();
	apart = pthread_attr_setstacksize(&roomy, 1 << 20) == 0 &&
	        pthread_create(&thread, &roomy, open_in_thread, &opened) == 0;
	pthread_attr_destroy(&roomy);
	if (!apart)
		return terminal_open();
	pthread_join(thread, NULL);
	return opened;
}

int cmd_top(int argc, char **argv)
{
	struct inspection in;
	struct top t = {.screen = {.order = BY_WAITERS}};
	int status;

	if (inspect_begin(&in, argc, argv, usage, TAKES_PERIOD | TAKES_WAIT, &status))
		return status;
	if (in.json) {
		covey_close(in.c);
		return misuse(usage, "top: unknown option --json; covey ls --json and covey stats --json have it");
	}
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		covey_close(in.c);
		return complain(EXIT_COVEY, "top: needs a terminal; covey ls, stats, watch and events can be piped");
	}
	status = await_region(&in);
	if (status != 0)
		return status;
	t.in = &in;
	format_name(t.screen.shown_region, sizeof(t.screen.shown_region), in.region, strlen(in.region));
	t.screen.period = in.period < period_least ? period_least : in.period > period_most ? period_most : in.period;
	for (int i = 0; i < SPARKS; i++)
		t.screen.sparks[i] = -1;
	if (!terminal_begin()) {
		covey_close(in.c);
		return complain(EXIT_COVEY,
		        "top: cannot draw on a terminal of the kind that $TERM names (\"%s\"); use covey ls or covey "
		        "watch",
		        getenv("TERM") ? getenv("TERM") : "");
	}
	run(&t);
	terminal_end();
	inspect_restore = NULL;
	delscreen(terminal);
	leave_group(&t);
	free(t.screen.rows);
	look_free(&t.looks[0]);
	look_free(&t.looks[1]);
	covey_close(in.c);
	return t.error < 0 ? region_failed(in.region, t.error) : 0;
}
