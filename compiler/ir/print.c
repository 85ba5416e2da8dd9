// The graph as text: one line a node; once fused also the groups in launch order, with the bytes they write.
#include "compiler/ir/graph.h"
#include "compiler/ir/kernel.h"
#include "compiler/ir/op.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const phase_names[] = {"forward", "backward", "update"};
static const char *const group_names[] = {"point", "reduce", "single", "product"};

// The fewest digits that read back as the same number.
static void print_real(double value, FILE *out) {
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  fputs(text, out);
}

static void print_attrs(const Node *node, FILE *out) {
  const AttrDef *defs = op_info(node->op)->attrs;
  for (int i = 0; defs[i].name; i++) {
    fprintf(out, "%s%s=", i ? " " : " {", defs[i].name);
    if (defs[i].kind == ATTR_REAL)
      print_real(node->attr[i].r, out);
    else
      fprintf(out, "%lld", (long long)node->attr[i].i);
  }
  if (defs[0].name) fputc('}', out);
}

static void print_state(const Graph *graph, const Node *node, FILE *out) {
  if (node->state == NO_STATE) return;
  fprintf(out, " @%s", state_get(graph->states, node->state)->name);
  if (node->n_states > 1)
    fprintf(out, "..%s", state_get(graph->states, node->state + node->n_states - 1)->name);
}

static void print_node(const Graph *graph, NodeId id, FILE *out) {
  const Node *node = graph_node(graph, id);
  fprintf(out, "%%%u = %s(", id, op_info(node->op)->name);
  for (int i = 0; i < node->n_in; i++) fprintf(out, "%s%%%u", i ? ", " : "", node->in[i]);
  fputc(')', out);
  print_attrs(node, out);
  print_state(graph, node, out);
  fprintf(out, " : %s", shape_text(graph->arena, node->shape));
  if (node->dtype == DT_INDEX) fputs(" index", out);
  if (node->dtype == DT_BF16) fputs(" bf16", out);
  if (node->offset >= 0) fprintf(out, " at %lld", (long long)node->offset);
  fprintf(out, "  # %s module %d%s %s%s\n", node->name ? node->name : "-", node->module,
          node->is_aux ? " aux" : "", phase_names[node->phase], node->recompute ? " recomputed" : "");
}

static void print_modules(const Graph *graph, FILE *out) {
  for (int m = 0; m < graph->n_modules; m++) {
    const Module *module = &graph->modules[m];
    fprintf(out, "module %d \"%s\": %%%u -> %%%u\n", m, module->name ? module->name : "", module->input,
            module->output);
  }
  for (int l = 0; l < graph->n_losses; l++) {
    const Loss *loss = &graph->losses[l];
    fprintf(out, "loss \"%s\" of module %d: value %%%u term %%%u", loss->name ? loss->name : "", loss->module,
            loss->value, loss->term);
    if (loss->seed) fprintf(out, " seed %%%u", loss->seed);
    fputc('\n', out);
  }
}

static void print_ids(const char *title, const NodeId *ids, int n, FILE *out) {
  if (n == 0) return;
  fprintf(out, "%s", title);
  for (int i = 0; i < n; i++) fprintf(out, " %%%u", ids[i]);
}

static void print_groups(const Graph *graph, FILE *out) {
  for (int g = 0; g < graph->n_groups; g++) {
    const Group *group = &graph->groups[g];
    fprintf(out, "kernel %d %s module %d %s:", g, group_names[group->kind], group->module,
            phase_names[group->phase]);
    for (int i = 0; i < group->n_nodes; i++)
      fprintf(out, " %%%u=%s", group->nodes[i], op_info(graph_node(graph, group->nodes[i])->op)->name);
    print_ids("  reads", group->inputs, group->n_inputs, out);
    print_ids("  writes", group->outputs, group->n_outputs, out);
    fputc('\n', out);
  }
}

void graph_print(const Graph *graph, void *file) {
  FILE *out = file;
  print_modules(graph, out);
  for (NodeId id = 1; id < graph->n_nodes; id++) print_node(graph, id, out);
  print_groups(graph, out);
  if (graph->work_bytes)
    fprintf(out, "work %lld bytes, live bound %lld, batch %lld\n", (long long)graph->work_bytes,
            (long long)graph->live_bound, (long long)graph->batch);
}
