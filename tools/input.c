/*
 * input.c - all that can be read from a descriptor, in memory
 *
 * The size is not asked for beforehand: a pipe has none, and that of a file may change.
 */
#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int input_all(int fd, void **bytes, size_t *size)
{
	char *all = NULL;
	size_t have = 0, room = 0;
	ssize_t n = 1;

	while (n > 0) {
		char *more = have < room ? all : realloc(all, room = room ? 2 * room : 1 << 16);

		if (!more) {
			free(all);
			return ENOMEM;
		}
		all = more;
		do
			n = read(fd, all + have, room - have);
		while (n < 0 && errno == EINTR);
		have += n > 0 ? (size_t)n : 0;
	}
	*bytes = all;
	*size = have;
	if (n == 0)
		return 0;
	n = errno;
	free(all);
	*bytes = NULL;
	return (int)n;
}
