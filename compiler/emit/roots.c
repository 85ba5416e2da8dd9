// The sums of a REDUCE group and their results, whatever the target.
#include "compiler/emit/writer.h"

int64_t root_elems(const Root *root) {
  return shape_elems(root->node->shape, 1);
}
int64_t root_channels(const Root *root) {
  return root_elems(root) / root->n_sums;
}

int64_t roots_elems(const Emit *emit) {
  int64_t n = 0;
  for (int i = 0; i < emit->n_roots; i++) n += root_elems(&emit->roots[i]);
  return n;
}

bool root_uses_channels(const Emit *emit, const Root *root) {
  for (int k = 0; k < root->n_sums; k++) {
    for (int line = 0; root->reduced[k] && line < emit->n_channel; line++) {
      const char *name = emit->channel[line].name;
      if (name && writer_uses(root->reduced[k], name)) return true;
    }
  }
  return false;
}

bool roots_use_channels(const Emit *emit) {
  for (int i = 0; i < emit->n_roots; i++) {
    if (root_uses_channels(emit, &emit->roots[i])) return true;
  }
  return false;
}

const char *root_value(Emit *emit, const Root *root, int k) {
  return root->reduced[k] ? root->reduced[k] : writer_format(emit, "sum%d", k);
}

void roots_results(Emit *emit, StrBuf *out, int first_buffer) {
  for (int i = 0; i < emit->n_roots; i++) {
    writer_line(out, 1, "real *result%d = buf[%d]; // %s", i, first_buffer + i,
                shape_text(emit->arena, emit->roots[i].node->shape));
  }
}

void roots_add_results(Emit *emit, KernelDraft *draft) {
  for (int i = 0; i < emit->n_roots; i++) {
    NodeId id = (NodeId)(emit->roots[i].node - emit->graph->nodes);
    draft->buffers[draft->n_buffers++] = (BufferRef){.kind = REF_NODE, .node = id};
  }
}
