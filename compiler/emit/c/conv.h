// Text of the convolution and matrix kernels for the CPU, independent of the graph: shapes in, C function
// out. Used by the emit_conv_* / emit_linear_* skeletons; tested and timed alone.
//
// A kernel keeps a register tile of accumulators, each a named variable: output pixels x vectors of output
// channels. Taps that fall into the padding are left out statically (columns) or by loop bounds (rows), so
// nothing is padded or copied. A linear layer is a convolution of 1x1 images; those and pointwise
// convolutions run over all pixels of the batch as rows of one matrix product.
#pragma once
#include "compiler/emit/layer_shape.h"
#include "compiler/support/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

// How a kernel is cut; 0: by estimate. Whichever way, sums are added in the same order.
typedef struct ConvCut {
  int n_vecs;     // vectors of channels in a tile or pass
  int more_tiles; // along a row of pixels, beyond the fewest
  int pixels;     // weight gradient: of a block, at least
} ConvCut;

enum { CONV_MAX_BESIDE = 4 };

// What stands around a product, as functions that are written in front of its kernel (conv_around.h).
typedef struct ConvAround {
  bool has_before, has_behind;
  int64_t fetched; // elements that an image before the product is made of
  bool fetched_is_bf16, beside_is_bf16[CONV_MAX_BESIDE]; // how they are stored
  int result;                                            // buffer of the product itself, -1: it is not stored
  int n_beside, beside[CONV_MAX_BESIDE]; // buffers as large as the result that are read behind the product
  int parts;      // shares of the images, fixed by the plan where there are sums; 0: none
  int64_t n_sums; // elements that a part's sums take in scratch
  int64_t spare;  // elements of scratch that the functions use
} ConvAround;

typedef struct ConvSpec {
  LayerShape shape;
  int elem_bytes;            // 4 or 8
  int vector_bytes;          // 64, 32 or 16
  int64_t batch;             // the full batch: how much work there is to divide into parts
  bool x_is_bf16, y_is_bf16; // how x (or its gradient) and y (or its cotangent) are stored
  bool is_paired;            // products of bf16, two at a time; weights are float32 masters; no groups
  ConvCut cut;
  const ConvAround *around; // NULL: nothing
} ConvSpec;

// The first image of a share, as C text; takes shares - 1 and shares. The first share is never empty.
#define CONV_SHARE(share) "(batch * " share " + %d) / %d"

// Elements of the images that such a kernel works on at a time: they stay in the second-level cache.
enum { CONV_TURN_ELEMS = 16 * 1024 };

// What a written kernel needs from its launch.
typedef struct ConvKernel {
  int64_t scratch_bytes; // per worker
  int parts;             // fixed by shape alone; the kernel must be launched with exactly as many
} ConvKernel;

// Each writes one function `symbol` (ABI in runtime/program.h) and static helpers that start with the same
// name, using only the prelude's vector types, and says what it needs. The comment gives the kernel's
// buffers, in order.
ConvKernel conv_write_forward(StrBuf *out, const char *symbol, const ConvSpec *spec); // x, weight, y
ConvKernel conv_write_grad_input(StrBuf *out, const char *symbol,
                                 const ConvSpec *spec); // g, transposed weight, dx
// Linear layers only (1x1 images): the same with the weight [in, out] as it is: g, weight, dx.
ConvKernel conv_write_linear_grad_input(StrBuf *out, const char *symbol, const ConvSpec *spec);
// x, g, partial[n_partials][weight]: one sum over a share of the images each. With one partial that is dw
// itself. What `around` has before x is done to the images of a turn.
ConvKernel conv_write_grad_weight(StrBuf *out, const char *symbol, const ConvSpec *spec, int n_partials);
// Sums the partials in order: partial, dw.
ConvKernel conv_write_grad_weight_finish(StrBuf *out, const char *symbol, const ConvSpec *spec,
                                         int n_partials);
// weight [kh, kw, in_c/groups, out_c] -> transposed [kh, kw, out_c/groups, in_c] per group: weight,
// transposed.
ConvKernel conv_write_transpose_weight(StrBuf *out, const char *symbol, const ConvSpec *spec);
