/*
 * boot.c - is this file the one that was made, and in this boot of the machine?
 *
 * A participant's death is told by the kernel under which it lived.  The words of a region that was left by another boot,
 * or of a copy, say of participants that they live, and nobody will ever change them.  So neither is attached to.
 *
 * The boot's id alone proves nothing: containers that share /dev/shm, one kernel and all futexes may each be shown
 * another id, and some have no /proc.  What cannot be shown differently is the file itself.  One on tmpfs or ramfs ends
 * with the boot; only a copy of it can come back, and that is another file: it has another device, inode or time of birth.
 * So the header says which file it is in, and:
 *
 *      it is in another file                           a copy: foreign
 *      on tmpfs or ramfs                               of this boot
 *      elsewhere, and the boot's ids agree             of this boot
 *      elsewhere, and a participant's lock is held     of this boot: file locks live in one kernel only
 *      elsewhere                                       foreign
 *
 * Elsewhere the device is not compared, since one and the same disk may have another number when it is mounted again.
 * Where no time of birth is to be had (kernels before 5.18, ramfs, some filters) device and inode decide.
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "guest.h"

int shm_foreign(int reason)
{
	errno = reason;
	return COVEY_EFOREIGN;
}

/* ------------------------------------------------------------------------------------------------ the boot */

/* Without /proc it is all zeros, which agree with nothing; but who cannot read it only now must not make a region that
 * lacks it. */
static int boot_id(unsigned char out[16])
{
	int fd = shm_open_above(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	char text[64] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	memset(out, 0, 16);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM ? 0 : COVEY_ESYSTEM;
	close(fd);
	if (n < 0)
		return COVEY_ESYSTEM;
	for (ssize_t i = 0, k = 0; i < n && k < 32; i++) {
		const char *digits = "0123456789abcdef", *p = text[i] ? strchr(digits, text[i]) : NULL;

		if (p != NULL) {
			out[k / 2] = (unsigned char)(out[k / 2] << 4 | (p - digits));
			k++;
		}
	}
	return 0;
}

static bool boots_agree(const unsigned char a[16], const unsigned char b[16])
{
	static const unsigned char unknown[16];

	return memcmp(a, b, 16) == 0 && memcmp(a, unknown, 16) != 0;
}

/* ------------------------------------------------------------------------------------------------ the file */

/* 0: not to be had. */
static uint64_t born(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) != 0 || (st.stx_mask & STATX_BTIME) == 0)
		return 0;
	return (uint64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
}

static int file_origin(int fd, struct covey_origin *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return COVEY_ESYSTEM;
	out->device = st.st_dev;
	out->inode = st.st_ino;
	out->born = born(fd);
	return 0;
}

int shm_origin_of(int fd, struct covey_origin *out)
{
	int r = file_origin(fd, out);

	return r != 0 ? r : boot_id(out->boot);
}

static bool ends_with_the_boot(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       ((unsigned long)fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC);
}

static bool same_file(const struct covey_origin *made, const struct covey_origin *is, bool compare_device)
{
	return made->inode == is->inode && (!compare_device || made->device == is->device) &&
	       (made->born == is->born || made->born == 0 || is->born == 0);
}

/* Who is about to replace a region of another version locks all slots at once (create.c), and is not attached. */
bool shm_anybody_attached(int fd)
{
	struct flock lock = {
	        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = COVEY_LOCK_BASE, .l_len = COVEY_PARTICIPANTS_LIMIT};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_len != COVEY_PARTICIPANTS_LIMIT;
}

int shm_origin_check(int fd, const struct covey_origin *made)
{
	bool passing = ends_with_the_boot(fd);
	struct covey_origin is;
	int r = file_origin(fd, &is);

	if (r == 0 && !same_file(made, &is, passing))
		r = shm_foreign(ESTALE);
	if (r != 0 || passing)
		return r;
	r = boot_id(is.boot);
	if (r != 0 || boots_agree(made->boot, is.boot) || shm_anybody_attached(fd))
		return r;
	return shm_foreign(ESTALE);
}
