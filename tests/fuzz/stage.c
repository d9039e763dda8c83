/*
 * stage.c - see stage.h
 *
 * The region: this process (slot 0) leads "mine" and attached first.  Others, processes that are gone by the time the first
 * input comes, lead, wait, were answered and did not look, hold what they borrowed; their life words say that they live,
 * so waits for them are waits, until an input says otherwise.
 *
 * Each mapping lies between unmapped gigabytes, and with the address sanitizer the unused ends of its sections are poisoned
 * too, as is the element 0 of each that has none: reading beside what there is ends the process.
 *
 * The kernel underneath: time stands still but for sleeping and for being asked, nobody is woken, and a sleep lasts until
 * its deadline.  Keepers sleep until they are told to go on, and whoever tells them waits until they sleep again: so one
 * input always does the same, and a crash is one that can be repeated.
 */
#include "stage.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "asleep.h"
#include "outbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#endif
#ifdef POISONING
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(at, size) ((void)(at), (void)(size))
#define __asan_unpoison_memory_region(at, size) ((void)(at), (void)(size))
#endif

#define UNMAPPED (UINT64_C(1) << 36) /* before and behind each mapping */

struct stage stage;

static struct cv_futex_ops kernel; /* the real one */
static bool built;                 /* until then, there are others to be woken */

/* ------------------------------------------------------------------------------------------------ files and mappings */

static bool guarding; /* maps of the region are being made */
static int region_fd = -1;

static void *map_plainly(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	long r = syscall(SYS_mmap, at, size, protection, flags, fd, offset);

	return r < 0 && r > -4096 ? MAP_FAILED : (void *)r;
}

/* In place of the C library's. */
__attribute__((visibility("default"))) void *mmap(
        void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	unsigned char *room;

	if (!guarding || (flags & MAP_SHARED) == 0 || fd < 0)
		return map_plainly(at, size, protection, flags, fd, offset);
	room = map_plainly(NULL, size + 2 * UNMAPPED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(room != MAP_FAILED);
	return map_plainly(room + UNMAPPED, size, protection, flags | MAP_FIXED, fd, offset);
}

__attribute__((visibility("default"))) int munmap(void *at, size_t size)
{
	if (!guarding)
		return (int)syscall(SYS_munmap, at, size);
	return (int)syscall(SYS_munmap, (unsigned char *)at - UNMAPPED, size + 2 * UNMAPPED);
}

/* The region loses its name at once, so that it goes with this process, whatever becomes of that. */
__attribute__((visibility("default"))) int openat(int directory, const char *path, int flags, ...)
{
	char self[64];
	mode_t mode;
	va_list arguments;

	va_start(arguments, flags);
	mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", region_fd);
	if (region_fd >= 0 && strcmp(path, world->region) == 0)
		return (int)syscall(SYS_openat, AT_FDCWD, self, flags & ~O_NOFOLLOW, mode);
	return (int)syscall(SYS_openat, directory, path, flags, mode);
}

/* The region's key: names are to lie in the same buckets each time. */
__attribute__((visibility("default"))) ssize_t getrandom(void *to, size_t size, unsigned flags)
{
	if (!guarding)
		return syscall(SYS_getrandom, to, size, flags);
	memset(to, 0x5a, size);
	return (ssize_t)size;
}

/* ------------------------------------------------------------------------------------------------ poison */

static void poison_between(unsigned char *base, uint64_t end, uint64_t next, bool on)
{
	/* NOLINTNEXTLINE(bugprone-branch-clone): both are nothing without the sanitizer */
	if (on)
		__asan_poison_memory_region(base + end, next - end);
	else
		__asan_unpoison_memory_region(base + end, next - end);
}

static void poison(const covey *c, bool on)
{
	const struct covey_counts *n = &c->counts;
	const struct covey_layout *l = &c->layout;
	unsigned char *base = (unsigned char *)c->header;

	poison_between(base, sizeof(struct covey_header), l->watch, on);
	poison_between(base, l->watch + CV_WATCH_WORDS * sizeof(uint32_t), l->slots, on);
	poison_between(base, l->slots + n->participants * sizeof(struct covey_slot), l->rings, on);
	poison_between(base, l->rings + n->participants * sizeof(struct covey_ring), l->seats, on);
	poison_between(base, l->seats, l->seats + sizeof(struct cv_seat), on);
	poison_between(base, l->seats + (n->threads + n->participants + 1) * sizeof(struct cv_seat), l->nodes, on);
	poison_between(base, l->nodes, l->nodes + sizeof(struct cv_node), on);
	poison_between(base, l->nodes + (n->groups + 1) * sizeof(struct cv_node), l->tails, on);
	poison_between(base, l->tails, l->tails + sizeof(struct cv_tail), on);
	poison_between(base, l->tails + (n->groups + 1) * sizeof(struct cv_tail), l->buckets, on);
	poison_between(base, l->buckets + n->buckets * 8, l->chunks, on);
	poison_between(base, l->chunks + n->chunks * 8, l->blocks, on);
	poison_between(base, l->blocks + (uint64_t)n->chunks * CV_CHUNK_BLOCKS * 8, l->heap, on);
}

/* ------------------------------------------------------------------------------------------------ the kernel underneath */

struct gate {
	const covey *c; /* whose keeper */
	sem_t asleep, go;
	bool begun, free;
};

#define GATES 4
static struct gate gates[GATES];
static struct gate *opening; /* of the keeper that is being started */
static _Thread_local struct gate *here;
static _Thread_local bool caller; /* the thread that makes the calls */
static int64_t clock_now;

static void gate_pass(struct gate *g)
{
	if (g->free)
		return;
	sem_post(&g->asleep);
	while (sem_wait(&g->go) != 0) {
	}
}

static void gate_wait(struct gate *g)
{
	while (sem_wait(&g->asleep) != 0) {
	}
}

static struct gate *keeper(void)
{
	if (here == NULL)
		here = opening;
	return here;
}

static int64_t fuzz_now(void)
{
	return caller ? clock_now += 100 : clock_now;
}

static enum cv_slept fuzz_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	if (!caller) {
		gate_pass(keeper());
		return CV_WOKEN;
	}
	if (deadline == COVEY_FOREVER) /* for a keeper to begin */
		return kernel.wait(list, deadline);
	for (unsigned i = 0; i < count; i++)
		if (atomic_load(list[i].word) != list[i].expected)
			return CV_WOKEN;
	clock_now = deadline > clock_now ? deadline : clock_now;
	return CV_TIMED_OUT;
}

static enum cv_slept fuzz_wait(const struct cv_futex *one, int64_t deadline)
{
	return fuzz_waitv(one, 1, deadline);
}

static int fuzz_wake(_Atomic uint32_t *word, int count)
{
	struct gate *g;

	if (!caller) {
		g = keeper();
		if (g->begun)
			return 0;
		g->begun = true;
		kernel.wake(word, count); /* who opens the region sleeps on this */
		gate_pass(g);
		return 0;
	}
	for (g = gates; g < gates + GATES; g++)
		if (g->c != NULL && g->free && atomic_load(&g->c->attachment->keeper.stop) != 0 &&
		        word == &g->c->slots[g->c->slot].bell)
			sem_post(&g->go);
	return built ? 0 : kernel.wake(word, count);
}

static const struct cv_futex_ops fuzz_kernel = {fuzz_wait, fuzz_waitv, fuzz_wake, fuzz_now};

static struct gate *gate_of(const covey *c)
{
	struct gate *g = gates;

	while (g->c != c)
		must(++g < gates + GATES);
	return g;
}

covey *stage_attach(uint32_t flags, int *error)
{
	struct covey_options options = world->options;
	covey *c = NULL;

	options.flags = flags | COVEY_SEPARATE; /* a process of its own, but for the address space */
	opening = gate_of(NULL);
	opening->begun = opening->free = false;
	guarding = true;
	*error = covey_open(&c, world->region, &options);
	guarding = false;
	if (c == NULL)
		return NULL;
	poison(c, true);
	if (c->inspect)
		return c;
	opening->c = c;
	gate_wait(opening);
	return c;
}

void stage_detach(covey *c)
{
	struct gate *g = c->inspect ? NULL : gate_of(c);

	poison(c, false);
	if (g != NULL)
		g->free = true;
	guarding = true;
	covey_close(c);
	guarding = false;
	if (g != NULL)
		g->c = NULL;
}

void stage_keeper(covey *c)
{
	struct gate *g = gate_of(c);

	sem_post(&g->go);
	gate_wait(g);
}

/* ------------------------------------------------------------------------------------------------ loads */

static uint32_t loads_left;
static void (*at_load)(void);

bool stage_at_load(uint32_t loads, void (*then)(void))
{
	loads_left = loads;
	at_load = then;
#ifdef COVEY_FUZZ_LOADS
	return true;
#else
	return false;
#endif
}

#ifdef COVEY_FUZZ_LOADS
/* The compiler has each load call one of these before it. */
UNINSTRUMENTED static inline void loading(const void *at)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)stage.c->header;

	if (loads_left == 0 || offset >= stage.size || --loads_left != 0)
		return;
	at_load();
}

#define LOADING(size)                                                                                                  \
	void __sanitizer_cov_load##size(void *at);                                                                     \
	UNINSTRUMENTED void __sanitizer_cov_load##size(void *at)                                                       \
	{                                                                                                              \
		if (__builtin_expect(loads_left != 0, 0))                                                              \
			loading(at);                                                                                   \
	}
LOADING(1)
LOADING(2)
LOADING(4)
LOADING(8)
LOADING(16)
#endif

/* ------------------------------------------------------------------------------------------------ the region */

static char long_name[300];

static void in_child(void)
{
	cv_kernel = kernel; /* its keeper is like any other */
}

static void sleep_for(covey *c, const char *name, size_t size, const char *request, size_t request_size)
{
	struct covey_lead lead;
	struct covey_result result;

	must(covey_join(c, name, size, &lead) == COVEY_WAIT);
	covey_await(c, &lead, request, request_size, COVEY_FOREVER, 0, &result);
}

/* Leads a group with a short name and one with a long one, has a room, and waits for "mine". */
static int leads_two(void *context)
{
	struct covey_lead lead;
	void *data;
	uint32_t room;
	covey *c;

	(void)context;
	in_child();
	c = world_open();
	must(lead_of(c, "b", &lead) == COVEY_LEADER);
	must(covey_room(c, &lead, "r", 1, 500, &data, &room) == 0);
	must(covey_find_or_register(c, long_name, sizeof(long_name), &lead) == COVEY_LEADER);
	sleep_for(c, "mine", 4, "request", 7);
	return 0;
}

/* Leads one, and waits for another with a long request. */
static int asks_at_length(void *context)
{
	struct covey_lead lead;
	covey *c;

	(void)context;
	in_child();
	c = world_open();
	must(lead_of(c, "c", &lead) == COVEY_LEADER);
	sleep_for(c, "b", 1, long_name, 150);
	return 0;
}

static void *asks_too(void *c)
{
	sleep_for(c, long_name, sizeof(long_name), "other", 5);
	return NULL;
}

/* Two threads that wait, and a result on loan. */
static int borrows_and_waits(void *context)
{
	struct covey_lead lead;
	struct covey_result result;
	pthread_t thread;
	covey *c;

	(void)context;
	in_child();
	c = world_open();
	must(lead_of(c, "mine", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "loan", 4, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(pthread_create(&thread, NULL, asks_too, c) == 0);
	sleep_for(c, "b", 1, "request", 7);
	return 0;
}

/* Is stopped while it waits, and so never takes its answer. */
static int is_answered(void *context)
{
	covey *c;

	in_child();
	c = world_open();
	sleep_for(c, "mine", 4, context, strlen(context));
	return 0;
}

/* The others, one after the other, so that each has the same seat each time. */
static void others_arrive(covey *c, const struct covey_lead *mine, pid_t child[5])
{
	static char result[400], stops[2][8] = {"block", "outbox"};
	struct covey_reply reply = {.data = result, .size = sizeof(result)};

	child[0] = world_spawn(leads_two, NULL);
	until(asleep(c) == 1);
	child[1] = world_spawn(asks_at_length, NULL);
	until(asleep(c) == 2);
	child[2] = world_spawn(borrows_and_waits, NULL);
	until(covey_notify(c, mine, "loan", 4, &reply) == 1);
	until(asleep(c) == 4);
	for (int i = 0; i < 2; i++) {
		child[3 + i] = world_spawn(is_answered, stops[i]);
		until(asleep(c) == 5);
		must(kill(child[3 + i], SIGSTOP) == 0);
		if (i == 1)
			reply.size = CV_OUTBOX_BYTES / 2;
		must(covey_notify(c, mine, stops[i], strlen(stops[i]), &reply) == 1);
	}
}

static unsigned char *image;
static struct covey_thread *thread;
static struct covey_thread thread_image;

static void idle_groups(covey *c)
{
	struct covey_lead lead;

	must(covey_find_or_register(c, "d", 1, &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
	long_name[0] = 'e';
	must(covey_find_or_register(c, long_name, sizeof(long_name), &lead) == COVEY_LEADER);
	must(covey_unregister(c, &lead) == 0);
	long_name[0] = 'l';
}

static void stage_open(void)
{
	const struct covey_options options = {
	        .groups = 16, .participants = 8, .threads = 14, .heap = 128 << 10, .heap_max = 256 << 10};
	int error, fd;

	world_begin(&options);
	for (int i = 0; i < GATES; i++)
		must(sem_init(&gates[i].asleep, 0, 0) == 0 && sem_init(&gates[i].go, 0, 0) == 0);
	kernel = cv_kernel;
	cv_kernel = fuzz_kernel;
	caller = true;
	clock_now = kernel.now();
	stage.c = stage_attach(0, &error);
	must(stage.c != NULL);
	stage.layout = stage.c->layout;
	stage.size = stage.layout.size;
	fd = covey_file_reopen(stage.c, O_RDWR);
	stage.map = map_plainly(NULL, stage.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(stage.map != MAP_FAILED);
	close(fd);
}

void stage_build(void)
{
	pid_t child[5];
	int error;

	memset(long_name, 'l', sizeof(long_name));
	stage_open();
	must(lead_of(stage.c, "mine", &stage.lead) == COVEY_LEADER);
	idle_groups(stage.c);
	others_arrive(stage.c, &stage.lead, child);
	image = malloc(stage.size);
	must(image != NULL);
	memcpy(image, stage.map, stage.size);
	for (int i = 0; i < 5; i++) /* nobody is to succeed another */
		must(kill(child[i], SIGSTOP) == 0);
	for (int i = 0; i < 5; i++)
		world_kill(child[i]);
	region_fd = covey_file_reopen(stage.c, O_RDWR);
	must(region_fd >= 0 && covey_unlink(world->region) == 0);
	thread = covey_thread_now(stage.c);
	must(thread != NULL);
	thread_image = *thread;
	thread_image.spinner.budget = 1;
	memset(&thread_image.hint, 0, sizeof(thread_image.hint));
	built = true;
	stage.inspector = stage_attach(COVEY_INSPECT, &error);
	must(stage.inspector != NULL);
}

void stage_reset(void)
{
	struct covey_thread now = *thread;

	stage_at_load(0, NULL);
	memcpy(stage.map, image, stage.size);
	*thread = thread_image;
	thread->request = now.request;
	thread->request_room = now.request_room;
	thread->spare = now.spare;
	thread->reserved = now.reserved; /* its memory; none of the rooms is there any more */
	thread->reserved_room = now.reserved_room;
	thread->reserved_count = 0;
	memset(stage.c->attachment->keeper.watches, 0, sizeof(stage.c->attachment->keeper.watches));
	atomic_store(&stage.c->attachment->keeper.reap, 0);
	covey_thread_last = thread;
	clock_now = INT64_C(1) << 50;
}

void stage_end(void)
{
	stage_reset();
	stage_detach(stage.inspector);
	stage_detach(stage.c);
}
