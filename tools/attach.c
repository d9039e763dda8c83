/*
 * attach.c - be known in a region by COMMAND's name
 *
 * A region shows each process by the name that the kernel has of it when it attaches.  For "covey run" and "covey
 * worker" that would be "covey" each time, which tells nobody what a group is led with.  So this thread bears
 * COMMAND's name while it attaches, and no longer: ps(1) and top(1) go on to tell covey from COMMAND.
 *
 * It is the name that the kernel gives a program when it is executed: the last part of its path, cut to 15 bytes.
 * No arguments: they would put blanks into a column, and perhaps a secret into a history that outlives the process.
 */
#include "attach.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

int attach_as(covey **out, const char *region, const struct covey_options *terms, const char *program)
{
	const char *slash = strrchr(program, '/');
	char own[16] = "";
	int error;

	prctl(PR_GET_NAME, own);
	prctl(PR_SET_NAME, slash && slash[1] ? slash + 1 : program);
	error = covey_open(out, region, terms);
	prctl(PR_SET_NAME, own);
	return error;
}

bool attach_file(const char *region, struct stat *st)
{
	char path[1024 + sizeof("/dev/shm/")];
	const char *name = region + (region[0] == '/');

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/dev/shm/", strchr(name, '/') ? region : name);
	return stat(path, st) == 0;
}
