// Which thread of a POINT or REDUCE kernel visits which vector.
//
// The tensor is rows of `columns` vectors (one, if nothing varies by channel). Threads are counted through the rows; a
// block's are a multiple of the columns wherever a row fits into a block, so that a thread keeps its channels.
#include "compiler/emit/cuda/skeletons.h"

Columns cuda_columns(const Space *space) {
  Columns columns = {.columns = space->width / space->lanes, .threads = CUDA_THREADS};
  columns.is_kept = columns.columns <= CUDA_THREADS;
  if (columns.is_kept) columns.threads = CUDA_THREADS / (int)columns.columns * (int)columns.columns;
  return columns;
}

void cuda_channel_values(Emit *emit, StrBuf *out, int depth, const Columns *columns, const char *used,
                         const char *is_first_row) {
  StrBuf lines = strbuf_new(emit->arena);
  frame_channel_lines(emit, &lines, depth);
  used = writer_format(emit, "%s%s", lines.text, used);
  if (columns->is_kept && writer_uses(used, "c")) {
    if (columns->columns == 1)
      writer_line(out, depth, "const int c = 0;");
    else
      writer_line(out, depth, "const int c = (int)threadIdx.x %% %lld * %d;", (long long)columns->columns,
                  emit->space.lanes);
  }
  if (writer_uses(lines.text, "is_first_row"))
    writer_line(out, depth, "const bool is_first_row = %s;", is_first_row);
  strbuf_put(out, lines.text);
}
