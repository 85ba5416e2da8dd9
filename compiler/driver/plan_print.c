// The memory plan as a table for people and as JSON for programs.
#include "compiler/driver/plan.h"
#include "compiler/driver/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const char *const region_names[MLA_N_REGIONS] = {"work",    "parameters", "momenta", "ema",
                                                        "running", "constants",  "tickets", "exchange"};

static double percent(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

// Output of a module as the user sees it: without the batch.
static const char *module_shape(const PlanFacts *facts, int i, Arena *arena) {
  if (!facts->train || i >= facts->train->n_modules) return "";
  NodeId output = facts->train->modules[i].output;
  if (output == NO_NODE) return "";
  Shape shape = graph_node(facts->train, output)->shape;
  const char *text = "";
  for (int d = 0; d < shape.rank; d++) {
    if (shape.dim[d] == DIM_BATCH) continue;
    text = arena_printf(arena, "%s%s%" PRId64, text, *text ? "x" : "", shape.dim[d]);
  }
  return text;
}

static void print_row(FILE *out, Arena *arena, const char *number, const char *shape, const MlaModule *m,
                      int64_t peak) {
  fprintf(out, "%6s  %-10s %11s %11s %11s %9s %9s %10s %5.1f%%%s%s\n", number, shape,
          text_thousands(arena, m->n_params), text_thousands(arena, m->n_aux_params),
          text_thousands(arena, m->n_ema), text_scaled(arena, (double)m->forward_macs),
          text_scaled(arena, (double)m->step_flops), text_bytes(arena, m->activation_bytes),
          percent(m->activation_bytes, peak), *m->name ? "  " : "", m->name);
}

static void print_modules(const PlanFacts *facts, FILE *out, Arena *arena) {
  const MlaProgram *program = facts->program;
  int64_t peak = facts->bytes.region[MLA_WORK];
  fprintf(out, "%6s  %-10s %11s %11s %11s %9s %9s %10s %6s  %s\n", "module", "output", "parameters",
          "auxiliary", "EMA", "MACs", "FLOPs", "live", "peak", "layers");
  for (int i = 0; i < program->n_modules; i++) {
    print_row(out, arena, arena_printf(arena, "%d", i), module_shape(facts, i, arena), &program->modules[i],
              peak);
  }
  MlaModule total = {
      "", facts->n_params, facts->n_aux_params, facts->n_ema, facts->forward_macs, facts->step_flops, peak};
  print_row(out, arena, "total", "", &total, peak);
}

static void print_bytes_row(FILE *out, Arena *arena, const char *name, const PlanFacts *facts, int64_t ours,
                            int64_t e2e) {
  fprintf(out, "  %-26s %12s %14" PRId64, name, text_bytes(arena, ours), ours);
  if (facts->has_end_to_end) fprintf(out, "   %12s %14" PRId64, text_bytes(arena, e2e), e2e);
  fputc('\n', out);
}

static double above_bound(const PlanBytes *bytes) {
  return percent(bytes->region[MLA_WORK] - bytes->live_bound, bytes->live_bound);
}

static void print_above_bound(const PlanFacts *facts, FILE *out) {
  fprintf(out, "  %-26s %25.2f %%", "work above the bound", above_bound(&facts->bytes));
  if (facts->has_end_to_end) fprintf(out, "   %25.2f %%", above_bound(&facts->end_to_end));
  fputc('\n', out);
}

static void print_bytes(const PlanFacts *facts, FILE *out, Arena *arena) {
  fprintf(out, "  %-26s %27s", "memory", "this plan");
  fprintf(out, facts->has_end_to_end ? "   %27s\n" : "\n", "end to end");
  for (int i = 0; i < MLA_N_REGIONS; i++) {
    if (facts->bytes.region[i] == 0 && facts->end_to_end.region[i] == 0) continue;
    print_bytes_row(out, arena, region_names[i], facts, facts->bytes.region[i], facts->end_to_end.region[i]);
  }
  print_bytes_row(out, arena, "allocated (predicted peak)", facts, facts->bytes.total,
                  facts->end_to_end.total);
  if (facts->bytes.live_bound > 0) {
    print_bytes_row(out, arena, "live-set lower bound", facts, facts->bytes.live_bound,
                    facts->end_to_end.live_bound);
    print_above_bound(facts, out);
  }
}

static double change(int64_t now, int64_t before) {
  return percent(now - before, before);
}

static void print_recompute(const PlanFacts *facts, FILE *out, Arena *arena) {
  int64_t work = facts->bytes.region[MLA_WORK];
  if (facts->kept_work_bytes == 0) return;
  if (facts->step_flops == facts->kept_step_flops) {
    fprintf(out,
            "\n  recompute: nothing is computed again: it would take less than 2 %% off the %s of work\n",
            text_bytes(arena, work));
    return;
  }
  fprintf(out, "\n  recompute: %s of work instead of %s (%+.1f %%), %s FLOPs instead of %s (%+.1f %%)\n",
          text_bytes(arena, work), text_bytes(arena, facts->kept_work_bytes),
          change(work, facts->kept_work_bytes), text_scaled(arena, (double)facts->step_flops),
          text_scaled(arena, (double)facts->kept_step_flops),
          change(facts->step_flops, facts->kept_step_flops));
}

void plan_print_table(const PlanFacts *facts, FILE *out) {
  Arena *arena = arena_new();
  const MlaProgram *program = facts->program;
  fprintf(out,
          "%s: %d module%s, batch %" PRId64
          ", %s; MACs (forward) and FLOPs (of a training step) are per image\n\n",
          program->model, program->n_modules, program->n_modules == 1 ? "" : "s", program->recipe.batch,
          mla_precision_name(program->recipe.precision));
  print_modules(facts, out, arena);
  fputc('\n', out);
  print_bytes(facts, out, arena);
  print_recompute(facts, out, arena);
  arena_free(arena);
}

void plan_print_summary(const PlanFacts *facts, FILE *out) {
  Arena *arena = arena_new();
  const MlaProgram *program = facts->program;
  fprintf(out, "%s: %d module%s, %s parameters + %s auxiliary + %s EMA, batch %" PRId64 "\n", program->model,
          program->n_modules, program->n_modules == 1 ? "" : "s", text_thousands(arena, facts->n_params),
          text_thousands(arena, facts->n_aux_params), text_thousands(arena, facts->n_ema),
          program->recipe.batch);
  fprintf(out, "memory plan: %s = work %s + states %s", text_bytes(arena, facts->bytes.total),
          text_bytes(arena, facts->bytes.region[MLA_WORK]),
          text_bytes(arena, facts->bytes.total - facts->bytes.region[MLA_WORK]));
  if (facts->has_end_to_end) fprintf(out, "; end to end: %s", text_bytes(arena, facts->end_to_end.total));
  fputc('\n', out);
  arena_free(arena);
}

// ---- JSON
// ---------------------------------------------------------------------------------------------------------

static json_t *bytes_json(const PlanBytes *bytes) {
  json_t *regions = json_object();
  for (int i = 0; i < MLA_N_REGIONS; i++)
    json_object_set_new(regions, region_names[i], json_integer(bytes->region[i]));
  json_t *json = json_pack("{s:I,s:I,s:o}", "peak_bytes", (json_int_t)bytes->total, "work_bytes",
                           (json_int_t)bytes->region[MLA_WORK], "region_bytes", regions);
  if (bytes->live_bound > 0) json_object_set_new(json, "live_bound_bytes", json_integer(bytes->live_bound));
  return json;
}

static json_t *module_json(const PlanFacts *facts, int i, Arena *arena) {
  const MlaModule *m = &facts->program->modules[i];
  return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:f}", "name", m->name, "output",
                   module_shape(facts, i, arena), "parameters", (json_int_t)m->n_params,
                   "auxiliary_parameters", (json_int_t)m->n_aux_params, "ema_elements", (json_int_t)m->n_ema,
                   "forward_macs", (json_int_t)m->forward_macs, "step_flops", (json_int_t)m->step_flops,
                   "live_bytes", (json_int_t)m->activation_bytes, "share_of_peak",
                   percent(m->activation_bytes, facts->bytes.region[MLA_WORK]) / 100);
}

static json_t *split_json(const ChosenSplit *split) {
  json_t *json = json_pack("{s:s,s:i}", "places", split->text, "planned", split->n_trials);
  if (split->limit == 0) return json;
  json_t *candidates = json_array();
  for (int i = 0; i < split->n_candidates; i++) {
    const SplitCandidate *row = &split->candidates[i];
    json_t *candidate =
        json_pack("{s:s,s:i,s:I,s:I,s:f,s:b,s:b}", "places", row->text, "modules", row->n_modules, "batch",
                  (json_int_t)row->batch, "bytes", (json_int_t)row->bytes, "predicted_step_seconds",
                  row->seconds, "fits", row->bytes <= split->limit, "chosen", row->is_chosen);
    json_array_append_new(candidates, candidate);
  }
  json_object_set_new(json, "limit_bytes", json_integer(split->limit));
  json_object_set_new(json, "end_to_end_bytes", json_integer(split->end_to_end_bytes));
  json_object_set_new(json, "candidates", candidates);
  return json;
}

void plan_print_json(const PlanFacts *facts, FILE *out) {
  Arena *arena = arena_new();
  const MlaProgram *program = facts->program;
  json_t *json = bytes_json(&facts->bytes), *modules = json_array();
  for (int i = 0; i < program->n_modules; i++) json_array_append_new(modules, module_json(facts, i, arena));
  json_object_set_new(json, "model", json_string(program->model));
  json_object_set_new(json, "batch", json_integer(program->recipe.batch));
  json_object_set_new(json, "precision", json_string(mla_precision_name(program->recipe.precision)));
  json_object_set_new(json, "kernels", json_integer(program->n_kernels));
  json_object_set_new(json, "launches", json_integer(program->train.n_launches));
  json_object_set_new(json, "parameters", json_integer(facts->n_params));
  json_object_set_new(json, "auxiliary_parameters", json_integer(facts->n_aux_params));
  json_object_set_new(json, "ema_elements", json_integer(facts->n_ema));
  json_object_set_new(json, "forward_macs", json_integer(facts->forward_macs));
  json_object_set_new(json, "step_flops", json_integer(facts->step_flops));
  json_object_set_new(json, "scratch_bytes_per_worker", json_integer(facts->scratch_bytes));
  json_object_set_new(json, "modules", modules);
  if (facts->has_end_to_end) json_object_set_new(json, "end_to_end", bytes_json(&facts->end_to_end));
  if (facts->split.text) json_object_set_new(json, "split", split_json(&facts->split));
  if (facts->kept_work_bytes > 0)
    json_object_set_new(json, "without_recompute",
                        json_pack("{s:I,s:I}", "work_bytes", (json_int_t)facts->kept_work_bytes, "step_flops",
                                  (json_int_t)facts->kept_step_flops));
  json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
  fputc('\n', out);
  json_decref(json);
  arena_free(arena);
}
