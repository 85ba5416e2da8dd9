// See replay_plan.h.
#include "compiler/driver/replay_plan.h"
#include "compiler/support/strbuf.h"

#include <stdio.h>
#include <string.h>

static const json_t *sidecar_part(const ReplayInput *input, const char *name) {
  return json_object_get(input->fixture->sidecar, name);
}

static const json_t *tensor_list(const ReplayInput *input, const char *name) {
  return json_object_get(sidecar_part(input, "tensors"), name);
}

static int index_in(const json_t *list, const char *name) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *item = json_string_value(json_array_get(list, i));
    if (item && strcmp(item, name) == 0) return (int)i;
  }
  return -1;
}

// Whether `name` is `block` or lies in it.
static bool lies_in(const char *name, const char *block) {
  size_t length = strlen(block);
  return strncmp(name, block, length) == 0 && (name[length] == '.' || !name[length]);
}

// ---- states ----

static int find_state(const MlaProgram *program, const char *name) {
  for (int i = 0; i < program->n_states; i++)
    if (strcmp(program->states[i].name, name) == 0) return i;
  return -1;
}

// Where the start is recorded: under the tensor's own name, or under that of the block it was copied from.
static const char *start_name(const ReplayInput *input, const char *name) {
  if (mla_fixture_find(input->fixture, "init", name).tensor) return name;
  const char *prefix;
  json_t *source;
  json_object_foreach((json_t *)(uintptr_t)sidecar_part(input, "init_alias"), prefix, source) {
    if (lies_in(name, prefix) && json_is_string(source))
      return arena_printf(input->text.arena, "%s%s", json_string_value(source), name + strlen(prefix));
  }
  return name;
}

// A block must be in the module it was recorded in.
static bool check_module(const ReplayInput *input, const MlaState *state, const char *name, MlaError *error) {
  const json_t *modules = sidecar_part(input, "modules");
  for (size_t m = 0; m < json_array_size(modules); m++) {
    const json_t *blocks = json_object_get(json_array_get(modules, m), "blocks");
    for (size_t b = 0; b < json_array_size(blocks); b++) {
      const char *block = json_string_value(json_array_get(blocks, b));
      if (block && lies_in(name, block) && state->module != (int)m)
        return mla_fail(error, MLA_ERROR_INPUT,
                        "%s: %s is in module %d of the model, but %s has %s in module %zu", input->map->path,
                        state->name, state->module, input->fixture->sidecar_path, block, m);
    }
  }
  return true;
}

static bool plan_state(const ReplayInput *input, int index, MlaReplayState *out, MlaError *error) {
  Arena *arena = input->text.arena;
  const MlaState *state = &input->program->states[index];
  const char *where = replay_map_where(arena, input->map, "names");
  Captures captures;
  const json_t *template = replay_map_match(arena, input->map, "names", state->name, &captures);
  if (!template)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: no pattern matches %s, a weight of the model", where,
                    state->name);
  const char *name = replay_expand(&input->text, where, json_string_value(template), &captures, error);
  if (!name) return false;
  *out = (MlaReplayState){.state = index, .momentum = -1, .name = name, .init = start_name(input, name)};
  out->grad_row = index_in(tensor_list(input, "trained"), name);
  out->final_row = index_in(tensor_list(input, "state"), name);
  out->is_null = index_in(tensor_list(input, "null_gradient"), name) >= 0 ||
                 index_in(tensor_list(input, "exactly_zero_gradient"), name) >= 0;
  if (state->region == MLA_PARAM)
    out->momentum = find_state(input->program, arena_printf(arena, "%s.momentum", state->name));
  if (state->region == MLA_PARAM && out->momentum < 0)
    return mla_fail(error, MLA_ERROR_INPUT,
                    "%s: %s has no momentum; the recorded gradients are compared with it", input->map->path,
                    state->name);
  return check_module(input, state, name, error);
}

// `n_theirs` names of the fixture, each used once.
static bool check_once(const ReplayInput *input, const MlaReplayPlan *plan, MlaError *error) {
  for (int i = 0; i < plan->n_states; i++)
    for (int k = 0; k < i; k++)
      if (strcmp(plan->states[i].name, plan->states[k].name) == 0)
        return mla_fail(error, MLA_ERROR_INPUT, "%s, names: %s and %s are both mapped to %s",
                        input->map->path, input->program->states[plan->states[k].state].name,
                        input->program->states[plan->states[i].state].name, plan->states[i].name);
  return true;
}

static bool check_recorded(const ReplayInput *input, const MlaReplayPlan *plan, const char *list,
                           MlaError *error) {
  const json_t *names = tensor_list(input, list);
  if (json_array_size(names) == 0)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: tensors.%s lists no tensors", input->fixture->sidecar_path,
                    list);
  for (size_t i = 0; i < json_array_size(names); i++) {
    const char *name = json_string_value(json_array_get(names, i));
    bool is_mapped = false;
    Captures captures;
    for (int s = 0; name && s < plan->n_states && !is_mapped; s++)
      is_mapped = strcmp(plan->states[s].name, name) == 0;
    if (is_mapped || (name && replay_map_match(input->text.arena, input->map, "left_out", name, &captures)))
      continue;
    return mla_fail(error, MLA_ERROR_INPUT, "%s: nothing of the model is mapped to the recorded tensor %s",
                    input->map->path, name ? name : "(no name)");
  }
  return true;
}

static bool plan_states(const ReplayInput *input, MlaReplayPlan *plan, MlaError *error) {
  const MlaProgram *program = input->program;
  MlaReplayState *states = ARENA_ARRAY(input->text.arena, MlaReplayState, program->n_states);
  plan->states = states;
  for (int i = 0; i < program->n_states; i++) {
    MlaRegion region = program->states[i].region;
    if (region != MLA_PARAM && region != MLA_EMA && region != MLA_RUNNING) continue;
    if (!plan_state(input, i, &states[plan->n_states++], error)) return false;
  }
  return check_once(input, plan, error) && check_recorded(input, plan, "trained", error) &&
         check_recorded(input, plan, "state", error);
}

// ---- losses ----

// The module that has a head of this name; the last one has the others.
static int module_of_head(const ReplayInput *input, const char *head) {
  const json_t *modules = sidecar_part(input, "modules");
  for (size_t m = 0; m < json_array_size(modules); m++) {
    const char *key;
    json_t *value;
    json_object_foreach(json_array_get(modules, m), key, value) {
      if (json_is_string(value) && strcmp(json_string_value(value), head) == 0) return (int)m;
    }
  }
  return input->program->n_modules - 1;
}

static const char *losses_of(const ReplayInput *input, int module) {
  StrBuf out = strbuf_new(input->text.arena);
  strbuf_put(&out, "");
  for (int i = 0; i < input->program->n_losses; i++) {
    const MlaLoss *loss = &input->program->losses[i];
    if (loss->module == module) strbuf_printf(&out, "%s%s", out.length ? ", " : "", loss->name);
  }
  return out.length ? out.text : "none";
}

static bool plan_loss(const ReplayInput *input, const json_t *term, MlaReplayPlan *plan, MlaReplayLoss *out,
                      MlaError *error) {
  const char *kind = json_string_value(json_object_get(term, "kind"));
  const char *head = json_string_value(json_object_get(term, "name"));
  const json_t *backward = json_object_get(term, "backward");
  const char *sidecar = input->fixture->sidecar_path;
  *out = (MlaReplayLoss){-1, (int)json_integer_value(backward)};
  if (!kind || !head || !json_is_integer(backward) || out->total < 0 || out->total >= plan->n_totals)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: loss_terms[%d] has no name, kind and backward below %d",
                    sidecar, plan->n_losses, plan->n_totals);
  const json_t *ours = json_object_get(replay_map_section(input->map, "losses"), kind);
  if (!ours)
    return mla_fail(error, MLA_ERROR_INPUT, "%s, losses: nothing for the kind `%s`, which %s has",
                    input->map->path, kind, sidecar);
  if (json_is_null(ours)) return true;
  int module = module_of_head(input, head);
  for (int i = 0; i < input->program->n_losses; i++) {
    const MlaLoss *loss = &input->program->losses[i];
    if (loss->module == module && strcmp(loss->name, json_string_value(ours)) == 0) out->loss = i;
  }
  return out->loss >= 0 ||
         mla_fail(error, MLA_ERROR_INPUT, "%s, losses: module %d of the model has no loss `%s` (it has: %s)",
                  input->map->path, module, json_string_value(ours), losses_of(input, module));
}

static bool check_losses(const ReplayInput *input, const MlaReplayPlan *plan, MlaError *error) {
  for (int i = 0; i < input->program->n_losses; i++) {
    int n = 0;
    for (int k = 0; k < plan->n_losses; k++) n += plan->losses[k].loss == i;
    const MlaLoss *loss = &input->program->losses[i];
    if (n != 1)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "%s, losses: the loss `%s` of module %d is recorded %d times in %s", input->map->path,
                      loss->name, loss->module, n, input->fixture->sidecar_path);
  }
  return true;
}

static bool plan_losses(const ReplayInput *input, MlaReplayPlan *plan, MlaError *error) {
  const json_t *terms = sidecar_part(input, "loss_terms");
  plan->n_totals = (int)json_integer_value(sidecar_part(input, "loss_totals"));
  if (json_array_size(terms) == 0 || plan->n_totals < 1)
    return mla_fail(error, MLA_ERROR_INPUT, "%s has no loss_terms or no number of loss_totals",
                    input->fixture->sidecar_path);
  MlaReplayLoss *losses = ARENA_ARRAY(input->text.arena, MlaReplayLoss, json_array_size(terms));
  plan->losses = losses;
  for (size_t i = 0; i < json_array_size(terms); i++, plan->n_losses++)
    if (!plan_loss(input, json_array_get(terms, i), plan, &losses[i], error)) return false;
  return check_losses(input, plan, error);
}

// ---- all ----

static bool check_image(const ReplayInput *input, MlaError *error) {
  const MlaData *data = &input->program->data;
  const MlaFixture *f = input->fixture;
  if (f->image[0] == data->channels && f->image[1] == data->height && f->image[2] == data->width &&
      f->batch == input->program->recipe.batch)
    return true;
  return mla_fail(
      error, MLA_ERROR_INPUT,
      "%s: tensor batch/images has batches of %d images of %d x %d x %d, the model takes %d of %d x %d x %d",
      f->path, (int)f->batch, (int)f->image[0], (int)f->image[1], (int)f->image[2],
      (int)input->program->recipe.batch, data->channels, data->height, data->width);
}

static bool check_count(const ReplayInput *input, MlaError *error) {
  size_t n = json_array_size(sidecar_part(input, "modules"));
  return n == (size_t)input->program->n_modules ||
         mla_fail(error, MLA_ERROR_INPUT, "%s lists %zu modules, the model of %s has %d",
                  input->fixture->sidecar_path, n, input->map->path, input->program->n_modules);
}

bool replay_plan(const ReplayInput *input, MlaReplayPlan *plan, MlaError *error) {
  *plan = (MlaReplayPlan){.fixture = input->fixture};
  return check_image(input, error) && check_count(input, error) && plan_losses(input, plan, error) &&
         plan_states(input, plan, error);
}

void replay_plan_noise(const ReplayInput *input, MlaReplayPlan *plan, double factor) {
  enum { BETWEEN_SINGLES = 1 }; // column: float32 with other kernels against float32
  const json_t *trained = tensor_list(input, "trained");
  const MlaTensor *noise = mla_fixture_find(input->fixture, "noise", "grad1").tensor;
  MlaReplayState *states =
      arena_copy(input->text.arena, plan->states, sizeof *states * (size_t)plan->n_states);
  plan->states = states;
  for (int i = 0; i < plan->n_states; i++) {
    int row = index_in(trained, states[i].name);
    bool is_known =
        noise && row >= 0 && noise->rank == 2 && row < noise->dim[0] && noise->dim[1] > BETWEEN_SINGLES;
    double measured =
        is_known ? mla_fixture_number(input->fixture, noise, row * noise->dim[1] + BETWEEN_SINGLES) : 0;
    states[i].allowed = measured > 0 ? factor * measured : 0; // null gradients have no number
  }
}
