/*
 * tracer.h - a thread of another process, under ptrace: stepped, run to an instruction, held, let go
 *
 * A process that is to be traced says so itself (tracer_ready()); any other thread is seized.  A thread that is stopped here
 * runs no instruction until it is told to, and can be killed at any time.
 */
#ifndef COVEY_TESTS_STEP_TRACER_H
#define COVEY_TESTS_STEP_TRACER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum tracer_event {
	TRACER_STEPPED, /* one more instruction, or the breakpoint */
	TRACER_READY,   /* the thread called tracer_ready() */
	TRACER_ASLEEP,  /* it sleeps in the kernel; tracer_await() goes on with waiting for it */
	TRACER_GONE,    /* the process has ended */
	TRACER_LOST,    /* none of these within the time of a hang */
};

/* In the traced process: stop here, and wait for the tracer. */
void tracer_ready(void);

/* In the tracer, once: have a thread that sleeps be noticed within a millisecond. */
void tracer_begin(void);

/* What a thread that was let run does next.  That it is asleep is told once it has slept so many milliseconds on end, or
 * never. */
#define TRACER_NEVER (-1)
enum tracer_event tracer_await(pid_t thread, int asleep_ms);
enum tracer_event tracer_step(pid_t thread, int asleep_ms);
enum tracer_event tracer_continue(pid_t thread, int asleep_ms);

uint64_t tracer_pc(pid_t thread);

/* Stop before this instruction, whenever this thread comes to it; 0: nowhere.  False: the processor or the kernel has none. */
bool tracer_break(pid_t thread, uint64_t pc);

/* Does this instruction, of memory that tracer and traced have in common, call the kernel? */
bool tracer_is_system_call(uint64_t pc);

/* The thread of this process that has this name, 0 if there is none.  NULL: the first one. */
pid_t tracer_find(pid_t process, const char *name);

/* Seize a thread and hold it where it is, perhaps asleep; false if it has ended.  Let it go again. */
bool tracer_hold(pid_t thread);
void tracer_let_go(pid_t thread);

/* The same, once it sleeps on words that processes share, as our threads do that have nothing to do: then it holds no mutex
 * that its own process needs.  False also if it does not come to that within the time of a hang. */
bool tracer_hold_asleep(pid_t thread);

/* Every thread of the process but this one: at most room of them, written to held; how many. */
int tracer_hold_others(pid_t process, pid_t but, pid_t *held, int room);

#endif
