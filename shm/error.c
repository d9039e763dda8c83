/*
 * error.c - what each error means and what to do about it
 */
#include "covey.h"

static const char *const texts[] = {
        [-COVEY_EINVAL] = ("an argument is outside its limits: a name has 1 to 4096 bytes, a region's name 1 to 200 "
                           "without '/', or is a path; covey.h has the others"),
        [-COVEY_EFULL] =
                "the region is full: create it with more groups, participants, threads or heap, or compute without it",
        [-COVEY_ECORRUPT] = "the region is damaged: remove it (covey rm) once nobody uses it, and let it be made anew",
        [-COVEY_EFENCED] = "this leadership has ended, another generation leads: drop the result",
        [-COVEY_ENOENT] =
                ("there is no such region, which only looking does not make: check its name; or nobody leads that "
                 "group: register for it, or wait until its worker leads"),
        [-COVEY_EPERM] = ("the region or its directory is another user's, or others may write it: use one of your own, "
                          "or allow it"),
        [-COVEY_EFOREIGN] =
                ("the file is no region of this version and boot, or a copy of one: remove it (covey rm) or "
                 "choose another name; or it is one of another version, in use"),
        [-COVEY_ENOSPC] =
                "shared memory is too small for the region: enlarge /dev/shm, or ask for fewer groups and less heap",
        [-COVEY_ESYSTEM] = "a system call failed; errno tells why",
        [-COVEY_EREADONLY] = "the region was opened to inspect only: open it without COVEY_INSPECT",
        [-COVEY_ETIMEDOUT] = "the deadline passed",
        [-COVEY_ERECURSION] =
                "this thread leads the group already and would wait for itself: compute directly, or allow_infinite",
        [-COVEY_ESTOPPED] = "the worker was told to stop: give its group up, and return",
        [-COVEY_EDEVICE] =
                "the worker's device cannot be loaded, or did not begin: check the path, the symbol, and its begin",
};

const char *covey_strerror(int error)
{
	int i;

	if (error >= 0)
		return "no error";
	i = error > -100 ? -error : 100;
	return i < (int)(sizeof(texts) / sizeof(texts[0])) && texts[i] != 0 ? texts[i] : "unknown error";
}
