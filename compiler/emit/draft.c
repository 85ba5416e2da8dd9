// What a skeleton hands over: a kernel's draft, and the name it will be known by.
#include "compiler/emit/writer.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_STEM = 48 };

void emit_draft(Emit *emit, KernelDraft draft) {
  if (emit->n_drafts == MAX_GROUP_LAUNCHES) {
    fprintf(stderr, "mlaanc: internal fault in the emitter: a group has more than %d launches\n",
            MAX_GROUP_LAUNCHES);
    abort();
  }
  emit->drafts[emit->n_drafts++] = draft;
}

// Operators in order of computation, a repeated one once, then the channels: "batch_norm_relu_16".
const char *emit_stem(Emit *emit) {
  StrBuf stem = strbuf_new(emit->arena);
  OpKind last = OP_none;
  for (int i = 0; i < emit->group->n_nodes && stem.length < MAX_STEM; i++) {
    const Node *node = graph_node(emit->graph, emit->group->nodes[i]);
    if (node->op == last) continue;
    strbuf_printf(&stem, "%s%s", stem.length ? "_" : "", op_info(node->op)->name);
    last = node->op;
  }
  const Node *first = graph_node(emit->graph, emit->group->nodes[0]);
  if (op_info(first->op)->effect == EFFECT_WRITES_STATE) return stem.text;
  Shape shape = emit->group->kind == GROUP_SINGLE ? first->shape : emit->space.shape;
  strbuf_printf(&stem, "_%lld", (long long)shape_channels(shape));
  return stem.text;
}
