// The CUDA kernels of all cases (see harness.c), each operator alone and as pass_fuse groups them, in float and double:
//   - NVRTC compiles them for sm_90, where it is installed;
//   - the emulated-cuda device runs them, and every result is the host reference's.
// timeout: 900
#include "tests/ops/case_graph.h"
#include "tests/ops/cuda_nvrtc.h"
#include "tests/ops/cuda_program.h"
#include <glob.h>

static bool is_matrix(OpKind op) {
  static const OpKind ops[] = {
      OP_conv2d,        OP_conv2d_grad_input, OP_conv2d_grad_weight, OP_transpose_weight,
      OP_linear,        OP_linear_grad_input, OP_attention,          OP_linear_grad_weight,
      OP_attention_grad};
  for (int i = 0; i < 9; i++)
    if (ops[i] == op) return true;
  return false;
}

// Element bytes, vector bytes, and images that the plan has more than the run.
static const KernelConfig configs[2] = {{4, 16, 2, &cuda_skeletons, is_matrix},
                                        {8, 16, 0, &cuda_skeletons, is_matrix}};

static void add_case(void *data, Case *c) {
  KernelSet *sets = data;
  if (c->error || c->fails) return;
  case_train(c);
  Values *values = ARENA_NEW(c->arena, Values);
  *values = host_values(c);
  host_run(c, values, c->graph->n_nodes);
  for (int i = 0; i < 2; i++) kernel_add_case(&sets[i], c, values);
}

static int report(const KernelSet *set, const KernelRun *run, const char *what) {
  fprintf(stderr, "%s: %s: kernel_%d (%s, %d bytes) %s\n", run->c->file, run->c->title, run->symbols[0],
          run->drafts[0].stem, set->config.elem_bytes, what);
  return 1;
}

static int check_run(const CudaProgram *program, MlaLoaded *loaded, CudaRun *run, double *worst) {
  MlaError error = {0};
  bool is_double = program->set->config.elem_bytes == 8;
  double off = cuda_run(program, loaded, run, &error);
  if (error.text[0]) return report(program->set, run->run, error.text);
  *worst = fmax(*worst, off);
  if (off <= (is_double ? 1e-11 : run->run->c->rough)) return 0;
  return report(program->set, run->run, arena_printf(program->set->arena, "is off by %.2e", off));
}

// Returns the failures.
static int check_results(const KernelSet *set) {
  int n_failures = 0;
  double worst = 0;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {0};
  CudaProgram program;
  cuda_program(&program, set, nvrtc_prelude(set));
  if (!mla_device_open(&device, "emulated-cuda", &options, &error)) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }
  MlaLoaded *loaded = device.ops->load(&device, &program.program, &error);
  if (!loaded) fprintf(stderr, "%s\n", error.text);
  for (int i = 0; i < set->n_runs && loaded; i++)
    n_failures += check_run(&program, loaded, &program.runs[i], &worst);
  printf("%d bytes: %d runs of %d kernels under the emulation, worst %.1e\n", set->config.elem_bytes,
         set->n_runs, set->n_texts, worst);
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
  return n_failures + !loaded;
}

int main(int argc, char **argv) {
  Arena *arena = arena_new(), *scratch = arena_new();
  KernelSet sets[2];
  for (int i = 0; i < 2; i++) sets[i] = (KernelSet){.arena = arena, .config = configs[i]};
  glob_t files = {0};
  if (argc < 2 && glob("tests/ops/*.case", 0, NULL, &files)) return 1;
  for (size_t i = 0; i < files.gl_pathc; i++)
    case_file_read(files.gl_pathv[i], arena, scratch, add_case, sets);
  for (int i = 1; i < argc; i++) case_file_read(argv[i], arena, scratch, add_case, sets);
  int n_failures = 0;
  for (int i = 0; i < 2; i++) n_failures += nvrtc_check(&sets[i]);
  for (int i = 0; i < 2; i++) n_failures += check_results(&sets[i]);
  globfree(&files);
  arena_free(scratch);
  arena_free(arena);
  return n_failures ? 1 : 0;
}
