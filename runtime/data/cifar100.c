// CIFAR-100: a coarse label byte, then the fine one, which is used.
#include "runtime/data/format.h"

bool mla_format_cifar100(MlaDataset *set, const MlaData *data, const char *root, bool train,
                         MlaError *error) {
  const char *const names[] = {train ? "train.bin" : "test.bin"};
  return mla_cifar_read(set, data, root, "cifar-100-binary", names, 1, 2, error);
}
