/*
 * ways.h - the ways through the public calls that are stepped
 *
 * A way is a small play.  The bystander prepares the region; actors are further processes; the victim sets itself up, and
 * then makes the call, of which one thread is stepped.  If that one sleeps, a cue has it woken.  Of two that are inside at
 * once, the other one is the rival.
 */
#ifndef COVEY_TESTS_STEP_WAYS_H
#define COVEY_TESTS_STEP_WAYS_H

#include "world.h"

struct way {
	const char *what, *name;
	const struct covey_options *options;
	void (*prepare)(covey *c);                        /* by the bystander */
	int (*actor)(void *context);                      /* context: its number, from 0 */
	int actors;                                       /* how many of them */
	void (*setup)(covey *c, struct covey_lead *lead); /* by the victim, not stepped */
	int (*call)(covey *c, struct covey_lead *lead);   /* by the victim */
	void (*finish)(covey *c);                         /* by the victim, if it still lives, not stepped */
	void (*rival_setup)(covey *c, struct covey_lead *lead);
	int (*rival)(covey *c, struct covey_lead *lead); /* by another, held within it at its points in turn */
	const char *thread;                              /* of the victim, that is stepped; NULL: the one that calls */
	void (*cue)(covey *c);                           /* by the bystander, once the victim sleeps in the call */
	const void *at;  /* give the cue not then, but when the victim comes to this function */
	bool corpse;     /* actor 0 is killed before the call begins */
	bool cue_kills;  /* the cue is that actor 0 is killed */
	bool detached;   /* the call itself is to attach the victim */
	bool inherits;   /* it is the child of a fork, and has its parent's handle; the call is to attach it anew */
	bool unattended; /* there is no bystander before the point */
	bool closes;     /* the call detaches the victim */
	bool crowded;    /* while the victim lives, there may be no room for others' names or results */
	bool once;       /* there is nothing to recover, so no second kill */
	bool silent;     /* the call changes nothing in the region */
};

/* The tables that they are put together from; each ends with a way without a name. */
extern const struct way ways_of_leading[], ways_of_answering[], ways_of_waiting[], ways_of_working[], ways_of_regions[],
        ways_of_threads[], ways_of_recovery[], ways_of_looking[], ways_of_rivals[];

/* Words of world.h's memory that the plays use. */
enum { FLAG_LED = 0, FLAG_ACTOR = 1, FLAG_LATER = 2, FLAG_AUDITED = 3, FLAG_PATIENT = 4, FLAG_WATCHED = 5 };
enum { FLAG_FULL = 6, FLAG_GO = 7 };
enum { COUNT_TOOK_OVER = 0, COUNT_STEPPED = 1, COUNT_OTHERS = 2, COUNT_GAVE_UP = 3 };
enum { NUMBER_BYSTANDER = 0, NUMBER_COMMAND = 1, NUMBER_NEW_NAME = 2, NUMBER_RESCUED = 3, NUMBER_VICTIM = 4 };

#define LONG_NAME_SIZE 299
extern char long_name[LONG_NAME_SIZE + 1];

/* Groups that everybody uses after the point; see bystander.c. */
const char *new_name(void); /* one that no other process has used */

/* What the bystander leads through a play, if anything: it ends that when it survives. */
extern struct covey_lead bystander_lead;
extern bool bystander_leads;
void lead_g(covey *c); /* it leads "g", and whoever waits for that has to wait until it survives */

/* Until FLAG_LATER is set.  It may be minutes, as a survivor is stepped before. */
void until_later(void);

/* Actor: waits for "g" once it is led, is answered, takes over if the leader dies, and counts how it went. */
int waits_for_g(void *context);
/* Until this flag is set, asleep; set it, and wake who sleeps for it. */
void sleep_for_flag(int flag);
void set_flag(int flag);
/* Until so many wait for "g". */
void until_waiters(covey *c, uint32_t count);

/* Actor: the first is forwarded to, and dies before that is done: between the forwarder's first look at it and its last.
 * Any other waits for "g".  The victim leads, and knows the first; then it forwards. */
int is_forwarded_to(void *context);
void lead_and_know_actor(covey *c, struct covey_lead *lead);
int call_forward_to_actor(covey *c, struct covey_lead *lead);

/* The program, run as the process of a worker, writes there what it is to do. */
int ways_hand_on_brief(const char *path);

/* What more than one table uses.  To set up: take a seat, also once actor 0 has said that it is there; lead "g" and say so, with
 * waiters, which are the bystander's if it goes on; join "g"; have a table in which each new name evicts one. */
void attach(covey *c, struct covey_lead *lead);
void attach_after_actor(covey *c, struct covey_lead *lead);
void lead_and_tell(covey *c, struct covey_lead *lead);
void lead_one_waiter(covey *c, struct covey_lead *lead);
void lead_two_waiters(covey *c, struct covey_lead *lead);
void lead_for_bystander(covey *c, struct covey_lead *lead);
void join_g(covey *c, struct covey_lead *lead);
void fill_table(covey *c);
void cue_publish(covey *c);                                /* what the bystander leads */
int call_register(covey *c, struct covey_lead *lead);      /* "g" */
int call_register_new(covey *c, struct covey_lead *lead);  /* new_name() */
int call_register_long(covey *c, struct covey_lead *lead); /* long_name */
int call_take_over(covey *c, struct covey_lead *lead);
int call_unregister(covey *c, struct covey_lead *lead);
int call_publish(covey *c, struct covey_lead *lead);
int call_publish_large(covey *c, struct covey_lead *lead);
int call_notify_all(covey *c, struct covey_lead *lead);
int call_forward(covey *c, struct covey_lead *lead);         /* to the bystander */
int room_of(covey *c, struct covey_lead *lead, size_t size); /* and give it back */
int call_room(covey *c, struct covey_lead *lead);
int call_reap(covey *c, struct covey_lead *lead);
int call_close(covey *c, struct covey_lead *lead);
int call_unlink(covey *c, struct covey_lead *lead);
int call_nothing(covey *c, struct covey_lead *lead);

/* A clock for cv_kernel that a way can have its cue at. */
int64_t ways_now(void);

/* For a region of twelve groups, six participants and four chunks. */
extern const struct covey_options small;

#endif
