// What the language offers to call, as the reference prints it: out of the tables that define it.
#include "compiler/sema/internal.h"

static void print_line(FILE *out, const char *name, const char *tensors, const char *signature,
                       const char *doc) {
  fprintf(out, "- `%s(%s%s%s)`: %s\n", name, tensors, *tensors && *signature ? ", " : "", signature, doc);
}

static const char *tensor_names(int least, int most) {
  if (most == ANY) return "x, ...";
  return least == 0 ? "" : least == 1 ? "x" : "a, b";
}

static void print_operator(FILE *out, const OpInfo *op) {
  fprintf(out, "- `%s(%s", op->name, tensor_names(op->min_in, op->max_in));
  for (const AttrDef *attr = op->attrs; attr->name; attr++) {
    fprintf(out, ", %s", attr->name);
    if (!attr->is_required && attr->kind == ATTR_BOOL)
      fprintf(out, ": %s", attr->fallback != 0 ? "true" : "false");
    else if (!attr->is_required)
      fprintf(out, ": %g", attr->fallback);
  }
  fprintf(out, ")`: %s\n", op->doc);
}

void sema_print_operators(FILE *out) {
  fputs("### Layers\n\n", out);
  for (int i = 0; i < n_layers; i++) {
    const LayerInfo *layer = &layer_table[i];
    print_line(out, layer->name, tensor_names(layer->n_in, layer->n_in), layer->signature, layer->doc);
  }
  fputs("\n### Operators\n\n", out);
  for (int op = OP_none + 1; op < N_OPS; op++)
    if (op_info((OpKind)op)->is_shown) print_operator(out, op_info((OpKind)op));
  for (int aux = 0; aux < 2; aux++) {
    fputs(aux ? "\n### Functions of auxiliaries and `final`\n\n" : "\n### Functions\n\n", out);
    for (int i = 0; i < n_functions; i++)
      if (function_table[i].only_auxiliary == aux)
        print_line(out, function_table[i].name, "", function_table[i].signature, function_table[i].doc);
  }
}
