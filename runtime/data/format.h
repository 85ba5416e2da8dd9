// What a format's file implements, and the helpers formats share. Private to this folder.
#pragma once
#include "runtime/data/data.h"

// Fills `set` (zeroed before) from the files under `root`. Need not clean up: the caller closes the set on
// failure. Sizes and label ranges are checked by the helpers below and by mla_dataset_open.
typedef bool MlaFormatRead(MlaDataset *set, const MlaData *data, const char *root, bool train,
                           MlaError *error);
#define FORMAT(name, doc) MlaFormatRead mla_format_##name;
#include "runtime/data/formats.def"
#undef FORMAT

// For the files of without_NAME, which stand in where the build found no library NAME (cmake/libraries.cmake): which
// package to install.
bool mla_fail_without(const MlaData *data, const char *library, MlaError *error);

// One record of channel planes to channels-last. `by_columns`: a plane is stored column by column, as MATLAB has it.
void mla_planes_to_image(const uint8_t *planes, int height, int width, int channels, bool by_columns,
                         uint8_t *image);

// A whole file, uncompressed.
typedef struct MlaDataFile {
  char *path; // as found, ".gz" included
  unsigned char *bytes;
  int64_t n_bytes;
  bool ends_early; // a gzip stream without its end
} MlaDataFile;

bool mla_file_exists(const char *root, const char *name);
// Reads ROOT/NAME, or else ROOT/NAME.gz.
bool mla_data_file_read(MlaDataFile *file, const char *root, const char *name, MlaError *error);
void mla_data_file_close(MlaDataFile *file);
// The file must hold a header and n records: says how many bytes are missing or too many, and in which
// record.
bool mla_data_file_check(const MlaDataFile *file, int64_t header_bytes, int64_t n_records,
                         int64_t record_bytes, MlaError *error);
// Whether the label that a record of the file has is one of first .. first + classes - 1.
bool mla_check_label(const char *path, int label, int first, int classes, int64_t record, MlaError *error);

// CIFAR's binary files: records of `label_bytes` labels (the last counts), then 32 x 32 bytes of red, green,
// blue. `names`: as many as n_names files, one after the other, in `root` or in its subfolder.
bool mla_cifar_read(MlaDataset *set, const MlaData *data, const char *root, const char *subfolder,
                    const char *const *names, int n_names, int label_bytes, MlaError *error);
