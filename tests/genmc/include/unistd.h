/*
 * unistd.h - for GenMC: two processors, or as many as a driver says
 */
#ifndef STAND_IN_UNISTD_H
#define STAND_IN_UNISTD_H

#define _SC_NPROCESSORS_ONLN 84

#ifndef PROCESSORS
#define PROCESSORS 2
#endif

static inline long sysconf(int name)
{
	(void)name;
	return PROCESSORS;
}

#endif
