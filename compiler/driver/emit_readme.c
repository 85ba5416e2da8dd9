// The index of an emitted folder: README.md says what each file and kernel is, steps.md lists the launches of a step in
// their order. Both are written from the program alone, so a plan that was loaded again has the same.
#include "compiler/driver/emit_trainer.h"
#include "compiler/ir/op.h"
#include "runtime/program_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A launch is called "stage1.0/conv1 conv2d_3x3_16x16_32x32"; the layer is what comes before the kernel.
static int layer_length(const MlaLaunch *launch) {
  const char *space = strrchr(launch->name, ' ');
  return space ? (int)(space - launch->name) : (int)strlen(launch->name);
}

static double mib(int64_t n_bytes) {
  return (double)n_bytes / (1 << 20);
}

// ---- files and kernels ----

// What a kernel does in one training step.
typedef struct Share {
  int n_launches;
  int64_t n_bytes, flops;
  const MlaLaunch *first;
} Share;

static Share share_of(const MlaLaunch *launches, int n_launches, int kernel) {
  Share share = {0};
  for (int i = 0; i < n_launches; i++) {
    const MlaLaunch *launch = &launches[i];
    if (launch->kernel != kernel) continue;
    if (!share.first) share.first = launch;
    share.n_launches++;
    share.n_bytes += launch->n_bytes;
    share.flops += launch->flops;
  }
  return share;
}

// Of the sequences that launch the kernel the first counts. Each packet has a prepare launch; a step needs one.
static void print_kernel_row(FILE *out, const MlaProgram *program, int kernel) {
  const MlaStep *train = &program->train, *eval = &program->eval;
  const struct {
    const MlaLaunch *launches;
    int n;
    const char *when;
  } sequences[] = {{train->launches, train->n_launches, ""},
                   {train->prepare, train->n_prepare > 0, " before a step"},
                   {eval->launches, eval->n_launches, " of an evaluation"},
                   {eval->prepare, eval->n_prepare > 0, " before an evaluation"}};
  for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
    Share share = share_of(sequences[i].launches, sequences[i].n, kernel);
    if (!share.first) continue;
    fprintf(out, "| `%s` | %d%s | `%.*s`%s | %s | %.2f | %.3f |\n", program->kernels[kernel].symbol,
            share.n_launches, sequences[i].when, layer_length(share.first), share.first->name,
            share.n_launches > 1 ? ", ..." : "", share.first->shape ? share.first->shape : "",
            mib(share.n_bytes), (double)share.flops * 1e-9);
    return;
  }
}

static void print_kernel_file(FILE *out, const MlaProgram *program, const char *name) {
  char other[MLA_KERNEL_FILE_BYTES];
  fprintf(out,
          "\n### %s\n\n| kernel | launches | for | writes | MiB | GFLOP |\n| --- | --- | --- | --- | --- | "
          "--- |\n",
          name);
  for (int i = 0; i < program->n_kernels; i++) {
    mla_kernel_file(program, &program->kernels[i], other);
    if (strcmp(name, other) == 0) print_kernel_row(out, program, i);
  }
}

static void print_kernels(FILE *out, const MlaProgram *program) {
  char name[MLA_KERNEL_FILE_BYTES];
  fprintf(out,
          "\n## Kernels\n\nLaunches, bytes moved and operations are those of one training step with a batch "
          "of %" PRId64 ". A kernel serves all layers\nof equal shape; its opening comment names them, the "
          "lines of the model, and the "
          "operators it computes.\n",
          program->recipe.batch);
  for (int i = 0; i < program->n_kernels; i++)
    if (mla_kernel_is_first(program, i, name)) print_kernel_file(out, program, name);
}

// ---- operators: those that a kernel's opening comment names, `//   %2 relu(%1) : ...` ----

static bool is_in_comments(const MlaProgram *program, const char *operator) {
  char wanted[80];
  int n = snprintf(wanted, sizeof wanted, " %s(", operator);
  for (int i = 0; i < program->n_kernels; i++) {
    for (const char *line = strstr(program->kernels[i].text, "//   %"); line;
         line = strstr(line + 1, "//   %")) {
      const char *space = strchr(line + 6, ' ');
      if (space && strncmp(space, wanted, (size_t)n) == 0) return true;
    }
  }
  return false;
}

static void print_operators(FILE *out, const MlaProgram *program) {
  fputs("\n## Operators\n\nAs the kernels' opening comments and names have them:\n\n| operator | what it is "
        "|\n| --- | --- |\n",
        out);
  for (int op = OP_none + 1; op < N_OPS; op++) {
    const OpInfo *info = op_info((OpKind)op);
    if (is_in_comments(program, info->name)) fprintf(out, "| `%s` | %s |\n", info->name, info->doc);
  }
}

// ---- the readme ----

static void print_modules(FILE *out, const MlaProgram *program) {
  fputs("\n## Modules\n\nNo gradient crosses from a module into the one before it, but that of a loss that "
        "trains several "
        "(a cascade).\n\n"
        "| module | parameters | of its auxiliary | EMA copies | GFLOP a step |\n| --- | --- | --- | --- | "
        "--- |\n",
        out);
  for (int i = 0; i < program->n_modules; i++) {
    const MlaModule *module = &program->modules[i];
    fprintf(out, "| %s | %" PRId64 " | %" PRId64 " | %" PRId64 " | %.3f |\n", module->name, module->n_params,
            module->n_aux_params, module->n_ema,
            (double)module->step_flops * (double)program->recipe.batch * 1e-9);
  }
}

static bool trainer_reads(const char *format) {
  static const char *const known[] = {
#define FORMAT(name, doc) #name,
#include "runtime/standalone/formats.def"
#undef FORMAT
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i], format) == 0) return true;
  return false;
}

static void print_trainer(FILE *out, const MlaProgram *program) {
  fprintf(out,
          "| `trainer.c` | the stand-alone trainer: options, then the runtime's step loop |\n"
          "| `model.c`, `kernels.c` | the plan as C; where its kernels are |\n"
          "| `runtime/`, `linked.[ch]`, `unread.c` | mlaanc's runtime: data, step loop, checkpoints, the "
          "CUDA device |\n"
          "| `Makefile`, `files.mk` | builds `trainer` with nvcc |\n"
          "\n## Build and run\n\n"
          "    make -j                      # needs nvcc, a C compiler and zlib; ARCH=sm_90 for another GPU "
          "than this one's\n"
          "    ./trainer --data %s --run-dir run\n\n"
          "It writes what `mlaanc run` writes: `run/metrics.jsonl`, and checkpoints that `mlaanc eval` reads "
          "and\n"
          "`mlaanc run --resume` goes on from. Data: %s%s.\n\n"
          "    make -j PROFILE=1            # kernels with line numbers\n"
          "    nsys profile --cuda-graph-trace=node -o step ./trainer --max-steps 20\n"
          "    ncu --graph-profiling node --set full --import-source yes -k regex:conv2d -c 10 -o conv "
          "./trainer --max-steps 2\n\n"
          "`MLAANC_CUDA_CHECK=1 ./trainer` launches kernel by kernel and waits for each: a fault names its "
          "launch.\n",
          program->data.root ? program->data.root : "DIR", program->data.format,
          trainer_reads(program->data.format)
              ? ""
              : ", which this trainer does not read: `mlaanc run` of this folder does");
}

static void print_readme(FILE *out, const MlaProgram *program) {
  bool is_cuda = program->target == MLA_TARGET_CUDA;
  fprintf(
      out,
      "# `%s`, compiled by mlaanc for %s\n\n%d modules, %d kernels, %d launches a step, batch %" PRId64
      ".\n\n| file | what it is |\n| --- | --- |\n"
      "| `steps.md` | every launch of a step, in order: layer, kernel, shape, bytes, line of the model |\n"
      "| `kernels/` | the kernels, by kind; each opens with the layers it serves |\n"
      "| `%s` | what all kernels share: vectors, `mla_*` functions |\n"
      "| `plan.json` | the whole plan, for `mlaanc run` and `mlaanc eval` of this folder |\n",
      program->model, is_cuda ? "CUDA" : "the CPU", program->n_modules, program->n_kernels,
      program->train.n_launches, program->recipe.batch, mla_prelude_file(program->target));
  if (is_cuda) print_trainer(out, program);
  print_modules(out, program);
  print_kernels(out, program);
  print_operators(out, program);
}

// ---- the steps ----

static void print_table(FILE *out, const char *title) {
  fprintf(out,
          "\n### %s\n\n| | layer | kernel | writes | MiB | MFLOP | from |\n"
          "| --- | --- | --- | --- | --- | --- | --- |\n",
          title);
}

static void print_launch(FILE *out, const MlaProgram *program, const MlaLaunch *launch, int number) {
  fprintf(out, "| %d | %.*s | `%s` | %s | %.2f | %.1f | %s |\n", number, layer_length(launch), launch->name,
          program->kernels[launch->kernel].symbol, launch->shape ? launch->shape : "", mib(launch->n_bytes),
          (double)launch->flops * 1e-6, launch->source ? launch->source : "");
}

static void print_step(FILE *out, const MlaProgram *program, const MlaStep *step, const char *title) {
  int module = -1;
  fprintf(out, "\n## %s: %d launches\n", title, step->n_launches);
  if (step->n_prepare > 0) {
    print_table(out, "before: the batch, from its bytes");
    print_launch(out, program, &step->prepare[0], 0);
  }
  for (int i = 0; i < step->n_launches; i++) {
    if (step->launches[i].module != module)
      print_table(out, program->modules[module = step->launches[i].module].name);
    print_launch(out, program, &step->launches[i], i + 1);
  }
}

static void print_steps(FILE *out, const MlaProgram *program) {
  fprintf(out,
          "# The launches of `%s`\n\nIn the order in which they run. Bytes are read and written, operations "
          "done, for a batch of "
          "%" PRId64 ". A layer may come more\nthan once: forward, computed again, backward, update.\n",
          program->model, program->recipe.batch);
  print_step(out, program, &program->train, "A training step");
  if (program->eval.n_launches) print_step(out, program, &program->eval, "An evaluation");
}

bool emit_readme(const MlaProgram *program, const char *dir, MlaError *error) {
  return emit_printed(program, dir, "README.md", print_readme, error) &&
         emit_printed(program, dir, "steps.md", print_steps, error);
}
