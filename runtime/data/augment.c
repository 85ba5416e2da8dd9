// See augment.h. One pass over the output: each output pixel asks where it comes from.
#include "runtime/data/augment.h"
#include "runtime/data/window.h"

#include <stdio.h>
#include <stdlib.h>

// float32 arithmetic for float32 programs: the same numbers as the usual frameworks' (x / 255 - mean) / std.
static void fill_tables(MlaAugment *augment) {
  const MlaData *data = augment->data;
  for (int c = 0; c < data->channels; c++) {
    double mean = augment->mean[c] = data->n_mean ? data->mean[c] : 0;
    double std = augment->std[c] = data->n_mean ? data->std[c] : 1;
    for (int x = 0; x < 256; x++) {
      augment->table_f32[c][x] = ((float)x / 255.0f - (float)mean) / (float)std;
      augment->table_f64[c][x] = (x / 255.0 - mean) / std;
    }
  }
}

bool mla_augment_init(MlaAugment *augment, const MlaDataset *set, const MlaData *data, MlaElem elem,
                      bool train, MlaError *error) {
  if (!mla_augment_check(set, data, train, "the data set's images", error)) return false;
  *augment = (MlaAugment){.set = set,
                          .data = data,
                          .source = set->source ? set->source : &mla_memory_source,
                          .train = train,
                          .elem = elem};
  fill_tables(augment);
  return true;
}

bool mla_canvas_open(MlaCanvas *canvas, const MlaAugment *augment, MlaError *error) {
  const MlaData *data = augment->data;
  *canvas = (MlaCanvas){.augment = augment};
  canvas->columns = malloc((size_t)data->width * sizeof *canvas->columns);
  canvas->image = malloc((size_t)data->width * (size_t)data->height * (size_t)data->channels);
  if (!canvas->columns || !canvas->image) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  canvas->reader = augment->source->open(augment->set, error);
  return canvas->reader != NULL;
}

void mla_canvas_close(MlaCanvas *canvas) {
  if (canvas->reader) canvas->augment->source->close(canvas->reader);
  mla_axis_free(&canvas->rows);
  mla_axis_free(&canvas->across);
  free(canvas->columns);
  free(canvas->image);
  free(canvas->lines);
}

// ---- normalising ----

// Where line `i` of the padded image comes from; -1: a padding of zeros. Reflection leaves the border line
// single.
static int source_line(const MlaData *data, int i, int n) {
  i -= data->pad;
  if (i >= 0 && i < n) return i;
  if (data->pad_mode == MLA_PAD_ZERO) return -1;
  return i < 0 ? -i : 2 * n - 2 - i;
}

static const uint8_t black[MLA_MAX_CHANNELS];

// `channels` is a constant wherever this is inlined.
static inline void write_pixels_f32(const MlaCanvas *canvas, const uint8_t *line, int channels, float *to) {
  const float(*table)[256] = canvas->augment->table_f32;
  const int *columns = canvas->columns;
  int width = canvas->augment->data->width;
  for (int x = 0; x < width; x++, to += channels) {
    const uint8_t *pixel = line && columns[x] >= 0 ? line + columns[x] * channels : black;
    for (int c = 0; c < channels; c++) to[c] = table[c][pixel[c]];
  }
}

static void write_bytes_f32(const MlaCanvas *canvas, const uint8_t *line, float *to) {
  int channels = canvas->augment->data->channels;
  if (channels == 3)
    write_pixels_f32(canvas, line, 3, to);
  else
    write_pixels_f32(canvas, line, channels, to);
}

static void write_bytes_f64(const MlaCanvas *canvas, const uint8_t *line, double *to) {
  int channels = canvas->augment->data->channels;
  for (int x = 0; x < canvas->augment->data->width; x++) {
    const uint8_t *pixel = line && canvas->columns[x] >= 0 ? line + canvas->columns[x] * channels : NULL;
    for (int c = 0; c < channels; c++) *to++ = canvas->augment->table_f64[c][pixel ? pixel[c] : 0];
  }
}

static void write_numbers(const MlaCanvas *canvas, const float *line, void *to) {
  const MlaAugment *augment = canvas->augment;
  int channels = augment->data->channels;
  for (int x = 0; x < augment->data->width; x++) {
    const float *pixel = line && canvas->columns[x] >= 0 ? line + canvas->columns[x] * channels : NULL;
    for (int c = 0; c < channels; c++) {
      float value = pixel ? pixel[c] : 0;
      if (augment->elem == MLA_F64)
        ((double *)to)[x * channels + c] = (value - augment->mean[c]) / augment->std[c];
      else
        ((float *)to)[x * channels + c] = (value - (float)augment->mean[c]) / (float)augment->std[c];
    }
  }
}

static void write_line(const MlaCanvas *canvas, const void *line, void *to) {
  if (canvas->augment->set->numbers)
    write_numbers(canvas, line, to);
  else if (canvas->augment->elem == MLA_F64)
    write_bytes_f64(canvas, line, to);
  else
    write_bytes_f32(canvas, line, to);
}

// The window at (top, left) of the padded `height` x `width` pixels of the view.
static void write_window(const MlaCanvas *canvas, const MlaView *view, int height, int width, int top,
                         int left, bool mirror, void *to) {
  const MlaData *data = canvas->augment->data;
  int64_t line_bytes = (int64_t)data->width * data->channels * (canvas->augment->elem == MLA_F64 ? 8 : 4);
  for (int x = 0; x < data->width; x++)
    canvas->columns[x] = source_line(data, left + (mirror ? data->width - 1 - x : x), width);
  for (int y = 0; y < data->height; y++) {
    int row = source_line(data, top + y, height);
    write_line(canvas, row < 0 ? NULL : (const char *)view->pixels + row * view->stride,
               (char *)to + y * line_bytes);
  }
}

// ---- one record ----

static bool read_plain(MlaCanvas *canvas, const MlaPlacement *place, void *to, MlaError *error) {
  const MlaAugment *augment = canvas->augment;
  const MlaData *data = augment->data;
  MlaWindow whole = place->box, window = {place->top, place->left, data->height, data->width};
  MlaView view;
  if (data->pad) { // reflected lines may lie anywhere
    if (!augment->source->read(canvas->reader, &whole, &view, error)) return false;
    write_window(canvas, &view, whole.height, whole.width, place->top, place->left, place->is_mirror, to);
    return true;
  }
  if (!augment->source->read(canvas->reader, &window, &view, error)) return false;
  write_window(canvas, &view, window.height, window.width, 0, 0, place->is_mirror, to);
  return true;
}

static bool make_lines(MlaCanvas *canvas, MlaError *error) {
  size_t wanted = mla_resample_bytes(&canvas->rows, &canvas->across, canvas->augment->data->channels);
  if (wanted <= canvas->lines_bytes) return true;
  free(canvas->lines);
  canvas->lines = malloc(wanted);
  canvas->lines_bytes = canvas->lines ? wanted : 0;
  return canvas->lines || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

static bool read_resized(MlaCanvas *canvas, const MlaPlacement *place, void *to, MlaError *error) {
  const MlaAugment *augment = canvas->augment;
  const MlaData *data = augment->data;
  MlaAxis *rows = &canvas->rows, *across = &canvas->across;
  if (!mla_axis_set(rows, place->box.height, place->height, place->top, data->height, error) ||
      !mla_axis_set(across, place->box.width, place->width, place->left, data->width, error) ||
      !make_lines(canvas, error))
    return false;
  MlaWindow needed = {place->box.top + rows->from, place->box.left + across->from, rows->to - rows->from,
                      across->to - across->from};
  MlaView view;
  if (!augment->source->read(canvas->reader, &needed, &view, error)) return false;
  mla_resample(&view, rows, across, data->channels, canvas->lines, canvas->image);
  // A resized image has no padding: begins where padding would end.
  MlaView image = {canvas->image, (int64_t)data->width * data->channels};
  write_window(canvas, &image, data->height, data->width, data->pad, data->pad, place->is_mirror, to);
  return true;
}

static bool fail_size(const MlaCanvas *canvas, int64_t record, int height, int width, MlaError *error) {
  const MlaData *data = canvas->augment->data;
  char name[512];
  canvas->augment->source->name(canvas->augment->set, record, name, sizeof name);
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "%s has %d x %d pixels, with pad %d and resize %d; the model's input is %d x %d\n`resize` with "
      "`crop` or `center` makes all images fit",
      name, height, width, data->pad, data->resize, data->height, data->width);
}

bool mla_augment_record(MlaCanvas *canvas, int64_t record, MlaRng rng, void *to, MlaError *error) {
  const MlaAugment *augment = canvas->augment;
  int height, width;
  MlaPlacement place;
  if (!augment->source->begin(canvas->reader, record, &height, &width, error)) return false;
  if (!mla_place(&place, augment->data, height, width, augment->train, rng, record))
    return fail_size(canvas, record, height, width, error);
  return place.is_resized ? read_resized(canvas, &place, to, error) : read_plain(canvas, &place, to, error);
}
