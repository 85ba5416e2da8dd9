// CIFAR-10: one label byte a record; five training files and one test file.
#include "runtime/data/format.h"

bool mla_format_cifar10(MlaDataset *set, const MlaData *data, const char *root, bool train, MlaError *error) {
  static const char *const train_names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                            "data_batch_4.bin", "data_batch_5.bin"};
  static const char *const test_names[] = {"test_batch.bin"};
  return mla_cifar_read(set, data, root, "cifar-10-batches-bin", train ? train_names : test_names,
                        train ? 5 : 1, 1, error);
}
