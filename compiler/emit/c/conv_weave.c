// Weaving: a pair of bf16 is the same place of two images, one in each half, so a kernel's taps shift both halves alike.
// For a block of rows of g, these and the rows of x that they meet are rounded and paired into scratch, where they lie as
// an image's do, and meanwhile the next block is asked for:
//
//   mla_weave(x0, x1, woven_x, 10 * 512, next_x);
//
// The last image of a share, if it has no partner, is woven with zeros. Rows of a matrix are paired with their neighbours.
#include "compiler/emit/c/conv_grad_weight.h"

enum { BEHIND = 16 }; // pairs that a vector may reach beyond what is woven; images begin at multiples of it

static int min_int(int a, int b) {
  return a < b ? a : b;
}

static int64_t whole_vectors(int64_t n) {
  return (n + BEHIND - 1) / BEHIND * BEHIND;
}

void conv_choose_woven(WeightGrad *grad) {
  const LayerShape *shape = &grad->spec->shape;
  const int rows = min_int((grad->block_rows - 1) * shape->stride + shape->kernel_h, shape->in_h);
  const int64_t x_elems = grad->is_matrix ? grad->block_rows : (int64_t)rows * shape->in_w,
                g_elems = grad->is_matrix ? grad->block_rows : (int64_t)grad->block_rows * shape->out_w;
  grad->x_image = whole_vectors(x_elems * shape->in_c);
  grad->g_image = whole_vectors(g_elems * shape->out_c);
}

int64_t conv_woven_elems(const WeightGrad *grad) {
  return grad->block_images * (grad->x_image + grad->g_image) + 2 * BEHIND;
}

void conv_write_woven(const WeightGrad *grad, int64_t at) {
  strbuf_printf(grad->out, "  pair *woven_x = (pair *)scratch + %lld, *woven_g = woven_x + %lld;\n",
                (long long)at, (long long)(grad->block_images * grad->x_image + BEHIND));
}

// `other` elements behind lies the partner, if there is one.
static void write_weave(const WeightGrad *grad, char side, const char *to, long long other, const char *n,
                        const char *next) {
  strbuf_printf(grad->out, "        mla_weave(%c0, has_other ? %c0 + %lld : 0, woven_%c + %s, %s, %s);\n",
                side, side, other, side, to, n, next);
}

// How far the next block lies from this one.
static void write_next(const WeightGrad *grad, char side, const char *from, long long row, long long step,
                       long long image) {
  strbuf_printf(grad->out, "      const long next_%c = last < %d ? (last - row) * %lld : %lld - %s * %lld;\n",
                side, grad->spec->shape.out_h, step, 2 * grad->block_images * image, from, row);
}

static void write_image_weaving(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const LayerShape *shape = &spec->shape;
  StrBuf *out = grad->out;
  const long long x_row = (long long)shape->in_w * shape->in_c, x_image = shape->in_h * x_row,
                  g_row = (long long)shape->out_w * shape->out_c, g_image = shape->out_h * g_row;
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", 2 * grad->block_images);
  strbuf_printf(out, "    for (long row = 0; row < %d; row += %d) {\n", shape->out_h, grad->block_rows);
  strbuf_printf(out, "      const long last = row + %d < %d ? row + %d : %d;\n", grad->block_rows,
                shape->out_h, grad->block_rows, shape->out_h);
  strbuf_printf(out, "      const long high = row * %d - %d, low = (last - 1) * %d + %d;\n", shape->stride,
                shape->pad, shape->stride, shape->kernel_h - shape->pad);
  strbuf_printf(out, "      const long top = high > 0 ? high : 0, bottom = low < %d ? low : %d;\n",
                shape->in_h, shape->in_h);
  if (!grad->turn) write_next(grad, 'x', "top", x_row, shape->stride * x_row, x_image);
  write_next(grad, 'g', "row", g_row, g_row, g_image);
  strbuf_put(out, "      long n_woven = 0;\n");
  strbuf_printf(out, "      for (long i = n; i < stop && n_woven < %d; i += 2, n_woven++) {\n",
                grad->block_images);
  strbuf_put(out, "        const long has_other = i + 1 < stop;\n");
  strbuf_printf(out, "        const %s *x0 = x + i * %lld + top * %lld;\n", conv_type(grad->x_is_bf16),
                x_image, x_row);
  strbuf_printf(out, "        const %s *g0 = g + i * %lld + row * %lld;\n", conv_type(spec->y_is_bf16),
                g_image, g_row);
  write_weave(grad, 'x', arena_printf(out->arena, "n_woven * %lld", (long long)grad->x_image), x_image,
              arena_printf(out->arena, "(bottom - top) * %lld", x_row), grad->turn ? "0" : "next_x");
  write_weave(grad, 'g', arena_printf(out->arena, "n_woven * %lld", (long long)grad->g_image), g_image,
              arena_printf(out->arena, "(last - row) * %lld", g_row), "next_g");
  strbuf_put(out, "      }\n");
  strbuf_printf(out,
                "      %s_sweep(woven_x - top * %lld, woven_g - row * %lld, sums, n_woven, row, last, 0, "
                "first, end);\n",
                grad->symbol, x_row, g_row);
  strbuf_put(out, "    }\n");
}

static void write_matrix_weaving(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const int in_c = spec->shape.in_c, out_c = spec->shape.out_c;
  StrBuf *out = grad->out;
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d) {\n", 2 * grad->block_rows);
  strbuf_printf(out, "    const long n_rows = stop - n < %d ? stop - n : %d;\n", 2 * grad->block_rows,
                2 * grad->block_rows);
  strbuf_put(out, "      for (long i = 0; i < n_rows; i += 2) {\n");
  strbuf_put(out, "        const long has_other = i + 1 < n_rows;\n");
  strbuf_printf(out, "        const %s *x0 = x + (n + i) * %d;\n", conv_type(grad->x_is_bf16), in_c);
  strbuf_printf(out, "        const %s *g0 = g + (n + i) * %d;\n", conv_type(spec->y_is_bf16), out_c);
  write_weave(grad, 'x', arena_printf(out->arena, "i / 2 * %d", in_c), in_c,
              arena_printf(out->arena, "%d", in_c), "0");
  write_weave(grad, 'g', arena_printf(out->arena, "i / 2 * %d", out_c), out_c,
              arena_printf(out->arena, "%d", out_c), "0");
  strbuf_put(out, "      }\n");
  strbuf_printf(out, "    %s_sweep(woven_x, woven_g, sums, 1, 0, (n_rows + 1) / 2, 0, first, end);\n  }\n",
                grad->symbol);
}

void conv_write_weaving(const WeightGrad *grad) {
  if (grad->is_matrix)
    write_matrix_weaving(grad);
  else
    write_image_weaving(grad);
}
