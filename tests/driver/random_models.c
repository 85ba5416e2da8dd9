// Random pages: residual blocks, bottlenecks, pools, batch norm or none, splits anywhere, auxiliaries of several methods, any
// batch, precisions f32, f64 and bf16, both targets. Each is compiled (verify_plan replays its plan) and loaded on the device
// `null`: what the device allocates is what the plan says, the work memory is no less than its bound, and of nearly all no
// more than 1 % above it. With a limit (--memory) the chosen split's plan stays within it. `recompute on` never takes more
// than `off`. $MLAANC_RANDOM_MODELS: how many (default 60; 1000 take 10 s).
#include "compiler/driver/choose.h"
#include "compiler/driver/plan.h"
#include "compiler/driver/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_UNITS = 8, FAR = 10 /* one in FAR has a limit */ };

typedef struct Page {
  uint64_t seed;
  FILE *out;
  int n_units, n_modules;
} Page;

typedef struct Tally {
  int n_plans, n_near, n_failed, n_limits;
} Tally;

static int draw(Page *page, int n) {
  page->seed = page->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((page->seed >> 33) % (uint64_t)n);
}

// ---- the page ----

static void write_unit(Page *page, int unit, int *width, int *size) {
  FILE *out = page->out;
  fprintf(out, "  u%d = u%d | ", unit, unit - 1);
  bool can_halve = *size >= 8 && draw(page, 3) == 0;
  int stride = can_halve ? 2 : 1;
  if (draw(page, 3) == 0) *width = 4 * (1 + draw(page, 5));
  switch (draw(page, 6)) {
  case 0: fprintf(out, "conv(%d, 3, stride: %d) | relu\n", *width, stride); break;
  case 1:
    fprintf(out, "conv(%d, %d, stride: %d) | bn | relu\n", *width, 1 + 2 * draw(page, 3), stride);
    break;
  case 2:
    fprintf(out, "conv(%d, 1) | bn | gelu | %s\n", *width, can_halve ? "avg_pool(2, 2)" : "dropout(0.1)");
    break;
  case 3:
    fprintf(out, "bottleneck(%d, stride: %d, base_width: 32)\n", *width, stride);
    *width *= 4;
    break;
  default: fprintf(out, "basic(%d, stride: %d)\n", *width, stride);
  }
  if (can_halve) *size /= 2;
}

static void write_model(Page *page) {
  int width = 4 * (1 + draw(page, 4)), size = 8 + 2 * draw(page, 5);
  page->n_units = 2 + draw(page, MOST_UNITS - 1);
  fprintf(page->out,
          "data tiny { format idx  root \"none\"  classes %d  augment { crop %d }  normalize { mean [0.5]  "
          "std [0.5] } }\n",
          2 + draw(page, 12), size);
  fprintf(page->out, "model net {\n  input image[%d, %d, 1]\n  u0 = image | conv(%d, 3) | bn | relu\n", size,
          size, width);
  for (int u = 1; u <= page->n_units; u++) write_unit(page, u, &width, &size);
  fprintf(page->out, "  logits = u%d | avgpool | linear(classes)\n}\n", page->n_units);
}

static void write_split(Page *page) {
  page->n_modules = 1;
  fprintf(page->out, "split net");
  for (int u = 0; u < page->n_units; u++)
    if (draw(page, 2)) fprintf(page->out, "%s u%d", page->n_modules++ == 1 ? " at" : ",", u);
  if (page->n_modules == 1) fprintf(page->out, " into 1 at blocks");
  fputc('\n', page->out);
}

static void write_auxiliary(Page *page) {
  static const char *const bodies[] = {
      "loss cross_entropy(x | head_0c1f(classes), label)",
      "loss cross_entropy(x | head_2c2f(classes), label)\n  loss 5 * bce(x | decoder(image), restore(image))",
      "y = ema(next(1), 0.99)(x) + copy(next(1), init: fresh)(x)\n  loss cross_entropy(y | "
      "head_1c1f(classes), label)",
      "loss 0.1 * cross_entropy(x | head_0c1f(classes), label) as own\n"
      "  loss cross_entropy(cascade(min(2, index + 1)) | head_1c2f(classes), label) as pair",
      "let c = cascade(min(3, index + 1))\n  y = ema(next(1), 0.9, init: fresh)(c) + copy(next(1))(c)\n"
      "  loss cross_entropy(y | head_0c1f(classes), label) as far\n  loss 0.5 * cross_entropy(x | "
      "dgl_head(classes), label)",
      "loss 0.3 * cross_entropy(x | head_0c2f(classes), label) as pred\n"
      "  loss 0.7 * similarity(x | conv(channels(x), 3), label) as sim",
      "let head = head_0c1f(classes)\n  let h = floor(height(x) / 2)\n  let w = floor(width(x) / 2)\n"
      "  loss cross_entropy(x | slice(0, 0, h, w) | head, label)\n  loss cross_entropy(x | slice(h, w, h, w) "
      "| head, label)",
  };
  int n = sizeof bodies / sizeof *bodies;
  fprintf(page->out, "auxiliary local {\n  %s\n}\n", bodies[draw(page, n)]);
}

// f32 in half of the pages.
static const char *draw_precision(Page *page) {
  static const char *const precisions[] = {"f32", "f32", "f64", "bf16"};
  return precisions[draw(page, 4)];
}

static void write_page(Page *page, const char *path) {
  static const char *const optimizers[] = {"sgd(lr: 0.1)", "sgd(lr: 0.1, momentum: 0.9)", "adam(lr: 0.001)"};
  page->out = fopen(path, "w");
  if (!page->out) abort();
  fputs("import \"lib/resnet.mlaan\"\nimport \"lib/heads.mlaan\"\n", page->out);
  write_model(page);
  write_split(page);
  write_auxiliary(page);
  fprintf(page->out, "train { data tiny  batch %d  optimizer %s  precision %s  recompute %s }\n",
          2 + draw(page, 40), optimizers[draw(page, 3)], draw_precision(page), draw(page, 4) ? "off" : "on");
  fclose(page->out);
}

// ---- checks ----

static bool is_as_planned(const Session *session, Tally *tally) {
  PlanFacts facts = plan_facts(&session->compilation);
  int64_t work = facts.bytes.region[MLA_WORK], bound = facts.bytes.live_bound;
  tally->n_plans++;
  tally->n_near += work <= bound + bound / 100;
  if (session->loaded && session->loaded->n_bytes != facts.bytes.total)
    return printf("planned %lld, allocated %lld\n", (long long)facts.bytes.total,
                  (long long)session->loaded->n_bytes),
           false;
  if (work < bound)
    return printf("%lld bytes of work, the bound is %lld\n", (long long)work, (long long)bound), false;
  return true;
}

static bool is_no_larger(const Compilation *c, Options options) {
  if (!c->model || !c->model->recompute) return true;
  options.sets.items[options.sets.n++] = "train.recompute=off";
  Compilation kept;
  bool is_good = compile_begin(&kept, &options) == STATUS_OK;
  int64_t work = c->program->region_bytes[MLA_WORK], all = is_good ? kept.program->region_bytes[MLA_WORK] : 0;
  compile_end(&kept);
  if (work > all) printf("%lld bytes of work, without recompute %lld\n", (long long)work, (long long)all);
  return work <= all;
}

static bool check_page(const Options *options, Tally *tally, int64_t *bytes) {
  Session session;
  bool is_null = strcmp(options->device, "null") == 0; // other devices would compile kernels
  int status = is_null ? session_begin(&session, options) : session_compile(&session, options);
  bool is_good = status == STATUS_OK && is_as_planned(&session, tally);
  if (is_good) is_good = is_no_larger(&session.compilation, *options);
  if (is_good) *bytes = plan_facts(&session.compilation).bytes.total;
  session_end(&session);
  return is_good;
}

// No split may fit, which is said; one that is taken fits.
static bool check_limit(Options options, int64_t limit, Tally *tally) {
  char text[64];
  snprintf(text, sizeof text, "%.3fKiB", (double)limit / 1024);
  options.memory = text;
  options.is_silent = true;
  Compilation c;
  bool is_found = choose_begin(&c, &options) == STATUS_OK;
  bool is_good = !is_found || plan_facts(&c).bytes.total <= limit + 1;
  compile_end(&c);
  tally->n_limits += is_found;
  return is_good;
}

static void check_model(uint64_t seed, const char *path, Tally *tally) {
  Page page = {.seed = seed};
  for (int i = 0; i < 4; i++) draw(&page, 2);
  write_page(&page, path);
  Options options = {.input = path,
                     .epochs = -1,
                     .batch = -1,
                     .seed = -1,
                     .vector_bytes = -1,
                     .device = draw(&page, 4) ? "null" : "emulated-cuda",
                     .overlap = 1 + (draw(&page, 8) == 0)};
  int64_t bytes = 0;
  bool is_good = check_page(&options, tally, &bytes);
  if (is_good && draw(&page, FAR) == 0)
    is_good = check_limit(options, bytes * (60 + draw(&page, 60)) / 100, tally);
  tally->n_failed += !is_good;
  if (!is_good) printf("model %llu\n", (unsigned long long)seed);
}

int main(void) {
  const char *folder = getenv("TEST_TMP"), *count = getenv("MLAANC_RANDOM_MODELS");
  char path[4096];
  snprintf(path, sizeof path, "%s/model.mlaan", folder ? folder : ".");
  Tally tally = {0};
  for (uint64_t seed = 1, n = count ? strtoull(count, NULL, 10) : 60; seed <= n; seed++)
    check_model(seed, path, &tally);
  printf("%d plans, %d within 1 %% of their bound, %d limits kept, %d failed\n", tally.n_plans, tally.n_near,
         tally.n_limits, tally.n_failed);
  return tally.n_failed > 0 || tally.n_plans - tally.n_near > 2 + tally.n_plans / 100;
}
