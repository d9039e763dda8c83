/* attach.h - be known in a region by COMMAND's name: see attach.c */
#ifndef COVEY_ATTACH_H
#define COVEY_ATTACH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "covey.h"

/* attach_as - covey_open() on these terms; in the region this process has the name of that program, a path or not. */
int attach_as(covey **out, const char *region, const struct covey_options *terms, const char *program);

/* attach_file - the region's file as this process sees it by name. */
bool attach_file(const char *region, struct stat *st);

#endif
