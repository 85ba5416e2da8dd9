// adam_step(rates, gradients...): Adam on a run of parameters, as PyTorch's. rates: learning rate, 1 - beta1^t and
// 1 - beta2^t of step t = 1, 2, ..., which the runtime computes.
//   g <- g + weight_decay w            (Adam; decoupled, as in AdamW: w <- w - lr weight_decay w)
//   m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
//   w <- w - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
// EMA copies that follow the parameters may move in the same pass, before them: e <- copy_momentum e + (1 - copy_momentum) w.
#include "compiler/ops/rules.h"

enum { BETA1, BETA2, EPS, WEIGHT_DECAY, DECOUPLED, MOMENTUM_STATE, SQUARE_STATE, COPY_STATE, COPY_MOMENTUM };
const AttrDef adam_step_attrs[] = {
    {"beta1", ATTR_REAL, false, 0.9, "weight of the old mean gradient"},
    {"beta2", ATTR_REAL, false, 0.999, "weight of the old mean square"},
    {"eps", ATTR_REAL, false, 1e-8, "added to the root of the mean square"},
    {"weight_decay", ATTR_REAL, false, 0, "times the parameter"},
    {"decoupled", ATTR_BOOL, false, 0, "the decay shrinks the parameter, it is not added to the gradient"},
    {"momentum_state", ATTR_INT, false, NO_STATE, "the first mean gradient"},
    {"square_state", ATTR_INT, false, NO_STATE, "the first mean square"},
    {"copy_state", ATTR_INT, false, NO_STATE, "the first EMA copy, -1: none"},
    {"copy_momentum", ATTR_REAL, false, 0, "weight of the EMA copies' old values"},
    END_ATTRS};

bool adam_step_shape(ShapeQuery *query) {
  Shape rates = query->in[0];
  if (rates.rank != 1 || rates.dim[0] != 3)
    return shape_fail(query, 0, "adam_step expects [3]: learning rate and two bias corrections, it is %s",
                      shape_text(query->arena, rates));
  return shape_is_scalar(query);
}

void adam_step_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void step(const HostCall *call, const HostTensor *gradient, double *w, double *m, double *v) {
  const double *rates = call->in[0].data;
  double beta1 = call->attr[BETA1].r, beta2 = call->attr[BETA2].r, decay = call->attr[WEIGHT_DECAY].r;
  for (int64_t i = 0, n = host_elems(gradient); i < n; i++) {
    double g = gradient->data[i];
    if (call->attr[DECOUPLED].i)
      w[i] -= rates[0] * decay * w[i];
    else
      g += decay * w[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    w[i] -= rates[0] / rates[1] * m[i] / (sqrt(v[i] / rates[2]) + call->attr[EPS].r);
  }
}

void adam_step_host(const HostCall *call) {
  host_follow(call, call->attr[COPY_MOMENTUM].r);
  for (int i = 0; i < call->n_states; i++)
    step(call, &call->in[i + 1], call->states[i].data, call->momenta[i].data, call->squares[i].data);
}

void adam_step_emit(Emit *emit, const Node *node) {
  emit_adam(emit, node);
}
