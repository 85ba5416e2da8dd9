// Compiles the emitted kernels of all cases, for each element type and vector width, as the devices do: what is in the
// cache of kernels is not compiled again, so that a second build of the tests finds what the first one made. Then
// runs every kernel against the host reference, fed with the host's values.
//
// Buffers end MLA_READ_BEHIND bytes before a page that cannot be touched; those bytes and some before a buffer hold
// numbers that are none, so that a kernel that uses or writes what lies beyond its operands is found. Parts run last
// first: no part may need what another wrote.
#pragma once
#include "runtime/device/jit.h"
#include "runtime/device/jit_compiler.h"
#include "tests/ops/kernel_set.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char mla_c_prelude[], mla_c_bf16[]; // as embedded in the compiler

enum { GUARD_BYTES = 64, GUARD = 0xFF, MAX_KERNEL_BUFFERS = 64 };

typedef void KernelFunction(void *const *buffers, long batch, void *scratch, int part, int parts);

// ---- compiling ----

static const char *kernel_prelude(const KernelSet *set) {
  return arena_printf(set->arena, "%s#define MLA_LANES %d\n%s\n%s",
                      set->config.elem_bytes == 8 ? "#define MLA_REAL_DOUBLE\n" : "",
                      set->config.vector_bytes / set->config.elem_bytes, mla_c_prelude,
                      set->config.precision == MLA_PRECISION_BF16 ? mla_c_bf16 : "");
}

static MlaProgram kernel_program(const KernelSet *set) {
  MlaKernel *kernels = ARENA_ARRAY(set->arena, MlaKernel, set->n_texts);
  for (int i = 0; i < set->n_texts; i++)
    kernels[i] = (MlaKernel){.symbol = arena_printf(set->arena, "kernel_%d", i),
                             .text = kernel_named(set->arena, set->texts[i], i)};
  return (MlaProgram){.prelude = kernel_prelude(set), .kernels = kernels, .n_kernels = set->n_texts};
}

// For whoever looks into a failure.
static void kernel_write(const KernelSet *set, const MlaProgram *program, const char *folder) {
  FILE *out = fopen(arena_printf(set->arena, "%s/%s.c", folder, set->name), "w");
  if (!out) return;
  fputs(program->prelude, out);
  for (int i = 0; i < program->n_kernels; i++) fputs(program->kernels[i].text, out);
  fclose(out);
}

static bool kernel_compile(KernelSet *set, const char *folder) {
  static const MlaLanguage language = {.toolchain = "the C compiler",
                                       .source_ending = "c",
                                       .unit_ending = "so",
                                       .variable = "CC",
                                       .usual = {"cc", "gcc", "clang"},
                                       .flags = "-std=gnu11 -O1 -march=native -ffp-contract=fast "
                                                "-fno-math-errno -fno-trapping-math -w -shared -fPIC",
                                       .missing = "no C compiler"};
  const char *flags = set->config.flags ? set->config.flags : "";
  snprintf(set->name, sizeof set->name, "f%d_v%d", set->config.elem_bytes * 8, set->config.vector_bytes);
  MlaProgram program = kernel_program(set);
  kernel_write(set, &program, folder);
  MlaCompiler compiler;
  MlaError error = {0};
  bool has_warned = false, good = mla_compiler_find(&compiler, &language, flags, &error);
  MlaToolchain toolchain = mla_compiler_toolchain(&compiler);
  MlaJitOptions options = {.has_warned = &has_warned};
  good = good && mla_jit_load(&program, &toolchain, &options, &set->code, &error);
  mla_compiler_release(&compiler);
  if (!good) fprintf(stderr, "%s: %s\n", set->name, error.text);
  return good;
}

// ---- buffers ----

typedef struct GuardedBuffer {
  unsigned char *map, *data;
  size_t map_bytes, n_bytes;
} GuardedBuffer;

static GuardedBuffer guarded_new(int64_t n_bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE),
         used = ((size_t)n_bytes + GUARD_BYTES + MLA_READ_BEHIND + page - 1) / page * page;
  GuardedBuffer buffer = {.map_bytes = used + page, .n_bytes = (size_t)n_bytes};
  buffer.map = mmap(NULL, buffer.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer.map == MAP_FAILED || mprotect(buffer.map + used, page, PROT_NONE)) {
    perror("guarded buffer");
    exit(1);
  }
  buffer.data = buffer.map + used - MLA_READ_BEHIND - n_bytes;
  memset(buffer.data - GUARD_BYTES, GUARD, GUARD_BYTES);
  memset(buffer.data + n_bytes, GUARD, MLA_READ_BEHIND);
  return buffer;
}

static bool guarded_free(GuardedBuffer *buffer) {
  bool is_intact = true;
  for (int i = 1; i <= GUARD_BYTES; i++) is_intact &= buffer->data[-i] == GUARD;
  for (int i = 0; i < MLA_READ_BEHIND; i++) is_intact &= buffer->data[buffer->n_bytes + (size_t)i] == GUARD;
  munmap(buffer->map, buffer->map_bytes);
  return is_intact;
}

// ---- running ----

// Buffers of one kernel group: by node (inputs, result), one for partial sums, one with all states.
typedef struct KernelBuffers {
  const KernelSet *set;
  const KernelRun *run;
  int elem_bytes;
  NodeId nodes[MAX_KERNEL_BUFFERS];
  GuardedBuffer of_node[MAX_KERNEL_BUFFERS];
  int n_nodes;
  GuardedBuffer partial, states;
} KernelBuffers;

static void kernel_fill(KernelBuffers *buffers, GuardedBuffer *buffer, NodeId id) {
  const KernelRun *run = buffers->run;
  const Node *node = graph_node(run->c->graph, id);
  int64_t n = shape_elems(node->shape, run->c->batch);
  int elem_bytes = kernel_elem_bytes(buffers->set, run, id);
  *buffer = guarded_new(n * elem_bytes);
  if (node->dtype == DT_INDEX) {
    memcpy(buffer->data, run->values->index[id], (size_t)n * 4);
    return;
  }
  const double *values = kernel_input(run, id);
  bool is_output = kernel_is_output(run, id);
  for (int64_t i = 0; i < n; i++) real_put(elem_bytes, buffer->data, i, is_output ? NAN : values[i]);
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
  case REF_TICKETS: return NULL; // CUDA's
  case REF_RUN:
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

// Every result must be the host's; of an update, every state.
static double kernel_compare(KernelBuffers *buffers) {
  const KernelRun *run = buffers->run;
  const Case *c = run->c;
  int elem_bytes = buffers->elem_bytes;
  double off = 0;
  for (int i = 0; i < run->group.n_outputs; i++) {
    NodeId id = run->group.outputs[i];
    int64_t n = shape_elems(graph_node(c->graph, id)->shape, c->batch);
    off = fmax(off, kernel_difference(kernel_elem_bytes(buffers->set, run, id),
                                      kernel_node_buffer(buffers, id), run->values->data[id], n));
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
static double kernel_run(const KernelSet *set, const KernelRun *run, bool *is_intact) {
  KernelBuffers buffers = {.set = set, .run = run, .elem_bytes = set->config.elem_bytes};
  buffers.partial = guarded_new(run->group.partial_bytes);
  memset(buffers.partial.data, 0xFF, buffers.partial.n_bytes);
  kernel_fill_states(&buffers);
  for (int i = 0; i < run->n_drafts; i++) {
    snprintf(kernel_running, sizeof kernel_running,
             "%s: %s: kernel_%d of %s reads or writes beyond its buffers\n", run->c->file, run->c->title,
             run->symbols[i], set->name);
    KernelFunction *function;
    *(void **)&function = set->code.kernels[run->symbols[i]];
    kernel_launch(&buffers, &run->drafts[i], function);
  }
  double off = kernel_compare(&buffers);
  *is_intact = guarded_free(&buffers.partial) & guarded_free(&buffers.states);
  for (int i = 0; i < buffers.n_nodes; i++) *is_intact &= guarded_free(&buffers.of_node[i]);
  return off;
}
