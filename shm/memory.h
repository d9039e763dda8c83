/*
 * memory.h - the memory of one worker among many in a process
 *
 * Where the process uses jemalloc, each worker gets an arena of its own: what its callbacks allocate by plain malloc()
 * comes from there, is counted there, and is gone whole when the arena is destroyed, whatever the device forgot to
 * free.  jemalloc has some 4000 arenas; later workers, and processes without jemalloc, use the common heap.
 */
#ifndef COVEY_MEMORY_H
#define COVEY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct covey_memory {
	bool tried;
	bool own; /* arena is this worker's own */
	unsigned arena;
};

/* In a thread that serves several workers, once: what it allocates must come from its arena, not from a cache of its own
 * that has pieces of several. */
void covey_memory_thread(void);

/* From here to the next, this thread allocates from m's arena; NULL: from the process's own.  Gives the arena before. */
unsigned covey_memory_enter(struct covey_memory *m);
void covey_memory_leave(unsigned before);

/* Have the figures of all arenas brought up to date: some milliseconds, with thousands of them. */
void covey_memory_count(void);
uint64_t covey_memory_bytes(const struct covey_memory *m); /* allocated in it at the last count */
void covey_memory_end(struct covey_memory *m);             /* all that is left in it is freed */

#endif
