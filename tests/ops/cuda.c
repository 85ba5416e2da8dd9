// The CUDA kernels of all cases (see harness.c), each operator alone and as pass_fuse groups them, in float and double:
//   - NVRTC compiles them for sm_90, where it is installed; those in double, the same texts, only with $MLAANC_ALL_KERNELS;
//   - the emulated-cuda device ($MLAANC_TEST_DEVICE: or another) runs them, and every result is the host reference's.
// timeout: 900
// label: slow
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

#define TAKEN_IN                                                                                             \
  { true, true, true, true, true, false, false }
// Element bytes, vector bytes, and images that the plan has more than the run.
static const KernelConfig configs[2] = {
    {4, 16, 2, &cuda_skeletons, is_matrix, TAKEN_IN, MLA_PRECISION_F32, NULL},
    {8, 16, 0, &cuda_skeletons, is_matrix, TAKEN_IN, MLA_PRECISION_F64, NULL}};

static void add_case(void *data, Case *c) {
  KernelSet *sets = data;
  if (c->error || c->fails) return;
  case_train(c);
  Values *values = ARENA_NEW(c->arena, Values);
  *values = host_values(c);
  host_run(c, values, c->graph->n_nodes);
  for (int i = 0; i < 2; i++) kernel_add_case(&sets[i], c, values);
}

static int check_run(const CudaProgram *program, MlaLoaded *loaded, CudaRun *run, double *worst) {
  MlaError error = {0};
  const KernelRun *from = run->run;
  double off = cuda_results(program, loaded, run, &error);
  *worst = fmax(*worst, off);
  if (off <= (program->set->config.elem_bytes == 8 ? 1e-11 : from->c->rough)) return 0;
  fprintf(stderr, "%s: %s: kernel_%d (%s, %d bytes) is off by %.2e\n", from->c->file, from->c->title,
          from->symbols[0], from->drafts[0].stem, program->set->config.elem_bytes, off);
  return 1;
}

static int fault(const MlaError *error) {
  fprintf(stderr, "%s\n", error->text);
  return 1;
}

// The cases of one batch. Returns the failures.
static int check_batch(MlaDevice *device, const KernelSet *set, int64_t batch, double *worst) {
  int n_failures = 0;
  MlaError error = {0};
  CudaProgram program;
  cuda_program(&program, set, batch);
  if (program.n_runs == 0) return 0;
  MlaLoaded *loaded = device->ops->load(device, &program.program, &error);
  if (!loaded) return fault(&error);
  bool is_run = cuda_run(&program, loaded, &error);
  if (!is_run) n_failures = fault(&error);
  for (int i = 0; i < program.n_runs && is_run; i++)
    n_failures += check_run(&program, loaded, &program.runs[i], worst);
  device->ops->unload(loaded);
  return n_failures;
}

static int check_results(const KernelSet *set, const char *name) {
  int n_failures = 0;
  int64_t most = 0;
  double worst = 0;
  MlaError error = {0};
  MlaDevice device;
  MlaDeviceOptions options = {0};
  if (!mla_device_open(&device, name, &options, &error)) return fault(&error);
  for (int i = 0; i < set->n_runs; i++)
    if (set->runs[i].c->batch > most) most = set->runs[i].c->batch;
  for (int64_t batch = 1; batch <= most; batch++) n_failures += check_batch(&device, set, batch, &worst);
  printf("%d bytes: %d runs of %d kernels on %s, worst %.1e\n", set->config.elem_bytes, set->n_runs,
         set->n_texts, name, worst);
  mla_device_close(&device);
  return n_failures;
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
  const char *device = getenv("MLAANC_TEST_DEVICE");
  for (int i = 0; i < (getenv("MLAANC_ALL_KERNELS") ? 2 : 1); i++) n_failures += nvrtc_check(&sets[i]);
  for (int i = 0; i < 2; i++) n_failures += check_results(&sets[i], device ? device : "emulated-cuda");
  globfree(&files);
  arena_free(scratch);
  arena_free(arena);
  return n_failures ? 1 : 0;
}
