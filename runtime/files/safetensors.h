// The safetensors file format: 8 bytes with the length of a JSON header (little endian), the header
//   {"__metadata__": {"key": "text", ...}, "NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0,
//   24]}, ...}
// and the tensors' bytes, which the offsets cover without a gap or an overlap.
#pragma once
#include "runtime/error.h"
#include "runtime/files/atomic_file.h"
#include <stdint.h>

enum { MLA_TENSOR_RANK = 8 };

typedef struct MlaTensor {
  const char *name;
  const char *dtype; // "F32", "F64", "I64", ...
  int rank;
  int64_t dim[MLA_TENSOR_RANK];
  int64_t begin, end; // bytes of the data section; set by the reader and the writer
} MlaTensor;

// A file read and checked as a whole: whatever the bytes, reading gives a message or tensors inside the data.
typedef struct MlaTensorFile {
  unsigned char *bytes;
  int64_t n_bytes;
  const unsigned char *data; // at no particular alignment
  int64_t data_bytes;
  void *header;       // the parsed JSON, which owns the names
  MlaTensor *tensors; // in the order of their data
  int n_tensors;
} MlaTensorFile;

bool mla_tensors_open(MlaTensorFile *file, const char *path, MlaError *error);
void mla_tensors_close(MlaTensorFile *file);
const MlaTensor *mla_tensors_find(const MlaTensorFile *file, const char *name); // NULL: not there
const char *mla_tensors_metadata(const MlaTensorFile *file, const char *key);   // NULL: not there
int mla_dtype_bytes(const char *dtype);                                         // 0: unknown

typedef struct MlaMetadata {
  const char *key, *value;
} MlaMetadata;

// Writes the header, and fills in the tensors' offsets; then append each tensor's bytes in order and commit
// `file` (atomic_file.h). A failing call has closed and removed the file.
bool mla_tensors_begin(MlaAtomicFile *file, const char *path, MlaTensor *tensors, int n_tensors,
                       const MlaMetadata *metadata, int n_metadata, MlaError *error);
