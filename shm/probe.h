/*
 * probe.h - static tracepoints, for perf, bpftrace and SystemTap
 *
 * One for each kind of event, where the recorder writes it, and one for each of the two ways in which waiters are woken.
 * Each is a single no-operation in the code until a tracer puts a breakpoint there, and its arguments are values that are
 * at hand anyway.  Where <sys/sdt.h> (Debian: systemtap-sdt-dev) is missing at compile time there are none.
 *
 *      covey:registered, waiting, answered, unanswered, died, took_over, forwarded, accepted, worker_started,
 *      worker_ended      (hash of the group's name, generation, the peer's pid or 0)
 *      covey:ended       an execution ended (hash, generation, 2 with a result or an error of its own, 3 without)
 *      covey:wake        all who sleep for a group are woken       (hash)
 *      covey:wake_one    one waiter is woken, which was answered   (its thread)
 *
 * "covey ls --json" and "covey events --json" show which group has which hash.
 */
#ifndef COVEY_PROBE_H
#define COVEY_PROBE_H

#include <assert.h>

#include "covey.h"

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define COVEY_PROBES 1
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments" /* sdt.h's macros are such */
#endif
#endif
#endif

#ifdef COVEY_PROBES
#define COVEY_PROBE1(name, a) STAP_PROBE1(covey, name, a)
#define COVEY_PROBE3(name, a, b, c) STAP_PROBE3(covey, name, a, b, c)
#else
#define COVEY_PROBE1(name, a) ((void)(a))
#define COVEY_PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif
static_assert(COVEY_EVENT_RESOLVED == 2 && COVEY_EVENT_GAVE_UP == 3, "documented");

/* On the fast paths the kind is known at compile time, but for how an execution ended: of the switch one case is left. */
static inline __attribute__((always_inline)) void covey_probe_event(
        enum covey_event_kind kind, uint64_t hash, uint64_t generation, pid_t peer)
{
	switch (kind) {
	case COVEY_EVENT_REGISTERED:
		COVEY_PROBE3(registered, hash, generation, peer);
		break;
	case COVEY_EVENT_RESOLVED:
	case COVEY_EVENT_GAVE_UP:
		COVEY_PROBE3(ended, hash, generation, kind);
		break;
	case COVEY_EVENT_WAITING:
		COVEY_PROBE3(waiting, hash, generation, peer);
		break;
	case COVEY_EVENT_ANSWERED:
		COVEY_PROBE3(answered, hash, generation, peer);
		break;
	case COVEY_EVENT_UNANSWERED:
		COVEY_PROBE3(unanswered, hash, generation, peer);
		break;
	case COVEY_EVENT_DIED:
		COVEY_PROBE3(died, hash, generation, peer);
		break;
	case COVEY_EVENT_TOOK_OVER:
		COVEY_PROBE3(took_over, hash, generation, peer);
		break;
	case COVEY_EVENT_FORWARDED:
		COVEY_PROBE3(forwarded, hash, generation, peer);
		break;
	case COVEY_EVENT_ACCEPTED:
		COVEY_PROBE3(accepted, hash, generation, peer);
		break;
	case COVEY_EVENT_WORKER_STARTED:
		COVEY_PROBE3(worker_started, hash, generation, peer);
		break;
	case COVEY_EVENT_WORKER_ENDED:
		COVEY_PROBE3(worker_ended, hash, generation, peer);
		break;
	case COVEY_EVENT_NONE:
	case COVEY_EVENTS:
		break;
	}
}

#endif
