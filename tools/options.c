/*
 * options.c - values that several subcommands' options take
 *
 * Numbers are taken whole or not at all: "1s" or "10 " is a mistake, and is told with what would be right.
 */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int option_seconds(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds)
{
	const double furthest = 9.0e9; /* 285 years, within the range of nanoseconds */
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || isnan(seconds) || seconds < 0)
		return misuse(usage, "%s: %s takes seconds, such as 10 or 0.5, not \"%s\"", command, name, text);
	*nanoseconds = seconds >= furthest ? COVEY_FOREVER : (int64_t)(seconds * 1e9);
	return 0;
}

int option_ms(const char *usage, const char *command, const char *name, const char *text, int64_t *nanoseconds)
{
	const long long furthest = INT64_MAX / 2000000;
	char *end;
	long long ms;

	errno = 0;
	ms = strtoll(text, &end, 10);
	if (end == text || *end || ms < 0)
		return misuse(usage, "%s: %s takes milliseconds, such as 500, not \"%s\"", command, name, text);
	*nanoseconds = ms == 0 || errno == ERANGE || ms > furthest ? COVEY_FOREVER : ms * 1000000;
	return 0;
}

int option_code(const char *usage, const char *command, const char *text, int *code)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end || number < 0 || number > 255)
		return misuse(usage, "%s: -E takes an exit code from 0 to 255, not \"%s\"", command, text);
	*code = (int)number;
	return 0;
}

int option_size(const char *usage, const char *command, const char *name, const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned long long number;
	int shift = 0;

	errno = 0;
	number = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		end++;
	}
	if (end == text || *end || text[0] < '0' || text[0] > '9' || errno || number == 0 ||
	        number > UINT64_MAX >> shift)
		return misuse(
		        usage, "%s: %s takes a size, such as 4096, 64K, 10M or 2G, not \"%s\"", command, name, text);
	*size = (uint64_t)number << shift;
	return 0;
}

/* What is set aside at once must not be more than the limit, and a region lacks the last 64 KiB of its 64 GiB. */
static int term_heap(const char *usage, const char *command, struct covey_options *terms)
{
	const uint64_t most = UINT64_C(64) << 30, at_once = 8u << 20;
	int status = option_size(usage, command, "--heap", optarg, &terms->heap_max);

	if (status == 0 && terms->heap_max > most)
		return misuse(usage, "%s: --heap takes 64G at most, not \"%s\"", command, optarg);
	if (terms->heap_max == most)
		terms->heap_max -= 1 << 16;
	terms->heap = terms->heap_max < at_once ? terms->heap_max : 0;
	return status;
}

/* Its owner must be able to use it; and who lets others write means to share it. */
static int term_mode(const char *usage, const char *command, struct covey_options *terms)
{
	char *end;
	unsigned long mode = strtoul(optarg, &end, 8);

	if (*end || optarg[0] < '0' || optarg[0] > '7' || (mode & ~0666ul) != 0 || (mode & 0600) != 0600)
		return misuse(usage,
		        "%s: --mode takes octal permissions to read and write, such as 600 or 660, not \"%s\"", command,
		        optarg);
	terms->mode = (mode_t)mode;
	if ((mode & 022) != 0)
		terms->flags |= COVEY_ALLOW_SHARED;
	return 0;
}

int region_term(const char *usage, const char *command, int o, struct covey_options *terms)
{
	switch (o) {
	case TERM_FOREIGN:
		terms->flags |= COVEY_ALLOW_FOREIGN;
		return 0;
	case TERM_SHARED:
		terms->flags |= COVEY_ALLOW_SHARED;
		return 0;
	case TERM_HEAP:
		return term_heap(usage, command, terms);
	case TERM_MODE:
		return term_mode(usage, command, terms);
	default:
		return NO_TERM;
	}
}

int operand_name(const char *usage, const char *command, const char *what, const char *text, size_t *size)
{
	if (!text)
		return misuse(usage, "%s: %s is missing", command, what);
	*size = strlen(text);
	if (*size == 0)
		return misuse(usage, "%s: %s is empty", command, what);
	if (*size > COVEY_NAME_MAX)
		return complain(
		        EXIT_COVEY, "%s: %s has %zu bytes, the limit is %d", command, what, *size, COVEY_NAME_MAX);
	return 0;
}
