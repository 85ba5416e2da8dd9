// The kernels of all cases for one target, element type and vector width: each node as a group of its own, then the groups
// that pass_fuse makes of the case. What a device needs to run and judge them is shared here.
#pragma once
#include "compiler/emit/writer.h"
#include "compiler/passes/pass.h"
#include "runtime/device/jit.h"
#include "tests/ops/host_run.h"

typedef struct KernelConfig {
  int elem_bytes, vector_bytes;
  int64_t spare; // the plan is made for so many images more than are run
  const Skeletons *skeletons;
  bool (*leaves_out)(OpKind op); // operators without a kernel yet; NULL: none
  ProductFusion products;
  MlaPrecision
      precision;     // f32 and f64: exact; bf16: what has_rows below is stored as bf16, where the kernels can
  const char *flags; // of the C compiler, beside those of every set; NULL: none
} KernelConfig;

typedef struct KernelRun {
  const Case *c;
  const Values *values;
  Group group;
  KernelDraft drafts[4];
  int symbols[4], n_drafts;
} KernelRun;

// All kernels of one configuration.
typedef struct KernelSet {
  Arena *arena;
  KernelConfig config;
  KernelRun *runs;
  int n_runs, run_capacity;
  const char **texts;
  int n_texts, text_capacity;
  char name[16]; // f32_v64
  MlaCode code;  // of the texts, where they are C
} KernelSet;

// ---- writing ----

static void *kernel_grow(Arena *arena, void *items, int n, int *capacity, size_t size) {
  if (n < *capacity) return items;
  *capacity = *capacity ? 2 * *capacity : 64;
  void *more = arena_alloc(arena, size * (size_t)*capacity);
  if (n) memcpy(more, items, size * (size_t)n);
  return more;
}

// Equal texts are one kernel.
static int kernel_symbol(KernelSet *set, const char *text) {
  for (int i = 0; i < set->n_texts; i++)
    if (!strcmp(set->texts[i], text)) return i;
  set->texts = kernel_grow(set->arena, set->texts, set->n_texts, &set->text_capacity, sizeof *set->texts);
  set->texts[set->n_texts] = text;
  return set->n_texts++;
}

// The text under its symbol, kernel_<i>.
static const char *kernel_named(Arena *arena, const char *text, int i) {
  StrBuf named = strbuf_new(arena);
  for (const char *at; (at = strstr(text, KERNEL_SYMBOL)); text = at + strlen(KERNEL_SYMBOL))
    strbuf_printf(&named, "%.*skernel_%d", (int)(at - text), text, i);
  strbuf_put(&named, text);
  return named.text;
}

static GroupKind kernel_kind(OpKind op) {
  FuseKind fuse = op_info(op)->fuse;
  return fuse == FUSE_REDUCE ? GROUP_REDUCE : fuse == FUSE_SINGLE ? GROUP_SINGLE : GROUP_POINT;
}

static bool kernel_exists(const KernelSet *set, const Node *node) {
  FuseKind fuse = op_info(node->op)->fuse;
  if (set->config.leaves_out && set->config.leaves_out(node->op)) return false;
  return fuse != FUSE_LEAF && fuse != FUSE_VIEW;
}

// As pass_narrow: activations are stored as bf16 if the group can.
static bool kernel_is_bf16(const Graph *graph, const Group *group, NodeId id) {
  const Node *node = graph_node(graph, id);
  for (int i = 0; i < group->n_nodes; i++)
    if (!node_takes_bf16(graph_node(graph, group->nodes[i]))) return false;
  return node->dtype != DT_INDEX && node->shape.rank >= 2 && node->shape.dim[0] == DIM_BATCH;
}

static void kernel_add_group(KernelSet *set, const Case *c, const Values *values, const Group *group) {
  Emit emit = {.skeletons = set->config.skeletons,
               .arena = set->arena,
               .elem_bytes = set->config.elem_bytes,
               .precision = set->config.precision,
               .max_lanes = set->config.vector_bytes / set->config.elem_bytes};
  emit_group(&emit, c->graph, group);
  set->runs = kernel_grow(set->arena, set->runs, set->n_runs, &set->run_capacity, sizeof *set->runs);
  KernelRun *run = &set->runs[set->n_runs++];
  *run = (KernelRun){.c = c, .values = values, .group = *group, .n_drafts = emit.n_drafts};
  for (int i = 0; i < emit.n_drafts; i++) {
    run->drafts[i] = emit.drafts[i];
    run->symbols[i] = kernel_symbol(set, emit.drafts[i].text);
  }
}

static void kernel_add_node(KernelSet *set, const Case *c, const Values *values, NodeId id) {
  const Node *node = graph_node(c->graph, id);
  Group group = {.kind = kernel_kind(node->op), .n_nodes = 1, .inputs = node->in, .n_inputs = node->n_in};
  group.nodes = group.outputs = arena_copy(set->arena, &id, sizeof id);
  group.n_outputs = op_info(node->op)->effect == EFFECT_PURE;
  group.parts = group_parts(c->graph, &group);
  group.partial_bytes = kernel_partial_bytes(c->graph, &group);
  kernel_add_group(set, c, values, &group);
}

static void kernel_add_fused(KernelSet *set, const Case *c, const Values *values) {
  PassCtx ctx = {.scratch = set->arena,
                 .batch = c->graph->batch,
                 .elem_bytes = c->graph->elem_bytes,
                 .is_training = true,
                 .products = set->config.products};
  c->graph->groups = NULL;
  c->graph->n_groups = 0;
  pass_fuse(c->graph, &ctx);
  for (int g = 0; g < c->graph->n_groups; g++)
    if (c->graph->groups[g].n_nodes > 1) kernel_add_group(set, c, values, &c->graph->groups[g]);
}

// Update kernels address a region from its begin: all states of a case lie in one.
static void kernel_place_states(const Case *c) {
  int64_t offset = 0;
  for (StateId id = 0; id < c->graph->states->n; id++) {
    State *state = state_get(c->graph->states, id);
    state->offset = offset;
    offset += (shape_elems(state->shape, c->batch) + 15) / 16 * 16;
  }
}

__attribute__((unused)) static void kernel_add_case(KernelSet *set, const Case *c, const Values *values) {
  c->graph->batch = c->batch + set->config.spare;
  c->graph->elem_bytes = set->config.elem_bytes;
  kernel_place_states(c);
  for (NodeId id = 1; id < c->graph->n_nodes; id++)
    if (kernel_exists(set, graph_node(c->graph, id))) kernel_add_node(set, c, values, id);
  kernel_add_fused(set, c, values);
}

// ---- values ----

// Two bytes: bf16, rounded to nearest even.
static uint16_t bf16_of(double value) {
  float single = (float)value;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  if (isnan(value)) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static double bf16_value(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float single;
  memcpy(&single, &bits, sizeof single);
  return single;
}

static void real_put(int elem_bytes, void *data, int64_t i, double value) {
  if (elem_bytes == 8)
    ((double *)data)[i] = value;
  else if (elem_bytes == 4)
    ((float *)data)[i] = (float)value;
  else
    ((uint16_t *)data)[i] = bf16_of(value);
}

static double real_get(int elem_bytes, const void *data, int64_t i) {
  if (elem_bytes == 2) return bf16_value(((const uint16_t *)data)[i]);
  return elem_bytes == 8 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

// A leaf as it was before updates wrote to it.
static const double *kernel_input(const KernelRun *run, NodeId id) {
  for (int i = 0; i < run->c->n_names; i++)
    if (run->c->names[i].node == id && run->c->names[i].data) return run->c->names[i].data;
  return run->values->data[id];
}

// Bytes of an element as the kernel of the run finds it in memory.
static inline int kernel_elem_bytes(const KernelSet *set, const KernelRun *run, NodeId id) {
  const Node *node = graph_node(run->c->graph, id);
  if (node->dtype == DT_INDEX) return 4;
  return set->config.precision == MLA_PRECISION_BF16 && kernel_is_bf16(run->c->graph, &run->group, id)
             ? 2
             : set->config.elem_bytes;
}

static bool kernel_is_output(const KernelRun *run, NodeId id) {
  for (int i = 0; i < run->group.n_outputs; i++)
    if (run->group.outputs[i] == id) return true;
  return false;
}

// Largest difference relative to the largest value; infinite if a value is missing.
static double kernel_difference(int elem_bytes, const void *data, const double *expected, int64_t n) {
  double most = 1e-3, off = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(expected[i]));
  for (int64_t i = 0; i < n; i++) {
    double difference = fabs(real_get(elem_bytes, data, i) - expected[i]) / most;
    off = isnan(difference) ? INFINITY : fmax(off, difference);
  }
  return off;
}
