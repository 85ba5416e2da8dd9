// Feeding a step of the program: batch in, launches run, single numbers out. For this folder and runtime/replay.
#pragma once
#include "runtime/data/data.h"
#include "runtime/device/device.h"

// Whether the step's buffers have the sizes that its data, batch and classes ask for.
bool mla_step_check(const MlaProgram *program, const MlaStep *step, MlaError *error);
// Uploads or feeds what the step takes of images, labels, learning rate and keys, and runs it. `number`: of the step,
// from 0. It may still be running on return.
bool mla_step_run(MlaLoaded *loaded, const MlaStep *step, const MlaBatch *batch, double learning_rate,
                  int64_t number, MlaError *error);
// The number in a buffer of one element.
bool mla_read_number(MlaLoaded *loaded, int buffer, double *value, MlaError *error);
