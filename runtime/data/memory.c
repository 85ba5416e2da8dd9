// Records that lie in memory: a reader is a pointer into them.
#include "runtime/data/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Reader {
  const MlaDataset *set;
  int64_t stride;    // bytes of a line
  const char *image; // the record turned to
} Reader;

static int64_t elem_bytes(const MlaDataset *set) {
  return set->numbers ? (int64_t)sizeof *set->numbers : 1;
}

static void *open_reader(const MlaDataset *set, MlaError *error) {
  Reader *reader = malloc(sizeof *reader);
  if (!reader) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  *reader = (Reader){.set = set, .stride = set->width * set->channels * elem_bytes(set)};
  return reader;
}

static bool begin(void *state, int64_t record, int *height, int *width, MlaError *error) {
  Reader *reader = state;
  const MlaDataset *set = reader->set;
  (void)error;
  reader->image = (set->numbers ? (const char *)set->numbers : (const char *)set->images) +
                  record * set->height * reader->stride;
  *height = set->height;
  *width = set->width;
  return true;
}

static bool read_window(void *state, const MlaWindow *window, MlaView *view, MlaError *error) {
  const Reader *reader = state;
  int64_t pixel_bytes = reader->set->channels * elem_bytes(reader->set);
  (void)error;
  *view =
      (MlaView){reader->image + window->top * reader->stride + window->left * pixel_bytes, reader->stride};
  return true;
}

static void name(const MlaDataset *set, int64_t record, char *text, size_t size) {
  (void)set;
  snprintf(text, size, "record %" PRId64, record);
}

static void release(MlaDataset *set) {
  (void)set; // mla_dataset_close knows the images
}

const MlaSource mla_memory_source = {open_reader, free, begin, read_window, name, release, NULL, false};
