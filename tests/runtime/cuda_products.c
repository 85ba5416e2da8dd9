// Launches that say they are products of matrices. What they say is multiplied out here and compared with what the kernel
// computes (emulated), and with what the cuda device asks of cuBLASLt (a stand-in that multiplies on the host): over the
// full batch and an odd one.
#include "compiler/driver/compile.h"
#include "tests/runtime/device_sample.h"

#include <math.h>

static const char model_text[] =
    "data squares { format idx  root \".\"  classes 10 }\n"
    "model small(classes = 10) {\n"
    "  input image[6, 6, 3]\n"
    "  body = image | conv(8, 1) | bn | relu | conv(12, 1) | bn | relu\n"
    "  logits = body | avgpool | linear(16) | relu | linear(classes)\n"
    "}\n"
    "train { optimizer sgd(lr: 0.1)  schedule constant  epochs 1  batch 5  seed 7 }\n";

static void check(bool good, const MlaError *error) {
  if (good) return;
  fprintf(stderr, "%s\n", error->text);
  exit(EXIT_FAILURE);
}

// ---- one launch alone ----

typedef struct Trial {
  const MlaProgram *program;
  int launch;
  int64_t batch;
  MlaMatmul matmul;
  float *left, *right, *result;
} Trial;

static float *noise(int64_t n_bytes, uint64_t seed) {
  float *values = malloc((size_t)n_bytes);
  for (int64_t i = 0; i < n_bytes / 4; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values[i] = (float)(seed >> 40) / (1 << 23) - 1;
  }
  return values;
}

static const MlaBuffer *buffer_of(const Trial *t, int index) {
  return &t->program->buffers[t->program->train.launches[t->launch].buffers[index]];
}

static bool copy(MlaLoaded *loaded, const Trial *t, int index, float *values, bool is_back, MlaError *error) {
  DevPtr at = mla_buffer(loaded, t->program->train.launches[t->launch].buffers[index]);
  const MlaDeviceOps *ops = loaded->device->ops;
  return is_back ? ops->download(loaded, values, at, buffer_of(t, index)->n_bytes, error)
                 : ops->upload(loaded, at, values, buffer_of(t, index)->n_bytes, error);
}

static bool run_loaded(MlaLoaded *loaded, const Trial *t, MlaError *error) {
  const MlaProduct *p = &t->program->train.launches[t->launch].product;
  return copy(loaded, t, p->left, t->left, false, error) &&
         copy(loaded, t, p->right, t->right, false, error) &&
         copy(loaded, t, p->result, t->result, false, error) &&
         loaded->device->ops->run(loaded, &loaded->program->train, t->batch, error) &&
         copy(loaded, t, p->result, t->result, true, error);
}

static bool run_alone(const char *name, const Trial *t, MlaError *error) {
  MlaProgram alone = *t->program;
  MlaLaunch launch = t->program->train.launches[t->launch];
  MlaKernel kernel = t->program->kernels[launch.kernel];
  MlaDevice device;
  MlaDeviceOptions options = {.threads = 2, .matmul = t->matmul};
  launch.kernel = 0;
  alone.kernels = &kernel, alone.n_kernels = 1;
  alone.train.launches = &launch, alone.train.n_launches = 1;
  alone.eval.n_launches = alone.train.n_prepare = alone.eval.n_prepare = 0;
  if (!mla_device_open(&device, name, &options, error)) return false;
  MlaLoaded *loaded = device.ops->load(&device, &alone, error);
  bool good = loaded && run_loaded(loaded, t, error);
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
  return good;
}

// ---- what the launch says ----

static double product_at(const Trial *t, const MlaProduct *p, int64_t row, int64_t column) {
  int64_t rows = p->rows_by_image ? p->rows * t->batch : p->rows;
  int64_t terms = p->terms_by_image ? p->terms * t->batch : p->terms;
  double sum = 0;
  for (int64_t k = 0; k < terms; k++)
    sum += (double)t->left[p->left_transposed ? k * rows + row : row * terms + k] *
           (double)t->right[p->right_transposed ? column * terms + k : k * p->columns + column];
  return sum;
}

static bool is_product(const Trial *t) {
  const MlaProduct *p = &t->program->train.launches[t->launch].product;
  int64_t rows = p->rows_by_image ? p->rows * t->batch : p->rows;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t column = 0; column < p->columns; column++) {
      double expected = product_at(t, p, row, column), found = t->result[row * p->columns + column];
      if (fabs(expected - found) <= 1e-4 * (1 + fabs(expected))) continue;
      printf("     row %lld, column %lld: %g, expected %g\n", (long long)row, (long long)column, found,
             expected);
      return false;
    }
  return true;
}

static Trial new_trial(const MlaProgram *program, int launch, int64_t batch) {
  Trial t = {.program = program, .launch = launch, .batch = batch, .matmul = MLA_MATMUL_LIBRARY};
  const MlaProduct *p = &program->train.launches[launch].product;
  t.left = noise(buffer_of(&t, p->left)->n_bytes, 1);
  t.right = noise(buffer_of(&t, p->right)->n_bytes, 2);
  t.result = noise(buffer_of(&t, p->result)->n_bytes, 3);
  return t;
}

static void end_trial(Trial *t) {
  free(t->left);
  free(t->right);
  free(t->result);
}

static void check_launch(Tally *tally, const MlaProgram *program, int launch) {
  static const char *const devices[] = {"emulated-cuda", "cuda"};
  bool good = true;
  for (int i = 0; i < 4; i++) {
    MlaError error = {0};
    Trial t = new_trial(program, launch, i / 2 ? 3 : program->recipe.batch);
    bool ran = run_alone(devices[i % 2], &t, &error);
    if (!ran) printf("     %s: %s\n", devices[i % 2], error.text);
    good = ran && is_product(&t) && good;
    end_trial(&t);
  }
  expect(tally, good, program->train.launches[launch].name);
}

// ---- the library's faults ----

static void check_faults(Tally *tally, const MlaProgram *program, int launch) {
  MlaError error = {0};
  Trial t = new_trial(program, launch, program->recipe.batch);
  float *before = noise(buffer_of(&t, program->train.launches[launch].product.result)->n_bytes, 3);
  size_t n_bytes = (size_t)buffer_of(&t, program->train.launches[launch].product.result)->n_bytes;
  setenv("FAKE_CUBLASLT", "none", 1); // the stand-in's kernels do nothing
  expect(tally, run_alone("cuda", &t, &error) && !memcmp(before, t.result, n_bytes),
         "no algorithm: our kernel is launched");
  setenv("FAKE_CUBLASLT", "broken", 1);
  expect_error(tally, run_alone("cuda", &t, &error), &error, "cuBLASLt refuses a product of ");
  unsetenv("FAKE_CUBLASLT");
  t.matmul = MLA_MATMUL_CHOSEN;
  error = (MlaError){0};
  expect(tally, run_alone("cuda", &t, &error) && !memcmp(before, t.result, n_bytes),
         "a small product is our kernel's");
  setenv("MLAANC_CUDA_CHECK", "1", 1);
  t.matmul = MLA_MATMUL_LIBRARY;
  expect(tally, run_alone("cuda", &t, &error) && is_product(&t), "launch by launch: the library's");
  unsetenv("MLAANC_CUDA_CHECK");
  end_trial(&t);
  free(before);
}

static void run_or_exit(char *command) {
  if (!command || system(command) != 0) exit(EXIT_FAILURE);
  free(command);
}

static void check_missing(Tally *tally, const MlaProgram *program, int launch, const char *folder) {
  MlaError error = {0};
  Trial t = new_trial(program, launch, program->recipe.batch);
  char *other = test_folder("without"), *command = NULL;
  if (asprintf(&command, "ln -s '%s'/libcudart.so.13 '%s'/libnvrtc.so.13 '%s'", folder, folder, other) < 0)
    exit(EXIT_FAILURE);
  run_or_exit(command);
  setenv("MLAANC_CUDA", other, 1);
  expect_error(tally, run_alone("cuda", &t, &error), &error, "no cuBLASLt: libcublasLt.so.13");
  t.matmul = MLA_MATMUL_CHOSEN;
  error = (MlaError){0};
  expect(tally, run_alone("cuda", &t, &error), "without it, unless asked for, our kernels do");
  end_trial(&t);
  free(other);
}

// ---- the test ----

// Both libraries are one file, so that products are nodes of the stand-in's captures.
static char *make_libraries(void) {
  char *folder = test_folder("cuda"), *command = NULL;
  const char *source = getenv("MLAANC_SOURCE") ? getenv("MLAANC_SOURCE") : ".";
  if (asprintf(&command,
               "cd '%s' && cc -x c -shared -fPIC -o libcudart.so.13 '%s/tests/support/fake_cublaslt.h' && "
               "ln -s libcudart.so.13 libcublasLt.so.13 && "
               "cc -x c -shared -fPIC -o libnvrtc.so.13 '%s/tests/support/fake_nvrtc.h'",
               folder, source, source) < 0)
    exit(EXIT_FAILURE);
  run_or_exit(command);
  setenv("MLAANC_CUDA", folder, 1);
  return folder;
}

static char *write_model(void) {
  char *folder = test_folder("model"), *path;
  if (asprintf(&path, "%s/small.mlaan", folder) < 0) exit(EXIT_FAILURE);
  FILE *file = fopen(path, "w");
  if (!file || fputs(model_text, file) < 0 || fclose(file) != 0) exit(EXIT_FAILURE);
  free(folder);
  return path;
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  char *folder = make_libraries(), *model = write_model();
  Options options = {.input = model, .device = "emulated-cuda", .batch = -1, .epochs = -1, .seed = -1};
  options.vector_bytes = options.overlap = -1;
  Compilation compilation;
  if (compile_begin(&compilation, &options) != STATUS_OK) return EXIT_FAILURE;
  const MlaProgram *program = compilation.program;
  int n = 0, last = -1;
  for (int i = 0; i < program->train.n_launches; i++) {
    if (!program->train.launches[i].product.columns) continue;
    check_launch(&tally, program, last = i);
    n++;
  }
  printf("%d products in %d launches\n", n, program->train.n_launches);
  // Products that take something in are their kernels' affair; gradients of linear layers do not.
  expect(&tally, n >= 3, "the gradients of linear layers, at least, are plain products");
  MlaError error = {0};
  check(last >= 0 || mla_fail(&error, MLA_ERROR_SYSTEM, "no product"), &error);
  check_faults(&tally, program, last);
  check_missing(&tally, program, last, folder);
  compile_end(&compilation);
  free(model);
  free(folder);
  return tally.n_failed != 0;
}
