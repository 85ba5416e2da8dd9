// Programs as files: what is saved is what is loaded, byte for byte; a loaded program runs; damaged plans are
// errors that name the key; a full disk is an error.
#include "runtime/program_json.h"
#include "tests/runtime/device_sample.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static char *read_text(const char *dir, const char *name) {
  char *path, *text = NULL;
  size_t capacity = 0;
  if (asprintf(&path, "%s/%s", dir, name) < 0) exit(1);
  FILE *file = fopen(path, "r");
  free(path);
  if (!file) return strdup("");
  if (getdelim(&text, &capacity, 0, file) < 0) *(text = realloc(text, 1)) = 0;
  fclose(file);
  return text;
}

static void write_text(const char *dir, const char *name, const char *text) {
  char *path;
  if (asprintf(&path, "%s/%s", dir, name) < 0) exit(1);
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) perror(path);
  free(path);
}

static char *subfolder(const char *parent, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", parent, name) < 0) exit(1);
  return path;
}

static bool same_texts(const char *a, const char *b, const char *name) {
  char *x = read_text(a, name), *y = read_text(b, name);
  bool same = x[0] && strcmp(x, y) == 0;
  free(x);
  free(y);
  return same;
}

static bool same_launch(const MlaLaunch *a, const MlaLaunch *b) {
  return strcmp(a->name, b->name) == 0 && a->kernel == b->kernel && a->n_buffers == b->n_buffers &&
         memcmp(a->buffers, b->buffers, sizeof *a->buffers * (size_t)a->n_buffers) == 0 &&
         a->parts == b->parts && memcmp(&a->grid, &b->grid, sizeof a->grid) == 0 && a->module == b->module &&
         a->flops == b->flops && a->n_bytes == b->n_bytes && !a->shape == !b->shape &&
         (!a->shape || (strcmp(a->shape, b->shape) == 0 && strcmp(a->source, b->source) == 0));
}

static bool same_program(const MlaProgram *a, const MlaProgram *b) {
  bool same = a->target == b->target && a->n_buffers == b->n_buffers && a->n_kernels == b->n_kernels &&
              a->n_states == b->n_states && a->train.n_launches == b->train.n_launches &&
              strcmp(a->prelude, b->prelude) == 0 &&
              memcmp(a->region_bytes, b->region_bytes, sizeof a->region_bytes) == 0 &&
              a->recipe.seed == b->recipe.seed && a->recipe.start == b->recipe.start &&
              a->recipe.every == b->recipe.every && a->recipe.lr == b->recipe.lr &&
              memcmp(a->recipe.milestones, b->recipe.milestones, sizeof a->recipe.milestones) == 0 &&
              a->data.std[0] == b->data.std[0] && !b->data.root && b->data.flip && a->elem == b->elem;
  for (int i = 0; i < a->train.n_launches && same; i++)
    same = same_launch(&a->train.launches[i], &b->train.launches[i]);
  for (int i = 0; i < a->n_kernels && same; i++)
    same = strcmp(a->kernels[i].text, b->kernels[i].text) == 0 &&
           a->kernels[i].scratch_bytes == b->kernels[i].scratch_bytes &&
           a->kernels[i].threads == b->kernels[i].threads &&
           a->kernels[i].shared_bytes == b->kernels[i].shared_bytes &&
           !a->kernels[i].file == !b->kernels[i].file;
  for (int i = 0; i < a->n_buffers && same; i++) same = strcmp(a->buffers[i].name, b->buffers[i].name) == 0;
  for (int i = 0; i < a->n_states && same; i++)
    same = strcmp(a->states[i].name, b->states[i].name) == 0 && a->states[i].init == b->states[i].init &&
           a->states[i].source == b->states[i].source && a->states[i].is_aux == b->states[i].is_aux;
  return same && memcmp(a->states[4].init_values, b->states[4].init_values, 4 * sizeof(double)) == 0;
}

static void check_round_trip(Tally *tally, const char *parent) {
  Sample sample;
  MlaError error = {0};
  char *first = subfolder(parent, "made/on/demand"), *second = subfolder(parent, "second");
  const MlaProgram *made = sample_make(&sample);
  expect(tally, mla_program_save(made, first, &error), "saved");
  MlaProgram *loaded = mla_program_load(first, &error);
  if (!loaded) printf("     %s\n", error.text);
  expect(tally, loaded && same_program(made, loaded), "loaded: the same program");
  expect(tally,
         loaded && mla_program_save(loaded, second, &error) && same_texts(first, second, "plan.json") &&
             same_texts(first, second, "prelude.h") && same_texts(first, second, "kernels/sample_loss.c"),
         "saved again: the same bytes");
  expect(tally, loaded && mla_program_save(loaded, second, &error), "saved over itself");
  mla_program_free(loaded);
  free(first);
  free(second);
}

static void check_runs(Tally *tally, const char *parent) {
  Sample sample;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.threads = 2, .cache_dir = parent};
  float loss[2] = {-1, -2}, image[SAMPLE_PIXELS] = {1, 2, 3};
  char *dir = subfolder(parent, "second");
  MlaProgram *loaded = mla_program_load(dir, &error);
  const MlaProgram *programs[] = {sample_make(&sample), loaded};
  bool good = loaded && mla_device_open(&device, "cpu", &options, &error);
  for (int i = 0; i < 2 && good; i++) {
    MlaLoaded *on_device = device.ops->load(&device, programs[i], &error);
    good = on_device &&
           device.ops->upload(on_device, mla_buffer(on_device, BUF_IMAGE), image, sizeof image, &error) &&
           device.ops->run(on_device, &programs[i]->train, 1, &error) &&
           device.ops->download(on_device, &loss[i], mla_buffer(on_device, BUF_LOSS), sizeof *loss, &error);
    if (on_device) device.ops->unload(on_device);
  }
  expect(tally, good && loss[0] == loss[1] && loss[0] > 4, "the loaded program runs as the made one");
  if (good) mla_device_close(&device);
  mla_program_free(loaded);
  free(dir);
}

// Replaces the first `from` of plan.json that comes after `after`.
static void corrupt(const char *dir, const char *plan, const char *after, const char *from, const char *to) {
  const char *at = strstr(plan, after);
  at = at ? strstr(at, from) : NULL;
  if (!at) {
    printf("     the plan has no `%s` after `%s`\n", from, after);
    exit(1);
  }
  char *text;
  if (asprintf(&text, "%.*s%s%s", (int)(at - plan), plan, to, at + strlen(from)) < 0) exit(1);
  write_text(dir, "plan.json", text);
  free(text);
}

typedef struct Corruption {
  const char *after, *from, *to, *expected;
} Corruption;

static void check_corruption(Tally *tally, const char *dir, const char *plan, const Corruption *with) {
  MlaError error = {0};
  corrupt(dir, plan, with->after, with->from, with->to);
  MlaProgram *loaded = mla_program_load(dir, &error);
  expect_error(tally, loaded, &error, with->expected);
  mla_program_free(loaded);
}

// What only a program for CUDA has: its files' names, threads, shared memory and grids.
static void check_cuda(Tally *tally, const char *parent) {
  static const Corruption cases[] = {
      {"", "\"target\": \"cuda\"", "\"target\": \"cpu\"", "kernels/sample_forward.c: No such file"},
      {"\"kernels\"", "\"threads\": 64", "\"threads\": 0", "kernels[0].threads: 0 is not between 1 and 1024"},
      {"\"kernels\"", "\"threads\": 64", "\"threads\": 1025", "kernels[0].threads: 1025 is not between"},
      {"\"kernels\"", "\"threads\": 64, ", "", "kernels[0].threads: missing"},
      {"\"kernels\"", "\"shared_bytes\": 28", "\"shared_bytes\": -1", "kernels[1].shared_bytes: -1 is not"},
      {"\"kernels\"", "\"shared_bytes\": 28", "\"shared_bytes\": 999999999",
       "kernels[1].shared_bytes: 999999999 is not"},
      {"\"train\"", "\"per_block\": 64", "\"per_block\": 0",
       "train.launches[0].grid.per_block: 0 is not between 1"},
      {"\"train\"", "\"per_image\": 16", "\"per_image\": -16",
       "train.launches[0].grid.per_image: -16 is not"},
      {"\"train\"", "\"per_image\": 16", "\"per_image\": 99999999999",
       "train.launches[0].grid: 12500000000 is not between 1 and 2147483647"},
      {"\"train\"", "\"fixed\": 7", "\"fixed\": -7", "train.launches[1].grid.fixed: -7 is not between"},
      {"\"train\"", "\"most\": 0", "\"most\": -1", "train.launches[0].grid.most: -1 is not between"},
      {"\"train\"", "\"grid\": {", "\"grid\": {\"z\": 1, ", "train.launches[0].grid: unknown key \"z\""},
      {"\"train\"", "\"grid\": {", "\"grid\": 3, \"x\": {", "train.launches[0].grid: expected a record"},
  };
  Sample sample;
  MlaError error = {0};
  char *dir = subfolder(parent, "cuda"), *text = subfolder(dir, "kernels/sample_loss.cu");
  const MlaProgram *made = sample_make_cuda(&sample);
  expect(tally, mla_program_save(made, dir, &error) && access(text, F_OK) == 0, "kernels of CUDA are .cu");
  MlaProgram *loaded = mla_program_load(dir, &error);
  if (!loaded) printf("     %s\n", error.text);
  expect(tally, loaded && same_program(made, loaded), "loaded: the same program for CUDA");
  mla_program_free(loaded);
  char *plan = read_text(dir, "plan.json");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_corruption(tally, dir, plan, &cases[i]);
  free(plan);
  free(text);
  free(dir);
}

static void check_corruptions(Tally *tally, const char *dir) {
  static const Corruption cases[] = {
      {"", "{", "", "plan.json:2:9: "},
      {"", "\"mlaanc plan\"", "\"other\"", "\"format\" does not say"},
      {"", "\"version\": 10", "\"version\": 99", "has version 99; this program reads version 10"},
      {"\"kernels\"", "\"file\": \"sample_loss\"", "\"file\": \"../up\"",
       "kernels[3].file: not a C identifier"},
      {"\"kernels\"", "\"file\": \"sample_loss\"", "\"file\": \"sample_partial\"",
       "kernels/sample_partial.c: there is no line `// ==== sample_update`"},
      {"", "\"model\"", "\"modle\"", "model: missing"},
      {"", "\"model\"", "\"extra\": 1, \"model\"", "unknown key \"extra\""},
      {"", "\"model\": \"sample\"", "\"model\": \"a\", \"model\": \"b\"", "duplicate"},
      {"", "\"target\": \"cpu\"", "\"target\": \"gpu\"", "target: expected one of cpu, cuda"},
      {"", "\"target\"", "\"targte\"", "target: missing"},
      {"", "\"elem\": \"f32\"", "\"elem\": \"f16\"", "elem: expected one of f32, f64, i32"},
      {"", "\"elem\": \"f32\"", "\"elem\": \"i32\"", "elem: neither f32 nor f64"},
      {"\"region_bytes\"", "4096", "-1", "region_bytes[0]: -1 is not between"},
      {"\"region_bytes\"", "4096, ", "", "region_bytes: 7 values; the rest of the record implies 8"},
      {"\"recipe\"", "\"batch\": 8", "\"batch\": 0", "recipe.batch: 0 is not between"},
      {"\"recipe\"", "\"batch\": 8", "\"batch\": 9", "train.image: buffer 0 has 512 bytes; 576 are needed"},
      {"\"recipe\"", "\"batch\": 8", "\"batch\": 8.5", "recipe.batch: expected a whole number"},
      {"\"recipe\"", "\"nesterov\": true", "\"nesterov\": 1", "recipe.nesterov: expected true or false"},
      {"\"recipe\"", "[3, 5]", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
       "recipe.milestones: 17 values are too many"},
      {"\"recipe\"", "\"epochs\": 7", "\"epochs\": 99999999999", "recipe.epochs: 99999999999 is too large"},
      {"\"recipe\"", "\"epochs\": 7", "\"epochs\": 99999999999999999999", "too big integer"},
      {"\"recipe\"", "\"momentum\": ", "\"momentum\": 1e999, \"x\": ", "real number overflow"},
      {"\"data\"", "\"channels\": 1", "\"channels\": 17", "data.channels: 17 is not between"},
      {"\"data\"", "\"std\": [", "\"std\": [1, ", "data.std: 2 values; the rest of the record implies 1"},
      {"\"data\"", "\"std\": [0", "\"std\": [-0", "data.std[0]: mean and std must be finite"},
      {"\"states\"", "\"region\": \"param\"", "\"region\": \"work\"",
       "states[0]: a state cannot be in the work region"},
      {"\"states\"", "\"offset\": 0", "\"offset\": 4", "states[0]: bytes 4 to 68 leave their region of 64"},
      {"\"states\"", "\"dim\": [4, 4]", "\"dim\": [4, 99999999999]",
       "states[0].dim[1]: 99999999999 is not between"},
      {"\"states\"", "\"dim\": [4, 4]", "\"dim\": [4]", "states[0]: the layout needs rank 2"},
      {"\"ema.weight\"", "\"source\": 0", "\"source\": 2",
       "states[2].source: state 2 is a copy that comes later"},
      {"\"ema.weight\"", "\"source\": 0", "\"source\": 5", "states[2].source: 5 is not a state: there are 5"},
      {"\"table\"", "\"init_values\": [", "\"init_values\": [1.5, ", "states[4].init_values: 5 values"},
      {"\"table\"", "\"dim\": [4]", "\"dim\": [-4]", "states[4].init_values: 4 values"},
      {"\"losses\"", "\"term\": 6", "\"term\": 8", "losses[0].term: 8 is not a buffer: there are 8"},
      {"\"losses\"", "\"module\": 1", "\"module\": 2", "losses[0].module: 2 is not a module"},
      {"\"buffers\"", "\"n_bytes\": 512", "\"n_bytes\": 5120",
       "buffers[0]: bytes 0 to 5120 leave their region"},
      {"\"buffers\"", "\"offset\": 512", "\"offset\": 513", "buffers[1]: offset 513 is not a multiple of 4"},
      {"\"buffers\"", "\"name\": \"image\"", "\"name\": null", "buffers[0].name: expected a text"},
      {"\"kernels\"", "sample_partial", "../../evil", "kernels[1].symbol: not a C identifier"},
      {"\"kernels\"", "sample_partial", "sample_missing", "kernels/sample_missing.c: No such file"},
      {"\"kernels\"", "sample_partial", "sample_forward", "kernels: two are called `sample_forward`"},
      {"\"kernels\"", "2800", "-5", "kernels[1].scratch_bytes: -5 is not between"},
      {"\"train\"", "\"keys\": -1", "\"keys\": 8", "train.keys: 8 is not a buffer: there are 8"},
      {"\"train\"", "\"kernel\": 3", "\"kernel\": 4",
       "train.launches[3].kernel: 4 is not a kernel: there are 4"},
      {"\"train\"", "\"kernel\": 3", "\"kernel\": -1",
       "train.launches[3]: neither a kernel nor a host function"},
      {"\"train\"", "\"parts\": 7", "\"parts\": 0", "train.launches[1].parts: 0 is not between"},
      {"\"train\"", "[0, 7, 3]", "[0, 7, 300]", "train.launches[0].buffers[2]: 300 is not a buffer"},
      {"\"train\"", "[0, 7, 3]", "{\"a\": 1}", "train.launches[0].buffers: expected a list"},
      {"\"eval\"", "\"launches\": [", "\"launches\": [3, ", "eval.launches[0]: expected a record"},
      {"\"eval\"", "\"image\": 0", "\"image\": 1", "eval.image: buffer 1 has 32 bytes; 512 are needed"},
      {"\"eval\"", "\"work_bytes\": 2048", "\"work_bytes\": 20480", "eval.work_bytes: 20480 is not between"},
  };
  char *plan = read_text(dir, "plan.json");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_corruption(tally, dir, plan, &cases[i]);
  // Cut anywhere, it is an error.
  size_t n = strlen(plan), n_bad = 0;
  for (size_t cut = 0; cut + 2 < n; cut += 97) {
    char *text = strndup(plan, cut);
    MlaError error = {0};
    write_text(dir, "plan.json", text);
    MlaProgram *loaded = mla_program_load(dir, &error);
    n_bad += loaded || error.kind != MLA_ERROR_INPUT || !strstr(error.text, "plan.json");
    mla_program_free(loaded);
    free(text);
  }
  expect(tally, n_bad == 0, "a plan cut short is always an error");
  write_text(dir, "plan.json", plan);
  free(plan);
}

static void check_files(Tally *tally, const char *dir) {
  MlaError error = {0};
  expect_error(tally, mla_program_load("/nowhere", &error), &error,
               "cannot read /nowhere/plan.json: No such file");
  char *path = subfolder(dir, "prelude.h"), *other = subfolder(dir, "prelude.saved");
  error = (MlaError){0};
  rename(path, other);
  expect_error(tally, mla_program_load(dir, &error), &error, "prelude.h: No such file");
  mkdir(path, 0700);
  error = (MlaError){0};
  expect_error(tally, mla_program_load(dir, &error), &error, "prelude.h: no plain file");
  rmdir(path);
  rename(other, path);
  error = (MlaError){0};
  MlaProgram *loaded = mla_program_load(dir, &error);
  expect(tally, loaded, "whole again");
  mla_program_free(loaded);
  free(path);
  free(other);
}

static void host_nothing(const void *call, void *const *buf, int64_t batch) {
  (void)call, (void)buf, (void)batch;
}

static void check_refused(Tally *tally, const char *parent) {
  Sample sample;
  char *dir = subfolder(parent, "refused"), *under_file = subfolder(parent, "a-file/plan");
  sample_make(&sample);
  sample.train[2].kernel = -1, sample.train[2].host = host_nothing;
  MlaError error = {0};
  expect_error(tally, mla_program_save(&sample.program, dir, &error), &error, "cannot be saved");
  sample_make(&sample);
  sample.buffers[2].name = "\xff\xfe";
  error = (MlaError){0};
  expect_error(tally, mla_program_save(&sample.program, dir, &error), &error, "is not UTF-8");
  sample_make(&sample);
  sample.kernels[0].symbol = "a/b";
  error = (MlaError){0};
  expect_error(tally, mla_program_save(&sample.program, dir, &error), &error, "not a C identifier");
  write_text(parent, "a-file", "");
  error = (MlaError){0};
  expect_error(tally, mla_program_save(sample_make(&sample), under_file, &error), &error, "Not a directory");
  free(dir);
  free(under_file);
}

// Where no file may grow beyond 1000 bytes, saving fails and the plan that was there stays.
static void check_full_disk(Tally *tally, const char *dir) {
  Sample sample;
  MlaError error = {0};
  char *before = read_text(dir, "plan.json");
  struct rlimit usual, small;
  getrlimit(RLIMIT_FSIZE, &usual);
  small = (struct rlimit){1000, usual.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  bool saved = mla_program_save(sample_make(&sample), dir, &error);
  setrlimit(RLIMIT_FSIZE, &usual);
  expect_error(tally, saved, &error, "plan.json: File too large");
  char *after = read_text(dir, "plan.json"), *temp = subfolder(dir, "plan.json.tmp");
  expect(tally, strcmp(before, after) == 0 && access(temp, F_OK) != 0,
         "the old plan stays, nothing else is left");
  free(before);
  free(after);
  free(temp);
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  char *parent = test_folder("plans"), *dir = subfolder(parent, "second");
  check_round_trip(&tally, parent);
  check_runs(&tally, parent);
  check_corruptions(&tally, dir);
  check_cuda(&tally, parent);
  check_files(&tally, dir);
  check_refused(&tally, parent);
  check_full_disk(&tally, dir);
  free(dir);
  free(parent);
  return tally.n_failed != 0;
}
