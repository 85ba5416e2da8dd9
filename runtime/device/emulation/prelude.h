// The emulation's prelude: CUDA text as C++ for the host. Threads, barriers and shuffles are calls of the runtime.
//
// The text is compiled with -fsanitize=thread,bounds,alignment,...: the compiler then puts a call before every
// access to memory that is not surely the thread's own, and before every doubtful index or address. The functions
// that it calls are written here and not taken from the sanitizers' libraries: they ask the runtime whether this CUDA
// thread may touch this address now.
#line 1 "prelude"
#define MLA_EMULATED
#define MLA_UNCHECKED __attribute__((no_sanitize("thread", "undefined"), noinline, unused))
#define MLA_FN        inline __attribute__((always_inline, unused))
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict

// Threads of a block share what one worker has: a static array becomes thread-local of the worker. In front of each
// stands a guard that nobody may touch.
#define MLA_JOIN_TEXT(a, b) a##b
#define MLA_JOIN(a, b)      MLA_JOIN_TEXT(a, b)
#define MLA_GUARDED(guard)                                                                                   \
  static __thread __attribute__((used, no_reorder, aligned(64))) unsigned char guard[64];                    \
  mla_guard(guard, 64);
#define __shared__                                                                                           \
  MLA_GUARDED(MLA_JOIN(mla_guard_, __COUNTER__))                                                             \
  static __thread __attribute__((used, no_reorder, aligned(64)))
// Dynamic shared memory: MLA_DYNAMIC_SHARED(real, tile); names a pointer.
#define MLA_DYNAMIC_SHARED(type, name) type *const name = (type *)mla_dynamic_shared()

#define MLA_SITE                                                                                             \
  ([]() -> const MlaSite * {                                                                                 \
    static const MlaSite site = {__FILE__, __LINE__};                                                        \
    return &site;                                                                                            \
  }())

extern "C" {
float expf(float);
double exp(double);
float logf(float);
double log(double);
float sqrtf(float);
double sqrt(double);
float erff(float);
double erf(double);
float fabsf(float);
double fabs(double);
float fmaf(float, float, float);
double fma(double, double, double);
void *memcpy(void *, const void *, unsigned long);
}
MLA_FN float exp(float x) {
  return expf(x);
}
MLA_FN float log(float x) {
  return logf(x);
}
MLA_FN float sqrt(float x) {
  return sqrtf(x);
}
MLA_FN float erf(float x) {
  return erff(x);
}
MLA_FN float fabs(float x) {
  return fabsf(x);
}
MLA_FN float fma(float x, float y, float z) {
  return fmaf(x, y, z);
}

#define MLA_CALLER __builtin_return_address(0)
static __thread MlaThread *mla_self;
static const MlaServices *mla_services;

// ---- threads
MLA_UNCHECKED static MlaIndex mla_thread_index() {
  return mla_self->thread;
}
MLA_UNCHECKED static MlaIndex mla_block_index() {
  return mla_self->block;
}
MLA_UNCHECKED static MlaIndex mla_block_extent() {
  return mla_self->threads;
}
MLA_UNCHECKED static MlaIndex mla_grid_extent() {
  return mla_self->blocks;
}
MLA_UNCHECKED static void *mla_dynamic_shared() {
  return mla_self->dynamic_shared;
}
MLA_UNCHECKED static void mla_guard(const void *at, long n_bytes) {
  mla_services->guard(mla_self, at, n_bytes);
}
#define threadIdx (mla_thread_index())
#define blockIdx  (mla_block_index())
#define blockDim  (mla_block_extent())
#define gridDim   (mla_grid_extent())

// ---- barriers
MLA_UNCHECKED static void mla_sync_block(const MlaSite *site) {
  mla_services->block_barrier(mla_self, site);
}
MLA_UNCHECKED static void mla_gather(const MlaSite *site, unsigned mask, int is_barrier, const void *mine,
                                     int n_bytes, void *all) {
  mla_services->collective(mla_self, site, mask, is_barrier, mine, n_bytes, all);
}
MLA_UNCHECKED static void mla_fault(const MlaSite *site, const char *what) {
  mla_services->fault(mla_self, site->file, site->line, nullptr, what);
}
MLA_UNCHECKED static unsigned mla_take_ticket(unsigned *ticket, unsigned n_blocks) {
  return mla_services->take_ticket(mla_self, ticket, n_blocks, MLA_CALLER);
}
struct MlaWholeWarp {
  unsigned mask;
  MlaWholeWarp(unsigned chosen = 0xFFFFFFFFu) : mask(chosen) {}
};
#define __syncthreads()       mla_sync_block(MLA_SITE)
#define __syncwarp(...)       mla_gather(MLA_SITE, MlaWholeWarp(__VA_ARGS__).mask, 1, nullptr, 0, nullptr)
#define __threadfence_block() ((void)0)

// ---- shuffles. A lane outside of `width` lanes' section is the lane's own.
template <typename T>
MLA_UNCHECKED static T mla_shuffle(const MlaSite *site, unsigned mask, T value, int lane, int source) {
  static_assert(sizeof(T) <= 32, "too much for a shuffle");
  T all[32];
  mla_gather(site, mask, 0, &value, (int)sizeof(T), all);
  if (source != lane && !(mask >> source & 1)) mla_fault(site, "shuffle from a lane that is not in its mask");
  return all[source];
}
MLA_UNCHECKED static int mla_lane() {
  return (int)(mla_self->thread.x & 31);
}
template <typename T>
MLA_UNCHECKED static T mla_shuffle_from(const MlaSite *site, unsigned mask, T value, int source,
                                        int width = 32) {
  const int lane = mla_lane();
  return mla_shuffle(site, mask, value, lane, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <typename T>
MLA_UNCHECKED static T mla_shuffle_down(const MlaSite *site, unsigned mask, T value, unsigned by,
                                        int width = 32) {
  const int lane = mla_lane(), source = lane + (int)by;
  return mla_shuffle(site, mask, value, lane, (lane & (width - 1)) + (int)by < width ? source : lane);
}
template <typename T>
MLA_UNCHECKED static T mla_shuffle_up(const MlaSite *site, unsigned mask, T value, unsigned by,
                                      int width = 32) {
  const int lane = mla_lane(), source = lane - (int)by;
  return mla_shuffle(site, mask, value, lane, (lane & (width - 1)) >= (int)by ? source : lane);
}
template <typename T>
MLA_UNCHECKED static T mla_shuffle_xor(const MlaSite *site, unsigned mask, T value, int by, int width = 32) {
  const int lane = mla_lane(), source = lane ^ by;
  return mla_shuffle(site, mask, value, lane,
                     (source & ~(width - 1)) == (lane & ~(width - 1)) ? source : lane);
}
MLA_UNCHECKED static unsigned mla_ballot(const MlaSite *site, unsigned mask, int is_set) {
  int all[32];
  unsigned result = 0;
  mla_gather(site, mask, 0, &is_set, (int)sizeof is_set, all);
  for (int lane = 0; lane < 32; lane++)
    if (mask >> lane & 1 && all[lane]) result |= 1u << lane;
  return result;
}
#define __shfl_sync(mask, ...)      mla_shuffle_from(MLA_SITE, mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) mla_shuffle_down(MLA_SITE, mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...)   mla_shuffle_up(MLA_SITE, mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...)  mla_shuffle_xor(MLA_SITE, mask, __VA_ARGS__)
#define __ballot_sync(mask, is_set) mla_ballot(MLA_SITE, mask, (is_set) != 0)
