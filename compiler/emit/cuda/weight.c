// The kernel over weights alone: the transposed weight.
#include "compiler/emit/cuda/matrix.h"

enum { THREADS = 256 };

static void open_kernel(StrBuf *out, const char *symbol) {
  strbuf_printf(
      out,
      "extern \"C\" __global__ void __launch_bounds__(%d) %s(const MlaBuffers<2> buf, const int batch) {\n",
      THREADS, symbol);
}

// Squares of SIDE x SIDE through shared memory, so that reading and writing are both along rows.
MatrixKernel matrix_transpose_weight(StrBuf *out, const char *symbol, const MatrixLayer *layer) {
  enum { SIDE = 32 };
  int64_t group_in = layer->shape.in_c / layer->shape.groups,
          group_out = layer->shape.out_c / layer->shape.groups;
  int64_t in_squares = (group_in + SIDE - 1) / SIDE, out_squares = (group_out + SIDE - 1) / SIDE;
  open_kernel(out, symbol);
  writer_line(out, 1, "const real *weight = (const real *)buf.at[0]; // [TAPS, GROUP_IN, OUT_C]");
  writer_line(out, 1, "real *transposed = (real *)buf.at[1]; // [TAPS, GROUP_OUT, IN_C]");
  writer_line(out, 1, "constexpr int IN_C = %d, OUT_C = %d; // of %d taps", layer->shape.in_c,
              layer->shape.out_c, layer->shape.kernel_h * layer->shape.kernel_w);
  writer_line(out, 1, "constexpr int GROUPS = %d, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;",
              layer->shape.groups);
  writer_line(out, 1, "// A block transposes one square of SIDE x SIDE of the matrix of one tap and group.");
  writer_line(out, 1,
              "constexpr int SIDE = %d, ROWS = %d / SIDE, IN_SQUARES = (GROUP_IN + SIDE - 1) / SIDE, "
              "OUT_SQUARES = (GROUP_OUT + SIDE - 1) / SIDE;",
              SIDE, THREADS);
  writer_line(out, 1, "__shared__ real square[SIDE][SIDE + 1];");
  writer_line(out, 1,
              "const int block = blockIdx.x, matrix = block / (IN_SQUARES * OUT_SQUARES), tap = matrix / "
              "GROUPS, group = matrix %% GROUPS;");
  writer_line(out, 1,
              "const int first_in = block / OUT_SQUARES %% IN_SQUARES * SIDE, first_out = block %% "
              "OUT_SQUARES * SIDE;");
  writer_line(out, 1, "const int x = threadIdx.x %% SIDE, y = threadIdx.x / SIDE;");
  writer_line(out, 1, "for (int i = y; i < SIDE; i += ROWS)");
  writer_line(out, 2, "if (first_in + i < GROUP_IN && first_out + x < GROUP_OUT)");
  writer_line(
      out, 3,
      "square[i][x] = weight[(tap * GROUP_IN + first_in + i) * OUT_C + group * GROUP_OUT + first_out + x];");
  writer_line(out, 1, "__syncthreads();");
  writer_line(out, 1, "for (int o = y; o < SIDE; o += ROWS)");
  writer_line(out, 2, "if (first_out + o < GROUP_OUT && first_in + x < GROUP_IN)");
  writer_line(out, 3,
              "transposed[(tap * GROUP_OUT + first_out + o) * IN_C + group * GROUP_IN + first_in + x] = "
              "square[x][o];");
  writer_line(out, 1, "(void)batch;");
  strbuf_put(out, "}\n");
  return (MatrixKernel){.threads = THREADS,
                        .grid = {.fixed = (int64_t)layer->shape.kernel_h * layer->shape.kernel_w *
                                          layer->shape.groups * in_squares * out_squares,
                                 .per_block = 1}};
}
