// Batches: the same bytes for the same seed from wherever one starts, every image once an epoch, padding,
// cropping, mirroring and normalising against their definitions.
#include "tests/runtime/data_files.h"

enum { SIDE = 5, CHANNELS = 2, N = 23, PIXELS = SIDE * SIDE * CHANNELS };

static uint8_t images[N * PIXELS];
static int32_t labels[N];
static MlaDataset set = {
    .n = N, .height = SIDE, .width = SIDE, .channels = CHANNELS, .images = images, .labels = labels};

static void fill_set(void) {
  for (int i = 0; i < N; i++) {
    labels[i] = i;
    for (int p = 0; p < PIXELS; p++)
      images[i * PIXELS + p] = pixel_of(i, p / CHANNELS / SIDE, p / CHANNELS % SIDE, p % CHANNELS);
  }
}

static MlaData plain_data(void) {
  return (MlaData){.classes = N, .height = SIDE, .width = SIDE, .channels = CHANNELS};
}

// Everything an epoch hands out, from batch `first` on.
typedef struct Epoch {
  int n;
  int32_t labels[N];
  float images[N][64 * CHANNELS];
} Epoch;

static const MlaBatch *next_batch(MlaLoader *loader) {
  MlaError error = {0};
  const MlaBatch *batch;
  CHECK_GOOD(mla_loader_next(loader, &batch, &error), error);
  return batch;
}

static void collect_set(Epoch *epoch, MlaDataset *from, const MlaData *data, int64_t batch, bool train,
                        uint64_t seed, int number, int64_t first) {
  MlaError error = {0};
  MlaLoader *loader = mla_loader_start(from, data, MLA_F32, batch, train, seed, number, first, &error);
  CHECK_GOOD(loader, error);
  size_t elems = (size_t)(data->height * data->width * data->channels);
  epoch->n = 0;
  int64_t index = first;
  for (const MlaBatch *b; (b = next_batch(loader)); index++) {
    CHECK(b->index == index && b->n >= 1 && b->n <= batch);
    for (int64_t i = 0; i < b->n; i++, epoch->n++) {
      epoch->labels[epoch->n] = b->labels[i];
      memcpy(epoch->images[epoch->n], (const float *)b->images + (size_t)i * elems, elems * sizeof(float));
    }
  }
  CHECK(!next_batch(loader));
  mla_loader_stop(loader);
}

static void collect(Epoch *epoch, const MlaData *data, int64_t batch, bool train, uint64_t seed, int number,
                    int64_t first) {
  collect_set(epoch, &set, data, batch, train, seed, number, first);
}

static bool same(const Epoch *a, const Epoch *b, int skip, size_t elems) {
  if (a->n != b->n + skip) return false;
  for (int i = 0; i < b->n; i++)
    if (a->labels[i + skip] != b->labels[i] ||
        memcmp(a->images[i + skip], b->images[i], elems * sizeof(float)) != 0)
      return false;
  return true;
}

static Epoch first, second;

static void test_order(void) {
  MlaData data = plain_data();
  collect(&first, &data, 4, true, 7, 1, 0);
  CHECK(first.n == N); // five batches of 4 and one of 3
  int seen[N] = {0}, moved = 0;
  for (int i = 0; i < N; i++) {
    seen[first.labels[i]]++;
    moved += first.labels[i] != i;
    for (int p = 0; p < PIXELS; p++)
      CHECK(first.images[i][p] == (float)images[first.labels[i] * PIXELS + p] / 255.0f);
  }
  for (int i = 0; i < N; i++) CHECK(seen[i] == 1);
  CHECK(moved > N / 2);
  collect(&second, &data, 4, true, 7, 2, 0);
  CHECK(memcmp(first.labels, second.labels, sizeof first.labels) != 0);
  collect(&second, &data, 4, true, 8, 1, 0);
  CHECK(memcmp(first.labels, second.labels, sizeof first.labels) != 0);
  collect(&second, &data, 4, false, 7, 1, 0);
  for (int i = 0; i < N; i++) CHECK(second.labels[i] == i);
}

static void test_resume(void) {
  MlaData data = plain_data();
  data.pad = 2, data.crop = SIDE, data.flip = true, data.pad_mode = MLA_PAD_REFLECT;
  for (int batch = 1; batch <= N + 2; batch += 4) {
    collect(&first, &data, batch, true, 7, 3, 0);
    collect(&second, &data, batch, true, 7, 3, 0);
    CHECK(same(&first, &second, 0, PIXELS));
    for (int64_t start = 0; start <= mla_n_batches(N, batch); start++) {
      collect(&second, &data, batch, true, 7, 3, start);
      CHECK(same(&first, &second, start * batch < N ? (int)start * batch : N, PIXELS));
    }
  }
  // Another batch size: the same images at the same positions.
  collect(&first, &data, 3, true, 7, 3, 0);
  collect(&second, &data, 8, true, 7, 3, 0);
  CHECK(same(&first, &second, 0, PIXELS));
}

static int padded_pixel(const MlaData *data, int image, int y, int x, int c) {
  y -= data->pad, x -= data->pad;
  bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
  if (!inside && data->pad_mode == MLA_PAD_ZERO) return 0;
  y = y < 0 ? -y : y >= SIDE ? 2 * (SIDE - 1) - y : y;
  x = x < 0 ? -x : x >= SIDE ? 2 * (SIDE - 1) - x : x;
  return images[image * PIXELS + (y * SIDE + x) * CHANNELS + c];
}

// Whether `values` is the window at (top, left) of the padded image, mirrored or not.
static bool is_window(const MlaData *data, const float *values, int image, int top, int left, bool mirror) {
  for (int y = 0; y < data->height; y++)
    for (int x = 0; x < data->width; x++)
      for (int c = 0; c < CHANNELS; c++) {
        int from = left + (mirror ? data->width - 1 - x : x);
        if (*values++ != (float)padded_pixel(data, image, top + y, from, c) / 255.0f) return false;
      }
  return true;
}

static void test_windows(MlaPadMode mode, int pad, int crop) {
  MlaData data = plain_data();
  data.pad = pad, data.crop = crop, data.flip = true, data.pad_mode = mode;
  data.height = data.width = crop;
  int slack = SIDE + 2 * pad - crop, centre = (slack + (slack % 4 == 3)) / 2, n_mirrored = 0, n_all = 0,
      rows[16] = {0}, columns[16] = {0};
  for (int epoch = 1; epoch <= 20; epoch++) {
    collect(&first, &data, 6, true, 1, epoch, 0);
    for (int i = 0; i < N; i++) {
      int found = 0;
      for (int k = 0; k < 2 * (slack + 1) * (slack + 1) && !found; k++) {
        int top = k / 2 / (slack + 1), left = k / 2 % (slack + 1);
        found = is_window(&data, first.images[i], first.labels[i], top, left, k & 1);
        if (found) rows[top]++, columns[left]++, n_mirrored += k & 1, n_all++;
      }
      CHECK(found);
    }
  }
  // A reflected window can be its own mirror image, or another window's.
  CHECK(mode == MLA_PAD_REFLECT || n_mirrored > 2 * n_all / 5);
  CHECK(n_mirrored > 0 && n_mirrored < 3 * n_all / 5);
  for (int i = 0; i <= slack; i++) CHECK(mode == MLA_PAD_REFLECT || (rows[i] > 0 && columns[i] > 0));
  collect(&second, &data, 6, false, 1, 1, 0);
  for (int i = 0; i < N; i++) CHECK(is_window(&data, second.images[i], i, centre, centre, false));
}

// Padding without a crop is the same for training and evaluation.
static void test_plain_padding(void) {
  MlaData data = plain_data();
  data.pad = 1, data.height = data.width = SIDE + 2;
  collect(&first, &data, 6, true, 1, 1, 0);
  for (int i = 0; i < N; i++) CHECK(is_window(&data, first.images[i], first.labels[i], 0, 0, false));
}

static void test_normalise(void) {
  MlaData data = plain_data();
  data.n_mean = 2;
  data.mean[0] = 0.491, data.mean[1] = 0.286, data.std[0] = 0.247, data.std[1] = 0.353;
  collect(&first, &data, 5, false, 0, 0, 0);
  MlaError error = {0};
  MlaLoader *loader = mla_loader_start(&set, &data, MLA_F64, 5, false, 0, 0, 0, &error);
  CHECK_GOOD(loader, error);
  const double *wide = next_batch(loader)->images;
  for (int p = 0; p < PIXELS; p++) {
    int c = p % 2;
    float expected = ((float)images[p] / 255.0f - (float)data.mean[c]) / (float)data.std[c];
    CHECK(first.images[0][p] == expected);
    CHECK(wide[p] == (images[p] / 255.0 - data.mean[c]) / data.std[c]);
  }
  mla_loader_stop(loader); // in the middle of an epoch
}

// Images stored as numbers are padded, cropped and normalised as bytes are, but not divided by 255.
static void test_numbers(void) {
  static float numbers[N * PIXELS];
  for (int p = 0; p < N * PIXELS; p++) numbers[p] = (float)images[p] / 255.0f;
  MlaDataset real = set;
  real.images = NULL;
  real.numbers = numbers;
  MlaData data = plain_data();
  data.n_mean = 2, data.pad = 2, data.crop = SIDE, data.flip = true;
  data.mean[0] = 0.491, data.mean[1] = 0.286, data.std[0] = 0.247, data.std[1] = 0.353;
  for (int norm = 0; norm < 2; norm++, data.n_mean = 0) {
    collect(&first, &data, 5, true, 3, 2, 0);
    collect_set(&second, &real, &data, 5, true, 3, 2, 0);
    CHECK(same(&first, &second, 0, PIXELS));
  }
}

int main(void) {
  fill_set();
  CHECK(mla_n_batches(50000, 1024) == 49 && mla_n_batches(8, 4) == 2 && mla_n_batches(1, 4) == 1);
  test_order();
  test_resume();
  test_windows(MLA_PAD_ZERO, 2, SIDE);
  test_windows(MLA_PAD_REFLECT, 2, SIDE);
  test_windows(MLA_PAD_ZERO, 1, 4);
  test_windows(MLA_PAD_REFLECT, 4, 8);
  test_plain_padding();
  test_normalise();
  test_numbers();
  printf("ok loader\n");
  return 0;
}
