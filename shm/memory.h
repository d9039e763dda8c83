/*
 * memory.h - the memory of one worker among many in a process
 *
 * Where the process uses jemalloc, a worker can have an arena of its own: what its callbacks allocate by plain malloc()
 * comes from there, is counted there, and is gone whole when the arena is destroyed, whatever the device forgot to
 * free.  That is for the device to ask for (own_memory), because it is also the end of what only seems to be the device's:
 * a library's buffer that was made at its first use, inside a callback; a block that another thread freed and still has
 * in its cache.  covey's own allocations that are to last are made outside.
 *
 * jemalloc has some 4000 arenas; later workers, and processes without jemalloc, use the common heap.
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

/* From here to the next, this thread allocates from m's arena; NULL: no change.  Gives the arena before. */
unsigned covey_memory_enter(struct covey_memory *m);
void covey_memory_leave(unsigned before);

/* As covey_memory_enter(), back into what this thread allocated from before it entered an arena, if it has. */
unsigned covey_memory_outside(void);

/* Have the figures of all arenas brought up to date: some milliseconds, with thousands of them. */
void covey_memory_count(void);
uint64_t covey_memory_bytes(const struct covey_memory *m); /* allocated in it at the last count */
void covey_memory_end(struct covey_memory *m);             /* all that is left in it is freed */

#endif
