// The trace of the last steps as JSON, an event a line: what chrome://tracing and Perfetto read. Times are microseconds.
#include "compiler/driver/profile.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/json_text.h"

#include <inttypes.h>
#include <stdlib.h>

static void put_text(FILE *out, const char *key, const char *text) {
  fprintf(out, ",\"%s\":", key);
  mla_json_text(out, text ? text : "-");
}

static void put_workers(FILE *out, const MlaLoaded *loaded) {
  for (int w = 0; w < loaded->trace.n_workers; w++)
    fprintf(out,
            "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":\"%s %d\"}},\n",
            w, loaded->device->n_workers > 0 ? "worker" : "stream", w);
  fputs("{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":", out);
  mla_json_text(out, loaded->program->model);
  fputs("}}", out);
}

static void put_event(FILE *out, const MlaProgram *program, int64_t step, const MlaEvent *event) {
  const MlaLaunch *launch = &program->train.launches[event->launch];
  bool has_module = launch->module >= 0 && launch->module < program->n_modules;
  fputs(",\n{\"name\":", out);
  mla_json_text(out, launch->name);
  fprintf(out, ",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"step\":%" PRId64,
          event->worker, 1e6 * event->begin, 1e6 * (event->end - event->begin), step);
  fprintf(out, ",\"launch\":%d,\"parts\":%d,\"of_parts\":%d", event->launch, event->n_parts, launch->parts);
  put_text(out, "kernel", launch->kernel >= 0 ? program->kernels[launch->kernel].symbol : NULL);
  put_text(out, "module", has_module ? program->modules[launch->module].name : NULL);
  put_text(out, "line", launch->source);
  put_text(out, "shape", launch->shape);
  fputs("}}", out);
}

static void put_trace(FILE *out, const MlaLoaded *loaded) {
  const MlaTrace *trace = &loaded->trace;
  fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", out);
  put_workers(out, loaded);
  for (int64_t i = mla_trace_first(trace); i < trace->n_steps; i++) {
    const MlaTracedStep *step = &trace->steps[i % MLA_TRACED_STEPS];
    for (int k = 0; k < step->n; k++) put_event(out, loaded->program, i, &step->events[k]);
  }
  fputs("\n]}\n", out);
}

bool profile_write_trace(const MlaLoaded *loaded, const char *path, MlaError *error) {
  char *text = NULL;
  size_t n_bytes = 0;
  if (loaded->trace.n_steps == 0)
    return mla_fail(error, MLA_ERROR_INPUT, "--trace %s: no full step was traced on the device %s", path,
                    loaded->device->ops->name);
  FILE *out = open_memstream(&text, &n_bytes);
  if (!out) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  put_trace(out, loaded);
  bool good = fclose(out) == 0 ? mla_atomic_text(path, text, error)
                               : mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  free(text);
  return good;
}
