// The states of a program: where they lie, how files lay them out, how they start.
#include "compiler/emit/program.h"
#include <string.h>

static MlaInitKind init_of(InitKind init) {
  static const MlaInitKind kinds[] = {
      [INIT_ZERO] = MLA_INIT_ZERO,       [INIT_ONE] = MLA_INIT_ONE,       [INIT_NORMAL] = MLA_INIT_NORMAL,
      [INIT_UNIFORM] = MLA_INIT_UNIFORM, [INIT_VALUES] = MLA_INIT_VALUES, [INIT_COPY] = MLA_INIT_COPY};
  return kinds[init];
}

static MlaLayout layout_of(Layout layout) {
  static const MlaLayout layouts[] = {[LAYOUT_PLAIN] = MLA_LAYOUT_PLAIN,
                                      [LAYOUT_CONV] = MLA_LAYOUT_CONV,
                                      [LAYOUT_LINEAR] = MLA_LAYOUT_LINEAR};
  return layouts[layout];
}

static MlaState state_of(const ProgramBuilder *builder, const State *state, const int *index) {
  MlaState out = {.name = state->name,
                  .region = region_of_state(state->kind),
                  .offset = state->offset * builder->elem_bytes,
                  .rank = state->shape.rank,
                  .layout = layout_of(state->layout),
                  .positions = state->positions > 1 ? state->positions : 1,
                  .init = init_of(state->init),
                  .init_arg = state->init_arg,
                  .init_values = state->init_values,
                  .source = state->init == INIT_COPY ? index[state->source] : -1,
                  .module = state->module,
                  .is_aux = state->is_aux};
  memcpy(out.dim, state->shape.dim, sizeof(int64_t) * (size_t)state->shape.rank);
  return out;
}

void program_states(ProgramBuilder *builder) {
  const StateTable *table = builder->model->states;
  MlaState *states = ARENA_ARRAY(builder->arena, MlaState, table->n);
  int *index = ARENA_ARRAY(builder->arena, int, table->n);
  int n = 0;
  for (StateId id = 0; id < table->n; id++) index[id] = table->items[id].is_used ? n++ : -1;
  for (StateId id = 0; id < table->n; id++) {
    if (index[id] >= 0) states[index[id]] = state_of(builder, state_get(table, id), index);
  }
  builder->program->states = states;
  builder->program->n_states = n;
}
