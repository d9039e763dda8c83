/*
 * names.h - the 24-byte group names that every subject is given, and the orders in which they come
 *
 * Honest because all subjects draw from the same source in the same order.  A name begins with a part that all share,
 * as real ones do, so a comparison cannot stop at the first byte.  Making a fresh name costs two multiplications and
 * is paid alike by all.
 */
#ifndef BENCH_NAMES_H
#define BENCH_NAMES_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bench
{

struct alignas(8) Name {
	uint64_t word[3];
	const void *data() const
	{
		return word;
	}
	static constexpr size_t size()
	{
		return 24;
	}
};

inline bool operator==(const Name &a, const Name &b)
{
	return memcmp(a.word, b.word, sizeof a.word) == 0;
}

inline bool operator<(const Name &a, const Name &b)
{
	return memcmp(a.word, b.word, sizeof a.word) < 0;
}

/* The name of this number; different numbers have different names. */
inline Name name_of(uint64_t number)
{
	constexpr uint64_t shared = 0x2f73626d756874; /* "thumbs/" */
	return {{shared, number * 0x9e3779b97f4a7c15, (number ^ 0x5bd1e995) * 0xff51afd7ed558ccd}};
}

/* Numbers of names that some table holds, of those that none does, and of those used once. */
constexpr uint64_t held = 0, absent = uint64_t{1} << 40, once = uint64_t{1} << 41, cycled = uint64_t{1} << 42;

/* The same name again and again. */
class SameName
{
	Name name_;

      public:
	explicit SameName(uint64_t lane = 0) : name_(name_of(cycled + (lane << 20)))
	{
	}
	const Name &next()
	{
		return name_;
	}
};

/* 1024 names in turn. */
class CycledNames
{
	std::array<Name, 1024> names_;
	size_t at_ = 0;

      public:
	explicit CycledNames(uint64_t lane = 0)
	{
		for (size_t i = 0; i < names_.size(); i++)
			names_[i] = name_of(cycled + (lane << 20) + i);
	}
	const Name &next()
	{
		return names_[at_++ % names_.size()];
	}
};

/* A name that was never used before in this run of the suite, so that nothing remembered from an earlier use helps. */
class FreshNames
{
	static inline uint64_t used_ = 0;
	uint64_t number_;
	Name name_{};

      public:
	explicit FreshNames(uint64_t lane = 0) : number_(once + (lane << 48) + used_)
	{
	}
	~FreshNames()
	{
		used_ = number_ & ((uint64_t{1} << 40) - 1);
	}
	FreshNames(const FreshNames &) = delete;
	FreshNames &operator=(const FreshNames &) = delete;
	const Name &next()
	{
		name_ = name_of(++number_);
		return name_;
	}
};

/* Every number below count once a round, in an order without locality. */
class Scattered
{
	uint64_t count_, stride_, at_ = 0;

      public:
	explicit Scattered(uint64_t count) : count_(count), stride_(count > 1 ? (count * 5 / 8) | 1 : 0)
	{
		while (count_ > 1 && common(count_, stride_) != 1)
			stride_ += 2;
	}
	uint64_t next()
	{
		at_ += stride_;
		if (at_ >= count_)
			at_ -= count_;
		return at_;
	}

      private:
	static uint64_t common(uint64_t a, uint64_t b)
	{
		return b == 0 ? a : common(b, a % b);
	}
};

} // namespace bench
#endif
