/*
 * thumbnail.c - a small picture of a large one
 *
 * usage: thumbnail PIXELS FILE.png >THUMBNAIL.png
 *
 * Neither side of what it writes is longer than PIXELS; a picture that is small enough stays as it is.  Each pixel is the
 * mean of the rectangle that it stands for.  Colours are added up as light and not as stored, and weighed with how opaque
 * they are: libpng's linear form of 16 bits a channel is that.
 */
#include <errno.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 4, LONGEST = 1 << 14 };

struct picture {
	uint32_t width, height;
	uint16_t *pixel; /* CHANNELS each, row by row */
};

static int failed(const char *what, const char *why)
{
	fprintf(stderr, "thumbnail: %s: %s\n", what, why);
	return 1;
}

static int load(const char *file, struct picture *p)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	int error;

	if (!png_image_begin_read_from_file(&image, file))
		return failed(file, image.message);
	image.format = PNG_FORMAT_LINEAR_RGB_ALPHA;
	p->width = image.width;
	p->height = image.height;
	p->pixel = image.width <= LONGEST && image.height <= LONGEST ? malloc(PNG_IMAGE_SIZE(image)) : NULL;
	if (!p->pixel)
		error = failed(file, "it is too large");
	else
		error = png_image_finish_read(&image, NULL, p->pixel, 0, NULL) ? 0 : failed(file, image.message);
	png_image_free(&image);
	return error;
}

static uint32_t at_least_one(uint32_t n)
{
	return n > 0 ? n : 1;
}

/* Of the pixels from (left, top) to before (right, bottom). */
static void mean(const struct picture *p, uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, uint16_t *out)
{
	uint64_t sum[CHANNELS] = {0}, count = at_least_one((right - left) * (bottom - top));

	for (uint32_t y = top; y < bottom; y++)
		for (uint32_t x = left; x < right; x++)
			for (int c = 0; c < CHANNELS; c++)
				sum[c] += p->pixel[((size_t)y * p->width + x) * CHANNELS + (size_t)c];
	for (int c = 0; c < CHANNELS; c++)
		out[c] = (uint16_t)((sum[c] + count / 2) / count);
}

static uint32_t part(uint32_t i, uint32_t of, uint32_t length)
{
	return (uint32_t)((uint64_t)i * length / of);
}

static int shrink(const struct picture *p, uint32_t pixels, struct picture *small)
{
	uint32_t longer = p->width > p->height ? p->width : p->height;

	if (pixels > longer)
		pixels = longer;
	small->width = at_least_one(part(pixels, longer, p->width));
	small->height = at_least_one(part(pixels, longer, p->height));
	small->pixel = calloc((size_t)small->width * small->height * CHANNELS, sizeof(*small->pixel));
	if (!small->pixel)
		return failed("memory", strerror(errno));
	for (uint32_t y = 0; y < small->height; y++)
		for (uint32_t x = 0; x < small->width; x++)
			mean(p, part(x, small->width, p->width), part(y, small->height, p->height),
			        part(x + 1, small->width, p->width), part(y + 1, small->height, p->height),
			        small->pixel + ((size_t)y * small->width + x) * CHANNELS);
	return 0;
}

static int save(const struct picture *p)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
	        .width = p->width,
	        .height = p->height,
	        .format = PNG_FORMAT_LINEAR_RGB_ALPHA};

	if (!png_image_write_to_stdio(&image, stdout, 1, p->pixel, 0, NULL))
		return failed("standard output", image.message);
	return fflush(stdout) == 0 ? 0 : failed("standard output", strerror(errno));
}

int main(int argc, char **argv)
{
	struct picture large = {0}, small = {0};
	char *end = NULL;
	unsigned long pixels = argc == 3 ? strtoul(argv[1], &end, 10) : 0;
	int error;

	if (argc != 3 || *end != '\0' || pixels < 1 || pixels > LONGEST) {
		fprintf(stderr, "usage: thumbnail PIXELS FILE.png >THUMBNAIL.png\n");
		return 2;
	}
	error = load(argv[2], &large) || shrink(&large, (uint32_t)pixels, &small) || save(&small);
	free(large.pixel);
	free(small.pixel);
	return error;
}
