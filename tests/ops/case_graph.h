// The graph of a case as one step: its result, a loss of it and the backward pass.
#pragma once
#include "compiler/passes/pass.h"
#include "tests/ops/host_run.h"

static bool is_param(const Case *c, const Named *named) {
  const Node *node = graph_node(c->graph, named->node);
  return node->op == OP_state && state_get(c->graph->states, node->state)->kind == STATE_PARAM;
}

static bool is_differentiable(const Case *c) {
  for (int i = 0; i < c->n_names; i++)
    if (is_param(c, &c->names[i])) return true;
  return false;
}

// True if the case gives the gradient of `name` (NULL: of anything) by hand.
static bool expects_gradient(const Case *c, const char *name) {
  for (int i = 0; i < c->n_expected; i++)
    if (c->expected[i].is_gradient && (!name || !strcmp(c->expected[i].name, name))) return true;
  return false;
}

// sum(result * weights); the weights are ones where a case gives a gradient by hand.
static NodeId add_loss(Case *c, NodeId result) {
  Node node = {.op = OP_state, .shape = graph_node(c->graph, result)->shape, .name = "weights"};
  State state = {.name = "weights", .kind = STATE_CONST, .shape = node.shape, .source = NO_STATE};
  node.state = state_add(c->graph->states, state);
  int64_t n = shape_elems(node.shape, c->batch);
  double *weights = ARENA_ARRAY(c->arena, double, n);
  bool is_plain = expects_gradient(c, NULL);
  for (int64_t i = 0; i < n; i++) weights[i] = is_plain ? 1 : case_datum(i, 5, -1, 1);
  NodeId read = graph_add(c->graph, node, NULL, 0, NULL, 0);
  case_add(c, "weights", read)->data = weights;
  Node like = {.name = "loss", .state = NO_STATE};
  NodeId product = op_build(c->graph, &like, OP_mul, (NodeId[]){result, read}, 2, NULL);
  return op_build(c->graph, &like, OP_sum, &product, 1, NULL);
}

static void differentiate(Case *c, NodeId loss) {
  c->graph->modules = ARENA_NEW(c->arena, Module);
  c->graph->n_modules = 1;
  c->graph->losses = ARENA_NEW(c->arena, Loss);
  c->graph->losses[0] = (Loss){.value = loss, .term = loss, .name = "loss"};
  c->graph->n_losses = 1;
  PassCtx ctx = {.scratch = c->arena, .is_training = true};
  pass_differentiate(c->graph, &ctx);
}

// Adds loss and backward pass, if anything can be differentiated. Returns the loss, or NO_NODE.
static NodeId case_train(Case *c) {
  if (!is_differentiable(c)) return NO_NODE;
  NodeId loss = add_loss(c, c->names[c->n_names - 1].node);
  differentiate(c, loss);
  return loss;
}
