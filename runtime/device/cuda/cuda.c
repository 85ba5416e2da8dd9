// The CUDA device: NVRTC compiles the kernels, the CUDA runtime runs them; both are opened when the device is. One
// stream carries everything, so copies and steps happen in the order they are asked for.
#include "runtime/device/cuda/cuda.h"
#include "runtime/device/room.h"
#include "runtime/program_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- opening ----

// Two transfers a clock.
static double bandwidth_of(const Cudart *rt) {
  int khz = 0, bits = 0;
  if (rt->DeviceGetAttribute(&khz, CUDA_ATTRIBUTE_MEMORY_KHZ, 0) != 0 ||
      rt->DeviceGetAttribute(&bits, CUDA_ATTRIBUTE_MEMORY_BITS, 0) != 0)
    rt->GetLastError();
  return 1e3 * (double)khz * 2 * bits / 8;
}

// Makes the GPU's context: what it takes of the memory is taken before anybody asks how much is free.
static bool take_gpu(MlaDevice *device, Cuda *cuda, MlaError *error) {
  const Cudart *rt = &cuda->rt;
  size_t n_free = 0, n_total = 0;
  if (!mla_cuda_find_gpu(rt, &cuda->gpu, error) ||
      !mla_cuda_check(rt, rt->SetDevice(0), "choosing the GPU", error) ||
      !mla_cuda_check(rt, rt->MemGetInfo(&n_free, &n_total), "asking for the GPU's memory", error))
    return false;
  snprintf(device->about, sizeof device->about, "%s, sm_%d, %.1f of %.1f GiB free", cuda->gpu.name,
           cuda->gpu.arch, (double)n_free / (1 << 30), (double)n_total / (1 << 30));
  snprintf(device->kind, sizeof device->kind, "%s, sm_%d, ABI %d", cuda->gpu.name, cuda->gpu.arch,
           MLA_CUDA_ABI);
  device->bandwidth = bandwidth_of(rt);
  return true;
}

bool mla_cuda_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  Cuda *cuda = calloc(1, sizeof *cuda);
  if (!cuda) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  device->self = cuda;
  const char *check = getenv("MLAANC_CUDA_CHECK");
  cuda->is_checked = check && *check && strcmp(check, "0") != 0;
  cuda->verbose = options->verbose;
  cuda->matmul = options->matmul;
  cuda->is_traced = options->is_traced;
  cuda->is_profiled = options->is_profiled || options->is_traced;
  cuda->cache_dir = options->cache_dir ? strdup(options->cache_dir) : NULL;
  bool good = !options->cache_dir || cuda->cache_dir || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  // Kernels are loaded with their unit, not when a capture first meets them; the user may have said otherwise.
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  // A driver runs what an NVRTC of its own major version makes, and older ones.
  good = good && mla_cudart_open(&cuda->rt, error) && take_gpu(device, cuda, error) &&
         mla_nvrtc_open(&cuda->nvrtc, cuda->rt.driver / 1000, error) &&
         mla_nvrtc_target(&cuda->nvrtc, cuda->gpu.arch, error);
  if (!good) mla_cuda_close(device);
  return good;
}

void mla_cuda_close(MlaDevice *device) {
  Cuda *cuda = device->self;
  mla_nvrtc_close(&cuda->nvrtc);
  mla_cudart_close(&cuda->rt);
  free(cuda->cache_dir);
  free(cuda);
}

// ---- units ----

static char *read_bytes(const char *path, MlaError *error) {
  FILE *file = fopen(path, "r");
  long n = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  char *bytes = n > 0 ? malloc((size_t)n) : NULL;
  bool good = bytes && fseek(file, 0, SEEK_SET) == 0 && fread(bytes, 1, (size_t)n, file) == (size_t)n;
  if (file) fclose(file);
  if (good) return bytes;
  free(bytes);
  return mla_fail(error, MLA_ERROR_SYSTEM, "cannot read %s", path), NULL;
}

static void *load_unit(void *self, const char *path, MlaError *error) {
  const Cuda *cuda = self;
  CudaUnit unit = NULL;
  char *cubin = read_bytes(path, error);
  if (!cubin) return NULL;
  CudaStatus status =
      cuda->rt.LibraryLoadData(&unit, cubin, NULL, NULL, 0, NULL, NULL, 0); // copies what it needs
  free(cubin);
  return mla_cuda_check(&cuda->rt, status, "loading compiled kernels", error) ? unit : NULL;
}

static void *find_kernel(void *self, void *unit, const char *symbol) {
  const Cuda *cuda = self;
  CudaKernel kernel = NULL;
  if (cuda->rt.LibraryGetKernel(&kernel, unit, symbol) == 0) return kernel;
  cuda->rt.GetLastError();
  return NULL;
}

static void unload_unit(void *self, void *unit) {
  ((const Cuda *)self)->rt.LibraryUnload(unit);
}

static bool compile(CudaLoaded *self, MlaError *error) {
  Cuda *cuda = self->cuda;
  MlaToolchain toolchain = mla_nvrtc_toolchain(&cuda->nvrtc);
  toolchain.self = cuda;
  toolchain.load = load_unit;
  toolchain.find = find_kernel;
  toolchain.unload = unload_unit;
  MlaJitOptions options = {
      .cache_dir = cuda->cache_dir, .verbose = cuda->verbose, .has_warned = &cuda->has_warned};
  MlaLoaded *loaded = &self->loaded;
  if (!mla_jit_load(loaded->program, &toolchain, &options, &self->code, error)) return false;
  mla_jit_describe(&self->code, loaded);
  return true;
}

// ---- memory ----

void mla_cuda_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room) {
  const Cudart *rt = &((const Cuda *)device->self)->rt;
  size_t n_free = 0, n_total = 0;
  *room = (MlaRoom){.free_bytes = -1, .beside = "kernels, graphs, tables and workspaces", .place = "the GPU"};
  room->beside_bytes =
      CUDA_RESERVE_BYTES + mla_cuda_table_bytes(program) + mla_cuda_workspace_bytes(device->self, program);
  if (rt->MemGetInfo(&n_free, &n_total) != 0) {
    rt->GetLastError();
    return;
  }
  room->free_bytes = (int64_t)n_free;
  room->total_bytes = (int64_t)n_total;
}

static bool allocate(CudaLoaded *self, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  MlaLoaded *loaded = &self->loaded;
  void *memory = NULL;
  loaded->n_bytes = mla_layout_regions(loaded->program, loaded->region_start);
  if (!loaded->n_bytes) return mla_fail(error, MLA_ERROR_INPUT, "the program has no memory at all");
  if (!mla_cuda_check(rt, rt->StreamCreateWithFlags(&self->stream, CUDA_STREAM_NON_BLOCKING),
                      "making a stream", error))
    return false;
  CudaStatus status = rt->Malloc(&memory, (size_t)loaded->n_bytes);
  if (status == CUDA_OUT_OF_MEMORY) { // taken by somebody since we asked, or in pieces
    rt->GetLastError();
    return mla_fail(
        error, MLA_ERROR_SYSTEM,
        "the GPU does not give the plan's %.1f MiB in one piece, though it had more free: does another "
        "program use it (nvidia-smi)?",
        (double)loaded->n_bytes / (1 << 20));
  }
  loaded->base.address = memory;
  return mla_cuda_check(rt, status, "allocating the plan's memory", error) &&
         mla_cuda_check(rt, rt->MemsetAsync(memory, 0, (size_t)loaded->n_bytes, self->stream),
                        "clearing memory", error);
}

static bool check_kernels(const MlaStep *step, MlaError *error) {
  for (int i = 0; i < step->n_launches; i++)
    if (step->launches[i].kernel < 0)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "launch `%s` has no kernel: the program is the reference device's",
                      step->launches[i].name);
  return true;
}

MlaLoaded *mla_cuda_load(MlaDevice *device, const MlaProgram *program, MlaError *error) {
  CudaLoaded *self = calloc(1, sizeof *self);
  if (!self) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  self->cuda = device->self;
  self->loaded = (MlaLoaded){.device = device, .program = program};
  if (mla_program_check(program, error) && mla_check_target(device, program, error) &&
      check_kernels(&program->train, error) && check_kernels(&program->eval, error) &&
      mla_check_room(device, program, error) && compile(self, error) && allocate(self, error) &&
      mla_cuda_bind(self, error) && mla_cuda_open_packets(self, error) && mla_cuda_profile_begin(self, error))
    return &self->loaded;
  mla_cuda_unload(&self->loaded);
  return NULL;
}

void mla_cuda_unload(MlaLoaded *loaded) {
  CudaLoaded *self = (CudaLoaded *)loaded;
  const Cudart *rt = &self->cuda->rt;
  if (self->stream) rt->StreamSynchronize(self->stream);
  mla_cuda_profile_end(self);
  mla_cuda_close_packets(self);
  mla_cuda_unbind(self);
  mla_jit_unload(&self->code);
  if (loaded->base.address) rt->Free(loaded->base.address);
  if (self->stream) rt->StreamDestroy(self->stream);
  free(self);
}

// ---- steps and copies ----

bool mla_cuda_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  if (!mla_check_step(loaded, step, batch, error)) return false;
  if (!mla_cuda_replay((CudaLoaded *)loaded, step, batch, error) ||
      !mla_cuda_profile_add((CudaLoaded *)loaded, step, batch, error))
    return false;
  loaded->n_launches += step->n_launches;
  return true;
}

// `from` is ordinary memory: the runtime has taken it in when the call returns, and the caller may change it.
bool mla_cuda_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error) {
  CudaLoaded *self = (CudaLoaded *)loaded;
  const Cudart *rt = &self->cuda->rt;
  return mla_check_range(loaded, to, n_bytes, error) &&
         mla_cuda_check(rt, rt->MemcpyAsync(to.address, from, (size_t)n_bytes, CUDA_TO_DEVICE, self->stream),
                        "copying to the GPU", error);
}

// Waits for what runs before; a kernel's fault shows here.
bool mla_cuda_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  CudaLoaded *self = (CudaLoaded *)loaded;
  const Cudart *rt = &self->cuda->rt;
  return mla_check_range(loaded, from, n_bytes, error) &&
         mla_cuda_check(rt, rt->MemcpyAsync(to, from.address, (size_t)n_bytes, CUDA_TO_HOST, self->stream),
                        "copying from the GPU", error) &&
         mla_cuda_check(rt, rt->StreamSynchronize(self->stream),
                        "a step on the GPU failed ($MLAANC_CUDA_CHECK=1 finds the launch)", error);
}
