/*
 * string.h - for GenMC, which has no library behind it and wants each byte read as it was written
 *
 * Core copies names and requests, which are whole words here, and two kinds of struct, which are told by their size: so no
 * name here has three or four words.
 */
#ifndef STAND_IN_STRING_H
#define STAND_IN_STRING_H

#include <stddef.h>
#include <stdint.h>

static inline void copy_struct(void *to, const void *from, int words, int halves)
{
	for (int i = 0; i < words; i++)
		((uint64_t *)to)[i] = ((const uint64_t *)from)[i];
	for (int i = 2 * words; i < 2 * words + halves; i++)
		((uint32_t *)to)[i] = ((const uint32_t *)from)[i];
}

/* Also called by the compiler, for the assignment of a struct. */
void *memcpy(void *to, const void *from, size_t size)
{
	if (size == 32) /* struct cv_block */
		copy_struct(to, from, 2, 4);
	else if (size == 24) /* struct cv_note */
		copy_struct(to, from, 1, 3);
	else
		copy_struct(to, from, (int)(size / 8), 0);
	return to;
}

int memcmp(const void *one, const void *other, size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		if (((const uint64_t *)one)[i] != ((const uint64_t *)other)[i])
			return 1;
	return 0;
}

#endif
