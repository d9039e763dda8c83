/*
 * damage.c - what "covey verify" makes of a damaged region
 *
 * A region with all that can be in one (groups led, idle and handed over, names short and long, waiters with requests short
 * and long, results lent and in outboxes, rooms) is copied while its processes sleep.  Copies of it are damaged:
 *
 *  - each invariant of shm/check.c that one word can break, by that word: it is named;
 *  - at random, by a bit, by eight bytes or by a line of zeros: the command ends by itself, with a status that it documents.
 *
 * What share of the random damage is named is printed, and must not fall.  Not all can be: mask_of() tells of each bit
 * whether anything else in the segment bears it out.  The others are unused memory, bytes of results and requests,
 * histories, times and statistics, and counters where any value may be (generations, sequences, tags).  Most of a segment
 * is of these, so of the random places each second is drawn until it is one that can be judged.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "damage.h"

#define PATIENCE_S 60 /* a loop without end is one that outlasts this */

/* ------------------------------------------------------------------------------------------------ a copy */

struct copy {
	char region[80];
	unsigned char *base;
	struct cv_arena arena; /* its parts; only as addresses */
	struct covey_slot *slots;
	struct covey_ring *rings;
};

static void view(struct copy *c)
{
	struct covey_header *h = (struct covey_header *)(void *)c->base;

	c->slots = (struct covey_slot *)(void *)(c->base + layout.slots);
	c->rings = (struct covey_ring *)(void *)(c->base + layout.rings);
	c->arena = (struct cv_arena){.nodes = (struct cv_node *)(void *)(c->base + layout.nodes),
	        .tails = (struct cv_tail *)(void *)(c->base + layout.tails),
	        .buckets = (_Atomic uint64_t *)(void *)(c->base + layout.buckets),
	        .seats = (struct cv_seat *)(void *)(c->base + layout.seats),
	        .chunks = (_Atomic uint64_t *)(void *)(c->base + layout.chunks),
	        .blocks = (_Atomic uint64_t *)(void *)(c->base + layout.blocks),
	        .heap = c->base + layout.heap,
	        .globals = &h->globals,
	        .watch = (_Atomic uint32_t *)(void *)(c->base + layout.watch),
	        .key = h->key,
	        .node_count = counts.groups,
	        .bucket_mask = counts.buckets - 1,
	        .seat_count = counts.threads,
	        .keeper_count = counts.participants,
	        .chunk_count = counts.chunks,
	        .chunk_base = counts.chunks_base};
}

static void copy_make(struct copy *c, int number)
{
	int fd;

	snprintf(c->region, sizeof(c->region), "%s-copy-%d", world->region, number);
	fd = open(path_of(c->region), O_CREAT | O_RDWR | O_TRUNC, 0600);
	must(fd >= 0 && ftruncate(fd, (off_t)layout.size) == 0);
	c->base = mmap(NULL, layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(c->base != MAP_FAILED);
	close(fd);
	memcpy(c->base, original, layout.size);
	view(c);
}

static void copy_end(struct copy *c)
{
	munmap(c->base, layout.size);
	covey_unlink(c->region);
}

/* ------------------------------------------------------------------------------------------------ by word */

static const struct covey_header *header_of(const struct copy *c)
{
	return (const struct covey_header *)(const void *)c->base;
}

static uint32_t node_in(const struct copy *c, enum cv_state state, bool long_name)
{
	for (uint32_t i = 1; i <= counts.groups; i++)
		if (cv_word_state(c->arena.nodes[i].own) == state && (c->arena.nodes[i].long_name != 0) == long_name)
			return i;
	must(!"there is such a node");
	return 0;
}

static uint32_t seat_in(const struct copy *c, enum cv_seat_state state, uint32_t request_least)
{
	for (uint32_t i = 1; i <= counts.threads; i++)
		if (cv_seat_state(c->arena.seats[i].word) == state && cv_seat_owner(&c->arena, i) != 0 &&
		        c->arena.seats[i].request_size >= request_least)
			return i;
	must(!"there is such a seat");
	return 0;
}

static struct cv_seat *waiting(const struct copy *c, uint32_t request_least)
{
	return &c->arena.seats[seat_in(c, CV_SEAT_WAITING, request_least)];
}

static struct cv_seat *lent(const struct copy *c)
{
	for (uint32_t i = 1; i <= counts.threads; i++)
		if (c->arena.seats[i].loans[0] != 0)
			return &c->arena.seats[i];
	must(!"a seat has a loan");
	return NULL;
}

/* A chunk in this state: 2 a slab, 3 a run, 4 a part of one. */
static uint32_t chunk_in(const struct copy *c, unsigned state)
{
	for (uint32_t i = 0; i < counts.chunks; i++)
		if ((c->arena.chunks[i] & 7) == state)
			return i;
	must(!"there is such a chunk");
	return 0;
}

static _Atomic uint64_t *word_of_block(const struct copy *c, uint32_t ref)
{
	return &c->arena.blocks[(uint64_t)((ref >> 8) - 1) * CV_CHUNK_BLOCKS + (ref & 0xff)];
}

static _Atomic uint64_t *free_block(const struct copy *c)
{
	_Atomic uint64_t *word = &c->arena.blocks[(uint64_t)chunk_in(c, 2) * CV_CHUNK_BLOCKS];

	while (cv_word_state(*word) != CV_FREE)
		word++;
	return word;
}

#define NODE(state, long_name) (&c->arena.nodes[node_in(c, state, long_name)])
#define LAST_SEAT (&c->arena.seats[counts.threads])
#define KEEPER (counts.threads + 1)

/* Each breaks one invariant: its name, the damage, a part of the sentence that names it. */
#define DAMAGES                                                                                                        \
	DAMAGE(seat_state, waiting(c, 0)->word |= 7, "is none")                                                        \
	DAMAGE(seat_mark, c->arena.globals->seat_high = 0, "but the mark is at 0")                                     \
	DAMAGE(seat_names_block, waiting(c, 0)->word |= UINT64_C(5) << 32, "but it names block 5")                     \
	DAMAGE(seat_answer_gone, lent(c)->word = cv_seat_word(CV_SEAT_DONE, 9, 0x101fe), "which holds no answer")      \
	DAMAGE(short_request_block, waiting(c, 0)->request_block = 0x100, "needs no block")                            \
	DAMAGE(long_request_lost, waiting(c, 300)->request_block = 0, "bytes is not in block 0")                       \
	DAMAGE(long_request_size, waiting(c, 300)->request_size = 1u << 30, "bytes is not in block")                   \
	DAMAGE(loan_gone, *word_of_block(c, lent(c)->loans[0]) &= ~CV_STATE_MASK, "is lent to it, but not in use")     \
	DAMAGE(pin_nowhere, waiting(c, 0)->pins[1] = UINT32_MAX, "which there is not")                                 \
	DAMAGE(pin_of_keeper, c->arena.seats[KEEPER].pins[0] = 7, "which there is not")                                \
	DAMAGE(keeper_waits, c->arena.seats[KEEPER].word = CV_SEAT_WAITING, "a keeper's, but it waits")                \
	DAMAGE(seat_owner, LAST_SEAT->owner = 4000, "owned by participant 4000 of 8")                                  \
	DAMAGE(seat_left, LAST_SEAT->mode = CV_PARK_FULL, "holds something, but nobody owns it")                       \
	DAMAGE(seat_mode, waiting(c, 0)->mode = 3, "in mode 3, which is none")                                         \
	DAMAGE(seat_forwards, waiting(c, 0)->forwards = 257, "forwards node 257 of 256")                               \
	DAMAGE(node_mark, c->arena.globals->node_fresh = 1, "in use, but the mark is at 1")                            \
	DAMAGE(node_idle_owned, NODE(CV_IDLE, false)->own |= 1u << CV_OWNER_SHIFT, "but owned by seat 1, or awaited")  \
	DAMAGE(node_idle_awaited, NODE(CV_IDLE, false)->own |= CV_WAITERS, "or awaited")                               \
	DAMAGE(node_led_by_keeper, NODE(CV_LEADING, false)->own |= KEEPER << CV_OWNER_SHIFT, "but owned by seat")      \
	DAMAGE(node_handed_to_thread, NODE(CV_HANDED, false)->own = cv_word(CV_HANDED, 1, 9), "but owned by seat 1,")  \
	DAMAGE(node_marked, NODE(CV_IDLE, false)->next |= CV_NEXT_MARK, "but marked for removal")                      \
	DAMAGE(node_outcome_new, c->arena.tails[1].outcome = 1 << 20, "of an execution that has not been")             \
	DAMAGE(node_outcome_block, c->arena.tails[1].outcome = UINT64_C(1) << 63, "its outcome names block")           \
	DAMAGE(name_moved, NODE(CV_IDLE, true)->long_name = 0x100, "does not hold its name")                           \
	DAMAGE(name_freed, *word_of_block(c, NODE(CV_LEADING, true)->long_name) &= ~CV_STATE_MASK, "hold its name")    \
	DAMAGE(name_spurious, NODE(CV_IDLE, false)->long_name = 0x100, "bytes, but block 100")                         \
	DAMAGE(name_of_free, NODE(CV_FREE, false)->long_name = 0x100, "bytes, but block 100")                          \
	DAMAGE(floor, c->arena.globals->gen_floor = 1 << 20, "the floor of generations is at 1048576")                 \
	DAMAGE(marks, c->arena.globals->slot_high = 9, "lies past the end")                                            \
	DAMAGE(block_state, *free_block(c) |= CV_HANDED, "is none of a block")                                         \
	DAMAGE(block_free_owned, *free_block(c) |= 1u << CV_OWNER_SHIFT, "state 0, but owned by seat 1, or awaited")   \
	DAMAGE(block_above_mark, c->arena.globals->chunk_high = 1, "used, but the mark is at chunk")                   \
	DAMAGE(chunk_state, c->arena.chunks[chunk_in(c, 2)] |= 7, "at odds with its neighbours'")                      \
	DAMAGE(chunk_class, c->arena.chunks[chunk_in(c, 2)] |= UINT64_C(8) << 18, "at odds with its neighbours'")      \
	DAMAGE(chunk_run_long, c->arena.chunks[chunk_in(c, 3)] += UINT64_C(1) << 18, "at odds with its neighbours'")   \
	DAMAGE(chunk_part_alone, c->arena.chunks[chunk_in(c, 3)] &= ~7ull, "at odds with its neighbours'")             \
	DAMAGE(chunk_free_owned, c->arena.chunks[chunk_in(c, 0)] |= 1u << 4, "at odds with its neighbours'")           \
	DAMAGE(chunk_dead, c->arena.chunks[chunk_in(c, 0)] = 1 | 60u << 4, "taken by seat 60 of a dead participant")   \
	DAMAGE(slot_state, c->slots[7].state = 2, "participant 7: its state 2 is none")                                \
	DAMAGE(slot_mark, c->slots[7].state = COVEY_SLOT_TAKEN, "participant 7: in use, but the mark")                 \
	DAMAGE(slot_life, c->slots[0].life[4]++, "the words of its life differ")                                       \
	DAMAGE(slot_free_lives, c->slots[0].state = COVEY_SLOT_FREE, "lives, but is not attached")                     \
	DAMAGE(slot_pid, c->slots[0].pid = 0, "or has no pid")                                                         \
	DAMAGE(ring_of_nobody, c->rings[0].owner |= 0x1fff, "ring 0: its owner has not been")                          \
	DAMAGE(ring_of_later, c->rings[0].owner += UINT64_C(1) << 40, "ring 0: its owner has not been")

#define DAMAGE(name, what, sentence)                                                                                   \
	static void break_##name(struct copy *c)                                                                       \
	{                                                                                                              \
		what;                                                                                                  \
	}
DAMAGES
#undef DAMAGE

static const struct {
	const char *name;
	void (*damage)(struct copy *c);
	const char *sentence;
} damages[] = {
#define DAMAGE(name, what, sentence) {#name, break_##name, sentence},
        DAMAGES
#undef DAMAGE
};

struct said {
	char all[20000];
	size_t size;
};

static int note(void *context, const char *what)
{
	struct said *s = context;

	if (s->size < sizeof(s->all))
		s->size += (size_t)snprintf(s->all + s->size, sizeof(s->all) - s->size, "%s\n", what);
	return 0;
}

static int check_copy(const struct copy *copy, struct said *said)
{
	struct covey_options look = {.flags = COVEY_INSPECT | COVEY_ATTACH_ONLY};
	covey *c;
	int found;

	said->size = 0;
	said->all[0] = '\0';
	must(covey_open(&c, copy->region, &look) == 0);
	found = covey_each_damage(c, note, said);
	covey_close(c);
	return found;
}

static void each_is_named(void **state)
{
	static struct said said;
	struct copy copy;

	(void)state;
	copy_make(&copy, 0);
	if (check_copy(&copy, &said) != 0)
		fail_msg("of a whole copy: %s", said.all);
	must(cv_word_gen(copy.arena.nodes[1].own) < 1 << 20 && header_of(&copy)->globals.gen_floor < 1 << 20);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		memcpy(copy.base, original, layout.size);
		damages[i].damage(&copy);
		if (check_copy(&copy, &said) <= 0 || strstr(said.all, damages[i].sentence) == NULL)
			fail_msg("%s: \"%s\" is not in what was named:\n%s", damages[i].name, damages[i].sentence,
			        said.all);
	}
	copy_end(&copy);
	print_message("%zu damages, each named\n", sizeof(damages) / sizeof(damages[0]));
}

/* ------------------------------------------------------------------------------------------------ at random */

static const char *const section_names[SECTIONS] = {"header", "watch words", "participants", "histories", "seats",
        "nodes", "tails", "buckets", "chunk words", "block words", "heap"};

enum kind { BIT, EIGHT, LINE, KINDS };
static const char *const kind_names[KINDS] = {"a bit", "eight bytes", "a line of zeros"};

static unsigned seed;

static unsigned draw(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % below;
}

struct trial {
	enum section section;
	enum kind kind;
	uint64_t at;
	bool aimed; /* at what can be judged */
	bool judgeable, named;
	int status;
};

static void damage_at(unsigned char *base, uint64_t at, enum kind kind)
{
	if (kind == BIT)
		base[at] ^= (unsigned char)(1u << draw(8));
	else if (kind == EIGHT)
		for (int i = 0; i < 8; i++)
			base[(at & ~UINT64_C(7)) + (uint64_t)i] = (unsigned char)draw(256);
	else
		memset(base + (at & ~UINT64_C(63)), 0, CV_LINE);
}

/* Did it change anything, and anything that can be judged? */
static bool damaged(const unsigned char *base, struct trial *t)
{
	uint64_t first = t->at & ~UINT64_C(63);
	bool changed = false;

	for (uint64_t at = first; at < first + CV_LINE; at += 8) {
		uint64_t was, is;

		memcpy(&was, original + at, 8);
		memcpy(&is, base + at, 8);
		changed = changed || was != is;
		t->judgeable = t->judgeable || ((was ^ is) & mask_of(t->section, at)) != 0;
	}
	return changed;
}

static void damage_somewhere(struct copy *c, struct trial *t)
{
	uint64_t begin, size;
	bool changed = false;

	bounds_of(t->section, &begin, &size);
	for (int tries = 0; !changed || (t->aimed && !t->judgeable); tries++) {
		memcpy(c->base + (t->at & ~UINT64_C(63)), original + (t->at & ~UINT64_C(63)), CV_LINE);
		t->kind = tries < 10000 ? t->kind : BIT; /* all may be zeros already */
		t->judgeable = false;
		t->at = begin + draw((unsigned)size);
		damage_at(c->base, t->at, t->kind);
		changed = damaged(c->base, t);
	}
}

/* The command line's exit status; it may say what it likes. */
static int command(const char *region, const char *const *words)
{
	pid_t child = fork();
	int status;

	must(child >= 0);
	if (child == 0) {
		alarm(PATIENCE_S);
		must(freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL);
		execl(COVEY_CLI, "covey", words[0], "-r", region, words[1], (char *)NULL);
		_exit(127);
	}
	must(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool documented(const char *const *words, int status)
{
	return status == 0 || status == 2 || (status == 1 && strcmp(words[0], "verify") != 0);
}

static struct trial *trials;

/* One copy, in a process of its own. */
static int try_one(void *context)
{
	static const char *const others[][2] = {{"ls", NULL}, {"ls", "--json"}, {"events", NULL}, {"events", "--json"},
	        {"stats", "--json"}, {"stats", "--prometheus"}, {"show", "answers"}, {"show", "l00"}};
	static const char *const verify[] = {"verify", "--json"};
	int number = *(int *)context;
	const char *const *other = others[number % 8];
	struct trial *t = &trials[number];
	struct copy copy;
	int status;

	seed = (unsigned)number * 2654435761u + 1;
	t->section = (enum section)(number % SECTIONS);
	t->kind = (enum kind)(number / SECTIONS % KINDS);
	t->aimed = number / SECTIONS / KINDS % 2 == 0;
	copy_make(&copy, number);
	damage_somewhere(&copy, t);
	t->status = command(copy.region, verify);
	t->named = t->status == 2;
	status = command(copy.region, other);
	copy_end(&copy);
	if (documented(verify, t->status) && documented(other, status))
		return 0;
	fprintf(stderr, "copy %d, %s at %#llx of the %s: verify ended with %d, %s with %d\n", number,
	        kind_names[t->kind], (unsigned long long)t->at, section_names[t->section], t->status, other[0], status);
	return 1;
}

static void tell_share(const char *of, int count, int section, int kind)
{
	int judgeable = 0, named = 0, others = 0, others_named = 0;

	for (int i = 0; i < count; i++) {
		const struct trial *t = &trials[i];

		if ((section >= 0 && (int)t->section != section) || (kind >= 0 && (int)t->kind != kind))
			continue;
		judgeable += t->judgeable;
		named += t->judgeable && t->named;
		others += !t->judgeable;
		others_named += !t->judgeable && t->named;
	}
	print_message("| %-16s | %5d | %5d | %5d | %5d |\n", of, judgeable, named, others, others_named);
	if (section < 0 && kind < 0 && judgeable != 0 && named * 100 < judgeable * 90)
		fail_msg("only %d of %d damages to what can be judged were named", named, judgeable);
}

static void tell_shares(int count)
{
	print_message("| damage to        | judgeable | named | others | named |\n|---|--:|--:|--:|--:|\n");
	for (int s = 0; s < SECTIONS; s++)
		tell_share(section_names[s], count, s, -1);
	for (int k = 0; k < KINDS; k++)
		tell_share(kind_names[k], count, -1, k);
	for (int i = 0; i < count && getenv("COVEY_MISSED") != NULL; i++)
		if (trials[i].judgeable && !trials[i].named)
			print_message("missed: %s at %#llx (%s)\n", section_names[trials[i].section],
			        (unsigned long long)trials[i].at, kind_names[trials[i].kind]);
	tell_share("all", count, -1, -1);
}

static void at_random(void **state)
{
	enum { AT_ONCE = 16, FEW = 100, MANY = 1000 };
	static int numbers[MANY];
	int count = getenv("COVEY_PROVE") != NULL ? MANY : FEW, failed = 0;
	pid_t child[AT_ONCE];

	(void)state;
	trials = mmap(NULL, MANY * sizeof(*trials), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(trials != MAP_FAILED);
	for (int i = 0; i < count + AT_ONCE; i++) {
		if (i >= AT_ONCE)
			failed += world_join(child[i % AT_ONCE]) != 0;
		if (i >= count)
			continue;
		numbers[i] = i;
		child[i % AT_ONCE] = world_spawn(try_one, &numbers[i]);
	}
	assert_int_equal(failed, 0);
	tell_shares(count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_is_named),
	        cmocka_unit_test(at_random),
	};
	int failed;

	take_original();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(original);
	world_end();
	return failed;
}
