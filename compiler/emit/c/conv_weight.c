// Kernels over the weights alone: the sum of the partial gradients and the transposed weight.
#include "compiler/emit/c/conv_parts.h"

enum { PART_ELEMS = 16 * 1024, MAX_PARTS = 16, SQUARE = 16 };

static int64_t weight_elems(const ConvSpec *spec) {
  return (int64_t)spec->shape.kernel_h * spec->shape.kernel_w * (spec->shape.in_c / spec->shape.groups) *
         spec->shape.out_c;
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

// Squares of SQUARE x SQUARE elements, so that every cache line is used whole while it is there.
ConvKernel conv_write_transpose_weight(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  const int n_in = spec->shape.in_c / spec->shape.groups, n_out = spec->shape.out_c / spec->shape.groups;
  const int n_bands = conv_div_up(n_out, SQUARE),
            n_items = spec->shape.kernel_h * spec->shape.kernel_w * n_bands;
  const int wanted = parts_for(weight_elems(spec)), n_parts = wanted < n_items ? wanted : n_items;
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_put(out, "  const real *weight = buf[0];\n  real *transposed = buf[1];\n");
  strbuf_put(out, "  (void)batch, (void)scratch, (void)parts;\n");
  strbuf_printf(out, "  for (long item = %dL * part / %d; item < %dL * (part + 1) / %d; item++) {\n", n_items,
                n_parts, n_items, n_parts);
  strbuf_printf(out,
                "    const long tap = item / %d, o0 = item %% %d * %d, o1 = o0 + %d < %d ? o0 + %d : %d;\n",
                n_bands, n_bands, SQUARE, SQUARE, n_out, SQUARE, n_out);
  strbuf_printf(out, "    for (long g = 0; g < %d; g++) {\n", spec->shape.groups);
  strbuf_printf(out, "      const real *from = weight + tap * %lld + g * %d;\n",
                (long long)n_in * spec->shape.out_c, n_out);
  strbuf_printf(out, "      real *to = transposed + tap * %lld + g * %d;\n",
                (long long)n_out * spec->shape.in_c, n_in);
  strbuf_printf(out, "      for (long i0 = 0; i0 < %d; i0 += %d)\n        for (long o = o0; o < o1; o++)\n",
                n_in, SQUARE);
  strbuf_printf(
      out, "          for (long i = i0; i < i0 + %d && i < %d; i++) to[o * %d + i] = from[i * %d + o];\n",
      SQUARE, n_in, spec->shape.in_c, spec->shape.out_c);
  strbuf_put(out, "    }\n  }\n}\n");
  return (ConvKernel){0, n_parts};
}
