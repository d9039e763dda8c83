/*
 * kernel.c - what covey takes for granted of the kernel about death and about sleeping, one test for each
 *
 * A kernel that breaks one of these contracts is to be seen here by its name, and not as a waiter that sometimes sleeps
 * on.  Each test says who relies on it.
 */
#include "kernel.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------------------------------------ sleepers */

struct nap {
	int id; /* of the actor */
	unsigned count;
	int words[CV_FUTEX_MAX];
	const struct shared *mapping; /* NULL: the writable one */
	bool signals;                 /* has a handler for SIGUSR1 */
};

static void on_signal(int signal)
{
	(void)signal;
}

static int naps(void *context)
{
	const struct nap *n = context;
	const struct shared *mapping = n->mapping != NULL ? n->mapping : shared;
	struct actor *self = &shared->actor[n->id];
	struct waitv_entry list[CV_FUTEX_MAX];
	struct sigaction action = {.sa_handler = on_signal};
	long r;

	if (n->signals)
		sigaction(SIGUSR1, &action, NULL);
	for (unsigned i = 0; i < n->count; i++)
		list[i] = entry(mapping, n->words[i]);
	r = n->count == 1 ? wait_plain(&mapping->word[n->words[0] * STRIDE], (uint32_t)list[0].expected, NULL)
	                  : waitv(list, n->count, NULL);
	atomic_store(&self->error, r < 0 ? errno : 0);
	atomic_store(&self->result, (int)r);
	atomic_store(&self->done, 1);
	return 0;
}

/* Gives when it sleeps: the kernel puts it into the queues of its words one after the other, and so into the last one's last. */
static pid_t falls_asleep(const struct nap *n)
{
	const _Atomic uint32_t *last = word(n->words[n->count - 1]);
	int before = world_sleepers(last);
	pid_t child = world_spawn(naps, (void *)(uintptr_t)n);

	until(world_sleepers(last) == before + 1);
	return child;
}

/* On a life as covey's waiters sleep (own word, bell, life), or on the life alone. */
static pid_t sleeps_on_life(int id, int life, bool alone)
{
	struct nap n = {.id = id, .count = alone ? 1 : 3, .words = {alone ? life : OWN, BELL, life}};

	return falls_asleep(&n);
}

static bool done(int id)
{
	return atomic_load(&shared->actor[id].done) == 1;
}

static int result(int id)
{
	return atomic_load(&shared->actor[id].result);
}

static int error(int id)
{
	return atomic_load(&shared->actor[id].error);
}

/* ------------------------------------------------------------------------------------------------ death */

/*
 * Relied on by participant.c (all of it), await.c: pass_on_death().  However the keeper's thread ends, each word of its
 * list becomes OWNER_DIED, without its number and with the waiters' bit, and on each word one sleeper is woken: the
 * one that has slept longest, be it in FUTEX_WAIT or in futex_waitv.
 */
static void one_death(enum way way)
{
	pid_t child, sleeper[LIVES][3];

	begin();
	child = begin_victim(way);
	for (int n = 0; n < 3; n++)
		for (int life = 0; life < LIVES; life++)
			sleeper[life][n] = sleeps_on_life(life * 3 + n, life, life % 2 == 0);
	end_victim(child, way);
	for (int life = 0; life < LIVES; life++) {
		assert_int_equal(atomic_load(word(life)), ENDED);
		until(done(life * 3));
		assert_int_equal(result(life * 3), life % 2 == 0 ? 0 : 2);
		assert_false(done(life * 3 + 1) || done(life * 3 + 2));
		assert_int_equal(wake(word(life), INT_MAX), 2); /* the relay: the rest, and all of it */
	}
	for (int i = 0; i < LIVES * 3; i++)
		assert_int_equal(world_join(sleeper[i / 3][i % 3]), 0);
	if (way == EXECS || way == THREAD_ENDS)
		world_kill(child);
}

static void death_wakes_the_longest_sleeper_on_each_word(void **state)
{
	(void)state;
	need_waitv();
	for (enum way way = KILLED; way < WAYS; way++)
		one_death(way);
}

/* Relied on by participant.c, "two different ones are woken", and by law 6.  A wake-up is not spent on a sleeper that was
 * killed, or that is stopped: a signal takes it out of the queue.  The stopped one looks again when it goes on. */
static void killed_and_stopped_sleepers_take_no_wake(void **state)
{
	pid_t child, sleeper[4];
	int status;

	(void)state;
	need_waitv();
	begin();
	child = begin_victim(KILLED);
	for (int i = 0; i < 4; i++)
		sleeper[i] = sleeps_on_life(i, 0, false);
	world_kill(sleeper[0]);
	kill(sleeper[1], SIGSTOP);
	assert_int_equal(waitpid(sleeper[1], &status, WUNTRACED), sleeper[1]);
	assert_true(WIFSTOPPED(status));
	end_victim(child, KILLED);
	until(done(2));
	assert_int_equal(result(2), 2);
	assert_int_equal(wake(word(0), INT_MAX), 1);
	assert_false(done(1));
	kill(sleeper[1], SIGCONT);
	for (int i = 1; i < 4; i++)
		assert_int_equal(world_join(sleeper[i]), 0);
	assert_true(result(1) == -1 && error(1) == EAGAIN);
}

static int lives_under_another_number(void *context)
{
	static struct robust list;

	(void)context;
	live(&list, own_tid() + 1);
	atomic_store(word(0), own_tid() | FUTEX_WAITERS);
	atomic_store(&shared->actor[VICTIM].ready, 1);
	return stays();
}

/* Relied on by participant.c: life_begin(), which registers words that do not say yet that it lives, and by whoever has a
 * slot next.  A word that holds another number is left alone, and nobody is woken for it. */
static void a_word_of_another_is_left_alone(void **state)
{
	pid_t child, sleeper;
	uint32_t before;

	(void)state;
	need_waitv();
	begin();
	child = world_spawn(lives_under_another_number, NULL);
	until(atomic_load(&shared->actor[VICTIM].ready) == 1);
	before = atomic_load(word(1));
	sleeper = sleeps_on_life(0, 1, false);
	world_kill(child);
	assert_int_equal(atomic_load(word(0)), ENDED); /* the list was walked */
	assert_int_equal(atomic_load(word(1)), before);
	assert_int_equal(wake(word(1), INT_MAX), 1);
	assert_int_equal(world_join(sleeper), 0);
}

static int lives_and_forks(void *context)
{
	static struct robust list;
	pid_t child;

	(void)context;
	live(&list, own_tid());
	child = (pid_t)syscall(
	        SYS_clone, SIGCHLD, 0, 0, 0, 0); /* not fork(): the C library's would register another list */
	if (child == 0)
		syscall(SYS_exit_group, 0);
	must(child > 0 && world_join(child) == 0);
	atomic_store(&shared->actor[VICTIM].ready, 1);
	return stays();
}

/* Relied on by thread.c: the child of a fork has nothing of its parent's, so its end is not its parent's. */
static void a_forked_child_ends_no_life(void **state)
{
	pid_t child;

	(void)state;
	begin();
	child = world_spawn(lives_and_forks, NULL);
	until(atomic_load(&shared->actor[VICTIM].ready) == 1);
	for (int i = 0; i < LIVES; i++)
		assert_int_equal(atomic_load(word(i)), (uint32_t)child | FUTEX_WAITERS);
	world_kill(child);
	assert_int_equal(atomic_load(word(0)), ENDED);
}

static int lives_in_a_namespace(void *context)
{
	enum way way = KILLED;

	(void)context;
	if (unshare(CLONE_NEWPID) != 0)
		return 77;
	atomic_store(&world->number[0], world_spawn(victim, &way));
	return world_join((pid_t)atomic_load(&world->number[0])) == 128 + SIGKILL ? 0 : 1;
}

/* Relied on by participant.c: "The id is compared in the dying thread's own pid namespace". */
static void another_pid_namespace(void **state)
{
	pid_t outer, sleeper;

	(void)state;
	need_waitv();
	world_begin(NULL);
	begin();
	outer = world_spawn(lives_in_a_namespace, NULL);
	until((atomic_load(&shared->actor[VICTIM].ready) == 1 && atomic_load(&world->number[0]) != 0) ||
	        state_of(outer) == 'Z');
	if (atomic_load(&shared->actor[VICTIM].ready) == 0) {
		assert_int_equal(world_join(outer), 77);
		skip();
	}
	assert_int_equal(atomic_load(word(0)), 2u | FUTEX_WAITERS); /* the second thread of that world */
	sleeper = sleeps_on_life(0, 0, false);
	kill((pid_t)atomic_load(&world->number[0]), SIGKILL);
	until(done(0));
	assert_int_equal(result(0), 2);
	assert_int_equal(atomic_load(word(0)), ENDED);
	assert_int_equal(world_join(sleeper), 0);
	assert_int_equal(world_join(outer), 0);
}

/* ------------------------------------------------------------------------------------------------ sleeping */

/* Relied on by futex.c: CV_WOKEN_EARLY, and so by await.c, where only who was woken by the last word, a life, passes the
 * death on.  FUTEX_WAKE_OP rings two words before the sleeper can run: the later one in the list is told. */
static void waitv_tells_the_last_of_several(void **state)
{
	static const struct {
		int first, second, told;
	} rung[] = {{0, 1, 1}, {1, 0, 1}, {0, 2, 2}, {2, 0, 2}, {1, 2, 2}, {0, 5, 0}, {1, 5, 1}, {2, 5, 2}};

	(void)state;
	need_waitv();
	for (unsigned i = 0; i < sizeof(rung) / sizeof(rung[0]); i++) {
		struct nap n = {.count = 3, .words = {0, 1, 2}};
		int woken = rung[i].second < 3 ? 2 : 1;
		pid_t sleeper;

		begin();
		sleeper = falls_asleep(&n);
		assert_int_equal(syscall(SYS_futex, word(rung[i].first), FUTEX_WAKE_OP, 1, 1L, word(rung[i].second),
		                         FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)),
		        woken);
		until(done(0));
		assert_int_equal(result(0), rung[i].told);
		assert_int_equal(world_join(sleeper), 0);
	}
}

/* Relied on by every loop that sleeps (await.c: "the kernel does not let us fall asleep"): a word that has changed, any
 * of several, is not slept on, and who is refused is left in no queue. */
static void a_changed_word_is_not_slept_on(void **state)
{
	struct waitv_entry list[3];

	(void)state;
	need_waitv();
	begin();
	assert_true(wait_plain(word(0), 1, NULL) == -1 && errno == EAGAIN);
	for (int changed = 0; changed < 3; changed++) {
		for (int i = 0; i < 3; i++)
			list[i] = entry(shared, i);
		atomic_fetch_add(word(changed), 1);
		assert_true(waitv(list, 3, NULL) == -1 && errno == EAGAIN);
		for (int i = 0; i < 3; i++)
			assert_int_equal(wake(word(i), INT_MAX), 0);
	}
}

/* Relied on by futex.c and parking.c: deadlines are absolute, by CLOCK_MONOTONIC, in both calls. */
static void deadlines_are_absolute(void **state)
{
	struct waitv_entry list[2];
	struct timespec past, soon, now;

	(void)state;
	need_waitv();
	begin();
	clock_gettime(CLOCK_MONOTONIC, &past);
	soon = past;
	soon.tv_sec += soon.tv_nsec >= 999000000;
	soon.tv_nsec = (soon.tv_nsec + 1000000) % 1000000000;
	list[0] = entry(shared, 0);
	list[1] = entry(shared, 1);
	assert_true(wait_plain(word(0), 0, &past) == -1 && errno == ETIMEDOUT);
	assert_true(waitv(list, 2, &past) == -1 && errno == ETIMEDOUT);
	assert_true(waitv(list, 2, &soon) == -1 && errno == ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(now.tv_sec > soon.tv_sec || (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
}

/* Relied on by futex.c: a signal that is handled ends the call with EINTR, or not at all; nothing is left behind. */
static void a_signal_ends_the_call(void **state)
{
	(void)state;
	need_waitv();
	for (unsigned count = 1; count <= 2; count++) {
		struct nap n = {.count = count, .words = {0, 1}, .signals = true};
		pid_t sleeper;

		begin();
		sleeper = falls_asleep(&n);
		kill(sleeper, SIGUSR1);
		assert_int_equal(world_join(sleeper), 0);
		assert_true(result(0) == -1 && error(0) == EINTR);
		assert_int_equal(wake(word(0), INT_MAX), 0);
	}
}

/* Relied on by all: a futex is a place in a file, whatever its address; monitor.c, berth: a mapping that may only be read is
 * slept on, is woken by a death, and can be woken through. */
static void a_futex_is_a_place_in_the_file(void **state)
{
	struct nap n = {.count = 3, .words = {OWN, BELL, 3}};
	pid_t child, sleeper;

	(void)state;
	need_waitv();
	for (int by_death = 0; by_death < 2; by_death++) {
		begin();
		n.mapping = read_only;
		child = begin_victim(KILLED);
		sleeper = falls_asleep(&n);
		if (!by_death)
			assert_int_equal(wake(&read_only->word[3 * STRIDE], INT_MAX), 1);
		end_victim(child, KILLED);
		until(done(0));
		assert_int_equal(result(0), 2);
		assert_int_equal(world_join(sleeper), 0);
	}
}

/* Relied on by participant.c: keeper_sleep(): as many words at once as CV_FUTEX_MAX. */
static void as_many_words_as_a_keeper_has(void **state)
{
	struct nap n = {.count = CV_FUTEX_MAX};
	pid_t sleeper;

	(void)state;
	need_waitv();
	begin();
	for (int i = 0; i < CV_FUTEX_MAX; i++)
		n.words[i] = i;
	sleeper = falls_asleep(&n);
	assert_int_equal(wake(word(CV_FUTEX_MAX - 1), 1), 1);
	assert_int_equal(world_join(sleeper), 0);
	assert_int_equal(result(0), CV_FUTEX_MAX - 1);
}

static void answer_waitv(uint32_t action)
{
	struct sock_filter filter[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WAITV, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, action),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* The second filter kills whoever still asks. */
static int is_refused_waitv(void *context)
{
	struct cv_futex list[] = {{word(0), 0}, {word(1), 0}};

	answer_waitv(SECCOMP_RET_ERRNO | *(uint32_t *)context);
	must(cv_kernel.waitv(list, 2, INT64_MAX) == CV_UNSUPPORTED);
	answer_waitv(SECCOMP_RET_KILL_PROCESS);
	must(cv_kernel.waitv(list, 2, INT64_MAX) == CV_UNSUPPORTED);
	return 0;
}

/* Relied on by futex.c: where futex_waitv is missing or forbidden, the call says so by one of these, and at once. */
static void waitv_refused(void **state)
{
	uint32_t errors[] = {EPERM, ENOSYS, EINVAL};

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_join(world_spawn(is_refused_waitv, &errors[i])), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(death_wakes_the_longest_sleeper_on_each_word),
	        cmocka_unit_test(killed_and_stopped_sleepers_take_no_wake),
	        cmocka_unit_test(a_word_of_another_is_left_alone),
	        cmocka_unit_test(a_forked_child_ends_no_life),
	        cmocka_unit_test(another_pid_namespace),
	        cmocka_unit_test(waitv_tells_the_last_of_several),
	        cmocka_unit_test(a_changed_word_is_not_slept_on),
	        cmocka_unit_test(deadlines_are_absolute),
	        cmocka_unit_test(a_signal_ends_the_call),
	        cmocka_unit_test(a_futex_is_a_place_in_the_file),
	        cmocka_unit_test(as_many_words_as_a_keeper_has),
	        cmocka_unit_test(waitv_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
