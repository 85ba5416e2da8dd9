// Initial values. Element i of a tensor, counted as files lay it out, is random number i of the stream named
// after the tensor: neither the layout, the element type nor the other tensors of the model have a say. A
// copy draws its original's numbers again instead of reading them back.
#include "runtime/data/rng.h"
#include "runtime/train/layout.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

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

// The values of a state as the device lays it out; the caller frees them. NULL: `error` is set.
static char *draw_state(const MlaProgram *program, const MlaState *state, uint64_t seed, MlaError *error) {
  const MlaState *original = find_original(program, state);
  if (!original) {
    mla_fail(error, MLA_ERROR_INPUT, "%s: is a copy of nothing that fits it", state->name);
    return NULL;
  }
  int64_t n = mla_n_elems(state);
  int elem_bytes = program->elem == MLA_F64 ? 8 : 4;
  // Values that the program spells out are in its own layout already.
  bool is_file_order = original->init != MLA_INIT_ZERO && original->init != MLA_INIT_VALUES;
  char *values = calloc((size_t)n + 1, (size_t)elem_bytes);
  char *drawn = is_file_order ? malloc((size_t)(n + 1) * (size_t)elem_bytes) : values;
  if (!values || !drawn) {
    free(values);
    if (is_file_order) free(drawn);
    mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %s (%" PRId64 " elements)", state->name, n);
    return NULL;
  }
  MlaRng rng = mla_rng_named(seed, original->name);
  for (int64_t i = 0; original->init != MLA_INIT_ZERO && i < n; i++)
    store(drawn, program->elem, i, initial_value(original, rng, i));
  if (is_file_order) {
    mla_from_file_layout(state, elem_bytes, drawn, values);
    free(drawn);
  }
  return values;
}

// ---- several threads: states are drawn by whoever is free, and handed to the device by one at a time ----

enum { MAX_DRAWERS = 16 };

typedef struct Drawing {
  MlaLoaded *loaded;
  uint64_t seed;
  pthread_mutex_t lock; // of what follows, and of the device
  int next;
  bool has_failed;
  MlaError error; // the first
} Drawing;

static int take_state(Drawing *drawing) {
  pthread_mutex_lock(&drawing->lock);
  int index = drawing->has_failed ? drawing->loaded->program->n_states : drawing->next++;
  pthread_mutex_unlock(&drawing->lock);
  return index;
}

static void *draw_states(void *self) {
  Drawing *drawing = self;
  MlaLoaded *loaded = drawing->loaded;
  const MlaProgram *program = loaded->program;
  int index;
  while ((index = take_state(drawing)) < program->n_states) {
    MlaError error = {0};
    char *values = draw_state(program, &program->states[index], drawing->seed, &error);
    pthread_mutex_lock(&drawing->lock);
    bool good = values && loaded->device->ops->upload(loaded, mla_state(loaded, index), values,
                                                      mla_state_bytes(program, index), &error);
    if (!good && !drawing->has_failed) {
      drawing->has_failed = true;
      drawing->error = error;
    }
    pthread_mutex_unlock(&drawing->lock);
    free(values);
  }
  return NULL;
}

bool mla_init_states(MlaLoaded *loaded, uint64_t seed, MlaError *error) {
  Drawing drawing = {.loaded = loaded, .seed = seed, .lock = PTHREAD_MUTEX_INITIALIZER};
  pthread_t threads[MAX_DRAWERS];
  long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
  int n = 0;
  while (n + 1 < n_cores && n < MAX_DRAWERS && pthread_create(&threads[n], NULL, draw_states, &drawing) == 0)
    n++;
  draw_states(&drawing);
  while (n > 0) pthread_join(threads[--n], NULL);
  pthread_mutex_destroy(&drawing.lock);
  if (drawing.has_failed && error) *error = drawing.error;
  return !drawing.has_failed;
}
