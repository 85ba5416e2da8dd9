// mlaanc emit -o DIR: the program as files, to be read and to be run again. --report: what NVRTC makes of it.
#include "compiler/driver/choose.h"
#include "compiler/driver/cuda_report.h"
#include "compiler/driver/emit_trainer.h"
#include "runtime/program_json.h"

#include <stdio.h>

static int save(const Options *options, const MlaProgram *program) {
  MlaError error = {0};
  bool has_trainer = program->target == MLA_TARGET_CUDA;
  if (!mla_program_save(program, options->out, &error) || !emit_readme(program, options->out, &error) ||
      (has_trainer && !emit_trainer(program, options->out, &error)))
    return report_error(options, &error);
  if (options->report) return STATUS_OK; // whose output stands alone
  if (options->json)
    printf("{\"kernels\":%d,\"launches\":%d}\n", program->n_kernels, program->train.n_launches);
  else
    printf("%s: %d kernels, %d launches a step; see %s/README.md\n", options->out, program->n_kernels,
           program->train.n_launches, options->out);
  return STATUS_OK;
}

int verb_emit(const Options *options) {
  if (!options->out && !options->report) return usage_error("emit needs -o DIR, or --report");
  if (options->arch && !options->report) return usage_error("--arch belongs to --report");
  Compilation c;
  int status = choose_begin(&c, options);
  if (status == STATUS_OK && c.program && options->out) status = save(options, c.program);
  if (status == STATUS_OK && c.program && options->report) status = print_cuda_report(options, c.program);
  compile_end(&c);
  return status;
}
