// What a gather kernel makes of its operands before the tiles multiply. The weights of a block lie in scratch as
//
//   w[kernel rows][kernel columns][in_block][columns of the block]
//
// (with conv_few.h as there); lanes behind the last column are 0. Pairs are rounded on the way, and so is a source that
// is not stored as pairs: with a 0 behind an odd number of channels.
#include "compiler/emit/c/conv_gather.h"

int64_t gather_packed_terms(const Gather *gather, const ChannelRun *block) {
  const int64_t n_taps = (int64_t)gather->spec->shape.kernel_h * gather->spec->shape.kernel_w;
  if (gather->is_few) return n_taps * conv_few_tap_elems(block->lanes, gather->n_in, gather->n_out);
  return n_taps * gather->in_block * block->lanes * block->n_vecs;
}

// ---- weights ----

// The term of weights of which the (first) channel is at `low`, and the second one `step` further.
static const char *weight_term(const Gather *gather, const char *low, int step) {
  Arena *arena = gather->out->arena;
  if (!gather->spec->is_paired) return arena_printf(arena, "from[%s]", low);
  const char *high = arena_printf(arena, "from[%s + %d]", low, step);
  if (gather->x_c % 2) high = arena_printf(arena, "(c == %d ? 0 : %s)", gather->n_in - 1, high);
  return arena_printf(arena, "mla_pairs_1(from[%s], %s)", low, high);
}

// From the weight [y_c, x_c]: the block's columns are rows there.
static void write_plain_packing(const Gather *gather, const ChannelRun *block, const char *n_in) {
  StrBuf *out = gather->out;
  const int width = block->lanes * block->n_vecs, stored = width - block->lacking;
  const char *low =
      arena_printf(out->arena, gather->spec->is_paired ? "o * %d + 2 * c" : "o * %d + c", gather->x_c);
  strbuf_printf(out, "      for (long c = 0; c < %s; c++) {\n", n_in);
  strbuf_printf(out, "        for (long o = 0; o < %d; o++) w[c * %d + o] = %s;\n", stored, width,
                weight_term(gather, low, 1));
  if (block->lacking)
    strbuf_printf(out, "        for (long o = %d; o < %d; o++) w[c * %d + o] = 0;\n", stored, width, width);
  strbuf_put(out, "      }\n");
}

// `n` weights of a row, which begin `at` behind it.
static const char *loaded(const Gather *gather, int lanes, int n, int at) {
  return arena_printf(gather->out->arena, n < lanes ? "mla_load_part(row + %d, %d)" : "mla_load(row + %d)",
                      at, n);
}

static void write_packed_vector(const Gather *gather, const ChannelRun *block, int v) {
  StrBuf *out = gather->out;
  const int at = v * block->lanes, n = block->lanes - (v == block->n_vecs - 1 ? block->lacking : 0);
  const char *low = loaded(gather, block->lanes, n, at);
  if (!gather->spec->is_paired) {
    strbuf_printf(out, "          mla_store(to + %d, %s);\n", at, low);
    return;
  }
  const char *high = loaded(gather, block->lanes, n, gather->n_out + at);
  if (gather->x_c % 2) high = arena_printf(out->arena, "c == %d ? (vec){0} : %s", gather->n_in - 1, high);
  strbuf_printf(out, "          mla_store_pairs(to + %d, mla_pairs(%s, %s));\n", at, low, high);
}

void gather_write_packing(const Gather *gather, const ChannelRun *block) {
  StrBuf *out = gather->out;
  const int n_taps = gather->spec->shape.kernel_h * gather->spec->shape.kernel_w;
  const int per_term = gather->spec->is_paired ? 2 : 1;
  if (gather->is_few) {
    const int in_step = gather->reads_plain ? 1 : gather->n_out,
              out_step = gather->reads_plain ? gather->x_c : 1;
    const char *low = arena_printf(out->arena, "tap * %d + c * %d + o * %d", gather->x_c * gather->n_out,
                                   per_term * in_step, out_step);
    conv_write_few_packing(out, block->lanes, n_taps, gather->n_in, gather->n_out,
                           weight_term(gather, low, in_step));
    return;
  }
  const char *n_in = gather_is_blocked(gather) ? "n_in" : arena_printf(out->arena, "%d", gather->n_in);
  if (gather->reads_plain) {
    write_plain_packing(gather, block, n_in);
    return;
  }
  strbuf_printf(out, "      for (long tap = 0; tap < %d; tap++)\n        for (long c = 0; c < %s; c++) {\n",
                n_taps, n_in);
  if (gather->spec->is_paired)
    strbuf_printf(out, "          const real *row = from + (tap * %d + 2 * c) * %d;\n", gather->x_c,
                  gather->n_out);
  else
    strbuf_printf(out, "          const real *row = from + (tap * %d + c) * %d;\n", gather->n_in,
                  gather->n_out * gather->n_groups);
  strbuf_printf(out, "          %s *to = w + (tap * %d + c) * %d;\n", gather->term->type, gather->in_block,
                block->lanes * block->n_vecs);
  for (int v = 0; v < block->n_vecs; v++) write_packed_vector(gather, block, v);
  strbuf_put(out, "        }\n");
}

// ---- the source ----

// Whole images, or, where a 0 stands behind its channels, pixel by pixel.
void gather_write_copy(const Gather *gather) {
  StrBuf *out = gather->out;
  const bool is_odd = gather->x_c % 2;
  const int n = is_odd ? gather->x_c : (int)gather_x_elems(gather);
  ChannelRun runs[CONV_MAX_RUNS];
  const int n_runs = conv_cut_channels(n, conv_max_lanes(gather->spec), 1, runs);
  strbuf_put(out, "// Before the product: some images rounded.\n");
  strbuf_printf(
      out,
      "static void %s_before(void *const *buf, long batch, long first, long n_images, bf16 *staged, "
      "void *scratch) {\n",
      gather->symbol);
  strbuf_printf(out, "  (void)batch, (void)scratch;\n  const %s *x = (const %s *)buf[0] + first * %lld;\n",
                gather->x_type, gather->x_type, (long long)gather_x_elems(gather));
  strbuf_printf(out, "  for (long n = n_images * %d; n > 0; n--, x += %d, staged += %d) {\n",
                is_odd ? gather->x_h * gather->x_w : 1, n, n + is_odd);
  for (int r = 0; r < n_runs; r++)
    strbuf_printf(out,
                  "    {\n      MLA_USE(%d)\n      for (long c = %d; c < %d; c += %d) mla_store(staged + c, "
                  "mla_load(x + c));\n    }\n",
                  runs[r].lanes, runs[r].offset, runs[r].offset + runs[r].count * runs[r].lanes,
                  runs[r].lanes);
  if (is_odd) strbuf_printf(out, "    staged[%d] = (bf16){0};\n", n);
  strbuf_put(out, "  }\n}\n");
}
