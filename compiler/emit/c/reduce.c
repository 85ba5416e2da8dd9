// REDUCE: an element-wise prologue, then sums over rows (for each channel) or over everything. The order of
// summation depends on shapes alone: blocks of rows are summed in registers, blocks into the part's sums, and
// the finish adds the parts in order. Two levels keep the rounding error of float32 small, too.
//
//   values per channel                                finish:
//   for each block of rows of this part                 for each channel
//     for each vector of channels                         add the partial sums of all parts
//       s0 = 0; for each row of the block: s0 += ...       result from sum0, sum1, ...
//       add s0 to the part's sums
//   partial[part] = sums
//
// With one part, the finish is the end of the same kernel.
#include "compiler/emit/c/skeletons.h"

enum { BLOCK_ELEMS = 4096, MIN_BLOCK_ROWS = 16, MAX_BLOCK_ROWS = 256 };

static int block_rows(const Space *space) {
  int64_t rows = BLOCK_ELEMS / space->width;
  if (rows < MIN_BLOCK_ROWS) rows = MIN_BLOCK_ROWS;
  return rows > MAX_BLOCK_ROWS ? MAX_BLOCK_ROWS : (int)rows;
}

static void put_zero_sums(Emit *emit, StrBuf *out, int depth) {
  for (int i = 0; i < emit->n_sums; i++) writer_line(out, depth, "vec s%d = {0};", i);
}

static void put_element(Emit *emit, StrBuf *out, int depth) {
  writer_indent(out, depth, emit->body.text);
  writer_indent(out, depth, emit->sums.text);
  frame_stores(emit, out, depth);
}

static void put_block(Emit *emit, StrBuf *out, const char *used) {
  const Space *space = &emit->space;
  bool is_one_vector = space->width == space->lanes;
  long long width = space->width;
  int depth = 2;
  if (!is_one_vector) writer_line(out, depth++, "for (long c = 0; c < %lld; c += %d) {", width, space->lanes);
  frame_channel_loads(emit, out, depth, used);
  put_zero_sums(emit, out, depth);
  writer_line(out, depth, "for (long r = block; r < stop; r++) {");
  writer_line(out, depth + 1, is_one_vector ? "const long e = r * %lld;" : "const long e = r * %lld + c;",
              width);
  put_element(emit, out, depth + 1);
  writer_line(out, depth, "}");
  for (int i = 0; i < emit->n_sums; i++) {
    const char *at = writer_at(emit, "sums", i * width, is_one_vector ? "" : "c");
    writer_line(out, depth, "mla_store(%s, mla_load(%s) + s%d);", at, at, i);
  }
  if (!is_one_vector) writer_line(out, --depth, "}");
}

static void put_tail(Emit *emit, StrBuf *out) {
  if (emit->space.tail == 0) return;
  writer_line(out, 1, "if (part == parts - 1) {");
  writer_line(out, 2, "MLA_USE(1)");
  frame_channel_lines(emit, out, 2);
  put_zero_sums(emit, out, 2);
  writer_line(out, 2, "for (long e = rows * %lld; e < %s; e++) {", (long long)emit->space.width,
              frame_elems(emit));
  put_element(emit, out, 3);
  writer_line(out, 2, "}");
  for (int i = 0; i < emit->n_sums; i++)
    writer_line(out, 2, "sums[%lld] += s%d;", (long long)(i * emit->space.width), i);
  writer_line(out, 1, "}");
}

void reduce_blocks(Emit *emit, StrBuf *out, const char *used) {
  int rows = block_rows(&emit->space);
  writer_line(out, 1, "for (long block = begin; block < end; block += %d) {", rows);
  writer_line(out, 2, "const long stop = block + %d < end ? block + %d : end;", rows, rows);
  put_block(emit, out, used);
  writer_line(out, 1, "}");
}

// The sums of folded rows, or of all channels, into `partial`.
static void put_totals(Emit *emit, StrBuf *out) {
  const Space *space = &emit->space;
  int64_t at = 0;
  for (int i = 0; i < emit->n_roots; i++) {
    const Root *root = &emit->roots[i];
    int64_t n = root_channels(root);
    for (int k = 0; k < root->n_sums; k++, at += n) {
      writer_line(out, 1, "for (long c = 0; c < %lld; c++) {", (long long)n);
      writer_line(out, 2, "real total = 0;");
      const char *from = writer_at(emit, "sums", (root->first_sum + k) * space->width, "i");
      writer_line(out, 2, "for (long i = c; i < %lld; i += %lld) total += *(%s);", (long long)space->width,
                  (long long)n, from);
      writer_line(out, 2, "*(%s) = total;", writer_at(emit, "partial", at, "c"));
      writer_line(out, 1, "}");
    }
  }
}

// ---- the finish ----

static void put_root(Emit *emit, StrBuf *out, const Root *root, int result, int64_t at) {
  int64_t n = root_channels(root), stride = roots_elems(emit);
  int lanes = n == 1 ? 1 : emit->space.channel_lanes;
  const char *to = writer_format(emit, "result%d", result);
  const char *from =
      emit->group->parts == 1 ? "partial" : writer_format(emit, "partial + p * %lld", (long long)stride);
  writer_line(out, 1, "{ // %s", op_info(root->node->op)->name);
  writer_line(out, 2, "MLA_USE(%d)", lanes);
  writer_line(out, 2, "for (long c = 0; c < %lld; c += %d) {", (long long)n, lanes);
  if (root_uses_channels(emit, root)) frame_channel_lines(emit, out, 3);
  for (int k = 0; k < root->n_sums; k++) writer_line(out, 3, "vec sum%d = {0};", k);
  writer_line(out, 3, "for (long p = 0; p < %d; p++) {", emit->group->parts);
  for (int k = 0; k < root->n_sums; k++) {
    writer_line(out, 4, "sum%d += mla_load(%s);", k, writer_at(emit, from, at + k * n, "c"));
  }
  writer_line(out, 3, "}");
  for (int k = 0; k < root->n_sums; k++) {
    writer_line(out, 3, "mla_store(%s, mla_vec(%s));", writer_at(emit, to, k * n, "c"),
                root_value(emit, root, k));
  }
  writer_line(out, 2, "}");
  writer_line(out, 1, "}");
}

static void put_finish(Emit *emit, StrBuf *out) {
  int64_t at = 0;
  for (int i = 0; i < emit->n_roots; i++) {
    put_root(emit, out, &emit->roots[i], i, at);
    at += root_elems(&emit->roots[i]);
  }
}

static void draft_finish(Emit *emit, const char *stem) {
  bool with_operands = roots_use_channels(emit);
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  put_finish(emit, &rest);
  frame_open(&text);
  int n = with_operands ? frame_operands(emit, &text) : 0;
  writer_line(&text, 1, "const real *partial = buf[%d]; // [%d][%lld]", n, emit->group->parts,
              (long long)roots_elems(emit));
  roots_results(emit, &text, n + 1);
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  strbuf_put(&text, "}\n");

  KernelDraft draft = {
      .text = text.text, .stem = writer_format(emit, "%s_finish", stem), .role = "finish", .parts = 1};
  draft.buffers = frame_buffers(emit, with_operands, 1 + emit->n_roots, &draft.n_buffers);
  draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_PARTIAL};
  roots_add_results(emit, &draft);
  emit_draft(emit, draft);
}

// ---- the kernel of the parts ----

void c_reduce(Emit *emit) {
  writer_visit(emit);
  frame_narrow_stores(emit, "part == 0");
  bool is_whole = emit->group->parts == 1;
  long long n_partial = roots_elems(emit), n_sums = emit->n_sums * emit->space.width;
  StrBuf rest = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  frame_range(emit, &rest);
  const char *used = writer_format(emit, "%s%s", emit->body.text, emit->sums.text);
  int64_t kept = frame_channel_values(emit, &rest, used);
  writer_line(&rest, 1, "real *sums = (real *)scratch + %lld; // [%d][%lld]", (long long)kept, emit->n_sums,
              (long long)emit->space.width);
  writer_line(&rest, 1, "for (long i = 0; i < %lld; i++) sums[i] = 0;", n_sums);
  reduce_blocks(emit, &rest, used);
  put_tail(emit, &rest);
  put_totals(emit, &rest);
  if (is_whole) put_finish(emit, &rest);

  frame_open(&text);
  writer_line(&text, 1, "MLA_USE(%d)", emit->space.lanes);
  int n = frame_operands(emit, &text);
  n += frame_outputs(emit, &text, n);
  if (is_whole) {
    roots_results(emit, &text, n);
    writer_line(&text, 1, "real *partial = (real *)scratch + %lld;", (long long)(kept + n_sums));
  } else {
    writer_line(&text, 1, "real *partial = (real *)buf[%d] + part * %lld;", n, n_partial);
  }
  frame_counts(emit, &text, rest.text);
  strbuf_put(&text, rest.text);
  strbuf_put(&text, "}\n");

  KernelDraft draft = {.text = text.text, .stem = emit_stem(emit), .role = "", .parts = emit->group->parts};
  draft.scratch_bytes = (kept + n_sums + (is_whole ? n_partial : 0)) * emit->elem_bytes;
  draft.buffers = frame_buffers(emit, true, 1 + emit->n_roots, &draft.n_buffers);
  frame_add_outputs(emit, draft.buffers, &draft.n_buffers);
  if (is_whole) {
    roots_add_results(emit, &draft);
  } else {
    draft.buffers[draft.n_buffers++] = (BufferRef){.kind = REF_PARTIAL};
  }
  emit_draft(emit, draft);
  if (!is_whole) draft_finish(emit, draft.stem);
}
