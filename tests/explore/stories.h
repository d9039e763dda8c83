/*
 * stories.h - what scenarios are made of; see stories.c
 */
#ifndef COVEY_TESTS_EXPLORE_STORIES_H
#define COVEY_TESTS_EXPLORE_STORIES_H

#include "explore.h"

extern const char *const names[GROUPS];
extern size_t name_size[GROUPS]; /* 24; or, set in a set-up, LONG_NAME */
#define LONG_NAME 100
extern struct covey_lead led; /* by an actor, since before the story begins; see leads() */

uint32_t register_group(unsigned group, struct covey_lead *lead);
void lead_on(unsigned group, const struct covey_lead *lead, char request);
int wait_once(unsigned group, const struct covey_lead *lead, char request, int64_t deadline, uint32_t flags);
void resolve_group(unsigned group, char request);

/* Bodies of actors. */
void resolve(void);   /* group 0 */
void resolve_2(void); /* group 2 */
void publish_led(void);
void give_up_led(void);
void publish_too_much(void);
void take_small(void);
void take_larger(void);
void notify_led(void);
void notify_and_give_up(void);
void serve(void);
void wait_for_led(void);
void wait_a_while(void);
void ask_x(void);
void ask_y(void);
void ask_twice(void);

/* In a set-up; first this. */
void make_world(uint32_t groups, uint32_t buckets, uint32_t participants);
void actor(const char *name, uint32_t participant, void (*body)(void));
void keeper(const char *name, uint32_t participant);
void death(const char *name, uint32_t participant);
void led_before(unsigned group, uint32_t seat); /* the group has its node already */
void leads(unsigned number, unsigned group);    /* the actor of this number leads it: led */
void full_table(void);                          /* groups 0 and 1 have nodes */

#endif
