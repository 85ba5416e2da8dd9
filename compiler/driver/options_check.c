// Options as the compiler's parts read them, and everything about them that can be wrong before a file is opened.
#include "compiler/driver/options_check.h"
#include "compiler/driver/text.h"
#include "compiler/passes/pass.h"
#include "runtime/program.h"

#include <string.h>

// ---- device ----

const MlaDeviceOps *options_device(const Options *options) {
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

EmitTarget options_target(const Options *options) {
  if (options_are_reference(options)) return EMIT_REFERENCE;
  return options_device(options)->target == MLA_TARGET_CUDA ? EMIT_CUDA : EMIT_C;
}

bool options_are_reference(const Options *options) {
  return options->device && strcmp(options->device, "reference") == 0;
}

// ---- settings ----

static int add_number(Arena *arena, Override *overrides, int n, const char *name, int64_t value) {
  if (value < 0) return n;
  overrides[n] = (Override){name, arena_printf(arena, "%lld", (long long)value)};
  return n + 1;
}

bool options_settings(Arena *arena, const Options *options, SemaOptions *sema) {
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

bool options_memory(const Options *options, int64_t *limit) {
  if (!text_to_bytes(options->memory, limit)) {
    usage_error("--memory takes from 1 to 10^18 bytes in KiB, MiB or GiB, as in 512MiB, not `%s`",
                options->memory);
    return false;
  }
  for (int i = 0; i < options->sets.n; i++) {
    if (strncmp(options->sets.items[i], "split=", 6) != 0) continue;
    usage_error("--memory chooses the split, and so does `--set %s`: give one of them",
                options->sets.items[i]);
    return false;
  }
  return true;
}

// ---- names and numbers ----

static bool is_precision(const char *name) {
  for (int i = 0; i < MLA_N_PRECISIONS; i++) {
    if (strcmp(name, mla_precision_name((MlaPrecision)i)) == 0) return true;
  }
  return false;
}

static bool check_precision(const Options *options) {
  const char *name = options->precision;
  if (!name) return true;
  if (options_are_reference(options) ? strcmp(name, "f64") == 0 : is_precision(name)) return true;
  usage_error(options_are_reference(options) ? "the reference device computes in f64, not `%s`"
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

bool options_check(const Options *options) {
  return options_device(options) && check_precision(options) && check_vector_bytes(options) &&
         check_matmul(options) && check_pass("pass to --dump-before", options->dump_before, true) &&
         check_pass("pass to --dump-after", options->dump_after, true) &&
         check_pass("pass to --stop-after", options->stop_after, false) && check_disabled(options);
}
