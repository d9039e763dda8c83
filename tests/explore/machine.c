/*
 * machine.c - actors, the memory that they share, and the points between their steps
 *
 * An actor is a thread of some process, or the death of one.  All of them run in one thread here, each on a stack of its
 * own, one at a time; so nothing happens but what is told to happen.  Before each operation on shared memory the explorer
 * may let another actor go on (search.c); switching is a longjmp() from one stack to the other.
 *
 * A run always begins from the same state: changed words are logged and set back, the private structures are copied back,
 * and each actor is taken to its first operation.
 *
 * Not each operation needs a point.  One at a place that no other actor touches, or that nobody changes, commutes with
 * whatever the others do, so it may as well happen at once.  Which places those are is learned (places_): a search is
 * repeated until it has met no new one.  A death may come after any write that the others or the final checks can see.
 *
 * A state is known by the hash of the shared memory and, of each actor, the hash of what its operations have returned: its
 * code is deterministic, so that decides where it is and what its variables hold.  Plain bytes of blocks in use are hashed
 * with the memory.  Two runs that come to the same state have the same future.  (Hashes have 64 bits; that two states
 * share one is taken to be impossible.)
 */
#include "explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef malloc
#undef free
#undef realloc

#define STACK (1u << 18)
#define PLACES (sizeof(struct shared) / 4)
#define STEPS_LIMIT 20000
#define CHECKER (1u << 15)

struct shared shared, image;
struct actor actors[ACTORS];
unsigned actor_count;
struct actor *self;
struct machine machine;

static unsigned char *stacks[ACTORS];
static jmp_buf home;
static struct undo {
	volatile void *at;
	uint64_t old;
	uint32_t size;
} * undos;
static size_t undo_count, undo_room;

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2))) * UINT64_C(0xff51afd7ed558ccd);

	x = (x ^ x >> 32) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 29;
}

/* ------------------------------------------------------------------------------------------------ places */

static struct place {
	uint16_t readers, writers;
} places[PLACES][2];                      /* the word, and the queue of its sleepers */
static unsigned char point_at[PLACES][2]; /* 1: between actors; 2: for deaths only */
static bool every_place, deaths_count;

static size_t place_of(const volatile void *at)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)&shared;

	return offset < sizeof(shared) ? offset / 4 : 0; /* place 0 is the magic number: nobody touches it */
}

static unsigned char kind_of(const struct place *p)
{
	unsigned all = (p->readers | p->writers) & ~CHECKER;

	if ((p->writers & ~CHECKER) == 0)
		return 0;
	if ((all & (all - 1)) != 0)
		return 1;
	return deaths_count && (p->readers & CHECKER) ? 2 : 0;
}

void places_begin(bool kills)
{
	deaths_count = kills;
	for (size_t i = 0; i < PLACES; i++)
		for (int q = 0; q < 2; q++)
			point_at[i][q] = kind_of(&places[i][q]);
}

bool places_grew(void)
{
	for (size_t i = 0; i < PLACES; i++)
		for (int q = 0; q < 2; q++)
			if (point_at[i][q] != kind_of(&places[i][q]))
				return true;
	return false;
}

void places_forget(void)
{
	memset(places, 0, sizeof(places));
}

void places_all(bool all)
{
	every_place = all;
}

unsigned places_count(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < PLACES; i++)
		n += (point_at[i][0] == 1) + (point_at[i][1] == 1);
	return n;
}

/* ------------------------------------------------------------------------------------------------ memory */

uint64_t machine_read(const volatile void *at, size_t size)
{
	return size == 8   ? *(const volatile uint64_t *)at
	       : size == 4 ? *(const volatile uint32_t *)at
	                   : *(const volatile unsigned char *)at;
}

static uint64_t word_hash(const volatile void *at, uint64_t value)
{
	return mix((uintptr_t)at - (uintptr_t)&shared, value);
}

static void put(volatile void *at, size_t size, uint64_t value)
{
	if (size == 8)
		*(volatile uint64_t *)at = value;
	else if (size == 4)
		*(volatile uint32_t *)at = (uint32_t)value;
	else
		*(volatile unsigned char *)at = (unsigned char)value;
}

void machine_write(volatile void *at, size_t size, uint64_t value)
{
	uint64_t old = machine_read(at, size);

	if (place_of(at) == 0) { /* a static variable of the library's: what it finds out about the machine */
		put(at, size, value);
		return;
	}
	if (undo_count == undo_room) {
		undo_room = undo_room ? undo_room * 2 : 1024;
		undos = realloc(undos, undo_room * sizeof(*undos));
	}
	undos[undo_count++] = (struct undo){at, old, (uint32_t)size};
	put(at, size, value);
	machine.memory += word_hash(at, machine_read(at, size)) - word_hash(at, old);
}

/* Blocks whose words were changed in this run: their bytes are set back, and hashed while they are in use. */
static uint32_t blocks[64];
static unsigned block_count;

static uint32_t block_of(const volatile void *at)
{
	const struct cv_arena *a = &shared.handles[0].arena;
	const _Atomic uint64_t *word = (const _Atomic uint64_t *)(uintptr_t)at;

	if (word < a->blocks || word >= a->blocks + (size_t)a->chunk_count * CV_CHUNK_BLOCKS)
		return UINT32_MAX;
	return (uint32_t)(word - a->blocks);
}

static void block_note(const volatile void *at)
{
	uint32_t b = block_of(at);

	for (unsigned i = 0; i < block_count && b != UINT32_MAX; i++)
		if (blocks[i] == b)
			return;
	if (b != UINT32_MAX && block_count < 64)
		blocks[block_count++] = b;
}

/* All blocks of a scenario are of the two smallest classes. */
static unsigned char *block_bytes(struct shared *s, uint32_t b, int class)
{
	size_t heap = (size_t)(shared.handles[0].arena.heap - shared.region);

	return s->region + heap + ((size_t)(b / CV_CHUNK_BLOCKS) << CV_CHUNK_SHIFT) +
	       ((size_t)(b % CV_CHUNK_BLOCKS) << (CV_CLASS_MIN_SHIFT + class));
}

static uint64_t blocks_hash(void)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < block_count; i++) {
		const uint64_t *bytes = (const uint64_t *)(void *)block_bytes(&shared, blocks[i], 0);

		if (cv_word_state(machine_read(&shared.handles[0].arena.blocks[blocks[i]], 8)) == CV_FREE)
			continue;
		uint64_t one = blocks[i];

		for (int k = 0; k < 16; k++)
			one = mix(one, bytes[k]);
		h += one;
	}
	return h;
}

/* ------------------------------------------------------------------------------------------------ memory of a process */

static unsigned char private_memory[1 << 16];
static size_t private_used;

void *explore_allocate(void *old, size_t size)
{
	unsigned char *at = private_memory + private_used;

	private_used += (size + 31) & ~(size_t)15;
	if (private_used > sizeof(private_memory)) {
		fprintf(stderr, "explore: a scenario allocates too much\n");
		abort();
	}
	memcpy(at, &size, sizeof(size));
	if (old != NULL) {
		size_t was;

		memcpy(&was, (unsigned char *)old - 16, sizeof(was));
		memcpy(at + 16, old, was < size ? was : size);
	}
	return at + 16;
}

void explore_free(void *at)
{
	(void)at; /* all of it at the end of the run */
}

/* ------------------------------------------------------------------------------------------------ runs */

static void actor_loop(void)
{
	struct actor *a = self;

	if (_setjmp(a->start) == 0)
		_longjmp(home, 1);
	for (;;) {
		self->body();
		machine_finished();
	}
}

void machine_actor(const char *name, uint32_t participant, uint32_t seat, void (*body)(void))
{
	struct actor *a = &actors[actor_count];

	if (actor_count == ACTORS)
		abort();
	*a = (struct actor){.name = name, .body = body, .participant = participant};
	a->c = &shared.handles[participant];
	a->t = seat != 0 ? &shared.threads[seat] : NULL;
	a->death = body == kernel_death || body == reaped_body;
	a->state = a->death ? ACTOR_DORMANT : ACTOR_READY;
	a->daemon = body == keeper_body;
	if (stacks[actor_count] == NULL)
		stacks[actor_count] = malloc(STACK);
	getcontext(&a->context);
	a->context.uc_stack.ss_sp = stacks[actor_count];
	a->context.uc_stack.ss_size = STACK;
	a->context.uc_link = NULL;
	makecontext(&a->context, actor_loop, 0);
	actor_count++;
	self = a;
	if (_setjmp(home) == 0)
		setcontext(&a->context);
	self = NULL;
}

void machine_keep(void)
{
	undo_count = 0;
	block_count = 0;
	private_used = 0;
	machine.memory = 0;
	image = shared;
}

static void actor_reset(struct actor *a)
{
	a->state = a->death ? ACTOR_DORMANT : ACTOR_READY;
	a->history = (uint64_t)(a - actors) + 1;
	a->steps = 0;
	a->touched = true;
	a->paused = a->queued = a->timed_out = false;
	a->mutex = NULL;
	a->count = 0;
	memcpy(a->at, a->start, sizeof(a->at));
}

static void go_to(struct actor *a)
{
	self = a;
	covey_thread_last = a->t;
	_longjmp(a->at, 1);
}

void machine_begin(void)
{
	while (undo_count > 0) {
		undo_count--;
		put(undos[undo_count].at, undos[undo_count].size, undos[undo_count].old);
	}
	for (unsigned i = 0; i < block_count; i++)
		for (int k = 0; k < 2 && blocks[i] < CV_CHUNK_BLOCKS / 2; k++)
			memcpy(block_bytes(&shared, blocks[i], k), block_bytes(&image, blocks[i], k),
			        1u << (CV_CLASS_MIN_SHIFT + k));
	memcpy(shared.handles, image.handles, sizeof(shared) - offsetof(struct shared, handles));
	block_count = 0;
	private_used = 0;
	machine.memory = machine.writes = machine.turns = 0;
	machine.violation[0] = '\0';
	machine.why = RUN_ENDED;
	for (unsigned i = 0; i < actor_count; i++)
		actor_reset(&actors[i]);
	machine.running = machine.positioning = true;
	for (volatile unsigned i = 0; i < actor_count; i++)
		if (actors[i].state == ACTOR_READY && _setjmp(home) == 0)
			go_to(&actors[i]);
	machine.positioning = machine.running = false;
	self = NULL;
}

enum why machine_run(void)
{
	machine.running = true;
	if (machine.why != RUN_VIOLATION && _setjmp(home) == 0) {
		struct actor *first = search_choose(true);

		if (first == NULL)
			machine_stop(RUN_ENDED);
		go_to(first);
	}
	machine.running = false;
	self = NULL;
	covey_thread_last = NULL;
	return machine.why;
}

void machine_stop(enum why why)
{
	if (machine.why != RUN_VIOLATION)
		machine.why = why;
	_longjmp(home, 1);
}

void violation(const char *format, ...)
{
	va_list arguments;

	if (machine.why != RUN_VIOLATION) { /* the first one says most */
		va_start(arguments, format);
		vsnprintf(machine.violation, sizeof(machine.violation), format, arguments);
		va_end(arguments);
	}
	machine.why = RUN_VIOLATION;
	if (self != NULL)
		machine_stop(RUN_VIOLATION);
}

void machine_give_way(void)
{
	struct actor *next;

	if (machine.positioning) {
		if (_setjmp(self->at) == 0)
			_longjmp(home, 1);
		return;
	}
	next = search_choose(true);
	if (next == NULL)
		machine_stop(RUN_ENDED);
	if (next != self && _setjmp(self->at) == 0)
		go_to(next);
}

void machine_finished(void)
{
	self->state = ACTOR_DONE;
	machine_saw(0x646f6e65);
	self->touched = true;
	memcpy(self->at, self->start, sizeof(self->at));
	machine_give_way();
	abort(); /* nobody chooses who is done */
}

void machine_at_once(void (*what)(void))
{
	bool counts = machine_before(
	        &shared.slot_locks[self->participant], TO_READ | TO_WRITE | ALWAYS, "at once", __FILE__, __LINE__);

	machine.running = false;
	what();
	machine.running = true;
	machine_after(counts, machine.memory);
}

void machine_saw(uint64_t what)
{
	self->history = mix(self->history, what);
}

uint64_t machine_signature(void)
{
	uint64_t h = machine.memory + blocks_hash();

	h = mix(h, kernel_signature());
	for (unsigned i = 0; i < actor_count; i++)
		h = mix(h, actors[i].state == ACTOR_DEAD ? 1 : actors[i].history + (uint64_t)actors[i].paused);
	return h;
}

static bool traced; /* the line lacks its end */

static void trace(const volatile void *at, const char *what)
{
	char place[64];

	world_place(at, place, sizeof(place));
	printf("%6llu  %-12s %s:%d  %s %s", (unsigned long long)self->steps, self->name, self->file, self->line, what,
	        place);
}

void machine_touches(const volatile void *at, unsigned how)
{
	struct place *p = &places[place_of(at)][(how & QUEUE) != 0];
	unsigned who = self == NULL ? CHECKER : 1u << (self - actors);

	if (how & TO_READ)
		p->readers |= (uint16_t)who;
	if (how & TO_WRITE)
		p->writers |= (uint16_t)who;
}

bool machine_before(const volatile void *at, unsigned how, const char *what, EXPLORE_AT)
{
	size_t place = place_of(at);
	int queue = (how & QUEUE) != 0;
	unsigned kind;

	if (place == 0)
		return false;
	machine_touches(at, how);
	if (!machine.running || self == NULL)
		return false;
	self->file = strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file;
	self->line = line;
	kind = every_place || (how & ALWAYS) ? 1 : point_at[place][queue];
	if (machine.positioning) {
		if (!self->daemon && kind != 0)
			machine_give_way();
	} else if (kind == 1 || (kind == 2 && (how & TO_WRITE) && self->touched)) {
		struct actor *next = search_choose(kind == 1);

		if (next != self && _setjmp(self->at) == 0)
			go_to(next);
	}
	if (++self->steps > STEPS_LIMIT)
		violation("%s does not come to an end", self->name);
	self->paused = false;
	if (kind != 0 && (how & TO_WRITE)) {
		self->touched = true;
		machine.writes++;
		block_note(at);
	} else if (how & TO_WRITE) {
		block_note(at);
	}
	traced = machine.trace && !machine.positioning;
	if (traced)
		trace(at, what);
	return kind == 1 || (kind == 2 && (how & TO_WRITE));
}

void machine_after(bool counts, uint64_t result)
{
	if (traced)
		printf(" = %llx\n", (unsigned long long)result);
	traced = false;
	if (counts)
		machine_saw(mix(result, (uint64_t)self->line));
}
