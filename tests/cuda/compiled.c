// The kernels of shipped pages as NVRTC compiles them, without a GPU: to CUBINs, without registers that spill beyond the list in
// spills.txt (kernel's stem, most bytes, why). Pages at their own sizes: ResNet-32 by three methods for sm_90, end to end for the
// other architectures. With $MLAANC_ALL_KERNELS set, also by InfoPro, an ImageNet net and a vision transformer, all for all
// architectures, and all other shipped pages, made small. Skipped where NVRTC is not installed.
// timeout: 900
// label: slow
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/device/cuda/report.h"
#include "tests/cuda/pages.h"

static const int archs[] = {90, 80, 100, 120};
enum { N_ARCHS = sizeof archs / sizeof *archs };

static const Page full[] = {
    {"models/e2e.mlaan", ""},
    {"models/man.mlaan", ""},
    {"models/mlaan.mlaan", ""},
    {"models/infopro_softmax.mlaan", ""},
    {"models/greedy.mlaan", "--set dataset=imagenet --set backbone=resnet50 --set K=4"},
    {"models/manpp.mlaan",
     "--set dataset=imagenet --set backbone=vit_tiny --set K=4 --set base=token_head --set leaps=2"}};
enum { N_FULL = sizeof full / sizeof *full, N_USUAL = 3 };

static bool has_nvrtc(void) {
  Nvrtc nvrtc;
  MlaError error = {0};
  bool has = mla_nvrtc_open(&nvrtc, 0, &error);
  if (has)
    mla_nvrtc_close(&nvrtc);
  else
    printf("nothing is compiled: %s\n", error.text);
  return has;
}

// ---- the list of spills ----

// "STEM BYTES reason", # begins a comment. 0: not listed.
static int64_t allowed_bytes(const char *symbol) {
  char line[512], stem[256];
  long long bytes = 0, allowed = 0;
  FILE *file = fopen("tests/cuda/spills.txt", "r");
  if (!file) exit(EXIT_FAILURE);
  while (fgets(line, sizeof line, file))
    if (*line != '#' && sscanf(line, "%255s %lld", stem, &bytes) == 2 &&
        !strncmp(symbol, stem, strlen(stem)) && bytes > allowed)
      allowed = bytes;
  fclose(file);
  return allowed;
}

static int check_spill(const MlaKernel *kernel, const MlaKernelReport *report, int arch) {
  int64_t bytes = report->spill_store_bytes + report->spill_load_bytes,
          allowed = allowed_bytes(kernel->symbol);
  if (bytes == 0) return 0;
  printf("  sm_%d: %s spills %lld bytes (%d registers), %lld are allowed\n", arch, kernel->symbol,
         (long long)bytes, report->registers, (long long)allowed);
  return bytes > allowed;
}

// ---- compiling ----

static int check_pool(const KernelPool *pool, const MlaProgram *like, int arch) {
  MlaProgram program = pool_program(pool, like);
  MlaKernelReport *kernels = ARENA_ARRAY(pool->arena, MlaKernelReport, pool->n);
  MlaCudaReport report = {0};
  MlaError error = {0};
  if (!mla_cuda_report(&program, arch, &report, kernels, &error)) {
    fprintf(stderr, "sm_%d: %s\n", arch, error.text);
    return 1;
  }
  int n_wrong = 0, most = 0;
  for (int i = 0; i < pool->n; i++) {
    n_wrong += check_spill(&pool->kernels[i], &kernels[i], arch);
    if (kernels[i].registers > most) most = kernels[i].registers;
  }
  printf("sm_%d: %d different kernels of %s by NVRTC %d.%d in %.1f s, at most %d registers\n", report.arch,
         pool->n, like->elem == MLA_F64 ? "f64" : "f32", report.nvrtc_major, report.nvrtc_minor,
         report.seconds, most);
  fflush(stdout);
  return n_wrong;
}

static int check_pages(const Pages *pages, int arch) {
  KernelPool pools[2] = {{.arena = pages->arena}, {.arena = pages->arena}};
  const MlaProgram *like[2] = {NULL, NULL};
  int n_wrong = 0;
  for (int i = 0; i < pages->n; i++) {
    Compilation compiled = page_compile(pages->arena, &pages->pages[i], "--device emulated-cuda");
    bool is_double = compiled.program->elem == MLA_F64;
    pool_take(&pools[is_double], compiled.program);
    like[is_double] = compiled.program;
  }
  for (int i = 0; i < 2; i++)
    if (like[i]) n_wrong += check_pool(&pools[i], like[i], arch);
  return n_wrong;
}

int main(void) {
  if (!has_nvrtc()) return 77;
  const char *choice = getenv("MLAANC_ALL_KERNELS");
  bool is_all = choice && *choice;
  int n_wrong = 0;
  for (int a = 0; a < N_ARCHS; a++) {
    Arena *arena = arena_new();
    Pages pages = {.arena = arena};
    if (is_all) pages = pages_shipped(arena);
    int n = is_all ? N_FULL : a == 0 ? N_USUAL : 1;
    for (int i = 0; i < n; i++) pages_add(&pages, full[i].file, full[i].options);
    n_wrong += check_pages(&pages, archs[a]);
    arena_free(arena);
  }
  printf("%d wrong\n", n_wrong);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
