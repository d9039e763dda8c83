/*
 * stage.h - one performance of a way: a fresh region, its bystander, its actors, its victim
 *
 * Every process of a play is a child of the director, which traces bystander, victim and rival, is not attached to the
 * region, and so hangs and crashes with none of them.
 */
#ifndef COVEY_TESTS_STEP_STAGE_H
#define COVEY_TESTS_STEP_STAGE_H

#include "bystander.h"
#include "path.h"

#define STAGE_ACTORS 3
#define STAGE_HELD 16

struct stage {
	const struct way *way;
	pid_t bystander, victim, rival, stepped; /* 0: not there */
	pid_t actors[STAGE_ACTORS];
	/* Threads held: keepers of the living, the victim's other threads, the rival's. */
	pid_t keepers[STAGE_HELD], others[STAGE_HELD], rivals[STAGE_HELD];
	int keeper_count, other_count, rivals_count;
	bool cued;
	int64_t began;   /* when the victim began with the call */
	char fault[160]; /* what went wrong; empty: nothing */
};

/* Everybody in place, the victim before its call.  hold_keepers: no keeper of anybody else runs until they are let go.
 * rival: the rival's path, of which it is at this point; NULL: it is before its call, if there is one. */
bool stage_begin(struct stage *s, const struct way *way, bool hold_keepers, const struct path *rival, uint32_t at);
/* Whoever is still there is killed; false, with the first fault, if there was any. */
bool stage_end(struct stage *s);
void stage_fault(struct stage *s, const char *text);

/* Step the rival through its call, and record it. */
bool stage_record_rival(struct stage *s, struct path *path);
/* Step the victim through its call, and record it. */
bool stage_record(struct stage *s, struct path *path);
/* Run the victim to point n; with asleep, to where it sleeps after point n. */
bool stage_run(struct stage *s, const struct path *path, uint32_t n, bool asleep, bool only_steps);

void stage_let_keepers_go(struct stage *s);
void stage_kill_victim(struct stage *s);
/* Stop the whole of the victim; let it go on, and see that it ends as it should. */
void stage_stop_victim(struct stage *s);
void stage_end_victim(struct stage *s);
/* The same of the rival, if there is one. */
void stage_kill_rival(struct stage *s);
void stage_stop_rival(struct stage *s);
void stage_end_rival(struct stage *s);
/* The actors end by themselves, all well. */
void stage_join_actors(struct stage *s);

/* A bystander that comes now, if there is none. */
void stage_newcomer(struct stage *s);
void stage_tell(struct stage *s, enum bystander_command command);
/* The same, one instruction at a time: how many it took. */
long stage_count(struct stage *s, enum bystander_command command);
/* Step the bystander through its command, and record it; run it to point n of that; kill it. */
bool stage_record_bystander(struct stage *s, enum bystander_command command, struct path *path);
bool stage_run_bystander(
        struct stage *s, enum bystander_command command, const struct path *path, uint32_t n, bool only_steps);
void stage_kill_bystander(struct stage *s);
/* The dead are reaped, all is accounted for, and the bystander ends. */
void stage_audit(struct stage *s);

#endif
