/*
 * stage.c - see stage.h
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tracer.h"

void stage_fault(struct stage *s, const char *text)
{
	if (s->fault[0] == '\0')
		snprintf(s->fault, sizeof(s->fault), "%s", text);
}

static bool fine(const struct stage *s)
{
	return s->fault[0] == '\0';
}

static bool expect(struct stage *s, bool condition, const char *text)
{
	if (!condition)
		stage_fault(s, text);
	return condition;
}

/* ------------------------------------------------------------------------------------------------ beginning and end */

static void hold_keeper_of(struct stage *s, pid_t process)
{
	pid_t keeper = process == 0 ? 0 : tracer_find(process, "covey-keeper");

	if (keeper == 0 || keeper == s->stepped || s->keeper_count == STAGE_HELD || !tracer_hold_asleep(keeper))
		return;
	if (process == s->victim)
		s->others[s->other_count++] = keeper; /* it is let go with the victim */
	else if (process == s->rival)
		s->rivals[s->rivals_count++] = keeper;
	else
		s->keepers[s->keeper_count++] = keeper;
}

static void hold_keepers(struct stage *s)
{
	hold_keeper_of(s, s->bystander);
	if (s->way->corpse || s->way->cue_kills) { /* there is a death that their own keepers would notice */
		hold_keeper_of(s, s->victim);
		hold_keeper_of(s, s->rival);
	}
	for (int i = 0; i < s->way->actors; i++)
		hold_keeper_of(s, s->actors[i]);
}

static void let_go(pid_t *held, int *count)
{
	while (*count != 0)
		tracer_let_go(held[--*count]);
}

void stage_let_keepers_go(struct stage *s)
{
	let_go(s->keepers, &s->keeper_count);
}

/* A process that ends stays for as long as a thread of it that was held has not been waited for. */
static void wait_for_held(struct stage *s, pid_t process)
{
	for (int i = 0; i < s->keeper_count; i++)
		waitpid(s->keepers[i], NULL, WNOHANG | __WALL);
	for (int i = 0; i < s->other_count; i++)
		waitpid(s->others[i], NULL, WNOHANG | __WALL);
	for (int i = 0; i < s->rivals_count; i++)
		waitpid(s->rivals[i], NULL, WNOHANG | __WALL);
	if (process == s->victim && s->stepped != s->victim)
		waitpid(s->stepped, NULL, WNOHANG | __WALL);
}

static bool gone(struct stage *s, pid_t process)
{
	int status = 0;
	pid_t r;

	wait_for_held(s, process);
	r = waitpid(process, &status, WNOHANG | __WALL);
	return r < 0 ? errno == ECHILD : r == process && (WIFEXITED(status) || WIFSIGNALED(status));
}

static void kill_process(struct stage *s, pid_t *process)
{
	if (*process == 0)
		return;
	kill(*process, SIGKILL);
	while (!gone(s, *process))
		sched_yield();
	*process = 0;
}

static void kill_actor(struct stage *s)
{
	kill_process(s, &s->actors[0]);
}

/* The victim stops by itself before its call; of another thread than the one that calls, the first instruction is the one
 * after its sleep. */
static bool victim_in_place(struct stage *s)
{
	if (!expect(s, tracer_await(s->victim, TRACER_NEVER) == TRACER_READY, "the victim did not begin"))
		return false;
	s->stepped = s->victim;
	if (s->way->thread == NULL)
		return true;
	s->stepped = tracer_find(s->victim, s->way->thread);
	return expect(s, s->stepped != 0 && tracer_hold_asleep(s->stepped), "the victim's thread cannot be held");
}

static int status_of(int r)
{
	return r < 0 && r != COVEY_EFENCED && r != COVEY_EFULL ? 1 : 0;
}

static covey *inherited; /* by the victim, which is forked while this is open */

static int victim(void *context)
{
	const struct way *way = context;
	covey *c = way->detached ? NULL : way->inherits ? inherited : world_open();
	struct covey_lead lead = {0};
	int r;

	atomic_store(&world->number[NUMBER_NEW_NAME], (int64_t)getpid());
	if (way->setup != NULL)
		way->setup(c, &lead);
	tracer_ready(); /* the first step is from here */
	r = way->call(c, &lead);
	tracer_ready(); /* and the last one ends here */
	if (way->finish != NULL)
		way->finish(c);
	if (!way->closes)
		covey_close(c);
	return status_of(r);
}

static int rival(void *context)
{
	const struct way *way = context;
	covey *c = world_open();
	struct covey_lead lead = {0};
	int r;

	if (way->rival_setup != NULL)
		way->rival_setup(c, &lead);
	tracer_ready();
	r = way->rival(c, &lead);
	tracer_ready();
	covey_close(c);
	return status_of(r);
}

bool stage_begin(struct stage *s, const struct way *way, bool hold, const struct path *rivals, uint32_t at)
{
	*s = (struct stage){.way = way};
	world_begin(way->options);
	if (!way->unattended) {
		s->bystander = world_spawn(bystander_prepares, (void *)(uintptr_t)way);
		if (!expect(s, tracer_await(s->bystander, TRACER_NEVER) == TRACER_READY, "the bystander did not begin"))
			return false;
	}
	for (int i = 0; i < way->actors; i++)
		s->actors[i] = world_spawn(way->actor, (void *)(intptr_t)i);
	if (s->bystander != 0 && /* attached already, so it is the first, it now prepares */
	        !expect(s, tracer_continue(s->bystander, TRACER_NEVER) == TRACER_READY,
	                "the bystander did not prepare the play"))
		return false;
	if (way->rival != NULL) {
		s->rival = world_spawn(rival, (void *)(uintptr_t)way);
		if (!expect(s, tracer_await(s->rival, TRACER_NEVER) == TRACER_READY, "the rival did not begin"))
			return false;
	}
	inherited = way->inherits ? world_open() : NULL;
	s->victim = world_spawn(victim, (void *)(uintptr_t)way);
	covey_close(inherited);
	if (!victim_in_place(s))
		return false;
	if (hold || way->corpse || way->cue_kills)
		hold_keepers(s);
	if (way->corpse)
		kill_actor(s);
	s->began = covey_in_ms(0);
	return rivals == NULL || path_run(rivals, s->rival, 0, at, false);
}

bool stage_end(struct stage *s)
{
	if (!fine(s))
		stage_let_keepers_go(s);
	kill_process(s, &s->victim);
	kill_process(s, &s->rival);
	kill_process(s, &s->bystander);
	for (int i = 0; i < s->way->actors; i++)
		kill_process(s, &s->actors[i]);
	while (waitpid(-1, NULL, __WALL) >= 0 || errno == EINTR) { /* the threads that were held */
	}
	world_end();
	return fine(s);
}

/* ------------------------------------------------------------------------------------------------ the region's bytes */

static struct {
	const void *base;
	size_t size;
} view;

static void view_close(void)
{
	if (view.base != NULL)
		munmap((void *)(uintptr_t)view.base, view.size);
	view.base = NULL;
}

static void view_open(void)
{
	char path[128];
	struct stat st;
	void *base;
	int fd;

	view_close();
	snprintf(path, sizeof(path), "/dev/shm/%s", world->region);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	must(fstat(fd, &st) == 0);
	view.size = (size_t)st.st_size;
	base = mmap(NULL, view.size, PROT_READ, MAP_SHARED, fd, 0);
	must(base != MAP_FAILED);
	view.base = base;
	close(fd);
}

static uint64_t view_hash(void)
{
	if (view.base == NULL)
		view_open();
	return view.base == NULL ? 0 : XXH3_64bits(view.base, view.size);
}

/* ------------------------------------------------------------------------------------------------ the victim's call */

static void give_cue(struct stage *s)
{
	if (s->cued)
		return;
	s->cued = true;
	if (s->way->cue_kills)
		kill_actor(s);
	else if (s->way->cue != NULL)
		stage_tell(s, BYSTANDER_CUE);
}

static bool has_cue(const struct stage *s)
{
	return !s->cued && (s->way->cue != NULL || s->way->cue_kills);
}

/* One step.  If it sleeps and there is a cue for that, the cue is given. */
static enum tracer_event step_and_cue(struct stage *s, bool *slept)
{
	bool tell = has_cue(s) || s->way->thread != NULL;
	enum tracer_event event = tracer_step(s->stepped, tell && s->way->at == NULL ? 0 : TRACER_NEVER);

	*slept = event == TRACER_ASLEEP;
	if (event != TRACER_ASLEEP || !has_cue(s))
		return event;
	give_cue(s);
	return tracer_await(s->stepped, s->way->thread != NULL ? 0 : TRACER_NEVER);
}

static bool at_cue(const struct stage *s, uint64_t pc)
{
	return s->way->at != NULL && has_cue(s) && pc == (uint64_t)(uintptr_t)s->way->at;
}

bool stage_record(struct stage *s, struct path *path)
{
	enum tracer_event event;
	bool slept, cued;

	path_begin(path);
	path->ends_asleep = s->way->thread != NULL;
	do {
		uint64_t pc = tracer_pc(s->stepped);

		if (at_cue(s, pc)) {
			path->cue = path->length;
			give_cue(s);
		}
		path_add(path, pc, view_hash());
		cued = s->cued;
		event = step_and_cue(s, &slept);
		if (slept && !cued && s->cued) {
			path->cue = path->length - 1;
			path->cue_asleep = true;
		}
	} while (event == TRACER_STEPPED && fine(s));
	path_finish(path);
	view_close();
	if (s->way->thread == NULL)
		return expect(s, event == TRACER_READY, "the call did not end");
	return expect(s, event == TRACER_ASLEEP || event == TRACER_GONE, "the thread did not end what it began");
}

/* Of one that is before what it does, and stops when that is done. */
static bool record(struct stage *s, pid_t process, struct path *path, const char *failed)
{
	enum tracer_event event;

	path_begin(path);
	do {
		path_add(path, tracer_pc(process), view_hash());
		event = tracer_step(process, TRACER_NEVER);
	} while (event == TRACER_STEPPED);
	path_finish(path);
	view_close();
	return expect(s, event == TRACER_READY, failed);
}

bool stage_record_rival(struct stage *s, struct path *path)
{
	return record(s, s->rival, path, "the rival's call did not end");
}

/* Over the cue, if the point lies behind it: where it goes on from, or PATH_NOWHERE. */
static uint32_t run_over_cue(struct stage *s, const struct path *path, uint32_t n, bool only_steps)
{
	bool slept;

	if (path->cue == PATH_NOWHERE || n <= path->cue)
		return 0;
	if (!path_run(path, s->stepped, 0, path->cue, only_steps))
		return PATH_NOWHERE;
	if (!path->cue_asleep) {
		give_cue(s);
		return path->cue;
	}
	return step_and_cue(s, &slept) == TRACER_STEPPED && s->cued ? path->cue + 1 : PATH_NOWHERE;
}

bool stage_run(struct stage *s, const struct path *path, uint32_t n, bool asleep, bool only_steps)
{
	uint32_t from = run_over_cue(s, path, n, only_steps);

	if (from == PATH_NOWHERE || !path_run(path, s->stepped, from, n, only_steps))
		return false;
	return !asleep || tracer_step(s->stepped, 0) == TRACER_ASLEEP;
}

/* ------------------------------------------------------------------------------------------------ its end */

void stage_kill_victim(struct stage *s)
{
	kill_process(s, &s->victim);
}

void stage_stop_victim(struct stage *s)
{
	s->other_count +=
	        tracer_hold_others(s->victim, s->stepped, s->others + s->other_count, STAGE_HELD - s->other_count);
}

/* From the end of its call. */
static void leave(struct stage *s, pid_t *process, const char *failed)
{
	int status = -1;

	ptrace(PTRACE_CONT, *process, NULL, NULL);
	while (waitpid(*process, &status, __WALL) < 0 && errno == EINTR) {
	}
	*process = 0;
	expect(s, WIFEXITED(status) && WEXITSTATUS(status) == 0, failed);
}

/* It is to finish its call, then to leave and to find everything as it should be. */
void stage_end_victim(struct stage *s)
{
	bool cue = s->way->thread == NULL && has_cue(s);
	enum tracer_event event;

	let_go(s->others, &s->other_count);
	if (s->stepped != s->victim) { /* it goes on untraced */
		tracer_let_go(s->stepped);
		s->stepped = s->victim;
	}
	ptrace(PTRACE_CONT, s->victim, NULL, NULL);
	while ((event = tracer_await(s->victim, cue ? 0 : TRACER_NEVER)) == TRACER_ASLEEP || event == TRACER_STEPPED)
		if (event == TRACER_ASLEEP) {
			give_cue(s);
			cue = false;
		} else {
			ptrace(PTRACE_CONT, s->victim, NULL, NULL); /* it was in a step */
		}
	if (!expect(s, event == TRACER_READY,
	            event == TRACER_GONE ? "the victim ended in its call" : "the victim did not finish its call"))
		return;
	leave(s, &s->victim, "the victim failed after it was continued");
}

void stage_kill_rival(struct stage *s)
{
	kill_process(s, &s->rival);
}

void stage_stop_rival(struct stage *s)
{
	if (s->rival != 0)
		s->rivals_count += tracer_hold_others(
		        s->rival, s->rival, s->rivals + s->rivals_count, STAGE_HELD - s->rivals_count);
}

void stage_end_rival(struct stage *s)
{
	let_go(s->rivals, &s->rivals_count);
	if (s->rival == 0 || !fine(s))
		return;
	if (expect(s, tracer_continue(s->rival, TRACER_NEVER) == TRACER_READY, "the rival did not finish its call"))
		leave(s, &s->rival, "the rival failed");
}

void stage_join_actors(struct stage *s)
{
	atomic_store(&world->flag[FLAG_LATER], 1); /* the cue may not have been given */
	for (int i = 0; i < s->way->actors; i++) {
		int64_t patience = covey_in_ms(10000);
		int status = 0;
		pid_t r = 0;

		if (s->actors[i] != 0 && i == 0 && (s->way->corpse || s->way->cue_kills))
			kill_actor(s);
		while (s->actors[i] != 0 && (r = waitpid(s->actors[i], &status, WNOHANG)) == 0 &&
		        covey_in_ms(0) < patience) {
			wait_for_held(s, s->actors[i]);
			sched_yield();
		}
		if (s->actors[i] == 0)
			continue;
		if (r == s->actors[i])
			s->actors[i] = 0;
		expect(s, r != 0, "an actor did not end");
		expect(s, WIFEXITED(status) && WEXITSTATUS(status) == 0, "an actor failed");
	}
}

/* ------------------------------------------------------------------------------------------------ the bystander */

void stage_newcomer(struct stage *s)
{
	if (s->bystander != 0)
		return;
	s->bystander = world_spawn(bystander_comes, (void *)(uintptr_t)s->way);
	expect(s, tracer_await(s->bystander, TRACER_NEVER) == TRACER_READY, "a newcomer could not attach");
}

void stage_tell(struct stage *s, enum bystander_command command)
{
	static const char *const failed[] = {
	        "the cue failed", "the survivor failed, or hung", "the recoverer failed, or hung", "audit"};

	atomic_store(&world->number[NUMBER_COMMAND], command);
	if (fine(s))
		expect(s, tracer_continue(s->bystander, TRACER_NEVER) == TRACER_READY, failed[command]);
}

long stage_count(struct stage *s, enum bystander_command command)
{
	enum tracer_event event = TRACER_STEPPED;
	long count = 0;

	atomic_store(&world->number[NUMBER_COMMAND], command);
	for (; fine(s) && event == TRACER_STEPPED; count++)
		event = tracer_step(s->bystander, TRACER_NEVER);
	expect(s, event == TRACER_READY, event == TRACER_GONE ? "the survivor failed" : "the survivor hung");
	return count;
}

bool stage_record_bystander(struct stage *s, enum bystander_command command, struct path *path)
{
	atomic_store(&world->number[NUMBER_COMMAND], command);
	return record(s, s->bystander, path, "the recoverer failed, or hung");
}

bool stage_run_bystander(
        struct stage *s, enum bystander_command command, const struct path *path, uint32_t n, bool only_steps)
{
	atomic_store(&world->number[NUMBER_COMMAND], command);
	return path_run(path, s->bystander, 0, n, only_steps);
}

void stage_kill_bystander(struct stage *s)
{
	kill_process(s, &s->bystander);
}

void stage_audit(struct stage *s)
{
	atomic_store(&world->number[NUMBER_COMMAND], BYSTANDER_AUDIT);
	atomic_store(&world->flag[FLAG_AUDITED], 0);
	if (!fine(s) || !expect(s, tracer_continue(s->bystander, TRACER_NEVER) == TRACER_GONE, "the audit hung"))
		return;
	s->bystander = 0;
	expect(s, atomic_load(&world->flag[FLAG_AUDITED]) == 1, "the audit failed");
}
