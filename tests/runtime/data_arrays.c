// SVHN, STL-10 and safetensors: what is read is what was written, and what is wrong is said with file and record.
#include "tests/runtime/data_writers.h"

static TestBytes file, body; // reused by every test

static MlaData data_of(const char *format, int side, int channels, int classes) {
  return (MlaData){
      .name = "d", .format = format, .classes = classes, .height = side, .width = side, .channels = channels};
}

static bool opens(const MlaData *data, const char *folder, MlaError *error) {
  MlaDataset set;
  *error = (MlaError){0};
  bool good = mla_dataset_open(&set, data, folder, true, error);
  mla_dataset_close(&set);
  return good;
}

// Labels are i % 10; pixels are pixel_of, as bytes or as 1/256 of it.
static void check_set(const MlaData *data, const char *folder, bool train, int n) {
  MlaDataset set;
  MlaError error = {0};
  CHECK_GOOD(mla_dataset_open(&set, data, folder, train, &error), error);
  CHECK(set.n == n && set.height == data->height && set.width == data->width &&
        set.channels == data->channels);
  CHECK(!set.images != !set.numbers);
  int64_t k = 0;
  for (int i = 0; i < n; i++) {
    CHECK(set.labels[i] == i % 10);
    for (int y = 0; y < set.height; y++)
      for (int x = 0; x < set.width; x++)
        for (int c = 0; c < set.channels; c++, k++)
          CHECK(set.images ? set.images[k] == pixel_of(i, y, x, c)
                           : set.numbers[k] == (float)pixel_of(i, y, x, c) / 256 - 0.5f);
  }
  mla_dataset_close(&set);
}

// ---- SVHN

// Whether this build has libmatio; if not, the message says which package to install.
static bool has_matio(void) {
  MlaData data = data_of("svhn", 32, 3, 10);
  MlaError error;
  CHECK(!opens(&data, test_folder(), &error));
  if (!strstr(error.text, "built without")) return true;
  EXPECT_ERROR("no libmatio", opens(&data, test_folder(), &error), error, "libmatio", "install libmatio-dev");
  return false;
}

static void test_svhn(void) {
  const char *folder = make_folder("svhn");
  MlaData data = data_of("svhn", 32, 3, 10);
  for (int kind = 0; kind < 4; kind++) {
    svhn_file(&file, 23, 32, kind & 1, kind & 2);
    write_bytes(folder, "train_32x32.mat", file.bytes, file.n);
    svhn_file(&file, kind ? 4 : 1, 32, kind & 1, false);
    write_bytes(folder, "test_32x32.mat", file.bytes, file.n);
    check_set(&data, folder, true, 23);
    check_set(&data, folder, false, kind ? 4 : 1);
  }
}

static void expect_svhn(const char *what, const MlaData *data, const char *const *words) {
  const char *folder = make_folder(what);
  write_bytes(folder, "train_32x32.mat", file.bytes, file.n);
  MlaError error;
  bool good = opens(data, folder, &error);
  expect_error(what, good, &error, words);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void mat_pair(const char *x, int x_class, int rank, const int *extents, const char *y, int n_labels) {
  static const unsigned char zeros[4096], ones[64] = {1, 1, 1};
  size_t n = 1;
  for (int i = 0; i < rank; i++) n *= (size_t)extents[i];
  mat_header(&file);
  size_t start = mat_variable(&file, x, x_class, rank, extents);
  mat_values(&file, start, 2, zeros, n);
  start = mat_variable(&file, y, MAT_BYTE_CLASS, 2, (int[]){1, n_labels});
  mat_values(&file, start, 2, ones, (size_t)n_labels);
}

static void test_svhn_variables(void) {
  MlaData data = data_of("svhn", 4, 3, 10);
  int sound[] = {4, 4, 3, 3}, grey[] = {4, 4, 1, 3}, none[] = {4, 4, 3, 0};
  mat_pair("X", MAT_BYTE_CLASS, 4, sound, "y", 3);
  const char *folder = make_folder("mat-pair");
  write_bytes(folder, "train_32x32.mat", file.bytes, file.n);
  MlaError error;
  CHECK_GOOD(opens(&data, folder, &error), error);
  mat_pair("Z", MAT_BYTE_CLASS, 4, sound, "y", 3);
  expect_svhn("mat-no-x", &data, WORDS("train_32x32.mat holds no variable X"));
  mat_pair("X", MAT_BYTE_CLASS, 4, sound, "z", 3);
  expect_svhn("mat-no-y", &data, WORDS("train_32x32.mat holds no variable y"));
  mat_pair("X", MAT_DOUBLE_CLASS, 4, sound, "y", 3);
  expect_svhn("mat-doubles", &data, WORDS("X is not an array of bytes"));
  mat_pair("X", MAT_BYTE_CLASS, 2, (int[]){12, 12}, "y", 3);
  expect_svhn("mat-rank", &data, WORDS("X is not an array of bytes [height, width, channels, images]"));
  mat_pair("X", MAT_BYTE_CLASS, 4, grey, "y", 3);
  expect_svhn("mat-grey", &data, WORDS("X is [4, 4, 1, 3]", "[32, 32, 3, N]"));
  mat_pair("X", MAT_BYTE_CLASS, 4, none, "y", 3);
  expect_svhn("mat-none", &data, WORDS("X is [4, 4, 3, 0]"));
  mat_pair("X", MAT_BYTE_CLASS, 4, sound, "y", 2);
  expect_svhn("mat-fewer", &data, WORDS("y is [1, 2], but there are 3 images"));
  data.height = 5;
  mat_pair("X", MAT_BYTE_CLASS, 4, sound, "y", 3);
  expect_svhn("mat-size", &data, WORDS("4 x 4 x 3", "5 x 4 x 3"));
}

static void test_svhn_damage(void) {
  MlaData data = data_of("svhn", 8, 3, 10);
  MlaError error;
  EXPECT_ERROR("mat-root", opens(&data, "/nowhere/at/all", &error), error, "/nowhere/at/all", "No such file");
  EXPECT_ERROR("mat-missing", opens(&data, make_folder("mat-empty-folder"), &error), error, "train_32x32.mat",
               "No such file");
  svhn_file(&file, 11, 8, false, false);
  file.bytes[file.n - 14] = 11; // the records' labels end 5 bytes of padding before the file does
  expect_svhn("mat-label", &data, WORDS("record 2 has label 11", "1..10", "train_32x32.mat"));
  file.bytes[file.n - 14] = 0;
  expect_svhn("mat-label-0", &data, WORDS("record 2 has label 0"));
  data.classes = 7;
  svhn_file(&file, 11, 8, true, true);
  expect_svhn("mat-classes", &data, WORDS("record 0 has label 10", "1..7"));
  data.classes = 10;
  file.n -= 9;
  expect_svhn("mat-cut", &data, WORDS("truncated", "bytes of variable 1, found"));
  file.n = 100;
  expect_svhn("mat-header", &data, WORDS("a header of 128 bytes, this one has 100"));
  svhn_file(&file, 11, 8, true, false);
  file.bytes[200] ^= 0x10;
  expect_svhn("mat-packed", &data, WORDS("train_32x32.mat is damaged: variable 0"));
  memset(file.bytes, 'x', 128);
  expect_svhn("mat-else", &data, WORDS("is not a MATLAB 5 file"));
  mat_header(&file);
  expect_svhn("mat-nothing", &data, WORDS("holds no variables"));
}

// ---- STL-10

static void test_stl10(void) {
  const char *folder = make_folder("stl10");
  write_stl10(folder, 3, 2);
  MlaData data = data_of("stl10", 96, 3, 10);
  MlaError error;
  check_set(&data, folder, true, 3);
  check_set(&data, folder, false, 2);
  stl10_labels(&file, 2);
  write_bytes(folder, "train_y.bin", file.bytes, file.n);
  EXPECT_ERROR("stl fewer labels", opens(&data, folder, &error), error, "train_y.bin has 2 labels",
               "3 images");
  stl10_labels(&file, 3);
  file.bytes[1] = 11;
  write_bytes(folder, "train_y.bin", file.bytes, file.n);
  EXPECT_ERROR("stl label", opens(&data, folder, &error), error, "record 1 has label 11", "1..10",
               "train_y.bin");
  file.bytes[1] = 0;
  write_bytes(folder, "train_y.bin", file.bytes, file.n);
  EXPECT_ERROR("stl label 0", opens(&data, folder, &error), error, "record 1 has label 0");
  stl10_images(&file, 3);
  write_bytes(folder, "train_X.bin", file.bytes, file.n - 100);
  EXPECT_ERROR("stl cut", opens(&data, folder, &error), error, "train_X.bin is truncated", "record 2 of 3");
  write_bytes(folder, "train_X.bin", file.bytes, 0);
  EXPECT_ERROR("stl empty", opens(&data, folder, &error), error, "train_X.bin is empty");
  EXPECT_ERROR("stl missing", opens(&data, make_folder("stl-none"), &error), error, "train_X.bin");
  data.height = data.width = 32;
  write_stl10(folder, 3, 2);
  EXPECT_ERROR("stl size", opens(&data, folder, &error), error, "96 x 96 x 3", "32 x 32 x 3");
}

// ---- safetensors

enum { N = 12, SIDE = 5, CHANNELS = 3, IMAGE = SIDE * SIDE * CHANNELS };

// Images at the front of `body`: bytes or floats, the channels last or first.
static void put_images(bool is_real, bool is_nchw) {
  body.n = 0;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < IMAGE; k++) {
      int p = is_nchw ? k % (SIDE * SIDE) : k / CHANNELS, c = is_nchw ? k / (SIDE * SIDE) : k % CHANNELS;
      unsigned char byte = pixel_of(i, p / SIDE, p % SIDE, c);
      float number = (float)byte / 256 - 0.5f;
      put_bytes(&body, is_real ? (void *)&number : &byte, is_real ? sizeof number : 1);
    }
}

static void put_labels(int n_bytes) {
  for (int i = 0; i < N; i++) {
    unsigned char label[8] = {(unsigned char)(i % 10)};
    put_bytes(&body, label, (size_t)n_bytes);
  }
}

// One array's entry in the header; the text lives for 32 calls.
static const char *entry(const char *name, const char *dtype, const char *shape, size_t begin, size_t end) {
  static char texts[32][256];
  static int next;
  char *text = texts[next++ % 32];
  snprintf(text, sizeof texts[0], "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", name,
           dtype, shape, begin, end);
  return text;
}

// The training set, and the same bytes once more as the test set.
static void write_arrays(const char *folder, const char *name, const char *images_type, const char *shape,
                         size_t n_images, const char *labels_type) {
  static TestBytes twice;
  char header[1024];
  size_t n = body.n;
  twice.n = 0;
  put_bytes(&twice, body.bytes, n), put_bytes(&twice, body.bytes, n);
  snprintf(header, sizeof header, "{%s,%s,%s,%s}", entry("train_images", images_type, shape, 0, n_images),
           entry("train_labels", labels_type, "[12]", n_images, n),
           entry("test_images", images_type, shape, n, n + n_images),
           entry("test_labels", labels_type, "[12]", n + n_images, 2 * n));
  safetensors_file(&file, header, &twice);
  write_bytes(folder, name, file.bytes, file.n);
}

static void test_arrays(void) {
  static const char *const label_types[] = {"U8", "I32", "I64"};
  static const int label_bytes[] = {1, 4, 8};
  char path[1200];
  for (int kind = 0; kind < 12; kind++) {
    bool is_real = kind & 1, is_nchw = kind & 2;
    char name[32];
    snprintf(name, sizeof name, "arrays-%d", kind);
    const char *folder = make_folder(name);
    put_images(is_real, is_nchw);
    size_t n_images = body.n;
    put_labels(label_bytes[kind / 4]);
    write_arrays(folder, "data.safetensors", is_real ? "F32" : "U8", is_nchw ? "[12,3,5,5]" : "[12,5,5,3]",
                 n_images, label_types[kind / 4]);
    MlaData data = data_of(is_nchw ? "safetensors_nchw" : "safetensors", SIDE, CHANNELS, 10);
    check_set(&data, folder, true, N);
    snprintf(path, sizeof path, "%s/data.safetensors", folder);
    check_set(&data, path, false, N);
  }
}

// A training set alone, described by these two entries.
static void expect_arrays(const char *what, const char *images, const char *labels, const MlaData *data,
                          const char *const *words) {
  const char *folder = make_folder(what);
  char header[1024];
  snprintf(header, sizeof header, "{%s%s%s}", images, *images && *labels ? "," : "", labels);
  safetensors_file(&file, header, &body);
  write_bytes(folder, "data.safetensors", file.bytes, file.n);
  MlaError error;
  bool good = opens(data, folder, &error);
  expect_error(what, good, &error, words);
}

static void test_wrong_arrays(void) {
  MlaData data = data_of("safetensors", SIDE, CHANNELS, 10),
          first = data_of("safetensors_nchw", SIDE, CHANNELS, 10);
  put_images(false, false);
  put_labels(1);
  const char *labels = entry("train_labels", "U8", "[12]", 900, 912);
  const char *images = entry("train_images", "U8", "[12,5,5,3]", 0, 900);
  expect_arrays("st-other", images, entry("labels", "U8", "[12]", 900, 912), &data,
                WORDS("no array train_labels"));
  expect_arrays("st-type", entry("train_images", "I8", "[12,5,5,3]", 0, 900), labels, &data,
                WORDS("train_images is I8", "U8 or F32"));
  expect_arrays("st-rank", entry("train_images", "U8", "[12,75]", 0, 900), labels, &data,
                WORDS("train_images has 2 axes"));
  expect_arrays("st-rank-3", entry("train_images", "U8", "[12,15,5]", 0, 900), labels, &first,
                WORDS("train_images has 3 axes", "[n, channels, height, width]"));
  expect_arrays("st-side", entry("train_images", "U8", "[0,0,5,3]", 0, 0),
                entry("train_labels", "U8", "[912]", 0, 912), &data,
                WORDS("axis 1 of train_images has 0 elements"));
  expect_arrays("st-count", images, entry("train_labels", "U8", "[6,2]", 900, 912), &data,
                WORDS("train_labels has 2 axes", "12 images"));
  expect_arrays("st-labels", images, entry("train_labels", "F32", "[3]", 900, 912), &data,
                WORDS("train_labels is F32", "U8, I32 or I64"));
  expect_arrays("st-channels", images, labels, &first, WORDS("5 x 3 x 5", "5 x 5 x 3"));
  expect_arrays("st-short", images, entry("train_labels", "U8", "[13]", 900, 913), &data,
                WORDS("truncated", "train_labels ends at byte 913"));
  data.classes = 4;
  expect_arrays("st-range", images, labels, &data, WORDS("record 4 has label 4", "0..3"));
}

static void test_wrong_values(void) {
  MlaData data = data_of("safetensors", SIDE, CHANNELS, 10);
  put_images(true, false);
  put_labels(8);
  const char *images = entry("train_images", "F32", "[12,5,5,3]", 0, 3600);
  const char *labels = entry("train_labels", "I64", "[12]", 3600, 3696);
  memset(body.bytes + 3600 + 8 * 3, 0xff, 8);
  expect_arrays("st-negative", images, labels, &data, WORDS("record 3 has label -1"));
  memset(body.bytes + 4 * (IMAGE + 1), 0xff, 4);
  expect_arrays("st-nan", images, labels, &data, WORDS("record 1 of train_images holds", "nan"));
}

int main(void) {
  if (has_matio()) {
    test_svhn();
    test_svhn_variables();
    test_svhn_damage();
  }
  test_stl10();
  test_arrays();
  test_wrong_arrays();
  test_wrong_values();
  return 0;
}
