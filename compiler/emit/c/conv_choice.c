// A kernel's key is its direction with what stands around it, its precision and its shape. Whichever way is taken, the terms of a sum are added in the same order: by
// kernel row, input channel and kernel column, or by image, row and pixel for the weight's gradient.
#include "compiler/emit/c/conv_choice.h"
#include "compiler/emit/around.h"
#include "compiler/emit/c/conv_parts.h"

#include <stdio.h>

enum {
  MOST_CUTS = 8,
  MOST_VECS = 4,
  MOST_TILES_MORE = 2,
  FEW_BYTES =
      256 * 1024, // larger weights are summed in blocks of input channels, which depend on a tile's vectors
};

typedef struct Cuts {
  ConvCut items[MOST_CUTS];
  char names[MOST_CUTS][32];
  const char *values[MOST_CUTS];
  int n;
} Cuts;

static void add_cut(Cuts *cuts, ConvCut cut) {
  if (cuts->n == MOST_CUTS) return;
  char *name = cuts->names[cuts->n];
  if (cut.pixels)
    snprintf(name, sizeof *cuts->names, "%dv/%dpx", cut.n_vecs, cut.pixels);
  else
    snprintf(name, sizeof *cuts->names, "%dv/+%d", cut.n_vecs, cut.more_tiles);
  cuts->values[cuts->n] = name;
  cuts->items[cuts->n++] = cut;
}

// Tiles of other widths, then of other heights.
static void tile_cuts(Cuts *cuts, int n_vecs) {
  for (int more = 0; more <= MOST_TILES_MORE; more++) add_cut(cuts, (ConvCut){.more_tiles = more});
  for (int v = 1; n_vecs > 1 && v <= n_vecs && v <= MOST_VECS; v++) add_cut(cuts, (ConvCut){.n_vecs = v});
}

// Passes of other widths, and blocks that are shorter and longer.
static void pass_cuts(Cuts *cuts, int n_vecs) {
  static const int pixels[] = {32, 64, 128, 256};
  add_cut(cuts, (ConvCut){0});
  for (int i = 0; i < 4; i++) add_cut(cuts, (ConvCut){.pixels = pixels[i]});
  for (int v = 1; n_vecs > 1 && v <= n_vecs && v <= MOST_VECS; v++) add_cut(cuts, (ConvCut){.n_vecs = v});
}

static bool has_few_weights(const ConvSpec *spec) {
  const int n_single = spec->shape.in_c > spec->shape.out_c ? spec->shape.in_c : spec->shape.out_c;
  return (int64_t)spec->shape.kernel_h * spec->shape.kernel_w * n_single * MOST_VECS * spec->vector_bytes <=
         FEW_BYTES;
}

static const char *cut_key(Emit *emit, const ConvSpec *spec, LayerKernel kernel) {
  static const char *const names[] = {"forward", "grad_input", "grad_weight"};
  return writer_format(emit, "%s,%dx%d,%dx%d,%dx%d,stride%d,pad%d,groups%d,batch%lld,%s%d,%d-byte vectors",
                       around_stem(emit, names[kernel]), spec->shape.kernel_h, spec->shape.kernel_w,
                       spec->shape.in_c, spec->shape.out_c, spec->shape.in_h, spec->shape.in_w,
                       spec->shape.stride, spec->shape.pad, spec->shape.groups, (long long)spec->batch,
                       spec->is_paired ? "bf" : "f", spec->is_paired ? 16 : 8 * spec->elem_bytes,
                       spec->vector_bytes);
}

ConvCut conv_choice(Emit *emit, const ConvSpec *spec, LayerKernel kernel, int *use) {
  *use = 0;
  if (!emit->choices) return (ConvCut){0};
  Cuts cuts = {0};
  const int channels = kernel == LAYER_GRAD_INPUT ? spec->shape.in_c : spec->shape.out_c,
            n_vecs = conv_div_up(channels / spec->shape.groups, conv_max_lanes(spec));
  if (kernel == LAYER_GRAD_WEIGHT)
    pass_cuts(&cuts, n_vecs);
  else
    tile_cuts(&cuts, has_few_weights(spec) ? n_vecs : 1);
  const int picked = choices_pick(emit->choices, cut_key(emit, spec, kernel), cuts.values, cuts.n, use);
  ++*use;
  return cuts.items[picked];
}
