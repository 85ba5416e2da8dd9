// sgd_step(learning rate, gradients...): SGD with momentum on a run of parameters, as PyTorch's:
//   g <- g + weight_decay w;  v <- momentum v + g;  w <- w - lr (nesterov ? g + momentum v : v)
// A momentum starts at zero, so that the first v is g. Without momentum there are no momentum states. EMA copies that follow
// the parameters may move in the same pass, before them: e <- copy_momentum e + (1 - copy_momentum) w.
#include "compiler/ops/rules.h"

enum { MOMENTUM, NESTEROV, WEIGHT_DECAY, MOMENTUM_STATE, COPY_STATE, COPY_MOMENTUM };
const AttrDef sgd_step_attrs[] = {
    {"momentum", ATTR_REAL, false, 0, "weight of the old velocity"},
    {"nesterov", ATTR_BOOL, false, 0, "step along the velocity that is to come"},
    {"weight_decay", ATTR_REAL, false, 0, "times the parameter, added to its gradient"},
    {"momentum_state", ATTR_INT, false, NO_STATE, "the first momentum state, -1 without momentum"},
    {"copy_state", ATTR_INT, false, NO_STATE, "the first EMA copy, -1: none"},
    {"copy_momentum", ATTR_REAL, false, 0, "weight of the EMA copies' old values"},
    END_ATTRS};

bool sgd_step_shape(ShapeQuery *query) {
  if (query->in[0].rank != 0)
    return shape_fail(query, 0, "sgd_step expects a scalar learning rate, it is %s",
                      shape_text(query->arena, query->in[0]));
  return shape_is_scalar(query);
}

void sgd_step_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void step(const HostCall *call, const HostTensor *gradient, double *w, double *v) {
  double rate = call->in[0].data[0], momentum = call->attr[MOMENTUM].r, decay = call->attr[WEIGHT_DECAY].r;
  for (int64_t i = 0, n = host_elems(gradient); i < n; i++) {
    double g = gradient->data[i] + decay * w[i];
    if (v) {
      v[i] = momentum * v[i] + g;
      g = call->attr[NESTEROV].i ? g + momentum * v[i] : v[i];
    }
    w[i] -= rate * g;
  }
}

void sgd_step_host(const HostCall *call) {
  host_follow(call, call->attr[COPY_MOMENTUM].r);
  bool has_momentum = call->attr[MOMENTUM_STATE].i != NO_STATE;
  for (int i = 0; i < call->n_states; i++)
    step(call, &call->in[i + 1], call->states[i].data, has_momentum ? call->momenta[i].data : NULL);
}

void sgd_step_emit(Emit *emit, const Node *node) {
  emit_sgd(emit, node);
}
