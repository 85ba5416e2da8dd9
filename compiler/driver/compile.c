// sema_load -> pipeline_run -> emit_program, or mla_program_load; and how mistakes of either are said.
#include "compiler/driver/compile.h"
#include "compiler/driver/balance.h"
#include "compiler/driver/locate.h"
#include "compiler/driver/within.h"
#include "runtime/program_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *plan_dir(Arena *arena, const char *input) {
  static const char *const places[] = {"", "/plan"};
  struct stat info;
  if (stat(input, &info) != 0 || !S_ISDIR(info.st_mode)) return NULL;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char *dir = arena_printf(arena, "%s%s", input, places[i]);
    if (access(arena_printf(arena, "%s/plan.json", dir), F_OK) == 0) return dir;
  }
  return NULL;
}

static const MlaDeviceOps *find_device(const Options *options) {
  const char *known[32];
  int n = 0;
  const char *name = options->device ? options->device : "cpu";
  for (const MlaDeviceOps *const *device = mla_device_list(); *device && n < 32; device++) {
    if (strcmp((*device)->name, name) == 0) return *device;
    known[n++] = (*device)->name;
  }
  unknown_name("device", name, known, n);
  return NULL;
}

static EmitTarget emit_target(const Options *options) {
  if (compile_is_reference(options)) return EMIT_REFERENCE;
  return find_device(options)->target == MLA_TARGET_CUDA ? EMIT_CUDA : EMIT_C;
}

bool compile_is_reference(const Options *options) {
  return options->device && strcmp(options->device, "reference") == 0;
}

int report_error(const Options *options, const MlaError *error) {
  static const char *const kinds[] = {"", "input", "system", "memory"};
  fprintf(stderr, "mlaanc: %s\n", error->text);
  if (options->json) {
    json_t *json = json_pack("{s:{s:s,s:s}}", "error", "kind", kinds[error->kind], "message", error->text);
    if (json) json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
  }
  return error->kind == MLA_ERROR_INPUT ? STATUS_MODEL : STATUS_SYSTEM;
}

// ---- options that the compiler's parts read
// -----------------------------------------------------------------------

static int add_number(Arena *arena, Override *overrides, int n, const char *name, int64_t value) {
  if (value < 0) return n;
  overrides[n] = (Override){name, arena_printf(arena, "%lld", (long long)value)};
  return n + 1;
}

// The --set list, then the options that are short for one. False: a value is not NAME=VALUE.
static bool collect_overrides(Arena *arena, const Options *options, SemaOptions *sema) {
  Override *overrides = ARENA_ARRAY(arena, Override, options->sets.n + 4);
  int n = 0;
  for (; n < options->sets.n; n++) {
    const char *text = options->sets.items[n];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
      usage_error("--set takes NAME=VALUE, not `%s`", text);
      return false;
    }
    overrides[n] = (Override){arena_strndup(arena, text, (size_t)(equals - text)), equals + 1};
  }
  n = add_number(arena, overrides, n, "train.batch", options->batch);
  n = add_number(arena, overrides, n, "train.epochs", options->epochs);
  n = add_number(arena, overrides, n, "train.seed", options->seed);
  if (options->precision) overrides[n++] = (Override){"train.precision", options->precision};
  sema->overrides = overrides;
  sema->n_overrides = n;
  return true;
}

static bool is_precision(const char *name) {
  for (int i = 0; i < MLA_N_PRECISIONS; i++) {
    if (strcmp(name, mla_precision_name((MlaPrecision)i)) == 0) return true;
  }
  return false;
}

static bool check_precision(const Options *options) {
  const char *name = options->precision;
  if (!name) return true;
  if (compile_is_reference(options) ? strcmp(name, "f64") == 0 : is_precision(name)) return true;
  usage_error(compile_is_reference(options) ? "the reference device computes in f64, not `%s`"
                                            : "--precision is f32, tf32, bf16 or f64, not `%s`",
              name);
  return false;
}

static bool check_pass(const char *option, const char *name, bool allow_all) {
  const char *known[64];
  int n = 0;
  if (!name) return true;
  for (int i = 0; i < pipeline_n_passes() && n < 63; i++) {
    if (strcmp(pipeline_pass_name(i), name) == 0) return true;
    known[n++] = pipeline_pass_name(i);
  }
  if (allow_all && strcmp(name, "all") == 0) return true;
  unknown_name(option, name, known, n);
  return false;
}

static bool check_disabled(const Options *options) {
  for (int i = 0; i < options->disabled.n; i++) {
    const char *name = options->disabled.items[i];
    if (!check_pass("pass to --disable", name, false)) return false;
    for (int k = 0; k < pipeline_n_passes(); k++) {
      if (strcmp(pipeline_pass_name(k), name) != 0 || pipeline_pass_is_optional(k)) continue;
      usage_error("the pass `%s` cannot be left out", name);
      return false;
    }
  }
  return true;
}

// Everything about the options that can be wrong before a file is opened.
static bool check_vector_bytes(const Options *options) {
  int64_t n = options->vector_bytes;
  if (n == -1 || n == 16 || n == 32 || n == 64) return true;
  usage_error("--vector-bytes is 64, 32 or 16, not %lld", (long long)n);
  return false;
}

static bool check_matmul(const Options *options) {
  const char *who = options->matmul;
  if (!who || strcmp(who, "own") == 0 || strcmp(who, "library") == 0) return true;
  usage_error("--matmul is own or library, not `%s`", who);
  return false;
}

static bool check_options(const Options *options) {
  return find_device(options) && check_precision(options) && check_vector_bytes(options) &&
         check_matmul(options) && check_pass("pass to --dump-before", options->dump_before, true) &&
         check_pass("pass to --dump-after", options->dump_after, true) &&
         check_pass("pass to --stop-after", options->stop_after, false) && check_disabled(options);
}

// ---- the road
// -----------------------------------------------------------------------------------------------------

static void print_diagnostics(const Compilation *c, const Options *options) {
  if (options->is_silent) return;
  diag_print(c->diag, stderr, isatty(STDERR_FILENO));
  if (options->json && diag_error_count(c->diag) > 0) diag_print_json(c->diag, stdout);
}

static bool parse_memory(const Options *options, int64_t *limit) {
  if (!within_parse(options->memory, limit)) {
    usage_error("--memory takes KiB, MiB or GiB, as in 512MiB, not `%s`", options->memory);
    return false;
  }
  for (int i = 0; i < options->sets.n; i++) {
    if (strncmp(options->sets.items[i], "split=", 6) != 0) continue;
    usage_error("--memory chooses the split that `--set %s` gives", options->sets.items[i]);
    return false;
  }
  return true;
}

int compile_load(Compilation *c, const Options *options) {
  *c = (Compilation){.arena = arena_new()};
  timing_begin(&c->timing, options->timing, options->json);
  c->map = source_map_new(c->arena);
  c->diag = diag_new(c->arena, c->map);
  SemaOptions sema = {.library_dir = locate_library(c->arena)};
  if (!check_options(options) || !collect_overrides(c->arena, options, &sema)) return STATUS_USAGE;
  if (options->memory && !parse_memory(options, &sema.memory_limit)) return STATUS_USAGE;
  c->model = sema_load(c->arena, c->map, c->diag, options->input, &sema);
  if (c->model) {
    timing_add(&c->timing, "parse", c->model->parse_seconds, "%s", options->input);
    timing_end_phase(&c->timing, "elaborate", "%u nodes", c->model->train->n_nodes - 1);
  }
  if (c->model && c->model->memory_limit > 0) return within_choose(c, options);
  if (c->model && c->model->balance) return balance_choose(c, options);
  print_diagnostics(c, options);
  return c->model ? STATUS_OK : STATUS_MODEL;
}

static void take_times(Timing *timing, const PassTime *times, int n_times) {
  for (int i = 0; i < n_times; i++) {
    timing_add(timing, times[i].name, times[i].seconds, "%u -> %u nodes", times[i].nodes_before,
               times[i].nodes_after);
  }
}

int compile_passes(Compilation *c, const Options *options, const char *stop_after) {
  bool is_double = compile_is_reference(options) || c->model->recipe.precision == MLA_PRECISION_F64;
  PipelineOptions pipeline = {
      .batch = c->model->recipe.batch,
      .elem_bytes = is_double ? 8 : 4,
      .sums = emit_sum_limits(emit_target(options)),
      .overlap = options->overlap > 0 ? (int)options->overlap : 1,
      .stores_bf16 = emit_stores_bf16(emit_target(options), c->model->recipe.precision),
      .products = emit_product_fusion(emit_target(options), c->model->recipe.precision),
      .unfused = compile_is_reference(options),
      .dump_before = options->dump_before,
      .dump_after = options->dump_after,
      .stop_after = stop_after,
      .disabled = options->disabled.items,
      .n_disabled = options->disabled.n,
      .dump = stderr,
  };
  PassTime *times = ARENA_ARRAY(c->arena, PassTime, pipeline_n_passes() + PIPELINE_MORE_TIMES);
  int n_times = 0;
  if (!options->is_compared) c->model->end_to_end = NULL;
  pipeline_run(c->model, c->arena, &pipeline, times, &n_times);
  take_times(&c->timing, times, n_times);
  return STATUS_OK;
}

// "/usr/local/share/mlaanc/models/lib/resnet.mlaan" as "lib/resnet.mlaan": the program's text must not depend on where
// the library is. Messages, which should lead an editor to the file, have been printed by now.
static void shorten_library_paths(SourceMap *map, const char *library) {
  size_t length = strlen(library);
  for (uint32_t i = 1; i < map->n_files; i++) {
    const char *path = map->files[i].path;
    if (strncmp(path, library, length) == 0 && path[length] == '/') map->files[i].path = path + length + 1;
  }
}

// tf32 is the tensor cores': elsewhere a model that asks for it is not computed as it says.
static int check_device_precision(Compilation *c, const Options *options) {
  MlaPrecision precision = c->model->recipe.precision;
  EmitTarget target = emit_target(options);
  bool is_exact = precision == MLA_PRECISION_F32 || precision == MLA_PRECISION_F64;
  if (is_exact || target == EMIT_CUDA || emit_stores_bf16(target, precision)) return STATUS_OK;
  c->diag = diag_new(c->arena, c->map); // what was said before has been printed
  diag_error(c->diag, c->model->precision_span, "the device %s computes in %s, not in %s",
             find_device(options)->name, compile_is_reference(options) ? "f64" : "f32, bf16 or f64",
             mla_precision_name(precision));
  diag_note(c->diag, NO_SPAN, "--precision %s computes exactly; --device cuda and emulated-cuda have %s",
            compile_is_reference(options) ? "f64" : "f32", mla_precision_name(precision));
  print_diagnostics(c, options);
  return STATUS_MODEL;
}

void compile_emit(Compilation *c, const Options *options, EmitChoices *choices) {
  shorten_library_paths(c->map, locate_library(c->arena));
  EmitOptions emit = {.target = emit_target(options),
                      .vector_bytes = options->vector_bytes > 0 ? (int)options->vector_bytes : 0,
                      .precision = c->model->recipe.precision,
                      .map = c->map,
                      .choices = choices};
  c->program = emit_program(c->arena, c->model, &emit);
  timing_end_phase(&c->timing, "emit", "%d kernels, %d launches", c->program->n_kernels,
                   c->program->train.n_launches);
}

static int compile_model(Compilation *c, const Options *options) {
  int status = compile_load(c, options);
  if (status == STATUS_OK) status = check_device_precision(c, options);
  if (status == STATUS_OK) status = compile_passes(c, options, options->stop_after);
  if (status == STATUS_OK && !options->stop_after) compile_emit(c, options, NULL);
  return status;
}

// A program is for one kind of device: where the user names none, it decides.
static void device_of_plan(Compilation *c) {
  for (const MlaDeviceOps *const *device = mla_device_list(); *device; device++) {
    bool is_given = strcmp((*device)->name, c->device) == 0;
    if (is_given && ((*device)->target == c->program->target || !c->device_why)) return;
  }
  c->device = c->program->target == MLA_TARGET_CUDA ? "cuda" : "cpu";
  c->device_why = "the plan is for it";
}

// What a compiled program can still be told: how long to train and from which seed.
static int load_plan(Compilation *c, const Options *options, const char *dir) {
  if (options->sets.n > 0 || options->batch >= 0 || options->precision || options->overlap >= 0) {
    return usage_error(
        "`%s` is compiled already: --set, --batch, --precision and --overlap need the model's file",
        options->input);
  }
  MlaError error = {0};
  timing_begin(&c->timing, options->timing, options->json);
  c->program = c->loaded = mla_program_load(dir, &error);
  if (!c->program) return report_error(options, &error);
  timing_end_phase(&c->timing, "read plan", "%s", dir);
  device_of_plan(c);
  if (options->epochs >= 0) c->program->recipe.epochs = (int)options->epochs;
  if (options->seed >= 0) c->program->recipe.seed = (uint64_t)options->seed;
  return STATUS_OK;
}

static void take_device(Compilation *c, const Options *options) {
  c->device = options->device ? options->device : "cpu";
  c->device_why = options->device_why;
}

int compile_begin(Compilation *c, const Options *options) {
  double start = now();
  *c = (Compilation){.arena = arena_new()};
  const char *dir = plan_dir(c->arena, options->input);
  int status;
  if (dir) {
    take_device(c, options);
    status = check_options(options) ? load_plan(c, options, dir) : STATUS_USAGE;
  } else {
    arena_free(c->arena);
    status = compile_model(c, options);
    take_device(c, options);
  }
  c->seconds = now() - start;
  return status;
}

void compile_end(Compilation *c) {
  timing_print(&c->timing);
  if (c->loaded) mla_program_free(c->loaded);
  if (c->arena) arena_free(c->arena);
  *c = (Compilation){0};
}
