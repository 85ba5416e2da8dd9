// The reference device: every launch is a host function of the compiler, in double precision, on one thread.
#include "runtime/device/backend.h"
#include "runtime/device/room.h"
#include "runtime/program_check.h"

#include <stdlib.h>
#include <string.h>

typedef struct Reference {
  MlaLoaded loaded;
  MlaBinding train, eval;
} Reference;

bool mla_reference_open(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error) {
  (void)device, (void)options, (void)error;
  return true;
}

static bool check_host(const MlaStep *step, MlaError *error) {
  for (int i = 0; i < step->n_launches; i++)
    if (!step->launches[i].host)
      return mla_fail(error, MLA_ERROR_INPUT,
                      "launch `%s` has no reference function: the program is another device's",
                      step->launches[i].name);
  return true;
}

void mla_reference_room(const MlaDevice *device, const MlaProgram *program, MlaRoom *room) {
  (void)device, (void)program;
  *room = (MlaRoom){.free_bytes = -1};
  mla_host_room(room);
}

MlaLoaded *mla_reference_load(MlaDevice *device, const MlaProgram *program, MlaError *error) {
  Reference *self = calloc(1, sizeof *self);
  if (!self) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory"), NULL;
  self->loaded = (MlaLoaded){.device = device, .program = program};
  if (mla_program_check(program, error) && check_host(&program->train, error) &&
      check_host(&program->eval, error) &&
      (program->elem == MLA_F64 ||
       mla_fail(error, MLA_ERROR_INPUT, "the reference device computes in f64 and the program is f32")) &&
      mla_check_room(device, program, error) && mla_host_alloc(&self->loaded, true, error) &&
      mla_bind(&self->loaded, &program->train, &self->train, error) &&
      mla_bind(&self->loaded, &program->eval, &self->eval, error))
    return &self->loaded;
  mla_reference_unload(&self->loaded);
  return NULL;
}

bool mla_reference_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  Reference *self = (Reference *)loaded;
  if (!mla_check_step(loaded, step, batch, error)) return false;
  const MlaBinding *binding = step == &loaded->program->train ? &self->train : &self->eval;
  for (int i = 0; i < step->n_launches; i++)
    step->launches[i].host(step->launches[i].host_call, binding->of_launch[i], batch);
  loaded->n_launches += step->n_launches;
  return true;
}

bool mla_reference_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, to, n_bytes, error)) return false;
  memcpy(to.address, from, (size_t)n_bytes);
  return true;
}

bool mla_reference_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  if (!mla_check_range(loaded, from, n_bytes, error)) return false;
  memcpy(to, from.address, (size_t)n_bytes);
  return true;
}

void mla_reference_unload(MlaLoaded *loaded) {
  Reference *self = (Reference *)loaded;
  mla_unbind(&self->train);
  mla_unbind(&self->eval);
  mla_host_free(loaded);
  free(self);
}

void mla_reference_close(MlaDevice *device) {
  (void)device;
}
