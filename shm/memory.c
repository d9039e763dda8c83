/*
 * memory.c - see memory.h
 */
#include "memory.h"

#include <stddef.h>
#include <stdio.h>

/* jemalloc's; NULL where the process does not use it. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));

#define NO_ARENA UINT32_MAX

static void arena_take(struct covey_memory *m)
{
	size_t size = sizeof(m->arena);

	m->tried = true;
	m->own = mallctl != NULL && mallctl("arenas.create", &m->arena, &size, NULL, 0) == 0;
}

static unsigned arena_use(unsigned arena)
{
	unsigned before = NO_ARENA;
	size_t size = sizeof(before);

	return mallctl("thread.arena", &before, &size, &arena, sizeof(arena)) == 0 ? before : NO_ARENA;
}

static _Thread_local unsigned outside = NO_ARENA; /* where this thread was before it entered one */

unsigned covey_memory_outside(void)
{
	return outside != NO_ARENA ? arena_use(outside) : NO_ARENA;
}

void covey_memory_thread(void)
{
	bool cached = false;

	if (mallctl != NULL)
		mallctl("thread.tcache.enabled", NULL, NULL, &cached, sizeof(cached));
}

unsigned covey_memory_enter(struct covey_memory *m)
{
	if (m != NULL && !m->tried)
		arena_take(m);
	if (m == NULL || !m->own)
		return NO_ARENA;
	return outside = arena_use(m->arena);
}

void covey_memory_leave(unsigned before)
{
	if (before == NO_ARENA)
		return;
	arena_use(before);
	if (before == outside)
		outside = NO_ARENA;
}

static uint64_t statistic(const char *format, unsigned arena)
{
	char name[64];
	uint64_t value = 0;
	size_t size = sizeof(value);

	snprintf(name, sizeof(name), format, arena);
	return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

void covey_memory_count(void)
{
	uint64_t epoch = 1;

	if (mallctl != NULL)
		mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
}

uint64_t covey_memory_bytes(const struct covey_memory *m)
{
	if (!m->own)
		return 0;
	return statistic("stats.arenas.%u.small.allocated", m->arena) +
	       statistic("stats.arenas.%u.large.allocated", m->arena);
}

void covey_memory_end(struct covey_memory *m)
{
	char name[64];

	if (!m->own)
		return;
	snprintf(name, sizeof(name), "arena.%u.destroy", m->arena);
	mallctl(name, NULL, NULL, NULL, 0);
	m->own = false;
}
