// Checks of a program, room by room of the structure. What a kernel's text does with its buffers cannot be
// checked; everything the runtime itself relies on is.
#include "runtime/program_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024, MAX_SHARED = 1 << 18, MAX_BLOCKS = INT32_MAX };
enum {
  MAX_PARTS = 1 << 20,
  MAX_SYMBOL = 200,
  MAX_SIDE = 1 << 14,
  MAX_COUNT = 1 << 24,
  MAX_WORKERS = 1024,
  MAX_LOG_STEPS = 1 << 16
};
static const int64_t max_bytes = INT64_C(1) << 48, max_per_image = INT64_C(1) << 38;

typedef struct Check {
  const MlaProgram *program;
  MlaError *error;
} Check;

static bool fail_at(Check *c, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail_at(Check *c, const char *where, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return mla_fail(c->error, MLA_ERROR_INPUT, "%s: %s", where, text);
}

// A place in the program, such as "states[3].dim[0]".
typedef struct Place {
  char text[128];
} Place;
static Place place(const char *format, ...) __attribute__((format(printf, 1, 2)));
static Place place(const char *format, ...) {
  Place p;
  va_list args;
  va_start(args, format);
  vsnprintf(p.text, sizeof p.text, format, args);
  va_end(args);
  return p;
}

static bool in_range(Check *c, const char *where, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return true;
  return fail_at(c, where, "%" PRId64 " is not between %" PRId64 " and %" PRId64, value, low, high);
}

static bool is_index(Check *c, const char *where, int64_t value, int64_t low, int64_t n, const char *what) {
  if (value >= low && value < n) return true;
  return fail_at(c, where, "%" PRId64 " is not a %s: there are %" PRId64, value, what, n);
}

static bool has_name(Check *c, const char *where, const char *name) {
  return name || fail_at(c, where, "there is no name");
}

bool mla_is_symbol(const char *text) {
  size_t n = text ? strlen(text) : 0;
  if (!n || n > MAX_SYMBOL || (text[0] >= '0' && text[0] <= '9')) return false;
  return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

void mla_kernel_file(const MlaProgram *program, const MlaKernel *kernel, char name[MLA_KERNEL_FILE_BYTES]) {
  snprintf(name, MLA_KERNEL_FILE_BYTES, "kernels/%s.%s", kernel->file ? kernel->file : kernel->symbol,
           program->target == MLA_TARGET_CUDA ? "cu" : "c");
}

bool mla_kernel_is_first(const MlaProgram *program, int kernel, char name[MLA_KERNEL_FILE_BYTES]) {
  char other[MLA_KERNEL_FILE_BYTES];
  mla_kernel_file(program, &program->kernels[kernel], name);
  for (int i = 0; i < kernel; i++) {
    mla_kernel_file(program, &program->kernels[i], other);
    if (strcmp(name, other) == 0) return false;
  }
  return true;
}

const char *mla_prelude_file(MlaTarget target) {
  return target == MLA_TARGET_CUDA ? "prelude.cuh" : "prelude.h";
}

static int64_t elem_bytes(MlaElem elem) {
  return elem == MLA_F64 ? 8 : elem == MLA_BF16 ? 2 : 4;
}

static bool check_head(Check *c) {
  const MlaProgram *p = c->program;
  if (!has_name(c, "model", p->model)) return false;
  if ((unsigned)p->target > MLA_TARGET_CUDA) return fail_at(c, "target", "unknown");
  if (p->elem != MLA_F32 && p->elem != MLA_F64) return fail_at(c, "elem", "neither f32 nor f64");
  for (int i = 0; i < MLA_N_REGIONS; i++)
    if (!in_range(c, place("region_bytes[%d]", i).text, p->region_bytes[i], 0, max_bytes)) return false;
  return true;
}

// Whether [offset, offset + n_bytes) lies in the region and is aligned for its elements.
static bool in_region(Check *c, const char *where, MlaRegion region, int64_t offset, int64_t n_bytes,
                      int64_t alignment) {
  if ((unsigned)region >= MLA_N_REGIONS) return fail_at(c, where, "region %d does not exist", (int)region);
  int64_t size = c->program->region_bytes[region];
  if (offset < 0 || n_bytes < 0 || n_bytes > size || offset > size - n_bytes)
    return fail_at(c, where, "bytes %" PRId64 " to %" PRId64 " leave their region of %" PRId64, offset,
                   offset + n_bytes, size);
  if (offset % alignment)
    return fail_at(c, where, "offset %" PRId64 " is not a multiple of %" PRId64, offset, alignment);
  return true;
}

static bool check_buffers(Check *c) {
  const MlaProgram *p = c->program;
  for (int i = 0; i < p->n_buffers; i++) {
    const MlaBuffer *b = &p->buffers[i];
    Place at = place("buffers[%d]", i);
    if (!has_name(c, at.text, b->name)) return false;
    if ((unsigned)b->elem > MLA_BF16) return fail_at(c, at.text, "unknown element type");
    if (!in_range(c, at.text, b->n_bytes, 0, max_bytes) || !in_range(c, at.text, b->offset, 0, max_bytes) ||
        !in_region(c, at.text, b->region, b->offset, b->n_bytes, elem_bytes(b->elem)))
      return false;
  }
  return true;
}

static int compare_symbols(const void *a, const void *b) {
  return strcmp((*(const MlaKernel *const *)a)->symbol, (*(const MlaKernel *const *)b)->symbol);
}

static bool check_unique(Check *c) {
  int n = c->program->n_kernels;
  const MlaKernel **sorted = malloc(sizeof *sorted * (size_t)(n + 1));
  if (!sorted) return mla_fail(c->error, MLA_ERROR_SYSTEM, "out of memory");
  for (int i = 0; i < n; i++) sorted[i] = &c->program->kernels[i];
  qsort(sorted, (size_t)n, sizeof *sorted, compare_symbols);
  bool good = true;
  for (int i = 1; i < n && good; i++)
    if (strcmp(sorted[i - 1]->symbol, sorted[i]->symbol) == 0)
      good = fail_at(c, "kernels", "two are called `%s`", sorted[i]->symbol);
  free(sorted);
  return good;
}

static bool check_kernels(Check *c) {
  int least_threads = c->program->target == MLA_TARGET_CUDA;
  for (int i = 0; i < c->program->n_kernels; i++) {
    const MlaKernel *k = &c->program->kernels[i];
    Place at = place("kernels[%d].symbol", i);
    if (!mla_is_symbol(k->symbol))
      return fail_at(c, at.text, "not a C identifier of at most %d letters", MAX_SYMBOL);
    if (!k->text) return fail_at(c, at.text, "there is no text");
    if (k->file && !mla_is_symbol(k->file))
      return fail_at(c, place("kernels[%d].file", i).text, "not a C identifier");
    if (!in_range(c, place("kernels[%d].scratch_bytes", i).text, k->scratch_bytes, 0, max_bytes) ||
        !in_range(c, place("kernels[%d].threads", i).text, k->threads, least_threads, MAX_THREADS) ||
        !in_range(c, place("kernels[%d].shared_bytes", i).text, k->shared_bytes, 0, MAX_SHARED))
      return false;
  }
  return check_unique(c);
}

// The blocks of any batch up to the full one must be a number that a launch can take.
static bool check_grid(Check *c, const char *where, const MlaGrid *grid) {
  if (!in_range(c, place("%s.per_image", where).text, grid->per_image, 0, max_per_image) ||
      !in_range(c, place("%s.fixed", where).text, grid->fixed, 0, max_bytes) ||
      !in_range(c, place("%s.per_block", where).text, grid->per_block, c->program->target == MLA_TARGET_CUDA,
                INT32_MAX) ||
      !in_range(c, place("%s.most", where).text, grid->most, 0, MAX_BLOCKS))
    return false;
  return c->program->target != MLA_TARGET_CUDA ||
         in_range(c, where, mla_blocks(grid, c->program->recipe.batch), 1, MAX_BLOCKS);
}

static bool check_touched(Check *c, Place at, const int32_t *list, int n) {
  for (int i = 0; i < n; i++)
    if (!is_index(c, place("%s[%d]", at.text, i).text, list[i], 0, c->program->n_buffers, "buffer"))
      return false;
  return true;
}

static int64_t of_batch(const Check *c, int64_t n, bool by_image) {
  return by_image ? n * c->program->recipe.batch : n;
}

static bool check_factor(Check *c, Place at, const MlaLaunch *launch, int index, int64_t a, int64_t b) {
  if (!is_index(c, at.text, index, 0, launch->n_buffers, "buffer")) return false;
  int buffer = launch->buffers[index];
  return (buffer >= 0 && a <= c->program->buffers[buffer].n_bytes / elem_bytes(c->program->elem) / b) ||
         fail_at(c, at.text, "the buffer has fewer than %" PRId64 " x %" PRId64 " elements", a, b);
}

static bool check_product(Check *c, Place at, const MlaLaunch *launch) {
  const MlaProduct *p = &launch->product;
  if (p->columns == 0) return true;
  if (!in_range(c, place("%s.rows", at.text).text, p->rows, 1, MAX_COUNT) ||
      !in_range(c, place("%s.columns", at.text).text, p->columns, 1, MAX_COUNT) ||
      !in_range(c, place("%s.terms", at.text).text, p->terms, 1, MAX_COUNT))
    return false;
  int64_t rows = of_batch(c, p->rows, p->rows_by_image), terms = of_batch(c, p->terms, p->terms_by_image);
  return check_factor(c, place("%s.left", at.text), launch, p->left, rows, terms) &&
         check_factor(c, place("%s.right", at.text), launch, p->right, terms, p->columns) &&
         check_factor(c, place("%s.result", at.text), launch, p->result, rows, p->columns);
}

static bool check_launch(Check *c, const char *list, int index, const MlaLaunch *launch) {
  const MlaProgram *p = c->program;
  Place at = place("%s[%d]", list, index);
  if (!has_name(c, at.text, launch->name)) return false;
  if (launch->kernel == -1 && !launch->host)
    return fail_at(c, at.text, "neither a kernel nor a host function");
  if (!is_index(c, place("%s.kernel", at.text).text, launch->kernel, -1, p->n_kernels, "kernel"))
    return false;
  if (!in_range(c, place("%s.parts", at.text).text, launch->parts, 1, MAX_PARTS) ||
      !check_grid(c, place("%s.grid", at.text).text, &launch->grid) ||
      !is_index(c, place("%s.module", at.text).text, launch->module, 0, p->n_modules, "module") ||
      !in_range(c, place("%s.flops", at.text).text, launch->flops, 0, INT64_MAX) ||
      !in_range(c, place("%s.n_bytes", at.text).text, launch->n_bytes, 0, INT64_MAX))
    return false;
  for (int k = 0; k < launch->n_buffers; k++)
    if (!is_index(c, place("%s.buffers[%d]", at.text, k).text, launch->buffers[k], -1, p->n_buffers,
                  "buffer"))
      return false;
  return check_touched(c, place("%s.reads", at.text), launch->reads, launch->n_reads) &&
         check_touched(c, place("%s.writes", at.text), launch->writes, launch->n_writes) &&
         check_product(c, place("%s.product", at.text), launch);
}

// A buffer that the runtime itself fills or reads: there, and large enough.
static bool check_port(Check *c, const char *step, const char *key, int buffer, int64_t n_bytes) {
  Place at = place("%s.%s", step, key);
  if (!is_index(c, at.text, buffer, -1, c->program->n_buffers, "buffer")) return false;
  if (buffer < 0 || c->program->buffers[buffer].n_bytes >= n_bytes) return true;
  return fail_at(c, at.text, "buffer %d has %" PRId64 " bytes; %" PRId64 " are needed", buffer,
                 c->program->buffers[buffer].n_bytes, n_bytes);
}

// One launch a packet, which is its first buffer.
static bool check_prepare(Check *c, const char *name, const MlaStep *step) {
  const MlaProgram *p = c->program;
  Place list = place("%s.prepare", name);
  if (step->n_prepare == 0) return true;
  if (step->n_prepare != MLA_N_PACKETS || !p->packet.n_bytes)
    return fail_at(c, list.text, "%d launches, and packets of %" PRId64 " bytes", step->n_prepare,
                   p->packet.n_bytes);
  for (int i = 0; i < step->n_prepare; i++) {
    const MlaLaunch *launch = &step->prepare[i];
    if (!check_launch(c, list.text, i, launch)) return false;
    if (launch->kernel < 0) return fail_at(c, place("%s[%d].kernel", list.text, i).text, "there is none");
    if (launch->n_buffers < 1 || launch->buffers[0] < 0 ||
        p->buffers[launch->buffers[0]].n_bytes < p->packet.n_bytes)
      return fail_at(c, place("%s[%d]", list.text, i).text, "its first buffer is no packet");
  }
  return true;
}

static bool check_step(Check *c, const char *name, const MlaStep *step) {
  const MlaProgram *p = c->program;
  for (int i = 0; i < step->n_launches; i++)
    if (!check_launch(c, place("%s.launches", name).text, i, &step->launches[i])) return false;
  if (!check_prepare(c, name, step)) return false;
  int64_t elem = elem_bytes(p->elem), batch = p->recipe.batch;
  int64_t image = (int64_t)p->data.height * p->data.width * p->data.channels;
  return check_port(c, name, "image", step->image, batch * image * elem) &&
         check_port(c, name, "label", step->label, batch * 4) &&
         check_port(c, name, "learning_rate", step->learning_rate, mla_n_rates(&p->recipe) * elem) &&
         check_port(c, name, "keys", step->keys, 8) &&
         check_port(c, name, "output", step->output, batch * p->data.classes * elem) &&
         in_range(c, place("%s.work_bytes", name).text, step->work_bytes, 0, p->region_bytes[MLA_WORK]);
}

static int64_t port_bytes(const MlaProgram *p, int buffer) {
  return buffer < 0 ? 0 : p->buffers[buffer].n_bytes;
}

// A part of the packet from `begin` to `end`: `wanted` bytes have room, and whole numbers begin there.
static bool check_part(Check *c, const char *key, int64_t begin, int64_t end, int64_t wanted) {
  if (begin >= 0 && begin % 8 == 0 && end <= max_bytes && end - begin >= wanted) return true;
  return fail_at(c, place("packet.%s", key).text,
                 "%" PRId64 " bytes are needed from byte %" PRId64 " to %" PRId64, wanted, begin, end);
}

static bool check_packet(Check *c) {
  const MlaProgram *p = c->program;
  const MlaPacket *packet = &p->packet;
  int64_t batch = p->recipe.batch, image = (int64_t)p->data.height * p->data.width * p->data.channels;
  if (packet->n_bytes == 0) return true;
  return check_part(c, "keys", 0, packet->keys, port_bytes(p, p->train.learning_rate)) &&
         check_part(c, "rows", packet->keys, packet->rows, port_bytes(p, p->train.keys)) &&
         check_part(c, "pixels", packet->rows, packet->pixels, batch * (int64_t)sizeof(MlaImageRow)) &&
         check_part(c, "n_bytes", packet->pixels, packet->n_bytes, batch * image);
}

static bool check_log(Check *c) {
  const MlaLog *log = &c->program->log;
  if (!in_range(c, "log.n_steps", log->n_steps, 0, MAX_LOG_STEPS)) return false;
  if (log->n_steps && log->buffer < 0) return fail_at(c, "log.buffer", "there is none");
  int64_t row = (int64_t)2 * c->program->n_losses * elem_bytes(c->program->elem);
  return !log->n_steps || check_port(c, "log", "buffer", log->buffer, MLA_LOG_HEAD + log->n_steps * row);
}

static bool check_extents(Check *c, const char *where, const MlaState *s, int64_t *n_elems) {
  if (!in_range(c, place("%s.rank", where).text, s->rank, 0, MLA_MAX_RANK)) return false;
  *n_elems = 1;
  for (int k = 0; k < s->rank; k++) {
    if (!in_range(c, place("%s.dim[%d]", where, k).text, s->dim[k], 1, INT32_MAX)) return false;
    if (s->dim[k] > max_bytes / 8 / *n_elems) return fail_at(c, where, "the tensor is too large");
    *n_elems *= s->dim[k];
  }
  if ((unsigned)s->layout > MLA_LAYOUT_LINEAR) return fail_at(c, where, "unknown layout");
  int features = s->layout == MLA_LAYOUT_LINEAR ? 2 : 1; // ranks that may stand on a flattened image
  if (s->positions < 0 || (s->positions > 1 && (s->rank != features || s->dim[0] % s->positions != 0)))
    return fail_at(c, where, "%d positions do not divide its features", s->positions);
  int rank = s->layout == MLA_LAYOUT_CONV ? 4 : s->layout == MLA_LAYOUT_LINEAR ? 2 : s->rank;
  return s->rank == rank ||
         fail_at(c, where, "the layout needs rank %d and the tensor has rank %d", rank, s->rank);
}

static bool same_extents(const MlaState *a, const MlaState *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0;
}

static bool check_init(Check *c, const char *where, const MlaState *s, int index) {
  if ((unsigned)s->init > MLA_INIT_COPY) return fail_at(c, where, "unknown initialiser");
  if (!isfinite(s->init_arg)) return fail_at(c, where, "init_arg is not finite");
  if (s->init == MLA_INIT_VALUES && !s->init_values) return fail_at(c, where, "there are no init_values");
  if (s->init != MLA_INIT_COPY) return true;
  Place at = place("%s.source", where);
  if (!is_index(c, at.text, s->source, 0, c->program->n_states, "state")) return false;
  const MlaState *source = &c->program->states[s->source];
  if (s->source >= index && source->init == MLA_INIT_COPY)
    return fail_at(c, at.text, "state %d is a copy that comes later", s->source);
  return same_extents(s, source) || fail_at(c, at.text, "state %d has another shape", s->source);
}

static bool check_states(Check *c) {
  const MlaProgram *p = c->program;
  for (int i = 0; i < p->n_states; i++) {
    const MlaState *s = &p->states[i];
    Place at = place("states[%d]", i);
    int64_t n_elems, elem = elem_bytes(p->elem);
    if (!has_name(c, at.text, s->name) || !check_extents(c, at.text, s, &n_elems)) return false;
    if (s->region == MLA_WORK) return fail_at(c, at.text, "a state cannot be in the work region");
    if (!in_region(c, at.text, s->region, s->offset, n_elems * elem, elem) || !check_init(c, at.text, s, i))
      return false;
    if (!is_index(c, place("%s.module", at.text).text, s->module, 0, p->n_modules, "module")) return false;
  }
  return true;
}

static bool check_modules(Check *c) {
  const MlaProgram *p = c->program;
  if (p->n_modules < 1) return fail_at(c, "modules", "there are none");
  for (int i = 0; i < p->n_modules; i++) {
    const MlaModule *m = &p->modules[i];
    Place at = place("modules[%d]", i);
    if (!has_name(c, at.text, m->name)) return false;
    if (m->n_params < 0 || m->n_aux_params < 0 || m->n_ema < 0 || m->forward_macs < 0 || m->step_flops < 0 ||
        m->activation_bytes < 0)
      return fail_at(c, at.text, "a count is negative");
  }
  for (int i = 0; i < p->n_losses; i++) {
    const MlaLoss *loss = &p->losses[i];
    Place at = place("losses[%d]", i);
    if (!has_name(c, at.text, loss->name) ||
        !is_index(c, place("%s.module", at.text).text, loss->module, 0, p->n_modules, "module") ||
        !check_port(c, at.text, "term", loss->term, elem_bytes(p->elem)) ||
        !check_port(c, at.text, "value", loss->value, elem_bytes(p->elem)))
      return false;
  }
  return true;
}

static bool check_data(Check *c) {
  const MlaData *d = &c->program->data;
  if (!has_name(c, "data.name", d->name) || !has_name(c, "data.format", d->format)) return false;
  if (!in_range(c, "data.classes", d->classes, 1, MAX_COUNT) ||
      !in_range(c, "data.height", d->height, 1, MAX_SIDE) ||
      !in_range(c, "data.width", d->width, 1, MAX_SIDE) ||
      !in_range(c, "data.channels", d->channels, 1, MLA_MAX_CHANNELS) ||
      !in_range(c, "data.pad", d->pad, 0, MAX_SIDE) || !in_range(c, "data.crop", d->crop, 0, MAX_SIDE) ||
      !in_range(c, "data.center", d->center, 0, MAX_SIDE) ||
      !in_range(c, "data.resize", d->resize, 0, MAX_SIDE) ||
      !in_range(c, "data.random_resized_crop", d->random_resized_crop, 0, MAX_SIDE) ||
      !in_range(c, "data.workers", d->workers, 0, MAX_WORKERS))
    return false;
  if ((unsigned)d->pad_mode > MLA_PAD_REFLECT) return fail_at(c, "data.pad_mode", "unknown");
  if ((unsigned)d->on_bad > MLA_BAD_SKIP) return fail_at(c, "data.on_bad", "unknown");
  if (d->n_mean && d->n_mean != d->channels)
    return fail_at(c, "data.mean", "%d values for %d channels", d->n_mean, d->channels);
  for (int i = 0; i < d->n_mean; i++)
    if (!isfinite(d->mean[i]) || !(d->std[i] > 0) || !isfinite(d->std[i]))
      return fail_at(c, place("data.std[%d]", i).text, "mean and std must be finite, and std positive");
  return true;
}

static bool check_recipe(Check *c) {
  const MlaRecipe *r = &c->program->recipe;
  if (!in_range(c, "recipe.batch", r->batch, 1, MAX_COUNT) ||
      !in_range(c, "recipe.epochs", r->epochs, 1, INT32_MAX) ||
      !in_range(c, "recipe.start", r->start, 0, 1) || !in_range(c, "recipe.every", r->every, 0, INT32_MAX) ||
      !in_range(c, "recipe.warmup", r->warmup, 0, INT32_MAX) ||
      !in_range(c, "recipe.milestones", r->n_milestones, 0, MLA_MAX_MILESTONES))
    return false;
  if ((unsigned)r->optimizer > MLA_ADAMW) return fail_at(c, "recipe.optimizer", "unknown");
  if ((unsigned)r->schedule > MLA_SCHEDULE_STEP) return fail_at(c, "recipe.schedule", "unknown");
  if ((unsigned)r->precision >= MLA_N_PRECISIONS) return fail_at(c, "recipe.precision", "unknown");
  if (c->program->elem != mla_elem_of(r->precision))
    return fail_at(c, "recipe.precision", "not that of the buffers");
  const double reals[] = {r->lr,    r->momentum, r->weight_decay, r->beta1,
                          r->beta2, r->eps,      r->warmup_start, r->factor};
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
    if (!isfinite(reals[i])) return fail_at(c, "recipe", "a number is not finite");
  return true;
}

bool mla_program_check(const MlaProgram *program, MlaError *error) {
  Check c = {program, error};
  return check_head(&c) && check_data(&c) && check_recipe(&c) && check_modules(&c) && check_buffers(&c) &&
         check_kernels(&c) && check_states(&c) && check_step(&c, "train", &program->train) &&
         check_step(&c, "eval", &program->eval) && check_packet(&c) && check_log(&c);
}
