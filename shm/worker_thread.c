/*
 * worker_thread.c - starting and stopping workers, and the worker that is a thread of its starter
 *
 *      STARTING -- begin, register --> WORKING ------------------> ENDED
 *         |   \--- begin only -------> READY -- handed over --/      ^
 *         +----------------------------- failed ---------------------+
 *
 * Each state is entered by the worker's thread and slept for by its starter, on a word of this process.  Of the two,
 * the one that is through with the handle last frees it: the starter by covey_stop_worker() (or at once, if it did not
 * want the handle), the thread when it has ended.
 *
 * The threads are detached, and listed in their region so that covey_close() can end them all.  A thread touches its
 * region for the last time before it enters ENDED.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker_handle.h"

/* ------------------------------------------------------------------------------------------------ states */

void covey_worker_enter(struct covey_worker *w, uint32_t state)
{
	atomic_store(&w->state, state); /* seq_cst: after what it tells, before the kernel looks for sleepers */
	cv_kernel.wake(&w->state, INT_MAX);
}

/* The state that comes after this one, or this one at the deadline. */
static uint32_t state_after(struct covey_worker *w, uint32_t state, int64_t deadline)
{
	struct cv_futex word = {&w->state, state};

	while (atomic_load(&w->state) == state && cv_kernel.now() < deadline)
		cv_kernel.wait(&word, deadline);
	return atomic_load(&w->state);
}

static void handle_free(struct covey_worker *w)
{
	struct shm_quiet quiet;

	shm_quiet_begin(&quiet);
	covey_serving_end(&w->serving);
	if (w->pidfd >= 0)
		close(w->pidfd);
	free(w->hosted);
	free(w->name);
	free(w);
	shm_quiet_end(&quiet);
}

void covey_worker_drop(struct covey_worker *w)
{
	if (atomic_fetch_sub(&w->holders, 1) == 1)
		handle_free(w);
}

static void list(struct covey_worker *w)
{
	covey *c = w->serving.c;

	covey_registry_lock();
	w->next = c->workers;
	c->workers = w;
	covey_registry_unlock();
}

/* Under the registry's lock.  It may be out of the list already. */
static void unlink_worker(covey *c, const struct covey_worker *w)
{
	struct covey_worker **p = &c->workers;

	while (*p != NULL && *p != w)
		p = &(*p)->next;
	if (*p != NULL)
		*p = w->next;
}

static void unlist(struct covey_worker *w)
{
	covey_registry_lock();
	unlink_worker(w->serving.c, w);
	covey_registry_unlock();
}

/* ------------------------------------------------------------------------------------------------ the thread */

/* 0 and the group is ours. */
static int lead_group(struct covey_worker *w)
{
	struct covey_serving *s = &w->serving;
	int r;

	if (!w->accepts) {
		r = covey_find_or_register(s->c, w->name, w->name_size, &s->lead);
		return r == COVEY_LEADER ? 0 : r;
	}
	covey_worker_enter(w, WORKER_READY);
	if (w->from.elsewhere) {
		r = covey_accept_from(s->c, w->name, w->name_size, w->from.generation, &s->lead);
		return r == COVEY_LEADER ? 0 : r;
	}
	state_after(w, WORKER_READY, COVEY_FOREVER);
	if (atomic_load(&w->refused))
		return COVEY_ESTOPPED;
	/* It was handed over before we were told, so it is there now, or somebody else's. */
	r = covey_accept_work(s->c, w->name, w->name_size, COVEY_NOW, &s->lead);
	return r == COVEY_LEADER ? 0 : r;
}

int covey_worker_begin(struct covey_worker *w)
{
	struct covey_serving *s = &w->serving;
	struct shm_serving_callback callback SHM_CLEANUP(shm_serving_callback_end);

	shm_serving_callback_begin(s, &callback);
	w->begun = s->device.begin == NULL || s->device.begin(&s->device.self, s->base) == 0;
	shm_inside_forked(&callback.entry); /* which does not return in the child */
	return w->begun ? 0 : COVEY_EDEVICE;
}

void shm_worker_end_device(struct covey_worker *w)
{
	struct covey_serving *s = &w->serving;
	struct shm_serving_callback callback SHM_CLEANUP(shm_serving_callback_end);

	shm_serving_callback_begin(s, &callback);
	if (w->begun && s->device.end != NULL) {
		w->begun = false;
		s->device.end(s->device.self);
		shm_inside_forked(&callback.entry);
	}
}

static int work_by_device(struct covey_serving *s)
{
	struct shm_serving_callback callback SHM_CLEANUP(shm_serving_callback_end);
	int r;

	covey_serving_event(s, COVEY_EVENT_WORKER_STARTED);
	shm_serving_callback_begin(s, &callback);
	r = s->device.worker(s->device.self, s->c, &s->lead, s->base, &s->options);
	shm_inside_forked(&callback.entry);
	covey_serving_event(s, COVEY_EVENT_WORKER_ENDED);
	covey_unregister(s->c, &s->lead); /* if it has not done so */
	return r;
}

static int lead_and_work(struct covey_worker *w)
{
	int r = lead_group(w);

	if (r != 0)
		return r;
	w->worked = true;
	covey_worker_enter(w, WORKER_WORKING);
	return w->serving.device.worker != NULL ? work_by_device(&w->serving) : covey_serve_all(&w->serving);
}

/* The thread's part of the worker, and what it is inside of. */
struct running {
	struct covey_worker *w;
	struct shm_entry entry;
};

/* It has ended in whatever way: also where a callback ends the thread, and the group is led yet. */
static void running_end(struct running *run)
{
	struct covey_worker *w = run->w;
	struct covey_serving *s = &w->serving;
	int error;
	struct covey_thread *t;

	shm_inside_forked(&run->entry); /* the child of a fork that ends its thread ends here */
	t = covey_enter(s->c, &error);
	if (t != NULL)
		t->stop = NULL;
	if (w->worked && w->ended_with == COVEY_ESTOPPED)
		covey_unregister(s->c, &s->lead);
	shm_worker_end_device(w);
	shm_inside_leave(&run->entry);
	unlist(w);
	covey_worker_enter(w, WORKER_ENDED);
	covey_worker_drop(w);
}

static int begin_and_work(struct covey_worker *w)
{
	int error = COVEY_EINVAL, r;
	struct covey_thread *t = covey_enter(w->serving.c, &error);

	if (t == NULL)
		return error;
	r = covey_worker_begin(w);
	if (r != 0)
		return r;
	t->stop = &w->stop;
	return lead_and_work(w);
}

static void *run(void *argument)
{
	struct covey_worker *w = argument;
	struct running running SHM_CLEANUP(running_end) = {.w = w};

	prctl(PR_SET_NAME, "covey-worker");
	w->serving.thread_is_ours = true;
	running.entry.here = (struct shm_inside){.worker = true, .thread_is_ours = true};
	shm_inside_enter(&running.entry, w->serving.c);
	w->ended_with = COVEY_ESTOPPED; /* unless it comes back and says otherwise */
	w->ended_with = begin_and_work(w);
	return NULL;
}

static int thread_create(struct covey_worker *w)
{
	struct shm_quiet quiet; /* and so is the thread: signals are for threads that their process made */
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	shm_quiet_begin(&quiet);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	list(w);
	r = pthread_create(&thread, &attributes, run, w);
	pthread_attr_destroy(&attributes);
	shm_quiet_end(&quiet);
	if (r == 0)
		return 0;
	unlist(w);
	atomic_store(&w->holders, 1); /* there is no thread */
	errno = r;
	return COVEY_ESYSTEM;
}

/* 0 when it leads, or is ready to. */
static int start_here(struct covey_worker *w)
{
	struct covey_host *host = w->serving.options.host;
	int r = host != NULL ? host->start(host, w) : thread_create(w);

	if (r != 0)
		return r;
	if (state_after(w, WORKER_STARTING, COVEY_FOREVER) == WORKER_ENDED && !w->worked)
		return w->ended_with;
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the handle */

static bool usable(const struct covey_device *device, const struct covey_worker_options *options)
{
	if (options != NULL && options->library != NULL)
		return options->symbol != NULL && options->host == NULL;
	if (device == NULL || (device->compute == NULL && device->worker == NULL))
		return false;
	return options == NULL || options->host == NULL || device->worker == NULL;
}

static int name_copy(struct covey_worker *w, struct covey_bytes name)
{
	if (name.size == 0 || name.size > COVEY_NAME_MAX)
		return COVEY_EINVAL;
	w->name = malloc(name.size);
	if (w->name == NULL)
		return COVEY_ESYSTEM;
	memcpy(w->name, name.data, name.size);
	w->name_size = name.size;
	return 0;
}

static struct covey_worker *handle_make(covey *c, const struct covey_device *device, struct covey_bytes name,
        struct covey_bytes base, const struct covey_worker_options *options, int *error)
{
	static const struct covey_device none;
	struct covey_worker *w = calloc(1, sizeof(*w));

	*error = COVEY_ESYSTEM;
	if (w == NULL)
		return NULL;
	w->pidfd = -1;
	w->pid = w->starter = getpid();
	atomic_store(&w->holders, 2);
	*error = covey_serving_begin(&w->serving, c, device != NULL ? device : &none, base, options);
	if (*error == 0)
		*error = name_copy(w, name);
	if (*error == 0)
		return w;
	handle_free(w);
	return NULL;
}

static struct covey_worker *handle_new(covey *c, const struct covey_device *device, struct covey_bytes name,
        struct covey_bytes base, const struct covey_worker_options *options, int *error)
{
	struct covey_worker *w;
	struct covey_name group;
	struct shm_quiet quiet;
	unsigned arena;

	*error = COVEY_EINVAL;
	if (!usable(device, options) || (base.data == NULL && base.size != 0) || covey_enter(c, error) == NULL)
		return NULL;
	if (name.data == NULL) { /* the host's callback: not quietly */
		*error = covey_group(device, base, (struct covey_bytes){0}, NULL, &group);
		name = (struct covey_bytes){group.data, group.size};
		if (*error != 0)
			return NULL;
	}
	shm_quiet_begin(&quiet);
	arena = covey_memory_outside(); /* a worker's callback may start another one */
	w = handle_make(c, device, name, base, options, error);
	covey_memory_leave(arena);
	shm_quiet_end(&quiet);
	return w;
}

/* Started by whoever does it; the handle is the starter's, or nobody's. */
static int start(struct covey_worker *w, uint32_t *number)
{
	const struct covey_worker_options *o = &w->serving.options;

	if (o->library != NULL) {
		int cancel, r;

		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		r = covey_process_start(w, number);
		pthread_setcancelstate(cancel, NULL);
		return r;
	}
	*number = (uint32_t)covey_participant(w->serving.c);
	return start_here(w);
}

int covey_start_worker(covey *c, const struct covey_device *device, const void *name, size_t size,
        struct covey_bytes base, const struct covey_worker_options *options, struct covey_worker **out)
{
	uint32_t number;
	int r;
	struct covey_worker *w = handle_new(c, device, (struct covey_bytes){name, size}, base, options, &r);

	if (out != NULL)
		*out = NULL;
	if (w == NULL)
		return r;
	r = start(w, &number);
	if (r == 0 && out != NULL)
		*out = w;
	else
		covey_worker_drop(w);
	return r;
}

int covey_worker_prepare(covey *c, const struct covey_device *device, struct covey_bytes name, struct covey_bytes base,
        const struct covey_worker_options *options, const struct covey_handover *from, struct covey_worker **out,
        uint32_t *number)
{
	int r;

	*out = handle_new(c, device, name, base, options, &r);
	if (*out == NULL)
		return r;
	(*out)->accepts = true;
	(*out)->from = *from;
	r = start(*out, number);
	if (r != 0)
		covey_worker_drop(*out);
	return r;
}

void covey_worker_take(struct covey_worker *w, bool handed)
{
	if (w->pidfd < 0) { /* a process sees for itself */
		atomic_store(&w->refused, !handed);
		covey_worker_enter(w, WORKER_WORKING);
		if (w->serving.options.host != NULL)
			w->serving.options.host->attend(w);
	}
	covey_worker_drop(w);
}

/* ------------------------------------------------------------------------------------------------ the end */

static void ask_to_stop(struct covey_worker *w)
{
	uint32_t node;

	atomic_store(&w->stop.asked, 1); /* seq_cst, as the worker's half in request.c */
	if (atomic_load(&w->state) == WORKER_ENDED)
		return;
	node = atomic_load(&w->stop.node);
	if (node != 0)
		covey_ring(w->serving.c, node);
	if (w->serving.options.host != NULL)
		w->serving.options.host->attend(w);
}

static int thread_wait(struct covey_worker *w, int64_t deadline)
{
	uint32_t state = atomic_load(&w->state);

	while (state != WORKER_ENDED && cv_kernel.now() < deadline)
		state = state_after(w, state, deadline);
	return state == WORKER_ENDED ? 0 : COVEY_ETIMEDOUT;
}

int covey_wait_worker(struct covey_worker *w, int64_t deadline)
{
	int cancel, r;

	if (w == NULL)
		return COVEY_EINVAL;
	if (w->starter != getpid())
		return COVEY_EFENCED;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	r = w->pidfd >= 0 ? covey_process_wait(w, deadline) : thread_wait(w, deadline);
	pthread_setcancelstate(cancel, NULL);
	return r;
}

static int stop(struct covey_worker *w)
{
	if (w->pidfd >= 0)
		return covey_process_stop(w);
	ask_to_stop(w);
	thread_wait(w, COVEY_FOREVER);
	return w->ended_with;
}

int covey_stop_worker(struct covey_worker *w)
{
	int cancel, r;

	if (w == NULL)
		return 0;
	if (w->starter != getpid())
		return COVEY_EFENCED;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	r = stop(w);
	covey_worker_drop(w);
	pthread_setcancelstate(cancel, NULL);
	return r;
}

pid_t covey_worker_pid(const struct covey_worker *w)
{
	return w != NULL ? w->pid : COVEY_EINVAL;
}

uint64_t covey_worker_bytes(const struct covey_worker *w)
{
	if (w == NULL)
		return 0;
	covey_memory_count();
	return covey_memory_bytes(&w->memory);
}

void covey_workers_end(covey *c)
{
	struct covey_worker *w;

	for (;;) {
		covey_registry_lock();
		w = c->workers;
		if (w != NULL) {
			atomic_fetch_add(&w->holders, 1);
			unlink_worker(c, w);
		}
		covey_registry_unlock();
		if (w == NULL)
			return;
		ask_to_stop(w);
		if (atomic_load(&w->state) == WORKER_READY)
			covey_worker_enter(w, WORKER_WORKING);
		thread_wait(w, COVEY_FOREVER);
		covey_worker_drop(w);
	}
}
