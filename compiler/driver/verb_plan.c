// mlaanc plan: what training will take, before anything runs.
#include "compiler/driver/choose.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/variant.h"

// What `recompute on` saves and costs with this split.
static void add_kept(PlanFacts *facts, const Compilation *c, const Options *options) {
  if (!c->model || !c->model->recompute) return;
  Compilation kept;
  if (variant_without_recompute(&kept, options, c->split.text)) {
    PlanFacts without = plan_facts(&kept);
    facts->kept_work_bytes = without.bytes.region[MLA_WORK];
    facts->kept_step_flops = without.step_flops;
  }
  compile_end(&kept);
}

int verb_plan(const Options *options) {
  Compilation c;
  Options compared = *options;
  compared.is_compared = true;
  int status = choose_begin(&c, &compared);
  if (status == STATUS_OK && c.program) {
    PlanFacts facts = plan_facts(&c);
    add_kept(&facts, &c, options);
    (options->json ? plan_print_json : plan_print_table)(&facts, stdout);
  }
  compile_end(&c);
  return status;
}
