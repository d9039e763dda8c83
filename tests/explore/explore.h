/*
 * explore.h - what the explorer's files share
 *
 *      main.c        the command line: which scenario, how thoroughly, or one schedule again
 *      search.c      which actor goes on at each point: all choices, or random ones, or those of a schedule
 *      machine.c     actors, the memory they share, and the points at which one may give way to another
 *      kernel.c      what the system does: futexes, locks of files, the clock, the death of a process
 *      world.c       a small region with its participants; what must hold when nobody goes on any more
 *      living.c      who does what, and
 *      deaths.c      what happens when one is killed;
 *      stories.c     what these are made of
 *      laws.c        what must hold of what they are told
 */
#ifndef COVEY_TESTS_EXPLORE_H
#define COVEY_TESTS_EXPLORE_H

#include <setjmp.h>
#include <ucontext.h>

#include "internal.h"

#define ACTORS 10
#define PARTICIPANTS 6
#define THREADS 8 /* seats */
#define REGION_ROOM (1u << 18)
#define TID(participant) (1000u + (participant)) /* of its keeper */

/* ---- machine.c */

enum actor_state {
	ACTOR_UNUSED,
	ACTOR_READY,
	ACTOR_ASLEEP,   /* in a futex's queue, or the keeper of one that nobody has started */
	ACTOR_SHUT_OUT, /* of a mutex that another holds */
	ACTOR_DORMANT,  /* a death that has not happened */
	ACTOR_DONE,
	ACTOR_DEAD,
};

struct actor {
	const char *name;
	void (*body)(void);
	uint32_t participant;
	bool daemon; /* may sleep for ever */
	bool death;  /* of its participant */
	covey *c;
	struct covey_thread *t;
	/* of one run */
	enum actor_state state;
	uint64_t history; /* a hash of all that it has seen: with the memory, its state */
	uint64_t steps;
	bool touched; /* it changed something since its death was last considered */
	bool paused;  /* it waits in a loop for somebody to change something: */
	uint64_t paused_at;
	const char *file; /* where it is */
	int line;
	/* asleep */
	struct cv_futex words[CV_FUTEX_MAX];
	unsigned count;
	bool rung[CV_FUTEX_MAX];
	bool queued; /* also of one who was killed, until the kernel ends it */
	uint64_t turn;
	int64_t deadline;
	bool timed_out;
	pthread_mutex_t *mutex;
	/* the machine's */
	jmp_buf at, start;
	ucontext_t context;
};

/* What the actors were told; see laws.c. */
#define GROUPS 4
#define GENERATIONS 48
#define COUNT_ANEW UINT32_MAX
struct laws {
	struct {
		uint64_t newest;  /* generation that anybody was told to lead */
		uint32_t leading; /* actor + 1 who leads and has not begun to end that */
		uint32_t deaths;  /* that it was told to have gone before; once it begins to end that, COUNT_ANEW */
		uint8_t begun[GENERATIONS], published[GENERATIONS], fenced[GENERATIONS], answered[GENERATIONS];
		bool notified[GENERATIONS]; /* its leader has answered before it ended, too */
	} groups[GROUPS];
	struct {
		unsigned group;
		uint64_t generation; /* 0: it is not answering */
	} answering[ACTORS];
	unsigned led, results, gave_up, died, taken_over, full, cycles; /* how often anybody was told */
};

/* All that the actors share, so that it can be set back. */
struct shared {
	_Alignas(COVEY_PAGE) unsigned char region[REGION_ROOM];
	covey handles[PARTICIPANTS];
	struct shm_attachment attachments[PARTICIPANTS]; /* of each its own */
	struct covey_thread threads[THREADS + 1];
	uint32_t slot_locks[PARTICIPANTS]; /* participant + 1 */
	int64_t now;
	bool may_be_full; /* there are as many actors as nodes */
	bool all_publish; /* every execution ends with a result for everybody */
	bool all_told; /* only who serves has a deadline, which passes when nobody can go on: it finds nothing then */
	struct laws laws;
};
extern struct shared shared;
extern struct actor actors[ACTORS];
extern unsigned actor_count;
extern struct actor *self; /* who is running; NULL: the test itself */

enum why { RUN_ENDED, RUN_SEEN, RUN_VIOLATION };

struct machine {
	bool running;     /* actors run: operations are points */
	bool positioning; /* each goes to its first one */
	bool trace;       /* print what is done */
	uint64_t memory;  /* a hash of the shared memory */
	uint64_t writes;
	uint64_t turns;
	enum why why;
	char violation[400];
};
extern struct machine machine;

void machine_keep(void);    /* what is now is how each run begins */
void machine_begin(void);   /* back to that; every actor at its first operation */
enum why machine_run(void); /* until nobody goes on; the first is chosen by search_choose() */
void machine_stop(enum why why) __attribute__((noreturn)); /* from an actor: this run is over */
void machine_give_way(void); /* the caller cannot go on: another does, until the caller is chosen again */
void machine_finished(void) __attribute__((noreturn));
void machine_at_once(void (*what)(void)); /* from an actor: nobody else goes on in between */
void machine_saw(uint64_t what);          /* part of the caller's state from now on */
uint64_t machine_signature(void);
/* Before an operation of the caller at this place of shared memory, and after it. */
enum { TO_READ = 1, TO_WRITE = 2, QUEUE = 4, ALWAYS = 8 };
void machine_touches(const volatile void *at, unsigned how);
bool machine_before(const volatile void *at, unsigned how, const char *what, EXPLORE_AT);
void machine_after(bool counts, uint64_t result);
void machine_write(volatile void *at, size_t size, uint64_t value); /* with an undo */
uint64_t machine_read(const volatile void *at, size_t size);
void machine_actor(const char *name, uint32_t participant, uint32_t seat, void (*body)(void));
void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t mix(uint64_t a, uint64_t b);

/* Which places need a point: those that two actors touch, one of them to change it. */
void places_begin(bool kills); /* as known now; the rest of what is learned counts from the next time on */
bool places_grew(void);
void places_forget(void);
void places_all(bool all); /* every operation is a point */
unsigned places_count(void);

/* ---- kernel.c */

bool kernel_can_go_on(const struct actor *a);
bool kernel_in_time(const struct actor *a); /* it has a deadline of its own, not the backstop */
uint64_t kernel_signature(void);
void kernel_resume(struct actor *a, bool timed_out); /* it was chosen */
void kernel_death(void);                             /* body of an actor that is a death */

/* ---- search.c */

struct scenario;
struct actor *search_choose(bool all); /* who goes on; all: else the caller or its death.  NULL: the run is over */
struct bounds {
	int preemptions; /* -1: any number */
	int kills;
	bool expire; /* deadlines may pass at any time */
};
struct found {
	uint64_t states, runs, ends;
	unsigned longest; /* choices in one run */
	unsigned rounds;  /* until no new place was met */
	bool complete, failed;
};
/* All schedules within the bounds, or as many runs as the limit allows. */
struct found search_all(const struct scenario *s, struct bounds bounds, uint64_t limit);
struct found search_random(const struct scenario *s, struct bounds bounds, uint64_t runs, uint64_t seed);
/* The schedule of the last run, and a run by one. */
void search_schedule(char *out, size_t size);
bool search_replay(const struct scenario *s, struct bounds bounds, const char *schedule); /* true: it failed */

/* ---- world.c */

extern uint32_t world_checker; /* a participant that has no actors */
void world_make(uint32_t groups, uint32_t buckets, uint32_t participants);
uint32_t world_seat(uint32_t participant); /* for a thread of it */
void world_as(uint32_t seat);              /* in a scenario's set-up: the caller is this thread */
void world_verdict(const struct scenario *s);
void world_place(const volatile void *at, char *out, size_t size);
void world_changed(const volatile void *at, uint64_t old, uint64_t now);
void keeper_body(void);   /* keeper.c */
void stranger_body(void); /* the same */
/* In one step: the stranger; and a death whose victim is reaped by one that has no actors. */
void stranger_at_once_body(void);
void reaped_body(void);

/* ---- laws.c: what the actors were told, held against the laws */

#define laws (shared.laws)
void law_leads(unsigned group, const struct covey_lead *lead, bool deposes);
void law_ends(unsigned group, const struct covey_lead *lead); /* is about to end it, as the leader it thinks it is */
void law_ended(unsigned group, const struct covey_lead *lead, int r);
void law_answers(unsigned group, uint64_t generation); /* from now on, while it leads; generation 0: no more */
void law_answered(uint64_t word);                      /* this moment, with this word */
void law_dead(uint32_t participant);                   /* takes no further step */
void law_result(unsigned group, const struct covey_lead *asked, char request, const struct covey_result *result);
void law_verdict(void);
struct covey_reply law_reply(unsigned group, uint64_t generation, char request); /* what its leader answers */

/* ---- living.c, deaths.c */

struct scenario {
	const char *name;
	const char *says;
	void (*set_up)(void);
	void (*verdict)(void); /* beside the laws; may be NULL */
	int kills;
	bool expire;
	int bound; /* of preemptions, as far as the long form goes; -1: all schedules */
	int quick; /* the same of the short form */
};
extern const struct scenario living[], deaths[]; /* the last one has no name */

#define expect(condition, ...)                                                                                         \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			violation(__VA_ARGS__);                                                                        \
	} while (0)

#endif
