// Initial values. Element i of a tensor, counted as files lay it out, is random number i of the stream named
// after the tensor: neither the layout, the element type nor the other tensors of the model have a say. A
// copy has its original's numbers: they are drawn once and handed to both.
#include "runtime/data/rng.h"
#include "runtime/train/layout.h"
#include "runtime/train/train.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 };

// Values of elements first .. first + n of a tensor that says its own.
static void initial_values(const MlaState *state, MlaRng rng, int64_t first, int n, double *values) {
  switch (state->init) {
  case MLA_INIT_NORMAL:
    mla_rng_normals(rng, (uint64_t)first, n, values);
    for (int i = 0; i < n; i++) values[i] *= state->init_arg;
    break;
  case MLA_INIT_UNIFORM:
    for (int i = 0; i < n; i++)
      values[i] = state->init_arg * (2 * mla_rng_uniform(rng, (uint64_t)(first + i)) - 1);
    break;
  case MLA_INIT_ONE:
  case MLA_INIT_VALUES:
    for (int i = 0; i < n; i++) values[i] = state->init == MLA_INIT_ONE ? 1 : state->init_values[first + i];
    break;
  case MLA_INIT_ZERO:
  case MLA_INIT_COPY: memset(values, 0, sizeof *values * (size_t)n);
  }
}

static void store(void *to, MlaElem elem, int64_t first, int n, const double *values) {
  for (int i = 0; i < n; i++)
    if (elem == MLA_F64)
      ((double *)to)[first + i] = values[i];
    else
      ((float *)to)[first + i] = (float)values[i];
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

// Of a tensor that says its own values, as files lay it out; the caller frees them. NULL: `error` is set.
static char *draw_values(const MlaProgram *program, const MlaState *state, uint64_t seed, MlaError *error) {
  int64_t n = mla_n_elems(state);
  char *values = calloc((size_t)n + 1, program->elem == MLA_F64 ? 8 : 4);
  if (!values) {
    mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %s (%" PRId64 " elements)", state->name, n);
    return NULL;
  }
  MlaRng rng = mla_rng_named(seed, state->name);
  double block[BLOCK];
  for (int64_t i = 0; state->init != MLA_INIT_ZERO && i < n; i += BLOCK) {
    int n_block = n - i < BLOCK ? (int)(n - i) : BLOCK;
    initial_values(state, rng, i, n_block, block);
    store(values, program->elem, i, n_block, block);
  }
  return values;
}

// ---- several threads: states are drawn by whoever is free, and handed to the device by one at a time ----

enum { MAX_DRAWERS = 16 };

typedef struct Drawing {
  MlaLoaded *loaded;
  uint64_t seed;
  int *first_copy, *next_copy; // [n_states] the copies of a tensor, in a list; -1 ends it
  pthread_mutex_t lock;        // of what follows, and of the device
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

static bool upload(Drawing *drawing, int index, const char *values, MlaError *error) {
  MlaLoaded *loaded = drawing->loaded;
  pthread_mutex_lock(&drawing->lock);
  bool good = loaded->device->ops->upload(loaded, mla_state(loaded, index), values,
                                          mla_state_bytes(loaded->program, index), error);
  pthread_mutex_unlock(&drawing->lock);
  return good;
}

// Values that the program spells out, and zeros, are in the device's layout already.
static bool hand_over(Drawing *drawing, const MlaState *original, int index, const char *values,
                      MlaError *error) {
  const MlaProgram *program = drawing->loaded->program;
  const MlaState *state = &program->states[index];
  bool is_laid_out = original->init == MLA_INIT_ZERO || original->init == MLA_INIT_VALUES;
  if (is_laid_out) return upload(drawing, index, values, error);
  int elem_bytes = program->elem == MLA_F64 ? 8 : 4;
  char *laid_out = malloc((size_t)(mla_n_elems(state) + 1) * (size_t)elem_bytes);
  if (!laid_out) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for %s", state->name);
  mla_from_file_layout(state, elem_bytes, values, laid_out);
  bool good = upload(drawing, index, laid_out, error);
  free(laid_out);
  return good;
}

static bool draw_state(Drawing *drawing, int index, MlaError *error) {
  const MlaState *state = &drawing->loaded->program->states[index];
  if (state->init == MLA_INIT_COPY) return true; // its original's affair
  char *values = draw_values(drawing->loaded->program, state, drawing->seed, error);
  bool good = values && hand_over(drawing, state, index, values, error);
  for (int copy = drawing->first_copy[index]; good && copy >= 0; copy = drawing->next_copy[copy])
    good = hand_over(drawing, state, copy, values, error);
  free(values);
  return good;
}

static void *draw_states(void *self) {
  Drawing *drawing = self;
  int index;
  while ((index = take_state(drawing)) < drawing->loaded->program->n_states) {
    MlaError error = {0};
    if (draw_state(drawing, index, &error)) continue;
    pthread_mutex_lock(&drawing->lock);
    if (!drawing->has_failed) drawing->error = error;
    drawing->has_failed = true;
    pthread_mutex_unlock(&drawing->lock);
  }
  return NULL;
}

static bool list_copies(Drawing *drawing, MlaError *error) {
  const MlaProgram *program = drawing->loaded->program;
  size_t n = (size_t)program->n_states + 1;
  drawing->first_copy = malloc(n * sizeof *drawing->first_copy);
  drawing->next_copy = malloc(n * sizeof *drawing->next_copy);
  if (!drawing->first_copy || !drawing->next_copy) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; i < program->n_states; i++) drawing->first_copy[i] = -1;
  for (int i = program->n_states - 1; i >= 0; i--) {
    const MlaState *state = &program->states[i], *original = find_original(program, state);
    if (!original)
      return mla_fail(error, MLA_ERROR_INPUT, "%s: is a copy of nothing that fits it", state->name);
    if (original == state) continue;
    drawing->next_copy[i] = drawing->first_copy[original - program->states];
    drawing->first_copy[original - program->states] = i;
  }
  return true;
}

static void draw_all(Drawing *drawing) {
  pthread_t threads[MAX_DRAWERS];
  long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
  int n = 0;
  while (n + 1 < n_cores && n < MAX_DRAWERS && pthread_create(&threads[n], NULL, draw_states, drawing) == 0)
    n++;
  draw_states(drawing);
  while (n > 0) pthread_join(threads[--n], NULL);
}

bool mla_init_states(MlaLoaded *loaded, uint64_t seed, MlaError *error) {
  Drawing drawing = {.loaded = loaded, .seed = seed, .lock = PTHREAD_MUTEX_INITIALIZER};
  bool good = list_copies(&drawing, error);
  if (good) draw_all(&drawing);
  free(drawing.first_copy);
  free(drawing.next_copy);
  pthread_mutex_destroy(&drawing.lock);
  if (good && drawing.has_failed && error) *error = drawing.error;
  return good && !drawing.has_failed;
}
