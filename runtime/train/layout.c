// A layout is a permutation of the dimensions; one walk in the file's order serves both directions. The features of a flattened
// image are two dimensions: positions of channels here, channels of positions in files.
#include "runtime/train/layout.h"

#include <string.h>

// Dimension d of the file is dimension order[d] here.
static const int *dimension_order(const MlaState *state) {
  static const int plain[] = {0, 1, 2, 3}, conv[] = {3, 2, 0, 1}, linear[] = {1, 0, 2, 3};
  if (state->layout == MLA_LAYOUT_CONV && state->rank == 4) return conv;
  if (state->layout == MLA_LAYOUT_LINEAR && state->rank == 2) return linear;
  return plain;
}

int64_t mla_n_elems(const MlaState *state) {
  int64_t n = 1;
  for (int d = 0; d < state->rank; d++) n *= state->dim[d];
  return n;
}

void mla_file_dims(const MlaState *state, int64_t dim[MLA_MAX_RANK]) {
  const int *order = dimension_order(state);
  for (int d = 0; d < state->rank; d++) dim[d] = state->dim[order[d]];
}

typedef struct Form { // of a tensor, as it is walked
  int rank;
  int64_t dim[MLA_MAX_RANK];
  const int *order;
} Form;

static Form form_of(const MlaState *state) {
  static const int features[] = {1, 0}, weight[] = {2, 1, 0};
  Form form = {.rank = state->rank, .order = dimension_order(state)};
  bool is_flattened = state->positions > 1 && (state->rank == 1 || state->rank == 2);
  if (is_flattened) {
    form.order = state->rank == 1 ? features : weight;
    form.rank++;
    form.dim[0] = state->positions;
    form.dim[1] = state->dim[0] / state->positions;
    form.dim[2] = state->dim[1];
  } else {
    memcpy(form.dim, state->dim, sizeof form.dim);
  }
  return form;
}

// Copies every element; `gather`: from here to the file, else the other way.
static void permute(const MlaState *state, int elem_bytes, char *here, char *in_file, bool gather) {
  Form form = form_of(state);
  int64_t extent[MLA_MAX_RANK], stride[MLA_MAX_RANK];
  for (int d = 0; d < MLA_MAX_RANK; d++) {
    int from = d < form.rank ? form.order[d] : d;
    extent[d] = d < form.rank ? form.dim[from] : 1;
    stride[d] = elem_bytes;
    for (int k = from + 1; k < form.rank; k++) stride[d] *= form.dim[k];
  }
  for (int64_t a = 0; a < extent[0]; a++)
    for (int64_t b = 0; b < extent[1]; b++)
      for (int64_t c = 0; c < extent[2]; c++)
        for (int64_t d = 0; d < extent[3]; d++, in_file += elem_bytes) {
          char *place = here + a * stride[0] + b * stride[1] + c * stride[2] + d * stride[3];
          memcpy(gather ? in_file : place, gather ? place : in_file, (size_t)elem_bytes);
        }
}

void mla_to_file_layout(const MlaState *state, int elem_bytes, const void *here, void *in_file) {
  permute(state, elem_bytes, (char *)(uintptr_t)here, in_file, true); // only read
}

void mla_from_file_layout(const MlaState *state, int elem_bytes, const void *in_file, void *here) {
  permute(state, elem_bytes, here, (char *)(uintptr_t)in_file, false); // only read
}
