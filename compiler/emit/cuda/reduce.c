// REDUCE: an element-wise prologue, then sums over rows (for each channel) or over everything. There are as many blocks
// as the plan has parts, and sums are added in an order that shapes alone fix: no atomics.
//
//   values per channel                                   finish, a block for a few channels:
//   for each row of this part that is this thread's        add the partial sums of this thread's parts
//     s0 += ...                                            add those of the block
//   add the sums of the block's threads                    result from sum0, sum1, ...
//   partial[part] = sums
//
// Where a row does not fit into a block, a thread has several columns and sums each over all rows of the part. With one
// part, the result is stored right away.
#include "compiler/emit/cuda/skeletons.h"

enum { FINISH_COLUMNS = 8 }; // vectors that a block of the finish has: full cache lines

typedef struct Sums {
  Emit *emit;
  const Root *root; // a group has one
  Columns columns;
  bool is_scalar; // sums over everything
  bool is_whole;  // one part
} Sums;

static Sums find_sums(Emit *emit) {
  const Root *root = &emit->roots[0];
  return (Sums){emit, root, cuda_columns(&emit->space), root_elems(root) == root->n_sums,
                emit->group->parts == 1};
}

// ---- what a part adds up ----

static void put_zero_sums(const Sums *sums, StrBuf *out, int depth) {
  for (int i = 0; i < sums->emit->n_sums; i++) writer_line(out, depth, "vec s%d = {0};", i);
}

static void put_element(const Sums *sums, StrBuf *out, int depth) {
  Emit *emit = sums->emit;
  const char *at = emit->space.is_flat || emit->space.width == emit->space.lanes ? "" : " + c";
  writer_line(out, depth, "const long e = r * %lld%s;", (long long)emit->space.width, at);
  writer_indent(out, depth, emit->body.text);
  writer_indent(out, depth, emit->sums.text);
  frame_stores(emit, out, depth);
}

// Stores the sums, of the channels from c, or what follows from them.
static void put_stores(const Sums *sums, StrBuf *out, int depth, bool is_result) {
  Emit *emit = sums->emit;
  for (int k = 0; k < sums->root->n_sums; k++) {
    const char *value = is_result ? root_value(emit, sums->root, k) : writer_format(emit, "sum%d", k);
    const char *to = writer_at(emit, is_result ? "result0" : "partial", k * root_channels(sums->root),
                               sums->is_scalar ? "" : "c");
    if (sums->is_scalar)
      writer_line(out, depth, "*(%s) = mla_first(mla_vec(%s));", to, value);
    else
      writer_line(out, depth, "mla_store(%s, mla_vec(%s));", to, value);
  }
}

// Every thread has one column and the rows that are a block's height apart.
static void put_kept(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  const Columns *columns = &sums->columns;
  long long n = columns->columns;
  const char *row = n == 1 ? "threadIdx.x" : writer_format(emit, "threadIdx.x / %lld", n);
  StrBuf rest = strbuf_new(emit->arena);
  put_zero_sums(sums, &rest, 1);
  writer_line(&rest, 1, "for (long r = begin + %s; r < end; r += %d) {", row, columns->threads / (int)n);
  put_element(sums, &rest, 2);
  writer_line(&rest, 1, "}");
  for (int i = 0; i < emit->n_sums; i++) {
    if (sums->is_scalar)
      writer_line(&rest, 1, "const real sum%d = mla_block_sum(mla_total(s%d), shared);", i, i);
    else
      writer_line(&rest, 1, "const vec sum%d = mla_column_sum(s%d, shared, %lld);", i, i, n);
  }
  writer_line(&rest, 1, "if (threadIdx.x >= %lld) return;", sums->is_scalar ? 1 : n);
  put_stores(sums, &rest, 1, sums->is_whole);
  cuda_channel_values(emit, out, 1, columns, rest.text,
                      writer_format(emit, "blockIdx.x == 0 && threadIdx.x < %lld", n));
  strbuf_put(out, rest.text);
}

// Several columns for a thread, one after another.
static void put_wide(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  int lanes = emit->space.lanes, threads = sums->columns.threads;
  for (int i = 0; sums->is_scalar && i < emit->n_sums; i++) writer_line(out, 1, "real all%d = 0;", i);
  writer_line(out, 1, "for (long c = threadIdx.x * %d; c < %lld; c += %d) {", lanes,
              (long long)emit->space.width, threads * lanes);
  cuda_channel_values(emit, out, 2, &sums->columns, "", "blockIdx.x == 0");
  put_zero_sums(sums, out, 2);
  writer_line(out, 2, "for (long r = begin; r < end; r++) {");
  put_element(sums, out, 3);
  writer_line(out, 2, "}");
  for (int i = 0; i < emit->n_sums; i++)
    writer_line(out, 2, sums->is_scalar ? "all%d += mla_total(s%d);" : "const vec sum%d = s%d;", i, i);
  if (!sums->is_scalar) put_stores(sums, out, 2, sums->is_whole);
  writer_line(out, 1, "}");
  if (!sums->is_scalar) return;
  for (int i = 0; i < emit->n_sums; i++)
    writer_line(out, 1, "const real sum%d = mla_block_sum(all%d, shared);", i, i);
  writer_line(out, 1, "if (threadIdx.x > 0) return;");
  put_stores(sums, out, 1, sums->is_whole);
}

static void put_range(const Sums *sums, StrBuf *out) {
  int parts = sums->emit->group->parts;
  if (sums->is_whole) {
    writer_line(out, 1, "const long begin = 0, end = %s;", frame_rows(sums->emit));
    return;
  }
  writer_line(out, 1, "const long rows = %s;", frame_rows(sums->emit));
  writer_line(out, 1, "const long begin = rows * blockIdx.x / %d, end = rows * (blockIdx.x + 1) / %d;", parts,
              parts);
}

// ---- the finish ----

static int finish_columns(const Sums *sums) {
  int n = FINISH_COLUMNS;
  int64_t columns = sums->is_scalar ? 1 : sums->emit->space.channels / sums->emit->space.lanes;
  while (columns % n != 0) n--;
  return n;
}

// The sums of all parts, for the channels from c.
static void put_part_sums(const Sums *sums, StrBuf *out, int columns) {
  Emit *emit = sums->emit;
  const char *from = writer_format(emit, "partial + p * %lld", (long long)roots_elems(emit));
  const char *first = columns == 1 ? "threadIdx.x" : writer_format(emit, "threadIdx.x / %d", columns);
  for (int k = 0; k < emit->n_sums; k++) writer_line(out, 1, "vec sum%d = {0};", k);
  writer_line(out, 1, "for (long p = %s; p < %d; p += %d) {", first, emit->group->parts,
              CUDA_THREADS / columns);
  for (int k = 0; k < emit->n_sums; k++) {
    const char *at = writer_at(emit, from, k * root_channels(sums->root), sums->is_scalar ? "" : "c");
    writer_line(out, 2, "sum%d += mla_load(%s);", k, at);
  }
  writer_line(out, 1, "}");
  for (int k = 0; k < emit->n_sums; k++)
    writer_line(out, 1, "sum%d = mla_column_sum(sum%d, shared, %d);", k, k, columns);
}

static void put_finish(const Sums *sums, StrBuf *out, int columns) {
  Emit *emit = sums->emit;
  StrBuf rest = strbuf_new(emit->arena);
  put_part_sums(sums, &rest, columns);
  writer_line(&rest, 1, "if (threadIdx.x >= %d) return;", columns);
  if (root_uses_channels(emit, sums->root)) frame_channel_lines(emit, &rest, 1);
  put_stores(sums, &rest, 1, true);
  if (!sums->is_scalar)
    writer_line(out, 1, "const long c = (blockIdx.x * %d + threadIdx.x %% %d) * %d;", columns, columns,
                emit->space.lanes);
  else if (writer_uses(rest.text, "c"))
    writer_line(out, 1, "const long c = 0;");
  strbuf_put(out, rest.text);
}

static void draft_finish(const Sums *sums, const char *stem) {
  Emit *emit = sums->emit;
  const bool with_operands = roots_use_channels(emit);
  const int columns = finish_columns(sums), lanes = sums->is_scalar ? 1 : emit->space.lanes;
  const int threads = CUDA_THREADS / columns * columns;
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  put_finish(sums, &rest, columns);

  KernelDraft draft = {.stem = writer_format(emit, "%s_finish", stem), .role = "finish", .threads = threads};
  draft.grid = cuda_blocks(root_channels(sums->root) / (columns * lanes));
  draft.parts = cuda_n_blocks(emit, draft.grid);
  draft.buffers = frame_buffers(emit, with_operands, 1 + emit->n_roots, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_PARTIAL};
  roots_add_results(emit, &draft);

  writer_line(&text, 1, "MLA_USE(%d)", lanes);
  writer_line(&text, 1, "__shared__ MlaSlot<%d> shared[%d];", lanes, threads);
  int n = with_operands ? frame_operands(emit, &text) : 0;
  writer_line(&text, 1, "const real *partial = buf[%d]; // [%d][%lld]", n, emit->group->parts,
              (long long)roots_elems(emit));
  roots_results(emit, &text, n + 1);
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  text = cuda_kernel(emit, draft.n_buffers, threads, text.text);
  draft.text = text.text;
  emit_draft(emit, draft);
}

// ---- the kernel of the parts ----

static void put_sums(const Sums *sums, StrBuf *out) {
  put_range(sums, out);
  if (sums->columns.is_kept)
    put_kept(sums, out);
  else
    put_wide(sums, out);
}

static void put_buffers(const Sums *sums, StrBuf *out) {
  Emit *emit = sums->emit;
  writer_line(out, 1, "MLA_USE(%d)", emit->space.lanes);
  if (sums->is_scalar || sums->columns.is_kept)
    writer_line(out, 1, "__shared__ MlaSlot<%d> shared[%d];", sums->is_scalar ? 1 : emit->space.lanes,
                sums->columns.threads);
  int n = frame_operands(emit, out);
  n += frame_outputs(emit, out, n);
  if (sums->is_whole)
    roots_results(emit, out, n);
  else
    writer_line(out, 1, "real *partial = (real *)buf[%d] + blockIdx.x * %lld;", n,
                (long long)roots_elems(emit));
}

void cuda_reduce(Emit *emit) {
  writer_visit(emit);
  frame_narrow_stores(emit, "is_first_row");
  const Sums sums = find_sums(emit);
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  put_sums(&sums, &rest);

  KernelDraft draft = {.stem = emit_stem(emit), .role = "", .threads = sums.columns.threads};
  draft.parts = emit->group->parts;
  draft.grid = cuda_blocks(draft.parts);
  draft.buffers = frame_buffers(emit, true, 1 + emit->n_roots, &draft.n_buffers);
  frame_add_outputs(emit, draft.buffers, &draft.n_buffers);
  if (sums.is_whole)
    roots_add_results(emit, &draft);
  else
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_PARTIAL};

  put_buffers(&sums, &text);
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  text = cuda_kernel(emit, draft.n_buffers, draft.threads, text.text);
  draft.text = text.text;
  emit_draft(emit, draft);
  if (!sums.is_whole) draft_finish(&sums, draft.stem);
}
