// Initial values. Element i of a tensor, counted as files lay it out, is random number i of the stream named
// after the tensor: neither the layout, the element type nor the other tensors of the model have a say. A
// copy draws its original's numbers again instead of reading them back.
#include "runtime/data/rng.h"
#include "runtime/train/layout.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <stdlib.h>

static double initial_value(const MlaState *state, MlaRng rng, int64_t i) {
  switch (state->init) {
  case MLA_INIT_ONE: return 1;
  case MLA_INIT_NORMAL: return state->init_arg * mla_rng_normal(rng, (uint64_t)i);
  case MLA_INIT_UNIFORM: return state->init_arg * (2 * mla_rng_uniform(rng, (uint64_t)i) - 1);
  case MLA_INIT_VALUES: return state->init_values[i];
  case MLA_INIT_ZERO:
  case MLA_INIT_COPY: break;
  }
  return 0;
}

static void store(void *to, MlaElem elem, int64_t i, double value) {
  if (elem == MLA_F64)
    ((double *)to)[i] = value;
  else
    ((float *)to)[i] = (float)value;
}

// Follows copies to the tensor that says its own values; NULL if they run in a circle or change the size.
static const MlaState *find_original(const MlaProgram *program, const MlaState *state) {
  const MlaState *original = state;
  for (int hops = 0; original->init == MLA_INIT_COPY; hops++) {
    if (hops > program->n_states || original->source < 0 || original->source >= program->n_states)
      return NULL;
    original = &program->states[original->source];
  }
  return mla_n_elems(original) == mla_n_elems(state) ? original : NULL;
}

static bool init_state(MlaLoaded *loaded, int index, uint64_t seed, MlaError *error) {
  const MlaProgram *program = loaded->program;
  const MlaState *state = &program->states[index], *original = find_original(program, state);
  if (!original)
    return mla_fail(error, MLA_ERROR_INPUT, "%s: is a copy of nothing that fits it", state->name);
  int64_t n = mla_n_elems(state);
  int elem_bytes = program->elem == MLA_F64 ? 8 : 4;
  char *memory = malloc(2 * (size_t)n * (size_t)elem_bytes + 1), *here = memory + n * elem_bytes;
  if (!memory)
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %s (%" PRId64 " elements)", state->name, n);
  MlaRng rng = mla_rng_named(seed, original->name);
  for (int64_t i = 0; i < n; i++) store(memory, program->elem, i, initial_value(original, rng, i));
  // Values that the program spells out are in its own layout already.
  if (original->init != MLA_INIT_VALUES) mla_from_file_layout(state, elem_bytes, memory, here);
  const char *values = original->init == MLA_INIT_VALUES ? memory : here;
  bool good = loaded->device->ops->upload(loaded, mla_state(loaded, index), values, n * elem_bytes, error);
  free(memory);
  return good;
}

bool mla_init_states(MlaLoaded *loaded, uint64_t seed, MlaError *error) {
  for (int i = 0; i < loaded->program->n_states; i++)
    if (!init_state(loaded, i, seed, error)) return false;
  return true;
}
