// mlaanc emit -o DIR: the program as files, to be read and to be run again.
#include "compiler/driver/compile.h"
#include "runtime/program_json.h"

#include <stdio.h>

int verb_emit(const Options *options) {
  if (!options->out) return usage_error("emit needs -o DIR");
  Compilation c;
  MlaError error = {0};
  int status = compile_begin(&c, options);
  if (status == STATUS_OK && c.program && !mla_program_save(c.program, options->out, &error)) {
    status = report_error(options, &error);
  } else if (status == STATUS_OK && c.program && options->json) {
    printf("{\"kernels\":%d,\"launches\":%d}\n", c.program->n_kernels, c.program->train.n_launches);
  } else if (status == STATUS_OK && c.program) {
    printf("%s: %d kernels, %d launches a step\n", options->out, c.program->n_kernels,
           c.program->train.n_launches);
  }
  compile_end(&c);
  return status;
}
