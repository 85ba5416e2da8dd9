// The two layouts of a tensor: as the program holds it and as files hold it (PyTorch's: convolutions OIHW,
// linear layers [out, in], what stands on a flattened image channel by channel). For this folder and runtime/replay.
#pragma once
#include "runtime/program.h"

int64_t mla_n_elems(const MlaState *state);
void mla_file_dims(const MlaState *state, int64_t dim[MLA_MAX_RANK]); // as many as state->rank
void mla_to_file_layout(const MlaState *state, int elem_bytes, const void *here, void *in_file);
void mla_from_file_layout(const MlaState *state, int elem_bytes, const void *in_file, void *here);

// What a checkpoint holds: which states, and the type of their elements.
bool mla_is_saved(const MlaState *state);
int mla_elem_bytes(const MlaProgram *program);
const char *mla_dtype_of(const MlaProgram *program);  // "F32"
int64_t mla_largest_state(const MlaProgram *program); // bytes
