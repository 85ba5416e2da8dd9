// max_pool_grad(g, x, y): the gradient of max_pool, y being its output. An element of x takes the g of every
// window that covers it and whose first maximum (row by row) it is. Written as a gather, so that no two
// workers add to one element.
#include "compiler/ops/window.h"

enum { G, X, Y };
const AttrDef max_pool_grad_attrs[] = {POOL_ATTRS, END_ATTRS};

bool max_pool_grad_shape(ShapeQuery *query) {
  if (!expect_image(query, "max_pool_grad", X) || !expect_equal(query, "max_pool_grad", G, Y)) return false;
  return shape_is_input(query, X);
}

void max_pool_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

// Where the first maximum of a window lies.
static double *first_maximum(const HostCall *call, int64_t n, Run rows, Run columns, int64_t c) {
  int64_t best_y = rows.begin, best_x = columns.begin;
  for (int64_t y = rows.begin; y < rows.end; y++)
    for (int64_t x = columns.begin; x < columns.end; x++)
      if (*host_at(&call->in[X], n, best_y, best_x, c) < *host_at(&call->in[X], n, y, x, c))
        best_y = y, best_x = x;
  return host_at(&call->out, n, best_y, best_x, c);
}

void max_pool_grad_host(const HostCall *call) {
  Window window = window_of(call->attr);
  const int64_t *out = call->in[G].shape.dim, *in = call->out.shape.dim;
  host_zero(&call->out);
  for (int64_t n = 0; n < out[0]; n++)
    for (int64_t y = 0; y < out[1]; y++)
      for (int64_t x = 0; x < out[2]; x++)
        for (int64_t c = 0; c < out[3]; c++)
          *first_maximum(call, n, window_inputs(&window, y, in[1]), window_inputs(&window, x, in[2]), c) +=
              *host_at(&call->in[G], n, y, x, c);
}

// `flow` begins as g and is dropped where x is below the maximum, then where an earlier element of the window
// equals it. Comparisons are written with mla_gate alone, which exists for vectors and for single numbers.
void max_pool_grad_emit(Emit *emit, const Node *node) {
  Window window = window_of(node->attr);
  Shape g = emit_input_shape(emit, G);
  long kernel = (long)window.kernel, stride = (long)window.stride, pad = (long)window.pad,
       width = (long)node->shape.dim[2];
  emit_gather(emit, node, 0);
  emit_covering_windows(emit, &window, "row", "y", g.dim[1]);
  emit_covering_windows(emit, &window, "col", "x", g.dim[2]);
  emit_line(emit, "vec here = %s, sum = {0};", emit_load(emit, X, "n", "y", "x"));
  emit_line(emit, "for (long row = row_begin; row < row_end; row++) {");
  emit_line(emit, "for (long col = col_begin; col < col_end; col++) {");
  emit_line(emit, "long top = row * %ld - %ld, left = col * %ld - %ld, right = left + %ld;", stride, pad,
            stride, pad, kernel);
  emit_line(emit, "if (top < 0) top = 0;");
  emit_line(emit, "if (left < 0) left = 0;");
  emit_line(emit, "if (right > %ld) right = %ld;", width, width);
  emit_line(emit, "vec best = %s;", emit_load(emit, Y, "n", "row", "col"));
  emit_line(emit, "vec flow = %s;", emit_load(emit, G, "n", "row", "col"));
  emit_line(emit, "flow = flow - mla_gate(best - here, flow);");
  emit_line(emit, "for (long v = top; v <= y; v++) {");
  emit_line(emit, "long stop = v < y ? right : x;");
  emit_line(emit, "for (long u = left; u < stop; u++) {");
  emit_line(emit, "flow = mla_gate(best - %s, flow);", emit_load(emit, X, "n", "v", "u"));
  emit_line(emit, "}");
  emit_line(emit, "}");
  emit_line(emit, "sum = sum + flow;");
  emit_line(emit, "}");
  emit_line(emit, "}");
  emit_result(emit, "sum");
}
