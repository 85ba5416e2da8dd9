// Updates of states: what happens to one element. How runs of tensors are visited is the skeleton's affair; the lines see
// `state`, `source` (the gradient, or the parameter an EMA follows), `velocity`, `square` and `copy` at index `i`.
#include "compiler/emit/program.h"

// ---- runs of states ----

static const State *state_of(const Emit *emit, StateId id) {
  return state_get(emit->graph->states, id);
}

int64_t update_elems(const Emit *emit, StateId id) {
  return shape_elems(state_of(emit, id)->shape, 1);
}

int64_t update_place(const Emit *emit, StateId first, int i) {
  return state_of(emit, first + i)->offset - state_of(emit, first)->offset;
}

const char *update_stem(Emit *emit, const Node *node) {
  const char *with_copy = op_beside(node, "copy_state") == NO_STATE ? "" : "_ema";
  return writer_format(emit, "%s%s_%d_tensor%s", emit_stem(emit), with_copy, node->n_states,
                       node->n_states > 1 ? "s" : "");
}

static bool are_alike(const Emit *emit, StateId a, StateId b, int n) {
  for (int i = 0; i < n; i++) {
    if (state_of(emit, a)->kind != state_of(emit, a + i)->kind ||
        state_of(emit, b)->kind != state_of(emit, b + i)->kind ||
        update_place(emit, a, i) != update_place(emit, b, i))
      return false;
  }
  return true;
}

// The first of the states that the node's follow, if these are whole and lie as those do; else NO_STATE.
static StateId sources_in_a_row(const Emit *emit, const Node *node) {
  const Node *first = graph_node(emit->graph, node->in[0]);
  for (int i = 0; i < node->n_states; i++) {
    const Node *input = graph_node(emit->graph, node->in[i]);
    if (input->op != OP_state || input->state != first->state + (StateId)i) return NO_STATE;
  }
  return are_alike(emit, node->state, first->state, node->n_states) ? first->state : NO_STATE;
}

// ---- elements ----

static Attr attr_of(const Node *node, const char *name) {
  return node->attr[op_attr_index(node->op, name)];
}

// An EMA copy that moves with the parameter it follows, by the value `w` from before the step.
static void put_copy(Emit *emit, StrBuf *element, const Node *node) {
  if (op_beside(node, "copy_state") == NO_STATE) return;
  double momentum = attr_of(node, "copy_momentum").r;
  strbuf_printf(element, "mla_store(copy + i, %s * mla_load(copy + i) + %s * w);\n",
                emit_number(emit, momentum), emit_number(emit, 1 - momentum));
}

void emit_sgd(Emit *emit, const Node *node) {
  UpdateRun run = {.node = node,
                   .momentum = op_beside(node, "momentum_state"),
                   .square = NO_STATE,
                   .copy = op_beside(node, "copy_state"),
                   .source = NO_STATE,
                   .needs_rate = true};
  const char *momentum = emit_number(emit, attr_of(node, "momentum").r);
  StrBuf element = strbuf_new(emit->arena);
  strbuf_printf(&element, "const vec w = mla_load(state + i), g = mla_load(source + i) + %s * w;\n",
                emit_number(emit, attr_of(node, "weight_decay").r));
  put_copy(emit, &element, node);
  const char *step = "g";
  if (run.momentum != NO_STATE) {
    strbuf_printf(&element, "const vec v = %s * mla_load(velocity + i) + g;\nmla_store(velocity + i, v);\n",
                  momentum);
    step = attr_of(node, "nesterov").i ? writer_format(emit, "(g + %s * v)", momentum) : "v";
  }
  strbuf_printf(&element, "mla_store(state + i, w - rate * %s);\n", step);
  emit->skeletons->update(emit, &run, "const real rate = *(const real *)buf[0];\n", element.text);
}

// w <- (1 - rate decay) w - step m / (sqrt(v) / root + eps), or with the decay in the gradient.
void emit_adam(Emit *emit, const Node *node) {
  UpdateRun run = {.node = node,
                   .momentum = op_beside(node, "momentum_state"),
                   .square = op_beside(node, "square_state"),
                   .copy = op_beside(node, "copy_state"),
                   .source = NO_STATE,
                   .needs_rate = true};
  double beta1 = attr_of(node, "beta1").r, beta2 = attr_of(node, "beta2").r;
  const char *decay = emit_number(emit, attr_of(node, "weight_decay").r);
  bool is_decoupled = attr_of(node, "decoupled").i != 0;
  StrBuf element = strbuf_new(emit->arena);
  strbuf_printf(&element, "const vec w = mla_load(state + i), g = mla_load(source + i)%s;\n",
                is_decoupled ? "" : writer_format(emit, " + %s * w", decay));
  put_copy(emit, &element, node);
  strbuf_printf(&element, "const vec m = %s * mla_load(velocity + i) + %s * g;\n", emit_number(emit, beta1),
                emit_number(emit, 1 - beta1));
  strbuf_printf(&element, "const vec v = %s * mla_load(square + i) + %s * g * g;\n", emit_number(emit, beta2),
                emit_number(emit, 1 - beta2));
  strbuf_put(&element, "mla_store(velocity + i, m);\nmla_store(square + i, v);\n");
  strbuf_printf(&element, "mla_store(state + i, %sw - step * m / (mla_sqrt(v) / root + %s));\n",
                is_decoupled ? writer_format(emit, "(1 - rate * %s) * ", decay) : "",
                emit_number(emit, attr_of(node, "eps").r));
  emit->skeletons->update(emit, &run,
                          "const real *rates = buf[0]; // learning rate, 1 - beta1^t, 1 - beta2^t\n"
                          "const real rate = rates[0], step = rate / rates[1], root = mla_sqrt(rates[2]);\n",
                          element.text);
}

void emit_ema(Emit *emit, const Node *node) {
  UpdateRun run = {.node = node,
                   .momentum = NO_STATE,
                   .square = NO_STATE,
                   .copy = NO_STATE,
                   .source = sources_in_a_row(emit, node)};
  double momentum = attr_of(node, "momentum").r;
  const char *keep = emit_number(emit, momentum), *take = emit_number(emit, 1 - momentum);
  const char *element = writer_format(
      emit, "mla_store(state + i, %s * mla_load(state + i) + %s * mla_load(source + i));\n", keep, take);
  emit->skeletons->update(emit, &run, "", element);
}

// Mean and variance of a batch norm: two neighbouring states, in bn_stats' [2, channels].
