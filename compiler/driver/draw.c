// Writes DOT. Colours say the phase: forward, backward, update. Names are quoted by the one function that
// escapes.
#include "compiler/driver/draw.h"
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"

#include <string.h>

static const char *const phase_colors[] = {"#dbe9f6", "#fde5d4", "#e2f0d9"};

static void put_escaped(FILE *out, const char *text) {
  for (; text && *text; text++) {
    if (*text == '"' || *text == '\\') fputc('\\', out);
    fputc(*text, out);
  }
}

static void open_drawing(FILE *out) {
  // Straight lines and limits on the layout's search: hundreds of kernels in seconds.
  fputs("digraph training {\n  rankdir=TB; splines=line; nslimit=0.3; nslimit1=0.3; mclimit=0.05;\n"
        "  node [shape=box style=filled fontname=\"sans-serif\" fontsize=10];\n"
        "  edge [color=\"#777777\" arrowsize=0.6];\n",
        out);
}

static void open_module(const Graph *graph, int module, FILE *out) {
  const char *name = graph->modules[module].name;
  fprintf(out, "  subgraph cluster_%d { label=\"", module);
  put_escaped(out, name ? name : "");
  fputs("\"; color=\"#999999\";\n", out);
}

static void draw_node(const Graph *graph, NodeId id, FILE *out) {
  const Node *node = graph_node(graph, id);
  fprintf(out, "    n%u [label=\"%s", id, op_info(node->op)->name);
  if (node->name) fputs("\\n", out);
  put_escaped(out, node->name);
  if (node->state != NO_STATE) fputs("\\n@", out);
  if (node->state != NO_STATE) put_escaped(out, state_get(graph->states, node->state)->name);
  fprintf(out, "\\n%s\" fillcolor=\"%s\"", shape_text(graph->arena, node->shape),
          op_info(node->op)->fuse == FUSE_LEAF ? "#f4f4f4" : phase_colors[node->phase]);
  if (node->is_aux) fputs(" style=\"filled,rounded\"", out);
  for (int l = 0; l < graph->n_losses; l++) {
    if (graph->losses[l].value == id) fputs(" color=red penwidth=2", out);
  }
  for (int m = 0; m < graph->n_modules; m++) {
    if (graph->modules[m].output == id) fputs(" color=blue penwidth=2", out);
  }
  fputs("];\n", out);
}

void draw_graph(const Graph *graph, FILE *out) {
  open_drawing(out);
  for (int module = 0; module < graph->n_modules; module++) {
    open_module(graph, module, out);
    for (NodeId id = 1; id < graph->n_nodes; id++) {
      if (graph_node(graph, id)->module == module) draw_node(graph, id, out);
    }
    fputs("  }\n", out);
  }
  for (NodeId id = 1; id < graph->n_nodes; id++) {
    const Node *node = graph_node(graph, id);
    for (int i = 0; i < node->n_in; i++) fprintf(out, "  n%u -> n%u;\n", node->in[i], id);
  }
  fputs("}\n", out);
}

static void draw_kernel(const Graph *graph, int index, FILE *out) {
  const Group *group = &graph->groups[index];
  fprintf(out, "    k%d [label=\"%d", index, index);
  for (int i = 0; i < group->n_nodes; i++) {
    const Node *node = graph_node(graph, group->nodes[i]);
    fprintf(out, "\\n%s ", op_info(node->op)->name);
    put_escaped(out, node->name);
  }
  fprintf(out, "\" fillcolor=\"%s\"];\n", phase_colors[group->phase]);
}

// An edge for each value that one kernel writes and another reads.
static void draw_kernel_edges(const Graph *graph, int reader, FILE *out) {
  const Group *group = &graph->groups[reader];
  for (int i = 0; i < group->n_inputs; i++) {
    int64_t offset;
    NodeId value = node_storage(graph, group->inputs[i], &offset);
    for (int writer = 0; writer < graph->n_groups; writer++) {
      for (int k = 0; k < graph->groups[writer].n_outputs; k++) {
        if (graph->groups[writer].outputs[k] != value) continue;
        fprintf(out, "  k%d -> k%d [label=\"%s\" fontsize=8];\n", writer, reader,
                shape_text(graph->arena, graph_node(graph, value)->shape));
      }
    }
  }
}

void draw_kernels(const Graph *graph, FILE *out) {
  open_drawing(out);
  for (int module = 0; module < graph->n_modules; module++) {
    open_module(graph, module, out);
    for (int i = 0; i < graph->n_groups; i++) {
      if (graph->groups[i].module == module) draw_kernel(graph, i, out);
    }
    fputs("  }\n", out);
  }
  for (int i = 0; i < graph->n_groups; i++) draw_kernel_edges(graph, i, out);
  fputs("}\n", out);
}
