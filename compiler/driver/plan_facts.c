// Gathers the facts: the program's own numbers, and for the comparison those of the end-to-end graph.
#include "compiler/driver/plan.h"

static PlanBytes program_bytes(const MlaProgram *program) {
  PlanBytes bytes = {0};
  int64_t start[MLA_N_REGIONS];
  bytes.total = mla_layout_regions(program, start);
  for (int i = 0; i < MLA_N_REGIONS; i++) bytes.region[i] = program->region_bytes[i];
  return bytes;
}

static int64_t running_elems(const StateTable *states) {
  int64_t n = 0;
  for (StateId id = 0; id < states->n; id++) {
    const State *state = state_get(states, id);
    if (state->kind != STATE_RUNNING) continue;
    n += (shape_elems(state->shape, 1) + STATE_ALIGNMENT - 1) / STATE_ALIGNMENT * STATE_ALIGNMENT;
  }
  return n;
}

// State kinds stand in the order of the regions behind MLA_WORK. The graph compared with has no evaluation
// and so keeps no running statistics; a program of it would.
static PlanBytes graph_bytes(const Graph *graph) {
  MlaProgram sizes = {.region_bytes = {graph->work_bytes}};
  for (int kind = 0; kind < N_STATE_KINDS; kind++) {
    sizes.region_bytes[MLA_PARAM + kind] = graph->states->arena_elems[kind] * graph->elem_bytes;
  }
  sizes.region_bytes[MLA_RUNNING] = running_elems(graph->states) * graph->elem_bytes;
  PlanBytes bytes = program_bytes(&sizes);
  bytes.live_bound = graph->live_bound;
  return bytes;
}

PlanFacts plan_facts(const Compilation *c) {
  _Static_assert(MLA_MOMENTUM - MLA_PARAM == (int)STATE_MOMENTUM && MLA_CONST - MLA_PARAM == (int)STATE_CONST,
                 "order");
  const MlaProgram *program = c->program;
  PlanFacts facts = {.program = program, .bytes = program_bytes(program)};
  for (int i = 0; i < program->n_kernels; i++) {
    int64_t scratch = program->kernels[i].scratch_bytes;
    if (scratch > facts.scratch_bytes) facts.scratch_bytes = scratch;
  }
  for (int i = 0; i < program->n_modules; i++) {
    const MlaModule *module = &program->modules[i];
    facts.n_params += module->n_params;
    facts.n_aux_params += module->n_aux_params;
    facts.n_ema += module->n_ema;
    facts.forward_macs += module->forward_macs;
    facts.step_flops += module->step_flops;
  }
  if (!c->model) return facts;
  facts.split = c->split;
  facts.train = c->model->train;
  facts.bytes.live_bound = c->model->train->live_bound;
  if (c->model->end_to_end) {
    facts.has_end_to_end = true;
    facts.end_to_end = graph_bytes(c->model->end_to_end);
  }
  return facts;
}
