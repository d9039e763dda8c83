/*
 * guest_throw.cc - an exception thrown and caught, for guest_passing.c: in between there is only C
 */
#include "covey.h"

struct passing {
	int what;
};

extern "C" void throw_what(int what)
{
	throw passing{what};
}

/* What was thrown out of the call, or 0. */
extern "C" int resolve_and_catch(covey *c, const struct covey_device *device, struct covey_bytes base,
        struct covey_bytes request, const struct covey_resolve_options *options, struct covey_result *out)
{
	try {
		covey_resolve(c, device, base, request, options, out);
	} catch (const passing &p) {
		return p.what;
	}
	return 0;
}

extern "C" int serve_and_catch(
        covey *c, const struct covey_device *device, struct covey_lead *lead, struct covey_bytes base)
{
	try {
		covey_default_worker(c, device, lead, base, nullptr);
	} catch (const passing &p) {
		return p.what;
	}
	return 0;
}
