// REDUCE: an element-wise prologue, then sums over rows (for each channel) or over everything. The plan's parts are
// ranges of rows; a block has one, and of wide rows some channels. Sums are added in an order that shapes alone fix.
//
//   values per channel
//   for each row of this part that is this thread's
//     s0 += ...
//   add the sums of the block's threads
//   partial[part] = sums
//   the block that comes last of its channels: add the parts, in their order; result from sum0, sum1, ...
//
// With one part, the result is stored right away.
#include "compiler/emit/cuda/skeletons.h"

typedef struct Sums {
  Emit *emit;
  const Root *root; // a group has one
  bool is_scalar;   // sums over everything
  bool is_whole;    // one part
  bool is_spread;   // a thread has vectors of any column: scalar sums over rows wider than a block
  int columns;      // vectors of a row that a block has
  int threads;      // of a block; !is_spread: a multiple of `columns`
  int64_t groups;   // blocks beside each other that share a row
} Sums;

// The largest divisor of `columns` of at most `most`.
static int divide_columns(int64_t columns, int most) {
  int n = columns < most ? (int)columns : most;
  while (columns % n != 0) n--;
  return n;
}

static Sums find_sums(Emit *emit) {
  const Root *root = &emit->roots[0];
  const int64_t columns = emit->space.width / emit->space.lanes;
  Sums sums = {.emit = emit,
               .root = root,
               .is_scalar = root_elems(root) == root->n_sums,
               .is_whole = emit->group->parts == 1,
               .threads = CUDA_THREADS,
               .groups = 1};
  sums.is_spread = sums.is_scalar && columns > CUDA_THREADS;
  if (sums.is_spread) return sums;
  sums.columns =
      sums.is_scalar ? (int)columns : divide_columns(columns, CUDA_PART_CHANNELS / emit->space.lanes);
  sums.threads = CUDA_THREADS / sums.columns * sums.columns;
  sums.groups = columns / sums.columns;
  return sums;
}

// ---- what a part adds up ----

static void put_range(const Sums *sums, StrBuf *out) {
  const char *part = sums->groups > 1
                         ? writer_format(sums->emit, "(int)blockIdx.x / %lld", (long long)sums->groups)
                         : "(int)blockIdx.x";
  const int parts = sums->emit->group->parts;
  writer_line(out, 1, "const int part = %s;", part);
  writer_line(out, 1, "const long rows = %s;", frame_rows(sums->emit));
  writer_line(out, 1, "const %s begin = rows * part / %d, end = rows * (part + 1) / %d;",
              cuda_index_type(sums->emit), parts, parts);
}

// The first channel of this thread.
static const char *channel_text(const Sums *sums) {
  Emit *emit = sums->emit;
  const char *column = sums->columns == 1 ? "" : writer_format(emit, "(int)threadIdx.x %% %d", sums->columns);
  if (sums->groups > 1) {
    const char *group = writer_format(emit, "(int)blockIdx.x %% %lld", (long long)sums->groups);
    column = sums->columns == 1 ? group : writer_format(emit, "(%s * %d + %s)", group, sums->columns, column);
  }
  if (!column[0]) return "0";
  return emit->space.lanes == 1 ? column : writer_format(emit, "%s * %d", column, emit->space.lanes);
}

static void put_element(const Sums *sums, StrBuf *out) {
  writer_indent(out, 2, sums->emit->body.text);
  writer_indent(out, 2, sums->emit->sums.text);
  frame_stores(sums->emit, out, 2);
}

// Every thread has one column and the rows that are a block's height apart.
static void put_rows(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  const char *row =
      sums->columns == 1 ? "(int)threadIdx.x" : writer_format(emit, "(int)threadIdx.x / %d", sums->columns);
  const bool is_narrow = emit->space.is_flat || emit->space.width == emit->space.lanes;
  const char *type = cuda_index_type(emit);
  writer_line(out, 1, "for (%s r = begin + %s; r < end; r += %d) {", type, row,
              sums->threads / sums->columns);
  writer_line(out, 2, "const %s e = r * %lld%s;", type, (long long)emit->space.width,
              is_narrow ? "" : " + c");
  put_element(sums, out);
  writer_line(out, 1, "}");
}

static void put_spread(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  const long long width = emit->space.width, step = sums->threads * emit->space.lanes;
  writer_line(out, 1, "for (%s e = begin * %lld + (int)threadIdx.x * %d; e < end * %lld; e += %lld) {",
              cuda_index_type(emit), width, emit->space.lanes, width, step);
  writer_line(out, 2, "const %s c = e %% %lld;", cuda_index_type(emit), width);
  const Columns any = {.columns = width / emit->space.lanes};
  cuda_channel_values(emit, out, 2, &any, "", writer_format(emit, "e < %lld", width));
  put_element(sums, out);
  writer_line(out, 1, "}");
}

// The block's sums, for the first threads: `NAME0`, ...
static void put_block_sums(const Sums *sums, StrBuf *out, const char *name) {
  for (int i = 0; i < sums->emit->n_sums; i++) {
    if (sums->is_scalar)
      writer_line(out, 1, "const real %s%d = mla_block_sum(mla_total(s%d), shared);", name, i, i);
    else
      writer_line(out, 1, "const vec %s%d = mla_column_sum(s%d, shared, %d);", name, i, i, sums->columns);
  }
}

// ---- parts and results ----

static void put_store(const Sums *sums, StrBuf *out, int depth, const char *to, const char *value) {
  if (sums->is_scalar)
    writer_line(out, depth, "*(%s) = mla_first(mla_vec(%s));", to, value);
  else
    writer_line(out, depth, "mla_store(%s, mla_vec(%s));", to, value);
}

static const char *partial_at(const Sums *sums, const char *base, int k) {
  return writer_at(sums->emit, base, k * root_channels(sums->root), sums->is_scalar ? "" : "c");
}

static void put_results(const Sums *sums, StrBuf *out, int depth) {
  for (int k = 0; k < sums->root->n_sums; k++)
    put_store(sums, out, depth, partial_at(sums, "result0", k), root_value(sums->emit, sums->root, k));
}

// Stores this part; the last block goes on with the sums of all of them.
static void put_join(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  const long long apart = roots_elems(emit);
  const int columns = sums->is_scalar ? 1 : sums->columns;
  writer_line(out, 1, "if (threadIdx.x < %d) {", columns);
  for (int k = 0; k < emit->n_sums; k++)
    put_store(sums, out, 2, partial_at(sums, writer_format(emit, "partial + part * %lld", apart), k),
              writer_format(emit, "part%d", k));
  writer_line(out, 1, "}");
  const char *ticket = sums->groups > 1
                           ? writer_format(emit, "tickets + blockIdx.x %% %lld", (long long)sums->groups)
                           : "tickets";
  writer_line(out, 1, "// The block that comes last adds the parts, in their order.");
  writer_line(out, 1, "if (!mla_is_last_block(%s, %d, &taken)) return;", ticket, emit->group->parts);
  const char *type = sums->is_scalar ? "real" : "vec";
  for (int k = 0; k < emit->n_sums; k++)
    writer_line(out, 1, "const %s sum%d = mla_part_sum<%s>(%s, %d, %lld, shared, %d);", type, k, type,
                partial_at(sums, "partial", k), emit->group->parts, apart, columns);
}

static void put_sums(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  StrBuf rest = strbuf_new(emit->arena);
  for (int i = 0; i < emit->n_sums; i++) writer_line(&rest, 1, "vec s%d = {0};", i);
  if (sums->is_spread)
    put_spread(sums, &rest);
  else
    put_rows(sums, &rest);
  put_block_sums(sums, &rest, sums->is_whole ? "sum" : "part");
  if (!sums->is_whole) put_join(sums, &rest);
  writer_line(&rest, 1, "if (threadIdx.x < %d) {", sums->is_scalar ? 1 : sums->columns);
  put_results(sums, &rest, 2);
  writer_line(&rest, 1, "}");

  put_range(sums, out);
  StrBuf lines = strbuf_new(emit->arena);
  if (!sums->is_spread) {
    const Columns any = {.columns = sums->columns};
    cuda_channel_values(emit, &lines, 1, &any, "",
                        writer_format(emit, "part == 0 && threadIdx.x < %d", sums->columns));
  }
  if (!sums->is_spread && (writer_uses(lines.text, "c") || writer_uses(rest.text, "c")))
    writer_line(out, 1, "const int c = %s;", channel_text(sums));
  strbuf_put(out, lines.text);
  strbuf_put(out, rest.text);
}

static int put_buffers(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  const int lanes = sums->is_scalar ? 1 : emit->space.lanes;
  writer_line(out, 1, "MLA_USE(%d)", emit->space.lanes);
  writer_line(out, 1, "__shared__ MlaSlot<%d> shared[%d];", lanes, sums->threads);
  int n = frame_operands(emit, out);
  n += frame_outputs(emit, out, n);
  if (!sums->is_whole) {
    writer_line(out, 1, "__shared__ unsigned taken;");
    writer_line(out, 1, "real *partial = buf[%d]; // [%d][%lld]", n++, emit->group->parts,
                (long long)roots_elems(emit));
    writer_line(out, 1, "unsigned *tickets = buf[%d]; // [%lld]", n++, (long long)sums->groups);
  }
  roots_results(emit, out, n);
  return n + emit->n_roots;
}

void cuda_reduce(Emit *emit) {
  writer_visit(emit);
  frame_narrow_stores(emit, "is_first_row");
  const Sums sums = find_sums(emit);
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  put_sums(&sums, &rest);

  KernelDraft draft = {.stem = emit_stem(emit), .role = "", .threads = sums.threads};
  draft.grid = cuda_blocks(emit->group->parts * sums.groups);
  draft.parts = cuda_n_blocks(emit, draft.grid);
  draft.buffers = frame_buffers(emit, true, 2 + emit->n_roots, &draft.n_buffers);
  frame_add_outputs(emit, draft.buffers, &draft.n_buffers);
  if (!sums.is_whole) {
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_PARTIAL};
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_TICKETS, .n_tickets = (int)sums.groups};
  }
  roots_add_results(emit, &draft);

  int n_buffers = put_buffers(&sums, &text);
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  text = cuda_kernel(emit, n_buffers, draft.threads, text.text);
  draft.text = text.text;
  emit_draft(emit, draft);
}
