// JPEG data sets: decoded and resized to the bytes that Pillow makes of the same files; a part decodes to what it is in
// the whole image; folders, tar shards, and any number of threads give the same batches.
#include "tests/runtime/data_images.h"
#include "runtime/data/rng.h"
#include "runtime/data/source.h"
#include "runtime/data/window.h"

#include <math.h>

static Pass first, second;
static TestBytes file;

// The place of picture i in a folder set: classes first.
static int record_of(int i) {
  return i / 2 + (i % 2 ? N_PICTURES / 2 : 0);
}

static void test_values(const char *root) {
  MlaData data = picture_data("folder");
  MlaDataset set;
  MlaError error = {0};
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  CHECK(set.n == N_PICTURES && set.n_classes == 2 && strcmp(set.classes[1], "bees") == 0);
  CHECK_GOOD(collect_pass(&first, &set, &data, 3, false, 0, &error), error);
  for (int i = 0; i < N_PICTURES; i++) {
    int record = record_of(i);
    read_picture(&file, pictures[i], "rgb");
    CHECK(file.n == ELEMS && first.labels[record] == i % 2);
    for (int p = 0; p < ELEMS; p++)
      if (first.images[record][p] != (float)file.bytes[p] / 255.0f)
        printf("%s: byte %d is %g, not %d\n", pictures[i], p, (double)first.images[record][p] * 255,
               file.bytes[p]),
            exit(1);
  }
  mla_dataset_close(&set);
}

// ---- parts ----

static void test_windows(const char *root) {
  enum { MOST = 131 * 97 * 3 };
  static uint8_t whole[MOST];
  MlaData data = picture_data("folder");
  MlaDataset set;
  MlaError error = {0};
  CHECK_GOOD(mla_dataset_open(&set, &data, root, true, &error), error);
  void *reader = set.source->open(&set, &error);
  CHECK_GOOD(reader, error);
  MlaRng rng = mla_rng_stream(1, 'W', 0);
  for (int i = 0; i < N_PICTURES; i++) {
    int64_t record = record_of(i), draw = 0;
    int height, width, given_height, given_width;
    unsigned sum, a = 0, b = 0;
    MlaView view;
    read_picture(&file, pictures[i], "sum");
    CHECK(sscanf((char *)file.bytes, "%d %d %u", &given_height, &given_width, &sum) == 3);
    CHECK_GOOD(set.source->begin(reader, record, &height, &width, &error), error);
    CHECK(height == given_height && width == given_width);
    CHECK_GOOD(set.source->read(reader, &(MlaWindow){0, 0, height, width}, &view, &error), error);
    for (int y = 0; y < height; y++)
      memcpy(whole + y * width * 3, (const uint8_t *)view.pixels + y * view.stride, (size_t)width * 3);
    for (int p = 0; p < height * width * 3; p++) a = (a + whole[p]) % 65521, b = (b + a) % 65521;
    CHECK((b << 16 | a) == sum);
    for (int k = 0; k < 200; k++, draw += 4) {
      uint64_t d = (uint64_t)(i * 1000 + draw);
      MlaWindow w = {.height = 1 + (int)mla_rng_below(rng, d, (uint64_t)height),
                     .width = 1 + (int)mla_rng_below(rng, d + 1, (uint64_t)width)};
      w.top = (int)mla_rng_below(rng, d + 2, (uint64_t)(height - w.height + 1));
      w.left = (int)mla_rng_below(rng, d + 3, (uint64_t)(width - w.width + 1));
      CHECK_GOOD(set.source->begin(reader, record, &height, &width, &error), error);
      CHECK_GOOD(set.source->read(reader, &w, &view, &error), error);
      for (int y = 0; y < w.height; y++)
        CHECK(memcmp((const uint8_t *)view.pixels + y * view.stride,
                     whole + ((w.top + y) * width + w.left) * 3, (size_t)w.width * 3) == 0);
    }
  }
  set.source->close(reader);
  mla_dataset_close(&set);
}

// ---- random rectangles ----

static void test_rectangles(void) {
  enum { N = 20000, HEIGHT = 375, WIDTH = 500 };
  MlaData data = picture_data("folder");
  MlaRng rng = mla_rng_stream(3, 'A', 1);
  double areas = 0, logs = 0;
  int n_mirrored = 0, n_small = 0;
  for (int64_t i = 0; i < N; i++) {
    MlaPlacement p;
    CHECK(mla_place(&p, &data, HEIGHT, WIDTH, true, rng, i) && p.is_resized);
    double area = (double)p.box.height * p.box.width / (HEIGHT * WIDTH);
    double ratio = (double)p.box.width / p.box.height;
    CHECK(p.box.top >= 0 && p.box.left >= 0 && p.box.top + p.box.height <= HEIGHT &&
          p.box.left + p.box.width <= WIDTH);
    CHECK(area > 0.078 && area <= 1 && ratio > 0.74 && ratio < 1.35);
    areas += area, logs += log(ratio), n_mirrored += p.is_mirror, n_small += area < 0.3;
  }
  // Large rectangles that do not fit are drawn again: the means that the rule has at this size, by another program.
  CHECK(fabs(areas / N - 0.433) < 0.01 && fabs(logs / N - 0.031) < 0.01);
  CHECK(n_mirrored > 0.48 * N && n_mirrored < 0.52 * N && fabs(1.0 * n_small / N - 0.322) < 0.015);
  MlaPlacement strip, mark;
  CHECK(mla_place(&strip, &data, 10, 1000, true, rng, 7)); // nothing fits: the centre at 4 : 3
  CHECK(strip.box.height == 10 && strip.box.width == 13 && strip.box.left == 493);
  CHECK(mla_place(&mark, &data, 1, 1, true, rng, 7) && mark.box.height == 1 && mark.box.width == 1);
}

// ---- the same batches by every road ----

static void test_workers(const char *root) {
  MlaDataset set;
  MlaError error = {0};
  MlaData data = picture_data("folder");
  CHECK_GOOD(mla_dataset_open(&set, &data, root, true, &error), error);
  for (int batch = 1; batch <= N_PICTURES + 1; batch += 3) {
    data.workers = 1;
    CHECK_GOOD(collect_pass(&first, &set, &data, batch, true, 2, &error), error);
    CHECK(first.n == N_PICTURES);
    for (data.workers = 2; data.workers <= 6; data.workers += 2) {
      CHECK_GOOD(collect_pass(&second, &set, &data, batch, true, 2, &error), error);
      CHECK(same_pass(&first, &second));
    }
  }
  CHECK_GOOD(collect_pass(&second, &set, &data, 3, true, 3, &error), error);
  CHECK(!same_pass(&first, &second));
  mla_dataset_close(&set);
}

static void open_and_collect(Pass *pass, const char *format, const char *root, bool train) {
  MlaDataset set;
  MlaError error = {0};
  MlaData data = picture_data(format);
  data.workers = 3;
  CHECK_GOOD(mla_dataset_open(&set, &data, root, train, &error), error);
  CHECK(set.n == N_PICTURES);
  CHECK_GOOD(collect_pass(pass, &set, &data, 4, train, 1, &error), error);
  mla_dataset_close(&set);
}

// The image at each place of `pass` is the one with the same first pixels in `all`: an order of the records.
static void order_of(const Pass *pass, const Pass *all, int order[N_PICTURES]) {
  int seen[N_PICTURES] = {0};
  for (int i = 0; i < N_PICTURES; i++)
    for (int k = 0; k < N_PICTURES; k++)
      if (memcmp(pass->images[i], all->images[k], sizeof *pass->images) == 0) order[i] = k, seen[k]++;
  for (int k = 0; k < N_PICTURES; k++) CHECK(seen[k] == 1);
}

static void write_shards(const char *root, const char *split, bool numbered, int n_zipped) {
  static const int firsts[] = {0, 4, 7, N_PICTURES};
  for (int s = 0; s < 3; s++) {
    char name[64];
    tar_pictures(&file, firsts[s], firsts[s + 1] - firsts[s], numbered);
    snprintf(name, sizeof name, "%s-%02d.tar%s", split, s, s < n_zipped ? ".gz" : "");
    (s < n_zipped ? write_gzip : write_bytes)(root, name, file.bytes, file.n);
  }
}

static void test_shards(const char *folders) {
  for (int numbered = 0; numbered < 2; numbered++)
    for (int n_zipped = 0; n_zipped <= 3; n_zipped++) {
      char name[64];
      snprintf(name, sizeof name, "tar-%d-%d", numbered, n_zipped);
      const char *root = make_folder(name);
      write_shards(root, "train", numbered, n_zipped);
      write_shards(root, "val", numbered, n_zipped);
      open_and_collect(&first, "folder", folders, false);
      open_and_collect(&second, "tar", root, false);
      for (int i = 0; i < N_PICTURES; i++) {
        CHECK(second.labels[i] == i % 2);
        CHECK(memcmp(second.images[i], first.images[record_of(i)], sizeof *first.images) == 0);
      }
      MlaDataset set;
      MlaError error = {0};
      MlaData data = picture_data("tar");
      data.random_resized_crop = 0, data.flip = false; // the order alone
      CHECK_GOOD(mla_dataset_open(&set, &data, root, true, &error), error);
      int order[N_PICTURES], n_changes = 0;
      first = second;
      CHECK_GOOD(collect_pass(&second, &set, &data, 4, true, 1, &error), error);
      order_of(&second, &first, order);
      for (int i = 1; i < N_PICTURES; i++)
        n_changes += (order[i] >= 4) + (order[i] >= 7) != (order[i - 1] >= 4) + (order[i - 1] >= 7);
      CHECK(n_zipped ? n_changes == 2 : n_changes > 2); // compressed shards are walked one by one
      mla_dataset_close(&set);
    }
}

// One channel: the brightness.
static void test_grey(const char *root) {
  MlaDataset set;
  MlaError error = {0};
  MlaData data = picture_data("folder");
  data.channels = 1;
  CHECK_GOOD(mla_dataset_open(&set, &data, root, false, &error), error);
  MlaLoader *loader = mla_loader_start(&set, &data, MLA_F32, 1, false, 0, 0, record_of(6), &error);
  CHECK_GOOD(loader, error);
  const MlaBatch *batch;
  CHECK_GOOD(mla_loader_next(loader, &batch, &error), error);
  read_picture(&file, "grey", "rgb");
  for (int p = 0; p < SIDE * SIDE; p++)
    CHECK(((const float *)batch->images)[p] == (float)file.bytes[3 * p] / 255.0f);
  CHECK(mla_loader_next(loader, &batch, &error)); // small
  CHECK(mla_loader_next(loader, &batch, &error)); // tall
  bool good = true;
  while (good && batch) good = mla_loader_next(loader, &batch, &error);
  CHECK(!good && strstr(error.text, "07_cmyk.JPEG (record 8) is a CMYK image"));
  mla_loader_stop(loader);
  mla_dataset_close(&set);
}

int main(void) {
  need_format("folder");
  test_rectangles();
  char *folders = strdup(folder_set("folders"));
  test_values(folders);
  test_windows(folders);
  test_workers(folders);
  test_grey(folders);
  need_format("tar");
  test_shards(folders);
  free(folders);
  printf("ok images\n");
  return 0;
}
