// One CUDA kernel run by the emulated-cuda device, for the tests of the emulation: text in, buffers in and out.
#pragma once
#include "runtime/device/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ARRAYS = 4, KERNEL_SYMBOL_BYTES = 64 };

typedef struct Array {
  void *data; // of the program's element type, unless is_words
  int n;
} Array;

typedef struct Trial {
  const char *symbol, *text;
  MlaElem elem;
  int threads, blocks, batch;
  int64_t shared_bytes;
  Array arrays[MOST_ARRAYS];
  int n_arrays;
  int n_read;      // the first arrays are only read; 0: the launch does not tell
  bool has_ticket; // the buffer behind the arrays
  int workers;     // 0: as many as there are processors
} Trial;

typedef struct TrialProgram {
  MlaProgram program;
  MlaBuffer buffers[MOST_ARRAYS + 1];
  MlaKernel kernel;
  MlaLaunch launch;
  MlaModule module;
  int32_t used[MOST_ARRAYS + 1];
} TrialProgram;

static inline void make_program(TrialProgram *p, const Trial *t) {
  static const char *const names[MOST_ARRAYS] = {"first", "second", "third", "fourth"};
  *p = (TrialProgram){0};
  int64_t offset = 0, elem_bytes = t->elem == MLA_F64 ? 8 : 4;
  for (int i = 0; i < t->n_arrays; i++) {
    p->buffers[i] = (MlaBuffer){names[i], MLA_WORK, t->elem, offset, t->arrays[i].n * elem_bytes};
    p->used[i] = i;
    offset += (t->arrays[i].n * elem_bytes + 63) / 64 * 64; // often right beside the next one
  }
  int n_buffers = t->n_arrays + t->has_ticket;
  p->buffers[t->n_arrays] = (MlaBuffer){"ticket", MLA_TICKETS, MLA_I32, 0, 4};
  p->used[t->n_arrays] = t->n_arrays;
  p->kernel = (MlaKernel){
      .symbol = t->symbol, .text = t->text, .threads = t->threads, .shared_bytes = t->shared_bytes};
  p->launch = (MlaLaunch){.name = "trial", .buffers = p->used, .n_buffers = n_buffers, .parts = 1};
  if (t->n_read) {
    p->launch.reads = p->used, p->launch.n_reads = t->n_read;
    p->launch.writes = p->used + t->n_read, p->launch.n_writes = n_buffers - t->n_read;
  }
  p->launch.grid = (MlaGrid){.fixed = t->blocks, .per_block = 1};
  p->module = (MlaModule){.name = "only"};
  p->program = (MlaProgram){.model = "trial",
                            .target = MLA_TARGET_CUDA,
                            .elem = t->elem,
                            .buffers = p->buffers,
                            .n_buffers = n_buffers,
                            .kernels = &p->kernel,
                            .n_kernels = 1,
                            .modules = &p->module,
                            .n_modules = 1,
                            .region_bytes = {[MLA_WORK] = offset, [MLA_TICKETS] = 4}};
  MlaStep step = {&p->launch, 1, -1, -1, -1, -1, -1, offset, NULL, 0};
  p->program.train = p->program.eval = step;
  p->program.data =
      (MlaData){.name = "none", .format = "none", .classes = 1, .height = 1, .width = 1, .channels = 1};
  p->program.recipe = (MlaRecipe){.batch = t->batch ? t->batch : 1,
                                  .epochs = 1,
                                  .precision = t->elem == MLA_F64 ? MLA_PRECISION_F64 : MLA_PRECISION_F32};
}

static inline bool copy_arrays(MlaLoaded *loaded, const Trial *t, bool is_back, MlaError *error) {
  const MlaDeviceOps *ops = loaded->device->ops;
  for (int i = 0; i < t->n_arrays; i++) {
    int64_t n_bytes = loaded->program->buffers[i].n_bytes;
    bool good = is_back ? ops->download(loaded, t->arrays[i].data, mla_buffer(loaded, i), n_bytes, error)
                        : ops->upload(loaded, mla_buffer(loaded, i), t->arrays[i].data, n_bytes, error);
    if (!good) return false;
  }
  return true;
}

// False with the message if the device finds a fault.
static inline bool run_trial(const Trial *t, MlaError *error) {
  TrialProgram p;
  MlaDevice device;
  MlaDeviceOptions options = {.threads = t->workers};
  make_program(&p, t);
  *error = (MlaError){0};
  if (!mla_device_open(&device, "emulated-cuda", &options, error)) return false;
  MlaLoaded *loaded = device.ops->load(&device, &p.program, error);
  bool good = loaded && copy_arrays(loaded, t, false, error) &&
              device.ops->run(loaded, &p.program.train, p.program.recipe.batch, error) &&
              copy_arrays(loaded, t, true, error);
  if (loaded) device.ops->unload(loaded);
  mla_device_close(&device);
  return good;
}

#define KERNEL(symbol, threads, buffers)                                                                     \
  "extern \"C\" __global__ void __launch_bounds__(" #threads ") " #symbol "(const MlaBuffers<" #buffers      \
  "> buf, const int batch) {\n"
