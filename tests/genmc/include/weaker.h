/*
 * weaker.h - what the check writes in place of an operation of core to weaken its order
 *
 * atomic_load(p), and all others without a stated order, are sequentially consistent; mid_ is the next weaker order that the
 * operation can have.
 */
#ifndef WEAKER_H
#define WEAKER_H

#define mid_atomic_load(p) atomic_load_explicit(p, memory_order_acquire)
#define mid_atomic_store(p, v) atomic_store_explicit(p, v, memory_order_release)
#define mid_atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_acq_rel)
#define swap_(p, e, v, succeeds, fails) atomic_compare_exchange_strong_explicit(p, e, v, succeeds, fails)
#define mid_atomic_compare_exchange_strong(p, e, v) swap_(p, e, v, memory_order_acq_rel, memory_order_acquire)
#define mid_atomic_compare_exchange_weak mid_atomic_compare_exchange_strong

#endif
