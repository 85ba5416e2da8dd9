// The kernels of a set as a program whose step is all runs of the cases of one batch; every run has buffers of its own.
#pragma once
#include "runtime/device/device.h"
#include "tests/ops/cuda_nvrtc.h"
#include <inttypes.h>

enum { MAX_RUN_BUFFERS = 128, NEAR_BYTES = 128 };

typedef struct CudaRun {
  const KernelRun *run;
  NodeId nodes[MAX_RUN_BUFFERS];
  int of_node[MAX_RUN_BUFFERS]; // buffers of the program
  int n_nodes, partial, states;
  int state_of[MAX_RUN_BUFFERS]; // by state, -1: none
} CudaRun;

typedef struct CudaProgram {
  const KernelSet *set;
  MlaProgram program;
  MlaBuffer *buffers;
  int n_buffers, buffer_capacity;
  int64_t n_bytes, n_ticket_bytes;
  CudaRun *runs;
  int n_runs;
  MlaLaunch *launches;
  int n_launches;
  MlaModule module;
} CudaProgram;

// Buffers begin at a multiple of 64 bytes, with room between them, so that a kernel that goes beyond its own is seen.
static int cuda_buffer(CudaProgram *p, int64_t n_bytes, MlaElem elem) {
  p->buffers = kernel_grow(p->set->arena, p->buffers, p->n_buffers, &p->buffer_capacity, sizeof *p->buffers);
  p->buffers[p->n_buffers] = (MlaBuffer){
      .name = "buffer", .region = MLA_WORK, .elem = elem, .offset = p->n_bytes, .n_bytes = n_bytes};
  p->n_bytes += (n_bytes + NEAR_BYTES + 63) / 64 * 64;
  return p->n_buffers++;
}

static MlaElem cuda_elem(const CudaProgram *p) {
  return p->set->config.elem_bytes == 8 ? MLA_F64 : MLA_F32;
}

static int cuda_node_buffer(CudaProgram *p, CudaRun *run, NodeId id) {
  for (int i = 0; i < run->n_nodes; i++)
    if (run->nodes[i] == id) return run->of_node[i];
  const Node *node = graph_node(run->run->c->graph, id);
  bool is_index = node->dtype == DT_INDEX;
  int64_t n = shape_elems(node->shape, run->run->c->batch);
  run->nodes[run->n_nodes] = id;
  return run->of_node[run->n_nodes++] = cuda_buffer(p, n * (is_index ? 4 : p->set->config.elem_bytes),
                                                    is_index ? MLA_I32 : cuda_elem(p));
}

static int64_t cuda_state_elems(const Case *c) {
  int64_t n = 0;
  for (StateId id = 0; id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    n = state->offset + shape_elems(state->shape, c->batch);
  }
  return n;
}

// All states of a case lie in one buffer; a state alone is a buffer into it.
static int cuda_states(CudaProgram *p, CudaRun *run) {
  if (run->states < 0)
    run->states = cuda_buffer(p, cuda_state_elems(run->run->c) * p->set->config.elem_bytes, cuda_elem(p));
  return run->states;
}

static int cuda_state_buffer(CudaProgram *p, CudaRun *run, StateId id) {
  const State *state = state_get(run->run->c->graph->states, id);
  int states = cuda_states(p, run); // may move p->buffers
  MlaBuffer whole = p->buffers[states];
  int64_t near = p->n_bytes;
  int buffer =
      cuda_buffer(p, shape_elems(state->shape, run->run->c->batch) * p->set->config.elem_bytes, cuda_elem(p));
  p->n_bytes = near;
  p->buffers[buffer].offset = whole.offset + state->offset * p->set->config.elem_bytes;
  return buffer;
}

// From the first of `n` states to the end of the last.
static int cuda_run_buffer(CudaProgram *p, CudaRun *run, StateId first, int n) {
  int buffer = cuda_state_buffer(p, run, first);
  int last = cuda_state_buffer(p, run, first + (StateId)n - 1);
  p->buffers[buffer].n_bytes = p->buffers[last].offset + p->buffers[last].n_bytes - p->buffers[buffer].offset;
  return buffer;
}

static int cuda_tickets(CudaProgram *p, int n) {
  int64_t near = p->n_bytes;
  int buffer = cuda_buffer(p, 4 * (int64_t)n, MLA_I32);
  p->n_bytes = near;
  p->buffers[buffer].region = MLA_TICKETS;
  p->buffers[buffer].offset = p->n_ticket_bytes;
  p->n_ticket_bytes += 4 * (int64_t)n;
  return buffer;
}

static int cuda_ref(CudaProgram *p, CudaRun *run, BufferRef ref) {
  switch (ref.kind) {
  case REF_NODE: return cuda_node_buffer(p, run, ref.node);
  case REF_STATE: return cuda_state_buffer(p, run, ref.state);
  case REF_RUN: return cuda_run_buffer(p, run, ref.state, ref.n_states);
  case REF_TICKETS: return cuda_tickets(p, ref.n_tickets);
  case REF_PARTIAL: break;
  }
  if (run->partial < 0) run->partial = cuda_buffer(p, run->run->group.partial_bytes, cuda_elem(p));
  return run->partial;
}

static void cuda_add_run(CudaProgram *p, const KernelRun *from) {
  CudaRun *run = &p->runs[p->n_runs++];
  *run = (CudaRun){.run = from, .partial = -1, .states = -1};
  for (int d = 0; d < from->n_drafts; d++) {
    const KernelDraft *draft = &from->drafts[d];
    Arena *arena = p->set->arena;
    int32_t *buffers = ARENA_ARRAY(arena, int32_t, draft->n_buffers);
    for (int i = 0; i < draft->n_buffers; i++) buffers[i] = cuda_ref(p, run, draft->buffers[i]);
    p->launches[p->n_launches++] =
        (MlaLaunch){.name = arena_printf(arena, "%s: %s: %s", from->c->file, from->c->title, draft->stem),
                    .kernel = from->symbols[d],
                    .buffers = buffers,
                    .n_buffers = draft->n_buffers,
                    .parts = 1,
                    .grid = draft->grid};
  }
}

static const MlaKernel *cuda_kernels(const KernelSet *set) {
  MlaKernel *kernels = ARENA_ARRAY(set->arena, MlaKernel, set->n_texts);
  for (int i = 0; i < set->n_texts; i++)
    kernels[i] = (MlaKernel){.symbol = arena_printf(set->arena, "kernel_%d", i),
                             .text = kernel_named(set->arena, set->texts[i], i)};
  for (int i = 0; i < set->n_runs; i++) {
    const KernelRun *run = &set->runs[i];
    for (int d = 0; d < run->n_drafts; d++) {
      kernels[run->symbols[d]].threads = run->drafts[d].threads;
      kernels[run->symbols[d]].shared_bytes = run->drafts[d].shared_bytes;
    }
  }
  return kernels;
}

static void cuda_program(CudaProgram *p, const KernelSet *set, int64_t batch) {
  *p = (CudaProgram){.set = set, .module = {.name = "only"}};
  p->runs = ARENA_ARRAY(set->arena, CudaRun, set->n_runs);
  p->launches = ARENA_ARRAY(set->arena, MlaLaunch, set->n_runs * MAX_GROUP_LAUNCHES);
  for (int i = 0; i < set->n_runs; i++)
    if (set->runs[i].c->batch == batch) cuda_add_run(p, &set->runs[i]);
  p->program = (MlaProgram){.model = "cases",
                            .target = MLA_TARGET_CUDA,
                            .elem = cuda_elem(p),
                            .prelude = nvrtc_prelude(set),
                            .compile_flags = "",
                            .buffers = p->buffers,
                            .n_buffers = p->n_buffers,
                            .kernels = cuda_kernels(set),
                            .n_kernels = set->n_texts,
                            .modules = &p->module,
                            .n_modules = 1,
                            .region_bytes = {[MLA_WORK] = p->n_bytes, [MLA_TICKETS] = p->n_ticket_bytes}};
  p->program.train = (MlaStep){p->launches, p->n_launches, -1, -1, -1, -1, -1, p->n_bytes, NULL, 0};
  p->program.eval = (MlaStep){NULL, 0, -1, -1, -1, -1, -1, p->n_bytes, NULL, 0};
  p->program.data =
      (MlaData){.name = "none", .format = "none", .classes = 1, .height = 1, .width = 1, .channels = 1};
  p->program.recipe =
      (MlaRecipe){.batch = batch,
                  .epochs = 1,
                  .precision = cuda_elem(p) == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32};
}

// ---- running ----

static bool cuda_upload(const CudaProgram *p, MlaLoaded *loaded, const CudaRun *run, int i, MlaError *error) {
  const KernelRun *from = run->run;
  const MlaBuffer *buffer = &p->buffers[run->of_node[i]];
  unsigned char *bytes = calloc((size_t)buffer->n_bytes + 1, 1);
  int64_t n = buffer->n_bytes / (buffer->elem == MLA_F64 ? 8 : 4);
  const double *values = kernel_input(from, run->nodes[i]);
  bool is_output = kernel_is_output(from, run->nodes[i]);
  if (buffer->elem == MLA_I32) memcpy(bytes, from->values->index[run->nodes[i]], (size_t)buffer->n_bytes);
  for (int64_t k = 0; k < n && buffer->elem != MLA_I32; k++)
    real_put(p->set->config.elem_bytes, bytes, k, is_output ? NAN : values[k]);
  bool good =
      loaded->device->ops->upload(loaded, mla_buffer(loaded, run->of_node[i]), bytes, buffer->n_bytes, error);
  free(bytes);
  return good;
}

static bool cuda_upload_states(const CudaProgram *p, MlaLoaded *loaded, const CudaRun *run, MlaError *error) {
  const Case *c = run->run->c;
  const MlaBuffer *buffer = &p->buffers[run->states];
  unsigned char *bytes = calloc((size_t)buffer->n_bytes + 1, 1);
  for (StateId id = 0; id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    const double *values = kernel_input(run->run, host_reader(c, id));
    for (int64_t k = 0; k < shape_elems(state->shape, c->batch); k++)
      real_put(p->set->config.elem_bytes, bytes, state->offset + k, values[k]);
  }
  bool good =
      loaded->device->ops->upload(loaded, mla_buffer(loaded, run->states), bytes, buffer->n_bytes, error);
  free(bytes);
  return good;
}

// The difference of one buffer from `at` on.
static double cuda_compare(const CudaProgram *p, MlaLoaded *loaded, int buffer, int64_t at,
                           const double *expected, int64_t n, MlaError *error) {
  int elem_bytes = p->set->config.elem_bytes;
  int64_t n_bytes = p->buffers[buffer].n_bytes;
  unsigned char *bytes = calloc((size_t)n_bytes + 1, 1);
  double off = INFINITY;
  if (loaded->device->ops->download(loaded, bytes, mla_buffer(loaded, buffer), n_bytes, error))
    off = kernel_difference(elem_bytes, bytes + at * elem_bytes, expected, n);
  free(bytes);
  return off;
}

static double cuda_results(const CudaProgram *p, MlaLoaded *loaded, CudaRun *run, MlaError *error) {
  const KernelRun *from = run->run;
  const Case *c = from->c;
  double off = 0;
  for (int i = 0; i < from->group.n_outputs; i++) {
    NodeId id = from->group.outputs[i];
    int64_t n = shape_elems(graph_node(c->graph, id)->shape, c->batch);
    int buffer = -1;
    for (int k = 0; k < run->n_nodes; k++)
      if (run->nodes[k] == id) buffer = run->of_node[k];
    off = fmax(off, cuda_compare(p, loaded, buffer, 0, from->values->data[id], n, error));
  }
  for (StateId id = 0; from->group.n_outputs == 0 && id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    off =
        fmax(off, cuda_compare(p, loaded, run->states, state->offset, from->values->data[host_reader(c, id)],
                               shape_elems(state->shape, c->batch), error));
  }
  return off;
}

// Uploads what all runs read, and runs them.
static bool cuda_run(const CudaProgram *p, MlaLoaded *loaded, MlaError *error) {
  for (int r = 0; r < p->n_runs; r++) {
    const CudaRun *run = &p->runs[r];
    if (run->states >= 0 && !cuda_upload_states(p, loaded, run, error)) return false;
    for (int i = 0; i < run->n_nodes; i++)
      if (!cuda_upload(p, loaded, run, i, error)) return false;
  }
  return loaded->device->ops->run(loaded, &p->program.train, p->program.recipe.batch, error);
}
