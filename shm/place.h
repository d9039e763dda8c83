/*
 * place.h - where a region's file is; see place.c
 */
#ifndef COVEY_PLACE_H
#define COVEY_PLACE_H

#include <sys/stat.h>

#include "region.h"

#define SHM_DIRECTORY "/dev/shm"

/* The path of the region of this name.  0 or COVEY_EINVAL. */
int shm_path_of(const char *name, char path[COVEY_PATH_SIZE]);

/* A region's directory, open, and its file's name there. */
struct shm_place {
	int directory;
	bool common;      /* it is /dev/shm */
	const char *file; /* in the path that it was made of */
};

/* Open the directory of this path, if it is to be trusted under these flags; to be ended with shm_place_close(). */
int shm_place_open(const char *path, uint32_t flags, struct shm_place *out);
/* Can it be opened, and is it? */
bool shm_place_trusted(const char *path, uint32_t flags);
void shm_place_close(struct shm_place *p); /* errno stays as it is */

/* As openat(2) does in the place's directory, and in no case one of the standard descriptors. */
int shm_place_file(const struct shm_place *p, const char *file, int access, mode_t mode);

/* Open the region's file.  A descriptor, or COVEY_ENOENT, COVEY_EPERM, COVEY_EFOREIGN or COVEY_ESYSTEM. */
int shm_place_look(const struct shm_place *p, int access);

/* Is the name another file's than the one with this status (NULL: than none) by now? */
bool shm_place_changed(const struct shm_place *p, const struct stat *was);

#endif
