// Checkpoints: what is saved is what is loaded; damaged files, files of other models and full disks have
// messages, and nothing is left behind.
#include "runtime/files/safetensors.h"
#include "tests/runtime/train_toy.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static const MlaProgress place = {
    .epoch = 3, .batch = 2, .step = 14, .seed = 18446744073709551615u, .best_accuracy = 0.1};

static const char *path_in(const char *folder, const char *name) {
  static char path[1536];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int n_files(const char *folder) {
  DIR *stream = opendir(folder);
  int n = 0;
  for (struct dirent *entry; (entry = readdir(stream));) n += entry->d_name[0] != '.';
  closedir(stream);
  return n;
}

static void scramble(Toy *toy) {
  MlaError error = {0};
  CHECK_GOOD(mla_init_states(&toy->loaded, 77, &error), error);
  for (int s = 0; s < S_CONST; s++)
    for (int64_t k = 0; k < mla_state_bytes(&toy->program, s) / (toy->plan.is_double ? 8 : 4); k++)
      put(&toy->plan, mla_state(&toy->loaded, s).address, k, sin((double)(100 * s + k)) / 3);
}

static void test_round_trip(MlaElem elem, const char *name) {
  const char *folder = make_folder(name);
  Toy a, b;
  MlaError error = {0};
  toy_open(&a, elem, 1);
  toy_open(&b, elem, 1);
  scramble(&a);
  CHECK_GOOD(mla_init_states(&b.loaded, 1, &error), error);
  CHECK(!toy_same_states(&a, &b));
  CHECK_GOOD(mla_checkpoint_save(&a.loaded, path_in(folder, "x"), &place, &error), error);
  MlaProgress found;
  CHECK_GOOD(mla_checkpoint_load(&b.loaded, path_in(folder, "x"), false, &found, &error), error);
  CHECK(toy_same_states(&a, &b) && n_files(folder) == 1);
  CHECK(found.epoch == 3 && found.batch == 2 && found.step == 14 && found.seed == place.seed &&
        found.best_accuracy == 0.1);
  MlaTensorFile file;
  CHECK_GOOD(mla_tensors_open(&file, path_in(folder, "x"), &error), error);
  const MlaTensor *weight = mla_tensors_find(&file, "fc.weight");
  CHECK(file.n_tensors == 5 && weight && weight->rank == 2 && weight->dim[0] == TOY_OUT &&
        weight->dim[1] == TOY_IN);
  CHECK(!mla_tensors_find(&file, "mean") && strcmp(mla_tensors_metadata(&file, "model"), "toy") == 0);
  CHECK((file.data - file.bytes) % 8 == 0 && !mla_tensors_metadata(&file, "nothing"));
  for (int o = 0; o < TOY_OUT; o++)
    for (int i = 0; i < TOY_IN; i++) {
      double here = get(&a.plan, mla_state(&a.loaded, S_WEIGHT).address, i * TOY_OUT + o);
      CHECK(here == get(&a.plan, file.data + weight->begin, o * TOY_IN + i));
    }
  mla_tensors_close(&file);
  toy_close(&a);
  toy_close(&b);
}

// Weights of float32 evaluated in float64, without auxiliary tensors or momenta in the file.
static void test_weights_only(void) {
  const char *folder = make_folder("weights");
  Toy a, b;
  MlaError error = {0};
  toy_open(&a, MLA_F32, 1);
  toy_open(&b, MLA_F64, 1);
  scramble(&a);
  a.program.n_states = 1;
  a.states[1] = a.states[S_RUNNING];
  a.program.n_states = 2;
  CHECK_GOOD(mla_checkpoint_save(&a.loaded, path_in(folder, "x"), &place, &error), error);
  EXPECT_ERROR("partial", mla_checkpoint_load(&b.loaded, path_in(folder, "x"), false, NULL, &error), error,
               "F32", "F64");
  error = (MlaError){0};
  CHECK_GOOD(mla_checkpoint_load(&b.loaded, path_in(folder, "x"), true, NULL, &error), error);
  for (int k = 0; k < TOY_IN * TOY_OUT; k++)
    CHECK(get(&a.plan, mla_state(&a.loaded, S_WEIGHT).address, k) ==
          get(&b.plan, mla_state(&b.loaded, S_WEIGHT).address, k));
  b.program.elem = MLA_F32;
  EXPECT_ERROR("lacking", mla_checkpoint_load(&b.loaded, path_in(folder, "x"), false, NULL, &error), error,
               "lacks tensor fc.weight.momentum");
  toy_close(&a);
  toy_close(&b);
}

static void test_other_models(void) {
  const char *folder = make_folder("models");
  Toy toy;
  MlaError error = {0};
  MlaProgress found;
  toy_open(&toy, MLA_F32, 1);
  scramble(&toy);
  CHECK_GOOD(mla_checkpoint_save(&toy.loaded, path_in(folder, "x"), &place, &error), error);
  Toy before = toy;
  before.loaded.base.address = malloc((size_t)toy.loaded.n_bytes);
  memcpy(before.loaded.base.address, toy.loaded.base.address, (size_t)toy.loaded.n_bytes);
  toy.program.n_states = S_SCALE;
  EXPECT_ERROR("unknown tensor",
               mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), false, &found, &error), error,
               "holds tensor aux.scale, which model toy does not have");
  toy.program.n_states = TOY_STATES;
  toy.states[S_SCALE].name = "aux.other", error = (MlaError){0};
  EXPECT_ERROR("missing tensor",
               mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), false, &found, &error), error,
               "lacks tensor aux.other of model toy");
  toy.states[S_SCALE].name = "aux.scale", error = (MlaError){0};
  toy.states[S_WEIGHT].dim[0] = 8;
  EXPECT_ERROR("shape", mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), true, &found, &error), error,
               "fc.weight has shape [3, 16], the model's has [3, 8]");
  toy.states[S_WEIGHT].dim[0] = TOY_IN, error = (MlaError){0};
  toy.states[S_SCALE].rank = 1, toy.states[S_SCALE].dim[0] = 1;
  EXPECT_ERROR("rank", mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), false, &found, &error), error,
               "aux.scale has shape [], the model's has [1]");
  toy.states[S_SCALE].rank = 0, error = (MlaError){0};
  toy.program.recipe.batch = 8;
  EXPECT_ERROR("batch", mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), false, &found, &error), error,
               "batches of 4, the model has 8");
  CHECK(toy_same_states(&toy, &before));
  toy_close(&before);
  toy_close(&toy);
}

// Writes a file of the header and `n_bytes` of data; `length` < 0: the header's own.
static void write_tensors(const char *path, const char *header, int64_t length, size_t n_bytes) {
  unsigned char prefix[8];
  uint64_t value = length < 0 ? strlen(header) : (uint64_t)length;
  for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(value >> 8 * i);
  FILE *file = fopen(path, "wb");
  CHECK(file);
  fwrite(prefix, 1, 8, file);
  fwrite(header, 1, strlen(header), file);
  for (size_t i = 0; i < n_bytes; i++) fputc(0, file);
  CHECK(fclose(file) == 0);
}

#define ENTRY(dtype, shape, offsets)                                                                         \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

// A tensor on a flattened image, in a file from before files said how they order it: as it is here.
static void test_old_order(void) {
  const char *folder = make_folder("order"),
             metadata[] = "{\"__metadata__\":{\"model\":\"toy\"},\"fc.weight\":";
  Toy toy;
  MlaError error = {0};
  toy_open(&toy, MLA_F32, 1);
  toy.states[S_WEIGHT] = (MlaState){.name = "fc.weight",
                                    .region = MLA_PARAM,
                                    .offset = toy.states[S_WEIGHT].offset,
                                    .rank = 1,
                                    .dim = {6},
                                    .positions = 2};
  toy.program.n_states = 1;
  const float values[] = {0, 1, 2, 3, 4, 5}, turned[] = {0, 2, 4, 1, 3, 5};
  for (int is_old = 0; is_old < 2; is_old++) {
    char header[256];
    int n = snprintf(header, sizeof header, "%s{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}",
                     is_old ? metadata : "{\"fc.weight\":");
    while (n % 8) header[n++] = ' ';
    uint64_t size = (uint64_t)n;
    FILE *file = fopen(path_in(folder, "x"), "wb");
    CHECK(file && fwrite(&size, 8, 1, file) == 1 && fwrite(header, 1, size, file) == size &&
          fwrite(values, 4, 6, file) == 6 && fclose(file) == 0);
    CHECK_GOOD(mla_checkpoint_load(&toy.loaded, path_in(folder, "x"), true, NULL, &error), error);
    CHECK(!memcmp(mla_state(&toy.loaded, S_WEIGHT).address, is_old ? values : turned, sizeof values));
  }
  toy_close(&toy);
}

// Two names of one place: the file holds both, and must hold them equal.
static void test_equal_copies(void) {
  const char *folder = make_folder("copies");
  Toy a, b;
  MlaError error = {0};
  toy_open(&a, MLA_F32, 1);
  toy_open(&b, MLA_F32, 1);
  MlaState twin = a.states[S_EMA];
  twin.name = "aux2.fc.weight";
  a.states[S_SCALE] = b.states[S_SCALE] = twin;
  scramble(&a);
  CHECK_GOOD(mla_init_states(&b.loaded, 1, &error), error);
  CHECK_GOOD(mla_checkpoint_save(&a.loaded, path_in(folder, "x"), &place, &error), error);
  CHECK_GOOD(mla_checkpoint_load(&b.loaded, path_in(folder, "x"), false, NULL, &error), error);
  CHECK(toy_same_states(&a, &b));
  a.states[S_SCALE].region = MLA_MOMENTUM; // another's values under its name
  a.states[S_SCALE].offset = a.states[S_MOMENTUM].offset;
  CHECK_GOOD(mla_checkpoint_save(&a.loaded, path_in(folder, "x"), &place, &error), error);
  EXPECT_ERROR("unequal copies", mla_checkpoint_load(&b.loaded, path_in(folder, "x"), false, NULL, &error),
               error, "tensors aux.fc.weight and aux2.fc.weight differ");
  toy_close(&a);
  toy_close(&b);
}

static void test_damage(void) {
  static const struct {
    const char *what, *header;
    int64_t length;
    size_t n_bytes;
    const char *message;
  } cases[] = {
      {"length beyond the file", "{}", 1000, 0, "header has 1000 bytes, 2 are there"},
      {"absurd length", "{}", INT64_MAX, 0, "not a safetensors file"},
      {"no JSON", "{\"a\": ", -1, 0, "not JSON"},
      {"empty header", "", -1, 0, "not JSON"},
      {"array", "[]", -1, 0, "not a JSON object"},
      {"number", "12", -1, 0, "not JSON"},
      {"not UTF-8", "{\"\xff\": 1}", -1, 0, "not JSON"},
      {"twice", "{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", -1, 8,
       "not JSON"},
      {"deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", -1, 0,
       "not JSON"},
      {"entry", "{\"a\": 1}", -1, 0, "tensor a has no known dtype"},
      {"dtype", "{\"a\":" ENTRY("F31", "[1]", "[0,4]") "}", -1, 4, "dtype (F31)"},
      {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", -1, 4, "no valid shape"},
      {"negative shape", "{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", -1, 4, "no valid shape"},
      {"fractional shape", "{\"a\":" ENTRY("F32", "[1.5]", "[0,4]") "}", -1, 4, "no valid shape"},
      {"overflowing shape", "{\"a\":" ENTRY("F32", "[4611686018427387903,9]", "[0,4]") "}", -1, 4,
       "no valid shape"},
      {"overflowing bytes", "{\"a\":" ENTRY("F64", "[4611686018427387903]", "[0,4]") "}", -1, 4,
       "no valid shape"},
      {"rank", "{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", -1, 4, "no valid shape"},
      {"no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", -1, 4, "no valid data_offsets"},
      {"three offsets", "{\"a\":" ENTRY("F32", "[1]", "[0,4,8]") "}", -1, 4, "no valid data_offsets"},
      {"negative offset", "{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", -1, 4, "no valid data_offsets"},
      {"reversed offsets", "{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", -1, 4, "no valid data_offsets"},
      {"huge offsets", "{\"a\":" ENTRY("F32", "[1]", "[9223372036854775803,9223372036854775807]") "}", -1, 4,
       "no valid data_offsets"},
      {"beyond the data", "{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", -1, 4,
       "is truncated: tensor a ends at byte 8"},
      {"wrong size", "{\"a\":" ENTRY("F32", "[3]", "[0,8]") "}", -1, 8,
       "has 8 bytes, its shape and dtype need 12"},
      {"overlap", "{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", "[4,12]") "}", -1, 12,
       "tensor b begins at byte 4"},
      {"gap", "{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[8,12]") "}", -1, 12,
       "tensor b begins at byte 8"},
      {"first gap", "{\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", -1, 8, "tensor a begins at byte 4"},
      {"trailing data", "{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", -1, 9,
       "end at byte 4 of the data, which has 9"},
      {"metadata", "{\"__metadata__\": {\"epoch\": 3}}", -1, 0, "__metadata__ is not an object of texts"},
      {"metadata list", "{\"__metadata__\": []}", -1, 0, "__metadata__ is not an object of texts"},
      {"nothing in it", "{}", -1, 0, "lacks tensor fc.weight"},
  };
  Toy toy;
  toy_open(&toy, MLA_F32, 1);
  const char *path = path_in(make_folder("damage"), "x");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    MlaError error = {0};
    write_tensors(path, cases[i].header, cases[i].length, cases[i].n_bytes);
    EXPECT_ERROR(cases[i].what, mla_checkpoint_load(&toy.loaded, path, false, NULL, &error), error, path,
                 cases[i].message);
  }
  toy_close(&toy);
}

// A good checkpoint cut at every length, and with every byte of its header changed: a message or, where the
// change is harmless, success; never a crash.
static void test_cuts_and_flips(void) {
  static unsigned char bytes[1 << 14];
  const char *folder = make_folder("flips");
  Toy toy;
  MlaError error = {0};
  toy_open(&toy, MLA_F32, 1);
  scramble(&toy);
  CHECK_GOOD(mla_checkpoint_save(&toy.loaded, path_in(folder, "x"), &place, &error), error);
  FILE *file = fopen(path_in(folder, "x"), "rb");
  size_t n = fread(bytes, 1, sizeof bytes, file), header = bytes[0] + 256u * bytes[1];
  fclose(file);
  int n_refused = 0;
  for (size_t length = 0; length < n; length += 7) {
    write_bytes(folder, "cut", bytes, length);
    CHECK(!mla_checkpoint_load(&toy.loaded, path_in(folder, "cut"), false, NULL, &(MlaError){0}));
  }
  for (size_t i = 0; i < 8 + header; i++)
    for (int flip = 1; flip < 256; flip = flip * 5 + 1) {
      bytes[i] ^= (unsigned char)flip;
      write_bytes(folder, "flip", bytes, n);
      n_refused += !mla_checkpoint_load(&toy.loaded, path_in(folder, "flip"), false, NULL, &(MlaError){0});
      bytes[i] ^= (unsigned char)flip;
    }
  printf("ok %d of %zu changed headers refused\n", n_refused, 4 * (8 + header));
  toy_close(&toy);
}

static void test_places(void) {
  const char *folder = make_folder("places");
  Toy toy;
  MlaError error = {0};
  toy_open(&toy, MLA_F32, 1);
  CHECK(!mla_checkpoint_load(&toy.loaded, path_in(folder, "none"), false, NULL, &error));
  EXPECT_ERROR("missing", false, error, "cannot open", "No such file");
  error = (MlaError){0};
  EXPECT_ERROR("folder", mla_checkpoint_load(&toy.loaded, folder, false, NULL, &error), error,
               "is not a file");
  error = (MlaError){0};
  EXPECT_ERROR("device", mla_checkpoint_load(&toy.loaded, "/dev/zero", false, NULL, &error), error,
               "is not a file");
  error = (MlaError){0};
  EXPECT_ERROR("no folder", mla_checkpoint_save(&toy.loaded, path_in(folder, "no/x"), &place, &error), error,
               "cannot write", "No such file");
  error = (MlaError){0};
  *(float *)mla_state(&toy.loaded, S_RUNNING).address = INFINITY;
  EXPECT_ERROR("not finite", mla_checkpoint_save(&toy.loaded, path_in(folder, "x"), &place, &error), error,
               "bn.running_mean holds numbers that are not finite");
  CHECK(n_files(folder) == 0);
  toy_close(&toy);
}

// Every file size limit up to the checkpoint's size is a full disk at another byte.
static void test_full_disk(void) {
  const char *folder = make_folder("full");
  Toy toy, other;
  MlaError error = {0};
  toy_open(&toy, MLA_F32, 1);
  toy_open(&other, MLA_F32, 1);
  scramble(&toy);
  CHECK_GOOD(mla_checkpoint_save(&toy.loaded, path_in(folder, "x"), &place, &error), error);
  struct stat status;
  CHECK(stat(path_in(folder, "x"), &status) == 0);
  struct rlimit old, limit;
  getrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, SIG_IGN);
  for (off_t size = 0; size < status.st_size; size += 111) {
    limit = (struct rlimit){(rlim_t)size, old.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    error = (MlaError){0};
    bool good = mla_checkpoint_save(&toy.loaded, path_in(folder, "x"), &place, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(!good && error.kind == MLA_ERROR_SYSTEM && strstr(error.text, "cannot write") &&
          n_files(folder) == 1);
  }
  printf("ok full disk: %s\n", error.text);
  error = (MlaError){0};
  CHECK_GOOD(mla_init_states(&other.loaded, 77, &error), error);
  CHECK_GOOD(mla_checkpoint_load(&other.loaded, path_in(folder, "x"), false, NULL, &error), error);
  CHECK(toy_same_states(&toy, &other)); // the old file is untouched
  toy_close(&toy);
  toy_close(&other);
}

int main(void) {
  test_round_trip(MLA_F32, "single");
  test_round_trip(MLA_F64, "double");
  test_weights_only();
  test_other_models();
  test_equal_copies();
  test_old_order();
  test_damage();
  test_cuts_and_flips();
  test_places();
  test_full_disk();
  return 0;
}
