/*
 * peer_ck_ht.cc - Concurrency Kit's hash table under its spinlock: P1's first peer
 *
 * ck_ht allows one writer, so writers take a lock; put refuses a name that is held, which is the registration.  The
 * peer is given every advantage that an in-process table has: no crash safety, no shared memory, a hash that is
 * computed once for both calls, and no copy of the name, since ck_ht keeps the caller's pointer (a copy into a node
 * from a free list would cost it one nanosecond more).
 *
 * With names never seen before it is also given the housekeeping that it then needs.  A removed name leaves a
 * tombstone, and a table full of those takes 100 times as long; so the table, empty at that instant, is reset each time
 * half of it may be tombstones.  The same name and names in turn fill their own tombstones again: no reset there.
 */
#include <cstdlib>
extern "C" {
#include <ck_ht.h>
#include <spinlock/fas.h> /* the default of ck_spinlock.h, which is no C++ */
}
#include "peers.h"
#include "subjects.h"

namespace bench
{
namespace
{

void *allocate(size_t size)
{
	return malloc(size);
}

void release(void *memory, size_t, bool)
{
	free(memory);
}

void hash(ck_ht_hash_t *out, const void *key, size_t size, uint64_t seed)
{
	out->value = XXH3_64bits_withSeed(key, size, seed);
}

class CkHt
{
      protected:
	ck_malloc memory_{};
	ck_ht_t table_{};
	ck_spinlock_fas_t lock_ = CK_SPINLOCK_FAS_INITIALIZER;
	size_t slots_, removed_ = 0;

      public:
	explicit CkHt(size_t room) : slots_(2 * room)
	{
		memory_.malloc = allocate;
		memory_.free = release;
		if (!ck_ht_init(
		            &table_, CK_HT_MODE_BYTESTRING | CK_HT_WORKLOAD_DELETE, hash, &memory_, slots_, 6602834))
			abort();
	}
	~CkHt()
	{
		ck_ht_destroy(&table_);
	}
	CkHt(const CkHt &) = delete;
	CkHt &operator=(const CkHt &) = delete;

	bool lead_and_leave(const Name &name)
	{
		return in_and_out(name, &lock_);
	}
	bool hold(const Name &)
	{
		return false;
	}

      protected:
	bool in_and_out(const Name &name, void *value)
	{
		ck_ht_hash_t h;
		ck_ht_entry_t entry;
		h.value = hash_of(name);
		ck_ht_entry_set(&entry, h, name.data(), name.size(), value);
		ck_spinlock_fas_lock(&lock_);
		bool in = ck_ht_put_spmc(&table_, h, &entry);
		ck_spinlock_fas_unlock(&lock_);
		ck_ht_entry_key_set(&entry, name.data(), name.size());
		ck_spinlock_fas_lock(&lock_);
		bool out = ck_ht_remove_spmc(&table_, h, &entry);
		ck_spinlock_fas_unlock(&lock_);
		return in && out;
	}
};

class CkHtReset : public CkHt
{
      public:
	using CkHt::CkHt;
	bool lead_and_leave(const Name &name)
	{
		bool ok = in_and_out(name, &lock_);
		if (++removed_ % (slots_ / 2) != 0)
			return ok;
		ck_spinlock_fas_lock(&lock_);
		ok &= ck_ht_reset_spmc(&table_);
		ck_spinlock_fas_unlock(&lock_);
		return ok;
	}
};

} // namespace

void register_ck_ht()
{
	benchmark::RegisterBenchmark("P1/same/ck_ht", time_lead_and_leave<CkHt, SameName>, 0);
	benchmark::RegisterBenchmark("P1/cycle/ck_ht", time_lead_and_leave<CkHt, CycledNames>, 0);
	benchmark::RegisterBenchmark("P1/fresh/ck_ht", time_lead_and_leave<CkHtReset, FreshNames>, 0);
	paths()["same/ck_ht"] = leading_path<CkHt, SameName>(capacity);
	paths()["cycle/ck_ht"] = leading_path<CkHt, CycledNames>(capacity);
	paths()["fresh/ck_ht"] = leading_path<CkHtReset, FreshNames>(capacity);
}

} // namespace bench
