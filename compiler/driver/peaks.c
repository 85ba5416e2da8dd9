// Two kernels with the program's own prelude and flags, run by the device as any program: multiply-adds in registers, and a
// copy of more than the caches hold. So vectors, compiler and threads are those of what is compared with them. Runs are a few
// milliseconds, and what other processes slow down counts for nothing: the most that was ever measured is kept.
#include "compiler/driver/peaks.h"
#include "runtime/device/choice_cache.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_CHAINS = 12, CHAIN_STEPS = 200000, COPIED_BYTES = 96 << 20, PARTS_A_THREAD = 4, N_TRIES = 16 };

// `%s` is one step of a chain: s * a + b, or what multiplies pairs of bf16.
static const char *const chains_text =
    "#define CHAIN(s) s = %s\n"
    "void peak_chains(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
    "  (void)scratch, (void)parts;\n"
    "  MLA_USE(MLA_LANES)\n"
    "  const real *from = buf[0];\n"
    "  const vec a = mla_vec(from[0]), b = mla_vec(from[1]);\n"
    "  vec s0 = b, s1 = a + 1, s2 = a + 2, s3 = a + 3, s4 = a + 4, s5 = a + 5;\n"
    "  vec s6 = a + 6, s7 = a + 7, s8 = a + 8, s9 = a + 9, s10 = a + 10, s11 = a + 11;\n"
    "  for (long i = 0; i < batch * 200000; i++) {\n"
    "    CHAIN(s0), CHAIN(s1), CHAIN(s2), CHAIN(s3), CHAIN(s4), CHAIN(s5);\n"
    "    CHAIN(s6), CHAIN(s7), CHAIN(s8), CHAIN(s9), CHAIN(s10), CHAIN(s11);\n"
    "    __asm__ volatile(\"\");\n"
    "  }\n"
    "  mla_store((real *)buf[1] + 64 * part, s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);\n"
    "}\n";
static const char *const copy_text =
    "void peak_copy(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
    "  (void)scratch;\n"
    "  MLA_USE(MLA_LANES)\n"
    "  const real *from = buf[0];\n"
    "  real *to = buf[1];\n"
    "  const long n = batch * %d / (long)sizeof(vec), end = n * (part + 1) / parts;\n"
    "  for (long i = n * part / parts; i < end; i++)\n"
    "    mla_store(to + i * MLA_LANES, mla_load(from + i * MLA_LANES));\n"
    "}\n";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// "AMD EPYC 9755 128-Core Processor"
static const char *processor(Arena *arena) {
  char line[256];
  const char *name = "unknown";
  FILE *file = fopen("/proc/cpuinfo", "r");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (!colon || strncmp(line, "model name", 10) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    name = arena_strdup(arena, colon + 1 + (colon[1] == ' '));
    break;
  }
  if (file) fclose(file);
  return name;
}

static int lanes_of(const MlaProgram *program) {
  const char *place = strstr(program->prelude, "#define MLA_LANES ");
  return place ? atoi(place + strlen("#define MLA_LANES ")) : 0;
}

// ---- measuring ----

static bool time_best(MlaLoaded *loaded, const MlaStep *step, double *least) {
  MlaError error = {0};
  *least = DBL_MAX;
  for (int i = 0; i < N_TRIES; i++) {
    double start = now();
    if (!loaded->device->ops->run(loaded, step, 1, &error)) return false;
    double seconds = now() - start;
    if (seconds < *least) *least = seconds;
  }
  return true;
}

static bool multiplies_pairs(const MlaProgram *program) {
  return program->recipe.precision == MLA_PRECISION_BF16;
}

static bool measure_program(MlaDevice *device, const MlaProgram *program, int lanes) {
  MlaError error = {0};
  double chains, copy;
  MlaLoaded *loaded = device->ops->load(device, program, &error);
  bool good =
      loaded && time_best(loaded, &program->train, &chains) && time_best(loaded, &program->eval, &copy);
  if (loaded) device->ops->unload(loaded);
  if (!good) return false;
  double flops = (multiplies_pairs(program) ? 4.0 : 2.0) * lanes * N_CHAINS * CHAIN_STEPS; // of a part
  device->flop_rate = flops * PARTS_A_THREAD * device->n_workers / chains;
  device->bandwidth = COPIED_BYTES / copy;
  return true;
}

static bool measure(Arena *arena, MlaDevice *device, const MlaProgram *of, int lanes) {
  const int64_t half = COPIED_BYTES / 2;
  const MlaBuffer buffers[] = {{"from", MLA_WORK, of->elem, 0, half}, {"to", MLA_WORK, of->elem, half, half}};
  const int32_t both[] = {0, 1};
  const char *chain = multiplies_pairs(of)
                          ? arena_printf(arena, "mla_dot_%d(s, (u%d)a, (u%d)b)", lanes, lanes, lanes)
                          : "s * a + b";
  const MlaKernel kernels[] = {{.symbol = "peak_chains", .text = arena_printf(arena, chains_text, chain)},
                               {.symbol = "peak_copy", .text = arena_printf(arena, copy_text, (int)half)}};
  const int parts = PARTS_A_THREAD * device->n_workers;
  const MlaLaunch launches[] = {
      {.name = "chains", .kernel = 0, .buffers = both, .n_buffers = 2, .parts = parts},
      {.name = "copy", .kernel = 1, .buffers = both, .n_buffers = 2, .parts = parts}};
  MlaStep step = {.n_launches = 1,
                  .image = -1,
                  .label = -1,
                  .learning_rate = -1,
                  .keys = -1,
                  .output = -1,
                  .work_bytes = 2 * half};
  MlaProgram program = {.model = "peaks",
                        .target = of->target,
                        .elem = of->elem,
                        .prelude = of->prelude,
                        .compile_flags = of->compile_flags,
                        .buffers = buffers,
                        .n_buffers = 2,
                        .kernels = kernels,
                        .n_kernels = 2,
                        .train = step,
                        .eval = step,
                        .region_bytes[MLA_WORK] = 2 * half,
                        .modules = of->modules,
                        .n_modules = of->n_modules,
                        .data = of->data,
                        .recipe = of->recipe};
  program.train.launches = &launches[0];
  program.eval.launches = &launches[1];
  program.recipe.batch = 1;
  return measure_program(device, &program, lanes);
}

// ---- what was measured before ----

static double more_of(double a, double b) {
  return a > b ? a : b;
}

static void add_kept(MlaDevice *device, const char *kind, const char *key) {
  MlaChoices kept;
  MlaError error = {0};
  double flop_rate, bandwidth;
  if (mla_choices_read(NULL, kind, &kept, &error))
    for (int i = 0; i < kept.n; i++) {
      if (strcmp(kept.items[i].key, key) != 0) continue;
      if (sscanf(kept.items[i].value, "%lf %lf", &flop_rate, &bandwidth) != 2) continue;
      device->flop_rate = more_of(device->flop_rate, flop_rate);
      device->bandwidth = more_of(device->bandwidth, bandwidth);
    }
  mla_choices_free(&kept);
}

static void keep(Arena *arena, const MlaDevice *device, const char *kind, const char *key) {
  MlaError error = {0};
  char *value = arena_printf(arena, "%.4g %.4g", device->flop_rate, device->bandwidth);
  MlaChoice choice = {.key = arena_strdup(arena, key), .value = value};
  mla_choices_keep(NULL, kind, &(MlaChoices){&choice, 1}, &error);
}

void peaks_find(Arena *arena, MlaDevice *device, const MlaProgram *program) {
  bool is_c = device->n_workers > 0 && program->target == MLA_TARGET_CPU && program->n_kernels > 0;
  int lanes = is_c ? lanes_of(program) : 0;
  if (lanes < 1 || device->bandwidth > 0) return;
  const char *kind = arena_printf(arena, "peaks of %s", processor(arena));
  const char *key = arena_printf(arena, "%s, %d lanes, %d threads",
                                 mla_precision_name(program->recipe.precision), lanes, device->n_workers);
  bool is_measured = measure(arena, device, program, lanes);
  add_kept(device, kind, key);
  if (is_measured) keep(arena, device, kind, key);
}
