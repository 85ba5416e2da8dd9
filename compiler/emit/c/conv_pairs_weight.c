// Weight gradient of pairs: the sum over pixels is paired by images, so that a kernel's taps shift both halves of a pair
// alike. For a block of rows the lines of two images are first woven into scratch, rounded (a share's last image, if it
// has no partner, with zeros); then every pass sums kernel columns x input channels x vectors of output channels in
// registers over the block, as in conv_grad_weight.c:
//
//   const pairs g0_0 = mla_load_pairs(gc), ...;
//   const pairs x1_0 = mla_spread(xc[16]);
//   a0_0_0 = mla_dot(a0_0_0, x1_0, g1_0); ...
//
// Rows of a matrix are paired with their neighbours. The shares of the images are partial sums; the passes of a large
// weight are dealt to slices, each of which weaves for itself.
#include "compiler/emit/c/conv_pairs.h"

enum {
  PART_FLOPS = 8000000,
  MAX_PARTS = 32,
  SLICE_PASSES = 12, // of a slice at least: they pay for the weaving
  MAX_LIVE_TAPS = 7,
  MAX_PRODUCTS = 96,        // in one straight run of text
  CACHED_BYTES = 24 * 1024, // woven rows of a block,
  LEAST_PIXELS = 192,       // but not fewer pixels: moving the accumulators would cost too much
};

typedef struct WeightPairs {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_matrix;
  int lanes, g_width; // channels of a woven pixel of g: whole vectors
  PairRun outs[PAIR_MAX_RUNS];
  ChannelRun ins[CONV_MAX_RUNS];
  int n_outs, n_ins, n_tap_runs; // wide kernel rows are summed in several runs of taps
  int n_passes;
  int block_rows, block_images; // of one sweep, in pairs of images; of a matrix, block_rows pairs of rows
  int n_partials, n_slices;
} WeightPairs;

static int max_int(int a, int b) {
  return a > b ? a : b;
}
static int min_int(int a, int b) {
  return a < b ? a : b;
}

// ---- choices ----

static ChannelRun tap_run(const WeightPairs *grad, int k) {
  const int first = grad->spec->shape.kernel_w * k / grad->n_tap_runs,
            end = grad->spec->shape.kernel_w * (k + 1) / grad->n_tap_runs;
  return (ChannelRun){.offset = first, .lanes = 1, .n_vecs = end - first, .count = 1};
}

static int live_taps(const ConvSpec *spec) {
  return conv_div_up(spec->shape.kernel_w, conv_div_up(spec->shape.kernel_w, MAX_LIVE_TAPS));
}

// Input channels of a pass: accumulators, the vectors of g in use, a broadcast and one register more must fit.
static int most_inputs(const ConvSpec *spec, int n_vecs) {
  return max_int((conv_n_registers(spec) - 2) / (live_taps(spec) * n_vecs) - 1, 1);
}

// Loads per product.
static double pass_cost(const ConvSpec *spec, int n_vecs) {
  const double n_in = (double)spec->shape.in_c / conv_div_up(spec->shape.in_c, most_inputs(spec, n_vecs));
  return (n_in + n_vecs) / (live_taps(spec) * n_in * n_vecs);
}

static int best_vecs(const ConvSpec *spec, int n_vecs) {
  int best = 1;
  for (int try = 2; try <= 4 && try <= n_vecs; try++) {
    if (live_taps(spec) * try * 2 + 2 > conv_n_registers(spec)) break;
    if (pass_cost(spec, try) < pass_cost(spec, best)) best = try;
  }
  return best;
}

static void choose_blocks(WeightPairs *grad) {
  const ConvSpec *spec = grad->spec;
  const int pixel = 4 * (spec->shape.in_c + grad->g_width);
  if (grad->is_matrix) {
    grad->block_rows = max_int(CACHED_BYTES / pixel, LEAST_PIXELS);
    grad->block_images = 1;
    return;
  }
  const int64_t row = 4 * ((int64_t)spec->shape.stride * spec->shape.in_w * spec->shape.in_c +
                           (int64_t)spec->shape.out_w * grad->g_width);
  const int most =
      max_int(max_int((int)(CACHED_BYTES / row), conv_div_up(LEAST_PIXELS, spec->shape.out_w)), 1);
  grad->block_rows = conv_div_up(spec->shape.out_h, conv_div_up(spec->shape.out_h, most));
  grad->block_images = grad->block_rows == spec->shape.out_h ? max_int(most / spec->shape.out_h, 1) : 1;
}

static WeightPairs grad_new(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials) {
  WeightPairs grad = {.out = out, .symbol = symbol, .spec = spec, .n_partials = n_partials};
  grad.is_matrix = conv_is_matrix(spec);
  grad.lanes = conv_max_lanes(spec);
  const int n_out_vecs = conv_div_up(spec->shape.out_c, grad.lanes), n_vecs = best_vecs(spec, n_out_vecs);
  grad.g_width = n_out_vecs * grad.lanes;
  grad.n_outs = pair_cut_channels(spec->shape.out_c, grad.lanes, n_vecs, grad.outs);
  grad.n_ins = conv_cut_channels(spec->shape.in_c, 1, most_inputs(spec, n_vecs), grad.ins);
  grad.n_tap_runs = conv_div_up(spec->shape.kernel_w, MAX_LIVE_TAPS);
  grad.n_passes = pair_run_blocks(grad.outs, grad.n_outs) * conv_run_blocks(grad.ins, grad.n_ins) *
                  grad.n_tap_runs * spec->shape.kernel_h;
  choose_blocks(&grad);
  const int64_t flops = 2 * spec->batch * spec->shape.out_h * spec->shape.out_w * spec->shape.out_c *
                        spec->shape.in_c * spec->shape.kernel_h * (int64_t)spec->shape.kernel_w;
  const int wanted = (int)(flops / PART_FLOPS < MAX_PARTS ? flops / PART_FLOPS : MAX_PARTS);
  grad.n_slices = max_int(min_int(wanted / n_partials, grad.n_passes / SLICE_PASSES), 1);
  return grad;
}

// Rows of x that a block of rows of g meets, at most.
static int block_source_rows(const WeightPairs *grad) {
  const ConvSpec *spec = grad->spec;
  return grad->is_matrix
             ? grad->block_rows
             : min_int((grad->block_rows - 1) * spec->shape.stride + spec->shape.kernel_h, spec->shape.in_h);
}

static int64_t woven_x(const WeightPairs *grad) { // pairs in a block of one pair of images
  return (int64_t)block_source_rows(grad) * (grad->is_matrix ? 1 : grad->spec->shape.in_w) *
         grad->spec->shape.in_c;
}

static int64_t woven_g(const WeightPairs *grad) {
  return (int64_t)grad->block_rows * (grad->is_matrix ? 1 : grad->spec->shape.out_w) * grad->g_width;
}

// ---- weaving ----

// n_rows rows of `width` elements, `step` apart, with those at `other`; `padded` pairs of the result to a row.
static void write_weaving(const WeightPairs *grad, const char *name, const char *type, int width,
                          int padded) {
  StrBuf *out = grad->out;
  ChannelRun runs[CONV_MAX_RUNS];
  const int n_runs = conv_cut_channels(width, grad->lanes, 1, runs);
  strbuf_printf(
      out,
      "static void %s_%s(const %s *one, const %s *other, pair *to, long n_rows, long step, long is_pair) {\n",
      grad->symbol, name, type, type);
  strbuf_printf(out, "  for (; n_rows > 0; n_rows--, one += step, other += step, to += %d) {\n", padded);
  for (int r = 0; r < n_runs; r++) {
    strbuf_printf(out, "    {\n      MLA_USE(%d)\n      for (long c = %d; c < %d; c += %d)\n", runs[r].lanes,
                  runs[r].offset, runs[r].offset + runs[r].count * runs[r].lanes, runs[r].lanes);
    strbuf_put(out,
               "        mla_store_pairs(to + c, mla_pairs(mla_load(one + c), is_pair ? mla_load(other + c) : "
               "(vec){0}));\n    }\n");
  }
  if (padded > width) strbuf_printf(out, "    for (long c = %d; c < %d; c++) to[c] = 0;\n", width, padded);
  strbuf_put(out, "  }\n}\n");
}

// Rows of an image are woven as one where their pixels need no padding.
static void write_weavings(const WeightPairs *grad) {
  const ConvSpec *spec = grad->spec;
  const bool is_whole = grad->g_width == spec->shape.out_c && !grad->is_matrix;
  const int pixels = is_whole ? spec->shape.out_w : 1;
  write_weaving(grad, "x", conv_type(spec->x_is_bf16),
                (grad->is_matrix ? 1 : spec->shape.in_w) * spec->shape.in_c,
                (grad->is_matrix ? 1 : spec->shape.in_w) * spec->shape.in_c);
  write_weaving(grad, "g", conv_type(spec->y_is_bf16), pixels * spec->shape.out_c, pixels * grad->g_width);
}

// ---- one pass ----

typedef struct Pass {
  const WeightPairs *grad;
  const PairRun *outs;
  const ChannelRun *ins, *taps; // n_vecs of them
} Pass;

static int64_t weight_at(const Pass *pass, int tap, int in, int v) {
  return ((int64_t)tap * pass->grad->spec->shape.in_c + in) * pass->grad->spec->shape.out_c +
         v * pass->grad->lanes;
}

static bool is_partial(const Pass *pass, int v) {
  return v == pass->outs->n_vecs - 1 && pass->outs->last < pass->grad->lanes;
}

static void write_moves(const Pass *pass, const char *whole, const char *part) {
  for (int k = 0; k < pass->taps->n_vecs; k++)
    for (int i = 0; i < pass->ins->n_vecs; i++)
      for (int v = 0; v < pass->outs->n_vecs; v++)
        strbuf_printf(pass->grad->out, is_partial(pass, v) ? part : whole, k, i, v,
                      (long long)weight_at(pass, k, i, v), pass->outs->last);
}

static bool pixel_is_used(const Pass *pass, const TapAxis *axis, const PixelRun *run, int p) {
  const int end = conv_tile_span(axis, run->n_pixels) - run->right;
  for (int k = 0; k < pass->taps->n_vecs; k++) {
    const int j = p * axis->source_step + k;
    if (j >= run->left && j < end) return true;
  }
  return false;
}

static void write_gradients(const Pass *pass, int p) {
  for (int v = 0; v < pass->outs->n_vecs; v++)
    strbuf_printf(pass->grad->out, "        const pairs g%d_%d = mla_load_pairs(gc + %lld);\n", p, v,
                  (long long)p * pass->grad->g_width + v * pass->grad->lanes);
}

// Source pixel j, channel i, into the accumulators of all taps that bring it to a pixel of the run.
static void write_products(const Pass *pass, const TapAxis *axis, const PixelRun *run, int j, int i) {
  StrBuf *out = pass->grad->out;
  strbuf_printf(out, "        const pairs x%d_%d = mla_spread(xc[%lld]);", j, i,
                (long long)(j - run->left) * pass->grad->spec->shape.in_c + i);
  for (int p = 0; p < run->n_pixels; p++) {
    const int k = j - p * axis->source_step;
    if (k < 0 || k >= axis->n_taps) continue;
    for (int v = 0; v < pass->outs->n_vecs; v++)
      strbuf_printf(out, " a%d_%d_%d = mla_dot(a%d_%d_%d, x%d_%d, g%d_%d);", k, i, v, k, i, v, j, i, p, v);
  }
  strbuf_put(out, "\n");
}

static bool source_is_used(const TapAxis *axis, const PixelRun *run, int j) {
  for (int p = 0; p < run->n_pixels; p++)
    if (j - p * axis->source_step >= 0 && j - p * axis->source_step < axis->n_taps) return true;
  return false;
}

// A vector of the gradient is loaded just before the first source pixel that it meets.
static void write_pixels(const Pass *pass, const TapAxis *axis, const PixelRun *run) {
  const int end = conv_tile_span(axis, run->n_pixels) - run->right;
  int loaded = 0;
  for (int j = run->left; j < end; j++) {
    if (!source_is_used(axis, run, j)) continue;
    for (; loaded < run->n_pixels && loaded * axis->source_step <= j; loaded++)
      if (pixel_is_used(pass, axis, run, loaded)) write_gradients(pass, loaded);
    for (int i = 0; i < pass->ins->n_vecs; i++) write_products(pass, axis, run, j, i);
  }
}

static int pass_pixels(const Pass *pass) {
  const int n_sums = pass->taps->n_vecs * pass->ins->n_vecs * pass->outs->n_vecs;
  return min_int(max_int(MAX_PRODUCTS / n_sums, 1), 16);
}

static void write_pixel_run(const Pass *pass, const TapAxis *axis, const PixelRun *run, int r) {
  const ConvSpec *spec = pass->grad->spec;
  StrBuf *out = pass->grad->out;
  strbuf_printf(out, "      const pair *x%d = xr + %lld, *g%d = gr + %lld;\n", r,
                (long long)conv_run_source(axis, run) * spec->shape.in_c, r,
                (long long)run->first * pass->grad->g_width);
  strbuf_printf(out,
                "      for (long t = 0; t < %d; t++) {\n        const pair *xc = x%d + t * %lld, *gc = g%d + "
                "t * %lld;\n",
                run->count, r, (long long)run->n_pixels * spec->shape.stride * spec->shape.in_c, r,
                (long long)run->n_pixels * pass->grad->g_width);
  write_pixels(pass, axis, run);
  strbuf_put(out, "      }\n");
}

static void write_image_rows(const Pass *pass) {
  const ConvSpec *spec = pass->grad->spec;
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
  const int n_runs = conv_cut_pixels(out->arena, &axis, pass_pixels(pass), &runs);
  strbuf_printf(out, "  for (; n_images > 0; n_images--, x += %lld, g += %lld) {\n",
                (long long)woven_x(pass->grad), (long long)woven_g(pass->grad));
  strbuf_put(out, "    const pair *xr = x, *gr = g;\n");
  strbuf_printf(out, "    for (long row = 0; row < n_rows; row++, xr += %lld, gr += %lld) {\n",
                (long long)spec->shape.stride * spec->shape.in_w * spec->shape.in_c,
                (long long)spec->shape.out_w * pass->grad->g_width);
  for (int r = 0; r < n_runs; r++)
    if (runs[r].left + runs[r].right < conv_tile_span(&axis, runs[r].n_pixels))
      write_pixel_run(pass, &axis, &runs[r], r);
  strbuf_put(out, "    }\n  }\n");
}

// Rows of a matrix: several at a time, then the rest one by one.
static void write_matrix_rows(const Pass *pass) {
  StrBuf *out = pass->grad->out;
  const int n_pixels[2] = {min_int(pass_pixels(pass), 4), 1};
  strbuf_put(out, "  (void)n_images;\n  const pair *xc = x, *gc = g;\n");
  for (int i = 0; i < 2; i++) {
    const TapAxis axis = {1, 0, 0, 1, 1, n_pixels[i], n_pixels[i], 0, 1};
    const PixelRun run = {0, n_pixels[i], 0, 0, 1};
    strbuf_printf(out, "  for (; n_rows >= %d; n_rows -= %d, xc += %lld, gc += %lld) {\n", n_pixels[i],
                  n_pixels[i], (long long)n_pixels[i] * pass->grad->spec->shape.in_c,
                  (long long)n_pixels[i] * pass->grad->g_width);
    write_pixels(pass, &axis, &run);
    strbuf_put(out, "  }\n");
  }
}

static void write_pass(const Pass *pass, const char *name) {
  StrBuf *out = pass->grad->out;
  strbuf_printf(out, "// %d kernel columns x %d input channels x %d output channels.\n", pass->taps->n_vecs,
                pass->ins->n_vecs, (pass->outs->n_vecs - 1) * pass->grad->lanes + pass->outs->last);
  strbuf_printf(
      out,
      "static __attribute__((noinline)) void %s(const pair *x, const pair *g, real *dw, long n_images, long "
      "n_rows, long is_first) {\n",
      name);
  strbuf_printf(out, "  MLA_USE(%d)\n", pass->grad->lanes);
  write_moves(pass, "  vec a%d_%d_%d = {0};\n", "  vec a%d_%d_%d = {0};\n");
  strbuf_put(out, "  if (!is_first) {\n");
  write_moves(pass, "    a%d_%d_%d = mla_load(dw + %lld);\n",
              "    a%d_%d_%d = mla_load_part(dw + %lld, %d);\n");
  strbuf_put(out, "  }\n");
  if (pass->grad->is_matrix)
    write_matrix_rows(pass);
  else
    write_image_rows(pass);
  write_moves(pass, "  mla_store(dw + %4$lld, a%1$d_%2$d_%3$d);\n",
              "  mla_store_part(dw + %4$lld, a%1$d_%2$d_%3$d, %5$d);\n");
  strbuf_put(out, "}\n");
}

static const char *pass_name(const WeightPairs *grad, int o, int i, int k) {
  return arena_printf(grad->out->arena, "%s_p%d_%d_%d", grad->symbol, o, i, k);
}

static void write_passes(const WeightPairs *grad) {
  for (int o = 0; o < grad->n_outs; o++)
    for (int i = 0; i < grad->n_ins; i++)
      for (int k = 0; k < grad->n_tap_runs; k++) {
        const ChannelRun taps = tap_run(grad, k);
        const Pass pass = {grad, &grad->outs[o], &grad->ins[i], &taps};
        write_pass(&pass, pass_name(grad, o, i, k));
      }
}

// ---- the sweep over all passes ----

static void write_pass_calls(const WeightPairs *grad, int o, int i) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  for (int k = 0; k < grad->n_tap_runs; k++) {
    const ChannelRun taps = tap_run(grad, k);
    strbuf_put(out, "        if (pass >= first && pass < end)\n");
    strbuf_printf(out,
                  "          %s(from, g + (low - row) * %lld + column, dw + ((ky * %d + %d) * %d + channel) "
                  "* %d + column, "
                  "n_images, n, is_first);\n        pass++;\n",
                  pass_name(grad, o, i, k), (long long)spec->shape.out_w * grad->g_width,
                  spec->shape.kernel_w, taps.offset, spec->shape.in_c, spec->shape.out_c);
  }
}

static void write_kernel_rows(const WeightPairs *grad, int o, int i) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  strbuf_printf(out, "      for (long ky = 0; ky < %d; ky++) {\n", spec->shape.kernel_h);
  if (grad->is_matrix) {
    strbuf_put(out,
               "        const long low = row, n = last - row;\n        const pair *from = x + channel;\n");
  } else {
    strbuf_printf(out, "        long low = ky < %d ? (%d - ky) / %d : 0, high = (%d - ky) / %d;\n",
                  spec->shape.pad, spec->shape.pad + spec->shape.stride - 1, spec->shape.stride,
                  spec->shape.in_h + spec->shape.pad + spec->shape.stride - 1, spec->shape.stride);
    strbuf_put(out, "        low = low > row ? low : row, high = high < last ? high : last;\n");
    strbuf_put(out, "        const long n = high > low ? high - low : 0;\n");
    strbuf_printf(out, "        const pair *from = x + (low * %d + ky - %d - top) * %lld + channel;\n",
                  spec->shape.stride, spec->shape.pad, (long long)spec->shape.in_w * spec->shape.in_c);
  }
  write_pass_calls(grad, o, i);
  strbuf_put(out, "      }\n");
}

static void write_sweep(const WeightPairs *grad) {
  StrBuf *out = grad->out;
  strbuf_put(
      out,
      "// Rows row..last-1 of n_images woven pairs of images (x: from row `top` on), into the sums of passes "
      "first..end-1.\n");
  strbuf_printf(
      out,
      "static void %s_sweep(const pair *x, const pair *g, real *dw, long n_images, long top, long row, long "
      "last, long is_first, long first, long end) {\n  long pass = 0;\n  (void)top;\n",
      grad->symbol);
  for (int o = 0; o < grad->n_outs; o++) {
    const PairRun *outs = &grad->outs[o];
    strbuf_printf(out, "  for (long b = 0; b < %d; b++) {\n", outs->count);
    strbuf_printf(out, "    const long column = %d + b * %d;\n", outs->offset, outs->n_vecs * grad->lanes);
    for (int i = 0; i < grad->n_ins; i++) {
      const ChannelRun *ins = &grad->ins[i];
      strbuf_printf(out, "    for (long t = 0; t < %d; t++) {\n      const long channel = %d + t * %d;\n",
                    ins->count, ins->offset, ins->n_vecs);
      write_kernel_rows(grad, o, i);
      strbuf_put(out, "    }\n");
    }
    strbuf_put(out, "  }\n");
  }
  strbuf_put(out, "}\n");
}

static void write_image_sweeps(const WeightPairs *grad) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const long long x_row = (long long)spec->shape.in_w * spec->shape.in_c,
                  g_row = (long long)spec->shape.out_w * spec->shape.out_c;
  const long long x_image = x_row * spec->shape.in_h, g_image = g_row * spec->shape.out_h;
  const bool is_whole = grad->g_width == spec->shape.out_c;
  strbuf_printf(out, "  const long begin = batch * share / %d, stop = batch * (share + 1) / %d;\n",
                grad->n_partials, grad->n_partials);
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", 2 * grad->block_images);
  strbuf_printf(out, "    for (long row = 0; row < %d; row += %d) {\n", spec->shape.out_h, grad->block_rows);
  strbuf_printf(out, "      const long last = row + %d < %d ? row + %d : %d;\n", grad->block_rows,
                spec->shape.out_h, grad->block_rows, spec->shape.out_h);
  strbuf_printf(out, "      const long high = row * %d - %d, low = (last - 1) * %d + %d;\n",
                spec->shape.stride, spec->shape.pad, spec->shape.stride,
                spec->shape.kernel_h - spec->shape.pad);
  strbuf_printf(out, "      const long top = high > 0 ? high : 0, bottom = low < %d ? low : %d;\n",
                spec->shape.in_h, spec->shape.in_h);
  strbuf_put(out, "      long n_images = 0;\n");
  strbuf_printf(out, "      for (long i = n; i < stop && n_images < %d; i += 2, n_images++) {\n",
                grad->block_images);
  strbuf_put(out, "        const long is_pair = i + 1 < stop;\n");
  strbuf_printf(
      out,
      "        %s_x(x + i * %lld + top * %lld, x + (i + is_pair) * %lld + top * %lld, xs + n_images * %lld, "
      "bottom - top, %lld, is_pair);\n",
      grad->symbol, x_image, x_row, x_image, x_row, (long long)woven_x(grad), x_row);
  strbuf_printf(
      out,
      "        %s_g(g + i * %lld + row * %lld, g + (i + is_pair) * %lld + row * %lld, gs + n_images * %lld, "
      "(last - row)%s, %lld, is_pair);\n      }\n",
      grad->symbol, g_image, g_row, g_image, g_row, (long long)woven_g(grad),
      is_whole ? "" : arena_printf(out->arena, " * %d", spec->shape.out_w),
      is_whole ? g_row : spec->shape.out_c);
  strbuf_printf(out, "      %s_sweep(xs, gs, dw, n_images, top, row, last, 0, first, end);\n    }\n",
                grad->symbol);
}

// Rows 2k and 2k + 1 are a pair; the last row of the share may be alone.
static void write_matrix_sweeps(const WeightPairs *grad) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const long long pixels = (long long)spec->shape.out_h * spec->shape.out_w;
  strbuf_printf(out,
                "  const long begin = batch * %lld * share / %d, stop = batch * %lld * (share + 1) / %d;\n",
                pixels, grad->n_partials, pixels, grad->n_partials);
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d) {\n", 2 * grad->block_rows);
  strbuf_printf(out, "    const long rows = stop - n < %d ? stop - n : %d, whole = rows / 2;\n",
                2 * grad->block_rows, 2 * grad->block_rows);
  const struct {
    const char *name;
    int channels, width;
  } sides[] = {{"x", spec->shape.in_c, spec->shape.in_c}, {"g", spec->shape.out_c, grad->g_width}};
  for (int i = 0; i < 2; i++) {
    const char *name = sides[i].name;
    const int c = sides[i].channels;
    strbuf_printf(out, "    const %s *%s_at = %s + n * %d;\n",
                  conv_type(i ? spec->y_is_bf16 : spec->x_is_bf16), name, name, c);
    strbuf_printf(out, "    %s_%s(%s_at, %s_at + %d, %ss, whole, %d, 1);\n", grad->symbol, name, name, name,
                  c, name, 2 * c);
    strbuf_printf(out,
                  "    %s_%s(%s_at + whole * %d, %s_at + whole * %d, %ss + whole * %d, rows %% 2, %d, 0);\n",
                  grad->symbol, name, name, 2 * c, name, 2 * c, name, sides[i].width, 2 * c);
  }
  strbuf_printf(out, "    %s_sweep(xs, gs, dw, 1, 0, 0, whole + rows %% 2, 0, first, end);\n  }\n",
                grad->symbol);
}

ConvKernel conv_write_grad_weight_pairs(StrBuf *out, const char *symbol, const ConvSpec *spec,
                                        int n_partials) {
  const WeightPairs grad = grad_new(out, symbol, spec, n_partials);
  const int64_t n_x = woven_x(&grad) * grad.block_images, n_g = woven_g(&grad) * grad.block_images;
  write_weavings(&grad);
  write_passes(&grad);
  write_sweep(&grad);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_printf(out, "  const long share = part %% %d, slice = part / %d;\n", n_partials, n_partials);
  strbuf_printf(out, "  const long first = %dL * slice / %d, end = %dL * (slice + 1) / %d;\n", grad.n_passes,
                grad.n_slices, grad.n_passes, grad.n_slices);
  strbuf_printf(out, "  const %s *x = buf[0];\n  const %s *g = buf[1];\n", conv_type(spec->x_is_bf16),
                conv_type(spec->y_is_bf16));
  strbuf_printf(out, "  real *dw = (real *)buf[2] + share * %lld;\n",
                (long long)spec->shape.kernel_h * spec->shape.kernel_w * spec->shape.in_c *
                    spec->shape.out_c);
  // vectors of the woven gradient begin at cache lines
  strbuf_printf(out, "  pair *gs = scratch, *xs = gs + %lld;\n  (void)parts;\n", (long long)n_g);
  strbuf_printf(out, "  %s_sweep(xs, gs, dw, 0, 0, 0, 0, 1, first, end); // the sums start at zero\n",
                symbol);
  if (grad.is_matrix)
    write_matrix_sweeps(&grad);
  else
    write_image_sweeps(&grad);
  strbuf_put(out, "}\n");
  return (ConvKernel){4 * (n_x + n_g), n_partials * grad.n_slices};
}
