/*
 * ancestry.c - which processes a process descends from
 *
 * A leader of covey's, and its supervisor, are subreapers: a descendant whose parent dies becomes their child.  So the
 * chain of parents from any descendant leads to them, whatever died in between, and whatever was done to the
 * environment.
 *
 * The chain is read from /proc, process by process.  It is a hint until it is proven: a /proc may be that of another
 * pid namespace, a pid that the region tells may be one of another, and a number may have been given anew while the
 * chain was read. ancestry_local() and ancestry_holds() are for that.
 */
#include "ancestry.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "PID (COMMAND) STATE PARENT ...", and the command may hold anything.  0: no such process, or no parent here. */
static pid_t parent_of(pid_t pid, bool *supervisor)
{
	static const char guard[] = "(covey-guard)";
	char path[32], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return 0;
	*supervisor = strstr(text, guard) != NULL;
	return (pid_t)strtol(end + 3, NULL, 10);
}

void ancestry_take(struct ancestry *out, pid_t pid, struct parents *known)
{
	out->count = 0;
	out->supervised = false;
	for (; out->count < ANCESTORS; out->pids[out->count++] = pid) {
		unsigned at = (unsigned)pid % PARENTS;
		bool supervisor = false;

		if (known && known->of[at] == pid) {
			pid = known->parent[at];
		} else {
			pid_t parent = parent_of(pid, &supervisor);

			if (known) {
				known->of[at] = pid;
				known->parent[at] = parent;
			}
			pid = parent;
		}
		out->supervised |= supervisor;
		if (pid <= 0)
			return;
	}
}

bool ancestry_has(const struct ancestry *a, pid_t pid)
{
	for (int i = 0; i < a->count; i++)
		if (a->pids[i] == pid)
			return true;
	return false;
}

/* "NSpid:" has the process's number in the namespace of this /proc, and in each one below that it is in. */
static bool only_number(const char *process, pid_t pid)
{
	char path[32], *line = NULL, *end;
	size_t room = 0;
	bool only = false;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%s/status", process);
	status = fopen(path, "re");
	while (status && getline(&line, &room, status) > 0) {
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		only = strtol(line + 6, &end, 10) == pid && strcmp(end, "\n") == 0;
		break;
	}
	if (status)
		fclose(status);
	free(line);
	return only;
}

bool ancestry_known(void)
{
	return only_number("self", getpid());
}

bool ancestry_local(pid_t pid)
{
	char process[16];

	snprintf(process, sizeof(process), "%d", (int)pid);
	return only_number(process, pid);
}

bool ancestry_holds(pid_t pid, dev_t device, ino_t inode)
{
	char path[32];
	struct dirent *entry;
	struct stat st;
	bool holds = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	while (fds && !holds && (entry = readdir(fds)) != NULL)
		holds = fstatat(dirfd(fds), entry->d_name, &st, 0) == 0 && st.st_dev == device && st.st_ino == inode;
	if (fds)
		closedir(fds);
	return holds;
}
