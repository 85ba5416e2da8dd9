// For the backends: the functions that a row of devices.def stands for (a forgotten one is a link error), and
// what backends share. Private to runtime/device.
#pragma once
#include "runtime/device/device.h"

#define FEEDS_CPU(id)
#define FEEDS_CUDA(id)                                                                                       \
  unsigned char *mla_##id##_packet(MlaLoaded *loaded, int packet, MlaError *error);                          \
  bool mla_##id##_feed(MlaLoaded *loaded, const MlaStep *step, int packet, int64_t batch, MlaError *error);
#define DEVICE(id, text, for_target, ...)                                                                    \
  FEEDS_##for_target(id) bool mla_##id##_open(MlaDevice *device, const MlaDeviceOptions *options,            \
                                              MlaError *error);                                              \
  void mla_##id##_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room);                   \
  MlaLoaded *mla_##id##_load(MlaDevice *device, const MlaProgram *program, MlaError *error);                 \
  bool mla_##id##_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error);               \
  bool mla_##id##_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error);  \
  bool mla_##id##_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error);      \
  void mla_##id##_unload(MlaLoaded *loaded);                                                                 \
  void mla_##id##_close(MlaDevice *device);
#include "runtime/device/devices.def"
#undef DEVICE
#undef FEEDS_CPU
#undef FEEDS_CUDA

// Whether the kernels' text is for this device; the program has been checked.
bool mla_check_target(const MlaDevice *device, const MlaProgram *program, MlaError *error);
// Whether [at, at + n_bytes) lies in the allocation; `batch` and `step` belong to the program.
bool mla_check_range(const MlaLoaded *loaded, DevPtr at, int64_t n_bytes, MlaError *error);
bool mla_check_step(const MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error);
// Whether launch_seconds counts this run: a whole step of training.
bool mla_is_timed(const MlaProgram *program, const MlaStep *step, int64_t batch);
// Whether the program has this packet, and the step, if it is not NULL, is prepared from it.
bool mla_check_packet(const MlaLoaded *loaded, const MlaStep *step, int packet, MlaError *error);
// What is sent of a packet with the pixels of `batch` images.
int64_t mla_packet_bytes(const MlaProgram *program, int64_t batch);
// The launches that prepare a step, as a step.
static inline MlaStep mla_prepare_step(const MlaStep *step) {
  return (MlaStep){.launches = step->prepare, .n_launches = step->n_prepare};
}

// The one allocation of a program in host memory: zeroed pages, all regions. Fills base, region_start and
// n_bytes. `is_backed` false: addresses only, no memory behind them.
bool mla_host_alloc(MlaLoaded *loaded, bool is_backed, MlaError *error);
void mla_host_free(MlaLoaded *loaded);

// For every launch of both steps the addresses of its buffers, made once.
typedef struct MlaBinding {
  void **pointers;         // all launches of one step after the other
  void *const **of_launch; // [n_launches] into pointers
} MlaBinding;
bool mla_bind(const MlaLoaded *loaded, const MlaStep *step, MlaBinding *binding, MlaError *error);
void mla_unbind(MlaBinding *binding);
