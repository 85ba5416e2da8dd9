// What a product takes in, as functions in front of its kernel. A convolution works on a few images at a time:
//
//   SYMBOL_before   their operand, once what comes before the product is done to it, in scratch
//   the product     of these images, into memory or (if nobody else reads it) into scratch
//   SYMBOL_behind   what comes behind it, and the part's sums
//
// so what is handed on stays in the nearest caches.
#pragma once
#include "compiler/emit/c/conv.h"
#include "compiler/emit/writer.h"

// Writes the functions into `text` and says how the kernel calls them. NULL where the group's product takes nothing in.
// `spec`: the product, without what stands around it. `refs`: the buffers of the launch, with room for one more; `n`: their number.
const ConvAround *conv_around(Emit *emit, const ConvSpec *spec, StrBuf *text, BufferRef **refs, int *n);
// Adds the launch that adds up the parts' sums, if there are any. `pixels`: of an image of the product.
void conv_around_finish(Emit *emit, const char *stem, int64_t pixels);
