// Weight gradient. Accumulators in registers: kernel columns x input channels x vectors of output channels,
// summed over a block of rows (small images: of several images) that stays in the first-level cache, then
// added to the partial sum in memory. As in the forward tile every source pixel is broadcast once for all the
// columns it belongs to:
//
//   const vec g0_0 = mla_load(gc), g1_0 = mla_load(gc + 16), ...;
//   const vec x1_0 = mla_vec(xc[16]);
//   a0_0_0 += x1_0 * g1_0; a1_0_0 += x1_0 * g0_0; ...
//
// A pass is one such set of accumulators. The images are divided among partial sums, the passes among slices.
#include "compiler/emit/c/conv_parts.h"

enum {
  PART_FLOPS = 4000000,
  MAX_PARTS = 32,
  MAX_LIVE_TAPS = 7,
  MAX_PRODUCTS = 96,       // multiply-adds in one straight run of text
  CACHED_BYTES = 8 * 1024, // rows of x and g that one pass sweeps,
  LEAST_PIXELS = 192,      // but not fewer pixels: moving the accumulators would cost too much.
  FEW_PASSES = 12,         // With so few passes over the same rows fetching them costs more than that,
  LEAST_PIXELS_FEW = 64,   // and short blocks spread the fetching out.
};

typedef struct WeightGrad {
  StrBuf *out;
  const char *symbol;
  const ConvSpec *spec;
  bool is_depthwise, is_matrix;
  int n_in, n_out, n_groups;
  ChannelRun out_runs[CONV_MAX_RUNS], in_runs[CONV_MAX_RUNS];
  int n_out_runs, n_in_runs, n_tap_runs; // wide kernel rows are summed in several runs of taps
  int n_passes;
  int block_rows, block_images; // of one sweep; of a matrix, block_rows pixels
  int n_partials, n_slices;
} WeightGrad;

static int max_int(int a, int b) {
  return a > b ? a : b;
}
static int min_int(int a, int b) {
  return a < b ? a : b;
}

// ---- choices
// --------------------------------------------------------------------------------------------------

static int tap_runs(const ConvSpec *spec) {
  return conv_div_up(spec->kernel_w, MAX_LIVE_TAPS);
}

static ChannelRun tap_run(const WeightGrad *grad, int k) {
  const int first = grad->spec->kernel_w * k / grad->n_tap_runs,
            end = grad->spec->kernel_w * (k + 1) / grad->n_tap_runs;
  return (ChannelRun){first, 1, end - first, 1, 0};
}

static int live_taps(const ConvSpec *spec) {
  return conv_div_up(spec->kernel_w, tap_runs(spec));
}

// Input channels of a pass: accumulators, the g vectors in use, a broadcast and one register more must fit.
static int most_inputs(const WeightGrad *grad, int n_vecs) {
  if (grad->is_depthwise) return 1;
  return max_int((conv_n_registers(grad->spec) - 2) / (live_taps(grad->spec) * n_vecs) - 1, 1);
}

// Loads per multiply-add.
static double pass_cost(const WeightGrad *grad, int n_vecs) {
  const int most = most_inputs(grad, n_vecs), taps = live_taps(grad->spec);
  const double n_in = (double)grad->n_in / conv_div_up(grad->n_in, most);
  return (n_in + n_vecs) / (taps * n_in * n_vecs);
}

static int best_vecs(const WeightGrad *grad) {
  const int n_vecs = grad->n_out / conv_max_lanes(grad->spec);
  int best = 1;
  for (int try = 2; try <= 4 && try <= n_vecs; try++) {
    if (live_taps(grad->spec) * try * 2 + 2 > conv_n_registers(grad->spec)) break;
    if (pass_cost(grad, try) < pass_cost(grad, best)) best = try;
  }
  return best;
}

static void choose_blocks(WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const int64_t x_row = (int64_t)spec->stride * spec->in_w * spec->in_c,
                g_row = (int64_t)spec->out_w * spec->out_c;
  const int64_t pixel = spec->in_c + spec->out_c;
  const int least = grad->n_passes < FEW_PASSES ? LEAST_PIXELS_FEW : LEAST_PIXELS;
  if (grad->is_matrix) {
    grad->block_rows = max_int((int)(CACHED_BYTES / (pixel * spec->elem_bytes)), least);
    grad->block_images = 1;
    return;
  }
  const int cached = (int)(CACHED_BYTES / ((x_row + g_row) * spec->elem_bytes));
  const int most = max_int(max_int(cached, conv_div_up(least, spec->out_w)), 1);
  grad->block_rows = conv_div_up(spec->out_h, conv_div_up(spec->out_h, most));
  grad->block_images = grad->block_rows == spec->out_h ? max_int(most / spec->out_h, 1) : 1;
}

static WeightGrad grad_new(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials) {
  WeightGrad grad = {.out = out, .symbol = symbol, .spec = spec, .n_partials = n_partials};
  grad.is_depthwise = conv_is_depthwise(spec);
  grad.is_matrix = conv_is_matrix(spec) && spec->groups == 1;
  grad.n_groups = grad.is_depthwise ? 1 : spec->groups;
  grad.n_in = spec->in_c / spec->groups;
  grad.n_out = spec->out_c / grad.n_groups;
  const int n_vecs = best_vecs(&grad);
  grad.n_out_runs = conv_cut_channels(grad.n_out, conv_max_lanes(spec), n_vecs, grad.out_runs);
  grad.n_in_runs = conv_cut_channels(grad.n_in, 1, most_inputs(&grad, n_vecs), grad.in_runs);
  grad.n_tap_runs = tap_runs(spec);
  grad.n_passes = grad.n_groups * conv_run_blocks(grad.out_runs, grad.n_out_runs) *
                  conv_run_blocks(grad.in_runs, grad.n_in_runs) * grad.n_tap_runs * spec->kernel_h;
  choose_blocks(&grad);
  const int64_t flops =
      2 * spec->batch * spec->out_h * spec->out_w * spec->out_c * grad.n_in * spec->kernel_h * spec->kernel_w;
  const int wanted = (int)(flops / PART_FLOPS < MAX_PARTS ? flops / PART_FLOPS : MAX_PARTS);
  grad.n_slices = min_int(max_int(wanted / n_partials, 1), grad.n_passes);
  return grad;
}

// ---- one pass
// -------------------------------------------------------------------------------------------------

typedef struct Pass {
  const WeightGrad *grad;
  const ChannelRun *outs, *ins, *taps; // ins, taps: n_vecs of them
} Pass;

static int64_t weight_at(const Pass *pass, int tap, int in, int v) {
  const WeightGrad *grad = pass->grad;
  return ((int64_t)tap * grad->n_in + in) * grad->spec->out_c + v * pass->outs->lanes;
}

static void write_each(const Pass *pass, const char *format) {
  for (int k = 0; k < pass->taps->n_vecs; k++)
    for (int i = 0; i < pass->ins->n_vecs; i++)
      for (int v = 0; v < pass->outs->n_vecs; v++)
        strbuf_printf(pass->grad->out, format, k, i, v, (long long)weight_at(pass, k, i, v));
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
  StrBuf *out = pass->grad->out;
  for (int v = 0; v < pass->outs->n_vecs; v++)
    strbuf_printf(out, "        const vec g%d_%d = mla_load(gc + %lld);\n", p, v,
                  (long long)p * pass->grad->spec->out_c + v * pass->outs->lanes);
}

static void write_source(const Pass *pass, const PixelRun *run, int j, int i) {
  const bool is_depthwise = pass->grad->is_depthwise;
  const long long at = (long long)(j - run->left) * pass->grad->spec->in_c + i;
  strbuf_put(pass->grad->out, "       ");
  for (int v = 0; v < (is_depthwise ? pass->outs->n_vecs : 1); v++)
    strbuf_printf(pass->grad->out,
                  is_depthwise ? " const vec x%d_%d_%d = mla_load(xc + %lld);"
                               : " const vec x%d_%d_%d = mla_vec(xc[%lld]);",
                  j, i, v, at + v * pass->outs->lanes);
}

// Source pixel j, channel i, into the accumulators of all taps that bring it to a pixel of the run.
static void write_products(const Pass *pass, const TapAxis *axis, const PixelRun *run, int j, int i) {
  for (int p = 0; p < run->n_pixels; p++) {
    const int k = j - p * axis->source_step;
    if (k < 0 || k >= axis->n_taps) continue;
    for (int v = 0; v < pass->outs->n_vecs; v++)
      strbuf_printf(pass->grad->out, " a%d_%d_%d += x%d_%d_%d * g%d_%d;", k, i, v, j, i,
                    pass->grad->is_depthwise ? v : 0, p, v);
  }
  strbuf_put(pass->grad->out, "\n");
}

static bool source_is_used(const TapAxis *axis, const PixelRun *run, int j) {
  for (int p = 0; p < run->n_pixels; p++)
    if (j - p * axis->source_step >= 0 && j - p * axis->source_step < axis->n_taps) return true;
  return false;
}

// A gradient vector is loaded just before the first source pixel that it meets.
static void write_pixels(const Pass *pass, const TapAxis *axis, const PixelRun *run) {
  const int end = conv_tile_span(axis, run->n_pixels) - run->right;
  int loaded = 0;
  for (int j = run->left; j < end; j++) {
    if (!source_is_used(axis, run, j)) continue;
    for (; loaded < run->n_pixels && loaded * axis->source_step <= j; loaded++)
      if (pixel_is_used(pass, axis, run, loaded)) write_gradients(pass, loaded);
    for (int i = 0; i < pass->ins->n_vecs; i++) {
      write_source(pass, run, j, i);
      write_products(pass, axis, run, j, i);
    }
  }
}

static int pass_pixels(const Pass *pass) {
  const int n_sums = pass->taps->n_vecs * pass->ins->n_vecs * pass->outs->n_vecs;
  return max_int(MAX_PRODUCTS / n_sums, 1) < 16 ? max_int(MAX_PRODUCTS / n_sums, 1) : 16;
}

static void write_image_rows(const Pass *pass) {
  const ConvSpec *spec = pass->grad->spec;
  StrBuf *out = pass->grad->out;
  const TapAxis axis = {
      pass->taps->n_vecs, pass->taps->offset - spec->pad, 0, 1, spec->stride, spec->out_w, spec->in_w, 0, 1};
  PixelRun *runs;
  const int n_runs = conv_cut_pixels(out->arena, &axis, pass_pixels(pass), &runs);
  strbuf_printf(out, "  for (; n_images > 0; n_images--, x += %lld, g += %lld) {\n",
                (long long)spec->in_h * spec->in_w * spec->in_c,
                (long long)spec->out_h * spec->out_w * spec->out_c);
  strbuf_put(out, "    const real *xr = x, *gr = g;\n");
  strbuf_printf(out, "    for (long row = 0; row < n_rows; row++, xr += %lld, gr += %lld) {\n",
                (long long)spec->stride * spec->in_w * spec->in_c, (long long)spec->out_w * spec->out_c);
  for (int r = 0; r < n_runs; r++) {
    if (runs[r].left + runs[r].right >= conv_tile_span(&axis, runs[r].n_pixels)) continue;
    strbuf_printf(out, "      const real *x%d = xr + %lld, *g%d = gr + %lld;\n", r,
                  (long long)conv_run_source(&axis, &runs[r]) * spec->in_c, r,
                  (long long)runs[r].first * spec->out_c);
    strbuf_printf(out,
                  "      for (long t = 0; t < %d; t++) {\n        const real *xc = x%d + t * %lld, *gc = g%d "
                  "+ t * %lld;\n",
                  runs[r].count, r, (long long)runs[r].n_pixels * spec->stride * spec->in_c, r,
                  (long long)runs[r].n_pixels * spec->out_c);
    write_pixels(pass, &axis, &runs[r]);
    strbuf_put(out, "      }\n");
  }
  strbuf_put(out, "    }\n  }\n");
}

// Rows of a matrix: several at a time, then the rest one by one.
static void write_matrix_rows(const Pass *pass) {
  const ConvSpec *spec = pass->grad->spec;
  StrBuf *out = pass->grad->out;
  const int n_pixels[2] = {min_int(pass_pixels(pass), 4), 1};
  strbuf_put(out, "  (void)n_images;\n  const real *xc = x, *gc = g;\n");
  for (int i = 0; i < 2; i++) {
    const TapAxis axis = {1, 0, 0, 1, 1, n_pixels[i], n_pixels[i], 0, 1};
    const PixelRun run = {0, n_pixels[i], 0, 0, 1};
    strbuf_printf(out, "  for (; n_rows >= %d; n_rows -= %d, xc += %lld, gc += %lld) {\n", n_pixels[i],
                  n_pixels[i], (long long)n_pixels[i] * spec->in_c, (long long)n_pixels[i] * spec->out_c);
    write_pixels(pass, &axis, &run);
    strbuf_put(out, "  }\n");
  }
}

static void write_pass(const Pass *pass, const char *name) {
  StrBuf *out = pass->grad->out;
  strbuf_printf(out, "// %d kernel columns x %d input channels x %d output channels.\n", pass->taps->n_vecs,
                pass->ins->n_vecs, pass->outs->n_vecs * pass->outs->lanes);
  strbuf_printf(out,
                "static __attribute__((noinline)) void %s(const real *x, const real *g, real *dw, long "
                "n_images, long n_rows, long is_first) {\n",
                name);
  strbuf_printf(out, "  MLA_USE(%d)\n", pass->outs->lanes);
  write_each(pass, "  vec a%d_%d_%d = {0};\n");
  strbuf_put(out, "  if (!is_first) {\n");
  write_each(pass, "    a%d_%d_%d = mla_load(dw + %lld);\n");
  strbuf_put(out, "  }\n");
  if (pass->grad->is_matrix)
    write_matrix_rows(pass);
  else
    write_image_rows(pass);
  write_each(pass, "  mla_store(dw + %4$lld, a%1$d_%2$d_%3$d);\n");
  strbuf_put(out, "}\n");
}

// ---- the sweep over all passes
// --------------------------------------------------------------------------------

static const char *pass_name(const WeightGrad *grad, int o, int i, int k) {
  return arena_printf(grad->out->arena, "%s_p%d_%d_%d", grad->symbol, o, i, k);
}

// One call: channels `column` and `channel`, kernel row ky, columns from tap on.
static void write_pass_call(const WeightGrad *grad, int o, int i, int k) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const ChannelRun taps = tap_run(grad, k);
  strbuf_put(out, "          if (pass >= first && pass < end)\n");
  strbuf_printf(
      out,
      "            %s(from, g + low * %lld + column, dw + ((ky * %d + %d) * %d + channel) * %d + column, "
      "n_images, n, is_first);\n",
      pass_name(grad, o, i, k), (long long)spec->out_w * spec->out_c, spec->kernel_w, taps.offset, grad->n_in,
      spec->out_c);
  strbuf_put(out, "          pass++;\n");
}

static void write_kernel_rows(const WeightGrad *grad, int o, int i) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const char *x_channel = grad->is_depthwise ? "column" : "group * n_in + channel";
  strbuf_printf(out, "        for (long ky = 0; ky < %d; ky++) {\n", spec->kernel_h);
  if (grad->is_matrix) {
    strbuf_put(out, "          const long low = 0, n = last - row;\n");
    strbuf_printf(out, "          const real *from = x + %s;\n", x_channel);
  } else {
    strbuf_printf(out, "          long low = ky < %d ? (%d - ky) / %d : 0, high = (%d - ky) / %d;\n",
                  spec->pad, spec->pad + spec->stride - 1, spec->stride,
                  spec->in_h + spec->pad + spec->stride - 1, spec->stride);
    strbuf_put(out, "          low = low > row ? low : row, high = high < last ? high : last;\n");
    strbuf_put(out, "          const long n = high > low ? high - low : 0;\n");
    strbuf_printf(out, "          const real *from = x + (low * %d + ky - %d) * %lld + %s;\n", spec->stride,
                  spec->pad, (long long)spec->in_w * spec->in_c, x_channel);
  }
  for (int k = 0; k < grad->n_tap_runs; k++) write_pass_call(grad, o, i, k);
  strbuf_put(out, "        }\n");
}

static void write_sweep(const WeightGrad *grad) {
  StrBuf *out = grad->out;
  strbuf_put(out, "// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.\n");
  strbuf_printf(out,
                "static void %s_sweep(const real *x, const real *g, real *dw, long n_images, long row, long "
                "last, long is_first, long first, long end) {\n",
                grad->symbol);
  strbuf_printf(out,
                "  enum { n_in = %d };\n  long pass = 0;\n  for (long group = 0; group < %d; group++) {\n",
                grad->n_in, grad->n_groups);
  for (int o = 0; o < grad->n_out_runs; o++) {
    const ChannelRun *outs = &grad->out_runs[o];
    strbuf_printf(out, "    for (long b = 0; b < %d; b++) {\n", outs->count);
    strbuf_printf(out, "      const long column = group * %d + %d + b * %d;\n", grad->n_out, outs->offset,
                  outs->n_vecs * outs->lanes);
    for (int i = 0; i < grad->n_in_runs; i++) {
      const ChannelRun *ins = &grad->in_runs[i];
      strbuf_printf(out, "      for (long t = 0; t < %d; t++) {\n        const long channel = %d + t * %d;\n",
                    ins->count, ins->offset, ins->n_vecs);
      write_kernel_rows(grad, o, i);
      strbuf_put(out, "      }\n");
    }
    strbuf_put(out, "    }\n");
  }
  strbuf_put(out, "  }\n}\n");
}

static void write_passes(const WeightGrad *grad) {
  for (int o = 0; o < grad->n_out_runs; o++)
    for (int i = 0; i < grad->n_in_runs; i++)
      for (int k = 0; k < grad->n_tap_runs; k++) {
        const ChannelRun taps = tap_run(grad, k);
        const Pass pass = {grad, &grad->out_runs[o], &grad->in_runs[i], &taps};
        write_pass(&pass, pass_name(grad, o, i, k));
      }
}

static void write_image_sweeps(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  strbuf_printf(out, "  const long begin = batch * share / %d, stop = batch * (share + 1) / %d;\n",
                grad->n_partials, grad->n_partials);
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", grad->block_images);
  strbuf_printf(out, "    for (long row = 0; row < %d; row += %d)\n", spec->out_h, grad->block_rows);
  strbuf_printf(out,
                "      %s_sweep(x + n * %lld, g + n * %lld, dw, stop - n < %d ? stop - n : %d, row, row + %d "
                "< %d ? row + %d : %d, 0, first, end);\n",
                grad->symbol, (long long)spec->in_h * spec->in_w * spec->in_c,
                (long long)spec->out_h * spec->out_w * spec->out_c, grad->block_images, grad->block_images,
                grad->block_rows, spec->out_h, grad->block_rows, spec->out_h);
}

static void write_matrix_sweeps(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const long long pixels = (long long)spec->out_h * spec->out_w;
  strbuf_printf(out,
                "  const long begin = batch * %lld * share / %d, stop = batch * %lld * (share + 1) / %d;\n",
                pixels, grad->n_partials, pixels, grad->n_partials);
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", grad->block_rows);
  strbuf_printf(
      out, "    %s_sweep(x + n * %d, g + n * %d, dw, 1, 0, stop - n < %d ? stop - n : %d, 0, first, end);\n",
      grad->symbol, spec->in_c, spec->out_c, grad->block_rows, grad->block_rows);
}

ConvKernel conv_write_grad_weight(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials) {
  const WeightGrad grad = grad_new(out, symbol, spec, n_partials);
  write_passes(&grad);
  write_sweep(&grad);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_printf(out, "  const long share = part %% %d, slice = part / %d;\n", n_partials, n_partials);
  strbuf_printf(out, "  const long first = %dL * slice / %d, end = %dL * (slice + 1) / %d;\n", grad.n_passes,
                grad.n_slices, grad.n_passes, grad.n_slices);
  strbuf_put(out, "  const real *x = buf[0], *g = buf[1];\n");
  strbuf_printf(out, "  real *dw = (real *)buf[2] + share * %lld;\n",
                (long long)spec->kernel_h * spec->kernel_w * grad.n_in * spec->out_c);
  strbuf_put(out, "  (void)scratch, (void)parts;\n");
  strbuf_printf(out, "  %s_sweep(x, g, dw, 0, 0, 0, 1, first, end); // the sums start at zero\n", symbol);
  if (grad.is_matrix)
    write_matrix_sweeps(&grad);
  else
    write_image_sweeps(&grad);
  strbuf_put(out, "}\n");
  return (ConvKernel){0, n_partials * grad.n_slices};
}
