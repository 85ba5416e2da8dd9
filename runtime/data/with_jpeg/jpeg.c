// Decoding with libjpeg-turbo, by its libjpeg interface: unlike the TurboJPEG calls of version 2 it can decode a part
// of an image. Lines above the window are only parsed, lines below it not even that, and columns are cut at the blocks
// around it. Full precision (the slow DCT, smooth chroma), as Pillow decodes.
//
// Lines below the window are not looked at, so damage there stays unseen, except for the commonest: a file that does
// not end in an end-of-image marker is decoded to its end, and if that is missing the image is an error wherever the
// window lies.
#include "runtime/data/jpeg.h"
#include "runtime/data/format.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

enum { MARGIN = 4, MAX_PIXELS = 1 << 27 }; // MARGIN: how far smooth chroma looks beyond a pixel, and more

struct MlaJpeg {
  struct jpeg_decompress_struct codec;
  struct jpeg_error_mgr handlers;
  jmp_buf escape;
  char text[JMSG_LENGTH_MAX];
  const MlaDataset *set;
  int64_t record;
  const uint8_t *bytes;
  size_t n_bytes;
  MlaWindow window;
  uint8_t *pixels, *line; // the window's lines, from column `left`; one whole line
  size_t pixels_bytes, line_bytes;
  JDIMENSION left;
  int64_t stride;
};

bool mla_jpeg_check(const MlaData *data, MlaError *error) {
  (void)data, (void)error;
  return true;
}

// ---- libjpeg's errors ----

static void leave(j_common_ptr codec) {
  MlaJpeg *jpeg = codec->client_data;
  codec->err->format_message(codec, jpeg->text);
  longjmp(jpeg->escape, 1);
}

// Warnings that mean lost pixels are errors here; what the image survives (bytes between segments) is not.
static void hear_message(j_common_ptr codec, int level) {
  static const int damage[] = {JWRN_HIT_MARKER, JWRN_JPEG_EOF, JWRN_HUFF_BAD_CODE, JWRN_MUST_RESYNC,
                               JWRN_ARITH_BAD_CODE};
  if (level >= 0) return;
  for (size_t i = 0; i < sizeof damage / sizeof *damage; i++)
    if (codec->err->msg_code == damage[i]) leave(codec);
}

static void print_nothing(j_common_ptr codec) {
  (void)codec;
}

// Runs a step that libjpeg may leave by `leave`. Steps keep nothing in local variables that outlives them.
static bool guard(MlaJpeg *jpeg, void (*step)(MlaJpeg *)) {
  if (setjmp(jpeg->escape)) return false;
  step(jpeg);
  return true;
}

static bool fail(MlaJpeg *jpeg, const char *text, MlaError *error) {
  char name[600];
  jpeg->set->source->name(jpeg->set, jpeg->record, name, sizeof name);
  return mla_fail(error, MLA_ERROR_INPUT, "%s %s", name, text);
}

static bool fail_library(MlaJpeg *jpeg, MlaError *error) {
  char text[JMSG_LENGTH_MAX + 32];
  if (jpeg->codec.err->msg_code == JERR_OUT_OF_MEMORY)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for an image");
  bool is_short = jpeg->codec.err->msg_code == JWRN_JPEG_EOF;
  snprintf(text, sizeof text, "is %s: %s", is_short ? "truncated" : "damaged", jpeg->text);
  return fail(jpeg, text, error);
}

// ---- a decoder ----

static void create(MlaJpeg *jpeg) {
  jpeg_create_decompress(&jpeg->codec);
}

MlaJpeg *mla_jpeg_open(const MlaDataset *set, MlaError *error) {
  MlaJpeg *jpeg = calloc(1, sizeof *jpeg);
  if (!jpeg) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  jpeg->set = set;
  jpeg->codec.err = jpeg_std_error(&jpeg->handlers);
  jpeg->handlers.error_exit = leave;
  jpeg->handlers.emit_message = hear_message;
  jpeg->handlers.output_message = print_nothing;
  jpeg->codec.client_data = jpeg;
  if (guard(jpeg, create)) return jpeg;
  mla_fail(error, MLA_ERROR_SYSTEM, "libjpeg: %s", jpeg->text);
  free(jpeg);
  return NULL;
}

void mla_jpeg_close(MlaJpeg *jpeg) {
  jpeg_destroy_decompress(&jpeg->codec);
  free(jpeg->pixels);
  free(jpeg->line);
  free(jpeg);
}

// ---- the header ----

static void read_header(MlaJpeg *jpeg) {
  jpeg_abort_decompress(&jpeg->codec); // of the image before
  jpeg_mem_src(&jpeg->codec, jpeg->bytes, jpeg->n_bytes);
  jpeg_read_header(&jpeg->codec, TRUE);
}

static bool has_start(const MlaJpeg *jpeg, const char *start, size_t n) {
  return jpeg->n_bytes >= n && memcmp(jpeg->bytes, start, n) == 0;
}

static bool check_start(MlaJpeg *jpeg, MlaError *error) {
  if (jpeg->n_bytes == 0) return fail(jpeg, "is empty", error);
  if (has_start(jpeg, "\xff\xd8", 2)) return true;
  if (has_start(jpeg, "\x89PNG", 4)) return fail(jpeg, "holds a PNG image, not a JPEG", error);
  if (has_start(jpeg, "GIF8", 4)) return fail(jpeg, "holds a GIF image, not a JPEG", error);
  return fail(jpeg, "is no JPEG: it does not begin with the bytes ff d8", error);
}

static bool is_cmyk(const MlaJpeg *jpeg) {
  return jpeg->codec.jpeg_color_space == JCS_CMYK || jpeg->codec.jpeg_color_space == JCS_YCCK;
}

bool mla_jpeg_begin(MlaJpeg *jpeg, int64_t record, const uint8_t *bytes, size_t n_bytes, int *height,
                    int *width, MlaError *error) {
  jpeg->record = record;
  jpeg->bytes = bytes;
  jpeg->n_bytes = n_bytes;
  if (!check_start(jpeg, error)) return false;
  if (!guard(jpeg, read_header)) return fail_library(jpeg, error);
  if ((int64_t)jpeg->codec.image_width * jpeg->codec.image_height > MAX_PIXELS)
    return fail(jpeg, "has more than 134 million pixels", error);
  if (jpeg->set->channels == 1 && is_cmyk(jpeg))
    return fail(jpeg, "is a CMYK image, which needs a model with 3 channels", error);
  *height = (int)jpeg->codec.image_height;
  *width = (int)jpeg->codec.image_width;
  return true;
}

// ---- the pixels ----

// Columns are cut at blocks: `left` is where the lines begin, at or before the window.
static void start_window(MlaJpeg *jpeg) {
  j_decompress_ptr codec = &jpeg->codec;
  codec->out_color_space = is_cmyk(jpeg) ? JCS_CMYK : jpeg->set->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  codec->dct_method = JDCT_ISLOW;
  codec->do_fancy_upsampling = TRUE;
  codec->do_block_smoothing = FALSE; // looks at neighbours that a part does not have
  jpeg_start_decompress(codec);
  int from = jpeg->window.left - MARGIN, to = jpeg->window.left + jpeg->window.width + MARGIN;
  if (from < 0) from = 0;
  if (to > (int)codec->output_width) to = (int)codec->output_width;
  JDIMENSION width = (JDIMENSION)(to - from);
  jpeg->left = (JDIMENSION)from;
  if (width < codec->output_width) jpeg_crop_scanline(codec, &jpeg->left, &width);
  jpeg->stride = (int64_t)codec->output_width * codec->output_components;
}

static bool grow(uint8_t **bytes, size_t *capacity, size_t wanted) {
  if (wanted <= *capacity) return true;
  free(*bytes);
  *bytes = malloc(wanted);
  *capacity = *bytes ? wanted : 0;
  return *bytes != NULL;
}

// Drops bytes that some writers leave behind the image.
static bool has_end(const MlaJpeg *jpeg) {
  size_t n = jpeg->n_bytes;
  while (n > 2 && jpeg->bytes[n - 1] == 0) n--;
  return n >= 2 && jpeg->bytes[n - 2] == 0xff && jpeg->bytes[n - 1] == 0xd9;
}

static void read_lines(MlaJpeg *jpeg) {
  j_decompress_ptr codec = &jpeg->codec;
  JDIMENSION top = (JDIMENSION)jpeg->window.top, bottom = top + (JDIMENSION)jpeg->window.height;
  if (top > 0) jpeg_skip_scanlines(codec, top);
  while (codec->output_scanline < bottom) {
    JSAMPROW line = jpeg->pixels + (int64_t)(codec->output_scanline - top) * jpeg->stride;
    jpeg_read_scanlines(codec, &line, 1);
  }
  if (has_end(jpeg)) return;
  while (codec->output_scanline < codec->output_height) jpeg_read_scanlines(codec, &jpeg->line, 1);
  jpeg_finish_decompress(codec);
}

// a b / 255, rounded.
static int multiply(int a, int b) {
  int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

// Adobe's files hold 255 minus the ink. The lines shrink in place.
static void cmyk_to_rgb(MlaJpeg *jpeg) {
  int invert = jpeg->codec.saw_Adobe_marker ? 255 : 0;
  for (int y = 0; y < jpeg->window.height; y++) {
    const uint8_t *from = jpeg->pixels + y * jpeg->stride;
    uint8_t *to = jpeg->pixels + y * jpeg->stride;
    for (JDIMENSION x = 0; x < jpeg->codec.output_width; x++, from += 4) {
      int light = 255 - (from[3] ^ invert), ink[3] = {from[0] ^ invert, from[1] ^ invert, from[2] ^ invert};
      for (int c = 0; c < 3; c++) *to++ = (uint8_t)(light - multiply(ink[c], light));
    }
  }
}

bool mla_jpeg_read(MlaJpeg *jpeg, const MlaWindow *window, MlaView *view, MlaError *error) {
  jpeg->window = *window;
  if (!guard(jpeg, start_window)) return fail_library(jpeg, error);
  if (!grow(&jpeg->pixels, &jpeg->pixels_bytes, (size_t)window->height * (size_t)jpeg->stride) ||
      !grow(&jpeg->line, &jpeg->line_bytes, (size_t)jpeg->stride))
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for an image");
  if (!guard(jpeg, read_lines)) return fail_library(jpeg, error);
  if (jpeg->codec.out_color_space == JCS_CMYK) cmyk_to_rgb(jpeg);
  int64_t before = (int64_t)(jpeg->window.left - (int)jpeg->left) * jpeg->set->channels;
  *view = (MlaView){jpeg->pixels + before, jpeg->stride};
  return true;
}
