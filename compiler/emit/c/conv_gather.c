// Forward and input gradient: every result pixel gathers from source pixels, tap by tap. The forward pass has
// one lattice of result pixels; the input gradient of a convolution with stride s has s x s, one for each
// remainder of the coordinates, and each lattice has only the taps that meet it (no zeros are multiplied).
// All that differs is the taps and the text; here the source and the result are "x" and "y" whatever they
// mean to the network.
//
// At precision bf16 the source and the weights come as pairs of input channels (ConvTerm): weights are always packed,
// the last pair of an odd number of channels with a 0; a source that is not stored as such pairs is first copied, some
// images at a time, as any other thing that comes before a product.
#include "compiler/emit/c/conv_gather.h"

enum { PART_TERMS = 2000000, MAX_PARTS = 32, PACKED_BYTES = 512 * 1024, LARGE_PAIRS_BYTES = 32 * 1024 };

static int min_int(int a, int b) {
  return a < b ? a : b;
}
static int64_t clamp64(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// ---- choices
// --------------------------------------------------------------------------------------------------

static int64_t block_columns(const Gather *gather) {
  int widest = 0;
  for (int i = 0; i < gather->n_runs; i++) {
    const int width = gather->runs[i].lanes * gather->runs[i].n_vecs;
    if (width > widest) widest = width;
  }
  return widest;
}

static void choose_blocks(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const int lanes = conv_max_lanes(spec);
  gather->is_few =
      conv_few_suits(spec, spec->shape.kernel_h * spec->shape.kernel_w, gather->n_in, gather->n_out);
  if (gather->is_few) {
    gather->runs[0] = (ChannelRun){0, lanes, 1, 1, lanes - gather->n_out};
    gather->n_runs = gather->n_blocks = 1;
    return;
  }
  const TapAxis axis = gather->is_matrix ? gather_matrix_axis(840) : gather_columns(gather, 0);
  const int n_vecs = conv_tile_best_vecs(spec, &axis, gather->n_out / lanes);
  gather->n_runs = gather->is_depthwise ? conv_cut_channels(gather->n_out, lanes, n_vecs, gather->runs)
                                        : conv_cut_padded(gather->n_out, spec->is_paired ? lanes : 1, lanes,
                                                          n_vecs, gather->runs);
  gather->n_blocks = conv_run_blocks(gather->runs, gather->n_runs);
}

// The weights of one block and of in_block input channels stay in the second-level cache.
static void choose_input_block(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const int64_t per_channel =
      spec->shape.kernel_h * spec->shape.kernel_w * block_columns(gather) * spec->elem_bytes;
  gather->in_block = gather->n_in;
  if (gather->is_few || spec->is_paired) return; // partial sums would be rounded
  const int n = (int)clamp64((per_channel * gather->n_in + PACKED_BYTES - 1) / PACKED_BYTES, 1, gather->n_in);
  if (n > 1) gather->in_block = min_int(conv_div_up(conv_div_up(gather->n_in, n), 4) * 4, gather->n_in);
}

// Images whose operand and result stay in the second-level cache. Where their sums are taken, parts are the plan's.
static void choose_turn(Gather *gather) {
  const int64_t x = (int64_t)gather->x_h * gather->x_w * gather->x_c,
                y = (int64_t)gather->y_h * gather->y_w * gather->y_c;
  gather->turn = (int)clamp64(CONV_TURN_ELEMS / (x > y ? x : y), 1, CONV_TURN_ELEMS);
  if (!gather->spec->around || gather->spec->around->parts == 0) return;
  gather->block_parts = 1;
  gather->image_parts = gather->spec->around->parts;
}

static void choose_parts(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const int64_t n_weights = (int64_t)spec->shape.kernel_h * spec->shape.kernel_w * gather->n_in * gather->y_c;
  const int64_t pixels = spec->batch * spec->shape.out_h * spec->shape.out_w;
  const int64_t n_parts = clamp64(pixels * n_weights / PART_TERMS, 1, MAX_PARTS);
  // Packing pairs costs a part as much as some dozens of pixels.
  const int64_t large = spec->is_paired ? LARGE_PAIRS_BYTES : PACKED_BYTES;
  const bool is_large = n_weights * spec->elem_bytes > large && gather->n_groups == 1;
  gather->block_parts = is_large ? (int)clamp64(gather->n_blocks, 1, n_parts) : 1;
  gather->image_parts = (int)clamp64(n_parts / gather->block_parts, 1, spec->batch > 0 ? spec->batch : 1);
  if (spec->around || gather->is_staged) choose_turn(gather);
  const bool is_strided = block_columns(gather) < (int64_t)gather->n_out * gather->n_groups;
  const bool is_padded = gather->runs[gather->n_runs - 1].lacking > 0;
  gather->is_packed = spec->is_paired || gather->reads_plain || is_padded ||
                      (is_strided && pixels / gather->image_parts >= 32);
}

static void choose_source(Gather *gather) {
  const ConvSpec *spec = gather->spec;
  const ConvAround *around = spec->around;
  const bool has_before = around && around->has_before;
  bool x_is_bf16 = gather->is_transposed ? spec->y_is_bf16 : spec->x_is_bf16;
  if (has_before) x_is_bf16 = around->fetched_is_bf16;
  gather->x_type = conv_type(x_is_bf16);
  gather->y_type = conv_type(gather->is_transposed ? spec->x_is_bf16 : spec->y_is_bf16);
  gather->is_copied = spec->is_paired && !has_before && (!x_is_bf16 || gather->x_c % 2 != 0);
  gather->is_staged = has_before || gather->is_copied;
}

static Gather gather_new(StrBuf *out, const char *symbol, const ConvSpec *spec, bool is_transposed) {
  Gather gather = {.out = out, .symbol = symbol, .spec = spec, .is_transposed = is_transposed};
  gather.x_h = spec->shape.in_h, gather.x_w = spec->shape.in_w, gather.x_c = spec->shape.in_c;
  gather.y_h = spec->shape.out_h, gather.y_w = spec->shape.out_w, gather.y_c = spec->shape.out_c;
  if (is_transposed) {
    gather.x_h = spec->shape.out_h, gather.x_w = spec->shape.out_w, gather.x_c = spec->shape.out_c;
    gather.y_h = spec->shape.in_h, gather.y_w = spec->shape.in_w, gather.y_c = spec->shape.in_c;
  }
  gather.is_depthwise = conv_is_depthwise(spec);
  gather.is_matrix = conv_is_matrix(spec) && !gather.is_depthwise;
  gather.n_groups = gather.is_depthwise ? 1 : spec->shape.groups;
  gather.x_terms = conv_n_terms(spec, gather.x_c);
  gather.n_in = gather.x_terms / spec->shape.groups;
  gather.n_out = gather.y_c / gather.n_groups;
  gather.term = conv_term(spec);
  choose_source(&gather);
  return gather;
}

// ---- the kernel
// -----------------------------------------------------------------------------------------------

// What is done with the weights of a block at `from`: packed to `w`, or multiplied.
static void write_block_work(const Gather *gather, int r, bool is_packing) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  const char *c0 = gather_is_blocked(gather) ? " + c0" : "";
  if (is_packing || !gather->is_packed) {
    if (gather->reads_plain)
      strbuf_printf(out, "      const real *from = weight + column * %d%s;\n", gather->x_c, c0);
    else if (gather_is_blocked(gather))
      strbuf_printf(out, "      const real *from = weight + column + c0 * %d;\n",
                    gather->n_out * gather->n_groups);
    else
      strbuf_put(out, "      const real *from = weight + column;\n");
  }
  if (is_packing) {
    gather_write_packing(gather, block);
  } else {
    const char *x_channel =
        gather->is_depthwise ? "column" : arena_printf(out->arena, "g * %d%s", gather->n_in, c0);
    strbuf_printf(out, "      %s_b%d(source + %s, %s, result + column, n%s%s);\n", gather->symbol, r,
                  x_channel, gather->is_packed ? "w" : "from", gather_more_args(gather),
                  gather_ahead_list(gather, r, false));
  }
  if (gather->is_packed)
    strbuf_printf(out, "      w += %lld;\n", (long long)gather_packed_terms(gather, block));
}

static void write_run(const Gather *gather, int r, int base, bool is_packing) {
  StrBuf *out = gather->out;
  const ChannelRun *block = &gather->runs[r];
  strbuf_printf(out, "    for (long b = first < %d ? %d : first; b < end && b < %d; b++) {\n", base, base,
                base + block->count);
  if (is_packing) strbuf_printf(out, "      MLA_USE(%d)\n", block->lanes);
  strbuf_printf(out, "      const long column = g * %d + %d + (b - %d) * %d;\n", gather->n_out, block->offset,
                base, block->lanes * block->n_vecs);
  if (gather_is_blocked(gather)) {
    strbuf_printf(out, "      for (long c0 = 0; c0 < %d; c0 += %d) {\n", gather->n_in, gather->in_block);
    strbuf_printf(out, "      const long n_in = %d - c0 < %d ? %d - c0 : %d, is_first = c0 == 0;\n",
                  gather->n_in, gather->in_block, gather->n_in, gather->in_block);
    if (is_packing) strbuf_put(out, "      (void)is_first;\n");
  }
  write_block_work(gather, r, is_packing);
  strbuf_put(out, gather_is_blocked(gather) ? "      }\n    }\n" : "    }\n");
}

// All blocks of this part: their weights are packed, or multiplied with n images.
static void write_blocks(const Gather *gather, bool is_packing) {
  StrBuf *out = gather->out;
  if (gather->is_packed)
    strbuf_printf(out, "  %s%s *w = packed;\n", is_packing ? "" : "const ", gather->term->type);
  strbuf_printf(out, "  for (long g = 0; g < %d; g++) {\n", gather->n_groups);
  for (int r = 0, base = 0; r < gather->n_runs; base += gather->runs[r].count, r++)
    write_run(gather, r, base, is_packing);
  strbuf_put(out, "  }\n");
}

// A share of the images, or of their pixels in whole tiles if all are rows of one matrix.
static void write_share(const Gather *gather) {
  StrBuf *out = gather->out;
  const int n = gather->image_parts;
  strbuf_printf(out, "  const long share = part %% %d;\n", n);
  if (gather->is_matrix && !gather->turn) {
    const int height = gather_matrix_pixels(gather, gather->runs[0].n_vecs);
    strbuf_printf(out, "  const long n_tiles = batch * %lld / %d;\n", (long long)gather->y_h * gather->y_w,
                  height);
    strbuf_printf(out, "  const long begin = n_tiles * share / %d * %d;\n", n, height);
    strbuf_printf(out, "  const long stop = share == %d ? batch * %lld : n_tiles * (share + 1) / %d * %d;\n",
                  n - 1, (long long)gather->y_h * gather->y_w, n, height);
  } else {
    strbuf_printf(out,
                  "  const long begin = " CONV_SHARE("share") ", stop = " CONV_SHARE("(share + 1)") ";\n",
                  n - 1, n, n - 1, n);
  }
}

// ---- scratch ----

typedef struct Scratch { // first elements, or terms, which are as large; weights first
  int64_t staged, made, sums, spare, end;
} Scratch;

static Scratch scratch_of(const Gather *gather) {
  const ConvAround *around = gather->spec->around;
  int64_t packed = 0;
  for (int r = 0; r < gather->n_runs; r++)
    packed += gather->runs[r].count * gather_packed_terms(gather, &gather->runs[r]);
  packed *= conv_div_up(gather->n_in, gather->in_block) * gather->n_groups;
  if (gather->block_parts > 1)
    packed = conv_div_up(gather->n_blocks, gather->block_parts) *
             conv_div_up(gather->n_in, gather->in_block) * (int64_t)gather->spec->shape.kernel_h *
             gather->spec->shape.kernel_w * gather->in_block * block_columns(gather);
  Scratch scratch = {.staged = gather->is_packed ? packed : 0};
  const int64_t x = gather_x_terms(gather) * gather->turn, y = gather_y_elems(gather) * gather->turn;
  scratch.made = scratch.staged + (gather->is_staged ? x : 0);
  scratch.sums = scratch.made + (around && around->result < 0 ? y : 0);
  scratch.spare = scratch.sums + (around ? around->n_sums : 0);
  // A vector of the operand's last channels ends behind it.
  scratch.end =
      scratch.spare + (around ? around->spare : 0) + (gather->is_few ? conv_max_lanes(gather->spec) : 0);
  return scratch;
}

static void write_scratch(const Gather *gather, const Scratch *scratch) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  if (gather->is_packed) strbuf_printf(out, "  %s *packed = scratch;\n", gather->term->type);
  if (gather->is_staged && gather->spec->is_paired)
    strbuf_printf(out, "  bf16 *staged = (bf16 *)scratch + %lld;\n", 2 * (long long)scratch->staged);
  else if (gather->is_staged)
    strbuf_printf(out, "  real *staged = (real *)scratch + %lld;\n", (long long)scratch->staged);
  if (around && around->result < 0)
    strbuf_printf(out, "  real *made = (real *)scratch + %lld;\n", (long long)scratch->made);
  if (around && around->parts)
    strbuf_printf(out, "  real *sums = (real *)scratch + %lld;\n", (long long)scratch->sums);
  if (gather->turn)
    strbuf_printf(out, "  real *spare = (real *)scratch + %lld;\n", (long long)scratch->spare);
}

// ---- the kernel ----

// `at`: the first image (pixel of a matrix), in elements of x.
static const char *source_at(const Gather *gather, const char *at) {
  const char *x = gather->is_staged ? "staged" : arena_printf(gather->out->arena, "x + %s", at);
  if (!gather->spec->is_paired) return x;
  return arena_printf(gather->out->arena, gather->is_staged ? "(const pair *)%s" : "(const pair *)(%s)", x);
}

static void write_ahead(const Gather *gather) {
  StrBuf *out = gather->out;
  for (int k = 0; k < gather_n_ahead(gather, 0); k++) {
    const char *type = gather_ahead_type(gather, k);
    if (gather->is_staged && k == 0)
      strbuf_printf(out, "  const %s *ahead0 = x + (at + %d) * %lld;\n", type, gather->turn,
                    (long long)(gather->is_copied ? gather_x_elems(gather) : gather->spec->around->fetched));
    else
      strbuf_printf(out, "  const %s *ahead%d = (const %s *)buf[%d] + at * %lld;\n", type, k, type,
                    gather->spec->around->beside[k - gather->is_staged], (long long)gather_y_elems(gather));
  }
}

// A few images at a time: what comes before the product, the product, what comes behind it.
static void write_turns(const Gather *gather) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  const long long x = gather_x_elems(gather), y = gather_y_elems(gather);
  strbuf_printf(out, "  for (long at = begin; at < stop; at += %d) {\n", gather->turn);
  strbuf_printf(out, "  const long n_images = stop - at < %d ? stop - at : %d;\n", gather->turn,
                gather->turn);
  if (gather->is_staged)
    strbuf_printf(out, "  %s_before(buf, batch, at, n_images, staged, spare);\n", gather->symbol);
  strbuf_printf(out, "  const %s *source = %s;\n", gather->term->type,
                source_at(gather, arena_printf(out->arena, "at * %lld", x)));
  strbuf_printf(out, "  %s *result = %s;\n", gather->y_type,
                around && around->result < 0 ? "made" : arena_printf(out->arena, "y + at * %lld", y));
  strbuf_printf(out, "  const long n = n_images * %d;\n", gather->is_matrix ? gather->y_h * gather->y_w : 1);
  write_ahead(gather);
  write_blocks(gather, false);
  if (around && around->has_behind)
    strbuf_printf(out, "  %s_behind(buf, batch, at, n_images, result, %sspare);\n", gather->symbol,
                  around->parts ? "sums, at == begin, " : "");
  strbuf_put(out, "  }\n");
  if (around && around->parts) strbuf_printf(out, "  %s_close(buf, part, sums);\n", gather->symbol);
}

static void write_all_images(const Gather *gather) {
  StrBuf *out = gather->out;
  const long long x = gather->is_matrix ? gather->x_c : gather_x_elems(gather);
  const long long y = gather->is_matrix ? gather->y_c : gather_y_elems(gather);
  strbuf_printf(out, "  const %s *source = %s;\n  %s *result = y + begin * %lld;\n", gather->term->type,
                source_at(gather, arena_printf(out->arena, "begin * %lld", x)), gather->y_type, y);
  strbuf_put(out, "  const long n = stop - begin;\n");
  write_blocks(gather, false);
}

static void write_buffers(const Gather *gather, int result) {
  StrBuf *out = gather->out;
  if (gather->x_type == conv_type(false))
    strbuf_put(out, "  const real *x = buf[0], *weight = buf[1];\n");
  else
    strbuf_printf(out, "  const %s *x = buf[0];\n  const real *weight = buf[1];\n", gather->x_type);
  if (result >= 0) strbuf_printf(out, "  %s *y = buf[%d];\n", gather->y_type, result);
}

static void write_kernel(const Gather *gather, const Scratch *scratch) {
  StrBuf *out = gather->out;
  const ConvAround *around = gather->spec->around;
  const int result = around ? around->result : 2;
  strbuf_printf(out, "// Parts: %d shares of the images x %d of the %d blocks of output channels.\n",
                gather->image_parts, gather->block_parts, gather->n_blocks);
  strbuf_printf(out, "void %s(void *const *buf, long batch, void *scratch, int part, int parts) {\n",
                gather->symbol);
  write_buffers(gather, result);
  strbuf_put(out, "  (void)parts, (void)scratch;\n");
  write_scratch(gather, scratch);
  write_share(gather);
  if (around && around->parts) {
    strbuf_printf(out, "  for (long i = 0; i < %lld; i++) sums[i] = 0;\n", (long long)around->n_sums);
    strbuf_printf(out, "  if (begin == stop) %s_close(buf, part, sums);\n", gather->symbol);
  }
  strbuf_put(out, "  if (begin == stop) return;\n");
  strbuf_printf(out, "  const long first = part / %d * %d / %d, end = (part / %d + 1) * %d / %d;\n",
                gather->image_parts, gather->n_blocks, gather->block_parts, gather->image_parts,
                gather->n_blocks, gather->block_parts);
  if (gather->is_packed) {
    strbuf_put(out, "  {\n");
    write_blocks(gather, true);
    strbuf_put(out, "  }\n");
  }
  if (gather->turn)
    write_turns(gather);
  else
    write_all_images(gather);
  strbuf_put(out, "}\n");
}

static ConvKernel write_gather(Gather *gather) {
  choose_blocks(gather);
  choose_input_block(gather);
  choose_parts(gather);
  if (gather->is_few) conv_write_few_folds(gather->out, gather->symbol, gather->runs[0].lanes);
  if (gather->is_copied) gather_write_copy(gather);
  for (int r = 0; r < gather->n_runs; r++) gather_write_block(gather, r);
  const Scratch scratch = scratch_of(gather);
  write_kernel(gather, &scratch);
  return (ConvKernel){scratch.end * gather->spec->elem_bytes, gather->image_parts * gather->block_parts};
}

ConvKernel conv_write_forward(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, false);
  return write_gather(&gather);
}

ConvKernel conv_write_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, true);
  return write_gather(&gather);
}

ConvKernel conv_write_linear_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec) {
  Gather gather = gather_new(out, symbol, spec, true);
  gather.reads_plain = true;
  return write_gather(&gather);
}
