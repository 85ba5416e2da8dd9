// One pass of the weight gradient. The broadcast side is read once for all the columns it belongs to; the wide side's
// vectors stay in registers as long as a kernel row needs them. Inputs broadcast:
//
//   const vec g0_0 = mla_load(gc), g1_0 = mla_load(gc + 16), ...;
//   const vec x1_0 = mla_vec(xc[16]);
//   a0_0_0 += x1_0 * g1_0; a1_0_0 += x1_0 * g0_0; ...
//
// Gradients broadcast: the same with the vectors of x and g0_0 = mla_vec(gc[0]). Pairs of bf16: the same with two images'
// numbers in each lane, a0_0_0 = mla_dot(a0_0_0, x1_0, g1_0).
#include "compiler/emit/c/conv_grad_weight.h"

#include <stdio.h>

enum { MAX_PRODUCTS = 96 }; // multiply-adds in one straight run of text

static int max_int(int a, int b) {
  return a > b ? a : b;
}
static int min_int(int a, int b) {
  return a < b ? a : b;
}

static bool x_is_wide(const GradPass *pass) {
  return pass->grad->is_depthwise || pass->grad->is_by_input;
}

static int64_t sum_at(const GradPass *pass, int tap, int i, int v) {
  return ((int64_t)tap * pass->grad->n_single + i) * pass->grad->sum_row + v * pass->wide->lanes;
}

static void write_each(const GradPass *pass, const char *format) {
  for (int k = 0; k < pass->taps->n_vecs; k++)
    for (int i = 0; i < pass->single->n_vecs; i++)
      for (int v = 0; v < pass->wide->n_vecs; v++)
        strbuf_printf(pass->grad->out, format, k, i, v, (long long)sum_at(pass, k, i, v));
}

// Some pixels of a run, in one straight text: source position j meets pixel p at tap j - p * step.
typedef struct Straight {
  const GradPass *pass;
  const TapAxis *axis;
  const PixelRun *run;
} Straight;

static bool meets(const Straight *s, int j, int p) {
  const int tap = j - p * s->axis->source_step;
  return tap >= 0 && tap < s->axis->n_taps && j >= s->run->left &&
         j < conv_tile_span(s->axis, s->run->n_pixels) - s->run->right;
}

static bool source_is_used(const Straight *s, int j) {
  for (int p = 0; p < s->run->n_pixels; p++)
    if (meets(s, j, p)) return true;
  return false;
}

static bool pixel_is_used(const Straight *s, int p) {
  for (int k = 0; k < s->axis->n_taps; k++)
    if (meets(s, p * s->axis->source_step + k, p)) return true;
  return false;
}

static void write_vectors(const GradPass *pass, char tensor, int place, int64_t at) {
  const ConvTerm *term = pass->grad->term;
  strbuf_put(pass->grad->out, "       ");
  for (int v = 0; v < pass->wide->n_vecs; v++)
    strbuf_printf(pass->grad->out, " const %s %c%d_%d = %s(%cc + %lld);", term->vector, tensor, place, v,
                  term->load, tensor, (long long)(at + v * pass->wide->lanes));
  strbuf_put(pass->grad->out, "\n");
}

static void write_broadcast(const GradPass *pass, char tensor, int place, int i, int64_t at) {
  const ConvTerm *term = pass->grad->term;
  strbuf_printf(pass->grad->out, "        const %s %c%d_%d = %s(%cc[%lld]);", term->vector, tensor, place, i,
                term->spread, tensor, (long long)(at + i));
}

static void write_product(const Straight *s, int j, int p, int i) {
  const GradPass *pass = s->pass;
  for (int v = 0; v < pass->wide->n_vecs; v++) {
    char sum[32], x[32], g[32];
    snprintf(sum, sizeof sum, "a%d_%d_%d", j - p * s->axis->source_step, i, v);
    snprintf(x, sizeof x, "x%d_%d", j, x_is_wide(pass) ? v : i);
    snprintf(g, sizeof g, "g%d_%d", p, pass->grad->is_by_input ? i : v);
    strbuf_printf(pass->grad->out, pass->grad->term->multiply_add, sum, x, g);
  }
}

static int64_t source_at(const Straight *s, int j) {
  return (int64_t)(j - s->run->left) * s->pass->grad->spec->shape.in_c;
}

// A gradient vector is loaded just before the first source pixel that it meets.
static void write_by_source(const Straight *s) {
  const GradPass *pass = s->pass;
  const int span = conv_tile_span(s->axis, s->run->n_pixels);
  int loaded = 0;
  for (int j = 0; j < span; j++) {
    if (!source_is_used(s, j)) continue;
    for (; loaded < s->run->n_pixels && loaded * s->axis->source_step <= j; loaded++)
      if (pixel_is_used(s, loaded)) write_vectors(pass, 'g', loaded, loaded * pass->grad->spec->shape.out_c);
    if (x_is_wide(pass)) write_vectors(pass, 'x', j, source_at(s, j));
    for (int i = 0; i < pass->single->n_vecs; i++) {
      if (!x_is_wide(pass)) write_broadcast(pass, 'x', j, i, source_at(s, j));
      for (int p = 0; p < s->run->n_pixels; p++)
        if (meets(s, j, p)) write_product(s, j, p, i);
      strbuf_put(pass->grad->out, "\n");
    }
  }
}

// The same by pixels of the gradient: vectors of the source are loaded before the first pixel that they meet.
static void write_by_pixel(const Straight *s) {
  const GradPass *pass = s->pass;
  int loaded = 0;
  for (int p = 0; p < s->run->n_pixels; p++) {
    const int end = p * s->axis->source_step + s->axis->n_taps;
    for (; loaded < end; loaded++)
      if (source_is_used(s, loaded)) write_vectors(pass, 'x', loaded, source_at(s, loaded));
    for (int i = 0; pixel_is_used(s, p) && i < pass->single->n_vecs; i++) {
      write_broadcast(pass, 'g', p, i, (int64_t)p * pass->grad->spec->shape.out_c);
      for (int j = p * s->axis->source_step; j < end; j++)
        if (meets(s, j, p)) write_product(s, j, p, i);
      strbuf_put(pass->grad->out, "\n");
    }
  }
}

static void write_straight(const Straight *s) {
  if (s->pass->grad->is_by_input)
    write_by_pixel(s);
  else
    write_by_source(s);
}

static int straight_pixels(const GradPass *pass) {
  const int n_sums = pass->taps->n_vecs * pass->single->n_vecs * pass->wide->n_vecs;
  return min_int(max_int(MAX_PRODUCTS / n_sums, 1), 16);
}

static void write_image_rows(const GradPass *pass) {
  const ConvSpec *spec = pass->grad->spec;
  const char *type = pass->grad->term->type;
  StrBuf *out = pass->grad->out;
  const TapAxis axis = {pass->taps->n_vecs,
                        pass->taps->offset - spec->shape.pad,
                        0,
                        1,
                        spec->shape.stride,
                        spec->shape.out_w,
                        spec->shape.in_w,
                        0,
                        1};
  PixelRun *runs;
  const int n_runs = conv_cut_pixels(out->arena, &axis, straight_pixels(pass), &runs);
  strbuf_printf(out, "  for (; n_images > 0; n_images--, x += %lld, g += %lld) {\n",
                (long long)pass->grad->x_image, (long long)pass->grad->g_image);
  strbuf_printf(out, "    const %s *xr = x, *gr = g;\n", type);
  strbuf_printf(out, "    for (long row = 0; row < n_rows; row++, xr += %lld, gr += %lld) {\n",
                (long long)spec->shape.stride * spec->shape.in_w * spec->shape.in_c,
                (long long)spec->shape.out_w * spec->shape.out_c);
  for (int r = 0; r < n_runs; r++) {
    if (runs[r].left + runs[r].right >= conv_tile_span(&axis, runs[r].n_pixels)) continue;
    strbuf_printf(out, "      const %s *x%d = xr + %lld, *g%d = gr + %lld;\n", type, r,
                  (long long)conv_run_source(&axis, &runs[r]) * spec->shape.in_c, r,
                  (long long)runs[r].first * spec->shape.out_c);
    strbuf_printf(out,
                  "      for (long t = 0; t < %d; t++) {\n        const %s *xc = x%d + t * %lld, *gc = g%d "
                  "+ t * %lld;\n",
                  runs[r].count, type, r, (long long)runs[r].n_pixels * spec->shape.stride * spec->shape.in_c,
                  r, (long long)runs[r].n_pixels * spec->shape.out_c);
    write_straight(&(Straight){pass, &axis, &runs[r]});
    strbuf_put(out, "      }\n");
  }
  strbuf_put(out, "    }\n  }\n");
}

// Rows of a matrix: several at a time, then the rest one by one.
static void write_matrix_rows(const GradPass *pass) {
  const ConvSpec *spec = pass->grad->spec;
  StrBuf *out = pass->grad->out;
  const int n_pixels[2] = {min_int(straight_pixels(pass), 4), 1};
  strbuf_printf(out, "  (void)n_images;\n  const %s *xc = x, *gc = g;\n", pass->grad->term->type);
  for (int i = 0; i < 2; i++) {
    const TapAxis axis = {1, 0, 0, 1, 1, n_pixels[i], n_pixels[i], 0, 1};
    const PixelRun run = {0, n_pixels[i], 0, 0, 1};
    strbuf_printf(out, "  for (; n_rows >= %d; n_rows -= %d, xc += %lld, gc += %lld) {\n", n_pixels[i],
                  n_pixels[i], (long long)n_pixels[i] * spec->shape.in_c,
                  (long long)n_pixels[i] * spec->shape.out_c);
    write_straight(&(Straight){pass, &axis, &run});
    strbuf_put(out, "  }\n");
  }
}

void conv_write_grad_pass(const GradPass *pass, const char *name) {
  StrBuf *out = pass->grad->out;
  const char *const sides[] = {"output", "input"}, *type = pass->grad->term->type;
  const bool is_by_input = pass->grad->is_by_input;
  strbuf_printf(out, "// %d kernel columns x %d %s channels x %d %s channels.\n", pass->taps->n_vecs,
                pass->single->n_vecs, sides[!is_by_input], pass->wide->n_vecs * pass->wide->lanes,
                sides[is_by_input]);
  strbuf_printf(out,
                "static __attribute__((noinline)) void %s(const %s *x, const %s *g, real *sums, long "
                "n_images, long n_rows, long is_first) {\n",
                name, type, type);
  strbuf_printf(out, "  MLA_USE(%d)\n", pass->wide->lanes);
  write_each(pass, "  vec a%d_%d_%d = {0};\n");
  strbuf_put(out, "  if (!is_first) {\n");
  write_each(pass, "    a%d_%d_%d = mla_load(sums + %lld);\n");
  strbuf_put(out, "  }\n");
  if (pass->grad->is_matrix)
    write_matrix_rows(pass);
  else
    write_image_rows(pass);
  write_each(pass, "  mla_store(sums + %4$lld, a%1$d_%2$d_%3$d);\n");
  strbuf_put(out, "}\n");
}
