// Kernels over the weights alone: the sum of the partial gradients and the transposed weight.
#include "compiler/emit/conv_parts.h"

enum { PART_ELEMS = 16 * 1024, MAX_PARTS = 16 };

static int64_t weight_elems(const ConvSpec *spec) {
  return (int64_t)spec->kernel_h * spec->kernel_w * (spec->in_c / spec->groups) * spec->out_c;
}

static int parts_for(int64_t n_elems) {
  const int64_t n = n_elems / PART_ELEMS;
  return n < 1 ? 1 : n > MAX_PARTS ? MAX_PARTS : (int)n;
}

ConvKernel conv_write_grad_weight_finish(StrBuf *out, const char *symbol, const ConvSpec *spec,
                                         int n_partials) {
  const int64_t n_elems = weight_elems(spec);
  const int n_parts = parts_for(n_elems * n_partials), lanes = conv_max_lanes(spec);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_printf(
      out,
      "  const real *partial = buf[0];\n  real *dw = buf[1];\n  (void)batch, (void)scratch, (void)parts;\n");
  strbuf_printf(out, "  const long end = part == %d ? %lld : %lldL * (part + 1);\n", n_parts - 1,
                (long long)n_elems, (long long)(n_elems / n_parts / lanes * lanes));
  strbuf_printf(out, "  long i = %lldL * part;\n", (long long)(n_elems / n_parts / lanes * lanes));
  for (int width = lanes; width >= 1; width = width > 1 ? 1 : 0) {
    strbuf_printf(out, "  for (; i + %d <= end; i += %d) {\n    MLA_USE(%d)\n", width, width, width);
    strbuf_printf(out, "    vec sum = mla_load(partial + i);\n");
    strbuf_printf(out, "    for (long p = 1; p < %d; p++) sum += mla_load(partial + p * %lld + i);\n",
                  n_partials, (long long)n_elems);
    strbuf_put(out, "    mla_store(dw + i, sum);\n  }\n");
  }
  strbuf_put(out, "}\n");
  return (ConvKernel){0, n_parts};
}

ConvKernel conv_write_transpose_weight(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  const int n_in = spec->in_c / spec->groups, n_out = spec->out_c / spec->groups;
  const int n_rows = spec->kernel_h * spec->kernel_w * n_out; // of the result, in_c each
  const int wanted = parts_for(weight_elems(spec)), n_parts = wanted < n_rows ? wanted : n_rows;
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_put(out, "  const real *weight = buf[0];\n  real *transposed = buf[1];\n  (void)batch, "
                  "(void)scratch, (void)parts;\n");
  strbuf_printf(out, "  for (long row = %dL * part / %d; row < %dL * (part + 1) / %d; row++) {\n", n_rows,
                n_parts, n_rows, n_parts);
  strbuf_printf(out, "    const long tap = row / %d, o = row %% %d;\n", n_out, n_out);
  strbuf_printf(out, "    for (long g = 0; g < %d; g++) {\n", spec->groups);
  strbuf_printf(out, "      const real *from = weight + tap * %lld + g * %d + o;\n",
                (long long)n_in * spec->out_c, n_out);
  strbuf_printf(out, "      real *to = transposed + row * %d + g * %d;\n", spec->in_c, n_in);
  strbuf_printf(out, "      for (long i = 0; i < %d; i++) to[i] = from[i * %d];\n    }\n  }\n}\n", n_in,
                spec->out_c);
  return (ConvKernel){0, n_parts};
}
