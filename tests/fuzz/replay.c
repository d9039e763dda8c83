/*
 * replay.c - the stored inputs once more, without the engine that found them
 *
 *      fuzz_replay FILE...               make each; ends with 0 if all were survived
 *      fuzz_replay --unpack DIR FILE...  write each to a file of its own, as the engine wants them
 *      fuzz_replay --pack DIR            the other way: print the files of a directory
 *
 * A file is text: an input a line, in hexadecimal digits; what follows a # is a comment.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX 4096
#define PATIENCE_S 60 /* what has no end takes longer */

static unsigned digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, c);

	must(c != '\0' && at != NULL);
	return (unsigned)(at - digits);
}

/* The bytes of a line, up to its comment. */
static size_t parse(const char *line, uint8_t bytes[INPUT_MAX])
{
	size_t digits = strspn(line, "0123456789abcdef");

	must(digits % 2 == 0 && digits / 2 <= INPUT_MAX && strchr(" #\n", line[digits]) != NULL);
	for (size_t i = 0; i < digits; i += 2)
		bytes[i / 2] = (uint8_t)(digit(line[i]) << 4 | digit(line[i + 1]));
	return digits / 2;
}

static void unpack(const char *directory, const uint8_t *bytes, size_t size)
{
	static int number;
	char path[512];
	FILE *to;

	snprintf(path, sizeof(path), "%s/%05d", directory, ++number);
	to = fopen(path, "w");
	must(to != NULL && fwrite(bytes, 1, size, to) == size && fclose(to) == 0);
}

/* How many inputs there are in the file. */
static int each_line(const char *file, const char *directory)
{
	static char line[2 * INPUT_MAX + 256];
	uint8_t bytes[INPUT_MAX];
	FILE *from = fopen(file, "r");
	int n = 0;

	must(from != NULL);
	while (fgets(line, sizeof(line), from) != NULL) {
		size_t size = parse(line, bytes);

		if (size == 0)
			continue;
		n++;
		if (directory != NULL) {
			unpack(directory, bytes, size);
			continue;
		}
		alarm(PATIENCE_S);
		LLVMFuzzerTestOneInput(bytes, size);
	}
	fclose(from);
	return n;
}

static int pack(const char *directory)
{
	uint8_t bytes[INPUT_MAX];
	struct dirent **entries;
	int n = scandir(directory, &entries, NULL, alphasort);

	must(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[512];
		FILE *from;
		size_t size;

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		from = entries[i]->d_name[0] == '.' ? NULL : fopen(path, "r");
		free(entries[i]);
		if (from == NULL)
			continue;
		size = fread(bytes, 1, sizeof(bytes), from);
		for (size_t k = 0; k < size; k++)
			printf("%02x", bytes[k]);
		printf("\n");
		fclose(from);
	}
	free(entries);
	return 0;
}

int main(int count, char **arguments)
{
	bool unpacking = count > 3 && strcmp(arguments[1], "--unpack") == 0;
	int n = 0;

	if (count == 3 && strcmp(arguments[1], "--pack") == 0)
		return pack(arguments[2]);
	if (!unpacking)
		LLVMFuzzerInitialize(&count, &arguments);
	for (int i = unpacking ? 3 : 1; i < count; i++)
		n += each_line(arguments[i], unpacking ? arguments[2] : NULL);
	if (!unpacking)
		stage_end();
	printf("%d inputs\n", n);
	return n == 0; /* none prove nothing */
}
