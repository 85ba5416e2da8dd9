// Writing needs no JSON library: a header is texts, numbers and brackets.
#include "runtime/files/json_text.h"
#include "runtime/files/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

int mla_dtype_bytes(const char *dtype) {
  static const struct {
    const char *name;
    int n_bytes;
  } known[] = {{"F32", 4}, {"F64", 8}, {"F16", 2},     {"BF16", 2},    {"I64", 8},
               {"I32", 4}, {"I16", 2}, {"I8", 1},      {"U64", 8},     {"U32", 4},
               {"U16", 2}, {"U8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].name, dtype) == 0) return known[i].n_bytes;
  return 0;
}

static void put_tensor(FILE *out, MlaTensor *tensor, int64_t begin) {
  int64_t n_bytes = mla_dtype_bytes(tensor->dtype);
  mla_json_text(out, tensor->name);
  fprintf(out, ":{\"dtype\":\"%s\",\"shape\":[", tensor->dtype);
  for (int d = 0; d < tensor->rank; d++) {
    fprintf(out, "%s%" PRId64, d ? "," : "", tensor->dim[d]);
    n_bytes *= tensor->dim[d];
  }
  tensor->begin = begin;
  tensor->end = begin + n_bytes;
  fprintf(out, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", tensor->begin, tensor->end);
}

static void put_header(FILE *out, MlaTensor *tensors, int n_tensors, const MlaMetadata *metadata,
                       int n_metadata) {
  fputs("{\"__metadata__\":{", out);
  for (int i = 0; i < n_metadata; i++) {
    fputs(i ? "," : "", out);
    mla_json_text(out, metadata[i].key);
    fputc(':', out);
    mla_json_text(out, metadata[i].value);
  }
  fputc('}', out);
  int64_t begin = 0;
  for (int i = 0; i < n_tensors; i++) {
    fputc(',', out);
    put_tensor(out, &tensors[i], begin);
    begin = tensors[i].end;
  }
  fputc('}', out);
}

// NULL: no memory.
static char *header_text(MlaTensor *tensors, int n_tensors, const MlaMetadata *metadata, int n_metadata) {
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *out = open_memstream(&text, &n_bytes);
  if (!out) return NULL;
  put_header(out, tensors, n_tensors, metadata, n_metadata);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

bool mla_tensors_begin(MlaAtomicFile *file, const char *path, MlaTensor *tensors, int n_tensors,
                       const MlaMetadata *metadata, int n_metadata, MlaError *error) {
  char *text = header_text(tensors, n_tensors, metadata, n_metadata);
  if (!text) return mla_fail(error, MLA_ERROR_SYSTEM, "%s: out of memory", path);
  size_t length = strlen(text),
         padding = (8 - length % 8) % 8; // spaces, so that the data begin at a multiple of 8
  unsigned char prefix[LENGTH_BYTES];
  for (int i = 0; i < LENGTH_BYTES; i++) prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
  bool good = mla_atomic_open(file, path, error) && mla_atomic_write(file, prefix, sizeof prefix, error) &&
              mla_atomic_write(file, text, length, error) &&
              mla_atomic_write(file, "        ", padding, error);
  free(text);
  return good;
}
