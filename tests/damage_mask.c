/*
 * damage_mask.c - which bits of a segment does anything else in it bear out?
 *
 * Those that shm/check.c can judge, and no more: of a number that may have any value below a bound, the bits above that;
 * of a state, those that make it another one.  It is told from the original's bytes, so what is judged of a seat depends on
 * what its thread does.
 */
#include "damage.h"

void bounds_of(enum section s, uint64_t *begin, uint64_t *size)
{
	const struct covey_header *h = (const struct covey_header *)(const void *)original;
	const uint64_t begins[SECTIONS] = {0, layout.watch, layout.slots, layout.rings,
	        layout.seats + sizeof(struct cv_seat), layout.nodes + CV_LINE, layout.tails + CV_LINE, layout.buckets,
	        layout.chunks, layout.blocks, layout.heap};
	const uint64_t sizes[SECTIONS] = {sizeof(*h), CV_WATCH_WORDS * 4,
	        counts.participants * sizeof(struct covey_slot), counts.participants * sizeof(struct covey_ring),
	        (h->globals.seat_high + 8) * sizeof(struct cv_seat), (h->globals.node_fresh + 8) * CV_LINE,
	        (h->globals.node_fresh + 8) * CV_LINE, counts.buckets * 8, counts.chunks * 8,
	        h->globals.chunk_high * CV_CHUNK_BLOCKS * 8, (uint64_t)h->globals.chunk_high << 16};

	*begin = begins[s];
	*size = sizes[s];
}

/* Bits of a 32-bit field that lies in the word at `at`, which begins `word`. */
static uint64_t field(uint64_t word, uint64_t at, uint32_t bits)
{
	return at == word ? bits : at == word + 4 ? (uint64_t)bits << 32 : 0;
}

static uint64_t mask_of_header(uint64_t at)
{
	const uint64_t globals = offsetof(struct covey_header, globals);

	if (at < offsetof(struct covey_header, seal) + 8)
		return UINT64_MAX;
	if (at == globals + offsetof(struct cv_globals, gen_floor))
		return UINT64_MAX << 8; /* what is near the newest generation may be */
	return field(at, globals + offsetof(struct cv_globals, node_fresh), UINT32_MAX << 20) |
	       field(at, globals + offsetof(struct cv_globals, seat_high), UINT32_MAX << 7) |
	       field(at, globals + offsetof(struct cv_globals, slot_high), UINT32_MAX << 4) |
	       field(at, globals + offsetof(struct cv_globals, chunk_high), UINT32_MAX << 6);
}

static uint64_t mask_of_slot(uint64_t at)
{
	const struct covey_slot *s = (const void *)(original + layout.slots + at / sizeof(*s) * sizeof(*s));
	uint64_t mask = 0;

	at %= sizeof(*s);
	for (int i = 0; i < COVEY_LIFE_WORDS && s->state == COVEY_SLOT_TAKEN; i++)
		mask |= field(at, (uint64_t)i * COVEY_LIFE_STRIDE * 4, UINT32_MAX);
	return mask | field(at, offsetof(struct covey_slot, state), UINT32_MAX);
}

static uint64_t mask_of_ring(uint64_t at)
{
	const struct covey_ring *r = (const void *)(original + layout.rings + at / sizeof(*r) * sizeof(*r));

	return at % sizeof(*r) == 0 && r->owner != 0 ? 0xffffff0000000000 | 0x7fffe000 | 0x1ff8 : 0;
}

static uint64_t mask_of_wait(const struct cv_seat *s, uint64_t at)
{
	bool longer = s->request_size > CV_REQUEST_INLINE;

	if (cv_seat_state(s->word) != CV_SEAT_WAITING)
		return 0;
	return (at == offsetof(struct cv_seat, key) ? UINT64_MAX : 0) |
	       field(at, offsetof(struct cv_seat, request_size), longer ? UINT32_MAX << 17 : UINT32_MAX << 7) |
	       field(at, offsetof(struct cv_seat, request_block), UINT32_MAX);
}

static uint64_t mask_of_seat(uint64_t at)
{
	uint64_t seat = at / sizeof(struct cv_seat) + 1, mask = 0;
	const struct cv_seat *s = (const void *)(original + layout.seats + seat * sizeof(*s));
	bool owned = s->owner != 0;

	at %= sizeof(*s);
	if (at == offsetof(struct cv_seat, word))
		return 7 | CV_BLOCK_MASK << 32;
	for (uint64_t i = 0; i < CV_LOANS; i++)
		mask |= field(at, offsetof(struct cv_seat, loans) + i * 4, UINT32_MAX);
	for (uint64_t i = 0; i < CV_PINS; i++)
		mask |= field(at, offsetof(struct cv_seat, pins) + i * 4, owned ? ~UINT32_C(0x3f00) : UINT32_MAX);
	return mask | mask_of_wait(s, at) | field(at, offsetof(struct cv_seat, owner), ~UINT32_C(7)) |
	       field(at, offsetof(struct cv_seat, mode), owned ? ~UINT32_C(3) : UINT32_MAX) |
	       field(at, offsetof(struct cv_seat, request_block), owned ? 0 : UINT32_MAX) |
	       field(at, offsetof(struct cv_seat, forwards), owned ? ~UINT32_C(0x1ff) : 0);
}

/* Of eight bytes of a name from `from` on, those that it has. */
static uint64_t mask_of_name(uint32_t size, uint64_t from)
{
	if (size > CV_NAME_INLINE || size <= from)
		return 0;
	return size >= from + 8 ? UINT64_MAX : (UINT64_C(1) << (size - from) * 8) - 1;
}

static const struct cv_node *node_at(uint64_t node)
{
	return (const struct cv_node *)(const void *)(original + layout.nodes + node * CV_LINE);
}

static bool is_awaited(uint64_t node)
{
	for (uint32_t i = 1; i <= counts.threads; i++) {
		const struct cv_seat *s = (const void *)(original + layout.seats + i * sizeof(*s));

		if (cv_seat_state(s->word) == CV_SEAT_WAITING && (uint32_t)s->key == node)
			return true;
	}
	return false;
}

static uint64_t mask_of_node(uint64_t at)
{
	uint64_t node = at / CV_LINE + 1;
	const struct cv_node *n = node_at(node);
	bool linked = cv_word_state(n->own) != CV_FREE, awaited = linked && is_awaited(node);

	at %= CV_LINE;
	if (at == offsetof(struct cv_node, own))
		return n->own == 0 && !linked ? 0x3ffff : linked && !awaited ? 0x3fff7 : 0x3ffff;
	if (!linked)
		return field(at, offsetof(struct cv_node, long_name), UINT32_MAX);
	if (at == offsetof(struct cv_node, next))
		return awaited ? UINT64_MAX : UINT32_MAX;
	if (at >= offsetof(struct cv_node, name))
		return mask_of_name(n->size, at - offsetof(struct cv_node, name));
	return at == offsetof(struct cv_node, since) ? 0 : UINT64_MAX;
}

static uint64_t mask_of_tail(uint64_t at)
{
	const struct cv_node *n = node_at(at / CV_LINE + 1);

	at %= CV_LINE;
	if (at == offsetof(struct cv_tail, outcome))
		return 0xfffc000fffffff00; /* near the node's generation, and of blocks that there are, any may be */
	if (at < offsetof(struct cv_tail, outcome) && cv_word_state(n->own) != CV_FREE)
		return mask_of_name(n->size, CV_NAME_NEAR + at);
	return 0;
}

static uint64_t mask_of_heap(uint64_t at)
{
	uint64_t chunk = at >> CV_CHUNK_SHIFT;
	const uint64_t *chunks = (const void *)(original + layout.chunks),
	               *words = (const void *)(original + layout.blocks);
	uint64_t size = (chunks[chunk] & 7) == 2 ? UINT64_C(256) << (chunks[chunk] >> 18 & 0xff) : CV_CHUNK_SIZE;
	uint64_t block = at % CV_CHUNK_SIZE / size;
	const struct cv_block *b = (const void *)(original + layout.heap + at / size * size);

	at %= size;
	if ((chunks[chunk] & 7) != 2 || cv_word_state(words[chunk * CV_CHUNK_BLOCKS + block]) != CV_IDLE)
		return 0;
	if (at >= sizeof(*b)) /* the name */
		return at - sizeof(*b) + 8 <= b->size ? UINT64_MAX : 0;
	return at == 0 || at == offsetof(struct cv_block, node) ? UINT64_MAX : 0;
}

uint64_t mask_of(enum section s, uint64_t at)
{
	uint64_t begin, size;

	bounds_of(s, &begin, &size);
	at -= begin;
	switch (s) {
	case HEADER:
		return mask_of_header(at);
	case WATCH: /* 0 and 1 are states of rest */
		return UINT64_C(0x0000000200000002);
	case SLOTS:
		return mask_of_slot(at);
	case RINGS:
		return mask_of_ring(at);
	case SEATS:
		return mask_of_seat(at);
	case NODES:
		return mask_of_node(at);
	case TAILS:
		return mask_of_tail(at);
	case BUCKETS:
		return UINT32_MAX;
	case CHUNKS:
		return 0x3ffffffffff & ~UINT64_C(8);
	case BLOCKS:
		return 0x3ffff;
	default:
		return mask_of_heap(at);
	}
}
