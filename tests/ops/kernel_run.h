// Compiles the emitted kernels of all cases, one shared library for each element type and vector width, and
// runs every kernel against the host reference, fed with the host's values: each node as a group of its own,
// then the groups that pass_fuse makes of the case.
//
// Buffers end at a page that cannot be touched and begin behind a guard pattern, so that a kernel that reads
// or writes beyond its operands is found. Parts run last first: no part may need what another wrote.
#pragma once
#include "compiler/emit/writer.h"
#include "compiler/passes/pass.h"
#include "tests/ops/host_run.h"
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char mla_c_prelude[]; // as embedded in the compiler

enum { GUARD_BYTES = 64, GUARD = 0xA5, MAX_KERNEL_BUFFERS = 64 };

typedef struct KernelConfig {
  int elem_bytes, vector_bytes;
  int64_t spare; // the plan is made for so many images more than are run
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
  char library[256];
  pid_t compiler;
} KernelSet;

typedef void KernelFunction(void *const *buffers, long batch, void *scratch, int part, int parts);

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

static GroupKind kernel_kind(OpKind op) {
  FuseKind fuse = op_info(op)->fuse;
  return fuse == FUSE_REDUCE ? GROUP_REDUCE : fuse == FUSE_SINGLE ? GROUP_SINGLE : GROUP_POINT;
}

static bool kernel_exists(const Node *node) {
  FuseKind fuse = op_info(node->op)->fuse;
  return fuse != FUSE_LEAF && fuse != FUSE_VIEW;
}

static void kernel_add_group(KernelSet *set, const Case *c, const Values *values, const Group *group) {
  Emit emit = {.skeletons = &c_skeletons,
               .arena = set->arena,
               .elem_bytes = set->config.elem_bytes,
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
                 .is_training = true};
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

static void kernel_add_case(KernelSet *set, const Case *c, const Values *values) {
  c->graph->batch = c->batch + set->config.spare;
  c->graph->elem_bytes = set->config.elem_bytes;
  kernel_place_states(c);
  for (NodeId id = 1; id < c->graph->n_nodes; id++)
    if (kernel_exists(graph_node(c->graph, id))) kernel_add_node(set, c, values, id);
  kernel_add_fused(set, c, values);
}

// ---- compiling ----

static void kernel_write(const KernelSet *set, FILE *out) {
  if (set->config.elem_bytes == 8) fputs("#define MLA_REAL_DOUBLE\n", out);
  fprintf(out, "#define MLA_LANES %d\n%s\n", set->config.vector_bytes / set->config.elem_bytes,
          mla_c_prelude);
  for (int i = 0; i < set->n_texts; i++) {
    const char *text = set->texts[i];
    for (const char *at; (at = strstr(text, KERNEL_SYMBOL)); text = at + strlen(KERNEL_SYMBOL))
      fprintf(out, "%.*skernel_%d", (int)(at - text), text, i);
    fputs(text, out);
  }
}

static void kernel_compile(KernelSet *set, const char *folder) {
  char source[256], command[800];
  snprintf(source, sizeof source, "%s/f%d_v%d.c", folder, set->config.elem_bytes * 8,
           set->config.vector_bytes);
  snprintf(set->library, sizeof set->library, "%s/f%d_v%d.so", folder, set->config.elem_bytes * 8,
           set->config.vector_bytes);
  FILE *out = fopen(source, "w");
  if (!out) {
    perror(source);
    exit(1);
  }
  kernel_write(set, out);
  fclose(out);
  snprintf(
      command, sizeof command,
      "exec cc -std=gnu11 -O1 -march=native -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi "
      "-shared -fPIC -o %s %s",
      set->library, source);
  set->compiler = fork();
  if (set->compiler == 0) {
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
}

static bool kernel_wait(const KernelSet *set) {
  int status = 1;
  return waitpid(set->compiler, &status, 0) == set->compiler && status == 0;
}

// ---- buffers ----

typedef struct GuardedBuffer {
  unsigned char *map, *data;
  size_t map_bytes, n_bytes;
} GuardedBuffer;

static GuardedBuffer guarded_new(int64_t n_bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE),
         used = ((size_t)n_bytes + GUARD_BYTES + page - 1) / page * page;
  GuardedBuffer buffer = {.map_bytes = used + page, .n_bytes = (size_t)n_bytes};
  buffer.map = mmap(NULL, buffer.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer.map == MAP_FAILED || mprotect(buffer.map + used, page, PROT_NONE)) {
    perror("guarded buffer");
    exit(1);
  }
  buffer.data = buffer.map + used - n_bytes;
  memset(buffer.data - GUARD_BYTES, GUARD, GUARD_BYTES);
  return buffer;
}

static bool guarded_free(GuardedBuffer *buffer) {
  bool is_intact = true;
  for (int i = 1; i <= GUARD_BYTES; i++) is_intact &= buffer->data[-i] == GUARD;
  munmap(buffer->map, buffer->map_bytes);
  return is_intact;
}

static void real_put(int elem_bytes, void *data, int64_t i, double value) {
  if (elem_bytes == 8)
    ((double *)data)[i] = value;
  else
    ((float *)data)[i] = (float)value;
}

static double real_get(int elem_bytes, const void *data, int64_t i) {
  return elem_bytes == 8 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

// ---- running ----

// Buffers of one kernel group: by node (inputs, result), one for partial sums, one with all states.
typedef struct KernelBuffers {
  const KernelRun *run;
  int elem_bytes;
  NodeId nodes[MAX_KERNEL_BUFFERS];
  GuardedBuffer of_node[MAX_KERNEL_BUFFERS];
  int n_nodes;
  GuardedBuffer partial, states;
} KernelBuffers;

// A leaf as it was before updates wrote to it.
static const double *kernel_input(const KernelRun *run, NodeId id) {
  for (int i = 0; i < run->c->n_names; i++)
    if (run->c->names[i].node == id && run->c->names[i].data) return run->c->names[i].data;
  return run->values->data[id];
}

static bool kernel_is_output(const KernelRun *run, NodeId id) {
  for (int i = 0; i < run->group.n_outputs; i++)
    if (run->group.outputs[i] == id) return true;
  return false;
}

static void kernel_fill(KernelBuffers *buffers, GuardedBuffer *buffer, NodeId id) {
  const KernelRun *run = buffers->run;
  const Node *node = graph_node(run->c->graph, id);
  int64_t n = shape_elems(node->shape, run->c->batch);
  *buffer = guarded_new(n * (node->dtype == DT_INDEX ? 4 : buffers->elem_bytes));
  if (node->dtype == DT_INDEX) {
    memcpy(buffer->data, run->values->index[id], (size_t)n * 4);
    return;
  }
  const double *values = kernel_input(run, id);
  bool is_output = kernel_is_output(run, id);
  for (int64_t i = 0; i < n; i++) real_put(buffers->elem_bytes, buffer->data, i, is_output ? NAN : values[i]);
}

static void *kernel_node_buffer(KernelBuffers *buffers, NodeId id) {
  for (int i = 0; i < buffers->n_nodes; i++)
    if (buffers->nodes[i] == id) return buffers->of_node[i].data;
  int i = buffers->n_nodes++;
  buffers->nodes[i] = id;
  kernel_fill(buffers, &buffers->of_node[i], id);
  return buffers->of_node[i].data;
}

static void kernel_fill_states(KernelBuffers *buffers) {
  const Case *c = buffers->run->c;
  int64_t n = 0;
  for (StateId id = 0; id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    n = state->offset + shape_elems(state->shape, c->batch);
  }
  buffers->states = guarded_new(n * buffers->elem_bytes);
  for (StateId id = 0; id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    const double *values = kernel_input(buffers->run, host_reader(c, id));
    for (int64_t i = 0; i < shape_elems(state->shape, c->batch); i++)
      real_put(buffers->elem_bytes, buffers->states.data, state->offset + i, values[i]);
  }
}

static void *kernel_buffer(KernelBuffers *buffers, BufferRef ref) {
  const StateTable *states = buffers->run->c->graph->states;
  switch (ref.kind) {
  case REF_NODE: return kernel_node_buffer(buffers, ref.node);
  case REF_PARTIAL: return buffers->partial.data;
  case REF_REGION: return buffers->states.data;
  case REF_STATE: return buffers->states.data + state_get(states, ref.state)->offset * buffers->elem_bytes;
  }
  return NULL;
}

static void kernel_launch(KernelBuffers *buffers, const KernelDraft *draft, KernelFunction *function) {
  void *addresses[MAX_KERNEL_BUFFERS];
  for (int i = 0; i < draft->n_buffers; i++) addresses[i] = kernel_buffer(buffers, draft->buffers[i]);
  for (int part = draft->parts - 1; part >= 0; part--) {
    void *scratch = aligned_alloc(64, ((size_t)draft->scratch_bytes + 127) / 64 * 64);
    memset(scratch, 0xFF, ((size_t)draft->scratch_bytes + 127) / 64 * 64);
    function(addresses, (long)buffers->run->c->batch, scratch, part, draft->parts);
    free(scratch);
  }
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

// Every result must be the host's; of an update, every state.
static double kernel_compare(KernelBuffers *buffers) {
  const KernelRun *run = buffers->run;
  const Case *c = run->c;
  int elem_bytes = buffers->elem_bytes;
  double off = 0;
  for (int i = 0; i < run->group.n_outputs; i++) {
    NodeId id = run->group.outputs[i];
    int64_t n = shape_elems(graph_node(c->graph, id)->shape, c->batch);
    off = fmax(off, kernel_difference(elem_bytes, kernel_node_buffer(buffers, id), run->values->data[id], n));
  }
  for (StateId id = 0; run->group.n_outputs == 0 && id < c->graph->states->n; id++) {
    const State *state = state_get(c->graph->states, id);
    const double *expected = run->values->data[host_reader(c, id)];
    const void *data = buffers->states.data + state->offset * elem_bytes;
    off = fmax(off, kernel_difference(elem_bytes, data, expected, shape_elems(state->shape, c->batch)));
  }
  return off;
}

static char kernel_running[400]; // for the message of a crash

static void kernel_crashed(int number) {
  (void)number;
  ssize_t n = write(STDERR_FILENO, kernel_running, strlen(kernel_running));
  _exit(n < 0 ? 2 : 1);
}

// Returns the largest difference; sets `*is_intact` to false if a guard was overwritten.
static double kernel_run(const KernelSet *set, const KernelRun *run, void *library, bool *is_intact) {
  KernelBuffers buffers = {.run = run, .elem_bytes = set->config.elem_bytes};
  buffers.partial = guarded_new(run->group.partial_bytes);
  memset(buffers.partial.data, 0xFF, buffers.partial.n_bytes);
  kernel_fill_states(&buffers);
  for (int i = 0; i < run->n_drafts; i++) {
    char symbol[32];
    snprintf(symbol, sizeof symbol, "kernel_%d", run->symbols[i]);
    snprintf(kernel_running, sizeof kernel_running, "%s: %s: %s in %s reads or writes beyond its buffers\n",
             run->c->file, run->c->title, symbol, set->library);
    KernelFunction *function;
    *(void **)&function = dlsym(library, symbol);
    kernel_launch(&buffers, &run->drafts[i], function);
  }
  double off = kernel_compare(&buffers);
  *is_intact = guarded_free(&buffers.partial) & guarded_free(&buffers.states);
  for (int i = 0; i < buffers.n_nodes; i++) *is_intact &= guarded_free(&buffers.of_node[i]);
  return off;
}
