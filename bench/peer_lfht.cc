/*
 * peer_lfht.cc - liburcu's lock-free hash table: the peer of P1, P4 and P10
 *
 * A name is registered by cds_lfht_add_unique of a node with a copy of the name, which is compared in full, and taken
 * out by cds_lfht_del; the node is retired by call_rcu, as the library asks.  Registering and leaving are two read-side
 * sections, since in use the leader computes between them.  The flavour is memb, whose readers execute no fence; the
 * table has as many buckets as names it is made for and resizes itself no further.
 *
 * The time is the calling thread's: what the call_rcu thread does is not charged to the peer.  Retired nodes come back
 * through a stack that call_rcu fills and the caller empties at one stroke: with malloc here and free there, as the
 * manual's examples have it, most of the time goes to the allocator and not to the table.  That is shown beside it as
 * "lfht_malloc"; the bars are against the faster one.
 */
#define _LGPL_SOURCE
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <urcu/urcu-memb.h>
#include <urcu/rculfhash.h>
#include <urcu/call-rcu.h>
#include "peers.h"
#include "subjects.h"
#include "sweep_groups.h"

namespace bench
{
namespace
{

/* What covey_find() tells; the peer's find copies as much. */
struct Told {
	uint64_t generation;
	int64_t since;
	pid_t leader;
	uint32_t waiters;
};

struct Node {
	cds_lfht_node link;
	Name name;
	Told told;
	rcu_head retired;
	Node *next;
};

Node *node_at(cds_lfht_node *link)
{
	return reinterpret_cast<Node *>(link); /* link comes first */
}

int same_name(cds_lfht_node *link, const void *key)
{
	return node_at(link)->name == *static_cast<const Name *>(key);
}

Node *retired_node(rcu_head *retired)
{
	return reinterpret_cast<Node *>(reinterpret_cast<char *>(retired) - offsetof(Node, retired));
}

/* Nodes from malloc, and back to it. */
struct FromMalloc {
	static Node *take()
	{
		return static_cast<Node *>(malloc(sizeof(Node)));
	}
	static void retire(rcu_head *retired)
	{
		free(retired_node(retired));
	}
};

/* Nodes that have been retired, if there are any.  One thread takes, the call_rcu thread gives back. */
struct Recycled {
	static inline std::atomic<Node *> returned{nullptr};
	static inline Node *mine = nullptr;

	static Node *take()
	{
		if (mine == nullptr)
			mine = returned.exchange(nullptr);
		if (mine == nullptr)
			return FromMalloc::take();
		Node *node = mine;
		mine = node->next;
		return node;
	}
	static void retire(rcu_head *retired)
	{
		Node *node = retired_node(retired);
		node->next = returned.load();
		while (!returned.compare_exchange_weak(node->next, node))
			;
	}
};

template <class Nodes> class Lfht
{
	cds_lfht *table_;

      public:
	explicit Lfht(size_t room) : table_(cds_lfht_new_flavor(room, room, room, 0, &urcu_memb_flavor, nullptr))
	{
		if (table_ == nullptr)
			abort();
	}
	Lfht(const Lfht &) = delete;
	Lfht &operator=(const Lfht &) = delete;

	bool lead_and_leave(const Name &name)
	{
		Node *node = add(name);
		if (node == nullptr)
			return false;
		urcu_memb_read_lock();
		bool out = cds_lfht_del(table_, &node->link) == 0;
		urcu_memb_read_unlock();
		urcu_memb_call_rcu(&node->retired, Nodes::retire);
		return out;
	}
	bool hold(const Name &name)
	{
		return add(name) != nullptr;
	}
	bool find(const Name &name)
	{
		Told told{};
		cds_lfht_iter iter;
		urcu_memb_read_lock();
		cds_lfht_lookup(table_, hash_of(name), same_name, &name, &iter);
		cds_lfht_node *link = cds_lfht_iter_get_node(&iter);
		if (link != nullptr)
			told = node_at(link)->told;
		urcu_memb_read_unlock();
		benchmark::DoNotOptimize(told);
		return link != nullptr;
	}

      private:
	Node *add(const Name &name)
	{
		Node *node = Nodes::take();
		if (node == nullptr)
			abort();
		cds_lfht_node_init(&node->link);
		node->name = name;
		node->told = {1, 2, 3, 4};
		urcu_memb_read_lock();
		cds_lfht_node *in = cds_lfht_add_unique(table_, hash_of(name), same_name, &name, &node->link);
		urcu_memb_read_unlock();
		if (in == &node->link)
			return node;
		return nullptr; /* refused: none of the loops goes on after that */
	}
};

} // namespace

void register_lfht()
{
	register_lead_and_leave<Lfht<Recycled>>("lfht");
	register_lead_and_leave<Lfht<FromMalloc>>("lfht_malloc");
	register_find<Lfht<Recycled>>("lfht");
	register_large<Lfht<Recycled>>("lfht");
	register_sweep_groups_of<Lfht<Recycled>>("lfht");
}

} // namespace bench
