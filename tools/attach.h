/* attach.h - be known in a region by COMMAND's name: see attach.c */
#ifndef COVEY_ATTACH_H
#define COVEY_ATTACH_H

#include "covey.h"

/* attach_as - covey_open() on these terms; in the region this process has the name of that program, a path or not. */
int attach_as(covey **out, const char *region, const struct covey_options *terms, const char *program);

#endif
