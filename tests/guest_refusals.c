/*
 * guest_refusals.c - system calls that a filter refuses, with whatever error it likes, in a process that covey is a
 * guest of
 *
 * docs/design.md, "System calls and their errors", says of each call what its errors come to; the table below says the
 * same, and is tried line by line: in a process of its own the call is refused (seccomp), and the library does its
 * work there. It ends, and says what the table says, with errno as the filter gave it; and those who are in the same
 * region finish.
 */
#include "hostile.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "asleep.h"

#define WAITV 449
#ifdef SYS_poll
#define POLL SYS_poll
#else
#define POLL SYS_ppoll /* what the C library has for poll() where there is none */
#endif
#define FOR_EVER_S 30 /* a child that takes longer is killed: it hangs */

static char program[4096], library[4096]; /* this one, and the device's */

/* ------------------------------------------------------------------------------------------------ what is refused */

/* Calls with this number, and if mask is not 0: whose argument, under the mask, is this. */
struct call {
	int number;
	unsigned argument;
	uint32_t mask, is;
};

static void refuse(const struct call *call, int error)
{
	const uint32_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
	struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 4),
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                (uint32_t)offsetof(struct seccomp_data, args) + 8 * call->argument + low),
	        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, call->mask),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->is, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filters = {sizeof(filter) / sizeof(filter[0]), filter};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	/* of all threads: others may have been started before */
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filters) == 0);
}

/* ------------------------------------------------------------------------------------------------ what is done then */

enum { STAYS };       /* of world->flag */
enum { SAID, ERRNO }; /* of world->number */

struct row;
static void refuse_row(void);

static int opens(void)
{
	covey *c;
	int r;

	refuse_row();
	r = covey_open(&c, world->region, NULL);
	if (r == 0)
		covey_close(c);
	return r;
}

/* A region that there is none of yet; the file is removed again, if it was made. */
static int creates(void)
{
	char name[80];
	covey *c;
	int r, error;

	snprintf(name, sizeof(name), "%s-%d", world->region, (int)getpid());
	refuse_row();
	r = covey_open(&c, name, &(struct covey_options){.groups = 16, .participants = 4, .heap = 1 << 16});
	error = errno;
	if (r == 0)
		covey_close(c);
	covey_unlink(name);
	errno = error;
	return r;
}

static struct cv_futex_ops kernel; /* the real one */
static _Atomic uint64_t sleeps;    /* begun, since the filter was installed */

static enum cv_slept counted_wait(const struct cv_futex *one, int64_t deadline)
{
	atomic_fetch_add(&sleeps, 1);
	return kernel.wait(one, deadline);
}

static enum cv_slept counted_waitv(const struct cv_futex *list, unsigned count, int64_t deadline)
{
	atomic_fetch_add(&sleeps, 1);
	return kernel.waitv(list, count, deadline);
}

static int64_t refuse_and_count(void)
{
	kernel = cv_kernel;
	cv_kernel.wait = counted_wait;
	cv_kernel.waitv = counted_waitv;
	refuse_row();
	return covey_in_ms(0);
}

/* Each bounded sleep takes its time: who comes back at once tries more often than there is time for.  At most two are
 * begun for each, and some by the keeper. */
static void no_busy_loop(int64_t began)
{
	int64_t took = covey_in_ms(0) - began;

	must(atomic_load(&sleeps) <= (uint64_t)(took / CV_BOUNDED_NS) * 2 + 10);
}

static int waits(void)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();
	int64_t began;
	int r;

	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	began = refuse_and_count();
	r = covey_await(c, &lead, "now?", 4, COVEY_FOREVER, 0, &result);
	no_busy_loop(began);
	must(r != COVEY_OK || says(&result, "yes"));
	covey_release(c, &result);
	covey_close(c);
	return r;
}

/* It does not leave the region: where there are no futexes, the C library ends a process that waits for a thread's
 * end. */
static int receives(void)
{
	struct covey_request request;
	struct covey_lead lead;
	covey *c = world_open();
	int64_t began;
	int r;

	must(lead_of(c, "mine", &lead) == COVEY_LEADER);
	began = refuse_and_count();
	r = covey_receive(c, &lead, covey_in_ms(30), &request);
	must(covey_in_ms(0) - began >= 30 * INT64_C(1000000));
	no_busy_loop(began);
	return r;
}

/* A result that the heap has to grow for. */
static int publishes(void)
{
	static char bytes[12 << 20];
	struct covey_reply reply = {.data = bytes, .size = sizeof(bytes)};
	struct covey_lead lead;
	covey *c = world_open();
	int r, error;

	must(lead_of(c, "grows", &lead) == COVEY_LEADER);
	refuse_row();
	r = covey_room(c, &lead, "r", 1, sizeof(bytes), &(void *){NULL}, &(uint32_t){0});
	error = errno;
	must(covey_unregister_notify(c, &lead, NULL, 0, &reply) >= 0 || covey_unregister(c, &lead) == 0);
	covey_close(c);
	errno = error;
	return r;
}

static int leads_in_child(void *c)
{
	struct covey_lead lead;
	int r;

	r = lead_of(c, "child's", &lead);
	atomic_store(&world->number[ERRNO], errno);
	if (r == COVEY_LEADER)
		must(covey_unregister(c, &lead) == 0);
	atomic_store(&world->number[SAID], r);
	return 0;
}

/* The parent goes on meanwhile. */
static int forks(void)
{
	struct covey_lead lead;
	covey *c = world_open();

	must(lead_of(c, "parent's", &lead) == COVEY_LEADER);
	refuse_row();
	must(world_join(world_spawn(leads_in_child, c)) == 0);
	must(covey_unregister(c, &lead) == 0);
	covey_close(c);
	errno = (int)atomic_load(&world->number[ERRNO]);
	return (int)atomic_load(&world->number[SAID]);
}

static int answers(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	return covey_answer_copy(answer, "yes", 3);
}

static int starts(const struct covey_worker_options *options)
{
	const struct covey_device device = {.compute = answers};
	struct covey_worker *worker;
	covey *c = world_open();
	int r, error;

	refuse_row();
	r = covey_start_worker(c, &device, "w", 1, (struct covey_bytes){0}, options, &worker);
	error = errno;
	if (r == 0)
		must(covey_stop_worker(worker) == COVEY_ESTOPPED);
	covey_close(c);
	errno = error;
	return r;
}

static int starts_a_thread(void)
{
	return starts(&(struct covey_worker_options){.static_worker = 1});
}

static int starts_a_process(void)
{
	return starts(&(struct covey_worker_options){
	        .static_worker = 1, .library = library, .symbol = "worker_device", .program = program});
}

static void no_sink(void *context, const struct covey_change *changes, size_t count)
{
	(void)changes, (void)count;
	atomic_fetch_add((_Atomic int *)context, 1);
}

/* It reports that there is a group, however it sleeps. */
static int monitors(void)
{
	_Atomic int reports = 0;
	struct covey_monitor *m;
	struct covey_lead lead;
	covey *c = world_open();
	int r, error;

	refuse_row();
	r = covey_start_monitor(c, "seen", 4, 1000000, no_sink, &reports, &m);
	error = errno;
	if (r == 0) {
		until(atomic_load(&reports) == 1);
		must(lead_of(c, "seen", &lead) == COVEY_LEADER);
		until(atomic_load(&reports) == 2);
		covey_stop_monitor(m);
	}
	covey_close(c);
	errno = error;
	return r;
}

/* The command, which inherits the filter, with its standard error away; gives its exit status. */
static int executes(const char *subcommand)
{
	const char *const arguments[] = {COVEY_CLI, subcommand, "-r", world->region, "run", "--", "cat", NULL};
	int status, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t child = fork();

	must(child >= 0 && null >= 0);
	if (child == 0) {
		must(dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2);
		refuse_row();
		execv(COVEY_CLI, (char **)(uintptr_t)arguments);
		_exit(1);
	}
	must(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int runs(void)
{
	return executes("run");
}

static int serves(void)
{
	return executes("worker");
}

/* ------------------------------------------------------------------------------------------------ the table */

#define WHATEVER 0, 0, 0
#define FUTEX(op) 1, FUTEX_CMD_MASK, op
#define TOLD COVEY_ESYSTEM

static const struct row {
	const char *what;
	struct call call;
	int (*done)(void);
	int said;      /* TOLD: with errno as it was given */
	int errors[8]; /* 0: no more */
} rows[] = {
#define ANY EPERM, EACCES, ENOSYS, EINVAL, EIO
        /* sleeping and waking */
        {"several words", {WAITV, WHATEVER}, waits, COVEY_OK, {ANY, ENOMEM, EAGAIN}},
        {"several words", {WAITV, WHATEVER}, monitors, 0, {EACCES}},
        {"one word", {SYS_futex, FUTEX(FUTEX_WAIT_BITSET)}, receives, COVEY_ETIMEDOUT, {ANY, ENOMEM, EAGAIN}},
        /* a life, and a lock that says when it is over */
        {"robust list", {SYS_set_robust_list, WHATEVER}, opens, TOLD, {ANY}},
        {"file lock", {SYS_fcntl, 1, ~0u, F_OFD_SETLK}, opens, TOLD, {ANY, ENOLCK}},
        {"keeper's thread", {SYS_mmap, 3, MAP_STACK, MAP_STACK}, opens, TOLD, {EAGAIN}},
        {"keeper's policy", {SYS_sched_setscheduler, WHATEVER}, opens, 0, {ANY}},
        {"keeper's policy", {SYS_sched_getscheduler, WHATEVER}, opens, 0, {ANY}},
        {"names of threads", {SYS_prctl, 0, ~0u, PR_SET_NAME}, opens, 0, {ANY}},
        {"name of the process", {SYS_prctl, 0, ~0u, PR_GET_NAME}, opens, 0, {ANY}},
        /* attaching */
        {"look at the file", {SYS_pread64, WHATEVER}, opens, TOLD, {ANY}},
        {"mapping", {SYS_mmap, 3, MAP_SHARED, MAP_SHARED}, opens, TOLD, {EPERM, EACCES, ENOMEM}},
        {"core dumps", {SYS_madvise, 2, ~0u, MADV_DONTDUMP}, opens, 0, {ANY}},
        {"wiped in a child", {SYS_madvise, 2, ~0u, MADV_WIPEONFORK}, opens, TOLD, {ANY}},
        {"a file again", {SYS_openat, WHATEVER}, forks, TOLD, {EMFILE, ENFILE, EIO}},
        {"a life in a child", {SYS_set_robust_list, WHATEVER}, forks, TOLD, {ENOSYS}},
        {"not for a child", {SYS_madvise, 2, ~0u, MADV_DONTFORK}, opens, TOLD, {ANY}},
        /* making a region */
        {"without a name", {SYS_openat, 2, O_TMPFILE, O_TMPFILE}, creates, 0, {EOPNOTSUPP, EISDIR, EINVAL, EPERM}},
        {"length", {SYS_ftruncate, WHATEVER}, creates, TOLD, {ANY}},
        {"mode", {SYS_fchmod, WHATEVER}, creates, TOLD, {ANY}},
        {"memory", {SYS_fallocate, WHATEVER}, creates, 0, {EPERM, ENOSYS, EOPNOTSUPP}}, /* zeros are written */
        {"memory", {SYS_fallocate, WHATEVER}, creates, TOLD, {EACCES, EINVAL, EIO}},
        {"memory", {SYS_fallocate, WHATEVER}, creates, COVEY_ENOSPC, {ENOSPC, ENOMEM, EFBIG, EDQUOT}},
        {"a key", {SYS_getrandom, WHATEVER}, creates, TOLD, {ANY}},
        {"the header", {SYS_pwrite64, WHATEVER}, creates, TOLD, {ANY}},
        {"the name", {SYS_linkat, WHATEVER}, creates, 0, {EPERM, EACCES, EMLINK}}, /* it is renamed */
        {"taking turns", {SYS_flock, WHATEVER}, creates, 0, {ANY, ENOLCK}},
        /* results */
        {"memory", {SYS_madvise, 2, ~0u, MADV_POPULATE_WRITE}, publishes, COVEY_EFULL, {EFAULT, ENOMEM, EPERM, ENOSYS}},
        {"memory", {SYS_madvise, 2, ~0u, MADV_POPULATE_WRITE}, publishes, 0, {EINVAL}}, /* by a descriptor */
        {"memory", {SYS_madvise, 2, ~0u, MADV_REMOVE}, publishes, 0, {EINVAL, EPERM}},
        {"descriptors of a thread", {SYS_close_range, WHATEVER}, publishes, 0, {EPERM, ENOSYS}},
        /* threads and processes of workers */
        {"a thread", {SYS_mmap, 3, MAP_STACK, MAP_STACK}, starts_a_thread, TOLD, {EAGAIN}},
        {"a thread", {SYS_mmap, 3, MAP_STACK, MAP_STACK}, monitors, TOLD, {EAGAIN}},
        {"the brief", {SYS_memfd_create, WHATEVER}, starts_a_process, TOLD, {ANY}},
        {"the brief", {SYS_write, WHATEVER}, starts_a_process, TOLD, {ENOSPC}},
        {"the line", {SYS_socketpair, WHATEVER}, starts_a_process, TOLD, {ANY, EMFILE}},
        {"a process", {SYS_clone, WHATEVER}, starts_a_process, TOLD, {ANY, EAGAIN}},
        {"its report", {POLL, WHATEVER}, starts_a_process, TOLD, {ANY}},
        /* the command */
        {"events", {POLL, WHATEVER}, runs, 125, {EPERM, ENOSYS}},
        {"events", {POLL, WHATEVER}, serves, 125, {EPERM, ENOSYS}},
        {"signals", {SYS_signalfd4, WHATEVER}, runs, 0, {EPERM, ENOSYS}},
        {"signals", {SYS_signalfd4, WHATEVER}, serves, 125, {EPERM, ENOSYS}},
        {"the end", {SYS_eventfd2, WHATEVER}, serves, 125, {EPERM, ENOSYS}},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row; /* of this process */
static int error;

static void refuse_row(void)
{
	refuse(&row->call, error);
}

static int does(void *context)
{
	(void)context;
	alarm(FOR_EVER_S);
	errno = 0;
	atomic_store(&world->number[SAID], row->done());
	atomic_store(&world->number[ERRNO], errno);
	return 0;
}

/* Leads "g" all the time, and answers each who waits for it. */
static int stays_and_answers(void *context)
{
	struct covey_reply reply = text("yes");
	struct covey_request request;
	struct covey_lead lead;
	covey *c = world_open();
	int64_t later;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[STAYS], 1);
	while (covey_receive(c, &lead, covey_in_ms(600000), &request) == 0 && request.size != 0) {
		later = covey_in_ms(50); /* who waits has several times the chance to come back at once */
		until(covey_in_ms(0) > later);
		must(covey_respond(c, &lead, &request, &reply) == 1);
	}
	must(covey_unregister(c, &lead) == 0);
	must(covey_counter(c, COVEY_COUNT_RESCUED) == 0);
	covey_close(c);
	return 0;
}

/* Nothing of the child is left in the region, and it is whole. */
static int checks(void *context)
{
	char why[256] = "";
	covey *c = world_open();

	(void)context;
	world_settle(c, 2);
	must(covey_check(c, why, sizeof(why)) == 0);
	covey_close(c);
	return 0;
}

static bool as_the_table_says(void)
{
	int status = world_join(world_spawn(does, NULL)), said = (int)atomic_load(&world->number[SAID]),
	    told = (int)atomic_load(&world->number[ERRNO]);

	if (status == 0 && said == row->said && (said != TOLD || told == error))
		return true;
	print_error("%s, refused with \"%s\": status %d, said %d (%s), errno %d (%s)\n", row->what, strerror(error),
	        status, said, covey_strerror(said), told, strerror(told));
	return false;
}

static int asks_to_end(void *context)
{
	struct covey_result result;
	struct covey_lead lead;
	covey *c = world_open();

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_GAVE_UP);
	covey_close(c);
	return 0;
}

/* This process opens no region itself: each child is one that covey comes to as a new guest. */
static void each_refusal(void **state)
{
	int wrong = 0;
	pid_t leader;

	(void)state;
	world_begin(NULL);
	leader = world_spawn(stays_and_answers, NULL);
	until(atomic_load(&world->flag[STAYS]) == 1);
	for (row = rows; row < rows + ROWS; row++) {
		for (int i = 0; i < 8 && row->errors[i] != 0; i++) {
			error = row->errors[i];
			wrong += !as_the_table_says();
		}
		neighbours_finish();
		assert_int_equal(world_join(world_spawn(checks, NULL)), 0);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(world_join(world_spawn(asks_to_end, NULL)), 0);
	assert_int_equal(world_join(leader), 0);
}

/* The keys of a process are few, and the host's: none is used that was not made. */
static int has_used_up_its_keys(void *context)
{
	pthread_key_t keys[PTHREAD_KEYS_MAX];
	struct covey_lead lead;
	int made = 0;
	covey *c = NULL;

	(void)context;
	while (made < PTHREAD_KEYS_MAX && pthread_key_create(&keys[made], NULL) == 0)
		must(pthread_setspecific(keys[made], &keys[made]) == 0 && ++made > 0);
	must(made < PTHREAD_KEYS_MAX || pthread_key_create(&keys[0], NULL) == EAGAIN);
	must(covey_open(&c, world->region, NULL) == COVEY_ESYSTEM && errno == EAGAIN && c == NULL);
	for (int i = 0; i < made; i++)
		must(pthread_getspecific(keys[i]) == &keys[i]);
	must(pthread_key_delete(keys[0]) == 0);
	must(covey_open(&c, world->region, NULL) == 0);
	must(lead_of(c, "g", &lead) == COVEY_LEADER && covey_unregister(c, &lead) == 0);
	for (int i = 1; i < made; i++)
		must(pthread_getspecific(keys[i]) == &keys[i]);
	covey_close(c);
	return 0;
}

static void no_key_is_left(void **state)
{
	(void)state;
	world_begin(NULL);
	assert_int_equal(world_join(world_spawn(has_used_up_its_keys, NULL)), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_key_is_left),
	        cmocka_unit_test(each_refusal),
	};
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *end;
	int failed;

	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return covey_worker_main(3, 4) != 0;
	must(n > 0 && (end = strrchr(program, '/')) != NULL);
	snprintf(library, sizeof(library), "%.*s/libworker_device.so", (int)(end - program), program);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end();
	return failed;
}
