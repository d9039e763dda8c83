/*
 * cache.c - pages in a directory
 *
 * A page is written under a name of its own and renamed: who opens it gets all of it, and who has it open keeps what he
 * opened.  Its age is the file's.
 */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool read_all(int fd, char *data, size_t size)
{
	for (size_t n = 0; n < size;) {
		ssize_t r = read(fd, data + n, size - n);

		if (r == 0)
			errno = EIO; /* nobody shortens it */
		if (r == 0 || (r < 0 && errno != EINTR))
			return false;
		n += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static bool write_all(int fd, const char *data, size_t size)
{
	for (size_t n = 0; n < size;) {
		ssize_t r = write(fd, data + n, size - n);

		if (r < 0 && errno != EINTR)
			return false;
		n += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static int get_open(const struct cache *cache, int fd, struct text *page)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -1;
	if (time(NULL) - st.st_mtime >= cache->seconds)
		return 0;
	page->size = (size_t)st.st_size;
	page->data = malloc(page->size + 1);
	if (!page->data)
		return -1;
	if (read_all(fd, page->data, page->size))
		return 1;
	free(page->data);
	return -1;
}

int cache_get(const struct cache *cache, const char *key, struct text *page)
{
	int fd = openat(cache->directory, key, O_RDONLY | O_CLOEXEC), got;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	got = get_open(cache, fd, page);
	close(fd);
	return got;
}

int cache_put(const struct cache *cache, const char *key, const struct text *page)
{
	char name[NAME_MAX + 1];
	bool written;
	int fd, error;

	snprintf(name, sizeof(name), ".%s.%d", key, (int)getpid());
	fd = openat(cache->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	written = write_all(fd, page->data, page->size);
	if (close(fd) == 0 && written && renameat(cache->directory, name, cache->directory, key) == 0)
		return 0;
	error = errno;
	unlinkat(cache->directory, name, 0);
	errno = error;
	return -1;
}
