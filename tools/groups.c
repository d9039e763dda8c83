/*
 * groups.c - the groups that are led now, copied out of the region
 *
 * Each was true of its group at one instant; the list as a whole was not, because nothing stops for it.  It is copied
 * first, so that printing to a slow terminal does not stretch the walk.
 */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct group_list *list)
{
	size_t room = list->room ? 2 * list->room : 64;
	struct covey_group_view *views;

	if (list->size < list->room)
		return true;
	views = realloc(list->views, room * sizeof(*views));
	if (!views)
		return false;
	list->views = views;
	list->room = room;
	return true;
}

static int keep(void *context, const struct covey_group_view *view)
{
	struct group_list *list = context;
	void *name = make_room(list) ? malloc(view->size) : NULL;

	list->exhausted = !name;
	if (!name)
		return 1;
	list->views[list->size] = *view;
	list->views[list->size++].name = memcpy(name, view->name, view->size);
	return 0;
}

int groups_take(covey *c, struct group_list *out)
{
	int n;

	*out = (struct group_list){.size = 0};
	n = covey_each_group(c, keep, out);
	return n < 0 ? n : 0;
}

void groups_free(struct group_list *list)
{
	for (size_t i = 0; i < list->size; i++)
		free((void *)(uintptr_t)list->views[i].name);
	free(list->views);
	*list = (struct group_list){.size = 0};
}
