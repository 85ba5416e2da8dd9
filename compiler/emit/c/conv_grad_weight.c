// Weight gradient. Accumulators in registers: kernel columns x single channels x vectors of wide channels (see
// conv_grad_tile.c), summed over a block of rows (small images: of several images) that stays in the first-level
// cache, then added to the sums in memory. A pass is one such set of accumulators. The images are divided among partial
// sums, the passes among slices; while the passes sweep over a block, the next one is fetched.
//
// What comes before x is done to a few images at a time, into scratch, and while these are swept over, memory is asked for
// the next ones. Every slice does that for itself, so there are fewer of them.
//
// Which channels are wide? 64 -> 12 takes 9 x 64 vectors of 12 lanes by its outputs, 9 x 12 x 4 full ones by its inputs.
// Where inputs are wide or vectors reach beyond the channels, the sums stand in scratch, and are brought to the
// gradient's order at the end; the rest of such a vector is whatever comes behind a pixel, and is dropped there.
//
// Pairs of bf16 (ConvSpec.is_paired) are of neighbouring images, so that a kernel's taps shift both halves alike: a block
// of rows is woven before the passes sweep over it (conv_weave.c), again by every slice.
#include "compiler/emit/c/conv_grad_weight.h"

enum {
  PART_FLOPS = 4000000,
  MAX_PARTS = 32,
  MAX_LIVE_TAPS = 7,
  CACHED_BYTES = 8 * 1024,   // rows of x and g that one pass sweeps,
  LEAST_PIXELS = 192,        // but not fewer pixels: moving the accumulators would cost too much.
  SHORT_PIXELS = 64,         // These will do if they stay in the first-level cache beside those that
  SHORT_BYTES = 24 * 1024,   // are fetched meanwhile.
  FETCHED_BYTES = 64 * 1024, // no larger block is fetched ahead
  STAGED_PASSES = 8,         // a slice has as many if it stages or weaves for itself,
  STAGED_USES = 144,         // and multiplies a number of x as often (pairs: twice), which pays for that;
  LEAST_PARTS = 8,           // but there are so many shares for the threads
  READ_BEHIND = 64,          // bytes, of the last vector
  PAIRS_OF_FEW = 4           // a product of pairs in fewer lanes than the most costs as much as so many
};

static int max_int(int a, int b) {
  return a > b ? a : b;
}
static int min_int(int a, int b) {
  return a < b ? a : b;
}

// ---- choices
// --------------------------------------------------------------------------------------------------

static int tap_runs(const ConvSpec *spec) {
  return conv_div_up(spec->shape.kernel_w, MAX_LIVE_TAPS);
}

static ChannelRun tap_run(const WeightGrad *grad, int k) {
  const int first = grad->spec->shape.kernel_w * k / grad->n_tap_runs,
            end = grad->spec->shape.kernel_w * (k + 1) / grad->n_tap_runs;
  return (ChannelRun){first, 1, end - first, 1, 0};
}

static int live_taps(const ConvSpec *spec) {
  return conv_div_up(spec->shape.kernel_w, tap_runs(spec));
}

// Single channels of a pass: accumulators, the wide vectors in use, a broadcast and one register more must fit.
static int most_singles(const WeightGrad *grad, int n_vecs) {
  if (grad->is_depthwise) return 1;
  return max_int((conv_n_registers(grad->spec) - 2) / (live_taps(grad->spec) * n_vecs) - 1, 1);
}

// Loads per multiply-add.
static double pass_cost(const WeightGrad *grad, int n_vecs) {
  const int most = most_singles(grad, n_vecs), taps = live_taps(grad->spec);
  const double n_single = (double)grad->n_single / conv_div_up(grad->n_single, most);
  return (n_single + n_vecs) / (taps * n_single * n_vecs);
}

static int wide_lanes(const WeightGrad *grad) { // of all vectors
  const int lanes = conv_max_lanes(grad->spec);
  return grad->is_padded ? conv_div_up(grad->n_wide, lanes) * lanes : grad->n_wide;
}

static int best_vecs(const WeightGrad *grad) {
  const int n_vecs = wide_lanes(grad) / conv_max_lanes(grad->spec);
  int best = 1;
  for (int try = 2; try <= 4 && try <= n_vecs && grad->n_vecs != 1; try++) {
    if (live_taps(grad->spec) * try * 2 + 2 > conv_n_registers(grad->spec)) break;
    if (try == grad->n_vecs) return try;
    if (pass_cost(grad, try) < pass_cost(grad, best)) best = try;
  }
  return best;
}

static void cut_channels(WeightGrad *grad, bool is_by_input, bool is_padded) {
  const ConvSpec *spec = grad->spec;
  const int n_in = spec->shape.in_c / spec->shape.groups, n_out = spec->shape.out_c / grad->n_groups;
  grad->is_by_input = is_by_input;
  grad->is_padded = is_padded;
  grad->n_wide = is_by_input ? n_in : n_out;
  grad->n_single = is_by_input ? n_out : n_in;
  const int n_vecs = best_vecs(grad);
  grad->n_wide_runs = conv_cut_channels(wide_lanes(grad), conv_max_lanes(spec), n_vecs, grad->wide_runs);
  grad->n_single_runs = conv_cut_channels(grad->n_single, 1, most_singles(grad, n_vecs), grad->single_runs);
  grad->sum_row = is_by_input || is_padded ? wide_lanes(grad) : spec->shape.out_c;
}

// Vectors multiplied for one pixel and tap, and a little for what must be loaded. Machines multiply pairs in whole
// vectors.
static double cut_cost(const WeightGrad *grad) {
  int n_vecs = 0;
  for (int i = 0; i < grad->n_wide_runs; i++) {
    const ChannelRun *run = &grad->wide_runs[i];
    const bool is_slow = grad->spec->is_paired && run->lanes < conv_max_lanes(grad->spec);
    n_vecs += run->n_vecs * run->count * (is_slow ? PAIRS_OF_FEW : 1);
  }
  return grad->n_single * n_vecs * (1 + pass_cost(grad, best_vecs(grad)) / 4);
}

static void choose_cut(WeightGrad *grad) {
  cut_channels(grad, false, false);
  WeightGrad try = *grad;
  for (int i = 1; i < 4 && grad->spec->shape.groups == 1; i++) {
    cut_channels(&try, i & 1, i & 2);
    if (cut_cost(&try) < 0.9 * cut_cost(grad)) *grad = try;
  }
  if (!grad->spec->cut.n_vecs) return;
  grad->n_vecs = grad->spec->cut.n_vecs;
  cut_channels(grad, grad->is_by_input, grad->is_padded);
}

static bool stands_apart(const WeightGrad *grad) {
  return grad->is_by_input || grad->is_padded;
}

// Elements that a row of the result takes.
static int64_t x_row(const ConvSpec *spec) {
  return (int64_t)spec->shape.stride * spec->shape.in_w * spec->shape.in_c;
}
static int64_t g_row(const ConvSpec *spec) {
  return (int64_t)spec->shape.out_w * spec->shape.out_c;
}

static int64_t image_pixels(const ConvSpec *spec) {
  return (int64_t)spec->shape.out_h * spec->shape.out_w;
}

static int64_t x_image(const ConvSpec *spec) {
  return (int64_t)spec->shape.in_h * spec->shape.in_w * spec->shape.in_c;
}

static int64_t row_bytes(const ConvSpec *spec) {
  return (x_row(spec) + g_row(spec)) * spec->elem_bytes;
}

static void choose_blocks(WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const bool is_short = SHORT_PIXELS * row_bytes(spec) <= SHORT_BYTES * spec->shape.out_w;
  const int given = spec->cut.pixels, least = given ? given : is_short ? SHORT_PIXELS : LEAST_PIXELS;
  if (grad->is_matrix) {
    const int cached = CACHED_BYTES / ((spec->shape.in_c + spec->shape.out_c) * spec->elem_bytes);
    grad->block_rows = given ? given : max_int(cached, spec->is_paired ? SHORT_PIXELS : LEAST_PIXELS);
    grad->block_images = 1;
    return;
  }
  const int cached = given ? 0 : (int)(CACHED_BYTES / row_bytes(spec));
  const int most = max_int(max_int(cached, conv_div_up(least, spec->shape.out_w)), 1);
  grad->block_rows = conv_div_up(spec->shape.out_h, conv_div_up(spec->shape.out_h, most));
  grad->block_images = grad->block_rows == spec->shape.out_h ? max_int(most / spec->shape.out_h, 1) : 1;
}

// While passes sweep over a block, the next one is fetched. (Of a matrix, the machine sees by itself what comes next; what
// is woven next is fetched by the weaving.)
static bool is_fetched(const WeightGrad *grad) {
  return !grad->is_matrix && !grad->spec->is_paired &&
         grad->block_images * grad->block_rows * row_bytes(grad->spec) <= FETCHED_BYTES;
}

static bool is_ahead(const WeightGrad *grad) {
  return grad->turn && is_fetched(grad);
}

static int64_t grad_flops(const ConvSpec *spec) {
  return 2 * spec->batch * spec->shape.out_h * spec->shape.out_w * spec->shape.out_c *
         (spec->shape.in_c / spec->shape.groups) * spec->shape.kernel_h * spec->shape.kernel_w;
}

// A block of images is staged at once, and partners are.
static void choose_turn(WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const int cached = (int)(CONV_TURN_ELEMS / x_image(spec)), unit = spec->is_paired ? 2 : 1;
  if (spec->around && spec->around->has_before)
    grad->turn = max_int(conv_div_up(cached, unit), grad->block_images) * unit;
  grad->x_is_bf16 = grad->turn ? spec->is_paired : spec->x_is_bf16;
}

// Slices that stage or weave for themselves must have enough to do with it.
static int most_slices(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  if (!grad->turn && !spec->is_paired) return grad->n_passes;
  const int uses = spec->shape.kernel_h * spec->shape.kernel_w * spec->shape.out_c /
                   (spec->shape.stride * spec->shape.stride),
            least = LEAST_PARTS / grad->n_partials;
  const int most = max_int(uses / (spec->is_paired ? 2 * STAGED_USES : STAGED_USES), least);
  return max_int(min_int(most, grad->n_passes / STAGED_PASSES), 1);
}

static void choose_slices(WeightGrad *grad) {
  const int64_t parts = grad_flops(grad->spec) / (grad->spec->is_paired ? 2 * PART_FLOPS : PART_FLOPS);
  const int wanted = (int)(parts < MAX_PARTS ? parts : MAX_PARTS);
  grad->n_slices = min_int(max_int(wanted / grad->n_partials, 1), most_slices(grad));
}

static WeightGrad grad_new(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials) {
  WeightGrad grad = {.out = out, .symbol = symbol, .spec = spec, .n_partials = n_partials, .n_slices = 1};
  grad.term = conv_term(spec);
  grad.is_depthwise = conv_is_depthwise(spec);
  grad.is_matrix = conv_is_matrix(spec) && spec->shape.groups == 1;
  grad.n_groups = grad.is_depthwise ? 1 : spec->shape.groups;
  choose_cut(&grad);
  grad.n_tap_runs = tap_runs(spec);
  grad.n_passes = grad.n_groups * conv_run_blocks(grad.wide_runs, grad.n_wide_runs) *
                  conv_run_blocks(grad.single_runs, grad.n_single_runs) * grad.n_tap_runs *
                  spec->shape.kernel_h;
  choose_blocks(&grad);
  grad.x_image = x_image(spec);
  grad.g_image = image_pixels(spec) * spec->shape.out_c;
  if (spec->is_paired) conv_choose_woven(&grad);
  choose_turn(&grad);
  if (!stands_apart(&grad)) choose_slices(&grad);
  return grad;
}

// ---- the sweep over all passes
// --------------------------------------------------------------------------------

static const char *pass_name(const WeightGrad *grad, int w, int s, int k) {
  return arena_printf(grad->out->arena, "%s_p%d_%d_%d", grad->symbol, w, s, k);
}

// One call: channels `wide` and `single`, kernel row ky, the columns of tap run k.
static void write_pass_call(const WeightGrad *grad, int w, int s, int k) {
  StrBuf *out = grad->out;
  strbuf_put(out, "          if (pass >= first && pass < end) {\n");
  strbuf_printf(out,
                "            %s(from, g + low * %lld + %s, sums + ((ky * %d + %d) * %d + single) * %lld + "
                "wide, n_images, n, is_first);\n",
                pass_name(grad, w, s, k), (long long)grad->spec->shape.out_w * grad->spec->shape.out_c,
                grad->is_by_input ? "single" : "wide", grad->spec->shape.kernel_w, tap_run(grad, k).offset,
                grad->n_single, (long long)grad->sum_row);
  if (is_fetched(grad)) {
    strbuf_put(out, "            mla_fetch(next_x + (pass - first) * x_share, x_share);\n");
    strbuf_put(out, "            mla_fetch(next_g + (pass - first) * g_share, g_share);\n");
  }
  strbuf_put(out, "          }\n          pass++;\n");
}

static void write_kernel_rows(const WeightGrad *grad, int w, int s) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const char *x_channel = grad->is_depthwise || grad->is_by_input ? "wide" : "group * n_in + single";
  strbuf_printf(out, "        for (long ky = 0; ky < %d; ky++) {\n", spec->shape.kernel_h);
  if (grad->is_matrix) {
    strbuf_put(out, "          const long low = 0, n = last - row;\n");
    strbuf_printf(out, "          const %s *from = x + %s;\n", grad->term->type, x_channel);
  } else {
    strbuf_printf(out, "          long low = ky < %d ? (%d - ky) / %d : 0, high = (%d - ky) / %d;\n",
                  spec->shape.pad, spec->shape.pad + spec->shape.stride - 1, spec->shape.stride,
                  spec->shape.in_h + spec->shape.pad + spec->shape.stride - 1, spec->shape.stride);
    strbuf_put(out, "          low = low > row ? low : row, high = high < last ? high : last;\n");
    strbuf_put(out, "          const long n = high > low ? high - low : 0;\n");
    strbuf_printf(out, "          const %s *from = x + (low * %d + ky - %d) * %lld + %s;\n", grad->term->type,
                  spec->shape.stride, spec->shape.pad, (long long)spec->shape.in_w * spec->shape.in_c,
                  x_channel);
  }
  for (int k = 0; k < grad->n_tap_runs; k++) write_pass_call(grad, w, s, k);
  strbuf_put(out, "        }\n");
}

// The block behind this one, and how much of it is fetched after each pass.
static void write_next(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  strbuf_printf(grad->out, "  const long n_rows = (n_images - 1) * %d + last - row, n_swept = end - first;\n",
                spec->shape.out_h);
  if (grad->turn)
    strbuf_put(grad->out, "  const real *next_x = ahead;\n"
                          "  const long x_share = (n_ahead + n_swept - 1) / n_swept;\n");
  for (int i = grad->turn > 0; i < 2; i++) {
    const long long row = i ? g_row(spec) : x_row(spec),
                    image = i ? spec->shape.out_h * row : x_row(spec) * spec->shape.in_h / spec->shape.stride;
    strbuf_printf(grad->out,
                  "  const real *next_%c = %c + (n_images - 1) * %lld + last * %lld;\n"
                  "  const long %c_share = (n_rows * %lld + n_swept - 1) / n_swept;\n",
                  "xg"[i], "xg"[i], image, row, "xg"[i], row);
  }
}

static void write_sweep(const WeightGrad *grad) {
  StrBuf *out = grad->out;
  strbuf_put(out, "// Output rows row..last-1 of n_images images, into the sums of passes first..end-1.\n");
  strbuf_printf(out,
                "static void %s_sweep(const %s *x, const %s *g, real *sums, long n_images, long row, long "
                "last, long is_first, long first, long end%s) {\n",
                grad->symbol, grad->term->type, grad->term->type,
                is_ahead(grad) ? ", const real *ahead, long n_ahead" : "");
  if (is_fetched(grad)) write_next(grad);
  strbuf_printf(out,
                "  enum { n_in = %d };\n  long pass = 0;\n  for (long group = 0; group < %d; group++) {\n",
                grad->spec->shape.in_c / grad->spec->shape.groups, grad->n_groups);
  for (int w = 0; w < grad->n_wide_runs; w++) {
    const ChannelRun *wide = &grad->wide_runs[w];
    strbuf_printf(out, "    for (long b = 0; b < %d; b++) {\n", wide->count);
    strbuf_printf(out, "      const long wide = group * %d + %d + b * %d;\n", grad->n_wide, wide->offset,
                  wide->n_vecs * wide->lanes);
    for (int s = 0; s < grad->n_single_runs; s++) {
      const ChannelRun *single = &grad->single_runs[s];
      strbuf_printf(out, "      for (long t = 0; t < %d; t++) {\n        const long single = %d + t * %d;\n",
                    single->count, single->offset, single->n_vecs);
      write_kernel_rows(grad, w, s);
      strbuf_put(out, "      }\n");
    }
    strbuf_put(out, "    }\n");
  }
  strbuf_put(out, "  }\n}\n");
}

static void write_passes(const WeightGrad *grad) {
  for (int w = 0; w < grad->n_wide_runs; w++)
    for (int s = 0; s < grad->n_single_runs; s++)
      for (int k = 0; k < grad->n_tap_runs; k++) {
        const ChannelRun taps = tap_run(grad, k);
        const GradPass pass = {grad, &grad->wide_runs[w], &grad->single_runs[s], &taps};
        conv_write_grad_pass(&pass, pass_name(grad, w, s, k));
      }
}

// Images begin..stop of x and g.
static void write_image_blocks(const WeightGrad *grad, const char *ahead) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", grad->block_images);
  strbuf_printf(out, "    for (long row = 0; row < %d; row += %d)\n", spec->shape.out_h, grad->block_rows);
  strbuf_printf(
      out,
      "      %s_sweep(x + n * %lld, g + n * %lld, sums, stop - n < %d ? stop - n : %d, row, row + %d "
      "< %d ? row + %d : %d, 0, first, end%s);\n",
      grad->symbol, (long long)spec->shape.in_h * spec->shape.in_w * spec->shape.in_c,
      (long long)spec->shape.out_h * spec->shape.out_w * spec->shape.out_c, grad->block_images,
      grad->block_images, grad->block_rows, spec->shape.out_h, grad->block_rows, spec->shape.out_h, ahead);
}

static void write_matrix_blocks(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  strbuf_printf(out, "  for (long n = begin; n < stop; n += %d)\n", grad->block_rows);
  strbuf_printf(
      out,
      "    %s_sweep(x + n * %d, g + n * %d, sums, 1, 0, stop - n < %d ? stop - n : %d, 0, first, end);\n",
      grad->symbol, spec->shape.in_c, spec->shape.out_c, grad->block_rows, grad->block_rows);
}

static void write_blocks(const WeightGrad *grad, const char *ahead) {
  if (grad->spec->is_paired)
    conv_write_weaving(grad);
  else if (grad->is_matrix)
    write_matrix_blocks(grad);
  else
    write_image_blocks(grad, ahead);
}

// Rows of a matrix are shared out whatever image they are of.
static void write_sweeps(const WeightGrad *grad) {
  const char *each =
      grad->is_matrix ? arena_printf(grad->out->arena, " * %lld", (long long)image_pixels(grad->spec)) : "";
  strbuf_printf(grad->out, "  const long begin = batch%s * share / %d, stop = batch%s * (share + 1) / %d;\n",
                each, grad->n_partials, each, grad->n_partials);
  write_blocks(grad, "");
}

// As they are stored.
static void write_operands(const WeightGrad *grad, const char *x, const char *g) {
  const ConvSpec *spec = grad->spec;
  const char *between = arena_printf(grad->out->arena, ";\n  const %s *", conv_type(spec->y_is_bf16));
  strbuf_printf(grad->out, "  const %s *x = %s%sg = %s;\n", conv_type(grad->x_is_bf16), x,
                grad->x_is_bf16 == spec->y_is_bf16 ? ", *" : between, g);
}

// Where what is kept in scratch begins, in elements: sums apart, woven pairs, staged images and what stages them.
typedef struct Scratch {
  int64_t woven, staged, spare, end;
} Scratch;

static Scratch scratch_of(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const int64_t n_taps = (int64_t)spec->shape.kernel_h * spec->shape.kernel_w,
                behind = READ_BEHIND / spec->elem_bytes;
  const int64_t n_apart = stands_apart(grad) ? n_taps * grad->n_single * grad->sum_row : 0,
                n_staged = grad->turn * x_image(spec) / (spec->is_paired ? 2 : 1);
  Scratch at = {.woven = n_apart, .staged = n_apart};
  if (spec->is_paired) {
    at.woven = (n_apart + behind - 1) / behind * behind; // at a cache line
    at.staged = at.woven + conv_woven_elems(grad);
  }
  at.spare = at.staged + (grad->turn ? n_staged + behind : 0);
  at.end = at.spare + (grad->turn ? spec->around->spare : 0);
  return at;
}

// The images of a turn are staged, then swept over block by block.
static void write_staged_sweeps(const WeightGrad *grad, const Scratch *place) {
  const ConvSpec *spec = grad->spec;
  StrBuf *out = grad->out;
  const char *type = conv_type(spec->is_paired);
  const long long fetched = spec->around->fetched, pixels = image_pixels(spec);
  const int n_sweeps =
      conv_div_up(grad->turn, grad->block_images) * conv_div_up(spec->shape.out_h, grad->block_rows);
  strbuf_printf(out, "  %s *staged = (%s *)scratch + %lld%sspare = (real *)scratch + %lld;\n", type, type,
                (long long)place->staged, spec->is_paired ? " * 2;\n  real *" : ", *",
                (long long)place->spare);
  strbuf_printf(out, "  const long from = batch * share / %d, to = batch * (share + 1) / %d;\n",
                grad->n_partials, grad->n_partials);
  strbuf_printf(out, "  for (long at = from; at < to; at += %d) {\n", grad->turn);
  strbuf_printf(out, "  const long n_images = to - at < %d ? to - at : %d;\n", grad->turn, grad->turn);
  strbuf_printf(out, "  %s_before(buf, batch, at, n_images, staged, spare);\n", grad->symbol);
  write_operands(grad, "staged",
                 arena_printf(out->arena, "(const %s *)buf[1] + at * %lld", conv_type(spec->y_is_bf16),
                              pixels * spec->shape.out_c));
  strbuf_printf(out, "  const long begin = 0, stop = n_images%s;\n",
                grad->is_matrix ? arena_printf(out->arena, " * %lld", pixels) : "");
  if (is_ahead(grad)) {
    const long long share = (grad->turn * fetched + n_sweeps - 1) / n_sweeps;
    strbuf_printf(out, "  const real *ahead = (const real *)buf[0] + (at + %d) * %lld;\n", grad->turn,
                  fetched);
    strbuf_printf(out, "  long sweep = 0;\n");
    write_blocks(grad, arena_printf(out->arena, ", ahead + %lld * sweep++, %lld", share, share));
  } else {
    write_blocks(grad, "");
  }
  strbuf_put(out, "  }\n");
}

// From the order in which they were summed to the gradient's, without the lanes that are no channels.
static void write_bring(const WeightGrad *grad) {
  const ConvSpec *spec = grad->spec;
  const char *single = grad->is_by_input ? "o" : "i", *wide = grad->is_by_input ? "i" : "o";
  strbuf_printf(grad->out, "  for (long tap = 0; tap < %d; tap++)\n",
                spec->shape.kernel_h * spec->shape.kernel_w);
  strbuf_printf(grad->out, "    for (long i = 0; i < %d; i++)\n", spec->shape.in_c);
  strbuf_printf(grad->out, "      for (long o = 0; o < %d; o++)\n", spec->shape.out_c);
  strbuf_printf(grad->out, "        dw[(tap * %d + i) * %d + o] = sums[(tap * %d + %s) * %lld + %s];\n",
                spec->shape.in_c, spec->shape.out_c, grad->n_single, single, (long long)grad->sum_row, wide);
}

ConvKernel conv_write_grad_weight(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials) {
  const WeightGrad grad = grad_new(out, symbol, spec, n_partials);
  const int64_t n_taps = (int64_t)spec->shape.kernel_h * spec->shape.kernel_w;
  const Scratch place = scratch_of(&grad);
  write_passes(&grad);
  write_sweep(&grad);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n", symbol);
  strbuf_printf(out, "  const long share = part %% %d, slice = part / %d;\n", n_partials, n_partials);
  strbuf_printf(out, "  const long first = %dL * slice / %d, end = %dL * (slice + 1) / %d;\n", grad.n_passes,
                grad.n_slices, grad.n_passes, grad.n_slices);
  if (!grad.turn) write_operands(&grad, "buf[0]", "buf[1]");
  strbuf_printf(out, "  real *dw = (real *)buf[%d] + share * %lld, *sums = %s;\n",
                grad.turn ? spec->around->result : 2,
                (long long)n_taps * (spec->shape.in_c / spec->shape.groups) * spec->shape.out_c,
                stands_apart(&grad) ? "scratch" : "dw");
  strbuf_put(out, "  (void)scratch, (void)parts;\n");
  if (spec->is_paired) conv_write_woven(&grad, place.woven);
  const char *none = spec->is_paired ? "woven_x, woven_g" : grad.turn ? "buf[0], buf[1]" : "x, g";
  const char *no_next = is_ahead(&grad) ? ", buf[0], 0" : "";
  strbuf_printf(out, "  %s_sweep(%s, sums, 0, 0, 0, 1, first, end%s); // the sums start at zero\n", symbol,
                none, no_next);
  if (grad.turn)
    write_staged_sweeps(&grad, &place);
  else
    write_sweeps(&grad);
  if (stands_apart(&grad)) write_bring(&grad);
  strbuf_put(out, "}\n");
  return (ConvKernel){place.end * spec->elem_bytes, n_partials * grad.n_slices};
}
