/*
 * ways_working.c - resolving, and workers: as threads, of a host, in the thread that leads
 */
#include "ways.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "bystander.h"
#include "worker.h"

static int repeat(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base;
	return covey_answer_copy(answer, request.data, request.size);
}

static int named_g(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'g';
	return 0;
}

static const struct covey_device device = {.group = named_g, .compute = repeat};

/* ------------------------------------------------------------------------------------------------ resolve */

static int resolve_by(covey *c, const struct covey_device *by, const struct covey_resolve_options *options)
{
	struct covey_result result;
	int r = covey_resolve(
	        c, by, (struct covey_bytes){"base", 4}, (struct covey_bytes){"stepped", 7}, options, &result);

	must(r != COVEY_OK || says(&result, "stepped") || says(&result, "survivor"));
	covey_release(c, &result);
	return r;
}

static int resolve(covey *c, const struct covey_resolve_options *options)
{
	return resolve_by(c, &device, options);
}

static int call_resolve(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return resolve(c, NULL);
}

static int call_resolve_and_leave(covey *c, struct covey_lead *lead)
{
	static const struct covey_resolve_options leaving = {
	        .spawn_worker = COVEY_SPAWN_ONCE, .worker = {.static_worker = 1, .worker_timeout = COVEY_FOREVER}};

	(void)lead;
	return resolve(c, &leaving);
}

/* Asks when it is told to; whatever becomes of who leads, it has an answer. */
static int resolves_later(void *context)
{
	covey *c = world_open();

	(void)context;
	until_later();
	must(resolve(c, NULL) == COVEY_OK);
	return 0;
}

static int waits_and_gives_up(
        void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	sleep_for_flag(FLAG_GO);
	covey_answer_give_up(answer);
	return 0;
}

/* Unless it was deposed meanwhile. */
static void cue_ask_two(covey *c)
{
	atomic_store(&world->flag[FLAG_LATER], 1);
	until(world_waiters(c, "g") == 2 || covey_find(c, "g", 1, NULL) == COVEY_ENOENT);
	set_flag(FLAG_GO);
}

static int call_resolve_giving_up(covey *c, struct covey_lead *lead)
{
	static const struct covey_device giving_up = {.group = named_g, .compute = waits_and_gives_up};
	int r = resolve_by(c, &giving_up, NULL);

	(void)lead;
	must(r == COVEY_GAVE_UP || r == COVEY_OK);
	return r;
}

static int leads_until_it_dies(void *context)
{
	covey *c;
	struct covey_lead lead;

	if (context != NULL)
		return resolves_later(context);
	c = world_open();
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_ACTOR], 1);
	for (;;)
		pause();
}

/* One has died before it; or, if the survivor came first, there has been an end since. */
static int told_of_death(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	uint32_t deaths = covey_answer_deaths(answer);

	must(deaths == 1 || (deaths == 0 && atomic_load(&world->number[NUMBER_COMMAND]) == BYSTANDER_SURVIVE));
	return repeat(self, base, request, answer);
}

static int call_resolve_after_death(covey *c, struct covey_lead *lead)
{
	static const struct covey_device successor = {.group = named_g, .compute = told_of_death};

	(void)lead;
	return resolve_by(c, &successor, NULL);
}

/* ------------------------------------------------------------------------------------------------ workers */

static const struct covey_worker_options fixed = {.static_worker = 1, .worker_timeout = COVEY_FOREVER};
static struct covey_worker *worker;

static int start_with(covey *c, const struct covey_worker_options *options)
{
	int r = covey_start_worker(c, &device, "g", 1, (struct covey_bytes){"base", 4}, options, &worker);

	return r == COVEY_WAIT ? 0 : r;
}

static int call_start(covey *c, struct covey_lead *lead)
{
	(void)lead;
	return start_with(c, &fixed);
}

static int stop(void)
{
	int r = covey_stop_worker(worker);

	return r == COVEY_ESTOPPED ? 0 : r;
}

static int call_stop(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	return stop();
}

static void start(covey *c, struct covey_lead *lead)
{
	(void)lead;
	must(start_with(c, &fixed) == 0);
	atomic_store(&world->flag[FLAG_LED], 1);
}

static void start_with_waiter(covey *c, struct covey_lead *lead)
{
	start(c, lead);
	attach(c, lead);
}

/* Asks when it is told to, and is answered by the worker, or by whoever comes after it. */
static int asks_later(void *context)
{
	covey *c = world_open();
	struct covey_result result;
	struct covey_lead lead;
	int r;

	(void)context;
	until_later();
	if (covey_join(c, "g", 1, &lead) != COVEY_WAIT)
		return 0;
	r = covey_await(c, &lead, "stepped", 7, COVEY_FOREVER, 0, &result);
	must(r != COVEY_OK || says(&result, "stepped") || says(&result, "survivor"));
	if (r == COVEY_DIED)
		covey_unregister(c, &result.lead);
	covey_release(c, &result);
	return r < 0;
}

static void cue_ask(covey *c)
{
	atomic_store(&world->flag[FLAG_LATER], 1);
	until(world_waiters(c, "g") == 1);
}

static void lead_and_be_asked(covey *c, struct covey_lead *lead)
{
	must(lead_of(c, "g", lead) == COVEY_LEADER);
	atomic_store(&world->flag[FLAG_LATER], 1);
	until_waiters(c, 1);
}

/* Answers one, and ends as nobody asks for a while. */
static int call_work(covey *c, struct covey_lead *lead)
{
	static const struct covey_worker_options brief = {.static_worker = 1, .worker_timeout = 2000000};

	return covey_default_worker(c, &device, lead, (struct covey_bytes){"base", 4}, &brief);
}

/* ------------------------------------------------------------------------------------------------ a process */

/* A process of its own is one that has gone through exec, where no instruction lies as in others.  So the one that is stepped
 * is forked, and has what the other was given to do. */
static int brief = -1;

static void copy(int from, int to)
{
	char bytes[4096];
	ssize_t n;

	must(lseek(from, 0, SEEK_SET) == 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		must(write(to, bytes, (size_t)n) == n);
}

int ways_hand_on_brief(const char *path)
{
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(to >= 0);
	copy(3, to);
	return 0;
}

static void be_briefed(covey *c, struct covey_lead *lead)
{
	static char program[4096], library[4096], path[128];
	struct covey_worker_options options = {.static_worker = 1,
	        .worker_timeout = 2000000,
	        .library = library,
	        .symbol = "worker_device",
	        .program = program};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int from;

	(void)lead;
	must(n > 0);
	snprintf(library, sizeof(library), "%.*s/libworker_device.so", (int)(strrchr(program, '/') - program), program);
	must(dlopen(library, RTLD_NOW | RTLD_LOCAL) != NULL); /* the loader's work is no part of what is stepped */
	snprintf(path, sizeof(path), "/dev/shm/%s-brief", world->region);
	must(setenv("COVEY_STEP_BRIEF", path, 1) == 0);
	c = world_open();
	must(covey_start_worker(c, NULL, "g", 1, (struct covey_bytes){"base", 4}, &options, &worker) == COVEY_EDEVICE);
	covey_close(c);
	from = open(path, O_RDONLY);
	brief = memfd_create("brief", 0);
	must(from >= 0 && brief >= 0);
	copy(from, brief);
	must(close(from) == 0 && unlink(path) == 0);
}

/* Begins, and ends as nobody asks for a while; nobody hears what it says of itself. */
static int call_worker_main(covey *c, struct covey_lead *lead)
{
	int r = covey_worker_main(brief, open("/dev/null", O_WRONLY));

	(void)c, (void)lead;
	return r == COVEY_ESTOPPED ? 0 : r;
}

/* ------------------------------------------------------------------------------------------------ hosts */

static struct covey_host *host;

static int call_host(covey *c, struct covey_lead *lead)
{
	struct covey_worker_options options = fixed;
	int r = covey_host_open(c, 1, &host);

	(void)lead;
	options.host = host;
	if (r == 0)
		r = start_with(c, &options);
	return r;
}

static int call_host_close(covey *c, struct covey_lead *lead)
{
	(void)c, (void)lead;
	if (worker != NULL)
		stop();
	covey_host_close(host);
	return 0;
}

static void finish_host(covey *c)
{
	call_host_close(c, NULL);
}

static void start_host(covey *c, struct covey_lead *lead)
{
	must(call_host(c, lead) == 0);
}

const struct way ways_of_working[] = {
        {"resolve", "nobody leads", &small, .setup = attach, .call = call_resolve},
        {"resolve", "another leads", &small, .prepare = lead_g, .setup = attach, .call = call_resolve,
                .cue = cue_publish},
        {"resolve", "it leaves a worker behind", &small, .setup = attach, .call = call_resolve_and_leave},
        {"resolve", "its compute gives up, two wait", &small, .actor = resolves_later, .actors = 2, .setup = attach,
                .call = call_resolve_giving_up, .cue = cue_ask_two},
        {"resolve", "its leader is dead, compute is told so", &small, .actor = leads_until_it_dies, .actors = 2,
                .corpse = true, .setup = attach_after_actor, .call = call_resolve_after_death},
        {"resolve", "its leader dies, compute is told so", &small, .actor = leads_until_it_dies, .actors = 1,
                .cue_kills = true, .setup = attach_after_actor, .call = call_resolve_after_death},
        {"start_worker", "a thread", &small, .setup = attach, .call = call_start},
        {"stop_worker", "a thread", &small, .setup = start, .call = call_stop},
        {"the worker", "a thread, is asked", &small, .actor = asks_later, .actors = 1, .setup = start_with_waiter,
                .call = call_stop, .thread = "covey-worker", .cue = cue_ask},
        {"default_worker", "one waits", &small, .actor = asks_later, .actors = 1, .setup = lead_and_be_asked,
                .call = call_work},
        {"the worker", "a process, nobody asks", &small, .setup = be_briefed, .call = call_worker_main,
                .detached = true},
        {"host_open, start_worker", "one thread", &small, .setup = attach, .call = call_host, .finish = finish_host},
        {"stop_worker, host_close", "one thread", &small, .setup = start_host, .call = call_host_close},
        {"the host", "one of its workers is asked", &small, .actor = asks_later, .actors = 1, .setup = start_host,
                .call = call_host_close, .thread = "covey-host", .cue = cue_ask},
        {.what = NULL},
};
