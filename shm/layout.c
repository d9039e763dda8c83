/*
 * layout.c - from counts to offsets, and the fingerprint
 */
#include "layout.h"

#include "hash.h"

static uint64_t place(uint64_t *at, uint64_t bytes)
{
	uint64_t start = *at;

	*at = (start + bytes + COVEY_PAGE - 1) & ~(uint64_t)(COVEY_PAGE - 1);
	return start;
}

/* The same for an array of lines whose first element, with index 0, is never used, with a spare line before that.  So the
 * nodes that a thread first takes, an even number at once from index 1, share no pair of lines with another thread's.  And
 * the first node lies where nothing that a thread writes at each call has its place in a page: a load waits for a store
 * before it if the low 12 bits of their addresses agree, and a region with one group would pay for that at each call. */
static uint64_t place_lines(uint64_t *at, uint64_t count)
{
	return place(at, (count + 2) * CV_LINE) + CV_LINE;
}

static bool counts_legal(const struct covey_counts *n)
{
	return n->participants >= 1 && n->participants <= COVEY_PARTICIPANTS_LIMIT && n->threads >= 1 &&
	       n->threads + n->participants <= CV_SEAT_LIMIT && n->groups >= 1 && n->groups <= COVEY_GROUPS_LIMIT &&
	       n->chunks >= 1 && n->chunks < CV_CHUNK_LIMIT && n->chunks_base >= 1 && n->chunks_base <= n->chunks &&
	       n->buckets >= 1 && (n->buckets & (n->buckets - 1)) == 0 && n->buckets <= COVEY_GROUPS_LIMIT * 8;
}

bool covey_layout_of(const struct covey_counts *n, struct covey_layout *out)
{
	uint64_t at = COVEY_PAGE;

	if (!counts_legal(n))
		return false;
	out->watch = place(&at, CV_WATCH_WORDS * sizeof(uint32_t));
	out->slots = place(&at, (uint64_t)n->participants * sizeof(struct covey_slot));
	out->rings = place(&at, (uint64_t)n->participants * sizeof(struct covey_ring));
	out->seats = place(&at, ((uint64_t)n->threads + n->participants + 1) * sizeof(struct cv_seat));
	out->nodes = place_lines(&at, n->groups);
	out->tails = place_lines(&at, n->groups);
	out->buckets = place(&at, (uint64_t)n->buckets * 8);
	out->chunks = place(&at, (uint64_t)n->chunks * 8);
	out->blocks = place(&at, (uint64_t)n->chunks * CV_CHUNK_BLOCKS * 8);
	out->heap = place(&at, (uint64_t)n->chunks << CV_CHUNK_SHIFT);
	out->size = at;
	return true;
}

uint32_t covey_fingerprint(void)
{
	static const uint32_t facts[] = {
	        COVEY_ABI,
	        sizeof(struct covey_header),
	        offsetof(struct covey_header, origin),
	        offsetof(struct covey_header, globals),
	        sizeof(struct cv_globals),
	        offsetof(struct covey_header, unnamed),
	        sizeof(struct covey_slot),
	        offsetof(struct covey_slot, state),
	        offsetof(struct covey_slot, command),
	        sizeof(struct covey_ring),
	        offsetof(struct covey_ring, lines),
	        COVEY_LANE_LINE(1),
	        COVEY_LANE_LINE(2),
	        COVEY_LANE_ENTRIES(0),
	        COVEY_LANE_ENTRIES(1),
	        COVEY_LANE_ENTRIES(2),
	        COVEY_ENTRY_WORDS,
	        sizeof(struct cv_seat),
	        offsetof(struct cv_seat, loans),
	        offsetof(struct cv_seat, request),
	        offsetof(struct cv_seat, given),
	        offsetof(struct cv_seat, outbox),
	        sizeof(struct cv_node),
	        offsetof(struct cv_node, name),
	        sizeof(struct cv_tail),
	        offsetof(struct cv_tail, bell),
	        sizeof(struct cv_block),
	        CV_CHUNK_SHIFT,
	        CV_CHUNK_BLOCKS,
	        CV_CLASSES,
	        CV_CLASS_MIN_SHIFT,
	        CV_OWNER_BITS,
	        CV_WATCH_WORDS,
	        CV_GEN_SHIFT,
	        __BYTE_ORDER__,
	};
	uint32_t print = 2166136261u; /* FNV-1a over the words */

	for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		print = (print ^ facts[i]) * 16777619u;
	return print;
}

uint64_t covey_seal(const struct covey_header *header)
{
	return cv_hash(COVEY_MAGIC, header, offsetof(struct covey_header, seal));
}
