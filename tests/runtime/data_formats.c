// Data files: what is read is what was written, and every kind of damage has a message that says where.
#include "tests/runtime/data_files.h"

#include <unistd.h>

static TestBytes file; // reused by every test

static bool opens(const MlaData *data, const char *folder, MlaError *error) {
  MlaDataset set;
  *error = (MlaError){0};
  bool good = mla_dataset_open(&set, data, folder, true, error);
  mla_dataset_close(&set);
  return good;
}

static void test_idx(void) {
  const char *folder = make_folder("idx");
  write_idx_set(folder, 7, 4, 5, 3);
  MlaData data = idx_data(5, 3);
  MlaDataset set;
  MlaError error = {0};
  for (int train = 0; train < 2; train++) {
    CHECK_GOOD(mla_dataset_open(&set, &data, folder, train, &error), error);
    CHECK(set.n == (train ? 7 : 4) && set.height == 5 && set.width == 5 && set.channels == 1);
    for (int i = 0; i < set.n; i++) {
      CHECK(set.labels[i] == i % 3);
      for (int p = 0; p < 25; p++) CHECK(set.images[i * 25 + p] == pixel_of(i, p / 5, p % 5, 0));
    }
    mla_dataset_close(&set);
  }
}

// Names with a dot, plain or packed, are as good.
static void test_idx_names(void) {
  const char *folder = make_folder("idx-names");
  MlaData data = idx_data(5, 3);
  MlaError error = {0};
  idx_images(&file, 7, 5, 5);
  write_gzip(folder, "train-images.idx3-ubyte.gz", file.bytes, file.n);
  idx_labels(&file, 7, 3);
  write_bytes(folder, "train-labels.idx1-ubyte", file.bytes, file.n);
  CHECK_GOOD(opens(&data, folder, &error), error);
  write_bytes(folder, "train-labels.idx1-ubyte", file.bytes, 9);
  EXPECT_ERROR("idx name", opens(&data, folder, &error), error, "train-labels.idx1-ubyte is truncated");
}

static void check_cifar(const MlaData *data, const char *folder, bool train, int n) {
  MlaDataset set;
  MlaError error = {0};
  CHECK_GOOD(mla_dataset_open(&set, data, folder, train, &error), error);
  CHECK(set.n == n && set.channels == 3);
  for (int i = 0; i < n; i++) {
    CHECK(set.labels[i] == i % 10);
    for (int p = 0; p < 1024; p++)
      for (int c = 0; c < 3; c++) CHECK(set.images[(i * 1024 + p) * 3 + c] == pixel_of(i, p / 32, p % 32, c));
  }
  mla_dataset_close(&set);
}

static void write_cifar10(const char *folder) {
  for (int i = 0; i < 5; i++) {
    char name[32];
    snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
    cifar_records(&file, 3 * i, 3, 1);
    write_bytes(folder, name, file.bytes, file.n);
  }
  cifar_records(&file, 0, 2, 1);
  write_bytes(folder, "test_batch.bin", file.bytes, file.n);
}

static const MlaData cifar10 = {
    .name = "c", .format = "cifar10", .classes = 10, .height = 32, .width = 32, .channels = 3};

static void test_cifar(void) {
  const char *plain = make_folder("cifar"), *outer = make_folder("cifar-outer");
  const char *inner = make_folder("cifar-outer/cifar-10-batches-bin"), *fine = make_folder("cifar100");
  write_cifar10(plain);
  write_cifar10(inner);
  check_cifar(&cifar10, plain, true, 15);
  check_cifar(&cifar10, plain, false, 2);
  check_cifar(&cifar10, outer, true, 15);
  MlaData cifar100 = cifar10;
  cifar100.format = "cifar100";
  cifar_records(&file, 0, 4, 2);
  write_bytes(fine, "train.bin", file.bytes, file.n);
  write_gzip(fine, "test.bin.gz", file.bytes, file.n);
  check_cifar(&cifar100, fine, true, 4);
  check_cifar(&cifar100, fine, false, 4);
}

// A valid set, damaged by one more write over it; plain files stand before .gz files.
static const char *sound_set(const char *name) {
  const char *folder = make_folder(name);
  write_idx_set(folder, 7, 4, 5, 3);
  return folder;
}

static void damage_images(const char *name, int n, int side, int at, int value, int cut,
                          const char *const *words) {
  const char *folder = sound_set(name);
  idx_images(&file, n, side, side);
  if (at >= 0) file.bytes[at] = (unsigned char)value;
  write_bytes(folder, "train-images-idx3-ubyte", file.bytes, file.n - (size_t)cut);
  MlaData data = idx_data(5, 3);
  MlaError error;
  bool good = opens(&data, folder, &error);
  expect_error(name, good, &error, words);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_damaged_images(void) {
  damage_images("wrong magic", 7, 5, 3, 1, 0,
                WORDS("wrong magic number 2049", "2051", "train-images-idx3-ubyte"));
  damage_images("not idx", 7, 5, 0, 'x', 0, WORDS("wrong magic number"));
  damage_images("short header", 7, 5, -1, 0, 7 * 25 + 5, WORDS("header of 16 bytes, found 11"));
  damage_images("empty", 7, 5, -1, 0, 7 * 25 + 16, WORDS("header of 16 bytes, found 0"));
  damage_images("cut record", 7, 5, -1, 0, 30, WORDS("expected 191 bytes, found 161", "record 5 of 7"));
  damage_images("no records", 7, 5, -1, 0, 7 * 25, WORDS("expected 191 bytes, found 16", "record 0 of 7"));
  damage_images("too long", 7, 5, 7, 6, 0, WORDS("6 records", "166 bytes", "holds 191"));
  damage_images("huge count", 7, 5, 4, 255, 0, WORDS("truncated", "expected 106954752191 bytes, found 191"));
  damage_images("huge side", 7, 5, 8, 255, 0, WORDS("images of 4278190085 x 5"));
  damage_images("no side", 7, 5, 15, 0, 0, WORDS("images of 5 x 0"));
  damage_images("fewer images", 6, 5, -1, 0, 0, WORDS("7 labels", "6 images"));
  damage_images("no images", 0, 5, -1, 0, 0, WORDS("7 labels", "0 images"));
}

static void test_damaged_labels(void) {
  const char *folder = sound_set("labels");
  MlaData data = idx_data(5, 3), two = idx_data(5, 2);
  MlaError error;
  EXPECT_ERROR("label out of range", opens(&two, folder, &error), error, "record 2 has label 2", "0..1",
               "labels-idx1");
  idx_labels(&file, 7, 3);
  write_bytes(folder, "train-labels-idx1-ubyte", file.bytes, file.n - 2);
  EXPECT_ERROR("labels cut", opens(&data, folder, &error), error, "expected 15 bytes, found 13",
               "record 5 of 7");
  file.bytes[2] = 9;
  write_bytes(folder, "train-labels-idx1-ubyte", file.bytes, file.n);
  EXPECT_ERROR("labels' magic", opens(&data, folder, &error), error, "wrong magic", "labels has 2049");
}

static void test_damaged_gzip(void) {
  const char *folder = sound_set("gzip");
  MlaData data = idx_data(5, 3);
  MlaError error;
  char path[1200];
  snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte.gz", folder);
  FILE *stream = fopen(path, "rb");
  CHECK(stream);
  file.n = fread(file.bytes, 1, sizeof file.bytes, stream);
  fclose(stream);
  write_bytes(folder, "train-labels-idx1-ubyte.gz", file.bytes, file.n - 3);
  EXPECT_ERROR("gzip without its end", opens(&data, folder, &error), error, ".gz is truncated", "checksum");
  write_bytes(folder, "train-labels-idx1-ubyte.gz", file.bytes, file.n - 12);
  EXPECT_ERROR("gzip cut", opens(&data, folder, &error), error, ".gz is truncated");
  file.bytes[file.n - 5] ^= 1;
  write_bytes(folder, "train-labels-idx1-ubyte.gz", file.bytes, file.n);
  EXPECT_ERROR("gzip checksum", opens(&data, folder, &error), error, "damaged", "incorrect data check");
  file.bytes[file.n - 5] ^= 1;
  memset(file.bytes + 10, 0xff, 4);
  write_bytes(folder, "train-labels-idx1-ubyte.gz", file.bytes, file.n);
  EXPECT_ERROR("gzip garbage", opens(&data, folder, &error), error, "damaged");
}

static void test_missing(void) {
  const char *folder = sound_set("missing");
  MlaData data = idx_data(5, 3);
  MlaError error;
  char path[1200];
  snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
  unlink(path);
  EXPECT_ERROR("missing file", opens(&data, folder, &error), error, "neither train-images-idx3-ubyte nor",
               ".gz");
  EXPECT_ERROR("missing root", opens(&data, "/nowhere/at/all", &error), error, "/nowhere/at/all",
               "No such file");
  EXPECT_ERROR("no root", opens(&data, NULL, &error), error, "no root");
  mkdir(path, 0777);
  EXPECT_ERROR("a folder", opens(&data, folder, &error), error, "train-images-idx3-ubyte cannot be read",
               "directory");
  data.format = "webp";
  EXPECT_ERROR("format", opens(&data, folder, &error), error, "unknown format `webp`",
               "idx, cifar10, cifar100");
}

static void test_sizes(void) {
  const char *folder = sound_set("sizes");
  MlaError error;
  MlaData data = idx_data(9, 3);
  EXPECT_ERROR("larger by 4", opens(&data, folder, &error), error, "5 x 5 x 1", "9 x 9 x 1",
               "`pad 2` without");
  data = idx_data(8, 3);
  EXPECT_ERROR("larger by 3", opens(&data, folder, &error), error, "`pad 2` with `crop 8`");
  data.pad = 2, data.crop = 8;
  CHECK(opens(&data, folder, &error));
  data = idx_data(4, 3);
  EXPECT_ERROR("smaller", opens(&data, folder, &error), error, "`crop 4` would mend it");
  data = idx_data(5, 3), data.pad = 1;
  EXPECT_ERROR("padded", opens(&data, folder, &error), error, "pad 1 and no crop", "`crop 5`",
               "leaving out pad and crop");
  data.crop = 5;
  CHECK(opens(&data, folder, &error));
  data.crop = 4;
  EXPECT_ERROR("wrong crop", opens(&data, folder, &error), error, "pad 1 and crop 4");
  data = idx_data(5, 3), data.width = 6;
  EXPECT_ERROR("oblong", opens(&data, folder, &error), error, "input of [5, 5, 1]");
  data = idx_data(5, 3), data.channels = 3;
  EXPECT_ERROR("channels", opens(&data, folder, &error), error, "5 x 5 x 1", "5 x 5 x 3");
  data = idx_data(5, 3), data.crop = 5, data.pad = 5, data.pad_mode = MLA_PAD_REFLECT;
  EXPECT_ERROR("reflection", opens(&data, folder, &error), error, "too small to be padded by 5");
}

static void test_damaged_cifar(void) {
  const char *folder = make_folder("cifar-bad");
  MlaError error;
  EXPECT_ERROR("cifar missing", opens(&cifar10, folder, &error), error, "data_batch_1.bin");
  write_cifar10(folder);
  cifar_records(&file, 0, 3, 1);
  write_bytes(folder, "data_batch_3.bin", file.bytes, file.n - 1000);
  EXPECT_ERROR("cifar cut", opens(&cifar10, folder, &error), error, "data_batch_3.bin",
               "9219 bytes, found 8219", "record 2 of 3");
  file.bytes[2 * 3073] = 10;
  write_bytes(folder, "data_batch_3.bin", file.bytes, file.n);
  EXPECT_ERROR("cifar label", opens(&cifar10, folder, &error), error, "data_batch_3.bin",
               "record 2 has label 10");
  write_bytes(folder, "data_batch_3.bin", file.bytes, 0);
  EXPECT_ERROR("cifar empty", opens(&cifar10, folder, &error), error, "data_batch_3.bin is empty");
}

int main(void) {
  test_idx();
  test_idx_names();
  test_cifar();
  test_damaged_images();
  test_damaged_labels();
  test_damaged_gzip();
  test_missing();
  test_sizes();
  test_damaged_cifar();
  return 0;
}
