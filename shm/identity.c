/*
 * identity.c - which process, for those who see several of its slots
 *
 * A process may be several participants: it has several regions open, or the same one more than once (COVEY_SEPARATE), or
 * several copies of this library, such as one in each of two plug-ins, which do not know of each other.  A thread is one
 * thread all the same, and must not wait for what it leads itself.  So a slot has the identity of its process, which every
 * copy of the library finds by itself, and a seat the kernel's number of its thread.  The two together name a thread, as
 * long as it lives, in every region of the machine.
 *
 *      identity    BLAKE2b of { 16 random bytes that the kernel gave the process at exec, pid, its pid namespace }
 *
 * The random bytes tell apart what two programs, and the same pid at another time, would have in common; a child of fork has
 * its parent's, and another pid, or another pid namespace.  They are what the C library makes its stack guards of, so they
 * must not be found out from what lies in the segment: a digest of 16 unknown bytes does not give them.
 *
 * The dead are not compared: a child may have the pid that an elder sister had, whose slot was not reaped yet.
 */
#include <blake2.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

uint64_t shm_process_identity(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	struct {
		unsigned char random[16];
		uint64_t pid, space;
	} of = {.pid = (uint64_t)getpid()};
	uint64_t identity = 0;
	struct stat st;

	if (random != NULL)
		memcpy(of.random, random, sizeof(of.random));
	if (stat("/proc/self/ns/pid", &st) == 0)
		of.space = (uint64_t)st.st_ino;
	if (blake2b((uint8_t *)&identity, &of, NULL, sizeof(identity), sizeof(of), 0) != 0)
		return 0;
	return identity;
}

void shm_twins_tell(covey *c)
{
	uint32_t high = atomic_load(&c->header->globals.slot_high);
	struct covey_slot *mine = &c->slots[c->slot];
	struct covey_life life;

	for (uint32_t i = 0; i < high && i < c->counts.participants; i++) {
		covey_life_of_slot(c, i, &life);
		if (i == c->slot || !life.alive || !shm_same_process(c, i, c->slot))
			continue;
		atomic_store(&c->slots[i].twins, 1);
		atomic_store(&mine->twins, 1);
	}
}
