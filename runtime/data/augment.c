// See augment.h. One pass over the output: each output pixel asks where it comes from.
#include "runtime/data/augment.h"
#include "runtime/data/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// ---- where pixels come from ----

// The stored line of `n` that line `i` shows; -1: a padding of zeros. Reflection leaves the border line single.
static int source_line(const MlaData *data, int i, int n) {
  if (i >= 0 && i < n) return i;
  if (data->pad_mode == MLA_PAD_ZERO) return -1;
  return i < 0 ? -i : 2 * n - 2 - i;
}

// The stored lines that the window's n lines from `first` on look at: at least one, and no more than n, for two lines are
// nowhere farther apart than in the window.
static void seen_lines(const MlaData *data, int first, int n, int size, int *from, int *count) {
  int low = size - 1, high = 0;
  for (int i = first; i < first + n; i++) {
    int line = source_line(data, i, size);
    if (line >= 0 && line < low) low = line;
    if (line > high) high = line;
  }
  *from = low;
  *count = high < low ? 1 : high - low + 1;
}

// What is read of a record: the pixels that its window looks at, and how the window lies over the stored image.
typedef struct Cut {
  MlaView view;      // of the pixel at row.from_line, row.from_column
  int height, width; // pixels there
  MlaImageRow row;
} Cut;

// ---- normalising ----

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

static void write_window(const MlaCanvas *canvas, const Cut *cut, void *to) {
  const MlaData *data = canvas->augment->data;
  const MlaImageRow *row = &cut->row;
  int64_t line_bytes = (int64_t)data->width * data->channels * (canvas->augment->elem == MLA_F64 ? 8 : 4);
  for (int x = 0; x < data->width; x++) {
    int column = source_line(data, row->left + (row->mirror ? data->width - 1 - x : x), row->width);
    canvas->columns[x] = column < 0 ? -1 : column - row->from_column;
  }
  for (int y = 0; y < data->height; y++) {
    int line = source_line(data, row->top + y, row->height);
    const char *pixels = cut->view.pixels;
    if (line >= 0) pixels += (line - row->from_line) * cut->view.stride;
    write_line(canvas, line < 0 ? NULL : pixels, (char *)to + y * line_bytes);
  }
}

// ---- one record ----

static bool read_plain(MlaCanvas *canvas, const MlaPlacement *place, Cut *cut, MlaError *error) {
  const MlaAugment *augment = canvas->augment;
  const MlaData *data = augment->data;
  MlaImageRow *row = &cut->row;
  *row = (MlaImageRow){.top = place->top - data->pad,
                       .left = place->left - data->pad,
                       .height = place->box.height,
                       .width = place->box.width};
  seen_lines(data, row->top, data->height, row->height, &row->from_line, &cut->height);
  seen_lines(data, row->left, data->width, row->width, &row->from_column, &cut->width);
  MlaWindow window = {row->from_line, row->from_column, cut->height, cut->width};
  return augment->source->read(canvas->reader, &window, &cut->view, error);
}

static bool make_lines(MlaCanvas *canvas, MlaError *error) {
  size_t wanted = mla_resample_bytes(&canvas->rows, &canvas->across, canvas->augment->data->channels);
  if (wanted <= canvas->lines_bytes) return true;
  free(canvas->lines);
  canvas->lines = malloc(wanted);
  canvas->lines_bytes = canvas->lines ? wanted : 0;
  return canvas->lines || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

// What follows sees the resized window as the stored image.
static bool read_resized(MlaCanvas *canvas, const MlaPlacement *place, Cut *cut, MlaError *error) {
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
  *cut = (Cut){.view = {canvas->image, (int64_t)data->width * data->channels},
               .height = data->height,
               .width = data->width,
               .row = {.height = data->height, .width = data->width}};
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

static bool cut_record(MlaCanvas *canvas, int64_t record, MlaRng rng, Cut *cut, MlaError *error) {
  const MlaAugment *augment = canvas->augment;
  int height, width;
  MlaPlacement place;
  if (!augment->source->begin(canvas->reader, record, &height, &width, error)) return false;
  if (!mla_place(&place, augment->data, height, width, augment->train, rng, record))
    return fail_size(canvas, record, height, width, error);
  if (!(place.is_resized ? read_resized : read_plain)(canvas, &place, cut, error)) return false;
  cut->row.mirror = place.is_mirror;
  cut->row.label = augment->set->labels[record];
  return true;
}

bool mla_augment_record(MlaCanvas *canvas, int64_t record, MlaRng rng, void *to, MlaError *error) {
  Cut cut;
  if (!cut_record(canvas, record, rng, &cut, error)) return false;
  write_window(canvas, &cut, to);
  return true;
}

bool mla_augment_bytes(MlaCanvas *canvas, int64_t record, MlaRng rng, uint8_t *to, MlaImageRow *row,
                       MlaError *error) {
  const MlaData *data = canvas->augment->data;
  Cut cut;
  if (!cut_record(canvas, record, rng, &cut, error)) return false;
  const char *line = cut.view.pixels;
  for (int y = 0; y < cut.height; y++, line += cut.view.stride, to += data->width * data->channels)
    memcpy(to, line, (size_t)(cut.width * data->channels));
  *row = cut.row;
  return true;
}
