// normalize_grad(g, x): with y = d / s the gradient is (g - d (d.g) / (s |d|)) / s; where s is the floor it is g / s.
// Centred rows: minus its mean, which is that of g / s since d has none.
#include "compiler/ops/normalize.h"

enum { G, X };
const AttrDef normalize_grad_attrs[] = {NORMALIZE_ATTRS, END_ATTRS};

bool normalize_grad_shape(ShapeQuery *query) {
  return normalize_operand(query, X) && expect_equal(query, "normalize_grad", G, X) &&
         shape_is_input(query, X);
}

void normalize_grad_grad(Grad *grad, const Node *node, NodeId cotangent) {
  no_second_derivative(grad, node, cotangent);
}

static void row_grad(const double *g, const double *x, double *out, int64_t n, const Attr *attr) {
  RowSize size = row_size(x, n, attr);
  double along = 0, mean = 0;
  for (int64_t i = 0; i < n; i++) along += g[i] * (x[i] - size.mean);
  for (int64_t i = 0; i < n && attr[NORMALIZE_CENTER].i; i++) mean += g[i] / (double)n;
  bool is_moving = size.norm > 0 && size.norm + attr[NORMALIZE_EPS].r >= attr[NORMALIZE_FLOOR].r;
  along = is_moving ? along / (size.divisor * size.norm) : 0;
  for (int64_t i = 0; i < n; i++) out[i] = (g[i] - mean - (x[i] - size.mean) * along) / size.divisor;
}

void normalize_grad_host(const HostCall *call) {
  int64_t rows = host_rows(&call->out), n = host_channels(&call->out);
  for (int64_t r = 0; r < rows; r++)
    row_grad(call->in[G].data + r * n, call->in[X].data + r * n, call->out.data + r * n, n, call->attr);
}

void normalize_grad_emit(Emit *emit, const Node *node) {
  long features = (long)shape_channels(node->shape);
  int lanes = emit_row_lanes(emit, node);
  const Attr *attr = node->attr;
  emit_row_size(emit, node, X, lanes);
  emit_line(emit, "const real *g = in%d + r * %ld;", G, features);
  emit_line(emit, "vec products = {0}, total = {0};");
  emit_line(emit, "%s {", emit_each(emit, "c", features, lanes));
  emit_line(emit, "products += mla_load(g + c) * (mla_load(x + c) - mean);");
  if (attr[NORMALIZE_CENTER].i) emit_line(emit, "total += mla_load(g + c);");
  emit_line(emit, "}");
  emit_line(emit, "const real g_mean = %s / (real)%ld;", emit_total(emit, "total", true), features);
  emit_line(emit, "const real product = %s;", emit_total(emit, "products", true));
  emit_line(emit, "const real along = norm > 0 && norm + %s >= %s ? product * scale / norm : 0;",
            emit_number(emit, attr[NORMALIZE_EPS].r), emit_number(emit, attr[NORMALIZE_FLOOR].r));
  emit_line(emit, "%s {", emit_each(emit, "c", features, lanes));
  emit_line(emit, "const vec d = mla_load(x + c) - mean;");
  emit_line(emit, "mla_store(out + r * %ld + c, (mla_load(g + c) - g_mean - d * along) * scale);", features);
  emit_line(emit, "}");
  emit_by_rows(emit, node);
}
