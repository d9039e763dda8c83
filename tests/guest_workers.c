/*
 * guest_workers.c - the rest of guest_device.h: workers of all three kinds
 */
#include "guest_device.h"
#include "world.h"

static char program[4096], library[4096]; /* this one, and the device's */

int guest_main(char **argv, int *status)
{
	char *slash;

	if (argv[1] != NULL && strcmp(argv[1], "worker") == 0) {
		*status = covey_worker_main(3, 4) == 0 ? 0 : 1;
		return 1;
	}
	must(readlink("/proc/self/exe", program, sizeof(program) - 32) > 0);
	slash = strrchr(program, '/');
	must(slash != NULL);
	snprintf(library, sizeof(library), "%.*s/libguest_device.so", (int)(slash - program), program);
	return 0;
}

struct covey_worker *guest_start(
        covey *c, enum guest_kind kind, const struct covey_device *device, int64_t timeout, struct covey_host **host)
{
	struct covey_worker_options options = {.static_worker = 1, .worker_timeout = timeout};
	struct covey_worker *worker;
	int r;

	*host = NULL;
	guest_use(c);
	if (kind == GUEST_PROCESS) {
		options.library = library;
		options.symbol = "guest_module";
		options.program = program;
	}
	if (kind == GUEST_HOSTED) {
		must(covey_host_open(c, 2, host) == 0);
		options.host = *host;
	}
	if (device == NULL)
		device = kind == GUEST_HOSTED ? &guest_device_hosted : &guest_device;
	r = covey_start_worker(c, device, NULL, 0, (struct covey_bytes){"base", 4}, &options, &worker);
	if (r != 0)
		fprintf(stderr, "covey_start_worker: %s\n", covey_strerror(r));
	must(r == 0);
	return worker;
}

int guest_ask(covey *c, const char *request, struct covey_result *out)
{
	struct covey_lead lead;

	must(covey_join(c, "guest", 5, &lead) == COVEY_WAIT);
	return covey_await(c, &lead, request, strlen(request), covey_in_ms(60000), 0, out);
}
