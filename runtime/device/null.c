// The null device: reserves addresses, runs nothing and counts launches. What is downloaded is zero.
#include "runtime/device/backend.h"
#include "runtime/program_check.h"

#include <stdlib.h>
#include <string.h>

bool mla_null_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  (void)device, (void)options, (void)error;
  return true;
}

void mla_null_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room) {
  (void)device, (void)program;
  *room = (MlaRoom){.free_bytes = -1};
}

MlaLoaded *mla_null_load(MlaDevice *device, const MlaProgram *program, MlaError *error) {
  MlaLoaded *loaded = calloc(1, sizeof *loaded);
  if (!loaded) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  *loaded = (MlaLoaded){.device = device, .program = program};
  if (mla_program_check(program, error) && mla_host_alloc(loaded, false, error)) return loaded;
  mla_null_unload(loaded);
  return NULL;
}

bool mla_null_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  if (!mla_check_step(loaded, step, batch, error)) return false;
  loaded->n_launches += step->n_launches;
  return true;
}

bool mla_null_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error) {
  (void)from;
  return mla_check_range(loaded, to, n_bytes, error);
}

bool mla_null_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, from, n_bytes, error)) return false;
  memset(to, 0, (size_t)n_bytes);
  return true;
}

void mla_null_unload(MlaLoaded *loaded) {
  mla_host_free(loaded);
  free(loaded);
}

void mla_null_close(MlaDevice *device) {
  (void)device;
}
