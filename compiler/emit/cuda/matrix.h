// Text of the matrix kernels of CUDA, independent of the graph: shapes in, one __global__ function out. Convolutions
// and linear layers are one product of matrices each, whose left factor is never written down:
//
//            rows                         columns               terms of a sum
//   forward  pixels of y                  channels of y         taps x channels of x
//   dx       pixels of x (of one phase    channels of x         taps x channels of y
//            of the stride)
//   dweight  taps x channels of x         channels of y         pixels of y of a share of the batch
//
// for each group of channels. A linear layer is a convolution of images of one pixel.
#pragma once
#include "compiler/emit/cuda/around.h"
#include "compiler/emit/cuda/tile.h"
#include "compiler/emit/layer_shape.h"
#include "compiler/emit/writer.h"

typedef struct MatrixLayer {
  LayerShape shape;
  int elem_bytes; // 4 or 8
  int64_t batch;  // the full batch: how much work the tiles are chosen for
  TileMath math;  // how its products may be formed
  EmitChoices *choices;
  const Around *around; // what the product takes in; NULL: nothing
} MatrixLayer;

// What a written kernel needs from its launch.
typedef struct MatrixKernel {
  int threads;
  MlaGrid grid;
  int n_tickets;
  int use; // KernelDraft.use
} MatrixKernel;

// Each writes one function `symbol`. The comment gives its buffers, in order.
MatrixKernel matrix_forward(StrBuf *out, const char *symbol, const MatrixLayer *layer); // x, weight, y
MatrixKernel matrix_grad_input(StrBuf *out, const char *symbol,
                               const MatrixLayer *layer); // g, transposed weight, dx
// The same from the weight as it is: g, weight, dx.
MatrixKernel matrix_plain_grad_input(StrBuf *out, const char *symbol, const MatrixLayer *layer);
// x, g, dw; with several parts, sums over a share of the images each: x, g, partial[parts][weight], tickets, dw.
MatrixKernel matrix_grad_weight(StrBuf *out, const char *symbol, const MatrixLayer *layer, int parts);
// [kh, kw, in/groups, out] as [kh, kw, out/groups, in]: weight, transposed.
MatrixKernel matrix_transpose_weight(StrBuf *out, const char *symbol, const MatrixLayer *layer);

// Every pixel is a row of a matrix: no taps, no padding.
bool matrix_is_plain(const MatrixLayer *layer);

// Attention over x [batch, tokens, 1, 3 channels], the channels of q, k and v side by side.
typedef struct AttentionLayer {
  int64_t tokens, channels, heads;
  int elem_bytes;
} AttentionLayer;

MatrixKernel matrix_attention(StrBuf *out, const char *symbol, const AttentionLayer *layer);      // x, y
MatrixKernel matrix_attention_grad(StrBuf *out, const char *symbol, const AttentionLayer *layer); // g, x, dx

// ---- the skeletons: convolution.c, attention.c ----
void cuda_layer_forward(Emit *emit, const Node *node);
void cuda_layer_grad_input(Emit *emit, const Node *node);
void cuda_layer_grad_weight(Emit *emit, const Node *node);
void cuda_transpose_weight(Emit *emit, const Node *node);
void cuda_attention(Emit *emit, const Node *node);
void cuda_attention_grad(Emit *emit, const Node *node);
