// Text of the convolution and matrix kernels for the CPU, independent of the graph: shapes in, C function out.
// Used by the emit_conv_* / emit_linear_* skeletons; tested and timed alone.
#pragma once
#include "compiler/support/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

// x [batch, in_h, in_w, in_c], weight [kernel_h, kernel_w, in_c/groups, out_c], y [batch, out_h, out_w, out_c].
typedef struct ConvSpec {
  int in_h, in_w, in_c, out_h, out_w, out_c;
  int kernel_h, kernel_w, stride, pad, groups;
  int elem_bytes;   // 4 or 8
  int vector_bytes; // 64, 32 or 16
} ConvSpec;

// What a written kernel needs from its launch. The kernel's buffers, in order, are given with each function.
typedef struct ConvKernel {
  int64_t scratch_bytes; // per worker
  int parts;             // fixed by shape alone
  int64_t partial_bytes; // size of the partial-sum buffer (grad_weight), else 0
} ConvKernel;

// Each writes one function `symbol` (ABI in runtime/program.h), using only the prelude, and says what it needs.
ConvKernel conv_write_forward(StrBuf *out, const char *symbol, const ConvSpec *spec);      // x, weight, y
ConvKernel conv_write_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec);   // g, transposed weight, dx
ConvKernel conv_write_grad_weight(StrBuf *out, const char *symbol, const ConvSpec *spec);  // x, g, partial[parts][weight]
// Sums the partials in order: partial, dw. `n_partials` as `parts` of the kernel above.
ConvKernel conv_write_grad_weight_finish(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials);
// weight [kh, kw, in_c/groups, out_c] -> transposed [kh, kw, out_c/groups, in_c] per group: weight, transposed.
ConvKernel conv_write_transpose_weight(StrBuf *out, const char *symbol, const ConvSpec *spec);
