/*
 * circle.c - commands that wait for each other
 *
 *      covey run A -- ... covey run B          covey run B -- ... covey run A
 *      leads A        waits for B              leads B        waits for A
 *
 * Here the one who waits is another process than the one who leads, a descendant of its COMMAND, so the library cannot
 * see that the leader is held up by the wait.  A look goes backwards from the caller: the groups whose COMMANDs it
 * descends from cannot end before its wait does; nor can those, then, whose leaders have a descendant that waits for
 * such a group; and so on.  If whom the caller waits for is among them, that is a circle.  Each descendant counts as
 * one that COMMAND waits for: what COMMAND started in the background and does not wait for cannot be told apart.
 *
 * Who waits looks after its wait can be seen by others, so of the waits that close a circle the last one sees the
 * whole.  Two that look at the same time both see it: see nest.c for which of them ends.
 *
 * A pid is no proof.  The region may be shared with other pid namespaces, which give the same numbers to others.  A
 * number of the region's is taken for a process of ours only if no second participant has it, the process is of our
 * namespace and no other, and has the region open.  What cannot be proven, such as a leader in another container, is
 * not seen.
 */
#include "circle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "groups.h"

/* What is known of a group in a look. */
struct held {
	bool is;      /* it cannot end before the caller's wait */
	bool visited; /* so are those that its waiters hold up */
	int above;    /* of the waits in between, those of a higher pid than the caller's */
};

struct look {
	const struct nest *n;
	struct group_list groups;
	struct held *held;
	size_t at; /* the group whose waiters are visited */
	struct parents parents;
};

/* ------------------------------------------------------------------------------------------------ proof */

struct count {
	pid_t pid;
	int is;
};

static int count_participant(void *context, const struct covey_participant_view *view)
{
	struct count *count = context;

	count->is += view->pid == count->pid && view->alive;
	return 0;
}

bool circle_proves(const struct nest *n, pid_t pid)
{
	struct count count = {.pid = pid};
	struct stat st;

	return ancestry_known() && ancestry_local(pid) && attach_file(n->region, &st) &&
	       ancestry_holds(pid, st.st_dev, st.st_ino) &&
	       covey_each_participant(n->c, count_participant, &count) > 0 && count.is == 1;
}

/* ------------------------------------------------------------------------------------------------ the look */

static bool is_target(const struct look *l, size_t group)
{
	const struct covey_group_view *v = &l->groups.views[group];

	return v->size == l->n->size && memcmp(v->name, l->n->name, v->size) == 0;
}

/* Does the caller work for it? */
static bool is_around(const struct look *l, size_t group)
{
	const struct covey_group_view *v = &l->groups.views[group];
	char digest[DIGEST_SIZE];

	if (v->info.pid == 0)
		return false;
	if (ancestry_has(&l->n->ancestry, v->info.pid) && circle_proves(l->n, v->info.pid))
		return true;
	if (!nest_may_list(v->info.generation, v->info.pid))
		return false;
	nest_digest(digest, l->n->region, v->name, v->size);
	return nest_listed(digest, v->info.generation, v->info.pid);
}

/* Whoever leads a group and has this waiter below it waits as well. */
static int visit_waiter(void *context, const struct covey_waiter_view *waiter)
{
	struct look *l = context;
	struct ancestry a;

	if (waiter->pid <= 0)
		return 0;
	ancestry_take(&a, waiter->pid, &l->parents);
	for (size_t i = 0; i < l->groups.size; i++) {
		pid_t leader = l->groups.views[i].info.pid;

		if (l->held[i].is || leader == 0 || !ancestry_has(&a, leader) || !circle_proves(l->n, leader) ||
		        !circle_proves(l->n, waiter->pid))
			continue;
		l->held[i].is = true;
		l->held[i].above = l->held[l->at].above + (waiter->pid > getpid());
	}
	return 0;
}

/* A group whose waiters are to be visited; groups.size: there is none. */
static size_t next_held(const struct look *l)
{
	size_t i = 0;

	while (i < l->groups.size && (!l->held[i].is || l->held[i].visited))
		i++;
	return i;
}

static int search(struct look *l)
{
	for (size_t i = 0; i < l->groups.size; i++)
		l->held[i].is = is_around(l, i);
	while ((l->at = next_held(l)) < l->groups.size) {
		const struct covey_group_view *v = &l->groups.views[l->at];

		if (is_target(l, l->at))
			return l->held[l->at].above + 1;
		l->held[l->at].visited = true;
		if (v->info.waiters != 0)
			covey_each_waiter(l->n->c, v->name, v->size, visit_waiter, l);
	}
	return 0;
}

int circle_look(const struct nest *n)
{
	struct look *l = calloc(1, sizeof(*l));
	int rank = 0;

	if (!l)
		return 0;
	l->n = n;
	if (ancestry_known() && groups_take(n->c, &l->groups) == 0 && l->groups.size != 0) {
		l->held = calloc(l->groups.size, sizeof(*l->held));
		if (l->held)
			rank = search(l);
		free(l->held);
	}
	groups_free(&l->groups);
	free(l);
	return rank;
}
