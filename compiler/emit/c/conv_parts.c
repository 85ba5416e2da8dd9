// How channels are cut into vectors and a row of output pixels into register tiles.
#include "compiler/emit/c/conv_parts.h"

int conv_div_up(int a, int b) {
  return (a + b - 1) / b;
}

static int max_int(int a, int b) {
  return a > b ? a : b;
}

int conv_max_lanes(const ConvSpec *spec) {
  return max_int(spec->vector_bytes / spec->elem_bytes, 1);
}

// AVX-512 has 32 vector registers; narrower machines are taken to have 16.
int conv_n_registers(const ConvSpec *spec) {
  return spec->vector_bytes == 64 ? 32 : 16;
}

const ConvTerm *conv_term(const ConvSpec *spec) {
  static const ConvTerm reals = {"real", "vec", "mla_load", "mla_vec", " %1$s += %2$s * %3$s;"};
  static const ConvTerm pairs = {"pair", "pairs", "mla_load_pairs", "mla_spread",
                                 " %1$s = mla_dot(%1$s, %2$s, %3$s);"};
  return spec->is_paired ? &pairs : &reals;
}

int conv_n_terms(const ConvSpec *spec, int channels) {
  return spec->is_paired ? conv_div_up(channels, 2) : channels;
}

const char *conv_type(bool is_bf16) {
  return is_bf16 ? "bf16" : "real";
}

bool conv_is_matrix(const ConvSpec *spec) {
  return spec->shape.kernel_h == 1 && spec->shape.kernel_w == 1 && spec->shape.stride == 1 &&
         spec->shape.pad == 0;
}

bool conv_is_depthwise(const ConvSpec *spec) {
  return spec->shape.groups > 1 && spec->shape.groups == spec->shape.in_c &&
         spec->shape.groups == spec->shape.out_c;
}

TapAxis conv_forward_axis(const ConvSpec *spec, int kernel, int n_source, int n_out) {
  return (TapAxis){kernel, -spec->shape.pad, 0, 1, spec->shape.stride, n_out, n_source, 0, 1};
}

// Result positions r, r + s, r + 2s, ...: tap t reaches source position (r + pad - t) / s where that is
// whole.
TapAxis conv_backward_axis(const ConvSpec *spec, int kernel, int n_source, int n_out, int remainder) {
  const int s = spec->shape.stride, lowest = (remainder + spec->shape.pad) % s;
  const int n_taps = kernel > lowest ? conv_div_up(kernel - lowest, s) : 0;
  const int n_positions = n_out > remainder ? conv_div_up(n_out - remainder, s) : 0;
  const int first_kernel = n_taps > 0 ? lowest + s * (n_taps - 1) : 0;
  const int first = n_taps > 0 ? (remainder + spec->shape.pad - first_kernel) / s : 0;
  return (TapAxis){n_taps, first, first_kernel, -s, 1, n_positions, n_source, remainder, s};
}

static int add_run(ChannelRun *runs, int n_runs, ChannelRun run) {
  if (run.count == 0 || run.n_vecs == 0) return n_runs;
  runs[n_runs] = run;
  return n_runs + 1;
}

// The blocks of full vectors.
static int cut_full(int channels, int max_lanes, int max_vecs, ChannelRun *runs) {
  const int n_vecs = channels / max_lanes;
  if (n_vecs == 0) return 0;
  const int n_blocks = conv_div_up(n_vecs, max_vecs), small = n_vecs / n_blocks, n_large = n_vecs % n_blocks;
  int n_runs = add_run(runs, 0, (ChannelRun){0, max_lanes, small + 1, n_large, 0});
  const int offset = n_large * (small + 1) * max_lanes;
  return add_run(runs, n_runs, (ChannelRun){offset, max_lanes, small, n_blocks - n_large, 0});
}

int conv_cut_padded(int channels, int min_lanes, int max_lanes, int max_vecs,
                    ChannelRun runs[CONV_MAX_RUNS]) {
  const int n_runs = cut_full(channels, max_lanes, max_vecs, runs), rest = channels % max_lanes;
  if (rest == 0) return n_runs;
  int lanes = min_lanes;
  while (lanes < rest) lanes *= 2;
  return add_run(runs, n_runs, (ChannelRun){channels - rest, lanes, 1, 1, lanes - rest});
}

int conv_cut_channels(int channels, int max_lanes, int max_vecs, ChannelRun runs[CONV_MAX_RUNS]) {
  int n_runs = cut_full(channels, max_lanes, max_vecs, runs);
  int offset = channels / max_lanes * max_lanes;
  for (int lanes = max_lanes / 2; lanes >= 1; lanes /= 2) {
    if (channels - offset < lanes) continue;
    n_runs = add_run(runs, n_runs, (ChannelRun){offset, lanes, 1, 1, 0});
    offset += lanes;
  }
  return n_runs;
}

int conv_run_blocks(const ChannelRun *runs, int n_runs) {
  int n_blocks = 0;
  for (int i = 0; i < n_runs; i++) n_blocks += runs[i].count;
  return n_blocks;
}

int conv_tile_span(const TapAxis *axis, int n_pixels) {
  return (n_pixels - 1) * axis->source_step + axis->n_taps;
}

int conv_run_end(const TapAxis *axis, const PixelRun *run) {
  return conv_tile_span(axis, run->n_pixels) - run->right;
}

bool conv_tap_is_used(const TapAxis *axis, const PixelRun *run, int k) {
  for (int p = 0; p < run->n_pixels; p++) {
    const int j = p * axis->source_step + k;
    if (j >= run->left && j < conv_run_end(axis, run)) return true;
  }
  return false;
}

static PixelRun tile_at(const TapAxis *axis, int first, int n_pixels) {
  const int span = conv_tile_span(axis, n_pixels), source = first * axis->source_step + axis->first;
  const int left = max_int(-source, 0), right = max_int(source + span - axis->n_source, 0);
  return (PixelRun){first, n_pixels, left < span ? left : span, right < span ? right : span, 1};
}

int conv_cut_pixels(Arena *arena, const TapAxis *axis, int max_pixels, PixelRun **result) {
  const int n_tiles = conv_div_up(axis->n_out, max_pixels);
  PixelRun *runs = *result = ARENA_ARRAY(arena, PixelRun, n_tiles);
  int n_runs = 0, first = 0;
  for (int t = 0; t < n_tiles; t++) {
    const int n_pixels = axis->n_out / n_tiles + (t < axis->n_out % n_tiles);
    const PixelRun tile = tile_at(axis, first, n_pixels);
    PixelRun *last = n_runs > 0 ? &runs[n_runs - 1] : NULL;
    if (last && last->n_pixels == n_pixels && last->left == tile.left && last->right == tile.right) {
      last->count++;
    } else {
      runs[n_runs++] = tile;
    }
    first += n_pixels;
  }
  return n_runs;
}

int conv_run_source(const TapAxis *axis, const PixelRun *run) {
  const int source = run->first * axis->source_step + axis->first + run->left;
  return source < axis->n_source ? source : 0; // a tile wholly in the padding reads nothing
}
