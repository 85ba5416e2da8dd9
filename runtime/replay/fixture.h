// A fixture: training steps that another program recorded. NAME.safetensors has the numbers, NAME.json beside it (the
// sidecar) says what they are. Tensors are called GROUP/NAME; a large one may be stored as every p-th of its elements,
// GROUP/NAME@p.
#pragma once
#include "runtime/error.h"
#include "runtime/files/safetensors.h"
#include <jansson.h>

typedef struct MlaFixture {
  const char *path;   // of the numbers: the caller's text
  char *sidecar_path; // owned
  MlaTensorFile file; // owned
  json_t *sidecar;    // owned
  int64_t steps;      // recorded
  int64_t batch;      // images of a step
  int64_t image[3];   // channels, height, width
} MlaFixture;

// A tensor of the fixture, whole (stride 1) or sampled.
typedef struct MlaRecorded {
  const MlaTensor *tensor; // NULL: not there
  int64_t stride;
} MlaRecorded;

// Checks what every fixture has: the sidecar, batch/images and batch/labels.
bool mla_fixture_open(MlaFixture *fixture, const char *path, MlaError *error);
void mla_fixture_close(MlaFixture *fixture);

MlaRecorded mla_fixture_find(const MlaFixture *fixture, const char *group, const char *name);
// The same for a tensor that must be there, with this shape (sampled: with as many elements as the sample of it has).
bool mla_fixture_need(const MlaFixture *fixture, const char *group, const char *name, int rank,
                      const int64_t *dim, MlaRecorded *found, MlaError *error);
int64_t mla_tensor_elems(const MlaTensor *tensor);
// Element i, whatever its type (F32, F64 or I32: mla_fixture_open has checked).
double mla_fixture_number(const MlaFixture *fixture, const MlaTensor *tensor, int64_t i);
