/*
 * spin.h - telling the processor that this is a loop that waits
 */
#ifndef CV_SPIN_H
#define CV_SPIN_H

static inline void cv_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
