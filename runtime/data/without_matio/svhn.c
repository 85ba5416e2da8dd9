// Stands in for with_matio/svhn.c where the build found no libmatio.
#include "runtime/data/format.h"

bool mla_format_svhn(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  (void)set, (void)root, (void)train;
  return mla_fail_without(data, "matio", error);
}
