// The reference target: no kernels. A launch calls the host function of its one operator, in double, on the
// unfused plan.
#include "compiler/emit/program.h"
#include <string.h>

// What a launch needs to make a HostCall of its buffers: inputs, result (if there is one), states, momenta, squares, copies.
typedef struct ReferenceCall {
  const OpInfo *info;
  HostCall *call;      // shapes with the symbolic batch
  HostTensor *tensors; // inputs, states, momenta, squares and copies of `ready`
  HostCall *ready;     // the same with the batch filled in; one launch runs at a time
  const bool *is_index;
  bool has_result;
} ReferenceCall;

static HostTensor bind(const HostTensor *symbolic, void *address, bool is_index, int64_t batch) {
  HostTensor tensor = *symbolic;
  for (int d = 0; d < tensor.shape.rank; d++) {
    if (tensor.shape.dim[d] == DIM_BATCH) tensor.shape.dim[d] = batch;
  }
  if (is_index) {
    tensor.index = address;
  } else {
    tensor.data = address;
  }
  return tensor;
}

static void run_reference(const void *closure, void *const *buf, int64_t batch) {
  const ReferenceCall *reference = closure;
  const HostCall *from = reference->call;
  HostCall *to = reference->ready;
  HostTensor *in = reference->tensors, *states = in + from->n_in, *momenta = states + from->n_states,
             *squares = momenta + from->n_states, *copies = squares + from->n_states;
  for (int i = 0; i < from->n_in; i++) in[i] = bind(&from->in[i], *buf++, reference->is_index[i], batch);
  if (reference->has_result) to->out = bind(&from->out, *buf++, false, batch);
  for (int i = 0; i < from->n_states; i++) states[i] = bind(&from->states[i], *buf++, false, batch);
  for (int i = 0; from->momenta && i < from->n_states; i++)
    momenta[i] = bind(&from->momenta[i], *buf++, false, batch);
  for (int i = 0; from->squares && i < from->n_states; i++)
    squares[i] = bind(&from->squares[i], *buf++, false, batch);
  for (int i = 0; from->copies && i < from->n_states; i++)
    copies[i] = bind(&from->copies[i], *buf++, false, batch);
  to->in = in;
  to->states = states;
  to->momenta = from->momenta ? momenta : NULL;
  to->squares = from->squares ? squares : NULL;
  to->copies = from->copies ? copies : NULL;
  to->batch = batch;
  reference->info->host(to);
}

static HostTensor *state_tensors(ProgramBuilder *builder, StateId first, int n) {
  if (first == NO_STATE) return NULL;
  HostTensor *tensors = ARENA_ARRAY(builder->arena, HostTensor, n);
  for (int i = 0; i < n; i++) tensors[i].shape = state_get(builder->model->states, first + i)->shape;
  return tensors;
}

static int n_written(const Node *node) {
  return op_info(node->op)->effect == EFFECT_WRITES_STATE ? node->n_states : 0;
}

static ReferenceCall *new_call(ProgramBuilder *builder, const Graph *graph, const Node *node) {
  Arena *arena = builder->arena;
  HostTensor *in = ARENA_ARRAY(arena, HostTensor, node->n_in);
  bool *is_index = ARENA_ARRAY(arena, bool, node->n_in);
  for (int i = 0; i < node->n_in; i++) {
    const Node *input = graph_node(graph, node->in[i]);
    in[i].shape = input->shape;
    is_index[i] = input->dtype == DT_INDEX;
  }
  int n_states = n_written(node);
  HostCall *call = ARENA_NEW(arena, HostCall);
  *call = (HostCall){
      .in = in, .n_in = node->n_in, .out.shape = node->shape, .attr = node->attr, .n_states = n_states};
  call->states = state_tensors(builder, node->state, n_states);
  call->momenta = state_tensors(builder, op_beside(node, "momentum_state"), n_states);
  call->squares = state_tensors(builder, op_beside(node, "square_state"), n_states);
  call->copies = state_tensors(builder, op_beside(node, "copy_state"), n_states);
  ReferenceCall *reference = ARENA_NEW(arena, ReferenceCall);
  *reference =
      (ReferenceCall){.info = op_info(node->op),
                      .call = call,
                      .tensors = ARENA_ARRAY(arena, HostTensor, node->n_in + MAX_RUNS * n_states + 1),
                      .ready = arena_copy(arena, call, sizeof *call),
                      .is_index = is_index,
                      .has_result = op_info(node->op)->effect == EFFECT_PURE};
  return reference;
}

MlaLaunch reference_launch(ProgramBuilder *builder, StepBuilder *step, const Group *group) {
  const Node *node = graph_node(step->graph, group->nodes[0]);
  ReferenceCall *call = new_call(builder, step->graph, node);
  int n_states = call->call->n_states;
  int32_t *buffers = ARENA_ARRAY(builder->arena, int32_t, node->n_in + 1 + MAX_RUNS * n_states);
  int n = 0;
  for (int i = 0; i < node->n_in; i++) buffers[n++] = buffer_of_node(builder, step, node->in[i]);
  if (call->has_result) buffers[n++] = buffer_of_node(builder, step, group->nodes[0]);
  StateId runs[MAX_RUNS]; // in the order of HostCall
  int n_runs = op_written_runs(node, runs);
  for (int r = 0; r < n_runs; r++)
    for (int i = 0; i < n_states; i++) buffers[n++] = buffer_of_state(builder, runs[r] + i);
  return (MlaLaunch){.kernel = -1,
                     .host = run_reference,
                     .host_call = call,
                     .buffers = buffers,
                     .n_buffers = n,
                     .parts = 1,
                     .reads = buffers,
                     .n_reads = node->n_in,
                     .writes = buffers + node->n_in,
                     .n_writes = n - node->n_in};
}
