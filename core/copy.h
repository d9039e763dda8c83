/*
 * copy.h - a copy of bytes that other processors will read, and this one will not
 *
 * memcpy() brings each line of the destination here before it writes it.  Of a large result that is a way from memory and
 * back for nothing: who copies it never reads it there, and its readers are elsewhere.  So a large copy goes past the
 * caches, in whole lines.  Where the destination is in no near cache, as after others have used it, that takes about half
 * of the time; where it is in one, a tenth more.  A small one stays with memcpy(): its reader may well be answered from this
 * processor's cache.
 *
 * Such stores are in no order with others, not even with a release, until the fence at the end.
 */
#ifndef CV_COPY_H
#define CV_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cacheline.h"

#define CV_COPY_PAST_CACHES (256 * 1024) /* from so many bytes on */

#if defined(__SSE2__)
#include <emmintrin.h>

/* Whole lines, to where one begins. */
static inline void cv_copy_lines(unsigned char *to, const unsigned char *from, size_t lines)
{
	for (; lines != 0; lines--, to += CV_LINE, from += CV_LINE)
		for (int i = 0; i < CV_LINE; i += 16)
			_mm_stream_si128((__m128i *)(void *)(to + i),
			        _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
	_mm_sfence();
}
#else
static inline void cv_copy_lines(unsigned char *to, const unsigned char *from, size_t lines)
{
	memcpy(to, from, lines * CV_LINE);
}
#endif

static inline void cv_copy_for_others(void *to, const void *from, size_t size)
{
	unsigned char *at = to;
	const unsigned char *bytes = from;
	size_t head = -(uintptr_t)at % CV_LINE, lines;

	if (size < CV_COPY_PAST_CACHES) {
		memcpy(to, from, size);
		return;
	}
	lines = (size - head) / CV_LINE;
	memcpy(at, bytes, head);
	cv_copy_lines(at + head, bytes + head, lines);
	head += lines * CV_LINE;
	memcpy(at + head, bytes + head, size - head);
}

#endif
