// POINT: an element-wise expression over rows x channels, several outputs. One pass over memory; a thread takes vectors
// a whole grid apart:
//
//   values per channel (batch norm's scale and shift), where a thread keeps its channels
//   for each vector of this thread: load, compute, store
//
// Outputs may lie in the bytes of inputs; an element is read before it is written.
#include "compiler/emit/cuda/skeletons.h"

static void put_element(Emit *emit, StrBuf *out, const Columns *columns) {
  if (!columns->is_kept) {
    writer_line(out, 2, "const %s c = e %% %lld;", cuda_index_type(emit), (long long)emit->space.channels);
    cuda_channel_values(emit, out, 2, columns, "",
                        writer_format(emit, "e < %lld", (long long)emit->space.channels));
  }
  writer_indent(out, 2, emit->body.text);
  frame_stores(emit, out, 2);
}

static void put_walk(Emit *emit, StrBuf *out, const Columns *columns) {
  int lanes = emit->space.lanes, step = columns->threads * lanes;
  const char *type = cuda_index_type(emit);
  writer_line(out, 1, "const %s end = %s;", type, frame_elems(emit));
  writer_line(out, 1, "const %s begin = ((%s)blockIdx.x * %d + (int)threadIdx.x) * %d;", type, type,
              columns->threads, lanes);
  if (columns->is_kept)
    cuda_channel_values(emit, out, 1, columns, "",
                        writer_format(emit, "begin < %lld", (long long)emit->space.width));
  writer_line(out, 1, "for (%s e = begin; e < end; e += (%s)gridDim.x * %d) {", type, type, step);
  put_element(emit, out, columns);
  writer_line(out, 1, "}");
}

void cuda_point(Emit *emit) {
  writer_visit(emit);
  frame_narrow_stores(emit, "is_first_row");
  Columns columns = cuda_columns(&emit->space);
  StrBuf walk = strbuf_new(emit->arena), text = strbuf_new(emit->arena);
  put_walk(emit, &walk, &columns);

  KernelDraft draft = {.stem = emit_stem(emit), .role = "", .threads = columns.threads};
  draft.buffers = frame_buffers(emit, true, 0, &draft.n_buffers);
  frame_add_outputs(emit, draft.buffers, &draft.n_buffers);
  writer_line(&text, 1, "MLA_USE(%d)", emit->space.lanes);
  frame_outputs(emit, &text, frame_operands(emit, &text));
  frame_counts(emit, &text, walk.text);
  strbuf_put(&text, walk.text);
  text = cuda_kernel(emit, draft.n_buffers, columns.threads, text.text);

  int64_t vectors = emit->space.unit / emit->space.lanes;
  draft.grid = emit->space.has_batch ? cuda_grid(vectors, columns.threads)
                                     : (MlaGrid){.fixed = vectors, .per_block = columns.threads};
  draft.grid.most = CUDA_MAX_BLOCKS;
  draft.parts = cuda_n_blocks(emit, draft.grid);
  draft.text = text.text;
  emit_draft(emit, draft);
}
