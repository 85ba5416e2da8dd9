// From a planned model to an MlaProgram. Walks the groups of the training and the evaluation graph in order;
// each becomes launches of kernels (or of host functions). No decisions are made here: order, groups, parts
// and bytes are the plan's.
#include "compiler/emit/program.h"
#include "compiler/emit/cuda/skeletons.h"
#include <string.h>

// Embedded by the build from c/prelude.h, c/bf16.h and cuda/*.cuh.
extern const char mla_c_prelude[], mla_c_bf16[], mla_cuda_prelude[], mla_cuda_arithmetic[];

enum { CUDA_VECTOR_BYTES = 16 }; // the widest access to memory

// Contraction to fused multiply-add; nothing that would let a compiler reorder sums.
#define COMPILE_FLAGS                                                                                        \
  "-std=gnu11 -O2 -march=native -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi"

// ---- the vectors of this machine ----

#if defined(__x86_64__) || defined(__i386__)
static int host_vector_bytes(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return 64;
  return __builtin_cpu_supports("avx2") ? 32 : 16;
}
#else
static int host_vector_bytes(void) {
  return 16;
}
#endif

static const char *prelude_text(ProgramBuilder *builder) {
  const char *elem = builder->elem == MLA_F64 ? "#define MLA_REAL_DOUBLE\n" : "";
  if (builder->options->target == EMIT_CUDA)
    return arena_printf(builder->arena, "%s%s%s", elem, mla_cuda_prelude, mla_cuda_arithmetic);
  bool is_bf16 = emit_stores_bf16(builder->options->target, builder->options->precision);
  return arena_printf(builder->arena, "%s#define MLA_LANES %d\n%s%s", elem, builder->emit.max_lanes,
                      mla_c_prelude, is_bf16 ? mla_c_bf16 : "");
}

// ---- launches ----

static const char *layer_name(const Graph *graph, const Group *group) {
  const Node *node = group_root(graph, group);
  return node->name ? node->name : op_info(node->op)->name;
}

// An update reads and writes its runs of states.
static int64_t ref_bytes(const ProgramBuilder *builder, BufferRef ref, int buffer) {
  bool is_updated = ref.kind == REF_RUN && !ref.is_read;
  return (is_updated ? 2 : 1) * builder->buffers[buffer].n_bytes;
}

// Of the value that matters: the last one that the group writes.
static const char *written_shape(const ProgramBuilder *builder, const Graph *graph, const Group *group) {
  const Node *node =
      graph_node(graph, group->n_outputs ? group->outputs[group->n_outputs - 1] : group->nodes[0]);
  if (op_info(node->op)->effect != EFFECT_WRITES_STATE) return shape_text(builder->arena, node->shape);
  return arena_printf(builder->arena, "%d tensor%s", node->n_states, node->n_states == 1 ? "" : "s");
}

// The line of the model behind the group's last operator that has one; NULL: none.
static const char *source_place(const ProgramBuilder *builder, const Graph *graph, const Group *group) {
  const SourceMap *map = builder->options->map;
  for (int i = group->n_nodes - 1; i >= 0 && map; i--) {
    Span span = graph_node(graph, group->nodes[i])->span;
    if (span.file == 0) continue;
    return arena_printf(builder->arena, "%s:%u", map->files[span.file].path,
                        source_line_col(map, span.file, span.begin).line);
  }
  return NULL;
}

static MlaLaunch kernel_launch(ProgramBuilder *builder, StepBuilder *step, const Group *group,
                               const KernelDraft *draft, int *kernel) {
  int32_t *buffers = ARENA_ARRAY(builder->arena, int32_t, draft->n_buffers);
  MlaLaunch launch = {.buffers = buffers,
                      .n_buffers = draft->n_buffers,
                      .parts = draft->parts,
                      .grid = draft->grid,
                      .product = draft->product};
  for (int i = 0; i < draft->n_buffers; i++) {
    buffers[i] = buffer_of_ref(builder, step, group, draft->buffers[i]);
    launch.n_bytes += ref_bytes(builder, draft->buffers[i], buffers[i]);
  }
  launch_touches(builder, group, draft, &launch);
  bool is_finish = draft->role[0] != '\0';
  if (!is_finish) launch.flops = group_flops(step->graph, group);
  launch.name =
      arena_printf(builder->arena, "%s%s %s", step->name, layer_name(step->graph, group), draft->stem);
  launch.shape = written_shape(builder, step->graph, group);
  launch.source = source_place(builder, step->graph, group);
  launch.kernel = *kernel = kernel_add(builder, step->graph, group, draft, &launch, *kernel);
  return launch;
}

// Returns the number of launches.
static int group_launches(ProgramBuilder *builder, StepBuilder *step, const Group *group,
                          MlaLaunch *launches) {
  if (builder->options->target == EMIT_REFERENCE) {
    launches[0] = reference_launch(builder, step, group);
    launches[0].name = arena_printf(builder->arena, "%s%s %s", step->name, layer_name(step->graph, group),
                                    op_info(graph_node(step->graph, group->nodes[0])->op)->name);
    launches[0].flops = group_flops(step->graph, group);
    return 1;
  }
  AlikeDrafts *drafts = alike_drafts(builder, step->graph, group);
  for (int i = 0; i < drafts->n; i++)
    launches[i] = kernel_launch(builder, step, group, &drafts->of_launch[i], &drafts->kernels[i]);
  return drafts->n;
}

static StepBuilder build_step(ProgramBuilder *builder, const Graph *graph, const char *name) {
  StepBuilder step = {
      .graph = graph, .name = name, .node_buffers = ARENA_ARRAY(builder->arena, int, graph->n_nodes)};
  for (NodeId id = 0; id < graph->n_nodes; id++) step.node_buffers[id] = -1;
  MlaLaunch *launches = ARENA_ARRAY(builder->arena, MlaLaunch, MAX_GROUP_LAUNCHES * graph->n_groups);
  int n = 0;
  for (int g = 0; g < graph->n_groups; g++) {
    int n_new = group_launches(builder, &step, &graph->groups[g], launches + n);
    for (int i = 0; i < n_new; i++) launches[n + i].module = graph->groups[g].module;
    n += n_new;
  }
  step.step = (MlaStep){.launches = launches, .n_launches = n, .work_bytes = graph->work_bytes};
  step.step.image = buffer_of_node(builder, &step, graph->image);
  step.step.label = buffer_of_node(builder, &step, graph->label);
  step.step.learning_rate = buffer_of_node(builder, &step, graph->learning_rate);
  step.step.keys = buffer_of_node(builder, &step, graph->keys);
  step.step.output = buffer_of_node(builder, &step, graph->output);
  return step;
}

static void program_losses(ProgramBuilder *builder, StepBuilder *step) {
  const Graph *graph = step->graph;
  MlaLoss *losses = ARENA_ARRAY(builder->arena, MlaLoss, graph->n_losses);
  for (int i = 0; i < graph->n_losses; i++) {
    const Loss *loss = &graph->losses[i];
    losses[i] = (MlaLoss){.name = loss->name,
                          .module = loss->module,
                          .term = buffer_of_node(builder, step, loss->term),
                          .value = buffer_of_node(builder, step, loss->value)};
  }
  builder->program->losses = losses;
  builder->program->n_losses = graph->n_losses;
}

// ---- the program ----

static void size_regions(ProgramBuilder *builder) {
  const Model *model = builder->model;
  int64_t *bytes = builder->program->region_bytes;
  int64_t train = model->train->work_bytes, eval = model->eval ? model->eval->work_bytes : 0;
  bytes[MLA_WORK] = train > eval ? train : eval;
  for (int kind = 0; kind < N_STATE_KINDS; kind++) {
    bytes[region_of_state((StateKind)kind)] = model->states->arena_elems[kind] * builder->elem_bytes;
  }
}

static ProgramBuilder new_builder(Arena *arena, const Model *model, const EmitOptions *options) {
  MlaElem elem = options->target == EMIT_REFERENCE ? MLA_F64 : mla_elem_of(options->precision);
  ProgramBuilder builder = {.arena = arena, .model = model, .options = options, .elem = elem};
  builder.elem_bytes = elem == MLA_F64 ? 8 : 4;
  builder.program = ARENA_NEW(arena, MlaProgram);
  builder.state_buffers = ARENA_ARRAY(arena, int, model->states->n);
  for (StateId id = 0; id < model->states->n; id++) builder.state_buffers[id] = -1;
  int vector_bytes = options->vector_bytes;
  if (options->target == EMIT_CUDA) vector_bytes = CUDA_VECTOR_BYTES;
  if (!vector_bytes) vector_bytes = host_vector_bytes();
  builder.emit.arena = arena;
  builder.emit.skeletons = options->target == EMIT_CUDA ? &cuda_skeletons : &c_skeletons;
  builder.emit.elem_bytes = builder.elem_bytes;
  builder.emit.precision = options->precision;
  builder.emit.max_lanes = vector_bytes / builder.elem_bytes;
  builder.emit.choices = options->choices;
  if (options->choices) options->choices->n_uses = 0;
  return builder;
}

SumLimits emit_sum_limits(EmitTarget target) {
  if (target != EMIT_CUDA) return (SumLimits){0};
  return (SumLimits){
      .max_parts = CUDA_MAX_PARTS, .part_channels = CUDA_PART_CHANNELS, .weight_blocks = CUDA_WEIGHT_BLOCKS};
}

ProductFusion emit_product_fusion(EmitTarget target, MlaPrecision precision) {
  if (target == EMIT_REFERENCE) return (ProductFusion){0};
  // C could do what comes behind a product and its sums, too: 1 to 2 % faster, and 40 % longer to compile.
  if (target == EMIT_C)
    return (ProductFusion){.before = true,
                           .before_weights = true,
                           .gathered = true,
                           .in_pairs = emit_stores_bf16(target, precision)};
  return (ProductFusion){
      .before = true, .before_weights = true, .behind = true, .sums = true, .transposed = true};
}

bool emit_stores_bf16(EmitTarget target, MlaPrecision precision) {
  return target == EMIT_C && precision == MLA_PRECISION_BF16;
}

MlaProgram *emit_program(Arena *arena, const Model *model, const EmitOptions *options) {
  ProgramBuilder builder = new_builder(arena, model, options);
  MlaProgram *program = builder.program;
  program->model = model->name;
  program->target = options->target == EMIT_CUDA ? MLA_TARGET_CUDA : MLA_TARGET_CPU;
  program->elem = builder.elem;
  program->prelude = options->target == EMIT_REFERENCE ? "" : prelude_text(&builder);
  program->compile_flags = options->target == EMIT_C ? COMPILE_FLAGS : "";
  size_regions(&builder);
  program_states(&builder);

  StepBuilder train = build_step(&builder, model->train, "");
  program->train = train.step;
  program_losses(&builder, &train);
  program->eval = (MlaStep){.image = -1, .label = -1, .learning_rate = -1, .keys = -1, .output = -1};
  if (model->eval) program->eval = build_step(&builder, model->eval, "eval ").step;
  program_modules(&builder);
  program_exchange(&builder, &program->train, &program->eval);

  kernels_finish(&builder);
  program->buffers = builder.buffers;
  program->n_buffers = builder.n_buffers;
  program->data = model->data;
  program->recipe = model->recipe;
  program->recipe.precision = options->target == EMIT_REFERENCE ? MLA_PRECISION_F64 : options->precision;
  return program;
}
