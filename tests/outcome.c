/*
 * outcome.c - the outcome of a "covey run" as bytes: whole, in order, and of no use when a byte is not as it should be
 *
 * The bytes are made by the command's own code (tools/answer.c) and come through a region.  Then they are damaged: what
 * opens all the same lies within the bytes that there are, and an order has no more than its streams.
 */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tools/answer.h"
#include "../tools/cmd.h"

enum { DAMAGES = 100000, KEY_SIZE = 1 };

static covey *here;
static unsigned char published[4096];
static size_t published_size;

/* The command's own ends the process when it is refused. */
int await_events(struct pollfd *events, unsigned count, int ms)
{
	return poll(events, count, ms);
}

/* ------------------------------------------------------------------------------------------------ made and taken */

static void put(struct spools *p, int pipe, const char *text)
{
	must(write(pipe, text, strlen(text)) == (ssize_t)strlen(text));
	spools_take(p);
}

static void fill(struct spools *p)
{
	int out[2], err[2];

	must(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(err, O_CLOEXEC | O_NONBLOCK) == 0);
	must(spools_open(p, 0) == 0);
	spools_connect(p, out[0], err[0]);
	put(p, out[1], "one\n");
	put(p, err[1], "two\n");
	put(p, out[1], "three\n");
	close(out[1]);
	close(err[1]);
	spools_drain(p);
}

static void *wait_for_it(void *ignored)
{
	struct covey_result result;
	struct covey_lead leader;

	(void)ignored;
	must(covey_join(here, "k", KEY_SIZE, &leader) == COVEY_WAIT);
	must(covey_await(here, &leader, NULL, 0, COVEY_FOREVER, 0, &result) == COVEY_OK);
	must(result.size <= sizeof(published));
	memcpy(published, result.data, result.size);
	published_size = result.size;
	covey_release(here, &result);
	return NULL;
}

/* Lead, have a thread wait, and publish. */
static void publish(struct spools *p)
{
	struct covey_lead lead;
	struct covey_info info = {.waiters = 0};
	pthread_t waiter;

	must(covey_find_or_register(here, "k", KEY_SIZE, &lead) == COVEY_LEADER);
	must(pthread_create(&waiter, NULL, wait_for_it, NULL) == 0);
	until(covey_find(here, "k", KEY_SIZE, &info) == 0 && info.waiters == 1);
	must(answer_publish(here, &lead, "k", KEY_SIZE, 3, p) == 1);
	must(pthread_join(waiter, NULL) == 0);
}

static void begin(void)
{
	world_begin(NULL);
	here = world_open();
}

static void end(void)
{
	covey_close(here);
	world_end();
}

static struct covey_result result_of(const unsigned char *bytes, size_t size)
{
	return (struct covey_result){.outcome = COVEY_OK, .data = bytes, .size = size};
}

static void comes_whole(void **state)
{
	struct spools p;
	struct covey_result result;
	struct answer answer;
	uint64_t turn;

	(void)state;
	begin();
	fill(&p);
	publish(&p);
	result = result_of(published, published_size);
	assert_true(answer_open(&result, &answer));
	assert_int_equal(answer.status, 3);
	assert_int_equal(answer.leader, getpid());
	assert_int_equal(answer.lost, 0);
	assert_int_equal(answer.spools.s[OUT].size, strlen("one\nthree\n"));
	assert_memory_equal(answer.spools.s[OUT].bytes, "one\nthree\n", strlen("one\nthree\n"));
	assert_int_equal(answer.spools.s[ERR].size, strlen("two\n"));
	assert_memory_equal(answer.spools.s[ERR].bytes, "two\n", strlen("two\n"));
	assert_int_equal(order_next(&answer.spools.order, &turn), OUT);
	assert_int_equal(turn, strlen("one\n"));
	order_sent(&answer.spools.order, turn);
	assert_int_equal(order_next(&answer.spools.order, &turn), ERR);
	order_sent(&answer.spools.order, turn);
	assert_int_equal(order_next(&answer.spools.order, &turn), OUT);
	assert_int_equal(turn, strlen("three\n"));
	answer_close(&answer);
	spools_close(&p);
	end();
}

static void loss_is_told(void **state)
{
	struct spools p;
	struct covey_result result;
	struct answer answer;

	(void)state;
	begin();
	for (int over = 0; over <= 1; over++) {
		fill(&p);
		p.over = over != 0;
		p.torn = over ? 0 : 28;
		publish(&p);
		result = result_of(published, published_size);
		assert_true(answer_open(&result, &answer));
		assert_int_equal(answer.lost, over ? -1 : 28);
		assert_int_equal(answer.spools.s[OUT].size + answer.spools.s[ERR].size, 0);
		answer_close(&answer);
		spools_close(&p);
	}
	end();
}

/* ------------------------------------------------------------------------------------------------ damaged */

/* What was opened lies within the bytes. */
static void check_opened(const struct answer *answer, const unsigned char *bytes, size_t size)
{
	uint64_t runs[STREAMS] = {0, 0};

	assert_in_range(answer->status, 0, 255);
	for (int i = 0; i < STREAMS; i++) {
		const struct stream *s = &answer->spools.s[i];

		if (s->size == 0)
			continue;
		assert_true(s->bytes >= (const char *)bytes && s->size <= size);
		assert_true(s->bytes + s->size <= (const char *)bytes + size);
	}
	for (size_t i = 0; i < answer->spools.order.count; i++)
		runs[answer->spools.order.runs[i] & 1] += answer->spools.order.runs[i] >> 1;
	for (int i = 0; i < STREAMS; i++)
		assert_true(runs[i] <= answer->spools.s[i].size);
}

static void damaged_is_of_no_use_or_within(void **state)
{
	struct spools p;
	int opened = 0, refused = 0;

	(void)state;
	begin();
	fill(&p);
	publish(&p);
	spools_close(&p);
	srandom(20);
	for (int i = 0; i < DAMAGES; i++) {
		size_t size = random() % 4 ? published_size : (size_t)random() % (published_size + 1);
		unsigned char *bytes = malloc(size + 1); /* to its last byte, for who watches */
		struct covey_result result = result_of(bytes, size);
		struct answer answer;

		memcpy(bytes, published, size);
		for (long n = random() % 4; n > 0 && size != 0; n--)
			bytes[(size_t)random() % size] = (unsigned char)(random() % 3 ? random() : 0xff);
		if (answer_open(&result, &answer)) {
			check_opened(&answer, bytes, size);
			answer_close(&answer);
			opened++;
		} else {
			refused++;
		}
		free(bytes);
	}
	assert_true(opened > 0 && refused > DAMAGES / 10);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(comes_whole), cmocka_unit_test(loss_is_told),
	        cmocka_unit_test(damaged_is_of_no_use_or_within)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
