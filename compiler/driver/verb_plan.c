// mlaanc plan: what training will take, before anything runs.
#include "compiler/driver/plan.h"

int verb_plan(const Options *options) {
  Compilation c;
  Options compared = *options;
  compared.is_compared = true;
  int status = compile_begin(&c, &compared);
  if (status == STATUS_OK && c.program) {
    PlanFacts facts = plan_facts(&c);
    (options->json ? plan_print_json : plan_print_table)(&facts, stdout);
  }
  compile_end(&c);
  return status;
}
