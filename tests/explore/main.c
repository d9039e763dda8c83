/*
 * main.c - explore: all schedules of small stories over the library's own code
 *
 *      explore                       each scenario, in the short form
 *      explore --long                in the long form, which takes some minutes
 *      explore SCENARIO [--bound N] [--limit RUNS] [--random RUNS]
 *      explore SCENARIO --replay "SCHEDULE"     one run, step by step
 *      explore --list
 *
 * Exits with 0 if no law was broken, 1 if one was (the schedule is printed), 2 for a wrong call.
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Runs of one scenario; where that is not all, it says so. */
#define SHORT_LIMIT 100000
#define LONG_LIMIT 3000000

struct call {
	const char *name, *replay;
	bool list, longer, bound_given;
	int bound;
	uint64_t limit, random;
};

static bool call_read(struct call *call, int count, char **words)
{
	*call = (struct call){.limit = UINT64_MAX};
	for (int i = 1; i < count; i++) {
		bool more = i + 1 < count;

		if (strcmp(words[i], "--list") == 0)
			call->list = true;
		else if (strcmp(words[i], "--long") == 0)
			call->longer = true;
		else if (strcmp(words[i], "--bound") == 0 && more && (call->bound_given = true))
			call->bound = (int)strtol(words[++i], NULL, 10);
		else if (strcmp(words[i], "--limit") == 0 && more)
			call->limit = strtoull(words[++i], NULL, 10);
		else if (strcmp(words[i], "--random") == 0 && more)
			call->random = strtoull(words[++i], NULL, 10);
		else if (strcmp(words[i], "--replay") == 0 && more)
			call->replay = words[++i];
		else if (words[i][0] != '-' && call->name == NULL)
			call->name = words[i];
		else
			return false;
	}
	return call->replay == NULL || call->name != NULL;
}

static void legend(void)
{
	for (unsigned i = 0; i < actor_count; i++)
		printf("%s%c %s", i != 0 ? ", " : "         ", (int)('a' + i), actors[i].name);
	printf("\n");
}

static void report(const struct scenario *s, int bound, uint64_t random, struct found f, clock_t began)
{
	static char schedule[1 << 18];
	char within[40] = "all schedules";

	if (random != 0)
		snprintf(within, sizeof(within), "random schedules");
	else if (bound >= 0)
		snprintf(within, sizeof(within), "%d preemption%s", bound, bound == 1 ? "" : "s");
	printf("%-8s %-16s %-16s %9llu states, %9llu runs, %7llu ends, %4u points deep, %u places, %.1f s%s\n",
	        f.failed     ? "BROKEN"
	        : f.complete ? "holds"
	                     : "stopped",
	        s->name, within, (unsigned long long)f.states, (unsigned long long)f.runs, (unsigned long long)f.ends,
	        f.longest, places_count(), (double)(clock() - began) / CLOCKS_PER_SEC,
	        f.complete || f.failed ? "" : ", not complete");
	if (!f.failed)
		return;
	search_schedule(schedule, sizeof(schedule));
	printf("         %s\n", machine.violation);
	legend();
	printf("         --replay \"%s\"\n", schedule);
}

static bool explore(const struct scenario *s, const struct call *call)
{
	struct bounds within = {call->bound_given ? call->bound
	                        : call->longer    ? s->bound
	                                          : s->quick,
	        s->kills, s->expire};
	uint64_t limit = call->limit;
	clock_t began = clock();
	struct found f;
	bool failed;

	s->set_up();
	machine_keep();
	if (call->replay != NULL) {
		legend();
		failed = search_replay(s, within, call->replay);
		printf("%s%s\n", failed ? "BROKEN   " : "holds", machine.violation);
		return !failed;
	}
	places_forget();
	if (call->name == NULL)
		limit = call->longer ? LONG_LIMIT : SHORT_LIMIT;
	f = call->random != 0 ? search_random(s, within, call->random, 1) : search_all(s, within, limit);
	report(s, within.preemptions, call->random, f, began);
	fflush(stdout);
	return !f.failed;
}

int main(int count, char **words)
{
	struct call call;
	bool good = true, any = false;

	if (!call_read(&call, count, words)) {
		fprintf(stderr, "usage: explore [SCENARIO] [--long] [--bound N] [--limit N] [--random N] [--replay S] "
		                "[--list]\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		for (const struct scenario *s = i == 0 ? living : deaths; s->name != NULL; s++) {
			if (call.name != NULL && strcmp(call.name, s->name) != 0)
				continue;
			any = true;
			if (call.list)
				printf("%-16s %s\n", s->name, s->says);
			else
				good = explore(s, &call) && good;
		}
	if (!any)
		fprintf(stderr, "explore: no such scenario (--list shows them)\n");
	return !any ? 2 : good ? 0 : 1;
}
