// Compile, open the device, load.
#include "compiler/driver/session.h"
#include "compiler/driver/choose.h"
#include "compiler/driver/tune.h"
#include "compiler/driver/variant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int session_compile(Session *session, const Options *options) {
  *session = (Session){0};
  return choose_begin(&session->compilation, options);
}

// Adds to the message what was found out about a batch that fits; a plan that was loaded cannot be made again.
static void suggest_batch(const Session *session, const Options *options, MlaError *error) {
  const MlaProgram *program = session->compilation.program;
  MlaRoom room;
  size_t n = strlen(error->text);
  if (session->compilation.loaded) return;
  session->device.ops->room(&session->device, program, &room);
  int64_t batch = variant_fitting_batch(options, session->compilation.split.text, program,
                                        room.free_bytes - room.beside_bytes);
  if (batch) snprintf(error->text + n, sizeof error->text - n, ": --batch %" PRId64 " fits", batch);
}

static MlaMatmul matmul_of(const Options *options) {
  if (!options->matmul) return MLA_MATMUL_CHOSEN;
  return strcmp(options->matmul, "own") == 0 ? MLA_MATMUL_OWN : MLA_MATMUL_LIBRARY;
}

static void take_load_times(Timing *timing, const MlaLoaded *loaded) {
  const MlaLoadTimes *times = &loaded->load_times;
  timing_add(timing, "find compiler", times->toolchain, "%s", "");
  timing_add(timing, "look up", times->look_up, "%d kernels in the cache, %d not", loaded->n_cached,
             loaded->n_compiled);
  timing_add(timing, "compile", times->compile, "%d kernels in %d units", loaded->n_compiled, times->n_units);
  timing_end_phase(timing, "bind", "%.1f MiB", (double)loaded->n_bytes / (1 << 20));
}

// A trace is written at the end, which may be hours away: that it cannot be is said at once.
static bool can_write(const char *path, MlaError *error) {
  FILE *file = fopen(path, "a");
  if (!file) return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
  fclose(file);
  return true;
}

int session_load(Session *session, const Options *options) {
  MlaError error = {0};
  if (options->trace && !can_write(options->trace, &error)) return report_error(options, &error);
  MlaDeviceOptions device = {.threads = options->threads > 0 ? (int)options->threads : 0,
                             .is_profiled = options->profile,
                             .is_traced = options->trace != NULL,
                             .matmul = matmul_of(options)};
  if (!mla_device_open(&session->device, session->compilation.device, &device, &error)) {
    session->device = (MlaDevice){0};
    return report_error(options, &error);
  }
  Timing *timing = &session->compilation.timing;
  timing_end_phase(timing, "open device", "%s", session->compilation.device);
  int status = options->tune ? tune_measure(&session->compilation, &session->device, options) : STATUS_OK;
  if (status != STATUS_OK) return status;
  if (!tune_apply(&session->compilation, &session->device, options, &session->n_tuned, &error))
    return report_error(options, &error);
  timing_end_phase(timing, "choices", "%d tiles measured before", session->n_tuned);
  session->loaded = session->device.ops->load(&session->device, session->compilation.program, &error);
  if (error.kind == MLA_ERROR_MEMORY) suggest_batch(session, options, &error);
  if (session->loaded) take_load_times(timing, session->loaded);
  return session->loaded ? STATUS_OK : report_error(options, &error);
}

int session_begin(Session *session, const Options *options) {
  int status = session_compile(session, options);
  if (status != STATUS_OK || !session->compilation.program) return status;
  return session_load(session, options);
}

void session_end(Session *session) {
  if (session->loaded) session->device.ops->unload(session->loaded);
  if (session->device.ops) mla_device_close(&session->device);
  compile_end(&session->compilation);
}

void session_print_device(const Session *session) {
  const char *why = session->compilation.device_why, *about = session->device.about;
  fprintf(stderr, "device %s%s%s%s%s%s\n", session->device.ops->name, *about ? ": " : "", about,
          why ? " (" : "", why ? why : "", why ? ")" : "");
  if (session->n_tuned > 0)
    fprintf(stderr, "%d products are cut as measured on this device (--tune)\n", session->n_tuned);
}

void session_print_kernels(const Session *session) {
  const MlaLoaded *loaded = session->loaded;
  if (loaded->n_compiled > 0) {
    fprintf(stderr, "%d kernels compiled in %.1f s, %d from the cache\n", loaded->n_compiled,
            loaded->compile_seconds, loaded->n_cached);
  } else if (loaded->n_cached > 0) {
    fprintf(stderr, "%d kernels from the cache\n", loaded->n_cached);
  }
}
