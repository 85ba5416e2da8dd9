// Inside the emitter: the program while it is being built.
#pragma once
#include "compiler/emit/writer.h"

// When launches happen: in the phases of a training step, or in an evaluation.
enum { WHEN_EVALUATING = PHASE_UPDATE + 1, N_WHEN };

// A kernel and whom it serves; becomes an MlaKernel when all launches are known.
typedef struct Kernel {
  const char *stem, *text;
  const char *opening; // the comment's first lines; NULL: said from the group
  int64_t scratch_bytes;
  const Graph *graph; // of the first launch
  const Group *group;
  const char **uses; // what its launches compute, each once: "stage1.0/bn1+relu1"
  int n_uses, use_capacity;
  Span *spans; // places in the source, each once
  int n_spans, span_capacity;
  int n_launches[N_WHEN], parts, threads;
  int64_t shared_bytes;
  int use;                // KernelDraft.use
  int64_t n_bytes, flops; // of the first launch
  const BufferRef
      *operands; // of the first launch, in0, in1, .. in the text; NULL: they have other names there
  int n_operands;
} Kernel;

// A graph of the program, and which buffer each of its nodes is.
typedef struct StepBuilder {
  const Graph *graph;
  const char *name;  // "" or "eval "
  int *node_buffers; // [n_nodes], -1: none yet
  MlaStep step;
} StepBuilder;

// The launches of a group; what is known of them besides the drafts.
typedef struct AlikeDrafts {
  KernelDraft of_launch[MAX_GROUP_LAUNCHES];
  int kernels[MAX_GROUP_LAUNCHES]; // of the program, -1: not looked up yet
  int n;
} AlikeDrafts;
typedef struct Alike Alike;

typedef struct ProgramBuilder {
  Arena *arena;
  const Model *model;
  const EmitOptions *options;
  MlaElem elem;
  int elem_bytes;
  MlaProgram *program;
  MlaBuffer *buffers;
  int n_buffers, buffer_capacity;
  int *state_buffers; // [states->n], -1: none yet
  Kernel *kernels;
  int n_kernels, kernel_capacity;
  Alike *alike[256]; // groups written so far, in lists by hash
  Emit emit;
} ProgramBuilder;

// ---- buffers.c ----
int buffer_add(ProgramBuilder *builder, MlaBuffer buffer);
int buffer_of_node(ProgramBuilder *builder, StepBuilder *step, NodeId id);
int buffer_of_state(ProgramBuilder *builder, StateId id);
// The bytes from the first of `n` states in a row to the end of the last.
int buffer_of_run(ProgramBuilder *builder, StateId first, int n);
int buffer_of_ref(ProgramBuilder *builder, StepBuilder *step, const Group *group, BufferRef ref);
MlaRegion region_of_state(StateKind kind);

// ---- alike.c ----
// The drafts of a group: written, or taken over from one that is alike.
AlikeDrafts *alike_drafts(ProgramBuilder *builder, const Graph *graph, const Group *group);

// ---- kernels.c ----
// The kernel with this text, new or one that exists (`known`, -1: to be looked up); notes whom it serves.
int kernel_add(ProgramBuilder *builder, const Graph *graph, const Group *group, const KernelDraft *draft,
               const MlaLaunch *launch, int known);
// A kernel of no group; `opening` says whom it serves.
int kernel_add_plain(ProgramBuilder *builder, const KernelDraft *draft, const char *opening);
// Gives the kernels their symbols and opening comments.
void kernels_finish(ProgramBuilder *builder);

// ---- files.c ----
// In which file a group's kernels are written: "convolution".
const char *kernel_file(const Graph *graph, const Group *group);

// ---- touches.c ----
// Sets reads and writes; the launch has its buffers.
void launch_touches(ProgramBuilder *builder, const Group *group, const KernelDraft *draft, MlaLaunch *launch);

// ---- exchange.c: packets and the log of losses ----
void program_exchange(ProgramBuilder *builder, MlaStep *train, MlaStep *eval);

// ---- states.c ----
void program_states(ProgramBuilder *builder);

// ---- figures.c: what things cost ----
int64_t node_macs(const Graph *graph, const Node *node, int64_t batch);
int64_t group_flops(const Graph *graph, const Group *group);
void program_modules(ProgramBuilder *builder);

// ---- reference.c ----
// One launch for each node of the group, through the operators' host functions.
MlaLaunch reference_launch(ProgramBuilder *builder, StepBuilder *step, const Group *group);
