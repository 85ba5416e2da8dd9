// Stands in for with_archive/tar.c where the build found no libarchive.
#include "runtime/data/format.h"

bool mla_format_tar(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  (void)set, (void)root, (void)train;
  return mla_fail_without(data, "archive", error);
}
