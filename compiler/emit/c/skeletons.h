// The skeletons of emitted C: one function a kernel, (buffers, batch, scratch, part, parts). See Skeletons in writer.h.
#pragma once
#include "compiler/emit/writer.h"

void c_point(Emit *emit);
void c_reduce(Emit *emit);
// The loops of the two, over rows begin..end: one pass that computes and stores; the same with sums, added to sums[].
void point_rows(Emit *emit, StrBuf *out);
void reduce_blocks(Emit *emit, StrBuf *out, const char *used);
void c_gather(Emit *emit);
void c_separable(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient);
// The same for images first..first + n_images of buf[0], into `staged`: lines of a function, left in the body.
void c_separable_images(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient);
void c_mean(Emit *emit, const Node *node, const char *term);
void c_rows(Emit *emit, const Node *node);
void c_images(Emit *emit, const Node *node);
void c_pairs(Emit *emit, const Node *node, int rows, bool is_combined);
void c_update(Emit *emit, const UpdateRun *run, const char *rates, const char *element);
void c_layer_forward(Emit *emit, const Node *node);
void c_layer_grad_input(Emit *emit, const Node *node);
void c_layer_grad_weight(Emit *emit, const Node *node);
void c_transpose_weight(Emit *emit, const Node *node);
void c_attention(Emit *emit, const Node *node);
void c_attention_grad(Emit *emit, const Node *node);
void c_running(Emit *emit, const Node *node);
