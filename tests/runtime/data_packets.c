// Both roads of a batch end in the same numbers: prepared on the host, or sent as a packet of bytes and prepared by the
// emitted kernel (under the emulation). Every format, padding, window and mirror, odd last batches, records left out; and
// what else a packet carries, and the log of losses.
#include "compiler/emit/program.h"
#include "runtime/device/device.h"
#include "tests/runtime/data_images.h"
#include "tests/runtime/data_writers.h"

enum { BATCH = 4, N_KEYS = 6, N_LOSSES = 3 };

// ---- a program of nothing but packets and a log ----

typedef struct Road {
  Arena *arena;
  MlaProgram program;
  MlaModule module;
  MlaLoss losses[N_LOSSES];
  MlaDevice device;
  MlaLoaded *loaded;
} Road;

static int add_input(ProgramBuilder *builder, const char *name, MlaElem elem, int64_t n) {
  int64_t *end = &builder->program->region_bytes[MLA_WORK], n_bytes = n * (elem == MLA_F64 ? 8 : 4);
  int index = buffer_add(builder, (MlaBuffer){name, MLA_WORK, elem, *end, n_bytes});
  *end += (n_bytes + 63) / 64 * 64;
  return index;
}

static void build_road(Road *road, const MlaData *data, MlaElem elem) {
  static const EmitOptions options = {.target = EMIT_CUDA};
  MlaProgram *p = &road->program;
  Model model = {
      .name = "road", .data = *data, .recipe = {.lr = 0.5, .batch = BATCH, .epochs = 1, .seed = 5}};
  model.recipe.precision = elem == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32;
  *p = (MlaProgram){.model = "road",
                    .target = MLA_TARGET_CUDA,
                    .elem = elem,
                    .prelude = "",
                    .compile_flags = "",
                    .data = model.data,
                    .recipe = model.recipe,
                    .modules = &road->module,
                    .n_modules = 1,
                    .losses = road->losses,
                    .n_losses = N_LOSSES};
  ProgramBuilder builder = {.arena = road->arena, .model = &model, .options = &options, .elem = elem};
  builder.elem_bytes = elem == MLA_F64 ? 8 : 4;
  builder.program = p;
  builder.emit.arena = road->arena;
  builder.emit.skeletons = &cuda_skeletons;
  builder.emit.elem_bytes = builder.elem_bytes;
  int64_t n = (int64_t)BATCH * data->height * data->width * data->channels;
  p->train = p->eval = (MlaStep){.image = -1, .label = -1, .learning_rate = -1, .output = -1, .keys = -1};
  p->train.image = add_input(&builder, "image", elem, n);
  p->train.label = add_input(&builder, "label", MLA_I32, BATCH);
  p->train.learning_rate = add_input(&builder, "rate", elem, 1);
  p->train.keys = add_input(&builder, "keys", MLA_I32, N_KEYS);
  p->eval.image = add_input(&builder, "eval image", elem, n);
  for (int i = 0; i < N_LOSSES; i++)
    road->losses[i] =
        (MlaLoss){"loss", 0, add_input(&builder, "term", elem, 1), add_input(&builder, "value", elem, 1)};
  program_exchange(&builder, &p->train, &p->eval);
  kernels_finish(&builder);
  p->buffers = builder.buffers;
  p->n_buffers = builder.n_buffers;
}

static void open_road(Road *road, const MlaData *data, MlaElem elem) {
  MlaError error = {0};
  MlaDeviceOptions options = {.threads = 2};
  *road = (Road){.arena = arena_new(), .module = {.name = "only"}};
  build_road(road, data, elem);
  CHECK_GOOD(mla_device_open(&road->device, "emulated-cuda", &options, &error), error);
  road->loaded = road->device.ops->load(&road->device, &road->program, &error);
  CHECK_GOOD(road->loaded, error);
}

static void close_road(Road *road) {
  road->device.ops->unload(road->loaded);
  mla_device_close(&road->device);
  arena_free(road->arena);
}

static void get(const Road *road, int buffer, void *to, int64_t n_bytes) {
  MlaError error = {0};
  CHECK_GOOD(road->device.ops->download(road->loaded, to, mla_buffer(road->loaded, buffer), n_bytes, &error),
             error);
}

// ---- the two roads side by side ----

static const MlaBatch *next_batch(MlaLoader *loader) {
  MlaError error = {0};
  const MlaBatch *batch;
  CHECK_GOOD(mla_loader_next(loader, &batch, &error), error);
  return batch;
}

static void compare_batch(Road *road, const MlaStep *step, const MlaBatch *numbers, const MlaBatch *bytes) {
  static unsigned char images[BATCH * 96 * 96 * 3 * 8], other[64];
  MlaError error = {0};
  const MlaData *data = &road->program.data;
  int64_t elem_bytes = road->program.elem == MLA_F64 ? 8 : 4;
  int64_t image_bytes = data->height * data->width * data->channels * elem_bytes;
  CHECK(bytes && bytes->index == numbers->index && bytes->n == numbers->n);
  CHECK(memcmp(bytes->labels, numbers->labels, (size_t)bytes->n * 4) == 0);
  if (bytes->n == 0) return;
  memset(bytes->packet, (int)bytes->index + 1, 8); // a rate, and keys
  memset(bytes->packet + road->program.packet.keys, (int)bytes->index + 2, 4 * N_KEYS);
  CHECK_GOOD(
      road->device.ops->feed(road->loaded, step, (int)(bytes->index % MLA_N_PACKETS), bytes->n, &error),
      error);
  get(road, step->image, images, bytes->n * image_bytes);
  CHECK(memcmp(images, numbers->images, (size_t)(bytes->n * image_bytes)) == 0);
  if (step->label < 0) return;
  get(road, step->label, other, bytes->n * 4);
  CHECK(memcmp(other, numbers->labels, (size_t)bytes->n * 4) == 0);
  get(road, step->learning_rate, other, elem_bytes);
  CHECK(memcmp(other, bytes->packet, (size_t)elem_bytes) == 0);
  get(road, step->keys, other, 4 * N_KEYS);
  CHECK(memcmp(other, bytes->packet + road->program.packet.keys, 4 * N_KEYS) == 0);
}

static int64_t compare_split(Road *road, const char *folder, bool train, int epoch) {
  const MlaProgram *p = &road->program;
  const MlaStep *step = train ? &p->train : &p->eval;
  MlaDataset one, two;
  MlaError error = {0};
  MlaPackets packets = {.layout = p->packet};
  for (int i = 0; i < MLA_N_PACKETS; i++)
    CHECK_GOOD(packets.memory[i] = road->device.ops->packet(road->loaded, i, &error), error);
  CHECK_GOOD(mla_dataset_open(&one, &p->data, folder, train, &error), error);
  CHECK_GOOD(mla_dataset_open(&two, &p->data, folder, train, &error), error);
  MlaLoader *host = mla_loader_start(&one, &p->data, p->elem, BATCH, train, 5, epoch, 0, &error);
  MlaLoader *device = mla_loader_start_packets(&two, &p->data, &packets, BATCH, train, 5, epoch, 0, &error);
  CHECK_GOOD(host && device, error);
  int64_t n = 0;
  for (const MlaBatch *batch; (batch = next_batch(host)); n += batch->n)
    compare_batch(road, step, batch, next_batch(device));
  CHECK(!next_batch(device));
  CHECK(n + one.n_bad == one.n && one.n_bad == two.n_bad);
  mla_loader_stop(host);
  mla_loader_stop(device);
  mla_dataset_close(&one);
  mla_dataset_close(&two);
  return n;
}

static void compare(const char *what, const char *folder, const MlaData *data, MlaElem elem) {
  Road road;
  open_road(&road, data, elem);
  int64_t n = compare_split(&road, folder, true, 1) + compare_split(&road, folder, true, 2) +
              compare_split(&road, folder, false, 0);
  printf("ok %s: %d images\n", what, (int)n);
  close_road(&road);
}

// ---- settings ----

static void set_normalize(MlaData *data) {
  static const double mean[] = {0.4914, 0.4822, 0.4465}, std[] = {0.247, 0.2435, 0.2616};
  data->n_mean = data->channels;
  memcpy(data->mean, mean, sizeof mean);
  memcpy(data->std, std, sizeof std);
}

static void test_settings(void) {
  enum { SMALL = 5 };
  static const struct {
    const char *what;
    int side, pad, crop;
    MlaPadMode mode;
    bool flip;
  } cases[] = {
      {"as it is", SMALL, 0, 0, MLA_PAD_ZERO, false},
      {"flip", SMALL, 0, 0, MLA_PAD_ZERO, true},
      {"crop", 3, 0, 3, MLA_PAD_ZERO, true},
      {"pad", SMALL + 2, 1, 0, MLA_PAD_ZERO, false},
      {"pad and crop", SMALL, 2, SMALL, MLA_PAD_ZERO, true},
      {"windows in the padding alone", 2, 4, 2, MLA_PAD_ZERO, true},
      {"reflect", SMALL + 2, 1, 0, MLA_PAD_REFLECT, true},
      {"reflect and crop", SMALL, 2, SMALL, MLA_PAD_REFLECT, true},
      {"reflected windows in the padding alone", 2, 4, 2, MLA_PAD_REFLECT, true},
      {"windows larger than the image", 8, 4, 8, MLA_PAD_REFLECT, true},
  };
  const char *folder = make_folder("small");
  write_idx_set(folder, 23, 6, SMALL, 3);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    MlaData data = idx_data(cases[i].side, 3);
    data.pad = cases[i].pad, data.crop = cases[i].crop;
    data.pad_mode = cases[i].mode, data.flip = cases[i].flip;
    if (i % 2) set_normalize(&data);
    compare(cases[i].what, folder, &data, i % 4 == 3 ? MLA_F64 : MLA_F32);
  }
}

// ---- formats ----

static MlaData crops_of(const char *format, int side, int channels, int classes) {
  MlaData data = {.name = "crops-of it",
                  .format = format,
                  .classes = classes,
                  .height = side,
                  .width = side,
                  .channels = channels,
                  .pad = 4,
                  .crop = side,
                  .flip = true};
  if (channels == 3) set_normalize(&data);
  return data;
}

static void test_cifar(void) {
  static TestBytes file;
  const char *ten = make_folder("cifar10"), *hundred = make_folder("cifar100");
  for (int i = 0; i < 6; i++) {
    char name[32];
    snprintf(name, sizeof name, i < 5 ? "data_batch_%d.bin" : "test_batch.bin", i + 1);
    cifar_records(&file, 3 * i, i < 5 ? 3 : 2, 1);
    write_bytes(ten, name, file.bytes, file.n);
  }
  cifar_records(&file, 0, 6, 2);
  write_bytes(hundred, "train.bin", file.bytes, file.n);
  write_bytes(hundred, "test.bin", file.bytes, file.n);
  MlaData data = crops_of("cifar10", 32, 3, 10);
  compare("cifar10", ten, &data, MLA_F32);
  data.format = "cifar100";
  compare("cifar100", hundred, &data, MLA_F32);
}

static void test_stl10(void) {
  const char *folder = make_folder("stl10");
  write_stl10(folder, 5, 2);
  MlaData data = crops_of("stl10", 96, 3, 10);
  data.pad_mode = MLA_PAD_REFLECT;
  compare("stl10", folder, &data, MLA_F32);
}

static void test_svhn(void) {
  static TestBytes file;
  const char *folder = make_folder("svhn");
  MlaData data = crops_of("svhn", 32, 3, 10);
  MlaDataset set;
  MlaError error = {0};
  svhn_file(&file, 6, 32, true, false);
  write_bytes(folder, "train_32x32.mat", file.bytes, file.n);
  write_bytes(folder, "test_32x32.mat", file.bytes, file.n);
  if (!mla_dataset_open(&set, &data, folder, true, &error) && strstr(error.text, "build again")) {
    printf("skipped: %s\n", error.text);
    return;
  }
  mla_dataset_close(&set);
  compare("svhn", folder, &data, MLA_F32);
}

static void test_arrays(void) {
  enum { N = 7, SIDE_OF = 6 };
  static TestBytes file, body;
  const char *folder = make_folder("arrays");
  body.n = 0;
  for (int split = 0; split < 2; split++) {
    for (int i = 0; i < N * SIDE_OF * SIDE_OF * 2; i++)
      body.bytes[body.n++] = (unsigned char)(i * 29 + i / 7);
    for (int i = 0; i < N; i++) body.bytes[body.n++] = (unsigned char)(i % 3);
  }
  safetensors_file(&file,
                   "{\"train_images\":{\"dtype\":\"U8\",\"shape\":[7,2,6,6],\"data_offsets\":[0,504]},"
                   "\"train_labels\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[504,511]},"
                   "\"test_images\":{\"dtype\":\"U8\",\"shape\":[7,2,6,6],\"data_offsets\":[511,1015]},"
                   "\"test_labels\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[1015,1022]}}",
                   &body);
  write_bytes(folder, "data.safetensors", file.bytes, file.n);
  MlaData data = crops_of("safetensors_nchw", SIDE_OF, 2, 3);
  compare("safetensors_nchw", folder, &data, MLA_F32);
}

// JPEG: decoded and resized by the host; sizes of their own; a record that cannot be read.
static void test_pictures(void) {
  static TestBytes file;
  MlaDataset set;
  MlaError error = {0};
  MlaData data = picture_data("folder");
  const char *folder = folder_set("pictures");
  if (!mla_dataset_open(&set, &data, folder, true, &error) && strstr(error.text, "build again")) {
    printf("skipped: %s\n", error.text);
    return;
  }
  mla_dataset_close(&set);
  set_normalize(&data);
  compare("folder, resized", folder, &data, MLA_F32);
  write_picture(folder, "train", 3, &file); // empty
  data.on_bad = MLA_BAD_SKIP;
  compare("folder, a record left out", folder, &data, MLA_F32);
  const char *shards = make_folder("shards");
  data = crops_of("tar", 24, 3, 2);
  tar_pictures(&file, 0, N_PICTURES, false);
  write_bytes(shards, "train-0.tar", file.bytes, file.n);
  write_bytes(shards, "val-0.tar", file.bytes, file.n);
  if (!mla_dataset_open(&set, &data, shards, true, &error) && strstr(error.text, "build again")) return;
  mla_dataset_close(&set);
  compare("tar, windows of images of many sizes", shards, &data, MLA_F32);
}

// ---- the log ----

static void test_log(void) {
  MlaData data = idx_data(3, 3);
  MlaError error = {0};
  Road road;
  open_road(&road, &data, MLA_F32);
  const MlaProgram *p = &road.program;
  const MlaDeviceOps *ops = road.device.ops;
  enum { STEPS = 70, ROW = 2 * N_LOSSES };
  for (int step = 0; step < STEPS; step++) {
    for (int i = 0; i < ROW; i++) {
      float loss = (float)(100 * step + i);
      const MlaLoss *at = &p->losses[i % N_LOSSES];
      int buffer = i < N_LOSSES ? at->term : at->value;
      CHECK_GOOD(ops->upload(road.loaded, mla_buffer(road.loaded, buffer), &loss, 4, &error), error);
    }
    CHECK_GOOD(ops->run(road.loaded, &p->train, 1, &error), error);
  }
  static float log[(MLA_LOG_HEAD / 4) + 64 * ROW];
  CHECK(p->log.n_steps == 64);
  get(&road, p->log.buffer, log, sizeof log);
  int32_t count;
  memcpy(&count, log, 4);
  CHECK(count == STEPS);
  for (int step = STEPS - 64; step < STEPS; step++)
    for (int i = 0; i < ROW; i++)
      CHECK(log[MLA_LOG_HEAD / 4 + step % 64 * ROW + i] == (float)(100 * step + i));
  printf("ok log: the last 64 of %d steps\n", STEPS);
  close_road(&road);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  test_settings();
  test_cifar();
  test_stl10();
  test_svhn();
  test_arrays();
  test_pictures();
  test_log();
  return 0;
}
