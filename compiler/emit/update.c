// Updates of states: what happens to one element. How runs of tensors are visited is the skeleton's affair; the lines see
// `state`, `source` (the gradient, or the parameter an EMA follows), `velocity` and `square` at index `i`.
#include "compiler/emit/program.h"

static Attr attr_of(const Node *node, const char *name) {
  return node->attr[op_attr_index(node->op, name)];
}

void emit_sgd(Emit *emit, const Node *node) {
  UpdateRun run = {
      .node = node, .momentum = op_beside(node, "momentum_state"), .square = NO_STATE, .needs_rate = true};
  const char *momentum = emit_number(emit, attr_of(node, "momentum").r);
  StrBuf element = strbuf_new(emit->arena);
  strbuf_printf(&element, "const vec w = mla_load(state + i), g = mla_load(source + i) + %s * w;\n",
                emit_number(emit, attr_of(node, "weight_decay").r));
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
                   .needs_rate = true};
  double beta1 = attr_of(node, "beta1").r, beta2 = attr_of(node, "beta2").r;
  const char *decay = emit_number(emit, attr_of(node, "weight_decay").r);
  bool is_decoupled = attr_of(node, "decoupled").i != 0;
  StrBuf element = strbuf_new(emit->arena);
  strbuf_printf(&element, "const vec w = mla_load(state + i), g = mla_load(source + i)%s;\n",
                is_decoupled ? "" : writer_format(emit, " + %s * w", decay));
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
  UpdateRun run = {.node = node, .momentum = NO_STATE, .square = NO_STATE};
  double momentum = attr_of(node, "momentum").r;
  const char *keep = emit_number(emit, momentum), *take = emit_number(emit, 1 - momentum);
  const char *element = writer_format(
      emit, "mla_store(state + i, %s * mla_load(state + i) + %s * mla_load(source + i));\n", keep, take);
  emit->skeletons->update(emit, &run, "", element);
}

// Mean and variance of a batch norm: two neighbouring states, in bn_stats' [2, channels].
