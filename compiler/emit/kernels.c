// Kernels of the program: one for each different text, under a readable symbol, opening with whom it serves:
// the layers, the lines of the model they were written in, the operators, shapes and costs.
#include "compiler/emit/program.h"
#include <stdio.h>
#include <string.h>

enum { SHOWN_USES = 6, SHOWN_LINES = 4, COMMENT_WIDTH = 110 };

// ---- whom a kernel serves ----

// The layer and its operator: "stage1.0" of "stage1.0/bn1".
static size_t layer_length(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? (size_t)(slash - name) + 1 : 0;
}

static bool is_named_before(const Graph *graph, const Group *group, int node, const char *name) {
  for (int i = 0; i < node; i++) {
    const char *other = graph_node(graph, group->nodes[i])->name;
    if (other && !strcmp(other, name)) return true;
  }
  return false;
}

// What a group computes, in the user's names, in the order of its operators: "aux0.copy1/bn2+add1+relu2, aux0/add1".
static const char *use_text(Arena *arena, const Graph *graph, const Group *group) {
  StrBuf text = strbuf_new(arena);
  const char *last = NULL;
  for (int i = 0; i < group->n_nodes; i++) {
    const char *name = graph_node(graph, group->nodes[i])->name;
    if (!name || is_named_before(graph, group, i, name)) continue;
    size_t n = layer_length(name);
    bool is_same_layer = last && n && layer_length(last) == n && !memcmp(name, last, n);
    strbuf_printf(&text, "%s%s", !last ? "" : is_same_layer ? "+" : ", ", is_same_layer ? name + n : name);
    last = name;
  }
  return last ? text.text : NULL;
}

static void note_use(Arena *arena, Kernel *kernel, const char *use) {
  for (int i = 0; i < kernel->n_uses; i++) {
    if (!strcmp(kernel->uses[i], use)) return;
  }
  if (kernel->n_uses == kernel->use_capacity) {
    int capacity = kernel->use_capacity ? 2 * kernel->use_capacity : 8;
    const char **uses = ARENA_ARRAY(arena, const char *, capacity);
    for (int i = 0; i < kernel->n_uses; i++) uses[i] = kernel->uses[i];
    kernel->uses = uses;
    kernel->use_capacity = capacity;
  }
  kernel->uses[kernel->n_uses++] = use;
}

static void note_span(Arena *arena, Kernel *kernel, Span span) {
  if (span.file == 0) return;
  for (int i = 0; i < kernel->n_spans; i++) {
    if (kernel->spans[i].file == span.file && kernel->spans[i].begin == span.begin) return;
  }
  if (kernel->n_spans == kernel->span_capacity) {
    int capacity = kernel->span_capacity ? 2 * kernel->span_capacity : 8;
    Span *spans = ARENA_ARRAY(arena, Span, capacity);
    for (int i = 0; i < kernel->n_spans; i++) spans[i] = kernel->spans[i];
    kernel->spans = spans;
    kernel->span_capacity = capacity;
  }
  kernel->spans[kernel->n_spans++] = span;
}

static void note_group(Arena *arena, Kernel *kernel, const Graph *graph, const Group *group) {
  const char *use = use_text(arena, graph, group);
  if (use) note_use(arena, kernel, use);
  for (int i = 0; i < group->n_nodes; i++) note_span(arena, kernel, graph_node(graph, group->nodes[i])->span);
}

// Kernels of chains and sums call what they read in0, in1, ..; their first buffers are these.
static void note_operands(Kernel *kernel, const Group *group, const KernelDraft *draft) {
  if (group->kind == GROUP_SINGLE || draft->role[0]) return;
  kernel->operands = draft->buffers;
  while (kernel->n_operands < draft->n_buffers && draft->buffers[kernel->n_operands].kind == REF_NODE)
    kernel->n_operands++;
}

static Kernel *new_kernel(ProgramBuilder *builder) {
  if (builder->n_kernels == builder->kernel_capacity) {
    int capacity = builder->kernel_capacity ? 2 * builder->kernel_capacity : 64;
    Kernel *kernels = ARENA_ARRAY(builder->arena, Kernel, capacity);
    if (builder->n_kernels) memcpy(kernels, builder->kernels, sizeof *kernels * (size_t)builder->n_kernels);
    builder->kernels = kernels;
    builder->kernel_capacity = capacity;
  }
  return &builder->kernels[builder->n_kernels++];
}

int kernel_add(ProgramBuilder *builder, const Graph *graph, const Group *group, const KernelDraft *draft,
               const MlaLaunch *launch, int known) {
  int at = known < 0 ? 0 : known;
  while (known < 0 && at < builder->n_kernels && strcmp(builder->kernels[at].text, draft->text)) at++;
  if (at == builder->n_kernels) {
    *new_kernel(builder) = (Kernel){.stem = draft->stem,
                                    .text = draft->text,
                                    .graph = graph,
                                    .group = group,
                                    .parts = draft->parts,
                                    .threads = draft->threads,
                                    .use = draft->use,
                                    .shared_bytes = draft->shared_bytes,
                                    .n_bytes = launch->n_bytes,
                                    .flops = launch->flops};
    note_operands(&builder->kernels[at], group, draft);
  }
  Kernel *kernel = &builder->kernels[at];
  if (draft->scratch_bytes > kernel->scratch_bytes) kernel->scratch_bytes = draft->scratch_bytes;
  kernel->n_launches[graph == builder->model->eval ? WHEN_EVALUATING : (int)group->phase]++;
  note_group(builder->arena, kernel, graph, group);
  return at;
}

int kernel_add_plain(ProgramBuilder *builder, const KernelDraft *draft, const char *opening) {
  *new_kernel(builder) = (Kernel){.stem = draft->stem,
                                  .text = draft->text,
                                  .opening = opening,
                                  .threads = draft->threads,
                                  .shared_bytes = draft->shared_bytes};
  return builder->n_kernels - 1;
}

// ---- the opening comment ----

// "(8 launches a step: 6 forward, 2 backward; 3 in an evaluation)"
static void put_launches(StrBuf *out, const Kernel *kernel) {
  static const char *const names[] = {"forward", "backward", "update"};
  int n = 0, n_phases = 0;
  for (int i = 0; i < WHEN_EVALUATING; i++) {
    n += kernel->n_launches[i];
    n_phases += kernel->n_launches[i] > 0;
  }
  const char *separator = ": ";
  strbuf_printf(out, " (%d launch%s a step", n, n == 1 ? "" : "es");
  for (int i = 0; i < WHEN_EVALUATING; i++) {
    if (!kernel->n_launches[i]) continue;
    strbuf_put(out, separator);
    if (n_phases > 1) strbuf_printf(out, "%d ", kernel->n_launches[i]);
    strbuf_put(out, names[i]);
    separator = ", ";
  }
  if (kernel->n_launches[WHEN_EVALUATING])
    strbuf_printf(out, "; %d in an evaluation", kernel->n_launches[WHEN_EVALUATING]);
  strbuf_put(out, ")\n");
}

static void put_uses(StrBuf *out, const Kernel *kernel) {
  strbuf_printf(out, "// for  ");
  for (int i = 0; i < kernel->n_uses && i < SHOWN_USES; i++)
    strbuf_printf(out, "%s%s", i ? "; " : "", kernel->uses[i]);
  if (kernel->n_uses > SHOWN_USES) strbuf_printf(out, "; and %d more", kernel->n_uses - SHOWN_USES);
  put_launches(out, kernel);
}

static const char *trimmed(const char *text) {
  while (*text == ' ' || *text == '\t') text++;
  return text;
}

// The lines of the model, each once however many spans point into it.
static void put_source_lines(StrBuf *out, const SourceMap *map, const Kernel *kernel) {
  int n = 0;
  for (int i = 0; i < kernel->n_spans && n < SHOWN_LINES; i++) {
    Span span = kernel->spans[i];
    LineCol at = source_line_col(map, span.file, span.begin);
    bool is_shown = false;
    for (int k = 0; k < i; k++) {
      is_shown |= kernel->spans[k].file == span.file &&
                  source_line_col(map, span.file, kernel->spans[k].begin).line == at.line;
    }
    if (is_shown) continue;
    const char *line = trimmed(source_line_text(map, out->arena, span.file, span.begin));
    strbuf_printf(out, "// %s  %s:%u  %.*s\n", n ? "    " : "from", map->files[span.file].path, at.line,
                  COMMENT_WIDTH, line);
    n++;
  }
}

// A value of the group, a buffer's name in the text, or what is known without: the shape.
static void put_value(StrBuf *out, const Kernel *kernel, NodeId id) {
  const Group *group = kernel->group;
  for (int i = 0; i < group->n_nodes; i++) {
    if (group->nodes[i] == id) {
      strbuf_printf(out, "%%%d", i + 1);
      return;
    }
  }
  int first = group->kind == GROUP_PRODUCT ? 2 : 0; // a product's own operands have other names
  for (int i = first; i < kernel->n_operands; i++) {
    if (kernel->operands[i].node == id) {
      strbuf_printf(out, "in%d", i);
      return;
    }
  }
  strbuf_put(out, shape_text(out->arena, graph_node(kernel->graph, id)->shape));
}

// One line an operator: `%2 relu(%1)`.
static void put_operators(StrBuf *out, const Kernel *kernel) {
  enum { SHOWN_OPERANDS = 8 };
  const Group *group = kernel->group;
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(kernel->graph, group->nodes[i]);
    strbuf_printf(out, "//   %%%d %s(", i + 1, op_info(node->op)->name);
    for (int k = 0; k < node->n_in && k < SHOWN_OPERANDS; k++) {
      if (k) strbuf_put(out, ", ");
      put_value(out, kernel, node->in[k]);
    }
    if (node->n_in > SHOWN_OPERANDS) strbuf_printf(out, ", %d more", node->n_in - SHOWN_OPERANDS);
    if (op_info(node->op)->effect == EFFECT_WRITES_STATE) {
      const char *s = node->n_states > 1 ? "s" : "";
      bool has_copies = op_beside(node, "copy_state") != NO_STATE;
      strbuf_printf(out, ") on %d tensor%s%s\n", node->n_states, s,
                    has_copies ? " and the EMA copies that follow" : "");
    } else {
      strbuf_printf(out, ") : %s\n", shape_text(out->arena, node->shape));
    }
  }
}

static void put_costs(StrBuf *out, const Kernel *kernel) {
  strbuf_printf(out, "// moves %.3f MiB", (double)kernel->n_bytes / (1 << 20));
  if (kernel->flops) strbuf_printf(out, ", %.3f GFLOP", (double)kernel->flops * 1e-9);
  const char *unit = kernel->threads ? "block" : "part", *s = kernel->parts > 1 ? "s" : "";
  strbuf_printf(out, " for a batch of %lld, in %d %s%s", (long long)kernel->graph->batch, kernel->parts, unit,
                s);
  if (kernel->threads) strbuf_printf(out, " of %d threads", kernel->threads);
  strbuf_put(out, "\n");
}

// ---- symbols ----

static bool is_taken(const MlaKernel *kernels, int n, const char *symbol) {
  for (int i = 0; i < n; i++) {
    if (!strcmp(kernels[i].symbol, symbol)) return true;
  }
  return false;
}

static const char *unique_symbol(Arena *arena, const MlaKernel *kernels, int n, const char *stem) {
  const char *symbol = arena_printf(arena, "%s", stem);
  for (int i = 2; is_taken(kernels, n, symbol); i++) symbol = arena_printf(arena, "%s_v%d", stem, i);
  return symbol;
}

static void put_named(StrBuf *out, const char *text, const char *symbol) {
  for (const char *at; (at = strstr(text, KERNEL_SYMBOL)); text = at + strlen(KERNEL_SYMBOL)) {
    strbuf_printf(out, "%.*s%s", (int)(at - text), text, symbol);
  }
  strbuf_put(out, text);
}

static void put_opening(StrBuf *out, const ProgramBuilder *builder, const Kernel *kernel) {
  if (kernel->opening) {
    strbuf_put(out, kernel->opening);
    return;
  }
  put_uses(out, kernel);
  if (builder->options->map) put_source_lines(out, builder->options->map, kernel);
  put_operators(out, kernel);
  put_costs(out, kernel);
}

static void note_uses(const ProgramBuilder *builder) {
  EmitChoices *choices = builder->options->choices;
  if (!choices) return;
  choices->of_kernel = ARENA_ARRAY(choices->arena, int, builder->n_kernels);
  for (int i = 0; i < builder->n_kernels; i++) choices->of_kernel[i] = builder->kernels[i].use - 1;
}

void kernels_finish(ProgramBuilder *builder) {
  MlaKernel *kernels = ARENA_ARRAY(builder->arena, MlaKernel, builder->n_kernels);
  for (int i = 0; i < builder->n_kernels; i++) {
    const Kernel *kernel = &builder->kernels[i];
    const char *symbol = unique_symbol(builder->arena, kernels, i, kernel->stem);
    StrBuf text = strbuf_new(builder->arena);
    put_opening(&text, builder, kernel);
    put_named(&text, kernel->text, symbol);
    kernels[i] = (MlaKernel){.symbol = symbol,
                             .text = text.text,
                             .scratch_bytes = kernel->scratch_bytes,
                             .threads = kernel->threads,
                             .shared_bytes = kernel->shared_bytes,
                             .file = kernel->group ? kernel_file(kernel->graph, kernel->group) : "exchange"};
  }
  note_uses(builder);
  builder->program->kernels = kernels;
  builder->program->n_kernels = builder->n_kernels;
}
