/*
 * name.c - the name of (base, request)
 *
 * A name begins with a byte that tells its kind, so that no name of one kind is one of another:
 *      1  length of base (4 bytes, little-endian), base, request       when that is at most 64 bytes
 *      2  BLAKE2b-256 of the same                                      else
 * The length in front keeps ("ab", "c") and ("a", "bc") apart.
 */
#include <blake2.h>
#include <stdbool.h>
#include <string.h>

#include "covey.h"

#define SHORT_LIMIT 64
#define DIGEST_SIZE 32

enum { KIND_BYTES = 1, KIND_DIGEST = 2 };

static bool bytes_valid(struct covey_bytes b)
{
	return b.data != NULL || b.size == 0;
}

static void put_length(unsigned char to[8], uint64_t size)
{
	for (int i = 0; i < 8; i++)
		to[i] = (unsigned char)(size >> (8 * i));
}

static void append(struct covey_name *out, const void *bytes, size_t size)
{
	if (size != 0)
		memcpy(out->data + out->size, bytes, size);
	out->size += size;
}

static int digest(const unsigned char length[8], struct covey_bytes base, struct covey_bytes request, void *to)
{
	blake2b_state state;

	if (blake2b_init(&state, DIGEST_SIZE) != 0)
		return COVEY_ESYSTEM;
	blake2b_update(&state, length, 8);
	if (base.size != 0)
		blake2b_update(&state, base.data, base.size);
	if (request.size != 0)
		blake2b_update(&state, request.data, request.size);
	return blake2b_final(&state, to, DIGEST_SIZE) == 0 ? 0 : COVEY_ESYSTEM;
}

/* A negative number: the options ask for what there is not. */
static int awaits(const struct covey_resolve_options *options)
{
	int which = options != NULL ? options->await_inprogress : COVEY_AWAIT_ALL;

	return which >= COVEY_AWAIT_ALL && which <= COVEY_AWAIT_NONE ? which : COVEY_EINVAL;
}

int covey_default_grouper(struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_name *out)
{
	unsigned char length[8];

	if (out == NULL || !bytes_valid(base) || !bytes_valid(request) || awaits(options) < 0)
		return COVEY_EINVAL;
	out->size = 0;
	if (awaits(options) != COVEY_AWAIT_ALL)
		return 0;
	put_length(length, base.size);
	if (base.size <= SHORT_LIMIT && request.size <= SHORT_LIMIT - base.size &&
	        base.size + request.size + 5 <= SHORT_LIMIT) {
		out->data[out->size++] = KIND_BYTES;
		append(out, length, 4);
		append(out, base.data, base.size);
		append(out, request.data, request.size);
		return 0;
	}
	out->data[0] = KIND_DIGEST;
	out->size = 1 + DIGEST_SIZE;
	return digest(length, base, request, out->data + 1);
}

int covey_group(const struct covey_device *device, struct covey_bytes base, struct covey_bytes request,
        const struct covey_resolve_options *options, struct covey_name *out)
{
	int r;

	if (out == NULL)
		return COVEY_EINVAL;
	if (device == NULL || device->group == NULL || awaits(options) < 0 || awaits(options) == COVEY_AWAIT_NONE)
		return covey_default_grouper(base, request, options, out);
	out->size = 0;
	r = device->group(device->self, base, request, out);
	return r > 0 || (r == 0 && out->size > COVEY_NAME_MAX) ? COVEY_EINVAL : r;
}
