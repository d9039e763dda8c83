/* input.h - all that can be read from a descriptor, in memory */
#ifndef COVEY_INPUT_H
#define COVEY_INPUT_H

#include <stddef.h>

/* input_all - read to the end.  Gives 0 and bytes to be freed, or an errno. */
int input_all(int fd, void **bytes, size_t *size);

#endif
