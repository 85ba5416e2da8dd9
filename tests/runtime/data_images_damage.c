// timeout: 600
// JPEG data sets that are not whole: every message names the file and the record; `on_bad skip` leaves the record out;
// no cut and no flipped bit does more than that.
// label: damage
#include "tests/runtime/data_images.h"

static Pass pass, whole;
static TestBytes file;

static bool opens(const MlaData *data, const char *root, bool train, MlaError *error) {
  MlaDataset set;
  *error = (MlaError){0};
  bool good = mla_dataset_open(&set, data, root, train, error);
  mla_dataset_close(&set);
  return good;
}

static bool walks(const MlaData *data, const char *root, bool train, MlaError *error) {
  MlaDataset set;
  *error = (MlaError){0};
  bool good =
      mla_dataset_open(&set, data, root, train, error) && collect_pass(&pass, &set, data, 4, train, 1, error);
  mla_dataset_close(&set);
  return good;
}

// ---- folders ----

static void test_layout(void) {
  MlaData data = picture_data("folder");
  MlaError error;
  char path[1200];
  EXPECT_ERROR("no root", opens(&data, make_folder("bare"), true, &error), error, "bare/train",
               "No such file");
  const char *root = folder_set("layout");
  data.classes = 3;
  EXPECT_ERROR("classes", opens(&data, root, true, &error), error, "train has 2 class folders", "classes 3");
  data.classes = 2;
  snprintf(path, sizeof path, "%s/val/cats", root);
  mkdir(path, 0777);
  EXPECT_ERROR("more classes", opens(&data, root, false, &error), error, "val has 3 class folders");
  write_bytes(path, "note.txt", "x", 1);
  data.classes = 3;
  EXPECT_ERROR("no images", opens(&data, root, false, &error), error, "val/cats holds no .jpeg or .jpg",
               "1 other files");
  data.channels = 4, data.classes = 2;
  EXPECT_ERROR("channels", opens(&data, root, true, &error), error, "1 or 3 channels", "has 4");
  snprintf(path, sizeof path, "%s/train", root);
  root = make_folder("file-for-folder");
  write_bytes(root, "train", "x", 1);
  data = picture_data("folder");
  EXPECT_ERROR("a file", opens(&data, root, true, &error), error, "/train: Not a directory");
}

static void test_other_classes(void) {
  MlaData data = picture_data("folder");
  MlaError error = {0};
  MlaDataset train, test;
  char from[1200], to[1200];
  const char *root = folder_set("other-classes");
  snprintf(from, sizeof from, "%s/val/bees", root);
  snprintf(to, sizeof to, "%s/val/wasps", root);
  CHECK(rename(from, to) == 0);
  CHECK_GOOD(mla_dataset_open(&train, &data, root, true, &error), error);
  CHECK_GOOD(mla_dataset_open(&test, &data, root, false, &error), error);
  EXPECT_ERROR("other classes", mla_dataset_agree(&train, &test, &error), error,
               "class 1 is bees in training", "wasps in the test");
  error = (MlaError){0};
  CHECK(mla_dataset_agree(&train, &train, &error));
  mla_dataset_close(&train);
  mla_dataset_close(&test);
}

// Picture 3 (record 6) of a sound set replaced.
static const char *with_bad(const char *name, const void *bytes, size_t n) {
  const char *root = folder_set(name);
  file.n = n;
  memmove(file.bytes, bytes, n);
  write_picture(root, "val", 3, &file);
  return root;
}

static void expect_bad(const char *what, const void *bytes, size_t n, const char *words) {
  MlaData data = picture_data("folder");
  MlaError error;
  const char *root = with_bad(what, bytes, n);
  EXPECT_ERROR(what, walks(&data, root, false, &error), error, "val/bees/03_wide.JPEG (record 6)", words);
}

static void test_bad_files(void) {
  MlaData data = picture_data("folder");
  MlaError error;
  char path[1200];
  expect_bad("empty", "", 0, "is empty");
  expect_bad("png", "\x89PNG\r\n\x1a\n", 8, "holds a PNG image");
  expect_bad("text", "hello", 5, "is no JPEG");
  read_picture(&file, "wide", "jpg");
  expect_bad("cut", file.bytes, file.n - 2, "is truncated"); // the end marker alone
  read_picture(&file, "wide", "jpg");
  expect_bad("half", file.bytes, file.n / 2, "is truncated");
  read_picture(&file, "wide", "jpg");
  expect_bad("headless", file.bytes, 100, "is truncated");
  const char *root = folder_set("gone");
  snprintf(path, sizeof path, "%s/val/bees/03_wide.JPEG", root);
  MlaDataset set;
  error = (MlaError){0};
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  unlink(path);
  EXPECT_ERROR("gone", collect_pass(&pass, &set, &data, 4, false, 0, &error), error,
               "record 6) cannot be read", "No such file");
  mkdir(path, 0777);
  EXPECT_ERROR("a folder", collect_pass(&pass, &set, &data, 4, false, 0, &error), error, "Is a directory");
  mla_dataset_close(&set);
  data.resize = data.center = 0;
  EXPECT_ERROR("not resized", walks(&data, folder_set("not-resized"), false, &error), error,
               "75 x 100 pixels", "32 x 32");
}

// ---- records left out ----

static void test_skip(void) {
  MlaData data = picture_data("folder");
  MlaDataset set;
  MlaError error = {0};
  const char *root = folder_set("sound");
  data.on_bad = MLA_BAD_SKIP;
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  CHECK_GOOD(collect_pass(&whole, &set, &data, 4, false, 0, &error), error);
  CHECK(set.n_bad == 0 && !mla_dataset_take_notes(&set));
  mla_dataset_close(&set);
  root = with_bad("skipped", "x", 1);
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  for (int round = 0; round < 2; round++) {
    data.workers = 1 + 2 * round;
    CHECK_GOOD(collect_pass(&pass, &set, &data, 4, false, 0, &error), error);
    CHECK(pass.n == N_PICTURES - 1 && pass.n_batches == 3 && set.n_bad == 1);
    for (int i = 0; i < pass.n; i++)
      CHECK(memcmp(pass.images[i], whole.images[i + (i >= 6)], sizeof *pass.images) == 0);
    char *notes = mla_dataset_take_notes(&set); // said once
    CHECK(round ? !notes : notes && strstr(notes, "left out") && strstr(notes, "03_wide.JPEG (record 6)"));
    free(notes);
  }
  data.workers = 0;
  CHECK_GOOD(collect_pass(&pass, &set, &data, 1, false, 0, &error), error); // a batch of nothing
  CHECK(pass.n == N_PICTURES - 1 && pass.n_batches == N_PICTURES);
  mla_dataset_close(&set);
}

// Stops in the middle, with and without an error, while threads wait for room.
static void test_stopping(void) {
  MlaData data = picture_data("folder");
  MlaDataset set;
  MlaError error = {0};
  const char *root = with_bad("stopping", "x", 1);
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  for (data.workers = 1; data.workers <= 8; data.workers++)
    for (int n = 0; n < 4; n++) {
      MlaLoader *loader = mla_loader_start(&set, &data, MLA_F32, 3, false, 0, 0, 0, &error);
      CHECK_GOOD(loader, error);
      const MlaBatch *batch;
      for (int i = 0; i < n; i++) CHECK(mla_loader_next(loader, &batch, &error) == (i < 2));
      mla_loader_stop(loader);
      error = (MlaError){0};
    }
  mla_dataset_close(&set);
}

// ---- tar ----

static const char *shards(const char *name, const char *shard, int cut) {
  const char *root = make_folder(name);
  tar_pictures(&file, 0, 4, false);
  write_bytes(root, shard, file.bytes, file.n - (size_t)cut);
  return root;
}

static void expect_shard(const char *what, const char *entry, const char *content, const char *entry2,
                         const char *words) {
  MlaData data = picture_data("tar");
  MlaError error;
  static TestBytes tar;
  const char *root = make_folder(what);
  tar_begin(&tar);
  tar_add(&tar, entry, content, strlen(content));
  tar_add(&tar, entry2, "0", 1);
  tar_end(&tar);
  write_bytes(root, "train-0.tar", tar.bytes, tar.n);
  EXPECT_ERROR(what, walks(&data, root, true, &error), error, words);
}

static void test_shards(void) {
  MlaData data = picture_data("tar");
  MlaError error;
  EXPECT_ERROR("no shards", opens(&data, shards("val-only", "val-0.tar", 0), true, &error), error,
               "holds no train-*.tar");
  CHECK(opens(&data, shards("tar-sound", "train-0.tar", 0), true, &error));
  EXPECT_ERROR("no end", opens(&data, shards("tar-end", "train-0.tar", 1024), true, &error), error,
               "train-0.tar", "truncated");
  EXPECT_ERROR("cut", opens(&data, shards("tar-cut", "train-0.tar", 2000), true, &error), error,
               "train-0.tar");
  EXPECT_ERROR("garbage", opens(&data, with_bad("tar-none", "x", 1), true, &error), error,
               "holds no train-*.tar");
  const char *root = make_folder("tar-garbage");
  write_bytes(root, "train-0.tar", "this is no tar", 14);
  EXPECT_ERROR("no tar", opens(&data, root, true, &error), error, "train-0.tar");
  write_bytes(root, "train-0.tar", "", 0);
  EXPECT_ERROR("empty tar", opens(&data, root, true, &error), error, "train-0.tar");
  root = make_folder("tar-gz-cut");
  tar_pictures(&file, 0, 4, false);
  write_gzip(root, "train-0.tar.gz", file.bytes, file.n);
  CHECK(walks(&data, root, true, &error) && pass.n == 4);
  char path[1200];
  snprintf(path, sizeof path, "%s/train-0.tar.gz", root);
  CHECK(truncate(path, 3000) == 0);
  EXPECT_ERROR("gz cut", opens(&data, root, true, &error), error, "train-0.tar.gz");
  expect_shard("bad image", "ants/1.jpg", "x", "bees/2.jpg", "train-0.tar: ants/1.jpg (record 0) is no JPEG");
  expect_shard("one class", "ants/1.jpg", "x", "ants/2.jpg", "1 class folders");
  expect_shard("no class", "1.jpg", "x", "bees/2.jpg", "1.jpg (record 0) is in no class folder");
  expect_shard("two ways", "bees/1.jpg", "x", "2.cls", "1 class folders");
  expect_shard("bad number", "1.cls", "two", "1.jpg", "1.cls (record 0) holds no class number of 0..1");
  expect_shard("number out of range", "1.cls", "2\n", "1.jpg", "holds no class number of 0..1");
  expect_shard("no pictures", "1.txt", "2", "1.cls", "no .jpg or .jpeg image");
}

// ---- every cut, many bits ----

static void sweep_picture(const char *root, MlaDataset *set, const MlaData *data, int i) {
  static TestBytes sound;
  MlaError error;
  int n_bad = 0;
  read_picture(&sound, pictures[i], "jpg");
  for (size_t k = 0; k < sound.n; k += 1 + sound.n / 150) {
    file = sound;
    file.n = k;
    write_picture(root, "train", i, &file);
    CHECK(!collect_pass(&pass, set, data, 4, true, (int)k, &error) && error.kind == MLA_ERROR_INPUT);
    file = sound;
    file.bytes[k] ^= (unsigned char)(1 << k % 8);
    write_picture(root, "train", i, &file);
    n_bad += !collect_pass(&pass, set, data, 4, true, (int)k, &error);
    CHECK(error.kind != MLA_ERROR_SYSTEM);
  }
  printf("%s: %d flipped bits noticed\n", pictures[i], n_bad);
}

static void test_sweep(void) {
  const char *root = make_folder("sweep");
  make_folders(root);
  MlaData data = picture_data("folder");
  data.classes = 1, data.workers = 1;
  char path[1200];
  snprintf(path, sizeof path, "%s/train/bees", root);
  CHECK(rmdir(path) == 0);
  for (int i = 0; i < N_PICTURES; i += 2) { // class ants, one picture at a time
    MlaDataset set;
    MlaError error = {0};
    read_picture(&file, pictures[i], "jpg");
    write_picture(root, "train", i, &file);
    CHECK_GOOD(mla_dataset_open(&set, &data, root, true, &error), error);
    CHECK(set.n == 1);
    sweep_picture(root, &set, &data, i);
    mla_dataset_close(&set);
    snprintf(path, sizeof path, "%s/train/ants/%02d_%s.JPEG", root, i, pictures[i]);
    CHECK(unlink(path) == 0);
  }
}

static void test_tar_sweep(void) {
  static TestBytes sound;
  MlaData data = picture_data("tar");
  MlaError error;
  data.workers = 1;
  const char *root = make_folder("tar-sweep");
  tar_pictures(&sound, 0, 3, false);
  int n_bad = 0;
  for (size_t k = 0; k < sound.n; k += 1 + (k % 512 ? 37 : 0)) {
    write_bytes(root, "train-0.tar", sound.bytes, k);
    CHECK(!walks(&data, root, true, &error) || k + 1024 > sound.n);
    file = sound;
    file.bytes[k] ^= (unsigned char)(1 << k % 8);
    write_bytes(root, "train-0.tar", file.bytes, file.n);
    n_bad += !walks(&data, root, true, &error);
  }
  printf("tar: %d flipped bits noticed\n", n_bad);
}

int main(void) {
  need_format("folder");
  test_layout();
  test_other_classes();
  test_bad_files();
  test_skip();
  test_stopping();
  test_sweep();
  need_format("tar");
  test_shards();
  test_tar_sweep();
  printf("ok damaged images\n");
  return 0;
}
