// sema_load -> pipeline_run -> emit_program, or mla_program_load; and how mistakes of either are said.
#include "compiler/driver/compile.h"
#include "compiler/driver/locate.h"
#include "compiler/driver/options_check.h"
#include "runtime/program_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

// ---- the road
// -----------------------------------------------------------------------------------------------------

void compile_say(const Compilation *c, const Options *options) {
  if (options->is_silent) return;
  diag_print(c->diag, stderr, isatty(STDERR_FILENO));
  if (options->json && diag_error_count(c->diag) > 0) diag_print_json(c->diag, stdout);
}

static void take_device(Compilation *c, const Options *options) {
  c->device = options->device ? options->device : "cpu";
  c->device_why = options->device_why;
}

int compile_load(Compilation *c, const Options *options) {
  *c = (Compilation){.arena = arena_new()};
  take_device(c, options);
  timing_begin(&c->timing, options->timing, options->json);
  c->map = source_map_new(c->arena);
  c->diag = diag_new(c->arena, c->map);
  SemaOptions sema = {.library_dir = locate_library(c->arena)};
  if (!options_check(options) || !options_settings(c->arena, options, &sema)) return STATUS_USAGE;
  if (options->memory && !options_memory(options, &sema.memory_limit)) return STATUS_USAGE;
  c->model = sema_load(c->arena, c->map, c->diag, options->input, &sema);
  if (c->model) {
    timing_add(&c->timing, "parse", c->model->parse_seconds, "%s", options->input);
    timing_end_phase(&c->timing, "elaborate", "%u nodes", c->model->train->n_nodes - 1);
  }
  if (!c->model) compile_say(c, options);
  return c->model ? STATUS_OK : STATUS_MODEL;
}

static void take_times(Timing *timing, const PassTime *times, int n_times) {
  for (int i = 0; i < n_times; i++) {
    timing_add(timing, times[i].name, times[i].seconds, "%u -> %u nodes", times[i].nodes_before,
               times[i].nodes_after);
  }
}

int compile_passes(Compilation *c, const Options *options, const char *stop_after) {
  bool is_double = options_are_reference(options) || c->model->recipe.precision == MLA_PRECISION_F64;
  PipelineOptions pipeline = {
      .batch = c->model->recipe.batch,
      .elem_bytes = is_double ? 8 : 4,
      .sums = emit_sum_limits(options_target(options)),
      .overlap = options->overlap > 0 ? (int)options->overlap : 1,
      .stores_bf16 = emit_stores_bf16(options_target(options), c->model->recipe.precision),
      .products = emit_product_fusion(options_target(options), c->model->recipe.precision),
      .unfused = options_are_reference(options),
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
  EmitTarget target = options_target(options);
  bool is_exact = precision == MLA_PRECISION_F32 || precision == MLA_PRECISION_F64;
  if (is_exact || target == EMIT_CUDA || emit_stores_bf16(target, precision)) return STATUS_OK;
  c->diag = diag_new(c->arena, c->map); // what was said before has been printed
  diag_error(c->diag, c->model->precision_span, "the device %s computes in %s, not in %s",
             options_device(options)->name, options_are_reference(options) ? "f64" : "f32, bf16 or f64",
             mla_precision_name(precision));
  diag_note(c->diag, NO_SPAN, "--precision %s computes exactly; --device cuda and emulated-cuda have %s",
            options_are_reference(options) ? "f64" : "f32", mla_precision_name(precision));
  compile_say(c, options);
  return STATUS_MODEL;
}

void compile_emit(Compilation *c, const Options *options, EmitChoices *choices) {
  shorten_library_paths(c->map, locate_library(c->arena));
  EmitOptions emit = {.target = options_target(options),
                      .vector_bytes = options->vector_bytes > 0 ? (int)options->vector_bytes : 0,
                      .precision = c->model->recipe.precision,
                      .map = c->map,
                      .choices = choices};
  c->program = emit_program(c->arena, c->model, &emit);
  timing_end_phase(&c->timing, "emit", "%d kernels, %d launches", c->program->n_kernels,
                   c->program->train.n_launches);
}

int compile_model(Compilation *c, const Options *options) {
  int status = check_device_precision(c, options);
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
  if (options->sets.n > 0 || options->batch >= 0 || options->precision || options->overlap >= 0 ||
      options->memory || options->any_batch) {
    return usage_error("`%s` is compiled already: --set, --batch, --precision, --memory, --any-batch and "
                       "--overlap need the model's file",
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

int compile_begin(Compilation *c, const Options *options) {
  *c = (Compilation){.arena = arena_new()};
  take_device(c, options);
  const char *dir = plan_dir(c->arena, options->input);
  if (dir) return options_check(options) ? load_plan(c, options, dir) : STATUS_USAGE;
  arena_free(c->arena);
  int status = compile_load(c, options);
  if (status != STATUS_OK) return status;
  compile_say(c, options);
  return compile_model(c, options);
}

void compile_end(Compilation *c) {
  timing_print(&c->timing);
  if (c->loaded) mla_program_free(c->loaded);
  if (c->arena) arena_free(c->arena);
  *c = (Compilation){0};
}
