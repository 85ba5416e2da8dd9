// What a product takes in (GROUP_PRODUCT in ir/kernel.h), whatever the target: the operators before and behind it write
// their lines as for a kernel of their own, by an Emit of their own, with the tensor that the product fetches (or what it
// has summed) at hand under a name.
#pragma once
#include "compiler/emit/writer.h"

// The lines before the product, from `fetched`; Part.given of the result is the tensor that is fetched. NULL: there are
// none. `first_buffer` is the number of their first operand.
Emit *around_before(Emit *emit, int first_buffer);
// The lines behind it, from `product`, and those of a reduction.
Emit *around_behind(Emit *emit, int first_buffer);
// True if the kernel stores the value.
bool around_is_stored(const Group *group, NodeId id);
// Declares what the lines read (store) and adds it to the launch's buffers.
void around_operands(Emit *emit, const Emit *lines, StrBuf *out, BufferRef *refs, int *n);
void around_outputs(Emit *emit, const Emit *lines, StrBuf *out, BufferRef *refs, int *n);
// The number of rows of the tensor whose lines these are, where `used` asks for it.
void around_rows(const Emit *lines, StrBuf *out, const char *used);
const char *around_all_lines(Emit *emit, const Emit *lines);
// A kernel's name tells what it takes in by the last operator before and behind the product.
const char *around_stem(Emit *emit, const char *stem);
