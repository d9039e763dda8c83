/*
 * outbox.c - short answers on their way from the leader's seat: killed, stopped and reused in between
 *
 * What happens between two steps of an answer is brought about with the steps themselves: a leader that is to be killed
 * half-way calls the one and not the other.  A waiter that is to be slow is stopped while it sleeps.
 */
#include "asleep.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GO, SENT, LED }; /* indexes of world->flag */

#define WHOLE "a short answer, whole"

static covey *here;

static void begin(void)
{
	world_begin(NULL);
	here = world_open();
	atomic_store(&world->flag[LED], 1);
}

static void end(void)
{
	world_settle(here, 1);
	assert_int_equal(covey_counter(here, COVEY_COUNT_RESCUED), 0);
	world_check(here, 0);
	covey_close(here);
	world_end();
}

static struct covey_thread *thread_of(covey *c)
{
	int error;
	struct covey_thread *t = covey_enter(c, &error);

	must(t != NULL);
	return t;
}

/* Asks the leader of the group for the bytes; they must come. */
static int asks(void *group)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	until(atomic_load(&world->flag[LED]) == 1);
	must(covey_join(c, group, strlen(group), &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "?", 1, covey_in_ms(60000), 0, &result) == COVEY_OK);
	must(says(&result, WHOLE));
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

static int asks_and_succeeds(void *group)
{
	covey *c = world_open();
	struct covey_lead lead;
	struct covey_result result;

	must(covey_join(c, group, strlen(group), &lead) == COVEY_WAIT);
	must(covey_await(c, &lead, "?", 1, covey_in_ms(60000), 0, &result) == COVEY_DIED);
	must(result.part == COVEY_TOOK_OVER && result.owned == NULL);
	must(covey_unregister(c, &result.lead) == 0);
	covey_release(c, &result);
	covey_close(c);
	return 0;
}

/* One process asks the group that the caller leads, and sleeps. */
static pid_t asker(covey *c, int (*work)(void *), const char *group, struct covey_lead *lead, struct covey_request *out)
{
	pid_t child = world_spawn(work, (void *)(uintptr_t)group);

	must(covey_receive(c, lead, covey_in_ms(60000), out) == 0);
	until(seat_asleep(here, out->seat));
	return child;
}

static void stop(pid_t child)
{
	int status;

	must(kill(child, SIGSTOP) == 0);
	must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
}

static int responds(covey *c, struct covey_lead *lead, const struct covey_request *request)
{
	struct covey_reply reply = text(WHOLE);

	return covey_respond(c, lead, request, &reply);
}

static bool outbox_free(covey *c)
{
	struct covey_thread *t = thread_of(c);

	return cv_outbox_free(&c->arena, t->seat, &t->sent);
}

/* ------------------------------------------------------------------------------------------------ a killed leader */

/* Goes as far as flag[SENT] says, and dies there. */
static int answers_half(void *context)
{
	covey *c = world_open();
	struct covey_thread *t = thread_of(c);
	struct covey_request request;
	struct covey_lead lead;
	struct cv_note note = {.tag = (uint32_t)getpid() << 2, .size = strlen(WHOLE)};
	uint64_t word;

	(void)context;
	must(lead_of(c, "g", &lead) == COVEY_LEADER);
	note.generation = lead.generation;
	atomic_store(&world->flag[GO], 1);
	must(covey_receive(c, &lead, covey_in_ms(60000), &request) == 0);
	until(atomic_load(&c->arena.seats[request.seat].mode) != CV_PARK_AWAKE);
	word = atomic_load(&c->arena.seats[request.seat].word);
	must(cv_outbox_free(&c->arena, t->seat, &t->sent));
	cv_outbox_fill(&c->arena, t->seat, &note, WHOLE);
	if (atomic_load(&world->flag[SENT]))
		must(cv_outbox_send(&c->arena, t->seat, note.size, request.seat, word, &t->sent));
	raise(SIGKILL);
	return 0;
}

static void leader_killed(bool sent)
{
	pid_t leader, child;

	begin();
	atomic_store(&world->flag[SENT], sent);
	leader = world_spawn(answers_half, NULL);
	until(atomic_load(&world->flag[GO]) == 1);
	child = world_spawn(sent ? asks : asks_and_succeeds, (void *)(uintptr_t) "g");
	assert_int_equal(world_join(leader), 128 + SIGKILL);
	assert_int_equal(world_join(child), 0);
	end();
}

/* Written, but nobody was told: the waiter succeeds its leader, with nothing of the bytes. */
static void leader_killed_before_the_swap(void **state)
{
	(void)state;
	leader_killed(false);
}

/* Told, but not woken: the leader's death wakes the waiter, and it has the bytes, whole. */
static void leader_killed_after_the_swap(void **state)
{
	(void)state;
	leader_killed(true);
}

/* ------------------------------------------------------------------------------------------------ a slow waiter */

/* Nobody waits for a waiter that does not take its answer: the next one's goes by a block. */
static void waiter_killed_before_it_takes(void **state)
{
	struct covey_request request;
	struct covey_lead lead;
	pid_t child;

	(void)state;
	begin();
	assert_int_equal(lead_of(here, "g", &lead), COVEY_LEADER);
	child = asker(here, asks, "g", &lead, &request);
	stop(child);
	assert_true(outbox_free(here));
	assert_int_equal(responds(here, &lead, &request), 1);
	assert_false(outbox_free(here));
	for (int i = 0; i < 3; i++) {
		pid_t other = asker(here, asks, "g", &lead, &request);

		assert_int_equal(responds(here, &lead, &request), 1);
		assert_int_equal(world_join(other), 0);
	}
	assert_false(outbox_free(here));
	world_kill(child);
	world_settle(here, 1);
	assert_true(outbox_free(here));
	child = asker(here, asks, "g", &lead, &request);
	stop(child); /* once it has its answer it may leave, and its seat is another's */
	assert_int_equal(responds(here, &lead, &request), 1);
	assert_int_equal(cv_seat_state(atomic_load(&here->arena.seats[request.seat].word)), CV_SEAT_OUTBOX);
	kill(child, SIGCONT);
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ a seat's next owner */

static uint32_t first_seat;
static pid_t slow;

static void *answers_and_leaves(void *context)
{
	struct covey_request request;
	struct covey_lead lead;

	first_seat = thread_of(here)->seat;
	must(lead_of(here, "g", &lead) == COVEY_LEADER);
	atomic_store(&world->flag[LED], 1);
	must(covey_receive(here, &lead, covey_in_ms(60000), &request) == 0);
	until(seat_asleep(here, request.seat));
	stop(slow);
	must(responds(here, &lead, &request) == 1);
	must(covey_unregister(here, &lead) == 0);
	return context;
}

static void *answers_from_the_same_seat(void *context)
{
	struct covey_request request;
	struct covey_lead lead;
	struct covey_reply other = text("not for the first one");
	pid_t child;

	must(thread_of(here)->seat == first_seat);
	must(lead_of(here, "h", &lead) == COVEY_LEADER);
	child = asker(here, asks, "h", &lead, &request);
	must(!outbox_free(here));
	must(responds(here, &lead, &request) == 1);
	must(world_join(child) == 0);
	must(covey_notify_all(here, &lead, &other) == 0);
	must(!outbox_free(here));
	must(kill(slow, SIGCONT) == 0);
	must(world_join(slow) == 0); /* it has found its bytes as they were */
	must(outbox_free(here));
	child = asker(here, asks, "h", &lead, &request);
	must(responds(here, &lead, &request) == 1);
	must(world_join(child) == 0);
	must(covey_unregister(here, &lead) == 0);
	return context;
}

static void seat_is_reused_before_the_waiter_takes(void **state)
{
	pthread_t thread;

	(void)state;
	begin();
	thread_of(here);
	atomic_store(&world->flag[LED], 0);
	slow = world_spawn(
	        asks, (void *)(uintptr_t) "g"); /* here: it would be killed at the end of its parent thread */
	assert_int_equal(pthread_create(&thread, NULL, answers_and_leaves, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, answers_from_the_same_seat, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ the copies */

static void *releases(void *result)
{
	covey_release(here, result);
	return NULL;
}

static int asks_many(void *context)
{
	covey *c = here = world_open();
	struct covey_result result[20];
	struct covey_lead lead;
	pthread_t thread;
	char word[8];

	(void)context;
	must(covey_join(c, "g", 1, &lead) == COVEY_WAIT);
	for (int i = 0; i < 20; i++) {
		snprintf(word, sizeof(word), "%d", i);
		must(covey_await(c, &lead, word, strlen(word), covey_in_ms(60000), 0, &result[i]) == COVEY_OK);
		must(result[i].generation == lead.generation && result[i].pid == lead.pid && result[i].code == i);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(word, sizeof(word), "%d", i);
		must(says(&result[i], word));
		if (i % 2 == 0) {
			covey_release(c, &result[i]);
		} else {
			must(pthread_create(&thread, NULL, releases, &result[i]) == 0);
			must(pthread_join(thread, NULL) == 0);
		}
		covey_release(c, &result[i]);
	}
	covey_close(c);
	return 0;
}

/* Each result stays what it is until it is released, whatever the outbox holds by then. */
static void results_outlive_the_outbox(void **state)
{
	struct covey_request request;
	struct covey_lead lead;
	pid_t child;

	(void)state;
	begin();
	assert_int_equal(lead_of(here, "g", &lead), COVEY_LEADER);
	child = world_spawn(asks_many, NULL);
	for (int i = 0; i < 20; i++) {
		struct covey_reply reply = {.code = i};

		assert_int_equal(covey_receive(here, &lead, covey_in_ms(60000), &request), 0);
		reply.data = request.data;
		reply.size = request.size;
		assert_int_equal(covey_respond(here, &lead, &request, &reply), 1);
	}
	assert_int_equal(world_join(child), 0);
	assert_int_equal(covey_unregister(here, &lead), 0);
	end();
}

/* ------------------------------------------------------------------------------------------------ not wanted */

static int wants_another(void *self, covey *c, const struct covey_lead *lead, struct covey_bytes request,
        int64_t deadline, struct covey_result *out)
{
	int r = covey_default_await(c, lead, request.data, request.size, deadline, out);

	(void)self;
	must(r == COVEY_OK && says(out, WHOLE));
	until(covey_find(c, "g", 1, &(struct covey_info){0}) == COVEY_ENOENT);
	return COVEY_GAVE_UP; /* asks again, with what it was given still in *out */
}

static int computes_a_byte(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_answer *answer)
{
	(void)self, (void)base, (void)request;
	return covey_answer_copy(answer, "z", 1);
}

static int group_g(void *self, struct covey_bytes base, struct covey_bytes request, struct covey_name *name)
{
	(void)self, (void)base, (void)request;
	name->size = 1;
	name->data[0] = 'g';
	return 0;
}

static int answers_one(void *context)
{
	covey *c = world_open();
	struct covey_reply reply = text(WHOLE);
	struct covey_request request;
	struct covey_lead lead;

	(void)context;
	must(covey_find_or_register(c, "g", 1, &lead) == COVEY_LEADER);
	atomic_store(&world->flag[LED], 2);
	must(covey_receive(c, &lead, COVEY_FOREVER, &request) == 0);
	must(covey_respond(c, &lead, &request, &reply) == 1);
	must(covey_unregister(c, &lead) == 0);
	covey_close(c);
	return 0;
}

/* What is kept for the next answer is a piece that is large enough for it, not the memory of another result. */
static void what_was_not_wanted_is_released(void **state)
{
	const struct covey_device device = {.group = group_g, .compute = computes_a_byte, .await = wants_another};
	struct covey_result result;
	pid_t leader;

	(void)state;
	begin();
	leader = world_spawn(answers_one, NULL);
	until(atomic_load(&world->flag[LED]) == 2);
	assert_int_equal(
	        covey_resolve(here, &device, (struct covey_bytes){"b", 1}, (struct covey_bytes){"r", 1}, NULL, &result),
	        COVEY_OK);
	assert_int_equal(result.size, 1);
	covey_release(here, &result);
	assert_true(thread_of(here)->spare == NULL || malloc_usable_size(thread_of(here)->spare) >= CV_OUTBOX_BYTES);
	assert_int_equal(world_join(leader), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(leader_killed_before_the_swap),
	        cmocka_unit_test(leader_killed_after_the_swap),
	        cmocka_unit_test(waiter_killed_before_it_takes),
	        cmocka_unit_test(seat_is_reused_before_the_waiter_takes),
	        cmocka_unit_test(results_outlive_the_outbox),
	        cmocka_unit_test(what_was_not_wanted_is_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
