// Groups that are alike share their text (compiler/emit/alike.c): the program must be the one in which every group's text
// was written by itself, down to each launch's buffers.
#include "compiler/driver/compile.h"

#include <stdio.h>
#include <string.h>

static bool same_buffer(const MlaProgram *a, int i, const MlaProgram *b, int k) {
  if (i < 0 || k < 0) return i == k;
  const MlaBuffer *x = &a->buffers[i], *y = &b->buffers[k];
  return x->region == y->region && x->offset == y->offset && x->n_bytes == y->n_bytes && x->elem == y->elem &&
         !strcmp(x->name, y->name);
}

static bool same_list(const MlaProgram *a, const int32_t *x, int n_x, const MlaProgram *b, const int32_t *y,
                      int n_y) {
  bool same = n_x == n_y;
  for (int i = 0; i < n_x && same; i++) same = same_buffer(a, x[i], b, y[i]);
  return same;
}

static bool same_launch(const MlaProgram *a, const MlaLaunch *x, const MlaProgram *b, const MlaLaunch *y) {
  return x->kernel == y->kernel && x->parts == y->parts && x->flops == y->flops && x->n_bytes == y->n_bytes &&
         !memcmp(&x->grid, &y->grid, sizeof x->grid) && !strcmp(x->name, y->name) &&
         same_list(a, x->buffers, x->n_buffers, b, y->buffers, y->n_buffers) &&
         same_list(a, x->reads, x->n_reads, b, y->reads, y->n_reads) &&
         same_list(a, x->writes, x->n_writes, b, y->writes, y->n_writes);
}

static int compare_steps(const MlaProgram *a, const MlaStep *x, const MlaProgram *b, const MlaStep *y) {
  if (x->n_launches != y->n_launches) return printf("launches: %d and %d\n", x->n_launches, y->n_launches), 1;
  for (int i = 0; i < x->n_launches; i++)
    if (!same_launch(a, &x->launches[i], b, &y->launches[i]))
      return printf("launch %d differs: %s\n", i, x->launches[i].name), 1;
  return 0;
}

static int compare(const MlaProgram *a, const MlaProgram *b) {
  if (a->n_kernels != b->n_kernels) return printf("kernels: %d and %d\n", a->n_kernels, b->n_kernels), 1;
  for (int i = 0; i < a->n_kernels; i++)
    if (strcmp(a->kernels[i].text, b->kernels[i].text) != 0 ||
        strcmp(a->kernels[i].symbol, b->kernels[i].symbol) != 0)
      return printf("kernel %s differs\n", a->kernels[i].symbol), 1;
  return compare_steps(a, &a->train, b, &b->train) + compare_steps(a, &a->eval, b, &b->eval);
}

static int check(const char *page, const char *set, bool is_cuda) {
  Options options = {.input = page, .batch = 8, .epochs = -1, .seed = -1, .vector_bytes = -1, .overlap = -1};
  options.device = is_cuda ? "emulated-cuda" : "cpu";
  if (set) options.sets.items[options.sets.n++] = set;
  Compilation c;
  int n_wrong = 1;
  if (compile_begin(&c, &options) == STATUS_OK) {
    EmitOptions emit = {.target = is_cuda ? EMIT_CUDA : EMIT_C,
                        .precision = c.model->recipe.precision,
                        .map = c.map,
                        .is_each_written = true};
    n_wrong = compare(c.program, emit_program(c.arena, c.model, &emit));
  }
  if (n_wrong) printf("%s%s%s for %s\n", page, set ? " with " : "", set ? set : "", options.device);
  compile_end(&c);
  return n_wrong;
}

int main(void) {
  static const struct {
    const char *page, *set;
  } models[] = {{"models/e2e.mlaan", "train.optimizer=adam"},
                {"models/man.mlaan", "K=4"},
                {"models/mlaan.mlaan", NULL},
                {"models/contsup.mlaan", NULL},
                {"models/hpff.mlaan", NULL},
                {"models/predsim_vgg.mlaan", NULL},
                {"models/infopro_softmax.mlaan", NULL},
                {"tests/cli/dropout.mlaan", NULL}};
  int n_wrong = 0;
  for (size_t i = 0; i < sizeof models / sizeof *models; i++)
    for (int is_cuda = 0; is_cuda < 2; is_cuda++) n_wrong += check(models[i].page, models[i].set, is_cuda);
  return n_wrong != 0;
}
