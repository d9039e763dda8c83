/*
 * weaker.h - what the check writes in place of an operation of core to weaken its order
 *
 * atomic_load(p), and all others without a stated order, are sequentially consistent; mid_ is the next weaker order that the
 * operation can have, rlx_ none, and acq_ and rel_ are the halves of what changes a word.
 */
#ifndef WEAKER_H
#define WEAKER_H

#define mid_atomic_load(p) atomic_load_explicit(p, memory_order_acquire)
#define rlx_atomic_load(p) atomic_load_explicit(p, memory_order_relaxed)
#define mid_atomic_store(p, v) atomic_store_explicit(p, v, memory_order_release)
#define rlx_atomic_store(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define mid_atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_acq_rel)
#define rlx_atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define mid_atomic_fetch_or(p, v) atomic_fetch_or_explicit(p, v, memory_order_acq_rel)
#define rlx_atomic_fetch_or(p, v) atomic_fetch_or_explicit(p, v, memory_order_relaxed)
#define swap_(p, e, v, succeeds, fails) atomic_compare_exchange_strong_explicit(p, e, v, succeeds, fails)
#define mid_atomic_compare_exchange_strong(p, e, v) swap_(p, e, v, memory_order_acq_rel, memory_order_acquire)
#define rlx_atomic_compare_exchange_strong(p, e, v) swap_(p, e, v, memory_order_relaxed, memory_order_relaxed)
#define mid_atomic_compare_exchange_weak mid_atomic_compare_exchange_strong
#define rlx_atomic_compare_exchange_weak rlx_atomic_compare_exchange_strong

#endif
