/*
 * print.c - names that may hold any byte, for people and for programs
 *
 * A group's name is bytes: it may hold newlines, terminal controls or half a character.  What goes to a terminal must
 * not steer it, so only complete and printable UTF-8 passes as it is.  The decoder is strict: no overlong forms, no
 * surrogates, nothing past U+10FFFF; and the C1 controls and the marks that turn the direction of writing count as not
 * printable.
 */
#include "print.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "cmd.h"

/* How many bytes the UTF-8 character at s takes, and which it is; 0 when it is none. */
static size_t character(const unsigned char *s, size_t left, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	*code = size == 1 ? s[0] : s[0] & (0x7fu >> size);
	if (s[0] >= 0xf8 || (s[0] & 0xc0) == 0x80 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	return *code < least[size] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : size;
}

static bool printable(uint32_t code)
{
	return code >= 0x20 && code != 0x7f && (code < 0x80 || code >= 0xa0) && code != 0x61c &&
	       (code < 0x200b || code > 0x200f) && (code < 0x2028 || code > 0x202e) &&
	       (code < 0x2066 || code > 0x2069) && code != 0xfeff && (code < 0xfff9 || code > 0xfffb) &&
	       (code < 0xe0000 || code > 0xe007f);
}

/* A locale that knows how wide characters are: the caller's own if it is of UTF-8, else the C library's.  Never the
 * program's global one, of which it depends what a terminal is sent. */
static locale_t wide_locale(void)
{
	locale_t own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);

	if (own && strcmp(nl_langinfo_l(CODESET, own), "UTF-8") == 0)
		return own;
	if (own)
		freelocale(own);
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Columns of a terminal, whatever locale the environment names.  Where the system has none that knows, each takes
 * one. */
static int width_of(uint32_t code)
{
	static locale_t wide;
	static bool asked;
	locale_t before;
	int columns;

	if (code < 0x80)
		return 1;
	if (!asked)
		wide = wide_locale();
	asked = true;
	before = wide ? uselocale(wide) : (locale_t)0;
	columns = wcwidth((wchar_t)code);
	if (wide)
		uselocale(before);
	return columns < 0 ? 1 : columns;
}

size_t text_step(const char *text, int *columns)
{
	uint32_t code;
	size_t n = character((const unsigned char *)text, strnlen(text, 4), &code);

	*columns = n ? width_of(code) : 1;
	return n ? n : 1;
}

enum { ESCAPED = 4 * 4 + 1 }; /* bytes that a character takes at most, and a NUL */

/* What a character, or a byte that is none, looks like, a backslash as it is.  Gives its size. */
static size_t escape_to(char out[ESCAPED], const unsigned char *s, size_t left, size_t *taken, uint32_t *code)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = character(s, left, code);
	char *at = out;

	*taken = n ? n : 1;
	if (n != 0 && printable(*code)) {
		memcpy(out, s, n);
		return n;
	}
	for (size_t i = 0; i < *taken; i++) {
		*at++ = '\\';
		*at++ = 'x';
		*at++ = digits[s[i] >> 4];
		*at++ = digits[s[i] & 15];
	}
	return (size_t)(at - out);
}

/* The same for a terminal or a file: a backslash is doubled. */
struct glyph {
	char text[ESCAPED];
	size_t size, taken;
	int columns;
};

static struct glyph glyph_of(const unsigned char *s, size_t left)
{
	struct glyph g;
	uint32_t code;

	g.size = escape_to(g.text, s, left, &g.taken, &code);
	g.columns = g.size == g.taken ? width_of(code) : (int)g.size;
	if (*s == '\\') {
		g.text[g.size++] = '\\';
		g.columns++;
	}
	return g;
}

/* Gives the columns it took. */
static int escape(FILE *out, const unsigned char *s, size_t left, size_t *taken)
{
	struct glyph g = glyph_of(s, left);

	fwrite(g.text, 1, g.size, out);
	*taken = g.taken;
	return g.columns;
}

int print_name(const void *name, size_t size)
{
	const unsigned char *s = name;
	int columns = 0;

	for (size_t i = 0, taken; i < size; i += taken)
		columns += escape(stdout, s + i, size - i, &taken);
	return columns;
}

void format_command(char out[COMMAND_ROOM], const char *command)
{
	const unsigned char *s = (const unsigned char *)command;
	int columns = 0;

	for (size_t left = strnlen(command, 16); left != 0;) {
		struct glyph g = glyph_of(s, left);

		if (columns + g.columns > COMMAND_COLUMNS)
			break;
		memcpy(out, g.text, g.size);
		out += g.size;
		columns += g.columns;
		s += g.taken;
		left -= g.taken;
	}
	memset(out, ' ', (size_t)(COMMAND_COLUMNS - columns));
	out[COMMAND_COLUMNS - columns] = '\0';
}

void print_command(const char *command)
{
	char text[COMMAND_ROOM];

	format_command(text, command);
	fputs(text, stdout);
}

size_t escape_text(char *out, size_t room, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t size = 0;

	for (size_t left = strlen(text), taken; left != 0; left -= taken, s += taken) {
		char one[ESCAPED];
		uint32_t code;
		size_t n = escape_to(one, s, left, &taken, &code);

		if (size + n + sizeof("...") > room) {
			memcpy(out + size, "...", 3);
			size += 3;
			break;
		}
		memcpy(out + size, one, n);
		size += n;
	}
	out[size] = '\0';
	return size;
}

void format_name(char *out, size_t room, const void *name, size_t size)
{
	const unsigned char *s = name;
	FILE *stream = fmemopen(out, room, "w");

	out[0] = '\0';
	if (!stream)
		return;
	for (size_t i = 0, taken; i < size && (size_t)ftell(stream) + 18 < room; i += taken)
		escape(stream, s + i, size - i, &taken);
	fclose(stream);
}

void print_json(const void *name, size_t size)
{
	const unsigned char *s = name;

	putchar('"');
	for (size_t i = 0; i < size;) {
		uint32_t code;
		size_t n = character(s + i, size - i, &code);

		if (n == 0 || (!printable(code) && code <= 0xffff))
			printf("\\u%04x", n == 0 ? s[i] : (unsigned)code);
		else if (code == '"' || code == '\\')
			printf("\\%c", (int)code);
		else
			fwrite(s + i, 1, n, stdout);
		i += n ? n : 1;
	}
	putchar('"');
}

void print_json_text(const char *text)
{
	print_json(text, strlen(text));
}

void print_json_name(const void *name, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *s = name;

	printf("\"group\": ");
	print_json(name, size);
	printf(", \"name_hex\": \"");
	for (size_t i = 0; i < size; i++)
		fwrite((char[2]){digits[s[i] >> 4], digits[s[i] & 15]}, 1, 2, stdout);
	putchar('"');
}

void print_json_leader(const struct covey_group_view *v)
{
	print_json_name(v->name, v->size);
	printf(", \"hash\": \"%016" PRIx64 "\"", v->hash);
	printf(", \"pid\": %d, \"thread\": %d, \"alive\": %s, \"command\": ", (int)v->info.pid, (int)v->thread,
	        v->leader_alive ? "true" : "false");
	print_json(v->command, strnlen(v->command, sizeof(v->command)));
	printf(", \"generation\": %" PRIu64 ", \"age\": %.3f", v->info.generation, age_seconds(v->info.since));
}

double age_seconds(int64_t since)
{
	int64_t age = monotonic_now() - since;

	return age < 0 ? 0 : (double)age / 1e9;
}

void format_age(int64_t since, char *text, size_t size)
{
	double seconds = age_seconds(since);
	int64_t whole = (int64_t)seconds;

	if (whole < 60)
		snprintf(text, size, "%.1fs", seconds);
	else if (whole < 3600)
		snprintf(text, size, "%" PRId64 "m%02ds", whole / 60, (int)(whole % 60));
	else if (whole < 86400)
		snprintf(text, size, "%" PRId64 "h%02dm", whole / 3600, (int)(whole / 60 % 60));
	else
		snprintf(text, size, "%" PRId64 "d%02dh", whole / 86400, (int)(whole / 3600 % 24));
}

void format_span(int64_t nanoseconds, char *text, size_t size)
{
	if (nanoseconds < INT64_C(60000000000))
		snprintf(text, size, "%.3fs", (double)nanoseconds / 1e9);
	else
		format_age(monotonic_now() - nanoseconds, text, size);
}

int64_t realtime_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t realtime_of(int64_t monotonic)
{
	return realtime_now() - (monotonic_now() - monotonic);
}

void format_clock(int64_t realtime, char *text, size_t size)
{
	time_t then = (time_t)(realtime / 1000000000), now = time(NULL);
	struct tm parts, today;
	size_t n;

	text[0] = '\0';
	if (!localtime_r(&then, &parts) || !localtime_r(&now, &today))
		return;
	if (parts.tm_yday != today.tm_yday || parts.tm_year != today.tm_year) {
		strftime(text, size, "%b %e %H:%M", &parts);
		return;
	}
	n = strftime(text, size, "%H:%M:%S", &parts);
	snprintf(text + n, size - n, ".%03d", (int)(realtime / 1000000 % 1000));
}

void print_age(int64_t since, int width)
{
	char text[48];

	format_age(since, text, sizeof(text));
	printf("%*s", width, text);
}
