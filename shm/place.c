/*
 * place.c - where a region's file is
 *
 * A name without '/', but perhaps a leading one, is a file in /dev/shm, where anybody may make a file of any name first.  Any other
 * name is a path.  The last directory of it must be one in which only its owner can make files, so nobody else can have
 * the region's name: it is opened once, looked at, and all that follows is done in what was opened, so it does not matter
 * what becomes of its own name meanwhile.
 *
 * Temporary names of create.c begin with a prefix that no region's name may have.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "create.h"

#define NAME_LIMIT 200

/* ------------------------------------------------------------------------------------------------ names */

static bool file_name_legal(const char *file)
{
	size_t n = strlen(file);

	return n > 0 && n <= NAME_LIMIT && strcmp(file, ".") != 0 && strcmp(file, "..") != 0 &&
	       strncmp(file, SHM_TEMPORARY, sizeof(SHM_TEMPORARY) - 1) != 0;
}

/* A handle is used after a change of directory, too. */
static int path_absolute(const char *name, char path[COVEY_PATH_SIZE])
{
	size_t n = 0;

	if (name[0] != '/') {
		if (getcwd(path, COVEY_PATH_SIZE) == NULL)
			return errno == ERANGE ? COVEY_EINVAL : COVEY_ESYSTEM;
		n = strlen(path);
		path[n++] = '/';
	}
	if (n + strlen(name) >= COVEY_PATH_SIZE)
		return COVEY_EINVAL;
	memcpy(path + n, name, strlen(name) + 1);
	return 0;
}

int shm_path_of(const char *name, char path[COVEY_PATH_SIZE])
{
	const char *last;

	if (name == NULL)
		return COVEY_EINVAL;
	last = strrchr(name, '/');
	if (!file_name_legal(last == NULL ? name : last + 1))
		return COVEY_EINVAL;
	if (last != NULL && last != name)
		return path_absolute(name, path);
	snprintf(path, COVEY_PATH_SIZE, SHM_DIRECTORY "/%s", last == NULL ? name : last + 1);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ directories */

static int directory_trusted(int fd, uint32_t flags)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return COVEY_ESYSTEM;
	if (st.st_uid != geteuid() && st.st_uid != 0 && (flags & COVEY_ALLOW_FOREIGN) == 0)
		return COVEY_EPERM;
	return (st.st_mode & 022) != 0 && (flags & COVEY_ALLOW_SHARED) == 0 ? COVEY_EPERM : 0;
}

/* One that may be entered but not read will do: it cannot be locked then. */
static int directory_open(const char *path, size_t n)
{
	char directory[COVEY_PATH_SIZE] = "/";
	int fd;

	if (n > 0)
		snprintf(directory, sizeof(directory), "%.*s", (int)n, path);
	fd = shm_open_above(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 && errno == EACCES)
		fd = shm_open_above(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0);
	return fd;
}

static int directory_missing(uint32_t flags)
{
	if (errno == ENOENT && (flags & (COVEY_ATTACH_ONLY | COVEY_INSPECT)) != 0)
		return COVEY_ENOENT;
	return errno == EACCES ? COVEY_EPERM : COVEY_ESYSTEM;
}

static bool is_common(const char *path, size_t n)
{
	return n == sizeof(SHM_DIRECTORY) - 1 && memcmp(path, SHM_DIRECTORY, n) == 0;
}

bool shm_place_trusted(const char *path, uint32_t flags)
{
	struct shm_place place;

	if (is_common(path, (size_t)(strrchr(path, '/') - path)))
		return true;
	if (shm_place_open(path, flags, &place) != 0)
		return false;
	shm_place_close(&place);
	return true;
}

int shm_place_open(const char *path, uint32_t flags, struct shm_place *out)
{
	size_t n = (size_t)(strrchr(path, '/') - path);
	int r;

	out->file = path + n + 1;
	out->directory = directory_open(path, n);
	if (out->directory < 0)
		return directory_missing(flags);
	out->common = is_common(path, n);
	r = out->common ? 0 : directory_trusted(out->directory, flags);
	if (r != 0)
		shm_place_close(out);
	return r;
}

void shm_place_close(struct shm_place *p)
{
	int saved = errno;

	close(p->directory);
	errno = saved;
}

/* ------------------------------------------------------------------------------------------------ files */

int shm_place_file(const struct shm_place *p, const char *file, int access, mode_t mode)
{
	return shm_open_above(p->directory, file, access, mode);
}

int shm_place_look(const struct shm_place *p, int access)
{
	int fd = shm_place_file(p, p->file, access | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return COVEY_EPERM;
	if (errno == ELOOP || errno == EISDIR || errno == ENXIO) /* a link, a directory, a socket */
		return shm_foreign(ENOEXEC);
	return errno == ENOENT ? COVEY_ENOENT : COVEY_ESYSTEM;
}

bool shm_place_changed(const struct shm_place *p, const struct stat *was)
{
	struct stat is;

	if (fstatat(p->directory, p->file, &is, AT_SYMLINK_NOFOLLOW) != 0)
		return was != NULL;
	return was == NULL || is.st_dev != was->st_dev || is.st_ino != was->st_ino;
}
