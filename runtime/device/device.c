// The registry of devices and what all of them share: where a program's buffers and states lie.
#include "runtime/device/device.h"
#include "runtime/device/backend.h"
#include "runtime/device/cuda/gpu.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FEEDS_CPU(id)
#define FEEDS_CUDA(id) .packet = mla_##id##_packet, .feed = mla_##id##_feed,
#define DEVICE(id, text, for_target, line)                                                                   \
  static const MlaDeviceOps id = {                                                                           \
      .name = text,                                                                                          \
      .target = MLA_TARGET_##for_target,                                                                     \
      .doc = line,                                                                                           \
      .open = mla_##id##_open,                                                                               \
      .room = mla_##id##_room,                                                                               \
      .load = mla_##id##_load,                                                                               \
      .run = mla_##id##_run,                                                                                 \
      .upload = mla_##id##_upload,                                                                           \
      .download = mla_##id##_download,                                                                       \
      FEEDS_##for_target(id).unload = mla_##id##_unload,                                                     \
      .close = mla_##id##_close,                                                                             \
  };
#include "runtime/device/devices.def"
#undef DEVICE
#undef FEEDS_CPU
#undef FEEDS_CUDA

const MlaDeviceOps *const *mla_device_list(void) {
  static const MlaDeviceOps *const devices[] = {
#define DEVICE(id, ...) &id,
#include "runtime/device/devices.def"
#undef DEVICE
      NULL};
  return devices;
}

static bool fail_unknown(const char *name, MlaError *error) {
  char known[256] = "";
  for (const MlaDeviceOps *const *ops = mla_device_list(); *ops; ops++) {
    strncat(known, known[0] ? ", " : "", sizeof known - strlen(known) - 1);
    strncat(known, (*ops)->name, sizeof known - strlen(known) - 1);
  }
  return mla_fail(error, MLA_ERROR_SYSTEM, "there is no device `%s`; known: %s", name, known);
}

bool mla_device_open(MlaDevice *device, const char *name, const MlaDeviceOptions *options, MlaError *error) {
  for (const MlaDeviceOps *const *ops = mla_device_list(); *ops; ops++) {
    if (strcmp((*ops)->name, name) != 0) continue;
    *device = (MlaDevice){.ops = *ops};
    if ((*ops)->open(device, options, error)) return true;
    *device = (MlaDevice){0};
    return false;
  }
  return fail_unknown(name, error);
}

MlaDeviceChoice mla_device_choose(void) {
  MlaDeviceChoice choice = {.name = getenv("MLAANC_DEVICE"), .why = "$MLAANC_DEVICE"};
  if (choice.name && *choice.name) return choice;
  switch (mla_cuda_look(&choice.lacking)) {
  case CUDA_READY: choice.name = "cuda", choice.why = "the machine has a GPU"; return choice;
  case CUDA_INCOMPLETE: choice.why = "CUDA is incomplete"; break;
  case CUDA_NO_GPU: choice.why = "no GPU"; break;
  }
  choice.name = "cpu";
  return choice;
}

void mla_device_close(MlaDevice *device) {
  if (device->ops) device->ops->close(device);
  *device = (MlaDevice){0};
}

static DevPtr address_in(const MlaLoaded *loaded, MlaRegion region, int64_t offset) {
  return (DevPtr){loaded->base.address + loaded->region_start[region] + offset};
}

DevPtr mla_buffer(const MlaLoaded *loaded, int buffer) {
  const MlaBuffer *b = &loaded->program->buffers[buffer];
  return address_in(loaded, b->region, b->offset);
}

DevPtr mla_state(const MlaLoaded *loaded, int state) {
  const MlaState *s = &loaded->program->states[state];
  return address_in(loaded, s->region, s->offset);
}

int64_t mla_state_bytes(const MlaProgram *program, int state) {
  const MlaState *s = &program->states[state];
  int64_t n_bytes = program->elem == MLA_F64 ? 8 : 4;
  for (int i = 0; i < s->rank; i++) n_bytes *= s->dim[i];
  return n_bytes;
}

int64_t mla_layout_regions(const MlaProgram *program, int64_t region_start[MLA_N_REGIONS]) {
  int64_t end = 0;
  for (int region = 0; region < MLA_N_REGIONS; region++) {
    region_start[region] = end;
    end += (program->region_bytes[region] + 63) / 64 * 64;
  }
  return end;
}

bool mla_check_target(const MlaDevice *device, const MlaProgram *program, MlaError *error) {
  static const char *const names[] = {"cpu", "cuda"};
  if (program->target == device->ops->target) return true;
  return mla_fail(error, MLA_ERROR_INPUT,
                  "the program's kernels are for %s and the device `%s` runs those for %s; compile the model "
                  "again with --device %s",
                  names[program->target], device->ops->name, names[device->ops->target], device->ops->name);
}

bool mla_check_range(const MlaLoaded *loaded, DevPtr at, int64_t n_bytes, MlaError *error) {
  uintptr_t begin = (uintptr_t)loaded->base.address, where = (uintptr_t)at.address;
  if (n_bytes >= 0 && n_bytes <= loaded->n_bytes && where >= begin &&
      where - begin <= (uintptr_t)(loaded->n_bytes - n_bytes))
    return true;
  return mla_fail(error, MLA_ERROR_SYSTEM,
                  "a copy of %" PRId64 " bytes leaves the device's allocation of %" PRId64, n_bytes,
                  loaded->n_bytes);
}

bool mla_is_timed(const MlaProgram *program, const MlaStep *step, int64_t batch) {
  return step == &program->train && batch == program->recipe.batch;
}

void mla_restart_times(MlaLoaded *loaded) {
  if (!loaded->launch_seconds) return;
  memset(loaded->launch_seconds, 0,
         sizeof *loaded->launch_seconds * (size_t)loaded->program->train.n_launches);
  loaded->n_timed = 0;
  loaded->timed_seconds = 0;
  loaded->trace.n_steps = 0;
}

bool mla_check_step(const MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  const MlaProgram *program = loaded->program;
  if (step != &program->train && step != &program->eval)
    return mla_fail(error, MLA_ERROR_SYSTEM, "the step is not of the loaded program");
  if (batch >= 1 && batch <= program->recipe.batch) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "a batch of %" PRId64 " images; the plan is for 1 to %" PRId64,
                  batch, program->recipe.batch);
}

bool mla_check_packet(const MlaLoaded *loaded, const MlaStep *step, int packet, MlaError *error) {
  bool is_there = packet >= 0 && packet < MLA_N_PACKETS && loaded->program->packet.n_bytes;
  if (is_there && (!step || packet < step->n_prepare)) return true;
  return mla_fail(error, MLA_ERROR_SYSTEM, "the program has no packet %d%s", packet,
                  step ? " for this step" : "");
}

int64_t mla_packet_bytes(const MlaProgram *program, int64_t batch) {
  const MlaData *data = &program->data;
  return program->packet.pixels + batch * data->height * data->width * data->channels;
}
